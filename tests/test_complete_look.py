"""Complete the look as a person meets it: train on a table, find products, see where it looked."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from look_reference import random_look
from PIL import Image as pillow
from worn_people import MORE_HAIRS, draw_person, write_people

from fashionnet.cli.main import main
from fashionnet.compatibility.complete_look import (
    LookFinder,
    attention_overlay,
    complete_look,
    scene_view,
)
from fashionnet.compatibility.look_features import (
    REGIONS,
    WIDTH,
    FeatureStore,
    ModelBackbone,
)
from fashionnet.compatibility.look_model import Features, LookModel, Views
from fashionnet.compatibility.look_pairs import Picture
from fashionnet.compatibility.look_products import (
    LookProducts,
    ids_of_category,
    product_view,
    shared_categories,
)
from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import Model
from fashionnet.repository.store import Repository

KINDS = ("Shoes", "Bags", "Jeans")


@pytest.fixture(scope="module")
def shop(tmp_path_factory, drawn, tiny_model):
    """A catalogue of 24 photos in three categories, its repository, a scene and a look model."""
    place = tmp_path_factory.mktemp("shop")
    photos = place / "photos"
    photos.mkdir()
    rows = ["image,articleType,subCategory,price"]
    for number, photo in enumerate(sorted(drawn.glob("*.jpg"))[:24]):
        shutil.copy(photo, photos / f"{number:02d}.jpg")
        kind = KINDS[number % 3]
        rows.append(f"photos/{number:02d}.jpg,{kind},{'Apparel' if kind == 'Jeans' else 'Other'},1")
    (place / "items.csv").write_text("\n".join(rows) + "\n")
    network = CompiledNetwork.open(tiny_model, "f32")
    Repository.build(place / "items.csv", place / "repository", network)
    pillow.fromarray(draw_person()).save(place / "scene.png")
    (place / "look").mkdir()
    random_look(Model.load(tiny_model).fingerprint).save(place / "look")
    return place


@pytest.fixture
def finder(shop, tiny_model):
    return LookFinder.open(shop / "look", tiny_model)


def scene_of(shop):
    return np.asarray(pillow.open(shop / "scene.png"))


def test_products_are_ranked_by_distance_among_all_of_the_category(shop, finder):
    repository = Repository.open(shop / "repository")
    completed = finder.complete(scene_of(shop), repository, "shoes", top=5)
    assert completed.compared == 8 and len(completed.ids) == 5
    assert (completed.column, completed.category) == ("articleType", "shoes")
    assert (np.diff(completed.distances) >= 0).all()
    everything = finder.complete(scene_of(shop), repository, "SHOES", top=99)
    assert everything.ids[:5] == completed.ids and len(everything.ids) == 8
    kinds = repository.metadata(everything.ids)
    assert {row["articleType"] for row in kinds} == {"Shoes"}
    # Each distance is that of the formulas, photo by photo.
    products = finder.products(repository)
    pooled, regions = next(finder.backbone.run(iter([scene_of(shop)])))
    queries, _ = finder.look.queries(Features(pooled[None], regions[None]), "shoes")
    for name, distance in zip(everything.ids, everything.distances, strict=True):
        product = products.embeddings[products.ids.index(name)]
        assert distance == pytest.approx(2 - float(queries[0] @ product), abs=1e-4)


def test_attention_adds_up_to_one_and_is_drawn_over_the_scene(shop, finder):
    repository = Repository.open(shop / "repository")
    completed = finder.complete(scene_of(shop), repository, "bags")
    assert completed.attention.shape == (REGIONS, REGIONS)
    assert completed.attention.sum() == pytest.approx(1, abs=1e-4)
    assert completed.overlay().shape == completed.seen.shape
    one = np.zeros((7, 7), np.float32)
    one[6, 0] = 1
    drawn = attention_overlay(np.full((70, 70, 3), 128, np.uint8), one).astype(int)
    warm = drawn[..., 0] - drawn[..., 2]
    assert warm[65, 5] > 50 and warm[5, 65] == 0


def test_products_are_computed_once_and_again_only_for_what_is_new(shop, tmp_path, tiny_model):
    place = tmp_path / "shop"
    shutil.copytree(shop, place)
    for kept in (place / "repository").glob("look-*"):
        kept.unlink()
    look = random_look(Model.load(tiny_model).fingerprint, Views("whole", "cloth"))
    finder = LookFinder(look, tiny_model)
    computed = []
    first = finder.products(Repository.open(place / "repository"), computed.append)
    # Of a white shirt before a white wall no cloth is seen; it is not looked for again.
    assert sum(computed) == 24 and first.seen.sum() == 23
    again = finder.products(Repository.open(place / "repository"), computed.append)
    assert sum(computed) == 24
    np.testing.assert_array_equal(first.embeddings, again.embeddings)
    pillow.fromarray(draw_person()).save(place / "photos" / "new.png")
    with (place / "items.csv").open("a") as file:
        file.write("photos/new.png,Shoes,Other,2\n")
    network = CompiledNetwork.open(tiny_model, "f32")
    Repository.build(place / "items.csv", place / "repository", network)
    repository = Repository.open(place / "repository")
    assert len(finder.products(repository, computed.append).ids) == 25
    assert sum(computed) == 25
    # A damaged file is made again, a photo that has gone is no product.
    (kept,) = (place / "repository").glob("look-*.npz")
    kept.write_bytes(b"damaged")
    (place / "photos" / "new.png").unlink()
    found = finder.products(repository, computed.append)
    assert sum(computed) == 50 and found.seen.sum() == 23


def test_only_the_products_of_the_category_are_computed(shop, tiny_model):
    look = random_look(Model.load(tiny_model).fingerprint, categories=("Bags",))
    finder = LookFinder(look, tiny_model)
    repository = Repository.open(shop / "repository")
    computed = []
    for _ in range(2):
        completed = finder.complete(scene_of(shop), repository, "bags", advance=computed.append)
        assert sum(computed) == completed.compared == 8
    assert len(finder.products(repository, computed.append).ids) == sum(computed) == 24


def test_a_repository_of_another_model_is_refused(shop, finder):
    other = LookFinder(replace(finder.look, backbone="f" * 16))
    with pytest.raises(RequestError, match="the look model was trained on ffff"):
        other.products(Repository.open(shop / "repository"))
    with pytest.raises(RequestError, match="this is"):
        _ = other.backbone


def test_categories_are_found_in_any_column_that_is_named_like_one(shop):
    repository = Repository.open(shop / "repository")
    assert ids_of_category(repository, "apparel", None)[0] == "subCategory"
    assert len(ids_of_category(repository, "1", "price")[1]) == 24
    for category, column, message in (
        ("hats", None, "no item of category 'hats' in .*known: .*Bags, Jeans, Other, Shoes"),
        ("hats", "articleType", "known: Bags, Jeans, Shoes"),
        ("shoes", "kind", "no column kind: it has"),
        (" ", None, "the category is empty"),
    ):
        with pytest.raises(RequestError, match=message):
            ids_of_category(repository, category, column)


class Doubting:
    """A network that calls every photo irrelevant."""

    def __init__(self, network):
        self.schema, self.fingerprint = network.schema, network.fingerprint
        self.embedding_size, self.same_picture = network.embedding_size, network.same_picture
        self._network = network

    def describe(self, images):
        vectors = self._network.describe(images)
        return replace(vectors, relevance=np.zeros_like(vectors.relevance))


def test_a_category_is_asked_for_as_the_wider_one_that_the_model_knows(shop, tiny_model):
    repository = Repository.open(shop / "repository")
    assert shared_categories(repository, ids_of_category(repository, "jeans", None)[1]) == [
        "Jeans",
        "Apparel",
    ]
    fingerprint = Model.load(tiny_model).fingerprint
    wider = LookFinder(random_look(fingerprint, categories=("Apparel", "Other")), tiny_model)
    jeans = wider.complete(scene_of(shop), repository, "jeans")
    apparel = wider.complete(scene_of(shop), repository, "apparel")
    assert not jeans.notes
    np.testing.assert_array_equal(jeans.attention, apparel.attention)
    other = LookFinder(random_look(fingerprint, categories=("Hats",)), tiny_model)
    assert (
        "not trained on jeans, only on Hats"
        in other.complete(scene_of(shop), repository, "jeans").notes[0]
    )


def test_items_that_show_no_garment_are_products_too(shop, finder, tiny_model, tmp_path):
    network = Doubting(CompiledNetwork.open(tiny_model, "f32"))
    (tmp_path / "photos").mkdir()
    for name in ("00.jpg", "01.jpg"):
        shutil.copy(shop / "photos" / name, tmp_path / "photos")
    Repository.build(tmp_path / "photos", tmp_path / "repository", network)
    repository = Repository.open(tmp_path / "repository")
    assert len(repository.items()) == 0
    assert finder.products(repository).seen.sum() == 2


def test_of_a_scene_the_top_is_seen_and_a_scene_without_a_person_is_noted():
    seen, notes = scene_view(draw_person(), "top")
    assert not notes and (seen[200:] == 255).all() and not (seen[100, 112] == 255).all()
    blank = np.full((50, 60, 3), 255, np.uint8)
    seen, notes = scene_view(blank, "top")
    assert (seen == blank).all() and "no person in a top and a bottom" in notes[0]
    assert scene_view(blank, "whole")[1] == []


BEIGE, SHIRT = (220, 180, 140), (20, 120, 200)


def test_of_a_product_a_window_of_cloth_is_seen_though_it_be_of_the_colour_of_skin():
    photo = np.full((224, 224, 3), 255, np.uint8)
    photo[:60, 60:160] = SHIRT
    photo[60:, 60:160] = BEIGE
    # Trousers have a gap, which the floor closes off.
    photo[90:220, 108:112] = 255
    cloth = product_view(photo, "cloth")
    assert np.abs(cloth.astype(int) - BEIGE).max() < 20
    assert (product_view(photo, "whole") == photo).all()


def test_products_that_show_no_cloth_are_left_out_and_counted(shop, tiny_model, tmp_path):
    (tmp_path / "photos").mkdir()
    pillow.fromarray(draw_person()).save(tmp_path / "photos" / "person.png")
    pillow.new("RGB", (60, 80), "white").save(tmp_path / "photos" / "blank.png")
    rows = ["image,articleType", "photos/person.png,Jeans", "photos/blank.png,Jeans"]
    (tmp_path / "items.csv").write_text("\n".join(rows))
    network = CompiledNetwork.open(tiny_model, "f32")
    Repository.build(tmp_path / "items.csv", tmp_path / "repository", network)
    look = random_look(Model.load(tiny_model).fingerprint, Views("whole", "cloth"), ("Jeans",))
    repository = Repository.open(tmp_path / "repository")
    completed = LookFinder(look, tiny_model).complete(scene_of(shop), repository, "jeans")
    assert completed.ids == [name for name in completed.ids if "person" in name]
    assert completed.notes == ["1 of 2 are left out: their photos cannot be read or show no cloth"]


def test_ranking_is_that_of_a_full_sort():
    random = np.random.default_rng(0)
    points = random.normal(0, 1, (200, 8)).astype(np.float32)
    products = LookProducts([f"{n:03d}" for n in range(200)], points, np.ones(200, bool))
    query = random.normal(0, 1, 8).astype(np.float32)
    rows = np.arange(0, 200, 3)
    found, distances = products.nearest(query, rows, 10)
    expected = rows[np.argsort(-(points[rows] @ query))[:10]]
    assert found.tolist() == expected.tolist()
    np.testing.assert_allclose(distances, 2 - points[expected] @ query, atol=1e-4)


def test_features_are_computed_once_a_picture(tmp_path, shop, tiny_model):
    backbone = ModelBackbone.open(tiny_model)
    store = FeatureStore(tmp_path, backbone)
    pictures = [Picture(shop / "photos" / f"{n:02d}.jpg") for n in range(3)]
    pictures.append(Picture(shop / "photos" / "gone.jpg"))
    first, faults = store.features(pictures)
    assert first.regions.shape == (4, REGIONS**2, WIDTH) and list(faults) == [3]
    np.testing.assert_allclose(np.linalg.norm(first.pooled[:3].astype(float), axis=1), 1, atol=1e-2)
    # Nothing is left to compute.
    backbone.run = lambda images: iter([None for _ in images])
    again, _ = store.features(pictures)
    np.testing.assert_array_equal(again.pooled, first.pooled)
    np.testing.assert_array_equal(again.regions, first.regions)


def test_pooled_features_are_the_embedding_that_a_repository_holds(shop, tiny_model):
    repository = Repository.open(shop / "repository")
    ids = repository.present([])["id"].to_pylist()
    items = repository.named(ids[:2])
    images = [np.asarray(pillow.open(photo).convert("RGB")) for photo in items.photos]
    for (pooled, _), kept in zip(
        ModelBackbone.open(tiny_model).run(iter(images)), items.vectors.embeddings, strict=True
    ):
        assert float(pooled @ kept) > 0.98


def run(*words):
    return main([str(word) for word in words])


@pytest.mark.parametrize("ending", ["html", "png", "csv", "json"])
def test_the_command_writes_every_kind_of_report(shop, tiny_model, tmp_path, capsys, ending):
    output = tmp_path / f"out.{ending}"
    words = ("--category", "shoes", "--repository", shop / "repository", "--look", shop / "look")
    code = run(
        "complete-look", shop / "scene.png", *words, "--model", tiny_model, "--top", 3,
        "--output", output,
    )  # fmt: skip
    assert code == 0
    printed = capsys.readouterr()
    assert "3 of 8 items, articleType shoes" in printed.out
    data = output.read_bytes()
    if ending == "html":
        assert b"Where the model looked" in data and data.count(b"data:image/jpeg") == 5
    if ending == "json":
        document = json.loads(data)
        assert len(document["products"]) == 3
        assert np.sum(document["attention"]) == pytest.approx(1, abs=1e-2)
        assert document["products"][0]["score"] >= document["products"][2]["score"]


def test_wrong_requests_are_one_line(shop, tiny_model, tmp_path, capsys):
    common = ("--repository", shop / "repository", "--look", shop / "look", "--model", tiny_model)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no photo")
    for words, said in (
        ((shop / "scene.png", "--category", "hats", *common), "no item of category 'hats'"),
        ((shop / "scene.png", "--category", "", *common), "the category is empty"),
        ((tmp_path / "no.jpg", "--category", "shoes", *common), "no.jpg: no such file"),
        ((broken, "--category", "shoes", *common), "not a photo"),
        ((shop / "scene.png", "--category", "shoes", *common, "--top", "0"), "top is 0"),
        ((shop / "scene.png", "--category", "shoes", *common[:2]), "train one with"),
    ):
        assert run("complete-look", *words) == 2
        error = capsys.readouterr().err.strip().splitlines()
        assert said in error[-1]


def test_a_look_is_trained_from_a_table_and_used_without_keras(
    shop, tiny_model, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rows = ["scene,product,category,bbox"]
    for number in range(24):
        box = "0.4 0.1 0.6 2" if number == 23 else "0.3 0.6 0.7 1"
        rows.append(f"photos/{number:02d}.jpg,photos/{(number + 1) % 24:02d}.jpg,shoes,{box}")
    table = shop / "pairs.csv"
    table.write_text("\n".join(rows) + "\n")
    (tmp_path / "mine.toml").write_text(
        f"""
        model = "{tiny_model}"
        size = 8
        hidden = [16, 16, 8]
        data = {{ name = "table", file = "{table}" }}
        training = {{ epochs = 2, batch = 8 }}
        """
    )
    assert run("train-look", tmp_path / "mine.toml", "--output", tmp_path / "runs") == 0
    printed = capsys.readouterr().out
    assert "left out: 1 bounding box outside its scene" in printed
    assert "test part, look model: auc" in printed
    folder = tmp_path / "runs" / "mine"
    results = json.loads((folder / "results.json").read_text())
    assert results["seed"] == 0 and results["versions"]["keras"]
    assert results["test"].keys() == {"look model", "likeness"}
    assert (folder / "history.csv").read_text().startswith("epoch,loss,validation_auc\n1,")
    assert run("train-look", tmp_path / "mine.toml", "--output", tmp_path / "runs") == 0
    assert "was trained already" in capsys.readouterr().out
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "importtime",
            "-m",
            "fashionnet",
            "complete-look",
            shop / "scene.png",
            "--category",
            "bags",
            "--repository",
            shop / "repository",
            "--look",
            folder,
            "--model",
            tiny_model,
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "note: the look model was not trained on bags, only on shoes" in done.stderr
    assert not any(name in done.stderr for name in ("| keras", "| tensorflow"))


def test_what_is_said_where_no_look_model_is_works_as_it_stands(
    shop, tmp_path, capsys, monkeypatch
):
    """A table of pairs and a folder of photos are enough: an experiment can be written later."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    request = ("complete-look", shop / "scene.png", "--category", "jeans")
    assert run(*request, "--repository", shop / "repository") == 2
    said = capsys.readouterr().err
    for command in ("train-look pairs.csv", "train-look CATALOGUE", "--look runs/pairs"):
        assert command in said
    # Three photos, so that the network has little to see.
    for number in range(3):
        shutil.copy(shop / "photos" / f"{number:02d}.jpg", tmp_path)
    rows = [f"0{n % 2}.jpg,02.jpg,shoes,{n}" for n in range(12)]
    rows += [f"0{n % 2}.jpg,01.jpg,shoes,{n}" for n in range(12, 24)]
    (tmp_path / "pairs.csv").write_text("\n".join(["scene,product,category,group", *rows]))
    write_people(tmp_path / "people", 20, hairs=MORE_HAIRS)
    assert run("train-look", "pairs.csv") == run("train-look", "people") == 0
    printed = capsys.readouterr().out
    for name, views in (("pairs", Views()), ("people", Views("top", "cloth"))):
        assert LookModel.load(tmp_path / "runs" / name).views == views
        assert f"{name}: now: python -m fashionnet complete-look SCENE.jpg" in printed
    assert "pairs: by its AUC not surely better than chance" in printed
    assert run("train-look", "runs") == 2
    assert "none of" in capsys.readouterr().err


def test_the_function_opens_the_look_by_itself(shop, tiny_model, monkeypatch):
    monkeypatch.setattr(LookFinder, "backbone", ModelBackbone.open(tiny_model))
    repository = Repository.open(shop / "repository")
    completed = complete_look(scene_of(shop), repository, "jeans", 2, shop / "look")
    assert len(completed.ids) == 2 and completed.notes
