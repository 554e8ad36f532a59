"""`python -m fashionnet evaluate`: score a model on labelled photos."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.cli.network import add_network_arguments, open_network
from fashionnet.errors import RequestError
from fashionnet.files import require_output_folder
from fashionnet.text import plain

if TYPE_CHECKING:
    from fashionnet.evaluation import AttributeFigures
    from fashionnet.labels import LabelledPhotos
    from fashionnet.vectors import FashionVectors


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `evaluate` takes."""
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="CSV_OR_DIR",
        help="a CSV with an image column and a column for each attribute, blank = unknown, "
        "or folders DIR/<attribute>/<class>/*.jpg",
    )
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="what the CSV's image paths start from (default: the CSV's folder)",
    )
    add_network_arguments(parser)
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="also write figures.json and a picture of each confusion matrix here",
    )


def run(arguments: argparse.Namespace) -> int:
    """Describe the photos, print and write the figures; returns the exit code."""
    from fashionnet.describing import describe_photos
    from fashionnet.evaluation import figures_table
    from fashionnet.labels import read_labels
    from fashionnet.progress import progress

    if arguments.output:
        require_output_folder(arguments.output)
    network = open_network(arguments)
    labels = read_labels(arguments.labels, arguments.images, network.schema)
    with progress("describing photos", len(labels)) as advance:
        described = describe_photos(network, labels.photos, advance)
    for left_out in described.left_out:
        print(plain(f"left out: {left_out.photo}: {left_out.reason}"), file=sys.stderr)
    unreadable = {left_out.photo for left_out in described.left_out}
    read = [row for row, photo in enumerate(labels.photos) if photo not in unreadable]
    figures = measure(labels.take(read), described.vectors)
    if not figures:
        print("fashionnet: no photo could be both read and compared with a label", file=sys.stderr)
        return 1
    print(figures_table(figures))
    print()
    print(figures_table(figures, by_class=True))
    if arguments.output:
        _write(arguments.output, figures)
    return 0


def measure(labels: "LabelledPhotos", vectors: "FashionVectors") -> dict[str, "AttributeFigures"]:
    """Compare each row's labels with its Fashion Vector; also relevance, where it is labelled.

    Attributes without any label are left out.
    """
    import numpy as np

    from fashionnet.evaluation import evaluate_attribute
    from fashionnet.schema import RELEVANCE

    figures = {}
    for attribute in labels.schema:
        codes = labels.codes[attribute.name]
        if (codes >= 0).any():
            probabilities = vectors.probabilities[:, vectors.schema.slices[attribute.name]]
            figures[attribute.name] = evaluate_attribute(codes, probabilities, attribute.classes)
    # A network without a relevance head says 1 of everything, which is no prediction to score.
    if (labels.relevance >= 0).any() and (vectors.relevance < 1).any():
        probabilities = np.stack([1 - vectors.relevance, vectors.relevance], axis=1)
        figures[RELEVANCE] = evaluate_attribute(labels.relevance, probabilities, ("no", "yes"))
    return figures


def _write(folder: Path, figures: "dict[str, AttributeFigures]") -> None:
    from fashionnet.evaluation import write_confusion_plot, write_figures

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RequestError(f"cannot make {folder}: {(error.strerror or '').lower()}") from error
    write_figures(folder / "figures.json", figures)
    for name, attribute in figures.items():
        write_confusion_plot(folder / f"{name}-confusion.png", name, attribute)
    print(f"\nwritten to {folder}")
