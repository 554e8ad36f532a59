"""A trained complete-the-look model: scenes and products in one space, computed without Keras.

Kang et al., 2019, "Complete the Look: Scene-based Complementary Product Recommendation" (arXiv
1812.01748), §4. With v a picture's pooled features and m_i those of region i of a scene,

    f_s = g(v_s), f_p = g(v_p), f_i = g_l(m_i), h_i = g_a(m_i)       style embeddings
    a_i = softmax_i(-|h_i - e_c|²)                                   attention, guided by category c
    d_global = |f_s - f_p|²,  d_local = Σ_i a_i |f_i - f_p|²,  d_hybrid = (d_global + d_local) / 2

where g, g_l and g_a are two dense layers with batch normalisation and ReLU between them and
unit-length outputs. The embedding e_c of a category is learned (the paper), or it is g_a of the
category's average picture (`attention = "picture"`, after the seed's tutorial); the tutorial also
leaves out the minus before the softmax (`sign = 1`).

Since all f have unit length, each distance is 2 - q·f_p with a query q of the scene and category
alone: 2 f_s, 2 Σ_i a_i f_i, or f_s + Σ_i a_i f_i. To rank products is one matrix product.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load, save

from fashionnet.compatibility.look_experiment import KerasNetwork
from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.photos import fingerprint

LOOK_FILE, WEIGHTS_FILE = "look.json", "weights.safetensors"
FORMAT = 1
DISTANCES = ("global", "local", "hybrid")
SCENES, PRODUCTS = ("whole", "top"), ("whole", "cloth")
NETWORKS = ("global", "local", "attention")
"""g, g_l and g_a."""
NETWORK = "network"

_LARGEST_WEIGHTS = 512 * 2**20

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Features:
    """What a backbone sees of N pictures.

    Attributes:
        pooled: (N, W), each of unit length.
        regions: (N, R, V), row by row from the upper left.
    """

    pooled: NDArray[np.floating]
    regions: NDArray[np.floating]

    def __len__(self) -> int:
        return len(self.pooled)

    def take(self, rows: NDArray[np.intp]) -> "Features":
        """Return those of some pictures."""
        return Features(self.pooled[rows], self.regions[rows])


@dataclass(frozen=True)
class Views:
    """What of a photo a model was trained to see.

    Attributes:
        scene: `whole`, or the `top` that a person wears, cut out.
        product: `whole`, or a window of its `cloth`.
    """

    scene: str = "whole"
    product: str = "whole"


@dataclass(frozen=True, eq=False)
class LookModel:
    """A look model's weights and how they are to be used.

    Attributes:
        backbone: the fingerprint of the network whose features it takes.
        categories: those it was trained on.
        distance: `global`, `local` or `hybrid`.
        sign: what the squared distance is multiplied by before the softmax: -1 or 1.
        views: what it sees of photos.
        weights: float32 arrays: `global/hidden/kernel` (W, H), `global/hidden/bias`,
            `global/output/kernel` (H, D), `global/output/bias`, the same of `local` and
            `attention` with V in the place of W, and `categories` (C, D).
        network: the network of keras.applications that it is, None for a model folder's.
    """

    backbone: str
    categories: tuple[str, ...]
    distance: str
    sign: int
    views: Views
    weights: Mapping[str, Array]
    network: KerasNetwork | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with anything of the model."""
        return fingerprint(self._document().encode() + self._stored())[:16]

    def products(self, pooled: NDArray[np.floating]) -> Array:
        """Return products' embeddings, float32 (P, D) of unit length, from (P, W)."""
        return self._embed("global", pooled)

    def queries(self, scenes: Features, category: str) -> tuple[Array, Array]:
        """Return for S scenes what products are multiplied by, and where the scenes were looked at.

        Queries are float32 (S, D), attention (S, R), each row of it adding up to 1. The distance
        of a product p is 2 - q·f_p, from 0 to 4.
        """
        whole = self._embed("global", scenes.pooled)
        if self.distance == "global":
            # All of the scene counts alike.
            even = np.full(scenes.regions.shape[:2], 1 / scenes.regions.shape[1])
            return 2 * whole, even.astype(np.float32)
        attention = self.attention(scenes.regions, category)
        regions = self._embed("local", scenes.regions)
        local = np.einsum("sr,srd->sd", attention, regions)
        queries = 2 * local if self.distance == "local" else whole + local
        return queries.astype(np.float32), attention

    def attention(self, regions: NDArray[np.floating], category: str) -> Array:
        """Return the attention to regions, float32 (S, R), of (S, R, V)."""
        points = self._embed("attention", regions)
        squares = ((points - self.category_point(category)) ** 2).sum(axis=-1)
        logits = self.sign * squares
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float32)

    def category_point(self, category: str) -> Array:
        """Return e_c, float32 (D,); for a category that was not trained on, the mean of all.

        Case does not matter, and of "Apparel|Shoes" the last part is enough.
        """
        known = self.category_named(category)
        if known is None:
            return np.asarray(self.weights["categories"].mean(axis=0), np.float32)
        return self.weights["categories"][self.categories.index(known)]

    def category_named(self, category: str) -> str | None:
        """Return the category as it was trained on, None where it was not."""
        wanted = category.strip().casefold()
        for name in self.categories:
            if wanted in (name.casefold(), name.rpartition("|")[2].casefold()):
                return name
        return None

    def _embed(self, network: str, points: NDArray[np.floating]) -> Array:
        hidden = points.astype(np.float32) @ self.weights[f"{network}/hidden/kernel"]
        hidden = np.maximum(hidden + self.weights[f"{network}/hidden/bias"], 0)
        output = hidden @ self.weights[f"{network}/output/kernel"]
        output = output + self.weights[f"{network}/output/bias"]
        lengths = np.linalg.norm(output, axis=-1, keepdims=True)
        return np.asarray(output / np.maximum(lengths, 1e-6), np.float32)

    def save(self, folder: Path) -> None:
        """Write the model into an existing folder; weights in half precision."""
        write_whole(folder / WEIGHTS_FILE, self._stored())
        write_whole(folder / LOOK_FILE, self._document().encode())

    @classmethod
    def load(cls, folder: Path) -> "LookModel":
        """Read a folder that `save` wrote; RequestError for anything else."""
        try:
            document = json.loads((folder / LOOK_FILE).read_text(encoding="utf-8"))
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r}, expected {FORMAT}")
            if (folder / WEIGHTS_FILE).stat().st_size > _LARGEST_WEIGHTS:
                raise ValueError(f"{WEIGHTS_FILE} is too large")
            stored = load((folder / WEIGHTS_FILE).read_bytes())
            model = cls(
                str(document["backbone"]),
                tuple(str(name) for name in document["categories"]),
                str(document["distance"]),
                int(document["sign"]),
                Views(str(document["scene"]), str(document["product"])),
                {name: array.astype(np.float32) for name, array in stored.items()},
                _network_of(document),
            )
            model._check()
        except FileNotFoundError as error:
            missing = Path(error.filename or LOOK_FILE).name
            raise RequestError(
                f"look model {folder}: {missing} is missing; expected a folder that train-look "
                "wrote"
            ) from error
        except OSError as error:
            raise RequestError(f"look model {folder}: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, safetensors.SafetensorError) as error:
            raise RequestError(
                f"look model {folder}: damaged ({error!s}); train or copy it again"
            ) from error
        return model

    def rounded(self) -> "LookModel":
        """Return the model as it comes back from disk, so that what is measured is what is kept."""
        weights = {
            name: a.astype(np.float16).astype(np.float32) for name, a in self.weights.items()
        }
        return replace(self, weights=weights)

    def _check(self) -> None:
        choices = (
            (self.distance, DISTANCES),
            (self.sign, (-1, 1)),
            (self.views.scene, SCENES),
            (self.views.product, PRODUCTS),
        )
        for value, known in choices:
            if value not in known:
                raise ValueError(f"{value!r} is none of {known}")
        widths = {name: len(self.weights[f"{name}/hidden/kernel"]) for name in NETWORKS}
        if widths["local"] != widths["attention"]:
            raise ValueError("regions are of two widths")
        size = self.weights["global/output/kernel"].shape[1]
        for network in NETWORKS:
            units = self.weights[f"{network}/hidden/kernel"].shape[1]
            expected = {
                "hidden/kernel": (widths[network], units),
                "hidden/bias": (units,),
                "output/kernel": (units, size),
                "output/bias": (size,),
            }
            for name, shape in expected.items():
                if self.weights[f"{network}/{name}"].shape != shape:
                    raise ValueError(f"weight {network}/{name} is not {shape}")
        if self.weights["categories"].shape != (len(self.categories), size):
            raise ValueError("categories and their embeddings differ in number")
        if not all(np.isfinite(array).all() for array in self.weights.values()):
            raise ValueError("a weight is not a number")

    def _stored(self) -> bytes:
        halves = {name: self.weights[name].astype(np.float16) for name in sorted(self.weights)}
        return bytes(save(halves))

    def _document(self) -> str:
        document: dict[str, Any] = {
            "format": FORMAT,
            "backbone": self.backbone,
            "categories": list(self.categories),
            "distance": self.distance,
            "sign": self.sign,
            "scene": self.views.scene,
            "product": self.views.product,
        }
        if self.network:
            document[NETWORK] = self.network.model_dump()
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _network_of(document: Mapping[str, Any]) -> KerasNetwork | None:
    named = document.get(NETWORK)
    return None if named is None else KerasNetwork.model_validate(named)
