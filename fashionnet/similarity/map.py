"""A map of the catalogue: every item's picture, those that look alike close together.

The embeddings are laid out in two dimensions by t-SNE (van der Maaten and Hinton, 2008,
"Visualizing Data using t-SNE"), from their 50 first principal components. Its memory and time grow
with N and N log N. Distances within a heap of pictures mean likeness; those between heaps mean
little.
"""

import base64
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from fashionnet.errors import RequestError
from fashionnet.files import require_output, write_whole
from fashionnet.locations import Location
from fashionnet.report.content import title_of
from fashionnet.report.pictures import thumbnail
from fashionnet.text import counted, plain

if TYPE_CHECKING:
    from fashionnet.repository.store import Items

MAXIMUM_ITEMS = 20_000
"""More pictures than these no browser holds in one page; a map of more shows every n-th item."""

NAMED_VALUES = 12
"""A column's most frequent values have a colour each; the others share one."""

_COMPONENTS, _PERPLEXITY = 50, 30
_SIDE = 48
_PAPER, _OTHERS = "#f7f5f1", "#b9b5ad"
_COLOURS = (
    *("#3366cc", "#dc3912", "#109618", "#ff9900", "#990099", "#0099c6"),
    *("#dd4477", "#66aa00", "#7a4a2b", "#316395", "#22aa99", "#1f2328"),
)
_PICTURE_SIDE, _CELL, _LEGEND = 2400, 40, 420


@dataclass(frozen=True)
class MapColumn:
    """A column that items are coloured by.

    Attributes:
        name: what it is called.
        names: its most frequent values, at most `NAMED_VALUES`.
        codes: for each item the index of its value, -1 for all others.
    """

    name: str
    names: list[str]
    codes: list[int]

    @classmethod
    def of(cls, name: str, values: Sequence[object]) -> "MapColumn":
        """Number the values of a column; missing ones count among the others."""
        texts = ["" if value is None or value != value else plain(str(value)) for value in values]
        frequent = Counter(text for text in texts if text).most_common(NAMED_VALUES)
        number = {text: code for code, (text, _) in enumerate(frequent)}
        return cls(name, list(number), [number.get(text, -1) for text in texts])

    def colour(self, item: int) -> str:
        """Return an item's colour."""
        return _OTHERS if self.codes[item] < 0 else _COLOURS[self.codes[item]]


@dataclass(frozen=True, eq=False)
class CatalogueMap:
    """N items on a square.

    Attributes:
        points: float32 (N, 2), from 0 to 1, to the right and down.
        ids: names of the items.
        titles: what the catalogue calls them.
        photos: their files.
        columns: what they can be coloured by; the picture shows the first.
        summary: one line on what is shown.
    """

    points: NDArray[np.float32]
    ids: list[str]
    titles: list[str]
    photos: list[Location]
    columns: list[MapColumn]
    summary: str


def lay_out(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32 (N, 2) in the unit square, from embeddings (N, E); the same in every run."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count = len(embeddings)
    components = min(_COMPONENTS, *embeddings.shape)
    points = PCA(components, random_state=0).fit_transform(embeddings)
    if count > 3:
        perplexity = min(_PERPLEXITY, (count - 1) / 3)
        # Items of one and the same picture leave the first principal components without spread.
        start = points[:, :2] / max(float(points[:, 0].std()), 1e-12) * 1e-4
        start = np.pad(start, ((0, 0), (0, 2 - start.shape[1])))
        # Its threads wait for each other without rest: on a machine that has other work to do
        # they need a core less than there are.
        with threadpool_limits(max(1, (os.cpu_count() or 1) - 1), user_api="openmp"):
            points = TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(points)
    points = np.pad(points[:, :2], ((0, 0), (0, max(0, 2 - points.shape[1]))))
    low, spread = points.min(axis=0), np.ptp(points, axis=0).max()
    middle = (1 - np.ptp(points, axis=0) / max(spread, 1e-12)) / 2
    return ((points - low) / max(spread, 1e-12) + middle).astype(np.float32)


def every_nth(count: int) -> NDArray[np.intp]:
    """Return the rows that a map of `count` items shows: all, or `MAXIMUM_ITEMS` evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, MAXIMUM_ITEMS)).round().astype(np.intp))


def write_map(
    shown: CatalogueMap, path: Path, advance: Callable[[int], None] = lambda count: None
) -> None:
    """Write the map as a page (.html) or a picture (.png, .jpg), whole or not at all.

    `advance` is called with numbers of items that are done; they add up to N.
    """
    require_map_output(path)
    write_whole(path, _WRITERS[path.suffix.lower()](shown, advance))


def require_map_output(path: Path) -> None:
    """Raise RequestError unless `write_map` can write this file, before any long work."""
    require_output(path, _WRITERS)


def columns_and_titles(
    items: "Items",
    rows: Sequence[int],
    metadata: Sequence[Mapping[str, Any]],
    first: str | None = None,
) -> tuple[list[MapColumn], list[str]]:
    """Return what items of some rows can be coloured by, `first` before the others, and titles.

    `metadata` holds the catalogue's columns for each row. RequestError where none is `first`.
    """
    values: dict[str, list[object]] = {}
    for place, attribute in enumerate(items.vectors.schema):
        codes = items.vectors.codes[rows, place]
        values[attribute.name] = [attribute.classes[code] for code in codes]
    for name in metadata[0]:
        values.setdefault(name, [row[name] for row in metadata])
    if first is not None and first not in values:
        raise RequestError(
            f"--colour-by {first}: no such column; this repository has {', '.join(values)}"
        )
    order = sorted(values, key=lambda name: name != first)
    titles = [
        title_of(items.ids[row], columns) for row, columns in zip(rows, metadata, strict=True)
    ]
    return [MapColumn.of(name, values[name]) for name in order], titles


def document(shown: CatalogueMap) -> dict[str, Any]:
    """Return what the map's script draws, but for `atlas`: where the picture of that name is."""
    return {
        "summary": shown.summary,
        "ids": [plain(name) for name in shown.ids],
        "titles": [plain(title) for title in shown.titles],
        "x": shown.points[:, 0].round(4).astype(float).tolist(),
        "y": shown.points[:, 1].round(4).astype(float).tolist(),
        "columns": [
            {
                "name": plain(column.name),
                "names": column.names,
                "codes": column.codes,
                "colours": list(_COLOURS[: len(column.names)]),
            }
            for column in shown.columns
        ],
        "other_colour": _OTHERS,
        "side": _SIDE,
        "per_row": _per_row(len(shown.ids)),
    }


def atlas(photos: Iterable[Location], count: int, advance: Callable[[int], None]) -> bytes:
    """Return small pictures of `count` photos side by side in one JPEG.

    `advance` is called with 1 for each of them.
    """
    per_row = _per_row(count)
    rows = -(-count // per_row)
    sheet = pillow.new("RGB", (per_row * _SIDE, rows * _SIDE), "white")
    for number, photo in enumerate(photos):
        row, column = divmod(number, per_row)
        sheet.paste(_square(photo, _SIDE), (column * _SIDE, row * _SIDE))
        advance(1)
    file = io.BytesIO()
    sheet.save(file, "JPEG", quality=72, optimize=True)
    return file.getvalue()


def _per_row(count: int) -> int:
    return int(np.ceil(np.sqrt(count)))


def _page(shown: CatalogueMap, advance: Callable[[int], None]) -> bytes:
    pictures = base64.b64encode(atlas(shown.photos, len(shown.ids), advance)).decode("ascii")
    data = {**document(shown), "atlas": f"data:image/jpeg;base64,{pictures}"}
    # What a browser could take for the end of the script is spelt as JSON can spell it too.
    text = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    own = files("fashionnet.similarity")
    page = own.joinpath("map.html").read_text("utf-8")
    for place, name in (("@STYLE@", "map.css"), ("@SCRIPT@", "map.js")):
        page = page.replace(place, own.joinpath("page", name).read_text("utf-8"))
    return page.replace("@DATA@", text).encode()


def _square(photo: Location, side: int) -> pillow.Image:
    picture = thumbnail(photo, side)
    square = pillow.new("RGB", (side, side), "white")
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def _picture(shown: CatalogueMap, advance: Callable[[int], None]) -> pillow.Image:
    column = shown.columns[0]
    margin = _CELL
    picture = pillow.new("RGB", (_PICTURE_SIDE + _LEGEND, _PICTURE_SIDE), _PAPER)
    draw = ImageDraw.Draw(picture)
    places = margin + shown.points * (_PICTURE_SIDE - 2 * margin)
    item_in: dict[tuple[int, int], int] = {}
    for item, (x, y) in enumerate(places):
        if item_in.setdefault((int(x // _CELL), int(y // _CELL)), item) != item:
            draw.circle((x, y), 3, column.colour(item))
    for (right, down), item in item_in.items():
        left, top = right * _CELL, down * _CELL
        draw.rectangle((left, top, left + _CELL - 1, top + _CELL - 1), column.colour(item))
        picture.paste(_square(shown.photos[item], _CELL - 6), (left + 3, top + 3))
    advance(len(shown.ids))
    _draw_legend(draw, shown.summary, column)
    return picture


def _draw_legend(draw: ImageDraw.ImageDraw, summary: str, column: MapColumn) -> None:
    left, down = _PICTURE_SIDE + 10, 40
    large, small = ImageFont.load_default(30), ImageFont.load_default(24)
    draw.text((left, down), f"by {plain(column.name)}"[:24], "#1f2328", large)
    entries = list(zip(column.names, _COLOURS, strict=False))
    if -1 in column.codes:
        entries.append(("others", _OTHERS))
    for name, colour in entries:
        down += 44
        draw.circle((left + 12, down + 14), 11, colour)
        draw.text((left + 34, down), name[:28], "#1f2328", small)
    draw.text((20, _PICTURE_SIDE - 36), summary, "#626a73", small)


def _png(shown: CatalogueMap, advance: Callable[[int], None]) -> bytes:
    return _encoded(_picture(shown, advance), "PNG")


def _jpeg(shown: CatalogueMap, advance: Callable[[int], None]) -> bytes:
    return _encoded(_picture(shown, advance), "JPEG")


def _encoded(picture: pillow.Image, form: str) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, quality=88)
    return file.getvalue()


def summary_of(shown: int, eligible: int, where: str | None) -> str:
    """Return '500 items', or how many of how many are shown, and the filter that they met."""
    text = counted(eligible, "item")
    if shown < eligible:
        text = f"{shown:,} of {text}, evenly chosen"
    return text + (f", where {plain(where)}" if where else "")


_WRITERS: dict[str, Callable[[CatalogueMap, Callable[[int], None]], bytes]] = {
    ".html": _page,
    ".png": _png,
    ".jpg": _jpeg,
}
