"""Time and memory of finding what is like an item, beside the matrix of all pairs.

The seed of search by picture computes the cosine of every item with every other once, with
scikit-learn's `pairwise_distances`, and sorts a row of it for each question. Here it is done at the
sizes whose matrix fits into the memory allowed, beside `most_similar`, on drawn embeddings. Memory
is what each needs beyond the embeddings themselves.

    python benchmarks/similarity_scale.py --sizes 5000 10000 20000 100000
"""

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fashionnet.repository.store import Items
from fashionnet.schema import Schema
from fashionnet.similarity.neighbours import most_similar
from fashionnet.vectors import FashionVectors

TOP = 5
QUESTIONS = 20


def main() -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[5_000, 10_000, 20_000, 100_000])
    parser.add_argument("--embedding-size", type=int, default=512)
    parser.add_argument("--memory", type=float, default=8.0, help="GiB the matrix may take")
    arguments = parser.parse_args()
    table = Table("items", "way", "once, s", "each question, ms", "memory, MiB", "alike")
    for size in arguments.sizes:
        items = _drawn(size, arguments.embedding_size)
        ours = _answers(items)
        seconds, peak = _measured(partial(_answers, items))
        each = f"{1000 * seconds / QUESTIONS:.2f}"
        table.add_row(f"{size:,}", "most_similar", "0", each, f"{peak / 2**20:.1f}", "")
        # Distances and the similarities made of them are there at the same time.
        if 2 * 4 * size**2 > arguments.memory * 2**30:
            needed = f"over {2 * 4 * size**2 / 2**20:,.0f}"
            table.add_row("", "all pairs", "does not fit", "", needed, "")
            continue
        once, peak = _measured(partial(_all_pairs, items))
        pairs = _all_pairs(items)
        start = time.perf_counter()
        theirs = [_of_row(pairs, row) for row in _questions(size)]
        each = f"{1000 * (time.perf_counter() - start) / QUESTIONS:.2f}"
        alike = np.mean([len(set(a) & set(b)) / TOP for a, b in zip(ours, theirs, strict=True)])
        cells = f"{once:.2f}", each, f"{peak / 2**20:,.0f}", f"{alike:.1%}"
        table.add_row("", "all pairs", *cells)
        del pairs
    Console(width=100).print(table)
    return 0


def _drawn(size: int, embedding_size: int) -> Items:
    random = np.random.default_rng(0)
    embeddings = random.random((size, embedding_size), np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    schema = Schema.default()
    probabilities = np.zeros((size, schema.class_count), np.float32)
    vectors = FashionVectors(schema, probabilities, np.ones(size, np.float32), embeddings)
    names = [f"{row:07d}" for row in range(size)]
    return Items(names, names, np.array(names), vectors, 1.0)


def _questions(size: int) -> list[int]:
    return np.linspace(0, size - 1, QUESTIONS).astype(int).tolist()


def _answers(items: Items) -> list[list[int]]:
    embeddings = items.vectors.embeddings
    return [
        most_similar(items, embeddings[row], TOP, items.ids[row]).rows.tolist()
        for row in _questions(len(items))
    ]


def _all_pairs(items: Items) -> NDArray[np.float32]:
    from sklearn.metrics.pairwise import pairwise_distances

    return 1 - pairwise_distances(items.vectors.embeddings, metric="cosine")


def _of_row(pairs: NDArray[np.float32], row: int) -> list[int]:
    ranked = sorted(enumerate(pairs[row]), key=lambda pair: pair[1], reverse=True)
    return [place for place, _ in ranked if place != row][:TOP]


def _measured(work: Callable[[], object]) -> tuple[float, int]:
    """Return the seconds of one run and, of another, the most bytes that it held at a time."""
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return seconds, peak


if __name__ == "__main__":
    sys.exit(main())
