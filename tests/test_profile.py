import json
import os
from dataclasses import replace

import numpy as np
import pytest
from handmade import MODEL, SCHEMA, items_of, profile_of, vectors_of

from fashionnet.errors import RequestError
from fashionnet.matching import recommend
from fashionnet.profile import StyleProfile, class_counts
from fashionnet.schema import Schema


@pytest.fixture
def profile():
    liked = vectors_of([[1, 0, 0, 0], [1, 0, 3, 0], [4, 0, 0, 1]], certainty=0.7)
    disliked = vectors_of([[2, 1, 2, 2]])
    return profile_of(liked, disliked)


def test_class_counts_are_those_of_the_profile_s_rows(profile):
    counts = class_counts(profile.vectors)
    assert profile.vectors.codes.tolist() == [[1, 0, 0, 0], [1, 0, 3, 0], [4, 0, 0, 1]]
    assert counts[SCHEMA.slices["pattern"]].tolist() == [0, 2, 0, 0, 1]
    assert counts[SCHEMA.slices["fabric"]].tolist() == [3, 0, 0, 0, 0]


def test_mean_probabilities_sum_to_one_an_attribute(profile):
    mean = profile.mean_probabilities()
    for part in SCHEMA.slices.values():
        assert mean[part].sum() == pytest.approx(1, abs=1e-6)


def test_a_loaded_profile_recommends_exactly_as_the_saved_one(profile, tmp_path):
    path = tmp_path / "mein profil é.json"
    profile.save(path)
    loaded = StyleProfile.load(path)
    assert loaded.liked.names == profile.liked.names
    assert loaded.shown_fingerprints == profile.shown_fingerprints
    np.testing.assert_array_equal(loaded.vectors.probabilities, profile.vectors.probabilities)
    np.testing.assert_array_equal(loaded.vectors.embeddings, profile.vectors.embeddings)
    codes = np.random.default_rng(1).integers(0, 3, (200, 4))
    items = items_of(vectors_of(codes))
    for scoring in ("matches", "expected"):
        before, after = (recommend(p, items, 20, scoring) for p in (profile, loaded))
        assert before.rows.tolist() == after.rows.tolist()
        assert before.scores.tolist() == after.scores.tolist()


def test_saving_replaces_the_old_file_and_leaves_nothing_else(profile, tmp_path):
    path = tmp_path / "me.json"
    profile.save(path)
    profile.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["me.json"]


def test_saving_where_there_is_no_folder_says_where(profile, tmp_path):
    with pytest.raises(RequestError, match=r"cannot write .*me\.json: no such file"):
        profile.save(tmp_path / "nowhere" / "me.json")


def edit(document, place, value):
    *way, last = place
    for key in way:
        document = document[key]
    document[last] = value


@pytest.mark.parametrize(
    ("place", "value", "what"),
    [
        (("format",), "something else", "expected format"),
        (("model",), "../../etc", "16 hexadecimal digits"),
        (("schema",), [], "schema"),
        (("schema", "shape"), ["a'b", "c"], "shape"),
        (("liked",), [], "expected liked to list photos"),
        (("liked",), [1], "expected liked to list photos"),
        (("liked", 0, "photo"), None, "a name for each"),
        (("liked", 0, "sha256"), "abc", "64 hexadecimal digits"),
        (("liked", 0, "probabilities"), [0.5], "one length"),
        (("liked", 0, "probabilities", 0), 5.0, "sum to one"),
        (("liked", 0, "probabilities", 0), "0.9", "numbers only"),
        (("liked", 0, "probabilities", 0), True, "numbers only"),
        (("liked", 0, "relevance"), 2, "from 0 to 1"),
        (("liked", 0, "embedding", 0), float("nan"), "finite"),
        (("liked", 0, "embedding", 0), 10**400, "large"),
        (("liked", 0, "embedding", 0), 1e300, "finite"),
        (("liked", 0, "embedding", 0), 17, "unit length"),
        (("disliked", 0, "embedding"), [1.0], "differ in length"),
    ],
)
def test_a_profile_with_a_wrong_value_is_refused_with_its_reason(
    profile, tmp_path, place, value, what
):
    path = tmp_path / "me.json"
    profile.save(path)
    document = json.loads(path.read_text())
    edit(document, place, value)
    path.write_text(json.dumps(document))
    with pytest.raises(RequestError, match=what) as caught:
        StyleProfile.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[1", b"[" * 100_000, b"null", b"{}"])
def test_a_file_that_is_no_profile_is_refused(tmp_path, content):
    path = tmp_path / "me.json"
    path.write_bytes(content)
    with pytest.raises(RequestError, match="not a style profile"):
        StyleProfile.load(path)


def test_a_missing_profile_is_refused(tmp_path):
    with pytest.raises(RequestError, match="no such file"):
        StyleProfile.load(tmp_path / "me.json")


def test_a_profile_refuses_another_schema_and_model_by_name(profile):
    other = Schema.from_mapping({"colour": ["red", "blue"]})
    with pytest.raises(RequestError, match=r"pattern, fabric, style, shape.*repository R.*colour"):
        profile.require_model(other, MODEL, "repository R")
    with pytest.raises(RequestError, match=f"{MODEL}.*repository R.*{'f' * 16}"):
        profile.require_model(SCHEMA, "f" * 16, "repository R")
    profile.require_model(SCHEMA, MODEL, "repository R")


def test_a_photo_whose_name_is_no_text_is_kept_by_that_name(profile, tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    liked = replace(profile.liked, names=(name, *profile.liked.names[1:]))
    replace(profile, liked=liked).save(tmp_path / "me.json")
    assert StyleProfile.load(tmp_path / "me.json").liked.names[0] == name
