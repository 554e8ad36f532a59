"""A completed look as a report: the terminal's table, a page, a sheet, data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fashionnet.compatibility.complete_look import CompletedLook
from fashionnet.locations import Location
from fashionnet.report.content import Report, ShownPhoto, shown_items
from fashionnet.repository.store import Items


@dataclass(frozen=True, eq=False)
class LookReport(Report):
    """Products that complete the look of a scene."""

    heading: ClassVar[str] = "Complete the look"
    items_heading: ClassVar[str] = "Goes with it"
    items_key: ClassVar[str] = "products"

    scene: Location
    overlay: Path | None
    completed: CompletedLook

    @property
    def photos(self) -> list[tuple[str, list[ShownPhoto]]]:
        """The scene, and the scene with the attention over it."""
        sections = [("The scene", [ShownPhoto(self.scene.name, self.scene, [])])]
        if self.overlay:
            looked = [ShownPhoto("attention", self.overlay, [])]
            sections.append(("Where the model looked", looked))
        return sections

    @property
    def score_name(self) -> str:
        """Compatibility is 1 - distance / 4."""
        return "compatibility"

    @property
    def best_score_text(self) -> str:
        """Nothing: that 1 is the best goes without saying."""
        return ""

    @property
    def summary(self) -> str:
        """How many products were chosen from how many, and for which category."""
        how = f"{self.completed.column} {self.completed.category}, by compatibility with the scene"
        return self.choice(how)

    def document(self) -> dict[str, Any]:
        """Return the request, and the attention row by row."""
        return {
            "scene": str(self.scene),
            "category": self.completed.category,
            "column": self.completed.column,
            "item_count": self.item_count,
            "notes": self.completed.notes,
            "attention": self.completed.attention.round(5).tolist(),
        }


def assemble_look(
    scene: Location,
    overlay: Path | None,
    completed: CompletedLook,
    items: Items,
    metadata: Sequence[Mapping[str, Any]],
) -> LookReport:
    """Gather a report; `items` and `metadata` are those of `completed.ids`, in their order."""
    compatibility = completed.compatibility.astype(np.float64)
    return LookReport(
        schema=items.vectors.schema,
        items=shown_items(
            items,
            np.arange(len(items)),
            compatibility,
            compatibility,
            [f"distance {distance:.2f}" for distance in completed.distances],
            metadata,
        ),
        item_count=completed.compared,
        best_score=1.0,
        where=None,
        scene=scene,
        overlay=overlay,
        completed=completed,
    )
