"""Which experiments a command runs, and where to: what the training commands share."""

import argparse
from pathlib import Path


def add_experiment_arguments(parser: argparse.ArgumentParser, also: str = "") -> None:
    """Add what `fashionnet.experiments.run_experiments` is given, and say what else may be."""
    parser.add_argument(
        "experiment", type=Path, help=f"a TOML file, or a folder of them to run in sequence{also}"
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="where each experiment gets a folder of its own (default: runs)",
    )
