"""The colours of garments, and searches by them."""

import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from handmade import ColourNetwork
from PIL import Image, ImageDraw

from fashionnet.errors import RequestError
from fashionnet.repository.store import Repository
from fashionnet.similarity import Shift
from fashionnet.similarity.colours import NAMED_COLOURS, colour_named, garment_colours

DATA = Path(__file__).parents[2] / "shared" / "data" / "catalogue"
needs_catalogue = pytest.mark.skipif(not DATA.is_dir(), reason=f"no catalogue of photos in {DATA}")


def garment(colour, background="white", second=None, size=(240, 320)):
    """A shirt of one colour, half of it of a second one, before a background."""
    picture = Image.new("RGB", size, background)
    draw = ImageDraw.Draw(picture)
    width, height = size
    draw.rectangle((width * 0.2, height * 0.1, width * 0.8, height * 0.9), colour)
    if second:
        draw.rectangle((width * 0.2, height * 0.1, width * 0.8, height * 0.46), second)
    return np.asarray(picture)


@pytest.mark.parametrize("name", NAMED_COLOURS)
@pytest.mark.parametrize("background", ["white", (92, 84, 70)])
def test_a_garment_has_its_colour_whatever_is_behind_it(name, background):
    colours = garment_colours(garment(NAMED_COLOURS[name][0], background))
    assert next(iter(colours)) == name
    assert colours[name] > 0.9


def test_a_white_shirt_before_a_white_wall_is_white():
    noise = np.random.default_rng(0).normal(0, 4, (320, 240, 3))
    picture = (garment((236, 236, 238), (250, 250, 250)) + noise).clip(0, 255).astype(np.uint8)
    assert next(iter(garment_colours(picture))) == "White"


def test_two_colours_come_with_their_shares():
    colours = garment_colours(
        garment(NAMED_COLOURS["Red"][0], "white", NAMED_COLOURS["Navy Blue"][0])
    )
    assert set(colours) == {"Red", "Navy Blue"}
    assert all(0.35 < share < 0.65 for share in colours.values())
    assert list(colours.values()) == sorted(colours.values(), reverse=True)


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (5000, 40)])
def test_a_photo_of_any_size_has_a_colour(size):
    picture = np.full((size[1], size[0], 3), NAMED_COLOURS["Green"][0], np.uint8)
    assert garment_colours(picture) == {"Green": 1.0}


def test_names_are_known_in_any_case():
    assert colour_named("navy_blue") == colour_named(" Navy  blue ") == "Navy Blue"
    with pytest.raises(RequestError, match="no colour 'bluish': expected one of Black, White"):
        colour_named("bluish")


@needs_catalogue
def test_the_colours_of_shop_photos_are_mostly_those_the_shop_names():
    import csv

    with (DATA / "styles.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["subCategory"] == "Topwear"]
    named = [row for row in rows if row["baseColour"] in ("Black", "Red", "Yellow", "Green")][:80]
    found = [
        garment_colours(cv2.imread(str(DATA / "images" / f"{row['id']}.jpg"))[:, :, ::-1])
        for row in named
    ]
    right = [row["baseColour"] in list(f)[:2] for row, f in zip(named, found, strict=True)]
    assert np.mean(right) > 0.6


@pytest.fixture
def repository(tmp_path):
    """Items that the network holds alike: grey, with a small garment in one of four colours."""
    for number, name in enumerate(("Red", "Blue", "Yellow", "Green") * 5):
        path = tmp_path / "shop" / f"{number:02d} {name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(garment(NAMED_COLOURS[name][0], (150 + number, 150, 150))).save(path)
    Repository.build(tmp_path / "shop", tmp_path / "repository", ColourNetwork())
    return Repository.open(tmp_path / "repository")


def test_items_of_a_colour_are_found_the_most_alike_first(repository):
    found = repository.similar("00 Red", top=3, colour="yellow")
    assert [name.split()[1] for name in found.ids] == ["Yellow"] * 3
    assert (np.diff(found.likeness) <= 0).all()
    assert len(repository.similar("00 Red", top=30, colour="red")) == 4


def test_a_shift_towards_a_colour_brings_it_forward(repository):
    plain = repository.similar("00 Red", top=5)
    shifted = repository.similar("00 Red", top=5, shifts=[Shift("colour", "Yellow", 9)])
    assert [name.split()[1] for name in shifted.ids] == ["Yellow"] * 5
    assert plain.ids[0].endswith("Red")
    assert (np.diff(shifted.scores) <= 0).all()


def test_the_reason_names_the_colours_of_a_garment_of_two(tmp_path, capsys):
    from fashionnet.cli.main import run_command

    both = garment(NAMED_COLOURS["Blue"][0], second=NAMED_COLOURS["Red"][0])
    (tmp_path / "shop").mkdir()
    for name in ("this", "other"):
        Image.fromarray(both).save(tmp_path / "shop" / f"{name}.png")
    Repository.build(tmp_path / "shop", tmp_path / "repository", ColourNetwork())
    words = ["this", "--repository", str(tmp_path / "repository")]
    for more in (("--colour", "red"), ("--shift", "colour=blue"), ()):
        assert run_command("similar", [*words, *more]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        named = re.search(r"; (\d+)% Red, (\d+)% Blue", shown)
        assert bool(named) == bool(more)
        if named:
            assert int(named[1]) > int(named[2]) > 40


def test_an_item_whose_photo_has_gone_has_no_colour(repository):
    for photo in Path(repository.root).glob("*Yellow.png"):
        photo.write_bytes(b"no photo any more")
    assert len(repository.similar("00 Red", top=3, colour="Yellow")) == 0


def test_the_command_finds_items_of_a_colour(repository, tmp_path, capsys):
    from fashionnet.cli.main import run_command

    words = ["00 Red", "--repository", str(tmp_path / "repository"), "--colour", "blue"]
    assert run_command("similar", [*words, "--output", str(tmp_path / "out.json")]) == 0
    document = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert document["colour"] == "Blue"
    assert all(item["id"].endswith("Blue") for item in document["similar"])
    assert all("; 100% Blue" in item["reason"] for item in document["similar"])
    assert "mostly Blue" in capsys.readouterr().out
    assert run_command("similar", [*words[:-1], "bluish"]) == 2
    assert "no colour 'bluish'" in capsys.readouterr().err
    assert run_command("similar", [*words[:-1], "cream"]) == 1
    assert "no other relevant item that is mostly Cream" in capsys.readouterr().err
