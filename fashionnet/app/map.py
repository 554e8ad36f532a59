"""The map of the catalogue: made in the background, once for each state of the repository."""

import hashlib
import io
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.app.shown import VERSION
from fashionnet.app.snapshot import Snapshot
from fashionnet.app.types import MapItems, MapStatus
from fashionnet.errors import RequestError
from fashionnet.files import cache_folder, write_whole
from fashionnet.similarity import map as maps

_ABSENT = MapStatus(state="absent", step="", done=0, total=0)


class CatalogueMaps:
    """Makes the map of a snapshot and keeps it; in the user's cache too, for the next server.

    What is kept is named by the photos' and the model's fingerprints: places and pictures depend
    on nothing else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._status = _ABSENT
        self._made: tuple[bytes, bytes] | None = None

    def status(self, snapshot: Snapshot) -> MapStatus:
        """Say how far the map is; one that an earlier server kept is there at once."""
        with self._lock:
            if self._snapshot is not snapshot:
                self._snapshot, self._status, self._made = snapshot, _ABSENT, None
                rows = maps.every_nth(len(snapshot.items))
                kept = _read(_key(snapshot, rows), len(rows))
                if kept is not None:
                    self._keep(snapshot, rows, *kept)
            return self._status

    def start(self, snapshot: Snapshot) -> MapStatus:
        """Begin to make the map, unless it is there or being made."""
        status = self.status(snapshot)
        with self._lock:
            if not len(snapshot.items):
                raise RequestError("the repository holds no relevant item to show on a map")
            if self._snapshot is snapshot and self._status.state in ("absent", "failed"):
                total = min(len(snapshot.items), maps.MAXIMUM_ITEMS)
                status = MapStatus(state="working", step="reading photos", done=0, total=total)
                self._status = status
                threading.Thread(target=self._work, args=(snapshot,), daemon=True).start()
            return status

    def items(self, snapshot: Snapshot) -> bytes | None:
        """Return the map's items as JSON; None where it is not made."""
        return self._made[0] if self.status(snapshot).state == "done" and self._made else None

    def picture(self, snapshot: Snapshot) -> bytes | None:
        """Return the sheet of small pictures, a JPEG; None where it is not made."""
        return self._made[1] if self.status(snapshot).state == "done" and self._made else None

    def _work(self, snapshot: Snapshot) -> None:
        try:
            rows = maps.every_nth(len(snapshot.items))
            photos = (snapshot.photo(row) for row in rows.tolist())
            sheet = maps.atlas(photos, len(rows), lambda count: self._advance(snapshot, count))
            self._say(snapshot, step="placing them, which may take minutes", done=len(rows))
            points = maps.lay_out(snapshot.items.vectors.embeddings[rows])
            _write(_key(snapshot, rows), points, sheet)
            with self._lock:
                if self._snapshot is snapshot:
                    self._keep(snapshot, rows, points, sheet)
        except Exception as error:
            self._say(snapshot, state="failed", step=f"{type(error).__name__}: {error}"[:300])

    def _advance(self, snapshot: Snapshot, count: int) -> None:
        self._say(snapshot, done=self._status.done + count)

    def _say(self, snapshot: Snapshot, **changes: object) -> None:
        with self._lock:
            if self._snapshot is snapshot:
                self._status = self._status.model_copy(update=changes)

    def _keep(
        self,
        snapshot: Snapshot,
        rows: NDArray[np.intp],
        points: NDArray[np.float32],
        sheet: bytes,
    ) -> None:
        chosen = rows.tolist()
        columns, titles = maps.columns_and_titles(snapshot.items, chosen, snapshot.metadata(chosen))
        shown = maps.CatalogueMap(
            points=points,
            ids=[snapshot.items.ids[row] for row in chosen],
            titles=titles,
            photos=[],
            columns=columns,
            summary=maps.summary_of(len(rows), len(snapshot.items), None),
        )
        # A map of another state of the repository has a picture of another address.
        picture = f"{VERSION}/map/picture?of={_key(snapshot, rows)}"
        items = MapItems(**maps.document(shown), atlas=picture)
        self._made = (items.model_dump_json().encode(), sheet)
        self._status = MapStatus(state="done", step="", done=len(rows), total=len(rows))


def _key(snapshot: Snapshot, rows: NDArray[np.intp]) -> str:
    text = snapshot.repository.model_fingerprint + "".join(snapshot.items.fingerprints[rows])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _files(key: str) -> tuple[Path, Path]:
    folder = cache_folder() / "maps"
    return folder / f"{key}.npy", folder / f"{key}.jpg"


def _read(key: str, count: int) -> tuple[NDArray[np.float32], bytes] | None:
    """Return the places and pictures that are kept; None where they are not, or not whole."""
    points_file, sheet_file = _files(key)
    try:
        points = np.load(points_file, allow_pickle=False)
        sheet = sheet_file.read_bytes()
    except (OSError, ValueError, EOFError):
        return None
    if points.shape != (count, 2) or points.dtype != np.float32 or not np.isfinite(points).all():
        return None
    return points, sheet


def _write(key: str, points: NDArray[np.float32], sheet: bytes) -> None:
    """Keep places and pictures; a cache that cannot be written is done without."""
    file = io.BytesIO()
    np.save(file, points, allow_pickle=False)
    points_file, sheet_file = _files(key)
    with suppress(OSError, RequestError):
        points_file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(sheet_file, sheet)
        write_whole(points_file, file.getvalue())
