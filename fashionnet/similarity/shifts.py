"""Walk from a photo towards a class: like this, with stripes.

A repository knows the class probabilities P (N, C) and the embeddings X (N, E) of its items. The
least-squares solution W (C, E) of X = P W gives each class a place in the space of embeddings, with
the other attributes held fixed. A shift of strength s towards class c takes a photo with embedding
q and probabilities p_k of the attribute's classes k to

    q + s (W_c - Σ_k p_k W_k)

brought back to unit length: away from the photo's own class, towards the other. Strength 1 is the
mean way between the two; more brings items that have the class more surely and resemble the photo
less. A photo that has the class already hardly moves.

A strength below 0 walks away from the class, to the others of its attribute:

    q + s (W_c - Σ_k≠c r_k W_k)

where r_k is p_k + 0.01, brought to sum to one: towards the classes that the photo might be as
well, or in equal parts towards all where the network has no doubt.

benchmarks/similarity.py compares this with the difference of class means and with the normal of a
linear classifier (docs/similarity.md has the figures): up to strength 2 it keeps the photo's other
attributes as well as the normal does and better than the means do, and needs no labels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.schema import Schema
from fashionnet.similarity.colours import COLOUR, colour_named
from fashionnet.vectors import FashionVectors

DEFAULT_STRENGTH = 1.5
MAXIMUM_STRENGTH = 10.0

_RIDGE = 1e-6
_DOUBT = 0.01


@dataclass(frozen=True)
class Shift:
    """How far to walk towards a class or a colour; a strength below 0 walks away from it.

    >>> Shift.parse("pattern=striped:1.5", Schema.default())
    Shift(attribute='pattern', class_name='striped', strength=1.5)
    """

    attribute: str
    class_name: str
    strength: float

    @classmethod
    def parse(cls, text: str, schema: Schema) -> "Shift":
        """Read ATTRIBUTE=CLASS or ATTRIBUTE=CLASS:STRENGTH; RequestError says what is wrong.

        The attribute is one of the schema's, or `colour`, whose classes are the named colours.
        """
        name, equals, rest = text.partition("=")
        if not equals:
            raise RequestError(
                f"--shift {text}: expected ATTRIBUTE=CLASS:STRENGTH, as in pattern=striped:1.5"
            )
        name, class_name, number = name.strip(), rest.strip(), str(DEFAULT_STRENGTH)
        is_colour = name == COLOUR and name not in schema.names
        # A class may have a colon in its own name.
        if ":" in class_name and (is_colour or class_name not in schema[name].classes):
            class_name, _, number = class_name.rpartition(":")
        if is_colour:
            class_name = colour_named(class_name)
        else:
            schema[name].code(class_name)
        try:
            strength = float(number)
        except ValueError:
            strength = math.nan
        if not abs(strength) <= MAXIMUM_STRENGTH:
            raise RequestError(
                f"--shift {text}: strength is {number!r}: expected a number from "
                f"-{MAXIMUM_STRENGTH:g} to {MAXIMUM_STRENGTH:g}"
            )
        return cls(name, class_name, strength)

    def __str__(self) -> str:
        return f"{self.attribute}={self.class_name}:{self.strength:g}"


def class_places(vectors: FashionVectors) -> NDArray[np.float64]:
    """Return W, float64 (C, E): the least-squares solution of X = P W over N items.

    Memory beyond the items' own is C×(C+E). A class that no item shows gets no place of its own:
    its row is close to zero.
    """
    probabilities = vectors.probabilities.astype(np.float64)
    gram = probabilities.T @ probabilities
    # The classes of each attribute sum to one, so that the equations determine differences only.
    gram += _RIDGE * max(len(vectors), 1) * np.eye(len(gram))
    products = (vectors.probabilities.T @ vectors.embeddings).astype(np.float64)
    return np.linalg.solve(gram, products).astype(np.float64)


def shifted(
    query: FashionVectors,
    items: FashionVectors,
    shifts: Sequence[Shift],
    places: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Return float32 (E,): the embedding of one photo after shifts, of unit length.

    `items` are those of the repository, which say where the classes lie; `places` are their
    `class_places`, for who keeps them from one query to the next. Raises RequestError for a class
    that none of them has.
    """
    if not shifts:
        return query.embeddings[0]
    for shift in shifts:
        code = items.schema[shift.attribute].code(shift.class_name)
        column = items.schema.names.index(shift.attribute)
        if not (items.codes[:, column] == code).any():
            raise RequestError(
                f"{shift}: no item of the repository is {shift.class_name}: there is nothing to "
                "walk towards"
            )
    return walked(query, class_places(items) if places is None else places, shifts)


def walked(
    query: FashionVectors, places: NDArray[np.float64], shifts: Sequence[Shift]
) -> NDArray[np.float32]:
    """Return float32 (E,): what `shifted` does, with the places W (C, E) of the classes given."""
    embedding = query.embeddings[0].astype(np.float64)
    for shift in shifts:
        part = query.schema.slices[shift.attribute]
        shares = query.probabilities[0, part].astype(np.float64)
        code = query.schema[shift.attribute].code(shift.class_name)
        if shift.strength < 0:
            shares = _of_others(shares, code)
        embedding += shift.strength * (places[part][code] - shares @ places[part])
    length = np.linalg.norm(embedding)
    if not length > 0:
        raise RequestError("these shifts cancel the photo out: use smaller strengths")
    return (embedding / length).astype(np.float32)


def _of_others(shares: NDArray[np.float64], code: int) -> NDArray[np.float64]:
    """Return how an attribute's other classes share what one of them is to lose."""
    others = shares + _DOUBT
    others[code] = 0
    return others / max(others.sum(), _DOUBT)
