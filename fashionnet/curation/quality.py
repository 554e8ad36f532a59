"""How sharp, how light and how varied an image is."""

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.photos import Image

_BLUR_TAPS = 9


def blur(image: Image) -> float:
    """Return how blurred an image is, from 0 (sharp) to 1.

    An image that is sharp loses much of the difference between neighbouring pixels when it is
    blurred again, one that is blurred already loses little. With D the sum of those differences
    and V the sum of what they lose under a mean of 9 pixels, blur is (D − V) / D, the larger of
    the two directions (Crété-Roffet et al., 2007, "The blur effect: perception and estimation
    with a new no-reference perceptual blur metric"). An image without any difference gives 0.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return max(_blur_along(grey), _blur_along(grey.T))


def _blur_along(grey: NDArray[np.float32]) -> float:
    blurred = cv2.blur(np.ascontiguousarray(grey), (1, _BLUR_TAPS))
    differences = np.abs(np.diff(grey, axis=0))
    lost = np.maximum(differences - np.abs(np.diff(blurred, axis=0)), 0)
    total = float(differences.sum())
    return (total - float(lost.sum())) / total if total else 0.0


def light(image: Image) -> float:
    """Return how light the lightest hundredth of an image is at least, from 0 (black) to 1."""
    return float(np.percentile(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), 99)) / 255


def spread(image: Image) -> float:
    """Return how far the pixels lie from the image's mean colour: their deviation, 0 to 255."""
    _, deviations = cv2.meanStdDev(image)
    return float(np.sqrt((deviations**2).mean()))
