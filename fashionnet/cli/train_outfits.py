"""`python -m fashionnet train-outfits`: learn what goes together from outfits."""

import argparse
from pathlib import Path

from fashionnet.network.quiet import quiet_import


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "experiment",
        type=Path,
        metavar="EXPERIMENT",
        help="a TOML file that says what is trained on what, or a folder of them",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("runs"),
        metavar="DIR",
        help="the folder in which each experiment gets one of its own (default: runs)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    from fashionnet.compatibility.outfit_experiments import OutfitExperiment, train_outfits
    from fashionnet.experiments import experiment_files, read_experiment, run_experiments

    # A wrong file is answered at once.
    for path in experiment_files(arguments.experiment):
        read_experiment(path, OutfitExperiment)
    with quiet_import():
        # For the first time, so that what TensorFlow prints meanwhile is dropped.
        import keras  # noqa: F401
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
