"""The style profile: the Fashion Vectors of a person's photos, one row a photo."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors

FORMAT = "fashionnet style profile 1"
MAXIMUM_BYTES = 64 * 2**20

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MODEL_FINGERPRINT = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, eq=False)
class ProfilePhotos:
    """Photos as a profile keeps them: name, SHA-256 and Fashion Vector of each, no pixels."""

    names: tuple[str, ...]
    fingerprints: tuple[str, ...]
    vectors: FashionVectors

    def __post_init__(self) -> None:
        if not len(self.names) == len(self.fingerprints) == len(self.vectors) > 0:
            raise ValueError("a profile needs photos, and a name and a fingerprint for each")

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True, eq=False)
class StyleProfile:
    """What a person wears: P photos they like and, where given, photos of what they dislike.

    >>> profile = StyleProfile(liked, None, network.fingerprint)   # doctest: +SKIP
    >>> profile.vectors.codes[0]                                   # doctest: +SKIP
    array([1, 0, 0, 0], dtype=uint8)
    """

    liked: ProfilePhotos
    disliked: ProfilePhotos | None
    model_fingerprint: str

    @property
    def vectors(self) -> FashionVectors:
        """Fashion Vectors of the P liked photos: their `codes` are the style-profile matrix."""
        return self.liked.vectors

    @property
    def schema(self) -> Schema:
        """The attributes and classes that the profile is written in."""
        return self.liked.vectors.schema

    @property
    def shown_fingerprints(self) -> tuple[str, ...]:
        """SHA-256 of every photo that the person showed, liked or not."""
        return self.liked.fingerprints + (self.disliked.fingerprints if self.disliked else ())

    def mean_probabilities(self) -> NDArray[np.float64]:
        """Return float64 (C,): each class's probability, averaged over the liked photos."""
        return self.vectors.probabilities.mean(axis=0, dtype=np.float64)

    def require_model(self, schema: Schema, model_fingerprint: str, whose: str) -> None:
        """Raise RequestError unless `whose` schema and model are the profile's own."""
        if schema.fingerprint != self.schema.fingerprint:
            raise RequestError(
                f"the profile's schema ({', '.join(self.schema.names)}; "
                f"{self.schema.fingerprint}) is not that of {whose} "
                f"({', '.join(schema.names)}; {schema.fingerprint}): use one model for both"
            )
        if model_fingerprint != self.model_fingerprint:
            raise RequestError(
                f"the profile was made with model {self.model_fingerprint}, {whose} with model "
                f"{model_fingerprint}: describe the photos or build the repository again, with "
                "one model for both"
            )

    def document(self) -> dict[str, Any]:
        """Return what `save` writes: the profile as plain values, without any photo."""
        return {
            "format": FORMAT,
            "model": self.model_fingerprint,
            "schema": self.schema.to_mapping(),
            "liked": _rows(self.liked),
            "disliked": _rows(self.disliked) if self.disliked else [],
        }

    @classmethod
    def from_document(cls, document: object) -> "StyleProfile":
        """Return the profile of a `document`, every value checked; ValueError says what is wrong.

        A document with a schema that cannot be is a RequestError.
        """
        return _profile(document)

    def save(self, path: Path) -> None:
        """Write the profile as JSON, without any photo; RequestError where that fails."""
        text = json.dumps(self.document(), ensure_ascii=False, indent=1)
        # What of a file's name is no text is spelt as JSON spells it, and read back the same.
        write_whole(path, text.encode(errors="backslashreplace"))

    @classmethod
    def load(cls, path: Path) -> "StyleProfile":
        """Read what `save` wrote, checking every value; RequestError says what is wrong."""
        try:
            if path.stat().st_size > MAXIMUM_BYTES:
                raise RequestError(f"profile {path}: larger than {MAXIMUM_BYTES // 2**20} MiB")
            document = json.loads(path.read_text("utf-8"))
        except OSError as error:
            raise RequestError(f"profile {path}: {(error.strerror or '').lower()}") from error
        except (ValueError, RecursionError):
            raise RequestError(f"profile {path}: not a style profile: not JSON") from None
        try:
            return cls.from_document(document)
        except (RequestError, ValueError, OverflowError) as error:
            raise RequestError(f"profile {path}: not a style profile: {error}") from None


def class_counts(vectors: FashionVectors) -> NDArray[np.int64]:
    """Return int64 (C,): how many of the rows have each class."""
    return np.concatenate(
        [
            np.bincount(codes, minlength=len(attribute.classes))
            for attribute, codes in zip(vectors.schema, vectors.codes.T, strict=True)
        ]
    )


def _rows(photos: ProfilePhotos) -> list[dict[str, Any]]:
    vectors = photos.vectors
    return [
        {
            "photo": name,
            "sha256": fingerprint,
            "relevance": _decimals(vectors.relevance[row : row + 1])[0],
            "probabilities": _decimals(vectors.probabilities[row]),
            "embedding": _decimals(vectors.embeddings[row]),
        }
        for row, (name, fingerprint) in enumerate(
            zip(photos.names, photos.fingerprints, strict=True)
        )
    ]


def _decimals(values: NDArray[np.float32]) -> list[float]:
    # The shortest decimal that reads back as the same float32: a loaded profile equals the saved.
    return [float(str(value)) for value in values]


def _profile(document: object) -> StyleProfile:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"expected format {FORMAT!r}")
    model = document.get("model")
    if not isinstance(model, str) or not _MODEL_FINGERPRINT.fullmatch(model):
        raise ValueError("expected model to be 16 hexadecimal digits")
    mapping = document.get("schema")
    if not isinstance(mapping, dict) or not all(isinstance(v, list) for v in mapping.values()):
        raise ValueError("expected schema to name attributes and their lists of classes")
    schema = Schema.from_mapping(mapping)
    liked = profile_photos(document.get("liked"), schema, "liked")
    disliked = None
    if document.get("disliked"):
        disliked = profile_photos(document["disliked"], schema, "disliked")
        if disliked.vectors.embeddings.shape[1] != liked.vectors.embeddings.shape[1]:
            raise ValueError("embeddings of liked and disliked photos differ in length")
    return StyleProfile(liked, disliked, model)


def profile_photos(rows: object, schema: Schema, what: str) -> ProfilePhotos:
    """Return the photos of a document's `liked` or `disliked` list; ValueError, naming `what`."""
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"expected {what} to list photos")
    names = [row.get("photo") for row in rows]
    fingerprints = [row.get("sha256") for row in rows]
    if not all(isinstance(name, str) and 0 < len(name) <= 1000 for name in names):
        raise ValueError(f"{what}: expected a name for each photo")
    if not all(isinstance(text, str) and _SHA256.fullmatch(text) for text in fingerprints):
        raise ValueError(f"{what}: expected sha256 to be 64 hexadecimal digits")
    relevance = _numbers([[row.get("relevance")] for row in rows], f"{what}: relevance")
    probabilities = _numbers([row.get("probabilities") for row in rows], f"{what}: probabilities")
    embeddings = _numbers([row.get("embedding") for row in rows], f"{what}: embedding")
    if probabilities.shape[1] != schema.class_count:
        raise ValueError(f"{what}: expected {schema.class_count} probabilities for each photo")
    sums = np.stack([probabilities[:, part].sum(axis=1) for part in schema.slices.values()])
    if (probabilities < 0).any() or (abs(sums - 1) > 0.01).any():
        raise ValueError(f"{what}: expected each attribute's probabilities to sum to one")
    if (relevance < 0).any() or (relevance > 1).any():
        raise ValueError(f"{what}: expected relevance from 0 to 1")
    if (abs(np.linalg.norm(embeddings, axis=1) - 1) > 0.01).any():
        raise ValueError(f"{what}: expected embeddings of unit length")
    vectors = FashionVectors(schema, probabilities, relevance[:, 0], embeddings)
    return ProfilePhotos(tuple(names), tuple(fingerprints), vectors)


def _numbers(rows: list[Any], what: str) -> NDArray[np.float32]:
    width = len(rows[0]) if isinstance(rows[0], list) else 0
    for row in rows:
        if not isinstance(row, list) or len(row) != width or width == 0:
            raise ValueError(f"{what}: expected number lists of one length")
        if not all(type(value) in (int, float) for value in row):
            raise ValueError(f"{what}: expected numbers only")
    with np.errstate(over="ignore"):
        values = np.array(rows, np.float64).astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError(f"{what}: expected finite numbers only")
    return values
