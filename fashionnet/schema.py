"""The attributes that a network predicts and the classes of each, as a TOML file names them."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fashionnet.errors import RequestError

RELEVANCE = "relevant"
"""Name of the column and head that tell whether a photo shows a garment the schema is about."""

RELEVANCE_WORDS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
"""What cells of that column mean, in small letters."""

FILTER_WORD = re.compile(
    "all|and|any|between|case|cast|current_date|current_time|current_timestamp|end|exists|false"
    "|in|interval|is|like|not|null|or|select|some|trim|true|with"
)
"""Words that the grammar of filters takes for something else than a column."""

# Columns that stand beside the attributes in a repository, a report, a print or a CSV of labels.
_TAKEN_NAME = re.compile(
    f"{RELEVANCE}|id|image|likeness|photo|rank|reason|relevance|score|.*_probability"
)
_ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_CLASS_NAME = re.compile(r"[^\s,;\"'\\/\x00-\x1f\x7f][^,;\"'\\/\x00-\x1f\x7f]{0,59}")


@dataclass(frozen=True)
class Attribute:
    """One attribute of a garment and the classes it can take, in the order of their codes."""

    name: str
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        if not _ATTRIBUTE_NAME.fullmatch(self.name):
            raise RequestError(
                f"attribute name {self.name!r}: use lower-case letters, digits and underscores, "
                "starting with a letter"
            )
        if _TAKEN_NAME.fullmatch(self.name):
            raise RequestError(
                f"attribute name {self.name!r} is reserved: it names a column that FashionNet "
                "writes beside the attributes; choose another"
            )
        if FILTER_WORD.fullmatch(self.name):
            raise RequestError(
                f"attribute name {self.name!r} is reserved: it is a word of the filters' language; "
                "choose another"
            )
        for name in self.classes:
            if not isinstance(name, str) or not _CLASS_NAME.fullmatch(name):
                raise RequestError(
                    f"attribute {self.name}: class {name!r} must be text of at most 60 characters "
                    "without quotes, slashes, commas or semicolons"
                )
        if not 2 <= len(self.classes) <= 255:
            raise RequestError(
                f"attribute {self.name} has {len(self.classes)} classes: expected 2 to 255"
            )
        if len(set(self.classes)) < len(self.classes):
            raise RequestError(f"attribute {self.name} names a class twice: {list(self.classes)}")

    def code(self, class_name: str) -> int:
        """Return the index of a class; an unknown one is a RequestError that names those known."""
        try:
            return self.classes.index(class_name)
        except ValueError:
            raise RequestError(
                f"{self.name} has no class {class_name!r}: expected one of "
                + ", ".join(self.classes)
            ) from None


@dataclass(frozen=True)
class Schema:
    """Attributes in a fixed order: what one position of a Fashion Vector means.

    >>> schema = Schema.default()
    >>> schema.names
    ('pattern', 'fabric', 'style', 'shape')
    >>> schema["shape"].code("sleeveless")
    2
    """

    attributes: tuple[Attribute, ...]

    def __post_init__(self) -> None:
        if not self.attributes:
            raise RequestError("a schema needs at least one attribute")
        if len(set(self.names)) < len(self.names):
            raise RequestError(f"a schema names an attribute twice: {list(self.names)}")

    @classmethod
    def default(cls) -> "Schema":
        """Return the schema that ships with FashionNet: pattern, fabric, style and shape."""
        return cls.load(Path(__file__).parent / "default_schema.toml")

    @classmethod
    def load(cls, path: Path) -> "Schema":
        """Read a TOML file with an `[attributes]` table: `name = ["class", ...]`."""
        try:
            with path.open("rb") as file:
                document = tomllib.load(file)
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RequestError(f"schema {path}: {error}") from error
        attributes = document.get("attributes")
        if not isinstance(attributes, dict) or not all(
            isinstance(classes, list) for classes in attributes.values()
        ):
            raise RequestError(
                f'schema {path}: expected an [attributes] table of lines like pattern = ["a", "b"]'
            )
        return cls.from_mapping(attributes)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, list[str]]) -> "Schema":
        """Build a schema from attribute names and their lists of classes."""
        return cls(tuple(Attribute(name, tuple(classes)) for name, classes in mapping.items()))

    def to_mapping(self) -> dict[str, list[str]]:
        """Return attribute names and their classes, as `from_mapping` takes them."""
        return {attribute.name: list(attribute.classes) for attribute in self.attributes}

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the attributes, in order."""
        return tuple(attribute.name for attribute in self.attributes)

    @cached_property
    def slices(self) -> dict[str, slice]:
        """Where each attribute's classes lie in a row of concatenated probabilities."""
        slices, start = {}, 0
        for attribute in self.attributes:
            slices[attribute.name] = slice(start, start + len(attribute.classes))
            start += len(attribute.classes)
        return slices

    @cached_property
    def class_count(self) -> int:
        """Classes of all attributes together: the width of a row of probabilities."""
        return sum(len(attribute.classes) for attribute in self.attributes)

    @cached_property
    def fingerprint(self) -> str:
        """Return 16 hexadecimal digits that change with any attribute, class or their order."""
        text = json.dumps(list(self.to_mapping().items()), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def __getitem__(self, name: str) -> Attribute:
        for attribute in self.attributes:
            if attribute.name == name:
                return attribute
        raise RequestError(f"no attribute {name!r}: the schema has " + ", ".join(self.names))

    def __iter__(self) -> Iterator[Attribute]:
        return iter(self.attributes)

    def __len__(self) -> int:
        return len(self.attributes)
