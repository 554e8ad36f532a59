"""Build the sample repository that ships, fashionnet/samples/repository, with the default model.

    python examples/default_model/sample_repository.py

To be run again whenever the default model or the drawings have changed.
"""

import argparse
from pathlib import Path

from fashionnet.network.compiled import CompiledNetwork
from fashionnet.progress import progress
from fashionnet.samples.shipped import SAMPLE_COUNT, SAMPLE_REPOSITORY, build_sample_repository


def main() -> None:
    """Build it and print the closing line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="default: the model that ships with FashionNet"
    )
    parser.add_argument("--output", type=Path, metavar="REPO", default=SAMPLE_REPOSITORY)
    arguments = parser.parse_args()
    network = CompiledNetwork.open(arguments.model)
    with progress("describing photos", SAMPLE_COUNT) as advance:
        report = build_sample_repository(arguments.output, network, advance=advance)
    print(report.closing_line(arguments.output))


if __name__ == "__main__":
    main()
