"""What a report shows, gathered once for every form of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fashionnet.locations import Location, location
from fashionnet.matching import Recommendations, Scoring
from fashionnet.profile import ProfilePhotos, StyleProfile, class_counts
from fashionnet.schema import Schema
from fashionnet.text import counted, plain

if TYPE_CHECKING:
    from fashionnet.repository.store import Items

DETAIL_COUNT = 4
_LONGEST_DETAIL = 60
_TITLE_WORDS = ("name", "title")

Value = str | int | float | bool | None
"""A cell of the catalogue's metadata."""


@dataclass(frozen=True)
class ShownPhoto:
    """A photo that items are chosen for; `path` is None where only its Fashion Vector was kept."""

    name: str
    path: Location | None
    classes: list[str]


@dataclass(frozen=True)
class ShownItem:
    """A chosen item: its place, why it is there, and what the catalogue says of it."""

    rank: int
    id: str
    photo: Location
    score: float
    likeness: float
    reason: str
    classes: list[str]
    metadata: dict[str, Value]


@dataclass(frozen=True, eq=False)
class Report(ABC):
    """Items chosen for photos, with everything that explains the choice.

    Attributes:
        schema: the attributes that the classes of photos and items belong to.
        items: what was chosen, best first.
        item_count: how many items there were to choose from.
        best_score: the highest score that an item can have.
        where: the filter that items had to meet.
    """

    heading: ClassVar[str]
    items_heading: ClassVar[str]
    items_key: ClassVar[str]

    schema: Schema
    items: list[ShownItem]
    item_count: int
    best_score: float
    where: str | None

    @property
    @abstractmethod
    def photos(self) -> list[tuple[str, list[ShownPhoto]]]:
        """The photos that items were chosen for, under a heading for each kind."""

    @property
    def profile(self) -> StyleProfile | None:
        """The style profile to show beside the photos, where there is one."""
        return None

    @property
    @abstractmethod
    def summary(self) -> str:
        """One line: how many items were chosen from how many, by what, for which photos."""

    @abstractmethod
    def document(self) -> dict[str, Any]:
        """Return what a JSON file says of the request, ahead of the items."""

    @property
    def score_name(self) -> str:
        """What the number is called by which items are ordered."""
        return "score"

    @property
    def best_score_text(self) -> str:
        """What follows a score to say how high it could be: ' of 4'."""
        return f" of {score_text(self.best_score)}"

    def title(self, item: ShownItem) -> str:
        """Return the item's name in the catalogue, or its id where no column names it."""
        return title_of(item.id, item.metadata)

    def details(self, item: ShownItem) -> dict[str, str]:
        """Return a few short metadata columns, those first that tell the items apart."""
        return details_of(item.metadata, self._telling_columns)

    @cached_property
    def _telling_columns(self) -> list[str]:
        return telling_columns([shown.metadata for shown in self.items])

    def choice(self, how: str) -> str:
        """Return '5 of 300 items, <how>', and the filter that they met."""
        return f"{len(self.items)} of {counted(self.item_count, 'item')}, {how}" + (
            f", where {plain(self.where)}" if self.where else ""
        )


@dataclass(frozen=True, eq=False)
class RecommendationReport(Report):
    """Items recommended to a style profile."""

    heading: ClassVar[str] = "Picked for your style"
    items_heading: ClassVar[str] = "Recommended"
    items_key: ClassVar[str] = "recommendations"

    style: StyleProfile
    liked: list[ShownPhoto]
    disliked: list[ShownPhoto]
    scoring: Scoring
    diversity: float = 0.0

    @property
    def photos(self) -> list[tuple[str, list[ShownPhoto]]]:
        """Liked photos, and disliked ones where there are any."""
        sections = [("Your photos", self.liked), ("Not your taste", self.disliked)]
        return [(heading, photos) for heading, photos in sections if photos]

    @property
    def profile(self) -> StyleProfile:
        """The style profile that items were matched with."""
        return self.style

    @property
    def summary(self) -> str:
        """One line: how many items were chosen from how many, by what, from which photos."""
        how = "feature matches" if self.scoring == "matches" else "expected feature matches"
        text = f"scored by {how} with {counted(len(self.liked), 'photo')}"
        if self.disliked:
            text += f" less those with {counted(len(self.disliked), 'disliked photo')}"
        if self.diversity:
            text += f", varied (diversity {self.diversity:g}): not in the order of scores"
        return self.choice(text)

    def document(self) -> dict[str, Any]:
        """Return how items were scored, and the profile in words."""
        counts = class_counts(self.style.vectors)
        return {
            "scoring": self.scoring,
            "diversity": self.diversity,
            "best_score": self.best_score,
            "where": self.where,
            "item_count": self.item_count,
            "model": self.style.model_fingerprint,
            "profile": {
                "liked": [in_words(photo, self.schema) for photo in self.liked],
                "disliked": [in_words(photo, self.schema) for photo in self.disliked],
                "class_counts": {
                    name: dict(zip(self.schema[name].classes, counts[part].tolist(), strict=True))
                    for name, part in self.schema.slices.items()
                },
            },
        }


def assemble(
    profile: StyleProfile,
    paths: Mapping[str, Path],
    recommendations: Recommendations,
    items: "Items",
    metadata: Sequence[Mapping[str, Any]],
    item_count: int,
    scoring: Scoring,
    where: str | None,
    diversity: float = 0.0,
) -> RecommendationReport:
    """Gather a report of recommendations.

    `paths` leads from the SHA-256 of the profile's photos to their files, as far as they are at
    hand; `items` are the recommended ones and `metadata` the catalogue's columns for each, in
    their order; `item_count` is how many they were chosen from.
    """
    places = range(len(recommendations))
    return RecommendationReport(
        schema=profile.schema,
        items=shown_items(
            items,
            np.arange(len(recommendations)),
            recommendations.scores,
            recommendations.likeness,
            [recommendations.reason(place) for place in places],
            metadata,
        ),
        item_count=item_count,
        best_score=recommendations.best_score,
        where=where,
        style=profile,
        liked=_photos(profile.liked, paths),
        disliked=_photos(profile.disliked, paths) if profile.disliked else [],
        scoring=scoring,
        diversity=diversity,
    )


def shown_items(
    items: "Items",
    rows: NDArray[np.intp],
    scores: NDArray[np.float64],
    likeness: NDArray[np.float64],
    reasons: Sequence[str],
    metadata: Sequence[Mapping[str, Any]],
) -> list[ShownItem]:
    """Return the items of some rows; the other sequences hold what is said of each, in order."""
    return [
        ShownItem(
            rank=place + 1,
            id=str(items.ids[row]),
            photo=location(items.photos[row]),
            score=float(scores[place]),
            likeness=float(likeness[place]),
            reason=reasons[place],
            classes=items.vectors.classes(row),
            metadata={str(name): _value(value) for name, value in metadata[place].items()},
        )
        for place, row in enumerate(rows)
    ]


def in_words(photo: ShownPhoto, schema: Schema) -> dict[str, str]:
    """Return a photo's name and its class of each attribute."""
    return {"photo": photo.name, **dict(zip(schema.names, photo.classes, strict=True))}


def title_of(item: str, metadata: Mapping[str, Any]) -> str:
    """Return what a catalogue calls an item, or its id where no column names it."""
    for column, value in metadata.items():
        if isinstance(value, str) and value and _is_title(column):
            return plain(value)
    return plain(item)


def telling_columns(shown: Sequence[Mapping[str, Value]]) -> list[str]:
    """Return the columns of items that are shown, those first that tell them apart; no titles."""
    columns = [name for name in (shown[0] if shown else ()) if not _is_title(name)]
    telling = [
        name for name in columns if len(shown) == 1 or len({row.get(name) for row in shown}) > 1
    ]
    return telling + [name for name in columns if name not in telling]


def details_of(metadata: Mapping[str, Value], columns: Sequence[str]) -> dict[str, str]:
    """Return a few short columns of an item, the first of `columns` that say something."""
    details: dict[str, str] = {}
    for name in columns:
        value = metadata.get(name)
        text = "" if value is None else plain(str(value))
        if 0 < len(text) <= _LONGEST_DETAIL and len(details) < DETAIL_COUNT:
            details[name] = text
    return details


def score_text(score: float) -> str:
    """Return a score with at most two decimals: 3, 2.6, 1.67."""
    text = f"{score:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _is_title(column: str) -> bool:
    return any(word in column.lower() for word in _TITLE_WORDS)


def _photos(photos: ProfilePhotos, paths: Mapping[str, Path]) -> list[ShownPhoto]:
    rows = enumerate(zip(photos.names, photos.fingerprints, strict=True))
    return [
        ShownPhoto(name, paths.get(fingerprint), photos.vectors.classes(row))
        for row, (name, fingerprint) in rows
    ]


def _value(value: object) -> Value:
    if hasattr(value, "item"):
        value = value.item()
    # A missing number is NaN, which is the one value that differs from itself.
    if value is None or value != value:
        return None
    return value if isinstance(value, (str, int, float, bool)) else str(value)
