"""Fashion Vectors, items and profiles made by hand, for tests that need no network."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from fashionnet.profile import ProfilePhotos, StyleProfile
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors

MODEL = "0123456789abcdef"
SCHEMA = Schema.default()
_RANDOM = np.random.default_rng(0)


@dataclass
class HandmadeItems:
    """What matching reads of a repository's items."""

    ids: list[str]
    fingerprints: list[str]
    vectors: FashionVectors
    photos: list[str] = field(default_factory=list)
    same_picture: float = 0.98


def fingerprint_of(number: int) -> str:
    return f"{number:064x}"


def vectors_of(codes, embeddings=None, schema=SCHEMA, certainty=0.9, size=8) -> FashionVectors:
    """Make rows whose most probable classes are the given codes."""
    codes = np.atleast_2d(np.asarray(codes))
    columns = []
    for attribute, column in zip(schema, codes.T, strict=True):
        others = (1 - certainty) / (len(attribute.classes) - 1)
        part = np.full((len(codes), len(attribute.classes)), others, np.float32)
        part[np.arange(len(codes)), column] = certainty
        columns.append(part)
    if embeddings is None:
        embeddings = _RANDOM.normal(size=(len(codes), size))
    embeddings = np.asarray(embeddings, np.float32)
    embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    ones = np.ones(len(codes), np.float32)
    return FashionVectors(schema, np.concatenate(columns, axis=1), ones, embeddings)


def profile_of(liked: FashionVectors, disliked: FashionVectors | None = None) -> StyleProfile:
    return StyleProfile(
        _photos(liked, "liked", 1_000_000),
        _photos(disliked, "disliked", 2_000_000) if disliked is not None else None,
        MODEL,
    )


def _photos(vectors: FashionVectors, name: str, first: int) -> ProfilePhotos:
    rows = range(len(vectors))
    return ProfilePhotos(
        tuple(f"{name} {row}.jpg" for row in rows),
        tuple(fingerprint_of(first + row) for row in rows),
        vectors,
    )


def items_of(vectors: FashionVectors, ids: list[str] | None = None) -> HandmadeItems:
    rows = range(len(vectors))
    return HandmadeItems(
        ids if ids is not None else [f"{row:05d}" for row in rows],
        [fingerprint_of(row) for row in rows],
        vectors,
    )


class ColourNetwork:
    """A network that sees colour alone: red is striped, green floral, blue solid, black nothing.

    It stands in for a trained model in tests of what happens around it.
    """

    schema = SCHEMA
    fingerprint = MODEL
    precision = "f32"
    embedding_size = 27
    same_picture = 0.98

    def describe(self, images) -> FashionVectors:
        means = [image.reshape(-1, 3).mean(axis=0) for image in images]
        if not means:
            return FashionVectors.empty(SCHEMA, self.embedding_size)
        colours = np.array(means)
        codes = [[(1, 2, 4)[int(colour.argmax())], 0, 0, 0] for colour in colours]
        # Bins of each channel, so that like colours lie close and different ones apart.
        bins = np.linspace(0, 255, 9)
        looks = np.exp(-(((colours[:, :, None] - bins) / 16) ** 2)).reshape(len(colours), -1)
        vectors = vectors_of(codes, looks)
        relevance = (colours.max(axis=1) > 20).astype(np.float32)
        return FashionVectors(SCHEMA, vectors.probabilities, relevance, vectors.embeddings)


def paint(path: Path, colour: tuple[int, int, int]) -> None:
    """Write a small photo of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (60, 80), colour).save(path)


def paint_shop(folder: Path) -> None:
    """Write photos of four shades each of red, green and blue."""
    for shade in (60, 120, 180, 240):
        paint(folder / f"red {shade}.png", (shade, 0, 0))
        paint(folder / f"green {shade}.png", (0, shade, 0))
        paint(folder / f"blue {shade}.png", (0, 0, shade))
