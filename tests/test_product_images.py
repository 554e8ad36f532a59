"""Fashion Product Images as published: as a catalogue, and as labels."""

import json
from pathlib import Path

import pytest
from handmade import ColourNetwork
from PIL import Image

from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN, read_labels
from fashionnet.product_images import classes_of
from fashionnet.repository.catalogue import read_catalogue
from fashionnet.repository.store import Repository
from fashionnet.schema import Schema

SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "published_sample"
needs_sample = pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"no published sample in {SAMPLE}")

TABLE = """id,gender,masterCategory,subCategory,articleType,baseColour,year,usage,productDisplayName
1,Women,Apparel,Topwear,Tops,Red,2011,Casual,Doodle Red Top
2,Men,Apparel,Topwear,Shirts,Blue,2012,Formal,Arrow Men Shirt, Blue, Slim
3,Men,Footwear,Shoes
"""


def style(product, master="Apparel", sub="Topwear", article="Tshirts", **attributes):
    named = {"masterCategory": master, "subCategory": sub, "articleType": article}
    return {
        "id": product,
        "brandName": "Palm Tree",
        "price": 649,
        "year": "2011",
        "gender": "Women",
        "usage": "NA",
        "articleAttributes": attributes,
        **{name: {"id": 1, "typeName": value} for name, value in named.items()},
    }


@pytest.fixture
def published(tmp_path):
    """Three photos and their files; the table lacks the third, as the published one lacks some."""
    folder = tmp_path / "fashion-dataset"
    (folder / "images").mkdir(parents=True)
    (folder / "styles").mkdir()
    styles = {
        1: style(1, Pattern="Striped", Fabric="Cotton", Occasion="Party", Neck="Polo"),
        2: style(2, article="Sweatshirts", Pattern="Solid", **{"Sleeve Length": "Long Sleeves"}),
        3: style(3, master="Footwear", sub="Shoes", Pattern="Printed"),
    }
    for product, colour in ((1, "red"), (2, "blue"), (3, "green")):
        Image.new("RGB", (60, 80), colour).save(folder / "images" / f"{product}.jpg")
        text = json.dumps({"meta": {"code": 200}, "data": styles[product]})
        (folder / "styles" / f"{product}.json").write_text(text)
    (folder / "styles.csv").write_text(TABLE)
    return folder


def test_the_table_and_the_files_become_metadata(published):
    catalogue = read_catalogue(published)
    assert catalogue.ids == ["1", "2", "3"]
    assert catalogue.root == (published / "images").resolve()
    rows = catalogue.metadata.to_pylist()
    assert rows[1]["productDisplayName"] == "Arrow Men Shirt, Blue, Slim"
    assert rows[0]["year"] == 2011 and rows[0]["brandName"] == "Palm Tree"
    assert rows[0]["Pattern"] == "Striped" and rows[1]["Sleeve Length"] == "Long Sleeves"
    assert rows[2]["gender"] is None and rows[2]["price"] == 649
    assert any("broken rows, not used: 1, the first at line 4" in note for note in catalogue.notes)


def test_its_repository_can_be_filtered_by_what_the_shop_says(published, tmp_path):
    Repository.build(published, tmp_path / "repository", ColourNetwork())
    items = Repository.open(tmp_path / "repository").items("catalogue_Pattern = 'Striped'")
    assert items.ids == ["1"]


def test_without_the_table_the_files_say_it_all(published):
    (published / "styles.csv").unlink()
    row = read_catalogue(published).metadata.to_pylist()[0]
    assert (row["articleType"], row["gender"], row["year"]) == ("Tshirts", "Women", 2011)


def test_without_the_files_the_table_stands_alone(published):
    for path in (published / "styles").iterdir():
        path.unlink()
    assert "brandName" not in read_catalogue(published).metadata.column_names


def test_a_file_cut_in_half_costs_its_own_columns_and_is_counted(published):
    whole = (published / "styles" / "1.json").read_bytes()
    (published / "styles" / "1.json").write_bytes(whole[: len(whole) // 2])
    catalogue = read_catalogue(published)
    assert catalogue.metadata.to_pylist()[0]["brandName"] is None
    assert "styles: files not used: 1, such as 1.json is no product's file, or cut short" in (
        catalogue.notes
    )
    with pytest.raises(RequestError, match=r"1\.json is no product's file, or cut short: fetch it"):
        read_labels(published, None, Schema.default())


def test_the_shops_attributes_become_labels(published):
    labels = read_labels(published, None, Schema.default())
    classes = {
        name: [
            labels.schema[attribute].classes[codes[row]]
            for attribute, codes in labels.codes.items()
            if codes[row] != UNKNOWN
        ]
        for row, name in enumerate(labels.names)
    }
    assert classes == {
        "images/1.jpg": ["striped", "cotton", "party"],
        "images/2.jpg": ["solid", "winter", "full-sleeve"],
        "images/3.jpg": [],
    }
    assert labels.relevance.tolist() == [1, 1, 0]


def test_only_classes_that_the_schema_has_are_labelled(published):
    schema = Schema.from_mapping({"pattern": ["striped", "plain"], "neck": ["round", "polo"]})
    labels = read_labels(published, None, schema)
    assert labels.codes["pattern"].tolist() == [0, UNKNOWN, UNKNOWN]
    assert labels.codes["neck"].tolist() == [UNKNOWN] * 3


def test_files_that_label_no_photo_are_a_wrong_request(published):
    for path in (published / "styles").iterdir():
        path.unlink()
    with pytest.raises(RequestError, match="none of its photos has a file in styles"):
        read_labels(published, None, Schema.default())


@pytest.mark.parametrize(
    "odd",
    [
        {"articleAttributes": ["Striped"]},
        {"articleAttributes": {"Pattern": ["Striped"]}},
        {"masterCategory": "Apparel", "price": "free", "year": {}},
        {},
    ],
)
def test_files_of_another_form_label_nothing(odd, published):
    data = json.dumps({"data": style(1) | odd})
    (published / "styles" / "1.json").write_text(data)
    assert "pattern" not in classes_of(style(1) | odd)
    assert len(read_catalogue(published)) == 3


@needs_sample
def test_the_published_sample_is_read_whole():
    catalogue = read_catalogue(SAMPLE)
    assert len(catalogue) == 20 and not catalogue.left_out
    assert {"masterCategory", "baseColour", "brandName", "Pattern"} <= set(
        catalogue.metadata.column_names
    )
    assert all(row["articleType"] for row in catalogue.metadata.to_pylist())


@needs_sample
def test_the_shops_labels_agree_with_those_judged_by_eye():
    schema = Schema.default()
    shop = read_labels(SAMPLE, None, schema)
    judged = read_labels(SAMPLE.parent / "attributes.csv", None, schema)
    by_eye = {Path(name).name: row for row, name in enumerate(judged.names) if "catalogue" in name}
    pairs = [
        (shop.codes[name][row], judged.codes[name][by_eye[Path(photo).name]])
        for row, photo in enumerate(shop.names)
        if Path(photo).name in by_eye
        for name in schema.names
    ]
    known = [(ours, theirs) for ours, theirs in pairs if UNKNOWN not in (ours, theirs)]
    assert len(known) >= 10
    assert sum(ours == theirs for ours, theirs in known) >= 0.85 * len(known)
