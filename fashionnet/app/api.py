"""The HTTP interface, version 1: describe, profile, recommend, similar, items, map."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Query, Request, Response
from pydantic import TypeAdapter, ValidationError

from fashionnet.app.addition import Adder
from fashionnet.app.limits import (
    ITEMS_DEEP,
    PAGE_SIZE,
    PHOTO_TYPES,
    TEXT,
    WAITING_PHOTOS,
    WAITING_PICTURES,
    WAITING_REQUESTS,
)
from fashionnet.app.map import CatalogueMaps
from fashionnet.app.pictures import Pictures, Size
from fashionnet.app.queue import WorkQueue
from fashionnet.app.shown import VERSION, page_bounds, shown_items
from fashionnet.app.similar import similar
from fashionnet.app.snapshot import Snapshot
from fashionnet.app.taste import photos_of, style_profile, summary
from fashionnet.app.types import (
    AddedPhoto,
    Addition,
    Document,
    Filters,
    Item,
    ItemPage,
    LeftOutPage,
    MapItems,
    MapStatus,
    Photo,
    Problem,
    Profile,
    Recommendations,
    RecommendedItem,
    RecommendRequest,
    RepositoryFacts,
    SavedTaste,
    SimilarItems,
    SimilarRequest,
    Taste,
)
from fashionnet.app.uploads import describe_upload
from fashionnet.describing import Network
from fashionnet.errors import RequestError
from fashionnet.matching import recommend
from fashionnet.profile import StyleProfile
from fashionnet.similarity.colours import NAMED_COLOURS

_FILTERS: TypeAdapter[Filters] = TypeAdapter(Filters)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": what}
    for status, what in {
        400: "not JSON",
        401: "the token is missing",
        403: "sent by a page of another site",
        404: "not here",
        408: "too slow",
        413: "too large",
        415: "of a type that is not taken",
        421: "sent to a name that is not this machine's",
        422: "not to be served: the detail says why",
        429: "too much is waiting: try again after Retry-After seconds",
    }.items()
}
_PHOTO_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}} for kind in PHOTO_TYPES
        },
    }
}

Page = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=PAGE_SIZE)]
FiltersText = Annotated[
    str,
    Query(
        max_length=20_000,
        description="the filters of `recommend`, as JSON",
        examples=['[{"column": "pattern", "any_of": ["striped"]}]'],
    ),
]
PhotoName = Annotated[str, Query(min_length=1, max_length=TEXT, examples=["striped shirt.jpg"])]


class Service:
    """What the interface works with.

    Attributes:
        snapshot: the repository's items; another one takes its place when photos were added.
        network: returns the network, waiting until it is compiled.
    """

    def __init__(self, snapshot: Snapshot, network: Callable[[], Network], threads: int) -> None:
        self.snapshot = snapshot
        self.network = network
        self.pictures = Pictures()
        self.maps = CatalogueMaps()
        self.adder = Adder(snapshot, network, self._show)
        self.describing = WorkQueue(threads, WAITING_PHOTOS)
        self.matching = WorkQueue(threads, WAITING_REQUESTS)
        self.drawing = WorkQueue(threads, WAITING_PICTURES)

    def close(self) -> None:
        """Drop what is waiting."""
        for queue in (self.describing, self.matching, self.drawing):
            queue.close()

    def _show(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot


def make_router(service: Service) -> APIRouter:
    """Return the routes of the interface."""
    router = APIRouter(prefix=VERSION, responses=_ANSWERS)

    @router.get("/repository", operation_id="repository")
    async def repository() -> RepositoryFacts:
        """Say what the repository holds and what its items can be filtered by."""
        return await service.matching.run(_facts, service)

    @router.post("/describe", operation_id="describe", openapi_extra=_PHOTO_BODY)
    async def describe(request: Request, name: PhotoName = "photo") -> Photo:
        """Return the Fashion Vector of one photo, whose bytes are the request's body.

        The photo is held in memory until it is described, and nowhere afterwards.
        """
        data = await _photo_bytes(request)
        return await service.describing.run(lambda: describe_upload(service.network(), data, name))

    @router.post("/profile", operation_id="profile")
    async def profile(taste: Taste) -> Profile:
        """Return the style profile: how often each class occurs in what is liked and disliked."""
        snapshot = service.snapshot
        return await service.matching.run(lambda: summary(style_profile(taste, snapshot)))

    @router.post("/profile/document", operation_id="save_profile")
    async def save_profile(taste: Taste) -> Document:
        """Return the style profile as a document, as `recommend.py --profile` keeps it."""
        snapshot = service.snapshot
        return await service.matching.run(lambda: style_profile(taste, snapshot).document())

    @router.post("/profile/open", operation_id="open_profile")
    async def open_profile(document: Document) -> SavedTaste:
        """Return the photos of a saved style profile."""
        return await service.matching.run(_opened, document, service.snapshot)

    @router.post("/recommend", operation_id="recommend")
    async def recommendations(request: RecommendRequest) -> Recommendations:
        """Recommend items to a taste, best first."""
        return await service.matching.run(_recommend, request, service.snapshot)

    @router.post("/similar", operation_id="similar")
    async def similar_items(request: SimilarRequest) -> SimilarItems:
        """Find the items that are most like a photo or an item, after shifts, of a colour."""
        return await service.matching.run(similar, request, service.snapshot)

    @router.get("/items", operation_id="items")
    async def items(
        page: Page = 1,
        page_size: PageSize = 60,
        filters: FiltersText = "[]",
    ) -> ItemPage:
        """List items by id."""
        return await service.matching.run(_items, service.snapshot, filters, page, page_size)

    @router.get("/items/{item_id:path}", operation_id="item")
    async def item(item_id: str) -> Item:
        """Return one item."""
        snapshot = service.snapshot
        if item_id not in snapshot.row_of:
            raise HTTPException(404, "no such item")
        return shown_items(snapshot, [snapshot.row_of[item_id]])[0]

    @router.get(
        "/pictures/{sha256}",
        operation_id="picture",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}},
    )
    async def picture(sha256: str, size: Size = "small") -> Response:
        """Return the picture of a photo of the repository as a JPEG of bounded size."""
        made = await service.drawing.run(service.pictures.get, service.snapshot, sha256, size)
        if made is None:
            raise HTTPException(404, "no such photo in the repository")
        # The address is made of the photo's content.
        headers = {"cache-control": "private, max-age=31536000, immutable"}
        return Response(made, media_type="image/jpeg", headers=headers)

    @router.get("/map", operation_id="map")
    async def map_status() -> MapStatus:
        """Say whether the map of the catalogue is made, or how far it is."""
        return await service.matching.run(service.maps.status, service.snapshot)

    @router.post("/map", operation_id="make_map")
    async def make_map() -> MapStatus:
        """Make the map of the catalogue, in the background, unless it is there."""
        return await service.matching.run(service.maps.start, service.snapshot)

    @router.get("/map/items", operation_id="map_items", response_model=MapItems)
    async def map_items() -> Response:
        """Return the items of the map: places, titles, and what they can be coloured by."""
        made = await service.matching.run(service.maps.items, service.snapshot)
        if made is None:
            raise HTTPException(404, "the map is not made yet: POST /map makes it")
        return Response(made, media_type="application/json")

    @router.get(
        "/map/picture",
        operation_id="map_picture",
        response_class=Response,
        responses={200: {"content": {"image/jpeg": {}}}},
    )
    async def map_picture() -> Response:
        """Return the small pictures of the map's items, in rows on one JPEG."""
        made = await service.matching.run(service.maps.picture, service.snapshot)
        if made is None:
            raise HTTPException(404, "the map is not made yet: POST /map makes it")
        return Response(made, media_type="image/jpeg")

    @router.get("/catalogue/left-out", operation_id="left_out")
    async def left_out(page: Page = 1, page_size: PageSize = 60) -> LeftOutPage:
        """List what did not become an item, and why."""
        rows = await service.matching.run(service.adder.left_out)
        start = (page - 1) * page_size
        shown = rows[start : start + page_size]
        return LeftOutPage(left_out=shown, total=len(rows), page=page, page_size=page_size)

    @router.post(
        "/catalogue/photos", operation_id="add_photo", status_code=201, openapi_extra=_PHOTO_BODY
    )
    async def add_photo(request: Request, name: PhotoName = "photo") -> AddedPhoto:
        """Put one photo, the request's body, into the catalogue's folder, to be described."""
        data = await _photo_bytes(request)
        return await service.matching.run(service.adder.put, data, name)

    @router.post("/catalogue/addition", operation_id="start_addition", status_code=202)
    async def start_addition() -> Addition:
        """Describe the photos that were put into the catalogue's folder, as items."""
        return await service.matching.run(service.adder.start)

    @router.get("/catalogue/addition", operation_id="addition")
    async def addition() -> Addition:
        """Say how far the photos that are being added are."""
        return service.adder.status()

    return router


async def _photo_bytes(request: Request) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in PHOTO_TYPES:
        raise HTTPException(415, f"expected a photo of type {', '.join(PHOTO_TYPES)}")
    return await request.body()


def _facts(service: Service) -> RepositoryFacts:
    snapshot = service.snapshot
    counts = service.adder.counts()
    why_not = service.adder.why_not()
    return RepositoryFacts(
        name="drawn sample catalogue" if snapshot.is_sample else snapshot.path.name,
        is_sample=snapshot.is_sample,
        items=len(snapshot.items),
        irrelevant=counts["irrelevant"],
        vanished=counts["vanished"],
        left_out=len(service.adder.left_out()),
        attributes=snapshot.repository.schema.to_mapping(),
        columns=snapshot.filters,
        colours=list(NAMED_COLOURS),
        model=snapshot.repository.model_fingerprint,
        can_add=not why_not,
        why_not=why_not,
    )


def _opened(document: Document, snapshot: Snapshot) -> SavedTaste:
    try:
        profile = StyleProfile.from_document(document)
    except (ValueError, OverflowError) as error:
        raise RequestError(f"not a style profile: {error}") from None
    repository = snapshot.repository
    profile.require_model(repository.schema, repository.model_fingerprint, "this repository")
    model = profile.model_fingerprint
    return SavedTaste(
        liked=photos_of(profile.liked, model), disliked=photos_of(profile.disliked, model)
    )


def _recommend(request: RecommendRequest, snapshot: Snapshot) -> Recommendations:
    start, end = page_bounds(request.page, request.page_size, ITEMS_DEEP)
    profile = style_profile(request, snapshot)
    items = snapshot.select(request.filters)
    # One more than is shown tells whether there are more.
    found = recommend(profile, items, end + 1, request.scoring, request.weights, request.diversity)
    rows = snapshot.rows_of([items.ids[row] for row in found.rows[start:end]])
    shown = [
        RecommendedItem(
            **item.model_dump(),
            rank=place + 1,
            score=round(float(found.scores[place]), 4),
            likeness=round(float(found.likeness[place]), 4),
            reason=found.reason(place),
        )
        for place, item in enumerate(shown_items(snapshot, rows), start)
    ]
    return Recommendations(
        items=shown,
        total=len(items),
        page=request.page,
        page_size=request.page_size,
        has_more=len(found) > end,
        best_score=found.best_score,
    )


def _items(snapshot: Snapshot, filters: str, page: int, page_size: int) -> ItemPage:
    try:
        chosen = snapshot.select(_FILTERS.validate_json(filters))
    except ValidationError as error:
        raise RequestError(f"filters: {error.errors()[0]['msg']}") from None
    start = (page - 1) * page_size
    rows = snapshot.rows_of(chosen.ids[start : start + page_size])
    return ItemPage(
        items=shown_items(snapshot, rows), total=len(chosen), page=page, page_size=page_size
    )
