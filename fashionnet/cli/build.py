"""`build_repository.py`: a catalogue's photos through the network, into a repository."""

import argparse
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

from fashionnet.cli.network import add_network_arguments, open_network
from fashionnet.cli.source import add_source_arguments, open_source
from fashionnet.locations import location
from fashionnet.text import plain

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from fashionnet.repository.distributed import RayEngine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "--catalogue",
        required=True,
        metavar="DIR_OR_FILE",
        help="a folder of photos, or a CSV, JSON-lines or Parquet file with a column image; "
        "on disk or at a URI such as s3://bucket/photos; with --photos-to also a shard, a folder "
        "of shards, or a table of web addresses",
    )
    parser.add_argument(
        "--repository",
        type=location,
        required=True,
        metavar="REPO",
        help="the folder to build, or to bring up to date; or a URI in an object store",
    )
    parser.add_argument(
        "--metadata",
        type=location,
        metavar="FILE",
        help="a table whose column id (or image) names the photos of the catalogue's folder",
    )
    add_source_arguments(parser)
    add_network_arguments(parser)
    parser.add_argument(
        "--prune", action="store_true", help="remove items whose photos have vanished"
    )
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="describe in this process (default), or on the Ray cluster at RAY_ADDRESS, without "
        "which one of this machine alone is started",
    )


def run(arguments: argparse.Namespace) -> int:
    """Build the repository, print the closing line; 1 where no photo could be described."""
    from fashionnet.progress import progress
    from fashionnet.repository.build import build_repository
    from fashionnet.repository.catalogue import read_catalogue

    source = open_source(arguments.catalogue, arguments)
    catalogue = read_catalogue(source.place, arguments.metadata, arguments.images)
    catalogue.left_out.extend(source.left_out)
    catalogue.notes.extend(source.notes)
    network = open_network(arguments)
    with (
        _engine(arguments, network.fingerprint) as engine,
        progress("describing photos", len(catalogue)) as advance,
    ):
        report = build_repository(
            catalogue, arguments.repository, network, arguments.prune, advance, engine
        )
    for note in report.notes:
        print(plain(f"note: {note}"), file=sys.stderr)
    print(report.closing_line(arguments.repository))
    return 0 if report.described else 1


def _engine(
    arguments: argparse.Namespace, fingerprint: str
) -> "AbstractContextManager[RayEngine | None]":
    if arguments.engine == "local":
        return nullcontext()
    from fashionnet.network.folder import DEFAULT_MODEL
    from fashionnet.repository.distributed import network_maker, ray_engine

    make_network = network_maker(arguments.model or DEFAULT_MODEL, arguments.precision)
    return ray_engine(make_network, fingerprint)
