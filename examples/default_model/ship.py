"""Put a trained model where FashionNet looks for the one that ships, with its sources.

    python examples/default_model/ship.py models/default
    python examples/default_model/ship.py models/default --labels labels.csv --images ../shared/data

The model that shipped until then is replaced once the new one is complete. With --labels, its
precision is calibrated on the labelled photos of its validation part.
"""

import argparse
import shutil
from pathlib import Path

from fashionnet.errors import RequestError
from fashionnet.network.card import write_model_card
from fashionnet.network.folder import DEFAULT_MODEL, Model, replace_folder, restore_folder
from fashionnet.network.precision import Calibration


def ship(trained: Path, target: Path, labels: Path | None, images: Path | None) -> None:
    """Copy a model folder and write its card again, with the sources of photos and labels."""
    restore_folder(target)
    model = Model.load(trained)
    new = target.with_name(f".{target.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(trained, new)
    shutil.copy(Path(__file__).with_name("sources.md"), new)
    if labels:
        _calibrate(new, model, labels, images)
    # A calibration that came along must be the model's own.
    Calibration.load(new, model)
    write_model_card(new, model)
    replace_folder(new, target)


def _calibrate(folder: Path, model: Model, labels: Path, images: Path | None) -> None:
    from fashionnet.labels import read_labels
    from fashionnet.network.calibration import (
        calibrate_precision,
        label_codes,
        photos_of_part,
    )

    chosen = photos_of_part(folder, read_labels(labels, images, model.schema), "validation")
    calibration = calibrate_precision(model, chosen.photos, label_codes(chosen))
    for precision, heads in calibration.accuracy.items():
        shown = ", ".join(f"{head} {accuracy:.4f}" for head, accuracy in heads.items())
        print(f"{precision}: {shown}")
    print(f"offers {', '.join(calibration.precisions)}")
    calibration.save(folder)


def main() -> None:
    """Ship the model that the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("trained", type=Path, help="a folder that train_heads.py wrote")
    parser.add_argument("--output", type=Path, metavar="DIR", default=DEFAULT_MODEL)
    parser.add_argument("--labels", type=Path, metavar="CSV", help="calibrate on these")
    parser.add_argument("--images", type=Path, metavar="DIR", help="where their photos lie")
    arguments = parser.parse_args()
    try:
        ship(arguments.trained, arguments.output, arguments.labels, arguments.images)
    except (RequestError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
