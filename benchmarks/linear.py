"""A plain linear classifier on frozen VGG16 features, to compare with.

What anyone would try first: the average of VGG16's last block over the photo, standardised, and
scikit-learn's logistic regression for each attribute, with the strength of its regularisation
chosen on the validation photos.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fashionnet.labels import UNKNOWN
from fashionnet.network.frozen import FrozenFeatures
from fashionnet.network.graph import frozen_graph
from fashionnet.network.training import TrainingPhotos
from fashionnet.network.trunk import load_imagenet_weights
from fashionnet.progress import progress
from fashionnet.schema import Attribute, Schema

FIRST_BLOCK = "block5"
AVERAGED = slice(0, 512)
STRENGTHS = (0.001, 0.01, 0.1)


def train_linear(
    parts: Mapping[str, TrainingPhotos], schema: Schema, trunk_weights: Path, cache: Path
) -> NDArray[np.float32]:
    """Return the probabilities of the N test photos: float32 (N, classes of all attributes)."""
    imagenet = load_imagenet_weights(trunk_weights)
    graph = frozen_graph(imagenet, FIRST_BLOCK)
    features = FrozenFeatures.of_trunk(cache, imagenet, FIRST_BLOCK, 0, graph.run, graph.precision)
    with progress("frozen features", sum(map(len, parts.values()))) as advance:
        for photos in parts.values():
            features.compute(photos.photos, photos.keys, 1, advance)
    rows = {
        part: np.stack([features.pooled(key, 0)[AVERAGED] for key in photos.keys]).astype("f4")
        for part, photos in parts.items()
    }
    scaler = StandardScaler().fit(rows["train"])
    scaled = {part: scaler.transform(values) for part, values in rows.items()}
    return np.concatenate(
        [_probabilities(parts, scaled, attribute) for attribute in schema], axis=1
    )


def _probabilities(
    parts: Mapping[str, TrainingPhotos],
    rows: Mapping[str, NDArray[np.float32]],
    attribute: Attribute,
) -> NDArray[np.float32]:
    codes = {part: photos.codes[attribute.name] for part, photos in parts.items()}
    known = {part: column != UNKNOWN for part, column in codes.items()}
    fitted = [
        LogisticRegression(C=strength, max_iter=300).fit(
            rows["train"][known["train"]], codes["train"][known["train"]]
        )
        for strength in STRENGTHS
    ]
    seen, truth = rows["validation"][known["validation"]], codes["validation"][known["validation"]]
    best = max(fitted, key=lambda classifier: classifier.score(seen, truth))
    probabilities = np.zeros((len(rows["test"]), len(attribute.classes)), np.float32)
    probabilities[:, best.classes_] = best.predict_proba(rows["test"])
    return probabilities
