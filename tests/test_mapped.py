"""Files that are mapped into memory: what is read from them is what was written."""

import tempfile
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from fashionnet.repository.mapped import RowFile, Rows

KIND = pa.schema([("id", pa.string()), ("price", pa.float64())])


def written(folder: Path, counts: list[int]) -> pa.Table:
    """Write parts of so many rows, and return them as one table."""
    ids = [f"{number} – ü" for number in range(sum(counts))]
    prices = [None if number % 3 else number / 7 for number in range(sum(counts))]
    table = pa.table([ids, prices], schema=KIND)
    file = RowFile(folder)
    start = 0
    for count in counts:
        file.append(table.slice(start, count).combine_chunks().to_batches()[0] if count else EMPTY)
        start += count
    file.close()
    return table


EMPTY = pa.RecordBatch.from_pylist([], schema=KIND)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=6), st.data())
def test_rows_at_any_places_are_those_that_were_written(counts, data):
    last = sum(counts) - 1
    places = data.draw(st.lists(st.integers(0, last), max_size=8)) if last >= 0 else []
    with tempfile.TemporaryDirectory() as folder:
        table = written(Path(folder), counts)
        rows = Rows(Path(folder))
        taken = rows.take(places)
        assert taken.schema == KIND
        assert taken.to_pylist() == table.take(pa.array(places, pa.int64())).to_pylist()
        assert pa.Table.from_batches(rows.parts(), KIND).to_pylist() == table.to_pylist()
        assert rows.names == KIND.names
