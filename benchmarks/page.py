"""Load the page's interface: how fast walls, photos and pictures come, alone and for twenty.

    python benchmarks/page.py --items 100000 --people 20

A repository of so many items is made from the sample repository's rows, without photos; the
server runs in a process of its own. Each person asks for walls of 60 items with changing weights
and filters; then each has one photo described. Printed are the median and 95th percentile in
milliseconds, and how many answers were refused.
"""

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fashionnet.app.client import Client
from fashionnet.errors import RequestError
from fashionnet.repository.store import Description, ItemTable
from fashionnet.samples.shipped import SAMPLE_REPOSITORY

WARDROBE = Path(__file__).parents[1] / "examples" / "wardrobe"
ROWS_IN_A_COMMIT = 10_000


def make_repository(path: Path, count: int) -> None:
    """Write a repository of rows like the sample's, each with an embedding of its own."""
    random = np.random.default_rng(0)
    source = Description.read(SAMPLE_REPOSITORY)
    given = ItemTable.open(SAMPLE_REPOSITORY, source)
    columns = [*given.own_columns.names, *given.metadata_columns.names]
    rows = given.read(columns)
    path.mkdir()
    description = replace(source, root="photos")
    description.write(path)
    table = ItemTable.open(path, description, given.metadata_columns)
    for start in range(0, count, ROWS_IN_A_COMMIT):
        number = min(ROWS_IN_A_COMMIT, count - start)
        part = rows.take(pa.array(random.integers(0, rows.num_rows, number)))
        noise = random.standard_normal((number, source.embedding_size)).astype(np.float32)
        noise /= np.linalg.norm(noise, axis=1, keepdims=True)
        names = [f"{row:07d}" for row in range(start, start + number)]
        own = {
            "id": pa.array(names),
            "_sha256": pa.array([f"{row:064x}" for row in range(start, start + number)]),
            "_embedding": pa.FixedSizeListArray.from_arrays(
                pa.array(noise.astype(np.float16).ravel()), source.embedding_size
            ),
        }
        table.add(pa.table({name: own.get(name, part[name]) for name in columns}))


def main() -> None:
    """Serve, load, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--walls", type=int, default=10, help="walls for each person")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        repository = Path(folder) / "repository"
        make_repository(repository, arguments.items)
        command = [sys.executable, "-m", "fashionnet", "serve", "--port", "0"]
        server = subprocess.Popen(
            [*command, "--repository", str(repository)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert server.stdout is not None
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found, "the server did not start"
            measure(Client(found[0]), arguments.people, arguments.walls)
        finally:
            server.kill()


def measure(client: Client, people: int, walls: int) -> None:
    """Print each measurement on a line."""
    photos = [client.describe(photo) for photo in sorted(WARDROBE.glob("*.jpg"))]
    photo = sorted(WARDROBE.glob("*.jpg"))[0]

    def wall(number: int) -> None:
        options: dict[str, Any] = {"weights": {"pattern": 1 + number % 5 / 2}}
        if number % 2:
            options["filters"] = [{"column": "gender", "any_of": ["Women"]}]
        client.recommend(photos, page_size=60, **options)

    report("wall of 60, one person", 1, walls * 2, wall)
    report(f"wall of 60, {people} people", people, walls, wall)
    report("describe a photo, one person", 1, walls * 2, lambda _: client.describe(photo))
    report(f"describe a photo, {people} people", people, 1, lambda _: client.describe(photo))


def report(what: str, people: int, times: int, ask: Callable[[int], object]) -> None:
    """Let people ask so many times each, at once; print how long the answers took."""
    taken: list[float] = []
    refused: list[str] = []

    def person() -> None:
        for number in range(times):
            start = time.perf_counter()
            try:
                ask(number)
            except RequestError as error:
                refused.append(str(error))
            taken.append(time.perf_counter() - start)

    threads = [threading.Thread(target=person) for _ in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    median, high = (1000 * np.percentile(taken, [50, 95])).round()
    print(f"{what}: median {median:.0f} ms, p95 {high:.0f} ms, refused {len(refused)}", flush=True)


if __name__ == "__main__":
    main()
