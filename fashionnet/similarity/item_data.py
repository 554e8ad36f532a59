"""Read the pictures that an experiment names, and split them."""

from functools import lru_cache
from pathlib import Path

from fashionnet.similarity.deepfashion2 import read_deepfashion2
from fashionnet.similarity.experiment import DeepFashion2, Folders, Pairs, Views
from fashionnet.similarity.item_pictures import (
    ItemPictures,
    LeftOut,
    near_duplicates,
    read_folders,
    read_pairs,
    read_photos,
    readable,
    require_parts,
    split_items,
    split_views,
    write_left_out,
)
from fashionnet.text import plain

LEFT_OUT = "left_out.csv"

_SHOWN = 5

Data = Folders | Pairs | DeepFashion2 | Views


def read_parts(data: Data, seed: int, folder: Path) -> dict[str, ItemPictures]:
    """Return the pictures of train, validation and test; writes left_out.csv into a folder.

    Raises RequestError where a part would hold too little.
    """
    parts, left_out = _read(data, seed)
    for row in left_out[:_SHOWN]:
        print(f"left out: {plain(row.where)}: {plain(row.reason)}")
    if len(left_out) > _SHOWN:
        print(f"left out: {len(left_out) - _SHOWN} more, see {folder / LEFT_OUT}")
    write_left_out(folder / LEFT_OUT, left_out)
    require_parts(parts, _source(data))
    return parts


# Experiments of one folder mostly share their data.
@lru_cache(maxsize=1)
def _read(data: Data, seed: int) -> tuple[dict[str, ItemPictures], list[LeftOut]]:
    items = readable(_items(data))
    duplicates = near_duplicates(items)
    split = split_views if isinstance(data, Views) else split_items
    return split(items, duplicates, data.held_out, seed), items.left_out


def _items(data: Data) -> ItemPictures:
    if isinstance(data, Folders):
        return read_folders(data.folder)
    if isinstance(data, Pairs):
        return read_pairs(data.pairs, data.images, data.singles)
    if isinstance(data, DeepFashion2):
        return read_deepfashion2(data.folder, data.categories, data.sources)
    return read_photos(data.photos)


def _source(data: Data) -> Path:
    if isinstance(data, Pairs):
        return data.pairs
    return data.photos if isinstance(data, Views) else data.folder
