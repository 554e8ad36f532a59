"""The review page: its server against strangers, and the page in a real browser."""

import csv
import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from handmade import ColourNetwork

from fashionnet.curation.curate import Workplace, curate
from fashionnet.curation.pile import read_pile
from fashionnet.curation.review import Review, ReviewServer
from fashionnet.schema import Schema

SCHEMA = Schema.default()
ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")


@contextmanager
def silent(what, total):
    yield lambda count: None


@pytest.fixture
def source(tmp_path):
    """A labels file of six photos: two of one picture, two blank, one broken, one good."""
    folder = tmp_path / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in ("0.png", "1.png"):
        blocks = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        image = cv2.resize(blocks, (300, 300), interpolation=cv2.INTER_NEAREST)
        cv2.imwrite(str(folder / name), image)
    cv2.imwrite(str(folder / "copy.jpg"), cv2.imread(str(folder / "0.png")))
    for level, strength in ((120, 2), (200, 4)):
        noise = random.integers(-strength, strength + 1, (300, 300, 3))
        cv2.imwrite(str(folder / f"blank {level}.png"), (level + noise).astype(np.uint8))
    (folder / "broken.jpg").write_bytes(b"no")
    (tmp_path / "secret.txt").write_text("secret")
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "pattern"])
        writer.writerows([f"photos/{path.name}", "solid"] for path in sorted(folder.iterdir()))
    return tmp_path / "labels.csv"


def opened(source):
    pile = read_pile(source, None, SCHEMA)
    curation = curate(pile, Workplace.of(source, None), ColourNetwork(), SCHEMA, silent)
    return curation, curation.decisions(SCHEMA)


@contextmanager
def served(source):
    curation, decisions = opened(source)
    server = ReviewServer()
    server.review = Review(curation, decisions, SCHEMA)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ask(server, method, path, body=None, secret=True, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    prefix = f"/{server.secret}/" if secret is True else f"/{secret}/" if secret else "/"
    connection.request(method, prefix + path, body, headers)
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data, answer


def test_the_page_is_served_on_the_loopback_interface_only(source):
    with served(source) as server:
        assert server.server_address[0] == "127.0.0.1"
        status, page, answer = ask(server, "GET", "")
        assert status == 200 and b"<title>Review</title>" in page
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        for name in ("review.js", "review.css"):
            assert ask(server, "GET", name)[0] == 200


def test_the_findings_are_lots_of_rows_and_pictures_go_by_row(source):
    with served(source) as server:
        content = json.loads(ask(server, "GET", "content")[1])
        shown = {photo["name"]: photo for lot in content["lots"] for photo in lot["photos"]}
        assert set(shown) == {f"photos/{n}" for n in source_names(source) if n != "1.png"}
        group = next(lot for lot in content["lots"] if lot["finding"] == "near-duplicate")
        assert {photo["name"] for photo in group["photos"]} == {"photos/0.png", "photos/copy.jpg"}
        row = shown["photos/0.png"]["row"]
        status, data, answer = ask(server, "GET", f"small/{row}")
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert status == 200 and answer.headers["Content-Type"] == "image/jpeg"
        assert max(image.shape) == 300
        broken = shown["photos/broken.jpg"]["row"]
        assert ask(server, "GET", f"large/{broken}")[0] == 200


def source_names(source):
    return {path.name for path in (source.parent / "photos").iterdir()}


def test_nothing_but_the_pile_s_pictures_can_be_reached(source):
    with served(source) as server:
        for path in (
            "small/999",
            "small/-1",
            "small/../../secret.txt",
            "small/%2e%2e%2fsecret.txt",
            "../secret.txt",
            "small/%C2%B2",
            "labels.csv",
            "findings.csv",
            "small/" + "9" * 5000,
        ):
            status, data, _ = ask(server, "GET", path)
            assert status == 404 and b"secret" not in data, path


def test_without_the_secret_there_is_nothing(source):
    with served(source) as server:
        for secret in ("", "x", "x" * 32, "%C3%A9"):
            for method, path in (("GET", "content"), ("GET", "small/0"), ("POST", "undo")):
                assert ask(server, method, path, secret=secret)[0] == 404, secret


def test_other_hosts_and_other_pages_are_refused(source):
    decision = json.dumps({"rows": [0], "decision": "drop"})
    with served(source) as server:
        assert ask(server, "GET", "content", Host=f"evil.example:{server.server_port}")[0] == 403
        refused = ask(server, "POST", "decide", decision, Origin="http://evil.example")
        assert refused[0] == 403
        assert not (source.parent / "labels.curation" / "decisions.csv").exists()
        own = f"http://127.0.0.1:{server.server_port}"
        assert ask(server, "POST", "decide", decision, Origin=own)[0] == 200


def test_what_is_no_decision_is_refused_and_the_server_goes_on(source):
    with served(source) as server:
        for body in (
            "",
            "[]",
            "{",
            "[" * 100_000,
            '{"rows": [0]}',
            '{"rows": "0", "decision": "drop"}',
            '{"rows": [true], "decision": "drop"}',
            '{"rows": [999], "decision": "drop"}',
            '{"rows": [-1], "decision": "drop"}',
            '{"rows": [], "decision": "drop"}',
            '{"rows": [0], "decision": "burn"}',
            '{"rows": [0], "decision": "pattern=paisley"}',
            '{"rows": [0], "decision": 5}',
        ):
            status, data, _ = ask(server, "POST", "decide", body)
            assert status == 400 and "error" in json.loads(data), body[:50]
        assert not (source.parent / "labels.curation" / "decisions.csv").exists()
        assert ask(server, "POST", "decide", '{"rows": [0], "decision": "drop"}')[0] == 200


def test_a_request_without_end_is_not_read(source):
    with served(source) as server:
        headers = {"Content-Length": str(10**12)}
        assert ask(server, "POST", "decide", b"x", **headers)[0] == 400


def test_the_command_serves_until_it_is_interrupted_and_then_applies(source, tiny_model):
    words = ["-m", "fashionnet", "curate", source, "--model", tiny_model, "--review", "--apply"]
    process = subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = next(line for line in process.stdout if line.startswith("open http://127.0.0.1:"))
        _, _, address, secret, _ = line.split()[1].split("/")
        connection = http.client.HTTPConnection(address, timeout=60)
        connection.request("POST", f"/{secret}/decide", '{"rows": [0], "decision": "drop"}')
        assert connection.getresponse().status == 200
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "because decided: 1" in out
    assert (source.parent / "labels.cleaned.csv").is_file()


def test_a_port_that_is_taken_is_one_clear_line(source, tiny_model):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        (source.parent / "labels.csv").write_text("not read before the port is known to be free")
        words = ["curate", source, "--model", tiny_model, "--review", "--port", port]
        done = subprocess.run(
            [sys.executable, "-m", "fashionnet", *map(str, words)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.returncode == 2
    assert f"port {port}: address already in use: name another with --port" in done.stderr


# --- in a browser


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="playwright is not installed: pip install playwright"
    )
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine to drive the review page with")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def state(page):
    cards = page.locator(".card")
    return {
        card.locator(".name").inner_text().split("/")[1]: card.locator(".said").inner_text()
        for card in cards.all()
    }


def press(page, *keys):
    """Press keys and wait until every decision is on disk."""
    for key in keys:
        page.keyboard.press(key)
    page.evaluate("() => queue")


def test_review_undo_close_reopen_apply(browser, source):
    with served(source) as server:
        page = browser.new_page()
        troubles = []
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.goto(server.address)
        page.wait_for_selector(".card")
        tabs = [tab.split(" ")[0] for tab in page.locator("#kinds button").all_inner_texts()]
        assert tabs == ["blank", "unreadable", "near-duplicate"]
        assert state(page) == {"blank 120.png": "drop?", "blank 200.png": "drop?"}
        press(page, "d", "k")
        assert state(page) == {"blank 120.png": "drop", "blank 200.png": "keep"}
        press(page, "u")
        assert state(page) == {"blank 120.png": "drop", "blank 200.png": "drop?"}
        press(page, "r", "2")
        assert state(page)["blank 200.png"] == "pattern=striped"
        page.wait_for_function("() => document.querySelector('.card img').naturalWidth > 0")
        press(page, "]", "k")
        assert state(page) == {"broken.jpg": "keep"}
        press(page, "]", "Shift+S")
        assert sorted(state(page).values()) == ["drop", "keep"]
        for is_open in (True, False):
            press(page, "Space")
            assert page.locator("#large").evaluate("dialog => dialog.open") == is_open
        page.close()
        assert troubles == []
    with served(source) as server:
        page = browser.new_page()
        page.goto(server.address)
        page.wait_for_selector(".card")
        assert state(page) == {"blank 120.png": "drop", "blank 200.png": "pattern=striped"}
        press(page, "]", "]")
        assert sorted(state(page).values()) == ["drop", "keep"]
        press(page, "u", "u")
        assert sorted(state(page).values()) == ["drop?", "keep?"]
        page.close()
    curation, decisions = opened(source)
    curation.apply(decisions)
    with curation.workplace.cleaned.open(newline="") as file:
        rows = {row["image"]: row["pattern"] for row in csv.DictReader(file)}
    assert rows == {
        "photos/0.png": "solid",
        "photos/1.png": "solid",
        "photos/blank 200.png": "striped",
        "photos/broken.jpg": "solid",
        "photos/copy.jpg": "solid",
    }


def test_a_page_whose_server_has_gone_says_that_nothing_is_saved(browser, source):
    with served(source) as server:
        page = browser.new_page()
        page.goto(server.address)
        page.wait_for_selector(".card")
        page.context.set_offline(True)
        press(page, "d")
        assert page.locator("#trouble").inner_text().startswith("Not saved: ")
        assert set(state(page).values()) == {"drop?"}
        page.close()
