import argparse
import json
from pathlib import Path

import pytest
from handmade import ColourNetwork, paint, paint_shop

from fashionnet.cli import recommend as command
from fashionnet.cli.main import run_command
from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.profile import StyleProfile
from fashionnet.repository.store import Repository
from fashionnet.samples.collection import SampleCatalogue
from fashionnet.samples.shipped import build_sample_repository

WARDROBE = Path(__file__).parents[1] / "examples" / "wardrobe"


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(CompiledNetwork, "open", lambda *_: ColourNetwork())
    paint_shop(tmp_path / "shop")
    Repository.build(tmp_path / "shop", tmp_path / "repository", ColourNetwork())
    paint(tmp_path / "mes vêtements" / "a.png", (150, 0, 0))
    paint(tmp_path / "mes vêtements" / "b.png", (90, 0, 0))
    return tmp_path


def call(place, *words):
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = [str(word) for word in words]
    return command.run(parser.parse_args(["--repository", str(place / "repository"), *words]))


def recommended(place, *words):
    assert call(place, "--output", place / "out.json", *words) == 0
    document = json.loads((place / "out.json").read_text("utf-8"))
    return [item["id"] for item in document["recommendations"]]


def test_red_clothes_bring_red_items_and_the_reason(place, capsys):
    assert call(place, place / "mes vêtements", "--top", 4) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[2:]]
    assert [row[1] for row in rows] == ["red"] * 4
    assert "striped 2 of 2" in " ".join(rows[0])


def test_a_saved_profile_recommends_the_same_without_the_photos(place):
    first = recommended(place, place / "mes vêtements", "--profile", place / "me.json")
    for photo in (place / "mes vêtements").iterdir():
        photo.unlink()
    assert recommended(place, "--profile", place / "me.json") == first


def test_disliked_clothes_go_to_the_end(place):
    paint(place / "no" / "green.png", (0, 150, 0))
    found = recommended(place, place / "mes vêtements", "--unlike", place / "no", "--top", 12)
    assert [name.split()[0] for name in found[-4:]] == ["green"] * 4


@pytest.fixture
def disliking(place, capsys):
    """A saved profile of someone who wears red and dislikes green."""
    paint(place / "no" / "green.png", (0, 150, 0))
    call(place, place / "mes vêtements", "--unlike", place / "no", "--profile", place / "me.json")
    assert f"profile saved: {place / 'me.json'}\n" in capsys.readouterr().err
    return place / "me.json"


def test_new_photos_replace_the_liked_ones_of_a_profile_and_keep_the_disliked(
    place, disliking, capsys
):
    paint(place / "new" / "blue.png", (0, 0, 140))
    found = recommended(place, place / "new", "--profile", disliking, "--top", 12)
    assert f"profile replaced: {disliking}; its disliked photos stay (1)" in capsys.readouterr().err
    assert [name.split()[0] for name in (found[0], found[-1])] == ["blue", "green"]
    saved = StyleProfile.load(disliking)
    assert saved.liked.names == ("blue.png",) and saved.disliked.names == ("green.png",)


def test_dislikes_that_cannot_be_used_drop_none_that_were_saved(place, disliking):
    before = disliking.read_bytes()
    (place / "bad").mkdir()
    (place / "bad" / "broken.jpg").write_text("no photo")
    assert call(place, "--unlike", place / "bad", "--profile", disliking) == 0
    assert disliking.read_bytes() == before
    photos = place / "mes vêtements"
    assert call(place, photos, "--unlike", place / "bad", "--profile", disliking) == 0
    assert StyleProfile.load(disliking).disliked.names == ("green.png",)


def test_dislikes_alone_are_saved_in_the_profile(place, capsys):
    profile = place / "me.json"
    call(place, place / "mes vêtements", "--profile", profile)
    paint(place / "no" / "blue.png", (0, 0, 150))
    capsys.readouterr()
    first = recommended(place, "--unlike", place / "no", "--profile", profile)
    assert f"profile updated: {profile}\n" in capsys.readouterr().err
    assert StyleProfile.load(profile).disliked.names == ("blue.png",)
    assert recommended(place, "--profile", profile) == first


def test_dislikes_described_by_another_model_are_not_dropped(place, disliking):
    document = json.loads(disliking.read_text("utf-8"))
    disliking.write_text(json.dumps(document | {"model": "f" * 16}))
    before = disliking.read_bytes()
    with pytest.raises(RequestError, match="the profile was made with model ffff"):
        call(place, place / "mes vêtements", "--profile", disliking)
    assert disliking.read_bytes() == before


def test_items_that_the_person_showed_are_left_out(place):
    found = recommended(place, place / "shop" / "red 180.png", "--top", 12)
    assert "red 180" not in found
    assert len(found) == 11


def test_broken_and_irrelevant_photos_are_passed_over_with_a_line_each(place, capsys):
    paint(place / "mes vêtements" / "black.png", (0, 0, 0))
    (place / "mes vêtements" / "broken.jpg").write_text("no photo")
    assert call(place, place / "mes vêtements") == 0
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert any("broken.jpg: not a photo" in line for line in lines)
    assert any("black.png: shows no single garment" in line for line in lines)


def test_nothing_usable_ends_with_one_and_saves_no_profile(place, capsys):
    (place / "bad").mkdir()
    (place / "bad" / "broken.jpg").write_text("no photo")
    assert call(place, place / "bad", "--profile", place / "me.json") == 1
    assert "none of the photos" in capsys.readouterr().err
    assert not (place / "me.json").exists()


def test_no_item_left_ends_with_one(place, capsys):
    assert call(place, place / "mes vêtements", "--where", "pattern = 'stripes'") == 1
    said = capsys.readouterr().err
    assert "no item is left" in said
    assert "no item has pattern 'stripes', the nearest is 'striped'" in said


def test_varied_items_are_said_to_be_out_of_the_order_of_scores(place, capsys):
    photos = place / "mes vêtements"
    assert call(place, photos) == 0
    assert "varied" not in capsys.readouterr().out
    assert call(place, photos, "--diversity", "0.5", "--output", place / "out.html") == 0
    note = "varied (diversity 0.5): not in the order of scores"
    assert note in " ".join(capsys.readouterr().out.split())
    assert note in (place / "out.html").read_text()


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ((), "name the photos"),
        (("{photos}", "--weight", "pattern"), "expected NAME=NUMBER"),
        (("{photos}", "--weight", "colour=2"), "no attribute 'colour'"),
        (("{photos}", "--weight", "pattern=nan"), "weight of pattern is nan"),
        (("{place}/me.json",), "give a saved style profile with --profile"),
        (("{photos}", "--top", "0"), "top is 0"),
        (("{photos}", "--diversity", "2"), "diversity is 2"),
        (("{photos}", "--output", "{place}/out.pdf"), "out.pdf: expected a file ending in .html"),
        (("{photos}", "--where", "nonsense = ("), "nonsense"),
        (("{place}/nowhere",), "no such file or folder"),
        (("--profile", "{place}/nowhere.json"), "no such file"),
        (("{photos}", "--repository", "{place}/shop"), "shop"),
        (("{photos}", "--profile", "{photos}/a.png"), "not a style profile"),
        (("{photos}", "--profile", "{place}/nowhere/me.json"), "no folder"),
    ],
)
def test_a_wrong_request_is_refused_in_one_line_before_any_photo_is_described(
    place, words, what, monkeypatch
):
    monkeypatch.setattr(ColourNetwork, "describe", lambda *_: pytest.fail("photos were described"))
    words = [word.format(place=place, photos=place / "mes vêtements") for word in words]
    with pytest.raises(RequestError, match=what) as caught:
        call(place, *words)
    assert "\n" not in str(caught.value)
    assert (place / "mes vêtements" / "a.png").read_bytes().startswith(b"\x89PNG")


def test_another_model_than_the_repositorys_is_refused_by_name(place, monkeypatch):
    monkeypatch.setattr(ColourNetwork, "fingerprint", "f" * 16)
    monkeypatch.setattr(ColourNetwork, "describe", lambda *_: pytest.fail("photos were described"))
    with pytest.raises(RequestError, match=f"{'f' * 16}.*0123456789abcdef"):
        call(place, place / "mes vêtements")


def test_without_a_repository_drawn_items_with_real_pictures_are_recommended(
    place, monkeypatch, capsys
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.setattr(command, "SAMPLE_REPOSITORY", place / "samples")
    build_sample_repository(place / "samples", ColourNetwork(), count=4)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = [str(place / "mes vêtements"), "--top", "2", "--output", str(place / "out.json")]
    assert command.run(parser.parse_args(words)) == 0
    assert "recommending from 4 drawn sample items" in capsys.readouterr().err
    found = json.loads((place / "out.json").read_text("utf-8"))["recommendations"]
    photos = [Path(item["photo"]) for item in found]
    assert len(photos) == 2
    assert sorted(photos) == sorted((place / "cache").rglob("*.jpg"))


def test_the_sample_repository_is_known_by_a_relative_path(place, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(place / "cache"))
    monkeypatch.setattr(command, "SAMPLE_REPOSITORY", place / "samples")
    build_sample_repository(place / "samples", ColourNetwork(), count=4)
    monkeypatch.chdir(place)
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    words = ["mes vêtements", "--repository", "samples", "--output", "out.html"]
    assert command.run(parser.parse_args(words)) == 0
    assert "drawn sample items" in capsys.readouterr().err
    assert list((place / "cache").rglob("*.jpg"))


def test_the_example_wardrobe_brings_checks_and_stripes_with_long_sleeves(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    output = tmp_path / "out.json"
    assert run_command("recommend", [str(WARDROBE), "--output", str(output)]) == 0
    found = json.loads(output.read_text("utf-8"))["recommendations"]
    drawn = [SampleCatalogue().classes(int(item["id"].rpartition("_")[2])) for item in found]
    like_the_wardrobe = [
        classes[0] in ("checkered", "striped") and classes[3] == "full-sleeve" for classes in drawn
    ]
    assert len(found) == 10
    assert sum(like_the_wardrobe) >= 8
    assert all(Path(item["photo"]).is_file() for item in found)
