"""What the interface works with."""

from collections.abc import Callable

from fashionnet.app.addition import Adder
from fashionnet.app.limits import WAITING_PHOTOS, WAITING_PICTURES, WAITING_REQUESTS
from fashionnet.app.look import Looks
from fashionnet.app.map import CatalogueMaps
from fashionnet.app.pictures import Pictures
from fashionnet.app.queue import WorkQueue
from fashionnet.app.snapshot import Snapshot
from fashionnet.describing import Network


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

    def close(self) -> None:
        """Drop what is waiting."""
        for queue in (self.describing, self.matching, self.drawing):
            queue.close()

    def _show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
