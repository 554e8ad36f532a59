"""Garment patterns in the tailor's sense: the outlines of every part, by kind of garment.

Lengths are in half shoulder widths (about 22 cm). The middle of the back of the neck is at
(0, 0), x runs to the viewer's right and y down.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fashionnet.samples.palette import choose

Line = NDArray[Any]
"""(N, 2) points x, y."""


@dataclass(frozen=True)
class Kind:
    """A kind of garment: what it is called in a shop and how it is cut."""

    article: str
    length: float
    chest: float
    waist: float
    hem: float
    neck: tuple[float, float] = (0.42, 0.42)
    necklines: tuple[str, ...] = ("round",)
    collar: str = "none"
    front: str = "closed"
    cuff: str = "plain"
    bottom: str = "straight"
    shoulder: float = 1.0
    sleeve_width: float = 0.34
    is_dress: bool = False


KINDS: dict[str, Kind] = {
    "t-shirt": Kind("Tshirts", 3.15, 1.08, 1.03, 1.06, necklines=("round", "round", "v")),
    "polo": Kind("Polos", 3.2, 1.08, 1.04, 1.07, (0.4, 0.3), collar="polo", front="polo"),
    "shirt": Kind(
        "Shirts", 3.35, 1.07, 1.0, 1.05, (0.38, 0.26),
        collar="shirt", front="buttons", cuff="shirt", bottom="tails",
    ),
    "blouse": Kind("Tops", 3.05, 1.02, 0.97, 1.1, (0.46, 0.6), ("round", "v", "v"), cuff="gather"),
    "sweater": Kind(
        "Sweaters", 3.1, 1.1, 1.06, 1.02, (0.44, 0.4), ("round", "v", "turtle"),
        cuff="rib", bottom="rib",
    ),
    "cardigan": Kind(
        "Sweaters", 3.15, 1.1, 1.06, 1.05, (0.42, 1.1), ("v",),
        front="buttons", cuff="rib", bottom="rib",
    ),
    "sweatshirt": Kind(
        "Sweatshirts", 3.1, 1.13, 1.1, 1.04, (0.43, 0.36), cuff="rib", bottom="rib"
    ),
    "hoodie": Kind(
        "Sweatshirts", 3.1, 1.13, 1.1, 1.05, (0.46, 0.42),
        collar="hood", front="zip", cuff="rib", bottom="rib",
    ),
    "coat": Kind(
        "Jackets", 3.9, 1.2, 1.13, 1.3, (0.4, 1.0), ("v",),
        collar="lapel", front="buttons", sleeve_width=0.4,
    ),
    "blazer": Kind(
        "Blazers", 3.25, 1.08, 0.96, 1.1, (0.4, 1.45), ("v",),
        collar="lapel", front="buttons",
    ),
    "tank": Kind(
        "Tops", 2.85, 1.02, 0.96, 1.04, (0.46, 0.85), ("round", "round", "v"), shoulder=0.7
    ),
    "camisole": Kind("Camisoles", 2.75, 0.98, 0.98, 1.12, necklines=("straps",), shoulder=0.6),
    "vest": Kind(
        "Sweaters", 2.75, 1.08, 1.04, 1.04, (0.42, 0.9), ("v",), bottom="rib", shoulder=0.86
    ),
    "waistcoat": Kind(
        "Waistcoats", 2.6, 1.06, 0.97, 1.02, (0.4, 1.1), ("v",), front="buttons", shoulder=0.8
    ),
    "beach shirt": Kind(
        "Shirts", 3.05, 1.18, 1.16, 1.2, (0.42, 0.7), ("v",),
        collar="shirt", front="buttons",
    ),
    "sundress": Kind("Dresses", 4.1, 0.95, 0.74, 1.75, necklines=("straps",), shoulder=0.6,
                     is_dress=True),
    "dress": Kind("Dresses", 4.1, 0.98, 0.76, 1.5, (0.46, 0.55), ("round", "v", "boat"),
                  cuff="plain", shoulder=0.88, is_dress=True),
    "sheath": Kind("Dresses", 4.0, 0.99, 0.82, 0.98, (0.46, 0.5), ("round", "boat", "v"),
                   shoulder=0.86, is_dress=True),
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One piece of a garment.

    Attributes:
        outline: its closed edge.
        cloth: "body" or "sleeves" (which piece of the print), "plain" (the trim's colour), or
            "inside" (the wrong side, in shade).
        origin, angle: where the cloth's neck point lies and how it is turned, in radians.
        lift: how strongly its edge shades what lies beneath.
        round: how far its edges turn away from the light.
        ribbed: whether it is knitted in ribs.
        edge: the line along which it ends, hem or cuff, or None.
    """

    outline: Line
    cloth: str
    origin: tuple[float, float] = (0.0, 0.0)
    angle: float = 0.0
    lift: float = 0.5
    round: float = 0.5
    ribbed: bool = False
    edge: Line | None = None


@dataclass
class Cut:
    """All that is drawn of a garment, in the order in which it is laid down.

    `wrists` holds for each long sleeve the middle of its end and its direction.
    """

    parts: list[Part] = field(default_factory=list)
    seams: list[Line] = field(default_factory=list)
    buttons: list[tuple[float, float]] = field(default_factory=list)
    creases: list[tuple[Line, float]] = field(default_factory=list)
    strings: list[Line] = field(default_factory=list)
    wrists: list[tuple[Line, Line]] = field(default_factory=list)

    def bounds(self) -> tuple[Line, Line]:
        """Return the least and the greatest x and y of all parts."""
        points = np.concatenate([part.outline for part in self.parts])
        return points.min(axis=0), points.max(axis=0)


def curve(points: Sequence[Any] | Line, steps: int = 10) -> Line:
    """Return a smooth line through points (a uniform Catmull-Rom spline)."""
    knots = np.asarray(points, float)
    before = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    share = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for number in range(len(knots) - 1):
        a, b, c, d = before[number : number + 4]
        pieces.append(
            0.5
            * (
                2 * b
                + (c - a) * share
                + (2 * a - 5 * b + 4 * c - d) * share**2
                + (3 * b - a - 3 * c + d) * share**3
            )
        )
    return np.concatenate([*pieces, knots[-1:]])


def ribbon(line: Line, width: float) -> Line:
    """Return the outline of a band that lies to the right-hand side of a line's direction."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-9
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    return np.concatenate([line, (line + normal * width)[::-1]])


def mirrored(line: Line) -> Line:
    """Return a line with left and right exchanged."""
    return line * (-1, 1)


def _both(line: Line) -> Line:
    """Return a line from the left to the right, given its right half from the middle."""
    return np.concatenate([mirrored(line)[:0:-1], line])


def _neckline(shape: str, half: float, depth: float) -> Line:
    """Return the right half of the front neck edge, from the middle to the shoulder."""
    if shape == "v":
        return curve([(0, depth), (half * 0.55, depth * 0.5), (half, 0.0)])
    if shape == "boat":
        return curve([(0, 0.22), (half * 0.8, 0.17), (half + 0.14, 0.03)])
    if shape == "turtle":
        return curve([(0, 0.22), (half * 0.6, 0.16), (half, 0.0)])
    return curve([(0, depth), (half * 0.62, depth * 0.8), (half * 0.95, depth * 0.3), (half, 0.0)])


def cut_garment(
    kind: Kind, shape: str, spread: float, flat: bool, style: str, rng: np.random.Generator
) -> Cut:
    """Cut a garment of a kind with the sleeves of a shape.

    `spread` is the angle in degrees between sleeve and vertical; `flat` garments are laid or
    hung without a body in them.
    """
    cut = Cut()
    shoulder = kind.shoulder if shape == "sleeveless" else max(kind.shoulder, 0.92)
    drop = 0.2 * shoulder + 0.02
    armpit = np.array([kind.chest, 1.12 if shape != "sleeveless" else 1.05])
    neckline = choose(kind.necklines, rng)
    if neckline == "straps" and shape != "sleeveless":
        neckline = "round"
    half = kind.neck[0] * rng.uniform(0.95, 1.1)
    depth = kind.neck[1] * rng.uniform(0.9, 1.15)
    length = kind.length * rng.uniform(0.96, 1.06)
    side = _side(kind, armpit, length, rng)
    hem = _hem(kind, side[-1], rng)
    if neckline == "straps":
        edge = _strap_top(cut, armpit, rng)
    else:
        neck = _neckline(neckline, half, depth)
        tip = np.array([shoulder, drop])
        if shape == "sleeveless":
            hole = curve([tip, tip + np.array([-0.02, 0.45]), armpit - (0.12, 0.18), armpit])
        else:
            hole = curve([tip, (shoulder - 0.06, 0.6), armpit - (0.05, 0.22), armpit])
        edge = np.concatenate([neck, hole])
        back = curve([(0, 0.07), (neck[-1][0] * 0.6, 0.05), neck[-1]])
        inside = np.concatenate([_both(back), _both(neck)[::-1]])
        cut.parts.append(Part(inside, "inside", lift=0.0, round=0.0))
        if shape != "sleeveless":
            _sleeves(cut, kind, shape, tip, armpit, spread, flat, rng)
            cut.seams += [hole, mirrored(hole)]
    body = np.concatenate([edge, side, hem])
    outline = np.concatenate([body, mirrored(body)[::-1]])
    cut.parts.append(
        Part(outline, "body", lift=0.7, round=0.35 if flat else 0.8, edge=_both(hem[::-1]))
    )
    _bottom(cut, kind, side, hem)
    if neckline != "straps":
        _neck_finish(cut, kind, neckline, neck, half, depth, rng)
    elif rng.random() < 0.5:
        cut.seams.append(_both(edge + np.array([0, 0.05])))
    _front(cut, kind, depth, length, style, rng)
    _body_creases(cut, kind, armpit, length, flat, rng)
    return cut


def _side(kind: Kind, armpit: Line, length: float, rng: np.random.Generator) -> Line:
    waist = (kind.waist * rng.uniform(0.97, 1.03), 1.95)
    end = (kind.hem * rng.uniform(0.95, 1.05), length - (0.12 if kind.bottom == "tails" else 0))
    if kind.is_dress and kind.hem > 1.2:
        above = curve([armpit, (kind.waist + 0.04, 1.6), waist])
        below = curve([waist, (waist[0] + (end[0] - waist[0]) * 0.62, 2.9), end])
        return np.concatenate([above, below])
    if kind.is_dress:
        return curve([armpit, waist, (1.04, 2.65), end])
    return curve([armpit, waist, ((waist[0] + 2 * end[0]) / 3, 2.6), end])


def _hem(kind: Kind, corner: Line, rng: np.random.Generator) -> Line:
    """Return the right half of the hem, from the side to the middle."""
    x, y = corner
    if kind.bottom == "tails":
        return curve([(x, y), (x * 0.85, y - 0.02), (x * 0.5, y + 0.16), (0, y + 0.2)])
    if kind.is_dress and kind.hem > 1.2:
        return curve([(x, y), (x * 0.75, y + 0.09), (x * 0.4, y + 0.14), (0, y + 0.15)])
    return curve([(x, y), (x * 0.5, y + 0.05), (0, y + 0.06)])


def _strap_top(cut: Cut, armpit: Line, rng: np.random.Generator) -> Line:
    """Draw straps and return the right half of the edge between them and the armpit."""
    top, wide = rng.uniform(0.5, 0.62), rng.uniform(0.05, 0.14)
    place = rng.uniform(0.46, 0.56)
    dip = top + rng.uniform(0.08, 0.38)
    back = curve([(0, top + 0.16), (0.6, top + 0.2), tuple(armpit)])
    front = [(0, dip), (place * 0.6, top + (dip - top) * 0.35), (place, top), (armpit[0], 1.05)]
    edge = curve(front)
    cut.parts.append(Part(np.concatenate([_both(back), _both(edge)[::-1]]), "inside", lift=0))
    strap = curve([(place, top + 0.04), (place - 0.01, 0.2), (place - 0.07, -0.06)])
    outline = ribbon(strap + np.array([wide / 2, 0]), -wide)
    for side in (outline, mirrored(outline)):
        cut.parts.append(Part(side, "body", lift=0.4, round=0))
    return edge


def _sleeves(
    cut: Cut,
    kind: Kind,
    shape: str,
    tip: Line,
    armpit: Line,
    spread: float,
    flat: bool,
    rng: np.random.Generator,
) -> None:
    if shape == "full-sleeve":
        reach = rng.uniform(2.75, 2.98)
    else:
        reach = rng.uniform(0.8, 1.15) * (0.85 if kind.is_dress else 1)
    cuff = kind.sleeve_width * (0.62 if shape == "full-sleeve" else 1.1)
    cuff *= 1.15 if kind.cuff == "gather" else 1
    for side in (1, -1):
        angle = np.deg2rad(spread + rng.uniform(-3, 3) + (0 if shape == "full-sleeve" else 12))
        bend = np.deg2rad(rng.uniform(2, 9) if shape == "full-sleeve" else 0)
        first = np.array([np.sin(angle), np.cos(angle)])
        second = np.array([np.sin(angle - bend), np.cos(angle - bend)])
        inward = np.array([-second[1], second[0]])
        elbow = tip + first * reach / 2
        wrist = elbow + second * reach / 2
        elbow_width = (kind.sleeve_width + cuff) * 1.08
        outer = curve([tip, tip + first * 0.2 + (0.035, 0), elbow, wrist])
        inner_elbow = elbow + inward * elbow_width
        inner = curve([wrist + inward * 2 * cuff, inner_elbow, armpit])
        # It reaches under the body, so that no gap opens along the armhole.
        under = np.array([(armpit[0] - 0.35, armpit[1] - 0.1), (tip[0] - 0.3, tip[1] + 0.1)])
        outline = np.concatenate([outer, inner, under])
        origin = (float(tip[0]), float(tip[1]))
        if side < 0:
            outline, origin = mirrored(outline), (-origin[0], origin[1])
        turn = -side * float(angle - bend / 2)
        end = np.stack([wrist, wrist + inward * 2 * cuff])
        edge = mirrored(end) if side < 0 else end
        cut.parts.append(
            Part(outline, "sleeves", origin, turn, 0.6, 0.55 if flat else 1.0, edge=edge)
        )
        if shape == "full-sleeve":
            turned = np.array([side, 1])
            cut.wrists.append((end.mean(axis=0) * turned, second * turned))
        _cuff(cut, kind, shape, end, -second, side, origin, turn)
        _sleeve_creases(cut, tip, elbow, wrist, inward, elbow_width, side, shape, rng)


def _cuff(
    cut: Cut,
    kind: Kind,
    shape: str,
    end: Line,
    back: Line,
    side: int,
    origin: tuple[float, float],
    turn: float,
) -> None:
    def placed(line: Line) -> Line:
        return mirrored(line) if side < 0 else line

    if kind.cuff in ("rib", "shirt") and shape == "full-sleeve":
        deep = 0.3 if kind.cuff == "rib" else 0.26
        outline = np.concatenate([end - back * 0.02, (end + back * deep)[::-1]])
        part = Part(
            *(placed(outline), "plain" if kind.cuff == "rib" else "sleeves", origin, turn),
            lift=0.35,
            round=0.8,
            ribbed=kind.cuff == "rib",
        )
        cut.parts.append(part)
        if kind.cuff == "shirt":
            cut.seams.append(placed(end + back * (deep - 0.04)))
            cut.buttons.append(tuple(placed((end[0] * 0.35 + end[1] * 0.65) + back * 0.12)))
    else:
        cut.seams += [placed(end + back * 0.1), placed(end + back * 0.13)]


def _bottom(cut: Cut, kind: Kind, side: Line, hem: Line) -> None:
    edge = _both(hem[::-1])
    if kind.bottom == "rib":
        cut.parts.append(
            Part(
                np.concatenate([edge + np.array([0, 0.02]), (edge - (0, 0.28))[::-1]]),
                "plain",
                lift=0.35,
                round=0.6,
                ribbed=True,
            )
        )
    else:
        up = 0.07 if kind.bottom == "tails" else 0.12
        cut.seams.append(edge - (0, up))
    if kind.is_dress and kind.hem > 1.2:
        cut.seams.append(curve([(-kind.waist, 1.95), (0, 2.02), (kind.waist, 1.95)]))


def _neck_finish(
    cut: Cut,
    kind: Kind,
    neckline: str,
    neck: Line,
    half: float,
    depth: float,
    rng: np.random.Generator,
) -> None:
    edge = _both(neck)
    ribbed = kind.bottom == "rib" or kind.article == "Tshirts"
    if kind.collar in ("shirt", "polo"):
        _shirt_collar(cut, kind, half, depth, rng)
    elif kind.collar == "lapel":
        _shirt_beneath(cut, half, depth, kind.article == "Blazers" and rng.random() < 0.6)
        _lapels(cut, half, depth, rng)
    elif kind.collar == "hood":
        _hood(cut, half, depth, rng)
    elif neckline == "turtle":
        high = rng.uniform(0.28, 0.5)
        neck_half = half * 0.94
        sides = [(neck_half + 0.05, 0.12), (neck_half, -high * 0.5), (neck_half - 0.02, -high)]
        right = curve(sides)
        base = curve([(0, 0.3), (neck_half * 0.6, 0.26), (neck_half + 0.05, 0.12)])
        outline = np.concatenate([_both(base), right, mirrored(right)[::-1]])
        cut.parts.append(Part(outline, "plain", lift=0.6, round=0.9, ribbed=True))
    elif ribbed:
        back = curve([(-neck[-1][0], 0), (0, 0.06), (neck[-1][0], 0)])
        cut.parts.insert(1, Part(ribbon(back, 0.09), "plain", lift=0.3, round=0, ribbed=True))
        cut.parts.append(Part(ribbon(edge, 0.11), "plain", lift=0.3, round=0.2, ribbed=True))
    else:
        cut.seams.append(ribbon(edge, 0.06)[len(edge) :])


def _shirt_collar(
    cut: Cut, kind: Kind, half: float, depth: float, rng: np.random.Generator
) -> None:
    stand = curve([(half + 0.02, 0.08), (half * 0.9, -0.12), (0, -0.17)])
    inner = curve([(half, 0.05), (half * 0.6, depth * 0.45), (0, depth)])
    outline = np.concatenate([_both(stand[::-1]), _both(inner[::-1])[::-1]])
    cut.parts.insert(1, Part(outline, "inside", lift=0.0, round=0.0))
    reach, fall = rng.uniform(0.36, 0.46), rng.uniform(0.2, 0.3)
    open_by = 0.02 if depth < 0.45 else 0.12
    leaf = np.concatenate(
        [
            curve([(open_by, depth), (half * 0.55, depth * 0.35), (half * 0.92, -0.14)]),
            curve([(half * 0.92, -0.14), (half + 0.1, -0.02), (half + 0.16, 0.16)]),
            curve([(half + 0.16, 0.16), (reach + 0.06, depth * 0.6 + 0.16)]),
            curve([(reach, depth + fall), (open_by, depth)]),
        ]
    )
    cloth = "plain" if kind.collar == "polo" else "body"
    for outline in (leaf, mirrored(leaf)):
        turn = 0.35 if outline is leaf else -0.35
        cut.parts.append(Part(outline, cloth, angle=turn, lift=0.9, round=0.15))
        cut.seams.append(outline[-9:] * (0.97, 0.97) + (0, -0.0))


def _shirt_beneath(cut: Cut, half: float, depth: float, with_tie: bool) -> None:
    """Show a shirt in the opening of a blazer or coat."""
    opening = np.array([(half + 0.06, -0.06), (half * 0.6, depth * 0.5), (0.0, depth + 0.03)])
    # What lies beneath comes before the body, which is cut open over it.
    body = next(n for n, part in enumerate(cut.parts) if part.cloth == "body")
    knot = 0.3
    pieces = [Part(_both(opening[::-1]), "shirt", lift=0.0, round=0.0)]
    if with_tie:
        right = np.array([(0.09, knot), (0.055, knot + 0.15), (0.13, depth), (0.0, depth + 0.1)])
        tie = np.concatenate([right, mirrored(right)[::-1]])
        pieces.append(Part(tie, "tie", lift=0.6, round=0.3))
    leaf = np.array([(0.02, knot), (half * 0.8, -0.1), (half + 0.08, 0.12), (0.26, knot + 0.2)])
    pieces += [Part(side, "shirt", lift=0.6, round=0.0) for side in (leaf, mirrored(leaf))]
    cut.parts[body:body] = pieces


def _lapels(cut: Cut, half: float, depth: float, rng: np.random.Generator) -> None:
    stand = curve([(half + 0.03, 0.06), (half * 0.9, -0.1), (0, -0.15)])
    lower = curve([(half, 0.05), (half * 0.6, 0.16), (0, 0.22)])
    back = np.concatenate([_both(stand[::-1]), _both(lower[::-1])[::-1]])
    cut.parts.insert(1, Part(back, "inside", lift=0))
    notch = depth * 0.42
    collar = np.array(
        [
            (half * 0.92, -0.12),
            (half + 0.14, 0.0),
            (half + 0.3, notch * 0.75),
            (half + 0.03, notch),
            (half * 0.55, notch * 0.9),
        ]
    )
    lapel = np.array(
        [
            (half * 0.75, 0.12),
            (half * 0.6, notch * 0.95),
            (half + 0.36, notch * 1.02),
            (half + 0.3, notch * 1.45),
            (0.22, depth * 0.94),
            (0.02, depth),
            (half * 0.42, depth * 0.5),
        ]
    )
    for outline in (lapel, mirrored(lapel), collar, mirrored(collar)):
        turn = 0.3 if outline[0][0] > 0 else -0.3
        cut.parts.append(Part(outline, "body", angle=turn, lift=1.0, round=0.1))


def _hood(cut: Cut, half: float, depth: float, rng: np.random.Generator) -> None:
    high = rng.uniform(0.6, 0.8)
    right = curve(
        [(0, -high), (0.42, -high * 0.88), (0.66, -high * 0.3), (0.62, 0.16), (0.3, depth)]
    )
    outline = np.concatenate([_both(right), [(0, depth + 0.12)]])
    cut.parts.append(Part(outline, "body", lift=0.8, round=1.0))
    hole = curve([(0, -high * 0.72), (0.3, -high * 0.55), (0.42, -0.1), (0.3, 0.16), (0, depth)])
    cut.parts.append(Part(_both(hole), "inside", lift=0.0, round=0.0))
    cut.seams.append(_both(curve(hole[::6] * (1.13, 1.06))))
    for side in (-1, 1):
        drop = rng.uniform(0.7, 1.0)
        cut.strings.append(
            curve([(side * 0.2, depth * 0.75), (side * 0.26, 0.75), (side * 0.2, depth + drop)])
        )


def _front(
    cut: Cut, kind: Kind, depth: float, length: float, style: str, rng: np.random.Generator
) -> None:
    end = length + 0.05
    if kind.front == "polo":
        stop = depth + 0.72
        band = np.array([(-0.1, depth - 0.03), (0.1, depth - 0.03), (0.1, stop), (-0.1, stop)])
        cut.parts.insert(-2, Part(band, "body", lift=0.35, round=0))
        cut.buttons += [(0.0, depth + 0.14), (0.0, depth + 0.42)]
    elif kind.front == "zip":
        cut.seams += [np.array([(x, depth + 0.1), (x, end - 0.05)]) for x in (-0.03, 0.0, 0.03)]
        _pockets(cut, kind)
    elif kind.front == "buttons" and kind.collar == "lapel":
        cut.seams.append(np.array([(0.02, depth), (0.06, end)]))
        count = 2 if kind.article == "Blazers" else 4
        gap = 0.5 if count == 2 else 0.55
        cut.buttons += [(-0.08, depth + 0.08 + gap * number) for number in range(count)]
        _pockets(cut, kind)
    elif kind.front == "buttons":
        wide = 0.09
        cut.seams += [np.array([(x, depth), (x, end)]) for x in (-wide, wide)]
        places = np.arange(depth + 0.22, length - 0.15, 0.42)
        cut.buttons += [(0.0, float(y)) for y in places]
        if kind.article == "Shirts" and rng.random() < 0.65:
            pocket = np.array(
                [(0.32, 0.95), (0.32, 1.42), (0.54, 1.52), (0.76, 1.42), (0.76, 0.95)]
            )
            cut.seams.append(np.concatenate([pocket, pocket[:1]]))


def _pockets(cut: Cut, kind: Kind) -> None:
    low = 2.15 if kind.article != "Jackets" else 2.5
    if kind.collar == "hood":
        slant = np.array([(0.35, 2.0), (0.82, 2.45), (0.82, 2.62)])
        cut.seams += [slant, mirrored(slant)]
        return
    flap = np.array([(0.38, low), (0.88, low - 0.04), (0.88, low + 0.12), (0.38, low + 0.16)])
    for outline in (flap, mirrored(flap)):
        cut.parts.append(Part(outline, "body", lift=0.6, round=0))
    if kind.article == "Blazers":
        cut.seams.append(np.array([(0.45, 1.0), (0.8, 0.94), (0.8, 1.02), (0.45, 1.08)]))


def _body_creases(
    cut: Cut, kind: Kind, armpit: Line, length: float, flat: bool, rng: np.random.Generator
) -> None:
    def add(points: list[tuple[float, float]], width: float) -> None:
        cut.creases.append((curve(points), width * rng.uniform(0.7, 1.3)))

    for side in (-1, 1):
        for _ in range(2):
            dx, dy = rng.uniform(0.4, 0.8), rng.uniform(0.2, 0.8)
            start = (side * (armpit[0] - 0.08), armpit[1] + rng.uniform(-0.1, 0.15))
            middle = (side * (armpit[0] - dx / 2), armpit[1] + dy * 0.4)
            add([start, middle, (side * (armpit[0] - dx), armpit[1] + dy)], 0.11)
        if not kind.is_dress:
            y = rng.uniform(1.8, 2.4)
            add([(side * 0.95, y), (side * 0.6, y + 0.1), (side * 0.2, y - 0.05)], 0.1)
    if kind.is_dress and kind.hem > 1.2:
        folds = int(rng.integers(6, 10))
        for x in np.linspace(-0.85, 0.85, folds) + rng.uniform(-0.06, 0.06, folds):
            bend = rng.uniform(-0.05, 0.05)
            top, far = rng.uniform(2.0, 2.3), x * kind.hem
            add([(x * 0.7, top), ((x * 0.7 + far) / 2 + bend, 3.0), (far, length + 0.4)], 0.16)
    for _ in range(5 if flat else 4):
        x, y = rng.uniform(-0.8, 0.8), rng.uniform(1.2, length - 0.4)
        tilt = rng.uniform(-0.35, 0.35)
        tall = rng.uniform(0.3, 0.8)
        add([(x, y), (x + tilt * 0.4, y + tall / 2), (x + tilt, y + tall)], 0.12)


def _sleeve_creases(
    cut: Cut,
    tip: Line,
    elbow: Line,
    wrist: Line,
    inward: Line,
    width: float,
    side: int,
    shape: str,
    rng: np.random.Generator,
) -> None:
    def add(start: Line, middle: Line, stop: Line, wide: float) -> None:
        line = curve([start, middle, stop])
        cut.creases.append((mirrored(line) if side < 0 else line, wide))

    if shape == "full-sleeve":
        along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
        for _ in range(5):
            at = elbow + along * rng.uniform(-0.7, 0.9) + inward * rng.uniform(0.1, 0.35)
            slope = along * rng.uniform(-0.3, 0.3)
            add(
                at, at + inward * width * 0.35 + slope * 0.3, at + inward * width * 0.6 + slope, 0.1
            )
    inner = elbow + inward * width * 0.6
    start = tip + np.array([0.08, 0.2])
    add(start, (start + inner) / 2 + (0.03, 0), inner, 0.1)
