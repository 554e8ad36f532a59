"""Complete the look over HTTP: a photo of a person, a category, the products that go with it."""

import base64
import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image as pillow

from fashionnet.app.background import Background, Say
from fashionnet.app.catalogue_types import CompletedLook, LookCategory, LookFacts, Product
from fashionnet.app.filters import filter_columns, passing
from fashionnet.app.limits import CATEGORIES
from fashionnet.app.shown import items_with
from fashionnet.app.snapshot import Snapshot
from fashionnet.app.types import Column, Filter
from fashionnet.app.uploads import decoded
from fashionnet.compatibility.complete_look import LookFinder
from fashionnet.compatibility.look_products import LookProducts, category_columns
from fashionnet.errors import RequestError
from fashionnet.photos import Image, read_bytes

OVERLAY_SIDE = 640
_SCENE_SIDE = 960


class Looks:
    """Completes looks with a look model, where there is one.

    Products are read once for each state of the repository, in the background, when that is asked
    for.
    """

    def __init__(self, look: Path | None = None, model: Path | None = None) -> None:
        """Open a look model, or the one that ships; RequestError where the one named is none."""
        self._finder: LookFinder | None = None
        self._missing = ""
        self._completing = Lock()
        self._products = Background(self._read)
        try:
            self._finder = LookFinder.open(look, model)
        except RequestError as error:
            if look is not None:
                raise
            self._missing = str(error)

    def why_not(self, snapshot: Snapshot) -> str:
        """Return why no look can be completed; nothing where one can."""
        if self._finder is None:
            return self._missing
        if snapshot.is_sample:
            return (
                "The sample catalogue holds no trousers, shoes or bags. Start with a repository "
                "of your own: `python -m fashionnet serve --repository my.repository`"
            )
        if not category_columns(snapshot.repository.columns):
            return (
                "This repository has no column that is named like a category. Build it with one: "
                "`python build_repository.py --catalogue PHOTOS --metadata items.csv "
                "--repository my.repository`"
            )
        return ""

    def facts(self, snapshot: Snapshot) -> LookFacts:
        """Say what looks can be completed with, and how far the products are."""
        why_not = self.why_not(snapshot)
        return LookFacts(
            why_not=why_not,
            categories=[] if why_not else self._categories(snapshot),
            columns=[] if why_not else _filter_columns(snapshot),
            products=self._products.status(snapshot),
        )

    def start(self, snapshot: Snapshot) -> LookFacts:
        """Begin to read the products, unless that is done or going on."""
        self._require(snapshot)
        self._products.start(snapshot)
        return self.facts(snapshot)

    def complete(
        self,
        snapshot: Snapshot,
        scene: Image,
        category: str,
        column: str | None,
        top: int,
        filters: Sequence[Filter] = (),
    ) -> CompletedLook:
        """Return the products of a category that meet the filters and go best with a scene."""
        finder = self._require(snapshot)
        products = self._products.made(snapshot)
        if products is None:
            self._products.start(snapshot)
            raise RequestError(
                "the products are being read for the first time: GET /complete-look says how far "
                "that is"
            )
        repository = snapshot.repository
        among = _meeting(snapshot, filters) if filters else None
        # The network is compiled by whoever comes first.
        with self._completing:
            found = finder.complete(scene, repository, category, top, column, products, among=among)
        items = repository.named(found.ids)
        snapshot.remember(items)
        shown = items_with(items, repository.metadata(found.ids))
        return CompletedLook(
            items=[
                Product(
                    **item.model_dump(),
                    rank=place + 1,
                    compatibility=round(float(found.compatibility[place]), 4),
                    recommendable=item.id in snapshot.row_of,
                )
                for place, item in enumerate(shown)
            ],
            category=found.category,
            column=found.column,
            total=found.compared,
            notes=found.notes,
            attention=found.attention.astype(float).round(5).tolist(),
            overlay=_jpeg(found.overlay()),
        )

    def _require(self, snapshot: Snapshot) -> LookFinder:
        why_not = self.why_not(snapshot)
        if why_not or self._finder is None:
            raise RequestError(why_not)
        return self._finder

    def _read(self, snapshot: Snapshot, say: Say) -> LookProducts:
        total, done = len(snapshot.repository), 0
        say("reading products", 0, total)

        def advance(count: int) -> None:
            nonlocal done
            done += count
            say("reading products", done, total)

        return self._require(snapshot).products(snapshot.repository, advance)

    def _categories(self, snapshot: Snapshot) -> list[LookCategory]:
        finder = self._require(snapshot)
        return [
            LookCategory(
                column=column,
                value=value,
                count=count,
                trained=finder.look.category_named(value) is not None,
            )
            for column, value, count in _counted(snapshot)
        ]


@lru_cache(maxsize=1)
def _products(snapshot: Snapshot) -> pa.Table:
    """Return the ids and columns of all items, relevant or not."""
    return snapshot.repository.present(snapshot.columns.column_names)


@lru_cache(maxsize=1)
def _filter_columns(snapshot: Snapshot) -> list[Column]:
    # Of trousers and shoes the attributes mean nothing.
    own = _products(snapshot).select(snapshot.metadata_names)
    return filter_columns(own, snapshot.repository.schema)


def _meeting(snapshot: Snapshot, filters: Sequence[Filter]) -> list[str]:
    """Return the ids of the items that meet the filters, relevant or not."""
    products = _products(snapshot)
    mask = passing(products.select(snapshot.metadata_names), filters)
    return products["id"].filter(pa.array(mask)).to_pylist()


@lru_cache(maxsize=1)
def _counted(snapshot: Snapshot) -> list[tuple[str, str, int]]:
    """Return the categories of a repository and how many items each has, the largest first."""
    columns = category_columns(snapshot.repository.columns)
    table = _products(snapshot)
    found = []
    for column in columns:
        counts = pc.value_counts(table[column].cast("string").drop_null()).to_pylist()
        pairs = sorted((-pair["counts"], pair["values"]) for pair in counts)[:CATEGORIES]
        found += [(column, value, -count) for count, value in pairs if value]
    return found


def scene_of_item(snapshot: Snapshot, item: str) -> Image:
    """Return the photo of an item as a scene; RequestError for an item that is not here."""
    return decoded(read_bytes(snapshot.photo(snapshot.rows_of([item])[0])), _SCENE_SIDE)


def scene_of_upload(data: bytes) -> Image:
    """Return a photo that came over HTTP as a scene; UnreadablePhotoError for what is none."""
    return decoded(data, _SCENE_SIDE)


def _jpeg(image: Image) -> str:
    picture = pillow.fromarray(image)
    picture.thumbnail((OVERLAY_SIDE, OVERLAY_SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return base64.b64encode(file.getvalue()).decode("ascii")
