"""Files that are written from front to end and then mapped into memory: numbers, and rows.

What is mapped is read when it is looked at, and shared by all processes that look at it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_ROWS = "rows.arrow"
_ROW_STARTS = "row_starts"


class ColumnFile:
    """A .npy file that grows at its end; its header is written when it is whole.

    Written, not mapped: a disk that is full is an error here, and kills a process that maps.
    """

    _HEADER = 128

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._file.write(b" " * self._HEADER)
        self._count = 0
        self._kind: tuple[np.dtype[Any], tuple[int, ...]] | None = None

    def append(self, rows: NDArray[Any]) -> None:
        """Write rows of one type and shape behind those before."""
        self._kind = (rows.dtype, rows.shape[1:])
        self._count += len(rows)
        self._file.write(np.ascontiguousarray(rows).data if rows.size else b"")

    def close(self) -> None:
        """Write the header, which says how many rows there are."""
        with self._file as file:
            kind, shape = self._kind or (np.dtype(np.uint8), ())
            header = {
                "descr": np.lib.format.dtype_to_descr(kind),
                "fortran_order": False,
                "shape": (self._count, *shape),
            }
            text = repr(header).encode()
            file.seek(0)
            file.write(np.lib.format.magic(1, 0) + (self._HEADER - 10).to_bytes(2, "little"))
            file.write(text.ljust(self._HEADER - 11) + b"\n")


def load_column(folder: Path, name: str) -> NDArray[Any]:
    """Return a column of a folder, mapped into memory."""
    column: NDArray[Any] = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    # As a plain array: NumPy's own class of mapped ones takes its time for every slice.
    return np.asarray(column)


class RowFile:
    """An Arrow file of rows, texts among them, that grows at its end; `Rows` reads it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = (folder / _ROWS).open("wb")
        self._writer: pa.ipc.RecordBatchFileWriter | None = None
        self._counts = [0]

    def append(self, rows: pa.RecordBatch) -> None:
        """Write rows of one schema behind those before."""
        if self._writer is None:
            self._writer = pa.ipc.new_file(self._file, rows.schema)
        if rows.num_rows:
            self._writer.write_batch(rows)
            self._counts.append(rows.num_rows)

    def close(self) -> None:
        """Write what says where each part begins."""
        if self._writer is not None:
            self._writer.close()
        self._file.close()
        np.save(self._folder / f"{_ROW_STARTS}.npy", np.cumsum(self._counts))


class Rows:
    """The rows of a `RowFile`, mapped into memory: any few are read without the others."""

    def __init__(self, folder: Path) -> None:
        self._reader = pa.ipc.open_file(pa.memory_map(str(folder / _ROWS)))
        self._starts = np.array(load_column(folder, _ROW_STARTS))

    @property
    def names(self) -> list[str]:
        """What is known of every row."""
        names: list[str] = self._reader.schema.names
        return names

    def parts(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in their order, as they were written."""
        for number in range(self._reader.num_record_batches):
            yield self._reader.get_batch(number)

    def take(self, places: Sequence[int] | NDArray[np.integer]) -> pa.Table:
        """Return the rows at some places, counted from the front, in that order."""
        wanted = np.asarray(places, np.int64)
        part_of = np.searchsorted(self._starts, wanted, side="right") - 1
        numbers, number_of = np.unique(part_of, return_inverse=True)
        order = np.argsort(number_of, kind="stable")
        parts = [self._reader.schema.empty_table()]
        for number, chosen in zip(numbers, _split(order, number_of), strict=True):
            within = pa.array(wanted[chosen] - self._starts[number])
            part = self._reader.get_batch(int(number)).take(within)
            parts.append(pa.Table.from_batches([part]))
        table = pa.concat_tables(parts).combine_chunks()
        return table.take(pa.array(np.argsort(order)))


def _split(order: NDArray[np.intp], groups: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    sizes = np.bincount(groups)
    return np.split(order, sizes.cumsum()[:-1]) if len(order) else []


def blocks(count: int, size: int) -> Iterator[slice]:
    """Yield slices of at most `size` rows that cover `count` rows; one that is empty for none."""
    for start in range(0, max(count, 1), size):
        yield slice(start, min(start + size, count))
