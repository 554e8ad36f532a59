"""`fashionnet describe` and what is beneath it, on drawn photos and a model of random weights."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from handmade import ColourNetwork
from PIL import Image as pillow

from fashionnet.cli import main
from fashionnet.describing import describe_photos
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.photos import PHOTOS_AHEAD, fingerprint
from fashionnet.schema import Schema

ROOT = Path(__file__).parents[1]


def describe(capfd, *words):
    """Run the command; return its exit code, what it printed and its lines on stderr."""
    capfd.readouterr()
    code = main(["describe", *(str(word) for word in words)])
    printed, problems = capfd.readouterr()
    return code, printed, problems.splitlines()


def test_csv_has_a_row_a_photo_and_the_columns_that_are_documented(few_photos, tiny_model, capfd):
    code, printed, problems = describe(capfd, few_photos, "--model", tiny_model, "--format", "csv")
    assert (code, problems) == (0, [])
    schema = Schema.default()
    rows = list(csv.DictReader(io.StringIO(printed)))
    names = [column for name in schema.names for column in (name, f"{name}_probability")]
    assert list(rows[0]) == ["image", "relevant", *names]
    assert [row["image"] for row in rows] == [str(path) for path in sorted(few_photos.iterdir())]
    for row in rows:
        assert row["relevant"] in ("yes", "no")
        for attribute in schema:
            assert row[attribute.name] in attribute.classes
            share = float(row[f"{attribute.name}_probability"])
            assert 1 / len(attribute.classes) - 1e-3 <= share <= 1


def test_json_adds_all_probabilities(few_photos, tiny_model, capfd):
    photo = few_photos / "ленты 红.jpg"
    sorted(few_photos.iterdir())[0].rename(photo)
    code, printed, _ = describe(capfd, photo, "--model", tiny_model, "--format", "json")
    assert code == 0 and "ленты 红.jpg" in printed
    (row,) = json.loads(printed)
    assert row["image"] == str(photo)
    for attribute in Schema.default():
        said = row["attributes"][attribute.name]
        assert tuple(said["probabilities"]) == attribute.classes
        assert sum(said["probabilities"].values()) == pytest.approx(1, abs=1e-3)
        assert said["probabilities"][said["class"]] == max(said["probabilities"].values())
        assert said["probability"] == said["probabilities"][said["class"]]
    assert (row["relevant"] == "yes") == (row["relevant_probability"] >= 0.5)


def test_the_three_formats_say_the_same(few_photos, tiny_model, capfd, monkeypatch):
    monkeypatch.chdir(few_photos)
    asked = [".", "--model", tiny_model, "--format"]
    table = describe(capfd, *asked[:-1])[1].splitlines()
    rows = list(csv.DictReader(io.StringIO(describe(capfd, *asked, "csv")[1])))
    documents = json.loads(describe(capfd, *asked, "json")[1])
    for row, document in zip(rows, documents, strict=True):
        (line,) = [line for line in table if row["image"] in line]
        assert row["relevant"] == document["relevant"]
        for name, said in document["attributes"].items():
            assert row[name] == said["class"]
            assert float(row[f"{name}_probability"]) == said["probability"]
            assert f"{said['class']} {said['probability']:.2f}" in line


def test_unreadable_photos_are_named_and_the_others_described(few_photos, tiny_model, capfd):
    (few_photos / "empty.jpg").touch()
    (few_photos / "text.png").write_text("no photo")
    code, printed, problems = describe(capfd, few_photos, "--model", tiny_model, "--format", "csv")
    assert code == 0
    assert problems == [
        f"fashionnet: {few_photos / 'empty.jpg'}: empty file; left out",
        f"fashionnet: {few_photos / 'text.png'}: not a photo, or its header is damaged; left out",
    ]
    assert len(printed.splitlines()) == 1 + 4


@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_where_no_photo_can_be_read_the_exit_code_is_one(tmp_path, tiny_model, capfd, form):
    (tmp_path / "a.jpg").write_text("no photo")
    code, _, problems = describe(capfd, tmp_path, "--model", tiny_model, "--format", form)
    assert code == 1
    assert len(problems) == 1 and "a.jpg: not a photo" in problems[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["empty"], "empty: no photo found"),
        (["notes"], "notes: no photo found"),
        (["gone"], "gone: no such file or folder"),
        (["photos", "gone.jpg"], "gone.jpg: no such file or folder"),
        (["photos", "--model", "gone"], "model gone: model.json is missing"),
        (["photos", "--model", "notes"], "model notes: model.json is missing"),
        (["photos", "--model", "notes/a.txt"], "model notes/a.txt: not a directory"),
    ],
)
def test_a_wrong_request_is_one_line(few_photos, tmp_path, monkeypatch, capfd, words, said):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("notes").mkdir()
    Path("notes/a.txt").write_text("not a photo")
    code, printed, problems = describe(capfd, *words)
    assert (code, printed) == (2, "")
    assert len(problems) == 1 and problems[0].startswith("fashionnet: ")
    assert said in problems[0].replace("Not a directory", "not a directory")


def test_describing_imports_neither_tensorflow_nor_keras(few_photos, tiny_model):
    program = (
        "import sys; from fashionnet.cli import main; code = main(sys.argv[1:]);"
        "heavy = {'tensorflow', 'keras', 'jax', 'torch', 'sklearn', 'matplotlib', 'pandas'};"
        "print('imported', sorted(heavy & set(sys.modules)), code)"
    )
    words = ["describe", few_photos, "--model", tiny_model, "--format", "csv"]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, words)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.splitlines()[-1] == "imported [] 0", done.stderr
    assert done.stderr == ""


def test_a_name_that_is_no_text_is_printed_all_the_same(few_photos, tiny_model):
    photo = sorted(few_photos.iterdir())[0]
    photo.rename(few_photos / os.fsdecode(b"caf\xe9.jpg"))
    words = ["-m", "fashionnet", "describe", few_photos, "--model", tiny_model, "--format"]
    for form in ("csv", "table"):
        done = subprocess.run(
            [sys.executable, *map(str, words), form],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert "caf" in done.stdout


def test_names_of_photos_give_a_terminal_no_commands(few_photos, tiny_model, capfd):
    photo = sorted(few_photos.iterdir())[0]
    photo.rename(few_photos / "a\x1b[31mred.jpg")
    (few_photos / "b\x1b]0;title\x07.jpg").touch()
    code, printed, problems = describe(capfd, few_photos, "--model", tiny_model)
    assert code == 0 and "red.jpg" in printed and "title" in problems[0]
    assert not set("\x1b\x07") & set(printed + problems[0])


# --- The library's own door ------------------------------------------------------------------


def test_photos_keep_their_order_and_their_vectors(tmp_path):
    colours = [(200, 0, 0), (0, 200, 0), (0, 0, 200)]
    photos = []
    for number in range(3 * PHOTOS_AHEAD):
        photos.append(tmp_path / f"{number % 7} {number}.png")
        if number % 5 == 4:
            photos[-1].write_text("no photo")
        else:
            pillow.new("RGB", (50 + number, 40), colours[number % 3]).save(photos[-1])
    steps = []
    described = describe_photos(ColourNetwork(), photos, steps.append)
    readable = [number for number in range(len(photos)) if number % 5 != 4]
    assert described.photos == [photos[number] for number in readable]
    assert described.vectors.codes[:, 0].tolist() == [(1, 2, 4)[n % 3] for n in readable]
    assert described.fingerprints == [fingerprint(path.read_bytes()) for path in described.photos]
    assert [item.photo for item in described.left_out] == photos[4::5]
    assert sum(steps) == len(photos)


def test_a_photo_is_described_alike_from_disk_and_from_memory(drawn, tiny_model):
    photos = sorted(drawn.glob("*.jpg"))[:3]
    network = CompiledNetwork.open(tiny_model)
    from_disk = describe_photos(network, photos).vectors
    images = [np.asarray(pillow.open(photo).convert("RGB")) for photo in photos]
    assert np.array_equal(from_disk.probabilities, network.describe(images).probabilities)


def test_no_photo_is_no_row():
    described = describe_photos(ColourNetwork(), [])
    assert len(described.vectors) == 0 and described.photos == [] and described.left_out == []
