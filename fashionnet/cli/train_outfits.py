"""`python -m fashionnet train-outfits`: learn what goes together from outfits."""

import argparse

from fashionnet.cli.experiments import add_experiment_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    add_experiment_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    from fashionnet.compatibility.outfit_experiments import OutfitExperiment, train_outfits
    from fashionnet.experiments import run_experiments

    results = run_experiments(
        arguments.experiment, arguments.output, OutfitExperiment, train_outfits
    )
    for name, result in results.items():
        test = result["test"]
        print(
            f"{name}: test AUC {_shown(test['auc'])}, fill in the blank "
            f"{_shown(test['fill_in_the_blank'])}, of {test['outfits']} outfits and "
            f"{test['blanks']} blanks; model in {arguments.output / name}"
        )
    return 0


def _shown(figure: dict[str, float]) -> str:
    from fashionnet.evaluation import Interval

    # A share of nothing is None in JSON.
    known = figure["value"] is not None
    return str(Interval(figure["value"] if known else float("nan"), figure["low"], figure["high"]))
