"""Load the page's interface: how fast walls, photos and pictures come, alone and for twenty.

    python benchmarks/page.py --items 100000 --people 20

A repository of so many items is made from the sample repository's rows, without photos; the
server runs in a process of its own. Measured are the first page, in Chromium where Playwright is
installed; walls of 60 items with changing weights and filters; walls after a shift; and photos
described: for one person and for twenty who ask again as soon as they are answered. Printed are
the median and 95th percentile in milliseconds, how many requests were dropped (a 429 is asked
again, as the page does it), and how long the server computed for each, which other work on the
machine changes little. At last more photos are sent at one moment than the queue holds.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fashionnet.app.client import Client
from fashionnet.errors import RequestError
from fashionnet.repository.table import Description, ItemTable
from fashionnet.samples.shipped import SAMPLE_REPOSITORY

WARDROBE = Path(__file__).parents[1] / "examples" / "wardrobe"
ROWS_IN_A_COMMIT = 10_000
FIRST_PAGES = 10


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
    parser.add_argument("--walls", type=int, default=10, help="requests for each person")
    parser.add_argument("--crowd", type=int, default=150, help="photos at the same moment")
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
            address = found[0].rstrip("/")
            measure(address, server.pid, arguments.people, arguments.walls, arguments.crowd)
        finally:
            server.kill()


def measure(address: str, server: int, people: int, walls: int, crowd: int) -> None:
    """Print each measurement on a line."""
    client = Client(address)
    wardrobe = sorted(WARDROBE.glob("*.jpg"))
    photos = [client.describe(photo) for photo in wardrobe]

    def wall(number: int) -> None:
        options: dict[str, Any] = {"weights": {"pattern": 1 + number % 5 / 2}}
        if number % 2:
            options["filters"] = [{"column": "gender", "any_of": ["Women"]}]
        client.recommend(photos, page_size=60, **options)

    def shift(number: int) -> None:
        step = {"attribute": "pattern", "class_name": "striped", "strength": 0.5 * (number % 7)}
        client.similar(photos[number % len(photos)], shifts=[step], page_size=60)

    def describe(number: int) -> None:
        client.describe(wardrobe[number % len(wardrobe)])

    first_pages(address)
    for what, ask in (("wall of 60", wall), ("shifted wall of 60", shift), ("photo", describe)):
        report(f"{what}, one person", server, 1, 2 * walls, ask)
        report(f"{what}, {people} people", server, people, walls, ask)
    burst(address, wardrobe[0].read_bytes(), crowd)


def first_pages(address: str) -> None:
    """Print how long the page takes to be ready in a browser that has seen nothing of it."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("first page: not measured, playwright is not installed")
        return
    found = filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    taken = []
    with sync_playwright() as started:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = started.chromium.launch(executable_path=next(found, None), args=flags)
        for _ in range(FIRST_PAGES):
            page = browser.new_context().new_page()
            start = time.perf_counter()
            page.goto(address)
            page.wait_for_selector("html[data-ready]")
            taken.append(time.perf_counter() - start)
            page.context.close()
        browser.close()
    say("first page in Chromium", taken, 0, None)


def report(what: str, server: int, people: int, times: int, ask: Callable[[int], object]) -> None:
    """Let people ask so many times each, at once; print how long the answers took."""
    taken: list[float] = []
    dropped: list[str] = []

    def person() -> None:
        for number in range(times):
            start = time.perf_counter()
            try:
                ask(number)
            except (RequestError, OSError) as error:
                dropped.append(str(error))
            taken.append(time.perf_counter() - start)

    before = computed(server)
    at_once(person, people)
    after = computed(server)
    each = None if before is None or after is None else (after - before) / len(taken)
    say(what, taken, len(dropped), each)


def burst(address: str, photo: bytes, crowd: int) -> None:
    """Send as many photos at the same moment, none of them twice; print how they are answered."""
    answers: Counter[str] = Counter()

    def person() -> None:
        request = urllib.request.Request(
            f"{address}/api/v1/describe", photo, {"Content-Type": "image/jpeg"}
        )
        try:
            with urllib.request.urlopen(request) as answer:
                answers[str(answer.status)] += 1
        except urllib.error.HTTPError as error:
            retry = error.headers.get("Retry-After")
            answers[f"{error.code}, again after {retry} s" if retry else str(error.code)] += 1
        except OSError as error:
            answers[f"dropped: {error}"] += 1

    at_once(person, crowd)
    counts = "; ".join(f"{count} answered {what}" for what, count in answers.most_common())
    print(f"{crowd} photos at the same moment: {counts}", flush=True)


def at_once(act: Callable[[], None], people: int) -> None:
    """Run a function in as many threads, and wait for all."""
    threads = [threading.Thread(target=act) for _ in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def computed(process: int) -> float | None:
    """Return the seconds that a process computed so far, on all cores; None where unknown."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def say(what: str, taken: list[float], dropped: int, each: float | None) -> None:
    """Print the median and the 95th percentile of seconds as milliseconds."""
    median, high = (1000 * np.percentile(taken, [50, 95])).round()
    line = f"{what}: median {median:.0f} ms, p95 {high:.0f} ms, dropped {dropped}"
    print(line + ("" if each is None else f", computed {1000 * each:.0f} ms each"), flush=True)


if __name__ == "__main__":
    main()
