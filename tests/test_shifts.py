"""Walks from a photo towards a class."""

import numpy as np
import pytest
from handmade import SCHEMA, items_of, vectors_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fashionnet.errors import RequestError
from fashionnet.schema import Schema
from fashionnet.similarity import Shift, most_similar, shifted

STRIPED, SOLID = SCHEMA["pattern"].code("striped"), SCHEMA["pattern"].code("solid")
FORMAL = SCHEMA["style"].code("formal")


def world(codes, certainty=0.98):
    """Items whose embeddings say their classes, each in a dimension of its own, and little else."""
    starts = np.array([part.start for part in SCHEMA.slices.values()])
    embeddings = np.zeros((len(codes), SCHEMA.class_count + 8))
    embeddings[np.arange(len(codes))[:, None], codes + starts] = 1
    embeddings[:, SCHEMA.class_count :] = np.random.default_rng(1).normal(0, 0.1, (len(codes), 8))
    return vectors_of(codes, embeddings, certainty=certainty)


def drawn_codes(count=12_000):
    """Codes of which striped is mostly formal and formal mostly striped."""
    random = np.random.default_rng(0)
    codes = np.stack([random.integers(0, len(a.classes), count) for a in SCHEMA], axis=1)
    together = random.random(count) < 0.4
    codes[together, 0], codes[together, 2] = STRIPED, FORMAL
    return codes


@pytest.fixture(scope="module")
def items():
    return items_of(world(drawn_codes()))


def a_photo(items, pattern=SOLID):
    codes = items.vectors.codes
    rows = np.flatnonzero((codes[:, 0] == pattern) & (codes[:, 2] != FORMAL))
    return items.vectors.take([rows[0]])


def top_codes(items, query, *shifts):
    sought = shifted(query, items.vectors, shifts)
    similar = most_similar(items, query.embeddings[0], 10, sought=sought)
    return items.vectors.codes[similar.rows]


def test_a_shift_brings_the_class_and_keeps_the_rest(items):
    query = a_photo(items)
    found = top_codes(items, query, Shift("pattern", "striped", 2))
    assert (found[:, 0] == STRIPED).mean() >= 0.9
    assert (found[:, 1:] == query.codes[0, 1:]).mean() >= 0.7


def test_classes_that_often_come_together_are_told_apart(items):
    query = a_photo(items)
    step = shifted(query, items.vectors, [Shift("pattern", "striped", 1)]) - query.embeddings[0]
    formal = SCHEMA.slices["style"].start + FORMAL
    assert step[STRIPED] > 0.3
    assert abs(step[formal]) < 0.05 * step[STRIPED]


def test_the_stronger_the_shift_the_more_of_the_class(items):
    query = a_photo(items)
    shares = [
        (top_codes(items, query, Shift("pattern", "striped", strength))[:, 0] == STRIPED).mean()
        for strength in (0, 0.8, 2)
    ]
    assert shares[0] == 0 and shares == sorted(shares) and shares[-1] >= 0.9


def test_a_shift_below_zero_walks_away(items):
    query = a_photo(items, STRIPED)
    assert (top_codes(items, query)[:, 0] == STRIPED).mean() >= 0.9
    query = a_photo(items)
    towards = shifted(query, items.vectors, [Shift("pattern", "striped", 1)])
    away = shifted(query, items.vectors, [Shift("pattern", "striped", -1)])
    assert towards[STRIPED] > query.embeddings[0][STRIPED] > away[STRIPED]


def test_a_photo_that_has_the_class_walks_away_to_the_others_and_keeps_the_rest(items):
    query = a_photo(items, STRIPED)
    found = top_codes(items, query, Shift("pattern", "striped", -2))
    assert (found[:, 0] == STRIPED).mean() <= 0.1
    assert (found[:, 1:] == query.codes[0, 1:]).mean() >= 0.7


def test_a_photo_that_has_the_class_hardly_moves(items):
    query = a_photo(items, STRIPED)
    moved = shifted(query, items.vectors, [Shift("pattern", "striped", 1)])
    assert moved @ query.embeddings[0] > 0.99


def test_without_a_shift_the_photo_stays_where_it_is(items):
    query = a_photo(items)
    assert np.array_equal(shifted(query, items.vectors, []), query.embeddings[0])


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.permutations(range(3)), st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_shifts_add_up_in_any_order_to_a_unit_length(order, strengths):
    items = world(drawn_codes(200))
    names = (("pattern", "floral"), ("fabric", "wool"), ("shape", "sleeveless"))
    shifts = [Shift(*name, strength) for name, strength in zip(names, strengths, strict=True)]
    query = items.take([5])
    there = shifted(query, items, shifts)
    assert np.linalg.norm(there) == pytest.approx(1, abs=1e-5)
    assert np.allclose(there, shifted(query, items, [shifts[place] for place in order]), atol=1e-5)


def test_a_class_that_no_item_has_is_refused_by_name():
    codes = drawn_codes(50)
    codes[codes[:, 0] == STRIPED, 0] = SOLID
    items = world(codes)
    with pytest.raises(RequestError, match="no item of the repository is striped"):
        shifted(items.take([0]), items, [Shift("pattern", "striped", 1)])


def test_a_shift_is_read_from_text():
    assert Shift.parse("pattern=striped:2", SCHEMA) == Shift("pattern", "striped", 2.0)
    assert Shift.parse(" shape = half-sleeve ", SCHEMA) == Shift("shape", "half-sleeve", 1.5)
    assert Shift.parse("colour=navy blue:-1", SCHEMA) == Shift("colour", "Navy Blue", -1.0)
    ratio = Schema.from_mapping({"cut": ["a:1", "a"]})
    assert Shift.parse("cut=a:1", ratio) == Shift("cut", "a:1", 1.5)
    assert Shift.parse("cut=a:1:3", ratio) == Shift("cut", "a:1", 3.0)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("striped", "expected ATTRIBUTE=CLASS:STRENGTH"),
        ("sleeves=long", "no attribute 'sleeves'"),
        ("colour=reddish", "no colour 'reddish'"),
        ("pattern=stripy", "pattern has no class 'stripy'"),
        ("pattern=striped:much", "strength is 'much': expected a number from -10 to 10"),
        ("pattern=striped:11", "strength is '11'"),
        ("pattern=striped:nan", "strength is 'nan'"),
    ],
)
def test_what_is_no_shift_is_refused_in_one_line(text, what):
    with pytest.raises(RequestError, match=what) as caught:
        Shift.parse(text, SCHEMA)
    assert "\n" not in str(caught.value)
