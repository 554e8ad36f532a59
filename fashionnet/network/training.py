"""Train heads over VGG16: first on the frozen trunk, then with its last blocks unfrozen.

Keras 3 and nothing of any one backend, so that the same training runs on TensorFlow, JAX or
PyTorch, on a processor or a GPU.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from fashionnet.network.frozen import FrozenFeatures
from fashionnet.network.heads import HIDDEN_UNITS, POOLED_SIZE, grid_cells
from fashionnet.network.quiet import quiet_import
from fashionnet.network.trunk import (
    BLOCKS,
    IMAGE_SIZE,
    MEAN_RGB,
    Weights,
    blocks_before,
    blocks_from,
    convolutions,
)
from fashionnet.photos import Image
from fashionnet.progress import Advance, progress

UNKNOWN = -1

Scale = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Mean and deviation of each pooled feature over the training photos."""


@dataclass(frozen=True)
class Recipe:
    """How heads are trained.

    Attributes:
        first_block: the first block that is unfrozen; `block1` unfreezes the whole trunk.
        shared: one copy of the unfrozen blocks is trained on all heads jointly; otherwise
            each head trains a copy of its own, like the seed's separate networks.
        frozen_epochs, unfrozen_epochs: of the two phases; a phase also ends when the
            validation accuracy has not risen for `patience` epochs.
        views: of each training photo, its own picture included.
        precision: of the unfrozen convolutions: `float32` or `mixed_bfloat16`.
    """

    first_block: str = "block5"
    shared: bool = True
    frozen_epochs: int = 5
    unfrozen_epochs: int = 7
    patience: int = 3
    views: int = 4
    batch_size: int = 32
    frozen_rate: float = 1e-3
    unfrozen_rate: float = 1e-4
    weight_decay: float = 1e-4
    dropout: float = 0.5
    label_smoothing: float = 0.05
    balance: float = 0.5
    seed: int = 0
    precision: str = "float32"


@dataclass(frozen=True, eq=False)
class TrainingPhotos:
    """The photos of one part of the split, with a code for each head, -1 where unknown.

    Attributes:
        photos: N paths.
        keys: N SHA-256, by which the photos' frozen features are kept.
        codes: for each head int16 (N,).
    """

    photos: list[Path]
    keys: list[str]
    codes: Mapping[str, NDArray[np.int16]]

    def __len__(self) -> int:
        return len(self.photos)


@dataclass
class TrainedBranch:
    """What training leaves: weights named like a Model's, and a row of figures an epoch."""

    weights: Weights
    history: list[dict[str, float | str]] = field(default_factory=list)


def has_gpu() -> bool:
    """Return whether Keras's backend has a GPU to compute on."""
    if keras.backend.backend() == "torch":
        import torch

        return bool(torch.cuda.is_available())
    try:
        # TensorFlow prints that it finds no GPU when it is asked first.
        with quiet_import():
            return bool(keras.distribution.list_devices("gpu"))
    except (AttributeError, RuntimeError):
        # How Keras says that a backend knows nothing of devices, and JAX that it has no GPU.
        return False


def fast_precision() -> str:
    """Return `mixed_bfloat16` where a GPU or the processor computes in it, else `float32`."""
    if has_gpu():
        return "mixed_bfloat16"
    import openvino

    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return "mixed_bfloat16" if "BF16" in capabilities else "float32"


def train_branch(
    name: str,
    class_counts: Mapping[str, int],
    parts: Mapping[str, TrainingPhotos],
    features: FrozenFeatures,
    imagenet: Weights,
    recipe: Recipe,
    state: Path,
) -> TrainedBranch:
    """Train some heads over one copy of the unfrozen blocks; returns the best weights.

    Args:
        name: of the branch; part of its weights' names.
        class_counts: classes of each head.
        parts: the `train` and `validation` photos.
        features: the frozen features of every photo's views; computed already.
        imagenet: VGG16's weights, from which the unfrozen blocks start.
        recipe: how to train.
        state: a folder for what an interrupted training goes on from.

    Interrupting (KeyboardInterrupt) ends a phase with the best weights so far. The unfrozen phase
    starts from the best of the frozen one, and ends with these where it finds none better.
    """
    keras.utils.set_random_seed(recipe.seed)
    scale = _pooled_scale(parts["train"], features)
    frozen_phase = _Phase("frozen", recipe, parts, class_counts, state)
    heads = _heads_model(class_counts, scale, recipe)
    frozen_phase.run(
        heads,
        lambda photos, row, view: features.pooled(photos.keys[row], view),
        recipe.frozen_epochs,
        recipe.frozen_rate,
    )
    unfrozen_phase = _Phase("unfrozen", recipe, parts, class_counts, state)
    branch = _branch_model(class_counts, scale, recipe)
    _set_convolutions(branch, imagenet, recipe.first_block)
    for layer in heads.layers:
        if layer.name in _layers_of_heads(class_counts):
            branch.get_layer(layer.name).set_weights(layer.get_weights())
    unfrozen_phase.run(
        branch,
        lambda photos, row, view: features.cut(photos.photos[row], photos.keys[row], view),
        recipe.unfrozen_epochs,
        recipe.unfrozen_rate,
        starts_trained=True,
    )
    return TrainedBranch(
        _exported(name, branch, class_counts, scale, recipe.first_block),
        frozen_phase.history + unfrozen_phase.history,
    )


def frozen_model(imagenet: Weights, first_block: str) -> keras.Model:
    """Return what `fashionnet.network.graph.frozen_graph` compiles, as a Keras model.

    On a GPU it is the faster of the two.
    """
    image = keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3))
    below = _blocks(_centred(image), blocks_before(first_block), "float32")
    above = _blocks(below[-1], blocks_from(first_block), "float32")
    model = keras.Model(image, [below[-1], _pooled(above)])
    _set_convolutions(model, imagenet, "block1")
    return model


def keras_engine(imagenet: Weights, first_block: str, batch: int = 32) -> Callable[..., Any]:
    """Return an engine of frozen features that runs on Keras."""
    model = frozen_model(imagenet, first_block)

    def run(images: Iterator[Image]) -> Iterator[list[NDArray[np.float32]]]:
        waiting: list[Image] = []
        for image in images:
            waiting.append(image)
            if len(waiting) == batch:
                yield from zip(*model.predict_on_batch(np.stack(waiting)), strict=True)
                waiting = []
        if waiting:
            yield from zip(*model.predict_on_batch(np.stack(waiting)), strict=True)

    return run


def _centred(image: keras.KerasTensor) -> keras.KerasTensor:
    centred = keras.layers.Rescaling(1.0, offset=[-mean for mean in MEAN_RGB])(image)
    # The published weights were trained on blue, green, red.
    return keras.ops.flip(centred, axis=-1)


def _blocks(
    node: keras.KerasTensor, blocks: Sequence[str], precision: str
) -> list[keras.KerasTensor]:
    """Return the node itself and what each block makes of it in turn."""
    policy = keras.DTypePolicy(precision)
    nodes = [node]
    for block in blocks:
        for name, filters in zip(convolutions(block), BLOCKS[block], strict=True):
            node = keras.layers.Conv2D(
                filters, 3, padding="same", activation="relu", name=name, dtype=policy
            )(node)
        node = keras.layers.MaxPooling2D(name=f"{block}_pool", dtype=policy)(node)
        nodes.append(node)
    return nodes


def _pooled(blocks: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
    previous, last = blocks[-2:]
    average, largest = keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D
    whole = [
        pool(dtype="float32")(node) for node in (last, previous) for pool in (average, largest)
    ]
    grid = [
        average(dtype="float32")(last[:, rows, columns])
        for rows, columns in grid_cells(last.shape[1])
    ]
    return keras.layers.Concatenate(dtype="float32")([*whole, *grid])


def _heads(
    pooled: keras.KerasTensor, class_counts: Mapping[str, int], scale: Scale, recipe: Recipe
) -> dict[str, keras.KerasTensor]:
    mean, deviation = scale
    pooled = keras.layers.Normalization(mean=mean, variance=deviation**2, name="scale")(pooled)
    outputs = {}
    for head, count in class_counts.items():
        node = keras.layers.Dropout(recipe.dropout, seed=recipe.seed)(pooled)
        node = keras.layers.Dense(HIDDEN_UNITS, activation="relu", name=f"{head}_hidden")(node)
        node = keras.layers.Dropout(recipe.dropout, seed=recipe.seed)(node)
        outputs[head] = keras.layers.Dense(count, name=f"{head}_softmax")(node)
    return outputs


def _layers_of_heads(class_counts: Mapping[str, int]) -> list[str]:
    return [f"{head}_{layer}" for head in class_counts for layer in ("hidden", "softmax")]


def _heads_model(class_counts: Mapping[str, int], scale: Scale, recipe: Recipe) -> keras.Model:
    pooled = keras.Input((POOLED_SIZE,))
    return keras.Model(pooled, _heads(pooled, class_counts, scale, recipe))


def _branch_model(class_counts: Mapping[str, int], scale: Scale, recipe: Recipe) -> keras.Model:
    before = blocks_before(recipe.first_block)
    side = IMAGE_SIZE // 2 ** len(before)
    cut = keras.Input((side, side, BLOCKS[before[-1]][-1] if before else 3))
    below = cut if before else _centred(cut)
    pooled = _pooled(_blocks(below, blocks_from(recipe.first_block), recipe.precision))
    return keras.Model(cut, _heads(pooled, class_counts, scale, recipe))


def _set_convolutions(model: keras.Model, weights: Weights, first_block: str) -> None:
    for block in blocks_from(first_block):
        for name in convolutions(block):
            kernel, bias = weights[f"{name}/kernel"], weights[f"{name}/bias"]
            model.get_layer(name).set_weights([kernel, bias])


def _pooled_scale(train: TrainingPhotos, features: FrozenFeatures) -> Scale:
    rows = np.stack([features.pooled(key, 0) for key in train.keys]).astype(np.float32)
    # A filter that is all but silent on these photos would otherwise be blown up to noise.
    floor = 0.1 * rows.std(axis=0).mean() + 1e-6
    return rows.mean(axis=0), np.maximum(rows.std(axis=0), floor)


def _exported(
    name: str,
    model: keras.Model,
    class_counts: Mapping[str, int],
    scale: Scale,
    first_block: str,
) -> Weights:
    """Name the weights as a Model does, with the heads' fixed scaling folded into them."""
    mean, deviation = scale
    weights: Weights = {}
    for block in blocks_from(first_block):
        for layer in convolutions(block):
            kernel, bias = model.get_layer(layer).get_weights()
            weights[f"{name}/{layer}/kernel"], weights[f"{name}/{layer}/bias"] = kernel, bias
    for head in class_counts:
        kernel, bias = model.get_layer(f"{head}_hidden").get_weights()
        folded = kernel / deviation[:, None]
        weights[f"{head}/hidden/kernel"] = folded
        weights[f"{head}/hidden/bias"] = bias - mean @ folded
        kernel, bias = model.get_layer(f"{head}_softmax").get_weights()
        weights[f"{head}/softmax/kernel"], weights[f"{head}/softmax/bias"] = kernel, bias
    return {key: np.asarray(array, np.float32) for key, array in weights.items()}


Inputs = Callable[[TrainingPhotos, int, int], NDArray[Any]]


class _Batches(keras.utils.PyDataset):
    """Shuffled batches of inputs, one-hot labels and label weights, a random view of each photo.

    What an epoch holds depends on the seed and the epoch's number only, so that a resumed
    training sees what an uninterrupted one would have seen.
    """

    def __init__(
        self, photos: TrainingPhotos, class_counts: Mapping[str, int], recipe: Recipe, read: Inputs
    ) -> None:
        super().__init__()
        self._photos, self._counts, self._recipe, self._read = photos, class_counts, recipe, read
        self._weights = {
            head: _label_weights(photos.codes[head], count, recipe.balance)
            for head, count in class_counts.items()
        }
        known = sum((codes != UNKNOWN).astype(int) for codes in photos.codes.values())
        # Photos of other things teach the relevant head alone, which soon knows them: each is
        # seen in every second epoch.
        self._rich = np.asarray((known > 1) | (len(class_counts) == 1), bool)
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        random = np.random.default_rng([self._recipe.seed, epoch])
        order = random.permutation(len(self._photos))
        self._order = order[self._rich[order] | (order % 2 == epoch % 2)]
        self._views = random.integers(self._recipe.views, size=len(self._photos))

    def __len__(self) -> int:
        return -(-len(self._order) // self._recipe.batch_size)

    def __getitem__(self, batch: int) -> tuple[NDArray[Any], dict, dict]:
        size = self._recipe.batch_size
        rows = self._order[batch * size : (batch + 1) * size]
        inputs = np.stack([self._read(self._photos, row, self._views[row]) for row in rows])
        labels, weights = {}, {}
        for head, count in self._counts.items():
            codes = self._photos.codes[head][rows]
            labels[head] = np.eye(count, dtype=np.float32)[codes.clip(0)]
            weights[head] = self._weights[head][rows]
        return inputs, labels, weights


def _label_weights(codes: NDArray[np.int16], count: int, balance: float) -> NDArray[np.float32]:
    """Weigh labels by their class's frequency to the power of -balance; 0 where unknown."""
    known = codes != UNKNOWN
    frequency = np.bincount(codes[known], minlength=count).clip(1) / max(1, known.sum())
    weights = np.where(known, frequency[codes.clip(0)] ** -balance, 0.0)
    return (weights * known.sum() / max(weights.sum(), 1e-9)).astype(np.float32)


class _Phase:
    """One of the two phases: its state on disk, its history, its best weights."""

    def __init__(
        self,
        name: str,
        recipe: Recipe,
        parts: Mapping[str, TrainingPhotos],
        class_counts: Mapping[str, int],
        state: Path,
    ) -> None:
        self.name, self.recipe, self.parts, self.class_counts = name, recipe, parts, class_counts
        self.folder = state / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.best_weights = self.folder / "best.weights.h5"
        self._finished = self.folder / "finished"
        self._history_file = self.folder / "history.json"
        self.measured: list[dict[str, float | str]] = []
        if self._history_file.exists():
            self.measured = json.loads(self._history_file.read_text())

    @property
    def history(self) -> list[dict[str, float | str]]:
        """A row of figures an epoch; what was measured before the first is not one."""
        return [row for row in self.measured if row["epoch"]]

    def run(
        self,
        model: keras.Model,
        read: Inputs,
        epochs: int,
        rate: float,
        starts_trained: bool = False,
    ) -> None:
        """Fit the model, or take up where an earlier run stopped; leaves it at its best.

        Where it starts trained, its starting weights are the best until an epoch beats them.
        """
        if not self._finished.exists() and epochs:
            batches = _Batches(self.parts["train"], self.class_counts, self.recipe, read)
            schedule = keras.optimizers.schedules.CosineDecay(
                rate, epochs * len(batches), alpha=0.05
            )
            model.compile(
                optimizer=keras.optimizers.AdamW(
                    schedule, weight_decay=self.recipe.weight_decay, global_clipnorm=1.0
                ),
                loss={
                    head: keras.losses.CategoricalCrossentropy(
                        from_logits=True, label_smoothing=self.recipe.label_smoothing
                    )
                    for head in self.class_counts
                },
            )
            watcher = _Watcher(self, batches, read, epochs)
            try:
                if starts_trained and not self.measured:
                    start = {"phase": self.name, "epoch": 0, **self.validate(model, read)}
                    self.record(start, model)
                    print(f"{self.name} phase starts at validation accuracy {_shown(start)}")
                model.fit(
                    batches,
                    initial_epoch=self._take_up(model),
                    epochs=epochs,
                    callbacks=[watcher],
                    verbose=0,
                )
            except KeyboardInterrupt:
                watcher.close_bar()
                print(f"{self.name} phase interrupted: going on with the best weights so far")
                if not (starts_trained or self.best_weights.exists()):
                    raise
            else:
                self._finished.touch()
        if self.best_weights.exists():
            model.load_weights(self.best_weights)

    def record(self, figures: dict[str, float | str], model: keras.Model) -> bool:
        """Keep an epoch's figures, and its weights if they are the best; returns whether."""
        # An epoch that was recorded, but killed before it was kept, is trained again.
        self.measured = [row for row in self.measured if row["epoch"] != figures["epoch"]]
        best = max((float(row["accuracy"]) for row in self.measured), default=-1.0)
        better = float(figures["accuracy"]) > best
        self.measured.append(figures)
        if better:
            self._save_weights(model, self.best_weights)
        temporary = self._history_file.with_suffix(".new")
        temporary.write_text(json.dumps(self.measured, indent=1))
        temporary.replace(self._history_file)
        return better

    def keep(self, model: keras.Model, epoch: int) -> None:
        """Keep weights and optimizer after an epoch, for a later run to go on from."""
        earlier = self._kept()
        self._save_weights(model, self.folder / f"{epoch:06d}.weights.h5")
        for path in earlier:
            path.unlink()

    def _take_up(self, model: keras.Model) -> int:
        """Load what an earlier run kept last; returns after how many epochs that was."""
        kept = self._kept()
        if not kept:
            return 0
        model.optimizer.build(model.trainable_variables)
        model.load_weights(kept[-1])
        return int(kept[-1].name.partition(".")[0])

    def _kept(self) -> list[Path]:
        return sorted(self.folder.glob("[0-9]*.weights.h5"))

    def _save_weights(self, model: keras.Model, path: Path) -> None:
        temporary = self.folder / "new.weights.h5"
        model.save_weights(temporary)
        temporary.replace(path)

    def validate(self, model: keras.Model, read: Inputs) -> dict[str, float | str]:
        """Return each head's accuracy on the validation photos, and their mean."""
        photos, size = self.parts["validation"], self.recipe.batch_size
        correct = {head: np.zeros(len(photos), bool) for head in self.class_counts}
        for start in range(0, len(photos), size):
            rows = range(start, min(start + size, len(photos)))
            inputs = np.stack([read(photos, row, 0) for row in rows])
            logits = model.predict_on_batch(inputs)
            for head, found in correct.items():
                codes = np.asarray(logits[head]).argmax(axis=1)
                found[start : rows.stop] = codes == photos.codes[head][start : rows.stop]
        figures: dict[str, float | str] = {}
        for head, found in correct.items():
            known = photos.codes[head] != UNKNOWN
            figures[f"{head}_accuracy"] = float(found[known].mean()) if known.any() else 0.0
        figures["accuracy"] = float(np.mean([float(value) for value in figures.values()]))
        return figures


class _Watcher(keras.callbacks.Callback):
    """Show progress, measure on the validation photos after each epoch, keep the best, stop."""

    def __init__(self, phase: _Phase, batches: _Batches, read: Inputs, epochs: int) -> None:
        super().__init__()
        self._phase, self._batches, self._read, self._epochs = phase, batches, read, epochs
        self._bar: Any = None
        self._advance: Advance = lambda count: None

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self._batches.start_epoch(epoch)
        what = f"{self._phase.name} epoch {epoch + 1} of {self._epochs}"
        self._bar = progress(what, len(self._phase.parts["train"]))
        self._advance = self._bar.__enter__()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self._advance(self._phase.recipe.batch_size)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.close_bar()
        figures: dict[str, float | str] = {
            "phase": self._phase.name,
            "epoch": epoch + 1,
            "loss": float((logs or {}).get("loss", np.nan)),
        }
        figures |= self._phase.validate(self.model, self._read)
        better = self._phase.record(figures, self.model)
        self._phase.keep(self.model, epoch + 1)
        print(
            f"{self._phase.name} {epoch + 1}/{self._epochs}: loss {figures['loss']:.3f}, "
            f"validation accuracy {_shown(figures)}{' (best)' if better else ''}",
            flush=True,
        )
        recent = self._phase.measured[-self._phase.recipe.patience :]
        best = max(float(row["accuracy"]) for row in self._phase.measured)
        if len(self._phase.measured) > len(recent) and all(
            float(row["accuracy"]) < best for row in recent
        ):
            self.model.stop_training = True

    def close_bar(self) -> None:
        if self._bar is not None:
            self._bar.__exit__(None, None, None)
            self._bar = None


def _shown(figures: Mapping[str, float | str]) -> str:
    return ", ".join(
        f"{key.removesuffix('_accuracy')} {value:.3f}"
        for key, value in figures.items()
        if key.endswith("_accuracy")
    )


def write_history(path: Path, history: Sequence[Mapping[str, float | str]]) -> None:
    """Write a row of figures an epoch as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(history[0]) if history else ["phase", "epoch"])
        writer.writeheader()
        writer.writerows(history)
