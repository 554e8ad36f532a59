import csv
import io
import json
import os
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from handmade import items_of, profile_of, vectors_of
from PIL import Image

from fashionnet.errors import RequestError
from fashionnet.matching import recommend
from fashionnet.report import assemble, print_table, require_known_output, write_report
from fashionnet.report.sheet import MAXIMUM_CELLS

NASTY = "<script>alert('x')</script> & \x1b[31mred\x1b[0m ゆかた"


def make_report(folder, item_count=6, top=6, scoring="matches", disliked=None):
    folder.mkdir(exist_ok=True)
    profile = profile_of(
        vectors_of([[1, 0, 0, 0], [1, 0, 0, 0], [4, 0, 3, 0]], size=512),
        vectors_of(disliked, size=512) if disliked else None,
    )
    codes = np.random.default_rng(0).integers(0, 3, (item_count, 4))
    items = items_of(vectors_of(codes, size=512))
    items.photos = [str(folder / f"item {row}.jpg") for row in range(item_count)]
    for row in range(min(item_count, 4)):
        Image.new("RGB", (90, 120), (200, 40 * row, 30)).save(items.photos[row])
    (folder / "item 4.jpg").write_bytes(b"\xff\xd8 not a whole photo")
    own = folder / "mine.jpg"
    Image.new("RGB", (160, 120), "navy").save(own)
    found = recommend(profile, items, top, scoring)
    metadata = [
        {
            "gender": "Women",
            "price": np.float64("nan") if row else np.int64(12),
            "productName": NASTY,
        }
        for row in found.rows
    ]
    paths = {profile.liked.fingerprints[0]: own, profile.liked.fingerprints[1]: folder / "gone.jpg"}
    shown = items_of(items.vectors.take(found.rows), [items.ids[row] for row in found.rows])
    shown.photos = [items.photos[row] for row in found.rows]
    where = "gender = 'Women'"
    return assemble(profile, paths, found, shown, metadata, item_count, scoring, where)


class Page(HTMLParser):
    """Counts tags and gathers attributes and text, as a browser would read them."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.images, self.links, self.words = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        attributes = dict(attrs)
        if tag == "img":
            self.images.append(attributes)
        self.links += [attributes[name] for name in ("src", "href") if name in attributes]

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def report(tmp_path):
    return make_report(tmp_path)


def test_the_table_shows_rank_item_score_and_reason(report):
    file = io.StringIO()
    print_table(report, file)
    lines = file.getvalue().splitlines()
    assert lines[0].startswith("6 of 6 items, scored by feature matches with 3 photos")
    assert lines[1].split()[:5] == ["rank", "item", "score", "of", "4"]
    first = report.items[0]
    assert first.id in lines[2]
    assert first.reason in lines[2]
    assert "\x1b" not in file.getvalue()


def test_the_page_stands_alone_and_shows_photos_profile_and_items(report, tmp_path):
    write_report(report, tmp_path / "out.html")
    text = (tmp_path / "out.html").read_text("utf-8")
    page = Page(text)
    assert "script" not in page.tags
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert not re.search(r"https?:", text)
    assert len(page.images) == 3 + 6
    assert all(image["alt"] for image in page.images)
    assert page.images[0]["alt"] == "liked 0.jpg: striped, cotton, casual, full-sleeve"
    words = " ".join("".join(page.words).split())
    assert "alert('x')" in words
    assert "\x1b" not in text
    assert "cotton 3 of 3" in words.replace("\xa0", " ")
    assert "striped 2 of 3" in words
    assert "prefers-color-scheme: dark" in text
    assert 'name="viewport"' in text


def test_the_page_embeds_small_pictures(tmp_path):
    report = make_report(tmp_path)
    Image.effect_noise((4000, 3000), 80).convert("RGB").save(tmp_path / "mine.jpg")
    write_report(report, tmp_path / "out.html")
    assert (tmp_path / "out.html").stat().st_size < 250_000


@pytest.mark.parametrize(("suffix", "form"), [("png", "PNG"), ("jpg", "JPEG"), ("JPG", "JPEG")])
def test_the_contact_sheet_is_a_picture_with_the_photos_in_it(report, tmp_path, suffix, form):
    path = tmp_path / f"out.{suffix}"
    write_report(report, path)
    with Image.open(path) as sheet:
        assert sheet.format == form
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    navy = abs(pixels - [0, 0, 128]).max(axis=2) < 20
    # The person's photo is 4:3 and stays so.
    height, width = navy.any(axis=1).sum(), navy.any(axis=0).sum()
    assert width / height == pytest.approx(4 / 3, rel=0.05)


def test_a_long_sheet_is_cut_and_says_so(tmp_path, monkeypatch):
    report = make_report(tmp_path, item_count=MAXIMUM_CELLS + 5, top=MAXIMUM_CELLS + 5)
    write_report(report, tmp_path / "out.jpg")
    with Image.open(tmp_path / "out.jpg") as sheet:
        assert sheet.height < 30_000


def test_csv_has_a_row_for_each_item_with_its_classes_and_metadata(report, tmp_path):
    write_report(report, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert rows[0]["reason"] == report.items[0].reason
    assert rows[0]["pattern"] in ("checkered", "striped", "floral")
    assert {row["price"] for row in rows} == {"12", ""}
    assert rows[0]["productName"] == NASTY


def test_json_holds_the_profile_and_the_items(report, tmp_path):
    write_report(report, tmp_path / "out.json")
    document = json.loads((tmp_path / "out.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert document["profile"]["class_counts"]["pattern"]["striped"] == 2
    assert [item["rank"] for item in document["recommendations"]] == [1, 2, 3, 4, 5, 6]
    assert {item["metadata"]["price"] for item in document["recommendations"]} == {12, None}


def test_disliked_photos_have_a_section_of_their_own(tmp_path):
    report = make_report(tmp_path, disliked=[[2, 1, 2, 2]])
    write_report(report, tmp_path / "out.html")
    assert "Not your taste" in (tmp_path / "out.html").read_text("utf-8")
    assert "less those with 1 disliked photo" in report.summary
    write_report(report, tmp_path / "out.png")


@pytest.mark.parametrize("name", ["out.pdf", "out", ".html"])
def test_an_unknown_suffix_is_refused_with_those_known(report, tmp_path, name):
    with pytest.raises(RequestError, match=r"\.html, \.png, \.jpg, \.csv, \.json"):
        write_report(report, tmp_path / name)


def test_an_output_that_cannot_be_written_is_refused_before_any_work(tmp_path):
    with pytest.raises(RequestError, match="no folder"):
        require_known_output(tmp_path / "nowhere" / "out.html")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(RequestError, match="is a folder"):
        require_known_output(tmp_path / "folder.html")


def test_writing_replaces_the_old_report_and_leaves_nothing_else(tmp_path):
    report = make_report(tmp_path / "photos")
    (tmp_path / "out.html").write_text("old")
    write_report(report, tmp_path / "out.html")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.html"]


def test_the_title_and_details_come_from_any_catalogue(report):
    item = report.items[0]
    assert report.title(item) == NASTY.replace("\x1b", " ")
    assert set(report.details(item)) <= {"gender", "price"}
    assert report.title(type(item)(**{**vars(item), "metadata": {}})) == item.id


def test_a_table_that_nobody_reads_on_is_a_broken_pipe_and_no_exit_of_its_own(report):
    reading, writing = os.pipe()
    os.close(reading)
    file = os.fdopen(writing, "w", buffering=1, encoding="utf-8")
    with pytest.raises(BrokenPipeError):
        print_table(report, file)
    # What is left in the buffer goes nowhere.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, writing)
    os.close(nowhere)
    file.close()


@pytest.mark.parametrize("suffix", [".html", ".csv", ".json", ".png"])
def test_a_photo_whose_name_is_no_text_is_reported(tmp_path, suffix):
    report = make_report(tmp_path / "photos")
    name = os.fsdecode(b"caf\xe9.jpg")
    items = [replace(item, photo=item.photo.with_name(name)) for item in report.items]
    liked = [replace(photo, name=name) for photo in report.liked]
    write_report(replace(report, items=items, liked=liked), tmp_path / f"report{suffix}")
    written = (tmp_path / f"report{suffix}").read_bytes()
    if suffix == ".json":
        document = json.loads(written)
        assert document["profile"]["liked"][0]["photo"] == name
        assert document["recommendations"][0]["photo"].endswith(name)
    if suffix == ".csv":
        assert rb"caf\udce9.jpg" in written
