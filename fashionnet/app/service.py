"""What the interface works with."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

from fashionnet.app.addition import Adder
from fashionnet.app.limits import WAITING_PHOTOS, WAITING_PICTURES, WAITING_REQUESTS
from fashionnet.app.look import Looks
from fashionnet.app.map import CatalogueMaps
from fashionnet.app.pictures import Pictures
from fashionnet.app.queue import WorkQueue
from fashionnet.app.snapshot import Snapshot
from fashionnet.describing import Network
from fashionnet.locations import location
from fashionnet.similarity.by_colour import COLOURS_REMEMBERED, read_colours

_PAUSE = 0.001
"""Seconds between two photos that nobody waits for."""


class Service:
    """What the interface works with.

    Attributes:
        snapshot: the repository's items; another one takes its place when photos were added.
        network: returns the network, waiting until it is compiled.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        network: Callable[[], Network],
        threads: int,
        looks: Looks | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.looks = looks or Looks()
        self.network = network
        self.pictures = Pictures()
        self.maps = CatalogueMaps()
        self.adder = Adder(snapshot, network, self._show)
        self.describing = WorkQueue(threads, WAITING_PHOTOS)
        self.matching = WorkQueue(threads, WAITING_REQUESTS)
        self.drawing = WorkQueue(threads, WAITING_PICTURES)

    def read_colours_ahead(self) -> None:
        """Read the garments' colours off all photos, in a thread, before anybody asks for them.

        Not of the sample catalogue, which has no photos until they are drawn, nor of photos that
        lie far away.
        """
        if self.snapshot.samples is None and "://" not in self.snapshot.repository.root:
            work = threading.Thread(target=self._read_colours, args=(self.snapshot,), daemon=True)
            work.start()

    def close(self) -> None:
        """Drop what is waiting."""
        for queue in (self.describing, self.matching, self.drawing):
            queue.close()

    def _show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.read_colours_ahead()

    def _read_colours(self, snapshot: Snapshot) -> None:
        # The network first: photos are described before any colour is asked for.
        with suppress(Exception):
            self.network()
        for photo in snapshot.items.photos[:COLOURS_REMEMBERED]:
            if self.snapshot is not snapshot:
                return
            read_colours(location(photo))
            time.sleep(_PAUSE)
