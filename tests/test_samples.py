"""The drawn garments: what a person who writes or shows a sample collection would notice."""

import csv
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from handmade import ColourNetwork
from hypothesis import given, settings
from hypothesis import strategies as some
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.network.folder import Model
from fashionnet.photos import decode
from fashionnet.repository.store import Repository
from fashionnet.samples.__main__ import main
from fashionnet.samples.collection import (
    ATTRIBUTES,
    CATALOGUE_COLUMNS,
    SampleCatalogue,
    combinations,
    write_catalogue,
)
from fashionnet.samples.drawing import SIZE, Design, design, draw
from fashionnet.samples.fabrics import make_fabric
from fashionnet.samples.shipped import (
    SAMPLE_COUNT,
    SAMPLE_REPOSITORY,
    SAMPLE_SEED,
    build_sample_repository,
    with_drawn_photos,
)
from fashionnet.samples.wardrobe import WARDROBE, write_wardrobe
from fashionnet.schema import Schema


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def collection(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drawn")
    write_catalogue(folder, 12, seed=5)
    return folder


def drawn_garment(classes, seed, size=SIZE):
    rng = np.random.default_rng(seed)
    return draw(design(*classes, rng), rng, size)


def test_same_seed_same_pixels():
    asked = ("floral", "cotton", "summer", "sleeveless")
    first = drawn_garment(asked, 3)
    assert np.array_equal(first, drawn_garment(asked, 3))
    assert not np.array_equal(first, drawn_garment(asked, 4))


def test_photo_has_the_size_asked_for():
    asked = ("solid", "wool", "winter", "full-sleeve")
    image = drawn_garment(asked, 0)
    assert image.shape == (400, 300, 3) and image.dtype == np.uint8
    small = drawn_garment(asked, 0, size=(150, 200))
    assert small.shape == (200, 150, 3)


@pytest.mark.parametrize("combination", combinations(), ids="-".join)
def test_every_combination_is_drawn_as_a_photo_with_a_garment_in_it(combination):
    image = drawn_garment(combination, 1, size=(150, 200))
    middle, rim = image[60:150, 50:100].astype(float), image[:8].astype(float)
    assert middle.std() > 2 or abs(middle.mean() - rim.mean()) > 10


def test_labels_are_classes_of_the_default_schema_and_all_occur():
    schema = Schema.default()
    assert schema.names == ATTRIBUTES
    catalogue = SampleCatalogue(120, seed=0)
    for column, attribute in enumerate(schema):
        counts = Counter(catalogue.classes(index)[column] for index in range(120))
        assert set(counts) == set(attribute.classes)
        assert min(counts.values()) >= 0.4 * 120 / len(attribute.classes)


def test_folder_holds_readable_photos_with_their_labels(collection):
    labels = rows_of(collection / "labels.csv")
    assert list(labels[0]) == ["image", "relevant", "pattern", "fabric", "style", "shape"]
    catalogue = SampleCatalogue(12, seed=5)
    for index, row in enumerate(labels):
        assert decode((collection / row["image"]).read_bytes()).shape == (400, 300, 3)
        assert tuple(row[name] for name in ATTRIBUTES) == catalogue.classes(index)
        assert row["relevant"] == "yes"
    assert {path.name for path in collection.glob("*.jpg")} == {row["image"] for row in labels}
    assert {path.suffix for path in collection.iterdir()} == {".jpg", ".csv"}


def test_catalogue_describes_each_photo_plausibly(collection):
    rows = rows_of(collection / "catalogue.csv")
    assert tuple(rows[0]) == CATALOGUE_COLUMNS
    assert len({row["id"] for row in rows}) == 12
    for row in rows:
        assert (collection / row["image"]).exists()
        assert 5 < float(row["price"]) < 500
        assert row["baseColour"] in row["productDisplayName"]


@settings(max_examples=6, deadline=None)
@given(index=some.integers(0, 11))
def test_one_item_redrawn_alone_is_the_collection_s(collection, tmp_path_factory, index):
    folder = tmp_path_factory.mktemp("alone")
    alone = SampleCatalogue(300, seed=5).photo(index, folder)
    assert alone.read_bytes() == (collection / alone.name).read_bytes()


@settings(max_examples=50, deadline=None)
@given(
    seed=some.integers(0, 2**32 - 1),
    index=some.integers(0, 99),
    count=some.integers(100, 10**6),
)
def test_an_item_depends_on_seed_and_index_alone(seed, index, count):
    assert SampleCatalogue(count, seed).item(index) == SampleCatalogue(100, seed).item(index)


def test_another_seed_is_another_collection():
    first, second = SampleCatalogue(30, seed=0), SampleCatalogue(30, seed=1)
    assert [item.classes for item in first.items()] != [item.classes for item in second.items()]
    assert not np.array_equal(first.image(0), second.image(0))


def test_a_photo_that_is_there_is_not_drawn_again(tmp_path):
    catalogue = SampleCatalogue(3, seed=0)
    path = catalogue.photo(1, tmp_path)
    path.write_bytes(b"mine")
    assert catalogue.photo(1, tmp_path).read_bytes() == b"mine"


def unevenness(fabric: str) -> float:
    """How uneven the body of a plain top is, in grey levels, with a bed beneath it."""
    plan = Design("solid", fabric, "summer", "sleeveless", "tank", "Blue", "bed")
    seen = []
    for seed in range(8):
        middle = draw(plan, np.random.default_rng(seed))[150:300, 110:190].astype(float)
        seen.append(middle.std(axis=(0, 1)).mean())
    return float(np.mean(seen))


def test_lace_shows_what_lies_beneath_and_cotton_does_not():
    assert unevenness("lace") > 1.5 * unevenness("cotton")


def test_open_fabrics_let_light_through():
    def opacity(name: str) -> NDArray[np.float32] | None:
        return make_fabric(name, "summer", 140.0, np.random.default_rng(0)).opacity

    lace, chiffon = opacity("lace"), opacity("chiffon")
    assert lace is not None and lace.min() < 0.2 and lace.max() > 0.8
    assert chiffon is not None and 0.4 < chiffon.mean() < 0.9
    assert all(opacity(name) is None for name in ("cotton", "wool", "silk"))


def test_stripes_run_across_the_body_and_solids_do_not_change():
    def contrast(pattern: str) -> float:
        plan = Design(pattern, "cotton", "casual", "half-sleeve", "t-shirt", "Navy Blue", "studio")
        images = [draw(plan, np.random.default_rng(seed)).astype(float) for seed in range(5)]
        return float(np.mean([image[200:270, 120:180].std() for image in images]))

    assert contrast("striped") > 2 * contrast("solid")


def test_silk_shines_more_than_cotton():
    def brightest(fabric: str) -> float:
        plan = Design("solid", fabric, "party", "sleeveless", "sheath", "Maroon", "studio")
        image = draw(plan, np.random.default_rng(1)).astype(float)
        return float(np.percentile(image[220:330, 110:190].mean(axis=2), 97))

    assert brightest("silk") > brightest("cotton") + 15


@pytest.mark.parametrize("attribute", range(4))
def test_an_unknown_class_is_named(attribute):
    asked = ["solid", "cotton", "casual", "half-sleeve"]
    asked[attribute] = "plaided"
    with pytest.raises(RequestError, match="'plaided': expected one of"):
        drawn_garment(asked, 0)


def test_the_command_writes_a_collection(tmp_path, capsys):
    assert main([str(tmp_path / "new"), "--count", "2", "--seed", "8"]) == 0
    assert len(rows_of(tmp_path / "new" / "labels.csv")) == 2
    assert "2 drawn garments" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--count", "0"], ["--seed", "-1"]])
def test_the_command_refuses_impossible_numbers_in_one_line(tmp_path, capsys, words):
    assert main([str(tmp_path / "none"), *words]) == 2
    message = capsys.readouterr().err
    assert message.startswith("fashionnet: ") and message.count("\n") == 1
    assert not (tmp_path / "none").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "taken").write_text("a file")
    assert main([str(tmp_path / "taken"), "--count", "1"]) == 2
    assert "taken: cannot write" in capsys.readouterr().err


def test_the_wardrobe_is_one_persons_taste(tmp_path):
    paths = write_wardrobe(tmp_path)
    assert len(paths) == len(WARDROBE) == 8
    for path in paths:
        assert decode(path.read_bytes()).shape == (400, 300, 3)
    assert Counter(plan.fabric for plan in WARDROBE)["cotton"] >= 6
    assert {plan.shape for plan in WARDROBE} == {"full-sleeve"}


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    target = tmp_path_factory.mktemp("built") / "repository"
    build_sample_repository(target, ColourNetwork(), count=4)
    return target


def table_of(repository: Path) -> list[dict]:
    table = Repository.open(repository)._table
    return table.read([*table.own_columns.names, *table.metadata_columns.names]).to_pylist()


def test_a_sample_repository_is_one_version_with_no_trace_of_the_machine(built):
    assert len(list(built.rglob("*.lance/data/*"))) == 1
    assert len(list(built.rglob("*.manifest"))) == 1
    for file in built.rglob("*"):
        if file.is_file():
            assert tempfile.gettempdir().encode() not in file.read_bytes()
            assert Path.cwd().as_posix().encode() not in file.read_bytes()


def test_a_sample_repository_built_again_takes_the_old_ones_place_with_the_same_rows(
    built, tmp_path
):
    again = tmp_path / "repository"
    shutil.copytree(built, again)
    build_sample_repository(again, ColourNetwork(), count=4)
    assert table_of(again) == table_of(built)
    assert [path.name for path in tmp_path.iterdir()] == ["repository"]
    for name in ("repository.json", "left_out.csv"):
        assert (again / name).read_bytes() == (built / name).read_bytes()


def test_only_the_items_that_are_shown_are_drawn_and_only_once(built, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    items = Repository.open(built).items()
    shown = Path(with_drawn_photos(items, [2]).photos[2])
    assert decode(shown.read_bytes()).shape == (400, 300, 3)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [shown]
    shown.write_bytes(b"drawn before")
    with_drawn_photos(items, [2])
    assert shown.read_bytes() == b"drawn before"


def test_items_are_drawn_elsewhere_where_the_cache_cannot_be_written(built, tmp_path, monkeypatch):
    (tmp_path / "cache").write_text("a file")
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    shown = Path(with_drawn_photos(Repository.open(built).items(), [0]).photos[0])
    assert shown.is_relative_to(tmp_path / "temporary")
    assert decode(shown.read_bytes()).shape == (400, 300, 3)


def test_the_shipped_repository_is_the_default_models_and_its_items_can_be_drawn(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    repository = Repository.open(SAMPLE_REPOSITORY)
    assert repository.model_fingerprint == Model.load().fingerprint
    assert len(repository) == SAMPLE_COUNT
    items = repository.items()
    drawable = {item.id for item in SampleCatalogue(SAMPLE_COUNT, SAMPLE_SEED).items()}
    assert set(items.ids) <= drawable
    rows = range(0, len(items), 25)
    drawn = with_drawn_photos(items, rows)
    for row in rows:
        assert decode(Path(drawn.photos[row]).read_bytes()).shape == (400, 300, 3)


def test_the_default_model_sees_what_was_drawn():
    repository = Repository.open(SAMPLE_REPOSITORY)
    items = repository.items()
    assert len(items) >= 0.95 * SAMPLE_COUNT
    catalogue = SampleCatalogue(SAMPLE_COUNT, SAMPLE_SEED)
    drawn = np.array([catalogue.classes(int(name.rpartition("_")[2])) for name in items.ids])
    seen = np.array([items.vectors.classes(row) for row in range(len(items))])
    shares = dict(zip(ATTRIBUTES, (drawn == seen).mean(axis=0), strict=True))
    least = {"pattern": 0.85, "fabric": 0.6, "style": 0.7, "shape": 0.85}
    assert {name for name, share in shares.items() if share < least[name]} == set(), shares
