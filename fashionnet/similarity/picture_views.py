"""Views of one picture that are hard to tell as such: what stands in for pairs where they lack.

Unlike `fashionnet.network.views`, which keeps labels true, these go as far as two photos of one
garment do: turned, cut close or seen from afar, in other light, before another background.
"""

from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from fashionnet.experiments import Settings
from fashionnet.photos import Image

_RIM_TOLERANCE = 20


class ViewSettings(Settings):
    """How far views go.

    Attributes:
        rotation: the most degrees that a view is turned by, either way.
        crop: the smallest share of the picture's side that a view shows.
        zoom_out: the smallest share of the view's side that the picture takes, seen from afar.
        light: how much brightness, contrast and colours change: 0.3 multiplies by 0.7 to 1.3.
        background: the share of views whose even background is painted over.
        mirror: whether half of the views are mirrored.
    """

    rotation: Annotated[float, Field(ge=0, le=180)] = 20.0
    crop: Annotated[float, Field(gt=0, le=1)] = 0.5
    zoom_out: Annotated[float, Field(gt=0, le=1)] = 0.8
    light: Annotated[float, Field(ge=0, lt=1)] = 0.3
    background: Annotated[float, Field(ge=0, le=1)] = 0.5
    mirror: bool = True


def draw_hard_view(image: Image, settings: ViewSettings, seed: list[int]) -> Image:
    """Return a view of an image, of the same size; the same for the same seed."""
    random = np.random.default_rng(seed)
    canvas = _canvas(image.shape[:2], random)
    if random.random() < settings.background:
        image = _before(image, canvas)
    else:
        # What a turned picture does not cover goes on as the picture's rim does.
        canvas = np.broadcast_to(np.median(_rim(image), axis=0), image.shape).astype(np.uint8)
    return _lit(_moved(image, canvas, settings, random), settings.light, random)


def _moved(
    image: Image, canvas: Image, settings: ViewSettings, random: np.random.Generator
) -> Image:
    height, width = image.shape[:2]
    # As often seen from afar as cut close, where both are asked for.
    near, far = 1.0 / random.uniform(settings.crop, 1.0), random.uniform(settings.zoom_out, 1.0)
    scale = near if random.random() < 0.75 else far
    angle = random.uniform(-settings.rotation, settings.rotation)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    slack = abs(scale - 1.0) / 2
    turn[0, 2] += random.uniform(-slack, slack) * width
    turn[1, 2] += random.uniform(-slack, slack) * height
    if settings.mirror and random.random() < 0.5:
        turn = turn @ np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    size = (width, height)
    moved = cv2.warpAffine(
        image, turn, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    covered = cv2.warpAffine(np.full((height, width), 255, np.uint8), turn, size)
    return np.where(covered[:, :, None] > 127, moved, canvas).astype(np.uint8)


def _lit(image: Image, light: float, random: np.random.Generator) -> Image:
    gain = random.uniform(1 - light, 1 + light) * random.uniform(1 - light / 3, 1 + light / 3, 3)
    gamma = random.uniform(1 - light, 1 + light)
    levels = np.linspace(0.0, 1.0, 256)[:, None] ** gamma * gain
    table = (levels * 255.0).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table[None]), np.uint8)


def _canvas(shape: tuple[int, ...], random: np.random.Generator) -> Image:
    """Return a background of two colours that run into each other, with some grain."""
    height, width = shape
    ends = random.uniform(30, 225, size=(2, 2, 3))
    smooth = cv2.resize(ends, (width, height), interpolation=cv2.INTER_LINEAR)
    grain = random.normal(0, 12, size=(height, width, 1))
    return (smooth + grain).clip(0, 255).astype(np.uint8)


def _before(image: Image, canvas: Image) -> Image:
    """Return the image with the canvas in the place of what is even from its corners inwards."""
    height, width = image.shape[:2]
    mask = np.zeros((height + 2, width + 2), np.uint8)
    tolerance = (_RIM_TOLERANCE,) * 3
    # Compared with the corner, not with the pixel before: shadows lead from wall to garment.
    flags = 4 | (255 << 8) | cv2.FLOODFILL_MASK_ONLY | cv2.FLOODFILL_FIXED_RANGE
    for corner in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
        cv2.floodFill(image.copy(), mask, corner, (0, 0, 0), tolerance, tolerance, flags)
    background = mask[1:-1, 1:-1, None] > 0
    return np.where(background, canvas, image).astype(np.uint8)


def _rim(image: Image) -> NDArray[np.uint8]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
