"""How long ranking a scene against many products takes: one matrix product and the best of it.

    python benchmarks/look_scale.py --products 1000000

Products are random points of unit length; the query's features are taken as computed.
"""

import argparse
import os
import time

import numpy as np

from fashionnet.compatibility.look_products import LookProducts

SIZE, TOP = 128, 10


def main() -> None:
    """Print the median and the slowest of the runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=30)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    points = random.standard_normal((arguments.products, SIZE), np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    rows = np.arange(len(points))
    products = LookProducts([""] * len(points), points, np.ones(len(points), bool))
    seconds = []
    for _ in range(arguments.runs):
        query = random.standard_normal(SIZE, np.float32)
        start = time.perf_counter()
        products.nearest(query, rows, TOP)
        seconds.append(time.perf_counter() - start)
    median, slowest = np.median(seconds) * 1000, max(seconds) * 1000
    load = os.getloadavg()[0]
    print(
        f"{len(points):,} products: median {median:.1f} ms, slowest {slowest:.1f} ms of "
        f"{arguments.runs} runs; {os.cpu_count()} processors, load {load:.1f}"
    )


if __name__ == "__main__":
    main()
