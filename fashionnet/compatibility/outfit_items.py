"""What an outfit model takes of items: colours and Fashion Vectors, or the picture's embedding."""

import hashlib
import io
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.files import cache_folder, write_whole
from fashionnet.locations import location
from fashionnet.photos import read_ahead
from fashionnet.similarity.by_colour import read_colours
from fashionnet.similarity.colours import NAMED_COLOURS, SIDE
from fashionnet.vectors import FashionVectors

if TYPE_CHECKING:
    from fashionnet.repository.store import Items

InputKind = Literal["features", "picture"]
"""`features`: probabilities and garment colours; `picture`: the embedding."""

_WRITE_EVERY = 20_000


@dataclass(frozen=True, eq=False)
class OutfitItems:
    """N items that can be in an outfit.

    Attributes:
        ids: their names.
        categories: the category of each.
        inputs: float32 (N, D).
    """

    ids: Sequence[str]
    categories: Sequence[str]
    inputs: NDArray[np.float32]

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each item."""
        return {name: row for row, name in enumerate(self.ids)}


def item_inputs(
    items: "Items", kind: InputKind, advance: Callable[[int], None] = lambda count: None
) -> NDArray[np.float32]:
    """Return the inputs of a repository's items, float32 (N, D).

    `features` are the probabilities of all classes, then the share of the garment that each of
    `NAMED_COLOURS` covers, read off the photos; a photo that cannot be read has none. `advance` is
    called with 1 for each photo whose colours are known.
    """
    if kind == "picture":
        advance(len(items))
        return inputs_of(kind, items.vectors, [])
    return inputs_of(kind, items.vectors, _colours_of(items, advance))


def inputs_of(
    kind: InputKind, vectors: FashionVectors, colours: Sequence[Mapping[str, float]]
) -> NDArray[np.float32]:
    """Return the inputs (N, D) of described photos; `features` take their garments' colours too."""
    if kind == "picture":
        return vectors.embeddings
    shares = [[found.get(name, 0.0) for name in NAMED_COLOURS] for found in colours]
    table = np.array(shares, np.float32).reshape(len(vectors), len(NAMED_COLOURS))
    return np.concatenate([vectors.probabilities, table], axis=1)


def _colours_of(items: "Items", advance: Callable[[int], None]) -> list[Mapping[str, float]]:
    """Return the named colours of each item's garment.

    What was read once is kept in this user's cache, by the photos' content.
    """
    path = _cache_of(items)
    known = _read_cache(path)
    missing = [row for row, key in enumerate(items.fingerprints) if key not in known]
    advance(len(items) - len(missing))
    photos = [location(items.photos[row]) for row in missing]
    for done, (row, (_, pending)) in enumerate(
        zip(missing, read_ahead(photos, read_colours), strict=True), start=1
    ):
        known[str(items.fingerprints[row])] = pending.result()
        advance(1)
        if done % _WRITE_EVERY == 0 or done == len(missing):
            _write_cache(path, known)
    return [known[key] for key in items.fingerprints]


def _cache_of(items: "Items") -> Path:
    """Return the file of colours for the catalogue that items come from."""
    place = str(location(items.photos[0]).parent) if len(items) else ""
    # Other shades would give other shares.
    text = f"{place} {SIDE} {NAMED_COLOURS}"
    name = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]
    return cache_folder() / "colours" / f"{name}.npz"


def _read_cache(path: Path) -> dict[str, Mapping[str, float]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            keys, shares = file["photos"], file["shares"]
        if shares.shape == (len(keys), len(NAMED_COLOURS)):
            rows = (dict(zip(NAMED_COLOURS, row, strict=True)) for row in shares.tolist())
            return dict(zip(keys.tolist(), rows, strict=True))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass
    return {}


def _write_cache(path: Path, known: Mapping[str, Mapping[str, float]]) -> None:
    data = io.BytesIO()
    rows = [[found.get(name, 0.0) for name in NAMED_COLOURS] for found in known.values()]
    shares = np.array(rows, np.float32).reshape(len(rows), len(NAMED_COLOURS))
    np.savez_compressed(data, photos=np.array(list(known), "U64"), shares=shares)
    # What cannot be kept is read again the next time.
    with suppress(OSError, RequestError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data.getvalue())
