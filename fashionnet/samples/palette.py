"""Colours of drawn garments: a name as shops write it and its sRGB value."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Colour = tuple[float, float, float]
"""Red, green and blue from 0 to 255."""

COLOURS: dict[str, Colour] = {
    "White": (244, 243, 240),
    "Off White": (236, 229, 214),
    "Beige": (212, 194, 165),
    "Cream": (241, 228, 196),
    "Grey": (148, 150, 154),
    "Charcoal": (66, 69, 75),
    "Black": (34, 34, 38),
    "Navy Blue": (33, 42, 78),
    "Blue": (42, 84, 160),
    "Sky Blue": (150, 190, 226),
    "Teal": (26, 112, 118),
    "Turquoise": (66, 178, 180),
    "Green": (44, 120, 70),
    "Olive": (98, 102, 58),
    "Mint": (172, 214, 190),
    "Yellow": (240, 202, 66),
    "Mustard": (200, 150, 46),
    "Orange": (228, 120, 44),
    "Peach": (244, 190, 160),
    "Coral": (236, 110, 96),
    "Red": (188, 34, 44),
    "Maroon": (108, 26, 42),
    "Pink": (236, 160, 184),
    "Magenta": (198, 40, 116),
    "Lavender": (182, 164, 214),
    "Purple": (96, 54, 128),
    "Brown": (104, 70, 48),
    "Rust": (166, 78, 44),
}

LIGHT = ("White", "Off White", "Cream", "Beige", "Sky Blue", "Mint", "Peach", "Pink", "Lavender")
DARK = ("Black", "Navy Blue", "Charcoal", "Maroon", "Brown", "Purple", "Olive")
BRIGHT = (
    "Red",
    "Blue",
    "Yellow",
    "Orange",
    "Coral",
    "Magenta",
    "Turquoise",
    "Green",
    "Teal",
    "Mustard",
)

FAVOURITES: dict[str, Sequence[str]] = {
    "casual": (
        *("White", "Grey", "Navy Blue", "Black", "Blue", "Red", "Green", "Orange"),
        *("Yellow", "Sky Blue", "Maroon", "Olive", "Pink", "Teal", "Beige"),
    ),
    "formal": (
        *("White", "Sky Blue", "White", "Lavender", "Pink", "Grey", "Navy Blue"),
        *("Charcoal", "Black", "Cream", "Blue"),
    ),
    "party": (
        *("Red", "Magenta", "Black", "Blue", "Purple", "Maroon", "Teal", "Pink"),
        *("Beige", "Green", "Navy Blue", "Coral"),
    ),
    "winter": (
        *("Grey", "Charcoal", "Navy Blue", "Maroon", "Olive", "Cream", "Beige"),
        *("Red", "Brown", "Green", "Mustard", "Purple", "Rust", "Black"),
    ),
    "summer": (
        *("White", "Yellow", "Coral", "Turquoise", "Pink", "Mint", "Peach", "Sky Blue"),
        *("Orange", "Lavender", "Red", "Blue", "Cream", "Black"),
    ),
}
"""Base colours that each style is drawn in; a name given twice comes twice as often."""

TAILORED = (
    *("Navy Blue", "Navy Blue", "Charcoal", "Grey", "Black", "Beige", "Brown", "Olive", "Maroon"),
)
"""Colours of blazers, waistcoats and coats."""

T = TypeVar("T")


def choose(options: Sequence[T], rng: np.random.Generator) -> T:
    """Return one of the options, each as likely."""
    return options[int(rng.integers(len(options)))]


def vary(colour: Colour, rng: np.random.Generator, amount: float = 8.0) -> Colour:
    """Return a colour near the one given."""
    red, green, blue = np.clip(np.asarray(colour) + rng.uniform(-amount, amount, 3), 8, 250)
    return float(red), float(green), float(blue)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """Return the colour that is `share` of the second and the rest of the first."""
    red, green, blue = (a + (b - a) * share for a, b in zip(first, second, strict=True))
    return red, green, blue


def darker(colour: Colour, share: float = 0.35) -> Colour:
    """Return a colour mixed with black."""
    return mix(colour, (10, 10, 14), share)


def lighter(colour: Colour, share: float = 0.45) -> Colour:
    """Return a colour mixed with white."""
    return mix(colour, (250, 250, 248), share)


def luminance(colour: Colour) -> float:
    """Return how bright a colour looks, from 0 to 255 (Rec. 601 luma)."""
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def contrasting(colour: Colour, rng: np.random.Generator) -> Colour:
    """Return a colour that stands out from the one given."""
    is_dark = luminance(colour) < 128
    quiet = ("White", "White", "Cream", "Grey") if is_dark else ("Navy Blue", "Black", "White")
    loud = (*LIGHT, "Yellow", "Turquoise") if is_dark else (*DARK, "Red", "Blue", "Green")
    names = [
        name
        for name in (quiet if rng.random() < 0.55 else loud)
        if np.abs(np.subtract(COLOURS[name], colour)).max() > 70
    ]
    return vary(COLOURS[choose(names, rng)], rng)


def pixel(colour: Colour) -> NDArray[np.float32]:
    """Return a colour as float32 (3,)."""
    return np.array(colour, np.float32)
