"""Pairs of worn garments: what is found on a photo, what is refused, what is cut, what is split."""

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as pillow
from worn_people import SKIN, draw_person, write_people

from fashionnet.compatibility.worn import MOST_OVERLAP, NotWornError, find_worn, overlap
from fashionnet.compatibility.worn_cuts import (
    CLOTH_HEIGHT,
    CLOTH_WIDTH,
    cut_cloth,
    cut_surroundings,
    spread_cloth,
)
from fashionnet.compatibility.worn_pairs import (
    WornPairs,
    count_refused,
    group_shoots,
    split_groups,
    write_worn_pairs,
)
from fashionnet.errors import RequestError

CATALOGUE = Path(__file__).parents[1].parent / "shared" / "data" / "catalogue"
RED, BLUE = (200, 30, 40), (40, 60, 120)


def near(image, colour):
    return (np.abs(image.astype(int) - colour) < 25).all(axis=-1)


def test_the_garments_of_a_person_are_found_and_hold_nothing_else():
    image = draw_person(RED, BLUE, waist=150)
    worn = find_worn(image)
    assert abs(worn.waist - 150) <= 3
    assert near(image[worn.top], RED).mean() > 0.99
    assert near(image[worn.bottom], BLUE).mean() > 0.99
    assert worn.top.sum() > 0.7 * near(image, RED).sum()
    assert not (near(worn.head, RED) | near(worn.head, BLUE)).any()
    # Neither reaches the line where the two meet.
    assert not worn.top[146:].any() and not worn.bottom[:154].any()


def test_a_photo_of_another_size_is_found_the_same():
    large = np.asarray(pillow.fromarray(draw_person()).resize((600, 800)))
    assert abs(find_worn(large).waist - find_worn(draw_person()).waist) <= 2


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.full((224, 224, 3), 255, np.uint8), "no standing figure"),
        (draw_person(BLUE, BLUE), "no waist"),
        (draw_person(skin=(90, 160, 90)), "no face"),
        (draw_person(bottom=SKIN), "bare legs"),
    ],
)
def test_other_photos_are_refused_with_the_reason(image, reason):
    with pytest.raises(NotWornError, match=reason):
        find_worn(image)


def test_cloth_has_one_size_whatever_the_height_of_the_hem():
    for waist in (120, 150, 175):
        worn = find_worn(draw_person(RED, BLUE, waist))
        for mask, colour in ((worn.top, RED), (worn.bottom, BLUE)):
            cloth = cut_cloth(worn.image, mask)
            assert cloth.shape == (CLOTH_HEIGHT, CLOTH_WIDTH, 3)
            assert near(cloth, colour).all()
            assert spread_cloth(cloth).shape == (224, 224, 3)


def test_of_too_little_cloth_nothing_is_cut():
    mask = np.zeros((224, 224), bool)
    mask[100:110, 100:140] = True
    assert cut_cloth(draw_person(), mask) is None


def test_the_surroundings_show_no_garment():
    worn = find_worn(draw_person(RED, BLUE))
    above, below = cut_surroundings(worn, True), cut_surroundings(worn, False)
    for picture in (above, below):
        assert not (near(picture, RED) | near(picture, BLUE)).any()
    assert near(above, SKIN).sum() > 500 and near(below, SKIN).sum() > 200


def test_the_pairs_that_were_found_are_below_the_overlap_that_wrong_ones_must_be_below(tmp_path):
    photos = write_people(tmp_path / "photos", 10)
    pairs = write_worn_pairs(photos, dict.fromkeys(photos, ""), tmp_path / "worn")
    rows = np.arange(len(pairs))
    assert len(pairs) == 10
    assert (pairs.overlaps(rows, rows).diagonal() < MOST_OVERLAP + 0.01).all()


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_overlap_is_that_of_a_plain_sum(seed):
    random = np.random.default_rng(seed)
    tops, bottoms = random.dirichlet(np.ones(6), 3), random.dirichlet(np.ones(6), 4)
    tops[:, 2] = 0
    plain = [[sum(map(min, top, bottom)) for bottom in bottoms] for top in tops]
    np.testing.assert_allclose(overlap(tops, bottoms), plain, atol=1e-6)


def test_pairs_are_written_read_again_and_split_by_shoot_and_name(tmp_path):
    photos = write_people(tmp_path / "photos", 20)
    broken = tmp_path / "photos" / "broken.jpg"
    broken.write_bytes(b"no photo")
    photos["broken"] = broken
    names = {photo_id: f"Shirt {number % 10}" for number, photo_id in enumerate(photos)}
    folder = tmp_path / "worn"
    pairs = write_worn_pairs(photos, names, folder)
    assert len(pairs) == 20
    assert count_refused(folder).total() == 1
    assert pairs.top(3).shape == pairs.bottom_cloth(3).shape == (224, 224, 3)
    for keys in (pairs.shoots.tolist(), pairs.names):
        parts = {}
        for key, part in zip(keys, pairs.parts, strict=True):
            assert parts.setdefault(key, part) == part
    assert len(set(pairs.shoots.tolist())) == 5
    assert set(pairs.parts.tolist()) == {"train", "validation", "test"}
    again = write_worn_pairs(photos, names, folder)
    assert again.ids == pairs.ids and (again.parts == pairs.parts).all()
    with (folder / "pairs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 20


def test_the_same_head_is_one_shoot_and_another_is_another():
    random = np.random.default_rng(0)
    people = random.normal(0, 1, (3, 768)).astype(np.float32)
    heads = np.repeat(people, 4, axis=0) + random.normal(0, 0.02, (12, 768)).astype(np.float32)
    shoots = group_shoots(heads)
    assert len(set(shoots.tolist())) == 3
    assert (shoots.reshape(3, 4) == shoots[::4, None]).all()


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(0, 5))
def test_a_group_is_never_split(groups, seed):
    parts = split_groups(np.array(groups), seed)
    assert len({*zip(groups, parts.tolist(), strict=True)}) == len(set(groups))


def test_photos_without_people_and_folders_without_pairs_are_one_line(tmp_path):
    blank = tmp_path / "blank.png"
    pillow.new("RGB", (50, 50)).save(blank)
    with pytest.raises(RequestError, match="none of 1 photos shows a top worn over a bottom"):
        write_worn_pairs({"a": blank}, {"a": ""}, tmp_path / "worn")
    with pytest.raises(RequestError, match="not a folder of worn pairs"):
        WornPairs.read(tmp_path / "nothing")


@pytest.mark.skipif(not CATALOGUE.is_dir(), reason="the real photos are not beside the checkout")
def test_real_photos_of_people_are_told_from_those_of_shirts_alone():
    def found(photo):
        with pillow.open(CATALOGUE / "images" / f"{photo}.jpg") as file:
            try:
                return find_worn(np.asarray(file.convert("RGB"))).waist
            except NotWornError:
                return None

    people, alone = ("10015",), ("10003", "10095")
    assert all(150 < found(photo) < 215 for photo in people)
    assert not any(found(photo) for photo in alone)
