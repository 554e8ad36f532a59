"""What requests bring beside JSON: parameters of the address, and photos as bodies."""

from collections.abc import Collection, Iterable
from typing import Annotated, Any

from fastapi import HTTPException, Query, Request

from fashionnet.app.limits import MANIFEST_TYPES, PAGE_SIZE, PHOTO_TYPES, TEXT


def _body(kinds: Iterable[str]) -> dict[str, Any]:
    content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in kinds}
    return {"requestBody": {"required": True, "content": content}}


PHOTO_BODY = _body(PHOTO_TYPES)

MANIFEST_BODY = _body(MANIFEST_TYPES)

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
ManifestName = Annotated[str, Query(min_length=1, max_length=TEXT, examples=["items.csv"])]
PhotoName = Annotated[str, Query(min_length=1, max_length=TEXT, examples=["striped shirt.jpg"])]


Category = Annotated[str, Query(min_length=1, max_length=TEXT, examples=["Shoes"])]
CategoryColumn = Annotated[
    str | None, Query(max_length=TEXT, description="of the category, where several have it")
]
SceneItem = Annotated[
    str | None, Query(max_length=TEXT, description="an item whose photo is the scene")
]


async def photo_bytes(request: Request) -> bytes:
    """Return the body of a request that sends a photo; 415 for any other type."""
    _kind_of(request, "a photo", PHOTO_TYPES)
    return await request.body()


async def manifest_bytes(request: Request) -> tuple[bytes, str]:
    """Return the body of a request that sends a table, and its suffix; 415 for any other type."""
    kind = _kind_of(request, "a table", MANIFEST_TYPES)
    return await request.body(), MANIFEST_TYPES[kind]


def _kind_of(request: Request, what: str, kinds: Collection[str]) -> str:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in kinds:
        raise HTTPException(415, f"expected {what} of type {', '.join(kinds)}")
    return kind
