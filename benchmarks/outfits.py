"""Measure models of outfits on worn pairs, beside what needs no training, and look at outfits.

    PYTHONPATH=. python benchmarks/outfits.py worn --data DATA --cache DIR
    PYTHONPATH=. python benchmarks/outfits.py sheet --repository REPO --outfits MODEL --output FILE

DATA is the folder of Fashion Product Images. `worn` cuts pairs of a top and a bottom out of photos
of dressed people (`fashionnet.compatibility.worn_pairs`), trains on the training part of the split
by shoot and product name, chooses by the validation part and prints the test part's figures.
"""

import argparse
import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow

from fashionnet.compatibility.grouped_intervals import auc_interval, share_interval
from fashionnet.compatibility.outfit_data import OutfitData
from fashionnet.compatibility.outfit_experiments import OutfitExperiment, train_on
from fashionnet.compatibility.outfit_items import InputKind, OutfitItems, item_inputs
from fashionnet.compatibility.outfit_measures import (
    Scorer,
    as_rows,
    blanks_filled,
    validation_auc,
)
from fashionnet.compatibility.outfit_search import assemble_outfits
from fashionnet.compatibility.subspaces import SubspaceModel, SubspaceScorer
from fashionnet.compatibility.worn_outfits import worn_items, worn_outfits
from fashionnet.compatibility.worn_pairs import WornPairs, write_worn_pairs
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.graph import frozen_graph
from fashionnet.network.trunk import load_imagenet_weights
from fashionnet.progress import progress
from fashionnet.report.pictures import thumbnail
from fashionnet.repository.store import Repository

KINDS: tuple[InputKind, ...] = ("features", "picture")
CLASS_COUNT = 18
SLOTS = ("Topwear", "Bottomwear", "Shoes")
SIDE, GAP = 130, 14


class RandomScorer:
    """Knows nothing."""

    def score(self, outfits: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return numbers drawn anew."""
        return np.random.default_rng(0).random(len(outfits))


class CosineScorer:
    """Likeness: the cosine of two items' numbers; outfits of two items only."""

    def __init__(self, numbers: NDArray[np.floating]) -> None:
        lengths = np.linalg.norm(numbers, axis=1, keepdims=True)
        self.numbers = numbers / np.maximum(lengths, 1e-12)

    def score(self, outfits: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the cosines (Q,)."""
        first, second = self.numbers[outfits[:, 0]], self.numbers[outfits[:, 1]]
        return np.einsum("qd,qd->q", first, second).astype(np.float64)


def main() -> None:
    """Run one of the measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    worn = commands.add_parser("worn")
    worn.add_argument("--data", type=Path, required=True)
    worn.add_argument("--cache", type=Path, required=True)
    worn.add_argument("--seed", type=int, default=0)
    worn.add_argument(
        "--trunk-weights", type=Path, help="VGG16's ImageNet weights, to measure those too"
    )
    sheet = commands.add_parser("sheet")
    sheet.add_argument("--repository", type=Path, required=True)
    sheet.add_argument("--outfits", type=Path, required=True, help="a run of train-outfits")
    sheet.add_argument("--output", type=Path, required=True, help="a .jpg or .png to write")
    sheet.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.command == "worn":
        measure_worn(arguments.data, arguments.cache, arguments.seed, arguments.trunk_weights)
    else:
        draw_outfits(arguments.repository, arguments.outfits, arguments.output, arguments.seed)


def cut_pairs(data: Path, cache: Path) -> WornPairs:
    """Cut the worn pairs of the catalogue's tops, or read what was cut before."""
    with (data / "styles.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["subCategory"] == "Topwear"]
    photos = {row["id"]: data / "images" / f"{row['id']}.jpg" for row in rows}
    names = {row["id"]: row["productDisplayName"] for row in rows}
    with progress("cutting pairs", len(photos)) as advance:
        return write_worn_pairs(photos, names, cache / "worn", advance=advance)


def described(pairs: WornPairs, cache: Path) -> dict[InputKind, OutfitItems]:
    """Describe the garments of pairs, or read what was described before."""
    file = cache / "inputs.npz"
    network = CompiledNetwork.open()
    if file.exists():
        with np.load(file) as kept:
            if kept["ids"].tolist() == pairs.ids and str(kept["network"]) == network.fingerprint:
                return {
                    kind: OutfitItems(
                        kept["items"].tolist(), kept["categories"].tolist(), kept[kind]
                    )
                    for kind in KINDS
                }
    with progress("describing garments", 2 * len(pairs)) as advance:
        items = worn_items(pairs, network, advance)
    np.savez(
        file,
        ids=np.array(pairs.ids),
        network=network.fingerprint,
        items=np.array(items["features"].ids),
        categories=np.array(items["features"].categories),
        features=items["features"].inputs,
        picture=items["picture"].inputs,
    )
    return items


def imagenet_features(pairs: WornPairs, cache: Path, weights: Path) -> NDArray[np.float32]:
    """Return the averages of the last filters of VGG16 as ImageNet left it: tops, then bottoms."""
    file = cache / "imagenet.npy"
    if not file.exists():
        graph = frozen_graph(load_imagenet_weights(weights), "block5")
        rows = range(len(pairs))
        images = (read(row) for read in (pairs.top, pairs.bottom_cloth) for row in rows)
        np.save(file, np.stack([pooled[:512] for _, pooled in graph.run(images)]))
    return np.asarray(np.load(file), np.float32)


def measure_worn(data: Path, cache: Path, seed: int, weights: Path | None) -> None:
    """Print the table of worn pairs."""
    cache.mkdir(parents=True, exist_ok=True)
    pairs = cut_pairs(data, cache)
    items = described(pairs, cache)
    outfits = worn_outfits(pairs)
    for line in outfits.faults.lines():
        print(line)
    counts = {part: len(found.outfits) for part, found in outfits.parts.items()}
    print(f"{len(pairs)} worn pairs of {len(set(pairs.shoots.tolist()))} shoots: {counts}")
    rows = items["features"].rows
    network = CompiledNetwork.open().fingerprint
    features, embeddings = items["features"].inputs, items["picture"].inputs
    scorers: dict[str, Scorer] = {
        "random": RandomScorer(),
        "colour histograms, alike": CosineScorer(features[:, CLASS_COUNT:]),
        "Fashion Vectors, alike": CosineScorer(features[:, :CLASS_COUNT]),
        "network's embedding, alike": CosineScorer(embeddings),
    }
    if weights:
        found = imagenet_features(pairs, cache, weights)
        scorers["frozen VGG16 features, alike"] = CosineScorer(found)
    for name, scorer in scorers.items():
        show(name, scorer, outfits, rows)
    for kind in KINDS:
        for attention in ("none", "item", "first", "both"):
            name = f"subspaces, {kind}, {attention}"
            settings = experiment(kind, attention, seed)
            folder = cache / "runs" / f"{kind}-{attention}-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            train_on(settings, items[kind], outfits, network, folder, lambda line: None)
            show(name, SubspaceScorer(SubspaceModel.load(folder), items[kind]), outfits, rows)


def experiment(kind: InputKind, attention: str, seed: int) -> OutfitExperiment:
    """Return the settings of one training on worn pairs."""
    return OutfitExperiment.model_validate(
        {
            "seed": seed,
            "data": {"name": "worn", "pairs": "worn"},
            "input": kind,
            "model": {"attention": attention},
            "loss": {"margin": 0.2, "mining": "normal"},
            "training": {"epochs": 40, "patience": 8, "dropout": 0.2},
        }
    )


def show(name: str, scorer: Scorer, outfits: OutfitData, rows: Mapping[str, int]) -> None:
    """Print a line: the AUC of the first two parts, then the test part's figures."""
    train, validation = (
        validation_auc(scorer, outfits.parts[part].judged, rows) for part in ("train", "validation")
    )
    judged, blanks = outfits.parts["test"].judged, outfits.parts["test"].blanks
    scores = scorer.score(as_rows([question.items for question in judged], rows))
    labels = [question.compatible for question in judged]
    groups = [question.group for question in judged]
    auc = auc_interval(scores, labels, groups)
    filled = share_interval(*blanks_filled(scorer, blanks, rows))
    # Each worn pair is followed by its wrong ones; the first of them is the other choice.
    places = np.flatnonzero(labels)
    right, wrong = scores[places], scores[places + 1]
    choice = share_interval(
        (right > wrong) + 0.5 * (right == wrong), [groups[place] for place in places]
    )
    print(f"{name:<28} train {train:.3f}  validation {validation:.3f}  test: AUC {auc}", end="")
    print(f"  of four {filled}  of two {choice}", flush=True)


def draw_outfits(place: Path, run: Path, output: Path, seed: int) -> None:
    """Draw twenty tops of a repository, each with a bottom and shoes for the same gender."""
    repository = Repository.open(place)
    every = repository.items(relevant_only=False)
    rows = repository.metadata(every.ids)
    kept = [row for row, about in enumerate(rows) if about["subCategory"] in SLOTS]
    items = every.take(kept)
    kinds = np.array([rows[row]["subCategory"] for row in kept])
    genders = np.array([rows[row]["gender"] for row in kept])
    model = SubspaceModel.load(run)
    with progress("looking at colours", len(items)) as advance:
        inputs = item_inputs(items, model.input, advance)
    scorer = SubspaceScorer(model, OutfitItems(items.ids, kinds.tolist(), inputs))
    random = np.random.default_rng(seed)
    tops = np.flatnonzero((kinds == SLOTS[0]) & np.isin(genders, ["Men", "Women"]))
    sheet = pillow.new("RGB", (4 * 3 * SIDE + 3 * GAP, 5 * (SIDE + GAP)), "white")
    for number, top in enumerate(random.choice(tops, 20, replace=False)):
        slots = {
            kind: np.flatnonzero((kinds == kind) & (genders == genders[top])) for kind in SLOTS[1:]
        }
        (outfit,) = assemble_outfits(scorer, np.array([top]), slots, 1)
        down, across = divmod(number, 4)
        for slot, row in enumerate((*outfit.given, *outfit.added)):
            left = across * (3 * SIDE + GAP) + slot * SIDE
            photo = thumbnail(Path(items.photos[row]), SIDE).resize((SIDE * 3 // 4, SIDE))
            sheet.paste(photo, (left + SIDE // 8, down * (SIDE + GAP)))
        print(number + 1, *[items.ids[row] for row in (*outfit.given, *outfit.added)])
    sheet.save(output)


if __name__ == "__main__":
    main()
