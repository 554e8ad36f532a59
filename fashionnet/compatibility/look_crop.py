"""Take a product out of the scene that it is in (Kang et al., 2019, arXiv 1812.01748, §3).

A model that saw the product in its scene would learn to find it again, not what goes with it. Of
the four rectangles of a scene beside the product's bounding box, above it, below it, left and right
of it, the largest is kept. A scene of which less than SMALLEST_SHARE is left then is not used.
"""

import math
from collections.abc import Sequence

from fashionnet.compatibility.look_pairs import Box

SMALLEST_SHARE = 0.2
"""Of the scene's area; the paper's threshold for fashion is one fifth."""


def checked_box(values: object) -> Box:
    """Return a published bounding box; ValueError, with a short reason, for anything else."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) != 4:
        raise ValueError("bounding box is not four numbers")
    if not all(isinstance(value, (int, float)) and math.isfinite(value) for value in values):
        raise ValueError("bounding box is not four numbers")
    left, top, right, bottom = (float(value) for value in values)
    if not (0 <= left <= 1 and 0 <= right <= 1 and 0 <= top <= 1 and 0 <= bottom <= 1):
        raise ValueError("bounding box outside its scene")
    if not (left < right and top < bottom):
        raise ValueError("bounding box is empty")
    return left, top, right, bottom


def largest_rest(box: Box) -> Box | None:
    """Return the largest rectangle of the scene beside a box; None where that is too small.

    >>> largest_rest((0.4, 0.8, 0.6, 1.0))
    (0.0, 0.0, 1.0, 0.8)
    """
    left, top, right, bottom = box
    rests = [
        (0.0, 0.0, 1.0, top),
        (0.0, bottom, 1.0, 1.0),
        (0.0, 0.0, left, 1.0),
        (right, 0.0, 1.0, 1.0),
    ]
    area, rest = max(((r[2] - r[0]) * (r[3] - r[1]), r) for r in rests)
    return rest if area >= SMALLEST_SHARE else None
