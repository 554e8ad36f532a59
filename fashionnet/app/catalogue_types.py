"""What goes over HTTP of the catalogue: its map, its products, what is added and left out."""

from typing import Literal

from pydantic import BaseModel, Field

from fashionnet.app.types import Column, Item


class WorkStatus(BaseModel):
    """How far it is what is made in the background."""

    state: Literal["absent", "working", "done", "failed"]
    step: str = Field(description="what is being done, or what went wrong")
    done: int
    total: int


class LookCategory(BaseModel):
    """A category of products that looks can be completed with."""

    column: str
    value: str
    count: int
    trained: bool = Field(description="whether the look model was trained on it")


class LookFacts(BaseModel):
    """What looks can be completed with."""

    why_not: str = Field(description="why no look can be completed, where none can")
    categories: list[LookCategory]
    columns: list[Column] = Field(description="what products can be filtered by")
    products: WorkStatus = Field(description="they are read once before the first look")


class Product(Item):
    """A product that goes with a scene."""

    rank: int
    compatibility: float = Field(description="from 0 to 1")
    recommendable: bool = Field(description="whether it shows a garment that can be liked")


class CompletedLook(BaseModel):
    """Products that complete the look of a scene, the best first."""

    items: list[Product]
    category: str
    column: str
    total: int = Field(description="products of the category")
    notes: list[str] = Field(description="what should be known of how the scene was read")
    attention: list[list[float]] = Field(description="where the scene was looked at; sums to 1")
    overlay: str = Field(description="the scene with the attention over it: a JPEG in base64")


class MapColumn(BaseModel):
    """What the items on the map can be coloured by."""

    name: str
    names: list[str] = Field(description="its most frequent values")
    colours: list[str] = Field(description="a colour for each of them")
    codes: list[int] = Field(description="for each item the index of its value, -1 for others")


class MapItems(BaseModel):
    """The map of the catalogue: items that look alike lie close."""

    summary: str
    ids: list[str]
    titles: list[str]
    x: list[float] = Field(description="from 0 to 1, to the right")
    y: list[float] = Field(description="from 0 to 1, down")
    columns: list[MapColumn]
    other_colour: str
    atlas: str = Field(description="where the small pictures are, in rows on one JPEG")
    side: int = Field(description="of a small picture, in pixels")
    per_row: int


class LeftOut(BaseModel):
    """A photo or row that did not become an item, and why."""

    image: str
    reason: str


class LeftOutPage(BaseModel):
    """Some of what was left out."""

    left_out: list[LeftOut]
    total: int
    page: int
    page_size: int


class Addition(BaseModel):
    """Photos being added to the repository."""

    state: Literal["idle", "working", "done", "failed"]
    done: int
    total: int
    message: str
    left_out: list[LeftOut] = Field(
        default=[], description="added photos that did not become items"
    )


class AddedManifest(BaseModel):
    """A table of items that was put into the catalogue's folder."""

    manifest: str = Field(description="its path below the catalogue's folder")
    rows: int = Field(description="rows that could be read")


class AddedPhoto(BaseModel):
    """A photo that was put into the catalogue's folder, to be described."""

    photo: str = Field(description="its path below the catalogue's folder")
