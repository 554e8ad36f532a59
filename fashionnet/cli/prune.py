"""`python -m fashionnet prune`: make a trained model narrower and faster."""

import argparse
import json
import shlex
import shutil
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.errors import RequestError

if TYPE_CHECKING:
    from fashionnet.evaluation import AttributeFigures
    from fashionnet.labels import LabelledPhotos
    from fashionnet.network.folder import Model
    from fashionnet.photos import Image

PHOTOS_FITTED_TO = 256
_SEED = 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `prune` takes."""
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="the model (default: the one that ships)"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="CSV_OR_DIR",
        help="the labels that it was trained with",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="what the CSV's image paths start from (default: the CSV's folder)",
    )
    parser.add_argument(
        "--share",
        type=float,
        default=0.25,
        help="of the filters of each layer, how many to remove (default: 0.25)",
    )
    parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="a new folder for the result"
    )


def run(arguments: argparse.Namespace) -> int:
    """Prune, calibrate, measure on the test photos; returns the exit code."""
    from fashionnet.evaluation import figures_table
    from fashionnet.labels import read_labels
    from fashionnet.network.calibration import photos_of_part
    from fashionnet.network.folder import DEFAULT_MODEL, Model
    from fashionnet.network.pruning import LAYERS, prune
    from fashionnet.progress import progress

    source = arguments.model or DEFAULT_MODEL
    if arguments.output.exists():
        raise RequestError(f"{arguments.output}: exists already; name a new folder")
    model = Model.load(source)
    labels = read_labels(arguments.labels, arguments.images, model.schema)
    parts = {part: photos_of_part(source, labels, part) for part in ("train", "validation", "test")}
    _check_labels(arguments.labels, source, model, parts)
    images = _images(parts["train"])
    with progress("fitting layers", len(LAYERS)) as advance:
        pruned = prune(model, arguments.share, images, advance=advance)
    figures = _write(arguments, source, pruned, parts, len(images))
    print("on the test photos, after pruning:\n")
    print(figures_table(figures))
    before, after = (sum(array.size for array in m.weights.values()) for m in (model, pruned))
    print(f"\n{before / 1e6:.1f} million weights before, {after / 1e6:.1f} after")
    print(f"written to {arguments.output}; repositories of the model before must be built again")
    return 0


def _check_labels(
    path: Path, source: Path, model: "Model", parts: "dict[str, LabelledPhotos]"
) -> None:
    """Refuse labels without a head of the model; say so where some of its photos are missing."""
    from fashionnet.network.calibration import label_codes, split_sizes

    for part in ("validation", "test"):
        codes = label_codes(parts[part])
        for head in model.heads:
            if not (codes[head] >= 0).any():
                raise RequestError(
                    f"{path}: no photo of the model's {part} part has a label of {head}: name the "
                    "labels that it was trained with"
                )
    for part, count in split_sizes(source).items():
        if len(parts[part]) < count:
            print(
                f"note: {path} has {len(parts[part])} of the {count} photos of the model's {part} "
                "part: only they are used",
                file=sys.stderr,
            )


def _images(photos: "LabelledPhotos") -> "list[Image]":
    """Read some of the photos that the model was trained on."""
    import numpy as np

    from fashionnet.describing import read_for_network
    from fashionnet.photos import UnreadablePhotoError, read_ahead

    order = np.random.default_rng(_SEED).permutation(len(photos))[:PHOTOS_FITTED_TO]
    images = []
    for _, pending in read_ahead(photos.take(np.sort(order)).photos, read_for_network):
        try:
            images.append(pending.result()[1])
        except UnreadablePhotoError:
            continue
    return images


def _write(
    arguments: argparse.Namespace,
    source: Path,
    pruned: "Model",
    parts: "dict[str, LabelledPhotos]",
    image_count: int,
) -> "dict[str, AttributeFigures]":
    """Write the folder of a pruned model, whole or not at all; return its figures."""
    from fashionnet.cli.evaluate import measure
    from fashionnet.describing import describe_photos
    from fashionnet.evaluation import write_head_figures
    from fashionnet.network.calibration import calibrate_precision, label_codes
    from fashionnet.network.card import PRUNING_FILE, write_model_card
    from fashionnet.network.compiled import CompiledNetwork
    from fashionnet.network.folder import WEIGHTS_FILE, Model
    from fashionnet.network.precision import PRECISION_FILE
    from fashionnet.progress import progress

    new = arguments.output.with_name(f".{arguments.output.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    left = shutil.ignore_patterns(WEIGHTS_FILE, PRECISION_FILE, "figures")
    shutil.copytree(source, new, ignore=left)
    try:
        pruned.save(new)
        # As it comes back from disk, in 8 bits.
        model = Model.load(new)
        validation, test = parts["validation"], parts["test"]
        calibration = calibrate_precision(model, validation.photos, label_codes(validation))
        calibration.save(new)
        network = CompiledNetwork(model, "auto", calibration)
        with progress("describing test photos", len(test)) as advance:
            described = describe_photos(network, test.photos, advance)
        unreadable = {left_out.photo for left_out in described.left_out}
        read = [row for row, photo in enumerate(test.photos) if photo not in unreadable]
        figures = measure(test.take(read), described.vectors)
        for head, head_figures in figures.items():
            (new / "figures" / head).mkdir(parents=True)
            write_head_figures(new / "figures" / head, head, head_figures)
        record = {
            "share": arguments.share,
            "from": Model.load(source).fingerprint,
            "photos": image_count,
            "seed": _SEED,
            "command": shlex.join(["python", "-m", "fashionnet", "prune", *sys.argv[2:]]),
            "versions": {name: version(name) for name in ("numpy", "openvino")},
        }
        (new / PRUNING_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        write_model_card(new, model)
        new.rename(arguments.output)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return figures
