"""Polyvore Outfits as its authors publish it (Vasileva et al., 2018, arXiv 1803.09196).

    polyvore_item_metadata.json      {item: {"semantic_category": "tops", "title": ..., ...}, ...}
    images/<item>.jpg
    disjoint/ and nondisjoint/       outfits that share no items between parts, and that may
        train.json  valid.json  test.json
            [{"set_id": "...", "items": [{"item_id": "...", "index": 1}, ...]}, ...]
        fill_in_blank_train.json  ..._valid.json  ..._test.json
            [{"question": ["<set>_<index>", ...], "blank_position": 3, "answers": [...]}, ...]
        compatibility_train.txt  ..._valid.txt  ..._test.txt
            1 <set>_<index> <set>_<index> ...       (0 for items that nobody put together)

Of a question's answers, the one of the question's own set is right. The photos are read through a
repository that was built of `images`, whose items are named like the photos.
"""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal

from fashionnet.compatibility.outfit_data import (
    PARTS,
    Blank,
    Faults,
    Judged,
    Outfit,
    OutfitData,
    OutfitPart,
    known_item,
    large_enough,
)
from fashionnet.errors import RequestError

METADATA = "polyvore_item_metadata.json"
MAXIMUM_BYTES = 2**30

Split = Literal["disjoint", "nondisjoint"]

_FILE_OF_PART = {"train": "train", "validation": "valid", "test": "test"}


def read_polyvore(folder: Path, split: Split, present: Collection[str]) -> OutfitData:
    """Read one of the two splits, with the negatives of the published questions.

    Args:
        folder: holds the metadata and the two splits' folders.
        split: which of them.
        present: the items that a repository of `images` has.

    An outfit loses the items that are not present or have no category; a question that names one
    is left out whole, since without it it would be another question. All of it is counted.

    Raises RequestError where a file is missing, cut short or of another form, and where nothing is
    left to train on or to measure with.
    """
    faults = Faults()
    categories = _categories(folder / METADATA, present, faults)
    parts = {}
    for part, name in _FILE_OF_PART.items():
        outfits, references = _outfits(folder / split / f"{name}.json", categories, faults)
        parts[part] = OutfitPart(
            list(outfits.values()),
            _judged(folder / split / f"compatibility_{name}.txt", references, faults)
            if part != PARTS[0]
            else [],
            _blanks(folder / split / f"fill_in_blank_{name}.json", references, faults)
            if part != PARTS[0]
            else [],
        )
    named = {item for part in parts.values() for outfit in part.outfits for item in outfit}
    named |= {item for part in parts.values() for judged in part.judged for item in judged.items}
    named |= {
        item
        for part in parts.values()
        for blank in part.blanks
        for item in (*blank.question, *blank.answers)
    }
    data = OutfitData({item: categories[item] or "" for item in named}, parts, faults)
    data.check(folder / split)
    return data


def _categories(path: Path, present: Collection[str], faults: Faults) -> dict[str, str | None]:
    """Return the category of each item that is present, None where the metadata have none."""
    document = _json(path, dict)
    present = set(present)
    categories: dict[str, str | None] = dict.fromkeys(present)
    for item, about in document.items():
        category = about.get("semantic_category") if isinstance(about, dict) else None
        if not isinstance(category, str) or not category.strip():
            faults.add("item of the metadata without a category", item)
        elif item in present:
            categories[item] = category.strip()
    return categories


def _outfits(
    path: Path, categories: dict[str, str | None], faults: Faults
) -> tuple[dict[str, Outfit], dict[str, str | None]]:
    """Return the outfits by name, and what item each `<set>_<index>` is: None if it is unusable."""
    outfits: dict[str, Outfit] = {}
    references: dict[str, str | None] = {}
    for number, row in enumerate(_json(path, list)):
        where = f"{path.name}, outfit {number + 1}"
        try:
            name = str(row["set_id"])
            members = [(str(entry["item_id"]), int(entry["index"])) for entry in row["items"]]
        except (KeyError, TypeError, ValueError):
            faults.add("broken outfit", where)
            continue
        if name in outfits:
            faults.add("outfit that is there twice", name)
            continue
        items = []
        for item, index in members:
            usable = known_item(item, categories, faults)
            references[f"{name}_{index}"] = item if usable else None
            if usable:
                items.append(item)
        once = tuple(dict.fromkeys(items))
        if large_enough(name, once, faults):
            outfits[name] = once
    return outfits, references


def _judged(path: Path, references: dict[str, str | None], faults: Faults) -> list[Judged]:
    judged = []
    for number, line in enumerate(_text(path).splitlines()):
        where = f"{path.name}, line {number + 1}"
        label, *names = line.split() or [""]
        if label not in ("0", "1"):
            faults.add("line that starts with neither 0 nor 1", where)
            continue
        items = _items(names, references, faults, where)
        if items is None:
            continue
        if len(items) < 2:
            faults.add("question about fewer than two items", where)
            continue
        # Wrong outfits are thrown together from many sets, each line for itself.
        group = names[0].rpartition("_")[0] if label == "1" else f"line {number + 1}"
        judged.append(Judged(items, label == "1", group))
    return judged


def _blanks(path: Path, references: dict[str, str | None], faults: Faults) -> list[Blank]:
    blanks = []
    for number, row in enumerate(_json(path, list)):
        where = f"{path.name}, question {number + 1}"
        try:
            asked, offered = list(map(str, row["question"])), list(map(str, row["answers"]))
        except (KeyError, TypeError):
            faults.add("broken question", where)
            continue
        sets = {name.rpartition("_")[0] for name in asked}
        right = [place for place, name in enumerate(offered) if name.rpartition("_")[0] in sets]
        if len(sets) != 1 or len(right) != 1 or len(offered) < 2:
            faults.add("question without exactly one right answer", where)
            continue
        question = _items(asked, references, faults, where)
        answers = _items(offered, references, faults, where) if question is not None else None
        if question is None or answers is None:
            continue
        if len(answers) != len(offered):
            faults.add("question that offers an item twice", where)
            continue
        blanks.append(Blank(question, answers, right[0], sets.pop()))
    return blanks


def _items(
    names: list[str], references: dict[str, str | None], faults: Faults, where: str
) -> Outfit | None:
    """Return the items of some names, each once; None, and counted, where one cannot be used."""
    for name in names:
        if name not in references:
            faults.add("question that names no item of its part", f"{where}: {name}")
            return None
        if references[name] is None:
            faults.add("question with an item that is missing", f"{where}: {name}")
            return None
    return tuple(dict.fromkeys(item for name in names if (item := references[name])))


def _json(path: Path, kind: type) -> Any:  # noqa: ANN401 (whatever the file holds)
    try:
        document = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise RequestError(f"{path}: cut short or no JSON file: fetch it again") from error
    if not isinstance(document, kind):
        raise RequestError(f"{path}: not a file of Polyvore Outfits: fetch it again")
    return document


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAXIMUM_BYTES:
            raise RequestError(f"{path}: over a gigabyte: not a file of Polyvore Outfits")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RequestError(
            f"{path}: missing; expected Polyvore Outfits as published: {METADATA}, and train.json, "
            "valid.json, test.json, fill_in_blank_*.json and compatibility_*.txt in "
            "disjoint/ or nondisjoint/"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: cannot be read: {error}") from error
