"""Search by picture and the map of the catalogue, over HTTP."""

import io
import time

import pytest
from app_client import RED, client_of, describe, names, service_of
from PIL import Image

from fashionnet.app import map as app_map
from fashionnet.app.client import Client
from fashionnet.similarity import by_colour


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of one's own; where items lie on the map is told by test_map.py."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(app_map.maps, "lay_out", lambda embeddings: embeddings[:, :2].copy())
    return tmp_path / "cache"


def similar(client, **request):
    answer = client.post("/api/v1/similar", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def step(attribute, class_name, strength):
    return {"attribute": attribute, "class_name": class_name, "strength": strength}


# --- Similar ----------------------------------------------------------------------------------


def test_what_is_like_a_photo_or_an_item_comes_first_with_likeness_and_reason(client):
    for query in ({"photo": describe(client, RED)}, {"item": "red-200"}):
        found = similar(client, **query, page_size=3)
        assert names(found) == ["red"] * 3 and found["has_more"]
        first = found["items"][0]
        assert first["rank"] == 1 and first["likeness"] == first["score"] > 0.5
        assert first["reason"].startswith("striped, ")
        assert client.get(first["picture"]).status_code == 200
    assert "red-200" not in [item["id"] for item in similar(client, item="red-200")["items"]]


def test_pages_are_parts_of_one_order(client):
    every = similar(client, item="red-60", page_size=11)
    parts = [similar(client, item="red-60", page=page, page_size=4) for page in (1, 2, 3)]
    assert [item for part in parts for item in part["items"]] == every["items"]
    assert [part["has_more"] for part in parts] == [True, True, False]
    assert every["total"] == 11


def test_a_shift_walks_towards_a_class_and_away_from_it(client):
    query = {"item": "red-200", "page_size": 11}
    plain = names(similar(client, **query))
    towards = similar(client, **query, shifts=[step("pattern", "floral", 3)])
    assert plain[:3] == ["red"] * 3 and names(towards)[:4] == ["green"] * 4
    assert towards["items"][0]["score"] > towards["items"][0]["likeness"]
    away = names(similar(client, **query, shifts=[step("pattern", "striped", -3)]))
    assert "red" not in away[:3]


def test_a_shift_by_nothing_changes_nothing(client):
    still = similar(client, item="red-200")
    zero = similar(client, item="red-200", shifts=[step("pattern", "floral", 0)])
    assert zero == still


def test_a_correction_is_what_a_shift_starts_from(client):
    photo = describe(client, RED)
    corrected = {**photo, "classes": {**photo["classes"], "pattern": "floral"}}
    shifts = [step("pattern", "floral", 3)]
    assert names(similar(client, photo=photo, shifts=shifts))[0] == "green"
    # It is floral already: there is nowhere to walk.
    assert names(similar(client, photo=corrected, shifts=shifts))[0] == "red"


def test_colours_of_the_garments_bring_items_forward_or_leave_only_them(client):
    only = similar(client, item="red-200", colour="green")
    assert set(names(only)) == {"green"} and len(only["items"]) >= 2
    assert all("% Green" in item["reason"] for item in only["items"])
    forward = similar(client, item="red-60", page_size=3, shifts=[step("colour", "purple", 10)])
    assert "blue" in names(forward)


def test_the_colours_are_read_before_anybody_asks(built, monkeypatch):
    by_colour._colours_of_file.cache_clear()
    with client_of(service_of(built)) as client:
        for _ in range(100):
            if by_colour._colours_of_file.cache_info().currsize == 12:
                break
            time.sleep(0.1)
        monkeypatch.setattr(by_colour, "decode", lambda *_: pytest.fail("was read by a query"))
        assert set(names(similar(client, item="red-200", colour="green"))) == {"green"}


def test_filters_choose_what_is_searched(client):
    wanted = [{"column": "colour", "any_of": ["Blue"]}]
    found = similar(client, item="red-60", filters=wanted)
    assert names(found) == ["blue"] * 4 and found["total"] == 4


@pytest.mark.parametrize(
    ("request_", "what"),
    [
        ({}, "give a photo or an item"),
        ({"item": "nowhere"}, "no item 'nowhere'"),
        ({"item": "red-60", "shifts": [step("hue", "red", 1)]}, "'hue'"),
        ({"item": "red-60", "shifts": [step("pattern", "odd", 1)]}, "'odd'"),
        ({"item": "red-60", "shifts": [step("colour", "odd", 1)]}, "no colour 'odd'"),
        ({"item": "red-60", "shifts": [step("pattern", "striped", 11)]}, "strength"),
        ({"item": "red-60", "shifts": [step("fabric", "lace", 1)]}, "no item of the repository"),
        ({"item": "red-60", "colour": "odd"}, "no colour 'odd'"),
        ({"item": "red-60", "page": 9}, "first 480 items"),
        ({"item": "red-60", "where": "1=1"}, "where"),
    ],
)
def test_a_wrong_search_is_answered_with_what_is_wrong(client, request_, what):
    answer = client.post("/api/v1/similar", json=request_)
    assert answer.status_code == 422 and what in answer.json()["detail"]


def test_a_photo_and_an_item_at_once_are_refused(client):
    both = {"photo": describe(client, RED), "item": "red-60"}
    assert client.post("/api/v1/similar", json=both).status_code == 422


def test_the_python_client_searches_by_photo_and_by_item(client, monkeypatch):
    sent = []
    monkeypatch.setattr(Client, "_send", lambda self, path, content: sent.append((path, content)))
    photo = describe(client, RED)
    Client("http://127.0.0.1:1").similar(photo, page_size=3)
    Client("http://127.0.0.1:1").similar("red-60")
    for path, content in sent:
        assert client.post(f"/api/v1{path}", json=content).status_code == 200


# --- The map ----------------------------------------------------------------------------------


def made(client):
    client.post("/api/v1/map")
    for _ in range(300):
        status = client.get("/api/v1/map").json()
        if status["state"] != "working":
            return status
        time.sleep(0.1)
    raise AssertionError("the map is not made")


def test_the_map_is_made_when_it_is_asked_for_and_shows_every_item(built, cache):
    with client_of(service_of(built)) as client:
        assert client.get("/api/v1/map").json()["state"] == "absent"
        assert client.get("/api/v1/map/items").status_code == 404
        assert made(client)["state"] == "done"
        items = client.get("/api/v1/map/items").json()
        assert len(items["ids"]) == len(items["x"]) == len(items["y"]) == 12
        assert client.get(f"/api/v1/items/{items['ids'][3]}").json()["title"] == items["titles"][3]
        assert [column["name"] for column in items["columns"]][:4] == [
            *("pattern", "fabric", "style", "shape"),
        ]
        sheet = Image.open(io.BytesIO(client.get(items["atlas"]).content))
        assert sheet.size == (4 * items["side"], 3 * items["side"])


def test_the_next_server_has_the_map_without_making_it_again(built, cache, monkeypatch):
    with client_of(service_of(built)) as client:
        made(client)
        first = client.get("/api/v1/map/items").json()
    monkeypatch.setattr(app_map.maps, "lay_out", lambda _: pytest.fail("was made again"))
    with client_of(service_of(built)) as client:
        assert client.get("/api/v1/map").json()["state"] == "done"
        assert client.get("/api/v1/map/items").json() == first


@pytest.mark.parametrize("damage", [b"", b"no array"])
def test_a_damaged_map_in_the_cache_is_made_again(built, cache, damage):
    with client_of(service_of(built)) as client:
        made(client)
    (points,) = (cache / "fashionnet" / "maps").glob("*.npy")
    points.write_bytes(damage)
    with client_of(service_of(built)) as client:
        assert client.get("/api/v1/map").json()["state"] == "absent"
        assert made(client)["state"] == "done"


def test_what_goes_wrong_with_the_map_is_said_and_it_may_be_tried_again(built, cache, monkeypatch):
    def fail(_):
        raise MemoryError("too many")

    with client_of(service_of(built)) as client:
        with monkeypatch.context() as changes:
            changes.setattr(app_map.maps, "lay_out", fail)
            status = made(client)
            assert status["state"] == "failed" and "too many" in status["step"]
        assert made(client)["state"] == "done"
