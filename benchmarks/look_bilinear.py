"""What a plain model finds in worn pairs: the product of colours and filters of top and bottom.

    PYTHONPATH=. python benchmarks/look_bilinear.py --catalogue DATA --pairs PAIRS --cache CACHE

With a of a top and b of a bottom, each with a 1 beside it, a pair scores aᵀMb, where M is the ridge
regression of 1 for worn pairs and -1/8 for eight wrong ones each. Of a garment are taken `colours`,
the mean and deviation of L*, a*, b* and the mean chroma of its cloth, and the first COMPONENTS
principal components of `pooled` or `regions`, the averages of the network's block5 and block4. What
is taken and the ridge are chosen by the AUC on the validation part; the test part is seen once.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from look import WRONG
from numpy.typing import NDArray

from fashionnet.compatibility.look_data import worn_look_pairs
from fashionnet.compatibility.look_features import FeatureStore, ModelBackbone
from fashionnet.compatibility.look_pairs import Picture
from fashionnet.compatibility.look_run import cut_catalogue
from fashionnet.compatibility.look_scores import draw_wrong, plain_auc, scores_of
from fashionnet.photos import decode, read_bytes

COMPONENTS, RIDGES, WRONG_TRAINED = 8, (1.0, 10.0, 100.0), 8
KINDS = (("colours",), ("pooled",), ("regions",), ("colours", "pooled"), ("colours", "regions"))
Array = NDArray[np.floating]
Side = dict[str, Array]


def main() -> None:
    """Print the AUC on the validation part of all that is tried, and the test of the best."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("catalogue", "pairs", "cache"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    worn = cut_catalogue(arguments.catalogue, arguments.pairs, 0)
    pairs = worn_look_pairs(worn)
    store = FeatureStore(arguments.cache, ModelBackbone.open())
    tops, bottoms = (
        seen_of(pictures, [worn.folder / f"{name}.{side}.png" for name in worn.ids], store)
        for pictures, side in ((pairs.scenes, "top"), (pairs.products, "bottom"))
    )
    wrong = {
        part: draw_wrong(
            pairs.wrong(pairs.rows(part)), count, np.random.default_rng([arguments.seed, count])
        )
        for part, count in (("train", WRONG_TRAINED), ("validation", WRONG), ("test", WRONG))
    }
    rows = pairs.rows("validation")
    found = {}
    for kinds in KINDS:
        first, second = (described(side, kinds, pairs.rows("train")) for side in (tops, bottoms))
        for ridge in RIDGES:
            learned = regressed(first, second, pairs.rows("train"), wrong["train"], ridge)
            matrix = first @ learned @ second.T
            auc = plain_auc(matrix[np.ix_(rows, rows)], wrong["validation"])
            print(f"{' and '.join(kinds)}, ridge {ridge:g}: AUC on the validation part {auc:.3f}")
            found[auc] = kinds, ridge, matrix
    kinds, ridge, matrix = found[max(found)]
    rows = pairs.rows("test")
    figures = scores_of(matrix[np.ix_(rows, rows)], wrong["test"], pairs.groups[rows])
    print(f"chosen: {' and '.join(kinds)}, ridge {ridge:g}; on the test part:")
    print(" | ".join(f"{name} {figure}" for name, figure in figures.items()))


def seen_of(pictures: Sequence[Picture], cloths: Sequence[Path], store: FeatureStore) -> Side:
    """Return what is taken of garments: arrays of N rows."""
    features, _ = store.features(pictures)
    return {
        "colours": np.stack([colours(path) for path in cloths]),
        "pooled": features.pooled.astype(np.float32),
        "regions": features.regions.astype(np.float32).mean(axis=1),
    }


def colours(cloth: Path) -> Array:
    """Return the mean and deviation of L*, a*, b* and the mean chroma of a picture: (7,)."""
    image = decode(read_bytes(cloth)).astype(np.float32) / 255
    points = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2LAB)).reshape(-1, 3)
    chroma = np.hypot(points[:, 1], points[:, 2]).mean()
    return np.concatenate([points.mean(axis=0), points.std(axis=0), [chroma]])


def regressed(
    tops: Array, bottoms: Array, rows: NDArray[np.intp], wrong: NDArray[np.intp], ridge: float
) -> Array:
    """Return M, learned of the pairs of some rows and of wrong ones."""
    kept = np.flatnonzero(wrong[:, 0] >= 0)
    scenes = np.concatenate([rows[kept], np.repeat(rows[kept], WRONG_TRAINED)])
    products = np.concatenate([rows[kept], rows[wrong[kept]].ravel()])
    inputs = (tops[scenes][:, :, None] * bottoms[products][:, None, :]).reshape(len(scenes), -1)
    right = np.arange(len(scenes)) < len(kept)
    # Right and wrong pairs weigh the same in all.
    weighted = inputs * np.where(right, WRONG_TRAINED, 1)[:, None] / len(kept)
    gram = weighted.T @ inputs + ridge * np.eye(inputs.shape[1])
    solved = np.linalg.solve(gram, weighted.T @ np.where(right, 1, -1 / WRONG_TRAINED))
    return solved.reshape(tops.shape[1], bottoms.shape[1])


def described(side: Side, kinds: Sequence[str], train: NDArray[np.intp]) -> Array:
    """Return scaled colours, principal components, and a 1: (N, D)."""
    columns = [np.ones((len(side[kinds[0]]), 1))]
    for kind in kinds:
        centred = side[kind] - side[kind][train].mean(axis=0)
        if kind == "colours":
            columns.append(centred / centred[train].std(axis=0))
            continue
        _, lengths, axes = np.linalg.svd(centred[train], full_matrices=False)
        scale = np.sqrt(len(train)) / lengths[:COMPONENTS]
        columns.append(centred @ axes[:COMPONENTS].T * scale)
    return np.concatenate(columns, axis=1)


if __name__ == "__main__":
    main()
