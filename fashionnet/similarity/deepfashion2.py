"""DeepFashion2 as published (Ge et al., 2019, "DeepFashion2: A Versatile Benchmark").

    image/<number>.jpg     (or images/)
    annos/<number>.json    source, pair_id and, for each garment in the photo, item1, item2, ...:
                           style, category_id, category_name, bounding_box

Garments of one pair_id, category and style are one item, unless the style is 0.
"""

import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from fashionnet.errors import RequestError
from fashionnet.similarity.item_pictures import Box, ItemPictures, LeftOut, Picture

ANNOTATIONS, IMAGES = "annos", ("image", "images")

_LARGEST_FILE = 4 * 2**20


def read_deepfashion2(
    folder: Path, categories: Collection[str] = (), sources: Collection[str] = ("shop", "user")
) -> ItemPictures:
    """Read the items, each picture cropped to its bounding box; no categories mean all.

    An annotation file that is cut in half or of another form, and one without its photo, is left
    out. Raises RequestError for a folder of another form, a category that no photo has and where
    nothing is left.
    """
    images = next((folder / name for name in IMAGES if (folder / name).is_dir()), None)
    if images is None or not (folder / ANNOTATIONS).is_dir():
        raise RequestError(f"{folder}: not DeepFashion2: expected the folders image and annos")
    rows: list[tuple[str, Picture]] = []
    left_out: list[LeftOut] = []
    seen: set[str] = set()
    for file in sorted((folder / ANNOTATIONS).glob("*.json")):
        try:
            photo = images / f"{file.stem}.jpg"
            if not photo.is_file():
                raise ValueError(f"its photo {photo.name} is not there")
            for category, item, box in _garments(_read(file), sources):
                seen.add(category)
                if not categories or category in categories:
                    rows.append((item, Picture(photo, box)))
        except ValueError as error:
            left_out.append(LeftOut(str(file), str(error)))
    if unknown := sorted(set(categories) - seen):
        raise RequestError(
            f"{folder}: no photo shows a {unknown[0]!r}; there are {', '.join(sorted(seen))}"
        )
    if not rows:
        why = f" ({left_out[0].where}: {left_out[0].reason})" if left_out else ""
        raise RequestError(f"{folder}: no garment that can be used{why}")
    return ItemPictures.of(rows, left_out)


def _read(file: Path) -> dict[str, Any]:
    if file.stat().st_size > _LARGEST_FILE:
        raise ValueError(f"larger than {_LARGEST_FILE // 2**20} MiB")
    try:
        data = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        raise ValueError("no annotation, or cut short") from None
    if not isinstance(data, dict):
        raise ValueError("no annotation of a photo")
    return data


def _garments(
    annotation: dict[str, Any], sources: Collection[str]
) -> Iterator[tuple[str, str, Box]]:
    """Yield the category, the item's name and the box of each garment that is part of a pair.

    All are read before the first is given, so that an annotation counts whole or not at all.
    """
    try:
        pair, source = int(annotation["pair_id"]), str(annotation["source"])
        garments = []
        for key, garment in annotation.items():
            if key.startswith("item"):
                category, style = str(garment["category_name"]), int(garment["style"])
                left, top, right, bottom = (int(edge) for edge in garment["bounding_box"])
                if not (0 <= left < right and 0 <= top < bottom):
                    raise ValueError(f"{key} has the box {garment['bounding_box']}")
                name = f"{pair}-{garment['category_id']}-{style}"
                if style > 0:
                    garments.append((category, name, (left, top, right, bottom)))
    except KeyError as error:
        raise ValueError(f"no {error.args[0]} in it") from error
    except TypeError as error:
        raise ValueError(f"not of the published form: {error}") from error
    if source in sources:
        yield from garments
