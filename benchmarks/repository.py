"""How fast a repository answers as it grows, beside the usual ways of searching the same data.

Repositories of the sizes asked for are built from the real vectors of one that exists: an item is
a mixture of a photo's embedding and that of one of its 16 nearest photos (at most half and half)
with noise of length 0.1, its probabilities the like mixture of logits with noise of deviation 0.3;
its metadata are the photo's. 200 photos are held out: style profiles are drawn from them, each a
photo and others that share 3 of its classes.

Every size is measured in processes of its own. Queries run on one core: find the candidates of
the newest version, recommend 10, read them with reasons and metadata. Every filtered query has
another filter than the one before, so that none is answered from memory. The other methods get
the same scores to maximise, as 18 numbers an item in memory: counts against one-hot classes for
matching, mean against item probabilities for expected. They order ties anyhow, filter nothing and
know no likeness, version or disk.

    python benchmarks/repository.py --repository shop.repository --sizes 10000 100000

Sizes to 1,000,000 take minutes and 2 GB of disk; 10,000,000 an hour or less, 19 GB of disk and
12 GB of memory. What is built is removed again.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fashionnet.errors import RequestError
from fashionnet.matching import Recommendations, Scoring, recommend
from fashionnet.profile import ProfilePhotos, StyleProfile, class_counts
from fashionnet.repository.candidates import Candidates
from fashionnet.repository.store import Repository
from fashionnet.repository.table import Description, ItemTable, vector_columns, vectors_of
from fashionnet.vectors import FashionVectors

HELD_OUT = 200
NEIGHBOURS = 16
ROWS_IN_A_COMMIT = 131_072
MOST_FOR_SKLEARN = 1_000_000


def main() -> int:
    """Print a block of figures for every size; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repository", type=Path, required=True, help="where real vectors are")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--queries", type=int, default=100, help="of each kind")
    parser.add_argument("--photos", type=int, default=5, help="in a style profile")
    parser.add_argument("--work", type=Path, help="where to build (default: temporary folder)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        for size in arguments.sizes:
            measure(size, arguments)
    except RequestError as error:
        print(f"repository: {error}", file=sys.stderr)
        return 2
    return 0


def measure(size: int, arguments: argparse.Namespace) -> None:
    """Build, query and remove a repository of one size, and print what was measured."""
    work = Path(tempfile.mkdtemp(prefix="fashionnet-benchmark-", dir=arguments.work))
    try:
        print(f"\n{size:,} items", flush=True)
        given = (arguments, size, work / "repository")
        for phase in (build, query, exactness, others, add_a_thousand):
            for name, value in _in_a_process(phase, *given).items():
                print(f"  {name:<52} {value}", flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def build(arguments: argparse.Namespace, size: int, path: Path) -> dict[str, str]:
    """Write the table and its columns."""
    source = Source(arguments)
    path.mkdir()
    source.description.write(path)
    table = ItemTable.open(path, source.description, source.metadata.schema)
    start = time.perf_counter()
    for first in range(0, size, ROWS_IN_A_COMMIT):
        table.add(source.grown(first, min(ROWS_IN_A_COMMIT, size - first)))
    written = time.perf_counter()
    table.tidy()
    done = time.perf_counter()
    in_table = _bytes(path / "items.lance")
    return {
        "build: drawing and writing items": f"{written - start:.1f} s",
        "build: columns": f"{done - written:.1f} s",
        "disk: table": f"{in_table / 2**20:,.0f} MiB",
        "disk: columns": f"{(_bytes(path) - in_table) / 2**20:,.0f} MiB",
        "peak memory while building": _peak(),
    }


def query(arguments: argparse.Namespace, size: int, path: Path) -> dict[str, str]:
    """Time opening and queries on one core."""
    _use_one_core()
    profiles = Source(arguments).profiles(arguments.queries)
    start = time.perf_counter()
    repository = Repository.open(path)
    repository.candidates()
    opened = time.perf_counter() - start
    first = _timed(lambda profile: _answer(repository, profile, "matches"), profiles[:1])
    kinds: dict[str, Callable[[StyleProfile], object]] = {
        "matching": lambda profile: _answer(repository, profile, "matches"),
        "expected": lambda profile: _answer(repository, profile, "expected"),
    }
    filters = _filters()
    kinds["matching, filtered by 2 columns"] = lambda profile: _answer(
        repository, profile, "matches", next(filters)
    )
    kinds["expected, filtered by 2 columns"] = lambda profile: _answer(
        repository, profile, "expected", next(filters)
    )
    numbers = count(1)
    kinds["matching, filtered by the store"] = lambda profile: _answer(
        repository, profile, "matches", f"relevance > 0.5 AND id > '{next(numbers):09d}'"
    )
    figures = {
        "open": f"{1e3 * opened:.0f} ms",
        "first query": f"{1e3 * first[0]:.0f} ms",
    }
    for name, ask in kinds.items():
        figures[f"query: {name}"] = _spread(_timed(ask, profiles))
    return figures | {"peak memory while querying, mapped columns included": _peak()}


def exactness(arguments: argparse.Namespace, size: int, path: Path) -> dict[str, str]:
    """Compare with all items of equal score looked at, and smaller types with double precision."""
    import fashionnet.search as search

    _use_one_core()
    profiles = Source(arguments).profiles(arguments.queries)
    repository = Repository.open(path)
    candidates = repository.candidates()
    if not isinstance(candidates, Candidates):
        return {"recall of the visually nearest": "exact: all items are read"}
    chosen = [_found(repository, profile) for profile in profiles]
    usual = search.MOST_TIED, search.MOST_READ
    search.MOST_TIED = search.MOST_READ = sys.maxsize
    exact = [_found(repository, profile) for profile in profiles]
    durations = _timed(lambda profile: _answer(repository, profile, "matches"), profiles)
    search.MOST_TIED, search.MOST_READ = usual
    recalled = [len(a & b) / len(b) for (a, _), (b, _) in zip(chosen, exact, strict=True)]
    lost = [b - a for (_, a), (_, b) in zip(chosen, exact, strict=True)]
    figures = {
        "recall at 10 of the visually nearest among equals": f"{np.mean(recalled):.4f}",
        "likeness that the ten lose by it": f"mean {np.mean(lost):.4f}, most {max(lost):.4f}",
        "query: matching, all of equal score looked at": _spread(durations),
    }
    probabilities = np.array(candidates.columns.probabilities[:1_000_000])
    same = _same_top_by_type(probabilities, profiles[:20])
    return figures | {
        f"expected: lists of 10 unchanged in {kind}": f"{share:.2f}" for kind, share in same.items()
    }


def others(arguments: argparse.Namespace, size: int, path: Path) -> dict[str, str]:
    """Time numpy, scikit-learn and FAISS on the same data, in memory, on one core."""
    _use_one_core()
    profiles = Source(arguments).profiles(arguments.queries)
    candidates = Repository.open(path).candidates()
    if isinstance(candidates, Candidates):
        probabilities = np.array(candidates.columns.probabilities)
    else:
        probabilities = candidates.vectors.probabilities
    figures = {}
    for scoring in ("matches", "expected"):
        data = probabilities if scoring == "expected" else _one_hot(probabilities, profiles[0])
        wanted = [_wanted(profile, scoring) for profile in profiles]
        for name, durations in _other_methods(data, wanted):
            figures[f"{name}: {scoring}"] = _spread(durations)
    return figures | {"peak memory of the other methods": _peak()}


def _other_methods(
    data: NDArray[np.float32], wanted: list[NDArray[np.float32]]
) -> Iterator[tuple[str, list[float]]]:
    """Yield methods that find the ten items with the largest inner product, and their times."""
    import faiss
    from sklearn.neighbors import NearestNeighbors

    def brute_force(vector: NDArray[np.float32]) -> object:
        scores = data @ vector
        best = np.argpartition(scores, len(scores) - 10)[-10:]
        return best[np.argsort(-scores[best])]

    yield "numpy brute force", _timed(brute_force, wanted)
    faiss.omp_set_num_threads(1)
    index = faiss.IndexFlatIP(data.shape[1])
    index.add(data)
    yield "FAISS flat", _timed(lambda vector: index.search(vector[None], 10), wanted)
    if len(data) > MOST_FOR_SKLEARN:
        return
    # The largest inner product is the least distance once all items have one length (Bachrach
    # et al., RecSys 2014).
    lengths = (data**2).sum(axis=1)
    level = np.sqrt(lengths.max() - lengths)[:, None]
    model = NearestNeighbors(n_neighbors=10, algorithm="brute", n_jobs=1)
    model.fit(np.concatenate([data, level], axis=1))
    zero = np.zeros(1, np.float32)
    yield (
        "scikit-learn NearestNeighbors",
        _timed(lambda v: model.kneighbors(np.concatenate([v, zero])[None]), wanted[:20]),
    )


def add_a_thousand(arguments: argparse.Namespace, size: int, path: Path) -> dict[str, str]:
    """Time adding 1,000 items in commits of 64, with the columns."""
    source = Source(arguments)
    table = ItemTable.open(path, source.description)
    rows = source.grown(size, 1000)
    start = time.perf_counter()
    for first in range(0, 1000, 64):
        table.add(rows.slice(first, 64))
    table.tidy()
    duration = time.perf_counter() - start
    return {"adding 1,000 items": f"{duration:.1f} s", "peak memory while adding": _peak()}


class Source:
    """The real vectors, and what is drawn from them."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.description = Description.read(arguments.repository)
        table = ItemTable.open(arguments.repository, self.description)
        columns = [name for name in ("gender", "season", "year") if name in table.schema.names]
        if len(columns) < 3:
            raise RequestError(
                f"{arguments.repository}: expected columns gender, season and year to filter by"
            )
        rows = table.read(["_probabilities", "relevance", "_embedding", *columns])
        self.random = np.random.default_rng(arguments.seed)
        order = self.random.permutation(len(rows))
        vectors = vectors_of(rows, self.description.schema).take(order)
        relevant = np.flatnonzero(vectors.relevant)
        held_out = relevant[:HELD_OUT]
        self.held_out = vectors.take(held_out)
        rest = np.setdiff1d(np.arange(len(rows)), held_out)
        self.vectors = vectors.take(rest)
        self.metadata = rows.select(columns).take(pa.array(order[rest]))
        self.photos = arguments.photos
        self._neighbours: NDArray[np.intp] | None = None

    def grown(self, first: int, count: int) -> pa.Table:
        """Return rows of the table for items numbered from `first`, the same in every run."""
        random = np.random.default_rng([first, count])
        own = random.integers(0, len(self.vectors), count)
        other = self.neighbours()[own, random.integers(0, NEIGHBOURS, count)]
        share = random.random((count, 1), np.float32) / 2
        embeddings = self.vectors.embeddings
        size = embeddings.shape[1]
        looks = random.standard_normal((count, size), np.float32) * np.float32(0.1 / size**0.5)
        looks += embeddings[own] * (1 - share)
        looks += embeddings[other] * share
        np.maximum(looks, 0, out=looks)
        looks /= np.linalg.norm(looks, axis=1, keepdims=True)
        logits = np.log(self.vectors.probabilities.clip(1e-7))
        mixed = logits[own] * (1 - share) + logits[other] * share
        mixed += random.standard_normal(mixed.shape, np.float32) * np.float32(0.3)
        parts = [np.exp(mixed[:, part]) for part in self.description.schema.slices.values()]
        vectors = FashionVectors(
            self.description.schema,
            np.concatenate([part / part.sum(axis=1, keepdims=True) for part in parts], axis=1),
            np.ones(count, np.float32),
            looks,
        )
        numbers = range(first, first + count)
        names = {
            "id": pa.array([f"{number:09d}" for number in numbers]),
            "photo": pa.array([f"{number:09d}.jpg" for number in numbers]),
            "_sha256": pa.array([f"{number:064x}" for number in numbers]),
            "_size": pa.array(numbers),
            "_modified": pa.array(numbers),
        }
        metadata = self.metadata.take(pa.array(own))
        taken = {name: metadata[name] for name in metadata.column_names}
        return pa.table(names | vector_columns(vectors, self.description.model_fingerprint) | taken)

    def neighbours(self) -> NDArray[np.intp]:
        """Return the rows of the nearest embeddings to each."""
        if self._neighbours is None:
            embeddings = self.vectors.embeddings
            found = []
            for start in range(0, len(embeddings), 1024):
                cosines = embeddings[start : start + 1024] @ embeddings.T
                found.append(np.argpartition(-cosines, NEIGHBOURS, axis=1)[:, :NEIGHBOURS])
            self._neighbours = np.concatenate(found)
        return self._neighbours

    def profiles(self, count: int) -> list[StyleProfile]:
        """Return style profiles of one taste each, the same in every run."""
        random = np.random.default_rng(0)
        codes = self.held_out.codes
        profiles = []
        for _ in range(count):
            first = random.integers(len(codes))
            alike = np.flatnonzero((codes == codes[first]).sum(axis=1) >= codes.shape[1] - 1)
            chosen = random.choice(alike, self.photos, replace=len(alike) < self.photos)
            names = tuple(f"{row}.jpg" for row in chosen)
            sha256s = tuple("f" * 56 + f"{row:08x}" for row in chosen)
            photos = ProfilePhotos(names, sha256s, self.held_out.take(chosen))
            profiles.append(StyleProfile(photos, None, self.description.model_fingerprint))
        return profiles


def _answer(
    repository: Repository, profile: StyleProfile, scoring: Scoring, where: str | None = None
) -> object:
    candidates = repository.candidates(where)
    found = recommend(profile, candidates, 10, scoring)
    items = candidates.take(found.rows)
    metadata = repository.metadata_of(candidates, found.rows)
    return items, metadata, [found.reason(place) for place in range(len(found))]


def _found(repository: Repository, profile: StyleProfile) -> tuple[set[str], float]:
    """Return the ids of the best ten and their mean likeness."""
    candidates = repository.candidates()
    found: Recommendations = recommend(profile, candidates, 10)
    return set(candidates.take(found.rows).ids), float(found.likeness.mean())


def _filters() -> Iterator[str]:
    """Yield filters that let through about 5 items in 100, none twice in a row."""
    while True:
        for year in range(2011, 2018):
            for gender in ("Women", "Men"):
                yield f"gender = '{gender}' AND year = {year}"


def _wanted(profile: StyleProfile, scoring: str) -> NDArray[np.float32]:
    if scoring == "expected":
        return profile.mean_probabilities().astype(np.float32)
    return (class_counts(profile.vectors) / len(profile.liked)).astype(np.float32)


def _one_hot(probabilities: NDArray[np.float32], profile: StyleProfile) -> NDArray[np.float32]:
    data = np.zeros_like(probabilities)
    for part in profile.schema.slices.values():
        rows = np.arange(len(data))
        data[rows, part.start + probabilities[:, part].argmax(axis=1)] = 1
    return data


def _same_top_by_type(
    probabilities: NDArray[np.float32], profiles: list[StyleProfile]
) -> dict[str, float]:
    """Return the share of profiles whose ten best are the same in a smaller type, in order."""

    def top(data: NDArray[Any], profile: StyleProfile) -> list[int]:
        scores = data @ profile.mean_probabilities()
        return np.argsort(-scores.round(9), kind="stable")[:10].tolist()

    exact = probabilities.astype(np.float64)
    best = [top(exact, profile) for profile in profiles]
    kinds: dict[str, NDArray[Any]] = {
        "float32": probabilities,
        "float16": probabilities.astype(np.float16),
        "uint8": (probabilities * 255).round().astype(np.uint8),
    }
    return {
        name: float(np.mean([top(data, p) == b for p, b in zip(profiles, best, strict=True)]))
        for name, data in kinds.items()
    }


def _timed(ask: Callable[[Any], object], questions: list[Any]) -> list[float]:
    """Return seconds for each question, after one that is not counted."""
    if len(questions) > 1:
        ask(questions[0])
    durations = []
    for question in questions:
        start = time.perf_counter()
        ask(question)
        durations.append(time.perf_counter() - start)
    return durations


def _spread(durations: list[float]) -> str:
    median, late = np.percentile(durations, [50, 99])
    return f"median {1e3 * median:.1f} ms, 99th percentile {1e3 * late:.1f} ms"


def _bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _peak() -> str:
    return f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10:,.0f} MiB"


def _use_one_core() -> None:
    core = {min(os.sched_getaffinity(0))}
    for thread in Path("/proc/self/task").iterdir():
        os.sched_setaffinity(int(thread.name), core)
    threadpool_limits(1)


def _in_a_process(phase: Callable[..., dict[str, str]], *given: object) -> dict[str, str]:
    """Run a phase in a new process, so that its memory and its caches are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(partial(phase, *given))


if __name__ == "__main__":
    sys.exit(main())
