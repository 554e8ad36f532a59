"""The recipe of the model that ships: what happens to it when another takes its place."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fashionnet.network.folder import Model
from fashionnet.network.precision import PRECISION_FILE, Calibration, fast_precisions

ROOT = Path(__file__).parents[1]


def ship(*words):
    command = [sys.executable, ROOT / "examples" / "default_model" / "ship.py", *words]
    return subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def shipped(tmp_path, tiny_model):
    return Path(shutil.copytree(tiny_model, tmp_path / "shipped"))


def write_records(folder):
    """Add what the model card is written from."""
    interval = {"value": 0.5, "low": 0.4, "high": 0.6}
    figures = {
        "count": 3,
        "accuracy": interval,
        "macro_f1": interval,
        "expected_calibration_error": 0.1,
    }
    for head in Model.load(folder).heads:
        (folder / "figures" / head).mkdir(parents=True)
        (folder / "figures" / head / "figures.json").write_text(json.dumps(figures))
    (folder / "training.json").write_text("[]")


@pytest.mark.parametrize("damage", ["weights.safetensors", "model.json", "training.json"])
def test_a_model_that_is_not_whole_leaves_the_one_that_ships_in_place(
    shipped, tiny_model, tmp_path, damage
):
    trained = Path(shutil.copytree(tiny_model, tmp_path / "trained"))
    write_records(trained)
    (trained / damage).unlink()
    before = Model.load(shipped).fingerprint
    done = ship(trained, "--output", shipped)
    assert done.returncode == 2
    assert damage in done.stderr.splitlines()[-1]
    assert Model.load(shipped).fingerprint == before


def test_a_whole_model_takes_its_place_with_its_sources(shipped, tiny_model, tmp_path):
    trained = Path(shutil.copytree(tiny_model, tmp_path / "trained"))
    write_records(trained)
    (shipped / "of the old one").touch()
    done = ship(trained, "--output", shipped)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (shipped / "of the old one").exists()
    card = (shipped / "README.md").read_text("utf-8")
    assert Model.load(trained).fingerprint in card and "Clothing dataset" in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shipped", "trained"]


def test_a_model_is_calibrated_on_its_validation_photos_as_it_takes_its_place(
    shipped, tiny_model, drawn, tmp_path
):
    trained = Path(shutil.copytree(tiny_model, tmp_path / "trained"))
    write_records(trained)
    names = [photo.name for photo in sorted(drawn.glob("*.jpg"))[:3]]
    parts = [
        f"{name},0,{part}"
        for name, part in zip(names, ("validation", "validation", "test"), strict=True)
    ]
    (trained / "split-joint.csv").write_text("\n".join(["image,sha256,part", *parts]) + "\n")
    done = ship(trained, "--output", shipped, "--labels", drawn / "labels.csv")
    assert done.returncode == 0, done.stderr
    assert "offers " in done.stdout
    calibration = Calibration.load(shipped, Model.load(shipped))
    assert calibration.photos == 2
    assert set(calibration.accuracy) == set(fast_precisions())


def test_a_calibration_of_another_model_does_not_ship(shipped, tiny_model, tmp_path):
    trained = Path(shutil.copytree(tiny_model, tmp_path / "trained"))
    write_records(trained)
    model = Model.load(trained)
    accuracy = {"f32": dict.fromkeys(model.heads, 1.0)}
    Calibration("0123456789abcdef", 9, accuracy, {}).save(trained)
    done = ship(trained, "--output", shipped)
    assert done.returncode == 2 and PRECISION_FILE in done.stderr
    assert not (shipped / PRECISION_FILE).exists()
