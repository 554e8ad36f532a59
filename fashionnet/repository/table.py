"""The repository's table on disk, in LanceDB, and a note of what it was built with."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.locations import Location, first_line, reaching
from fashionnet.repository.column_folders import remove_columns, write_table_columns
from fashionnet.repository.wrong_filters import (
    check_filter,
    example_of,
    explained,
)
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors

FORMAT = 1
DESCRIPTION = "repository.json"
TABLE = "items"

READ_WHOLE = 5_000
"""Items up to which a query reads the whole table, and no columns are kept beside it."""

_ELIGIBLE = "relevant AND NOT _missing"
_VALUES_IN_A_FILTER = 1000
_ROWS_IN_A_TAKE = 8192
_ROWS_IN_AN_EXAMPLE = 500
_MOST_SMALL_FILES = 100
_VERSIONS_KEPT = timedelta(minutes=10)
_EVERY_VERSION = timedelta(days=36_500)
_MAXIMUM_EMBEDDING_SIZE = 65536


@dataclass(frozen=True)
class Description:
    """What a repository was built with, as `repository.json` holds it.

    Attributes:
        schema: the attributes of its Fashion Vectors.
        model_fingerprint: the model that described its photos.
        embedding_size: the width of its embeddings.
        same_picture: the cosine from which two of them are of one picture that was saved again.
        root: the folder that its photos lie below, absolute or relative to the repository, or
            its URI.
    """

    schema: Schema
    model_fingerprint: str
    embedding_size: int
    same_picture: float
    root: str

    @classmethod
    def read(cls, path: Location) -> "Description":
        """Read a repository's own; RequestError for a folder that is no repository."""
        file = path / DESCRIPTION
        if not file.is_file():
            raise RequestError(
                f"{path}: not a repository (it holds no {DESCRIPTION}): build one with "
                "build_repository.py"
            )
        try:
            with reaching(file):
                text = file.read_text(encoding="utf-8")
            document = json.loads(text)
            if document["format"] != FORMAT:
                raise RequestError(
                    f"{file}: written in format {document['format']}, this FashionNet reads "
                    f"{FORMAT}: build the repository again in a new folder"
                )
            size = document["embedding_size"]
            if type(size) is not int or not 1 <= size <= _MAXIMUM_EMBEDDING_SIZE:
                raise ValueError(f"an embedding of {size} numbers")
            # Those that were built before it was written down are of networks with this one.
            same_picture = document.get("same_picture", 0.98)
            if type(same_picture) is not float or not 0 < same_picture <= 1:
                raise ValueError(f"one picture from a cosine of {same_picture}")
            return cls(
                Schema.from_mapping(document["attributes"]),
                str(document["model"]),
                size,
                same_picture,
                str(document["root"]),
            )
        except OSError as error:
            raise RequestError(f"{file}: {first_line(error)}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RequestError(
                f"{file}: damaged: build the repository again in a new folder"
            ) from error

    def write(self, path: Location) -> None:
        """Write it into a repository's folder, whole or not at all."""
        document = {
            "format": FORMAT,
            "attributes": self.schema.to_mapping(),
            "model": self.model_fingerprint,
            "embedding_size": self.embedding_size,
            "same_picture": self.same_picture,
            "root": self.root,
        }
        text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
        # What of a folder's name is no text is spelt as JSON spells it, and read back the same.
        write_whole(path / DESCRIPTION, text.encode(errors="backslashreplace"))


class ItemTable:
    """The LanceDB table of a repository: a row for each item that was ever described.

    Its own columns that are no business of a person's filter start with an underscore, as no
    attribute and no column of a catalogue does.

    Every method that writes is one commit: a reader, or a kill, meets all of it or nothing.
    """

    def __init__(
        self, path: Location, description: Description, table: lancedb.table.Table
    ) -> None:
        self.path = path
        self.description = description
        self.own_columns = own_columns(description)
        self._table = table

    @classmethod
    def open(
        cls,
        path: Location,
        description: Description,
        create_with: pa.Schema | None = None,
        name: str = TABLE,
    ) -> "ItemTable":
        """Open a repository's table; where there is none yet, create it with metadata columns.

        Raises RequestError where there is none and none is to be created.
        """
        found = cls.open_existing(path, description, name)
        if found is not None:
            return found
        if create_with is None:
            raise RequestError(f"{path}: its build was stopped before the first item: run it again")
        with _store_errors(path, "open"):
            columns = pa.schema([*own_columns(description), *create_with])
            return cls(path, description, _connection(path).create_table(name, schema=columns))

    @classmethod
    def open_existing(
        cls, path: Location, description: Description, name: str = TABLE
    ) -> "ItemTable | None":
        """Open a repository's table, None where there is none."""
        with _store_errors(path, "open"):
            connection = _connection(path)
            if name not in connection.list_tables().tables:
                return None
            try:
                return cls(path, description, connection.open_table(name))
            except ValueError as error:
                # A kill while it was made leaves its folder, and no table in it.
                if "not found" in str(error):
                    return None
                raise

    @property
    def version(self) -> int:
        """The number of the newest commit, or of the one that this table stands at."""
        with _store_errors(self.path, "read"):
            return int(self._table.version)

    def at(self, version: int) -> "ItemTable":
        """Return the table as it was at a commit; RequestError where that is gone."""
        with _store_errors(self.path, "read"):
            table = _connection(self.path).open_table(self._table.name)
            table.checkout(version)
            return ItemTable(self.path, self.description, table)

    @property
    def identity(self) -> str:
        """A text that another table in the same place does not have at the same version."""
        with _store_errors(self.path, "read"):
            statistics: Any = self._table.stats()
        return (
            f"{self.description.model_fingerprint} {statistics['num_rows']} "
            f"{statistics['total_bytes']}"
        )

    @property
    def schema(self) -> pa.Schema:
        """All columns."""
        return self._table.schema

    @property
    def metadata_columns(self) -> pa.Schema:
        """The catalogue's own columns."""
        return pa.schema(
            [column for column in self._table.schema if column.name not in self.own_columns.names]
        )

    def read(self, columns: Sequence[str], where: str | None = None) -> pa.Table:
        """Return columns of the rows that a filter of ours lets through."""
        with _store_errors(self.path, "read"):
            return self._search(columns, where)

    def read_values(self, columns: Sequence[str], key: str, values: Sequence[str]) -> pa.Table:
        """Return columns of the rows whose key is one of some values."""
        parts = [self.read(columns, f"{key} IN ({listed})") for listed in _sql_lists(values)]
        return pa.concat_tables(parts) if parts else self.read(columns, "false")

    def read_where(self, columns: Sequence[str], where: str) -> pa.Table:
        """Return the rows that a person's filter lets through.

        The filter stands alone in the query: nothing of ours is beside it that it could undo.
        """
        check_filter(where)
        try:
            # The store must read to our parenthesis, else it would stop at a semicolon. The line
            # break ends a comment that the filter may end in.
            return self._search(columns, f"({where}\n)")
        except (OSError, RuntimeError, ValueError) as error:
            raise self._filter_error(where, str(error)) from error

    def in_memory(self, rows: pa.Table) -> lancedb.table.Table:
        """Return other rows as a table of the store that lies in memory."""
        with _store_errors(self.path, "filter"):
            return lancedb.connect("memory://").create_table("rows", rows)

    def read_where_in(
        self, table: lancedb.table.Table, columns: Sequence[str], where: str
    ) -> pa.Table | None:
        """Return columns of the rows in memory that a person's filter lets through.

        None for a filter that is refused.
        """
        check_filter(where)
        try:
            return table.search().where(f"({where}\n)").select(list(columns)).to_arrow()
        except (OSError, RuntimeError, ValueError):
            return None

    def take(self, row_ids: NDArray[np.uint64], columns: Sequence[str]) -> pa.Table:
        """Return columns of the rows of ids, in that order; RequestError where one is gone."""
        parts = list(self.batches_of(row_ids, columns))
        found = pa.concat_tables(parts) if parts else self.read([*columns, "_rowid"], "false")
        there = found["_rowid"].to_numpy()
        order = np.argsort(there)
        places = np.searchsorted(there[order], row_ids).clip(0, max(len(there) - 1, 0))
        if len(row_ids) and (not len(there) or (there[order][places] != row_ids).any()):
            raise RequestError(f"cannot read repository {self.path}: it was changed: try again")
        return found.take(pa.array(order[places]))

    def batches_of(self, row_ids: NDArray[np.uint64], columns: Sequence[str]) -> Iterator[pa.Table]:
        """Yield columns and the row ids of some rows, in any order."""
        for start in range(0, len(row_ids), _ROWS_IN_A_TAKE):
            with _store_errors(self.path, "read"):
                query = self._table.take_row_ids(row_ids[start : start + _ROWS_IN_A_TAKE].tolist())
                part = query.select(list(columns)).with_row_id().to_arrow()
            yield part

    def eligible_row_ids(self) -> NDArray[np.uint64]:
        """Return the row ids of the items that can be recommended."""
        return self.read(["_rowid"], _ELIGIBLE)["_rowid"].to_numpy()

    def eligible_batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Yield columns and row ids of the items that can be recommended, some at a time."""
        with _store_errors(self.path, "read"):
            query = self._table.search().where(_ELIGIBLE).select([*columns, "_rowid"])
            yield from query.to_batches(batch_size=_ROWS_IN_A_TAKE)

    def row_count(self) -> int:
        """Return the number of rows, without reading any."""
        with _store_errors(self.path, "read"):
            return self._table.count_rows()

    def is_small(self) -> bool:
        """Say whether queries read the whole table."""
        return self.row_count() <= READ_WHOLE

    def count(self, where: str) -> int:
        """Return how many rows a filter of ours lets through."""
        with _store_errors(self.path, "read"):
            return self._table.count_rows(where)

    def add(self, rows: pa.Table) -> None:
        """Add rows whose ids are not in the table."""
        with _store_errors(self.path, "write"):
            self._table.add(self._fitted(rows))

    def add_batches(self, batches: Iterator[pa.RecordBatch]) -> None:
        """Add rows whose ids are not in the table, however many, in their order and one commit."""
        fitted = (
            part
            for batch in batches
            for part in self._fitted(pa.Table.from_batches([batch])).to_batches()
        )
        with _store_errors(self.path, "write"):
            reader = pa.RecordBatchReader.from_batches(self._table.schema, fitted)
            # Rows that are written in parallel would lose their order.
            self._table.add(reader, write_parallelism=1)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in their order, a bounded number at a time."""
        with _store_errors(self.path, "read"):
            yield from self._table.search().select(self._table.schema.names).to_batches()

    def replace(self, rows: pa.Table) -> None:
        """Put rows in the place of those with the same ids."""
        with _store_errors(self.path, "write"):
            self._table.merge_insert("id").when_matched_update_all().execute(self._fitted(rows))

    def mark_missing(self, ids: Sequence[str]) -> None:
        """Say of items that their photos have vanished."""
        for names in _sql_lists(ids):
            with _store_errors(self.path, "write"):
                self._table.update(where=f"id IN ({names})", values={"_missing": True})

    def delete(self, ids: Sequence[str]) -> None:
        """Remove items."""
        for names in _sql_lists(ids):
            with _store_errors(self.path, "write"):
                self._table.delete(f"id IN ({names})")

    def set_metadata_columns(self, wanted: pa.Schema) -> None:
        """Drop the metadata columns that are not wanted, add those that are, empty."""
        present = self.metadata_columns
        dropped = [
            c.name for c in present if c.name not in wanted.names or wanted.field(c.name) != c
        ]
        added = [c for c in wanted if c.name not in present.names or c.name in dropped]
        # A column that goes and comes back by the same name must not keep its former values.
        if self._table.name == TABLE:
            remove_columns(self.path)
        with _store_errors(self.path, "write"):
            if dropped:
                self._table.drop_columns(dropped)
            if added:
                self._table.add_columns(pa.schema(added))

    def tidy(self) -> None:
        """Join the files of many commits, write the columns, remove what came before.

        A large table's files are joined only where there are many, so that adding to it costs
        what is added; the store joins at most to files of a million rows. Its versions of the
        last minutes stay for those who read them.

        Raises RequestError where the disk is full; the rows are kept, and the next time goes on.
        """
        if self.is_small():
            self._optimize(timedelta(milliseconds=1))
            remove_columns(self.path)
        elif self._small_files() <= _MOST_SMALL_FILES:
            write_table_columns(self)
        else:
            self._optimize(_EVERY_VERSION)
            # The version that readers are at goes when there are columns of a newer one.
            write_table_columns(self)
            self._optimize(_VERSIONS_KEPT)

    def _optimize(self, keep: timedelta) -> None:
        # Files of no version may be those of a commit that another process is making.
        with _store_errors(self.path, "write"):
            self._table.optimize(cleanup_older_than=keep)

    def _small_files(self) -> int:
        with _store_errors(self.path, "read"):
            statistics: Any = self._table.stats()
            return int(statistics["fragment_stats"]["num_small_fragments"])

    def _search(self, columns: Sequence[str], where: str | None) -> pa.Table:
        def read() -> pa.Table:
            query = self._table.search().select(list(columns))
            return (query if where is None else query.where(where)).to_arrow()

        try:
            return read()
        except RuntimeError as error:
            if "not found" not in str(error).lower():
                raise
            # A build that ended meanwhile removed the version that was being read.
            self._table.checkout_latest()
            return read()

    def _fitted(self, rows: pa.Table) -> pa.Table:
        return rows.select(self._table.schema.names).cast(self._table.schema)

    def _filter_error(self, where: str, message: str) -> RequestError:
        names = [name for name in self._table.schema.names if not name.startswith("_")]
        texts_and_numbers = [*self.description.schema.names, *self.metadata_columns.names]
        with _store_errors(self.path, "read"):
            query = self._table.search().select(texts_and_numbers)
            rows = query.limit(_ROWS_IN_AN_EXAMPLE).to_arrow()
        example = example_of(rows, self.description.schema.names)
        return RequestError(explained(where, message, names, example))


def drop_table(path: Location, name: str) -> None:
    """Remove a repository's table, whatever state it is in."""
    with _store_errors(path, "write"):
        _connection(path).drop_table(name)


def _connection(path: Location) -> lancedb.DBConnection:
    return lancedb.connect(
        str(path.absolute()),
        # Every read starts from the newest commit.
        read_consistency_interval=timedelta(0),
    )


@contextmanager
def _store_errors(path: Location, doing: str) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        reason = re.split(r", /\S+\.rs:", lines[0])[0].removeprefix("lance error: ")
        raise RequestError(f"cannot {doing} repository {path}: {reason}") from error


def own_columns(description: Description) -> pa.Schema:
    """Return the columns that every repository of a schema has, ahead of the catalogue's own."""
    classes, size = description.schema.class_count, description.embedding_size
    return pa.schema(
        [
            pa.field("id", pa.string()),
            pa.field("photo", pa.string()),
            pa.field("_sha256", pa.string()),
            pa.field("_size", pa.int64()),
            pa.field("_modified", pa.int64()),
            *(pa.field(name, pa.string()) for name in description.schema.names),
            pa.field("_probabilities", pa.list_(pa.float32(), classes)),
            pa.field("relevance", pa.float32()),
            pa.field("relevant", pa.bool_()),
            pa.field("_missing", pa.bool_()),
            pa.field("_embedding", pa.list_(pa.float16(), size)),
            pa.field("_model", pa.string()),
        ]
    )


def vector_columns(vectors: FashionVectors, model_fingerprint: str) -> dict[str, pa.Array]:
    """Return Fashion Vectors as columns of the table: the classes by name and their grounds."""
    count = len(vectors)
    columns = {
        attribute.name: pa.array(
            np.array(attribute.classes, object)[vectors.codes[:, place]], pa.string()
        )
        for place, attribute in enumerate(vectors.schema)
    }
    return columns | {
        "_probabilities": _lists(vectors.probabilities.astype(np.float32)),
        "relevance": pa.array(vectors.relevance, pa.float32()),
        "relevant": pa.array(vectors.relevant),
        "_missing": pa.array(np.zeros(count, bool)),
        "_embedding": _lists(vectors.embeddings.astype(np.float16)),
        "_model": pa.array([model_fingerprint] * count, pa.string()),
    }


def vectors_of(rows: pa.Table, schema: Schema) -> FashionVectors:
    """Return the Fashion Vectors of rows with probabilities, relevance and embedding."""
    return FashionVectors(
        schema,
        _matrix(rows["_probabilities"]),
        rows["relevance"].to_numpy().astype(np.float32),
        _matrix(rows["_embedding"]).astype(np.float32),
    )


def _lists(matrix: NDArray[np.floating]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])


def _matrix(column: pa.ChunkedArray) -> NDArray[Any]:
    lists = column.combine_chunks()
    return lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, lists.type.list_size)


def _sql_lists(values: Sequence[str]) -> Iterator[str]:
    """Yield values as quoted SQL lists of bounded length."""
    for start in range(0, len(values), _VALUES_IN_A_FILTER):
        part = values[start : start + _VALUES_IN_A_FILTER]
        yield ", ".join("'" + value.replace("'", "''") + "'" for value in part)
