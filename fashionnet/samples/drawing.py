"""Draw one garment as a photo: its cut, its cloth, its folds, the light and the place."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.photos import Image
from fashionnet.samples.cut import KINDS, Cut, Line, Part, curve, cut_garment
from fashionnet.samples.fabrics import Fabric, make_fabric
from fashionnet.samples.figure import MANNEQUIN, NECK, behind, colours
from fashionnet.samples.noise import Field, smooth_noise
from fashionnet.samples.palette import (
    COLOURS,
    FAVOURITES,
    TAILORED,
    Colour,
    choose,
    darker,
    lighter,
    luminance,
    mix,
    pixel,
    vary,
)
from fashionnet.samples.patterns import COLLAR_POINT, Order, Print, make_print
from fashionnet.samples.scene import HOME, STUDIO, home_light, make_background

SIZE = (300, 400)
"""Width and height in pixels of a drawn photo unless another is asked for."""
_FINER = 2
"""How much larger a photo is drawn than it is shown; shrinking smooths every edge."""


@dataclass(frozen=True)
class Design:
    """What is drawn: the labels of a garment and what was chosen to show them."""

    pattern: str
    fabric: str
    style: str
    shape: str
    kind: str
    colour: str
    scene: str


_SLEEVED = {
    ("casual", "full-sleeve"): ("t-shirt", "shirt", "shirt", "polo"),
    ("casual", "half-sleeve"): ("t-shirt", "t-shirt", "t-shirt", "polo", "shirt"),
    ("formal", "full-sleeve"): ("shirt", "shirt", "shirt", "blazer"),
    ("formal", "half-sleeve"): ("shirt",),
    ("winter", "full-sleeve"): ("sweatshirt", "hoodie", "hoodie", "coat"),
    ("summer", "half-sleeve"): ("beach shirt", "dress", "blouse"),
}


def kinds_of(pattern: str, fabric: str, style: str, shape: str) -> tuple[str, ...]:
    """Return the kinds of garment that can have these classes; a likelier one comes oftener."""
    if shape == "sleeveless":
        if style == "party":
            return ("sheath", "sheath", "dress", "sundress", "camisole")
        if style == "formal":
            return ("waistcoat",) if fabric in ("wool", "cotton") else ("sheath",)
        if style == "winter":
            return ("vest",)
        return ("tank",) if style == "casual" else ("tank", "tank", "camisole", "sundress")
    if style == "party":
        return ("dress", "sheath") if shape == "half-sleeve" else ("dress", "sheath", "blouse")
    if fabric == "wool":
        if style == "formal":
            return ("blazer",)
        if style == "winter" and shape == "full-sleeve":
            coat = ("coat",) if pattern in ("solid", "checkered") else ()
            return ("sweater", "sweater", "sweater", "cardigan", *coat)
        return ("sweater",)
    if fabric in ("chiffon", "lace", "silk"):
        return ("blouse",) if style != "formal" else ("shirt", "blouse")
    kinds = _SLEEVED.get((style, shape), ("blouse", "t-shirt"))
    if style == "winter" and pattern == "graphic":
        return ("sweatshirt", "hoodie")
    if pattern == "graphic" and style == "casual":
        return ("t-shirt",)
    if pattern == "checkered" and style == "casual":
        return ("shirt",)
    return kinds


def design(pattern: str, fabric: str, style: str, shape: str, rng: np.random.Generator) -> Design:
    """Choose a kind of garment, a colour and a place for the classes asked for.

    Raises RequestError for a class that is not in the default schema.
    """
    _check(pattern, fabric, style, shape)
    kinds = kinds_of(pattern, fabric, style, shape)
    kind = choose(kinds, rng)
    colour = choose(FAVOURITES[style], rng)
    if fabric == "lace" and rng.random() < 0.5:
        colour = ("White", "Cream", "Black", "Beige", "Maroon")[rng.integers(5)]
    if kind in ("blazer", "waistcoat", "coat"):
        colour = choose(TAILORED, rng)
    places: tuple[str, ...] = STUDIO if rng.random() < 0.6 else HOME
    if kind in ("hoodie", "vest", "waistcoat") and places != HOME:
        places = ("studio",)
    return Design(pattern, fabric, style, shape, kind, colour, choose(places, rng))


def _check(pattern: str, fabric: str, style: str, shape: str) -> None:
    known = {
        "pattern": ("checkered", "striped", "floral", "graphic", "solid"),
        "fabric": ("cotton", "chiffon", "lace", "wool", "silk"),
        "style": tuple(FAVOURITES),
        "shape": ("full-sleeve", "half-sleeve", "sleeveless"),
    }
    asked = {"pattern": pattern, "fabric": fabric, "style": style, "shape": shape}
    for attribute, value in asked.items():
        if value not in known[attribute]:
            raise RequestError(
                f"no garment is drawn with {attribute} {value!r}: expected one of "
                + ", ".join(known[attribute])
            )


def is_womens(plan: Design, rng: np.random.Generator) -> bool:
    """Return whether a garment is sold to women; what both wear falls to either."""
    kind = KINDS[plan.kind]
    womens = kind.is_dress or kind.article in ("Tops", "Camisoles")
    return womens or plan.fabric in ("chiffon", "lace") or rng.random() < 0.4


def draw(plan: Design, rng: np.random.Generator, size: tuple[int, int] = SIZE) -> Image:
    """Draw a design as a photo of width×height pixels: H×W×3 uint8 RGB.

    The same generator state draws the same garment.
    """
    width, height = size
    flat = plan.scene in HOME
    kind = KINDS[plan.kind]
    long = plan.shape == "full-sleeve"
    if plan.scene == "model":
        spread = rng.uniform(9, 14) if long else rng.uniform(1, 6)
    elif plan.scene == "hanger" or not flat:
        spread = rng.uniform(13, 20) if long else rng.uniform(16, 28)
    else:
        spread = rng.uniform(14, 30) if long else rng.uniform(20, 40)
    cut = cut_garment(kind, plan.shape, spread, flat, plan.style, rng)
    place = _placed(cut, plan, size, rng)
    base = vary(COLOURS[plan.colour], rng)
    style = "coat" if plan.kind == "coat" else plan.style
    fabric = make_fabric(plan.fabric, style, place.unit, rng)
    order = Order(
        *(plan.pattern, plan.fabric, plan.style, base),
        knitted=kind.article == "Sweaters",
        chest_is_free=plan.kind in ("t-shirt", "sweatshirt", "hoodie", "tank"),
    )
    cloth = make_print(order, place.unit, rng)
    canvas = make_background(plan.scene, width, height, rng)
    canvas = cv2.resize(canvas, (width * _FINER, height * _FINER))
    easel = _Easel(canvas, place, cloth, fabric, _folds(cut, place, fabric, size, rng), base)
    _ground_shadow(easel, cut, plan.scene)
    _draw_parts(easel, _with_stand(cut, plan, easel, rng), plan, rng)
    _draw_details(easel, cut, base, rng)
    if plan.style == "party":
        _embellish(easel, cut, rng)
    image = cv2.resize(easel.canvas, size, interpolation=cv2.INTER_AREA)
    if flat:
        image = home_light(image, rng)
    return np.rint(image).clip(0, 255).astype(np.uint8)


@dataclass(frozen=True)
class _Place:
    """Where a garment lies on the canvas: pixels = unit * turned + at."""

    unit: float
    turn: float
    at: tuple[float, float]

    def pixels(self, line: Line) -> Line:
        cosine, sine = np.cos(self.turn), np.sin(self.turn)
        turned = np.asarray(line) @ np.array([[cosine, sine], [-sine, cosine]])
        return turned * self.unit + self.at


def _placed(cut: Cut, plan: Design, size: tuple[int, int], rng: np.random.Generator) -> _Place:
    width, height = size[0] * _FINER, size[1] * _FINER
    low, high = cut.bounds()
    if plan.scene == "model":
        # The picture ends above the chin and, below, on the legs.
        unit = min(width / rng.uniform(3.5, 3.8), height / (high[1] + rng.uniform(1.1, 1.4)))
        return _Place(float(unit), 0.0, (width * rng.uniform(0.48, 0.52), 0.58 * float(unit)))
    if plan.scene in ("mannequin", "hanger"):
        low = np.minimum(low, (0, -0.75))
    home = plan.scene in HOME
    fill = rng.uniform(0.8, 0.97) if home else rng.uniform(0.84, 0.94)
    unit = fill * min(width / (high[0] - low[0]), height / (high[1] - low[1]))
    unit = min(unit, width / 3.1)
    turn = np.deg2rad(rng.normal(0, 4)) if plan.scene in ("wood", "bed", "carpet") else 0.0
    middle = (low + high) / 2
    centre = _Place(unit, turn, (0, 0)).pixels(middle[None])[0]
    slack = 0.02 if home else 0.01
    at = np.array([width, height]) * (0.5 + rng.uniform(-slack, slack, 2)) - centre
    return _Place(float(unit), float(turn), (float(at[0]), float(at[1])))


@dataclass
class _Folds:
    """Shading by folds, on the canvas: factors on brightness, highlights and cloth shift."""

    shade: Field
    shine: Field
    shift: Field


@dataclass
class _Easel:
    canvas: Field
    place: _Place
    cloth: Print
    fabric: Fabric
    folds: _Folds
    base: Colour


def _lens(line: Line, width: float) -> Line:
    """Return the outline of a crease that is widest in its middle."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    half = normal * (np.sin(np.linspace(0, np.pi, len(line))) * width / 2)[:, None]
    return np.concatenate([line + half, (line - half)[::-1]])


def _folds(
    cut: Cut, place: _Place, fabric: Fabric, size: tuple[int, int], rng: np.random.Generator
) -> _Folds:
    width, height = size
    unit = place.unit / _FINER
    relief: Field = np.zeros((height, width), np.float32)
    creases = list(cut.creases)
    if fabric.sheen > 0.2:
        creases += _soft_creases(cut, rng)
    for line, wide in creases:
        layer = np.zeros((height, width), np.uint8)
        outline = _lens(place.pixels(line) / _FINER, wide * unit * fabric.fold_width * 1.6)
        cv2.fillPoly(layer, [np.rint(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        sign = 1.0 if rng.random() < 0.6 else -0.8
        relief += layer * np.float32(sign / 255)
    blur = 0.055 * unit * fabric.fold_width
    relief = cv2.GaussianBlur(relief, (0, 0), max(blur, 1.0))
    relief = relief + 0.30 * smooth_noise(rng, height, width, (0.8 * unit, 0.4 * unit))
    fine = smooth_noise(rng, height, width, (0.3 * unit, 0.2 * unit))
    relief = relief + (0.02 if fabric.sheen > 0.2 else 0.07) * fine
    across = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=unit / 8)
    down = cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=unit / 8)
    slope = 0.55 * across + 0.65 * down
    slope /= slope.std() + 1e-6
    shade = 1 + 0.062 * fabric.fold_depth * slope.clip(-2.6, 2.6)
    # Satin throws light back along the whole lit side of a fold, most where it faces the lamp.
    glow = cv2.GaussianBlur(slope, (0, 0), 0.045 * unit)
    shine = fabric.sheen * ((glow - 0.1) / 2.4).clip(0, 1) ** 1.5
    slow = cv2.GaussianBlur(np.stack([across, down], axis=-1), (0, 0), 0.07 * unit)
    shift = slow * np.float32(0.006 * place.unit)
    large = (width * _FINER, height * _FINER)
    return _Folds(
        cv2.resize(shade.astype(np.float32), large),
        cv2.resize(shine.astype(np.float32), large),
        cv2.resize(shift, large),
    )


def _soft_creases(cut: Cut, rng: np.random.Generator) -> list[tuple[Line, float]]:
    """Return the many long, soft folds of satin."""
    _, high = cut.bounds()
    creases = []
    for _ in range(16):
        x, y = rng.uniform(-0.9, 0.9), rng.uniform(0.4, high[1] - 0.5)
        tilt, tall = rng.uniform(-0.45, 0.45), rng.uniform(0.8, 1.8)
        line = curve([(x, y), (x + tilt * 0.3, y + tall / 2), (x + tilt, y + tall)])
        creases.append((line, rng.uniform(0.12, 0.26)))
    return creases


def _ground_shadow(easel: _Easel, cut: Cut, scene: str) -> None:
    """Darken the background around the garment."""
    height, width = easel.canvas.shape[:2]
    mask = np.zeros((height // 4, width // 4), np.uint8)
    for part in cut.parts:
        points = easel.place.pixels(part.outline) / 4
        cv2.fillPoly(mask, [np.rint(points).astype(np.int32)], 255)
    unit = easel.place.unit / 4
    far, strength = (0.09, 0.55) if scene in HOME else (0.12, 0.16)
    if scene == "hanger":
        far, strength = 0.18, 0.4
    shift = np.array([[1, 0, far * unit * 0.6], [0, 1, far * unit]], np.float32)
    mask = cv2.warpAffine(mask, shift, (mask.shape[1], mask.shape[0]))
    shadow = cv2.GaussianBlur(mask, (0, 0), max(far * unit * 0.8, 0.8))
    shadow = cv2.resize(shadow, (width, height)).astype(np.float32)
    easel.canvas *= 1 - strength / 255 * shadow[..., None]


def _with_stand(cut: Cut, plan: Design, easel: _Easel, rng: np.random.Generator) -> list[Part]:
    """Add what holds the garment, mannequin or hanger, behind all but the back of the neck."""
    parts = list(cut.parts)
    front = next(n for n, part in enumerate(parts) if part.cloth in ("sleeves", "body"))
    if plan.scene == "mannequin":
        parts.insert(front, MANNEQUIN)
    if plan.scene == "model":
        kind = KINDS[plan.kind]
        parts.insert(front, NECK)
        parts[:0] = behind(cut, kind, is_womens(plan, rng), rng)
    if plan.scene == "hanger":
        bar = curve([(0, -0.16), (0.35, -0.02), (0.84, 0.22)])
        bar = np.concatenate([bar, (bar + np.array([0, 0.1]))[::-1]])
        parts.insert(front, Part(bar, "hanger", lift=0.5, round=0.3))
        parts.insert(front, Part(bar * (-1, 1), "hanger", lift=0.5, round=0.3))
        hook = curve([(0, -0.1), (0.0, -0.32), (0.1, -0.45), (0.0, -0.6), (-0.1, -0.5)])
        points = np.rint(easel.place.pixels(hook) * 16).astype(np.int32)
        thick = max(2, round(0.035 * easel.place.unit))
        cv2.polylines(easel.canvas, [points], False, (110, 110, 112), thick, cv2.LINE_AA, 4)
    return parts


def _draw_parts(easel: _Easel, parts: list[Part], plan: Design, rng: np.random.Generator) -> None:
    props = colours(rng)
    lining = lighter(easel.base, 0.12) if plan.fabric == "chiffon" else _lining(easel.base, rng)
    for part in parts:
        if part.cloth in props:
            _lay(easel, part, pixel(props[part.cloth]), solid=True)
            continue
        if part.cloth == "inside":
            if easel.fabric.opacity is None:
                _lay(easel, part, pixel(darker(easel.base, 0.42)), solid=True)
            continue
        if part.cloth == "body" and easel.fabric.lined and part.edge is not None:
            slip = part.outline.copy()
            slip[:, 1] = np.clip(slip[:, 1], 0.78, slip[:, 1].max() - 0.14)
            under = replace(part, outline=slip * (0.985, 1), edge=None, lift=0.3)
            _lay(easel, under, pixel(lining), solid=True)
        colour = pixel(easel.cloth.trim) if part.cloth == "plain" else None
        _lay(easel, part, colour, scalloped=plan.fabric == "lace")


def _lining(base: Colour, rng: np.random.Generator) -> Colour:
    if rng.random() < 0.4:
        return vary((222, 186, 158), rng)
    return darker(base, 0.25) if luminance(base) > 110 else lighter(base, 0.25)


def _lay(
    easel: _Easel,
    part: Part,
    colour: NDArray[np.float32] | None,
    solid: bool = False,
    scalloped: bool = False,
) -> None:
    """Lay one part on the canvas: its shadow, then its cloth in the light of its folds."""
    unit = easel.place.unit
    points = easel.place.pixels(part.outline)
    pad = round(0.16 * unit)
    height, width = easel.canvas.shape[:2]
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - pad, 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + pad, (width, height))
    if right - left < 2 or bottom - top < 2:
        return
    window = slice(top, bottom), slice(left, right)
    mask = np.zeros((bottom - top, right - left), np.uint8)
    cv2.fillPoly(mask, [np.rint((points - (left, top)) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    if scalloped and part.edge is not None:
        _scallop(mask, easel.place.pixels(part.edge) - (left, top), 0.075 * unit)
    canvas = easel.canvas[window]
    if part.lift:
        _cast(canvas, mask, part.lift, unit)
    texture_x, texture_y = _cloth_places(easel, part, window)
    if colour is None:
        source = easel.cloth.sleeves if part.cloth == "sleeves" else easel.cloth.body
        tint = cv2.remap(
            source, texture_x, texture_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
        ).astype(np.float32)
    else:
        tint = np.broadcast_to(colour, (*mask.shape, 3))
    light = easel.folds.shade[window] * _rounding(mask, part.round, unit)
    alpha = mask.astype(np.float32) / 255
    gloss = None
    if not solid:
        light *= _sample(easel.fabric.grain, texture_x, texture_y)
        gloss = easel.folds.shine[window]
        if easel.fabric.opacity is not None:
            alpha *= _sample(easel.fabric.opacity, texture_x, texture_y)
        if easel.fabric.sparkle is not None:
            gloss = gloss + 0.8 * _sample(easel.fabric.sparkle, texture_x, texture_y)
    elif part.cloth in ("mannequin", "hanger", "skin"):
        light = _rounding(mask, part.round, unit)
    if part.ribbed:
        light = light * (1 + 0.10 * np.sin(texture_x * np.float32(2 * np.pi / (0.075 * unit))))
    lit = tint * light[..., None]
    if gloss is not None:
        lit += (tint * 0.3 + 178 - lit).clip(0) * gloss.clip(0, 1)[..., None]
    canvas += (lit - canvas) * alpha[..., None]


def _cloth_places(easel: _Easel, part: Part, window: tuple[slice, slice]) -> tuple[Field, Field]:
    """Return for every pixel of a window the x and y on the cloth that lies there."""
    rows, columns = np.ogrid[window]
    origin = easel.place.pixels(np.array([part.origin]))[0]
    across, down = (columns - origin[0]).astype(np.float32), (rows - origin[1]).astype(np.float32)
    turn = easel.place.turn + part.angle
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    shift = easel.folds.shift[window]
    x = cosine * across + sine * down + shift[..., 0] + np.float32(COLLAR_POINT[0])
    y = cosine * down - sine * across + shift[..., 1] + np.float32(COLLAR_POINT[1])
    return x, y


def _sample(tile: Field, x: Field, y: Field) -> Field:
    found = cv2.remap(tile, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found, np.float32)


def _scallop(mask: NDArray[np.uint8], edge: Line, radius: float) -> None:
    steps = np.linalg.norm(np.diff(edge, axis=0), axis=1)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    for at in np.arange(radius, along[-1], 2 * radius):
        x, y = np.interp(at, along, edge[:, 0]), np.interp(at, along, edge[:, 1])
        centre = round(float(x) * 16), round(float(y) * 16)
        cv2.circle(mask, centre, round(radius * 16), 255, -1, cv2.LINE_AA, 4)


def _cast(canvas: Field, mask: NDArray[np.uint8], lift: float, unit: float) -> None:
    """Darken what lies beneath the edge of a part."""
    small = cv2.resize(mask, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    drop = 0.02 * unit
    shift = np.array([[1, 0, drop * 0.5], [0, 1, drop]], np.float32)
    small = cv2.warpAffine(small, shift, (small.shape[1], small.shape[0]))
    small = cv2.GaussianBlur(small, (0, 0), max(0.022 * unit, 0.8))
    soft = cv2.resize(small, (mask.shape[1], mask.shape[0])).astype(np.float32)
    canvas *= 1 - (0.42 * lift / 255) * soft[..., None]


def _rounding(mask: NDArray[np.uint8], amount: float, unit: float) -> Field:
    """Return the light on a part whose edges turn away."""
    if not amount:
        return np.ones(mask.shape, np.float32)
    small = cv2.resize(mask, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    depth = cv2.distanceTransform((small > 127).astype(np.uint8), cv2.DIST_L2, 3)
    away = 1 - (depth / (0.22 * unit)).clip(0, 1)
    light: Field = 1.02 - 0.20 * amount * away**2
    light = cv2.GaussianBlur(light, (0, 0), max(0.012 * unit, 0.8))
    return np.asarray(cv2.resize(light, (mask.shape[1], mask.shape[0])), np.float32)


def _draw_details(easel: _Easel, cut: Cut, base: Colour, rng: np.random.Generator) -> None:
    """Draw seams, buttons and strings."""
    unit = easel.place.unit
    height, width = easel.canvas.shape[:2]
    mask: Field = np.zeros((height, width), np.uint8)
    for line in cut.seams:
        points = np.rint(easel.place.pixels(line) * 16).astype(np.int32)
        cv2.polylines(mask, [points], False, 255, max(1, round(0.014 * unit)), cv2.LINE_AA, 4)
    mask = cv2.GaussianBlur(mask, (0, 0), 0.9)
    dark = mask.astype(np.float32) / 255
    bright = np.roll(dark, (-2, -1), (0, 1))
    easel.canvas *= (1 - 0.24 * dark + 0.07 * bright)[..., None]
    button = lighter(base, 0.75) if rng.random() < 0.6 else darker(base, 0.6)
    if luminance(base) > 190:
        button = mix(base, (150, 150, 150), 0.35)
    radius = max(1.5, 0.042 * unit)
    for at in cut.buttons:
        x, y = easel.place.pixels(np.array([at]))[0]
        centre = round(x * 16), round(y * 16)
        below = round((x + 1) * 16), round((y + 2) * 16)
        shade = darker(base, 0.5)
        cv2.circle(easel.canvas, below, round(radius * 17), shade, -1, cv2.LINE_AA, 4)
        cv2.circle(easel.canvas, centre, round(radius * 16), button, -1, cv2.LINE_AA, 4)
        cv2.circle(easel.canvas, centre, round(radius * 5), shade, -1, cv2.LINE_AA, 4)
    cord = lighter(base, 0.7) if luminance(base) < 150 else darker(base, 0.2)
    for line in cut.strings:
        points = np.rint(easel.place.pixels(line) * 16).astype(np.int32)
        thick = max(2, round(0.035 * unit))
        cv2.polylines(easel.canvas, [points + 24], False, darker(base, 0.5), thick, cv2.LINE_AA, 4)
        cv2.polylines(easel.canvas, [points], False, cord, thick, cv2.LINE_AA, 4)


def _embellish(easel: _Easel, cut: Cut, rng: np.random.Generator) -> None:
    """Sew rows of beads and stones below the neck, or along a belt."""
    unit = easel.place.unit
    body = next(part for part in cut.parts if part.cloth == "body" and part.edge is not None)
    if rng.random() < 0.4:
        line = curve([(-0.72, 1.93), (0, 2.0), (0.72, 1.93)])
        rows = (-0.05, 0.0, 0.05)
    else:
        near = (body.outline[:, 1] < 0.8) & (np.abs(body.outline[:, 0]) < 0.5)
        line = body.outline[near]
        line = line[np.argsort(line[:, 0])]
        rows = (0.05, 0.11, 0.17)
    tones = ((250, 240, 214), (214, 178, 96), (246, 246, 250))
    steps = np.arange(line[0, 0], line[-1, 0], 0.055)
    for number, drop in enumerate(rows):
        y = np.interp(steps, line[:, 0], line[:, 1]) + drop
        for point in easel.place.pixels(np.stack([steps, y], axis=1)):
            size = rng.uniform(0.012, 0.026) * (1.3 if number == 1 else 1.0) * unit * 16
            centre = round(point[0] * 16), round(point[1] * 16)
            below = centre[0] + 12, centre[1] + 20
            dark = darker(easel.base, 0.5)
            cv2.circle(easel.canvas, below, round(size), dark, -1, cv2.LINE_AA, 4)
            cv2.circle(
                easel.canvas, centre, round(size), tones[rng.integers(3)], -1, cv2.LINE_AA, 4
            )
