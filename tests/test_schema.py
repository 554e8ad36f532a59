"""Schemas: what a person who writes one in TOML would notice."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fashionnet.errors import RequestError
from fashionnet.schema import Attribute, Schema


def usable(class_name, attribute="colour"):
    try:
        Attribute(attribute, (class_name, f"not {class_name}"))
    except RequestError:
        return False
    return True


NAMES = some.from_regex(r"[a-z][a-z0-9_]{0,39}", fullmatch=True).filter(
    lambda name: usable("red", name)
)
CLASSES = some.text(some.characters(exclude_categories=["Cs"]), min_size=1, max_size=56)
SCHEMAS = some.dictionaries(
    NAMES,
    some.lists(CLASSES.filter(usable), min_size=2, max_size=6, unique=True),
    min_size=1,
    max_size=5,
).map(Schema.from_mapping)


def write(folder, text):
    path = folder / "schema.toml"
    path.write_text(text, encoding="utf-8")
    return path


@given(schema=SCHEMAS)
def test_a_written_schema_is_read_as_it_was(schema, tmp_path_factory):
    lines = [
        f"{name} = {json.dumps(classes, ensure_ascii=False)}\n"
        for name, classes in schema.to_mapping().items()
    ]
    text = "[attributes]\n" + "".join(lines)
    read = Schema.load(write(tmp_path_factory.mktemp("schema"), text))
    assert read == schema
    assert read.fingerprint == schema.fingerprint


@given(schema=SCHEMAS)
def test_probabilities_are_dealt_out_to_the_attributes_without_gap(schema):
    places = [place for part in schema.slices.values() for place in range(part.start, part.stop)]
    assert places == list(range(schema.class_count))


@given(schema=SCHEMAS)
def test_the_order_of_classes_and_attributes_makes_another_schema(schema):
    mapping = schema.to_mapping()
    first = schema.names[0]
    turned = Schema.from_mapping({**mapping, first: mapping[first][::-1]})
    assert turned.fingerprint != schema.fingerprint
    if len(schema) > 1:
        reordered = Schema.from_mapping(dict(reversed(mapping.items())))
        assert reordered.fingerprint != schema.fingerprint


def test_the_default_schema_is_the_one_that_the_documentation_names():
    assert Schema.default().to_mapping() == {
        "pattern": ["checkered", "striped", "floral", "graphic", "solid"],
        "fabric": ["cotton", "chiffon", "lace", "wool", "silk"],
        "style": ["casual", "formal", "party", "winter", "summer"],
        "shape": ["full-sleeve", "half-sleeve", "sleeveless"],
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", r"expected an \[attributes\] table"),
        ("attributes = 3", r"expected an \[attributes\] table"),
        ('[attributes]\ncolour = "red"', r"expected an \[attributes\] table"),
        ("[attributes]", "at least one attribute"),
        ("[attributes]\ncolour = [", "schema.toml"),
        ('[attributes]\ncolour = ["red", "blue"]\ncolour = ["red", "grey"]', "schema.toml"),
        ('[attributes]\nColour = ["red", "blue"]', "'Colour': use lower-case"),
        ('[attributes]\nrelevant = ["red", "blue"]', "'relevant' is reserved"),
        ('[attributes]\na_probability = ["red", "blue"]', "'a_probability' is reserved"),
        ('[attributes]\ncolour = ["red"]', "colour has 1 classes: expected 2 to 255"),
        ('[attributes]\ncolour = ["red", "blue", "red"]', "colour names a class twice"),
        ("[attributes]\ncolour = [1, 2]", "colour: class 1 must be text"),
        ('[attributes]\ncolour = ["red", ""]', "colour: class '' must be text"),
        ('[attributes]\ncolour = ["red", "../blue"]', "colour: class '../blue' must be text"),
        ('[attributes]\ncolour = ["red", "blue\'; drop"]', "must be text"),
    ],
)
def test_a_wrong_schema_is_refused_with_what_is_wrong(tmp_path, text, said):
    with pytest.raises(RequestError, match=said):
        Schema.load(write(tmp_path, text))


def test_a_schema_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(RequestError, match=r"missing\.toml"):
        Schema.load(tmp_path / "missing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match=r"binary\.toml"):
        Schema.load(tmp_path / "binary.toml")


def test_an_unknown_attribute_or_class_is_refused_with_those_known():
    schema = Schema.default()
    with pytest.raises(RequestError, match=r"'colour': the schema has pattern, fabric"):
        schema["colour"]
    with pytest.raises(RequestError, match=r"'plaid': expected one of checkered, striped"):
        schema["pattern"].code("plaid")


@pytest.mark.parametrize("name", ["id", "photo", "image", "relevance", "score", "all", "select"])
def test_attribute_names_that_a_repository_or_a_report_needs_are_reserved(name):
    with pytest.raises(RequestError, match=f"'{name}' is reserved: it .*choose another"):
        Schema.from_mapping({name: ["one", "two"]})
