"""A repository's items in memory: what the page shows, filters and recommends from."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fashionnet.app.filters import filter_columns, passing
from fashionnet.app.samples import SamplePictures
from fashionnet.app.types import Column, Filter
from fashionnet.errors import RequestError
from fashionnet.locations import Location, location
from fashionnet.repository.store import Items, Repository
from fashionnet.repository.table import Description, ItemTable
from fashionnet.samples.shipped import SAMPLE_REPOSITORY
from fashionnet.similarity.shifts import class_places

_KEPT_SELECTIONS = 4


class Snapshot:
    """The items of a repository as they were when it was opened.

    Attributes:
        repository: where they come from.
        items: N relevant items whose photos are there, by id.
        columns: N rows of the attributes and of the catalogue's own columns.
        row_of: the row of each id.
        row_of_picture: a row of each photo's SHA-256.
        samples: what draws the pictures of the sample catalogue; None for any other.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repository = Repository.open(path)
        self.is_sample = path.resolve() == SAMPLE_REPOSITORY.resolve()
        self.items = self.repository.items()
        self.samples = SamplePictures(self.items) if self.is_sample else None
        self.columns = _columns(path, self.items)
        self.row_of = {name: row for row, name in enumerate(self.items.ids)}
        self.row_of_picture = {str(sha256): r for r, sha256 in enumerate(self.items.fingerprints)}
        self._others: dict[str, str] = {}
        self._selections: dict[tuple[Filter, ...], Items] = {}
        self._lock = Lock()

    @property
    def metadata_names(self) -> list[str]:
        """Names of the catalogue's own columns."""
        return [n for n in self.columns.column_names if n not in self.repository.schema.names]

    def metadata(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Return the catalogue's own columns of some rows."""
        chosen = self.columns.select(self.metadata_names).take(pa.array(rows, pa.int64()))
        # A table without columns has no rows either.
        return chosen.to_pylist() if chosen.num_columns else [{} for _ in rows]

    def rows_of(self, ids: Sequence[str]) -> list[int]:
        """Return the rows of items; RequestError for an id that is not here."""
        unknown = [name for name in ids if name not in self.row_of]
        if unknown:
            raise RequestError(f"no item {unknown[0]!r} in this repository")
        return [self.row_of[name] for name in ids]

    def select(self, filters: Sequence[Filter]) -> Items:
        """Return the items that meet every filter; RequestError for one that cannot be."""
        if not filters:
            return self.items
        key = tuple(filters)
        with self._lock:
            known = self._selections.get(key)
        if known is None:
            known = _take(self.items, np.flatnonzero(passing(self.columns, filters)))
            with self._lock:
                self._selections[key] = known
                while len(self._selections) > _KEPT_SELECTIONS:
                    del self._selections[next(iter(self._selections))]
        return known

    @cached_property
    def class_places(self) -> NDArray[np.float64]:
        """Where shifts walk to: float64 (C, E)."""
        return class_places(self.items.vectors)

    def picture(self, sha256: str) -> Location | None:
        """Return where the photo of a SHA-256 is; None where it is no item's."""
        row = self.row_of_picture.get(sha256)
        if row is not None:
            return self.photo(row)
        other = self._others.get(sha256)
        return None if other is None else location(other)

    def has_picture(self, sha256: str) -> bool:
        """Say whether it is an item's photo."""
        return sha256 in self.row_of_picture or sha256 in self._others

    def remember(self, items: Items) -> None:
        """Let the pictures of items be shown that are not among the relevant ones."""
        self._others.update(zip(map(str, items.fingerprints), items.photos, strict=True))

    def photo(self, row: int) -> Location:
        """Return where an item's photo is; one of the sample catalogue's is drawn first."""
        return location(self.items.photos[row]) if self.samples is None else self.samples.path(row)

    @cached_property
    def filters(self) -> list[Column]:
        """What the items can be filtered by, with the values that there are."""
        return filter_columns(self.columns, self.repository.schema)


def _columns(path: Path, items: Items) -> pa.Table:
    description = Description.read(path)
    table = ItemTable.open(path, description)
    names = [*description.schema.names, *table.metadata_columns.names]
    rows = table.read(["id", *names])
    place = pc.index_in(pa.array(items.ids, pa.string()), rows["id"].combine_chunks())
    if place.null_count:
        raise RequestError(f"{path}: changed while it was read: start again")
    return rows.select(names).take(place)


def _take(items: Items, rows: NDArray[np.intp]) -> Items:
    return Items(
        [items.ids[row] for row in rows],
        [items.photos[row] for row in rows],
        items.fingerprints[rows],
        items.vectors.take(rows),
        items.same_picture,
    )
