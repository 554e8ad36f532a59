import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from handmade import SCHEMA, ColourNetwork, vectors_of
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from fashionnet.cli import evaluate
from fashionnet.errors import RequestError
from fashionnet.evaluation import (
    evaluate_attribute,
    expected_calibration_error,
    figures_table,
    fit_temperature,
    wilson_interval,
    write_confusion_plot,
    write_figures,
    write_history_plot,
)
from fashionnet.labels import LabelledPhotos

CLASSES = ("striped", "floral", "solid")


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def drawn(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw logits, and labels from the very probabilities that the logits stand for."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(count, 3)) * 2
    codes = (random.random((count, 1)) > softmax(logits).cumsum(axis=1)).sum(axis=1).clip(0, 2)
    return logits, codes


def test_figures_of_a_small_case_are_those_worked_by_hand():
    codes = [0, 0, 1, 1, -1]
    probabilities = np.array(
        [[0.9, 0.1, 0], [0.2, 0.8, 0], [0.1, 0.9, 0], [0, 1, 0], [0, 0, 1]], np.float32
    )
    figures = evaluate_attribute(codes, probabilities, CLASSES)
    assert figures.count == 4
    assert figures.confusion.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    assert figures.accuracy.value == 0.75
    assert figures.macro_f1.value == pytest.approx((2 / 3 + 4 / 5) / 2)
    striped, floral, solid = figures.classes
    assert (striped.precision.value, striped.recall.value, striped.support) == (1, 0.5, 2)
    assert floral.precision.value == pytest.approx(2 / 3)
    assert solid.support == 0 and str(solid.recall) == "-"


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=50))
def test_macro_f1_is_scikit_learns_over_the_classes_with_photos(pairs):
    truth, predicted = np.array(pairs).T
    figures = evaluate_attribute(truth, np.eye(3)[predicted], CLASSES)
    expected = f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0)
    assert figures.macro_f1.value == pytest.approx(expected)
    assert figures.macro_f1.low <= figures.macro_f1.value <= figures.macro_f1.high


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_intervals_hold_their_value_and_stay_shares(case):
    interval = wilson_interval(*case)
    assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert interval.high - interval.low > 0


def test_wilson_interval_of_a_known_case():
    interval = wilson_interval(8, 10)
    assert (interval.low, interval.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_the_bootstrap_interval_covers_about_95_percent():
    large_logits, large_codes = drawn(100_000)
    truth = evaluate_attribute(large_codes, softmax(large_logits), CLASSES).macro_f1.value
    covered = 0
    for seed in range(1, 101):
        logits, codes = drawn(300, seed)
        interval = evaluate_attribute(codes, softmax(logits), CLASSES).macro_f1
        covered += interval.low <= truth <= interval.high
    assert 88 <= covered <= 100


def test_calibration_error_tells_honest_from_boastful():
    logits, codes = drawn(50_000)
    assert evaluate_attribute(codes, softmax(logits), CLASSES).calibration_error < 0.01
    assert evaluate_attribute(codes, softmax(3 * logits), CLASSES).calibration_error > 0.1
    half_right = np.arange(10) % 2 == 0
    assert expected_calibration_error(np.full(10, 1.0), half_right) == pytest.approx(0.5)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_was_put_in_is_found(temperature):
    logits, codes = drawn(20_000)
    assert fit_temperature(temperature * logits, codes) == pytest.approx(temperature, rel=0.05)


def test_temperature_is_bounded_and_one_without_labels():
    assert fit_temperature(np.eye(3), [0, 1, 2]) == pytest.approx(0.2)
    assert fit_temperature(np.eye(3), [1, 2, 0]) == pytest.approx(10)
    assert fit_temperature(np.eye(3), [-1, -1, -1]) == 1
    logits, codes = drawn(500)
    hidden = np.where(np.arange(500) < 250, codes, -1)
    assert fit_temperature(logits, hidden) == fit_temperature(logits[:250], codes[:250])


def test_labels_and_probabilities_that_disagree_are_refused():
    with pytest.raises(ValueError, match="3 labels of 3 classes"):
        evaluate_attribute([0, 1, 2], np.eye(2), CLASSES)
    with pytest.raises(ValueError, match="no photo has a label"):
        evaluate_attribute([-1], np.eye(3)[:1], CLASSES)


def test_figures_are_written_as_json_pictures_and_text(tmp_path):
    logits, codes = drawn(200)
    codes = np.where(codes == 2, -1, codes)
    figures = {"pattern": evaluate_attribute(codes, softmax(logits), CLASSES)}
    write_figures(tmp_path / "figures.json", figures)
    document = json.loads((tmp_path / "figures.json").read_text())
    assert document["pattern"]["count"] == figures["pattern"].count
    assert document["pattern"]["classes"]["solid"]["recall"]["value"] is None
    write_confusion_plot(tmp_path / "confusion.png", "pattern", figures["pattern"])
    history = [
        {"phase": "frozen", "epoch": 1, "loss": 1.0, "pattern_accuracy": 0.5, "accuracy": 0.4},
        {"phase": "unfrozen", "epoch": 1, "loss": 0.5, "pattern_accuracy": 0.7, "accuracy": 0.6},
    ]
    write_history_plot(tmp_path / "history.png", "pattern", history)
    for name in ("confusion.png", "history.png"):
        assert cv2.imread(str(tmp_path / name)).shape[0] > 200
    table = figures_table(figures).splitlines()
    assert "macro-F1" in table[0]
    assert f"{figures['pattern'].accuracy.value:.3f}" in table[1]
    assert len(figures_table(figures, by_class=True).splitlines()) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "confusion.png",
        "figures.json",
        "history.png",
    ]


def labels_of(codes: np.ndarray, relevance: list[int]) -> LabelledPhotos:
    count = len(codes)
    return LabelledPhotos(
        SCHEMA,
        [Path(f"{row}.jpg") for row in range(count)],
        [f"{row}.jpg" for row in range(count)],
        {name: codes[:, column].astype(np.int16) for column, name in enumerate(SCHEMA.names)},
        np.array(relevance, np.int16),
        np.arange(count),
    )


def test_measuring_leaves_out_what_has_no_labels_or_no_head():
    codes = np.array([[0, 1, 2, 0], [1, 1, 0, 1]])
    labelled = codes.copy()
    labelled[1, 0] = 2
    labelled[:, 3] = -1
    figures = evaluate.measure(labels_of(labelled, [1, 0]), vectors_of(codes))
    assert list(figures) == ["pattern", "fabric", "style"]
    assert figures["pattern"].accuracy.value == 0.5
    assert figures["style"].accuracy.value == 1
    vectors = vectors_of(codes)
    vectors.relevance[:] = [0.9, 0.2]
    assert evaluate.measure(labels_of(labelled, [1, 0]), vectors)["relevant"].accuracy.value == 1


def arguments_of(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    return parser.parse_args(words)


def test_evaluate_scores_the_shipped_model_from_the_command_line(tmp_path, capsys):
    plain = np.full((224, 224, 3), 128, np.uint8)
    cv2.imwrite(str(tmp_path / "plain.png"), plain)
    (tmp_path / "broken.jpg").write_bytes(b"nothing")
    labels = tmp_path / "labels.csv"
    labels.write_text("image,pattern,relevant\nplain.png,solid,no\nbroken.jpg,solid,yes\n")
    output = tmp_path / "figures"
    assert evaluate.run(arguments_of("--labels", str(labels), "--output", str(output))) == 0
    printed = capsys.readouterr()
    assert "pattern" in printed.out and "broken.jpg" in printed.err
    assert json.loads((output / "figures.json").read_text())["pattern"]["count"] == 1
    assert (output / "pattern-confusion.png").exists()
    with pytest.raises(RequestError, match="is a file"):
        evaluate.run(arguments_of("--labels", str(labels), "--output", str(labels)))


def test_evaluate_gives_a_terminal_no_commands(tmp_path, monkeypatch, capsys):
    (tmp_path / "a\x1b[31mred.jpg").touch()
    (tmp_path / "labels.csv").write_text("image,pattern\na\x1b[31mred.jpg,solid\n")
    network = ColourNetwork()
    monkeypatch.setattr("fashionnet.network.compiled.CompiledNetwork.open", lambda *_: network)
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    assert evaluate.run(parser.parse_args(["--labels", str(tmp_path / "labels.csv")])) == 1
    problems = capsys.readouterr().err
    assert "red.jpg: empty file" in problems and "\x1b" not in problems
