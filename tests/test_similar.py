import argparse
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from handmade import ColourNetwork, items_of, paint, paint_shop, vectors_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fashionnet.cli import similar as command
from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.repository.store import Repository
from fashionnet.similarity import most_similar


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A repository of four shades each of red, green and blue."""
    monkeypatch.setattr(CompiledNetwork, "open", lambda *_: ColourNetwork())
    paint_shop(tmp_path / "shop")
    Repository.build(tmp_path / "shop", tmp_path / "repository", ColourNetwork())
    return tmp_path


def call(place, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = [str(word) for word in words]
    return command.run(parser.parse_args(["--repository", str(place / "repository"), *words]))


def document(place, *words):
    assert call(place, *words, "--output", place / "out.json") == 0
    return json.loads((place / "out.json").read_text("utf-8"))


def found(place, *words):
    return [item["id"] for item in document(place, *words)["similar"]]


# --- Nearest items ----------------------------------------------------------------------------


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(-2, 2), st.integers(1, 3)), min_size=1, max_size=30),
    st.integers(1, 12),
    st.booleans(),
)
def test_the_most_similar_are_those_of_a_full_sort_by_cosine(points, top, leave_out):
    items = items_of(vectors_of([[0, 0, 0, 0]] * len(points), np.array(points, float)))
    query = items.vectors.embeddings[0]
    similar = most_similar(items, query, top, leave_out="00000" if leave_out else None)
    cosines = [round(float(row @ query), 6) for row in items.vectors.embeddings]
    rows = range(1, len(points)) if leave_out else range(len(points))
    expected = sorted(rows, key=lambda row: (-cosines[row], row))[:top]
    assert np.allclose(similar.likeness, [cosines[row] for row in expected], atol=2e-6)
    assert len(set(similar.ids)) == len(similar) == min(top, len(rows))
    assert similar.compared == len(rows)
    assert not (leave_out and "00000" in similar.ids)


def test_items_of_equal_likeness_stay_in_order():
    items = items_of(vectors_of([[0, 0, 0, 0]] * 50, np.ones((50, 3))))
    similar = most_similar(items, items.vectors.embeddings[0], 5, leave_out="00002")
    assert similar.ids == ["00000", "00001", "00003", "00004", "00005"]


def test_memory_grows_with_the_items_not_with_their_pairs():
    items = items_of(vectors_of([[0, 0, 0, 0]] * 20_000, size=4))
    tracemalloc.start()
    try:
        most_similar(items, items.vectors.embeddings[7], 10)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * 20_000


def test_an_embedding_of_another_size_is_refused():
    items = items_of(vectors_of([[0, 0, 0, 0]] * 3, size=8))
    with pytest.raises(RequestError, match="embedding has 4 numbers, the items' have 8"):
        most_similar(items, np.ones(4, np.float32), 2)


def test_a_repository_finds_what_is_like_one_of_its_items(place):
    similar = Repository.open(place / "repository").similar("red 180", top=3)
    assert len(similar) == len(similar.likeness) == 3
    assert all(name.startswith("red") and name != "red 180" for name in similar.ids)
    assert (np.diff(similar.likeness) <= 0).all()


# --- The command ------------------------------------------------------------------------------


def test_an_item_brings_the_items_like_it_and_not_itself(place):
    ids = found(place, "green 120", "--top", 3)
    assert sorted(ids) == ["green 180", "green 240", "green 60"]
    assert len(found(place, "green 120", "--top", 100)) == 11


def test_a_photo_brings_the_item_of_the_same_picture_first(place):
    paint(place / "mine.png", (0, 0, 180))
    shown = document(place, place / "mine.png", "--top", 2)
    assert shown["query"]["photo"] == "mine.png"
    first = shown["similar"][0]
    assert first["id"] == "blue 180"
    assert first["likeness"] == pytest.approx(1, abs=1e-3)
    assert first["reason"] == "solid, cotton, casual, full-sleeve"


def test_an_item_outside_the_filter_can_be_the_query(place):
    ids = found(place, "red 60", "--where", "pattern = 'floral'", "--top", 20)
    assert sorted(ids) == ["green 120", "green 180", "green 240", "green 60"]


def test_a_shift_walks_to_another_colour_and_says_so(place, capsys):
    shown = document(place, "red 60", "--top", 4, "--shift", "pattern=solid:3")
    assert [item["id"].split()[0] for item in shown["similar"]] == ["blue"] * 4
    assert shown["shifts"] == [{"attribute": "pattern", "class_name": "solid", "strength": 3.0}]
    printed = " ".join(capsys.readouterr().out.split())
    assert "most like red 60 shifted by pattern=solid:3" in printed
    first = shown["similar"][0]
    assert first["score"] > first["likeness"]
    assert "rank item score reason" in printed


def test_the_table_and_every_output_show_what_was_asked_and_found(place, capsys):
    paint(place / "mine.png", (200, 0, 0))
    for suffix in (".html", ".png", ".jpg", ".csv", ".json"):
        assert call(place, place / "mine.png", "--output", place / f"out{suffix}") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].strip() == "5 of 12 items, most like mine.png"
    assert printed[1].split() == ["rank", "item", "likeness", "reason"]
    page = (place / "out.html").read_text("utf-8")
    assert "<h1>Alike</h1>" in page and page.count("<img") == 1 + 5
    assert "style profile" not in page
    assert "likeness <strong>" in page
    with Image.open(place / "out.png") as sheet:
        red = np.asarray(sheet.convert("RGB")).astype(int)
    assert (abs(red - [200, 0, 0]).max(axis=2) < 5).any()
    assert (place / "out.csv").read_text("utf-8").startswith("rank,id,photo,score,likeness")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("yellow 60",), r"no item 'yellow 60'.*ids are like 'blue 120'"),
        (("{place}/shop",), "no item .*name one of its items, or a photo"),
        (("gone.jpg",), "gone.jpg: no such photo, and no item of"),
        (("red 60", "--top", "0"), "top is 0"),
        (("red 60", "--output", "{place}/out.pdf"), "expected a file ending in .html"),
        (("red 60", "--where", "colour = 'red'"), "no column colour"),
        (("red 60", "--shift", "pattern=plaid"), "pattern has no class 'plaid'"),
        (("red 60", "--shift", "fabric=lace"), "no item of the repository is lace"),
        (("red 60", "--repository", "{place}/shop"), "not a repository"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line(place, words, what):
    with pytest.raises(RequestError, match=what) as caught:
        call(place, *(word.format(place=place) for word in words))
    assert "\n" not in str(caught.value)


def test_a_photo_for_another_model_is_refused_by_name(place, monkeypatch):
    paint(place / "mine.png", (200, 0, 0))
    monkeypatch.setattr(ColourNetwork, "fingerprint", "f" * 16)
    with pytest.raises(RequestError, match=f"{'f' * 16}.*0123456789abcdef"):
        call(place, place / "mine.png")


def test_a_broken_photo_is_named_and_ends_with_one(place, capsys):
    (place / "broken.jpg").write_text("no photo")
    assert call(place, place / "broken.jpg") == 1
    assert "broken.jpg: not a photo" in capsys.readouterr().err


def test_a_photo_of_no_garment_is_searched_with_a_note(place, capsys):
    paint(place / "black.png", (0, 0, 0))
    assert call(place, place / "black.png") == 0
    assert "black.png shows no single garment" in capsys.readouterr().err


def test_no_other_item_ends_with_one(place, capsys):
    assert call(place, "red 60", "--where", "id = 'red 60'") == 1
    assert "no other relevant item that meets --where" in capsys.readouterr().err


def test_without_a_repository_drawn_items_are_searched_and_drawn(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    items = Repository.open(parser.get_default("repository")).items()
    words = [items.ids[0], "--top", "2", "--output", str(tmp_path / "out.html")]
    assert command.run(parser.parse_args(words)) == 0
    assert "drawn sample items" in capsys.readouterr().err
    assert (tmp_path / "out.html").read_text("utf-8").count("<img") == 3
    assert len(list(Path(tmp_path / "cache").rglob("*.jpg"))) == 3
