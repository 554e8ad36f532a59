"""The columns of a large repository: what a query reads instead of every item.

They lie in a folder beside the table, made from one version of it, and hold the items that can be
recommended in an order in which like ones are neighbours: by Fashion Vector, then by cell, the
nearest of some centres among the embeddings. A run of items with one Fashion Vector and one cell
is a list. Every column is a file of its own that is mapped into memory, so that opening reads
next to nothing and a query reads the lists it needs. Beside them lie the items' rows, so that what
is recommended is read without asking the store.

Beside each embedding lies what bounds its cosine with a photo. With x an embedding, m the mean and
V the first principal axes, z = V(x - m) is kept in one byte a number as z', and with it the length
of what that leaves out:

    x - m = V'z' + e,   e = e_in + e_out,   e_in in the space of V, e_out at right angles to it.

For a photo q, with r = q - m, it follows from Cauchy and Schwarz that

    q·x <= q·m + m·(x - m) + Vr·z' + |Vr| |e_in| + |r_out| |e_out|,

so that of the many items of one score few embeddings are read to find the nearest.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fashionnet.repository.mapped import ColumnFile, RowFile, Rows, blocks, load_column
from fashionnet.schema import Schema

if TYPE_CHECKING:
    from fashionnet.repository.table import ItemTable

FORMAT = 3
DESCRIPTION = "columns.json"
FACETS = "facets.arrow"
ROW = ("id", "photo", "_sha256", "relevance")
"""What is kept of an item besides numbers, before the catalogue's own columns."""

COARSE_SIZE = 64
SAMPLE_SIZE = 16_384
"""Items that mean, axes and centres are computed from."""

MOST_RUNS = 8_192
"""Runs of items that share a bound on their expected score."""

MOST_VALUES = 65_535
"""A metadata column with more distinct values than this is filtered by the store."""

_ITEMS_IN_A_CELL = 256
_MOST_CELLS = 1024
_GROWTH = 4
_BLOCK = 16_384
_LEVELS = 9
_SEED = 0
_STALE_AFTER = 3600.0
_SINGLE_PRECISION = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Axes:
    """Where embeddings are projected to: learned from a sample, and kept while items are added.

    Attributes:
        mean: float32 (E,).
        axes: float32 (D, E), orthonormal, the direction of most variance first.
        low, step: float32 (D,), the value of byte 0 and the width of one.
        centres: float32 (K, D), the cells' centres in these coordinates.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    low: NDArray[np.float32]
    step: NDArray[np.float32]
    centres: NDArray[np.float32]

    @classmethod
    def learn(cls, sample: NDArray[np.float32], item_count: int) -> "Axes":
        """Return the principal axes of a sample (n, E), and cells for so many items."""
        mean = sample.mean(axis=0)
        centred = sample - mean
        covariance = centred.T.astype(np.float64) @ centred
        size = min(COARSE_SIZE, sample.shape[1])
        axes = np.linalg.eigh(covariance)[1][:, ::-1][:, :size].T.astype(np.float32)
        coordinates = centred @ axes.T
        low, high = coordinates.min(axis=0), coordinates.max(axis=0)
        # What comes later may lie a little outside; what lies further out is cut, and its bounds
        # are wide.
        margin = 0.05 * (high - low) + 1e-6
        count = min(_MOST_CELLS, max(1, item_count // _ITEMS_IN_A_CELL), len(sample))
        centres = _centres(coordinates.astype(np.float32), count)
        step = (high - low + 2 * margin) / 255
        return cls(mean, np.ascontiguousarray(axes), low - margin, step, centres)

    def project(
        self, embeddings: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint16]]:
        """Return coordinates uint8 (n, D), bounds float32 (n, 3) and cells uint16 (n,).

        The bounds are m·(x - m), |e_in| and |e_out|.
        """
        centred = embeddings - self.mean
        exact = centred @ self.axes.T
        places = ((exact - self.low) / self.step).round().clip(0, 255).astype(np.uint8)
        missed = exact - (places * self.step + self.low)
        rest = np.einsum("ij,ij->i", centred, centred) - np.einsum("ij,ij->i", exact, exact)
        # The difference of two like numbers is known to six decimals: stay above it.
        outside = np.sqrt(rest.clip(0) + 2e-6)
        bounds = np.stack([centred @ self.mean, np.linalg.norm(missed, axis=1), outside], axis=1)
        cells = _nearest(exact, self.centres)
        return places, bounds.astype(np.float32), cells.astype(np.uint16)


class Columns:
    """The columns of N items, opened.

    Attributes:
        version: the version of the table that they were made from.
        codes: uint8 (G, A), the distinct Fashion Vectors that occur, in lexicographic order.
        group_starts: int64 (G + 1,), where the items of each begin.
        list_starts: int64 (L + 1,), where each list begins; lists do not cross groups.
        list_cells: uint16 (L,).
        row_ids: uint64 (N,), the items in the table.
        places: uint32 (N,), where each item's row lies in `rows`.
        rows: what `ROW` names and the catalogue's own columns, in the order in which items came.
        probabilities: float32 (N, C).
        embeddings: float16 (N, E).
        coarse: uint8 (N, D), where the embeddings lie along the axes.
        bounds: float32 (N, 3), see `Axes.project`.
        sure_order: uint32 (N,), items by Fashion Vector and by how sure each class is.
        sure_starts: int64 (S + 1,), runs of it.
        sure_codes: uint8 (S, A), the Fashion Vector of each run.
        sure_range: float32 (S, A, 2), lowest and highest probability of the classes in it.
        facets: the values that occur in each metadata column of few.
        combinations: tables in memory of every combination of some columns' values, each made
            when it is needed first.
    """

    def __init__(self, folder: Path, description: dict[str, Any]) -> None:
        self.folder = folder
        self.version = int(description["version"])
        self.learned_from = int(description["learned_from"])
        self.metadata = str(description["metadata"])
        self.identity = str(description["identity"])
        self.facets: dict[str, pa.Array] = {}
        self.combinations: dict[tuple[str, ...], Any] = {}
        with pa.OSFile(str(folder / FACETS)) as file:
            facets = pa.ipc.open_file(file).read_all()
        self._facet_numbers = {}
        for name, place in description["facets"].items():
            self.facets[name] = facets[str(place)].chunk(0)[0].values
            self._facet_numbers[name] = self._load(f"facet_{int(place)}")
        # Small, and read often: a mapped array is slower to take single numbers from.
        self.codes = np.array(self._load("codes"))
        self.group_starts = np.array(self._load("group_starts"))
        self.list_starts = np.array(self._load("list_starts"))
        self.list_cells = np.array(self._load("list_cells"))
        self.rows = Rows(folder)
        self.row_ids = self._load("row_ids")
        self.places = self._load("places")
        self.probabilities = self._load("probabilities")
        self.embeddings = self._load("embeddings")
        self.coarse = self._load("coarse")
        self.bounds = self._load("bounds")
        self.sure_order = self._load("sure_order")
        self.sure_starts = self._load("sure_starts")
        self.sure_codes = self._load("sure_codes")
        self.sure_range = self._load("sure_range")
        self.axes = Axes(
            *(np.array(self._load(name)) for name in ("mean", "axes", "low", "step", "centres"))
        )

    @classmethod
    def open(cls, folder: Path) -> "Columns | None":
        """Open a folder of columns; None where there is none, or not a whole one."""
        try:
            description = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
            return cls(folder, description) if description["format"] == FORMAT else None
        except (OSError, ValueError, KeyError, TypeError, IndexError, pa.ArrowException):
            return None

    def __len__(self) -> int:
        return len(self.row_ids)

    @cached_property
    def list_groups(self) -> NDArray[np.int64]:
        """int64 (G + 1,): where the lists of each group begin."""
        return np.searchsorted(self.list_starts, self.group_starts)

    @property
    def metadata_names(self) -> list[str]:
        """The catalogue's own columns."""
        return self.rows.names[len(ROW) :]

    def rows_of(self, rows: Sequence[int] | NDArray[np.integer]) -> pa.Table:
        """Return what `ROW` names and the catalogue's own columns of rows, in that order."""
        return self.rows.take(self.places[np.asarray(rows, np.int64)])

    def facet(self, name: str) -> NDArray[np.uint16]:
        """uint16 (N,): the place of each item's value among those of a metadata column."""
        return self._facet_numbers[name]

    def embeddings_of(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Return float32 (n, E): the embeddings of rows."""
        # Many of their numbers are so small that NumPy converts them five times slower than it
        # looks them up.
        halves = self.embeddings[rows].view(np.uint16)
        return np.take(_SINGLE_PRECISION, halves, mode="clip")

    def _load(self, name: str) -> NDArray[Any]:
        return load_column(self.folder, name)


def write_columns(folder: Path, table: "ItemTable", before: Columns | None = None) -> None:
    """Write the columns of a table, as it was at one version, into a folder; whole or not at all.

    What `before` holds of the same rows is taken over: only rows that are new are read. Raises
    RequestError where the table cannot be read, OSError where the folder cannot be written.
    """
    schema = table.description.schema
    row_ids = table.eligible_row_ids()
    if before and not _can_be_extended(before, table, len(row_ids)):
        before = None
    known = np.array(before.row_ids) if before else np.empty(0, np.uint64)
    kept = np.flatnonzero(is_among(known, row_ids))
    if 2 * len(kept) < len(row_ids):
        # Reading all in their order takes less time than reading most by their ids.
        before, known, kept = None, known[:0], kept[:0]
    added = row_ids[~is_among(row_ids, known)]
    if before:
        axes, learned_from = before.axes, before.learned_from
    else:
        axes, learned_from = _learn(table, row_ids), len(row_ids)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_stale(folder.parent)
    work = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        facets = _Facets(table.metadata_columns, before)
        row_names = [*ROW, *table.metadata_columns.names]
        names = ["_probabilities", "_embedding", *row_names]
        batches = table.batches_of(added, names) if before else table.eligible_batches(names)
        row_file = RowFile(work)
        old_places = _write_kept_rows(row_file, before, kept)
        new = _write_arrivals(work, schema, axes, batches, facets, row_file, row_names)
        row_file.close()
        order = _write_sorted(work, schema, axes, before, kept, new, facets)
        new_places = np.arange(len(kept), len(order), dtype=np.uint32)
        np.save(work / "places.npy", np.concatenate([old_places, new_places])[order])
        for arrived in work.glob("new_*.npy"):
            arrived.unlink()
        for name in ("mean", "axes", "low", "step", "centres"):
            np.save(work / f"{name}.npy", getattr(axes, name))
        description = {
            "format": FORMAT,
            "version": table.version,
            "identity": table.identity,
            "learned_from": learned_from,
            "metadata": table.metadata_columns.to_string(),
            "facets": facets.write(work),
        }
        (work / DESCRIPTION).write_text(json.dumps(description), encoding="utf-8")
        work.chmod(0o755)
        present = Columns.open(folder)
        if present is None or present.identity != table.identity:
            shutil.rmtree(folder, ignore_errors=True)
            _move(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _remove_stale(home: Path) -> None:
    """Remove what killed processes left; what is being written has changed a moment ago."""
    for work in home.glob(".columns.*"):
        with suppress(OSError):
            changed = max(file.stat().st_mtime for file in (work, *work.iterdir()))
            if time.time() - changed > _STALE_AFTER:
                shutil.rmtree(work, ignore_errors=True)


def _move(work: Path, folder: Path) -> None:
    try:
        work.replace(folder)
    except OSError:
        # Another process was quicker, with the same.
        if Columns.open(folder) is None:
            raise


def _can_be_extended(before: Columns, table: "ItemTable", count: int) -> bool:
    """Say whether columns are of the same metadata, and their axes of no much smaller table."""
    same = before.metadata == table.metadata_columns.to_string()
    return same and count <= _GROWTH * before.learned_from


def _learn(table: "ItemTable", row_ids: NDArray[np.uint64]) -> Axes:
    chosen = row_ids
    if len(row_ids) > SAMPLE_SIZE:
        random = np.random.default_rng(_SEED)
        chosen = np.sort(random.choice(row_ids, SAMPLE_SIZE, replace=False))
    embeddings = _matrix(table.take(chosen, ["_embedding"])["_embedding"])
    return Axes.learn(embeddings.astype(np.float32), len(row_ids))


def _centres(points: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return `count` centres of points by Lloyd's algorithm, from points drawn at random."""
    random = np.random.default_rng(_SEED)
    centres = points[random.choice(len(points), count, replace=False)].copy()
    for _ in range(6):
        cells = _nearest(points, centres)
        order = np.argsort(cells, kind="stable")
        occupied, starts = np.unique(cells[order], return_index=True)
        sums = np.add.reduceat(points[order], starts, axis=0)
        sizes = np.diff([*starts, len(points)])
        centres[occupied] = sums / sizes[:, None]
    return centres


def _nearest(points: NDArray[np.floating], centres: NDArray[np.float32]) -> NDArray[np.intp]:
    half_lengths = np.einsum("ij,ij->i", centres, centres) / 2
    return np.concatenate(
        [
            (points[start : start + 2048] @ centres.T - half_lengths).argmax(axis=1)
            for start in range(0, max(len(points), 1), 2048)
        ]
    )


class _Facets:
    """Metadata columns as numbers: the place of a value among those that occur.

    Columns are known by number, as no file is named by what a catalogue calls a column.
    """

    def __init__(self, columns: pa.Schema, before: Columns | None) -> None:
        names = [c.name for c in columns if before is None or c.name in before.facets]
        self.places = {name: place for place, name in enumerate(names)}
        self.values: dict[str, pa.Array] = {
            name: before.facets[name] if before else pa.array([], columns.field(name).type)
            for name in names
        }

    def numbers(self, name: str, column: pa.Array) -> NDArray[np.uint16] | None:
        """Return each value's place; None from where there are too many values."""
        known = self.values[name]
        missing = pc.unique(column)
        missing = missing.filter(pc.invert(pc.is_in(missing, value_set=known)))
        if len(known) + len(missing) > MOST_VALUES:
            del self.values[name]
            return None
        if len(missing):
            known = self.values[name] = pa.concat_arrays([known, missing])
        found = pc.index_in(column, value_set=known)
        return found.to_numpy(zero_copy_only=False).astype(np.uint16)

    def write(self, folder: Path) -> dict[str, int]:
        """Write the values that occur; return the number of each column."""
        lists = {
            str(self.places[name]): pa.ListArray.from_arrays([0, len(values)], values)
            for name, values in self.values.items()
        }
        table = pa.table(lists or {"none": pa.array([0])})
        with (
            pa.OSFile(str(folder / FACETS), "wb") as file,
            pa.ipc.new_file(file, table.schema) as writer,
        ):
            writer.write_table(table)
        return {name: self.places[name] for name in self.values}


def _write_kept_rows(
    file: RowFile, before: Columns | None, kept: NDArray[np.intp]
) -> NDArray[np.uint32]:
    """Write the rows that are taken over, in the order they had; return each one's place."""
    if before is None:
        return np.empty(0, np.uint32)
    places = before.places[kept]
    ascending = np.sort(places)
    start = 0
    for part in before.rows.parts():
        first, last = np.searchsorted(ascending, [start, start + part.num_rows])
        file.append(part.take(pa.array(ascending[first:last] - np.uint32(start))))
        start += part.num_rows
    return np.searchsorted(ascending, places).astype(np.uint32)


def _write_arrivals(
    work: Path,
    schema: Schema,
    axes: Axes,
    batches: Iterator[pa.RecordBatch | pa.Table],
    facets: _Facets,
    row_file: RowFile,
    row_names: Sequence[str],
) -> dict[str, NDArray[Any]]:
    """Write rows that are new in the order in which they come, and return the columns, mapped."""
    slices = list(schema.slices.values())
    names = ["row_ids", "codes", "cells", "probabilities", "embeddings", "coarse", "bounds"]
    names += [f"facet_{place}" for place in facets.places.values()]
    files = {name: ColumnFile(work / f"new_{name}.npy") for name in names}
    for batch in batches:
        for block in blocks(batch.num_rows, _BLOCK):
            part = batch.slice(block.start, block.stop - block.start)
            row_file.append(_one_batch(part.select(list(row_names))))
            probabilities = _matrix(part["_probabilities"])
            embeddings = _matrix(part["_embedding"])
            coarse, bounds, cells = axes.project(embeddings.astype(np.float32))
            codes = [probabilities[:, where].argmax(axis=1).astype(np.uint8) for where in slices]
            files["row_ids"].append(part["_rowid"].to_numpy(zero_copy_only=False))
            files["codes"].append(np.stack(codes, axis=1))
            files["cells"].append(cells)
            files["probabilities"].append(probabilities)
            files["embeddings"].append(embeddings)
            files["coarse"].append(coarse)
            files["bounds"].append(bounds)
            for name in list(facets.values):
                numbers = facets.numbers(name, _one_chunk(part[name]))
                if numbers is not None:
                    files[f"facet_{facets.places[name]}"].append(numbers)
    for file in files.values():
        file.close()
    return {name: load_column(work, f"new_{name}") for name in names}


def _write_sorted(
    work: Path,
    schema: Schema,
    axes: Axes,
    before: Columns | None,
    kept: NDArray[np.intp],
    new: dict[str, NDArray[Any]],
    facets: _Facets,
) -> NDArray[np.intp]:
    """Write the columns in their order, from the rows kept and those that are new.

    Returns that order.
    """
    codes = new["codes"].reshape(-1, len(schema))
    cells = new["cells"]
    if before:
        old_codes = np.repeat(before.codes, np.diff(before.group_starts), axis=0)
        old_cells = np.repeat(before.list_cells, np.diff(before.list_starts))
        codes = np.concatenate([old_codes[kept], codes])
        cells = np.concatenate([old_cells[kept], cells])
    groups, group_of = _distinct(codes)
    key = group_of * (1 << 16) + cells
    order = np.argsort(key, kind="stable")
    key = key[order]
    sizes = np.bincount(group_of, minlength=len(groups))
    np.save(work / "codes.npy", groups)
    np.save(work / "group_starts.npy", np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64))
    starts = _run_starts(key)
    np.save(work / "list_starts.npy", starts)
    np.save(work / "list_cells.npy", (key[starts[:-1]] & 0xFFFF).astype(np.uint16))

    kinds: dict[str, tuple[type, tuple[int, ...]]] = {
        "row_ids": (np.uint64, ()),
        "probabilities": (np.float32, (schema.class_count,)),
        "embeddings": (np.float16, (axes.axes.shape[1],)),
        "coarse": (np.uint8, (len(axes.axes),)),
        "bounds": (np.float32, (3,)),
    }
    old = {name: getattr(before, name) for name in kinds} if before else {}
    for name in facets.values:
        kinds[f"facet_{facets.places[name]}"] = (np.uint16, ())
        if before:
            old[f"facet_{facets.places[name]}"] = before.facet(name)
    for name, (kind, shape) in kinds.items():
        file = ColumnFile(work / f"{name}.npy")
        for block in blocks(len(order), _BLOCK):
            rows = order[block]
            part: NDArray[Any] = np.empty((len(rows), *shape), kind)
            is_new = rows >= len(kept)
            if before:
                part[~is_new] = old[name][kept[rows[~is_new]]]
            if is_new.any():
                part[is_new] = new[name][rows[is_new] - len(kept)]
            file.append(part)
        file.close()
        # The disk need not hold all columns twice.
        del new[name]
        (work / f"new_{name}.npy").unlink()
    _write_sure(work, schema, groups, group_of[order])
    return order


def _write_sure(
    work: Path, schema: Schema, groups: NDArray[np.uint8], group_of: NDArray[np.int64]
) -> None:
    """Write the order by how sure each class is: by powers of two of one less its probability."""
    probabilities = np.load(work / "probabilities.npy", mmap_mode="r", allow_pickle=False)
    count = len(group_of)
    top = np.empty((count, len(schema)), np.float32)
    for start in range(0, count, _BLOCK):
        block = probabilities[start : start + _BLOCK]
        for place, part in enumerate(schema.slices.values()):
            top[start : start + _BLOCK, place] = block[:, part].max(axis=1)
    # Bounds of many runs cost more than they save: then fewer, wider levels.
    for width in (1, 2, 3, 4, _LEVELS):
        key = group_of
        for column in top.T:
            level = (-np.frexp((1 - column).clip(2.0**-_LEVELS, 1))[1]).clip(0, _LEVELS - 1)
            key = np.unique(key * _LEVELS + level // width, return_inverse=True)[1]
        if key.max(initial=0) < MOST_RUNS:
            break
    order = np.argsort(key, kind="stable")
    starts = _run_starts(key[order])
    top = top[order]
    runs = starts[:-1]
    ranges = np.empty((len(runs), len(schema), 2), np.float32)
    if len(runs):
        ranges[:, :, 0] = np.minimum.reduceat(top, runs, axis=0)
        ranges[:, :, 1] = np.maximum.reduceat(top, runs, axis=0)
    np.save(work / "sure_order.npy", order.astype(np.uint32))
    np.save(work / "sure_starts.npy", starts)
    np.save(work / "sure_codes.npy", groups[group_of[order[runs]]])
    np.save(work / "sure_range.npy", ranges)


def _distinct(codes: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the distinct rows in lexicographic order, and which of them each row is."""
    key = np.zeros(len(codes), np.int64)
    for column in codes.T:
        key = np.unique(key * 256 + column, return_inverse=True)[1].astype(np.int64)
    first = np.unique(key, return_index=True)[1]
    return codes[first], key


def _run_starts(sorted_keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each run of equal keys begins, and where the last ends."""
    changes = np.flatnonzero(np.diff(sorted_keys)) + 1
    begin = [0] if len(sorted_keys) else []
    return np.concatenate([begin, changes, [len(sorted_keys)]]).astype(np.int64)


def _one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def is_among(ids: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return bool (n,): which ids are among others; by hashing, as NumPy's sorting takes longer."""
    found = pc.is_in(pa.array(ids), value_set=pa.array(others))
    return np.asarray(found.to_numpy(zero_copy_only=False))


def _one_batch(rows: pa.RecordBatch | pa.Table) -> pa.RecordBatch:
    if isinstance(rows, pa.RecordBatch):
        return rows
    columns = [_one_chunk(column) for column in rows.columns]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def _matrix(column: pa.ChunkedArray | pa.Array) -> NDArray[Any]:
    lists = _one_chunk(column)
    return lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, lists.type.list_size)
