"""What experiments read: folders, pairs, DeepFashion2, views; and how it is split."""

import json
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fashionnet.errors import RequestError
from fashionnet.photos import decode, read_bytes
from fashionnet.similarity.deepfashion2 import read_deepfashion2
from fashionnet.similarity.experiment import Pairs, Views
from fashionnet.similarity.item_data import read_parts
from fashionnet.similarity.item_pictures import (
    ItemPictures,
    Picture,
    read_folders,
    read_pairs,
    read_photos,
    readable,
    split_items,
    split_views,
)
from fashionnet.similarity.picture_features import PictureImages
from fashionnet.similarity.picture_views import ViewSettings, draw_hard_view


@pytest.fixture
def photos(drawn, tmp_path):
    """A folder of twelve drawn photos, named 00.jpg to 11.jpg."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number, photo in enumerate(sorted(drawn.glob("*.jpg"))[:12]):
        shutil.copy(photo, folder / f"{number:02d}.jpg")
    return folder


def items_of(read: ItemPictures) -> dict[str, list[str]]:
    """The photos' names of each item, by the first."""
    found: dict[int, list[str]] = {}
    for picture, label in zip(read.pictures, read.labels.tolist(), strict=True):
        found.setdefault(label, []).append(picture.photo.stem)
    return {names[0]: names for names in found.values()}


def test_each_folder_is_an_item(photos):
    for name in ("shirt", "coat"):
        (photos / name).mkdir()
    for number, name in enumerate(("shirt", "shirt", "coat")):
        (photos / f"{number:02d}.jpg").rename(photos / name / f"{number}.jpg")
    assert items_of(read_folders(photos)) == {"2": ["2"], "0": ["0", "1"]}


def test_a_folder_without_folders_of_photos_is_refused(photos):
    with pytest.raises(RequestError, match="holds no folder of photos"):
        read_folders(photos)


def test_pairs_that_share_a_photo_are_one_item_and_singles_are_their_own(photos):
    table = photos / "pairs.csv"
    table.write_text("first,second\n00.jpg,01.jpg\n01.jpg,02.jpg\n04.jpg,03.jpg\n")
    read = items_of(read_pairs(table, None, photos))
    assert read["00"] == ["00", "01", "02"]
    assert read["04"] == ["04", "03"]
    assert {name for name in read if len(read[name]) == 1} == {f"{n:02d}" for n in range(5, 12)}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("02.jpg,", "second is blank: a pair has two pictures"),
        ("02.jpg", "second is blank"),
        (",02.jpg", "first is blank"),
        ("02.jpg,gone.jpg", "'gone.jpg' is not there"),
        ("02.jpg,../../secret.jpg", "lies outside"),
    ],
)
def test_a_pair_with_one_missing_picture_is_one_line_of_the_report(photos, row, said):
    table = photos / "pairs.csv"
    table.write_text(f"first,second\n00.jpg,01.jpg\n{row}\n")
    read = read_pairs(table, None, None)
    assert items_of(read) == {"00": ["00", "01"]}
    (left_out,) = read.left_out
    assert left_out.where == f"{table}, line 3"
    assert said in left_out.reason


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column 'first'; it has a, b"),
        ("", "no column 'first'; it has nothing"),
        ("first,second\n00.jpg,\n", "no pair of photos that can be used .*line 2: second is blank"),
    ],
)
def test_a_table_of_no_pairs_is_one_line(photos, text, said):
    table = photos / "pairs.csv"
    table.write_text(text)
    with pytest.raises(RequestError, match=said):
        read_pairs(table, None, None)


def test_photos_that_cannot_be_read_are_left_out_and_written_down(photos, tmp_path, capsys):
    (photos / "03.jpg").write_bytes((photos / "03.jpg").read_bytes()[:500])
    parts = read_parts(Views(name="views", photos=photos, held_out=0.5), 0, tmp_path)
    assert sum(len(np.unique(part.labels)) for part in parts.values()) <= 11
    report = (tmp_path / "left_out.csv").read_text()
    assert "03.jpg" in report and "truncated" in report
    assert "left out: " in capsys.readouterr().out


def test_a_list_of_files_names_photos_too(photos):
    (photos / "list.txt").write_text("05.jpg\n\n03.jpg\n")
    assert list(items_of(read_photos(photos / "list.txt"))) == ["05", "03"]


def annotation(pair, style, box=(10, 20, 60, 90), source="user", category="short sleeve top"):
    garment = {
        "category_name": category,
        "category_id": 1,
        "style": style,
        "bounding_box": box,
        "landmarks": [0],
    }
    return {"pair_id": pair, "source": source, "item1": garment, "item2": {**garment, "style": 0}}


@pytest.fixture
def deepfashion2(tmp_path):
    """Five photos: two of one item, one of another style, one trousers, one of a shop."""
    written = [
        annotation(7, 1),
        annotation(7, 1, (0, 0, 30, 40), "shop"),
        annotation(7, 2),
        annotation(8, 1, category="trousers"),
        annotation(9, 1, source="shop"),
    ]
    (tmp_path / "image").mkdir()
    (tmp_path / "annos").mkdir()
    for number, document in enumerate(written, 1):
        Image.new("RGB", (80, 100), (number * 40, 0, 0)).save(
            tmp_path / "image" / f"{number:06d}.jpg"
        )
        (tmp_path / "annos" / f"{number:06d}.json").write_text(json.dumps(document))
    return tmp_path


def test_garments_of_one_pair_and_style_are_one_item_cropped_to_their_boxes(deepfashion2):
    read = read_deepfashion2(deepfashion2)
    assert items_of(read) == {
        "000001": ["000001", "000002"],
        "000003": ["000003"],
        "000004": ["000004"],
        "000005": ["000005"],
    }
    assert read.pictures[1].box == (0, 0, 30, 40)
    assert read.left_out == []


def test_categories_and_sources_choose_garments(deepfashion2):
    assert list(items_of(read_deepfashion2(deepfashion2, ("trousers",)))) == ["000004"]
    shop = items_of(read_deepfashion2(deepfashion2, (), ("shop",)))
    assert list(shop) == ["000002", "000005"]


def test_a_category_that_no_photo_has_is_one_line(deepfashion2):
    with pytest.raises(RequestError, match="no photo shows a 'cape'; there are short sleeve top"):
        read_deepfashion2(deepfashion2, ("cape",))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: text[: len(text) // 2], "cut short"),
        (lambda text: "[1]", "no annotation of a photo"),
        (lambda text: text.replace("pair_id", "pear"), "no pair_id in it"),
        (lambda text: text.replace("[10, 20, 60, 90]", "[60, 20, 10, 90]"), "has the box"),
        (lambda text: text.replace("[10, 20, 60, 90]", "null"), "not of the published form"),
        (lambda text: text.replace('"style": 1', '"style": "x"'), "invalid literal"),
    ],
)
def test_a_broken_annotation_is_one_line_of_the_report(deepfashion2, spoil, said):
    file = deepfashion2 / "annos" / "000001.json"
    file.write_text(spoil(file.read_text()))
    read = read_deepfashion2(deepfashion2)
    (left_out,) = read.left_out
    assert left_out.where == str(file)
    assert said in left_out.reason
    assert len(read) == 4


def test_an_annotation_without_its_photo_is_left_out(deepfashion2):
    (deepfashion2 / "image" / "000003.jpg").unlink()
    (left_out,) = read_deepfashion2(deepfashion2).left_out
    assert "000003.jpg is not there" in left_out.reason


def test_a_folder_of_another_form_is_refused(tmp_path):
    with pytest.raises(RequestError, match="expected the folders image and annos"):
        read_deepfashion2(tmp_path)


def test_the_image_of_a_picture_is_its_box(deepfashion2):
    left, right = Image.new("RGB", (40, 100), (255, 0, 0)), Image.new("RGB", (80, 100), (0, 0, 255))
    right.paste(left, (0, 0))
    right.save(deepfashion2 / "image" / "000001.jpg", quality=100)
    (picture,) = readable(
        ItemPictures.of(
            [("a", Picture(deepfashion2 / "image" / "000001.jpg", (45, 0, 500, 90)))], []
        )
    ).pictures
    drawing = PictureImages(32, ViewSettings(), ViewSettings(), 0)
    assert drawing.image((picture, 0)).reshape(-1, 3).mean(axis=0)[2] > 240


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=30),
    twins=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=6),
    seed=st.integers(0, 1000),
    held_out=st.sampled_from([0.3, 1.0]),
)
def test_items_of_two_pictures_are_held_out_and_near_duplicates_on_one_side(
    sizes, twins, seed, held_out
):
    names = [str(item) for item, size in enumerate(sizes) for _ in range(size)]
    rows = [(name, Picture(f"{row}.jpg")) for row, name in enumerate(names)]
    items = ItemPictures.of(rows, [])
    duplicates = np.arange(len(rows))
    for one, two in twins:
        duplicates[duplicates == duplicates[two % len(rows)]] = duplicates[one % len(rows)]
    parts = split_items(items, duplicates, held_out, seed)
    again = split_items(items, duplicates, held_out, seed)
    side_of: dict[int, str] = {}
    row_of = {picture: row for row, picture in enumerate(items.pictures)}
    for name, part in parts.items():
        assert again[name].pictures == part.pictures
        if name != "train":
            assert (np.unique(part.labels, return_counts=True)[1] == 2).all()
        for picture in part.pictures:
            assert side_of.setdefault(duplicates[row_of[picture]], name) == name
    if not twins:
        pairs = sizes.count(2)
        held = len(parts["validation"]) + len(parts["test"])
        assert held == 2 * round(held_out * pairs)
        assert len(parts["train"]) == len(rows) - held


def test_held_out_photos_are_two_views_each_and_none_is_trained_on():
    items = ItemPictures.of([(str(n), Picture(f"{n}.jpg")) for n in range(20)], [])
    duplicates = np.arange(20)
    duplicates[10:] = 10
    parts = split_views(items, duplicates, 0.5, 0)
    photos = {name: {p.photo for p in part.pictures} for name, part in parts.items()}
    assert len(parts["validation"]) == 2 * len(photos["validation"])
    assert {p.view for p in parts["test"].pictures} == {1, 2}
    assert not photos["train"] & (photos["validation"] | photos["test"])
    assert {p.view for p in parts["train"].pictures} == {0}


def test_too_few_items_are_refused_with_what_to_change(photos, tmp_path):
    table = photos / "pairs.csv"
    table.write_text("first,second\n00.jpg,01.jpg\n02.jpg,03.jpg\n04.jpg,05.jpg\n06.jpg,07.jpg\n")
    with pytest.raises(RequestError, match=r"0 items for train: .* change data\.held_out"):
        read_parts(Pairs(name="pairs", pairs=table), 0, tmp_path)


def test_views_are_of_the_pictures_size_and_differ_but_for_the_same_seed(photos):
    image = decode(read_bytes(photos / "00.jpg"))
    settings = ViewSettings()
    one, two = (draw_hard_view(image, settings, [0, n]) for n in (1, 2))
    assert one.shape == two.shape == image.shape and one.dtype == np.uint8
    assert np.array_equal(one, draw_hard_view(image, settings, [0, 1]))
    assert abs(one.astype(int) - two).mean() > 5


def test_a_view_that_changes_nothing_is_the_picture(photos):
    image = decode(read_bytes(photos / "00.jpg"))
    still = ViewSettings(rotation=0, crop=1, zoom_out=1, light=0, background=0, mirror=False)
    assert abs(draw_hard_view(image, still, [0]).astype(int) - image).max() <= 1


def test_a_painted_background_leaves_the_garment_alone():
    image = np.full((60, 60, 3), 250, np.uint8)
    image[15:45, 15:45] = (200, 30, 30)
    settings = ViewSettings(rotation=0, crop=1, zoom_out=1, light=0, background=1, mirror=False)
    view = draw_hard_view(image, settings, [0])
    assert (view[18:42, 18:42] == (200, 30, 30)).all()
    assert abs(view[:10].astype(int) - 250).mean() > 20
