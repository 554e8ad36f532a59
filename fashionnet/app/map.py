"""The map of the catalogue: made in the background, once for each state of the repository."""

import hashlib
import io
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.app.background import Background, Say
from fashionnet.app.catalogue_types import MapItems, WorkStatus
from fashionnet.app.shown import VERSION
from fashionnet.app.snapshot import Snapshot
from fashionnet.errors import RequestError
from fashionnet.files import cache_folder, write_whole
from fashionnet.similarity import map as maps


class CatalogueMaps:
    """Makes the map of a snapshot and keeps it; in the user's cache too, for the next server.

    What is kept is named by the photos' and the model's fingerprints: places and pictures depend
    on nothing else.
    """

    def __init__(self) -> None:
        self._background = Background(_make)

    def status(self, snapshot: Snapshot) -> WorkStatus:
        """Say how far the map is; one that an earlier server kept is there at once."""
        if self._background.status(snapshot).state == "absent":
            rows = maps.every_nth(len(snapshot.items))
            kept = _read(_key(snapshot, rows), len(rows))
            if kept is not None:
                self._background.put(snapshot, _document(snapshot, rows, *kept))
        return self._background.status(snapshot)

    def start(self, snapshot: Snapshot) -> WorkStatus:
        """Begin to make the map, unless it is there or being made."""
        if not len(snapshot.items):
            raise RequestError("the repository holds no relevant item to show on a map")
        self.status(snapshot)
        return self._background.start(snapshot)

    def items(self, snapshot: Snapshot) -> bytes | None:
        """Return the map's items as JSON; None where it is not made."""
        self.status(snapshot)
        made = self._background.made(snapshot)
        return made and made[0]

    def picture(self, snapshot: Snapshot) -> bytes | None:
        """Return the sheet of small pictures, a JPEG; None where it is not made."""
        self.status(snapshot)
        made = self._background.made(snapshot)
        return made and made[1]


def _make(snapshot: Snapshot, say: Say) -> tuple[bytes, bytes]:
    rows = maps.every_nth(len(snapshot.items))
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        say("reading photos", done, len(rows))

    photos = (snapshot.photo(row) for row in rows.tolist())
    sheet = maps.atlas(photos, len(rows), advance)
    say("placing them, which may take minutes", len(rows), len(rows))
    points = maps.lay_out(snapshot.items.vectors.embeddings[rows])
    _write(_key(snapshot, rows), points, sheet)
    return _document(snapshot, rows, points, sheet)


def _document(
    snapshot: Snapshot, rows: NDArray[np.intp], points: NDArray[np.float32], sheet: bytes
) -> tuple[bytes, bytes]:
    """Return the map's items as JSON, and their pictures."""
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
    return items.model_dump_json().encode(), sheet


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
