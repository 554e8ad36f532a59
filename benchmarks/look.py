"""How well looks are completed on worn pairs, beside likeness, chance and what they must not see.

    PYTHONPATH=. python benchmarks/look.py worn --catalogue DATA --pairs PAIRS --cache CACHE
    PYTHONPATH=. python benchmarks/look.py sheet --look RUN --repository REPO --scenes DATA \
        --pairs PAIRS --output sheet.jpg

DATA is the folder of Fashion Product Images, PAIRS where pairs are cut into.

`worn` trains on the training part of the pairs, keeps the best epoch by the validation part and
prints the figures of the test part, with 95% intervals by bootstrap over shoots. Beside the model
with each of its distances stand:

    random                        scores drawn at random
    contrast                      how little the colours of top and bottom overlap: pairs were
                                  found where they differ, and wrong ones must differ as much
    colour histograms             how much they overlap
    VGG16                         cosine of the backbone's pooled features
    background and skin, trained  a model whose scene is the head and what is behind it, in place
                                  of the top: what the shoot alone tells
    background and skin, alike    cosine of what is no garment above the waist with what is none
                                  below: what cropping took away

`sheet` draws thirty test scenes, their attention and the ten best products of some categories.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from fashionnet.compatibility.complete_look import LookFinder
from fashionnet.compatibility.look_data import worn_look_pairs
from fashionnet.compatibility.look_experiment import LookExperiment, WornData
from fashionnet.compatibility.look_features import FeatureStore, ModelBackbone, PairFeatures
from fashionnet.compatibility.look_model import DISTANCES, Views
from fashionnet.compatibility.look_pairs import LookPairs, Picture
from fashionnet.compatibility.look_run import cut_catalogue, look_features
from fashionnet.compatibility.look_scores import draw_wrong, scores_of
from fashionnet.compatibility.look_training import score_matrix, train_look
from fashionnet.compatibility.worn_pairs import WornPairs, count_refused
from fashionnet.photos import decode, read_bytes
from fashionnet.repository.store import Repository

WRONG = 10
SCENES, SIDE = 30, 96
Scores = NDArray[np.floating]


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    worn = commands.add_parser("worn")
    worn.add_argument("--catalogue", type=Path, required=True)
    worn.add_argument("--pairs", type=Path, required=True)
    worn.add_argument("--cache", type=Path, required=True)
    worn.add_argument("--seed", type=int, default=0)
    sheet = commands.add_parser("sheet")
    sheet.add_argument("--look", type=Path, required=True)
    sheet.add_argument("--repository", type=Path, required=True)
    sheet.add_argument("--scenes", type=Path, required=True)
    sheet.add_argument("--pairs", type=Path, required=True)
    sheet.add_argument("--output", type=Path, required=True)
    sheet.add_argument("--categories", nargs="+", default=["Bottomwear", "Shoes"])
    arguments = parser.parse_args()
    if arguments.command == "worn":
        measure(arguments.catalogue, arguments.pairs, arguments.cache, arguments.seed)
    else:
        draw_sheet(arguments)


def measure(catalogue: Path, folder: Path, cache: Path, seed: int) -> None:
    """Print the table."""
    worn = cut_catalogue(catalogue, folder, 0)
    pairs = worn_look_pairs(worn)
    print(f"{len(pairs)} pairs, {len(set(worn.shoots.tolist()))} shoots; refused:")
    print(", ".join(f"{count} {reason}" for reason, count in count_refused(folder).most_common()))
    store = FeatureStore(cache, ModelBackbone.open())
    rows = pairs.rows("test")
    random = np.random.default_rng([seed, 2])
    wrong = draw_wrong(pairs.wrong(rows), WRONG, random)
    print(f"test part: {len(rows)} pairs, {(wrong[:, 0] >= 0).sum()} with a wrong product")

    def show(name: str, scores: Scores) -> None:
        figures = scores_of(scores, wrong, pairs.groups[rows])
        print(f"| {name} | " + " | ".join(str(figure) for figure in figures.values()) + " |")

    print("| | AUC | of four | of two |\n| --- | --- | --- | --- |")
    overlaps = worn.overlaps(rows, rows)
    show("random", np.random.default_rng(seed).random(overlaps.shape))
    show("contrast", -overlaps)
    show("colour histograms, alike", overlaps)
    _, features = look_features(pairs, store)
    show("VGG16, alike", alike(features.scenes.pooled[rows], features.products[rows]))
    for distance in DISTANCES:
        show(f"look model, {distance}", trained(pairs, features, distance, seed, rows))
    heads = with_scenes(pairs, worn, "head")
    show(
        "background and skin, trained",
        trained(heads, look_features(heads, store)[1], "hybrid", seed, rows),
    )
    above, below = (
        store.features([pictures_of(worn, side)[row] for row in rows])[0].pooled
        for side in ("above", "below")
    )
    show("background and skin, alike", alike(above, below))


def trained(
    pairs: LookPairs,
    features: PairFeatures,
    distance: str,
    seed: int,
    rows: NDArray[np.intp],
) -> Scores:
    """Train one model and return its scores of the test part."""
    data = WornData(name="worn", catalogue=Path(), pairs=Path())
    settings = LookExperiment.model_validate(
        {"data": data.model_dump(), "seed": seed, "distance": distance}
    )
    model, history = train_look(pairs, features, settings, "", Views())
    best = max(range(len(history)), key=lambda epoch: history[epoch].validation)
    print(f"({len(history)} epochs, best {best + 1}: validation {history[best].validation:.3f})")
    return score_matrix(model, pairs, features, rows)


def pictures_of(worn: WornPairs, ending: str) -> list[Picture]:
    """Return pictures of one kind of all pairs."""
    return [Picture(worn.folder / f"{name}.{ending}.jpg") for name in worn.ids]


def with_scenes(pairs: LookPairs, worn: WornPairs, ending: str) -> LookPairs:
    """Return the pairs with other pictures for their scenes."""
    return replace(pairs, scenes=pictures_of(worn, ending))


def alike(first: NDArray[np.floating], second: NDArray[np.floating]) -> Scores:
    """Return cosines of pooled features: (S, P)."""
    return first.astype(np.float32) @ second.astype(np.float32).T


def draw_sheet(arguments: argparse.Namespace) -> None:
    """Draw scenes with their attention, and the products that go with them."""
    worn = WornPairs.read(arguments.pairs)
    rows = np.flatnonzero(worn.parts == "test")
    rows = np.random.default_rng(0).choice(rows, min(SCENES, len(rows)), replace=False)
    finder = LookFinder.open(arguments.look)
    repository = Repository.open(arguments.repository)
    columns = 2 + 10 * len(arguments.categories)
    sheet = pillow.new("RGB", (columns * SIDE * 3 // 4, len(rows) * SIDE), "white")

    def paste(image: pillow.Image, column: int, row: int) -> None:
        small = image.convert("RGB").resize((SIDE * 3 // 4, SIDE))
        sheet.paste(small, (column * SIDE * 3 // 4, row * SIDE))

    for place, row in enumerate(rows):
        photo = arguments.scenes / "images" / f"{worn.ids[row]}.jpg"
        scene = decode(read_bytes(photo))
        paste(pillow.fromarray(scene), 0, place)
        for number, category in enumerate(arguments.categories):
            completed = finder.complete(scene, repository, category)
            if number == 0:
                paste(pillow.fromarray(completed.overlay()), 1, place)
            for rank, item in enumerate(repository.named(completed.ids).photos):
                with pillow.open(item) as found:
                    paste(found, 2 + 10 * number + rank, place)
    sheet.save(arguments.output, quality=88)


if __name__ == "__main__":
    main()
