"""Find what looks alike: search by picture, and walks towards a class."""

from fashionnet.similarity.neighbours import Similar, most_similar
from fashionnet.similarity.shifts import Shift, shifted

__all__ = ["Shift", "Similar", "most_similar", "shifted"]
