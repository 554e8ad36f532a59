"""Small things that prints are made of: petals, flowers, leaves, words and pictures."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as pillow
from PIL import ImageDraw, ImageFont

from fashionnet.photos import Image
from fashionnet.samples.palette import Colour, choose, darker, lighter, mix, vary

_SHIFT = 4
_ONE = 1 << _SHIFT

Point = tuple[float, float]

WORDS = (
    *("BROOKLYN", "WANDER", "SUNDAY", "OCEAN", "RACING", "HARBOUR", "STUDIO", "ROCKET"),
    *("CALIFORNIA", "VINTAGE", "ATHLETIC", "FOREVER", "RIVER", "ORIGINAL", "SURF CLUB", "HOCKEY"),
    *("DREAMER", "ELECTRIC", "NORTH", "DEADLINE", "GARDEN", "MUSIC", "TIGERS", "LONDON", "FREE"),
)


def fill(image: Image, points: NDArray[np.floating], colour: Colour) -> None:
    """Fill a polygon of (N, 2) x, y pixels, with smooth edges."""
    corners = np.rint(points * _ONE).astype(np.int32)
    cv2.fillPoly(image, [corners], colour, cv2.LINE_AA, _SHIFT)


def disc(image: Image, centre: Point, radius: float, colour: Colour) -> None:
    """Fill a circle, with smooth edges."""
    at = round(centre[0] * _ONE), round(centre[1] * _ONE)
    cv2.circle(image, at, max(1, round(radius * _ONE)), colour, -1, cv2.LINE_AA, _SHIFT)


_TURN = np.linspace(0, 2 * np.pi, 18, endpoint=False)
_PETAL = np.stack([0.5 - 0.5 * np.cos(_TURN), 0.32 * np.sin(_TURN) * (1.15 - np.cos(_TURN))], 1)
_LEAF = np.stack([0.5 - 0.5 * np.cos(_TURN), 0.30 * np.sin(_TURN) * np.abs(np.sin(_TURN))], 1)


def _turned(shape: NDArray[np.floating], angle: float, size: float, at: Point) -> NDArray:
    cosine, sine = np.cos(angle) * size, np.sin(angle) * size
    return shape @ np.array([[cosine, sine], [-sine, cosine]]) + at


def leaf(image: Image, at: Point, angle: float, size: float, colour: Colour) -> None:
    """Draw a leaf with its midrib; `size` is its length in pixels."""
    fill(image, _turned(_LEAF, angle, size, at), colour)
    if size > 14:
        rib = _turned(np.array([[0.05, -0.012], [0.9, 0.0], [0.05, 0.012]]), angle, size, at)
        fill(image, rib, lighter(colour, 0.3))


def flower(
    image: Image, at: Point, size: float, colour: Colour, heart: Colour, rng: np.random.Generator
) -> None:
    """Draw a flower of five to seven petals; `size` is its radius in pixels."""
    petals = int(rng.integers(5, 8))
    first = rng.uniform(0, 2 * np.pi)
    angles = first + np.arange(petals) * 2 * np.pi / petals
    for number, angle in enumerate(angles):
        tone = mix(colour, (255, 255, 255), 0.12) if number % 2 else colour
        fill(image, _turned(_PETAL * (1.0, 1.15), angle, size, at), tone)
    if size > 13:
        for angle in angles:
            fill(image, _turned(_PETAL, angle, size * 0.62, at), darker(colour, 0.22))
    disc(image, at, size * 0.24, heart)


def rose(image: Image, at: Point, size: float, colour: Colour, rng: np.random.Generator) -> None:
    """Draw a full flower of overlapping rounds, lighter towards its heart."""
    for ring, (radius, count) in enumerate(((0.62, 6), (0.4, 5), (0.18, 3))):
        start = rng.uniform(0, 2 * np.pi)
        for number in range(count):
            angle = start + number * 2 * np.pi / count
            centre = at[0] + np.cos(angle) * size * radius, at[1] + np.sin(angle) * size * radius
            tone = lighter(vary(colour, rng, 10), 0.14 * ring)
            disc(image, centre, size * (0.44 - 0.08 * ring), darker(tone, 0.2))
            disc(image, (centre[0], centre[1] - 0.06 * size), size * (0.38 - 0.08 * ring), tone)


def echoes(place: Point, reach: float, size: float) -> list[Point]:
    """Return a place on a repeat and its copies beyond the edges that the reach crosses."""
    x, y = place
    across = [x] + [x + size] * (x < reach) + [x - size] * (x > size - reach)
    down = [y] + [y + size] * (y < reach) + [y - size] * (y > size - reach)
    return [(u, v) for u in across for v in down]


def blob(
    rng: np.random.Generator, at: Point, size: float, roughness: float = 0.25
) -> NDArray[np.floating]:
    """Return the (18, 2) outline of an irregular round."""
    radius = size * (1 + roughness * rng.uniform(-1, 1, len(_TURN)))
    return np.stack([np.cos(_TURN) * radius, np.sin(_TURN) * radius], 1) + at


def lettering(text: str, width: int, colour: Colour, boldness: float) -> tuple[Image, Image]:
    """Return a word `width` pixels wide: its H×W×3 colour and its H×W coverage."""
    size = 64
    font = ImageFont.load_default(size=size)
    stroke = round(size * boldness)
    left, top, right, bottom = font.getbbox(text, stroke_width=stroke)
    card = pillow.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(card).text(
        (2 - left, 2 - top), text, fill=255, font=font, stroke_width=stroke, stroke_fill=255
    )
    height = max(4, round(card.height * width / card.width))
    cover = np.asarray(card.resize((width, height), pillow.Resampling.LANCZOS))
    return np.full((*cover.shape, 3), colour, np.uint8), cover


def paste(image: Image, patch: Image, cover: Image, at: Point) -> None:
    """Lay a patch over an image, centred at x, y; what falls outside is cut."""
    height, width = cover.shape
    left, top = round(at[0] - width / 2), round(at[1] - height / 2)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, image.shape[1]), min(top + height, image.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    inside = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    share = cover[inside][..., None].astype(np.float32) / 255
    target = image[y0:y1, x0:x1]
    image[y0:y1, x0:x1] = target + (patch[inside] - target.astype(np.float32)) * share


def _words(
    image: Image, at: Point, size: float, inks: Sequence[Colour], rng: np.random.Generator
) -> None:
    y = at[1] - size * 0.35
    for line in range(int(rng.integers(2, 4))):
        width = round(size * rng.uniform(1.1, 1.75))
        word = choose(WORDS, rng) if rng.random() < 0.8 else str(rng.integers(10, 99))
        if len(word) < 4:
            width = round(size * rng.uniform(0.6, 0.9))
        patch, cover = lettering(word, width, inks[line % len(inks)], rng.uniform(0.03, 0.09))
        paste(image, patch, cover, (at[0], y + cover.shape[0] / 2))
        y += cover.shape[0] + size * 0.1
        if rng.random() < 0.3:
            half = width / 2
            bar = np.array([[-half, 0], [half, 0], [half, size * 0.05], [-half, size * 0.05]])
            fill(image, bar + np.array([at[0], y]), inks[(line + 1) % len(inks)])
            y += size * 0.15


def _sunset(
    image: Image, at: Point, size: float, inks: Sequence[Colour], rng: np.random.Generator
) -> None:
    radius = size * 0.72
    disc(image, at, radius, inks[0])
    hills = np.array([[-1, 0.35], [-0.5, -0.3], [-0.2, 0.1], [0.2, -0.5], [0.8, 0.2], [1, 0.35]])
    fill(image, hills * radius + at, inks[1])
    for number in range(4):
        y = at[1] + radius * (0.42 + 0.15 * number)
        half = radius * (0.95 - 0.18 * number)
        bar = np.array([[-half, 0], [half, 0], [half, radius * 0.06], [-half, radius * 0.06]])
        fill(image, bar + np.array([at[0], y]), inks[number % len(inks)])
    _caption(image, (at[0], at[1] + size * 1.15), size, inks[0], rng)


def _caption(image: Image, at: Point, size: float, ink: Colour, rng: np.random.Generator) -> None:
    word = choose(WORDS, rng)
    paste(image, *lettering(word, round(size * 1.3), ink, 0.05), at)


def _face(
    image: Image, at: Point, size: float, inks: Sequence[Colour], rng: np.random.Generator
) -> None:
    x, y = at
    for side in (-1, 1):
        ear = np.array([[0.15, -0.4], [0.75, -0.45], [0.62, -1.05]]) * (side, 1) * size
        fill(image, ear + at, inks[0])
        fill(image, (ear - ear.mean(0)) * 0.5 + ear.mean(0) + at, inks[1])
    fill(image, np.stack([np.cos(_TURN) * 0.85, np.sin(_TURN) * 0.72], 1) * size + at, inks[0])
    for side in (-1, 1):
        disc(image, (x + side * 0.34 * size, y - 0.12 * size), 0.19 * size, (246, 246, 240))
        disc(image, (x + side * 0.32 * size, y - 0.1 * size), 0.1 * size, (20, 20, 24))
        for lift in (-0.05, 0.1):
            whisker = np.array([[0.3, 0.25], [1.05, 0.2 + 2 * lift], [0.3, 0.28]]) * (side, 1)
            fill(image, whisker * size + at, inks[1])
    fill(image, np.array([[-0.12, 0.14], [0.12, 0.14], [0, 0.3]]) * size + at, inks[1])


def _shield(
    image: Image, at: Point, size: float, inks: Sequence[Colour], rng: np.random.Generator
) -> None:
    outline = np.array(
        [[-0.75, -0.85], [0, -0.7], [0.75, -0.85], [0.75, 0.2], [0.4, 0.75], [0, 1.0]]
    )
    outline = np.concatenate([outline, outline[4:2:-1] * (-1, 1)])
    fill(image, outline * size + at, inks[0])
    fill(image, outline * size * 0.88 + at, inks[1])
    points = np.array(
        [
            [np.sin(turn) * radius, -np.cos(turn) * radius]
            for turn, radius in zip(np.arange(10) * np.pi / 5, [1, 0.42] * 5, strict=True)
        ]
    )
    fill(image, points * size * 0.34 + (at[0], at[1] + 0.35 * size), inks[0])
    _caption(image, (at[0], at[1] - 0.3 * size), size * 0.85, inks[0], rng)


def _poster(
    image: Image, at: Point, size: float, inks: Sequence[Colour], rng: np.random.Generator
) -> None:
    half_width, half_height = size * 0.8, size * 0.95
    frame = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (half_width, half_height)
    fill(image, frame + at, inks[0])
    fill(image, frame * 0.94 + at, inks[1])
    for _ in range(14):
        spot = rng.uniform(-0.62, 0.62, 2) * (half_width, half_height) + at
        ink = choose(inks, rng)
        fill(image, blob(rng, (spot[0], spot[1]), size * rng.uniform(0.08, 0.28), 0.5), ink)
    _caption(image, (at[0], at[1] + size * 1.2), size, inks[0], rng)


def _splash(
    image: Image, at: Point, size: float, inks: Sequence[Colour], rng: np.random.Generator
) -> None:
    for _ in range(26):
        angle, far = rng.uniform(0, 2 * np.pi), size * abs(rng.normal(0, 0.55))
        spot = at[0] + np.cos(angle) * far, at[1] + np.sin(angle) * far
        ink = choose(inks, rng)
        fill(image, blob(rng, spot, size * rng.uniform(0.04, 0.3), 0.45), ink)
    _caption(image, at, size * 1.1, inks[-1], rng)


PICTURES: tuple[Callable[..., None], ...] = (
    *(_words, _words, _words, _sunset, _face, _shield, _poster, _splash),
)
"""What a chest print can show; each draws itself of a given size at a place in given inks."""
