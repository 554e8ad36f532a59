"""Outfits in attention-weighted subspaces: a trained model, and what it says; runs on NumPy alone.

An item with input x, of category c, is seen beside an item of category c′. With z the input scaled
to mean 0 and deviation 1,

    e_k = W_k z + b_k                              its place in each of n subspaces
    w   = softmax(V relu(U q + u) + v)             the attention on them
    f(x, c, c′) = Σ_k w_k e_k / |Σ_k w_k e_k|      its embedding, of unit length

    q = none, w_k = 1/n       "none", the average
    q = z                     "item"
    q = onehot(c)             "first": the first category of the pair (c, c′)
    q = onehot(c), onehot(c′) "both"

and two items go together as well as cos(f(a, c_a, c_b), f(b, c_b, c_a)) = 1 − ½|f_a − f_b|² says.
An outfit's score is the mean of its pairs (Vasileva et al., 2018, arXiv 1803.09196, §3.1).

Projections and attention are those of googleinterns/compatible-product; subspaces weighted by both
categories are from Lin et al., 2020, "Fashion Outfit Complementary Item Retrieval" (CSA-Net, arXiv
1912.08967), by the items themselves from Tan et al., 2019, "Learning Similarity Conditions Without
Explicit Supervision" (SCE-Net, arXiv 1908.08589).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import save

from fashionnet.compatibility.outfit_items import InputKind, OutfitItems
from fashionnet.compatibility.outfit_measures import NO_ITEM
from fashionnet.errors import RequestError
from fashionnet.files import write_whole

Attention = Literal["none", "item", "first", "both"]

MODEL_FILE = "outfits.safetensors"
FORMAT = 1
UNKNOWN = -1
"""The code of a category that the model has not seen: its items get average weights."""

_MAXIMUM_BYTES = 2**28
_PAIRS_AT_ONCE = 8192
_SHORTEST = 1e-12

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SubspaceModel:
    """A trained model.

    Attributes:
        attention: what the weights of the subspaces depend on.
        categories: those that it was trained on; a category's code is its place.
        input: what the items' inputs are.
        network: the fingerprint of the network that the inputs come from.
        weights: float32 arrays. `mean` and `deviation` (D,) of the inputs; `projection/kernel`
            (D, n, S) and `projection/bias` (n, S); unless attention is "none", `hidden/kernel`
            (Q, H), `hidden/bias` (H,), `attention/kernel` (H, n) and `attention/bias` (n,).
    """

    attention: Attention
    categories: tuple[str, ...]
    input: InputKind
    network: str
    weights: Mapping[str, Floats]

    def codes(self, categories: Sequence[str]) -> NDArray[np.intp]:
        """Return the codes (N,) of categories, UNKNOWN for those that it was not trained on."""
        places = {name: place for place, name in enumerate(self.categories)}
        return np.array([places.get(name, UNKNOWN) for name in categories], np.intp)

    def projected(self, inputs: Floats) -> Floats:
        """Return the items' places in each subspace, (N, n, S), from inputs (N, D)."""
        kernel = self.weights["projection/kernel"]
        flat = self._scaled(inputs) @ kernel.reshape(len(kernel), -1)
        return flat.reshape(len(inputs), *kernel.shape[1:]) + self.weights["projection/bias"]

    def attention_weights(
        self, inputs: Floats, own: NDArray[np.intp], other: NDArray[np.intp]
    ) -> Floats:
        """Return the weights of the subspaces, (N, n), each row's sum 1.

        `own` and `other` (N,) are the codes of the item's category and of its partner's.
        """
        even = np.full((len(inputs), self.subspaces), 1 / self.subspaces, np.float32)
        if self.attention == "none":
            return even
        if self.attention == "item":
            known, question = np.ones(len(inputs), bool), self._scaled(inputs)
        else:
            known, question = own != UNKNOWN, self._one_hot(own)
            if self.attention == "both":
                known = known & (other != UNKNOWN)
                question = np.concatenate([question, self._one_hot(other)], axis=1)
        hidden = question @ self.weights["hidden/kernel"] + self.weights["hidden/bias"]
        logits = np.maximum(hidden, 0) @ self.weights["attention/kernel"]
        logits = logits + self.weights["attention/bias"]
        chances = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.where(known[:, None], chances / chances.sum(axis=1, keepdims=True), even)

    @property
    def subspaces(self) -> int:
        """How many there are: n."""
        return int(self.weights["projection/kernel"].shape[1])

    def rounded(self) -> "SubspaceModel":
        """Return the model as it comes back from disk, so that what is measured is what is kept."""
        return self._with({name: _stored(name, array) for name, array in self.weights.items()})

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder: matrices in half precision."""
        about = {
            "format": FORMAT,
            "attention": self.attention,
            "categories": list(self.categories),
            "input": self.input,
            "network": self.network,
        }
        arrays = {name: _stored(name, array) for name, array in self.weights.items()}
        text = json.dumps(about, ensure_ascii=False)
        write_whole(folder / MODEL_FILE, save(arrays, metadata={"fashionnet": text}))

    @classmethod
    def load(cls, folder: Path) -> "SubspaceModel":
        """Read the model of a folder; RequestError for one that is none or is damaged."""
        path = folder / MODEL_FILE
        try:
            if path.stat().st_size > _MAXIMUM_BYTES:
                raise RequestError(f"{path}: larger than any outfit model: train or copy it again")
            with safetensors.safe_open(path, "numpy") as file:
                about = json.loads((file.metadata() or {})["fashionnet"])
                arrays = {name: file.get_tensor(name) for name in list(file.keys())}
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']!r}, expected {FORMAT}")
            model = cls(
                about["attention"],
                tuple(map(str, about["categories"])),
                about["input"],
                str(about["network"]),
                arrays,
            )
            model._check()
        except FileNotFoundError:
            raise RequestError(
                f"outfit model {folder}: holds no {MODEL_FILE}; expected a folder that "
                "train-outfits wrote"
            ) from None
        except OSError as error:
            raise RequestError(f"outfit model {folder}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, IndexError, safetensors.SafetensorError) as error:
            raise RequestError(
                f"outfit model {folder}: damaged ({error!s}): train or copy it again"
            ) from error
        return model._with({name: array.astype(np.float32) for name, array in arrays.items()})

    def _with(self, weights: Mapping[str, NDArray[Any]]) -> "SubspaceModel":
        floats = {name: array.astype(np.float32) for name, array in weights.items()}
        return SubspaceModel(self.attention, self.categories, self.input, self.network, floats)

    def _check(self) -> None:
        if self.attention not in get_args(Attention) or self.input not in get_args(InputKind):
            raise ValueError(f"attention {self.attention!r} on inputs {self.input!r}")
        if self.weights["projection/kernel"].ndim != 3:
            raise ValueError("a projection that is no stack of matrices")
        depth, subspaces, size = self.weights["projection/kernel"].shape
        expected: dict[str, tuple[int, ...]] = {
            "mean": (depth,),
            "deviation": (depth,),
            "projection/kernel": (depth, subspaces, size),
            "projection/bias": (subspaces, size),
        }
        if self.attention != "none":
            count = len(self.categories)
            asked = {"item": depth, "first": count, "both": 2 * count}[self.attention]
            units = self.weights["hidden/bias"].shape[0]
            expected |= {
                "hidden/kernel": (asked, units),
                "hidden/bias": (units,),
                "attention/kernel": (units, subspaces),
                "attention/bias": (subspaces,),
            }
        found = {name: array.shape for name, array in self.weights.items()}
        if found != expected:
            raise ValueError(f"weights of {found}, expected {expected}")
        for name, array in self.weights.items():
            if array.dtype.kind != "f" or not np.isfinite(array).all():
                raise ValueError(f"{name} holds what is no number")

    def _scaled(self, inputs: Floats) -> Floats:
        return (inputs - self.weights["mean"]) / self.weights["deviation"]

    def _one_hot(self, codes: NDArray[np.intp]) -> Floats:
        return (codes[:, None] == np.arange(len(self.categories))).astype(np.float32)


class SubspaceScorer:
    """Scores outfits of some items by a model; what it needs of each item is computed once.

    Raises RequestError where the items' inputs are not those that the model was trained on.
    """

    def __init__(self, model: SubspaceModel, items: OutfitItems) -> None:
        depth = len(model.weights["mean"])
        if items.inputs.shape[1] != depth:
            raise RequestError(
                f"items of {items.inputs.shape[1]} inputs, the outfit model takes {depth}: use "
                "the network that it was trained with"
            )
        self.model, self.items = model, items
        self.codes = model.codes(items.categories)

    @cached_property
    def _projected(self) -> Floats:
        return self.model.projected(self.items.inputs)

    def pair_scores(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> Floats:
        """Return how well pairs of rows (P,) go together, (P,): a cosine from −1 to 1."""
        scores = np.empty(len(first), np.float32)
        for start in range(0, len(first), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            own, other = first[part], second[part]
            beside = self._embedded(own, self.codes[other])
            scores[part] = np.einsum("ps,ps->p", beside, self._embedded(other, self.codes[own]))
        return scores

    def table(self, first: NDArray[np.intp], second: NDArray[np.intp]) -> Floats:
        """Return how well each of rows (A,), all of one category, goes with each of (B,), too."""
        beside = self._embedded(first, np.full(len(first), self.codes[second[0]]))
        return beside @ self._embedded(second, np.full(len(second), self.codes[first[0]])).T

    def score(self, outfits: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the mean score of each outfit's pairs, (Q,), for rows (Q, L) of items."""
        numbers, first, second = pairs_of(outfits)
        scores = self.pair_scores(first, second)
        sums = np.bincount(numbers, scores, minlength=len(outfits))
        return sums / np.maximum(np.bincount(numbers, minlength=len(outfits)), 1)

    def _embedded(self, rows: NDArray[np.intp], other: NDArray[np.intp]) -> Floats:
        weights = self.model.attention_weights(self.items.inputs[rows], self.codes[rows], other)
        return _mixed(self._projected[rows], weights)


def pairs_of(
    outfits: NDArray[np.intp],
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Return the number of an outfit and two of its rows, (P,) each, for all pairs of all."""
    first, second = np.triu_indices(outfits.shape[1], 1)
    one, two = outfits[:, first], outfits[:, second]
    numbers, places = np.nonzero((one != NO_ITEM) & (two != NO_ITEM))
    return numbers, one[numbers, places], two[numbers, places]


def _mixed(projected: Floats, weights: Floats) -> Floats:
    mixed = np.einsum("nk,nks->ns", weights, projected)
    lengths = np.linalg.norm(mixed, axis=1, keepdims=True)
    return (mixed / np.maximum(lengths, _SHORTEST)).astype(np.float32)


def _stored(name: str, array: NDArray[Any]) -> NDArray[Any]:
    return array.astype(np.float16 if name.endswith("/kernel") else np.float32)
