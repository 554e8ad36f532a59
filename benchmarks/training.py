"""What training costs: the frozen phase beside the seed's loop, and the unfrozen phase's rate.

    python benchmarks/training.py --labels labels.csv --images ../shared/data --count 160

The seed trains a network for each attribute, and in every epoch every photo goes through all of
VGG16. FashionNet computes what is frozen once and trains all heads on it. Both run here with the
same heads, optimiser, batches and epochs on the same photos, so that their accuracy on the
validation photos must be about the same; the seed's loop finds its photos decoded in memory.

The unfrozen phase is timed by its training steps alone, on what the frozen layers gave. Its share
of the peak is of the rate of matrix products of the same precision in the same backend. A step
takes three products for each of the forward pass: itself, and the gradients of weights and inputs.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fashionnet.errors import RequestError
from fashionnet.labels import LabelledPhotos, near_duplicate_groups, read_labels, split
from fashionnet.network.quiet import quiet_import
from fashionnet.schema import Schema

with quiet_import():
    import keras

from fashionnet.network import training
from fashionnet.network.frozen import FrozenFeatures
from fashionnet.network.heads_training import open_frozen_features
from fashionnet.network.training import Recipe, TrainingPhotos, has_gpu, train_branch
from fashionnet.network.trunk import (
    BLOCKS,
    IMAGE_SIZE,
    WEIGHTS_VARIABLE,
    Weights,
    blocks_from,
    convolutions,
    find_imagenet_weights,
    load_imagenet_weights,
)
from fashionnet.photos import Image, decode, fingerprint, read_bytes, resize

MATRIX_SIDE = 2048


@dataclass(frozen=True)
class Outcome:
    """What a way to train came to: seconds, and each head's best validation accuracy."""

    seconds: float
    accuracy: dict[str, float]


def main() -> int:
    """Print the figures; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True, metavar="CSV")
    parser.add_argument("--images", type=Path, metavar="DIR")
    parser.add_argument("--count", type=int, default=160, metavar="N", help="photos (default: 160)")
    parser.add_argument("--epochs", type=int, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="(default: 32)")
    parser.add_argument("--steps", type=int, default=8, metavar="N", help="unfrozen (default: 8)")
    parser.add_argument(
        "--unfreeze", choices=list(BLOCKS), default="block5", help="(default: block5)"
    )
    parser.add_argument(
        "--trunk-weights",
        type=Path,
        metavar="FILE",
        help=f"VGG16's ImageNet weights (default: ${WEIGHTS_VARIABLE}, then keras.applications)",
    )
    try:
        report(parser.parse_args())
    except RequestError as error:
        print(f"training: {error}", file=sys.stderr)
        return 2
    return 0


def report(arguments: argparse.Namespace) -> None:
    """Train both ways and print how they compare."""
    schema = Schema.default()
    labels = read_labels(arguments.labels, arguments.images, schema)
    parts = _parts(labels, arguments.count)
    counts = {
        attribute.name: len(attribute.classes)
        for attribute in schema
        if all((photos.codes[attribute.name] >= 0).sum() > 1 for photos in parts.values())
    }
    if not counts:
        raise RequestError(f"{arguments.labels}: too few labels in {arguments.count} photos")
    imagenet = load_imagenet_weights(find_imagenet_weights(arguments.trunk_weights))
    recipe = Recipe(
        first_block=arguments.unfreeze,
        frozen_epochs=arguments.epochs,
        unfrozen_epochs=0,
        patience=arguments.epochs,
        views=1,
        batch_size=arguments.batch_size,
        precision=training.fast_precision(),
    )
    with tempfile.TemporaryDirectory() as folder:
        features = open_frozen_features(
            Path(folder) / "cache", imagenet, recipe.first_block, recipe.seed
        )
        ours = frozen_phase(parts, counts, features, imagenet, recipe, Path(folder))
        seed = seed_loop(parts, counts, features, imagenet, recipe, Path(folder))
        rate = unfrozen_rate(parts["train"], counts, features, imagenet, recipe, arguments.steps)
    sizes = ", ".join(f"{len(photos)} {name}" for name, photos in parts.items())
    print(f"\n{sizes} photos, {len(counts)} heads, {recipe.frozen_epochs} epochs")
    for what, outcome in (("the seed's loop", seed), ("FashionNet", ours)):
        shown = ", ".join(f"{head} {value:.3f}" for head, value in outcome.accuracy.items())
        print(f"frozen phase, {what}: {outcome.seconds:.1f} s; validation accuracy: {shown}")
    print(f"frozen phase: {seed.seconds / ours.seconds:.1f} times as fast")
    peak = product_rate(recipe.precision)
    share = 3 * multiply_adds(recipe.first_block) * rate / peak
    print(
        f"unfrozen phase from {recipe.first_block} in {recipe.precision} on "
        f"{'a GPU' if has_gpu() else 'the processor'}: {rate:.1f} photos/s, {share:.0%} of the "
        f"{peak / 1e9:.0f} G multiply-adds/s of matrix products"
    )


def _parts(labels: LabelledPhotos, count: int) -> dict[str, TrainingPhotos]:
    rows = np.random.default_rng(0).permutation(len(labels))[:count].tolist()
    chosen = labels.take(rows)
    part = split(chosen, near_duplicate_groups(chosen.photos, lambda done: None), 0)
    keys = np.array([fingerprint(read_bytes(photo)) for photo in chosen.photos])
    parts = {}
    for name in ("train", "validation"):
        inside = np.flatnonzero(part == name).tolist()
        codes = {head: column[inside] for head, column in chosen.codes.items()}
        photos = [chosen.photos[row] for row in inside]
        parts[name] = TrainingPhotos(photos, keys[inside].tolist(), codes)
    return parts


def frozen_phase(
    parts: Mapping[str, TrainingPhotos],
    counts: Mapping[str, int],
    features: FrozenFeatures,
    imagenet: Weights,
    recipe: Recipe,
    folder: Path,
) -> Outcome:
    """Compute what is frozen once, train all heads on it."""
    start = time.perf_counter()
    for photos in parts.values():
        features.compute(photos.photos, photos.keys, 1, lambda done: None)
    branch = train_branch("branch", counts, parts, features, imagenet, recipe, folder / "ours")
    seconds = time.perf_counter() - start
    accuracy = {
        head: max(float(row[f"{head}_accuracy"]) for row in branch.history) for head in counts
    }
    return Outcome(seconds, accuracy)


def seed_loop(
    parts: Mapping[str, TrainingPhotos],
    counts: Mapping[str, int],
    features: FrozenFeatures,
    imagenet: Weights,
    recipe: Recipe,
    folder: Path,
) -> Outcome:
    """Train each head on a whole VGG16 that every photo goes through in every epoch."""
    images = {
        key: _read(photo)
        for photos in parts.values()
        for photo, key in zip(photos.photos, photos.keys, strict=True)
    }
    # The scaling is part of the heads that both train; the seed's loop gets it for nothing.
    scale = training._pooled_scale(parts["train"], features)
    accuracy = {}
    start = time.perf_counter()
    for head, count in counts.items():
        keras.utils.set_random_seed(recipe.seed)
        trunk = training.frozen_model(imagenet, recipe.first_block)
        trunk.trainable = False
        heads = training._heads_model({head: count}, scale, recipe)
        network = keras.Model(trunk.input, heads(trunk.outputs[1]))
        phase = training._Phase("frozen", recipe, parts, {head: count}, folder / f"seed-{head}")
        phase.run(
            network,
            lambda photos, row, view: images[photos.keys[row]],
            recipe.frozen_epochs,
            recipe.frozen_rate,
        )
        accuracy[head] = max(float(row[f"{head}_accuracy"]) for row in phase.history)
    return Outcome(time.perf_counter() - start, accuracy)


def _read(photo: Path) -> Image:
    return resize(decode(read_bytes(photo), IMAGE_SIZE), IMAGE_SIZE, IMAGE_SIZE)


def unfrozen_rate(
    photos: TrainingPhotos,
    counts: Mapping[str, int],
    features: FrozenFeatures,
    imagenet: Weights,
    recipe: Recipe,
    steps: int,
) -> float:
    """Return the photos a second of the unfrozen phase's training steps, after the first two."""
    model = training._branch_model(counts, training._pooled_scale(photos, features), recipe)
    training._set_convolutions(model, imagenet, recipe.first_block)
    model.compile(
        keras.optimizers.AdamW(recipe.unfrozen_rate),
        {head: keras.losses.CategoricalCrossentropy(from_logits=True) for head in counts},
    )
    rows = np.resize(np.arange(len(photos)), recipe.batch_size)
    inputs = np.stack([features.cut(photos.photos[row], photos.keys[row], 0) for row in rows])
    labels = {
        head: np.eye(count, dtype=np.float32)[photos.codes[head][rows].clip(0)]
        for head, count in counts.items()
    }
    for _ in range(2):
        model.train_on_batch(inputs, labels)
    start = time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(inputs, labels)
    return steps * recipe.batch_size / (time.perf_counter() - start)


def multiply_adds(first_block: str) -> int:
    """Return the multiplications of one photo's convolutions from a block on."""
    total, names = 0, list(BLOCKS)
    for block in blocks_from(first_block):
        place = names.index(block)
        inputs = BLOCKS[names[place - 1]][-1] if place else 3
        for _, outputs in zip(convolutions(block), BLOCKS[block], strict=True):
            total += 9 * inputs * outputs * (IMAGE_SIZE // 2**place) ** 2
            inputs = outputs
    return total


def product_rate(precision: str) -> float:
    """Return the multiply-adds a second of products of 2048×2048 matrices in Keras's backend."""
    kind = "bfloat16" if precision == "mixed_bfloat16" else "float32"
    random = np.random.default_rng(0)
    left, right = (
        keras.ops.cast(random.standard_normal((MATRIX_SIDE, MATRIX_SIDE), np.float32), kind)
        for _ in range(2)
    )
    return max(_products(left, right) for _ in range(4)) * MATRIX_SIDE**3


def _products(left: keras.KerasTensor, right: keras.KerasTensor, count: int = 20) -> float:
    start = time.perf_counter()
    found = [keras.ops.matmul(left, right)[0, 0] for _ in range(count)]
    # Reading a number of each waits until a GPU has computed it.
    for number in found:
        float(keras.ops.convert_to_numpy(keras.ops.cast(number, "float32")))
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    raise SystemExit(main())
