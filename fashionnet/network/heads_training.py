"""From labelled photos to a model folder: split, train, calibrate, measure, write."""

import csv
import hashlib
import json
import platform
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.describing import describe_photos
from fashionnet.errors import RequestError
from fashionnet.evaluation import (
    AttributeFigures,
    evaluate_attribute,
    fit_temperature,
    write_head_figures,
    write_history_plot,
)
from fashionnet.labels import (
    PARTS,
    UNKNOWN,
    LabelledPhotos,
    check_for_training,
    join_groups,
    near_duplicate_groups,
    split,
)
from fashionnet.network.calibration import calibrate_precision
from fashionnet.network.card import write_model_card
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import (
    MODEL_FILE,
    Branch,
    Model,
    replace_folder,
    restore_folder,
    rounded,
)
from fashionnet.network.frozen import FrozenFeatures
from fashionnet.network.graph import frozen_graph
from fashionnet.network.training import (
    Recipe,
    TrainedBranch,
    TrainingPhotos,
    has_gpu,
    keras_engine,
    train_branch,
    write_history,
)
from fashionnet.network.trunk import Weights, blocks_before, convolutions, load_imagenet_weights
from fashionnet.photos import UnreadablePhotoError, decode, fingerprint, read_ahead, read_bytes
from fashionnet.progress import progress
from fashionnet.schema import RELEVANCE, Attribute, Schema
from fashionnet.text import plain

RELEVANCE_CLASSES = ("no", "yes")
LEAST_OF_A_PART = 3


@dataclass(frozen=True)
class TrainingRequest:
    """What to train, on what, and where the model goes.

    Attributes:
        labels: the labelled photos.
        heads: attributes of the labels' schema, and `relevant` to train that head.
        output: the model folder; heads that it has already and that are not named stay.
        recipe: how to train.
        trunk_weights: the file of VGG16's ImageNet weights.
        cache: the folder of frozen features.
        split_seed: of the split into 70% training, 15% validation and 15% test photos.
        group: the column whose groups stay on one side of the split, for the model card.
        command: the command line, for the model card.
        resume: go on from what an interrupted run left.
        extra: photos that are trained on and never measured on, such as drawn ones.
    """

    labels: LabelledPhotos
    heads: Sequence[str]
    output: Path
    recipe: Recipe
    trunk_weights: Path
    cache: Path
    split_seed: int = 0
    group: str | None = None
    command: str = ""
    resume: bool = False
    extra: LabelledPhotos | None = None


def train_heads(
    request: TrainingRequest, say: Callable[[str], None] = print
) -> dict[str, AttributeFigures]:
    """Train heads, write the model folder and return each new head's figures on the test part."""
    restore_folder(request.output)
    existing = Model.load(request.output) if (request.output / MODEL_FILE).exists() else None
    if existing is None and request.output.exists() and any(request.output.iterdir()):
        raise RequestError(f"{request.output}: not empty and not a model folder; name another")
    attributes = [head for head in request.heads if head != RELEVANCE]
    if existing is None and not attributes:
        raise RequestError(f"a model needs an attribute beside {RELEVANCE!r}: name one to train")
    replaced = [head for head in request.heads if existing and head in existing.heads]
    if existing and replaced:
        say(
            f"{request.output} has {', '.join(replaced)} already: trained again; repositories of "
            f"model {existing.fingerprint} must be built again"
        )
    labels, keys = _readable(request.labels, say)
    for warning in check_for_training(labels, attributes):
        say(f"warning: {warning}")
    imagenet = load_imagenet_weights(request.trunk_weights)
    planned = _new_branches(request, existing)
    trunk = _trunk(existing, [*_kept_branches(existing, request.heads), *planned], imagenet)

    part = _split(labels, request.split_seed, say)
    photos = {name: _training_photos(labels, keys, request.heads, part == name) for name in PARTS}
    if request.extra:
        extra, extra_keys = _readable(request.extra, say)
        held_out = {*photos["validation"].keys, *photos["test"].keys}
        chosen = np.array([key not in held_out for key in extra_keys], bool)
        more = _training_photos(extra, extra_keys, request.heads, chosen)
        photos["train"] = _joined_photos(photos["train"], more)
    for head in request.heads:
        counts = {name: int((photos[name].codes[head] != UNKNOWN).sum()) for name in PARTS}
        if min(counts.values()) < LEAST_OF_A_PART:
            raise RequestError(
                f"{head}: {counts['train']} training, {counts['validation']} validation and "
                f"{counts['test']} test photos; label more photos, of more groups"
            )
    state = _state_folder(request, keys, part)
    features = _frozen_features(request, imagenet, photos, say)

    branches: dict[Branch, TrainedBranch] = {}
    for branch in planned:
        say(f"training {', '.join(branch.heads)} from {branch.first_block} on")
        branches[branch] = train_branch(
            branch.name,
            {head: len(_classes(labels.schema, head)) for head in branch.heads},
            {name: photos[name] for name in ("train", "validation")},
            features,
            imagenet,
            request.recipe,
            state / branch.name,
        )
    model = _joined(existing, labels.schema, branches, trunk)

    new = request.output.with_name(f".{request.output.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    if existing:
        shutil.copytree(request.output, new, dirs_exist_ok=True)
    validation, test = photos["validation"], photos["test"]
    model = _with_temperatures(model, validation, request.heads)
    model.save(new)
    calibration = calibrate_precision(model, validation.photos, validation.codes)
    calibration.save(new)
    network = CompiledNetwork(model, "auto", calibration)
    figures = {
        head: evaluate_attribute(codes, probabilities, _classes(labels.schema, head))
        for head, (codes, probabilities) in _predicted(network, test, request.heads).items()
    }
    _write_splits(new, branches, labels, keys, part)
    for branch, trained in branches.items():
        for head in branch.heads:
            _write_figures(new / "figures" / head, head, figures[head], trained.history)
    for stale in new.glob("split-*.csv"):
        if stale.stem.removeprefix("split-") not in {branch.name for branch in model.branches}:
            stale.unlink()
    _write_record(new, request, keys, part)
    write_model_card(new, model)
    replace_folder(new, request.output)
    shutil.rmtree(state.parent, ignore_errors=True)
    return figures


def _readable(
    labels: LabelledPhotos, say: Callable[[str], None]
) -> tuple[LabelledPhotos, list[str]]:
    """Leave out photos that cannot be read; returns the others' SHA-256 too."""

    def key(photo: Path) -> str:
        data = read_bytes(photo)
        decode(data, 32)
        return fingerprint(data)

    keys: dict[int, str] = {}
    with progress("reading photos", len(labels)) as advance:
        for row, (_, pending) in enumerate(read_ahead(labels.photos, key)):
            try:
                keys[row] = pending.result()
            except UnreadablePhotoError as error:
                say(f"left out: {plain(labels.names[row])}: {error}")
            advance(1)
    if not keys:
        raise RequestError("none of the labelled photos can be read")
    return labels.take(list(keys)), list(keys.values())


def _split(labels: LabelledPhotos, seed: int, say: Callable[[str], None]) -> NDArray[np.str_]:
    with progress("looking for near-duplicates", len(labels)) as advance:
        duplicates = near_duplicate_groups(labels.photos, advance)
    groups = join_groups(labels.groups, duplicates)
    part = split(labels, groups, seed)
    counts = ", ".join(f"{(part == name).sum()} {name}" for name in PARTS)
    say(f"{len(labels)} photos in {len(np.unique(groups))} groups: {counts} (seed {seed})")
    return part


def _training_photos(
    labels: LabelledPhotos, keys: Sequence[str], heads: Sequence[str], chosen: NDArray[np.bool_]
) -> TrainingPhotos:
    """Take a part's photos, those that no head learns from left out."""
    codes = {head: labels.relevance if head == RELEVANCE else labels.codes[head] for head in heads}
    known = np.any([column != UNKNOWN for column in codes.values()], axis=0)
    rows = np.flatnonzero(chosen & known).tolist()
    return TrainingPhotos(
        [labels.photos[row] for row in rows],
        [keys[row] for row in rows],
        {head: column[rows] for head, column in codes.items()},
    )


def _joined_photos(first: TrainingPhotos, second: TrainingPhotos) -> TrainingPhotos:
    return TrainingPhotos(
        first.photos + second.photos,
        first.keys + second.keys,
        {head: np.concatenate([first.codes[head], second.codes[head]]) for head in first.codes},
    )


def _state_folder(request: TrainingRequest, keys: Sequence[str], part: NDArray[np.str_]) -> Path:
    """Return the folder of a resumable training, empty unless it is to be resumed."""
    content = json.dumps(
        [
            list(request.heads),
            asdict(request.recipe),
            request.labels.schema.fingerprint,
            _labels_fingerprint(request.labels),
            _labels_fingerprint(request.extra) if request.extra else "",
            sorted(zip(keys, part.tolist(), strict=True)),
        ]
    )
    folder = request.output.with_name(f".{request.output.name}.training")
    state = folder / hashlib.sha256(content.encode()).hexdigest()[:16]
    if not request.resume:
        shutil.rmtree(folder, ignore_errors=True)
    elif not state.exists():
        raise RequestError(
            f"{request.output}: no interrupted training of these heads, labels and options to "
            "resume; leave out --resume"
        )
    state.mkdir(parents=True, exist_ok=True)
    return state


def open_frozen_features(
    cache: Path, imagenet: Weights, first_block: str, seed: int
) -> FrozenFeatures:
    """Return the features that are kept in a folder, with the faster engine for those missing."""
    if has_gpu():
        engine, precision = keras_engine(imagenet, first_block), "keras"
    else:
        graph = frozen_graph(imagenet, first_block)
        engine, precision = graph.run, graph.precision
    return FrozenFeatures.of_trunk(cache, imagenet, first_block, seed, engine, precision)


def _frozen_features(
    request: TrainingRequest,
    imagenet: Weights,
    photos: Mapping[str, TrainingPhotos],
    say: Callable[[str], None],
) -> FrozenFeatures:
    recipe = request.recipe
    features = open_frozen_features(request.cache, imagenet, recipe.first_block, recipe.seed)
    train, validation = photos["train"], photos["validation"]
    missing = features.missing(train.keys, recipe.views) + features.missing(validation.keys, 1)
    if missing:
        gigabytes = missing * features.bytes_per_view / 1e9
        say(f"frozen features of {missing} views: {gigabytes:.2f} GB in {features.folder}")
    with progress("frozen features", len(train) * recipe.views + len(validation)) as advance:
        features.compute(validation.photos, validation.keys, 1, advance)
        features.compute(train.photos, train.keys, recipe.views, advance)
    return features


def _new_branches(request: TrainingRequest, existing: Model | None) -> list[Branch]:
    taken = {branch.name for branch in _kept_branches(existing, request.heads)}
    # No attribute has a hyphen in its name, so that a branch's weights are never a head's.
    names = (f"branch-{number}" for number in count(1))
    free = (name for name in names if name not in taken)
    shares = (
        [tuple(request.heads)] if request.recipe.shared else [(head,) for head in request.heads]
    )
    return [Branch(next(free), request.recipe.first_block, heads) for heads in shares]


def _kept_branches(existing: Model | None, replaced: Sequence[str]) -> list[Branch]:
    branches = []
    for branch in existing.branches if existing else ():
        heads = tuple(head for head in branch.heads if head not in replaced)
        if heads:
            branches.append(Branch(branch.name, branch.first_block, heads))
    return branches


def _joined(
    existing: Model | None,
    schema: Schema,
    branches: Mapping[Branch, TrainedBranch],
    trunk: Weights,
) -> Model:
    """Put new branches beside those of an existing model whose heads were not trained again."""
    trained = [head for branch in branches for head in branch.heads]
    kept = _kept_branches(existing, trained)
    attributes: dict[str, Attribute] = {}
    temperatures = dict.fromkeys(trained, 1.0)
    weights: Weights = {}
    if existing:
        attributes = {attribute.name: attribute for attribute in existing.schema}
        parts = {part for branch in kept for part in (branch.name, *branch.heads)}
        for name, array in existing.weights.items():
            if name.split("/")[0] in parts:
                weights[name] = array
        temperatures |= {head: existing.temperatures[head] for b in kept for head in b.heads}
    attributes |= {name: schema[name] for name in trained if name != RELEVANCE}
    for branch in branches.values():
        weights |= rounded(branch.weights)
    weights |= trunk
    order = [name for name in schema.names if name in attributes]
    order += [name for name in attributes if name not in order]
    return Model(
        Schema(tuple(attributes[name] for name in order)),
        (*kept, *branches),
        temperatures,
        weights,
        # It goes with the first branch, whose last block the embedding is made of.
        existing.projection
        if existing and kept[:1] and kept[0].name == existing.branches[0].name
        else None,
    )


def _trunk(existing: Model | None, branches: Sequence[Branch], imagenet: Weights) -> Weights:
    """Return the frozen blocks that the branches build on; a model never mixes two trunks."""
    trunk: Weights = {}
    for block in blocks_before(max(branch.first_block for branch in branches)):
        for name in convolutions(block):
            for kind in ("kernel", "bias"):
                trunk[f"trunk/{name}/{kind}"] = imagenet[f"{name}/{kind}"]
    trunk = rounded(trunk)
    for key, array in trunk.items():
        if existing and not np.array_equal(existing.weights.get(key, array), array):
            raise RequestError(
                "the model's trunk has other weights than the trunk weights given: use the same "
                "file, or another --output"
            )
    return trunk


def _with_temperatures(model: Model, validation: TrainingPhotos, heads: Sequence[str]) -> Model:
    """Fit the new heads' temperatures on the validation part."""
    temperatures = dict(model.temperatures)
    predicted = _predicted(CompiledNetwork(model), validation, heads)
    for head, (codes, probabilities) in predicted.items():
        temperatures[head] = fit_temperature(np.log(probabilities.clip(1e-12)), codes)
    return replace(model, temperatures=temperatures)


def _predicted(
    network: CompiledNetwork, photos: TrainingPhotos, heads: Sequence[str]
) -> dict[str, tuple[NDArray[np.int16], NDArray[np.float32]]]:
    """Return for each head the known codes of a part and what the network says of those photos."""
    with progress("describing held-out photos", len(photos)) as advance:
        vectors = describe_photos(network, photos.photos, advance).vectors
    predicted = {}
    for head in heads:
        if head == RELEVANCE:
            probabilities = np.stack([1 - vectors.relevance, vectors.relevance], axis=1)
        else:
            probabilities = vectors.probabilities[:, vectors.schema.slices[head]]
        known = photos.codes[head] != UNKNOWN
        predicted[head] = photos.codes[head][known], probabilities[known]
    return predicted


def _classes(schema: Schema, head: str) -> tuple[str, ...]:
    return RELEVANCE_CLASSES if head == RELEVANCE else schema[head].classes


def _write_splits(
    folder: Path,
    branches: Iterable[Branch],
    labels: LabelledPhotos,
    keys: Sequence[str],
    part: NDArray[np.str_],
) -> None:
    """Write which photo was in which part; every branch has its own, as it may be trained apart."""
    for branch in branches:
        path = folder / f"split-{branch.name}.csv"
        # Not every file's name is text.
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            writer = csv.writer(file)
            writer.writerow(["image", "sha256", "part"])
            writer.writerows(zip(labels.names, keys, part.tolist(), strict=True))


def _write_figures(
    folder: Path, head: str, figures: AttributeFigures, history: list[dict[str, float | str]]
) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    write_history(folder / "history.csv", history)
    write_history_plot(folder / "history.png", head, history)
    write_head_figures(folder, head, figures)


def _labels_fingerprint(labels: LabelledPhotos) -> str:
    """Return a digest of every name and label, whatever the order of the rows."""
    columns = [labels.relevance, *labels.codes.values()]
    rows = sorted(zip(labels.names, *(column.tolist() for column in columns), strict=True))
    text = json.dumps(rows, ensure_ascii=False)
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]


def _write_record(
    folder: Path, request: TrainingRequest, keys: Sequence[str], part: NDArray[np.str_]
) -> None:
    """Write how the heads came about, beside what earlier trainings wrote."""
    import keras

    record = {
        "heads": list(request.heads),
        "command": request.command,
        "recipe": asdict(request.recipe),
        "split": {
            "seed": request.split_seed,
            "grouped_by": request.group,
            **{name: int((part == name).sum()) for name in PARTS},
        },
        "data": {
            "photos": len(keys),
            "extra_photos": len(request.extra) if request.extra else 0,
            "labels_fingerprint": _labels_fingerprint(request.labels),
            "photos_fingerprint": fingerprint("".join(sorted(keys)).encode())[:16],
            "trunk_weights_fingerprint": fingerprint(request.trunk_weights.read_bytes())[:16],
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("keras", keras.backend.backend(), "openvino")},
        },
    }
    path = folder / "training.json"
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    kept = []
    for old in earlier:
        # A head is listed under the training that its weights come from, and no other.
        old["heads"] = [head for head in old["heads"] if head not in request.heads]
        if old["heads"]:
            kept.append(old)
    text = json.dumps([*kept, record], indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
