"""Catalogue to repository: describe what is new or changed, resume, report what was left out."""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fashionnet.describing import Described, Network, describe_photos
from fashionnet.errors import RequestError
from fashionnet.files import cache_folder
from fashionnet.locations import Location, first_line, reaching
from fashionnet.photos import UnreadablePhotoError, file_state, fingerprint, read_bytes
from fashionnet.repository.catalogue import Catalogue, column_names
from fashionnet.repository.listing import LeftOutRow, write_left_out
from fashionnet.repository.store import LEFT_OUT
from fashionnet.repository.table import (
    DESCRIPTION,
    Description,
    ItemTable,
    drop_table,
    own_columns,
    vector_columns,
    vectors_of,
)
from fashionnet.schema import RELEVANCE, RELEVANCE_WORDS, Schema
from fashionnet.text import counted
from fashionnet.vectors import FashionVectors

PHOTOS_IN_A_COMMIT = 64
ROWS_IN_A_COMMIT = 8192
STAGED = "staged"
REMOTE_READERS = 32
_KNOWN = ("id", "photo", "_size", "_modified", "_missing", "relevance", "relevant")
# What a catalogue's own column of relevance is called in the table.
_RELEVANCE_SAID = f"catalogue_{RELEVANCE}"
STORES = ("s3", "gs", "az", "abfss")
"""Schemes of the object stores that a repository can lie in."""

_CHUNKS_AT_ONCE = 2


@dataclass(frozen=True)
class BuildReport:
    """What a build came to.

    Attributes:
        relevant: items with a relevant photo.
        irrelevant: items kept and marked, never recommended.
        newly_described: photos that went through the network in this build.
        vanished: items whose photos or rows are gone.
        pruned: whether the vanished ones were removed.
        left_out: photos and rows that did not become items.
        notes: what else a person should know.
    """

    relevant: int
    irrelevant: int
    newly_described: int
    vanished: int
    pruned: bool
    left_out: list[LeftOutRow]
    notes: list[str]

    @property
    def described(self) -> int:
        """Items in the repository whose photos have not vanished."""
        return self.relevant + self.irrelevant

    def closing_line(self, repository: Location) -> str:
        """Return how many there are of each, in a line."""
        left_out = f"{len(self.left_out):,} left out"
        if self.left_out:
            left_out += f" (see {repository / LEFT_OUT})"
        total = self.described + len(self.left_out) + self.vanished
        unchanged = self.described - self.newly_described
        return (
            f"{counted(total, 'item')}: {self.described:,} described ({self.relevant:,} relevant, "
            f"{self.irrelevant:,} irrelevant), {left_out}, {self.vanished:,} vanished"
            + (" and removed" if self.pruned and self.vanished else "")
            + (f"; {unchanged:,} known from an earlier build" if unchanged else "")
        )


class Engine(Protocol):
    """What describes the photos of a build: this process, or the workers of a cluster.

    Attributes:
        staged: whether its rows are kept aside until all are there, and committed at once.
    """

    staged: bool

    @property
    def workers(self) -> int:
        """How many chunks it describes at once."""

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of how it went."""

    def describe(
        self, chunks: Iterable[Sequence[Location]], advance: Callable[[int], None]
    ) -> Iterator[Described[Location]]:
        """Yield what came of each chunk of photos, in the order of the chunks."""


class LocalEngine:
    """Describes photos in this process."""

    workers = 1
    staged = False
    notes: Sequence[str] = ()

    def __init__(self, network: Network) -> None:
        self.network = network

    def describe(
        self, chunks: Iterable[Sequence[Location]], advance: Callable[[int], None]
    ) -> Iterator[Described[Location]]:
        """Yield what came of each chunk of photos, in the order of the chunks.

        While the rows of one are written the next is described, so that the network does not
        stand still.
        """
        with ThreadPoolExecutor(_CHUNKS_AT_ONCE) as threads:
            running: deque[Future[Described[Location]]] = deque()
            for chunk in chunks:
                running.append(threads.submit(describe_photos, self.network, chunk, advance))
                if len(running) == _CHUNKS_AT_ONCE:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()


@dataclass(frozen=True)
class _Photo:
    """An item whose photo is to be described, and its file as it was when the build looked.

    Only where the table has a photo of its size can it be one that the table knows.
    """

    row: int
    size: int
    modified: int
    has_known_size: bool


def build_repository(
    catalogue: Catalogue,
    repository: Location,
    network: Network,
    prune: bool = False,
    advance: Callable[[int], None] = lambda count: None,
    engine: Engine | None = None,
) -> BuildReport:
    """Build a repository, or bring it up to date with its catalogue.

    A photo whose size and time of change, or else whose SHA-256, the repository knows is not
    described again. Items that the catalogue no longer has, or whose file is gone, are marked as
    missing, and removed with `prune`. Every 64 photos are one commit: a build that is stopped
    loses at most those in work, and the next one goes on from there. With an engine that stages
    they are commits to a table beside the items, which a last commit adds to the items.

    The repository is a folder, or lies in an object store (see `STORES`). Builds on one machine
    keep each other out; that two machines do not build one repository in a store is on the person.

    `advance` is called with numbers of items that are done; they add up to those of the catalogue.

    Raises RequestError for a folder that is no repository, one built with another model or in
    use by another build, and where it cannot be written.
    """
    description = Description(
        network.schema,
        network.fingerprint,
        network.embedding_size,
        network.same_picture,
        _root(catalogue, repository),
    )
    if not isinstance(repository, Path) and repository.protocol not in STORES:
        raise RequestError(
            f"{repository}: a repository lies in a folder or in an object store: "
            + ", ".join(f"{scheme}://" for scheme in STORES)
        )
    with _only_build(repository):
        _prepare(repository, description)
        build = _Build(catalogue, repository, description, engine or LocalEngine(network))
        return build.run(prune, advance)


class _Build:
    def __init__(
        self, catalogue: Catalogue, repository: Location, description: Description, engine: Engine
    ) -> None:
        self.catalogue = catalogue
        self.repository = repository
        self.description = description
        self.engine = engine
        self.left_out = list(catalogue.left_out)
        self.notes = list(catalogue.notes)
        self.newly_described = 0
        self.metadata = self._named_metadata(own_columns(description).names)
        self.table = ItemTable.open(repository, description, self.metadata.schema)

    def run(self, prune: bool, advance: Callable[[int], None]) -> BuildReport:
        """Do the whole build and report on it."""
        if self.table.metadata_columns != self.metadata.schema:
            self.table.set_metadata_columns(self.metadata.schema)
        # A build that was stopped may have left some.
        self._drop_damaged_staged()
        self._commit_staged()
        known = self.table.read([*_KNOWN, *self.metadata.column_names])
        place = {name: row for row, name in enumerate(known["id"].to_pylist())}
        kept, pending = self._sort_out(known, place)
        self._refresh(known, place, kept)
        advance(len(self.catalogue) - len(pending))
        unusable = self._describe(pending, place, advance)
        self._commit_staged()
        # What can no longer be read must not be recommended by its former picture.
        self.table.delete([name for name in unusable if name in place])
        here = {self.catalogue.ids[row] for row in kept}
        here |= {self.catalogue.ids[photo.row] for photo in pending}
        vanished = self._settle_vanished(known, here, prune)
        self.table.tidy()
        self._write_left_out()
        present = self.table.count("NOT _missing")
        relevant = self.table.count("relevant AND NOT _missing")
        return BuildReport(
            relevant,
            present - relevant,
            self.newly_described,
            vanished,
            prune,
            self.left_out,
            [*self.notes, *self.engine.notes],
        )

    def _named_metadata(self, reserved: Sequence[str]) -> pa.Table:
        """Return the catalogue's metadata by the names that its columns have in the table."""
        given = self.catalogue.metadata
        names = column_names(given.column_names, reserved)
        changed = [f"{old} is {new}" for old, new in names.items() if old != new]
        if changed:
            self.notes.append("columns renamed for filters: " + ", ".join(changed))
        return pa.table({names[old]: given[old] for old in given.column_names})

    def _sort_out(
        self, known: pa.Table, place: Mapping[str, int]
    ) -> tuple[list[int], list[_Photo]]:
        """Part the catalogue's rows into those that are as the table knows them and the others."""
        files = list(
            zip(*(known[name].to_pylist() for name in ("photo", "_size", "_modified")), strict=True)
        )
        sizes = set(known["_size"].to_pylist())
        kept, pending = [], []
        for row, (name, photo, state) in enumerate(
            zip(self.catalogue.ids, self.catalogue.photos, self._states(), strict=True)
        ):
            if isinstance(state, OSError):
                if name not in place:
                    self.left_out.append(LeftOutRow(photo, first_line(state)))
            elif name in place and files[place[name]] == (photo, *state):
                kept.append(row)
            else:
                pending.append(_Photo(row, *state, has_known_size=state[0] in sizes))
        return kept, pending

    def _states(self) -> Iterator[tuple[int, int] | OSError]:
        """Yield the size of each photo's file and its time of change, or why it has none."""
        root = self.catalogue.root

        def state(photo: str) -> tuple[int, int] | OSError:
            try:
                return file_state(root / photo)
            except OSError as error:
                return error

        if isinstance(root, Path):
            yield from map(state, self.catalogue.photos)
        else:
            # Each is a question to a server far away.
            with ThreadPoolExecutor(REMOTE_READERS) as threads:
                yield from threads.map(state, self.catalogue.photos)

    def _refresh(self, known: pa.Table, place: Mapping[str, int], kept: Sequence[int]) -> None:
        """Bring the metadata of unchanged photos up to date, and those back that had vanished."""
        if not kept:
            return
        here = pa.array(kept, pa.int64())
        there = pa.array([place[self.catalogue.ids[row]] for row in kept], pa.int64())
        known_relevant = known["relevant"].take(there).combine_chunks()
        relevant = self._relevant(kept, known["relevance"].take(there).to_numpy() >= 0.5)
        differs = pc.or_(
            known["_missing"].take(there).combine_chunks(), pc.not_equal(known_relevant, relevant)
        )
        for name in self.metadata.column_names:
            new = self.metadata[name].take(here).combine_chunks()
            old = known[name].take(there).combine_chunks()
            same = pc.fill_null(pc.equal(new, old), False)
            both_blank = pc.and_(pc.is_null(new), pc.is_null(old))
            differs = pc.or_(differs, pc.invert(pc.or_(same, both_blank)))
        changed = [row for row, changes in zip(kept, differs.to_pylist(), strict=True) if changes]
        for start in range(0, len(changed), ROWS_IN_A_COMMIT):
            self._rewrite_metadata(changed[start : start + ROWS_IN_A_COMMIT])

    def _rewrite_metadata(self, rows: Sequence[int]) -> None:
        row_of = {self.catalogue.ids[row]: row for row in rows}
        own = self.table.own_columns.names
        current = self.table.read_values(own, "id", list(row_of))
        columns = {name: current[name] for name in own}
        columns["_missing"] = pa.array([False] * len(rows))
        order = [row_of[name] for name in current["id"].to_pylist()]
        columns["relevant"] = self._relevant(order, current["relevance"].to_numpy() >= 0.5)
        self.table.replace(pa.table(columns | self._metadata_of(order)))

    def _relevant(self, rows: Sequence[int], seen: NDArray[np.bool_]) -> pa.Array:
        """Return whether items are relevant: as the catalogue says, else as the network saw."""
        if _RELEVANCE_SAID not in self.metadata.column_names:
            return pa.array(seen)
        said = self.metadata[_RELEVANCE_SAID].take(pa.array(rows, pa.int64())).to_pylist()
        words = zip((str(word).strip().lower() for word in said), seen.tolist(), strict=True)
        return pa.array([RELEVANCE_WORDS.get(word, is_seen) for word, is_seen in words], pa.bool_())

    def _metadata_of(self, rows: Sequence[int]) -> dict[str, pa.ChunkedArray]:
        taken = pa.array(rows, pa.int64())
        return {name: self.metadata[name].take(taken) for name in self.metadata.column_names}

    def _describe(
        self, pending: Sequence[_Photo], place: Mapping[str, int], advance: Callable[[int], None]
    ) -> list[str]:
        """Describe photos, or take over what is known of the same picture; return the unusable."""
        chunks: deque[_Chunk] = deque()

        def unknown() -> Iterator[Sequence[Location]]:
            for start in range(0, len(pending), PHOTOS_IN_A_COMMIT):
                chunk = self._chunk(pending[start : start + PHOTOS_IN_A_COMMIT])
                advance(len(chunk.paths) - len(chunk.unknown))
                chunks.append(chunk)
                yield chunk.unknown

        unusable: list[str] = []
        staged: list[pa.Table] = []
        for described in self.engine.describe(unknown(), advance):
            chunk = chunks.popleft()
            pictures, usable = self._part(chunk, described, unusable)
            if not self.engine.staged:
                self._write(usable, pictures, place)
                continue
            staged.append(self._rows(usable, pictures))
            if len(staged) >= self.engine.workers:
                self._stage(staged)
        self._stage(staged)
        return unusable

    def _chunk(self, photos: Sequence[_Photo]) -> "_Chunk":
        paths = [self.catalogue.root / self.catalogue.photos[photo.row] for photo in photos]
        known = self._known_pictures(
            [path for photo, path in zip(photos, paths, strict=True) if photo.has_known_size]
        )
        unknown = list(dict.fromkeys(path for path in paths if path not in known.row_of))
        return _Chunk(photos, paths, known, unknown)

    def _part(
        self, chunk: "_Chunk", described: Described[Location], unusable: list[str]
    ) -> tuple["_Pictures", list[tuple[_Photo, int]]]:
        """Return a chunk's pictures and the row of each photo's, noting those that have none."""
        self.newly_described += len(described.photos)
        pictures = chunk.known.joined(described)
        reasons = {left_out.photo: left_out.reason for left_out in described.left_out}
        usable = []
        for photo, path in zip(chunk.photos, chunk.paths, strict=True):
            if path in pictures.row_of:
                usable.append((photo, pictures.row_of[path]))
            else:
                unusable.append(self.catalogue.ids[photo.row])
                shown = self.catalogue.photos[photo.row]
                self.left_out.append(LeftOutRow(shown, reasons[path]))
        return pictures, usable

    def _write(
        self, usable: list[tuple[_Photo, int]], pictures: "_Pictures", place: Mapping[str, int]
    ) -> None:
        new = [pair for pair in usable if self.catalogue.ids[pair[0].row] not in place]
        changed = [pair for pair in usable if self.catalogue.ids[pair[0].row] in place]
        if new:
            self.table.add(self._rows(new, pictures))
        if changed:
            self.table.replace(self._rows(changed, pictures))

    def _stage(self, rows: list[pa.Table]) -> None:
        """Put rows into the table beside the items, which is made where there is none."""
        if any(len(part) for part in rows):
            staged = ItemTable.open(self.repository, self.description, self.metadata.schema, STAGED)
            staged.add(pa.concat_tables(rows))
        rows.clear()

    def _drop_damaged_staged(self) -> None:
        """Remove staged rows that a full disk or a kill has spoilt: they are described again."""
        try:
            staged = ItemTable.open_existing(self.repository, self.description, STAGED)
            for _ in staged.batches() if staged is not None else ():
                pass
        except RequestError as error:
            drop_table(self.repository, STAGED)
            self.notes.append(f"what a stopped build left is damaged, described again: {error}")

    def _commit_staged(self) -> None:
        """Move the staged rows to the items: the new ones in one commit, in their order."""
        staged = ItemTable.open_existing(self.repository, self.description, STAGED)
        if staged is None:
            return
        if staged.metadata_columns != self.metadata.schema:
            staged.set_metadata_columns(self.metadata.schema)
        # A kill after the commit leaves rows that are in both: those replace themselves.
        present = self.table.read(["id"])["id"].combine_chunks()
        is_present = pc.is_in(staged.read(["id"])["id"].combine_chunks(), present)

        def rows(chosen: pa.BooleanArray) -> Iterator[pa.RecordBatch]:
            start = 0
            for batch in staged.batches():
                yield batch.filter(chosen.slice(start, len(batch)))
                start += len(batch)

        self.table.add_batches(rows(pc.invert(is_present)))
        for batch in rows(is_present):
            if len(batch):
                self.table.replace(pa.Table.from_batches([batch]))
        drop_table(self.repository, STAGED)

    def _known_pictures(self, paths: Sequence[Location]) -> "_Pictures":
        """Return the Fashion Vectors of those photos whose content the table already has."""
        sha256_of = {}
        for path in paths:
            # describe_photos gives the reason why a photo is left out.
            with suppress(UnreadablePhotoError):
                sha256_of[path] = fingerprint(read_bytes(path))
        rows = self.table.read_values(
            ["_sha256", "_probabilities", "relevance", "_embedding"],
            "_sha256",
            sorted(set(sha256_of.values())),
        )
        sha256s = rows["_sha256"].to_pylist()
        row_of_sha256 = {sha256: row for row, sha256 in enumerate(sha256s)}
        row_of = {
            path: row_of_sha256[sha256]
            for path, sha256 in sha256_of.items()
            if sha256 in row_of_sha256
        }
        return _Pictures(row_of, sha256s, vectors_of(rows, self.description.schema))

    def _rows(self, pairs: Sequence[tuple[_Photo, int]], pictures: "_Pictures") -> pa.Table:
        """Return rows for the table from items and the rows of their pictures."""
        items = [photo.row for photo, _ in pairs]
        chosen = [row for _, row in pairs]
        columns = {
            "id": pa.array([self.catalogue.ids[row] for row in items], pa.string()),
            "photo": pa.array([self.catalogue.photos[row] for row in items], pa.string()),
            "_sha256": pa.array([pictures.sha256s[row] for row in chosen], pa.string()),
            "_size": pa.array([photo.size for photo, _ in pairs], pa.int64()),
            "_modified": pa.array([photo.modified for photo, _ in pairs], pa.int64()),
        }
        vectors = pictures.vectors.take(chosen)
        seen = vector_columns(vectors, self.description.model_fingerprint)
        seen["relevant"] = self._relevant(items, vectors.relevant)
        return pa.table(columns | seen | self._metadata_of(items))

    def _settle_vanished(self, known: pa.Table, here: Container[str], prune: bool) -> int:
        """Mark or remove the items that are no longer there; return how many there are."""
        names, missing = known["id"].to_pylist(), known["_missing"].to_pylist()
        vanished = [name for name in names if name not in here]
        if prune:
            self.table.delete(vanished)
        else:
            marked = {name for name, is_missing in zip(names, missing, strict=True) if is_missing}
            self.table.mark_missing([name for name in vanished if name not in marked])
        return len(vanished)

    def _write_left_out(self) -> None:
        self.left_out.sort(key=lambda row: (row.image, row.reason))
        write_left_out(self.repository / LEFT_OUT, self.left_out)


@dataclass(frozen=True)
class _Pictures:
    """Pictures with their Fashion Vectors, and the row of each photo among them."""

    row_of: dict[Location, int]
    sha256s: list[str]
    vectors: FashionVectors

    def joined(self, described: Described[Location]) -> "_Pictures":
        start = len(self.sha256s)
        added = {photo: start + row for row, photo in enumerate(described.photos)}
        return _Pictures(
            self.row_of | added,
            self.sha256s + described.fingerprints,
            FashionVectors.concatenate([self.vectors, described.vectors]),
        )


@dataclass(frozen=True)
class _Chunk:
    """Photos that are described together: where they lie, and which pictures are known already."""

    photos: Sequence[_Photo]
    paths: list[Location]
    known: _Pictures
    unknown: list[Location]


def _root(catalogue: Catalogue, repository: Location) -> str:
    """Return the catalogue's folder as the repository remembers it.

    Where they lie in one folder it is relative, so that they can be moved together.
    """
    if not isinstance(repository, Path) or not isinstance(catalogue.root, Path):
        return str(catalogue.root)
    here = repository.resolve()
    beside = here.parent
    if beside != beside.parent and catalogue.root.is_relative_to(beside):
        return Path(os.path.relpath(catalogue.root, here)).as_posix()
    return str(catalogue.root)


def _prepare(repository: Location, wanted: Description) -> None:
    """Make a new folder a repository; refuse what is none, or of another schema or model."""
    try:
        with reaching(repository):
            names = [file.name for file in repository.iterdir()] if repository.exists() else []
    except OSError as error:
        raise RequestError(f"{repository}: {first_line(error)}") from error
    if any(not name.startswith(f".{DESCRIPTION}.") for name in names):
        if DESCRIPTION not in names:
            raise RequestError(
                f"{repository}: not empty and not a repository: name a new or an empty folder"
            )
        present = Description.read(repository)
        _check_same_model(repository, present, wanted)
        if present == wanted:
            return
    wanted.write(repository)


def _check_same_model(repository: Location, present: Description, wanted: Description) -> None:
    remedy = "build into a new folder, or name the model that it was built with"
    if present.schema != wanted.schema:
        raise RequestError(
            f"{repository} was built with the schema {_in_words(present.schema)}, this model has "
            f"{_in_words(wanted.schema)}: {remedy}"
        )
    if present.model_fingerprint != wanted.model_fingerprint:
        raise RequestError(
            f"{repository} was built with model {present.model_fingerprint}, this model is "
            f"{wanted.model_fingerprint}: {remedy}"
        )


def _in_words(schema: Schema) -> str:
    return "; ".join(f"{attribute.name}: {', '.join(attribute.classes)}" for attribute in schema)


@contextmanager
def _only_build(repository: Location) -> Iterator[None]:
    """Hold the repository's folder, made where it is not there, against other builds.

    For one in an object store, a folder of this user's on this machine is held in its place.
    Windows cannot lock a folder: there it is on the person not to start two builds at once.
    """
    held = repository if isinstance(repository, Path) else _stand_in(repository)
    try:
        held.mkdir(parents=True, exist_ok=True)
        folder = None if os.name == "nt" else os.open(held, os.O_RDONLY)
    except FileExistsError:
        raise RequestError(f"{held} is a file: name a folder for the repository") from None
    except OSError as error:
        raise RequestError(f"cannot make repository {held}: {first_line(error)}") from error
    if folder is None:
        yield
        return
    import fcntl

    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RequestError(
                f"{repository}: another build is at work on it: wait until it has ended"
            ) from None
        yield
    finally:
        os.close(folder)


def _stand_in(repository: Location) -> Path:
    name = hashlib.sha256(str(repository).rstrip("/").encode()).hexdigest()[:16]
    return cache_folder() / "builds" / name
