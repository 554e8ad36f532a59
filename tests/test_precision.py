"""What the network computes in: 8 bits where they are as good, and never by accident."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fashionnet.cli import run_command
from fashionnet.errors import RequestError
from fashionnet.labels import read_labels
from fashionnet.network.calibration import calibrate_precision, label_codes, photos_of_part
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import Model
from fashionnet.network.graph import network_graph
from fashionnet.network.precision import (
    PRECISION_FILE,
    Calibration,
    choose_precision,
    eight_bit_activations,
    fast_precisions,
)
from fashionnet.photos import decode
from fashionnet.schema import Schema

ROOT = Path(__file__).parents[1]
needs_eight_bits = pytest.mark.skipif(
    "int8" not in fast_precisions(), reason="this processor has no 8-bit instructions"
)


@pytest.fixture(scope="module")
def photos(drawn):
    return sorted(drawn.glob("*.jpg"))[:4]


@pytest.fixture(scope="module")
def images(photos):
    return [decode(photo.read_bytes()) for photo in photos]


@pytest.fixture(scope="module")
def calibration(tiny_model, photos):
    return calibrate_precision(Model.load(tiny_model), photos, {})


def known(model, precisions=("int8", "bf16", "f32"), lost=0.0):
    """A calibration as a machine with these precisions would have made it."""
    accuracy = {
        name: dict.fromkeys(model.heads, 0.9 if name == "f32" else 0.9 - lost)
        for name in precisions
    }
    largest = dict.fromkeys(eight_bit_activations(model), 500.0) if "int8" in precisions else {}
    return Calibration(model.fingerprint, 100, accuracy, largest)


def a_machine_with(monkeypatch, *precisions):
    monkeypatch.setattr("fashionnet.network.precision.fast_precisions", lambda: precisions)


# --- 8 bits ----------------------------------------------------------------------------------


@needs_eight_bits
def test_every_convolution_but_the_first_is_executed_in_8_bits(tiny_model, calibration):
    graph = network_graph(Model.load(tiny_model), "int8", calibration.largest)
    layers = [node.get_rt_info() for node in graph.compiled.get_runtime_model().get_ops()]
    executed = [
        layer["runtimePrecision"].astype(str)
        for layer in layers
        if layer["layerType"].astype(str) == "Convolution"
    ]
    assert len(executed) == 13
    assert executed.count("u8") == 12
    weights = [layer for layer in layers if layer["layerType"].astype(str) == "Const"]
    assert sum(layer["outputPrecisions"].astype(str) == "i8" for layer in weights) == 12


@needs_eight_bits
def test_8_bits_say_what_float32_says(tiny_model, calibration, images):
    model = Model.load(tiny_model)
    eight = CompiledNetwork(model, "int8", replace(calibration, accuracy=known(model).accuracy))
    exact = CompiledNetwork(model, "f32")
    assert eight.fingerprint == exact.fingerprint
    found, expected = eight.describe(images), exact.describe(images)
    assert np.abs(found.probabilities - expected.probabilities).max() < 0.03
    assert (found.embeddings * expected.embeddings).sum(axis=1).min() > 0.995


def test_the_ranges_hold_nearly_all_activations(tiny_model, calibration):
    names = eight_bit_activations(Model.load(tiny_model))
    assert len(names) == 12 and "joint/block5_conv3" not in names
    if "int8" in fast_precisions():
        assert calibration.largest.keys() == set(names)
        assert all(0 < value < 1e6 for value in calibration.largest.values())


# --- Calibration -----------------------------------------------------------------------------


def test_without_labels_float32_is_what_the_others_are_measured_against(tiny_model, calibration):
    model = Model.load(tiny_model)
    assert calibration.model == model.fingerprint
    assert set(calibration.accuracy) == set(fast_precisions())
    assert calibration.accuracy["f32"] == dict.fromkeys(model.heads, 1.0)


def test_labels_are_what_every_precision_is_measured_against(
    tiny_model, photos, images, monkeypatch
):
    model = Model.load(tiny_model)
    monkeypatch.setattr("fashionnet.network.calibration.fast_precisions", lambda: ("f32",))
    answers = CompiledNetwork(model, "f32").describe(images).codes[:, 0].astype(np.int16)
    wrong = answers.copy()
    wrong[0] = (wrong[0] + 1) % 5
    unknown = np.full(len(photos), -1, np.int16)
    found = calibrate_precision(model, photos, {"pattern": wrong, "style": unknown})
    assert found.accuracy["f32"]["pattern"] == 0.75
    assert found.accuracy["f32"]["style"] == 1.0
    assert found.precisions == ("f32",) and not found.largest


def test_a_precision_is_offered_while_no_head_loses_more_than_half_a_point(tiny_model):
    model = Model.load(tiny_model)
    assert known(model, lost=0.005).precisions == ("int8", "bf16", "f32")
    worse = {**known(model).accuracy, "int8": {**known(model).accuracy["int8"], "shape": 0.894}}
    assert replace(known(model), accuracy=worse).precisions == ("bf16", "f32")


def test_only_photos_of_the_validation_part_are_calibrated_on(drawn, tmp_path):
    labels = read_labels(drawn / "labels.csv", None, Schema.default())
    parts = [
        f"{name},0,{('train', 'validation')[row % 2]}" for row, name in enumerate(labels.names)
    ]
    (tmp_path / "split-joint.csv").write_text("\n".join(["image,sha256,part", *parts]) + "\n")
    chosen = photos_of_part(tmp_path, labels, "validation")
    assert list(chosen.names) == list(labels.names[1::2])
    assert label_codes(chosen).keys() == {*labels.schema.names, "relevant"}
    (tmp_path / "split-joint.csv").unlink()
    with pytest.raises(RequestError, match="validation part"):
        photos_of_part(tmp_path, labels, "validation")


# --- The choice ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("machine", "offered", "chosen"),
    [
        (("int8", "bf16", "f32"), ("int8", "bf16", "f32"), "int8"),
        (("int8", "f32"), ("int8", "bf16", "f32"), "int8"),
        (("bf16", "f32"), ("int8", "bf16", "f32"), "bf16"),
        (("f32",), ("int8", "bf16", "f32"), "f32"),
        (("int8", "bf16", "f32"), ("bf16", "f32"), "bf16"),
        (("int8", "bf16", "f32"), None, "bf16"),
        (("int8", "f32"), None, "f32"),
    ],
)
def test_the_fastest_precision_that_machine_and_model_share_is_chosen(
    tiny_model, monkeypatch, machine, offered, chosen
):
    a_machine_with(monkeypatch, *machine)
    calibration = known(Model.load(tiny_model), offered) if offered else None
    assert choose_precision("auto", calibration) == chosen


def test_what_is_not_offered_is_refused_with_the_reason(tiny_model, monkeypatch):
    model = Model.load(tiny_model)
    a_machine_with(monkeypatch, "bf16", "f32")
    for calibration, asked, said in (
        (None, "int8", "was not calibrated"),
        (known(model, lost=0.1), "int8", "lost too much accuracy"),
        (known(model, ("bf16", "f32")), "int8", "calibrated on a processor without it"),
        (known(model), "int8", "no instructions for it"),
        (known(model), "int4", "expected auto, int8, bf16, f32"),
    ):
        with pytest.raises(RequestError, match=said):
            choose_precision(asked, calibration)


def test_a_processor_without_8_bit_instructions_does_not_predict_in_8_bits(monkeypatch):
    flags = frozenset(("avx2", "avx512f"))
    monkeypatch.setattr("fashionnet.network.precision.processor_flags", lambda: flags)
    assert "int8" not in fast_precisions()


# --- In the model folder ---------------------------------------------------------------------


def test_a_calibration_is_read_as_it_was_written(tiny_model, tmp_path):
    model = Model.load(tiny_model)
    known(model).save(tmp_path)
    assert Calibration.load(tmp_path, model) == known(model)
    assert json.loads((tmp_path / PRECISION_FILE).read_text())["precisions"][0] == "int8"
    assert Calibration.load(tiny_model, model) is None


DAMAGES = {
    "cut": lambda text: text[: len(text) // 2],
    "a list": lambda text: "[]",
    "another format": lambda text: text.replace('"format": 1', '"format": 2'),
    "no float32": lambda text: text.replace('"f32": {', '"int4": {'),
    "accuracy above one": lambda text: text.replace("0.9", "9"),
    "a range that is no number": lambda text: text.replace("500.0", "NaN", 1),
    "a range of nothing": lambda text: text.replace("500.0", "0", 1),
    "an unknown convolution": lambda text: text.replace("block2_conv1", "block2_conv7"),
    "a convolution too few": lambda text: text.replace('"trunk/block1_conv1": 500.0,', ""),
    "another model": lambda text: text.replace('"model": "', '"model": "0'),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_broken_calibration_is_refused_in_one_line_that_names_it(tiny_model, tmp_path, damage):
    model = Model.load(tiny_model)
    known(model).save(tmp_path)
    path = tmp_path / PRECISION_FILE
    text = damage(path.read_text())
    assert text != path.read_text()
    path.write_text(text)
    with pytest.raises(RequestError, match="calibrate the model again, or delete") as caught:
        Calibration.load(tmp_path, model)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_that_was_never_calibrated_predicts_but_not_in_8_bits(tiny_model, photos, capfd):
    words = [str(photos[0]), "--model", str(tiny_model), "--format", "csv"]
    assert run_command("describe", words) == 0
    assert run_command("describe", [*words, "--precision", "int8"]) == 2
    assert "precision int8: this model was not calibrated" in capfd.readouterr().err


def test_the_shipped_model_is_calibrated_if_at_all_for_itself():
    network = CompiledNetwork.open()
    assert network.precision in fast_precisions()


# --- Without OpenVINO ------------------------------------------------------------------------


def test_without_openvino_keras_gives_the_same_results(tiny_model, photos, images, tmp_path):
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    known(Model.load(folder)).save(folder)
    hidden = (
        "import sys; sys.modules['openvino'] = None; "
        "from fashionnet.cli import run_command; sys.exit(run_command('describe', sys.argv[1:]))"
    )
    words = [*map(str, photos[:2]), "--model", str(folder), "--format", "json"]

    def run(*more):
        command = [sys.executable, "-c", hidden, *words, *more]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    done = run()
    assert done.returncode == 0, done.stderr
    expected = CompiledNetwork(Model.load(folder), "f32").describe(images[:2])
    for row, found in enumerate(json.loads(done.stdout)):
        shares = [s for a in found["attributes"].values() for s in a["probabilities"].values()]
        # The command prints four decimals.
        assert np.allclose(shares, expected.probabilities[row], atol=2e-4)
        assert found["relevant_probability"] == pytest.approx(expected.relevance[row], abs=2e-4)
    refused = run("--precision", "int8")
    assert refused.returncode == 2
    assert "no OpenVINO" in refused.stderr and "Traceback" not in refused.stderr
