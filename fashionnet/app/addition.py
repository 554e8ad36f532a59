"""Add photos to a repository through the same build, from where a kill left it."""

import csv
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from fashionnet.app.added import (
    FOLDER,
    Added,
    extended,
    find_added,
    keep_manifest,
    photos_below,
    stored_name,
)
from fashionnet.app.catalogue_types import AddedManifest, AddedPhoto, Addition, LeftOut
from fashionnet.app.limits import PHOTO_PIXELS, PHOTOS_IN_AN_ADDITION
from fashionnet.app.snapshot import Snapshot
from fashionnet.describing import Network
from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.locations import first_line
from fashionnet.photos import UnreadablePhotoError, suffix_of
from fashionnet.repository.build import build_repository
from fashionnet.repository.listing import LeftOutRow
from fashionnet.repository.store import LEFT_OUT
from fashionnet.repository.table import Description, ItemTable


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
            suffix = suffix_of(data, PHOTO_PIXELS)
        except UnreadablePhotoError as error:
            raise RequestError(f"{name}: {error}") from None
        folder = self._folder()
        if len(self._unmet(photos_below(self._root))) >= PHOTOS_IN_AN_ADDITION:
            raise RequestError(f"{PHOTOS_IN_AN_ADDITION} photos are waiting: describe them first")
        photo = stored_name(name, suffix, data)
        if not (folder / photo).exists():
            write_whole(folder / photo, data)
        return AddedPhoto(photo=f"{FOLDER}/{photo}")

    def put_manifest(self, data: bytes, name: str, suffix: str) -> AddedManifest:
        """Write a table of items into the catalogue's folder; its photos are added like any."""
        self._require()
        kept, rows = keep_manifest(self._folder(), name, suffix, data)
        return AddedManifest(manifest=f"{FOLDER}/{kept}", rows=rows)

    def start(self) -> Addition:
        """Begin to describe what was put there, unless that is going on."""
        self._require()
        with self._lock:
            if self._status.state == "working":
                return self._status
            total = len(self._pending())
            if not total:
                message = "There is no photo that is not described yet."
                left_out = _shown(self._added().left_out)
                self._status = Addition(
                    state="done", done=0, total=0, message=message, left_out=left_out
                )
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
        return _shown(_left_out(self._path))

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
        """Return the added photos that no build has met, relative to the root."""
        return self._unmet(self._added().photos)

    def _unmet(self, photos: Sequence[str]) -> list[str]:
        known = set(self._table().read(["photo"])["photo"].to_pylist())
        known |= {row.image for row in _left_out(self._path)}
        return [photo for photo in photos if photo not in known]

    def _added(self) -> Added:
        return find_added(self._root, self._table().own_columns.names)

    def _folder(self) -> Path:
        folder = self._root / FOLDER
        try:
            folder.mkdir(exist_ok=True)
        except OSError as error:
            raise RequestError(f"{folder}: {first_line(error)}") from error
        if folder.is_symlink():
            raise RequestError(f"the catalogue's folder {FOLDER} is a link: make it a folder")
        return folder

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
        new = {*self._pending(), *(row.image for row in self._added().left_out)}
        catalogue = extended(self._root, self._table(), _left_out(self._path))
        seen = 0

        def advance(count: int) -> None:
            nonlocal seen
            seen += count
            done = min(max(seen - (len(catalogue) - total), 0), total)
            self._status = self._status.model_copy(update={"done": done})

        report = build_repository(catalogue, self._path, self._network(), advance=advance)
        self._snapshot = Snapshot(self._path)
        self._show(self._snapshot)
        left_out = _shown([row for row in report.left_out if row.image in new])
        message = report.closing_line(Path(self._path.name))
        return Addition(state="done", done=total, total=total, message=message, left_out=left_out)


def _shown(rows: Iterable[LeftOutRow]) -> list[LeftOut]:
    return [LeftOut(image=row.image, reason=row.reason) for row in rows]


def _left_out(path: Path) -> list[LeftOutRow]:
    try:
        with (path / LEFT_OUT).open(encoding="utf-8", newline="") as file:
            return [LeftOutRow(*row) for row in list(csv.reader(file))[1:] if len(row) == 2]
    except OSError:
        return []
