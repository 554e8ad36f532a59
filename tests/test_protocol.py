"""The measure of embeddings beside a plain count, and what it says of odd ones."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashionnet.errors import RequestError
from fashionnet.similarity import protocol
from fashionnet.similarity.protocol import TOPS, score_embedding


def plain_scores(embeddings, labels, metric):
    """Accuracy and recall at each k and mean average precision, one query at a time."""
    accuracy, recall, precision = {k: [] for k in TOPS}, {k: [] for k in TOPS}, []
    for query, (place, label) in enumerate(zip(embeddings, labels, strict=True)):
        others = [row for row in range(len(labels)) if row != query]
        if not any(labels[row] == label for row in others):
            continue
        if metric == "l2":
            far = {row: np.linalg.norm(place - embeddings[row]) for row in others}
        else:
            far = {
                row: -np.dot(place, embeddings[row])
                / (np.linalg.norm(place) * np.linalg.norm(embeddings[row]))
                for row in others
            }
        # Of pictures that are equally near, those of another item come first.
        order = sorted(others, key=lambda row: (far[row].round(9), labels[row] == label))
        right = [labels[row] == label for row in order]
        for k in TOPS:
            accuracy[k].append(any(right[:k]))
            recall[k].append(sum(right[:k]) / sum(right))
        ranks = [rank for rank, hit in enumerate(right, 1) if hit]
        precision.append(np.mean([(n + 1) / rank for n, rank in enumerate(ranks)]))
    mean = {k: np.mean(accuracy[k]) for k in TOPS}, {k: np.mean(recall[k]) for k in TOPS}
    return *mean, np.mean(precision)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(2, 40),
    metric=st.sampled_from(["cosine", "l2"]),
)
def test_scores_are_those_counted_one_by_one(seed, count, metric):
    random = np.random.default_rng(seed)
    labels = random.integers(0, max(1, count // 3), size=count)
    labels[1] = labels[0]
    # Small whole numbers, so that distances are either equal or further apart than any rounding.
    embeddings = random.integers(1, 4, size=(count, 3)).astype(np.float64)
    found = score_embedding(embeddings, labels, metric)
    accuracy, recall, precision = plain_scores(embeddings, labels, metric)
    for k in TOPS:
        assert found.accuracy[k].value == pytest.approx(accuracy[k])
        assert found.recall[k].value == pytest.approx(recall[k])
    assert found.average_precision.value == pytest.approx(precision)


def test_the_result_does_not_hang_on_how_queries_are_dealt_out(monkeypatch):
    random = np.random.default_rng(0)
    embeddings, labels = random.normal(size=(60, 4)), np.repeat(np.arange(20), 3)
    whole = score_embedding(embeddings, labels)
    monkeypatch.setattr(protocol, "_CELLS", 200)
    assert score_embedding(embeddings, labels) == whole


def test_an_embedding_that_says_the_same_of_all_finds_nothing():
    found = score_embedding(np.ones((40, 5)), np.repeat(np.arange(20), 2))
    assert found.accuracy[10].value == 0


def test_pictures_of_one_item_in_one_place_are_all_found():
    embeddings = np.repeat(np.random.default_rng(0).normal(size=(30, 6)), 2, axis=0)
    found = score_embedding(embeddings, np.repeat(np.arange(30), 2))
    assert found.accuracy[1].value == found.average_precision.value == 1
    assert (found.pictures, found.items) == (60, 30)


def test_single_pictures_are_in_the_way_and_ask_nothing():
    embeddings = np.array([[0.0], [10.0], [1.0]])
    found = score_embedding(embeddings, [0, 0, 1], "l2")
    assert found.items == 1
    assert found.accuracy[1].value == 0
    assert found.accuracy[5].value == 1


def test_intervals_draw_items_and_cover_the_truth():
    random = np.random.default_rng(0)
    # Both queries of an item succeed or fail together: 100 items say no more than 100 coin tosses.
    right = random.random(100) < 0.5
    embeddings = np.eye(200)[: 2 * 100]
    embeddings[1::2][right] = embeddings[::2][right]
    interval = score_embedding(embeddings, np.repeat(np.arange(100), 2)).accuracy[1]
    assert interval.value == right.mean()
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.05, rel=0.15)


def test_memory_does_not_grow_with_the_square(monkeypatch):
    monkeypatch.setattr(protocol, "_CELLS", 2**18)
    count = 6000
    embeddings = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32)
    # A hundred pictures in pairs, and 5,900 that are only in the way.
    labels = np.concatenate([np.repeat(np.arange(50), 2), np.arange(100, count)])
    tracemalloc.start()
    score_embedding(embeddings, labels)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < count * count / 2


@pytest.mark.parametrize(
    ("embeddings", "labels", "metric", "said"),
    [
        (np.ones((3, 2)), [0, 0], "cosine", "expected N rows of numbers and N labels"),
        (np.ones(3), [0, 0, 1], "cosine", "expected N rows"),
        (np.full((2, 2), np.nan), [0, 0], "cosine", "not finite"),
        (np.ones((3, 2)), [0, 1, 2], "cosine", "no item has two pictures"),
        (np.ones((2, 2)), [0, 0], "angel", "expected one of cosine, l2"),
    ],
)
def test_what_cannot_be_scored_is_one_line(embeddings, labels, metric, said):
    with pytest.raises(RequestError, match=said):
        score_embedding(embeddings, labels, metric)
