"""Outfits to learn from, and the questions that say how well they were learned.

An outfit names items. Two kinds of questions are asked of a model, both of Han et al., 2017,
"Learning Fashion Compatibility with Bidirectional LSTMs": whether items were worn together
(compatibility), and which of four items completes an outfit (fill in the blank).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fashionnet.errors import RequestError
from fashionnet.repository.tables import read_rows
from fashionnet.text import plain

PARTS = ("train", "validation", "test")
ANSWERS = 4

_SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}

Outfit = tuple[str, ...]
"""The ids of an outfit's items, each once."""


@dataclass(frozen=True)
class Judged:
    """Items that were worn together, or were not.

    Attributes:
        items: two or more.
        compatible: whether they make an outfit.
        group: questions of one group may hang together, such as those of one product.
    """

    items: Outfit
    compatible: bool
    group: str


@dataclass(frozen=True)
class Blank:
    """An outfit with an item taken out, and the items to choose from.

    Attributes:
        question: the items that are left, one or more.
        answers: what may fill the blank.
        right: the place of the item that was taken out.
        group: as in `Judged`.
    """

    question: Outfit
    answers: tuple[str, ...]
    right: int
    group: str


@dataclass
class Faults:
    """What was left out and why: how often, and where first."""

    counts: dict[str, int] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, where: str) -> None:
        """Count one more."""
        self.counts[reason] = self.counts.get(reason, 0) + 1
        self.first.setdefault(reason, where)

    def lines(self) -> list[str]:
        """Return a line for each reason, the most frequent first."""
        ordered = sorted(self.counts, key=lambda reason: -self.counts[reason])
        return [
            plain(f"{self.counts[reason]:,} × {reason} (first: {self.first[reason]})")
            for reason in ordered
        ]


@dataclass(frozen=True)
class OutfitPart:
    """One part of a collection of outfits, with its questions."""

    outfits: list[Outfit]
    judged: list[Judged]
    blanks: list[Blank]


@dataclass(frozen=True)
class OutfitData:
    """A collection of outfits.

    Attributes:
        categories: the category of each item that an outfit or a question names.
        parts: `train`, `validation` and `test`; the training part needs no questions.
        faults: what was left out.
    """

    categories: dict[str, str]
    parts: dict[str, OutfitPart]
    faults: Faults

    def check(self, source: Path) -> None:
        """Raise RequestError unless there is something to train on and to measure with."""
        found = "; ".join(self.faults.lines()[:3]) or "nothing was left out"
        if not self.parts["train"].outfits:
            raise RequestError(f"{source}: no outfit of two items or more to train on: {found}")
        for name in PARTS[1:]:
            answers = {judged.compatible for judged in self.parts[name].judged}
            if answers != {True, False}:
                raise RequestError(
                    f"{source}: its {name} part has no outfits to measure with: {found}"
                )


def read_outfits(path: Path, categories: Mapping[str, str | None], seed: int = 0) -> OutfitData:
    """Read a table of outfits (CSV, JSON lines or Parquet): a row for each item of each outfit.

    Columns: `outfit`, `item` and, where there are such, `part` (train, validation or test: else
    outfits are dealt out 70/15/15 by the seed) and `group` (of outfits that stay on one side and
    hang together in what is measured; else each outfit is its own). The questions' wrong items are
    drawn by the seed from items of the same category and part.

    Args:
        path: the table.
        categories: the category of every item that there is, None or empty where it has none.
        seed: of the split and of the wrong items.

    Raises RequestError for a table that cannot be read or lacks a column, and where nothing is
    left to train on or to measure with.
    """
    table = read_rows(path)
    rows = table.columns
    for column in ("outfit", "item"):
        if column not in rows.column_names:
            raise RequestError(
                f"{path}: no column {column} among {', '.join(rows.column_names)}: expected a row "
                "for each item of each outfit, with columns outfit and item"
            )
    faults = Faults()
    for line, reason in table.broken:
        faults.add(f"broken row: {reason}", f"row {line}")
    members: dict[str, list[str]] = {}
    part_of: dict[str, str] = {}
    group_of: dict[str, str] = {}
    for line, row in zip(table.lines, rows.to_pylist(), strict=True):
        outfit, item = _text(row["outfit"]), _text(row["item"])
        if not outfit or not item:
            faults.add("row without an outfit or an item", f"row {line}")
            continue
        part = _text(row.get("part")) or ""
        if part and part not in PARTS:
            faults.add(f"part is none of {', '.join(PARTS)}", f"row {line}: {part}")
            continue
        members.setdefault(outfit, [])
        part_of.setdefault(outfit, part)
        group_of.setdefault(outfit, _text(row.get("group")) or outfit)
        if part_of[outfit] != part:
            faults.add("outfit of two parts", outfit)
        elif known_item(item, categories, faults) and item not in members[outfit]:
            members[outfit].append(item)
    kept = {
        name: tuple(items) for name, items in members.items() if large_enough(name, items, faults)
    }
    dealt = _deal(sorted({group_of[name] for name in kept}), seed)
    by_part: dict[str, dict[str, Outfit]] = {part: {} for part in PARTS}
    for name, items in kept.items():
        by_part[part_of[name] or dealt[group_of[name]]][name] = items
    names = {item: categories[item] or "" for items in kept.values() for item in items}
    parts = {
        part: with_questions(outfits, group_of, names, faults, seed)
        for part, outfits in by_part.items()
    }
    data = OutfitData(names, parts, faults)
    data.check(path)
    return data


def known_item(item: str, categories: Mapping[str, str | None], faults: Faults) -> bool:
    """Return whether an item is there and has a category; counts it if not."""
    if item not in categories:
        faults.add("item that is not there", item)
        return False
    if not categories[item]:
        faults.add("item without a category", item)
        return False
    return True


def large_enough(name: str, items: Sequence[str], faults: Faults) -> bool:
    """Return whether an outfit has two items or more; counts it if not."""
    if len(items) < 2:
        faults.add("outfit of fewer than two items", name)
        return False
    return True


def with_questions(
    outfits: Mapping[str, Outfit],
    groups: Mapping[str, str],
    categories: Mapping[str, str],
    faults: Faults,
    seed: int,
) -> OutfitPart:
    """Return a part with questions whose wrong items are of the same categories.

    For each outfit: itself against one whose every item is another of its category, and one of its
    items among four of a category. Outfits whose categories have too few items get no question.
    """
    random = np.random.default_rng(seed)
    pools: dict[str, list[str]] = {}
    for item in sorted({item for items in outfits.values() for item in items}):
        pools.setdefault(categories[item], []).append(item)
    judged: list[Judged] = []
    blanks: list[Blank] = []
    for name, items in outfits.items():
        group = groups.get(name, name)
        others = [_others(item, items, pools[categories[item]], 1, random) for item in items]
        wrong = tuple(dict.fromkeys(other for found in others for other in found))
        if len(wrong) == len(items):
            judged += [Judged(items, True, group), Judged(wrong, False, group)]
        else:
            faults.add("outfit without wrong items to ask about", name)
        taken = int(random.integers(len(items)))
        pool = pools[categories[items[taken]]]
        answers = _others(items[taken], items, pool, ANSWERS - 1, random)
        if len(answers) == ANSWERS - 1:
            right = int(random.integers(ANSWERS))
            answers.insert(right, items[taken])
            question = items[:taken] + items[taken + 1 :]
            blanks.append(Blank(question, tuple(answers), right, group))
        else:
            faults.add("outfit without wrong items to choose from", name)
    return OutfitPart(list(outfits.values()), judged, blanks)


def _others(
    item: str, outfit: Outfit, pool: Sequence[str], count: int, random: np.random.Generator
) -> list[str]:
    """Return items of a pool that are not in the outfit; fewer than `count` where it is small."""
    drawn = random.choice(len(pool), min(len(pool), count + len(outfit)), replace=False)
    found = [pool[place] for place in drawn if pool[place] not in outfit]
    return found[:count]


def _deal(groups: Sequence[str], seed: int) -> dict[str, str]:
    order = np.random.default_rng(seed).permutation(len(groups))
    ends = np.cumsum([_SHARES[part] for part in PARTS]) * len(groups)
    return {
        groups[row]: PARTS[min(int(np.searchsorted(ends, place, side="right")), len(PARTS) - 1)]
        for place, row in enumerate(order)
    }


def _text(value: object) -> str:
    return "" if value is None or value != value else str(value).strip()
