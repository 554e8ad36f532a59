"""How well embeddings find the other picture of an item, on real photos.

Two tasks, both scored by `fashionnet.similarity.protocol` on items that nothing was trained on:

    views            two hard views of one photo: turned, cut close, in other light, before another
                     background; photos of the shop's apparel and people's own
    product-names    two apparel products of the shop with one productDisplayName

Near-duplicate photos are on one side of the split. Every experiment of examples/embeddings is
trained on each task, and stands beside two embeddings that learned nothing of it: VGG16's ImageNet
features, averaged, and the embedding of the model that ships. The last is also shown after the
linear map that takes the variation within items out (within-class covariance normalisation: Hatch
et al., 2006, "Within-class covariance normalization for SVM-based speaker recognition"), learned
from the training items. With `--repository`, built from the shop's photos by the model that ships,
the ten nearest of test photos are also judged by their true labels, before and after that map.

    PYTHONPATH=. python benchmarks/embeddings.py --data ../shared/data --output embeddings \
        --repository shop.repository
"""

import argparse
import csv
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from similarity import bootstrap, labelled

from fashionnet.cli import run_command
from fashionnet.errors import RequestError
from fashionnet.experiments import RESULTS_FILE, read_experiment
from fashionnet.labels import read_labels
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import DEFAULT_MODEL, Model
from fashionnet.network.graph import frozen_graph
from fashionnet.network.trunk import IMAGE_SIZE, find_imagenet_weights, load_imagenet_weights
from fashionnet.photos import Image, read_ahead
from fashionnet.progress import progress
from fashionnet.repository.store import Repository
from fashionnet.schema import Schema
from fashionnet.similarity.experiment import Augmentation, EmbeddingExperiment, Pairs, Views
from fashionnet.similarity.item_data import read_parts
from fashionnet.similarity.item_pictures import ItemPictures
from fashionnet.similarity.picture_features import BATCH, PictureImages
from fashionnet.similarity.picture_views import ViewSettings
from fashionnet.similarity.protocol import score_embedding

EXAMPLES = Path(__file__).parents[1] / "examples" / "embeddings"
TASKS = ("views", "product-names")
PARTS = ("validation", "test")
TOPS = ("top_1", "top_5", "top_10")

VGG16_PARAMETERS = 14_714_688

Embed = Callable[[Sequence[Image]], NDArray[np.float32]]
Map = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def main() -> int:
    """Train, score and print a table for each task; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, required=True, help="for data, runs and features")
    parser.add_argument("--repository", type=Path, help="of the shop's photos")
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
    rows, whitened = baselines(parts, data, arguments.seed)
    for file in sorted(experiments.glob("*.toml")):
        rows[file.stem] = json.loads((folder / "runs" / file.stem / RESULTS_FILE).read_text())
    show(task, parts, rows)
    if arguments.repository:
        show_attributes(arguments, whitened)


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


def baselines(
    parts: dict[str, ItemPictures], data: Views | Pairs, seed: int
) -> tuple[dict[str, Any], Map]:
    """Score what was trained on other things; returns the map that was learned, too."""
    graph = frozen_graph(load_imagenet_weights(find_imagenet_weights(None)), "block5")
    network = CompiledNetwork.open()
    size = network.embedding_size
    count = sum(array.size for array in Model.load().weights.values())

    def frozen(images: Sequence[Image]) -> NDArray[np.float32]:
        return np.stack([pooled[:size] for _, pooled in graph.run(images)])

    def shipped(images: Sequence[Image]) -> NDArray[np.float32]:
        return network.describe(images).embeddings

    views = data.views if isinstance(data, Views) else ViewSettings()
    images = PictureImages(IMAGE_SIZE, views, Augmentation(), seed)
    train = parts["train"]
    # Photos that have no other picture say how views vary, as in the trainings.
    numbers = (1, 2) if isinstance(data, Views) else (0,)
    learned = [embedded(shipped, train, images, number)[0] for number in numbers]
    mean, within = whitening(np.concatenate(learned), np.tile(train.labels, len(numbers)))

    def whitened(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((embeddings - mean) @ within, np.float32)

    rows = {
        "ImageNet's features, as they are": scored(frozen, VGG16_PARAMETERS, parts, images),
        "the model that ships": scored(shipped, count, parts, images),
        "the model that ships, whitened": scored(
            lambda images: whitened(shipped(images)), count + size**2, parts, images
        ),
    }
    return rows, whitened


def whitening(
    embeddings: NDArray[np.float32], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the mean (D,) and the map (D, D) that makes the spread within items even.

    The covariance within items is shrunk half way to a multiple of the unit matrix.
    """
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    means = np.zeros((len(counts), embeddings.shape[1]))
    np.add.at(means, inverse, embeddings)
    apart = (embeddings - (means / counts[:, None])[inverse])[counts[inverse] > 1]
    covariance = apart.T @ apart / max(1, len(apart) - (counts > 1).sum())
    covariance += np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(covariance)
    within = vectors * values**-0.5
    return embeddings.mean(axis=0).astype(np.float32), within.astype(np.float32)


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
    table = Table(
        "embedding", "top-1", "top-5", "top-10", "validation top-10", "epoch", "weights", "photos/s"
    )
    for name, row in rows.items():
        cells = [interval(row["test"][top]) for top in TOPS]
        validation = f"{row['validation']['top_10']['value']:.3f}"
        weights, rate = f"{row['parameters'] / 1e6:.1f} M", f"{row['photos_a_second']:.0f}"
        # Of the best weights, and of how many.
        epoch = f"{row['best_epoch']}/{row['epochs']}" if "epochs" in row else ""
        table.add_row(name, *cells, validation, epoch, weights, rate)
    Console(width=150).print(table)


def show_attributes(arguments: argparse.Namespace, whitened: Map) -> None:
    """Print how many of the ten nearest have all true attributes of a test photo."""
    items = Repository.open(arguments.repository).items()
    labels = read_labels(arguments.data / "attributes.csv", arguments.data, Schema.default())
    photos = labelled(items, labels, DEFAULT_MODEL)
    pool = np.flatnonzero(np.isin(photos.parts, ("validation", "test")))
    queries = np.flatnonzero(photos.parts[pool] == "test")
    truth, embeddings = photos.truth[pool], photos.items.vectors.embeddings[pool]
    for name, places in (("as it is", embeddings), ("whitened", whitened(embeddings))):
        units = places / np.linalg.norm(places, axis=1, keepdims=True)
        likeness = units[queries] @ units.T
        likeness[np.arange(len(queries)), queries] = -2
        nearest = np.argsort(-likeness, axis=1)[:, :10]
        same = (truth[nearest] == truth[queries][:, None]).all(axis=2).mean(axis=1)
        shown = bootstrap(same, arguments.seed)
        print(f"{name}: of the ten nearest of {len(same)} photos have all attributes: {shown}")


def interval(figure: dict[str, float]) -> str:
    """Return a value and the ends of its interval."""
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


if __name__ == "__main__":
    sys.exit(main())
