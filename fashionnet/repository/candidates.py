"""Items of a large repository that a filter lets through, read as a query needs them."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashionnet.repository.columns import Columns, is_among
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors

if TYPE_CHECKING:
    from fashionnet.repository.store import Items
    from fashionnet.repository.table import ItemTable

_MOST_COMBINATIONS = 100_000
_BLOCK = 65_536
_PLACE = "_place"


class Candidates:
    """N items as the columns of a repository hold them, of which a mask lets some through.

    They are of one version of the table, whatever is written meanwhile. Rows are those of the
    columns: `take` reads what they stand for.
    """

    def __init__(
        self,
        columns: Columns,
        schema: Schema,
        embedding_size: int,
        same_picture: float,
        mask: NDArray[np.bool_] | None,
        items_of: "Callable[[pa.Table, FashionVectors], Items]",
    ) -> None:
        self.columns = columns
        self.schema = schema
        self.embedding_size, self.same_picture = embedding_size, same_picture
        self.mask = mask
        self._items_of = items_of
        self._count = len(columns) if mask is None else int(np.count_nonzero(mask))

    def __len__(self) -> int:
        return self._count

    def take(self, rows: Sequence[int] | NDArray[np.integer]) -> "Items":
        """Return the items of rows, in that order."""
        table, places = self.columns.rows_of(rows), np.asarray(rows, np.int64)
        vectors = FashionVectors(
            self.schema,
            self.columns.probabilities[places],
            table["relevance"].to_numpy().astype(np.float32),
            self.columns.embeddings_of(places),
        )
        return self._items_of(table, vectors)

    def metadata(self, rows: Sequence[int] | NDArray[np.integer]) -> list[dict[str, Any]]:
        """Return the catalogue's own columns of rows, in that order."""
        table = self.columns.rows_of(rows).select(self.columns.metadata_names)
        found: list[dict[str, Any]] = table.to_pylist()
        return found


def filter_mask(
    columns: Columns, table: "ItemTable", schema: Schema, where: str
) -> NDArray[np.bool_]:
    """Return bool (N,): which items a person's filter lets through.

    Where it names columns of few distinct values only, it is asked of every combination of them
    and not of every item. RequestError for a filter that the store does not take.
    """
    passing = _passing_combinations(columns, table, schema, where)
    if passing is None:
        found = table.read_where(["_rowid"], where)["_rowid"].to_numpy()
        return is_among(columns.row_ids, found)
    names, let_through = passing
    numbers = [_numbers(columns, schema, name) for name in names]
    sizes = [len(_values(columns, schema, name)) for name in names]
    mask = np.empty(len(columns), np.bool_)
    for start in range(0, len(columns), _BLOCK):
        block = slice(start, start + _BLOCK)
        combination = numbers[0][block].astype(np.int32)
        for column, size in zip(numbers[1:], sizes[1:], strict=True):
            combination = combination * size + column[block]
        mask[block] = let_through[combination]
    return mask


def _passing_combinations(
    columns: Columns, table: "ItemTable", schema: Schema, where: str
) -> tuple[list[str], NDArray[np.bool_]] | None:
    """Return the columns that a filter names, and which combinations of values it lets through.

    None where it names others than those of few values, or has to be refused.
    """
    named = [name for name in table.schema.names if _is_named(name, where)]
    countable = {*columns.facets, *schema.names}
    if not named or not countable.issuperset(named):
        return None
    values = [_values(columns, schema, name) for name in named]
    sizes = [len(column) for column in values]
    total = int(np.prod(sizes, dtype=np.float64).clip(0, _MOST_COMBINATIONS + 1))
    if not 0 < total <= _MOST_COMBINATIONS:
        return None
    key = tuple(named)
    if key not in columns.combinations:
        places = np.unravel_index(np.arange(total), sizes)
        rows = {
            name: column.take(pa.array(place))
            for name, column, place in zip(named, values, places, strict=True)
        }
        columns.combinations[key] = table.in_memory(pa.table(rows | {_PLACE: np.arange(total)}))
    found = table.read_where_in(columns.combinations[key], [_PLACE], where)
    if found is None:
        return None
    let_through = np.zeros(total, np.bool_)
    let_through[found[_PLACE].to_numpy()] = True
    return named, let_through


def _is_named(name: str, where: str) -> bool:
    # Names found where none is meant cost time, no result.
    return bool(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", where, re.IGNORECASE))


def _values(columns: Columns, schema: Schema, name: str) -> pa.Array:
    if name in schema.names:
        return pa.array(schema[name].classes, pa.string())
    return columns.facets[name]


def _numbers(columns: Columns, schema: Schema, name: str) -> NDArray[Any]:
    if name in schema.names:
        codes = columns.codes[:, schema.names.index(name)]
        return np.repeat(codes, np.diff(columns.group_starts))
    return columns.facet(name)
