"""Views of a photo that keep its labels true: what training sees in place of one fixed picture."""

import cv2
import numpy as np

from fashionnet.photos import Image, fingerprint

ROTATION_DEGREES = 8.0
SMALLEST_CROP = 0.82
LIGHT = 0.25
TINT = 0.08


def views_fingerprint() -> str:
    """Return 8 hexadecimal digits that change with how views are drawn."""
    return fingerprint(repr((ROTATION_DEGREES, SMALLEST_CROP, LIGHT, TINT)).encode())[:8]


def draw_view(image: Image, view: int, seed: int) -> Image:
    """Return one view of an image, of the same size.

    View 0 is the image as it is. The others are cropped, turned by a few degrees and lit
    differently; the odd ones are mirrored too. The same image size, view and seed give the
    same change, whatever was drawn before.
    """
    if view == 0:
        return image
    random = np.random.default_rng([seed, view])
    height, width = image.shape[:2]
    scale = 1.0 / random.uniform(SMALLEST_CROP, 1.0)
    angle = random.uniform(-ROTATION_DEGREES, ROTATION_DEGREES)
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    slack = (scale - 1.0) / 2
    turn[0, 2] += random.uniform(-slack, slack) * width
    turn[1, 2] += random.uniform(-slack, slack) * height
    if view % 2:
        turn = turn @ np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    moved = cv2.warpAffine(
        image, turn, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    gain = random.uniform(1 - LIGHT, 1 + LIGHT) * random.uniform(1 - TINT, 1 + TINT, size=3)
    gamma = random.uniform(1 - LIGHT, 1 + LIGHT)
    levels = np.linspace(0.0, 1.0, 256)[:, None] ** gamma * gain
    table = (levels * 255.0).clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(moved, table[None]), np.uint8)
