"""How alike a picture saved again is to itself, and how alike different photos are.

Prints what `SAME_PICTURE` of `fashionnet.network.projection` and of `fashionnet.network.folder` are
chosen by: cosines of embeddings on garments of
the validation part of the model's split, so that the test part stays untouched.

    PYTHONPATH=. python benchmarks/same_picture.py --labels ../shared/data/attributes.csv
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from accuracy import read_split
from PIL import Image as pillow

from fashionnet.labels import read_labels
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import DEFAULT_MODEL
from fashionnet.photos import decode, read_bytes

PHOTOS = 200
EVERY = 5
QUANTILES = (0.5, 0.99, 0.999, 0.9999)


def _compressed(photo: pillow.Image) -> pillow.Image:
    data = io.BytesIO()
    photo.save(data, "JPEG", quality=60)
    return pillow.open(data)


def _scaled(factor: float) -> Callable[[pillow.Image], pillow.Image]:
    return lambda photo: photo.resize((int(photo.width * factor), int(photo.height * factor)))


def _cropped(photo: pillow.Image) -> pillow.Image:
    width, height = photo.size
    return photo.crop((width // 50, height // 50, width - width // 50, height - height // 50))


COPIES = {
    "compressed again (quality 60)": _compressed,
    "enlarged 1.7 times": _scaled(1.7),
    "cropped by 2% at each edge": _cropped,
    "shrunk to 0.6": _scaled(0.6),
}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=Path, default=Path("../shared/data/attributes.csv"))
    parser.add_argument("--images", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    network, split = CompiledNetwork.open(), read_split(DEFAULT_MODEL)
    labels = read_labels(arguments.labels, arguments.images, network.schema)
    garments = [
        photo
        for photo, name, relevance in zip(
            labels.photos, labels.names, labels.relevance, strict=True
        )
        if relevance == 1 and split.get(name, ("", ""))[1] == "validation"
    ]
    chosen = [garments[row] for row in np.random.default_rng(0).permutation(len(garments))[:PHOTOS]]
    images = [decode(read_bytes(photo)) for photo in chosen]
    embeddings = network.describe(images).embeddings
    pairs = (embeddings @ embeddings.T)[np.triu_indices(len(images), 1)]
    shares = ", ".join(f"{q:.2%} below {np.quantile(pairs, q):.3f}" for q in QUANTILES)
    print(f"{len(pairs):,} pairs of {len(images)} photos: {shares}")
    print(
        f"above {network.same_picture}: {(pairs > network.same_picture).sum()}, above 0.9999: "
        f"{(pairs > 0.9999).sum()}"
    )
    for name, change in COPIES.items():
        copies = [
            np.asarray(change(pillow.fromarray(image)).convert("RGB")) for image in images[::EVERY]
        ]
        likeness = (network.describe(copies).embeddings * embeddings[::EVERY]).sum(axis=1)
        print(f"{name}, {len(copies)} photos: {likeness.min():.3f} to {likeness.max():.3f}")


if __name__ == "__main__":
    main()
