"""Put a trained model where FashionNet looks for the one that ships, with its sources.

python examples/default_model/ship.py models/mine
"""

import shutil
import sys
from pathlib import Path

from fashionnet.network.card import write_model_card
from fashionnet.network.folder import DEFAULT_MODEL, Model


def main(trained: Path) -> None:
    """Copy a model folder and write its card again, with the sources of photos and labels."""
    shutil.rmtree(DEFAULT_MODEL, ignore_errors=True)
    shutil.copytree(trained, DEFAULT_MODEL)
    shutil.copy(Path(__file__).with_name("sources.md"), DEFAULT_MODEL)
    write_model_card(DEFAULT_MODEL, Model.load(DEFAULT_MODEL))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
