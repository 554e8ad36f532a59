"""How much of its own class a walk away from it leaves among the ten nearest items.

    python benchmarks/walking_away.py --repository shop.repository

Of each class, twenty items that the network gives it are walked away from it. Printed are, with
95% bootstrap intervals over the items, the shares of the ten nearest that still have the class and
that keep the other attributes' classes, by the network's own prediction, and the likeness to the
item that was started from.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fashionnet.repository.store import Items, Repository
from fashionnet.similarity import Shift, most_similar
from fashionnet.similarity.shifts import class_places, walked

ITEMS_OF_A_CLASS = 20
NEAREST = 10
STRENGTHS = (0.0, -0.5, -1.0, -1.5, -2.0, -3.0)


def main() -> None:
    """Walk, look and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repository", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    items = Repository.open(arguments.repository).items()
    random = np.random.default_rng(arguments.seed)
    queries = [
        (int(row), place, code)
        for place, attribute in enumerate(items.vectors.schema)
        for code in range(len(attribute.classes))
        for row in _some(np.flatnonzero(items.vectors.codes[:, place] == code), random)
    ]
    places = class_places(items.vectors)
    table = Table("strength", "of the own class", "other attributes kept", "likeness")
    for strength in STRENGTHS:
        shares = np.array([_shares(items, places, *query, strength) for query in queries])
        cells = (_interval(column, random) for column in shares.T)
        table.add_row(f"{strength:g}", *cells)
    console = Console(width=100)
    console.print(f"{len(items):,} items, {len(queries)} queries")
    console.print(table)


def _some(rows: NDArray[np.intp], random: np.random.Generator) -> NDArray[np.intp]:
    """Return rows of a class; none where it has too few items to be walked away from."""
    few = len(rows) < ITEMS_OF_A_CLASS
    return rows[:0] if few else random.choice(rows, ITEMS_OF_A_CLASS, replace=False)


def _shares(
    items: Items, places: NDArray[np.float64], row: int, place: int, code: int, strength: float
) -> tuple[float, float, float]:
    query = items.vectors.take([row])
    attribute = items.vectors.schema.attributes[place]
    shift = Shift(attribute.name, attribute.classes[code], strength)
    sought = walked(query, places, [shift] if strength else [])
    found = most_similar(items, query.embeddings[0], NEAREST, items.ids[row], sought)
    codes = items.vectors.codes[found.rows]
    kept = np.delete(codes == query.codes[0], place, axis=1)
    return (codes[:, place] == code).mean(), kept.mean(), found.likeness.mean()


def _interval(values: NDArray[np.float64], random: np.random.Generator) -> str:
    means = random.choice(values, (2000, len(values))).mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    main()
