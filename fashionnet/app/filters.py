"""Filters made from a repository's own columns: what there is to choose, what meets it."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from fashionnet.app.types import ChoiceFilter, Column, ColumnValue, Filter, Filters, RangeFilter
from fashionnet.errors import RequestError
from fashionnet.schema import Schema

CHOICES = 80
"""A column of more different values than this is searched, not chosen from."""

_NUMBERS_CHOSEN = 12
_COLOUR_WORDS = ("colour", "color")
_FILTERS: TypeAdapter[Filters] = TypeAdapter(Filters)


def parse_filters(text: str) -> Filters:
    """Read filters from JSON in an address; RequestError says what is wrong."""
    try:
        return _FILTERS.validate_json(text)
    except ValidationError as error:
        raise RequestError(f"filters: {error.errors()[0]['msg']}") from None


def filter_columns(columns: pa.Table, schema: Schema) -> list[Column]:
    """Return what rows can be filtered by, with the values that there are.

    A column that is blank, or has one value only, is none to filter by.
    """
    described = [_described(name, columns[name], schema) for name in columns.column_names]
    return [column for column in described if column is not None]


def passing(columns: pa.Table, filters: Sequence[Filter]) -> NDArray[np.bool_]:
    """Return bool (N,): which rows meet every filter; RequestError for one that cannot be."""
    mask = np.ones(columns.num_rows, np.bool_)
    for wanted in filters:
        if wanted.column not in columns.column_names:
            raise RequestError(
                f"no column {wanted.column!r}: this repository has "
                + ", ".join(columns.column_names)
            )
        passes = _passing(columns[wanted.column], wanted)
        mask &= pc.fill_null(passes, False).combine_chunks().to_numpy(zero_copy_only=False)
    return mask


def _described(name: str, column: pa.ChunkedArray, schema: Schema) -> Column | None:
    present = column.drop_null()
    if not len(present):
        return None
    is_number = _holds_numbers(column)
    counts = pc.value_counts(present)
    if len(counts) > (_NUMBERS_CHOSEN if is_number else CHOICES):
        if not is_number:
            return Column(name=name, kind="text")
        ends = pc.min_max(present).as_py()
        low, high = float(ends["min"]), float(ends["max"])
        return Column(name=name, kind="range", minimum=low, maximum=high)
    if len(counts) < 2:
        return None
    values = [
        ColumnValue(value=str(_text(pair["values"])), count=pair["counts"])
        for pair in counts.to_pylist()
    ]
    # Numbers and attributes keep their own order, what a shop names comes by frequency.
    if is_number:
        values.sort(key=lambda value: float(value.value))
    elif name in schema.names:
        order = schema[name].classes
        values.sort(key=lambda value: order.index(value.value))
    else:
        values.sort(key=lambda value: (-value.count, value.value))
    is_colour = not is_number and any(word in name.lower() for word in _COLOUR_WORDS)
    return Column(name=name, kind="colour" if is_colour else "choice", values=values)


def _passing(column: pa.ChunkedArray, wanted: Filter) -> pa.ChunkedArray:
    if isinstance(wanted, ChoiceFilter):
        return pc.is_in(_as_text(column), value_set=pa.array(wanted.any_of, pa.string()))
    if isinstance(wanted, RangeFilter):
        if not _holds_numbers(column):
            raise RequestError(f"column {wanted.column!r} holds no numbers: filter it by any_of")
        numbers = column.cast(pa.float64(), safe=False)
        low = float("-inf") if wanted.minimum is None else wanted.minimum
        high = float("inf") if wanted.maximum is None else wanted.maximum
        return pc.and_(pc.greater_equal(numbers, low), pc.less_equal(numbers, high))
    return pc.match_substring(_as_text(column), wanted.contains, ignore_case=True)


def _holds_numbers(column: pa.ChunkedArray) -> bool:
    return pa.types.is_integer(column.type) or pa.types.is_floating(column.type)


def _as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column if pa.types.is_string(column.type) else column.cast(pa.string())


def _text(value: object) -> str:
    # As Arrow writes it, which is what a filter is compared with.
    return pa.scalar(value).cast(pa.string()).as_py()
