from fractions import Fraction

import numpy as np
import pytest
from handmade import items_of, profile_of, vectors_of
from hypothesis import given, settings
from hypothesis import strategies as st

from fashionnet.errors import RequestError
from fashionnet.matching import recommend
from fashionnet.schema import Schema

SMALL = Schema.from_mapping({"pattern": ["a", "b", "c"], "fabric": ["x", "y"]})
CODES = st.tuples(st.integers(0, 2), st.integers(0, 1))


def slow_scores(liked, disliked, items, weights):
    """The score as the module's docstring states it, in exact fractions."""

    def against(profile, item, count):
        same = sum(
            w for row in profile for w, c, d in zip(weights, row, item, strict=True) if c == d
        )
        return same / Fraction(count)

    most = max(len(liked), len(disliked))
    return [against(liked, item, len(liked)) - against(disliked, item, most) for item in items]


@settings(max_examples=200, deadline=None)
@given(
    liked=st.lists(CODES, min_size=1, max_size=6),
    disliked=st.lists(CODES, max_size=3),
    items=st.lists(CODES, min_size=1, max_size=40),
    weights=st.tuples(st.integers(0, 30), st.integers(1, 30)),
    top=st.integers(1, 45),
    seed=st.integers(0, 2**32 - 1),
)
def test_ranking_equals_the_slow_reference(liked, disliked, items, weights, top, seed):
    random = np.random.default_rng(seed)
    # Few distinct embeddings, so that likeness ties too and the id has to decide.
    looks = random.normal(size=(3, 8))
    vectors = vectors_of(items, looks[random.integers(0, 3, len(items))], SMALL)
    profile = profile_of(
        vectors_of(liked, random.normal(size=(len(liked), 8)), SMALL),
        vectors_of(disliked, random.normal(size=(len(disliked), 8)), SMALL) if disliked else None,
    )
    ids = [str(number) for number in random.permutation(len(items))]
    weights = [Fraction(weight, 10) for weight in weights]

    scores = slow_scores(liked, disliked, items, weights)
    likeness = [
        round(max(float(np.dot(own, item)) for own in profile.vectors.embeddings), 5)
        for item in vectors.embeddings
    ]
    order = sorted(range(len(items)), key=lambda i: (-scores[i], -likeness[i], ids[i]))[:top]

    given_weights = {name: float(w) for name, w in zip(SMALL.names, weights, strict=True)}
    found = recommend(profile, items_of(vectors, ids), top, weights=given_weights)
    assert [ids[row] for row in found.rows] == [ids[row] for row in order]
    assert found.scores == pytest.approx([float(scores[row]) for row in order], abs=1e-8)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_expected_scoring_is_the_weighted_product_of_probabilities(seed):
    random = np.random.default_rng(seed)
    liked, disliked, items = (
        vectors_of(random.integers(0, 2, (n, 2)), schema=SMALL, certainty=random.uniform(0.5, 1))
        for n in (4, 2, 30)
    )
    found = recommend(profile_of(liked, disliked), items_of(items), 30, "expected", {"fabric": 2.5})
    for row, score in zip(found.rows, found.scores, strict=True):
        slow = 0.0
        for part, weight in ((slice(0, 3), 1.0), (slice(3, 5), 2.5)):
            for own, sign in ((liked, 1 / 4), (disliked, -1 / 4)):
                for other in own.probabilities:
                    slow += sign * weight * float(other[part] @ items.probabilities[row, part])
        assert score == pytest.approx(slow, abs=1e-5)
    assert (np.diff(found.scores) <= 0).all()


def test_scores_run_to_the_number_of_attributes():
    profile = profile_of(vectors_of([[1, 0, 0, 0]] * 5))
    found = recommend(profile, items_of(vectors_of([[1, 0, 0, 0], [0, 1, 1, 1]])), 2)
    assert found.scores.tolist() == [4, 0]
    assert found.best_score == 4


def test_the_reason_names_shared_classes_most_shared_first():
    profile = profile_of(vectors_of([[1, 0, 0, 0]] * 3 + [[1, 0, 3, 1], [4, 0, 3, 2]]))
    found = recommend(profile, items_of(vectors_of([[1, 0, 0, 2], [0, 1, 2, 2]])), 2)
    assert found.reason(0) == "cotton 5 of 5, striped 4 of 5, casual 3 of 5, sleeveless 1 of 5"
    assert found.matches[0].tolist() == [4, 5, 3, 1]
    assert found.reason(1) == "sleeveless 1 of 5"


def test_an_attribute_without_weight_is_no_reason():
    profile = profile_of(vectors_of([[1, 0, 0, 0]]))
    items = items_of(vectors_of([[1, 1, 1, 1], [0, 0, 1, 1]]))
    found = recommend(profile, items, 2, weights={"pattern": 0})
    assert [found.reason(place) for place in (0, 1)] == ["cotton 1 of 1", "no shared feature"]


def test_disliked_clothes_sink():
    profile = profile_of(vectors_of([[1, 0, 0, 0]]), vectors_of([[1, 1, 1, 1], [1, 1, 1, 2]]))
    found = recommend(profile, items_of(vectors_of([[1, 1, 0, 0], [0, 0, 0, 0]])), 2)
    assert found.rows.tolist() == [1, 0]
    assert found.scores.tolist() == [3, 1]


def test_one_dislike_does_not_undo_a_whole_wardrobe():
    wardrobe = [[1, 0, 0, 0]] * 6
    profile = profile_of(vectors_of(wardrobe), vectors_of([[2, 0, 0, 0]]))
    found = recommend(profile, items_of(vectors_of([[1, 0, 0, 0], [0, 1, 1, 1], [2, 0, 0, 0]])), 3)
    assert found.rows.tolist() == [0, 2, 1]
    assert found.scores == pytest.approx([4 - 3 / 6, 3 - 4 / 6, 0])


def test_items_that_the_person_showed_are_left_out_by_file_and_by_picture():
    looks = np.eye(8)[:5]
    nearly = looks[1] + 0.01 * looks[2]
    liked = vectors_of([[1, 0, 0, 0]], [looks[1]])
    disliked = vectors_of([[0, 1, 1, 1]], [looks[3]])
    profile = profile_of(liked, disliked)
    items = items_of(
        vectors_of([[1, 0, 0, 0]] * 5, [looks[0], nearly, looks[2], looks[3], looks[4]])
    )
    items.fingerprints[2] = profile.liked.fingerprints[0]
    for top in (1, 2, 5):
        found = recommend(profile, items, top)
        assert found.rows.tolist() == [0, 4][:top]
    assert nearly @ looks[1] / np.linalg.norm(nearly) > items.same_picture


def test_how_alike_the_same_picture_is_depends_on_the_items():
    looks = np.eye(4)
    profile = profile_of(vectors_of([[1, 0, 0, 0]], [looks[0]]))
    alike = looks[0] + 0.4 * looks[1]
    items = items_of(vectors_of([[1, 0, 0, 0]] * 2, [alike, looks[2]]))
    assert recommend(profile, items, 2).rows.tolist() == [0, 1]
    items.same_picture = 0.9
    assert recommend(profile, items, 2).rows.tolist() == [1]


def test_many_shown_pictures_at_the_top_do_not_shorten_the_list():
    looks = np.eye(12)
    liked = vectors_of([[1, 0, 0, 0]] * 6, looks[:6])
    best = vectors_of([[1, 0, 0, 0]] * 6, looks[:6])
    other = vectors_of([[1, 0, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1]], looks[6:9])
    items = items_of(type(best).concatenate([best, other]))
    assert recommend(profile_of(liked), items, 2).rows.tolist() == [6, 7]
    assert recommend(profile_of(liked), items, 9).rows.tolist() == [6, 7, 8]


@pytest.mark.parametrize("scoring", ["matches", "expected"])
@pytest.mark.parametrize("diversity", [0.0, 0.4])
def test_the_order_of_items_in_the_repository_does_not_matter(scoring, diversity):
    random = np.random.default_rng(3)
    profile = profile_of(vectors_of(random.integers(0, 3, (7, 4))))
    vectors = vectors_of(random.integers(0, 3, (500, 4)))
    ids = [f"{row:03d}" for row in range(500)]
    shuffled = random.permutation(500)
    once = recommend(profile, items_of(vectors, ids), 30, scoring, diversity=diversity)
    again = recommend(
        profile,
        items_of(vectors.take(shuffled), [ids[row] for row in shuffled]),
        30,
        scoring,
        diversity=diversity,
    )
    assert [ids[row] for row in once.rows] == [ids[shuffled[row]] for row in again.rows]


def test_diversity_spreads_near_identical_items_and_zero_changes_nothing():
    looks = np.eye(8)
    twins = [looks[0] + 0.02 * looks[k] for k in (2, 3, 4, 5)]
    vectors = vectors_of([[1, 0, 0, 0]] * 4 + [[1, 0, 0, 1]], [*twins, looks[6]])
    profile = profile_of(vectors_of([[1, 0, 0, 0]], [looks[0] + looks[7]]))
    plain = recommend(profile, items_of(vectors), 2)
    assert (
        plain.rows.tolist() == recommend(profile, items_of(vectors), 2, diversity=0.0).rows.tolist()
    )
    assert 4 not in plain.rows
    varied = recommend(profile, items_of(vectors), 2, diversity=0.5)
    assert varied.rows.tolist() == [plain.rows[0], 4]


def test_diversity_may_not_bring_back_an_item_twice():
    vectors = vectors_of([[1, 0, 0, 0]] * 6)
    found = recommend(profile_of(vectors_of([[1, 0, 0, 0]])), items_of(vectors), 10, diversity=1.0)
    assert sorted(found.rows) == list(range(6))


def test_no_items_give_no_recommendations():
    nothing = vectors_of([[0, 0, 0, 0]]).take([])
    assert len(recommend(profile_of(vectors_of([[1, 0, 0, 0]])), items_of(nothing), 10)) == 0


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        ({"top": 0}, "top is 0"),
        ({"scoring": "best"}, "scoring 'best'"),
        ({"diversity": 1.5}, "diversity is 1.5"),
        ({"diversity": float("nan")}, "diversity is nan"),
        ({"weights": {"colour": 1}}, "no attribute 'colour'.*pattern"),
        ({"weights": {"pattern": -1}}, "weight of pattern is -1"),
        ({"weights": {"pattern": float("nan")}}, "weight of pattern is nan"),
        ({"weights": {"pattern": float("inf")}}, "weight of pattern is inf"),
        ({"weights": dict.fromkeys(Schema.default().names, 0)}, "every attribute has weight 0"),
    ],
)
def test_values_out_of_range_are_refused(wrong, what):
    profile, items = profile_of(vectors_of([[1, 0, 0, 0]])), items_of(vectors_of([[1, 0, 0, 0]]))
    with pytest.raises(RequestError, match=what):
        recommend(profile, items, **{"top": 3, **wrong})


def test_items_of_another_schema_or_network_are_refused():
    profile = profile_of(vectors_of([[1, 0, 0, 0]]))
    with pytest.raises(RequestError, match=r"pattern, fabric, style, shape.*pattern, fabric\)"):
        recommend(profile, items_of(vectors_of([[1, 0]], schema=SMALL)), 3)
    with pytest.raises(RequestError, match=r"8 numbers.*16"):
        recommend(profile, items_of(vectors_of([[1, 0, 0, 0]], size=16)), 3)
