"""The HTTP interface, version 1: describe, recommend, similar, complete-look, items."""

from typing import Any

from fastapi import APIRouter, HTTPException, Request, Response

from fashionnet.app.catalogue_api import add_catalogue_routes
from fashionnet.app.catalogue_types import CompletedLook, LookFacts
from fashionnet.app.filters import parse_filters
from fashionnet.app.limits import ITEMS_DEEP
from fashionnet.app.look import scene_of_item, scene_of_upload
from fashionnet.app.parameters import (
    PHOTO_BODY,
    Category,
    CategoryColumn,
    FiltersText,
    Page,
    PageSize,
    PhotoName,
    SceneItem,
    photo_bytes,
)
from fashionnet.app.pictures import Size
from fashionnet.app.service import Service
from fashionnet.app.shown import VERSION, page_bounds, shown_items
from fashionnet.app.similar import similar
from fashionnet.app.snapshot import Snapshot
from fashionnet.app.taste import photos_of, style_profile, summary
from fashionnet.app.types import (
    Document,
    Item,
    ItemPage,
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
from fashionnet.errors import RequestError
from fashionnet.matching import recommend
from fashionnet.profile import StyleProfile
from fashionnet.similarity.colours import NAMED_COLOURS

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


def make_router(service: Service) -> APIRouter:
    """Return the routes of the interface."""
    router = APIRouter(prefix=VERSION, responses=_ANSWERS)

    @router.get("/repository", operation_id="repository")
    async def repository() -> RepositoryFacts:
        """Say what the repository holds and what its items can be filtered by."""
        return await service.matching.run(_facts, service)

    @router.post("/describe", operation_id="describe", openapi_extra=PHOTO_BODY)
    async def describe(request: Request, name: PhotoName = "photo") -> Photo:
        """Return the Fashion Vector of one photo, whose bytes are the request's body.

        The photo is held in memory until it is described, and nowhere afterwards.
        """
        data = await photo_bytes(request)
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

    @router.get("/complete-look", operation_id="look_facts")
    async def look_facts() -> LookFacts:
        """Say what looks can be completed with, and how far the products are."""
        return await service.matching.run(service.looks.facts, service.snapshot)

    @router.post("/complete-look/products", operation_id="read_products")
    async def read_products() -> LookFacts:
        """Read the products, in the background, unless that is done."""
        return await service.matching.run(service.looks.start, service.snapshot)

    @router.post("/complete-look", operation_id="complete_look", openapi_extra=PHOTO_BODY)
    async def complete_look(
        request: Request,
        category: Category,
        column: CategoryColumn = None,
        item: SceneItem = None,
        top: PageSize = 24,
        filters: FiltersText = "[]",
    ) -> CompletedLook:
        """Return the products that go best with a scene: the photo in the body, or an item's.

        The photo is held in memory until the look is completed, and nowhere afterwards.
        """
        snapshot, looks = service.snapshot, service.looks
        data = b"" if item is not None else await photo_bytes(request)

        def work() -> CompletedLook:
            scene = scene_of_upload(data) if item is None else scene_of_item(snapshot, item)
            return looks.complete(snapshot, scene, category, column, top, parse_filters(filters))

        return await service.describing.run(work)

    add_catalogue_routes(router, service)
    return router


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
        can_complete=not service.looks.why_not(snapshot),
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
    chosen = snapshot.select(parse_filters(filters))
    start = (page - 1) * page_size
    rows = snapshot.rows_of(chosen.ids[start : start + page_size])
    return ItemPage(
        items=shown_items(snapshot, rows), total=len(chosen), page=page, page_size=page_size
    )
