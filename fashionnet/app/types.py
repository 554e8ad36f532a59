"""What goes over HTTP: the types of requests and answers, with examples."""

from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from fashionnet.app.limits import (
    FILTERS,
    ITEMS_DEEP,
    ITEMS_IN_A_TASTE,
    PAGE_SIZE,
    PHOTOS_IN_A_TASTE,
    SHIFTS,
    SIMILAR_DEEP,
    TEXT,
    VALUES_IN_A_FILTER,
)
from fashionnet.similarity.shifts import DEFAULT_STRENGTH

Text: TypeAlias = Annotated[str, Field(max_length=TEXT)]
Name: TypeAlias = Annotated[str, Field(min_length=1, max_length=TEXT)]
Finite: TypeAlias = Annotated[float, Field(allow_inf_nan=False)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Kind: TypeAlias = Literal["choice", "colour", "range", "text"]
Value: TypeAlias = str | int | float | bool | None


class Strict(BaseModel):
    """A part of a request in which a misspelt name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Photo(BaseModel):
    """A photo's Fashion Vector, as `describe` returns it and `recommend` takes it.

    `classes` is what counts. A class that is not the most probable one is a correction: it
    overrides what the network said of that attribute.
    """

    name: Name = Field(examples=["striped shirt.jpg"])
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="of the photo's file")
    model: str = Field(pattern="^[0-9a-f]{16}$", description="the model that described it")
    relevant: bool = Field(description="whether it shows a garment that the network describes")
    relevance: Share
    classes: dict[Text, Text] = Field(examples=[{"pattern": "striped", "fabric": "cotton"}])
    probabilities: dict[Text, dict[Text, Share]] = Field(
        examples=[{"pattern": {"striped": 0.97, "solid": 0.03}}]
    )
    embedding: list[Finite] = Field(max_length=65536, description="of unit length")


class Taste(Strict):
    """What a person likes and dislikes: photos that were described, and items by id."""

    liked: list[Photo] = Field([], max_length=PHOTOS_IN_A_TASTE)
    disliked: list[Photo] = Field([], max_length=PHOTOS_IN_A_TASTE)
    liked_items: list[Name] = Field([], max_length=ITEMS_IN_A_TASTE, examples=[["sample_0_00007"]])
    disliked_items: list[Name] = Field([], max_length=ITEMS_IN_A_TASTE, examples=[[]])


class ChoiceFilter(Strict):
    """Items whose column has one of some values."""

    column: Name = Field(examples=["colour"])
    any_of: tuple[Text, ...] = Field(
        min_length=1, max_length=VALUES_IN_A_FILTER, examples=[["Red", "Blue"]]
    )


class RangeFilter(Strict):
    """Items whose number lies between two, both included."""

    column: Name = Field(examples=["price"])
    minimum: Finite | None = None
    maximum: Finite | None = Field(None, examples=[50.0])


class TextFilter(Strict):
    """Items whose column contains a text, in any case of letters."""

    column: Name = Field(examples=["name"])
    contains: str = Field(min_length=1, max_length=100, examples=["shirt"])


Filter: TypeAlias = ChoiceFilter | RangeFilter | TextFilter
Filters: TypeAlias = Annotated[list[Filter], Field(max_length=FILTERS)]


class RecommendRequest(Taste):
    """A taste, and how to recommend to it."""

    filters: Filters = Field([], examples=[[{"column": "pattern", "any_of": ["striped"]}]])
    weights: dict[Text, Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]] = Field(
        {}, max_length=255, examples=[{"pattern": 2.0}], description="1 where none is given"
    )
    scoring: Literal["matches", "expected"] = "matches"
    diversity: Share = 0.0
    page: int = Field(1, ge=1, le=ITEMS_DEEP)
    page_size: int = Field(60, ge=1, le=PAGE_SIZE)


class ShiftStep(Strict):
    """A walk towards a class of an attribute, or towards a colour; below 0 away from it."""

    attribute: Name = Field(examples=["pattern"], description="or colour")
    class_name: Name = Field(examples=["striped"])
    strength: Annotated[float, Field(ge=-10, le=10, allow_inf_nan=False)] = DEFAULT_STRENGTH


class SimilarRequest(Strict):
    """What to search for: a described photo or the id of an item, which is then left out itself."""

    photo: Photo | None = Field(None, examples=[None])
    item: Name | None = Field(None, examples=["sample_0_00007"])
    shifts: list[ShiftStep] = Field([], max_length=SHIFTS)
    colour: Name | None = Field(
        None, examples=[None], description="only items whose garment is mostly of this colour"
    )
    filters: Filters = Field([], examples=[[{"column": "pattern", "any_of": ["striped"]}]])
    page: int = Field(1, ge=1, le=SIMILAR_DEEP)
    page_size: int = Field(60, ge=1, le=PAGE_SIZE)

    @model_validator(mode="after")
    def _one_query(self) -> Self:
        if (self.photo is None) == (self.item is None):
            raise ValueError("give a photo or an item, one of them")
        return self


class Item(BaseModel):
    """An item of the repository."""

    id: str
    title: str
    picture: str = Field(description="where its picture is; add ?size=large for a larger one")
    classes: dict[str, str]
    probabilities: dict[str, dict[str, float]]
    details: dict[str, str] = Field(description="a few of its columns, as short text")
    metadata: dict[str, Value]


class RecommendedItem(Item):
    """An item with its place and why it is there."""

    rank: int
    score: float
    likeness: float = Field(description="cosine with the nearest liked photo")
    reason: str


class SimilarItem(Item):
    """An item that is like the query."""

    rank: int
    score: float = Field(description="cosine with what the shifts lead to, and gains by colour")
    likeness: float = Field(description="cosine with the photo or item itself")
    reason: str = Field(description="the classes that both have")


class ItemPage(BaseModel):
    """Some items of all that there are."""

    items: list[Item]
    total: int
    page: int
    page_size: int


class Recommendations(BaseModel):
    """Recommended items, best first."""

    items: list[RecommendedItem]
    total: int = Field(description="items that meet the filters")
    page: int
    page_size: int
    has_more: bool
    best_score: float = Field(description="of an item that matches every photo in everything")


class SimilarItems(BaseModel):
    """Similar items, the most alike first."""

    items: list[SimilarItem]
    total: int = Field(description="items that meet the filters")
    page: int
    page_size: int
    has_more: bool
    note: str = Field("", description="what the result leaves open, where it does")


class ClassShare(BaseModel):
    """How often a class occurs in a taste."""

    name: str
    liked: int
    disliked: int
    probability: float = Field(description="its mean probability in what is liked")


class AttributeShares(BaseModel):
    """An attribute's row of the style profile."""

    name: str
    classes: list[ClassShare]


class Profile(BaseModel):
    """A style profile: how often each class occurs in what is liked and disliked."""

    liked: int
    disliked: int
    attributes: list[AttributeShares]


class SavedTaste(BaseModel):
    """The photos of a saved style profile."""

    liked: list[Photo]
    disliked: list[Photo]


class ColumnValue(BaseModel):
    """A value that can be filtered by, and how many items have it."""

    value: str
    count: int


class Column(BaseModel):
    """A column that items can be filtered by, and how."""

    name: str
    kind: Kind
    values: list[ColumnValue] = []
    minimum: float | None = None
    maximum: float | None = None


class RepositoryFacts(BaseModel):
    """What the repository holds."""

    name: str
    is_sample: bool
    items: int = Field(description="relevant items, which can be recommended")
    irrelevant: int = Field(description="items whose photo shows no garment of the schema")
    vanished: int = Field(description="items whose photo is no longer there")
    left_out: int = Field(description="photos and rows that did not become items")
    attributes: dict[str, list[str]]
    columns: list[Column]
    colours: list[str] = Field(description="of garments, as `similar` takes them")
    model: str
    can_complete: bool = Field(description="whether looks can be completed")
    can_add: bool
    why_not: str = Field(description="why no photo can be added, where none can")


class Problem(BaseModel):
    """Why a request was not served."""

    detail: str


Document: TypeAlias = dict[str, Any]
