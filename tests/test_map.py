"""The map of a catalogue."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from handmade import ColourNetwork
from PIL import Image

from fashionnet.cli.main import run_command
from fashionnet.repository.store import Repository
from fashionnet.similarity import map as maps

NASTY = "</script><script>alert('x')</script>"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Eight shades each of red, green and blue, with what a careless shop says of them."""
    folder = tmp_path_factory.mktemp("map")
    (folder / "shop").mkdir()
    lines = ["image,title,season,price"]
    for shade in range(60, 220, 20):
        for name, colour in (
            ("red", (shade, 0, 0)),
            ("green", (0, shade, 0)),
            ("blue", (0, 0, shade)),
        ):
            Image.new("RGB", (60, 80), colour).save(folder / "shop" / f"{name}{shade}.png")
            lines.append(f"{name}{shade}.png,{NASTY},{'Winter' if shade > 100 else ''},{shade}")
    (folder / "shop" / "items.csv").write_text("\n".join(lines))
    Repository.build(folder / "shop" / "items.csv", folder / "repository", ColourNetwork())
    return folder


def draw(shop, output, *words):
    words = ["--repository", str(shop / "repository"), "--output", str(output), *words]
    return run_command("map", words)


def data_of(page):
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1]
    )


def test_like_items_lie_close_in_the_unit_square():
    random = np.random.default_rng(0)
    heaps = np.eye(8)[np.repeat(np.arange(4), 40)] + random.normal(0, 0.05, (160, 8))
    points = maps.lay_out(heaps.astype(np.float32))
    assert points.shape == (160, 2) and points.min() >= 0 and points.max() <= 1
    nearest = ((points[:, None] - points[None]) ** 2).sum(axis=2) + 9 * np.eye(160)
    assert (nearest.argmin(axis=1) // 40 == np.arange(160) // 40).mean() > 0.95
    assert np.array_equal(points, maps.lay_out(heaps.astype(np.float32)))


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_few_or_equal_items_have_places_too(count):
    random = np.random.default_rng(0)
    for embeddings in (random.normal(size=(count, 6)), np.ones((count, 6))):
        points = maps.lay_out(embeddings.astype(np.float32))
        assert points.shape == (count, 2)
        assert np.isfinite(points).all()
        assert points.min() >= -1e-6 and points.max() <= 1 + 1e-6


def test_the_page_stands_alone_with_a_place_and_a_picture_of_every_item(shop, tmp_path, capsys):
    assert draw(shop, tmp_path / "map.html") == 0
    printed = capsys.readouterr()
    assert "written:" in printed.out
    assert "laying out 24 items" in printed.err
    page = (tmp_path / "map.html").read_text("utf-8")
    assert page.count("<script") == 2 and "alert('x')</script>" not in page
    assert not re.search(r"https?:", page)
    data = data_of(page)
    assert len(data["ids"]) == len(data["x"]) == len(data["y"]) == 24
    assert data["titles"][0] == NASTY
    assert [column["name"] for column in data["columns"]][:5] == [
        *("pattern", "fabric", "style", "shape", "title"),
    ]
    assert sorted(data["columns"][0]["names"]) == ["floral", "solid", "striped"]
    season = next(column for column in data["columns"] if column["name"] == "season")
    assert season["names"] == ["Winter"] and season["codes"].count(-1) == 9
    assert data["atlas"].startswith("data:image/jpeg;base64,")


def test_the_picture_shows_the_items_and_the_colours_of_a_column(shop, tmp_path):
    for name in ("map.png", "map.jpg"):
        assert draw(shop, tmp_path / name, "--colour-by", "season") == 0
    with Image.open(tmp_path / "map.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200), (0x33, 0x66, 0xCC), (0xB9, 0xB5, 0xAD)):
        assert (abs(pixels - colour).max(axis=2) < 8).sum() > 20, colour


def test_a_filter_and_a_column_to_colour_by(shop, tmp_path):
    words = ("--where", "price > 100", "--colour-by", "price")
    assert draw(shop, tmp_path / "map.html", *words) == 0
    data = data_of((tmp_path / "map.html").read_text("utf-8"))
    assert len(data["ids"]) == 15
    assert data["columns"][0]["name"] == "price"
    assert data["summary"] == "15 items, where price > 100"


def test_only_the_most_frequent_values_have_a_colour_of_their_own():
    column = maps.MapColumn.of("year", [*range(30), 3, 3, None, float("nan"), 7])
    assert len(column.names) == maps.NAMED_VALUES
    assert column.names[:2] == ["3", "7"]
    assert column.codes[-3:-1] == [-1, -1] and column.codes[29] == -1


def test_a_map_of_too_many_items_shows_some_from_all_over():
    rows = maps.every_nth(3 * maps.MAXIMUM_ITEMS)
    assert len(rows) == maps.MAXIMUM_ITEMS
    assert (rows[0], rows[-1]) == (0, 3 * maps.MAXIMUM_ITEMS - 1)
    assert maps.every_nth(5).tolist() == [0, 1, 2, 3, 4]
    assert "20,000 of 60,000 items, evenly chosen" in maps.summary_of(20_000, 60_000, None)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("map.pdf",), 2, "expected a file ending in .html, .png, .jpg"),
        (("map.html", "--colour-by", "colour"), 2, "no such column; this repository has pattern"),
        (("map.html", "--where", "price > 1000"), 1, "no relevant item that meets --where"),
    ],
)
def test_a_wrong_request_is_answered_in_one_line(shop, tmp_path, words, code, said, capsys):
    assert draw(shop, tmp_path / words[0], *words[1:]) == code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)


@pytest.fixture(scope="module")
def page():
    """A page in a browser that has the map's script, an element for it and its data."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed here")
    script = (Path(maps.__file__).parent / "page" / "map.js").read_text(encoding="utf-8")
    with playwright.sync_playwright() as started:
        flags = ["--headless", "--no-sandbox", "--disable-gpu"]
        browser = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 900, "height": 700})
        page.failed = []
        page.on("pageerror", lambda error: page.failed.append(str(error)))
        page.set_content("<style>canvas {width: 800px; height: 600px}</style><div id=map></div>")
        page.add_script_tag(type="module", content=f"{script}\nwindow.showMap = showMap;")
        page.wait_for_function("() => Boolean(window.showMap)")
        page.evaluate(
            """() => {
              // Nine items, one in the middle; pictures of one colour, black and white in turn.
              const atlas = document.createElement("canvas"), pen = atlas.getContext("2d");
              atlas.width = atlas.height = 3 * 96;
              const numbers = [...Array(9).keys()];
              for (const item of numbers) {
                pen.fillStyle = item % 2 ? "white" : "black";
                pen.fillRect((item % 3) * 96, Math.floor(item / 3) * 96, 96, 96);
              }
              window.dataOf = (middle) => ({
                ids: numbers.map(String), titles: numbers.map(String), side: 96, per_row: 3,
                x: numbers.map((item) => (item === middle ? 0.5 : 0.02 + item / 10)),
                y: numbers.map((item) => (item === middle ? 0.5 : 0.02)),
                summary: "nine", other_colour: "#999", atlas: atlas.toDataURL(),
                columns: [
                  { name: "c", names: ["a"], colours: ["#000"], codes: numbers.map(() => 0) },
                ],
              });
              window.place = document.getElementById("map");
            }"""
        )
        yield page
        browser.close()


def test_nothing_is_drawn_before_the_pictures_are_there(page):
    page.evaluate("showMap(place, {...dataOf(0), atlas: 'data:image/png;base64,'})")
    # What asks for a drawing: keys, the wheel, another size.
    for key in ("ArrowLeft", "+", "0", "Enter"):
        page.locator("#map canvas >> nth=0").press(key)
    page.mouse.move(300, 300)
    page.mouse.wheel(0, 100)
    page.set_viewport_size({"width": 880, "height": 700})
    page.evaluate("() => new Promise(requestAnimationFrame)")
    assert page.failed == []


def test_a_picture_drawn_large_shows_nothing_of_its_neighbours(page):
    middles = []
    for item in range(9):
        page.evaluate("delete place.dataset.ready")
        page.evaluate("item => showMap(place, dataOf(item))", item)
        page.wait_for_selector("#map[data-ready]")
        page.evaluate("() => new Promise(requestAnimationFrame)")
        page.evaluate("() => new Promise(requestAnimationFrame)")
        canvas = page.locator("#map canvas >> nth=0")
        # Where the middle of the items is: a wide map has its legend at the left.
        canvas.hover(position={"x": 240 + 560 / 2, "y": 300})
        assert page.locator(".map-card b").text_content() == str(item)
        rim = page.evaluate(
            """() => {
              const pen = place.querySelector(".map-card canvas").getContext("2d");
              const at = ([x, y]) => pen.getImageData(x, y, 1, 1).data[0];
              return [[90, 90], [0, 90], [179, 90], [90, 0], [90, 179]].map(at);
            }"""
        )
        assert set(rim) == {rim[0]}
        middles.append(rim[0])
    assert middles == [0, 255] * 4 + [0]
