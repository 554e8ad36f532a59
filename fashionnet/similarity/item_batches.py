"""Batches of some pictures each of some items."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
from numpy.typing import NDArray

from fashionnet.photos import READING_THREADS
from fashionnet.similarity.experiment import EmbeddingExperiment
from fashionnet.similarity.item_pictures import ItemPictures
from fashionnet.similarity.picture_features import View


class ItemBatches(keras.utils.PyDataset):
    """Batches whose order and views hang on the seed and the epoch's number only.

    Every item is in an epoch once, but for the rest of a last batch that would hold one item.
    Where an item has fewer pictures than are wanted of it, augmented views are its others.
    """

    def __init__(
        self,
        part: ItemPictures,
        experiment: EmbeddingExperiment,
        read: Callable[[View], NDArray[np.generic]],
    ) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(READING_THREADS)
        self._part, self._batch = part, experiment.batch
        self._views, self._seed, self._read = experiment.augmentation.views, experiment.seed, read
        _, self._labels = np.unique(part.labels, return_inverse=True)
        order = np.argsort(self._labels, kind="stable")
        self._rows = np.split(order, np.cumsum(np.bincount(self._labels))[:-1])
        self.start_epoch(0)

    def start_epoch(self, epoch: int) -> None:
        """Deal the items out anew."""
        self._random_seed = [self._seed, epoch]
        self._order = np.random.default_rng(self._random_seed).permutation(len(self._rows))

    def __len__(self) -> int:
        # A rest of one item would have nothing to be told from.
        return max(1, (len(self._rows) + 1) // self._batch.items)

    def __getitem__(self, number: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        random = np.random.default_rng([*self._random_seed, number])
        items = self._order[number * self._batch.items : (number + 1) * self._batch.items]
        views: list[View] = []
        labels = []
        for item in items:
            rows = random.permutation(self._rows[item])[: self._batch.pictures]
            rows = np.resize(rows, self._batch.pictures)
            numbers = self._numbers(len(rows), random)
            views += [
                (self._part.pictures[row], view)
                for row, view in zip(rows.tolist(), numbers, strict=True)
            ]
            labels += [item] * len(rows)
        inputs = np.stack(list(self._threads.map(self._read, views)))
        return inputs.astype(np.float32), np.array(labels, np.int32)

    def _numbers(self, count: int, random: np.random.Generator) -> list[int]:
        """Return numbers of views, different ones as far as there are so many."""
        return np.resize(random.permutation(self._views)[:count], count).tolist()
