"""The HTTP interface and the gate before it, without a browser and with a network of colours."""

import io
import json
import shutil
import threading

import pytest
from app_client import (
    BLACK,
    GREEN,
    RED,
    build_shop,
    client_of,
    describe,
    names,
    photo_bytes,
    recommend,
    service_of,
)
from handmade import SCHEMA, ColourNetwork
from PIL import Image

from fashionnet.app import limits, queue, safety
from fashionnet.app.addition import FOLDER
from fashionnet.app.pictures import Pictures
from fashionnet.profile import StyleProfile

TOKEN = "a-token-that-is-long-enough"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    place = tmp_path_factory.mktemp("built")
    build_shop(place)
    return place


@pytest.fixture(scope="module")
def client(built):
    """For tests that change nothing."""
    with client_of(service_of(built)) as client:
        yield client


@pytest.fixture
def shop(built, tmp_path):
    """The same repository and its photos, to spoil at will."""
    shutil.copytree(built, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def service(shop):
    return service_of(shop)


@pytest.fixture
def own(service):
    with client_of(service) as client:
        yield client


def test_a_red_photo_brings_red_items_with_score_reason_and_picture(client):
    photo = describe(client, RED)
    assert photo["classes"]["pattern"] == "striped" and photo["relevant"]
    found = recommend(client, liked=[photo], page_size=4)
    assert names(found) == ["red"] * 4 and found["total"] == 12 and found["has_more"]
    first = found["items"][0]
    assert first["score"] == found["best_score"] == 4 and "striped 1 of 1" in first["reason"]
    assert first["title"] == "The red one" and first["metadata"]["colour"] == "Red"
    picture = client.get(first["picture"])
    assert picture.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(picture.content)).size == (60, 80)


def test_pages_are_parts_of_one_order(client):
    photo = describe(client, RED)
    every = recommend(client, liked=[photo], page_size=12, diversity=0)["items"]
    parts = [recommend(client, liked=[photo], page=page, page_size=5) for page in (1, 2, 3)]
    assert [item for part in parts for item in part["items"]] == every
    assert [part["has_more"] for part in parts] == [True, True, False]


def test_a_correction_overrides_the_network_for_that_photo(client):
    photo = describe(client, RED)
    corrected = {**photo, "classes": {**photo["classes"], "pattern": "floral"}}
    assert names(recommend(client, liked=[corrected], page_size=4)) == ["green"] * 4
    expected = recommend(client, liked=[corrected], page_size=4, scoring="expected")
    assert names(expected) == ["green"] * 4
    profile = client.post("/api/v1/profile", json={"liked": [corrected]}).json()
    pattern = {c["name"]: c for c in profile["attributes"][0]["classes"]}
    assert pattern["floral"]["liked"] == 1 and pattern["floral"]["probability"] == 1


def test_liked_and_disliked_items_refine_the_profile_and_are_not_shown_again(client):
    found = recommend(client, liked_items=["blue-60"], disliked_items=["red-60"], page_size=10)
    assert names(found)[:3] == ["blue"] * 3 and names(found)[-3:] == ["red"] * 3
    shown = [item["id"] for item in found["items"]]
    assert "blue-60" not in shown and "red-60" not in shown


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"column": "colour", "any_of": ["Red", "Blue"]}, {"red", "blue"}),
        ({"column": "price", "minimum": 100}, {"red-200", "red-250", "green-200", "green-250"}),
        ({"column": "price", "maximum": 30.0}, {"red-60", "blue-60", "green-60"}),
        ({"column": "name", "contains": "GREEN"}, {"green"}),
        ({"column": "pattern", "any_of": ["striped"]}, {"red"}),
        ({"column": "price", "any_of": ["30"]}, {"red-60"}),
    ],
)
def test_filters_leave_the_items_that_meet_them(client, wanted, expected):
    answer = client.get("/api/v1/items", params={"filters": json.dumps([wanted])}).json()
    ids = [item["id"] for item in answer["items"]]
    assert ids == sorted(ids) and answer["total"] == len(ids) > 0
    named = {name if "-" in next(iter(expected)) else name.partition("-")[0] for name in ids}
    assert expected <= named
    photo = describe(client, GREEN)
    found = recommend(client, liked=[photo], filters=[wanted])
    assert {item["id"] for item in found["items"]} == set(ids)


@pytest.mark.parametrize(
    "wanted",
    [
        {"column": "colour", "any_of": ["Red') OR 1=1 --"]},
        {"column": "name", "contains": "' OR ''='"},
        {"column": "name", "contains": "%"},
        {"column": "name", "contains": ".*"},
    ],
)
def test_a_filter_is_only_ever_compared(client, wanted):
    assert recommend(client, liked_items=["red-60"], filters=[wanted])["items"] == []


def test_the_columns_of_the_repository_become_filters(client):
    facts = client.get("/api/v1/repository").json()
    kinds = {column["name"]: column["kind"] for column in facts["columns"]}
    assert kinds == {
        "pattern": "choice",
        "name": "choice",
        "colour": "colour",
        "price": "choice",
    }
    assert (facts["items"], facts["left_out"], facts["can_add"]) == (12, 1, True)
    left_out = client.get("/api/v1/catalogue/left-out").json()["left_out"]
    assert [row["image"] for row in left_out] == ["broken.png"]


def test_a_saved_profile_is_the_command_lines_own(client, tmp_path):
    taste = {"liked": [describe(client, RED)], "disliked_items": ["green-60"]}
    document = client.post("/api/v1/profile/document", json=taste).json()
    (tmp_path / "me.json").write_text(json.dumps(document))
    profile = StyleProfile.load(tmp_path / "me.json")
    assert profile.liked.names == ("mine.png",) and profile.disliked.names == ("green-60",)
    opened = client.post("/api/v1/profile/open", json=document).json()
    again = recommend(client, **opened)
    assert again["items"] == recommend(client, **taste)["items"]


@pytest.mark.parametrize(
    ("path", "body", "status", "what"),
    [
        ("recommend", {}, 422, "nothing is liked yet"),
        ("recommend", {"liked_items": ["nowhere"]}, 422, "no item 'nowhere'"),
        ("recommend", {"liked_items": ["red-60"], "page_size": 0}, 422, "page_size"),
        ("recommend", {"liked_items": ["red-60"], "page": 900}, 422, "first 1000 items"),
        ("recommend", {"liked_items": ["red-60"], "weights": {"hue": 1}}, 422, "'hue'"),
        ("recommend", {"liked_items": ["red-60"], "where": "1=1"}, 422, "where"),
        (
            "recommend",
            {"liked_items": ["red-60"], "filters": [{"column": "_sha256", "any_of": ["a"]}]},
            422,
            "no column '_sha256'",
        ),
        (
            "recommend",
            {"liked_items": ["red-60"], "filters": [{"column": "name", "minimum": 1}]},
            422,
            "holds no numbers",
        ),
        ("profile/open", {"format": "other"}, 422, "not a style profile"),
        ("profile", {"liked": [{}] * 201}, 422, "liked"),
    ],
)
def test_a_wrong_request_is_answered_with_what_is_wrong(client, path, body, status, what):
    answer = client.post(f"/api/v1/{path}", json=body)
    assert answer.status_code == status and what in answer.json()["detail"]


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"model": "f" * 16}, "describe the photo again"),
        ({"embedding": [1.0]}, "embedding of 1 numbers"),
        ({"embedding": [0.5] * 27}, "unit length"),
        ({"probabilities": {}}, "needs classes and probabilities"),
        ({"classes": dict.fromkeys(SCHEMA.names, "odd")}, "no class 'odd'"),
        ({"sha256": "x"}, "sha256"),
    ],
)
def test_a_photo_that_was_not_described_here_is_refused(client, changes, what):
    photo = {**describe(client, RED), **changes}
    answer = client.post("/api/v1/recommend", json={"liked": [photo]})
    assert answer.status_code == 422 and what in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "kind", "status", "what"),
    [
        (b"", "image/png", 422, "empty file"),
        (b"no photo", "image/png", 422, "not a photo"),
        (photo_bytes(RED)[:-30], "image/png", 422, "damaged"),
        (photo_bytes(RED), "text/html", 415, "expected a photo of type"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png", 422, "not a photo"),
        (b"x" * (limits.PHOTO_BYTES + 1), "image/png", 413, "larger than 20 MiB"),
    ],
)
def test_what_is_no_photo_is_refused_with_the_reason(client, content, kind, status, what):
    answer = client.post("/api/v1/describe", content=content, headers={"content-type": kind})
    assert answer.status_code == status and what in answer.json()["detail"]


def test_too_many_pixels_are_refused_before_they_are_decoded(client, monkeypatch):
    monkeypatch.setattr("fashionnet.app.uploads.decode", lambda *_: pytest.fail("was decoded"))
    monkeypatch.setattr("fashionnet.app.uploads.PHOTO_PIXELS", 1000)
    answer = client.post(
        "/api/v1/describe", content=photo_bytes(RED), headers={"content-type": "image/png"}
    )
    assert answer.status_code == 422 and "megapixels" in answer.json()["detail"]


def test_a_body_of_unknown_length_is_refused_once_it_is_too_long(client):
    parts = (b"x" * 2**20 for _ in range(21))
    answer = client.post("/api/v1/describe", content=parts, headers={"content-type": "image/png"})
    assert answer.status_code == 413


def test_all_bodies_together_are_bounded_and_make_room_again(client, monkeypatch):
    monkeypatch.setattr(safety, "BODIES_BYTES", 1000)
    body = {"content": photo_bytes(RED, form="BMP"), "headers": {"content-type": "image/bmp"}}
    refused = client.post("/api/v1/describe", **body)
    assert refused.status_code == 429 and refused.headers["retry-after"]
    monkeypatch.setattr(safety, "BODIES_BYTES", 10**6)
    assert client.post("/api/v1/describe", **body).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/pictures/../../etc/passwd",
        "/api/v1/pictures/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/api/v1/pictures/" + "0" * 64,
        "/api/v1/items/../../repository.json",
        "/../safety.py",
        "/%2e%2e/safety.py",
        "/..%2fsafety.py",
    ],
)
def test_no_file_is_reachable_but_the_page_and_the_pictures(client, path):
    assert client.get(path).status_code in (404, 422)


def test_every_answer_has_strict_headers(client):
    for path in ("/", "/api/v1/repository", "/nowhere", "/api/v1/items/nothing"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers
    assert client.get("/api/v1/repository").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://localhost:8000"}, 200),
        ({"origin": "http://localhost:8000", "sec-fetch-site": "same-origin"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://localhost:9000"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"host": "evil.example"}, 421),
        ({"host": "localhost.evil.example"}, 421),
        ({"host": "[::1]:8000"}, 200),
    ],
)
def test_only_this_machines_own_page_can_change_anything(client, headers, status):
    answer = client.post("/api/v1/profile", json={"liked_items": ["red-60"]}, headers=headers)
    assert answer.status_code == status


@pytest.fixture
def guarded(service):
    with client_of(service, TOKEN, "http://192.168.1.5:8000") as client:
        yield client


def test_with_a_token_nothing_is_answered_without_it(guarded):
    for path in ("/", "/page.js", "/api/v1/repository", "/api/v1/openapi.json", "/nowhere"):
        assert guarded.get(path).status_code == 401
    wrong = {"authorization": "Bearer another-token-of-some-length"}
    assert guarded.get("/api/v1/repository", headers=wrong).status_code == 401
    assert guarded.get("/?token=wrong").status_code == 401
    assert guarded.get("/api/v1/repository?token=" + TOKEN).status_code == 401


def test_the_address_with_the_token_opens_the_page_and_drops_the_token(guarded):
    opened = guarded.get(f"/?token={TOKEN}", follow_redirects=False)
    assert opened.status_code == 303 and opened.headers["location"] == "/"
    assert "HttpOnly" in opened.headers["set-cookie"]
    assert "FashionNet" in guarded.get("/").text
    assert guarded.get("/api/v1/repository").status_code == 200


def test_a_program_brings_the_token_as_a_bearer(guarded):
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert guarded.get("/api/v1/repository", headers=headers).status_code == 200


def test_a_full_queue_answers_429_at_once_and_serves_again_afterwards(service, own):
    running, go_on = threading.Event(), threading.Event()

    class Slow(ColourNetwork):
        def describe(self, images):
            running.set()
            go_on.wait(30)
            return super().describe(images)

    service.network = Slow
    service.describing = queue.WorkQueue(threads=1, waiting=0)
    body = {"content": photo_bytes(RED), "headers": {"content-type": "image/png"}}
    answers = []
    first = threading.Thread(target=lambda: answers.append(own.post("/api/v1/describe", **body)))
    first.start()
    assert running.wait(30)
    refused = own.post("/api/v1/describe", **body)
    assert refused.status_code == 429 and int(refused.headers["retry-after"]) > 0
    go_on.set()
    first.join()
    assert answers[0].status_code == 200
    assert own.post("/api/v1/describe", **body).status_code == 200


def test_a_thumbnail_is_made_once_and_the_cache_is_bounded(service, monkeypatch):
    made = []
    original = Pictures._make
    monkeypatch.setattr(Pictures, "_make", lambda *call: made.append(call[2:]) or original(*call))
    snapshot = service.snapshot
    one, other = (str(sha256) for sha256 in snapshot.items.fingerprints[:2])
    pictures = Pictures(maximum_bytes=10**6)
    assert pictures.get(snapshot, one, "small") == pictures.get(snapshot, one, "small")
    assert len(made) == 1
    tight = Pictures(maximum_bytes=1)
    for sha256 in (one, other, one):
        tight.get(snapshot, sha256, "small")
    assert len(made) == 4


def test_a_picture_is_encoded_anew_and_carries_nothing_of_the_file(shop, service, own):
    path = shop / "shop" / "red-60.png"
    with Image.open(path) as picture:
        data = io.BytesIO()
        exif = Image.Exif()
        exif[0x010E] = "a secret place"
        picture.save(data, "JPEG", exif=exif)
    path.write_bytes(data.getvalue())
    item = own.get("/api/v1/items/red-60").json()
    assert b"a secret place" not in own.get(item["picture"]).content


def add(client, colour, name="new.png", form="PNG"):
    return client.post(
        "/api/v1/catalogue/photos",
        params={"name": name},
        content=photo_bytes(colour, form=form),
        headers={"content-type": "image/png"},
    )


def finished(client):
    while True:
        status = client.get("/api/v1/catalogue/addition").json()
        if status["state"] != "working":
            return status


def test_added_photos_become_items_and_nothing_else_changes(shop, own):
    before = own.get("/api/v1/items", params={"page_size": 200}).json()["items"]
    for name, colour in (("a.png", (33, 0, 0)), ("../../b c.png", (0, 44, 0)), ("d", BLACK)):
        assert add(own, colour, name).status_code == 201
    assert own.post("/api/v1/catalogue/addition").status_code == 202
    status = finished(own)
    assert status["state"] == "done" and status["done"] == status["total"] == 3, status
    after = own.get("/api/v1/items", params={"page_size": 200}).json()["items"]
    added = [item for item in after if item["id"].startswith(f"{FOLDER}/")]
    assert [item for item in after if item not in added] == before
    assert len(added) == 2 and all(item["metadata"]["price"] is None for item in added)
    assert own.get(added[0]["picture"]).status_code == 200
    facts = own.get("/api/v1/repository").json()
    assert (facts["irrelevant"], facts["vanished"], facts["left_out"]) == (1, 0, 1)
    assert len(list((shop / "shop" / FOLDER).glob("*.png"))) == 3
    assert len(list(shop.rglob("*.png"))) == 13 + 3
    assert own.get(f"/api/v1/items/{added[0]['id']}").json() == added[0]


def test_a_photo_that_is_none_is_not_written(shop, own):
    answer = own.post(
        "/api/v1/catalogue/photos", content=b"#!/bin/sh", headers={"content-type": "image/png"}
    )
    assert answer.status_code == 422
    assert not (shop / "shop" / FOLDER).exists() or not list((shop / "shop" / FOLDER).iterdir())


def test_a_damaged_photo_is_left_out_with_the_reason_beside_the_earlier_ones(own):
    content = photo_bytes(RED, size=(300, 300))
    body = {"content": content[:120], "headers": {"content-type": "image/png"}}
    assert own.post("/api/v1/catalogue/photos", **body).status_code == 201
    own.post("/api/v1/catalogue/addition")
    status = finished(own)
    assert [row["reason"][:7] for row in status["left_out"]] == ["damaged"]
    left_out = own.get("/api/v1/catalogue/left-out").json()["left_out"]
    assert "broken.png" in [row["image"] for row in left_out] and len(left_out) == 2


def test_photos_put_there_before_a_kill_are_described_by_the_next_server(shop, own):
    assert add(own, (33, 0, 0)).status_code == 201
    # The server is gone here; another one is started on the same repository.
    with client_of(service_of(shop)) as again:
        finished(again)
        assert again.get("/api/v1/repository").json()["items"] == 13


def test_nothing_is_added_to_a_server_that_others_reach(service, guarded):
    service.adder.may_add = False
    headers = {"content-type": "image/png", "authorization": f"Bearer {TOKEN}"}
    answer = guarded.post("/api/v1/catalogue/photos", content=photo_bytes(RED), headers=headers)
    assert answer.status_code == 422 and "on the machine itself" in answer.json()["detail"]


def test_the_description_of_the_interface_is_whole(client):
    document = client.get("/api/v1/openapi.json").json()
    operations = {
        operation["operationId"]
        for path in document["paths"].values()
        for operation in path.values()
    }
    named = {"describe", "profile", "recommend", "similar", "complete_look", "items", "item", "map"}
    assert named <= operations
    assert all(path.startswith("/api/v1/") for path in document["paths"])
    assert "example" in json.dumps(document["components"]["schemas"]["RecommendRequest"])
    for path in document["paths"].values():
        for operation in path.values():
            assert operation["description"] and "429" in operation["responses"]
