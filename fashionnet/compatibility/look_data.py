"""Read pairs of scenes and products: Shop the Look, a table of pairs, worn pairs."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.look_crop import checked_box, largest_rest
from fashionnet.compatibility.look_pairs import Box, LookPairs, Picture, require_pairs
from fashionnet.compatibility.worn import MOST_OVERLAP
from fashionnet.compatibility.worn_pairs import PARTS, WornPairs, split_groups
from fashionnet.errors import RequestError

SHOP_FILE, SHOP_CATEGORIES = "fashion.json", "fashion-cat.json"
SHOP_PARTS: Mapping[str, float] = {"train": 0.8, "validation": 0.1, "test": 0.1}
TOP, BOTTOM = "Topwear", "Bottomwear"
_LARGEST_LINE = 10_000
_LARGEST_TABLE = 512 * 2**20


def read_shop_the_look(folder: Path, images: Path, seed: int = 0) -> LookPairs:
    """Read Shop the Look as published (github.com/kang205/STL-Dataset).

    `fashion.json` holds one object a line with `product`, `scene` (signatures of photos) and
    `bbox` (left, top, right, bottom, from 0 to 1); `fashion-cat.json` one object from products'
    signatures to categories. The photos, which are not published with it, are expected in
    `images` as `<signature>.jpg`. Scenes are split 80/10/10, as in the paper. Rows that cannot be
    used are counted in `left_out`; RequestError where none is left.
    """
    categories = _read_categories(folder / SHOP_CATEGORIES)
    left_out: Counter[str] = Counter()
    found: list[tuple[str, Box, str, str]] = []
    for line in _lines(folder / SHOP_FILE):
        try:
            found.append(_shop_row(line, categories, images))
        except ValueError as error:
            left_out[str(error)] += 1
    groups = _numbers([row[0] for row in found])
    pairs = LookPairs(
        scenes=[Picture(images / f"{scene}.jpg", rest) for scene, rest, _, _ in found],
        products=[Picture(images / f"{product}.jpg") for _, _, product, _ in found],
        names=np.array([product for _, _, product, _ in found], str),
        categories=np.array([category for *_, category in found], str),
        groups=groups,
        parts=split_groups(groups, seed, SHOP_PARTS),
        left_out=left_out,
    )
    require_pairs(pairs, folder / SHOP_FILE)
    return pairs


def read_pair_table(path: Path, seed: int = 0) -> LookPairs:
    """Read pairs from a CSV with the columns scene, product and category.

    Photos are named relative to the table. Optional columns: `bbox`, where the product is in the
    scene ("0.4 0.8 0.6 1", cropped out as for Shop the Look), `group`, pairs that belong on one
    side of the split (else those of one scene), and `part`. Broken rows are counted in `left_out`;
    RequestError for a table without the columns and where no row is left.
    """
    left_out: Counter[str] = Counter()
    rows: list[tuple[Picture, Picture, str, str, str]] = []
    for row in _table_rows(path):
        try:
            rows.append(_table_row(row, path.parent))
        except ValueError as error:
            left_out[str(error)] += 1
    groups = _numbers([row[3] for row in rows])
    given = [row[4] for row in rows]
    parts = np.array(given, str) if all(given) else split_groups(groups, seed, PARTS)
    pairs = LookPairs(
        scenes=[row[0] for row in rows],
        products=[row[1] for row in rows],
        names=np.array([str(row[1].path) for row in rows], str),
        categories=np.array([row[2] for row in rows], str),
        groups=groups,
        parts=parts,
        left_out=left_out,
    )
    require_pairs(pairs, path)
    return pairs


def worn_look_pairs(worn: WornPairs) -> LookPairs:
    """Return worn pairs as looks: the scene is the top in its shape, the product bottom's cloth."""
    folder = worn.folder
    return LookPairs(
        scenes=[Picture(folder / f"{name}.top.jpg") for name in worn.ids],
        products=[Picture(folder / f"{name}.bottom.png", cloth=True) for name in worn.ids],
        names=np.array(worn.names, str),
        categories=np.full(len(worn), BOTTOM),
        groups=worn.shoots,
        parts=worn.parts,
        admissible=lambda scenes, products: worn.overlaps(scenes, products) < MOST_OVERLAP,
    )


def _shop_row(line: str, categories: Mapping[str, str], images: Path) -> tuple[str, Box, str, str]:
    if len(line) > _LARGEST_LINE:
        raise ValueError("line that is too long")
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise ValueError("line that is not JSON") from None
    if not isinstance(row, dict) or not {"scene", "product", "bbox"} <= row.keys():
        raise ValueError("line without scene, product and bbox")
    scene, product = row["scene"], row["product"]
    for signature in (scene, product):
        if not isinstance(signature, str) or not signature.isalnum():
            raise ValueError("signature that is no name of a photo")
    rest = largest_rest(checked_box(row["bbox"]))
    if rest is None:
        raise ValueError("scene of which too little is left without the product")
    if product not in categories:
        raise ValueError("product without a category")
    for signature in (scene, product):
        if not (images / f"{signature}.jpg").is_file():
            raise ValueError("missing photo")
    return scene, rest, product, categories[product]


def _table_row(row: Mapping[str, str | None], base: Path) -> tuple[Picture, Picture, str, str, str]:
    scene, product, category = (
        (row.get(name) or "").strip() for name in ("scene", "product", "category")
    )
    if not scene or not product:
        raise ValueError("row without scene or product")
    if not category:
        raise ValueError("empty category")
    for photo in (scene, product):
        if not (base / photo).is_file():
            raise ValueError("missing photo")
    rest: Box | None = None
    if row.get("bbox"):
        try:
            numbers = [float(number) for number in str(row["bbox"]).replace(",", " ").split()]
        except ValueError:
            raise ValueError("bounding box is not four numbers") from None
        rest = largest_rest(checked_box(numbers))
        if rest is None:
            raise ValueError("scene of which too little is left without the product")
    part = row.get("part") or ""
    if part and part not in PARTS:
        raise ValueError(f"part that is none of {', '.join(PARTS)}")
    group = row.get("group") or scene
    return Picture(base / scene, rest), Picture(base / product), category, group, part


def _table_rows(path: Path) -> Iterator[Mapping[str, Any]]:
    needed = ("scene", "product", "category")
    try:
        _check_size(path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in needed if name not in (reader.fieldnames or ())]
            if missing:
                raise RequestError(f"{path}: no column {missing[0]}: expected {', '.join(needed)}")
            yield from reader
    except (UnicodeDecodeError, csv.Error) as error:
        raise RequestError(f"{path}: not a CSV file: {error}") from error
    except OSError as error:
        raise RequestError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _lines(path: Path) -> Iterator[str]:
    try:
        _check_size(path)
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.strip())
    except UnicodeDecodeError as error:
        raise RequestError(f"{path}: not text: {error}") from error
    except OSError as error:
        raise RequestError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _read_categories(path: Path) -> dict[str, str]:
    try:
        _check_size(path)
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RequestError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path}: not JSON: {error}") from error
    if not isinstance(document, dict):
        raise RequestError(f"{path}: expected one object from products to categories")
    # A product whose category is no text is one without a category.
    return {key: value for key, value in document.items() if isinstance(value, str) and value}


def _check_size(path: Path) -> None:
    if path.stat().st_size > _LARGEST_TABLE:
        raise RequestError(f"{path}: over {_LARGEST_TABLE // 2**20} MiB: not read")


def _numbers(values: list[str]) -> NDArray[np.int64]:
    return np.unique(np.array(values, str), return_inverse=True)[1].astype(np.int64)
