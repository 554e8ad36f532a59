"""Run an experiment of `train-look`: read the pairs, compute features, train, score, save."""

import platform
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np

from fashionnet.compatibility.look_data import (
    TOP,
    read_pair_table,
    read_shop_the_look,
    worn_look_pairs,
)
from fashionnet.compatibility.look_experiment import (
    LookExperiment,
    ShopTheLookData,
    TableData,
)
from fashionnet.compatibility.look_features import FeatureStore, PairFeatures, open_backbone
from fashionnet.compatibility.look_model import Views
from fashionnet.compatibility.look_pairs import LookPairs, require_pairs
from fashionnet.compatibility.look_scores import CHOICES, draw_wrong, scores_of
from fashionnet.compatibility.worn_pairs import WornPairs, write_worn_pairs
from fashionnet.errors import RequestError
from fashionnet.evaluation import Interval
from fashionnet.files import cache_folder, write_whole
from fashionnet.network.quiet import quiet_import
from fashionnet.photos import fingerprint
from fashionnet.progress import Advance, progress

HISTORY_FILE = "history.csv"
_KIND, _NAME = "subCategory", "productDisplayName"
_FILE_NAME = re.compile(r"[\w-]{1,100}", re.ASCII)

Progress = Callable[[str, int], AbstractContextManager[Advance]]


def run_look(settings: LookExperiment, folder: Path) -> dict[str, Any]:
    """Train as an experiment says, into its folder; returns the results.

    The folder gets the model (`LookModel.save`) and history.csv. Results are the figures of the
    test part with their intervals, beside those of plain likeness, and what was left out.
    """
    if settings.model and settings.backbone:
        raise RequestError("an experiment takes features of `model` or of `backbone`, not of both")
    backbone = open_backbone(settings.backbone, settings.model)
    pairs, views = read_look_pairs(settings)
    store = FeatureStore(settings.cache or cache_folder(), backbone)
    pairs, features = look_features(pairs, store)
    # Keras is imported when all that needs no training is done.
    with quiet_import():
        import keras

        from fashionnet.compatibility.look_training import history_table, score_matrix, train_look
    model, history = train_look(pairs, features, settings, backbone.fingerprint, views, print)
    model.save(folder)
    write_whole(folder / HISTORY_FILE, history_table(history))
    rows = pairs.rows("test")
    wrong = draw_wrong(pairs.wrong(rows), CHOICES - 1, np.random.default_rng([settings.seed, 2]))
    scenes = features.scenes.pooled[rows].astype(np.float32)
    likeness = scenes @ features.products[rows].astype(np.float32).T
    figures = {
        "look model": scores_of(
            score_matrix(model, pairs, features, rows), wrong, pairs.groups[rows]
        ),
        "likeness": scores_of(likeness, wrong, pairs.groups[rows]),
    }
    return {
        "look": model.fingerprint,
        "backbone": backbone.fingerprint,
        "pairs": {part: len(pairs.rows(part)) for part in ("train", "validation", "test")},
        "left_out": dict(pairs.left_out.most_common()),
        "epochs": len(history),
        "test": {
            method: {name: _numbers(figure) for name, figure in of_method.items()}
            for method, of_method in figures.items()
        },
        "seed": settings.seed,
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "backend": keras.backend.backend(),
            "numpy": np.__version__,
        },
    }


def read_look_pairs(settings: LookExperiment) -> tuple[LookPairs, Views]:
    """Read the pairs that an experiment names, and what of a photo they are about."""
    data = settings.data
    if isinstance(data, ShopTheLookData):
        return read_shop_the_look(data.folder, data.images, settings.seed), Views()
    if isinstance(data, TableData):
        return read_pair_table(data.file, settings.seed), Views()
    pairs = worn_look_pairs(cut_catalogue(data.catalogue, data.pairs, settings.seed))
    require_pairs(pairs, data.pairs)
    return pairs, Views("top", "cloth")


def cut_catalogue(catalogue: Path, folder: Path, seed: int) -> WornPairs:
    """Cut the worn pairs of a catalogue's photos, once; RequestError where none shows one.

    Where the catalogue says kinds as Fashion Product Images does, only tops are looked at, else
    every photo is.
    """
    from fashionnet.repository.catalogue import read_catalogue

    source = read_catalogue(catalogue)
    if not isinstance(source.root, Path):
        raise RequestError(f"{catalogue}: pairs are cut from photos on this machine only")
    kinds, names = (
        source.metadata[column].to_pylist() if column in source.metadata.column_names else None
        for column in (_KIND, _NAME)
    )
    rows = [row for row in range(len(source.ids)) if kinds is None or kinds[row] == TOP]
    if not rows:
        raise RequestError(f"{catalogue}: no item whose {_KIND} is {TOP}")
    # Pictures are named like their items, whose names may be paths.
    ids = [
        name if _FILE_NAME.fullmatch(name) else fingerprint(name.encode())[:16]
        for name in source.ids
    ]
    photos = {ids[row]: source.root / source.photos[row] for row in rows}
    called = {ids[row]: source.ids[row] if names is None else str(names[row]) for row in rows}
    with progress("looking for worn pairs", len(photos)) as advance:
        return write_worn_pairs(photos, called, folder, seed, advance)


def look_features(pairs: LookPairs, store: FeatureStore) -> tuple[LookPairs, PairFeatures]:
    """Return the features of pairs, and the pairs without those whose photos cannot be read."""
    with progress("features", 2 * len(pairs)) as advance:
        scenes, no_scenes = store.features(pairs.scenes, advance)
        products, no_products = store.features(pairs.products, advance)
    average = products.regions.mean(axis=1, dtype=np.float32).astype(np.float16)
    features = PairFeatures(scenes, products.pooled.astype(np.float16), average)
    faults = no_scenes | no_products
    if not faults:
        return pairs, features
    kept = np.array([row for row in range(len(pairs)) if row not in faults], np.intp)
    pairs = pairs.take(kept)
    pairs.left_out["photo that cannot be read"] += len(faults)
    return pairs, features.take(kept)


def _numbers(figure: Interval) -> list[float]:
    return [round(value, 4) for value in (figure.value, figure.low, figure.high)]
