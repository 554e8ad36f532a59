"""Batches of pairs of items that were worn together, and which items are wrong for which."""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.outfit_data import Outfit
from fashionnet.compatibility.outfit_items import OutfitItems


class PairBatches(keras.utils.PyDataset):
    """Shuffled batches of pairs, each in both directions once an epoch.

    A batch is `anchor` and `positive` (B, D), their categories `anchor_category` and `category` as
    one-hot (B, C), and as target float32 (B, B): 1 where positive j is a negative of anchor i.
    """

    def __init__(
        self,
        items: OutfitItems,
        categories: Sequence[str],
        outfits: Sequence[Outfit],
        batch_size: int,
        seed: int,
    ) -> None:
        super().__init__()
        self._items = items
        places = {name: place for place, name in enumerate(categories)}
        self._codes = np.array([places.get(name, 0) for name in items.categories])
        self._one_hot = np.eye(len(categories), dtype=np.float32)
        pairs, self._worn_with = pairs_of_outfits(items, outfits)
        self._pairs = np.concatenate([pairs, pairs[:, ::-1]])
        self._size = min(batch_size, len(self._pairs))
        self._random = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        # What is left over would be a batch with fewer negatives.
        return len(self._pairs) // self._size

    def __getitem__(
        self, number: int
    ) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.float32]]:
        rows = self._pairs[self._order[number * self._size : (number + 1) * self._size]]
        anchors, positives = rows.T
        batch = {
            "anchor": self._items.inputs[anchors],
            "positive": self._items.inputs[positives],
            "anchor_category": self._one_hot[self._codes[anchors]],
            "category": self._one_hot[self._codes[positives]],
        }
        return batch, self._negatives(anchors, positives).astype(np.float32)

    def on_epoch_end(self) -> None:
        """Shuffle."""
        self._order = self._random.permutation(len(self._pairs))

    def _negatives(
        self, anchors: NDArray[np.intp], positives: NDArray[np.intp]
    ) -> NDArray[np.bool_]:
        categories = self._codes[positives]
        negatives = categories[:, None] == categories[None, :]
        place_of: dict[int, list[int]] = {}
        for place, row in enumerate(positives.tolist()):
            place_of.setdefault(row, []).append(place)
        for place, anchor in enumerate(anchors.tolist()):
            worn = self._worn_with[anchor]
            small, large = sorted((worn, place_of.keys()), key=len)
            for row in small:
                if row in large:
                    negatives[place, place_of[row]] = False
            negatives[place, place_of.get(anchor, [])] = False
        return negatives


def pairs_of_outfits(
    items: OutfitItems, outfits: Sequence[Outfit]
) -> tuple[NDArray[np.intp], dict[int, set[int]]]:
    """Return the pairs of all outfits as rows (P, 2), each once, and what each row is worn with."""
    worn_with: dict[int, set[int]] = {}
    for outfit in outfits:
        rows = [items.rows[item] for item in outfit]
        for row in rows:
            worn_with.setdefault(row, set()).update(other for other in rows if other != row)
    pairs = [(one, two) for one in sorted(worn_with) for two in sorted(worn_with[one]) if one < two]
    return np.array(pairs, np.intp).reshape(-1, 2), worn_with
