"""What an outfit model takes of items: colours and Fashion Vectors, or the picture's embedding."""

import hashlib
import io
from collections.abc import Callable, Sequence
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
        return items.vectors.embeddings
    shares = colour_shares(items, advance)
    return np.concatenate([items.vectors.probabilities, shares], axis=1).astype(np.float32)


def colour_shares(items: "Items", advance: Callable[[int], None]) -> NDArray[np.float32]:
    """Return the share of each named colour of each item's garment, float32 (N, 19).

    What was read once is kept in this user's cache, by the photos' content.
    """
    path = _cache_of(items)
    known = _read_cache(path)
    missing = [row for row, key in enumerate(items.fingerprints) if key not in known]
    advance(len(items) - len(missing))
    names = list(NAMED_COLOURS)
    photos = [location(items.photos[row]) for row in missing]
    for done, (row, (_, pending)) in enumerate(
        zip(missing, read_ahead(photos, read_colours), strict=True), start=1
    ):
        found = pending.result()
        shares = [found.get(name, 0.0) for name in names]
        known[str(items.fingerprints[row])] = np.array(shares, np.float16)
        advance(1)
        if done % _WRITE_EVERY == 0 or done == len(missing):
            _write_cache(path, known)
    return np.array([known[key] for key in items.fingerprints], np.float32).reshape(-1, len(names))


def _cache_of(items: "Items") -> Path:
    """Return the file of colours for the catalogue that items come from."""
    place = str(location(items.photos[0]).parent) if len(items) else ""
    # Other shades would give other shares.
    text = f"{place} {SIDE} {NAMED_COLOURS}"
    name = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]
    return cache_folder() / "colours" / f"{name}.npz"


def _read_cache(path: Path) -> dict[str, NDArray[np.floating]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            keys, shares = file["photos"], file["shares"]
        if shares.shape == (len(keys), len(NAMED_COLOURS)):
            return dict(zip(keys.tolist(), shares, strict=True))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        pass
    return {}


def _write_cache(path: Path, known: dict[str, NDArray[np.floating]]) -> None:
    data = io.BytesIO()
    shares = np.array(list(known.values()), np.float16)
    np.savez_compressed(data, photos=np.array(list(known), "U64"), shares=shares)
    # What cannot be kept is read again the next time.
    with suppress(OSError, RequestError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data.getvalue())
