"""Which network a command predicts with: `--model` and `--precision`."""

import argparse
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fashionnet.network.compiled import CompiledNetwork


def add_network_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `open_network` reads."""
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="a trained model (default: the one that ships)"
    )
    parser.add_argument(
        "--precision",
        choices=["auto", "int8", "bf16", "f32"],
        default="auto",
        help="what the network computes in (default: the fastest that the processor has and the "
        "model stays accurate in)",
    )


def open_network(arguments: argparse.Namespace) -> "CompiledNetwork":
    """Open the network that the command line names."""
    from fashionnet.network.compiled import CompiledNetwork

    return CompiledNetwork.open(arguments.model, arguments.precision)


@contextmanager
def opening_network(arguments: argparse.Namespace) -> Iterator["Future[CompiledNetwork]"]:
    """Open the network beside what else a command begins with.

    Compiling it takes about as long as importing LanceDB, and the two hardly hinder each other.
    """
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(open_network, arguments)
