"""Train an embedding that places pictures of one item together, as an experiment's file says.

A folder of experiments is run in sequence; one that was run already is not run again.
"""

import argparse
import csv
import io
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashionnet.cli.experiments import add_experiment_arguments
from fashionnet.files import write_whole
from fashionnet.network.quiet import quiet_import
from fashionnet.text import counted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fashionnet.similarity.experiment import EmbeddingExperiment

TABLE = "results.csv"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_experiment_arguments(parser)
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="where frozen features are kept between runs (default: ~/.cache/fashionnet/pictures)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    from fashionnet.experiments import experiment_files, run_experiments
    from fashionnet.similarity.experiment import EmbeddingExperiment

    stopped = False

    def train(experiment: "EmbeddingExperiment", folder: Path) -> "Mapping[str, Any]":
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        from fashionnet.similarity.item_data import read_parts

        parts = read_parts(experiment.data, experiment.seed, folder)
        # What TensorFlow prints when it is imported first is dropped.
        with quiet_import():
            from fashionnet.similarity.training import train_embedding

        command = shlex.join(["fashionnet", "train-embedding", *sys.argv[2:]])
        results = train_embedding(experiment, parts, folder, command, arguments.cache)
        stopped = results["interrupted"]
        return results

    files = experiment_files(arguments.experiment)
    results = run_experiments(arguments.experiment, arguments.output, EmbeddingExperiment, train)
    write_whole(arguments.output / TABLE, results_table(results).encode())
    print(f"written: {arguments.output / TABLE}, {counted(len(files), 'experiment')}")
    return 0


def results_table(results: "Mapping[str, Mapping[str, Any]]") -> str:
    """Return the figures of experiments as CSV, those on the test part with their intervals."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    tops = ("top_1", "top_5", "top_10", "mean_average_precision")
    ends = [f"{top}{end}" for top in tops for end in ("", "_low", "_high")]
    plain = ("parameters", "photos_a_second", "best_epoch", "epochs")
    writer.writerow(["experiment", *ends, *(f"validation_{top}" for top in tops), *plain])
    for name, result in results.items():
        test = [result["test"][top][key] for top in tops for key in ("value", "low", "high")]
        validation = [result["validation"][top]["value"] for top in tops]
        writer.writerow([name, *test, *validation, *(result[key] for key in plain)])
    return text.getvalue()
