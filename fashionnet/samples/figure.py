"""Who or what wears a garment: a person seen from the neck down, or a shop's mannequin."""

import numpy as np

from fashionnet.samples.cut import Cut, Kind, Line, Part, curve, mirrored
from fashionnet.samples.palette import COLOURS, Colour, choose, vary

SKINS: tuple[Colour, ...] = (
    *((236, 200, 176), (222, 178, 148), (198, 150, 116), (160, 112, 82), (116, 78, 58)),
)
HAIR: tuple[Colour, ...] = ((36, 28, 26), (62, 42, 32), (104, 70, 44), (168, 124, 76))
TROUSERS: tuple[Colour, ...] = (
    *((62, 82, 116), (44, 56, 84), (34, 36, 44), (96, 116, 146), (150, 132, 104)),
)

_NECK = np.concatenate(
    [
        curve([(0.0, -0.62), (0.22, -0.6), (0.27, -0.5)]),
        curve([(0.27, -0.5), (0.27, -0.15), (0.42, 0.02), (0.86, 0.2)]),
        curve([(0.86, 0.2), (0.9, 0.5), (0.8, 1.1), (0.68, 1.9), (0.8, 2.5)]),
    ]
)
MANNEQUIN = Part(np.concatenate([_NECK, mirrored(_NECK)[::-1]]), "mannequin", lift=0.0, round=1.0)
"""The neck and trunk of a mannequin."""


def _limb(joints: Line, widths: tuple[float, ...], cloth: str) -> Part:
    """Return a tapering limb through joints, with half its width at each."""
    middle = curve(joints)
    along = np.gradient(middle, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1)
    places = np.linspace(0, 1, len(widths))
    half = np.interp(np.linspace(0, 1, len(middle)), places, widths)[:, None]
    outline = np.concatenate([middle + normal * half, (middle - normal * half)[::-1]])
    return Part(outline, cloth, lift=0.15, round=1.2)


def _hand(wrist: Line, along: Line) -> Part:
    joints = [wrist - along * 0.12, wrist + along * 0.2, wrist + along * 0.42, wrist + along * 0.6]
    return _limb(np.array(joints), (0.11, 0.12, 0.16, 0.12, 0.03), "skin")


def _arm(side: int, rng: np.random.Generator) -> list[Part]:
    angle = np.deg2rad(rng.uniform(7, 12))
    bend = angle - np.deg2rad(rng.uniform(2, 10))
    shoulder = np.array([0.8, 0.36])
    elbow = shoulder + 1.2 * np.array([np.sin(angle), np.cos(angle)])
    along = np.array([np.sin(bend), np.cos(bend)])
    wrist = elbow + 1.15 * along
    turn = np.array([side, 1])
    limb = _limb(np.array([shoulder, elbow, wrist]) * turn, (0.19, 0.18, 0.15, 0.15, 0.1), "skin")
    return [_hand(wrist * turn, along * turn), limb]


def behind(cut: Cut, kind: Kind, womens: bool, rng: np.random.Generator) -> list[Part]:
    """Return the parts of a person that a garment covers: hair, legs, arms and hands."""
    parts = []
    if womens:
        long = rng.uniform(0.1, 0.8)
        right = curve([(0, -1.2), (0.55, -0.9), (0.58, -0.2), (0.5, long), (0.3, long + 0.15)])
        parts.append(Part(np.concatenate([right, mirrored(right)[::-1]]), "hair", round=0.6))
    for side in (-1, 1):
        turn = np.array([side, 1])
        if kind.is_dress:
            joints = np.array([(0.42, 3.2), (0.36, 4.4), (0.34, 5.6)]) * turn
            parts.append(_limb(joints, (0.3, 0.24, 0.2), "skin"))
        else:
            joints = np.array([(0.46, 2.2), (0.48, 3.4), (0.46, 4.6), (0.44, 5.8)]) * turn
            parts.append(_limb(joints, (0.5, 0.47, 0.4, 0.34), "trousers"))
    if cut.wrists:
        parts += [_hand(wrist, along) for wrist, along in cut.wrists]
    else:
        parts += [part for side in (-1, 1) for part in _arm(side, rng)]
    return parts


NECK = Part(MANNEQUIN.outline - np.array([0, 0.06]), "skin", lift=0.0, round=0.9)
"""The neck and chest of a person."""


def colours(rng: np.random.Generator) -> dict[str, Colour]:
    """Choose the colours of all that is not the garment."""
    mannequins: tuple[Colour, ...] = ((226, 216, 202), (238, 238, 236), (206, 190, 170))
    hangers: tuple[Colour, ...] = ((150, 112, 74), (40, 40, 44), (236, 236, 234))
    return {
        "mannequin": choose(mannequins, rng),
        "hanger": choose(hangers, rng),
        "shirt": vary(COLOURS[choose(("White", "White", "Sky Blue", "Pink"), rng)], rng),
        "tie": vary(COLOURS[choose(("Maroon", "Navy Blue", "Red", "Charcoal"), rng)], rng),
        "skin": vary(choose(SKINS, rng), rng, 5),
        "hair": choose(HAIR, rng),
        "trousers": vary(choose(TROUSERS, rng), rng),
    }
