"""The same build on a Ray cluster: its workers read and describe, this process writes."""

import logging
import os
import re
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import numpy as np

from fashionnet.describing import Described, Network, describe_photos
from fashionnet.errors import RequestError
from fashionnet.locations import Location, first_line

# Ray reads both as it is imported: it would report its use to its makers, and write what its parts
# have to say in between the lines of ours.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_DEDUP_LOGS_SKIP_REGEX"] = "."

REQUIREMENT = "ray>=2.60,<3"
CPUS_OF_A_WORKER = 8
CHUNKS_OF_A_WORKER = 2
"""One that it describes, and one that waits for it."""

DEATHS_ALLOWED = 3
SECONDS_TO_ANSWER = 15.0
SECONDS_TO_START = 180.0

# Ray's servers speak gRPC: after the preface of HTTP/2 and a frame of no settings they send theirs.
_HTTP2_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])

MakeNetwork: TypeAlias = Callable[[], Network]


class _Worker:
    """Holds a network in a process of its own, on some node of the cluster."""

    def __init__(self, make_network: MakeNetwork, number: int, count: int) -> None:
        self._make_network = make_network
        self._number, self._count = number, count

    def start(self) -> str:
        """Load the network on this worker's share of the node's cores; return its fingerprint."""
        if hasattr(os, "sched_setaffinity"):
            cores = np.array(sorted(os.sched_getaffinity(0)))
            shares = np.array_split(cores, min(self._count, len(cores)))
            os.sched_setaffinity(0, shares[self._number % len(shares)].tolist())
        self._network = self._make_network()
        return self._network.fingerprint

    def describe(self, photos: Sequence[Location]) -> Described[Location]:
        return describe_photos(self._network, photos)


@dataclass(frozen=True)
class _Slot:
    """A group of a node's CPUs, the number of it and how many the node has."""

    node: str
    number: int
    count: int
    cpus: int


@dataclass
class _Chunk:
    """Photos to be described together, and how many workers have died of it."""

    number: int
    photos: Sequence[Location]
    deaths: int = 0


@dataclass(eq=False)
class _Handle:
    """A worker that was asked for: what it was given is in `chunks`, the first in work."""

    slot: _Slot
    actor: Any
    starting: Any
    chunks: dict[Any, _Chunk] = field(default_factory=dict)

    @property
    def pending(self) -> list[Any]:
        return list(self.chunks) if self.starting is None else [self.starting]


class RayEngine:
    """Describes photos on the workers of a Ray cluster, one for each group of CPUs.

    A worker that dies is replaced, and its photos are given to others. What comes out depends
    neither on which worker described what nor on how many there were.

    Attributes:
        workers: how many chunks are described at once.
        staged: true: what is described is committed when all of it is there.
        deaths: how many workers died.
    """

    staged = True

    def __init__(self, make_network: MakeNetwork, fingerprint: str) -> None:
        """Plan the workers of the cluster that this process is connected to.

        Args:
            make_network: opens the network; it is copied to every worker.
            fingerprint: of the model that every worker's network must have.
        """
        import ray

        self._ray = ray
        self._make_network = ray.put(make_network)
        self._fingerprint = fingerprint
        self._slots = _slots(ray.nodes())
        self._handles: list[_Handle] = []
        self._waiting: deque[_Chunk] = deque()
        self._done: dict[int, Described[Location]] = {}
        self._deaths_in_a_row = 0
        self.deaths = 0

    @property
    def workers(self) -> int:
        """How many chunks are described at once."""
        return len(self._slots)

    @property
    def notes(self) -> Sequence[str]:
        """What a person should know of how it went."""
        return [f"Ray workers that died and were replaced: {self.deaths}"] if self.deaths else []

    def describe(
        self, chunks: Iterable[Sequence[Location]], advance: Callable[[int], None]
    ) -> Iterator[Described[Location]]:
        """Yield what came of each chunk of photos, in the order of the chunks.

        However many there are, a few for each worker are under way at a time. Raises RequestError
        where no worker can be had, and for photos that several workers died of.
        """
        source = iter(chunks)
        taken = yielded = 0
        window: int | None = CHUNKS_OF_A_WORKER * self.workers
        while True:
            while window and taken - yielded < window:
                photos = next(source, None)
                if photos is None:
                    window = None
                else:
                    self._waiting.append(_Chunk(taken, photos))
                    taken += 1
            if taken == yielded:
                return
            self._hand_out()
            self._collect(advance)
            while yielded in self._done:
                yield self._done.pop(yielded)
                yielded += 1

    def _hand_out(self) -> None:
        if not self._handles:
            self._handles = [self._start(slot) for slot in self._slots]
        started = [handle for handle in self._handles if handle.starting is None]
        while self._waiting and started:
            handle = min(started, key=lambda handle: len(handle.chunks))
            if len(handle.chunks) == CHUNKS_OF_A_WORKER:
                break
            chunk = self._waiting.popleft()
            handle.chunks[handle.actor.describe.remote(chunk.photos)] = chunk

    def _start(self, slot: _Slot) -> _Handle:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        actor: Any = (
            self._ray.remote(_Worker)
            .options(
                num_cpus=slot.cpus,
                # Where its node is gone, another that has the CPUs will do.
                scheduling_strategy=NodeAffinitySchedulingStrategy(slot.node, soft=True),
            )
            .remote(self._make_network, slot.number, slot.count)
        )
        return _Handle(slot, actor, actor.start.remote())

    def _collect(self, advance: Callable[[int], None]) -> None:
        """Wait for a worker to start, to end a chunk or to die, and note what it did."""
        pending = {reference: handle for handle in self._handles for reference in handle.pending}
        ready, _ = self._ray.wait(list(pending), timeout=SECONDS_TO_START)
        if not ready and all(handle.starting is not None for handle in self._handles):
            free = self._ray.available_resources().get("CPU", 0)
            raise RequestError(
                f"no Ray worker started within {SECONDS_TO_START:.0f} s: each needs "
                f"{self._slots[0].cpus} CPUs of a node, of the whole cluster's {free:.0f} are free"
            )
        for reference in ready:
            handle = pending[reference]
            try:
                result = self._ray.get(reference)
            except (self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError) as e:
                self._replace(handle, e)
                return
            except self._ray.exceptions.RayTaskError as error:
                raise RequestError(f"a Ray worker failed: {_cause(error)}") from error
            if reference == handle.starting:
                self._check(result)
                handle.starting = None
            else:
                chunk = handle.chunks.pop(reference)
                self._done[chunk.number] = result
                self._deaths_in_a_row = 0
                advance(len(chunk.photos))

    def _check(self, fingerprint: str) -> None:
        if fingerprint != self._fingerprint:
            raise RequestError(
                f"a Ray worker has model {fingerprint}, this build {self._fingerprint}: install "
                "the same FashionNet on every node"
            )

    def _replace(self, handle: _Handle, error: Exception) -> None:
        """Ask for another worker in a dead one's place and take back what it was given."""
        self.deaths += 1
        self._deaths_in_a_row += 1
        if self._deaths_in_a_row > DEATHS_ALLOWED * self.workers:
            raise RequestError(f"Ray's workers die as they start: {_cause(error)}")
        chunks = sorted(handle.chunks.values(), key=lambda chunk: chunk.number)
        if chunks:
            chunks[0].deaths += 1
            if chunks[0].deaths >= DEATHS_ALLOWED:
                photos = chunks[0].photos
                raise RequestError(
                    f"{DEATHS_ALLOWED} Ray workers died as they described the {len(photos)} photos "
                    f"from {photos[0]} to {photos[-1]}: {_cause(error)}"
                )
        self._waiting.extendleft(reversed(chunks))
        # One that is cut off may still be at work.
        self._ray.kill(handle.actor)
        self._handles[self._handles.index(handle)] = self._start(handle.slot)


@contextmanager
def ray_engine(make_network: MakeNetwork, fingerprint: str) -> Iterator[RayEngine]:
    """Connect to the cluster that RAY_ADDRESS names, or start one of this machine alone.

    Raises RequestError where Ray is not installed and where the cluster does not answer.
    """
    try:
        import ray
    except ImportError:
        raise RequestError(
            f"--engine ray: Ray is not installed: pip install '{REQUIREMENT}'"
        ) from None
    address = os.environ.get("RAY_ADDRESS") or "local"
    _require_answer(address)
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except Exception as error:
        # Ray raises whatever its parts raise.
        raise RequestError(f"Ray at {address} cannot be used: {_cause(error)}") from error
    try:
        yield RayEngine(make_network, fingerprint)
    finally:
        ray.shutdown()


def _require_answer(address: str) -> None:
    """Raise RequestError where no server speaks at an address: Ray itself would wait for long."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        if parts.hostname and parts.port:
            where = (parts.hostname, parts.port)
            with socket.create_connection(where, SECONDS_TO_ANSWER) as connection:
                if os.environ.get("RAY_USE_TLS") != "1":
                    connection.sendall(_HTTP2_GREETING)
                    if not connection.recv(1):
                        raise OSError("connection closed")
    except (OSError, ValueError) as error:
        raise RequestError(
            f"RAY_ADDRESS {address}: no Ray cluster answers there ({first_line(error)}): start it, "
            "or unset RAY_ADDRESS to use this machine alone"
        ) from error


def _slots(nodes: Iterable[Mapping[str, Any]]) -> list[_Slot]:
    """Part each node's CPUs into groups; RequestError where there is no CPU."""
    slots = []
    for node in nodes:
        cpus = int(node["Resources"].get("CPU", 0)) if node["Alive"] else 0
        count = max(1, cpus // CPUS_OF_A_WORKER)
        if cpus:
            slots += [
                _Slot(node["NodeID"], number, count, cpus // count) for number in range(count)
            ]
    if not slots:
        raise RequestError("the Ray cluster has no CPU for a worker: add a node to it")
    return slots


def _cause(error: BaseException) -> str:
    """Return the line of an error of Ray's that says what happened, without its tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    return (named or lines or [type(error).__name__])[-1 if named else 0]


def network_maker(folder: Path, precision: str = "auto") -> MakeNetwork:
    """Return what opens the network of a model folder on any node: it carries the files along."""
    files = {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    return partial(_open_copy, files, precision)


def _open_copy(files: Mapping[str, bytes], precision: str) -> Network:
    from fashionnet.network.compiled import CompiledNetwork

    with tempfile.TemporaryDirectory() as name:
        for file, data in files.items():
            copy = Path(name, file)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(data)
        return CompiledNetwork.open(Path(name), precision)
