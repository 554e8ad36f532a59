"""Fashion Product Images (Aggarwal, Kaggle, 2019) as published: one folder of three things.

    images/<id>.jpg     a photo of each product
    styles/<id>.json    what the shop knows of it, its article's attributes among them
    styles.csv          a table of the main columns; some rows hold commas without quotes

Either of the last two may be missing. `read_catalogue` and `read_labels` know such a folder when
they are given one.
"""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fashionnet.errors import RequestError
from fashionnet.schema import RELEVANCE, Schema

TABLE = "styles.csv"
IMAGES, STYLES = "images", "styles"

MAXIMUM_BYTES = 4 * 2**20

_TEXTS = ("gender", "baseColour", "season", "usage", "productDisplayName", "brandName", "ageGroup")
_NAMED = ("masterCategory", "subCategory", "articleType")
_NUMBERS = ("year", "price", "discountedPrice")
_ARTICLE = ("Pattern", "Fabric", "Sleeve Length", "Occasion")

_WORN_ON_TOP = {"Topwear", "Dress", "Saree"}
_NOT_WORN_ON_TOP = {"Bottomwear", "Socks"}
_WINTER_ARTICLES = {"Jackets", "Sweaters", "Sweatshirts", "Rain Jacket"}

_CLASSES: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {
    "pattern": (
        ("Print or Pattern Type", "Pattern"),
        {
            "Checked": "checkered",
            "Checks": "checkered",
            "Argyle": "checkered",
            "Striped": "striped",
            "Stripes": "striped",
            "Floral": "floral",
            "Graphic": "graphic",
            "Typography": "graphic",
            "Polka Dots": "graphic",
            "Animal": "graphic",
            "Camouflage": "graphic",
            "Abstract": "graphic",
            "Printed": "graphic",
            "Solid": "solid",
        },
    ),
    "fabric": (
        ("Fabric",),
        {
            "Cotton": "cotton",
            "Denim": "cotton",
            "Linen": "cotton",
            "Chiffon": "chiffon",
            "Georgette": "chiffon",
            "Lace": "lace",
            "Net": "lace",
            "Wool": "wool",
            "Acrylic": "wool",
            "Silk": "silk",
            "Satin": "silk",
        },
    ),
    "style": (
        ("Occasion", "usage"),
        {"Casual": "casual", "Formal": "formal", "Party": "party"},
    ),
    "shape": (
        ("Sleeve Length",),
        {
            "Long Sleeves": "full-sleeve",
            "Three-Quarter Sleeves": "full-sleeve",
            "Short Sleeves": "half-sleeve",
            "Half Sleeves": "half-sleeve",
            "Sleeveless": "sleeveless",
        },
    ),
}
"""For each attribute, the shop's own ones to look at in order, and what its words mean in ours."""


def is_product_images(folder: Path) -> bool:
    """Return whether a folder holds the collection as published."""
    described = (folder / TABLE).is_file() or (folder / STYLES).is_dir()
    return (folder / IMAGES).is_dir() and described


def read_style(folder: Path, product: str) -> dict[str, Any] | None:
    """Return what a product's own file says; None where there is none.

    Raises ValueError for a file that is cut short or of another form.
    """
    path = folder / STYLES / f"{product}.json"
    try:
        if not path.is_file():
            return None
        if path.stat().st_size > MAXIMUM_BYTES:
            raise ValueError(f"{path.name} is larger than {MAXIMUM_BYTES // 2**20} MiB")
        data = json.loads(path.read_bytes())["data"]
    except OSError as error:
        raise ValueError(f"{path.name}: {(error.strerror or str(error)).lower()}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path.name} is no product's file, or cut short") from error
    if not isinstance(data, dict):
        raise ValueError(f"{path.name} is no product's file")
    return data


def columns_of(style: Mapping[str, Any]) -> dict[str, str | float | None]:
    """Return a product's file as columns: those of the table, then price, brand and the like.

    The article's attributes keep the shop's names and words.
    """
    article = _article(style)
    return {
        **{name: _type_name(style, name) for name in _NAMED},
        **{name: _text(style.get(name)) for name in _TEXTS},
        **{name: _number(style.get(name)) for name in _NUMBERS},
        **{name: _text(article.get(name)) for name in _ARTICLE},
    }


def classes_of(style: Mapping[str, Any]) -> dict[str, str]:
    """Return the classes of the default schema that a product's attributes mean, and relevance.

    Left out is what the shop does not say, or says in words that our classes do not know: its
    'Synthetic' is a fibre, our fabrics are what a photo looks like.

    >>> classes_of({"masterCategory": {"typeName": "Apparel"},
    ...             "subCategory": {"typeName": "Topwear"},
    ...             "articleAttributes": {"Pattern": "Striped", "Fabric": "Synthetic"}})
    {'relevant': 'yes', 'pattern': 'striped'}
    """
    kind = _type_name(style, "subCategory")
    if _type_name(style, "masterCategory") != "Apparel" or kind in _NOT_WORN_ON_TOP:
        return {RELEVANCE: "no"}
    if kind not in _WORN_ON_TOP:
        return {}
    said = {**_article(style), "usage": style.get("usage")}
    classes = {RELEVANCE: "yes"}
    for attribute, (names, meanings) in _CLASSES.items():
        meant = [meanings[said[name]] for name in names if _text(said.get(name)) in meanings]
        if meant:
            classes[attribute] = meant[0]
    if _type_name(style, "articleType") in _WINTER_ARTICLES:
        classes["style"] = "winter"
    return classes


def labelled_products(folder: Path, schema: Schema) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield the photos whose product's file says something of a schema, with its classes.

    Raises RequestError for a file that is cut short, and where no photo has one.
    """
    found = False
    for photo in sorted((folder / IMAGES).glob("*.jpg")):
        try:
            style = read_style(folder, photo.stem)
        except ValueError as error:
            raise RequestError(f"{folder / STYLES}: {error}: fetch it again") from error
        known = classes_of(style) if style else {}
        cells = {
            name: value
            for name, value in known.items()
            if name == RELEVANCE or (name in schema.names and value in schema[name].classes)
        }
        if cells:
            found = True
            yield photo, cells
    if not found:
        raise RequestError(f"{folder}: none of its photos has a file in {STYLES} that labels it")


def _article(style: Mapping[str, Any]) -> dict[str, Any]:
    article = style.get("articleAttributes")
    return article if isinstance(article, dict) else {}


def _type_name(style: Mapping[str, Any], name: str) -> str | None:
    value = style.get(name)
    return _text(value.get("typeName")) if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    """Return a text; None for what the shop writes where it knows nothing."""
    return value if isinstance(value, str) and value not in ("", "NA") else None


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, (int, float, str)) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
