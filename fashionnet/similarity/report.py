"""What a report shows of the items that are like a photo."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from fashionnet.locations import Location, location
from fashionnet.profile import ProfilePhotos
from fashionnet.report.content import Report, ShownPhoto, in_words, shown_items
from fashionnet.similarity.by_colour import read_colours
from fashionnet.similarity.neighbours import Similar
from fashionnet.similarity.search import colour_shifts
from fashionnet.similarity.shifts import Shift
from fashionnet.text import plain
from fashionnet.vectors import FashionVectors


@dataclass(frozen=True, eq=False)
class SimilarReport(Report):
    """Items that look like one photo."""

    heading: ClassVar[str] = "Alike"
    items_heading: ClassVar[str] = "Most alike"
    items_key: ClassVar[str] = "similar"

    query: ShownPhoto
    shifts: Sequence[Shift]
    colour: str | None

    @property
    def photos(self) -> list[tuple[str, list[ShownPhoto]]]:
        """The photo that was searched with."""
        return [("The photo", [self.query])]

    @property
    def summary(self) -> str:
        """One line: how many items of how many, like which photo, shifted towards what."""
        how = f"most like {plain(self.query.name)}"
        if self.shifts:
            how += " shifted by " + ", ".join(plain(shift) for shift in self.shifts)
        if self.colour:
            how += f", mostly {self.colour}"
        return self.choice(how)

    @property
    def score_name(self) -> str:
        """What items are ordered by: likeness to the photo, unless that was shifted."""
        return "score" if self.shifts else "likeness"

    @property
    def best_score_text(self) -> str:
        """Nothing: a likeness is known to end at 1, and a score after a shift has no end."""
        return ""

    def document(self) -> dict[str, Any]:
        """Return the photo in words, and what it was shifted towards."""
        return {
            "query": in_words(self.query, self.schema),
            "shifts": [asdict(shift) for shift in self.shifts],
            "colour": self.colour,
            "where": self.where,
            "item_count": self.item_count,
        }


def assemble(
    query: ProfilePhotos,
    photo: Location,
    similar: Similar,
    metadata: Sequence[Mapping[str, Any]],
    shifts: Sequence[Shift],
    where: str | None,
    colour: str | None,
) -> SimilarReport:
    """Gather a report of the items that are like one photo, which `query` describes.

    `metadata` holds the catalogue's columns for each similar item, in their order.
    """
    by_colour = colour is not None or bool(colour_shifts(shifts, query.vectors.schema))
    return SimilarReport(
        schema=query.vectors.schema,
        items=shown_items(
            similar.items,
            similar.rows,
            similar.scores,
            similar.likeness,
            reasons(query.vectors, similar, by_colour),
            metadata,
        ),
        item_count=similar.compared,
        best_score=1.0,
        where=where,
        query=ShownPhoto(query.names[0], photo, query.vectors.classes(0)),
        shifts=shifts,
        colour=colour,
    )


def reasons(query: FashionVectors, similar: Similar, by_colour: bool) -> list[str]:
    """Return for each similar item the classes that it shares with the photo, row 0 of `query`.

    Of a search by colour those of the item's garment follow, with their shares.
    """
    classes = query.classes(0)
    found = similar.items.vectors
    shared = [
        ", ".join(
            name for name, own in zip(found.classes(row), classes, strict=True) if name == own
        )
        or "no shared feature"
        for row in similar.rows
    ]
    if not by_colour:
        return shared
    colours = [read_colours(location(similar.items.photos[row])) for row in similar.rows]
    return [
        f"{reason}; " + ", ".join(f"{share:.0%} {name}" for name, share in own.items())
        if own
        else reason
        for reason, own in zip(shared, colours, strict=True)
    ]
