"""What a person decided about photos: a small file beside the data, and the file's history."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fashionnet.curation.findings import DROP, KEEP
from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.schema import RELEVANCE, Schema

_COLUMNS = ("step", "photo", "sha256", "decision")


@dataclass(frozen=True)
class Decision:
    """One decision about one photo.

    Attributes:
        step: decisions of equal number were taken, and are undone, together.
        photo: its name in the pile.
        sha256: its fingerprint, which binds the decision to the picture.
        decision: keep, drop or `attribute=class`.
    """

    step: int
    photo: str
    sha256: str
    decision: str


class Decisions:
    """The decisions about a pile, in the order they were taken, as a CSV on disk.

    Every change is on disk when the call returns, whole or not at all.
    """

    def __init__(self, path: Path, sha256s: Mapping[str, str], schema: Schema) -> None:
        self._path = path
        self._sha256s = sha256s
        self._schema = schema
        self.taken = _read(path, schema)
        of_pile = [d for d in self.taken if sha256s.get(d.photo) == d.sha256]
        if self.taken and not of_pile:
            raise _about_others(path, self.taken)
        self.stale = len(self.taken) - len(of_pile)

    def take(self, photos: Sequence[str], decision: str) -> None:
        """Decide about photos of the pile in one step; RequestError for what is no decision."""
        _check(decision, self._schema)
        unknown = [photo for photo in photos if photo not in self._sha256s]
        if unknown or not photos:
            raise RequestError(f"no such photo in the pile: {', '.join(unknown[:3]) or 'none'}")
        step = self.taken[-1].step + 1 if self.taken else 1
        new = [Decision(step, photo, self._sha256s[photo], decision) for photo in photos]
        self._write([*self.taken, *new])

    def undo(self) -> list[str]:
        """Take the last step back; return its photos, none where nothing is left to undo."""
        if not self.taken:
            return []
        last = self.taken[-1].step
        undone = [decision.photo for decision in self.taken if decision.step == last]
        self._write([decision for decision in self.taken if decision.step != last])
        return undone

    def current(self) -> dict[str, list[str]]:
        """Return what holds now for each photo: keep or drop, and a class for some attributes.

        Of two decisions about the same the later holds. Decisions about photos that are no
        longer in the pile, or no longer the same picture, do not count.
        """
        held: dict[str, dict[str, str]] = {}
        for decision in self.taken:
            if self._sha256s.get(decision.photo) == decision.sha256:
                subject = decision.decision.partition("=")[0] if "=" in decision.decision else ""
                held.setdefault(decision.photo, {})[subject] = decision.decision
        return {photo: list(by_subject.values()) for photo, by_subject in held.items()}

    def _write(self, taken: list[Decision]) -> None:
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows((d.step, d.photo, d.sha256, d.decision) for d in taken)
        write_whole(self._path, text.getvalue().encode("utf-8", "surrogateescape"))
        self.taken = taken


def require_decisions_about(path: Path, photos: Collection[str], schema: Schema) -> None:
    """Raise RequestError for a file of decisions that is about none of the photos, or none at all.

    It looks at names only, and so can be asked before any photo is read.
    """
    taken = _read(path, schema)
    if taken and not any(decision.photo in photos for decision in taken):
        raise _about_others(path, taken)


def _about_others(path: Path, taken: Sequence[Decision]) -> RequestError:
    return RequestError(
        f"{path}: these decisions are about other photos, such as {taken[0].photo}: name their "
        "data, or move the file away"
    )


def _check(decision: str, schema: Schema) -> None:
    if decision in (KEEP, DROP):
        return
    attribute, equals, class_name = decision.partition("=")
    if not equals:
        raise RequestError(f"{decision!r} is no decision: expected keep, drop or attribute=class")
    if attribute == RELEVANCE:
        if class_name not in ("yes", "no", ""):
            raise RequestError(f"{RELEVANCE} has no class {class_name!r}: expected yes or no")
    elif class_name:
        schema[attribute].code(class_name)
    else:
        schema[attribute]


def _read(path: Path, schema: Schema) -> list[Decision]:
    """Return the decisions of a file, none where there is no file."""
    if not path.exists():
        return []
    taken = _read_rows(path)
    for decision in taken:
        try:
            _check(decision.decision, schema)
        except RequestError as error:
            raise RequestError(f"{path}: {error}") from error
    return taken


def _read_rows(path: Path) -> list[Decision]:
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
        rows = csv.DictReader(io.StringIO(text, newline=""))
        if tuple(rows.fieldnames or ()) != _COLUMNS:
            raise ValueError
        return [
            Decision(int(row["step"]), row["photo"], row["sha256"], row["decision"] or "")
            for row in rows
        ]
    except OSError as error:
        raise RequestError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, TypeError, csv.Error) as error:
        raise RequestError(
            f"{path}: no file of decisions: move it away to start with none"
        ) from error
