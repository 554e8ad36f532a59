"""What a report shows, gathered once for every form of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashionnet.locations import Location, location
from fashionnet.matching import Recommendations, Scoring
from fashionnet.profile import ProfilePhotos, StyleProfile
from fashionnet.text import plain

if TYPE_CHECKING:
    from fashionnet.repository.store import Items

DETAIL_COUNT = 4
_LONGEST_DETAIL = 60
_TITLE_WORDS = ("name", "title")

Value = str | int | float | bool | None
"""A cell of the catalogue's metadata."""


@dataclass(frozen=True)
class ShownPhoto:
    """A photo of the person's; `path` is None where only its Fashion Vector was kept."""

    name: str
    path: Path | None
    classes: list[str]


@dataclass(frozen=True)
class ShownItem:
    """A recommended item: its place, why it is there, and what the catalogue says of it."""

    rank: int
    id: str
    photo: Location
    score: float
    likeness: float
    reason: str
    classes: list[str]
    metadata: dict[str, Value]


@dataclass(frozen=True, eq=False)
class Report:
    """Recommendations with everything that explains them."""

    profile: StyleProfile
    liked: list[ShownPhoto]
    disliked: list[ShownPhoto]
    items: list[ShownItem]
    item_count: int
    best_score: float
    scoring: Scoring
    where: str | None

    @property
    def summary(self) -> str:
        """One line: how many items were chosen from how many, by what, from which photos."""
        how = "feature matches" if self.scoring == "matches" else "expected feature matches"
        text = (
            f"{len(self.items)} of {counted(self.item_count, 'item')}, scored by {how} with "
            f"{counted(len(self.liked), 'photo')}"
        )
        if self.disliked:
            text += f" less those with {counted(len(self.disliked), 'disliked photo')}"
        return text + (f", where {plain(self.where)}" if self.where else "")

    def title(self, item: ShownItem) -> str:
        """Return the item's name in the catalogue, or its id where no column names it."""
        for column, value in item.metadata.items():
            if isinstance(value, str) and value and _is_title(column):
                return plain(value)
        return plain(item.id)

    def details(self, item: ShownItem) -> dict[str, str]:
        """Return a few short metadata columns, those first that tell the items apart."""
        columns = [name for name in item.metadata if not _is_title(name)]
        telling = [
            name
            for name in columns
            if len(self.items) == 1 or len({i.metadata.get(name) for i in self.items}) > 1
        ]
        ordered = telling + [name for name in columns if name not in telling]
        shown: dict[str, str] = {}
        for name in ordered:
            value = item.metadata[name]
            text = "" if value is None else plain(str(value))
            if 0 < len(text) <= _LONGEST_DETAIL and len(shown) < DETAIL_COUNT:
                shown[name] = text
        return shown


def assemble(
    profile: StyleProfile,
    paths: Mapping[str, Path],
    recommendations: Recommendations,
    items: "Items",
    metadata: Sequence[Mapping[str, Any]],
    item_count: int,
    scoring: Scoring,
    where: str | None,
) -> Report:
    """Gather a report.

    `paths` leads from the SHA-256 of the profile's photos to their files, as far as they are at
    hand; `items` are the recommended ones and `metadata` the catalogue's columns for each, in
    their order; `item_count` is how many they were chosen from.
    """
    shown = [
        ShownItem(
            rank=place + 1,
            id=str(items.ids[place]),
            photo=location(items.photos[place]),
            score=float(recommendations.scores[place]),
            likeness=float(recommendations.likeness[place]),
            reason=recommendations.reason(place),
            classes=items.vectors.classes(place),
            metadata={str(name): _value(value) for name, value in metadata[place].items()},
        )
        for place in range(len(recommendations))
    ]
    return Report(
        profile=profile,
        liked=_photos(profile.liked, paths),
        disliked=_photos(profile.disliked, paths) if profile.disliked else [],
        items=shown,
        item_count=item_count,
        best_score=recommendations.best_score,
        scoring=scoring,
        where=where,
    )


def counted(count: int, noun: str) -> str:
    """Return '1 photo', '1,234 photos'."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


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
