"""Curating a pile from end to end: look, find, keep what was decided, write what is clean."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.curation.cleaned import Cleaned, write_cleaned
from fashionnet.curation.decisions import Decisions
from fashionnet.curation.doubtful import can_doubt, doubtful_labels
from fashionnet.curation.duplicates import near_duplicate_groups
from fashionnet.curation.findings import (
    Finding,
    duplicates,
    faulty_labels,
    irrelevant_photos,
    unusable_photos,
    write_findings,
)
from fashionnet.curation.looks import Looks, look_at
from fashionnet.curation.pile import Pile
from fashionnet.curation.words import Words, weak_labels
from fashionnet.describing import Network
from fashionnet.files import require_output_folder, require_writable
from fashionnet.repository.listing import write_left_out
from fashionnet.schema import Schema

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""`fashionnet.progress.progress`: what is done, and how many units of it."""


@dataclass(frozen=True)
class Workplace:
    """Where a pile's findings and decisions lie, and where its cleaned file goes.

    Attributes:
        folder: findings, decisions and what is kept between runs.
        cleaned: the cleaned labels file or manifest.
    """

    folder: Path
    cleaned: Path

    @classmethod
    def of(cls, source: Path, output: Path | None) -> "Workplace":
        """Return the place beside a source, in which relative paths stay true, or in `output`.

        RequestError where it cannot be written.
        """
        if output is not None:
            require_output_folder(output)
            return cls(output, output / "cleaned.csv")
        whole = source.resolve()
        require_writable(whole.parent)
        stem = whole.name if whole.is_dir() else whole.stem
        return cls(whole.parent / f"{stem}.curation", whole.parent / f"{stem}.cleaned.csv")

    @property
    def findings(self) -> Path:
        """The CSV of findings."""
        return self.folder / "findings.csv"

    @property
    def left_out(self) -> Path:
        """The CSV of what the source names that is no photo of the pile."""
        return self.folder / "left_out.csv"

    @property
    def decisions(self) -> Path:
        """The CSV of decisions."""
        return self.folder / "decisions.csv"


@dataclass(frozen=True, eq=False)
class Curation:
    """A pile of N photos and what was found of it.

    Attributes:
        pile: the photos and their labels, those from words included.
        looks: what was seen of each photo.
        groups: int64 (N,): near-duplicates have one number.
        findings: the rows, kind by kind.
        workplace: where everything lies.
    """

    pile: Pile
    looks: Looks
    groups: NDArray[np.int64]
    findings: list[Finding]
    workplace: Workplace

    def decisions(self, schema: Schema) -> Decisions:
        """Open the decisions about the pile; RequestError where they are about other photos."""
        sha256s = dict(zip(self.pile.names, self.looks.sha256.tolist(), strict=True))
        return Decisions(self.workplace.decisions, sha256s, schema)

    def apply(self, decisions: Decisions) -> Cleaned:
        """Write the cleaned file from decisions and certain findings."""
        return write_cleaned(
            self.workplace.cleaned,
            self._prefix(),
            self.pile,
            self.looks.sha256.tolist(),
            self.groups,
            self.findings,
            decisions.current(),
        )

    @property
    def images(self) -> Path | None:
        """What the cleaned file's photos are relative to, where it is not the file's own folder.

        What reads it then has to be told by `--images`: of its own accord nothing follows a file
        out of the file's folder.
        """
        here = self.workplace.cleaned.parent.resolve()
        return None if self.pile.root.is_relative_to(here) else self.pile.root

    def _prefix(self) -> str:
        """Return the folder that photos have before their names in the cleaned file, or a blank."""
        if self.images is not None:
            return ""
        here = self.workplace.cleaned.parent.resolve()
        prefix = self.pile.root.relative_to(here).as_posix()
        return "" if prefix == "." else prefix


def curate(
    pile: Pile,
    workplace: Workplace,
    network: Network,
    schema: Schema,
    progress: Progress,
    words: Words | None = None,
) -> Curation:
    """Find what is wrong with a pile and write the findings.

    With `words`, blank labels are filled from file names and titles first.

    What was seen of each photo is kept in the workplace: a second run, or one after a stop, reads
    only photos that are new.
    """
    photos = pile.photos
    with progress("looking at photos", len(pile)) as advance:
        looks = look_at(photos, network, workplace.folder / "looks", advance)
    with progress("comparing photos", len(pile)) as advance:
        groups = near_duplicate_groups(looks, photos, advance)
    found_in_words: list[Finding] = []
    if words is not None:
        pile, found_in_words = weak_labels(pile, words)
    unusable = list(unusable_photos(pile, looks))
    findings = [
        *unusable,
        *duplicates(pile, looks, groups),
        *irrelevant_photos(pile, looks, {finding.photo for finding in unusable}),
        *faulty_labels(pile),
        *found_in_words,
        *(doubtful_labels(pile, looks, groups, schema) if can_doubt() else ()),
    ]
    write_findings(workplace.findings, findings)
    write_left_out(workplace.left_out, pile.left_out)
    return Curation(pile, looks, groups, findings, workplace)
