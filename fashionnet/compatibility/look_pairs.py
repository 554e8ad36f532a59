"""Pairs of a scene and a product that was in it: what complete-the-look models learn from."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.worn_cuts import spread_cloth
from fashionnet.errors import RequestError
from fashionnet.photos import Image, decode, fingerprint, read_bytes

Box = tuple[float, float, float, float]
"""Left, top, right, bottom; as shares of the width and the height, from the upper left corner."""

Admissible = Callable[[NDArray[np.intp], NDArray[np.intp]], NDArray[np.bool_]]
"""From rows of scenes (S,) and of products (P,) to bool (S, P): what may be a wrong pair."""


@dataclass(frozen=True)
class Picture:
    """A photo, or a part of one.

    Attributes:
        path: the photo's file.
        box: the part to see; all of it where there is none.
        cloth: the file is a window of cloth, to be spread over a square.
    """

    path: Path
    box: Box | None = None
    cloth: bool = False

    def read(self) -> tuple[str, Image]:
        """Return a key that changes with the pixels, and the image; UnreadablePhotoError."""
        data = read_bytes(self.path)
        key = fingerprint(data + repr((self.box, self.cloth)).encode())
        image = decode(data)
        if self.box:
            image = cropped(image, self.box)
        return key, spread_cloth(image) if self.cloth else image


@dataclass(frozen=True, eq=False)
class LookPairs:
    """N pairs of a scene and a product that was in it.

    Attributes:
        scenes: the scenes, without their products.
        products: the products.
        names: what tells products apart; a product of the same name is never a wrong one.
        categories: str (N,), the category of each product.
        groups: int64 (N,), pairs that are not independent, such as those of one scene; a product
            of the scene's own group is never a wrong one.
        parts: str (N,), 'train', 'validation' or 'test'.
        left_out: why rows of the data were not used, and how many.
        admissible: what else a wrong product must meet.
    """

    scenes: list[Picture]
    products: list[Picture]
    names: NDArray[np.str_]
    categories: NDArray[np.str_]
    groups: NDArray[np.int64]
    parts: NDArray[np.str_]
    left_out: Counter[str] = field(default_factory=Counter)
    admissible: Admissible | None = None

    def __len__(self) -> int:
        return len(self.scenes)

    def take(self, kept: NDArray[np.intp]) -> "LookPairs":
        """Return some of the pairs."""
        admissible = self.admissible
        return replace(
            self,
            scenes=[self.scenes[row] for row in kept],
            products=[self.products[row] for row in kept],
            names=self.names[kept],
            categories=self.categories[kept],
            groups=self.groups[kept],
            parts=self.parts[kept],
            admissible=admissible and (lambda rows, others: admissible(kept[rows], kept[others])),
        )

    def rows(self, part: str) -> NDArray[np.intp]:
        """Return the rows of a part."""
        return np.flatnonzero(self.parts == part)

    def wrong(self, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Return which products of some rows are wrong for which scenes of them: bool (R, R)."""
        allowed = self.categories[rows][:, None] == self.categories[rows][None, :]
        for own in (self.names, self.groups):
            allowed &= own[rows][:, None] != own[rows][None, :]
        if self.admissible:
            allowed &= self.admissible(rows, rows)
        return allowed


def cropped(image: Image, box: Box) -> Image:
    """Return the part of an image inside a box, one pixel at least."""
    height, width = image.shape[:2]
    left, right = int(box[0] * width), int(np.ceil(box[2] * width))
    top, bottom = int(box[1] * height), int(np.ceil(box[3] * height))
    return image[top : max(bottom, top + 1), left : max(right, left + 1)]


def require_pairs(pairs: LookPairs, where: Path) -> None:
    """Raise RequestError unless every part has a pair, and a scene of it a wrong product."""
    for part in ("train", "validation", "test"):
        rows = pairs.rows(part)
        if not len(rows):
            raise RequestError(f"{where}: no pair is left for the {part} part{_why(pairs)}")
        if not pairs.wrong(rows).any():
            raise RequestError(
                f"{where}: no category of the {part} part has two products of different scenes: "
                f"more pairs of other scenes are needed{_why(pairs)}"
            )


def _why(pairs: LookPairs) -> str:
    counts = ", ".join(f"{count} {reason}" for reason, count in pairs.left_out.most_common(3))
    return f"; left out: {counts}" if counts else ""
