"""`python -m fashionnet train-look`: train models that complete a look."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.cli.experiments import add_experiment_arguments

if TYPE_CHECKING:
    from fashionnet.compatibility.look_experiment import LookExperiment

CHANCE = 0.5
"""The AUC of scores drawn at random."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `train-look` takes."""
    add_experiment_arguments(
        parser,
        "; or, with the settings as they are, a CSV of pairs (scene, product, category) or a "
        "catalogue whose photos show dressed people",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train what has not been trained yet, and print the figures; returns the exit code."""
    from fashionnet.compatibility.look_run import run_look
    from fashionnet.experiments import run_settings

    experiments = _experiments(arguments.experiment, arguments.output)
    results = run_settings(experiments, arguments.output, run_look)
    for name, result in results.items():
        for reason, count in result["left_out"].items():
            print(f"{name}: left out: {count} {reason}")
        for method, figures in result["test"].items():
            said = ", ".join(
                f"{figure} {value:.3f} ({low:.3f} to {high:.3f})"
                for figure, (value, low, high) in figures.items()
            )
            print(f"{name}: test part, {method}: {said}")
        if result["test"]["look model"]["auc"][1] <= CHANCE:
            print(f"{name}: by its AUC not surely better than chance: more pairs may help")
        print(
            f"{name}: now: python -m fashionnet complete-look SCENE.jpg --category CATEGORY "
            f"--repository REPOSITORY --look {arguments.output / name}"
        )
    return 0


def _experiments(path: Path, output: Path) -> Mapping[str, "LookExperiment"]:
    """Return the experiments of a file or a folder, or the plain one on pairs or photos."""
    from fashionnet.compatibility.look_experiment import LookExperiment, TableData, WornData
    from fashionnet.experiments import experiment_files, read_experiment

    place = path.resolve()
    if path.suffix.lower() == ".csv":
        return {path.stem: LookExperiment(data=TableData(name="table", file=place))}
    if path.is_dir() and not any(path.glob("*.toml")):
        pairs = (output / f"{place.name}.pairs").resolve()
        worn = WornData(name="worn", catalogue=place, pairs=pairs)
        return {place.name: LookExperiment(data=worn)}
    return {file.stem: read_experiment(file, LookExperiment) for file in experiment_files(path)}
