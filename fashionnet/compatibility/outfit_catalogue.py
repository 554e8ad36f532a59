"""What a request for outfits needs of a repository: what is given, and the candidates to add."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.repository.store import Repository

if TYPE_CHECKING:
    from fashionnet.repository.store import Items

_MOST_NAMED = 20


@dataclass(frozen=True, eq=False)
class OutfitCatalogue:
    """N items that matter to a request: those given come first, then the candidates.

    Attributes:
        items: all of them.
        categories: the category of each, '' where it has none.
        given: the rows that an outfit is built around.
        slots: for each category to add, the rows of its candidates.
        prices: float64 (N,), NaN where an item has none; None where prices do not matter.
    """

    items: "Items"
    categories: list[str]
    given: NDArray[np.intp]
    slots: dict[str, NDArray[np.intp]]
    prices: NDArray[np.float64] | None

    @classmethod
    def read(
        cls,
        repository: Repository,
        given: Sequence[str],
        category_column: str,
        wanted: Sequence[str],
        known: Sequence[str],
        where: str | None = None,
        price_column: str | None = None,
    ) -> "OutfitCatalogue":
        """Read what a request needs.

        Args:
            repository: relevant items and others.
            given: the ids of what is worn already.
            category_column: the catalogue's column that says what an item is.
            wanted: the categories to add an item of; without any, those of `known` that the
                repository has and no given item is of.
            known: the categories that the model was trained on.
            where: what a candidate must meet.
            price_column: the column of prices.

        Raises RequestError for an item, a category or a column that is not there, and for a
        category without a candidate.
        """
        every = repository.items(relevant_only=False)
        place = {name: row for row, name in enumerate(every.ids)}
        names = list(dict.fromkeys(given))
        for name in names:
            if name not in place:
                example = f" (its ids are like {every.ids[0]!r})" if len(every) else ""
                raise RequestError(f"{repository.path}: no item {name!r}{example}")
        categories = categories_of(repository, every.ids, category_column)
        own = {categories[place[name]] for name in names}
        added = _wanted(repository, categories, category_column, wanted, known, own)
        searched = every if where is None else repository.items(where, relevant_only=False)
        rows = [place[name] for name in names]
        rows += [
            place[name]
            for name in searched.ids
            if categories[place[name]] in added and name not in names
        ]
        labels = np.array([categories[row] for row in rows])
        slots = {}
        for category in added:
            places = np.flatnonzero(labels == category)
            slots[category] = places[places >= len(names)]
            if not len(slots[category]):
                met = repository.unmet(where)
                raise RequestError(f"{repository.path} holds no other {category}{met}")
        items = every.take(rows)
        prices = None if price_column is None else _prices(repository, items.ids, price_column)
        return cls(items, labels.tolist(), np.arange(len(names)), slots, prices)

    @property
    def without_price(self) -> int:
        """How many candidates have no price."""
        if self.prices is None:
            return 0
        return int(np.isnan(self.prices[len(self.given) :]).sum())


def categories_of(repository: Repository, ids: Sequence[str], column: str) -> list[str]:
    """Return the category of each item by a column of the catalogue, '' where it has none."""
    values = _values(repository, ids, column, f"no column {column} to take categories from")
    return ["" if value is None or value != value else str(value).strip() for value in values]


def _wanted(
    repository: Repository,
    categories: list[str],
    column: str,
    wanted: Sequence[str],
    known: Sequence[str],
    own: set[str],
) -> list[str]:
    there = set(categories) - {""}
    for name in wanted:
        if name not in there:
            common = sorted(there, key=lambda one: -categories.count(one))[:_MOST_NAMED]
            more = ", ..." if len(there) > _MOST_NAMED else ""
            raise RequestError(
                f"--category {name!r}: no item of {repository.path} has this {column}; it has "
                f"{', '.join(common)}{more}"
            )
    found = list(dict.fromkeys(wanted)) or [
        name for name in known if name in there and name not in own
    ]
    if not found:
        raise RequestError(
            f"nothing to add: the outfit model knows {', '.join(known)}; name another --category "
            "or another --category-column"
        )
    return found


def _prices(repository: Repository, ids: Sequence[str], column: str) -> NDArray[np.float64]:
    values = _values(repository, ids, column, f"--price-column {column}: no such column")
    numbers = [
        float(value) if isinstance(value, (int, float)) and value >= 0 else math.nan
        for value in values
    ]
    return np.array(numbers, np.float64)


def _values(
    repository: Repository, ids: Sequence[str], column: str, complaint: str
) -> list[object]:
    """Return a column's value for each item; RequestError where there is no such column."""
    if column not in repository.columns:
        raise RequestError(
            f"{repository.path}: {complaint}; it has {', '.join(repository.columns)}"
        )
    table = repository.present([column])
    values = dict(zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True))
    return [values[name] for name in ids]
