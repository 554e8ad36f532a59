"""The pile without what is wrong in it: a new labels file or manifest beside the old one."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.findings import DROP, KEEP, Finding
from fashionnet.curation.pile import Pile
from fashionnet.files import write_whole
from fashionnet.labels import IMAGE_COLUMN, PICTURE_COLUMN
from fashionnet.repository.listing import without_suffix


@dataclass(frozen=True)
class Cleaned:
    """What became of a pile.

    Attributes:
        kept: photos in the new file.
        certain: photos left out because a finding was certain.
        decided: photos left out because a person said so.
        labels: labels that are another than in the pile.
    """

    kept: int
    certain: int
    decided: int
    labels: int


def write_cleaned(
    path: Path,
    prefix: str,
    pile: Pile,
    sha256s: Sequence[str],
    groups: NDArray[np.int64],
    findings: Sequence[Finding],
    decisions: Mapping[str, Sequence[str]],
) -> Cleaned:
    """Write the photos that stay, with their labels, as a CSV; the photos are not touched.

    What a person decided goes before any finding, and of the findings only the certain count. A
    photo that stays takes over the labels that only its dropped copies of the same bytes have.

    Args:
        path: the CSV to write.
        prefix: a folder to put before the photos' names, or a blank.
        pile: the photos and labels.
        sha256s: N fingerprints of the photos.
        groups: int64 (N,): near-duplicates have one number.
        findings: what was found of them.
        decisions: for photos by name what was decided: keep, drop, `attribute=class`.
    """
    certain = {f.photo for f in findings if f.certain and f.suggestion == DROP}
    asked = {name for name, said in decisions.items() if DROP in said}
    spared = {name for name, said in decisions.items() if KEEP in said}
    gone = asked | (certain - spared)
    labels = _labels(pile, sha256s, decisions)
    kept = [row for row, name in enumerate(pile.names) if name not in gone]
    number = {group: place for place, group in enumerate(_shared(groups[kept]), start=1)}
    others = [name for name in pile.columns.column_names if name not in ("id", PICTURE_COLUMN)]
    columns = {name: pile.columns[name].to_pylist() for name in others}
    ids = pile.columns["id"].to_pylist()
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", IMAGE_COLUMN, *labels, *others, PICTURE_COLUMN])
    for row in kept:
        name = pile.names[row]
        item = ids[row] or without_suffix(name)
        cells = ["" if columns[other][row] is None else columns[other][row] for other in others]
        image = f"{prefix}/{name}" if prefix else name
        group = number.get(int(groups[row]), "")
        writer.writerow([item, image, *(labels[a][row] for a in labels), *cells, group])
    write_whole(path, text.getvalue().encode("utf-8", "surrogateescape"))
    blank = [""] * len(pile)
    changed = sum(
        labels[attribute][row] != pile.labels.get(attribute, blank)[row]
        for attribute in labels
        for row in kept
    )
    return Cleaned(len(kept), len(gone - asked), len(asked & {*pile.names}), changed)


def _labels(
    pile: Pile, sha256s: Sequence[str], decisions: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    labels = {attribute: list(column) for attribute, column in pile.labels.items()}
    row_of = {name: row for row, name in enumerate(pile.names)}
    rows_of: dict[str, list[int]] = {}
    for row, sha256 in enumerate(sha256s):
        if sha256:
            rows_of.setdefault(sha256, []).append(row)
    for rows in rows_of.values():
        for column in labels.values():
            said = {column[row] for row in rows} - {""}
            for row in rows if len(said) == 1 else ():
                column[row] = next(iter(said))
    for name, said_of_photo in decisions.items():
        for decision in said_of_photo:
            attribute, equals, class_name = decision.partition("=")
            if equals:
                labels.setdefault(attribute, [""] * len(pile))[row_of[name]] = class_name
    return labels


def _shared(groups: NDArray[np.int64]) -> list[int]:
    values, counts = np.unique(groups, return_counts=True)
    return values[counts > 1].tolist()
