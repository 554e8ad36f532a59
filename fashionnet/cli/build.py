"""`build_repository.py`: a catalogue's photos through the network, into a repository."""

import argparse
import sys
from pathlib import Path

from fashionnet.text import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--catalogue",
        type=Path,
        required=True,
        metavar="DIR_OR_FILE",
        help="a folder of photos, or a CSV, JSON-lines or Parquet file with a column image",
    )
    parser.add_argument(
        "--repository",
        type=Path,
        required=True,
        metavar="REPO",
        help="the folder to build, or to bring up to date",
    )
    parser.add_argument(
        "--metadata",
        type=Path,
        metavar="FILE",
        help="a table whose column id (or image) names the photos of the catalogue's folder",
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="default: the model that ships with FashionNet"
    )
    parser.add_argument(
        "--prune", action="store_true", help="remove items whose photos have vanished"
    )


def run(arguments: argparse.Namespace) -> int:
    """Build the repository, print the closing line; 1 where no photo could be described."""
    from fashionnet.network.compiled import CompiledNetwork
    from fashionnet.progress import progress
    from fashionnet.repository.build import build_repository
    from fashionnet.repository.catalogue import read_catalogue

    catalogue = read_catalogue(arguments.catalogue, arguments.metadata)
    network = CompiledNetwork.open(arguments.model)
    with progress("describing photos", len(catalogue)) as advance:
        report = build_repository(
            catalogue, arguments.repository, network, arguments.prune, advance
        )
    for note in report.notes:
        print(plain(f"note: {note}"), file=sys.stderr)
    print(report.closing_line(arguments.repository))
    return 0 if report.described else 1
