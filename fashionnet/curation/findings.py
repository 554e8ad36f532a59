"""What is wrong with a pile: one row for each thing found, and the file that holds the rows."""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.duplicates import exact_groups
from fashionnet.curation.looks import Looks
from fashionnet.curation.pile import Pile
from fashionnet.files import write_whole
from fashionnet.schema import RELEVANCE
from fashionnet.text import plain

KEEP, DROP, REVIEW = "keep", "drop", "review"
"""Suggestions; any other is `attribute=class`, or `attribute=` for a label to leave blank."""

SMALLEST_SIDE = 112
"""Pixels: half of what the network looks at."""

HIGHEST_BLUR = 0.55
LEAST_LIGHT = 0.25
LEAST_SPREAD = 4.0
CERTAIN_SPREAD = 1.0


@dataclass(frozen=True)
class Finding:
    """One thing found about one photo.

    Attributes:
        photo: its name in the pile.
        finding: the kind of thing: blurred, near-duplicate and the like.
        score: how surely it is so, from 0 to 1, comparable within a kind.
        suggestion: keep, drop, review or `attribute=class`.
        group: photos of equal number, from 1, belong together; 0 stands alone.
        certain: whether the suggestion can be followed without a person's look.
        detail: the reason in words.
    """

    photo: str
    finding: str
    score: float
    suggestion: str
    group: int
    certain: bool
    detail: str


def unusable_photos(pile: Pile, looks: Looks) -> Iterator[Finding]:
    """Yield what is unreadable, too small, blurred, dark or blank; the first that applies."""
    for row, name in enumerate(pile.names):
        if looks.reasons[row]:
            reason = str(looks.reasons[row])
            yield Finding(name, "unreadable", 1.0, DROP, 0, True, reason)
            continue
        width, height = (int(side) for side in looks.sizes[row])
        blur, light, spread = (
            float(column[row]) for column in (looks.blur, looks.light, looks.spread)
        )
        found = None
        if light < LEAST_LIGHT:
            found = "dark", 1 - light, f"its lightest parts are at {light:.0%} of white"
        elif spread < LEAST_SPREAD:
            found = "blank", 1 - spread / 128, f"its pixels differ by {spread:.1f} of 255"
        elif min(width, height) < SMALLEST_SIDE:
            found = "too small", 1 - min(width, height) / 224, f"{width}×{height} pixels"
        elif blur > HIGHEST_BLUR:
            found = "blurred", blur, f"blur {blur:.2f} of 1"
        if found:
            kind, score, detail = found
            certain = kind == "blank" and spread < CERTAIN_SPREAD
            yield Finding(name, kind, score, DROP, 0, certain, detail)


def irrelevant_photos(
    pile: Pile, looks: Looks, unusable: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield the photos that the network takes for no garment of the schema, unless so labelled.

    Of photos that are unusable, by name, nothing can be said.
    Where the pile has a column `relevant` the suggestion is to say no there: training learns
    from such photos too.
    """
    labels = pile.labels.get(RELEVANCE)
    for row in np.flatnonzero(looks.readable & (looks.relevance < 0.5)):
        if pile.names[row] not in unusable and (labels is None or labels[row] != "no"):
            suggestion = DROP if labels is None else f"{RELEVANCE}=no"
            score = 1 - float(looks.relevance[row])
            detail = "the network sees no upper-body garment or dress"
            yield Finding(pile.names[row], "irrelevant", score, suggestion, 0, False, detail)


def duplicates(pile: Pile, looks: Looks, groups: NDArray[np.int64]) -> Iterator[Finding]:
    """Yield every photo that shares its picture with another, group by group, the best first.

    The best is the one with most labels, then most pixels; the others are suggested to drop.
    Copies of the same bytes are certain where no label contradicts another's: `cleaned` gives the
    labels of a dropped copy to the one that is kept.
    """
    exact = exact_groups(looks)
    members: dict[int, list[int]] = {}
    for row, group in enumerate(groups.tolist()):
        members.setdefault(group, []).append(row)
    shared = [rows for rows in members.values() if len(rows) > 1]
    for number, unordered in enumerate(shared, start=1):
        rows = sorted(unordered, key=lambda row: _rank(pile, looks, row))
        contradictions = _contradictions(pile, rows)
        first_of_file: dict[int, int] = {}
        for row in rows:
            same = first_of_file.setdefault(int(exact[row]), row)
            same_bytes = [other for other in rows if exact[other] == exact[row]]
            is_copy = len(same_bytes) > 1
            suggestion = KEEP if row == rows[0] else DROP
            certain = same != row and not _contradictions(pile, same_bytes)
            cosine = float(
                looks.embeddings[row].astype(np.float32)
                @ looks.embeddings[rows[0]].astype(np.float32)
            )
            kind = "exact duplicate" if same != row or (is_copy and row == rows[0]) else ""
            detail = f"the same file as {pile.names[same]}" if same != row else ""
            if row != rows[0] and same == row:
                detail = f"the same picture as {pile.names[rows[0]]}"
            if contradictions:
                detail = "; ".join(filter(None, [detail, f"labels differ: {contradictions}"]))
            yield Finding(
                pile.names[row],
                kind or "near-duplicate",
                1.0 if same != row else min(1.0, max(0.0, cosine)),
                suggestion,
                number,
                certain,
                detail,
            )


def faulty_labels(pile: Pile) -> Iterator[Finding]:
    """Yield the labels that cannot be used as they stand; leaving them blank is certain."""
    for fault in pile.faults:
        yield Finding(
            pile.names[fault.row],
            "faulty label",
            1.0,
            f"{fault.attribute}=",
            0,
            True,
            f"{fault.attribute}: {fault.reason}",
        )


def _rank(pile: Pile, looks: Looks, row: int) -> tuple[int, int, str]:
    labels = sum(bool(column[row]) for column in pile.labels.values())
    return -labels, -int(looks.sizes[row].prod()), pile.names[row]


def _contradictions(pile: Pile, rows: Sequence[int]) -> str:
    """Return in words the attributes whose labels differ among the rows."""
    found = []
    for attribute, column in pile.labels.items():
        classes = sorted({column[row] for row in rows} - {""})
        if len(classes) > 1:
            found.append(f"{attribute} {', '.join(classes)}")
    return "; ".join(found)


# --- On disk ---------------------------------------------------------------------------------

_COLUMNS = tuple(field.name for field in fields(Finding))


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write the rows as a CSV."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for finding in findings:
        photo, kind, score, suggestion, group, certain, detail = astuple(finding)
        words = plain(detail), "yes" if certain else "no"
        writer.writerow([photo, kind, f"{score:.4f}", suggestion, group or "", words[1], words[0]])
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))
