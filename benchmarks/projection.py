"""Learn the projection of a model's embedding, and show what it gains and what it costs.

Two things are wanted of neighbours: the other product of a name (`benchmarks/embeddings.py`, task
product-names), and a photo's own pattern, fabric, style and shape. For each weight of the classes
beside the items a projection is learned from training products and training photos, and both are
measured on the validation parts, beside the embedding as it is. With `--weight` that projection is
also measured on the test parts, and with `--write` put into the model's folder.

    PYTHONPATH=. python benchmarks/projection.py --data ../shared/data --folder projection \
        --repository shop.repository

`--repository` is built from the shop's photos by the model without a projection.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from embeddings import apparel, same_attributes, write_product_names
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from similarity import Labelled, bootstrap, labelled

from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.labels import read_labels
from fashionnet.network.card import PROJECTION_FIGURES, write_model_card
from fashionnet.network.folder import DEFAULT_MODEL, MODEL_FILE, Model
from fashionnet.network.precision import Calibration
from fashionnet.network.projection import Projection, learn_projection
from fashionnet.repository.store import Repository
from fashionnet.similarity.item_data import read_parts
from fashionnet.similarity.item_pictures import ItemPictures
from fashionnet.similarity.protocol import score_embedding

WEIGHTS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5)

PLAIN = "as it is"

Map = Callable[[NDArray[np.float32]], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Material:
    """The embeddings of the shop's photos as the model makes them without a projection.

    Attributes:
        products: for each part, the embeddings of pictures and the product name of each.
        photos: photos of which every attribute is known.
        taught: rows of those to learn from: of the training part, and no held-out product.
    """

    products: dict[str, tuple[NDArray[np.float32], NDArray[np.int64]]]
    photos: Labelled
    taught: NDArray[np.intp]


def main() -> int:
    """Print the table, and write what was asked for; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folder", type=Path, required=True, help="for the list of pairs")
    parser.add_argument("--repository", type=Path, required=True, help="of the shop's photos")
    parser.add_argument("--people", type=Path, help="a repository of people's own photos, too")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--weight", type=float, help="also measure this one on the test parts")
    parser.add_argument("--write", action="store_true", help="put that one into the model's folder")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        material = gather(arguments)
        show("validation", material, WEIGHTS, arguments.seed)
        if arguments.weight is not None:
            figures = show("test", material, [arguments.weight], arguments.seed)
            if arguments.people:
                show_people(arguments, material, learned(material, arguments.weight))
            if arguments.write:
                write(arguments, learned(material, arguments.weight), figures)
    except RequestError as error:
        print(f"projection: {error}", file=sys.stderr)
        return 2
    return 0


def gather(arguments: argparse.Namespace) -> Material:
    """Read what is learned from and measured on."""
    repository = Repository.open(arguments.repository)
    plain = replace(Model.load(arguments.model), projection=None).fingerprint
    if repository.model_fingerprint != plain:
        raise RequestError(
            f"{arguments.repository}: built by model {repository.model_fingerprint}, expected "
            f"{plain}, which has no projection"
        )
    arguments.folder.mkdir(parents=True, exist_ok=True)
    data = write_product_names(arguments.folder, arguments, apparel(arguments.data))
    parts = read_parts(data, arguments.seed, arguments.folder)
    products = {name: (_embeddings(repository, part), part.labels) for name, part in parts.items()}
    labels = read_labels(arguments.data / "attributes.csv", arguments.data, repository.schema)
    photos = labelled(repository.items(), labels, arguments.model)
    held = {
        picture.photo.stem for name in ("validation", "test") for picture in parts[name].pictures
    }
    foreign = np.array([item not in held for item in photos.items.ids])
    return Material(products, photos, np.flatnonzero((photos.parts == "train") & foreign))


def _embeddings(repository: Repository, part: ItemPictures) -> NDArray[np.float32]:
    ids = [picture.photo.stem for picture in part.pictures]
    return repository.named(ids).vectors.embeddings


def learned(material: Material, weight: float) -> Projection:
    """Return the projection of a weight."""
    described = material.photos.items.vectors.take(material.taught)
    return learn_projection(
        *material.products["train"], described.embeddings, described.probabilities, weight
    )


def show(
    part: str, material: Material, weights: Sequence[float], seed: int
) -> dict[str, dict[str, str]]:
    """Print what projections of some weights do on a part; returns what was printed."""
    table = Table("weight", "top-1", "top-5", "top-10", "same attributes", "gain of these")
    maps: list[tuple[str, Map]] = [(PLAIN, np.asarray)]
    maps += [(f"{weight:g}", learned(material, weight)) for weight in weights]
    rows = np.flatnonzero(material.photos.parts == part)
    truth, own = material.photos.truth[rows], material.photos.items.vectors.embeddings[rows]
    before = same_attributes(own, truth)
    embeddings, labels = material.products[part]
    figures: dict[str, dict[str, str]] = {}
    for name, mapped in maps:
        scores = score_embedding(mapped(embeddings), labels, seed=seed)
        same = same_attributes(mapped(own), truth)
        found = {f"top-{k}": str(interval) for k, interval in scores.accuracy.items()}
        figures[name] = {**found, "same attributes": bootstrap(same, seed)}
        gain = "" if name == PLAIN else bootstrap(same - before, seed)
        table.add_row(name, *figures[name].values(), gain)
    print(f"{part}: {len(labels)} pictures of products, {len(rows)} labelled photos")
    Console(width=150).print(table)
    return figures


def show_people(arguments: argparse.Namespace, material: Material, projection: Projection) -> None:
    """Print how many of the shop's ten nearest have all attributes of a person's test photo."""
    items = Repository.open(arguments.people).items()
    labels = read_labels(arguments.data / "attributes.csv", arguments.data, items.vectors.schema)
    own, shop = labelled(items, labels, arguments.model), material.photos
    queries, pool = own.parts == "test", np.isin(shop.parts, ("validation", "test"))
    photos, products = (
        found.items.vectors.embeddings[rows] for found, rows in ((own, queries), (shop, pool))
    )
    shares = []
    for mapped in (np.asarray, projection):
        nearest = np.argsort(-(mapped(photos) @ mapped(products).T), axis=1)[:, :10]
        same = shop.truth[pool][nearest] == own.truth[queries][:, None]
        shares.append(same.all(axis=2).mean(axis=1))
    shown = [bootstrap(share, arguments.seed) for share in (*shares, shares[1] - shares[0])]
    print(f"{len(photos)} people's photos: {shown[0]}, projected {shown[1]}, gain {shown[2]}")


def write(
    arguments: argparse.Namespace, projection: Projection, figures: dict[str, dict[str, str]]
) -> None:
    """Put a projection into the model's folder; the weights stay as they are, byte for byte."""
    folder = arguments.model
    model = replace(Model.load(folder), projection=projection)
    calibration = Calibration.load(folder, Model.load(folder))
    projection.save(folder)
    document = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
    document["fingerprint"] = model.fingerprint
    write_whole(folder / MODEL_FILE, (json.dumps(document, indent=2) + "\n").encode())
    if calibration:
        replace(calibration, model=model.fingerprint).save(folder)
    command = f"python benchmarks/projection.py --weight {arguments.weight:g} --write"
    plain, projected = figures.values()
    record = {"command": command, "test": {"plain": plain, "projected": projected}}
    write_whole(folder / PROJECTION_FIGURES, (json.dumps(record, indent=2) + "\n").encode())
    write_model_card(folder, model)
    print(f"{folder}: now model {model.fingerprint}")


if __name__ == "__main__":
    sys.exit(main())
