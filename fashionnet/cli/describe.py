"""Print the Fashion Vector of each photo: class and probability for each attribute."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashionnet.cli.network import add_network_arguments, open_network
from fashionnet.text import plain

if TYPE_CHECKING:
    from fashionnet.describing import Described


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO_OR_FOLDER")
    add_network_arguments(parser)
    parser.add_argument("--format", choices=["table", "csv", "json"], default="table")


def run(arguments: argparse.Namespace) -> int:
    """Describe; returns the exit code."""
    from fashionnet.describing import describe_photos
    from fashionnet.photos import find_photos
    from fashionnet.progress import progress

    photos = find_photos(arguments.photos)
    network = open_network(arguments)
    with progress("describing photos", len(photos)) as advance:
        described = describe_photos(network, photos, advance)
    for left_out in described.left_out:
        line = f"fashionnet: {left_out.photo}: {left_out.reason}; left out"
        print(plain(line), file=sys.stderr)
    rows = list(_rows(described))
    if arguments.format == "json":
        json.dump(rows, sys.stdout, indent=2, ensure_ascii=False)
        print()
    elif arguments.format == "csv":
        _write_csv(rows, network.schema.names)
    else:
        _print_table(rows, network.schema.names)
    return 0 if rows else 1


def _rows(described: "Described") -> Iterator[dict[str, Any]]:
    vectors = described.vectors
    for row, photo in enumerate(described.photos):
        attributes = {}
        for name, part in vectors.schema.slices.items():
            classes = vectors.schema[name].classes
            shares = [round(float(value), 4) for value in vectors.probabilities[row, part]]
            code = int(vectors.codes[row, vectors.schema.names.index(name)])
            attributes[name] = {
                "class": classes[code],
                "probability": shares[code],
                "probabilities": dict(zip(classes, shares, strict=True)),
            }
        yield {
            "image": str(photo),
            "relevant": "yes" if vectors.relevant[row] else "no",
            "relevant_probability": round(float(vectors.relevance[row]), 4),
            "attributes": attributes,
        }


def _write_csv(rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    header = ["image", "relevant"]
    for name in names:
        header += [name, f"{name}_probability"]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        cells = [row["image"], row["relevant"]]
        for name in names:
            cells += [row["attributes"][name]["class"], row["attributes"][name]["probability"]]
        writer.writerow(cells)


def _print_table(rows: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("photo", "relevant", *names)
    for row in rows:
        cells = [
            f"{row['attributes'][name]['class']} {row['attributes'][name]['probability']:.2f}"
            for name in names
        ]
        table.add_row(
            Text(plain(row["image"]), overflow="fold"),
            f"{row['relevant']} {row['relevant_probability']:.2f}",
            *cells,
        )
    width = None if sys.stdout.isatty() else 160
    console = Console(width=width, highlight=False, markup=False)
    # Rich itself would leave with a code of its own when nobody reads on.
    with console.capture() as text:
        console.print(table)
    print(text.get(), end="")
