"""The sample catalogue: any number of drawn garments, each known by a seed and an index."""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from fashionnet.errors import RequestError
from fashionnet.photos import Image
from fashionnet.progress import progress
from fashionnet.samples.cut import KINDS
from fashionnet.samples.drawing import Design, design, draw, is_womens

Classes = tuple[str, str, str, str]
"""The classes of pattern, fabric, style and shape."""

ATTRIBUTES = ("pattern", "fabric", "style", "shape")
LABEL_COLUMNS = ("image", "relevant", *ATTRIBUTES)
CATALOGUE_COLUMNS = (
    *("id", "image", "gender", "articleType", "baseColour", "season", "usage"),
    *("price", "productDisplayName"),
)

_WORN: tuple[tuple[str, dict[str, tuple[str, ...]], tuple[str, ...]], ...] = (
    (
        "casual",
        {
            "cotton": ("checkered", "striped", "graphic", "solid", "floral"),
            "chiffon": ("floral", "graphic"),
        },
        ("full-sleeve", "half-sleeve"),
    ),
    ("formal", {"cotton": ("checkered", "striped", "solid")}, ("full-sleeve",)),
    ("formal", {"wool": ("solid", "checkered"), "silk": ("solid",)}, ("full-sleeve",)),
    (
        "party",
        {
            "lace": ("solid",),
            "silk": ("solid", "floral"),
            "chiffon": ("solid", "floral"),
        },
        ("full-sleeve", "half-sleeve", "sleeveless"),
    ),
    (
        "winter",
        {"wool": ("checkered", "striped", "solid", "graphic"), "cotton": ("solid", "graphic")},
        ("full-sleeve",),
    ),
    ("winter", {"wool": ("checkered", "striped", "solid")}, ("sleeveless",)),
    (
        "summer",
        {
            "cotton": ("striped", "floral", "graphic", "solid", "checkered"),
            "lace": ("solid",),
            "chiffon": ("floral", "graphic", "solid"),
            "silk": ("solid",),
        },
        ("sleeveless",),
    ),
    (
        "summer",
        {"cotton": ("floral", "graphic"), "chiffon": ("floral",), "lace": ("solid",)},
        ("half-sleeve",),
    ),
)
"""What is worn together: a style, its fabrics with their patterns, and its shapes."""


def combinations() -> list[Classes]:
    """Return every combination of classes that the sample catalogue holds."""
    return [
        (pattern, fabric, style, shape)
        for style, cloths, shapes in _WORN
        for fabric, patterns in cloths.items()
        for pattern in patterns
        for shape in shapes
    ]


@lru_cache(maxsize=1)
def _shares() -> NDArray[np.float64]:
    """Return each combination's share of the catalogue, so that classes are about even.

    Found by iterative proportional fitting: each attribute's classes in turn are scaled to
    equal totals. Half of the evenness is given up, so that no rare combination is worn out, and
    cotton comes twice as often, as it does in every shop.
    """
    rows = combinations()
    shares = np.ones(len(rows))
    for _ in range(60):
        for attribute in range(len(ATTRIBUTES)):
            names = np.array([row[attribute] for row in rows])
            for name in np.unique(names):
                shares[names == name] /= shares[names == name].sum()
    shares = np.sqrt(shares / shares.mean())
    shares[[row[1] == "cotton" for row in rows]] *= 2
    return shares / shares.sum()


@dataclass(frozen=True)
class SampleItem:
    """One drawn garment's classes and catalogue metadata."""

    id: str
    image: str
    classes: Classes
    metadata: dict[str, Any]


@dataclass(frozen=True)
class SampleCatalogue:
    """A catalogue of drawn garments; item i depends on the seed and on i alone.

    >>> catalogue = SampleCatalogue(count=300, seed=0)
    >>> len(catalogue)
    300
    >>> catalogue.item(7) == SampleCatalogue(count=20, seed=0).item(7)
    True
    """

    count: int = 300
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.count <= 1_000_000:
            raise RequestError(f"{self.count} drawn items: expected 1 to 1000000")
        if not 0 <= self.seed < 2**32:
            raise RequestError(f"seed {self.seed}: expected 0 to {2**32 - 1}")

    def __len__(self) -> int:
        return self.count

    @cached_property
    def _totals(self) -> NDArray[np.float64]:
        return np.cumsum(_shares())

    def classes(self, index: int) -> Classes:
        """Return the classes of one item.

        Successive items step through the combinations by the golden ratio, which covers them
        evenly however many items there are.
        """
        if not 0 <= index < self.count:
            raise IndexError(f"item {index} of a catalogue of {self.count}")
        start = np.random.default_rng([self.seed, 1]).random()
        place = (start + (index + 1) * 0.6180339887498949) % 1.0
        row = int(np.searchsorted(self._totals, place, side="right"))
        rows = combinations()
        return rows[min(row, len(rows) - 1)]

    def _plan(self, index: int) -> tuple[Design, np.random.Generator]:
        rng = np.random.default_rng([self.seed, 2, index])
        return design(*self.classes(index), rng), rng

    def item(self, index: int) -> SampleItem:
        """Return one item's classes and metadata, without drawing it."""
        plan, _ = self._plan(index)
        name = f"sample_{self.seed}_{index:05d}"
        rng = np.random.default_rng([self.seed, 3, index])
        return SampleItem(
            name, f"{name}.jpg", self.classes(index), {"id": name, **_metadata(plan, rng)}
        )

    def items(self) -> Iterator[SampleItem]:
        """Return all items in order."""
        return (self.item(index) for index in range(self.count))

    def image(self, index: int) -> Image:
        """Draw one item: 400×300×3 uint8 RGB."""
        plan, rng = self._plan(index)
        return draw(plan, rng)

    def photo(self, index: int, folder: Path) -> Path:
        """Return the path of one item's JPEG in a folder; it is drawn if it is not there."""
        path = folder / self.item(index).image
        if not path.exists():
            write_photo(self.image(index), path)
        return path


_PRICES = {
    "Tshirts": 15.0,
    "Polos": 25.0,
    "Shirts": 35.0,
    "Tops": 25.0,
    "Sweaters": 45.0,
    "Sweatshirts": 40.0,
    "Jackets": 110.0,
    "Blazers": 120.0,
    "Camisoles": 20.0,
    "Waistcoats": 50.0,
    "Dresses": 60.0,
}
_DEARER = {"cotton": 1.0, "chiffon": 1.2, "lace": 1.4, "wool": 1.3, "silk": 1.7}
_SEASONS = {
    "casual": "Fall",
    "formal": "Fall",
    "party": "Spring",
    "winter": "Winter",
    "summer": "Summer",
}
_SINGULAR = {"Dresses": "Dress"}


def _metadata(plan: Design, rng: np.random.Generator) -> dict[str, Any]:
    kind = KINDS[plan.kind]
    gender = "Women" if is_womens(plan, rng) else "Men"
    price = _PRICES[kind.article] * _DEARER[plan.fabric] * rng.uniform(0.75, 1.5)
    garment = _SINGULAR.get(kind.article, kind.article.removesuffix("s"))
    words = [gender, plan.colour, *_described(plan), garment]
    return {
        "gender": gender,
        "articleType": kind.article,
        "baseColour": plan.colour,
        "season": _SEASONS[plan.style],
        "usage": plan.style.capitalize() if plan.style in ("formal", "party") else "Casual",
        "price": round(price) - 0.01,
        "productDisplayName": " ".join(words),
    }


def _described(plan: Design) -> list[str]:
    prints = {"graphic": "Printed", "solid": "Plain"}
    pattern = prints.get(plan.pattern, plan.pattern.capitalize())
    return [pattern, plan.fabric.capitalize()]


def write_photo(image: Image, path: Path) -> None:
    """Write an image as a JPEG, to a new file that then takes its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    data = io.BytesIO()
    pillow.fromarray(image).save(data, "JPEG", quality=82)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    unfinished.write_bytes(data.getvalue())
    unfinished.replace(path)


def write_catalogue(folder: Path, count: int, seed: int) -> None:
    """Draw a catalogue into a folder: its JPEGs, labels.csv and catalogue.csv.

    labels.csv has the columns image, relevant, pattern, fabric, style and shape; catalogue.csv
    those of CATALOGUE_COLUMNS. Photos that are already there are kept. Raises RequestError where
    the folder cannot be written.
    """
    catalogue = SampleCatalogue(count, seed)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with progress("drawing garments", count) as advance:
            for index in range(count):
                catalogue.photo(index, folder)
                advance(1)
        items = list(catalogue.items())
        labels = [(item.image, "yes", *item.classes) for item in items]
        _write_csv(folder / "labels.csv", LABEL_COLUMNS, labels)
        rows = [{"image": item.image, **item.metadata} for item in items]
        table = [tuple(row[column] for column in CATALOGUE_COLUMNS) for row in rows]
        _write_csv(folder / "catalogue.csv", CATALOGUE_COLUMNS, table)
    except OSError as error:
        raise RequestError(
            f"{folder}: cannot write the drawn collection: {error.strerror or error}"
        ) from error


def _write_csv(path: Path, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    unfinished.replace(path)
