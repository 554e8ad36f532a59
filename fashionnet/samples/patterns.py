"""Prints: the coloured cloth that a garment is cut from, before folds and light."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashionnet.photos import Image
from fashionnet.samples.motifs import PICTURES, blob, disc, echoes, fill, flower, leaf, rose
from fashionnet.samples.noise import tiling_noise
from fashionnet.samples.palette import (
    BRIGHT,
    COLOURS,
    LIGHT,
    Colour,
    choose,
    contrasting,
    darker,
    lighter,
    luminance,
    mix,
    vary,
)

CLOTH = 1024
"""Side in pixels of a piece of cloth; larger than any garment that is drawn."""
COLLAR_POINT = (CLOTH / 2, 120.0)
"""Where on the cloth, x and y, the middle of the body's neck lies."""
_REPEAT = CLOTH // 2


@dataclass(frozen=True)
class Print:
    """Cloth for a garment: CLOTH×CLOTH×3 uint8 images and the colour of plain parts."""

    body: Image
    sleeves: Image
    trim: Colour


@dataclass(frozen=True)
class Order:
    """What a piece of cloth is printed for; a garment's chest is free where no front is cut."""

    pattern: str
    fabric: str
    style: str
    base: Colour
    knitted: bool
    chest_is_free: bool


def make_print(order: Order, unit: float, rng: np.random.Generator) -> Print:
    """Print a piece of cloth; `unit` is half a shoulder width (about 22 cm) in pixels."""
    return _PRINTERS[order.pattern](order, unit / 22, rng)


def _plain(colour: Colour) -> Image:
    return np.full((CLOTH, CLOTH, 3), colour, np.uint8)


def _solid(order: Order, centimetre: float, rng: np.random.Generator) -> Print:
    cloth = _plain(order.base)
    return Print(cloth, cloth, order.base)


def _bands(sequence: list[tuple[float, Colour]]) -> NDArray[np.uint8]:
    """Repeat bands of a width in pixels and a colour over the cloth: uint8 (CLOTH, 3)."""
    edges = np.cumsum([max(1.0, width) for width, _ in sequence])
    at = (np.arange(2 * CLOTH) + 0.5) % edges[-1]
    colours = np.array([colour for _, colour in sequence], np.uint8)
    return colours[np.searchsorted(edges, at, side="right").clip(max=len(sequence) - 1)]


def _striped(order: Order, centimetre: float, rng: np.random.Generator) -> Print:
    base = order.base
    ink = contrasting(base, rng)
    formal = order.style == "formal"
    choice = rng.random()
    if formal:
        line = vary(mix(base, (40, 60, 130), 0.7) if luminance(base) > 128 else lighter(base), rng)
        wide = rng.uniform(0.7, 1.3)
        sequence = [(wide * centimetre * 1.2, base), (wide * centimetre * 0.75, line)]
    elif choice < 0.45:
        wide = rng.uniform(1.6, 4.5)
        sequence = [(wide * centimetre, base), (wide * rng.uniform(0.5, 1) * centimetre, ink)]
    elif choice < 0.75:
        third = vary(COLOURS[choose(BRIGHT, rng)], rng)
        wide = rng.uniform(1.4, 3.6)
        sequence = [
            (wide * centimetre, base),
            (wide * 0.7 * centimetre, ink),
            (wide * 0.5 * centimetre, base),
            (wide * 0.7 * centimetre, third),
        ]
    else:
        wide = rng.uniform(4, 7)
        sequence = [(wide * centimetre, base), (wide * centimetre, ink)]
    bands = _bands(sequence)
    vertical = formal or (
        not order.knitted and rng.random() < (0.2 if order.chest_is_free else 0.6)
    )
    if not vertical and not order.knitted and rng.random() < 0.06:
        rows, columns = np.ogrid[:CLOTH, :CLOTH]
        cloth = bands[(rows * 2 + columns * 2) // 3 % (2 * CLOTH)]
    elif order.knitted and rng.random() < 0.25:
        zigzag = np.abs((np.arange(CLOTH) % (8 * centimetre)) - 4 * centimetre).astype(int)
        cloth = bands[np.arange(CLOTH)[:, None] + zigzag[None, :]]
    else:
        across = bands[None, :CLOTH] if vertical else bands[:CLOTH, None]
        cloth = np.ascontiguousarray(np.broadcast_to(across, (CLOTH, CLOTH, 3)))
    plain_sleeves = not formal and rng.random() < 0.12
    return Print(cloth, _plain(base) if plain_sleeves else cloth, base if formal else ink)


def _woven(warp: NDArray[np.uint8], weft: NDArray[np.uint8]) -> Image:
    """Weave 2/2 twill: half the threads on top are of the warp, half of the weft."""
    rows, columns = np.ogrid[:CLOTH, :CLOTH]
    over = ((rows + columns) // 2 % 2).astype(bool)[..., None]
    return np.where(over, warp[None, :CLOTH], weft[:CLOTH, None])


def _argyle(base: Colour, centimetre: float, rng: np.random.Generator) -> Image:
    wide, high = 9 * centimetre, 12 * centimetre
    rows, columns = np.ogrid[:CLOTH, :CLOTH]
    across = (columns / wide).astype(np.float32)
    down = (rows / high).astype(np.float32)
    falling, rising = np.floor(across + down).astype(int), np.floor(across - down).astype(int)
    inks = [base, contrasting(base, rng), mix(base, contrasting(base, rng), 0.5), base]
    colours = np.array(inks, np.uint8)
    cloth = colours[(falling % 2) * 2 + rising % 2]
    for diagonal in (across + down + 0.5, across - down + 0.5):
        cloth[np.abs(diagonal % 1 - 0.5) < 0.025] = lighter(base, 0.7)
    return cloth


def _checkered(order: Order, centimetre: float, rng: np.random.Generator) -> Print:
    base = order.base
    if order.knitted and rng.random() < 0.5:
        return Print(_argyle(base, centimetre, rng), _plain(base), base)
    ink = contrasting(base, rng)
    white: Colour = (240, 239, 236)
    choice = rng.random()
    if order.style == "formal":
        wide = rng.uniform(1.6, 2.6) * centimetre
        line = mix(base, ink, 0.65)
        bands = _bands([(wide, base), (max(2.2, wide * 0.35), line)])
        return Print(_woven(bands, bands), _woven(bands, bands), base)
    if choice < 0.28:
        strong = base if luminance(base) < 175 else darker(ink, 0.1)
        wide = rng.uniform(1.5, 3.5) * centimetre
        bands = _bands([(wide, strong), (wide, white)])
    elif choice < 0.42:
        wide = rng.uniform(3, 5) * centimetre
        bands = _bands([(wide, base), (wide, (32, 32, 36))])
    elif choice < 0.55:
        wide = rng.uniform(3, 5.5) * centimetre
        bands = _bands([(wide, base), (0.55 * centimetre, ink)])
    else:
        third = vary(COLOURS[choose(BRIGHT, rng)], rng)
        scale = rng.uniform(0.85, 1.3) * centimetre
        half = [(2.2 * scale, base), (0.5 * scale, ink), (1.2 * scale, base)]
        middle = [(1.8 * scale, darker(ink, 0.2)), (0.4 * scale, third)]
        bands = _bands([*half, *middle, (1.8 * scale, darker(ink, 0.2)), *half[::-1]])
    cloth = _woven(bands, bands)
    return Print(cloth, cloth, base)


def _scatter(
    rng: np.random.Generator, spacing: float, jitter: float = 0.35
) -> list[tuple[float, float]]:
    """Return staggered, jittered places on one repeat of the cloth."""
    count = max(2, round(_REPEAT / spacing))
    step = _REPEAT / count
    places = []
    for row in range(count):
        for column in range(count):
            x = (column + 0.5 * (row % 2) + rng.uniform(-jitter, jitter)) * step
            y = (row + rng.uniform(-jitter, jitter)) * step
            places.append((x % _REPEAT, y % _REPEAT))
    return places


def _repeated(repeat: Image) -> Image:
    return np.tile(repeat, (2, 2, 1))


def _floral(order: Order, centimetre: float, rng: np.random.Generator) -> Print:
    base = order.base
    names = [n for n in BRIGHT + LIGHT if abs(luminance(COLOURS[n]) - luminance(base)) > 35]
    inks = [vary(COLOURS[choose(names, rng)], rng) for _ in range(3)]
    green = vary(COLOURS["Green" if rng.random() < 0.6 else "Olive"], rng, 20)
    if abs(luminance(green) - luminance(base)) < 30:
        green = lighter(green, 0.5)
    heart = vary(COLOURS["Yellow"], rng)
    radius = centimetre * (rng.uniform(1.2, 1.8) if rng.random() < 0.4 else rng.uniform(2.2, 4.2))
    roses = radius > 2.2 * centimetre and rng.random() < 0.45
    repeat = np.full((_REPEAT, _REPEAT, 3), base, np.uint8)
    places = _scatter(rng, radius * rng.uniform(2.4, 3.0))
    for place in places:
        angle = rng.uniform(0, 2 * np.pi)
        for turn in (-0.6, 0.5, 2.6):
            for echo in echoes(place, radius * 2, _REPEAT):
                leaf(repeat, echo, angle + turn, radius * 1.75, green)
    for place in places:
        ink = vary(choose(inks, rng), rng, 10)
        size = radius * rng.uniform(0.75, 1.1)
        seed = int(rng.integers(2**32))
        for echo in echoes(place, radius * 2, _REPEAT):
            # Copies of one flower across an edge must be the same flower.
            own = np.random.default_rng(seed)
            if roses:
                rose(repeat, echo, size, ink, own)
            else:
                flower(repeat, echo, size, ink, heart, own)
    cloth = _repeated(repeat)
    return Print(cloth, cloth, base)


def _dots(base: Colour, centimetre: float, rng: np.random.Generator) -> Image:
    repeat = np.full((_REPEAT, _REPEAT, 3), base, np.uint8)
    radius = rng.uniform(0.5, 1.5) * centimetre
    ink = contrasting(base, rng)
    for place in _scatter(rng, radius * rng.uniform(3, 4), 0):
        for echo in echoes(place, radius, _REPEAT):
            disc(repeat, echo, radius, ink)
    return repeat


def _camouflage(base: Colour, centimetre: float, rng: np.random.Generator) -> Image:
    families = (
        ((92, 96, 58), (58, 62, 42), (150, 138, 100), (36, 36, 30)),
        ((150, 150, 150), (92, 94, 98), (200, 200, 198), (46, 48, 52)),
        ((70, 90, 120), (40, 50, 78), (140, 156, 178), (24, 28, 44)),
    )
    inks = np.array(choose(families, rng), np.uint8)
    index = np.zeros((_REPEAT, _REPEAT), np.intp)
    for layer in (1, 2, 3):
        patch = tiling_noise(rng, _REPEAT, (4.5 * centimetre, 7 * centimetre))
        index[patch > 0.35] = layer
    return inks[index]


def _leopard(base: Colour, centimetre: float, rng: np.random.Generator) -> Image:
    ground = vary((206, 166, 112) if rng.random() < 0.7 else (214, 210, 204), rng)
    repeat = np.full((_REPEAT, _REPEAT, 3), ground, np.uint8)
    size = rng.uniform(1.2, 1.9) * centimetre
    for place in _scatter(rng, size * 2.3):
        outer = blob(rng, (0, 0), size, 0.35)
        inner = outer * 0.5 + rng.uniform(-0.3, 0.3, 2) * size
        for echo in echoes(place, size * 1.5, _REPEAT):
            fill(repeat, outer + echo, (38, 28, 22))
            fill(repeat, inner + echo, darker(ground, 0.3))
    return repeat


def _zebra(base: Colour, centimetre: float, rng: np.random.Generator) -> Image:
    bend = tiling_noise(rng, _REPEAT, (9 * centimetre, 9 * centimetre))
    rows = np.arange(_REPEAT)[:, None] / _REPEAT
    turns = max(2, round(_REPEAT / (4.5 * centimetre)))
    wave = np.sin(2 * np.pi * rows * turns + 3.4 * bend)
    dark = wave > 0.25
    return np.array([(236, 232, 226), (30, 30, 34)], np.uint8)[dark.astype(int)]


def _abstract(base: Colour, centimetre: float, rng: np.random.Generator) -> Image:
    inks = [base, contrasting(base, rng), vary(COLOURS[choose(BRIGHT, rng)], rng)]
    inks.append(lighter(inks[2]))
    index = np.zeros((_REPEAT, _REPEAT), np.intp)
    for layer in (1, 2, 3):
        cell = rng.uniform(3, 9, 2) * centimetre
        patch = tiling_noise(rng, _REPEAT, (cell[0], cell[1]))
        index[patch > 0.55] = layer
    return np.array(inks, np.uint8)[index]


def _motifs(base: Colour, centimetre: float, rng: np.random.Generator) -> Image:
    """Small figures in rows, as on ethnic and novelty prints."""
    repeat = np.full((_REPEAT, _REPEAT, 3), base, np.uint8)
    inks = [contrasting(base, rng), vary(COLOURS[choose(BRIGHT, rng)], rng)]
    size = rng.uniform(1.4, 2.4) * centimetre
    corners = int(rng.integers(3, 7))
    turn = np.arange(2 * corners) * np.pi / corners
    dent = rng.uniform(0.35, 0.8)
    radius = np.tile([1.0, dent], corners)
    figure = np.stack([np.sin(turn) * radius, -np.cos(turn) * radius], 1) * size
    for number, place in enumerate(_scatter(rng, size * 2.6, 0)):
        for echo in echoes(place, size, _REPEAT):
            fill(repeat, figure + echo, inks[number % 2])
            fill(repeat, figure * 0.5 + echo, base)
            disc(repeat, echo, size * 0.2, inks[(number + 1) % 2])
    return repeat


_ALL_OVER: tuple[Callable[[Colour, float, np.random.Generator], Image], ...] = (
    *(_dots, _camouflage, _leopard, _zebra, _abstract, _motifs),
)


def _graphic(order: Order, centimetre: float, rng: np.random.Generator) -> Print:
    base = order.base
    if order.chest_is_free and rng.random() < 0.75:
        first, second = contrasting(base, rng), vary(COLOURS[BRIGHT[rng.integers(10)]], rng)
        if abs(luminance(second) - luminance(base)) < 30:
            second = lighter(second) if luminance(base) < 128 else darker(second)
        body = _plain(base)
        size = rng.uniform(12, 16) * centimetre
        at = (COLLAR_POINT[0], COLLAR_POINT[1] + 27 * centimetre)
        choose(PICTURES, rng)(body, at, size, (first, second, lighter(first)), rng)
        contrast = rng.random() < 0.25
        return Print(body, _plain(second if contrast else base), second if contrast else base)
    make = choose(_ALL_OVER, rng)
    cloth = _repeated(make(base, centimetre, rng))
    return Print(cloth, cloth, base)


_PRINTERS = {
    "checkered": _checkered,
    "striped": _striped,
    "floral": _floral,
    "graphic": _graphic,
    "solid": _solid,
}
