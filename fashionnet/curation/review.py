"""The review page: a local web server that shows findings and takes decisions."""

import io
import json
import secrets
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fashionnet.curation.curate import Curation
from fashionnet.curation.decisions import Decisions
from fashionnet.curation.findings import Finding
from fashionnet.errors import RequestError
from fashionnet.report.pictures import thumbnail
from fashionnet.schema import RELEVANCE, Schema

PHOTOS_IN_A_LOT = 12
"""Photos that no finding groups are shown and decided in lots of so many."""

_SIDES = {"small": 320, "large": 1200}
_MAXIMUM_REQUEST = 1 << 20
_FILES = {
    "": ("review.html", "text/html; charset=utf-8"),
    "review.js": ("review.js", "text/javascript; charset=utf-8"),
    "review.css": ("review.css", "text/css; charset=utf-8"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; script-src 'self'; "
    "style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Review:
    """What the page shows and changes: findings in lots, decisions by photo.

    Photos are known to the page by their row in the pile and in no other way.
    """

    def __init__(self, curation: Curation, decisions: Decisions, schema: Schema) -> None:
        self._pile = curation.pile
        self._photos = curation.pile.photos
        self._row_of = {name: row for row, name in enumerate(self._pile.names)}
        self._decisions = decisions
        self._lock = threading.Lock()
        self._schema = schema
        self._lots = list(_lots(curation.findings))

    def content(self) -> dict[str, Any]:
        """Return all that the page needs at its start."""
        return {
            "name": self._pile.source.name,
            "lots": [
                {"finding": lot[0].finding, "photos": [self._card(finding) for finding in lot]}
                for lot in self._lots
            ],
            "classes": self._schema.to_mapping() | {RELEVANCE: ["yes", "no"]},
            "decisions": self.decided(),
        }

    def decided(self) -> dict[int, list[str]]:
        """Return the decisions that hold, by row."""
        return {self._row_of[name]: said for name, said in self._decisions.current().items()}

    def decide(self, rows: list[int], decision: str) -> dict[int, list[str]]:
        """Take one decision about photos; return all that hold."""
        with self._lock:
            if not all(0 <= row < len(self._photos) for row in rows):
                raise RequestError("no such photo in the pile")
            self._decisions.take([self._pile.names[row] for row in rows], decision)
            return self.decided()

    def undo(self) -> tuple[list[int], dict[int, list[str]]]:
        """Take the last step back; return the rows of its photos that are here, and what holds."""
        with self._lock:
            names = self._decisions.undo()
            return [self._row_of[n] for n in names if n in self._row_of], self.decided()

    def picture(self, row: int, side: int) -> bytes | None:
        """Return a photo of the pile as a JPEG, or None where there is no such row."""
        if not 0 <= row < len(self._photos):
            return None
        file = io.BytesIO()
        thumbnail(self._photos[row], side).save(file, "JPEG", quality=85)
        return file.getvalue()

    def _card(self, finding: Finding) -> dict[str, Any]:
        row = self._row_of[finding.photo]
        return {
            "row": row,
            "name": finding.photo,
            "detail": finding.detail,
            "score": round(finding.score, 3),
            "suggestion": finding.suggestion,
            "certain": finding.certain,
            "labels": {a: column[row] for a, column in self._pile.labels.items() if column[row]},
        }


def _lots(findings: list[Finding]) -> Iterator[list[Finding]]:
    """Yield the findings kind by kind, the surest first: groups whole, others in lots."""
    kinds: dict[str, list[Finding]] = {}
    kind_of_group: dict[int, str] = {}
    for finding in findings:
        kind = finding.finding
        if finding.group:
            kind = kind_of_group.setdefault(finding.group, kind)
        kinds.setdefault(kind, []).append(finding)
    for members in kinds.values():
        groups: dict[int, list[Finding]] = {}
        for finding in members:
            groups.setdefault(finding.group, []).append(finding)
        alone = sorted(groups.pop(0, []), key=lambda finding: -finding.score)
        yield from groups.values()
        for start in range(0, len(alone), PHOTOS_IN_A_LOT):
            yield alone[start : start + PHOTOS_IN_A_LOT]


class ReviewServer(ThreadingHTTPServer):
    """Serves a review on the loopback interface, to whoever knows the secret in its address.

    Every path starts with the secret; a request that names another host, as a page elsewhere
    could make a browser send after rebinding a name to this machine, is refused.

    It has its port from the start, and serves a review once it was given one.
    """

    daemon_threads = True
    review: Review

    def __init__(self, port: int = 0) -> None:
        self.secret = secrets.token_urlsafe(24)
        try:
            super().__init__(("127.0.0.1", port), _Handler)
        except OSError as error:
            raise RequestError(
                f"port {port}: {(error.strerror or str(error)).lower()}: name another with --port"
            ) from error

    def handle_error(self, request: object, client_address: object) -> None:
        """Pass over browsers that went away; anything else is told as it should be."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            # The base class names a socket's types, of which nothing is used here.
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def address(self) -> str:
        """The address to open."""
        return f"http://127.0.0.1:{self.server_port}/{self.secret}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """Serve the page, its content and the pile's pictures."""
        path = self._path()
        if path is None:
            return
        kind, _, rest = path.partition("/")
        if path in _FILES:
            name, media = _FILES[path]
            self._send((Path(__file__).parent / name).read_bytes(), media)
        elif path == "content":
            self._send_json(self.server.review.content())
        elif kind in _SIDES and rest.isascii() and rest.isdigit() and len(rest) < 12:
            picture = self.server.review.picture(int(rest), _SIDES[kind])
            if picture is None:
                self._refuse(HTTPStatus.NOT_FOUND, "no such photo")
            else:
                self._send(picture, "image/jpeg")
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "no such page")

    def do_POST(self) -> None:
        """Take a decision or undo one."""
        path = self._path()
        if path is None:
            return
        origin = self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != self.headers.get("Host"):
            self._refuse(HTTPStatus.FORBIDDEN, "from another page")
            return
        try:
            length = int(self.headers.get("Content-Length", ""))
            if not 0 <= length <= _MAXIMUM_REQUEST:
                raise ValueError
            request = json.loads(self.rfile.read(length) or b"{}")
            if path == "decide":
                steps = _rows(request["rows"]), _text(request["decision"])
                self._send_json({"decisions": self.server.review.decide(*steps)})
            elif path == "undo":
                rows, decisions = self.server.review.undo()
                self._send_json({"rows": rows, "decisions": decisions})
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "no such page")
        except RequestError as error:
            self._refuse(HTTPStatus.BAD_REQUEST, str(error))
        except (ValueError, KeyError, TypeError, RecursionError):
            self._refuse(HTTPStatus.BAD_REQUEST, "not a request of the review page")

    def _path(self) -> str | None:
        """Return what comes after the secret; answers itself, and returns None, without it."""
        hosts = {f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")}
        _, secret, *rest = [*self.path.split("/", 2), "", ""][:3]
        if self.headers.get("Host") not in hosts:
            self._refuse(HTTPStatus.FORBIDDEN, "another host")
        elif not secrets.compare_digest(secret.encode(), self.server.secret.encode()):
            self._refuse(HTTPStatus.NOT_FOUND, "open the address that curate printed, whole")
        else:
            return rest[0]
        return None

    def _send_json(self, value: object) -> None:
        self._send(json.dumps(value).encode(), "application/json")

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        # What was not read of the request must not be taken for the next one.
        self.close_connection = True
        self._send(json.dumps({"error": reason}).encode(), "application/json", status)

    def _send(self, data: bytes, media: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        keep = "private, max-age=600" if media == "image/jpeg" else "no-store"
        for name, value in {**_HEADERS, "Content-Type": media, "Cache-Control": keep}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet: the terminal is the person's."""


def _rows(value: object) -> list[int]:
    if not isinstance(value, list) or not all(type(row) is int for row in value):
        raise TypeError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
