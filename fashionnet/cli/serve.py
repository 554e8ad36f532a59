"""`python -m fashionnet serve`: a page on one's own machine to see and steer FashionNet."""

import argparse
from contextlib import suppress
from pathlib import Path

from fashionnet.samples.shipped import SAMPLE_REPOSITORY


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `serve` takes."""
    parser.add_argument(
        "--repository",
        type=Path,
        default=SAMPLE_REPOSITORY,
        metavar="REPO",
        help="what build_repository.py built (default: the drawn sample catalogue)",
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="a trained model (default: the one that ships)"
    )
    parser.add_argument(
        "--look",
        type=Path,
        metavar="DIR",
        help="a look model that train-look wrote (default: the one that ships)",
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on (default: 127.0.0.1, this machine alone); any other asks "
        "for a token, which is printed, or is FASHIONNET_TOKEN",
    )
    parser.add_argument("--port", type=int, default=8000, help="default: 8000; 0 takes a free one")


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; returns the exit code."""
    from fashionnet.app.server import serve

    # An interruption is how a server is meant to end.
    with suppress(KeyboardInterrupt):
        serve(
            arguments.repository,
            arguments.model,
            arguments.look,
            arguments.host,
            arguments.port,
        )
    return 0
