"""Worn pairs as outfits of two items: their questions, and training on them."""

import csv
import json

import numpy as np
import pytest
from handmade import ColourNetwork
from worn_people import write_people

from fashionnet.cli.main import run_command
from fashionnet.compatibility.outfit_data import ANSWERS, PARTS
from fashionnet.compatibility.worn import MOST_OVERLAP
from fashionnet.compatibility.worn_outfits import (
    BOTTOM,
    TOP,
    WRONG_PAIRS,
    worn_items,
    worn_outfits,
)
from fashionnet.compatibility.worn_pairs import PAIRS_FILE, WornPairs, write_worn_pairs
from fashionnet.network.compiled import CompiledNetwork


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Sixty pairs of five people, cut from photos; five shoots in each part."""
    place = tmp_path_factory.mktemp("people")
    photos = write_people(place / "photos", 60)
    write_worn_pairs(photos, {name: f"product {name}" for name in photos}, place / "worn")
    table = place / "worn" / PAIRS_FILE
    rows = list(csv.DictReader(table.open()))
    for number, row in enumerate(rows):
        row["part"] = PARTS[number * 3 // len(rows)]
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return place / "worn"


def test_wrong_bottoms_are_of_another_shoot_of_the_part_and_of_other_colours(folder):
    pairs = WornPairs.read(folder)
    data = worn_outfits(pairs)
    row = {name: place for place, name in enumerate(pairs.ids)}
    assert data.faults.lines() == []
    for part in PARTS:
        found = data.parts[part]
        asked = [judged.compatible for judged in found.judged]
        assert asked == ([True] + [False] * WRONG_PAIRS) * len(found.outfits)
        for judged in found.judged:
            top, bottom = (row[item.split()[0]] for item in judged.items)
            assert pairs.parts[top] == pairs.parts[bottom] == part
            assert judged.compatible == (top == bottom)
            if top != bottom:
                assert pairs.shoots[top] != pairs.shoots[bottom]
                overlap = pairs.overlaps(np.array([top]), np.array([bottom]))[0, 0]
                assert overlap < MOST_OVERLAP
        for blank in found.blanks:
            assert len(set(blank.answers)) == ANSWERS
            assert blank.answers[blank.right].split()[0] == blank.question[0].split()[0]


def test_garments_become_items_with_either_input(folder):
    pairs = WornPairs.read(folder)
    items = worn_items(pairs, ColourNetwork())
    assert items["features"].inputs.shape == (2 * len(pairs), 18 + 19)
    assert items["picture"].inputs.shape == (2 * len(pairs), ColourNetwork.embedding_size)
    assert items["picture"].categories == [TOP] * len(pairs) + [BOTTOM] * len(pairs)
    # All tops are red, all bottoms blue: the network calls one striped, the other solid.
    patterns = items["features"].inputs[:, :5].argmax(axis=1)
    assert set(patterns[len(pairs) :].tolist()) == {4}
    assert set(patterns[: len(pairs)].tolist()) == {1}


def test_worn_pairs_can_be_trained_on(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(CompiledNetwork, "open", lambda *_: ColourNetwork())
    experiment = tmp_path / "worn.toml"
    experiment.write_text(
        f'[data]\nname = "worn"\npairs = "{folder}"\n[training]\nepochs = 1\nbatch_size = 20\n'
    )
    assert run_command("train-outfits", [str(experiment), "--output", str(tmp_path)]) == 0
    results = json.loads((tmp_path / "worn" / "results.json").read_text())
    assert results["test"]["outfits"] == 20
    assert results["test"]["blanks"] == 20


def test_parts_of_one_shoot_leave_nothing_to_ask(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(CompiledNetwork, "open", lambda *_: ColourNetwork())
    photos = write_people(tmp_path / "photos", 10)
    write_worn_pairs(photos, {name: f"product {name}" for name in photos}, tmp_path / "worn")
    experiment = tmp_path / "worn.toml"
    experiment.write_text('[data]\nname = "worn"\npairs = "worn"\n')
    assert run_command("train-outfits", [str(experiment), "--output", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no outfits to measure with: 10 × pair without wrong bottoms to ask about" in said
