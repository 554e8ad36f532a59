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
from fashionnet.app.added import FOLDER
from fashionnet.app.pictures import Pictures
from fashionnet.profile import StyleProfile

TOKEN = "a-token-that-is-long-enough"


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
    monkeypatch.setattr("fashionnet.photos._upright_rgb", lambda _: pytest.fail("was decoded"))
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
    longest = "\U00020000" * 300
    for name, colour in (("a.png", (33, 0, 0)), ("../../b c.png", (0, 44, 0)), (longest, BLACK)):
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


def add_table(client, text, name="items.csv", kind="text/csv"):
    return client.post(
        "/api/v1/catalogue/manifests",
        params={"name": name},
        content=text.encode(),
        headers={"content-type": kind},
    )


def added_items(client):
    every = client.get("/api/v1/items", params={"page_size": 200}).json()["items"]
    return {item["title"]: item for item in every if item["metadata"].get("season")}


@pytest.mark.parametrize("table_first", [True, False])
def test_a_table_tells_of_the_photos_that_are_added_with_it(shop, own, table_first):
    rows = "id,image,name,price,season,on sale\nmine,a b.png,My red one,$12.50,Summer,yes\n"
    if table_first:
        assert add_table(own, rows).json()["rows"] == 1
    assert add(own, (33, 0, 0), "a b.png").status_code == 201
    if not table_first:
        assert add_table(own, rows).json()["rows"] == 1
    assert own.post("/api/v1/catalogue/addition").json()["total"] == 1
    status = finished(own)
    assert status["state"] == "done" and not status["left_out"], status
    item = own.get("/api/v1/items/mine").json()
    assert item["title"] == "My red one" and item["metadata"]["price"] == 12.5
    assert (item["metadata"]["season"], item["metadata"]["colour"]) == ("Summer", None)
    # What was there before keeps its columns, and knows nothing of the new one.
    other = own.get("/api/v1/items/red-60").json()["metadata"]
    assert (other["price"], other["colour"], other["season"]) == (30, "Red", None)
    # A later addition keeps what the table said.
    assert add(own, (0, 0, 33), "later.png").status_code == 201
    own.post("/api/v1/catalogue/addition")
    finished(own)
    assert own.get("/api/v1/items/mine").json()["metadata"] == item["metadata"]


def test_a_table_alone_adds_photos_that_lie_in_the_catalogues_folder(shop, own):
    (shop / "shop" / "new").mkdir()
    for name in ("one", "two"):
        (shop / "shop" / "new" / f"{name}.png").write_bytes(photo_bytes((44, 0, 0)))
    lines = [
        json.dumps({"image": "new/one.png", "name": "One", "price": 7}),
        json.dumps({"image": "new/two.png", "name": "Two", "price": "cheap"}),
        json.dumps({"image": "red-60.png", "name": "Known already"}),
        json.dumps({"image": "nowhere.png", "name": "Nowhere"}),
        json.dumps({"image": "../items.csv", "name": "Outside"}),
        json.dumps({"image": "new/one.png", "id": "x" * 501}),
        "no JSON",
    ]
    kind = "application/x-ndjson"
    assert add_table(own, "\n".join(lines), "more.jsonl", kind).status_code == 201
    own.post("/api/v1/catalogue/addition")
    status = finished(own)
    assert status["total"] == 2, status
    every = own.get("/api/v1/items", params={"page_size": 200}).json()["items"]
    prices = {item["id"]: item["metadata"]["price"] for item in every}
    assert prices["new/one"] == 7 and prices["new/two"] is None and len(every) == 14
    assert own.get("/api/v1/items/red-60").json()["title"] == "The red one"
    reasons = sorted(row["reason"][:8] for row in status["left_out"])
    assert reasons == ["id of ov", "lies out", "no photo", "not a JS"]
    # Asked again, there is nothing new, and why rows are left out is still said.
    again = own.post("/api/v1/catalogue/addition").json()
    assert "no photo that is not described" in again["message"] and len(again["left_out"]) == 4


@pytest.mark.parametrize(
    ("text", "kind", "status", "what"),
    [
        ("name,price\nRed,1\n", "text/csv", 422, "no column image"),
        ("", "text/csv", 422, "no header found"),
        ("image\n" + "\n" * 100_001, "text/csv", 422, "100,000 lines"),
        ("nonsense", "application/x-ndjson", 422, "one JSON object on each line"),
        ("image\na.png\n", "text/html", 415, "expected a table of type"),
        ("image\n" + "a" * limits.JSON_BYTES, "text/csv", 413, "larger than 8 MiB"),
    ],
)
def test_what_is_no_table_is_refused_and_not_kept(shop, own, text, kind, status, what):
    answer = add_table(own, text, "mine.csv", kind)
    assert answer.status_code == status and what in answer.json()["detail"]
    assert str(shop) not in answer.text and "/tmp" not in answer.text
    assert not list((shop / "shop").glob(f"{FOLDER}/*"))


def test_two_photos_of_one_name_are_not_mixed_up(own):
    for shade in (33, 44):
        assert add(own, (shade, 0, 0), "shirt.png").status_code == 201
    add_table(own, "image,name,season\nshirt.png,Which,Summer\n")
    own.post("/api/v1/catalogue/addition")
    status = finished(own)
    assert "several added photos are called shirt.png" in status["left_out"][0]["reason"]
    assert own.get("/api/v1/repository").json()["items"] == 14
    assert not added_items(own)


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
