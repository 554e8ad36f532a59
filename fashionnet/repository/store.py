"""The repository: items that were described, to be searched and recommended."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.locations import Location, location
from fashionnet.repository.candidates import Candidates, filter_mask
from fashionnet.repository.column_folders import open_columns
from fashionnet.repository.columns import Columns
from fashionnet.repository.table import Description, ItemTable, vectors_of
from fashionnet.repository.wrong_filters import MOST_VALUES, unknown_values
from fashionnet.vectors import FashionVectors

if TYPE_CHECKING:
    from fashionnet.describing import Network
    from fashionnet.repository.build import BuildReport
    from fashionnet.similarity.neighbours import Similar
    from fashionnet.similarity.shifts import Shift

LEFT_OUT = "left_out.csv"

_ITEM_COLUMNS = ("id", "photo", "_sha256", "_probabilities", "relevance", "_embedding")


@dataclass(frozen=True, eq=False)
class Items:
    """N items of a repository, ordered by id.

    Attributes:
        ids: their names.
        photos: absolute paths.
        fingerprints: the SHA-256 of each photo, in hexadecimal.
        vectors: what the network said of the photos; embeddings were kept in half precision.
        same_picture: the cosine from which two embeddings are of one picture that was saved again.
    """

    ids: list[str]
    photos: list[str]
    fingerprints: NDArray[np.str_]
    vectors: FashionVectors
    same_picture: float

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> "Items":
        """Return the items of rows, in that order."""
        return Items(
            [self.ids[row] for row in rows],
            [self.photos[row] for row in rows],
            self.fingerprints[np.asarray(rows, np.intp)],
            self.vectors.take(np.asarray(rows, np.intp)),
            self.same_picture,
        )


class Repository:
    """A catalogue whose photos went through the network, as one folder on disk or in a store.

    >>> repository = Repository.open("REPO")                             # doctest: +SKIP
    >>> items = repository.items("gender = 'Women' AND pattern = 'striped'")  # doctest: +SKIP
    """

    def __init__(self, path: Location, description: Description, table: ItemTable) -> None:
        self.path = path
        self.schema = description.schema
        self.model_fingerprint = description.model_fingerprint
        self.embedding_size = description.embedding_size
        self.same_picture = description.same_picture
        self.root = description.root
        if isinstance(path, Path) and "://" not in self.root:
            self.root = os.path.normpath(path.resolve() / self.root)
        self._table = table
        self._opened: tuple[Columns, ItemTable] | None = None
        self._masks: dict[str, NDArray[np.bool_]] = {}

    @classmethod
    def open(cls, path: Location | str) -> "Repository":
        """Open a repository that was built; RequestError for anything else."""
        path = location(path)
        description = Description.read(path)
        return cls(path, description, ItemTable.open(path, description))

    @staticmethod
    def build(
        catalogue: Location | str,
        repository: Location | str,
        network: "Network",
        metadata: Location | str | None = None,
        prune: bool = False,
        advance: Callable[[int], None] = lambda count: None,
    ) -> "BuildReport":
        """Build a repository, or bring it up to date with its catalogue.

        `catalogue` and `metadata` are what `fashionnet.repository.catalogue.read_catalogue`
        reads; for the rest see `fashionnet.repository.build.build_repository`.
        """
        from fashionnet.repository.build import build_repository
        from fashionnet.repository.catalogue import read_catalogue

        source = read_catalogue(
            location(catalogue), None if metadata is None else location(metadata)
        )
        return build_repository(source, location(repository), network, prune, advance)

    @property
    def columns(self) -> list[str]:
        """Names that a filter can use: id, the attributes, relevance, the catalogue's columns."""
        own = [name for name in self._table.own_columns.names if not name.startswith("_")]
        return own + self._table.metadata_columns.names

    def items(self, where: str | None = None, relevant_only: bool = True) -> Items:
        """Return the relevant items whose photos have not vanished.

        Args:
            where: a condition in SQL over `columns`, such as "gender = 'Women' AND year > 2011".
            relevant_only: without it, also items that show no garment the network describes, such
                as shoes.

        Raises RequestError for a condition that does not parse or names no column.
        """
        columns = [*_ITEM_COLUMNS, "relevant", "_missing"]
        if where is None:
            table = self._table.read(columns)
        else:
            table = self._table.read_where(columns, where)
        wanted = pc.invert(table["_missing"])
        table = table.filter(pc.and_(table["relevant"], wanted) if relevant_only else wanted)
        table = table.take(pc.sort_indices(table["id"]))
        return self._items(table, vectors_of(table, self.schema))

    def unmet(self, where: str | None) -> str:
        """Return what to say of a filter that no item meets: nothing where there is no filter.

        >>> "no item" + repository.unmet("gender = 'Woman'")               # doctest: +SKIP
        "no item that meets --where (no item has gender 'Woman', the nearest are 'Women', 'Men')"
        """
        if where is None:
            return ""
        reasons = unknown_values(where, self.columns, self._texts_of)
        return " that meets --where" + (f" ({'; '.join(reasons)})" if reasons else "")

    def _texts_of(self, column: str) -> list[str] | None:
        """Return a column's different texts, the most frequent first; None for too many."""
        if not pa.types.is_string(self._table.schema.field(column).type):
            return None
        counts = pc.value_counts(self._table.read([column])[column].drop_null())
        if len(counts) > MOST_VALUES:
            return None
        pairs = [(-pair["counts"], pair["values"]) for pair in counts.to_pylist()]
        return [value for _, value in sorted(pairs)]

    def candidates(self, where: str | None = None) -> "Items | Candidates":
        """Return the items that a filter lets through, for `fashionnet.matching.recommend`.

        They are those of `items`. Of a large repository nothing but columns is opened, and they
        are as the last build left them, whatever another one is writing.
        """
        opened = self._columns()
        if opened is None:
            return self.items(where)
        columns, table = opened
        mask = None
        if where is not None:
            if where not in self._masks:
                self._masks = {where: filter_mask(columns, table, self.schema, where)}
            mask = self._masks[where]
        return Candidates(
            columns, self.schema, self.embedding_size, self.same_picture, mask, self._items
        )

    def _columns(self) -> tuple[Columns, ItemTable] | None:
        """Return the newest columns and the table that they were made from; None if it is small."""
        # Columns of the newest version may come after it.
        if self._opened is None or self._opened[0].version != self._table.version:
            if self._table.is_small():
                self._opened = None
                return None
            opened = open_columns(self._table)
            if self._opened is None or opened[0].version != self._opened[0].version:
                self._opened, self._masks = opened, {}
        return self._opened

    def similar(
        self,
        item: str,
        top: int = 5,
        where: str | None = None,
        shifts: "Sequence[Shift]" = (),
        colour: str | None = None,
    ) -> "Similar":
        """Return the items that look most like one of them, with likenesses, itself left out.

        `where` and `colour` choose among the items, `shifts` walk from the item towards classes.
        Raises RequestError for an id that is not there and a class that no item has.

        >>> found = repository.similar("10003")                          # doctest: +SKIP
        >>> dict(zip(found.ids, found.likeness))                         # doctest: +SKIP
        """
        from fashionnet.similarity.search import similar_to_item

        return similar_to_item(self, item, top, where, shifts, colour)

    def metadata(self, ids: Sequence[str]) -> list[dict[str, Any]]:
        """Return the catalogue's own columns of items, one mapping for each id, in that order."""
        columns = ["id", *self._table.metadata_columns.names]
        rows = self._table.read_values(columns, "id", ids).to_pylist()
        found = {row.pop("id"): row for row in rows}
        unknown = [name for name in ids if name not in found]
        if unknown:
            raise RequestError(f"{self.path}: no item {unknown[0]!r}")
        return [found[name] for name in ids]

    def metadata_of(
        self, items: "Items | Candidates", rows: NDArray[np.intp]
    ) -> list[dict[str, Any]]:
        """Return the catalogue's own columns of rows of items or candidates, in that order."""
        if isinstance(items, Candidates):
            return items.metadata(rows)
        return self.metadata([items.ids[row] for row in rows])

    def present(self, columns: Sequence[str]) -> pa.Table:
        """Return columns of the items whose photos have not vanished, relevant or not, by id."""
        table = self._table.read(list(dict.fromkeys(["id", *columns])), "NOT _missing")
        return table.take(pc.sort_indices(table["id"]))

    def named(self, ids: Sequence[str]) -> Items:
        """Return items of ids, in that order, relevant or not; RequestError for unknown ones."""
        table = self._table.read_values(_ITEM_COLUMNS, "id", ids)
        places = {name: row for row, name in enumerate(table["id"].to_pylist())}
        unknown = [name for name in ids if name not in places]
        if unknown:
            raise RequestError(f"{self.path}: no item {unknown[0]!r}")
        table = table.take(pa.array([places[name] for name in ids], pa.int64()))
        return self._items(table, vectors_of(table, self.schema))

    def __len__(self) -> int:
        """Items whose photos have not vanished, relevant or not."""
        return self._table.count("NOT _missing")

    def _items(self, table: pa.Table, vectors: FashionVectors) -> Items:
        return Items(
            table["id"].to_pylist(),
            self._absolute(table["photo"]),
            np.array(table["_sha256"].to_pylist(), dtype="U64"),
            vectors,
            self.same_picture,
        )

    def _absolute(self, photos: pa.ChunkedArray) -> list[str]:
        if pc.any(pc.match_substring_regex(photos, r"^/|(^|/)\.\.(/|$)")).as_py():
            raise RequestError(
                f"{self.path}: names photos outside its catalogue: do not use this repository"
            )
        # A Path for each of a million items takes seconds.
        return [os.path.join(self.root, photo) for photo in photos.to_pylist()]  # noqa: PTH118
