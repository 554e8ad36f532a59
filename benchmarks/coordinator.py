"""What the process costs that reads the catalogue, hands out photos and writes the rows.

Everything but describing runs as in a build on a cluster; describing gives made-up vectors at
once. So the rate is how many photos a second all workers together can describe before this
process is what they wait for, and the memory is what bounds a catalogue.

    PYTHONPATH=. python benchmarks/coordinator.py --items 100000
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from fashionnet.describing import Described
from fashionnet.locations import Location
from fashionnet.repository.build import build_repository
from fashionnet.repository.catalogue import read_catalogue
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors

SCHEMA = Schema.default()
EMBEDDING_SIZE = 512


class NoNetwork:
    """Describes nothing; says what rows look like."""

    schema = SCHEMA
    fingerprint = "0" * 16
    precision = "f32"
    embedding_size = EMBEDDING_SIZE
    same_picture = 1.0

    def describe(self, images: object) -> FashionVectors:
        """Never called: `NoDescribing` makes the vectors."""
        raise AssertionError("a photo was described")


class NoDescribing:
    """An engine whose workers take no time; their vectors are random, as real ones compress."""

    staged = True
    notes: tuple[str, ...] = ()

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def describe(
        self, chunks: Iterable[Sequence[Location]], advance: Callable[[int], None]
    ) -> Iterator[Described[Location]]:
        """Yield random vectors for every photo."""
        random = np.random.default_rng(0)
        for photos in chunks:
            count = len(photos)
            embeddings = random.standard_normal((count, EMBEDDING_SIZE), np.float32)
            vectors = FashionVectors(
                SCHEMA,
                random.random((count, SCHEMA.class_count), np.float32),
                np.ones(count, np.float32),
                embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True),
            )
            fingerprints = [random.bytes(32).hex() for _ in photos]
            yield Described(list(photos), fingerprints, vectors, [])


def build(folder: Path, count: int, workers: int) -> tuple[float, float, int]:
    """Build a repository of so many items; return seconds of reading and of building, and bytes."""
    photos = [f"{number // 1000}/{number}.jpg" for number in range(count)]
    for part in range(-(-count // 1000)):
        (folder / str(part)).mkdir()
    for photo in photos:
        # A build asks for a file's size and time of change only.
        (folder / photo).touch()
    (folder / "items.csv").write_text("\n".join(["image", *photos]))
    start = time.perf_counter()
    catalogue = read_catalogue(folder / "items.csv")
    read = time.perf_counter()
    build_repository(catalogue, folder / "built", NoNetwork(), engine=NoDescribing(workers))
    end = time.perf_counter()
    files = [file for file in (folder / "built").rglob("*") if file.is_file()]
    return read - start, end - read, sum(file.stat().st_size for file in files)


def peak_memory() -> int:
    """Return the most bytes that this process has had in memory so far."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Print the rate, the memory and the size on disk, each by item."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=32)
    arguments = parser.parse_args()
    count, fewer = arguments.items, arguments.items // 4
    # What libraries take once is in the peak of the smaller build, too.
    with tempfile.TemporaryDirectory() as name:
        build(Path(name), fewer, arguments.workers)
    before = peak_memory()
    with tempfile.TemporaryDirectory() as name:
        reading, building, size = build(Path(name), count, arguments.workers)
    memory = (peak_memory() - before) / (count - fewer)
    print(f"items:                       {count:>10,}")
    print(f"reading the catalogue:       {1e6 * reading / count:>10.1f} µs an item")
    print(f"handing out and writing:     {1e6 * building / count:>10.1f} µs an item")
    print(f"photos a second at most:     {count / (reading + building):>10,.0f}")
    print(f"memory:                      {memory:>10,.0f} bytes an item")
    print(f"size on disk:                {size / count:>10,.0f} bytes an item")


if __name__ == "__main__":
    main()
