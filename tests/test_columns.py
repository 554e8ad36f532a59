"""Large repositories: the columns beside the table lead to what reading every item leads to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from handmade import MODEL, SCHEMA, fingerprint_of, profile_of, vectors_of
from hypothesis import given, settings
from hypothesis import strategies as st

import fashionnet.repository.candidates as candidates_module
import fashionnet.repository.column_folders as column_folders
import fashionnet.repository.columns as columns_module
import fashionnet.repository.table as table_module
import fashionnet.search as search
from fashionnet.errors import RequestError
from fashionnet.matching import recommend
from fashionnet.repository import Repository
from fashionnet.repository.columns import Columns
from fashionnet.repository.table import Description, ItemTable, vector_columns
from fashionnet.vectors import FashionVectors

SIZE = 48
METADATA = pa.schema([("gender", pa.string()), ("year", pa.int64()), ("name", pa.string())])
FILTERS = (
    None,
    "gender = 'Women' AND year > 2004",
    "gender IS NULL OR pattern = 'striped'",
    "name LIKE 'n1%' AND relevance > 0.5",
    "year < 1900",
)
# Few looks, so that many items tie in likeness and the id has to decide.
LOOKS = np.random.default_rng(7).normal(size=(40, SIZE))
ROOT = Path(__file__).parent.parent


def rows(count, first=0, seed=0):
    """Rows of the table: items of few classes, some with the very same picture."""
    random = np.random.default_rng([seed, first])
    noise = 0.3 * random.integers(0, 2, (count, 1)) * random.normal(size=(count, SIZE))
    vectors = vectors_of(
        random.integers(0, 3, (count, 4)), LOOKS[random.integers(0, 40, count)] + noise
    )
    sharper = vectors.probabilities ** random.uniform(0.7, 3, (count, 1)).astype(np.float32)
    parts = [sharper[:, part] for part in SCHEMA.slices.values()]
    vectors = FashionVectors(
        SCHEMA,
        np.concatenate([part / part.sum(axis=1, keepdims=True) for part in parts], axis=1),
        (random.random(count) < 0.9).astype(np.float32),
        vectors.embeddings,
    )
    numbers = range(first, first + count)
    genders = np.array(["Men", "Women", "Kids", None], object)[random.integers(0, 4, count)]
    own = {
        "id": pa.array([f"{number:06d}" for number in reversed(numbers)]),
        "photo": pa.array([f"{number}.jpg" for number in numbers]),
        "_sha256": pa.array([fingerprint_of(number) for number in numbers]),
        "_size": pa.array(numbers),
        "_modified": pa.array(numbers),
    }
    catalogue = {
        "gender": pa.array(genders, pa.string()),
        "year": pa.array(random.integers(2000, 2010, count)),
        "name": pa.array([f"n{number}" for number in numbers]),
    }
    return pa.table(own | vector_columns(vectors, MODEL) | catalogue)


def table_of(path: Path) -> ItemTable:
    description = Description(SCHEMA, MODEL, SIZE, 0.98, "photos")
    if not path.exists():
        path.mkdir()
        description.write(path)
    return ItemTable.open(path, description, METADATA)


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(table_module, "READ_WHOLE", 100)
    # Fewer axes than numbers in an embedding, so that the bounds leave something open.
    monkeypatch.setattr(columns_module, "COARSE_SIZE", 16)
    monkeypatch.setattr(search, "_EMBEDDINGS_READ", 8)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "repository"
    table = table_of(path)
    table.add(rows(1200))
    table.tidy()
    return path


@pytest.fixture(scope="module")
def unchanging(tmp_path_factory):
    """A repository for tests that only read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_module, "READ_WHOLE", 100)
        patch.setattr(columns_module, "MOST_VALUES", 600)
        patch.setattr(columns_module, "_ITEMS_IN_A_CELL", 16)
        patch.setattr(columns_module, "COARSE_SIZE", 16)
        path = tmp_path_factory.mktemp("columns") / "repository"
        table = table_of(path)
        table.add(rows(1500))
        table.tidy()
        return Repository.open(path)


def profile(random, count=3, disliked=0):
    def photos(number):
        looks = LOOKS[random.integers(0, 40, number)] + 0.2 * random.normal(size=(number, SIZE))
        return vectors_of(random.integers(0, 3, (number, 4)), looks)

    return profile_of(photos(count), photos(disliked) if disliked else None)


def assert_alike(repository, profile, where=None, **options):
    """Recommend from all items and from the columns, and compare everything."""
    items, found_by_columns = repository.items(where), repository.candidates(where)
    assert len(found_by_columns) == len(items)
    slow = recommend(profile, items, **options)
    fast = recommend(profile, found_by_columns, **options)
    assert found_by_columns.take(fast.rows).ids == [items.ids[row] for row in slow.rows]
    np.testing.assert_array_equal(fast.scores, slow.scores)
    np.testing.assert_array_equal(fast.likeness, slow.likeness)
    assert [fast.reason(n) for n in range(len(fast))] == [slow.reason(n) for n in range(len(slow))]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 6),
    disliked=st.integers(0, 2),
    where=st.sampled_from(FILTERS),
    scoring=st.sampled_from(["matches", "expected"]),
    top=st.sampled_from([1, 10, 60, 2000]),
    diversity=st.sampled_from([0.0, 0.3]),
    weight=st.sampled_from([0, 0.5, 3]),
)
def test_columns_lead_to_the_same_recommendations_as_all_items(
    unchanging, seed, count, disliked, where, scoring, top, diversity, weight
):
    assert_alike(
        unchanging,
        profile(np.random.default_rng(seed), count, disliked),
        where,
        top=top,
        scoring=scoring,
        diversity=diversity,
        weights={"fabric": weight},
    )


def test_items_that_the_person_showed_are_left_out(unchanging):
    shown = unchanging.items().take(range(0, 400))
    liked = profile_of(shown.vectors)
    for scoring in ("matches", "expected"):
        assert_alike(unchanging, liked, top=30, scoring=scoring)


def test_few_values_are_filtered_without_the_store_and_many_by_it(unchanging, monkeypatch):
    asked = []
    read = ItemTable.read_where
    monkeypatch.setattr(
        ItemTable, "read_where", lambda self, *words: asked.append(words[1]) or read(self, *words)
    )
    for where in ("year = 2003", "name = 'n7'", "`gender` = 'Men' AND style = 'formal'"):
        found = unchanging.candidates(where)
        everything = unchanging.items(where)
        asked.pop()
        assert found.take(np.flatnonzero(found.mask)).ids.sort() == everything.ids.sort()
    assert asked == ["name = 'n7'"]
    monkeypatch.setattr(candidates_module, "_MOST_COMBINATIONS", 3)
    assert len(unchanging.candidates("year = 2004")) == len(unchanging.items("year = 2004"))


@pytest.mark.parametrize("where", ["years = 2003", "year", "year = (", "year = 1) OR (year = 2"])
def test_a_wrong_filter_is_refused_in_the_same_words(unchanging, where):
    with pytest.raises(RequestError) as slow:
        unchanging.items(where)
    with pytest.raises(RequestError) as fast:
        unchanging.candidates(where)
    assert str(fast.value) == str(slow.value)


def test_metadata_of_candidates(unchanging):
    found = unchanging.candidates("year = 2003")
    chosen = np.flatnonzero(found.mask)[[5, 0, 3]]
    ids = found.take(chosen).ids
    assert unchanging.metadata_of(found, chosen) == unchanging.metadata(ids)
    assert {row["year"] for row in unchanging.metadata_of(found, chosen)} == {2003}


def test_among_very_many_equal_scores_the_nearest_cells_hold_the_nearest_items(
    unchanging, monkeypatch
):
    monkeypatch.setattr(search, "MOST_TIED", 120)
    random = np.random.default_rng(0)
    recalled = 0
    for _ in range(10):
        person = profile(random, 1)
        weights = {"fabric": 0, "style": 0, "shape": 0}
        slow = recommend(person, unchanging.items(), 10, weights=weights)
        candidates = unchanging.candidates()
        fast = recommend(person, candidates, 10, weights=weights)
        assert fast.scores.tolist() == slow.scores.tolist()
        assert (np.diff(fast.likeness) <= 0).all()
        slow_ids = {unchanging.items().ids[row] for row in slow.rows}
        recalled += len(slow_ids & set(candidates.take(fast.rows).ids))
    assert recalled >= 80


def test_adding_reads_nothing_but_what_is_new(path, monkeypatch):
    table = table_of(path)
    before = {name.name for name in path.glob("columns.*")}
    # One hundred more, two vanished, one removed, one described again.
    table.add(rows(100, first=1200))
    table.mark_missing(["000003", "000004"])
    table.delete(["000005"])
    table.replace(rows(1, first=6, seed=9))
    with monkeypatch.context() as patch:
        patch.setattr(ItemTable, "eligible_batches", lambda *_: pytest.fail("all were read"))
        table.tidy()
    assert len(before | {name.name for name in path.glob("columns.*")}) == 2
    random = np.random.default_rng(1)
    repository = Repository.open(path)
    for scoring in ("matches", "expected"):
        for where in FILTERS:
            assert_alike(repository, profile(random), where, top=50, scoring=scoring)


def test_a_table_that_has_grown_a_lot_learns_its_axes_anew(path):
    before = Columns.open(next(path.glob("columns.*")))
    table = table_of(path)
    table.add(rows(4000, first=1200))
    table.tidy()
    after = Columns.open(next(path.glob("columns.*")))
    assert after.learned_from > 4 * before.learned_from
    assert_alike(Repository.open(path), profile(np.random.default_rng(2)), top=10)


def test_a_column_that_goes_and_comes_back_is_empty(path):
    table = table_of(path)
    table.set_metadata_columns(pa.schema([column for column in METADATA if column.name != "year"]))
    table.set_metadata_columns(METADATA)
    table.tidy()
    assert len(Repository.open(path).candidates("year = 2003")) == 0
    assert len(Repository.open(path).candidates("gender = 'Men'")) > 0


def test_a_reader_keeps_to_the_last_build_while_another_is_at_work(path):
    repository = Repository.open(path)
    count = len(repository.candidates())
    candidates = repository.candidates("year = 2003")
    person = profile(np.random.default_rng(3))
    found = recommend(person, candidates, 10)
    table = table_of(path)
    table.add(rows(200, first=1200))
    table.delete([f"{number:06d}" for number in range(300)])
    assert len(repository.candidates()) == len(Repository.open(path).candidates()) == count
    assert_same = recommend(person, repository.candidates("year = 2003"), 10)
    assert assert_same.rows.tolist() == found.rows.tolist()
    table.tidy()
    # What was opened before is answered as it was.
    assert recommend(person, candidates, 10).rows.tolist() == found.rows.tolist()
    assert len(repository.candidates()) == len(repository.items()) != count
    assert_alike(repository, person, top=20)


def test_a_build_that_was_stopped_before_its_columns(tmp_path):
    table = table_of(tmp_path / "repository")
    table.add(rows(500))
    repository = Repository.open(tmp_path / "repository")
    assert_alike(repository, profile(np.random.default_rng(4)), top=10)
    table.tidy()
    assert len(list((tmp_path / "repository").glob("columns.*"))) == 1


def test_columns_of_a_table_that_was_made_anew_are_not_used(path):
    shutil.rmtree(path / "items.lance")
    table = table_of(path)
    version = int(next(path.glob("columns.*")).suffix[1:])
    for start_at in range(0, 300 * (version - 1), 300):
        table.add(rows(300, start_at))
    assert table.version == version
    repository = Repository.open(path)
    assert_alike(repository, profile(np.random.default_rng(9)), top=10)
    table.tidy()
    assert_alike(repository, profile(np.random.default_rng(9)), top=10)


@pytest.mark.parametrize("damage", ["columns.json", "coarse.npy", "facets.arrow"])
@pytest.mark.parametrize("how", ["gone", "half"])
def test_half_written_columns_are_written_again(path, damage, how):
    file = next(path.glob("columns.*")) / damage
    if how == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    assert_alike(Repository.open(path), profile(np.random.default_rng(5)), top=10)
    assert Columns.open(file.parent) is not None


def test_a_repository_that_cannot_be_written_is_read_with_columns_elsewhere(path, monkeypatch):
    for folder in path.glob("columns.*"):
        (folder / "columns.json").unlink()
    write = column_folders.write_columns

    def refuse(folder, *rest):
        if folder.parent == path:
            raise PermissionError(13, "Permission denied")
        write(folder, *rest)

    monkeypatch.setattr(column_folders, "write_columns", refuse)
    assert_alike(Repository.open(path), profile(np.random.default_rng(6)), top=10)
    table = table_of(path)
    table.add(rows(1, first=5000))
    with pytest.raises(RequestError, match="permission denied: the items are kept"):
        table.tidy()


def test_a_full_disk_leaves_the_items_and_the_next_run_completes(path):
    table_of(path).add(rows(300, first=1200))
    code = (
        "import resource, signal, sys; sys.path[:0] = sys.argv[1:3]\n"
        "from test_columns import *\n"
        "table_module.READ_WHOLE = 100\n"
        "table = table_of(Path(sys.argv[3]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    table.tidy()\n"
        "except RequestError as error:\n    print(error)\n"
    )
    done = run(code, path)
    assert done.splitlines() == [
        f"cannot write the columns of repository {path}: file too large: the items are kept; make "
        "room, then run the build again"
    ]
    assert not list(path.glob(".columns*"))
    repository = Repository.open(path)
    before = len(repository.candidates())
    table_of(path).tidy()
    assert before < len(repository.candidates()) == len(repository.items())


def test_what_a_killed_build_left_of_columns_is_removed(path):
    killed, at_work = path / ".columns.3.killed", path / ".columns.3.at_work"
    for folder in (killed, at_work):
        folder.mkdir()
        (folder / "new_coarse.npy").write_bytes(b"half")
    for file in (killed / "new_coarse.npy", killed):
        os.utime(file, (1, 1))
    table = table_of(path)
    table.add(rows(1, first=1200))
    table.tidy()
    assert not killed.exists()
    assert at_work.exists()


def test_two_processes_that_write_at_once_lose_nothing(path):
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "from test_columns import *\n"
        "first = int(sys.argv[4])\n"
        "table = table_of(Path(sys.argv[3]))\n"
        "for start in range(first, first + 400, 50):\n    table.add(rows(50, start))\n"
        "table_module.READ_WHOLE = 100\n"
        "table.tidy()\n"
    )
    writers = [start(code, path, first) for first in (10_000, 20_000)]
    repository = Repository.open(path)
    seen = []
    while any(writer.poll() is None for writer in writers):
        ids = repository._table.read(["id"])["id"].to_pylist()
        assert len(set(ids)) == len(ids)
        seen.append(len(ids))
    assert all(writer.wait() == 0 for writer in writers)
    assert {count % 50 for count in seen} == {0}, "a commit is seen whole or not at all"
    table_of(path).tidy()
    assert len(repository) == 1200 + 2 * 400
    assert_alike(repository, profile(np.random.default_rng(7)), top=20)


def test_many_small_commits_are_joined(path, monkeypatch):
    monkeypatch.setattr(table_module, "_MOST_SMALL_FILES", 5)
    table = table_of(path)
    for start_at in range(2000, 2100, 10):
        table.add(rows(10, start_at))
    before = Repository.open(path).candidates()
    table.tidy()
    assert table._small_files() == 1
    assert Columns.open(next(path.glob("columns.*"))).version == table.version
    assert len(before.take([0, 1])) == 2, "whoever reads the version before goes on reading it"
    assert_alike(Repository.open(path), profile(np.random.default_rng(8)), top=10)


def run(code, *arguments):
    with start(code, *arguments) as process:
        return process.communicate()[0]


def start(code, *arguments):
    words = [str(ROOT), str(ROOT / "tests"), *map(str, arguments)]
    return subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)


def test_embeddings_are_those_of_the_table_the_smallest_numbers_too(path):
    columns = Repository.open(path).candidates().columns
    rows = np.arange(0, len(columns), 7)
    expected = columns.embeddings[rows].astype(np.float32)
    assert (columns.embeddings_of(rows) == expected).all()
    assert columns_module._SINGLE_PRECISION[1] == np.float32(2.0**-24)
