"""Photos from addresses, from a real server that behaves well, badly and worse."""

import io
import struct
import threading
import zlib
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from PIL import Image as pillow

from fashionnet import fetch
from fashionnet.fetch import fetch_photos, is_public
from fashionnet.photos import decode


def jpeg(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    file = io.BytesIO()
    pillow.fromarray(pixels).save(file, "JPEG")
    return file.getvalue()


def bomb():
    """A PNG of a few bytes whose header promises 40,000×40,000 pixels."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.asked[self.path] += 1
        path = self.path.partition("?")[0]
        if path.startswith("/photo"):
            self.reply(200, jpeg(len(path)))
        elif path == "/twice":
            self.reply(503 if self.server.asked[self.path] < 3 else 200, jpeg())
        elif path == "/text":
            self.reply(200, b"<html>no such photo</html>")
        elif path == "/bomb":
            self.reply(200, bomb())
        elif path == "/loop":
            self.reply(302, b"", Location="/loop")
        elif path == "/to":
            self.reply(302, b"", Location=self.path.partition("?")[2])
        elif path == "/large":
            self.reply(200, b"x", length=10**12)
        elif path == "/short":
            self.reply(200, jpeg()[:300], length=5000)
        elif path == "/endless":
            self.reply(200, b"", length=None)
            while not self.server.stopped.is_set():
                self.wfile.write(bytes(65_536))
        elif path == "/drip":
            self.reply(200, b"", length=None)
            while not self.server.stopped.wait(0.02):
                self.wfile.write(b"x")
        else:
            self.reply(404, b"gone")

    def reply(self, status, data, length=0, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length or len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *words):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(fetch, "SECONDS_BETWEEN_TRIES", 0.0)
    server = Server(("127.0.0.1", 0), Handler)
    server.asked, server.stopped = Counter(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    server.root = f"http://127.0.0.1:{server.server_port}"
    yield server
    server.stopped.set()
    server.shutdown()
    thread.join()
    server.server_close()


def one(server, path, folder, **options):
    address = path if path.startswith("http") else server.root + path
    return fetch_photos([address], folder, **{"allow_private": True, **options})[address]


def test_photos_are_fetched_once_and_kept(server, tmp_path):
    addresses = [f"{server.root}/photo/{number}?size=große" for number in range(30)]
    done = []
    found = fetch_photos(addresses, tmp_path / "a", allow_private=True, advance=done.append)
    assert sum(done) == 30
    assert decode(found[addresses[3]].read_bytes()).shape == (40, 30, 3)
    asked = sum(server.asked.values())
    assert asked == 30
    assert fetch_photos(addresses, tmp_path / "a", allow_private=True) == found
    assert sum(server.asked.values()) == asked


def test_what_fails_in_passing_is_tried_again(server, tmp_path):
    assert one(server, "/twice", tmp_path).is_file()
    assert one(server, "/gone", tmp_path) == "the server says 404"
    assert server.asked["/twice"] == 3 and server.asked["/gone"] == 1


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/text", "the address sends no photo: not a photo"),
        ("/bomb", "the address sends no photo: "),
        ("/loop", "redirected more than 5 times"),
        ("/large", "more than 64 MiB"),
        ("/short", "the connection broke off"),
        ("/to?file:///etc/passwd", "leads to file: only http and https are read"),
        ("/to?ftp://127.0.0.1/a", "leads to ftp: only http and https are read"),
        ("/to?http://user:secret@127.0.0.1/a", "an address with a name or a password"),
        ("/to?http://:80/", "not an address"),
        ("/to?", "redirected to nowhere"),
        ("http://127.0.0.1:99999/a", "not an address"),
        ("http:///a", "not an address"),
        ("http://" + "a" * 300 + "/", "no such host"),
    ],
)
def test_what_is_no_photo_is_a_reason_and_no_file(server, tmp_path, path, reason):
    assert one(server, path, tmp_path).startswith(reason)
    assert list(tmp_path.iterdir()) == []


def test_a_photo_without_end_is_cut_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "MAXIMUM_BYTES", 2**20)
    assert one(server, "/endless", tmp_path) == "more than 1 MiB"
    monkeypatch.setattr(fetch, "SECONDS_A_PHOTO", 0.3)
    assert one(server, "/drip", tmp_path) == "not done after 0.3 s"
    assert list(tmp_path.iterdir()) == []


def test_this_machine_and_its_network_are_not_asked(server, tmp_path):
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "[::1]", "[::ffff:127.0.0.1]", "2130706433"):
        address = f"http://{host}:{server.server_port}/photo"
        reason = one(server, address, tmp_path, allow_private=False)
        assert "is not a public address" in reason or reason.startswith("no such host"), host
    assert not server.asked


def test_a_public_server_cannot_send_the_tool_into_the_local_network(server, tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "is_public", lambda address: address == "127.0.0.1")
    inner = f"http://127.0.0.2:{server.server_port}/photo"
    reason = one(server, f"/to?{inner}", tmp_path, allow_private=False)
    assert reason == "127.0.0.2 is not a public address: allow it with --allow-private"
    assert server.asked == {f"/to?{inner}": 1}


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("10.1.2.3", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.168.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:192.168.0.1", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_public_addresses_are_told_from_others(address, public):
    assert is_public(address) == public


def test_hosts_are_asked_by_two_at_a_time(server, tmp_path, monkeypatch):
    busy, most, lock = 0, 0, threading.Lock()
    answer = fetch._body

    def counted(response, maximum_bytes):
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        try:
            return answer(response, maximum_bytes)
        finally:
            with lock:
                busy -= 1

    monkeypatch.setattr(fetch, "_body", counted)
    fetch_photos([f"{server.root}/photo{n}" for n in range(20)], tmp_path, allow_private=True)
    assert 1 <= most <= 2
