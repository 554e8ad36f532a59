"""Read CSV, JSON-lines and Parquet files whose rows may be broken, as typed columns."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fashionnet.errors import RequestError
from fashionnet.locations import Location, first_line, reaching, read_up_to
from fashionnet.text import counted

KEYS = ("id", "image")
"""Columns that are always read as text: they name items and photos."""

MAXIMUM_BYTES = 2 * 2**30
MAXIMUM_COLUMNS = 500
MAXIMUM_LINE = 2**20

_BINARY_KINDS = (
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)

# Numbers with leading zeros or more digits than a double holds are names: they stay text.
_INTEGER = r"^-?(0|[1-9]\d{0,17})$"
_DECIMAL = r"^-?(0|[1-9]\d{0,14})(\.\d{1,17})?([eE][+-]?\d{1,2})?$"


@dataclass
class Rows:
    """What could be read of a file.

    Attributes:
        columns: the file's columns, numbers as int64 or float64, the rest as text.
        lines: for each row, the number of its line (of its row in a Parquet file).
        broken: line number and reason of each row that could not be read.
        notes: what a person should know of how the file was read.
    """

    columns: pa.Table
    lines: list[int]
    broken: list[tuple[int, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_rows(path: Location) -> Rows:
    """Read a table by its suffix; RequestError for one that is no table at all."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise RequestError(f"{path}: expected a file ending in " + " ".join(sorted(_READERS)))
    try:
        with reaching(path):
            size = path.stat().st_size
        if size > MAXIMUM_BYTES:
            raise RequestError(
                f"{path}: {size / 2**30:.1f} GiB; at most {MAXIMUM_BYTES // 2**30} GiB are read: "
                "split it"
            )
        return reader(path)
    except OSError as error:
        raise RequestError(f"{path}: {first_line(error)}") from error


def _read_text(path: Location) -> tuple[str, list[str]]:
    data = read_up_to(path, MAXIMUM_BYTES)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace"), []
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        note = f"{path.name} is not UTF-8: read as Windows-1252"
        return data.decode("cp1252", errors="replace"), [note]


def _read_csv(path: Location) -> Rows:
    text, notes = _read_text(path)
    lines = list(io.StringIO(text, newline=""))
    delimiter = max(",;\t", key=lines[0].count) if lines else ","
    records = _csv_records(lines, delimiter)
    _, header = next(records, (0, []))
    if isinstance(header, str):
        raise RequestError(f"{path}: no header found: {header}")
    names = _column_names(path, header)
    whole: list[list[str]] = []
    numbers: list[int] = []
    odd: list[tuple[int, list[str]]] = []
    broken: list[tuple[int, str]] = []
    for line, fields in records:
        if isinstance(fields, str):
            broken.append((line, fields))
        elif len(fields) == len(names):
            whole.append(fields)
            numbers.append(line)
        elif any(cell.strip() for cell in fields):
            odd.append((line, fields))
    ends_in_text = _only_last_column_is_text(whole, len(names))
    for line, fields in odd:
        if len(fields) > len(names) and ends_in_text:
            # A text with unquoted delimiters can only be put together again at the row's end.
            fields[len(names) - 1 :] = [delimiter.join(fields[len(names) - 1 :])]
            whole.append(fields)
            numbers.append(line)
        else:
            broken.append(
                (line, f"{counted(len(fields), 'field')} where the header has {len(names)}")
            )
    order = sorted(range(len(whole)), key=numbers.__getitem__)
    columns = {
        name: _column_of_text([whole[row][place] for row in order], name)
        for place, name in enumerate(names)
    }
    return Rows(pa.table(columns), [numbers[row] for row in order], broken, notes)


def _csv_records(lines: Sequence[str], delimiter: str) -> Iterator[tuple[int, list[str] | str]]:
    """Yield the number of each record's first line and its fields, or why it cannot be read.

    A record that breaks the rules of quoting ends with its first line, so that a stray quote
    does not swallow the rows after it.
    """
    start = 0
    while start < len(lines):
        rest = (lines[number] for number in range(start, len(lines)))
        reader = csv.reader(rest, delimiter=delimiter, strict=True)
        first = start
        try:
            for fields in reader:
                yield start + 1, fields
                start = first + reader.line_num
        except csv.Error:
            yield start + 1, _unquoted(lines[start], delimiter)
            start += 1


def _unquoted(line: str, delimiter: str) -> list[str] | str:
    """Return the fields of a line whose quotes mean nothing, or why it cannot be read."""
    return _too_long(line) or line.rstrip("\r\n").split(delimiter)


def _too_long(line: str) -> str:
    if len(line) <= MAXIMUM_LINE:
        return ""
    return f"line of {len(line):,} characters: at most {MAXIMUM_LINE:,} are read"


def _only_last_column_is_text(rows: Sequence[Sequence[str]], width: int) -> bool:
    sample = rows[:1000]
    wordy = [sum(" " in row[place].strip() for row in sample) for place in range(width)]
    mostly = [count * 2 > len(sample) for count in wordy]
    return bool(sample) and mostly[-1] and not any(mostly[:-1])


def _column_of_text(cells: list[str], name: str) -> pa.Array:
    column = pc.utf8_trim_whitespace(pa.array(cells, pa.string()))
    column = pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)
    if name in KEYS or column.null_count == len(column):
        return column
    for pattern, kind in ((_INTEGER, pa.int64()), (_DECIMAL, pa.float64())):
        if pc.all(pc.match_substring_regex(column, pattern)).as_py():
            return column.cast(kind)
    return column


def _read_json_lines(path: Location) -> Rows:
    text, notes = _read_text(path)
    broken: list[tuple[int, str]] = []
    records: list[dict[str, Any]] = []
    lines: list[int] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        record = _json_object(line)
        if isinstance(record, str):
            broken.append((number, record))
        else:
            records.append(record)
            lines.append(number)
    if not records:
        raise RequestError(f"{path}: no row found; expected one JSON object on each line")
    columns, more_notes = columns_of_records(path, records)
    return Rows(columns, lines, broken, notes + more_notes)


def columns_of_records(
    path: Location, records: Sequence[Mapping[str, Any]]
) -> tuple[pa.Table, list[str]]:
    """Return JSON objects read from a file as columns, and notes on what was not kept."""
    keys = list(dict.fromkeys(key for record in records for key in record))
    names = _column_names(path, keys)
    columns, notes = {}, []
    for key, name in zip(keys, names, strict=True):
        try:
            columns[name] = _column_of_values([record.get(key) for record in records], name)
        except RecursionError:
            notes.append(_not_kept(path, name, "lists within lists, too deep"))
    return pa.table(columns), notes


def _json_object(line: str) -> dict[str, Any] | str:
    """Return the object of a line, or why there is none."""
    if reason := _too_long(line):
        return reason
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return "not a JSON object"
    return record if isinstance(record, dict) else "not a JSON object"


def _column_of_values(values: list[Any], name: str) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if name not in KEYS:
        if kinds == {bool}:
            return pa.array(values, pa.bool_())
        if kinds == {int} and all(abs(value or 0) < 2**63 for value in values):
            return pa.array(values, pa.int64())
        if (
            kinds
            and kinds <= {int, float}
            and not any(abs(value or 0) >= 1e300 for value in values)
        ):
            return _finite(pa.array([None if v is None else float(v) for v in values]))
    return pa.array([_as_text(value) for value in values], pa.string())


def _as_text(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    # JSON can spell half of a surrogate pair, which no text file can hold.
    return text.encode("utf-8", errors="replace").decode().strip() or None


def _finite(column: pa.Array) -> pa.Array:
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def _read_parquet(path: Location) -> Rows:
    try:
        with pq.ParquetFile(_on_disk_or_in_memory(path)) as file:
            groups = range(file.metadata.num_row_groups)
            size = sum(file.metadata.row_group(group).total_byte_size for group in groups)
            if size > 4 * MAXIMUM_BYTES:
                raise RequestError(f"{path}: {size / 2**30:.1f} GiB unpacked is too much: split it")
            table = file.read()
            given = table.column_names
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise RequestError(f"{path}: not a Parquet file, or damaged") from error
    names = _column_names(path, given)
    columns, notes = {}, []
    for name, column in zip(names, table.columns, strict=True):
        try:
            converted = _plain_column(column, name)
            if converted is not None:
                # What a file calls text need not be UTF-8.
                converted.validate(full=True)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, RecursionError):
            notes.append(_not_kept(path, name, f"{column.type} that cannot be converted"))
            continue
        if converted is None:
            notes.append(_not_kept(path, name, str(column.type)))
        else:
            columns[name] = converted
    return Rows(pa.table(columns), list(range(1, table.num_rows + 1)), [], notes)


def _on_disk_or_in_memory(path: Location) -> "Path | pa.BufferReader":
    if isinstance(path, Path):
        return path
    return pa.BufferReader(read_up_to(path, MAXIMUM_BYTES))


def _not_kept(path: Location, name: str, what: str) -> str:
    """Return a note on a column; RequestError for one that names items or photos."""
    if name in KEYS:
        raise RequestError(f"{path}: column {name} holds {what}: write it as text")
    return f"column {name} of {path.name} holds {what}: not kept"


def _plain_column(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray | pa.Array | None:
    """Return a column as bool, int64, float64 or text; None where it is none of them."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _plain_column(column.cast(kind.value_type), name)
    if any(is_kind(kind) for is_kind in _BINARY_KINDS):
        return None
    if name in KEYS and pa.types.is_nested(kind) and not _is_list_of_photos(kind, name):
        return None
    if name not in KEYS:
        if pa.types.is_boolean(kind):
            return column
        if pa.types.is_integer(kind) and kind != pa.uint64():
            return column.cast(pa.int64())
        if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return _finite(column.cast(pa.float64()))
    if pa.types.is_nested(kind):
        return pa.array([_as_text(value) for value in column.to_pylist()], pa.string())
    return column.cast(pa.string())


def _is_list_of_photos(kind: pa.DataType, name: str) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return name == "image" and is_list and pa.types.is_string(kind.value_type)


def _column_names(path: Location, header: Sequence[str]) -> list[str]:
    """Name every column, each name once; `id` and `image` are known in any case of letters."""
    if not any(name.strip() for name in header):
        raise RequestError(f"{path}: no header found; expected the names of the columns")
    if len(header) > MAXIMUM_COLUMNS:
        raise RequestError(
            f"{path}: {len(header)} columns; at most {MAXIMUM_COLUMNS} are read: remove some"
        )
    names: dict[str, None] = {}
    for place, given in enumerate(header, start=1):
        name = (_as_text(given) or f"column_{place}")[:100]
        if name.lower() in KEYS and name.lower() not in names:
            name = name.lower()
        while name in names:
            name += "_2"
        names[name] = None
    return list(names)


_READERS: dict[str, Callable[[Location], Rows]] = {
    ".csv": _read_csv,
    ".tsv": _read_csv,
    ".jsonl": _read_json_lines,
    ".ndjson": _read_json_lines,
    ".json": _read_json_lines,
    ".parquet": _read_parquet,
}

SUFFIXES = frozenset(_READERS)
