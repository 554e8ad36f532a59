"""Complete the look over HTTP."""

import base64
import io
import json
import shutil
import time

import numpy as np
import pytest
from app_client import client_of
from handmade import ColourNetwork, paint_shop
from look_reference import random_look
from PIL import Image

from fashionnet.app.look import Looks
from fashionnet.app.service import Service
from fashionnet.app.snapshot import Snapshot
from fashionnet.compatibility.complete_look import DEFAULT_LOOK
from fashionnet.errors import RequestError
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import Model
from fashionnet.repository.store import Repository
from fashionnet.samples.shipped import SAMPLE_REPOSITORY

KINDS = ("Shoes", "Bags", "Jeans")


@pytest.fixture(scope="module")
def shop(tmp_path_factory, drawn, tiny_model):
    """Twelve photos in three categories, their repository, and a look model of random weights."""
    place = tmp_path_factory.mktemp("shop")
    rows = ["image,articleType,name"]
    for number, photo in enumerate(sorted(drawn.glob("*.jpg"))[:12]):
        shutil.copy(photo, place / f"{number:02d}.jpg")
        rows.append(f"{number:02d}.jpg,{KINDS[number % 3]},Number {number}")
    (place / "items.csv").write_text("\n".join(rows))
    network = CompiledNetwork.open(tiny_model, "f32")
    Repository.build(place / "items.csv", place / "repository", network)
    (place / "look").mkdir()
    random_look(Model.load(tiny_model).fingerprint).save(place / "look")
    return place


def serving(repository, look=None, model=None):
    return client_of(Service(Snapshot(repository), lambda: None, 2, Looks(look, model)))


@pytest.fixture(scope="module")
def client(shop, tiny_model):
    with serving(shop / "repository", shop / "look", tiny_model) as client:
        yield client


def read_products(client):
    facts = client.post("/api/v1/complete-look/products").json()
    for _ in range(600):
        if facts["products"]["state"] != "working":
            return facts
        time.sleep(0.05)
        facts = client.get("/api/v1/complete-look").json()
    raise AssertionError("the products are not read")


def complete(client, content=b"", **query):
    headers = {"content-type": "image/jpeg"}
    return client.post("/api/v1/complete-look", params=query, content=content, headers=headers)


def scene(shop):
    return (shop / "00.jpg").read_bytes()


def test_before_the_first_look_the_products_are_read(shop, tiny_model):
    with serving(shop / "repository", shop / "look", tiny_model) as client:
        early = complete(client, scene(shop), category="Shoes")
        assert early.status_code == 422 and "are being read" in early.json()["detail"]
        facts = read_products(client)
        assert facts["products"]["state"] == "done" and not facts["why_not"]
        assert {(c["value"], c["count"], c["trained"]) for c in facts["categories"]} == {
            ("Shoes", 4, True),
            ("Bags", 4, True),
            ("Jeans", 4, False),
        }
        assert client.get("/api/v1/repository").json()["can_complete"]


def test_the_products_of_the_category_come_with_pictures_and_where_was_looked(shop, client):
    read_products(client)
    found = complete(client, scene(shop), category="shoes", top=3).json()
    assert (found["column"], found["total"], len(found["items"])) == ("articleType", 4, 3)
    assert {item["metadata"]["articleType"] for item in found["items"]} == {"Shoes"}
    compatibility = [item["compatibility"] for item in found["items"]]
    assert compatibility == sorted(compatibility, reverse=True) and 0 <= compatibility[0] <= 1
    # Relevant or not, every product has a picture.
    for item in found["items"]:
        assert client.get(item["picture"]).headers["content-type"] == "image/jpeg"
    assert np.sum(found["attention"]) == pytest.approx(1, abs=1e-3)
    overlay = Image.open(io.BytesIO(base64.b64decode(found["overlay"])))
    assert overlay.format == "JPEG" and max(overlay.size) <= 640


def test_filters_choose_among_the_products_of_the_category(shop, client):
    columns = read_products(client)["columns"]
    # Trousers and shoes have no pattern that the network could tell.
    assert {column["name"]: column["kind"] for column in columns} == {
        "articleType": "choice",
        "name": "choice",
    }

    def found(*filters):
        return complete(client, scene(shop), category="Shoes", filters=json.dumps(filters)).json()

    every = found()
    wanted = {"column": "name", "any_of": ["Number 3", "Number 9", "Number 1"]}
    chosen = found(wanted)
    assert {item["title"] for item in chosen["items"]} == {"Number 3", "Number 9"}
    assert chosen["total"] == 2 and every["total"] == 4
    order = [item["id"] for item in every["items"]]
    assert [item["id"] for item in chosen["items"]] == sorted(
        (item["id"] for item in chosen["items"]), key=order.index
    )
    nothing = found({"column": "name", "contains": "nowhere"})
    assert nothing["items"] == [] and nothing["total"] == 0 and nothing["overlay"]


def test_an_item_can_be_the_scene(shop, client):
    read_products(client)
    name = next(iter(Repository.open(shop / "repository").items().ids), None)
    if name is None:
        pytest.skip("a network of random weights took every photo for irrelevant")
    by_item = complete(client, category="Bags", item=name)
    by_photo = complete(client, (shop / f"{name}.jpg").read_bytes(), category="Bags")
    ids = [item["id"] for item in by_item.json()["items"]]
    assert ids == [item["id"] for item in by_photo.json()["items"]] and len(ids) == 4


@pytest.mark.parametrize(
    ("query", "content", "status", "what"),
    [
        ({"category": "Hats"}, None, 422, "no item of category"),
        ({"category": "Shoes", "column": "size"}, None, 422, "no column size"),
        ({"category": "Shoes"}, b"no photo", 422, "not a photo"),
        ({"category": "Shoes", "item": "nowhere"}, b"", 422, "no item"),
        ({"category": "Shoes", "top": 0}, None, 422, "top"),
        ({"category": "Shoes", "filters": "[{}]"}, None, 422, "filters"),
        ({"category": "Shoes", "filters": '[{"column":"size","contains":"a"}]'}, None, 422, "size"),
        ({}, None, 422, "category"),
    ],
)
def test_a_wrong_request_is_answered_with_what_is_wrong(shop, client, query, content, status, what):
    read_products(client)
    answer = complete(client, scene(shop) if content is None else content, **query)
    assert answer.status_code == status and what in answer.json()["detail"]


def test_what_is_lacking_is_said_with_the_command_that_brings_it(shop, tiny_model, tmp_path):
    if not DEFAULT_LOOK.is_dir():
        with serving(shop / "repository") as client:
            facts = client.get("/api/v1/complete-look").json()
            assert "python -m fashionnet train-look" in facts["why_not"]
            assert not client.get("/api/v1/repository").json()["can_complete"]
            assert complete(client, scene(shop), category="Shoes").status_code == 422
    with serving(SAMPLE_REPOSITORY, shop / "look", tiny_model) as client:
        assert "--repository" in client.get("/api/v1/complete-look").json()["why_not"]
    paint_shop(tmp_path / "shop")
    Repository.build(tmp_path / "shop", tmp_path / "repository", ColourNetwork())
    with serving(tmp_path / "repository", shop / "look", tiny_model) as client:
        assert "--metadata" in client.get("/api/v1/complete-look").json()["why_not"]
    with pytest.raises(RequestError, match="is missing"):
        Looks(tmp_path)
