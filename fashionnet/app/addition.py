"""Add photos to a repository through the same build, from where a kill left it."""

import csv
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from fashionnet.app.catalogue_types import AddedPhoto, Addition, LeftOut
from fashionnet.app.limits import PHOTOS_IN_AN_ADDITION
from fashionnet.app.snapshot import Snapshot
from fashionnet.app.uploads import suffix_of
from fashionnet.describing import Network
from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.photos import UnreadablePhotoError, find_photos, fingerprint
from fashionnet.repository.build import build_repository
from fashionnet.repository.catalogue import Catalogue
from fashionnet.repository.listing import LeftOutRow
from fashionnet.repository.store import LEFT_OUT, Description, ItemTable

FOLDER = "fashionnet-added"
"""Where added photos are put, below the catalogue's folder."""


class Adder:
    """Puts photos into the catalogue's folder and builds on.

    A photo that is in the folder and not in the repository is one still to be described: that is
    all there is to remember, and why a kill at any moment loses nothing.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        network: Callable[[], Network],
        show: Callable[[Snapshot], None],
    ) -> None:
        self.may_add = True
        self._snapshot = snapshot
        self._path = snapshot.path
        self._root = Path(snapshot.repository.root)
        self._network = network
        self._show = show
        self._lock = threading.Lock()
        self._status = Addition(state="idle", done=0, total=0, message="")

    def why_not(self) -> str:
        """Return why no photo can be added; nothing where one can."""
        if self._snapshot.is_sample:
            return (
                "The sample catalogue is part of FashionNet. Build a repository of your own: "
                "`python build_repository.py --catalogue PHOTOS --repository my.repository`"
            )
        if not self.may_add:
            return "Photos are added on the machine itself, with a server that listens to it alone."
        if "://" in self._snapshot.repository.root:
            return "The catalogue lies in a store: photos are added to it there."
        if not self._root.is_dir():
            return "The catalogue's folder is not there any more: build the repository again."
        return ""

    def put(self, data: bytes, name: str) -> AddedPhoto:
        """Write a photo into the catalogue's folder, under a name that is safe and its own."""
        self._require()
        try:
            suffix = suffix_of(data)
        except UnreadablePhotoError as error:
            raise RequestError(f"{name}: {error}") from None
        folder = self._root / FOLDER
        folder.mkdir(exist_ok=True)
        if folder.is_symlink():
            raise RequestError(f"the catalogue's folder {FOLDER} is a link: make it a folder")
        if len(self._pending()) >= PHOTOS_IN_AN_ADDITION:
            raise RequestError(f"{PHOTOS_IN_AN_ADDITION} photos are waiting: describe them first")
        stem = re.sub(r"\W+", "_", Path(name).stem)[:60].strip("_") or "photo"
        photo = f"{stem}-{fingerprint(data)[:12]}{suffix}"
        if not (folder / photo).exists():
            write_whole(folder / photo, data)
        return AddedPhoto(photo=f"{FOLDER}/{photo}")

    def start(self) -> Addition:
        """Begin to describe what was put there, unless that is going on."""
        self._require()
        with self._lock:
            total = len(self._pending())
            if self._status.state == "working" or not total:
                return self._status
            self._status = Addition(state="working", done=0, total=total, message="")
        # A daemon, so that the server can end: the next one takes the work up again.
        threading.Thread(target=self._work, daemon=True).start()
        return self._status

    def resume(self) -> None:
        """Go on where a server that was stopped left off."""
        if not self.why_not() and self._pending():
            self.start()

    def status(self) -> Addition:
        """Say how far it is."""
        return self._status

    def left_out(self) -> list[LeftOut]:
        """Return what did not become an item."""
        return [LeftOut(image=row.image, reason=row.reason) for row in _left_out(self._path)]

    def counts(self) -> dict[str, int]:
        """Return how many items are irrelevant and how many have vanished."""
        table = self._table()
        return {
            "irrelevant": table.count("NOT relevant AND NOT _missing"),
            "vanished": table.count("_missing"),
        }

    def _require(self) -> None:
        reason = self.why_not()
        if reason:
            raise RequestError(reason)

    def _pending(self) -> list[str]:
        """Return the photos in the folder that no build has met, relative to the root."""
        known = set(self._table().read(["photo"])["photo"].to_pylist())
        known |= {row.image for row in _left_out(self._path)}
        return [photo for photo in _photos_below(self._root) if photo not in known]

    def _table(self) -> ItemTable:
        return ItemTable.open(self._path, Description.read(self._path))

    def _work(self) -> None:
        try:
            more = self._status.total
            while more:
                self._status = Addition(state="working", done=0, total=more, message="")
                done = self._build()
                # What was put there meanwhile comes next.
                with self._lock:
                    more = len(self._pending())
                    if not more:
                        self._status = done
        except Exception as error:
            message = str(error) if isinstance(error, RequestError) else type(error).__name__
            self._status = self._status.model_copy(update={"state": "failed", "message": message})

    def _build(self) -> Addition:
        """Build once; return what came of it."""
        total = self._status.total
        catalogue = _extended(self._path, self._root, self._table())
        seen = 0

        def advance(count: int) -> None:
            nonlocal seen
            seen += count
            done = min(max(seen - (len(catalogue) - total), 0), total)
            self._status = self._status.model_copy(update={"done": done})

        report = build_repository(catalogue, self._path, self._network(), advance=advance)
        self._snapshot = Snapshot(self._path)
        self._show(self._snapshot)
        left_out = [
            LeftOut(image=row.image, reason=row.reason)
            for row in report.left_out
            if row.image.startswith(f"{FOLDER}/")
        ]
        message = report.closing_line(Path(self._path.name))
        return Addition(state="done", done=total, total=total, message=message, left_out=left_out)


def _photos_below(root: Path) -> list[str]:
    folder = root / FOLDER
    if not folder.is_dir() or folder.is_symlink():
        return []
    try:
        return [photo.relative_to(root).as_posix() for photo in find_photos([folder])]
    except RequestError:
        return []


def _extended(path: Path, root: Path, table: ItemTable) -> Catalogue:
    """Return what the repository holds and what was added, as a catalogue to build from.

    The repository keeps all that a build needs of its items, so that nothing of the catalogue
    that it was first built from has to be found again.
    """
    names = table.metadata_columns.names
    known = table.read(["id", "photo", *names])
    ids, photos = known["id"].to_pylist(), known["photo"].to_pylist()
    left_out = [row for row in _left_out(path) if not row.image.startswith(f"{FOLDER}/")]
    taken, present = set(ids), set(photos)
    for photo in _photos_below(root):
        name = photo.rpartition(".")[0]
        if photo in present:
            continue
        if name in taken:
            left_out.append(LeftOutRow(photo, f"id {name} is taken"))
        else:
            ids.append(name)
            photos.append(photo)
    blank = len(ids) - known.num_rows
    metadata = {
        name: pa.chunked_array([*known[name].chunks, pa.nulls(blank, known[name].type)])
        for name in names
    }
    return Catalogue(root, ids, photos, pa.table(metadata), left_out, [])


def _left_out(path: Path) -> list[LeftOutRow]:
    try:
        with (path / LEFT_OUT).open(encoding="utf-8", newline="") as file:
            return [LeftOutRow(*row) for row in list(csv.reader(file))[1:] if len(row) == 2]
    except OSError:
        return []
