"""The HTTP interface from Python, with nothing but the standard library."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fashionnet.errors import RequestError

_TYPES = {
    ".png": "image/png",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
}
_ATTEMPTS = 20


class Client:
    """A server started by `fashionnet serve`.

    Answers are what `/api/v1/openapi.json` describes. Raises RequestError, with the server's
    reason, for what it refuses.

    >>> client = Client("http://127.0.0.1:8000")                              # doctest: +SKIP
    >>> photos = [client.describe(path) for path in Path("me").glob("*.jpg")]  # doctest: +SKIP
    >>> client.recommend(photos, page_size=3)["items"][0]["reason"]           # doctest: +SKIP
    'cotton 5 of 5, striped 4 of 5'
    """

    def __init__(self, address: str, token: str | None = None) -> None:
        self._base = address.rstrip("/") + "/api/v1"
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def describe(self, photo: Path | str) -> dict[str, Any]:
        """Return a photo's Fashion Vector."""
        path = Path(photo)
        kind = _TYPES.get(path.suffix.lower(), "image/jpeg")
        return self._ask(f"/describe?name={quote(path.name)}", path.read_bytes(), kind)

    def profile(self, liked: Iterable[dict[str, Any]], **taste: object) -> dict[str, Any]:
        """Return the style profile of described photos."""
        return self._send("/profile", {"liked": list(liked), **taste})

    def recommend(self, liked: Iterable[dict[str, Any]] = (), **options: object) -> dict[str, Any]:
        """Return a page of items recommended to described photos and `liked_items`."""
        return self._send("/recommend", {"liked": list(liked), **options})

    def similar(self, query: dict[str, Any] | str, **options: object) -> dict[str, Any]:
        """Return a page of the items that are like a described photo, or an item named by its id.

        `shifts` walk from there: [{"attribute": "pattern", "class_name": "striped"}].
        """
        what = {"item": query} if isinstance(query, str) else {"photo": query}
        return self._send("/similar", {**what, **options})

    def complete_look(self, scene: Path | str, category: str, top: int = 24) -> dict[str, Any]:
        """Return the products of a category that go best with a photo of a dressed person.

        Waits until the products are read, which happens once.
        """
        path = Path(scene)
        body, kind = path.read_bytes(), _TYPES.get(path.suffix.lower(), "image/jpeg")
        facts = self._send("/complete-look/products", {})
        while facts["products"]["state"] == "working":
            time.sleep(0.5)
            facts = self._ask("/complete-look")
        return self._ask(f"/complete-look?category={quote(category)}&top={top}", body, kind)

    def items(self, page: int = 1, page_size: int = 60) -> dict[str, Any]:
        """Return a page of all items."""
        return self._ask(f"/items?page={page}&page_size={page_size}")

    def _send(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        return self._ask(path, json.dumps(content).encode(), "application/json")

    def _ask(self, path: str, body: bytes | None = None, kind: str = "") -> dict[str, Any]:
        headers = self._headers | ({"Content-Type": kind} if body is not None else {})
        request = urllib.request.Request(self._base + path, body, headers)
        for attempt in range(_ATTEMPTS):
            try:
                with urllib.request.urlopen(request) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                if error.code == 429 and attempt < _ATTEMPTS - 1:
                    time.sleep(float(error.headers.get("Retry-After", 1)))
                    continue
                raise RequestError(f"{self._base}{path}: {_reason(error)}") from error
            except urllib.error.URLError as error:
                raise RequestError(
                    f"{self._base} does not answer ({error.reason}): start it with "
                    "`python -m fashionnet serve`"
                ) from error
        raise AssertionError("the last attempt returns or raises")


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["detail"])
    except (ValueError, KeyError, TypeError):
        return f"answered {error.code}"
