"""How well the recommendations fit people's tastes, by the true labels.

Many style profiles are drawn from people's labelled photos, and catalogue photos are recommended
for each with the network's Fashion Vectors alone. Then the true labels judge: an item's fit to a
profile is the share of the profile's photos that have the item's true class, averaged over the
attributes (the matching score of the true labels, divided by the number of attributes). Reported
is the mean fit of the recommended items, beside an oracle that ranks by the fit itself and beside
random order, whose expectation is the mean fit of all items.

Profiles are of one taste (a photo and others that share at least 3 true attributes with it) or
fully random. Only fully labelled photos of the model's test part take part, which the network
never saw.

    python benchmarks/recommendation.py --labels ../shared/data/attributes.csv \
        --images ../shared/data
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import read_split
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fashionnet.describing import describe_photos
from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN, LabelledPhotos, read_labels
from fashionnet.matching import SCORINGS, recommend
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import DEFAULT_MODEL
from fashionnet.profile import ProfilePhotos, StyleProfile
from fashionnet.progress import progress
from fashionnet.repository.store import Items
from fashionnet.vectors import FashionVectors

PEOPLE, CATALOGUE = "photos/", "catalogue/"
SHARED_ATTRIBUTES = 3
BOOTSTRAPS = 2000


@dataclass(frozen=True, eq=False)
class Side:
    """Described photos of one side, people's or the catalogue's, with their true codes (N, A)."""

    fingerprints: list[str]
    vectors: FashionVectors
    truth: NDArray[np.int16]


def main() -> int:
    """Print the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=Path, default=Path("../shared/data/attributes.csv"))
    parser.add_argument("--images", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--profiles", type=int, default=500, help="how many of each kind")
    parser.add_argument("--top", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        measure(arguments)
    except RequestError as error:
        print(f"recommendation: {error}", file=sys.stderr)
        return 2
    return 0


def measure(arguments: argparse.Namespace) -> None:
    """Describe the photos, draw the profiles and print how the items fit them."""
    network = CompiledNetwork.open(arguments.model)
    labels = read_labels(arguments.labels, arguments.images, network.schema)
    labels = _test_part(_fully_labelled(labels), arguments.model)
    people, catalogue = (_side(network, labels, prefix) for prefix in (PEOPLE, CATALOGUE))
    print(f"{len(people.truth)} people's photos, {len(catalogue.truth)} catalogue photos")

    table = Table("profiles", "order of items", f"fit of the top {arguments.top}", "95% interval")
    for kind in ("one taste", "random"):
        random = np.random.default_rng(arguments.seed)
        fits: dict[str, list[float]] = {}
        for _ in range(arguments.profiles):
            rows = _draw(random, people.truth, coherent=kind == "one taste")
            for order, fit in _fits(network, people, catalogue, rows, arguments.top).items():
                fits.setdefault(order, []).append(fit)
        for order, values in fits.items():
            low, high = _interval(np.array(values), arguments.seed)
            table.add_row(kind, order, f"{np.mean(values):.3f}", f"{low:.3f} to {high:.3f}")
    Console(width=100).print(table)


def _fully_labelled(labels: LabelledPhotos) -> LabelledPhotos:
    known = np.all([codes != UNKNOWN for codes in labels.codes.values()], axis=0)
    return labels.take(known & (labels.relevance != 0))


def _test_part(labels: LabelledPhotos, model: Path) -> LabelledPhotos:
    split = read_split(model)
    in_test = [split.get(name, ("", ""))[1] == "test" for name in labels.names]
    return labels.take(np.array(in_test, np.bool_))


def _side(network: CompiledNetwork, labels: LabelledPhotos, prefix: str) -> Side:
    labels = labels.take(np.array([name.startswith(prefix) for name in labels.names], np.bool_))
    if not len(labels):
        raise RequestError(f"no fully labelled photo in {prefix} to measure with")
    with progress(f"describing {prefix}", len(labels)) as advance:
        described = describe_photos(network, labels.photos, advance)
    row_of = {photo: row for row, photo in enumerate(labels.photos)}
    truth = np.stack([labels.codes[name] for name in network.schema.names], axis=1)
    return Side(
        described.fingerprints,
        described.vectors,
        truth[[row_of[photo] for photo in described.photos]],
    )


def _draw(
    random: np.random.Generator, truth: NDArray[np.int16], coherent: bool
) -> NDArray[np.intp]:
    """Return the rows of 5 to 10 photos that make a profile."""
    size = int(random.integers(5, 11))
    if not coherent:
        return random.choice(len(truth), min(size, len(truth)), replace=False)
    for _ in range(1000):
        seed = random.integers(len(truth))
        alike = np.flatnonzero((truth == truth[seed]).sum(axis=1) >= SHARED_ATTRIBUTES)
        others = alike[alike != seed]
        if len(others) >= size - 1:
            return np.append(random.choice(others, size - 1, replace=False), seed)
    raise RequestError(f"no {size} people's photos share {SHARED_ATTRIBUTES} attributes")


def _fits(
    network: CompiledNetwork, people: Side, catalogue: Side, rows: NDArray[np.intp], top: int
) -> dict[str, float]:
    own = people.truth[rows]
    # (N, P, A) of the few hundred items, ten photos and few attributes is small.
    fit = (catalogue.truth[:, None, :] == own[None, :, :]).mean(axis=(1, 2))
    photos = ProfilePhotos(
        tuple(str(row) for row in rows),
        tuple(people.fingerprints[row] for row in rows),
        people.vectors.take(rows),
    )
    profile = StyleProfile(photos, None, network.fingerprint)
    names = [f"{row:06d}" for row in range(len(fit))]
    fingerprints = np.array(catalogue.fingerprints)
    items = Items(names, names, fingerprints, catalogue.vectors, network.same_picture)
    fits = {"oracle, by the true labels": float(np.sort(fit)[::-1][:top].mean())}
    for scoring in SCORINGS:
        found = recommend(profile, items, top, scoring)
        fits[f"FashionNet, {scoring}"] = float(fit[found.rows].mean())
    return fits | {"random order": float(fit.mean())}


def _interval(values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Return the 95% bootstrap interval of the mean over profiles."""
    random = np.random.default_rng(seed)
    draws = random.integers(0, len(values), (BOOTSTRAPS, len(values)))
    low, high = np.quantile(values[draws].mean(axis=1), (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    sys.exit(main())
