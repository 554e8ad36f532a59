"""Write a labelled collection of drawn garments: `python -m fashionnet.samples FOLDER`."""

import argparse
import sys
from pathlib import Path

from fashionnet.errors import RequestError
from fashionnet.samples.collection import write_catalogue
from fashionnet.text import counted


def main(words: list[str] | None = None) -> int:
    """Draw the collection that the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m fashionnet.samples",
        description="Draw garments as labelled photos: JPEGs, labels.csv and catalogue.csv.",
    )
    parser.add_argument("folder", type=Path, help="where to write; made if it does not exist")
    parser.add_argument("--count", type=int, default=300, help="how many garments (default 300)")
    parser.add_argument("--seed", type=int, default=0, help="another seed draws other garments")
    arguments = parser.parse_args(words)
    try:
        write_catalogue(arguments.folder, arguments.count, arguments.seed)
    except RequestError as error:
        print(f"fashionnet: {error}", file=sys.stderr)
        return 2
    print(
        f"{counted(arguments.count, 'drawn garment')} in {arguments.folder}, labels in labels.csv"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
