"""The HTTP interface without a browser: a small shop, and a client of its server."""

import io

from handmade import ColourNetwork
from PIL import Image
from starlette.testclient import TestClient

from fashionnet.app import safety
from fashionnet.app.server import make_app
from fashionnet.app.service import Service
from fashionnet.app.snapshot import Snapshot
from fashionnet.repository.store import Repository

RED, GREEN, BLUE, BLACK = (170, 0, 0), (0, 170, 0), (0, 0, 170), (0, 0, 0)


def photo_bytes(colour, size=(60, 80), form="PNG"):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, form)
    return file.getvalue()


def service_of(place):
    return Service(Snapshot(place / "repository"), ColourNetwork, threads=2)


def client_of(service, token=None, base_url="http://localhost:8000"):
    return TestClient(
        safety.Gate(make_app(service), token), base_url=base_url, raise_server_exceptions=False
    )


def build_shop(place):
    """Build a repository of twelve items in three colours, with metadata, and a photo left out."""
    folder = place / "shop"
    folder.mkdir()
    rows = ["image,name,colour,price,on sale"]
    for shade in (60, 120, 200, 250):
        for name, colour in (
            ("red", (shade, 0, 0)),
            ("green", (0, shade, 0)),
            ("blue", (0, 0, shade)),
        ):
            (folder / f"{name}-{shade}.png").write_bytes(photo_bytes(colour))
            rows.append(f"{name}-{shade}.png,The {name} one,{name.title()},{shade / 2},yes")
    (folder / "broken.png").write_text("no photo")
    rows.append("broken.png,Broken,Red,1,no")
    (folder / "items.csv").write_text("\n".join(rows))
    Repository.build(folder / "items.csv", place / "repository", ColourNetwork())


def describe(client, colour, **kwargs):
    answer = client.post(
        "/api/v1/describe?name=mine.png",
        content=photo_bytes(colour, **kwargs),
        headers={"content-type": "image/png"},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def recommend(client, **request):
    answer = client.post("/api/v1/recommend", json=request)
    assert answer.status_code == 200, answer.text
    return answer.json()


def names(answer):
    return [item["id"].partition("-")[0] for item in answer["items"]]
