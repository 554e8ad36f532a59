"""The example wardrobe: what one person with a settled taste wears, as they photograph it."""

from pathlib import Path

import numpy as np

from fashionnet.samples.collection import write_photo
from fashionnet.samples.drawing import Design, draw

WARDROBE = (
    Design("checkered", "cotton", "casual", "full-sleeve", "shirt", "Navy Blue", "wood"),
    Design("striped", "cotton", "casual", "full-sleeve", "t-shirt", "White", "bed"),
    Design("checkered", "cotton", "casual", "full-sleeve", "shirt", "Red", "hanger"),
    Design("striped", "cotton", "casual", "full-sleeve", "shirt", "Sky Blue", "carpet"),
    Design("checkered", "cotton", "casual", "full-sleeve", "shirt", "Green", "bed"),
    Design("striped", "cotton", "casual", "full-sleeve", "t-shirt", "Navy Blue", "wood"),
    Design("checkered", "cotton", "casual", "full-sleeve", "shirt", "Blue", "hanger"),
    Design("solid", "wool", "winter", "full-sleeve", "sweater", "Mustard", "bed"),
)
"""Checks and stripes in cotton, long-sleeved and casual, and one sweater."""


def write_wardrobe(folder: Path, seed: int = 1) -> list[Path]:
    """Draw the example wardrobe's photos into a folder and return their paths."""
    paths = []
    for number, plan in enumerate(WARDROBE):
        path = folder / f"{number + 1}_{plan.colour.lower().replace(' ', '_')}_{plan.kind}.jpg"
        write_photo(draw(plan, np.random.default_rng([seed, 4, number])), path)
        paths.append(path)
    return paths
