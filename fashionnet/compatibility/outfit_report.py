"""What a report shows of items that complete an outfit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from fashionnet.locations import location
from fashionnet.report.content import Report, ShownItem, ShownPhoto, shown_items
from fashionnet.repository.store import Items


@dataclass(frozen=True)
class Suggestion:
    """One item that was found: its row, how well it fits, and what is said of it."""

    row: int
    score: float
    reason: str


@dataclass(frozen=True, eq=False)
class OutfitReport(Report):
    """Items that complete an outfit."""

    heading: ClassVar[str] = "Goes with it"
    items_heading: ClassVar[str] = "To wear with it"
    items_key: ClassVar[str] = "suggestions"

    given: list[ShownPhoto]
    how: str
    outfits: list[dict[str, Any]]

    @property
    def photos(self) -> list[tuple[str, list[ShownPhoto]]]:
        """The items that others were found for."""
        return [("The outfit so far", self.given)]

    @property
    def summary(self) -> str:
        """One line: how many items of how many, for which, within which budget."""
        return self.choice(self.how)

    @property
    def score_name(self) -> str:
        """What the number is called: how well an item goes with the others of its outfit."""
        return "fit"

    @property
    def best_score_text(self) -> str:
        """Nothing: a cosine is known to end at 1."""
        return ""

    def document(self) -> dict[str, Any]:
        """Return what was asked for, and whole outfits where they were asked for."""
        asked = {"given": [photo.name for photo in self.given], "where": self.where}
        return asked | ({"outfits": self.outfits} if self.outfits else {})


def assemble(
    items: Items,
    given: Sequence[int],
    suggestions: Sequence[Suggestion],
    metadata: Sequence[Mapping[str, Any]],
    how: str,
    where: str | None,
    item_count: int,
    outfits: list[dict[str, Any]],
) -> OutfitReport:
    """Gather a report; `metadata` holds the catalogue's columns for each suggestion."""
    scores = np.array([suggestion.score for suggestion in suggestions], np.float64)
    shown = shown_items(
        items,
        np.array([suggestion.row for suggestion in suggestions], np.intp),
        scores,
        scores,
        [suggestion.reason for suggestion in suggestions],
        metadata,
    )
    return OutfitReport(
        schema=items.vectors.schema,
        items=[_honest(item, items, one.row) for item, one in zip(shown, suggestions, strict=True)],
        item_count=item_count,
        best_score=1.0,
        where=where,
        given=[
            ShownPhoto(items.ids[row], location(items.photos[row]), _classes(items, row))
            for row in given
        ],
        how=how,
        outfits=outfits,
    )


def _honest(item: ShownItem, items: Items, row: int) -> ShownItem:
    # Of shoes the network says nothing that is worth showing, and columns must stay as many.
    if items.vectors.relevant[row]:
        return item
    return replace(item, classes=[""] * len(item.classes))


def _classes(items: Items, row: int) -> list[str]:
    return items.vectors.classes(row) if items.vectors.relevant[row] else []
