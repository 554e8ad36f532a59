"""Train heads on labelled photos and write a model folder with its figures.

Heads are trained over VGG16: first on the frozen trunk, then with its last blocks unfrozen. The
photos are split 70/15/15; figures are those of the held-out test part.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.errors import RequestError
from fashionnet.files import cache_folder, require_writable
from fashionnet.network.quiet import quiet_import
from fashionnet.network.trunk import BLOCKS, WEIGHTS_VARIABLE
from fashionnet.schema import RELEVANCE, Schema

if TYPE_CHECKING:
    from fashionnet.labels import LabelledPhotos

LARGEST_SEED = 2**32 - 1
"""The largest that Keras takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        help="a CSV with an image column and a column for each attribute (blank = unknown), or a "
        "folder with photos in ATTRIBUTE/CLASS/",
    )
    parser.add_argument(
        "--images", type=Path, help="the folder that the image column is relative to"
    )
    parser.add_argument(
        "--extra-labels",
        type=Path,
        metavar="CSV_OR_FOLDER",
        help="more labelled photos, such as drawn ones, that are trained on and never measured on; "
        "a CSV's images are relative to its own folder",
    )
    parser.add_argument(
        "--attribute",
        action="append",
        default=[],
        metavar="NAME",
        help=f"a head to train, repeatable; '{RELEVANCE}' is the head that tells garments from "
        "other photos (default, or 'all': every head that the labels know)",
    )
    parser.add_argument("--output", type=Path, required=True, help="the model folder to write")
    parser.add_argument(
        "--schema",
        type=Path,
        help="a TOML file of attributes and their classes (default: pattern, fabric, style and "
        "shape; for other attributes the classes that the labels mention)",
    )
    parser.add_argument(
        "--group", metavar="COLUMN", help="keep photos of equal value on one side of the split"
    )
    parser.add_argument(
        "--unfreeze",
        choices=[*reversed(BLOCKS), "all"],
        default="block5",
        help="the first block that is trained; 'all' wants a GPU (default: block5)",
    )
    parser.add_argument(
        "--separate",
        action="store_true",
        help="each head trains its own copy of the unfrozen blocks (default: all heads share one)",
    )
    parser.add_argument("--frozen-epochs", type=int, default=5, metavar="N", help="(default: 5)")
    parser.add_argument("--unfrozen-epochs", type=int, default=7, metavar="N", help="(default: 7)")
    parser.add_argument(
        "--patience",
        type=int,
        default=3,
        metavar="N",
        help="end a phase when N epochs in a row were no better than the best (default: 3)",
    )
    parser.add_argument(
        "--views",
        type=int,
        default=4,
        metavar="N",
        help="of each training photo: itself and changed copies (default: 4)",
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="(default: 32)")
    parser.add_argument("--seed", type=int, default=0, help="of split and training (default: 0)")
    parser.add_argument(
        "--precision",
        choices=["auto", "float32", "mixed_bfloat16"],
        default="auto",
        help="of the unfrozen blocks (default: what the machine is fast in)",
    )
    parser.add_argument(
        "--trunk-weights",
        type=Path,
        metavar="FILE",
        help=f"VGG16's ImageNet weights (default: ${WEIGHTS_VARIABLE}, then keras.applications)",
    )
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where frozen features are kept between runs, about 0.2 MB for each view of each "
        "photo, more for an earlier --unfreeze (default: ~/.cache/fashionnet/frozen)",
    )
    parser.add_argument(
        "--resume", action="store_true", help="go on with the training that was interrupted"
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    _check_numbers(arguments)
    require_writable(arguments.output.resolve().parent)
    from fashionnet.evaluation import figures_table
    from fashionnet.labels import read_labels
    from fashionnet.network.trunk import find_imagenet_weights

    schema = _schema(arguments)
    labels = read_labels(arguments.labels, arguments.images, schema, arguments.group)
    heads = _heads(arguments, labels)
    extra = read_labels(arguments.extra_labels, None, schema) if arguments.extra_labels else None
    # Last of what can be wrong: it may download.
    trunk_weights = find_imagenet_weights(arguments.trunk_weights)
    if RELEVANCE not in heads and len(heads) == len(labels.schema):
        print(
            "note: no label says relevant = no: the model will take every photo for a garment",
            file=sys.stderr,
        )

    # What TensorFlow prints when it is imported first is dropped.
    with quiet_import():
        from fashionnet.network.heads_training import TrainingRequest, train_heads
        from fashionnet.network.training import Recipe, fast_precision

    recipe = Recipe(
        first_block="block1" if arguments.unfreeze == "all" else arguments.unfreeze,
        shared=not arguments.separate,
        frozen_epochs=arguments.frozen_epochs,
        unfrozen_epochs=arguments.unfrozen_epochs,
        patience=arguments.patience,
        views=arguments.views,
        batch_size=arguments.batch_size,
        seed=arguments.seed,
        precision=fast_precision() if arguments.precision == "auto" else arguments.precision,
    )
    figures = train_heads(
        TrainingRequest(
            labels=labels,
            heads=heads,
            output=arguments.output.resolve(),
            recipe=recipe,
            trunk_weights=trunk_weights,
            cache=arguments.cache or cache_folder() / "frozen",
            split_seed=arguments.seed,
            group=arguments.group,
            command=_command(sys.argv),
            resume=arguments.resume,
            extra=extra,
        )
    )
    print(figures_table(figures))
    print(f"model written to {arguments.output}; its figures are in README.md there")
    return 0


def _check_numbers(arguments: argparse.Namespace) -> None:
    least = {
        "frozen_epochs": 1,
        "unfrozen_epochs": 0,
        "patience": 1,
        "views": 1,
        "batch_size": 1,
        "seed": 0,
    }
    for name, minimum in least.items():
        if getattr(arguments, name) < minimum:
            option = name.replace("_", "-")
            raise RequestError(f"--{option} {getattr(arguments, name)}: at least {minimum}")
    if arguments.seed > LARGEST_SEED:
        raise RequestError(f"--seed {arguments.seed}: at most {LARGEST_SEED}")


def _command(words: list[str]) -> str:
    """Return a command line without what means nothing on another machine."""
    private = argparse.ArgumentParser(add_help=False)
    private.add_argument("--cache")
    private.add_argument("--trunk-weights")
    kept = private.parse_known_args(words[1:])[1]
    script = Path(words[0]).name
    program = [script] if script == "train_heads.py" else ["-m", "fashionnet"]
    return shlex.join(["python", *program, *kept])


def _schema(arguments: argparse.Namespace) -> Schema:
    """Take the schema given; else the default's attributes, and others from the labels."""
    from fashionnet.labels import schema_from_labels

    if arguments.schema:
        return Schema.load(arguments.schema)
    default = Schema.default()
    asked = [name for name in arguments.attribute if name != "all"]
    if not asked and arguments.labels.is_dir():
        asked = _attribute_folders(arguments.labels)
    own = [name for name in asked if name not in (*default.names, RELEVANCE)]
    derived = schema_from_labels(arguments.labels, own) if own else ()
    return Schema((*default, *derived))


def _attribute_folders(labels: Path) -> list[str]:
    """Return the names of the folders that hold folders of classes."""
    return sorted(
        folder.name
        for folder in labels.iterdir()
        if folder.is_dir()
        and not folder.name.startswith(".")
        and any(inside.is_dir() for inside in folder.iterdir())
    )


def _heads(arguments: argparse.Namespace, labels: "LabelledPhotos") -> list[str]:
    known = [name for name in labels.schema.names if (labels.codes[name] >= 0).any()]
    if {0, 1} <= set(labels.relevance.tolist()):
        known.append(RELEVANCE)
    if not arguments.attribute or arguments.attribute == ["all"]:
        return known
    for name in arguments.attribute:
        if name not in (*labels.schema.names, RELEVANCE):
            names = ", ".join([*labels.schema.names, RELEVANCE])
            raise RequestError(f"--attribute {name}: the schema has {names}")
        if name not in known:
            raise RequestError(f"--attribute {name}: {arguments.labels} has no labels for it")
    return list(dict.fromkeys(arguments.attribute))
