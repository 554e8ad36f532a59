"""The part of the interface that is about the catalogue: its map, what was left out, additions."""

from fastapi import APIRouter, HTTPException, Request, Response

from fashionnet.app.catalogue_types import (
    AddedManifest,
    AddedPhoto,
    Addition,
    LeftOutPage,
    MapItems,
    WorkStatus,
)
from fashionnet.app.parameters import (
    MANIFEST_BODY,
    PHOTO_BODY,
    ManifestName,
    Page,
    PageSize,
    PhotoName,
    manifest_bytes,
    photo_bytes,
)
from fashionnet.app.service import Service


def add_catalogue_routes(router: APIRouter, service: Service) -> None:
    """Add the routes to those of the interface."""

    @router.get("/map", operation_id="map")
    async def map_status() -> WorkStatus:
        """Say whether the map of the catalogue is made, or how far it is."""
        return await service.matching.run(service.maps.status, service.snapshot)

    @router.post("/map", operation_id="make_map")
    async def make_map() -> WorkStatus:
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
        "/catalogue/photos", operation_id="add_photo", status_code=201, openapi_extra=PHOTO_BODY
    )
    async def add_photo(request: Request, name: PhotoName = "photo") -> AddedPhoto:
        """Put one photo, the request's body, into the catalogue's folder, to be described."""
        data = await photo_bytes(request)
        return await service.matching.run(service.adder.put, data, name)

    @router.post(
        "/catalogue/manifests",
        operation_id="add_manifest",
        status_code=201,
        openapi_extra=MANIFEST_BODY,
    )
    async def add_manifest(request: Request, name: ManifestName = "items") -> AddedManifest:
        """Put a table of items, the request's body, into the catalogue's folder.

        Its column `image` names photos that are added with it, before or after, or that lie
        below the catalogue's folder; every other column can be filtered by.
        """
        data, suffix = await manifest_bytes(request)
        return await service.matching.run(service.adder.put_manifest, data, name, suffix)

    @router.post("/catalogue/addition", operation_id="start_addition", status_code=202)
    async def start_addition() -> Addition:
        """Describe the photos that were put into the catalogue's folder, as items."""
        return await service.matching.run(service.adder.start)

    @router.get("/catalogue/addition", operation_id="addition")
    async def addition() -> Addition:
        """Say how far the photos that are being added are."""
        return service.adder.status()
