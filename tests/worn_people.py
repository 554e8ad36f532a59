"""Flat drawings of dressed people, as plain as a test needs."""

import cv2
import numpy as np
from PIL import Image as pillow

SKIN, HAIR = (224, 172, 140), (40, 30, 26)
HAIRS = (HAIR, (240, 220, 90), (20, 120, 20), (120, 20, 160), (20, 140, 200))
MORE_HAIRS = (*HAIRS, (230, 230, 230), (200, 20, 60), (20, 220, 220), (90, 90, 90), (140, 220, 20))


def draw_person(top=(200, 30, 40), bottom=(40, 60, 120), waist=150, skin=SKIN, hair=HAIR):
    """A person before white, uint8 (224, 224, 3), with bare arms and a gap between the legs."""
    image = np.full((224, 224, 3), 255, np.uint8)
    middle = 112
    cv2.rectangle(image, (middle - 38, 70), (middle + 38, waist), top, -1)
    cv2.rectangle(image, (middle - 34, waist), (middle + 34, 223), bottom, -1)
    cv2.ellipse(image, (middle, 214), (5, 12), 0, 0, 360, (255, 255, 255), -1)
    for side in (-46, 46):
        cv2.rectangle(image, (middle + side - 6, 90), (middle + side + 6, 200), skin, -1)
    cv2.ellipse(image, (middle, 40), (18, 26), 0, 0, 360, hair, -1)
    cv2.ellipse(image, (middle, 48), (15, 20), 0, 0, 360, skin, -1)
    cv2.rectangle(image, (middle - 8, 60), (middle + 8, 74), skin, -1)
    return image


def write_people(folder, count, seed=0, hairs=HAIRS):
    """Write photos of some people in turn, each with other hair; returns their paths by id."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    photos = {}
    for number in range(count):
        kind = number % len(hairs)
        photos[f"p{number}"] = folder / f"p{number}.jpg"
        image = draw_person(
            tuple(int(value) for value in (200, *random.integers(0, 60, 2))),
            (30, 50, int(random.integers(90, 160))),
            150 + kind % 5,
            hair=hairs[kind],
        )
        pillow.fromarray(image).save(photos[f"p{number}"], quality=95)
    return photos
