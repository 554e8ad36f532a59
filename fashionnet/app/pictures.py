"""Small pictures of the repository's photos, each made once and kept while there is room."""

import io
from collections import OrderedDict
from concurrent.futures import Future
from threading import Lock
from typing import Literal

from fashionnet.app.limits import THUMBNAIL_BYTES
from fashionnet.app.snapshot import Snapshot
from fashionnet.report.pictures import thumbnail

Size = Literal["small", "large"]
SIDES: dict[Size, int] = {"small": 320, "large": 960}


class Pictures:
    """JPEGs by the photo's SHA-256 and a size; the least recently shown make way for others.

    Only decoded and re-encoded pictures are handed out, never a file as it lies on the disk.
    """

    def __init__(self, maximum_bytes: int = THUMBNAIL_BYTES) -> None:
        self._maximum_bytes = maximum_bytes
        self._bytes = 0
        self._kept: OrderedDict[tuple[str, Size], bytes] = OrderedDict()
        self._in_work: dict[tuple[str, Size], Future[bytes]] = {}
        self._lock = Lock()

    def get(self, snapshot: Snapshot, sha256: str, size: Size) -> bytes | None:
        """Return a picture; None where the repository has no such photo."""
        if not snapshot.has_picture(sha256):
            return None
        key = (sha256, size)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            pending = self._in_work.get(key)
            if pending is None:
                mine = self._in_work[key] = Future[bytes]()
        if pending is not None:
            return pending.result()
        try:
            picture = self._make(snapshot, sha256, size)
        except BaseException as error:
            mine.set_exception(error)
            raise
        else:
            mine.set_result(picture)
            self._keep(key, picture)
            return picture
        finally:
            with self._lock:
                del self._in_work[key]

    def _make(self, snapshot: Snapshot, sha256: str, size: Size) -> bytes:
        file = io.BytesIO()
        picture = thumbnail(snapshot.picture(sha256), SIDES[size])
        picture.save(file, "JPEG", quality=84, optimize=True)
        return file.getvalue()

    def _keep(self, key: tuple[str, Size], picture: bytes) -> None:
        with self._lock:
            self._kept[key] = picture
            self._bytes += len(picture)
            while self._bytes > self._maximum_bytes and len(self._kept) > 1:
                _, dropped = self._kept.popitem(last=False)
                self._bytes -= len(dropped)
