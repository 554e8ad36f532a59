"""Where a garment is photographed: a studio, a bed, a floor or a wall with a hanger."""

import cv2
import numpy as np

from fashionnet.samples.noise import Field, smooth_noise
from fashionnet.samples.palette import COLOURS, Colour, choose, pixel, vary

STUDIO = ("studio", "mannequin", "model", "model", "model")
HOME = ("wood", "bed", "carpet", "hanger")


def make_background(scene: str, width: int, height: int, rng: np.random.Generator) -> Field:
    """Return a height×width×3 float32 background of 0 to 255."""
    return np.asarray(_BACKGROUNDS[scene](width, height, rng), np.float32)


def _studio(width: int, height: int, rng: np.random.Generator) -> Field:
    level = rng.uniform(250, 255) if rng.random() < 0.7 else rng.uniform(222, 242)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    away = np.hypot((x - width / 2) / width, (y - height * 0.45) / height)
    field = level - rng.uniform(0, 14) * away**2
    return field[..., None] * pixel((1.0, 1.0, rng.uniform(0.985, 1.0)))


def _wood(width: int, height: int, rng: np.random.Generator) -> Field:
    tones: tuple[Colour, ...] = (
        *((186, 148, 104), (150, 108, 70), (112, 76, 50), (206, 182, 150), (168, 156, 142)),
    )
    tone = pixel(vary(choose(tones, rng), rng))
    upright = rng.random() < 0.6
    long, across = (height, width) if upright else (width, height)
    grain = smooth_noise(rng, long, across, (90, 2.5)) * 0.045
    grain += smooth_noise(rng, long, across, (160, 9)) * 0.045
    board = across / rng.uniform(3.2, 6.5)
    place = (np.arange(across) + rng.uniform(0, board)) / board
    boards = np.floor(place).astype(int)
    levels = 1 + rng.uniform(-0.09, 0.09, boards.max() + 1)[boards]
    gap = np.where((place % 1) * board < 1.6, 0.62, 1.0)
    field = (1 + grain) * (levels * gap)[None, :]
    for number in range(boards.max() + 1):
        row = int(rng.integers(long))
        field[row : row + 2, boards == number] *= 0.68
    if not upright:
        field = field.T
    return field[..., None].astype(np.float32) * tone


def _bed(width: int, height: int, rng: np.random.Generator) -> Field:
    names = (
        "White",
        "Beige",
        "Grey",
        "Sky Blue",
        "Maroon",
        "Cream",
        "Lavender",
        "Magenta",
        "Navy Blue",
    )
    tone = pixel(vary(COLOURS[choose(names, rng)], rng, 14))
    cloth: Field = smooth_noise(rng, height, width, (90, 60)) * 10
    turned: Field = smooth_noise(rng, height + width, height + width, (70, 16)) * 3.0
    turn = cv2.getRotationMatrix2D(
        ((height + width) / 2, (height + width) / 2), rng.uniform(0, 180), 1
    )
    turned = cv2.warpAffine(turned, turn, (height + width, height + width))
    cloth += turned[width // 2 : width // 2 + height, height // 2 : height // 2 + width]
    across = cv2.Sobel(cloth, cv2.CV_32F, 1, 0, scale=0.125)
    slope: Field = across + cv2.Sobel(cloth, cv2.CV_32F, 0, 1, scale=0.125)
    shade = 0.92 + 0.11 * np.tanh(slope * 1.2) + 0.008 * rng.standard_normal((height, width))
    field = shade[..., None].astype(np.float32) * tone
    if rng.random() < 0.25:
        y, x = np.mgrid[:height, :width]
        wide = rng.uniform(14, 30)
        weave = np.where(((x + y * 0.15) // wide).astype(int) % 2 == 0, 1.0, 0.9)
        field *= weave[..., None]
    return field


def _carpet(width: int, height: int, rng: np.random.Generator) -> Field:
    tones: tuple[Colour, ...] = ((176, 164, 146), (150, 150, 150), (120, 104, 88), (196, 190, 182))
    tone = pixel(vary(choose(tones, rng), rng))
    pile = smooth_noise(rng, height, width, (2.5, 2.5)) * 0.10
    pile += smooth_noise(rng, height, width, (7, 7)) * 0.05
    pile += smooth_noise(rng, height, width, (80, 80)) * 0.05
    return (1 + pile)[..., None] * tone


def _wall(width: int, height: int, rng: np.random.Generator) -> Field:
    tones: tuple[Colour, ...] = (
        *((206, 204, 200), (176, 180, 184), (222, 214, 198), (150, 142, 134), (190, 200, 206)),
    )
    tone = pixel(vary(choose(tones, rng), rng))
    plaster = smooth_noise(rng, height, width, (3, 3)) * 0.008
    plaster += smooth_noise(rng, height, width, (120, 120)) * 0.03
    field: Field = (1 + plaster)[..., None] * tone
    if rng.random() < 0.4:
        # A wardrobe door: two framed panels.
        left, right = round(width * 0.1), round(width * 0.9)
        for top, bottom in ((0.05, 0.44), (0.5, 0.96)):
            first, last = (left, round(height * top)), (right, round(height * bottom))
            cv2.rectangle(field, first, last, (tone * 0.82).tolist(), 3, cv2.LINE_AA)
            first, last = (left + 4, first[1] + 4), (right + 4, last[1] + 4)
            cv2.rectangle(field, first, last, (tone * 1.05).tolist(), 2, cv2.LINE_AA)
    return field


_BACKGROUNDS = {
    "studio": _studio,
    "mannequin": _studio,
    "model": _studio,
    "wood": _wood,
    "bed": _bed,
    "carpet": _carpet,
    "hanger": _wall,
}


def home_light(image: Field, rng: np.random.Generator) -> Field:
    """Return a photo under a room's light: tinted, uneven, a little noisy."""
    height, width = image.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    fall = (np.cos(turn) * (x / width - 0.5) + np.sin(turn) * (y / height - 0.5)) * 0.3
    level = rng.uniform(0.82, 1.02) * (1 + fall * rng.uniform(0.3, 1))
    warmth = rng.uniform(-0.04, 0.06)
    tint = pixel((1 + warmth, 1.0, 1 - warmth))
    noise = rng.standard_normal((height, width, 1)).astype(np.float32) * rng.uniform(1, 3.5)
    return np.asarray(image * level[..., None] * tint + noise, np.float32)
