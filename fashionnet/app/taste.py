"""Between what a request says of a person's taste and the style profile that matching takes."""

from collections.abc import Sequence

import numpy as np

from fashionnet.app.snapshot import Snapshot
from fashionnet.app.types import AttributeShares, ClassShare, Photo, Profile, Taste
from fashionnet.errors import RequestError
from fashionnet.profile import ProfilePhotos, StyleProfile, class_counts, profile_photos
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors


def photo_of(vectors: FashionVectors, row: int, name: str, sha256: str, model: str) -> Photo:
    """Return one row of Fashion Vectors as it goes over HTTP."""
    return Photo(
        name=name,
        sha256=sha256,
        model=model,
        relevant=bool(vectors.relevant[row]),
        relevance=round(float(vectors.relevance[row]), 4),
        classes=classes_of(vectors, row),
        probabilities=probabilities_of(vectors, row),
        embedding=[round(float(value), 6) for value in vectors.embeddings[row]],
    )


def classes_of(vectors: FashionVectors, row: int) -> dict[str, str]:
    """Return one row's class for each attribute."""
    return dict(zip(vectors.schema.names, vectors.classes(row), strict=True))


def probabilities_of(vectors: FashionVectors, row: int) -> dict[str, dict[str, float]]:
    """Return one row's probabilities by attribute and class."""
    return {
        name: {
            class_name: round(float(value), 6)
            for class_name, value in zip(
                vectors.schema[name].classes, vectors.probabilities[row, part], strict=True
            )
        }
        for name, part in vectors.schema.slices.items()
    }


def style_profile(taste: Taste, snapshot: Snapshot) -> StyleProfile:
    """Return the style profile of a taste; RequestError where nothing is liked or all is odd."""
    liked = _together(taste.liked, taste.liked_items, snapshot, "liked")
    if liked is None:
        raise RequestError("nothing is liked yet: send described photos, or ids of items")
    disliked = _together(taste.disliked, taste.disliked_items, snapshot, "disliked")
    return StyleProfile(liked, disliked, snapshot.repository.model_fingerprint)


def summary(profile: StyleProfile) -> Profile:
    """Return how often each class occurs in what is liked and disliked."""
    liked = class_counts(profile.vectors)
    disliked = class_counts(profile.disliked.vectors) if profile.disliked else np.zeros_like(liked)
    means = profile.mean_probabilities()
    rows = []
    for attribute in profile.schema:
        places = range(*profile.schema.slices[attribute.name].indices(len(liked)))
        classes = [
            ClassShare(
                name=name,
                liked=int(liked[place]),
                disliked=int(disliked[place]),
                probability=round(float(means[place]), 4),
            )
            for name, place in zip(attribute.classes, places, strict=True)
        ]
        rows.append(AttributeShares(name=attribute.name, classes=classes))
    count = len(profile.disliked) if profile.disliked else 0
    return Profile(liked=len(profile.liked), disliked=count, attributes=rows)


def photos_of(photos: ProfilePhotos | None, model: str) -> list[Photo]:
    """Return a profile's photos as they go over HTTP."""
    if photos is None:
        return []
    return [
        photo_of(photos.vectors, row, name[:500], sha256, model)
        for row, (name, sha256) in enumerate(zip(photos.names, photos.fingerprints, strict=True))
    ]


def _together(
    photos: Sequence[Photo], ids: Sequence[str], snapshot: Snapshot, what: str
) -> ProfilePhotos | None:
    """Return photos and items as one part of a profile; None where there are neither."""
    parts = []
    if photos:
        parts.append(described(photos, snapshot, what))
    if ids:
        rows = snapshot.rows_of(ids)
        sha256s = tuple(str(snapshot.items.fingerprints[row]) for row in rows)
        parts.append(ProfilePhotos(tuple(ids), sha256s, snapshot.items.vectors.take(rows)))
    if not parts:
        return None
    return ProfilePhotos(
        tuple(name for part in parts for name in part.names),
        tuple(sha256 for part in parts for sha256 in part.fingerprints),
        FashionVectors.concatenate([part.vectors for part in parts]),
    )


def described(photos: Sequence[Photo], snapshot: Snapshot, what: str) -> ProfilePhotos:
    """Return photos as a part of a profile, corrections made; RequestError, naming `what`."""
    repository = snapshot.repository
    rows = []
    for photo in photos:
        if photo.model != repository.model_fingerprint:
            raise RequestError(
                f"{what}: {photo.name} was described by model {photo.model}, this repository by "
                f"{repository.model_fingerprint}: describe the photo again"
            )
        if len(photo.embedding) != repository.embedding_size:
            raise RequestError(
                f"{what}: {photo.name} has an embedding of {len(photo.embedding)} numbers, "
                f"expected {repository.embedding_size}: describe the photo again"
            )
        rows.append(
            {
                "photo": photo.name,
                "sha256": photo.sha256,
                "relevance": photo.relevance,
                "probabilities": _flat(photo, repository.schema, what),
                "embedding": photo.embedding,
            }
        )
    try:
        return profile_photos(rows, repository.schema, what)
    except (ValueError, OverflowError) as error:
        raise RequestError(str(error)) from None


def _flat(photo: Photo, schema: Schema, what: str) -> list[float]:
    """Return a photo's probabilities side by side; certainty where its class was corrected."""
    for given in (photo.probabilities, photo.classes):
        if set(given) != set(schema.names):
            raise RequestError(
                f"{what}: {photo.name} needs classes and probabilities of {', '.join(schema.names)}"
            )
    flat: list[float] = []
    for attribute in schema:
        shares = photo.probabilities[attribute.name]
        if set(shares) != set(attribute.classes):
            raise RequestError(
                f"{what}: {photo.name} needs a probability of each class of {attribute.name}: "
                + ", ".join(attribute.classes)
            )
        chosen = attribute.code(photo.classes[attribute.name])
        values = [shares[name] for name in attribute.classes]
        if values.index(max(values)) != chosen:
            values = [float(code == chosen) for code in range(len(values))]
        flat += values
    return flat
