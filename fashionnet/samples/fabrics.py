"""What cloth is made of: its grain, the light through it and on it, and how it falls."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.samples.motifs import Point, disc, echoes, flower
from fashionnet.samples.noise import Field, tiling_noise

TILE = 512
"""Side in pixels of one repeat of a fabric's grain; opposite edges join."""


@dataclass(frozen=True)
class Fabric:
    """How a fabric looks.

    Attributes:
        grain: TILE×TILE factors on the cloth's brightness, about 1.
        opacity: TILE×TILE from 0 (open) to 1, or None where nothing shows through.
        fold_depth: how strongly folds shade it; 1 is cotton's.
        fold_width: how broad folds are; 1 is cotton's.
        sheen: strength of the highlights along folds.
        sparkle: TILE×TILE glints of sequins, or None.
        lined: whether an opaque lining lies under an open body.
    """

    grain: Field
    opacity: Field | None
    fold_depth: float
    fold_width: float
    sheen: float = 0.0
    sparkle: Field | None = None
    lined: bool = False


def make_fabric(name: str, style: str, unit: float, rng: np.random.Generator) -> Fabric:
    """Make a fabric; `unit` is half a shoulder width (about 22 cm) in pixels."""
    centimetre = unit / 22
    fabric = _MAKERS[name](centimetre, style, rng)
    return fabric


def _cotton(centimetre: float, style: str, rng: np.random.Generator) -> Fabric:
    fine = rng.standard_normal((TILE, TILE)).astype(np.float32)
    rough = 0.035 if style == "winter" else 0.02
    grain = 1 + rough * fine + 0.012 * tiling_noise(rng, TILE, (5, 5))
    depth = 0.75 if style == "formal" else 1.0
    return Fabric(grain, None, depth, 1.3 if style == "winter" else 1.0)


def _wool(centimetre: float, style: str, rng: np.random.Generator) -> Fabric:
    fuzz = 0.04 * rng.standard_normal((TILE, TILE)).astype(np.float32)
    fuzz += 0.025 * tiling_noise(rng, TILE, (6, 6))
    if style in ("formal", "coat"):
        melange = tiling_noise(rng, TILE, (3, 3))
        return Fabric(1 + fuzz + 0.05 * melange, None, 0.8, 1.6)
    columns = round(TILE / (rng.uniform(1.0, 1.7) * centimetre))
    rows = round(columns * rng.uniform(1.0, 1.3))
    y, x = np.mgrid[:TILE, :TILE].astype(np.float32) / TILE
    across = x * columns % 1
    # A stitch is two slanting legs that meet low in the middle of its column: a small V.
    slant = np.abs(across - 0.5) * 1.5
    leg = np.cos(2 * np.pi * (y * rows + slant))
    gap = -np.cos(2 * np.pi * across) * 0.5 - np.cos(4 * np.pi * across) * 0.5
    grain = 1 + 0.10 * leg - 0.10 * gap + fuzz
    choice = rng.random()
    if choice < 0.3:
        ribs = max(2, columns // 4)
        grain += 0.13 * np.cos(2 * np.pi * x * ribs).clip(-0.6, 1)
    elif choice < 0.6:
        grain *= _cables(x, y, max(2, round(columns / 10)), max(2, round(rows / 9)))
    return Fabric(grain.astype(np.float32), None, 0.75, 1.7)


def _cables(x: Field, y: Field, across: int, down: int) -> Field:
    """Return the shading of ropes of two strands that cross over each other."""
    place = (x * across) % 1 - 0.5
    turn = 2 * np.pi * y * down
    first, second = 0.13 * np.sin(turn), -0.13 * np.sin(turn)
    rope = np.exp(-(((place - first) / 0.085) ** 2)) + np.exp(-(((place - second) / 0.085) ** 2))
    edge = np.exp(-(((np.abs(place) - 0.3) / 0.035) ** 2))
    return (0.86 + 0.24 * rope.clip(0, 1) - 0.16 * edge).astype(np.float32)


def _chiffon(centimetre: float, style: str, rng: np.random.Generator) -> Fabric:
    grain = 1 + 0.02 * rng.standard_normal((TILE, TILE)).astype(np.float32)
    opacity = np.full((TILE, TILE), rng.uniform(0.55, 0.72), np.float32)
    sparkle = _sequins(centimetre, rng, 0.03) if style == "party" else None
    return Fabric(grain, opacity, 1.1, 0.75, sheen=0.06, sparkle=sparkle, lined=True)


def _silk(centimetre: float, style: str, rng: np.random.Generator) -> Fabric:
    grain = 1 + 0.008 * rng.standard_normal((TILE, TILE)).astype(np.float32)
    sequins = style == "party" and rng.random() < 0.3
    sparkle = _sequins(centimetre, rng, 0.35) if sequins else None
    return Fabric(grain, None, 1.9, 1.15, sheen=rng.uniform(0.45, 0.65), sparkle=sparkle)


def _lace(centimetre: float, style: str, rng: np.random.Generator) -> Fabric:
    cells = 2 * round(TILE / (rng.uniform(1.7, 2.4) * centimetre))
    y, x = np.mgrid[:TILE, :TILE].astype(np.float32) * np.float32(2 * np.pi * cells / TILE)
    # Three waves at sixty degrees make the rounded holes of a net; 26/15 is near the square
    # root of three and keeps whole waves on the tile where `cells` is even.
    net = np.cos(x) + 2 * np.cos(x / 2) * np.cos(y * round(cells * 0.866) / cells)
    opacity = np.where(net > 0.55, 0.06, 0.92).astype(np.float32)
    motif = np.zeros((TILE, TILE, 3), np.uint8)
    radius = rng.uniform(2.0, 3.2) * centimetre
    count = 2 * max(1, round(TILE / (5.2 * radius)))
    step = TILE / count
    for row in range(count):
        for column in range(count):
            at = ((column + 0.25 + 0.5 * (row % 2)) * step, (row + 0.5) * step)
            for echo in echoes(at, 1.4 * radius, TILE):
                _lace_flower(motif, echo, radius)
    cover = cv2.GaussianBlur(motif[..., 0], (0, 0), 0.8).astype(np.float32) / 255
    opacity = np.maximum(opacity, cover)
    thread = 0.06 * (cover - np.roll(cover, (3, 3), (0, 1)))
    fine = 0.03 * rng.standard_normal((TILE, TILE)).astype(np.float32)
    grain = 0.93 + 0.10 * cover + 4 * thread + fine
    return Fabric(grain, opacity, 0.7, 1.0, lined=rng.random() < 0.6)


def _lace_flower(motif: NDArray[np.uint8], at: Point, radius: float) -> None:
    white = (235.0, 235.0, 235.0)
    flower(motif, at, radius, white, (0, 0, 0), np.random.default_rng(round(radius)))
    disc(motif, at, radius * 0.12, white)
    for turn in np.arange(8) * np.pi / 4:
        spot = at[0] + np.cos(turn) * radius * 1.2, at[1] + np.sin(turn) * radius * 1.2
        disc(motif, spot, radius * 0.15, white)


def _sequins(centimetre: float, rng: np.random.Generator, share: float) -> Field:
    """Return glints of round sequins in rows, of which `share` catch the light."""
    count = round(TILE / (0.75 * centimetre))
    catch = rng.random((count, count)).astype(np.float32)
    glints = rng.uniform(0.1, 0.8, (count, count)) ** 2
    light = np.where(catch > 1 - share, glints, 0).astype(np.float32)
    field = cv2.resize(light, (TILE, TILE), interpolation=cv2.INTER_NEAREST)
    y, x = np.mgrid[:TILE, :TILE] * (count / TILE)
    inside = np.hypot(x % 1 - 0.5, y % 1 - 0.5) < 0.46
    return np.where(inside, field, 0).astype(np.float32)


_MAKERS = {
    "cotton": _cotton,
    "chiffon": _chiffon,
    "lace": _lace,
    "wool": _wool,
    "silk": _silk,
}
