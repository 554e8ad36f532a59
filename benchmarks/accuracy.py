"""How often the model is right on photos that it never saw, beside the seed's plain recipe.

Takes the test part of the split that lies in the model folder, and prints for each attribute and
for relevance: labelled photos, accuracy and macro-F1 with their 95% intervals, and the expected
calibration error; of all test photos, and of catalogue photos and people's photos apart.

    python examples/default_model/labels.py --data ../shared/data --output labels.csv
    python benchmarks/accuracy.py --labels labels.csv --images ../shared/data

With --linear it also fits a linear classifier on frozen VGG16 features (benchmarks/linear.py), and
with --seed-recipe it trains what benchmarks/seed_recipe.py describes, both on the same train and
validation photos, and prints their figures under the model's. The number of epochs is that of the
seed's unfrozen phase, which has 5 to 7. Without a GPU that takes hours.

    python benchmarks/accuracy.py --labels labels.csv --images ../shared/data --seed-recipe 5
"""

import argparse
import csv
import os
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.cli.evaluate import measure
from fashionnet.describing import describe_photos
from fashionnet.errors import RequestError
from fashionnet.evaluation import AttributeFigures, figures_table
from fashionnet.files import cache_folder
from fashionnet.labels import PARTS, LabelledPhotos, read_labels
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import DEFAULT_MODEL
from fashionnet.network.trunk import WEIGHTS_VARIABLE, find_imagenet_weights
from fashionnet.progress import progress
from fashionnet.vectors import FashionVectors

SIDES = {"all photos": "", "catalogue photos": "catalogue/", "people's photos": "photos/"}
"""What is measured apart, by how the names of its photos start."""

LINEAR = "linear on frozen features"
SEED_RECIPE = "seed's recipe"

Split = dict[str, tuple[str, str]]
"""For each photo's name its SHA-256 and the part that it is in."""


def main() -> int:
    """Print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True, metavar="CSV")
    parser.add_argument("--images", type=Path, default=Path("../shared/data"), metavar="DIR")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL, metavar="DIR")
    parser.add_argument(
        "--linear", action="store_true", help="also fit a linear classifier on frozen features"
    )
    parser.add_argument(
        "--seed-recipe",
        type=int,
        metavar="EPOCHS",
        help="also train the seed's recipe, with this many unfrozen epochs, and measure it",
    )
    parser.add_argument(
        "--trunk-weights",
        type=Path,
        metavar="FILE",
        help=f"for --seed-recipe (default: ${WEIGHTS_VARIABLE}, then keras.applications)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=cache_folder() / "frozen",
        metavar="DIR",
        help="for --seed-recipe: where frozen features are kept (default: as train_heads.py)",
    )
    try:
        report(parser.parse_args())
    except RequestError as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 2
    return 0


def report(arguments: argparse.Namespace) -> None:
    """Describe the test photos, train what is asked for, and print a table for each side."""
    if arguments.seed_recipe is not None and arguments.seed_recipe < 1:
        raise RequestError(f"--seed-recipe {arguments.seed_recipe}: expected 1 epoch or more")
    network = CompiledNetwork.open(arguments.model)
    labels = read_labels(arguments.labels, arguments.images, network.schema)
    split = read_split(arguments.model)
    parts = {part: labels.take(_rows_of(labels, split, part)) for part in PARTS}
    test = parts["test"]
    if not len(test):
        raise RequestError(
            f"{arguments.labels}: none of its photos is in the test part of {arguments.model}: "
            "name the labels that the model was trained with"
        )
    answers = {"": _described(network, test)}
    if arguments.linear or arguments.seed_recipe is not None:
        answers |= _baselines(arguments, parts, split)
    print(f"model {network.fingerprint}: {len(test)} test photos")
    for side, prefix in SIDES.items():
        rows = np.flatnonzero([name.startswith(prefix) for name in test.names])
        print(f"\n{side}\n{figures_table(_figures(test, answers, rows))}")


def read_split(model: Path) -> Split:
    """Read which photo was in which part; photos on which a model's branches differ are left out.

    Raises RequestError for a model without a split.
    """
    files = sorted(model.glob("split-*.csv"))
    if not files:
        raise RequestError(f"{model}: holds no split-*.csv, as train_heads.py writes it")
    places: dict[str, set[tuple[str, str]]] = {}
    for path in files:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                places.setdefault(row["image"], set()).add((row["sha256"], row["part"]))
    return {name: place.pop() for name, place in places.items() if len(place) == 1}


def _rows_of(labels: LabelledPhotos, split: Split, part: str) -> NDArray[np.intp]:
    return np.flatnonzero([split.get(name, ("", ""))[1] == part for name in labels.names])


def _described(network: CompiledNetwork, photos: LabelledPhotos) -> FashionVectors:
    with progress("describing test photos", len(photos)) as advance:
        described = describe_photos(network, photos.photos, advance)
    # Training read them all: one that cannot be read now is damaged.
    for left_out in described.left_out:
        raise RequestError(f"{left_out.photo}: {left_out.reason}")
    return described.vectors


def _figures(
    labels: LabelledPhotos, answers: dict[str, FashionVectors], rows: NDArray[np.intp]
) -> dict[str, AttributeFigures]:
    """Return the figures of all answers on some rows, those of one attribute under each other."""
    taken = labels.take(rows)
    measured = {name: measure(taken, vectors.take(rows)) for name, vectors in answers.items()}
    return {
        f"{attribute}, {name}" if name else attribute: figures[attribute]
        for attribute in measured[""]
        for name, figures in measured.items()
        if attribute in figures
    }


def _baselines(
    arguments: argparse.Namespace, parts: dict[str, LabelledPhotos], split: Split
) -> dict[str, FashionVectors]:
    """Train what the model is compared with and return what it says of the test photos."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    trunk_weights = find_imagenet_weights(arguments.trunk_weights)
    from linear import train_linear
    from seed_recipe import train_seed_recipe

    from fashionnet.network.training import TrainingPhotos

    photos = {
        part: TrainingPhotos(rows.photos, [split[name][0] for name in rows.names], rows.codes)
        for part, rows in parts.items()
    }
    schema = parts["test"].schema
    found = {}
    if arguments.linear:
        found[LINEAR] = train_linear(photos, schema, trunk_weights, arguments.cache)
    if arguments.seed_recipe is not None:
        found[SEED_RECIPE] = train_seed_recipe(
            photos, schema, trunk_weights, arguments.cache, arguments.seed_recipe
        )
    # They have no opinion on relevance and no embedding.
    ones = np.ones(len(photos["test"]), np.float32)
    nothing = np.zeros((len(photos["test"]), 1), np.float32)
    return {
        name: FashionVectors(schema, probabilities, ones, nothing)
        for name, probabilities in found.items()
    }


if __name__ == "__main__":
    sys.exit(main())
