"""Whole trainings of embeddings from their files, on drawn photos."""

import csv
import json
import shutil
import struct
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from fashionnet.cli.main import main, run_command
from fashionnet.errors import RequestError
from fashionnet.experiments import read_experiment
from fashionnet.photos import decode, read_bytes
from fashionnet.similarity.event_log import EventLog
from fashionnet.similarity.experiment import EmbeddingExperiment
from fashionnet.similarity.trained import WEIGHTS, TrainedEmbedding

EXAMPLES = Path(__file__).parents[1] / "examples" / "embeddings"
BASE = """
size = 8
epochs = 2
precision = "float32"
[data]
name = "views"
photos = "photos"
held_out = 0.5
[network]
name = "seed-cnn"
image_size = 32
[augmentation]
views = 2
[batch]
items = 8
"""
BACKBONE = '[network]\nname = "backbone"\nimage_size = 32\n'
RUNS = {
    "pairs": 'epochs = 1\n[loss]\nname = "multi-similarity"\n[optimiser]\nname = "sgd"\n',
    "triplets": '[loss]\nname = "triplet"\nmining = "hard"\n[schedule]\nwarm_up = 0.2\n',
    "vae": 'epochs = 1\ndistance = "l2"\n[network]\nname = "vae"\nimage_size = 32\n',
    "vgg16": 'epochs = 1\n[loss]\nname = "supervised-contrastive"\n'
    + BACKBONE
    + "unfrozen = 0.23\n",
}


@pytest.fixture(scope="module")
def home(drawn, tmp_path_factory, trunk_file):
    """Four experiments, run in sequence by one command."""
    folder = tmp_path_factory.mktemp("embeddings")
    shutil.copytree(drawn, folder / "photos")
    (folder / "photos" / "broken.jpg").write_bytes(b"no photo")
    (folder / "many").mkdir()
    (folder / "many" / "_base.toml").write_text(BASE.replace('"photos"', '"../photos"'))
    for name, text in RUNS.items():
        (folder / "many" / f"{name}.toml").write_text(f'extends = "_base.toml"\n{text}')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASHIONNET_TRUNK_WEIGHTS", str(trunk_file))
        patch.chdir(folder)
        assert main(["train-embedding", "many", "--output", "out", "--cache", "cache"]) == 0
    return folder


def results_of(home, name):
    return json.loads((home / "out" / name / "results.json").read_text())


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("[!_]*.toml")), ids=lambda file: file.stem)
def test_the_examples_can_be_read(file):
    experiment = read_experiment(file, EmbeddingExperiment)
    assert experiment.data.pairs == EXAMPLES.resolve() / "pairs.csv"


def test_every_run_has_a_folder_with_all_that_it_came_from(home):
    for name in RUNS:
        folder = home / "out" / name
        read = read_experiment(folder / "experiment.toml", EmbeddingExperiment)
        assert read == read_experiment(home / "many" / f"{name}.toml", EmbeddingExperiment)
        assert "seed = 0" in (folder / "experiment.toml").read_text()
        assert "broken.jpg" in (folder / "left_out.csv").read_text()
        results = results_of(home, name)
        assert results["command"].startswith("fashionnet train-embedding")
        assert results["versions"]["keras"]
        for part in ("validation", "test"):
            figure = results[part]["top_10"]
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1


def test_the_best_epoch_by_top_10_is_the_one_that_is_kept(home):
    for name in RUNS:
        rows = list(csv.DictReader((home / "out" / name / "history.csv").open()))
        results = results_of(home, name)
        assert len(rows) == results["epochs"] + 1
        best = max(float(row["top_10"]) for row in rows)
        assert float(rows[results["best_epoch"]]["top_10"]) == best
        assert results["validation"]["top_10"]["value"] == pytest.approx(best, abs=0.05)


def test_the_table_has_a_row_for_each_experiment(home):
    rows = list(csv.DictReader((home / "out" / "results.csv").open()))
    assert [row["experiment"] for row in rows] == sorted(RUNS)
    for row in rows:
        assert (
            float(row["top_10"]) == results_of(home, row["experiment"])["test"]["top_10"]["value"]
        )
        assert int(row["parameters"]) > 10_000


def test_what_was_run_is_not_run_again(home, capsys, monkeypatch):
    monkeypatch.chdir(home)
    before = (home / "out" / "vae" / WEIGHTS).stat().st_mtime_ns
    assert main(["train-embedding", "many/vae.toml", "--output", "out"]) == 0
    assert "vae: was trained already" in capsys.readouterr().out
    assert (home / "out" / "vae" / WEIGHTS).stat().st_mtime_ns == before


def test_a_trained_embedding_opens_again_and_embeds_photos_of_any_size(home):
    trained = TrainedEmbedding.open(home / "out" / "triplets")
    photos = [photo for photo in home.glob("photos/*.jpg") if photo.stem != "broken"]
    images = [decode(read_bytes(photo)) for photo in photos[:2]]
    found = trained.embed(iter([images[0], images[1][:50], images[0]]))
    assert found.shape == (3, 8)
    assert np.linalg.norm(found, axis=1) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(found[0], found[2]) and not np.allclose(found[0], found[1])
    assert trained.embed([]).shape == (0, 8)


def test_weights_of_an_embedding_of_another_size_are_refused(home, tmp_path):
    folder = shutil.copytree(home / "out" / "triplets", tmp_path / "run")
    text = (folder / "experiment.toml").read_text()
    (folder / "experiment.toml").write_text(text.replace("size = 8\n", "size = 9\n", 1))
    with pytest.raises(RequestError, match="or of an embedding of another size"):
        TrainedEmbedding.open(folder)


@pytest.mark.parametrize(
    ("keep", "said"), [(0, "cut short"), (1000, "cut short"), (None, "missing")]
)
def test_weights_that_are_cut_in_half_or_gone_are_one_line(home, tmp_path, keep, said):
    folder = shutil.copytree(home / "out" / "triplets", tmp_path / "run")
    if keep is None:
        (folder / WEIGHTS).unlink()
    else:
        (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:keep])
    with pytest.raises(RequestError, match=said):
        TrainedEmbedding.open(folder)


def test_frozen_features_are_computed_once(home, monkeypatch, trunk_file):
    from fashionnet.similarity import picture_features

    kept = {path: path.stat().st_mtime_ns for path in (home / "cache").rglob("*.npy")}
    assert kept
    monkeypatch.setenv("FASHIONNET_TRUNK_WEIGHTS", str(trunk_file))
    monkeypatch.setattr(picture_features, "_write", lambda path, array: pytest.fail("again"))
    words = [str(home / "many" / "vgg16.toml"), "--output", str(home / "again")]
    assert run_command("train-embedding", [*words, "--cache", str(home / "cache")]) == 0
    once, again = (
        results_of(home, "vgg16"),
        json.loads((home / "again/vgg16/results.json").read_text()),
    )
    assert once["test"] == again["test"]


def test_control_c_keeps_the_best_so_far(home, tmp_path, capsys, monkeypatch):
    from fashionnet.similarity import training

    def interrupt(self, epoch, logs=None):
        raise KeyboardInterrupt

    monkeypatch.setattr(training._Watcher, "on_epoch_end", interrupt)
    many = tmp_path / "many"
    many.mkdir()
    for name in ("one", "two"):
        (many / f"{name}.toml").write_text(f'extends = "{home}/many/triplets.toml"\n')
    code = run_command("train-embedding", [str(many), "--output", str(tmp_path / "out")])
    assert code == 130
    assert "going on with the best weights so far" in capsys.readouterr().out
    results = json.loads((tmp_path / "out" / "one" / "results.json").read_text())
    assert results["interrupted"] and results["epochs"] == 0
    assert TrainedEmbedding.open(tmp_path / "out" / "one").size == 8
    assert not (tmp_path / "out" / "two" / "results.json").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sise = 3\n", "unknown key sise: did you mean size?"),
        ("[loss]\nname = 'triplet'\nminning = 'hard'\n", "did you mean mining?"),
        ('[network]\nname = "backbone"\nmodel = "VGG61"\n', "did you mean VGG1"),
        (BACKBONE + 'model = "MobileNetV2"\n', "ImageNet weights are not on this machine"),
        ("[augmentation]\nviews = 1\n", "augmentation.views must be 2 or more"),
        ('[data]\nname = "views"\nphotos = "nowhere"\n', "nowhere: no such file or"),
        ('[data]\nname = "folders"\nfolder = "nowhere"\n', "nowhere: no such file or"),
        ('[data]\nname = "pairs"\npairs = "nowhere.csv"\n', "nowhere.csv: no such file"),
    ],
)
def test_a_wrong_request_is_one_line(home, tmp_path, capsys, text, said, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    path = tmp_path / "wrong.toml"
    path.write_text(f'extends = "{home}/many/_base.toml"\n{text}')
    assert run_command("train-embedding", [str(path), "--output", str(tmp_path / "out")]) == 2
    printed = capsys.readouterr().err
    lines = [line for line in printed.splitlines() if line.startswith("fashionnet: ")]
    assert len(lines) == 1 and said in lines[0]


@pytest.mark.skipif(not find_spec("tensorflow"), reason="TensorFlow reads the log")
def test_tensorboard_can_read_the_log(home, tmp_path):
    from tensorflow.compat.v1.train import summary_iterator

    log = EventLog(tmp_path)
    log.write(300, {"loss": 0.25, "validation/top_10": 1.0})
    (file,) = tmp_path.iterdir()
    first, second = list(summary_iterator(str(file)))
    assert first.file_version == "brain.Event:2"
    assert second.step == 300
    assert {v.tag: v.simple_value for v in second.summary.value} == {
        "loss": 0.25,
        "validation/top_10": 1.0,
    }
    (file,) = (home / "out" / "triplets" / "log").iterdir()
    steps = [event.step for event in summary_iterator(str(file))]
    assert steps == [0, 0, 1, 2]
    assert struct.unpack("<Q", file.read_bytes()[:8])[0] < 100
