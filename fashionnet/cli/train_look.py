"""`python -m fashionnet train-look`: train models that complete a look."""

import argparse

from fashionnet.cli.experiments import add_experiment_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `train-look` takes."""
    add_experiment_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train what has not been trained yet, and print the figures; returns the exit code."""
    from fashionnet.compatibility.look_experiment import LookExperiment
    from fashionnet.compatibility.look_run import run_look
    from fashionnet.experiments import run_experiments

    results = run_experiments(arguments.experiment, arguments.output, LookExperiment, run_look)
    for name, result in results.items():
        for reason, count in result["left_out"].items():
            print(f"{name}: left out: {count} {reason}")
        for method, figures in result["test"].items():
            said = ", ".join(
                f"{figure} {value:.3f} ({low:.3f} to {high:.3f})"
                for figure, (value, low, high) in figures.items()
            )
            print(f"{name}: test part, {method}: {said}")
    return 0
