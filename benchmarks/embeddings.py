"""How well embeddings find the other picture of an item, on real photos.

Two tasks, both scored by `fashionnet.similarity.protocol` on items that nothing was trained on:

    views            two hard views of one photo: turned, cut close, in other light, before another
                     background; photos of the shop's apparel and people's own
    product-names    two apparel products of the shop with one productDisplayName

Near-duplicate photos are on one side of the split. Every experiment of examples/embeddings is
trained on each task, and stands beside embeddings that were not: VGG16's ImageNet features,
averaged, and the embedding of the model that ships, with its projection and without. The last
column says of each how many of the ten nearest of a photo have all its true attributes, among the
shop's photos of the test part of the model that ships. Of names and views no row learned anything
from a photo that it is measured on; but the heads of the model that ships learned the attributes of
some of these photos.

    PYTHONPATH=. python benchmarks/embeddings.py --data ../shared/data --output embeddings
"""

import argparse
import csv
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from accuracy import read_split
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from similarity import bootstrap

from fashionnet.cli import run_command
from fashionnet.errors import RequestError
from fashionnet.experiments import RESULTS_FILE, read_experiment
from fashionnet.labels import UNKNOWN, read_labels
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import DEFAULT_MODEL, EMBEDDING_SIZE, Model
from fashionnet.network.graph import frozen_graph
from fashionnet.network.precision import Calibration
from fashionnet.network.trunk import (
    IMAGE_SIZE,
    SUMMARY_SIZE,
    find_imagenet_weights,
    load_imagenet_weights,
)
from fashionnet.photos import Image, decode, read_ahead, read_bytes
from fashionnet.progress import progress
from fashionnet.schema import Schema
from fashionnet.similarity.experiment import Augmentation, EmbeddingExperiment, Pairs, Views
from fashionnet.similarity.item_data import read_parts
from fashionnet.similarity.item_pictures import ItemPictures
from fashionnet.similarity.picture_features import BATCH, PictureImages
from fashionnet.similarity.picture_views import ViewSettings
from fashionnet.similarity.protocol import score_embedding
from fashionnet.similarity.trained import TrainedEmbedding

EXAMPLES = Path(__file__).parents[1] / "examples" / "embeddings"
TASKS = ("views", "product-names")
PARTS = ("validation", "test")
TOPS = ("top_1", "top_5", "top_10")

VGG16_PARAMETERS = 14_714_688

Embed = Callable[[Sequence[Image]], NDArray[np.float32]]
Judged = tuple[list[Path], NDArray[np.int16]]
"""Photos, and their codes (N, A)."""


def main() -> int:
    """Train, score and print a table for each task; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, required=True, help="for data, runs and features")
    parser.add_argument(
        "--experiments", type=Path, nargs="+", default=[EXAMPLES], help="folders of TOML files"
    )
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument(
        "--photos", type=int, default=400, help="of the shop, and as many of people's own"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        for task in arguments.tasks:
            run_task(task, arguments)
    except RequestError as error:
        print(f"embeddings: {error}", file=sys.stderr)
        return 2
    return 0


def run_task(task: str, arguments: argparse.Namespace) -> None:
    """Run every experiment on one task, and print what was measured."""
    folder = (arguments.output / task).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    shop = apparel(arguments.data)
    write = write_views if task == "views" else write_product_names
    data = write(folder, arguments, shop)
    experiments = folder / "experiments"
    experiments.mkdir(exist_ok=True)
    for file in (file for source in arguments.experiments for file in source.glob("[!_]*.toml")):
        write_experiment(experiments / file.name, file, data, arguments.seed)
    words = [str(experiments), "--output", str(folder / "runs"), "--cache", str(folder / "cache")]
    if code := run_command("train-embedding", words):
        raise RequestError(f"train-embedding ended with {code}")
    parts = read_parts(data, arguments.seed, folder)
    judged = labelled_test_photos(arguments.data)
    rows = baselines(parts, data, arguments.seed, judged)
    for file in sorted(experiments.glob("*.toml")):
        run = folder / "runs" / file.stem
        rows[file.stem] = json.loads((run / RESULTS_FILE).read_text())
        embed = TrainedEmbedding.open(run, rows[file.stem]["precision"]).embed
        rows[file.stem]["attributes"] = attributes_of(embed, judged)
    show(task, parts, rows)


def apparel(data: Path) -> dict[str, list[str]]:
    """Return the photos' names of each product name among the shop's apparel."""
    products = defaultdict(list)
    with (data / "catalogue" / "styles.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["masterCategory"] == "Apparel":
                products[row["productDisplayName"]].append(f"{row['id']}.jpg")
    return products


def write_views(folder: Path, arguments: argparse.Namespace, shop: dict[str, list[str]]) -> Views:
    """Write a list of photos; of products with one name, only the first."""
    random = np.random.default_rng(arguments.seed)
    images = arguments.data / "catalogue" / "images"
    products = [images / names[0] for names in shop.values()]
    own = sorted((arguments.data / "photos").rglob("*.jpg"))
    chosen = [
        photos[row].resolve()
        for photos in (products, own)
        for row in random.permutation(len(photos))[: arguments.photos]
    ]
    path = folder / "photos.txt"
    path.write_text("\n".join(map(str, chosen)) + "\n", encoding="utf-8")
    return Views(name="views", photos=path, held_out=0.5)


def write_product_names(
    folder: Path, arguments: argparse.Namespace, shop: dict[str, list[str]]
) -> Pairs:
    """Write a CSV of pairs, each photo of a name with the next."""
    images = (arguments.data / "catalogue" / "images").resolve()
    path = folder / "pairs.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["first", "second"])
        for names in shop.values():
            writer.writerows(pairwise(names))
    return Pairs(name="pairs", pairs=path, images=images)


def write_experiment(path: Path, base: Path, data: Views | Pairs, seed: int) -> None:
    """Write an experiment that takes over another and has other data."""
    lines = [f"extends = {json.dumps(str(base.resolve()))}", f"seed = {seed}", "[data]"]
    values = data.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    few = read_experiment(base, EmbeddingExperiment).augmentation.views == 1
    if few and isinstance(data, Views):
        lines += ["[augmentation]", "views = 3"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def labelled_test_photos(data: Path) -> Judged:
    """Return photos of the shop, of the test part of the model that ships, and all true codes."""
    labels = read_labels(data / "attributes.csv", data, Schema.default())
    truth = np.stack([labels.codes[name] for name in labels.schema.names], axis=1)
    split = read_split(DEFAULT_MODEL)
    rows = [
        row
        for row, name in enumerate(labels.names)
        if name.startswith("catalogue/")
        and split.get(name, ("", ""))[1] == "test"
        and (truth[row] != UNKNOWN).all()
    ]
    return [labels.photos[row] for row in rows], truth[rows]


def attributes_of(embed: Embed, judged: Judged) -> str:
    """Return the mean share of the ten nearest with all of a photo's attributes."""
    photos, truth = judged
    embeddings = embed([decode(read_bytes(photo)) for photo in photos])
    return bootstrap(same_attributes(embeddings, truth), seed=0)


def baselines(
    parts: dict[str, ItemPictures], data: Views | Pairs, seed: int, judged: Judged
) -> dict[str, Any]:
    """Score what was not trained here."""
    graph = frozen_graph(load_imagenet_weights(find_imagenet_weights(None)), "block5")
    model = Model.load()
    calibration = Calibration.load(DEFAULT_MODEL, model)
    shipped = CompiledNetwork(model, calibration=calibration)
    plain = CompiledNetwork(replace(model, projection=None), calibration=calibration)
    count = sum(array.size for array in model.weights.values())

    def frozen(images: Sequence[Image]) -> NDArray[np.float32]:
        return np.stack([pooled[:EMBEDDING_SIZE] for _, pooled in graph.run(images)])

    embeds: dict[str, tuple[Embed, int]] = {
        "ImageNet's features, as they are": (frozen, VGG16_PARAMETERS),
        "the model that ships": (
            lambda images: shipped.describe(images).embeddings,
            count + SUMMARY_SIZE * (shipped.embedding_size + 1),
        ),
        "the model that ships, without its projection": (
            lambda images: plain.describe(images).embeddings,
            count,
        ),
    }
    views = data.views if isinstance(data, Views) else ViewSettings()
    images = PictureImages(IMAGE_SIZE, views, Augmentation(), seed)
    return {
        name: {**scored(embed, weights, parts, images), "attributes": attributes_of(embed, judged)}
        for name, (embed, weights) in embeds.items()
    }


def scored(
    embed: Embed, parameters: int, parts: dict[str, ItemPictures], images: PictureImages
) -> dict[str, Any]:
    """Return what a run's results hold, of an embedding that was not trained here."""
    result: dict[str, Any] = {"parameters": parameters}
    for name in PARTS:
        embeddings, result["photos_a_second"] = embedded(embed, parts[name], images)
        result[name] = score_embedding(embeddings, parts[name].labels).to_dict()
    return result


def embedded(
    embed: Embed, part: ItemPictures, images: PictureImages, view: int = 0
) -> tuple[NDArray[np.float32], float]:
    """Return the embeddings of a part's pictures, or of a view of each, and pictures a second."""
    rows, waiting = [], []
    start = time.monotonic()
    views = [(picture, view) for picture in part.pictures]
    with progress("embedding", len(part)) as advance:
        for number, (_, pending) in enumerate(read_ahead(views, images.image), 1):
            waiting.append(pending.result())
            if len(waiting) == BATCH or number == len(views):
                rows.append(embed(waiting))
                advance(len(waiting))
                waiting = []
    return np.concatenate(rows).astype(np.float32), len(part) / (time.monotonic() - start)


def show(task: str, parts: dict[str, ItemPictures], rows: dict[str, Any]) -> None:
    """Print the table."""
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
    print(f"{task}: pictures: {counts}")
    measured = "top-1", "top-5", "top-10", "validation top-10", "same attributes"
    table = Table("embedding", *measured, "epoch", "weights", "photos/s")
    for name, row in rows.items():
        cells = [interval(row["test"][top]) for top in TOPS]
        validation = f"{row['validation']['top_10']['value']:.3f}"
        weights, rate = f"{row['parameters'] / 1e6:.1f} M", f"{row['photos_a_second']:.0f}"
        # Of the best weights, and of how many.
        epoch = f"{row['best_epoch']}/{row['epochs']}" if "epochs" in row else ""
        table.add_row(name, *cells, validation, row["attributes"], epoch, weights, rate)
    Console(width=190).print(table)


def same_attributes(
    embeddings: NDArray[np.float32], truth: NDArray[np.int16]
) -> NDArray[np.float64]:
    """Return float64 (N,): the share of the ten nearest of N photos with all their attributes."""
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    likeness = units @ units.T
    np.fill_diagonal(likeness, -2)
    nearest = np.argsort(-likeness, axis=1)[:, :10]
    return np.asarray((truth[nearest] == truth[:, None]).all(axis=2).mean(axis=1))


def interval(figure: dict[str, float]) -> str:
    """Return a value and the ends of its interval."""
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


if __name__ == "__main__":
    sys.exit(main())
