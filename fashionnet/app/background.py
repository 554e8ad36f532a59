"""What is made of a repository in the background, once, and how far it is."""

import threading
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from fashionnet.app.catalogue_types import WorkStatus
from fashionnet.app.snapshot import Snapshot
from fashionnet.errors import RequestError

Made = TypeVar("Made")
_ABSENT = WorkStatus(state="absent", step="", done=0, total=0)


class Say(Protocol):
    """Tells what is being done, and how much of how many is done."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """`done` of `total`, or as many where it is not known how long the step takes."""


class Background(Generic[Made]):
    """Makes one thing of a snapshot in a thread; another snapshot makes it void."""

    def __init__(self, make: Callable[[Snapshot, Say], Made]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._status = _ABSENT
        self._made: Made | None = None

    def status(self, snapshot: Snapshot) -> WorkStatus:
        """Say how far it is."""
        with self._lock:
            return self._status if self._snapshot is snapshot else _ABSENT

    def made(self, snapshot: Snapshot) -> Made | None:
        """Return it; None until it is made."""
        with self._lock:
            return self._made if self._snapshot is snapshot else None

    def put(self, snapshot: Snapshot, made: Made) -> None:
        """Take what was made already."""
        with self._lock:
            self._snapshot, self._made = snapshot, made
            self._status = WorkStatus(state="done", step="", done=1, total=1)

    def start(self, snapshot: Snapshot) -> WorkStatus:
        """Begin to make it, unless it is there or being made."""
        with self._lock:
            if self._snapshot is not snapshot or self._status.state == "failed":
                self._snapshot, self._made = snapshot, None
                self._status = WorkStatus(state="working", step="", done=0, total=0)
                # A daemon, so that the server can end at any moment.
                threading.Thread(target=self._work, args=(snapshot,), daemon=True).start()
            return self._status

    def _work(self, snapshot: Snapshot) -> None:
        def say(step: str, done: int, total: int) -> None:
            self._become(snapshot, WorkStatus(state="working", step=step, done=done, total=total))

        try:
            made = self._make(snapshot, say)
        except Exception as error:
            kind = "" if isinstance(error, RequestError) else f"{type(error).__name__}: "
            step = f"{kind}{error}"[:300]
            self._become(snapshot, WorkStatus(state="failed", step=step, done=0, total=0))
        else:
            with self._lock:
                is_wanted = self._snapshot is snapshot
            if is_wanted:
                self.put(snapshot, made)

    def _become(self, snapshot: Snapshot, status: WorkStatus) -> None:
        with self._lock:
            if self._snapshot is snapshot:
                self._status = status
