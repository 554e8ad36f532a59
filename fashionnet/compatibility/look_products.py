"""The products of a repository in the space of a look model: computed once, kept beside it."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fashionnet.compatibility.look_features import Backbone
from fashionnet.compatibility.look_model import LookModel
from fashionnet.compatibility.worn import find_figure
from fashionnet.compatibility.worn_cuts import cut_cloth, spread_cloth
from fashionnet.errors import RequestError
from fashionnet.photos import Image, UnreadablePhotoError, decode, read_ahead, read_bytes
from fashionnet.repository.kept_embeddings import kept_embeddings
from fashionnet.repository.store import Repository

_CATEGORY_WORDS = ("category", "type")
_MOST_NAMED = 40
_EMBEDDED_AT_ONCE = 8192


@dataclass(frozen=True, eq=False)
class LookProducts:
    """N items of a repository, relevant or not, as a look model sees them.

    Attributes:
        ids: their names, ordered.
        embeddings: float32 (N, D), unit length; zero where the photo could not be read or shows
            nothing of what the model sees.
        seen: bool (N,), whether there is an embedding.
    """

    ids: list[str]
    embeddings: NDArray[np.float32]
    seen: NDArray[np.bool_]

    def nearest(
        self, query: NDArray[np.float32], rows: NDArray[np.intp], top: int
    ) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Return the best of some rows for a query (D,), and their distances, nearest first.

        One matrix product; equal distances are ordered by id.
        """
        scores = (self.embeddings @ query)[rows]
        if top < len(rows):
            cut = np.partition(scores, len(rows) - top)[len(rows) - top]
            chosen = np.flatnonzero(scores >= cut)
        else:
            chosen = np.arange(len(rows))
        chosen = chosen[np.argsort(-scores[chosen], kind="stable")[:top]]
        return rows[chosen], 2 - scores[chosen]


def look_products(
    repository: Repository,
    look: LookModel,
    backbone: Callable[[], Backbone],
    advance: Callable[[int], None] = lambda count: None,
    only: Collection[str] | None = None,
) -> LookProducts:
    """Return a repository's products, or `only` those of some ids.

    Items that were not seen before are computed.

    Embeddings are kept in the repository's folder, or where that cannot be written or is not on
    this machine in the user's cache, under the look model's fingerprint and each photo's.
    `backbone` is called only where photos must be read. A model that sees whole products with the
    features of a model folder takes the repository's own embeddings: those must come from that
    folder, else RequestError. `advance` is called with how many more
    products are computed.
    """
    table = repository.present(["_sha256"])
    if only is not None:
        table = table.filter(pc.is_in(table["id"], pa.array(only, pa.string())))
    ids = table["id"].to_pylist()
    keys = np.array(table["_sha256"].to_pylist(), "S64")
    found = kept_embeddings(
        repository,
        f"look-{look.fingerprint}",
        look.weights["categories"].shape[1],
        ids,
        keys,
        lambda names: _computed(repository, look, backbone, names, advance),
    )
    return LookProducts(ids, found, np.asarray(found.any(axis=1)))


def ids_of_category(
    repository: Repository, category: str, column: str | None
) -> tuple[str, list[str]]:
    """Return the column that a category is a value of, and the ids of its items, ordered.

    Without a column, those whose names speak of a category or a type are tried in their order.
    Case does not matter. Raises RequestError for an empty category, and for unknown columns and
    categories, naming those known.
    """
    if not category.strip():
        raise RequestError("the category is empty: name one, such as --category shoes")
    names = repository.columns
    if column is not None and column not in names:
        raise RequestError(f"{repository.path}: no column {column}: it has {', '.join(names)}")
    columns = [column] if column is not None else category_columns(names)
    if not columns:
        raise RequestError(
            f"{repository.path}: no column that is named like a category: name one with "
            f"--category-column; it has {', '.join(names)}"
        )
    table = repository.present(columns)
    wanted = category.strip().casefold()
    for name in columns:
        values = [str(value).casefold() for value in table[name].to_pylist()]
        rows = np.flatnonzero(np.array(values, object) == wanted)
        if len(rows):
            return name, table["id"].take(pa.array(rows)).to_pylist()
    known = sorted({str(v) for name in columns for v in table[name].to_pylist() if v is not None})
    listed = ", ".join(known[:_MOST_NAMED]) + (", ..." if len(known) > _MOST_NAMED else "")
    raise RequestError(
        f"{repository.path}: no item of category {category!r} in {', '.join(columns)}; known: "
        f"{listed}"
    )


def shared_categories(repository: Repository, ids: Sequence[str]) -> list[str]:
    """Return the categories that all of some items have, as all jeans of a shop are bottoms."""
    columns = category_columns(repository.columns)
    table = repository.present(columns)
    table = table.filter(pc.is_in(table["id"], pa.array(ids, pa.string())))
    values = [pc.unique(table[name]).to_pylist() for name in columns]
    return [str(only[0]) for only in values if len(only) == 1 and only[0] is not None]


def product_view(image: Image, view: str) -> Image:
    """Return what a look model sees of a product's photo: `whole`, or a window of its `cloth`.

    Raises UnreadablePhotoError for a photo on which no cloth is found.
    """
    if view == "whole":
        return image
    frame, figure = find_figure(image)
    # A shirt above trousers has more windows that hold nothing else, but not the middle.
    cloth = cut_cloth(frame, figure, central=True)
    if cloth is None:
        raise UnreadablePhotoError("no cloth is seen on it")
    return spread_cloth(cloth)


def category_columns(names: Sequence[str]) -> list[str]:
    """Return the columns that are named like a category, the finest first, as shops name them."""
    found = [n for n in names if any(word in n.casefold() for word in _CATEGORY_WORDS)]
    return sorted(found, key=lambda n: ("master" in n.casefold(), "sub" in n.casefold()))


def _computed(
    repository: Repository,
    look: LookModel,
    backbone: Callable[[], Backbone],
    names: list[str],
    advance: Callable[[int], None],
) -> NDArray[np.float32]:
    """Return embeddings of items, (N, D); zero where a photo could not be read."""
    if look.views.product == "whole" and look.network is None:
        if repository.model_fingerprint != look.backbone:
            raise RequestError(
                f"{repository.path}: built with model {repository.model_fingerprint}, the look "
                f"model was trained on {look.backbone}: build the repository with that one"
            )
        parts = []
        for start in range(0, len(names), _EMBEDDED_AT_ONCE):
            some = names[start : start + _EMBEDDED_AT_ONCE]
            parts.append(look.products(repository.named(some).vectors.embeddings))
            advance(len(some))
        return np.concatenate(parts)
    photos = repository.named(names).photos
    readable: list[int] = []

    def images() -> Iterator[Image]:
        reading = read_ahead(
            range(len(photos)),
            lambda row: product_view(decode(read_bytes(Path(photos[row]))), look.views.product),
        )
        for row, pending in reading:
            advance(1)
            with suppress(UnreadablePhotoError):
                image = pending.result()
                readable.append(row)
                yield image

    pooled = [seen[0] for seen in backbone().run(images())]
    size = look.weights["categories"].shape[1]
    embeddings = np.zeros((len(names), size), np.float32)
    if pooled:
        embeddings[readable] = look.products(np.stack(pooled))
    return embeddings
