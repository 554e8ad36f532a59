"""Find the products of a repository that complete the look of a scene.

>>> from fashionnet.compatibility.complete_look import LookFinder
>>> finder = LookFinder.open(Path("runs/look"))                              # doctest: +SKIP
>>> completed = finder.complete(image, Repository.open("REPO"), "shoes")      # doctest: +SKIP
>>> completed.ids, completed.compatibility                                   # doctest: +SKIP
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fashionnet.compatibility.look_features import REGIONS, Backbone, open_backbone
from fashionnet.compatibility.look_model import Features, LookModel
from fashionnet.compatibility.look_products import (
    LookProducts,
    ids_of_category,
    look_products,
    shared_categories,
)
from fashionnet.compatibility.worn import NotWornError, find_worn
from fashionnet.compatibility.worn_cuts import cut_shape
from fashionnet.errors import RequestError
from fashionnet.photos import Image
from fashionnet.repository.store import Repository

DEFAULT_LOOK = Path(__file__).parents[1] / "models" / "look"
TRAIN_ONE = (
    "train one with `python -m fashionnet train-look pairs.csv`, a table with the columns scene, "
    "product (photos) and category, or with `python -m fashionnet train-look CATALOGUE`, from a "
    "shop's photos of dressed people, and name what it wrote: --look runs/pairs"
)


@dataclass(frozen=True, eq=False)
class CompletedLook:
    """The products that go with a scene, the best first.

    Attributes:
        ids: their names in the repository.
        distances: float32 (K,), of the look model, from 0 to 4.
        attention: float32 (REGIONS, REGIONS), where the scene was looked at; adds up to 1.
        seen: what the model saw of the scene, uint8 (H, W, 3).
        category: what was asked for.
        column: the column of the repository that it is a value of.
        compared: how many products of the category there were.
        notes: what a person should know of how the scene was read.
    """

    ids: list[str]
    distances: NDArray[np.float32]
    attention: NDArray[np.float32]
    seen: Image
    category: str
    column: str
    compared: int
    notes: list[str]

    @property
    def compatibility(self) -> NDArray[np.float32]:
        """float32 (K,): 1 - distance / 4, from 0 to 1."""
        return np.asarray(1 - self.distances / 4, np.float32)

    def overlay(self) -> Image:
        """Return what was seen of the scene with the attention over it: uint8 (H, W, 3)."""
        return attention_overlay(self.seen, self.attention)


class LookFinder:
    """A look model and the network that its features come from, ready for scenes.

    Attributes:
        look: the look model.
    """

    def __init__(self, look: LookModel, network: Path | None = None) -> None:
        """`network` is the model folder that the features come from; by default the shipped one.

        It does not matter for a look model on a network of keras.applications.
        """
        self.look = look
        self._network = network

    @classmethod
    def open(cls, look: Path | None = None, network: Path | None = None) -> "LookFinder":
        """Open a look model's folder, or the one that ships; RequestError where there is none."""
        if look is None and not DEFAULT_LOOK.is_dir():
            raise RequestError(f"no look model ships with FashionNet: {TRAIN_ONE}")
        return cls(LookModel.load(look or DEFAULT_LOOK), network)

    @cached_property
    def backbone(self) -> Backbone:
        """The network, compiled; RequestError where it is not the one trained on."""
        backbone = open_backbone(self.look.network, self._network)
        if backbone.fingerprint != self.look.backbone and self.look.network:
            raise RequestError(
                f"the look model was trained with other weights of {self.look.network.model} than "
                f"this machine has ({self.look.backbone}, {backbone.fingerprint}): train it again"
            )
        if backbone.fingerprint != self.look.backbone:
            raise RequestError(
                f"the look model was trained on features of model {self.look.backbone}, this is "
                f"{backbone.fingerprint}: name that one with --model"
            )
        return backbone

    def products(
        self, repository: Repository, advance: Callable[[int], None] = lambda count: None
    ) -> LookProducts:
        """Return a repository's products; computed once, and again when items came or changed."""
        return look_products(repository, self.look, lambda: self.backbone, advance)

    def complete(
        self,
        scene: Image,
        repository: Repository,
        category: str,
        top: int = 10,
        column: str | None = None,
        products: LookProducts | None = None,
        advance: Callable[[int], None] = lambda count: None,
        among: Collection[str] | None = None,
    ) -> CompletedLook:
        """Return the `top` products of a category that go best with a scene.

        Args:
            scene: uint8 (H, W, 3), RGB, of any size.
            repository: what the products come from; items that show no garment the network
                describes, such as shoes, are among them.
            category: a value of a column of the repository.
            top: how many, 1 or more; fewer are returned where the category has not so many.
            column: of the category; see `ids_of_category`.
            products: what `products` returned, for many scenes in turn; without it, those of the
                category that are new are computed now.
            advance: called with how many more products were computed.
            among: ids of the items to choose from; all without it. Where it holds none of the
                category, none are returned.

        Raises RequestError for an unknown category or column, and where nothing can be shown.
        """
        if top < 1:
            raise RequestError(f"top is {top}: expected 1 or more")
        column, names = ids_of_category(repository, category, column)
        if products is None:
            # The backbone is compiled only if a photo has to be read.
            products = look_products(repository, self.look, lambda: self.backbone, advance, names)
        rows = np.flatnonzero(np.isin(products.ids, names) & products.seen)
        if not len(rows):
            raise RequestError(f"{repository.path}: no photo of category {category} can be read")
        if among is not None:
            chosen_from = set(among)
            rows = np.array([row for row in rows if products.ids[row] in chosen_from], np.intp)
        seen, notes = scene_view(scene, self.look.views.scene)
        if len(rows) < len(names):
            notes.append(
                f"{len(names) - len(rows)} of {len(names)} are left out: their photos cannot be "
                "read or show no cloth"
            )
        pooled, regions = next(self.backbone.run(iter([seen])))
        asked = [category, *shared_categories(repository, names)]
        guide = next((name for name in asked if self.look.category_named(name)), None)
        queries, attention = self.look.queries(
            Features(pooled[None], regions[None]), guide or category
        )
        if guide is None:
            known = ", ".join(self.look.categories)
            notes.append(
                f"the look model was not trained on {category}, only on {known}: take what "
                "follows with care"
            )
        chosen, distances = products.nearest(queries[0], rows, top)
        return CompletedLook(
            ids=[products.ids[row] for row in chosen],
            distances=distances,
            attention=attention[0].reshape(REGIONS, REGIONS),
            seen=seen,
            category=category,
            column=column,
            compared=len(rows),
            notes=notes,
        )


def complete_look(
    scene: Image,
    repository: Repository,
    category: str,
    top: int = 10,
    look: Path | None = None,
    column: str | None = None,
) -> CompletedLook:
    """Return the products of a category that go best with one scene; see `LookFinder.complete`.

    For many scenes keep a `LookFinder`.
    """
    return LookFinder.open(look).complete(scene, repository, category, top, column)


def scene_view(scene: Image, view: str) -> tuple[Image, list[str]]:
    """Return what a look model sees of a scene, and what to say about it.

    For the view `top` that is the top alone; the whole scene where no dressed person is found.
    """
    if view == "whole":
        return scene, []
    try:
        worn = find_worn(scene)
    except NotWornError as error:
        return scene, [f"no person in a top and a bottom was found ({error}): seen whole"]
    return cut_shape(worn.image, worn.top), []


def attention_overlay(image: Image, attention: NDArray[np.float32]) -> Image:
    """Lay attention (R, R) over an image as warm light: uint8 (H, W, 3)."""
    height, width = image.shape[:2]
    strength = attention / max(float(attention.max()), 1e-12)
    smooth = cv2.resize(strength, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    grey = image.mean(axis=2, keepdims=True).repeat(3, axis=2)
    light = 0.55 * smooth[..., None]
    warm = np.array([255, 96, 0], np.float32)
    return (grey * (1 - light) + warm * light).round().astype(np.uint8)
