"""Experiments with outfits: what a TOML file of `train-outfits` holds, and one training by it."""

import csv
import io
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from fashionnet.compatibility.outfit_catalogue import categories_of
from fashionnet.compatibility.outfit_data import OutfitData, read_outfits
from fashionnet.compatibility.outfit_items import InputKind, OutfitItems, item_inputs
from fashionnet.compatibility.outfit_measures import measure, validation_auc
from fashionnet.compatibility.polyvore import Split, read_polyvore
from fashionnet.compatibility.subspaces import Attention, SubspaceScorer
from fashionnet.compatibility.worn_outfits import worn_items, worn_outfits
from fashionnet.compatibility.worn_pairs import WornPairs
from fashionnet.experiments import Settings
from fashionnet.files import write_whole
from fashionnet.network.quiet import quiet_import
from fashionnet.progress import progress
from fashionnet.repository.store import Repository
from fashionnet.samples.shipped import SAMPLE_REPOSITORY, with_drawn_photos

HISTORY_FILE = "history.csv"
LARGEST_SEED = 2**32 - 1
"""The largest that Keras takes."""

Share = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=1_000_000)]


class PolyvoreSettings(Settings):
    """Polyvore Outfits as published; `repository` was built of its folder `images`."""

    name: Literal["polyvore"]
    folder: Path
    split: Split = "disjoint"
    repository: Path


class TableSettings(Settings):
    """A table of outfits with the columns `outfit` and `item`: ids of the repository's items."""

    name: Literal["table"]
    outfits: Path
    repository: Path
    category_column: str


class WornSettings(Settings):
    """Worn pairs cut from photos: a folder of `fashionnet.compatibility.worn_pairs`."""

    name: Literal["worn"]
    pairs: Path


class SubspaceSettings(Settings):
    """The model: see `fashionnet.compatibility.subspaces_training.SubspaceRecipe`."""

    attention: Attention = "none"
    subspaces: Annotated[int, Field(ge=1, le=64)] = 5
    size: Annotated[int, Field(ge=1, le=1024)] = 64


class LossSettings(Settings):
    """The triplet loss and which negatives of a batch it is taken of."""

    margin: Positive = 0.2
    mining: Literal["normal", "semi-hard", "hard"] = "semi-hard"


class TrainingSettings(Settings):
    """How long and how fast; training ends when `patience` epochs in a row were no better."""

    epochs: Count = 20
    batch_size: Annotated[int, Field(ge=2, le=512)] = 128
    learning_rate: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1e-4
    dropout: Share = 0.0
    patience: Count = 5


class OutfitExperiment(Settings):
    """One training of a model of outfits."""

    seed: Annotated[int, Field(ge=0, le=LARGEST_SEED)] = 0
    data: Annotated[PolyvoreSettings | TableSettings | WornSettings, Field(discriminator="name")]
    input: InputKind = "features"
    model: SubspaceSettings = SubspaceSettings()
    loss: LossSettings = LossSettings()
    training: TrainingSettings = TrainingSettings()


def train_outfits(
    settings: OutfitExperiment, folder: Path, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Train by an experiment, write model and history into a folder, and return the results.

    Raises RequestError for data that cannot be used.
    """
    items, data, network = read_data(settings)
    for line in data.faults.lines():
        say(f"left out: {line}")
    return train_on(settings, items, data, network, folder, say)


def read_data(settings: OutfitExperiment) -> tuple[OutfitItems, OutfitData, str]:
    """Return the items with their inputs, the outfits, and the fingerprint of their network."""
    source = settings.data
    if source.name == "worn":
        return _read_worn(source.pairs, settings)
    repository = Repository.open(source.repository)
    items = repository.items(relevant_only=False)
    if source.name == "polyvore":
        data = read_polyvore(source.folder, source.split, items.ids)
    else:
        categories = categories_of(repository, items.ids, source.category_column)
        data = read_outfits(
            source.outfits, dict(zip(items.ids, categories, strict=True)), settings.seed
        )
    named = items.take([row for row, name in enumerate(items.ids) if name in data.categories])
    if source.repository.resolve() == SAMPLE_REPOSITORY.resolve() and settings.input == "features":
        named = with_drawn_photos(named, range(len(named)))
    with progress("looking at colours", len(named)) as advance:
        inputs = item_inputs(named, settings.input, advance)
    categories = [data.categories[name] for name in named.ids]
    return OutfitItems(named.ids, categories, inputs), data, repository.model_fingerprint


def _read_worn(folder: Path, settings: OutfitExperiment) -> tuple[OutfitItems, OutfitData, str]:
    from fashionnet.network.compiled import CompiledNetwork

    pairs = WornPairs.read(folder)
    network = CompiledNetwork.open()
    with progress("describing garments", 2 * len(pairs)) as advance:
        items = worn_items(pairs, network, advance)[settings.input]
    data = worn_outfits(pairs)
    data.check(folder)
    return items, data, network.fingerprint


def train_on(
    settings: OutfitExperiment,
    items: OutfitItems,
    data: OutfitData,
    network: str,
    folder: Path,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train on outfits that were read, write model and history, and return the results."""
    # What TensorFlow prints when it is imported first is dropped.
    with quiet_import():
        from fashionnet.compatibility.subspaces_training import SubspaceRecipe, train_subspaces

    recipe = SubspaceRecipe(
        **settings.model.model_dump(),
        **settings.loss.model_dump(),
        **settings.training.model_dump(),
        seed=settings.seed,
    )
    validation = data.parts["validation"]
    trained = train_subspaces(
        items,
        data.parts["train"].outfits,
        recipe,
        lambda model: validation_auc(SubspaceScorer(model, items), validation.judged, items.rows),
        settings.input,
        network,
        say,
    )
    trained.model.save(folder)
    _write_history(folder / HISTORY_FILE, trained.history)
    scorer = SubspaceScorer(trained.model, items)
    figures = {
        part: measure(scorer, data.parts[part], items.rows) for part in ("validation", "test")
    }
    return {
        **{part: found.to_dict() for part, found in figures.items()},
        "epochs": len(trained.history),
        "interrupted": trained.interrupted,
        "outfits_trained_on": len(data.parts["train"].outfits),
        "left_out": data.faults.lines(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what decides how a training turns out."""
    import keras

    names = ("fashionnet", "keras", "numpy", keras.backend.backend())
    found = {"python": platform.python_version()}
    for name in names:
        try:
            found[name] = version(name)
        except ModuleNotFoundError:
            # A checkout that was not installed has no version of its own.
            continue
    return found


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: np.round(value, 6) for name, value in row.items()} for row in history])
    write_whole(path, text.getvalue().encode())
