"""Photos to Fashion Vectors: read and decode ahead while the network works."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from fashionnet.locations import Location
from fashionnet.network.trunk import IMAGE_SIZE
from fashionnet.photos import (
    Image,
    UnreadablePhotoError,
    decode,
    fingerprint,
    read_ahead,
    read_bytes,
    resize,
)
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors

Place = TypeVar("Place", bound=Location)


class Network(Protocol):
    """What describes images: `fashionnet.network.compiled.CompiledNetwork`."""

    schema: Schema
    fingerprint: str
    precision: str
    embedding_size: int
    same_picture: float

    def describe(self, images: "Iterator[Image]") -> FashionVectors:
        """Return one Fashion Vector for each image."""


@dataclass(frozen=True)
class LeftOut(Generic[Place]):
    """A photo that could not be used, and why."""

    photo: Place
    reason: str


@dataclass(frozen=True)
class Described(Generic[Place]):
    """What came of some photos.

    Attributes:
        photos: those that could be read, in the order given.
        fingerprints: the SHA-256 of each one's file.
        vectors: a row for each of `photos`.
        left_out: the others.
    """

    photos: list[Place]
    fingerprints: list[str]
    vectors: FashionVectors
    left_out: list[LeftOut[Place]]


def read_for_network(photo: Location) -> tuple[str, Image]:
    """Return a photo's SHA-256 and its image at the network's size; UnreadablePhotoError."""
    data = read_bytes(photo)
    return fingerprint(data), resize(decode(data, IMAGE_SIZE), IMAGE_SIZE, IMAGE_SIZE)


def describe_photos(
    network: Network,
    photos: Sequence[Place],
    advance: Callable[[int], None] = lambda count: None,
) -> Described[Place]:
    """Describe photos; unreadable ones are left out with the reason.

    `advance` is called with 1 after each photo was handed to the network or left out.
    Memory does not grow with the number of photos beyond the Fashion Vectors themselves.
    """
    readable: list[Place] = []
    fingerprints: list[str] = []
    left_out: list[LeftOut[Place]] = []

    def images() -> Iterator[Image]:
        for photo, pending in read_ahead(photos, read_for_network):
            try:
                sha256, image = pending.result()
            except UnreadablePhotoError as error:
                left_out.append(LeftOut(photo, str(error)))
            else:
                readable.append(photo)
                fingerprints.append(sha256)
                yield image
            advance(1)

    vectors = network.describe(images())
    return Described(readable, fingerprints, vectors, left_out)
