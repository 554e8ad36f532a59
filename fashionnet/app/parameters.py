"""What requests bring beside JSON: parameters of the address, and photos as bodies."""

from typing import Annotated

from fastapi import HTTPException, Query, Request

from fashionnet.app.limits import PAGE_SIZE, PHOTO_TYPES, TEXT

PHOTO_BODY = {
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


Category = Annotated[str, Query(min_length=1, max_length=TEXT, examples=["Shoes"])]
CategoryColumn = Annotated[
    str | None, Query(max_length=TEXT, description="of the category, where several have it")
]
SceneItem = Annotated[
    str | None, Query(max_length=TEXT, description="an item whose photo is the scene")
]


async def photo_bytes(request: Request) -> bytes:
    """Return the body of a request that sends a photo; 415 for any other type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in PHOTO_TYPES:
        raise HTTPException(415, f"expected a photo of type {', '.join(PHOTO_TYPES)}")
    return await request.body()
