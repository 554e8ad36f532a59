"""Put a trained model where FashionNet looks for the one that ships, with its sources.

    python examples/default_model/ship.py models/default

The model that shipped until then is replaced once the new one is complete.
"""

import argparse
import shutil
from pathlib import Path

from fashionnet.errors import RequestError
from fashionnet.network.card import write_model_card
from fashionnet.network.folder import DEFAULT_MODEL, Model, replace_folder, restore_folder


def ship(trained: Path, target: Path) -> None:
    """Copy a model folder and write its card again, with the sources of photos and labels."""
    restore_folder(target)
    model = Model.load(trained)
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(trained, new)
    shutil.copy(Path(__file__).with_name("sources.md"), new)
    write_model_card(new, model)
    replace_folder(new, target)


def main() -> None:
    """Ship the model that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("trained", type=Path, help="a folder that train_heads.py wrote")
    parser.add_argument("--output", type=Path, metavar="DIR", default=DEFAULT_MODEL)
    arguments = parser.parse_args()
    try:
        ship(arguments.trained, arguments.output)
    except (RequestError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
