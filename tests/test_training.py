"""train_heads.py from labels to a model folder, on drawn photos and a trunk of random weights.

Random weights make accuracy meaningless; what is tested is what is written, kept and refused.
"""

import csv
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image as pillow
from PIL import ImageOps

from fashionnet.cli import main
from fashionnet.cli.train import _command
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import Model
from fashionnet.network.frozen import FrozenFeatures
from fashionnet.network.heads_training import _labels_fingerprint, _write_splits
from fashionnet.photos import decode
from fashionnet.samples.collection import write_catalogue

ROOT = Path(__file__).parents[1]
COPIES = 3
SENDERS = 4


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_rows(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def labelled(drawn, tmp_path_factory):
    """A labels.csv of drawn photos, mirrored copies of a few, and one that cannot be read."""
    folder = tmp_path_factory.mktemp("labelled") / "mes étiquettes"
    shutil.copytree(drawn, folder)
    rows = rows_of(folder / "labels.csv")
    for number, row in enumerate(rows):
        row["sender"] = f"person {number % SENDERS}" if number < 3 * SENDERS else ""
    for number in range(COPIES):
        with pillow.open(folder / rows[-1 - number]["image"]) as photo:
            ImageOps.mirror(photo).save(folder / f"copy {number}.jpg", quality=70)
    copies = [{**rows[-1 - number], "image": f"copy {number}.jpg"} for number in range(COPIES)]
    (folder / "broken.jpg").write_text("no photo")
    broken = {**rows[0], "image": "broken.jpg"}
    write_rows(folder / "labels.csv", [*rows, *copies, broken])
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def words(labelled, trunk_file, tmp_path_factory):
    """The arguments that all trainings share; frozen features are computed for the first only."""
    cache = tmp_path_factory.mktemp("cache")
    return [
        *("--labels", labelled, "--trunk-weights", trunk_file, "--cache", cache),
        *("--views", 1, "--batch-size", 8, "--frozen-epochs", 1, "--group", "sender"),
    ]


def start(*words):
    """Start train_heads.py as a person does."""
    command = [sys.executable, ROOT / "train_heads.py", *words]
    return subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def call(*words):
    """Train in this process, which has Keras loaded already."""
    return main(["train", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def trained(words, tmp_path_factory):
    """The model folder of a training of two heads, and what it printed."""
    output = tmp_path_factory.mktemp("trained") / "my models" / "été 1"
    training = start(
        *words, "--output", output, "--unfrozen-epochs", 1, "--attribute", "pattern",
        "--attribute", "shape",
    )  # fmt: skip
    printed, problems = training.communicate(timeout=400)
    assert training.returncode == 0, problems
    return output, printed, problems


@pytest.fixture
def model_copy(trained, tmp_path):
    return Path(shutil.copytree(trained[0], tmp_path / "model"))


def contents(folder):
    """Every file below a folder, hidden ones too, by the digest of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def described(folder, labelled):
    """What a model says of eight photos: for each attribute their probabilities."""
    photos = sorted(labelled.parent.glob("sample*.jpg"))[:8]
    network = CompiledNetwork.open(folder)
    vectors = network.describe(decode(photo.read_bytes()) for photo in photos)
    return {name: vectors.probabilities[:, part] for name, part in network.schema.slices.items()}


# --- What a training leaves ------------------------------------------------------------------


def test_training_says_what_it_did_and_nothing_else(trained):
    output, printed, problems = trained
    assert "left out: broken.jpg: not a photo" in printed
    assert "frozen 1/1: loss" in printed and "unfrozen 1/1: loss" in printed
    assert f"model written to {output}" in printed
    # A slow machine is told how far it is; libraries have no say.
    assert all("/" in line and " left" in line for line in problems.splitlines()), problems
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_the_model_has_the_heads_that_were_named(trained):
    model = Model.load(trained[0])
    assert model.schema.names == ("pattern", "shape")
    assert model.heads == ["pattern", "shape"]
    assert [branch.first_block for branch in model.branches] == ["block5"]
    assert json.loads((trained[0] / "model.json").read_text())["fingerprint"] == model.fingerprint


@pytest.mark.parametrize("head", ["pattern", "shape"])
def test_each_head_has_its_figures_history_and_pictures(trained, labelled, head):
    folder = trained[0] / "figures" / head
    history = rows_of(folder / "history.csv")
    assert [(row["phase"], row["epoch"]) for row in history] == [("frozen", "1"), ("unfrozen", "1")]
    assert all(0 <= float(row[f"{head}_accuracy"]) <= 1 for row in history)
    for name in ("history.png", "confusion.png"):
        assert min(decode((folder / name).read_bytes()).shape[:2]) > 200
    figures = json.loads((folder / "figures.json").read_text("utf-8"))
    tested = [row for row in rows_of(trained[0] / "split-branch-1.csv") if row["part"] == "test"]
    assert figures["count"] == len(tested)
    assert np.sum(figures["confusion_matrix"]) == len(tested)
    for name in ("accuracy", "macro_f1"):
        assert 0 <= figures[name]["low"] <= figures[name]["value"] <= figures[name]["high"] <= 1
    assert 0 <= figures["expected_calibration_error"] <= 1


def test_the_split_is_written_and_parts_neither_copies_nor_groups(trained, labelled):
    rows = rows_of(trained[0] / "split-branch-1.csv")
    part = {row["image"]: row["part"] for row in rows}
    labels = rows_of(labelled)
    assert part.keys() == {row["image"] for row in labels} - {"broken.jpg"}
    shares = {name: list(part.values()).count(name) / len(part) for name in set(part.values())}
    assert shares == pytest.approx({"train": 0.7, "validation": 0.15, "test": 0.15}, abs=0.08)
    for number in range(COPIES):
        assert part[f"copy {number}.jpg"] == part[f"sample_0_{59 - number:05d}.jpg"]
    for number in range(SENDERS):
        sent = {part[row["image"]] for row in labels if row["sender"] == f"person {number}"
                and row["image"] in part}  # fmt: skip
        assert len(sent) == 1
    for row in rows:
        data = (labelled.parent / row["image"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]


def test_the_model_card_says_how_the_model_came_about_and_how_good_it_is(trained):
    card = (trained[0] / "README.md").read_text("utf-8")
    assert Model.load(trained[0]).fingerprint in card
    assert "train_heads.py --labels" in card and "CC BY 4.0" in card
    assert "| f32 | " in card
    for head in ("pattern", "shape"):
        figures = json.loads((trained[0] / "figures" / head / "figures.json").read_text("utf-8"))
        assert f"| {head} | {figures['count']} | {figures['accuracy']['value']:.3f} (" in card
    (record,) = json.loads((trained[0] / "training.json").read_text("utf-8"))
    assert record["heads"] == ["pattern", "shape"]
    assert record["split"]["grouped_by"] == "sender"
    assert record["data"]["photos"] == 60 + COPIES
    assert record["recipe"]["first_block"] == "block5"


# --- Training more heads into a model --------------------------------------------------------


def test_further_heads_leave_those_that_are_there_as_they_were(model_copy, labelled, words):
    before = described(model_copy, labelled)
    files = contents(model_copy)
    more = ["--attribute", "fabric", "--attribute", "style", "--separate", "--unfrozen-epochs", 0]
    assert call(*words, "--output", model_copy, *more) == 0

    model = Model.load(model_copy)
    assert model.schema.names == ("pattern", "fabric", "style", "shape")
    assert [branch.heads for branch in model.branches] == [
        ("pattern", "shape"), ("fabric",), ("style",),
    ]  # fmt: skip
    found = described(model_copy, labelled)
    assert all(np.array_equal(found[name], before[name]) for name in ("pattern", "shape"))
    after = contents(model_copy)
    kept = [name for name in files if name.startswith(("figures/", "split-"))]
    assert kept and all(after[name] == files[name] for name in kept)
    assert {f"split-branch-{number}.csv" for number in (1, 2, 3)} <= after.keys()
    records = json.loads((model_copy / "training.json").read_text("utf-8"))
    assert [record["heads"] for record in records] == [["pattern", "shape"], ["fabric", "style"]]
    card = (model_copy / "README.md").read_text("utf-8")
    assert all(f"| {name} |" in card for name in model.heads)


def test_a_head_trained_again_takes_the_old_one_s_place(model_copy, labelled, words, tmp_path):
    before = described(model_copy, labelled)
    write_catalogue(tmp_path / "more", 4, seed=1)
    more = ["--attribute", "pattern", "--unfrozen-epochs", 0]
    more += ["--extra-labels", tmp_path / "more" / "labels.csv"]
    assert call(*words, "--output", model_copy, *more) == 0
    model = Model.load(model_copy)
    assert sorted(branch.heads for branch in model.branches) == [("pattern",), ("shape",)]
    found = described(model_copy, labelled)
    assert np.array_equal(found["shape"], before["shape"])
    assert not np.array_equal(found["pattern"], before["pattern"])
    # Extra photos are trained on and never measured on: no part of the split holds them.
    assert "and 4 more to train on only" in (model_copy / "README.md").read_text("utf-8")
    # Each head is listed under the training that its weights come from.
    records = json.loads((model_copy / "training.json").read_text("utf-8"))
    assert [record["heads"] for record in records] == [["shape"], ["pattern"]]
    (branch,) = [branch.name for branch in model.branches if branch.heads == ("pattern",)]
    measured = rows_of(model_copy / f"split-{branch}.csv")
    assert not any(row["image"].startswith("sample_1_") for row in measured)
    assert len(measured) == 60 + COPIES


# --- Interrupted -----------------------------------------------------------------------------


def follow_until(training, beginning):
    """Read what a training prints up to the line that begins so."""
    lines = []
    for line in training.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    raise AssertionError("".join(lines) + training.stderr.read())


def test_a_killed_training_resumes_and_ctrl_c_keeps_the_best_so_far(words, tmp_path):
    output = tmp_path / "model"
    asked = [*words, "--output", output, "--attribute", "pattern", "--unfrozen-epochs", 50]
    # These few photos teach nothing: without it either run could end by itself first.
    asked += ["--patience", 50]
    killed = start(*asked)
    follow_until(killed, "unfrozen 1/50")
    killed.kill()
    killed.communicate()
    assert not output.exists()

    resumed = start(*asked, "--resume")
    lines = follow_until(resumed, "unfrozen ")
    assert not any(line.startswith("frozen 1/1") for line in lines), "it began anew"
    resumed.send_signal(signal.SIGINT)
    printed, problems = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, problems
    assert "interrupted: going on with the best weights so far" in printed
    assert Model.load(output).heads == ["pattern"]
    history = rows_of(output / "figures" / "pattern" / "history.csv")
    epochs = [int(row["epoch"]) for row in history if row["phase"] == "unfrozen"]
    assert epochs == list(range(1, len(epochs) + 1)) and 2 <= len(epochs) < 50
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def interrupt_the_unfrozen_phase(monkeypatch):
    from fashionnet.network.training import _Watcher

    begin = _Watcher.on_epoch_begin

    def interrupt(watcher, epoch, logs=None):
        if watcher._phase.name == "unfrozen":
            raise KeyboardInterrupt
        begin(watcher, epoch, logs)

    monkeypatch.setattr(_Watcher, "on_epoch_begin", interrupt)


def make_every_measure_worse_than_the_last(monkeypatch):
    from fashionnet.network.training import _Phase

    measures = iter(range(100))

    def validate(phase, model, read):
        accuracy = 1 - next(measures) / 100
        return {"pattern_accuracy": accuracy, "accuracy": accuracy}

    monkeypatch.setattr(_Phase, "validate", validate)


@pytest.mark.parametrize(
    ("spoil", "epochs"),
    [(interrupt_the_unfrozen_phase, 0), (make_every_measure_worse_than_the_last, 2)],
)
def test_an_unfrozen_phase_that_brings_nothing_better_ends_with_the_frozen_heads(
    spoil, epochs, words, labelled, tmp_path, monkeypatch, capfd
):
    asked = [*words, "--attribute", "pattern", "--unfrozen-epochs"]
    assert call(*asked, 0, "--output", tmp_path / "frozen") == 0
    spoil(monkeypatch)
    assert call(*asked, 2, "--output", tmp_path / "unfrozen") == 0
    assert "unfrozen phase starts at validation accuracy pattern" in capfd.readouterr().out
    frozen, unfrozen = (Model.load(tmp_path / name) for name in ("frozen", "unfrozen"))
    for name, array in frozen.weights.items():
        assert np.allclose(unfrozen.weights[name], array, atol=1e-3), name
    history = rows_of(tmp_path / "unfrozen" / "figures" / "pattern" / "history.csv")
    assert [row["epoch"] for row in history if row["phase"] == "unfrozen"] == [
        str(epoch + 1) for epoch in range(epochs)
    ]


def test_ctrl_c_before_anything_is_trained_is_one_line(words, model_copy, monkeypatch, capfd):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    before = contents(model_copy)
    monkeypatch.setattr(FrozenFeatures, "compute", interrupt)
    assert call(*words, "--output", model_copy, "--attribute", "fabric") == 130
    assert capfd.readouterr().err == "fashionnet: interrupted\n"
    assert contents(model_copy) == before


# --- Wrong requests --------------------------------------------------------------------------


def one_unknown_class(rows):
    rows[4]["pattern"] = "plaid"


def no_image_column(rows):
    for row in rows:
        row["photo"] = row.pop("image")


def no_attribute_column(rows):
    for row in rows:
        for name in ("pattern", "fabric", "style", "shape"):
            del row[name]


def conflicting_rows(rows):
    other = "solid" if rows[3]["pattern"] != "solid" else "floral"
    rows.append({**rows[3], "pattern": other})


def missing_photo(rows):
    rows[2]["image"] = "gone.jpg"


def photo_outside(rows):
    rows[2]["image"] = "../labelled.jpg"


def one_class(rows):
    for row in rows:
        row["pattern"] = "solid" if row["pattern"] == "solid" else ""


def two_photos_of_a_class(rows):
    striped = [row for row in rows if row["pattern"] == "striped"]
    for row in striped[2:]:
        row["pattern"] = ""


def few_labels(rows):
    for row in rows[8:]:
        row["pattern"] = ""
    for row, name in zip(rows, ["solid", "striped"] * 4, strict=False):
        row["pattern"] = name


def no_rows(rows):
    for row in rows[1:]:
        rows.remove(row)
    rows[0] = dict.fromkeys(rows[0], "")


WRONG_LABELS = {
    one_unknown_class: "line 6: pattern has no class 'plaid': expected one of checkered",
    no_image_column: "no column 'image'",
    no_attribute_column: "no column for any of the attributes",
    conflicting_rows: "but the same photo has",
    missing_photo: "1 of 64 photos are missing, such as",
    photo_outside: "lies outside",
    one_class: "pattern: only 'solid' has labelled photos",
    two_photos_of_a_class: "pattern: too few labelled photos of 'striped' (2)",
    few_labels: "label more photos",
    no_rows: "no rows under the column names",
}


def refusal(capfd, *words):
    """The one line that a wrong request brings."""
    capfd.readouterr()
    code = call(*words)
    problems = capfd.readouterr().err
    assert code == 2
    assert problems.startswith("fashionnet: ") and problems.count("\n") == 1, problems
    return problems


@pytest.mark.parametrize(
    ("spoil", "said"), WRONG_LABELS.items(), ids=[spoil.__name__ for spoil in WRONG_LABELS]
)
def test_wrong_labels_are_refused(spoil, said, words, labelled, model_copy, tmp_path, capfd):
    rows = rows_of(labelled)
    spoil(rows)
    path = tmp_path / "wrong.csv"
    write_rows(path, rows)
    before = contents(tmp_path)
    asked = ["--labels", path, "--images", labelled.parent, "--output", model_copy]
    assert said in refusal(capfd, *words, *asked, "--attribute", "pattern")
    assert contents(tmp_path) == before
    assert {item.name for item in tmp_path.iterdir()} == {"wrong.csv", "model"}


WRONG_WORDS = {
    "--labels gone.csv": "gone.csv: no such file or directory",
    "--labels empty": "empty: folders of classes have no column 'sender' to group by",
    "--images gone": "gone: no such folder of photos",
    "--attribute colour": "no attribute 'colour'",
    "--attribute relevant": "no labels for it",
    "--group person": "no column 'person' to group by",
    "--schema gone.toml": "gone.toml",
    "--trunk-weights gone.h5": "gone.h5: no such file",
    "--trunk-weights notes.txt": "not VGG16's weights",
    "--trunk-weights other.h5": "other weights than the trunk weights given",
    "--frozen-epochs 0": "--frozen-epochs 0: at least 1",
    "--batch-size -3": "--batch-size -3: at least 1",
    "--seed 4294967296": "--seed 4294967296: at most 4294967295",
    "--output photos": "not empty and not a model folder",
    "--output notes.txt": "notes.txt: not a directory",
    "--output damaged": "damaged",
    "--resume": "no interrupted training",
}


@pytest.fixture(scope="module")
def other_trunk_file(trunk_file, tmp_path_factory):
    import h5py

    path = tmp_path_factory.mktemp("other") / "other.h5"
    shutil.copy(trunk_file, path)
    with h5py.File(path, "r+") as file:
        file["block1_conv1/block1_conv1/bias:0"][:] += 1
    return path


@pytest.mark.parametrize(("asked", "said"), WRONG_WORDS.items(), ids=WRONG_WORDS)
def test_wrong_options_are_refused(
    asked, said, words, model_copy, few_photos, other_trunk_file, tmp_path, capfd, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("notes.txt").write_text("not what is asked for")
    Path("damaged").mkdir()
    Path("damaged/model.json").write_text("{")
    Path("empty").mkdir()
    Path("other.h5").symlink_to(other_trunk_file)
    before, names = contents(tmp_path), {path.name for path in tmp_path.iterdir()}
    attribute = [] if "--attribute" in asked else ["--attribute", "pattern"]
    common = [*words, "--output", model_copy, *attribute]
    assert said in refusal(capfd, *common, *asked.split())
    assert contents(tmp_path) == before
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_head_of_relevance_alone_makes_no_model(words, labelled, tmp_path, capfd):
    rows = rows_of(labelled)
    for row in rows[::2]:
        row["relevant"] = "no"
    write_rows(tmp_path / "labels.csv", rows)
    asked = ["--labels", tmp_path / "labels.csv", "--images", labelled.parent]
    asked += ["--output", tmp_path / "model", "--attribute", "relevant"]
    assert "needs an attribute beside 'relevant'" in refusal(capfd, *words, *asked)
    assert not (tmp_path / "model").exists()


def test_all_names_every_head_that_the_labels_know(words, labelled, tmp_path, capfd, monkeypatch):
    asked = []

    def keep(request):
        asked.extend(request.heads)
        return {}

    monkeypatch.setattr("fashionnet.network.heads_training.train_heads", keep)
    assert call(*words, "--output", tmp_path / "model", "--attribute", "all") == 0
    assert asked == ["pattern", "fabric", "style", "shape"]


def test_one_attribute_is_trained_from_folders_though_another_has_one_class(
    words, drawn, tmp_path, monkeypatch
):
    rows = rows_of(drawn / "labels.csv")
    for row in rows:
        shape = ["shape/sleeveless"] if row["shape"] == "sleeveless" else []
        for folder in (f"pattern/{row['pattern']}", *shape):
            (tmp_path / "labels" / folder).mkdir(parents=True, exist_ok=True)
            shutil.copy(drawn / row["image"], tmp_path / "labels" / folder)
    asked = []
    monkeypatch.setattr(
        "fashionnet.network.heads_training.train_heads",
        lambda request: asked.append((request.heads, request.labels.schema.names)) or {},
    )
    for name in ("neckline/round", "neckline/boat"):
        (tmp_path / "labels" / name).mkdir(parents=True)
        shutil.copy(drawn / rows[0 if "round" in name else 1]["image"], tmp_path / "labels" / name)
    common = [*words[2:-2], "--labels", tmp_path / "labels", "--output", tmp_path / "model"]
    assert call(*common, "--attribute", "pattern") == 0
    assert call(*common, "--attribute", "neckline") == 0
    assert call(*common) == 0
    default = ("pattern", "fabric", "style", "shape")
    assert asked == [
        (["pattern"], default),
        (["neckline"], (*default, "neckline")),
        (["pattern", "shape", "neckline"], (*default, "neckline")),
    ]


@pytest.mark.parametrize(
    ("program", "shown"),
    [
        (["/home/me/FashionNet/train_heads.py"], "python train_heads.py"),
        (["/x/fashionnet/__main__.py", "train"], "python -m fashionnet train"),
        (["/usr/bin/fashionnet", "train"], "python -m fashionnet train"),
    ],
)
def test_the_command_on_the_card_can_be_copied_to_another_machine(program, shown):
    options = ["--labels", "my labels.csv", "--cache=/tmp/c", "--output", "m", "--views", "2"]
    command = _command([*program, *options, "--trunk-weights", "/home/me/vgg16.h5", "--seed", "1"])
    assert command == f"{shown} --labels 'my labels.csv' --output m --views 2 --seed 1"


class _NoDevices:
    """Keras under PyTorch, where `list_devices` fails as it does there."""

    def list_devices(self, kind):
        raise AttributeError("'NoneType' object has no attribute 'list_devices'")


@pytest.mark.parametrize("cuda", [True, False])
def test_on_pytorch_the_gpu_is_asked_of_pytorch(cuda, monkeypatch):
    torch = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: cuda))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    monkeypatch.setattr("keras.distribution", _NoDevices())
    from fashionnet.network.training import has_gpu

    assert has_gpu() == cuda


def test_a_backend_that_knows_no_devices_has_no_gpu(monkeypatch):
    monkeypatch.setattr("keras.distribution", _NoDevices())
    from fashionnet.network.training import has_gpu

    assert has_gpu() is False


def test_without_trunk_weights_and_internet_one_line_says_what_to_do(labelled, tmp_path):
    environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    environment.pop("FASHIONNET_TRUNK_WEIGHTS", None)
    # Nothing listens there, which is what a machine without internet looks like.
    environment |= {"https_proxy": "http://127.0.0.1:9", "KERAS_HOME": str(tmp_path / "keras")}
    command = [sys.executable, ROOT / "train_heads.py", "--labels", labelled, "--output"]
    done = subprocess.run(
        [str(word) for word in [*command, tmp_path / "model"]],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("fashionnet: ") and done.stderr.count("\n") == 1, done.stderr
    assert "--trunk-weights FILE" in done.stderr and "FASHIONNET_TRUNK_WEIGHTS" in done.stderr
    assert not (tmp_path / "model").exists()


def test_photos_whose_names_are_no_text_are_recorded(tmp_path):
    names = ["caf\udce9.jpg", "été.jpg"]
    labels = SimpleNamespace(names=names, relevance=np.ones(2), codes={"pattern": np.zeros(2)})
    assert len(_labels_fingerprint(labels)) == 16
    branch = SimpleNamespace(name="all")
    _write_splits(tmp_path, [branch], labels, ["0" * 64] * 2, np.array(["train", "test"]))
    assert [row["image"] for row in rows_of(tmp_path / "split-all.csv")] == [
        "caf\\udce9.jpg",
        "été.jpg",
    ]


def test_a_trained_model_is_pruned(trained, labelled, words, tmp_path, monkeypatch, capsys):
    source, _, _ = trained
    before = contents(source)
    monkeypatch.setattr("fashionnet.cli.prune.PHOTOS_FITTED_TO", 3)
    asked = ["prune", "--model", source, "--labels", labelled, "--share", 0.5]
    asked = [str(word) for word in [*asked, "--output", tmp_path / "fast"]]
    assert main(asked) == 0
    assert contents(source) == before
    pruned, whole = Model.load(tmp_path / "fast"), Model.load(source)
    assert pruned.fingerprint != whole.fingerprint
    assert 2 * pruned.weights["trunk/block3_conv1/bias"].size == 256
    card = (tmp_path / "fast" / "README.md").read_text()
    assert f"50.0% of the filters of model {whole.fingerprint} were removed" in card
    assert json.loads((tmp_path / "fast" / "figures/pattern/figures.json").read_text())["count"]
    capsys.readouterr()
    assert main(asked) == 2
    assert "exists already; name a new folder" in capsys.readouterr().err
    text = labelled.read_text().replace("pattern", "motif", 1)
    (labelled.parent / "motif.csv").write_text(text)
    asked[asked.index(str(labelled))] = str(labelled.parent / "motif.csv")
    asked[-1] = str(tmp_path / "other")
    assert main(asked) == 2
    assert "part has a label of pattern" in capsys.readouterr().err
    # Its trunk is narrower: no head can be added to it.
    training = start(*words, "--output", tmp_path / "fast", "--attribute", "style")
    assert training.wait(timeout=400) == 2
