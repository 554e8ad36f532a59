"""Learn the projection of a model's embedding, and show what it finds and what it keeps.

Three things are wanted of a photo's neighbours: the other product of a name and the other view of a
photo (the two tasks of `benchmarks/embeddings.py`), and a photo's own pattern, fabric, style and
shape. For each weight of the classes beside the items a projection is learned from training
products, from views of other photos and from training labels, and measured on the validation
parts, beside the embedding without one. With `--weight` that projection is also measured on the
test parts, and with `--write` put into the model's folder.

    PYTHONPATH=. python benchmarks/projection.py --data ../shared/data --folder projection \
        --extra-labels drawn/labels.csv

Drawn photos (`python -m fashionnet.samples`) are learned from too, and never measured on.
Nothing is learned from a photo that is held out in either task or in the model's split, nor from a
near-duplicate of one.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from accuracy import read_split
from embeddings import apparel, same_attributes, write_product_names, write_views
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from similarity import bootstrap

from fashionnet.compatibility.look_features import convolutions_of
from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.labels import UNKNOWN, near_duplicate_groups, read_labels
from fashionnet.network.card import PROJECTION_FIGURES, write_model_card
from fashionnet.network.folder import DEFAULT_MODEL, MODEL_FILE, Model
from fashionnet.network.graph import CompiledGraph, summary_graph
from fashionnet.network.precision import Calibration
from fashionnet.network.projection import Projection
from fashionnet.network.quiet import quiet_import
from fashionnet.network.trunk import BLOCKS, IMAGE_SIZE
from fashionnet.photos import Image, fingerprint, read_ahead, read_bytes, resize
from fashionnet.progress import progress
from fashionnet.similarity.experiment import Augmentation
from fashionnet.similarity.item_data import read_parts
from fashionnet.similarity.item_pictures import Picture
from fashionnet.similarity.picture_features import PictureImages, View
from fashionnet.similarity.protocol import score_embedding

WEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 4.0)
TASKS = ("product-names", "views")
SIZE = 512
STEPS = 800
PHOTOS = 2000
"""Of the shop, and as many of people's own, whose views are learned from."""
VIEWS = (1, 2)
SMALLEST_COPY = 0.4

ITEM_PAIRS = {"product-names": 64, "views": 96}
ITEM_TEMPERATURE = 0.05
CLASS_PAIRS = 128
CLASS_TEMPERATURE = 0.1

PLAIN = "without"

Rows = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Material:
    """Summaries of photos.

    Attributes:
        items: for each task and held-out part, those of its pictures, and the item of each.
        taught: for each task, those that are learned from, and the item of each.
        attributes: for each part of the model's split, those of the shop's photos of which every
            attribute is known, and their codes (N, A); `drawn` is a part of its own.
    """

    items: dict[str, dict[str, tuple[Rows, NDArray[np.int64]]]]
    taught: dict[str, tuple[Rows, NDArray[np.int64]]]
    attributes: dict[str, tuple[Rows, NDArray[np.int16]]]


def main() -> int:
    """Print the tables, and write what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, required=True, help="for the lists of photos")
    parser.add_argument("--extra-labels", type=Path, required=True, help="of drawn photos, a CSV")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--weight", type=float, help="also measure this one on the test parts")
    parser.add_argument("--write", action="store_true", help="put that one into the model's folder")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    arguments.photos = 400
    try:
        material = gather(arguments)
        weights = WEIGHTS if arguments.weight is None else [arguments.weight]
        found = {weight: learned(material, weight, arguments.seed) for weight in weights}
        show("validation", material, arguments.model, found, arguments.seed)
        if arguments.weight is not None:
            figures = show("test", material, arguments.model, found, arguments.seed)
            if arguments.write:
                write(arguments, found[arguments.weight], figures)
    except RequestError as error:
        print(f"projection: {error}", file=sys.stderr)
        return 2
    return 0


def gather(arguments: argparse.Namespace) -> Material:
    """Read what is learned from and measured on."""
    model = Model.load(arguments.model)
    graph = summary_graph(convolutions_of(model), list(BLOCKS)[-1])
    shop = apparel(arguments.data)
    folders = {task: arguments.folder / task for task in TASKS}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    names = write_product_names(folders["product-names"], arguments, shop)
    photos = write_views(folders["views"], arguments, shop)
    parts = {
        "product-names": read_parts(names, arguments.seed, folders["product-names"]),
        "views": read_parts(photos, arguments.seed, folders["views"]),
    }
    images = PictureImages(IMAGE_SIZE, photos.views, Augmentation(), arguments.seed)

    labels = read_labels(arguments.data / "attributes.csv", arguments.data, model.schema)
    split = read_split(arguments.model)
    held = {
        picture.photo.resolve()
        for task in TASKS
        for part in ("validation", "test")
        for picture in parts[task][part].pictures
    }
    tested = {
        photo.resolve()
        for photo, name in zip(labels.photos, labels.names, strict=True)
        if split.get(name, ("", "train"))[1] != "train"
    }
    free = free_photos(arguments, shop, held, held | tested)
    items = {
        task: {
            part: (summaries(graph, images.image, ((p, 0) for p in found.pictures)), found.labels)
            for part, found in parts[task].items()
            if task == "product-names" or part != "train"
        }
        for task in TASKS
    }
    views = [(picture, view) for picture in map(picture_of, free) for view in VIEWS]
    taught = {
        "product-names": items["product-names"].pop("train"),
        "views": (
            summaries(graph, partial(coarse_view, images), views),
            np.arange(len(free)).repeat(len(VIEWS)),
        ),
    }
    truth = np.stack([labels.codes[name] for name in labels.schema.names], axis=1)
    attributes = {}
    for part in ("train", "validation", "test"):
        rows = [
            row
            for row, name in enumerate(labels.names)
            if name.startswith("catalogue/")
            and split.get(name, ("", ""))[1] == part
            and (truth[row] != UNKNOWN).all()
            and (part != "train" or labels.photos[row].resolve() not in held)
        ]
        found = [(picture_of(labels.photos[row]), 0) for row in rows]
        attributes[part] = summaries(graph, images.image, found), truth[rows]
    drawn = read_labels(arguments.extra_labels, arguments.extra_labels.parent, model.schema)
    found = [(picture_of(photo), 0) for photo in drawn.photos]
    codes = np.stack([drawn.codes[name] for name in labels.schema.names], axis=1)
    attributes["drawn"] = summaries(graph, images.image, found), codes
    return Material(items, taught, attributes)


def free_photos(
    arguments: argparse.Namespace, shop: dict[str, list[str]], near: set[Path], held: set[Path]
) -> list[Path]:
    """Return photos of the shop's apparel and of people that nothing is measured on.

    Left out are the photos that are `held`, and near-duplicates of those of `near`; those of the
    model's split are on one side of it already.
    """
    images = (arguments.data / "catalogue" / "images").resolve()
    products = [images / name for names in shop.values() for name in names]
    own = sorted(photo.resolve() for photo in (arguments.data / "photos").rglob("*.jpg"))
    random = np.random.default_rng(arguments.seed)
    chosen: list[Path] = []
    for photos in (products, own):
        order = (photos[row] for row in random.permutation(len(photos)))
        chosen += islice((photo for photo in order if photo not in held), PHOTOS)
    groups = near_duplicate_groups([*chosen, *sorted(near)])
    taken = set(groups[len(chosen) :].tolist())
    return [photo for photo, group in zip(chosen, groups, strict=False) if group not in taken]


def picture_of(photo: Path) -> Picture:
    """Return a photo as a picture that is known by its content."""
    return Picture(photo, key=fingerprint(read_bytes(photo)))


def coarse_view(images: PictureImages, view: View) -> Image:
    """Return a view of a picture; one of each two as from a photo of fewer pixels.

    People's photos are often small or blurred, and a copy of a picture is mostly a smaller one.
    """
    image = images.image(view)
    picture, number = view
    if number % 2:
        return image
    random = np.random.default_rng([images.seed, int(picture.key[:8], 16), number])
    side = round(IMAGE_SIZE * random.uniform(SMALLEST_COPY, 1))
    return resize(resize(image, side, side), IMAGE_SIZE, IMAGE_SIZE)


def summaries(graph: CompiledGraph, draw: Callable[[View], Image], views: Iterable[View]) -> Rows:
    """Return float32 (N, SUMMARY_SIZE) of views of pictures."""
    views = list(views)
    rows = []
    with progress("summaries", len(views)) as advance:
        for _, summary in graph.run(read.result() for _, read in read_ahead(views, draw)):
            rows.append(summary)
            advance(1)
    return np.stack(rows)


def learned(material: Material, weight: float, seed: int) -> Projection:
    """Return the projection of a weight of the classes."""
    with quiet_import():
        from fashionnet.similarity.projection_training import Together, learn_projection
    kinds = [
        Together(*material.taught[task], ITEM_PAIRS[task], temperature=ITEM_TEMPERATURE)
        for task in TASKS
    ]
    for part in ("train", "drawn") if weight else ():
        rows, codes = material.attributes[part]
        classes = np.unique(codes, axis=0, return_inverse=True)[1].ravel()
        kinds.append(Together(rows, classes, CLASS_PAIRS, weight, CLASS_TEMPERATURE))
    with progress(f"learning, weight {weight:g}", STEPS) as advance:
        return learn_projection(kinds, material.taught["views"][0], SIZE, STEPS, seed, advance)


def show(
    part: str, material: Material, model: Path, projections: dict[float, Projection], seed: int
) -> dict[str, dict[str, str]]:
    """Print what projections do on a part; returns what was printed."""
    plain = replace(Model.load(model), projection=None)
    maps = {PLAIN: plain} | {
        f"{weight:g}": replace(plain, projection=found) for weight, found in projections.items()
    }
    figures: dict[str, dict[str, str]] = {}
    for name, mapped in maps.items():
        row = figures[name] = {}
        for task in TASKS:
            rows, labels = material.items[task][part]
            scores = score_embedding(mapped.embeddings(rows), labels, seed=seed)
            row |= {f"{task}, top-{k}": str(found) for k, found in scores.accuracy.items()}
        rows, truth = material.attributes[part]
        row["same attributes"] = bootstrap(same_attributes(mapped.embeddings(rows), truth), seed)
    table = Table("weight", *figures[PLAIN])
    for name, row in figures.items():
        table.add_row(name, *row.values())
    counts = ", ".join(f"{len(material.items[task][part][1])} pictures ({task})" for task in TASKS)
    print(f"{part}: {counts}, {len(rows)} labelled photos of the shop")
    Console(width=190).print(table)
    return figures


def write(
    arguments: argparse.Namespace, projection: Projection, figures: dict[str, dict[str, str]]
) -> None:
    """Put a projection into the model's folder; the weights stay as they are, byte for byte."""
    folder = arguments.model
    before = Model.load(folder)
    model = replace(before, projection=projection)
    calibration = Calibration.load(folder, before)
    projection.save(folder)
    document = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
    document["fingerprint"] = model.fingerprint
    write_whole(folder / MODEL_FILE, (json.dumps(document, indent=2) + "\n").encode())
    if calibration:
        replace(calibration, model=model.fingerprint).save(folder)
    command = (
        "python benchmarks/projection.py --extra-labels drawn/labels.csv "
        f"--weight {arguments.weight:g} --write"
    )
    plain, projected = figures.values()
    record = {"command": command, "test": {"plain": plain, "projected": projected}}
    write_whole(folder / PROJECTION_FIGURES, (json.dumps(record, indent=2) + "\n").encode())
    write_model_card(folder, model)
    print(f"{folder}: now model {model.fingerprint}")


if __name__ == "__main__":
    sys.exit(main())
