"""Build, resume, update, filter: real photos, a real store, and a small network of colours."""

import argparse
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fashionnet.repository.build as building
from fashionnet.errors import RequestError
from fashionnet.repository import Repository
from fashionnet.schema import Schema
from fashionnet.vectors import FashionVectors

SCHEMA = Schema.from_mapping(
    {"pattern": ["solid", "striped", "floral"], "shape": ["full-sleeve", "sleeveless"]}
)
ROOT = Path(__file__).parent.parent


class ColourNetwork:
    """Describes an image by its mean colours, as a deterministic function of the image alone.

    Photos with little blue are irrelevant.
    """

    def __init__(self, schema=SCHEMA, fingerprint="0123456789abcdef", stop_at=None, delay=0.0):
        self.schema = schema
        self.fingerprint = fingerprint
        self.embedding_size = 6
        self.same_picture = 0.98
        self.described = 0
        self.counting = threading.Lock()
        self.stop_at = stop_at
        self.delay = delay

    def describe(self, images):
        rows = []
        for image in images:
            if self.described == self.stop_at:
                raise KeyboardInterrupt
            time.sleep(self.delay)
            with self.counting:
                self.described += 1
            rows.append([*image.mean((0, 1)), *image.std((0, 1))])
        features = np.array(rows, np.float32).reshape(-1, 6) / 255 + 0.01
        parts = []
        for attribute in self.schema:
            likelihood = np.exp(3 * features[:, : len(attribute.classes)])
            parts.append(likelihood / likelihood.sum(1, keepdims=True))
        return FashionVectors(
            self.schema,
            np.concatenate(parts, 1),
            features[:, 2].clip(0, 1),
            features / np.linalg.norm(features, axis=1, keepdims=True),
        )


def save_photo(path: Path, seed: int, blue: int = 200) -> Path:
    random = np.random.default_rng(seed)
    image = np.full((12, 9, 3), (*random.integers(0, 256, 2), blue), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, format="PNG")
    return path


@pytest.fixture(autouse=True)
def small_commits(monkeypatch):
    monkeypatch.setattr(building, "PHOTOS_IN_A_COMMIT", 4)


@pytest.fixture
def shop(tmp_path):
    """Ten photos, the last two irrelevant, and two files that are no photos."""
    folder = tmp_path / "shop"
    for number in range(10):
        save_photo(folder / f"{number}.png", number, blue=200 if number < 8 else 20)
    (folder / "broken.jpg").write_text("no photo")
    (folder / "hollow.jpg").touch()
    rows = [f"{number},{2010 + number % 3},Item number {number}" for number in range(10)]
    (tmp_path / "styles.csv").write_text("\n".join(["id,year,name", *rows]))
    return folder


@pytest.fixture
def repo(tmp_path):
    return tmp_path / "repo"


def build(shop, repo, network=None, **options):
    return Repository.build(
        shop, repo, network or ColourNetwork(), shop.parent / "styles.csv", **options
    )


def contents(repo: Path) -> list[dict]:
    """Everything a repository's table holds, ordered by id."""
    repository = Repository.open(repo)
    columns = [*repository._table.own_columns.names, *repository._table.metadata_columns.names]
    columns.remove("_modified")
    return repository._table.read(columns).sort_by("id").to_pylist()


def left_out(repo: Path) -> dict[str, str]:
    with (repo / "left_out.csv").open(newline="") as file:
        return {row["image"]: row["reason"] for row in csv.DictReader(file)}


def test_a_build_says_what_became_of_every_photo(shop, repo):
    report = build(shop, repo)
    assert report.closing_line(repo) == (
        f"12 items: 10 described (8 relevant, 2 irrelevant), 2 left out "
        f"(see {repo / 'left_out.csv'}), 0 vanished"
    )
    assert report.notes == ["styles.csv: photos without a row: 2"]
    assert left_out(repo) == {
        "broken.jpg": "not a photo, or its header is damaged",
        "hollow.jpg": "empty file",
    }
    assert len(Repository.open(repo)) == 10


def test_items_are_what_the_network_said(shop, repo):
    build(shop, repo)
    items = Repository.open(repo).items()
    assert items.ids == [str(number) for number in range(8)]
    assert items.photos == [str(shop / f"{number}.png") for number in range(8)]
    images = [np.asarray(Image.open(photo)) for photo in items.photos]
    expected = ColourNetwork().describe(images)
    np.testing.assert_array_equal(items.vectors.probabilities, expected.probabilities)
    np.testing.assert_array_equal(items.vectors.relevance, expected.relevance)
    np.testing.assert_allclose(items.vectors.embeddings, expected.embeddings, atol=1e-3)
    assert items.vectors.embeddings.dtype == np.float32
    assert all(len(sha256) == 64 for sha256 in items.fingerprints)


def test_metadata_comes_in_the_order_asked_for(shop, repo):
    build(shop, repo)
    repository = Repository.open(repo)
    assert repository.metadata(["3", "1"]) == [
        {"year": 2010, "name": "Item number 3"},
        {"year": 2011, "name": "Item number 1"},
    ]
    assert repository.metadata([]) == []
    with pytest.raises(RequestError, match="no item 'x'"):
        repository.metadata(["x"])


def test_a_second_build_describes_nothing_and_changes_nothing(shop, repo):
    build(shop, repo)
    before = contents(repo)
    network = ColourNetwork()
    report = build(shop, repo, network)
    assert network.described == report.newly_described == 0
    assert contents(repo) == before
    assert report.described == 10


def test_progress_adds_up_to_the_catalogue(shop, repo):
    for _ in range(2):
        steps = []
        build(shop, repo, advance=steps.append)
        assert sum(steps) == 12


@pytest.mark.parametrize("stop_at", [0, 3, 4, 7, 9])
def test_an_interrupted_build_is_completed_to_the_same(shop, tmp_path, monkeypatch, stop_at):
    build(shop, tmp_path / "whole")
    monkeypatch.setattr(building, "_CHUNKS_AT_ONCE", 1)
    with pytest.raises(KeyboardInterrupt):
        build(shop, tmp_path / "resumed", ColourNetwork(stop_at=stop_at))
    network = ColourNetwork()
    report = build(shop, tmp_path / "resumed", network)
    assert network.described == 10 - stop_at // 4 * 4
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")
    assert left_out(tmp_path / "resumed") == left_out(tmp_path / "whole")
    assert report.described == 10


@pytest.mark.parametrize("seconds", [0.0, 0.03, 0.25])
def test_a_killed_build_is_completed_to_the_same(shop, tmp_path, seconds):
    code = (
        "import sys; sys.path[:0] = sys.argv[1:3]\n"
        "import fashionnet.repository.build as building\n"
        "from test_repository import *\n"
        "building.PHOTOS_IN_A_COMMIT = 1\n"
        "print('ready', flush=True)\n"
        "build(Path(sys.argv[3]), Path(sys.argv[4]), ColourNetwork(delay=0.05))\n"
    )
    arguments = [str(ROOT), str(ROOT / "tests"), str(shop), str(tmp_path / "killed")]
    with subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
    build(shop, tmp_path / "killed")
    build(shop, tmp_path / "whole")
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def test_changed_new_moved_and_touched_photos(shop, repo):
    build(shop, repo)
    save_photo(shop / "1.png", 101)
    save_photo(shop / "new.png", 102)
    (shop / "2.png").rename(shop / "moved.png")
    os.utime(shop / "3.png", (1, 1))
    network = ColourNetwork()
    report = build(shop, repo, network, prune=True)
    assert network.described == 2
    assert (report.described, report.vanished) == (11, 1)
    fresh = repo.parent / "fresh"
    build(shop, fresh)
    assert contents(repo) == contents(fresh)


def test_vanished_photos_are_marked_come_back_and_are_pruned(shop, repo):
    build(shop, repo)
    shutil.move(shop / "1.png", shop.parent / "1.png")
    report = build(shop, repo)
    assert (report.described, report.vanished) == (9, 1)
    assert "1" not in Repository.open(repo).items().ids
    assert len(contents(repo)) == 10

    shutil.move(shop.parent / "1.png", shop / "1.png")
    network = ColourNetwork()
    assert build(shop, repo, network).vanished == 0
    assert network.described == 0
    assert "1" in Repository.open(repo).items().ids

    (shop / "1.png").unlink()
    report = build(shop, repo, prune=True)
    assert report.closing_line(repo).endswith(
        "1 vanished and removed; 9 known from an earlier build"
    )
    assert len(contents(repo)) == 9
    assert build(shop, repo).vanished == 0


def test_a_photo_that_became_unreadable_is_no_longer_an_item(shop, repo):
    build(shop, repo)
    (shop / "1.png").write_bytes((shop / "1.png").read_bytes()[:40])
    report = build(shop, repo)
    assert (report.described, report.vanished) == (9, 0)
    assert "1.png" in left_out(repo)
    assert "1" not in Repository.open(repo).items().ids


def test_changed_metadata_costs_no_description(shop, repo):
    build(shop, repo)
    (shop.parent / "styles.csv").write_text("id,name,price\n1,Other,2.5\n2,Item number 2,\n")
    network = ColourNetwork()
    build(shop, repo, network)
    assert network.described == 0
    repository = Repository.open(repo)
    assert repository.metadata(["1", "2", "3"]) == [
        {"name": "Other", "price": 2.5},
        {"name": "Item number 2", "price": None},
        {"name": None, "price": None},
    ]
    assert repository.items("price > 2").ids == ["1"]
    assert len(contents(repo)) == 10


def test_metadata_that_turns_from_numbers_to_text(shop, repo):
    build(shop, repo)
    (shop.parent / "styles.csv").write_text("id,year\n1,2011\n2,old\n")
    build(shop, repo)
    assert Repository.open(repo).items("year = '2011'").ids == ["1"]


def test_a_table_as_catalogue(shop, repo):
    (shop / "items.csv").write_text(
        "image,id,pattern,colour\n1.png,one,x,red\n2.png,two,y,blue\n1.png,three,z,\n"
        "gone.png,four,z,red\nbroken.jpg,five,z,red\n../styles.csv,six,z,red\nbroken,row\n"
    )
    network = ColourNetwork()
    report = Repository.build(shop / "items.csv", repo, network)
    assert network.described == 2
    assert report.notes == ["columns renamed for filters: pattern is catalogue_pattern"]
    assert left_out(repo) == {
        "../styles.csv": "lies outside the folder of the file that names it",
        "broken.jpg": "not a photo, or its header is damaged",
        "gone.png": "no such file or directory",
        "items.csv line 8": "2 fields where the header has 4",
    }
    repository = Repository.open(repo)
    assert repository.items("catalogue_pattern IN ('y', 'z')").ids == ["three", "two"]
    (shop / "2.png").unlink()
    assert Repository.build(shop / "items.csv", repo, network).vanished == 1


def test_what_a_catalogue_says_of_relevance_goes_before_what_the_network_sees(shop, repo):
    def relevant(**said):
        lines = [f"{name}.png,{said.get('p' + str(name), '')}" for name in range(4)]
        (shop / "items.csv").write_text("\n".join(["image,relevant", *lines]))
        network = ColourNetwork()
        Repository.build(shop / "items.csv", repo, network)
        return Repository.open(repo).items().ids, network.described

    seen, described = relevant()
    assert described == 4 and "1" in seen
    others = [name for name in seen if name != "1"]
    assert relevant(p1="no") == (others, 0)
    assert relevant(p1="maybe") == (seen, 0)
    assert relevant(p1="FALSE") == (others, 0)
    (shop / "items.csv").write_text("image\n0.png\n1.png\n2.png\n3.png\n")
    Repository.build(shop / "items.csv", repo, ColourNetwork())
    assert Repository.open(repo).items().ids == seen


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_in_a_table_does_not_stop_the_build(shop, repo):
    os.mkfifo(shop / "pipe.png")
    (shop / "items.csv").write_text("image\n1.png\npipe.png\n")
    Repository.build(shop / "items.csv", repo, ColourNetwork())
    assert left_out(repo) == {"pipe.png": "not a file"}


def test_names_with_spaces_quotes_and_other_scripts(tmp_path):
    shop, repo = tmp_path / "my shop #1", tmp_path / "отдел 100%"
    names = ["l'été", "a b", "服装", 'say "hi"', "x;DROP TABLE items", "back\\slash"]
    for number, name in enumerate(names):
        save_photo(shop / f"{name}.png", number)
    Repository.build(shop, repo, ColourNetwork())
    repository = Repository.open(repo)
    assert sorted(repository.items().ids) == sorted(names)
    assert all(Path(photo).is_file() for photo in repository.items().photos)
    assert repository.items("id = 'l''été'").ids == ["l'été"]
    for name in names[:3]:
        (shop / f"{name}.png").unlink()
    assert Repository.build(shop, repo, ColourNetwork(), prune=True).described == 3
    assert sorted(Repository.open(repo).items().ids) == sorted(names[3:])


def test_filters(shop, repo):
    build(shop, repo)
    repository = Repository.open(repo)
    assert repository.items("year = 2011").ids == ["1", "4", "7"]
    assert repository.items("year = 2011 AND name LIKE '%4'").ids == ["4"]
    assert repository.items("year > 2050").ids == []
    assert len(repository.items("year > 2050").vectors) == 0
    assert repository.items("id IN ('8', '1') -- a comment").ids == ["1"], "8 is irrelevant"
    by_class = [repository.items(f"pattern = '{name}'").ids for name in SCHEMA["pattern"].classes]
    assert sorted(name for ids in by_class for name in ids) == repository.items().ids
    codes = repository.items("pattern = 'floral'").vectors.codes
    assert (codes[:, 0] == SCHEMA["pattern"].code("floral")).all()


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "colour = 'red'",
            "no column colour.*this repository has id, .*pattern, shape.*year, name",
        ),
        ('pattern = "striped"', "no column striped .a text stands in single quotes"),
        ("year = = 3", "cannot be understood from = on"),
        ("year = 2011 nonsense", "cannot be understood from nonsense on"),
        ("year", "does not say yes or no of an item"),
        ("year = 'x'", "a column that holds no texts is compared with the text 'x'"),
        ("", "it is empty"),
        ("year = 2011) OR (relevance < 1", "a parenthesis is closed"),
        ("name = 'open", "a quotation mark is opened that is not closed"),
        ("sqrtt(year) = 3", "there is no function sqrtt"),
        ("year = 2011; DROP TABLE items", "cannot be understood from ; on"),
        ("year = 2011 /* ( */)", "a parenthesis is closed"),
        ("year < $2011", "\\$ means nothing here"),
        ("year =", "it ends too early"),
        ("(year = 2011", "a parenthesis is opened that is not closed"),
        ("yaer = 2011", "no column yaer: did you mean year"),
        ("name = 5", "a column of texts is compared with 5"),
        ("year = 2011 && year = 2012", "&& is not understood .write and"),
        ("year in 'x'", "cannot be understood from 'x' on"),
    ],
)
def test_filters_that_cannot_be_served(shop, repo, where, message):
    build(shop, repo)
    with pytest.raises(RequestError, match=message) as caught:
        Repository.open(repo).items(where)
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    for word in (".rs", "Expected", "Utf8", "parser", "SQL", "lance"):
        assert word not in said.replace(where, "")
    example = re.search(r"right would be, for example, (.*)", said)
    assert example is None or 0 < len(Repository.open(repo).items(example[1])) < 8
    assert example or "parenthesis is closed" in said or "means nothing" in said


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("name = 'item number 4'", "no item has name 'item number 4', the nearest are 'Item numb"),
        ("name IN ('Item number 4', 'x') AND year = 1", "no item has name 'x', known are 'Item"),
        ("`name` = 'zzz'", "no item has name 'zzz', known are 'Item"),
        ("pattern = 'stripes'", "no item has pattern 'stripes', the nearest is 'striped'"),
        ("year = 1", ""),
        ("name <> 'zzz' AND year = 1", ""),
        (None, None),
    ],
)
def test_of_a_value_that_no_item_has_the_nearest_are_said(shop, repo, where, said):
    build(shop, repo)
    unmet = Repository.open(repo).unmet(where)
    if said is None:
        assert unmet == ""
    elif not said:
        assert unmet == " that meets --where"
    else:
        assert unmet.startswith(f" that meets --where ({said}")


@pytest.mark.parametrize(
    "where",
    [
        "true /* ( */ ) OR ( true /* ) */",
        "true -- (\n) OR (true",
        "true /* ( */) OR (true",
        "true OR true",
        "relevant OR NOT relevant",
    ],
)
def test_no_filter_lets_irrelevant_or_missing_items_through(shop, repo, where):
    build(shop, repo)
    (shop / "1.png").unlink()
    build(shop, repo)
    try:
        ids = Repository.open(repo).items(where).ids
    except RequestError:
        return
    assert ids == ["0", "2", "3", "4", "5", "6", "7"]


def test_a_parenthesis_in_a_comment_is_no_parenthesis(shop, repo):
    build(shop, repo)
    where = "year = 2011 -- so it is :)"
    assert Repository.open(repo).items(where).ids == ["1", "4", "7"]


@pytest.mark.parametrize("name", ["size", "model", "modified", "missing", "embedding", "sha256"])
def test_attributes_may_be_called_as_the_store_calls_what_it_needs_itself(shop, repo, name):
    network = ColourNetwork(Schema.from_mapping({name: ["one", "two"]}))
    assert build(shop, repo, network).described == 10
    assert build(shop, repo, network).newly_described == 0
    repository = Repository.open(repo)
    assert len(repository.items(f"{name} IN ('one', 'two')")) == 8
    assert repository.columns == ["id", "photo", name, "relevance", "relevant", "year", "name"]


@pytest.mark.parametrize("size", ["1e400", "99999999999", "-5", "0", "true", '"512"', "1.5"])
def test_an_embedding_size_that_is_none_is_one_line(shop, repo, size):
    build(shop, repo)
    file = repo / "repository.json"
    file.write_text(file.read_text().replace('"embedding_size": 6', f'"embedding_size": {size}'))
    with pytest.raises(RequestError, match=r"repository\.json: damaged"):
        Repository.open(repo)


def test_a_repository_knows_from_which_cosine_pictures_are_the_same(shop, repo):
    network = ColourNetwork()
    network.same_picture = 0.9
    build(shop, repo, network)
    assert Repository.open(repo).items().take([0, 1]).same_picture == 0.9
    assert Repository.open(repo).candidates().same_picture == 0.9
    file = repo / "repository.json"
    written = file.read_text()
    # One that was built before it was written down.
    file.write_text(written.replace('  "same_picture": 0.9,\n', ""))
    assert Repository.open(repo).items().same_picture == 0.98
    for wrong in ("0", "1.5", "-0.5", '"0.9"', "true", "NaN"):
        file.write_text(written.replace('"same_picture": 0.9', f'"same_picture": {wrong}'))
        with pytest.raises(RequestError, match=r"repository\.json: damaged"):
            Repository.open(repo)


def test_a_catalogue_in_a_folder_whose_name_is_no_text(shop, tmp_path):
    named = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        shop.rename(named)
    except OSError:
        pytest.skip("this file system takes names of text only")
    repo = tmp_path / "far" / "away" / "repo"
    assert build(named, repo).described == 10
    assert Repository.open(repo).items().photos[0] == str(named / "0.png")


def test_new_photos_are_read_once(shop, repo, monkeypatch):
    build(shop, repo)
    for number in range(3):
        image = np.random.default_rng(number).integers(0, 256, (30 + number, 20, 3), np.uint8)
        Image.fromarray(image).save(shop / f"new {number}.png")
    read = []
    original = building.read_bytes
    monkeypatch.setattr(building, "read_bytes", lambda path: read.append(path) or original(path))
    assert build(shop, repo).newly_described == 3
    assert not [path for path in read if path.name.startswith("new")]


def test_another_model_or_schema_is_refused(shop, repo):
    build(shop, repo)
    before = contents(repo)
    with pytest.raises(RequestError, match="with model 0123456789abcdef, this model is feed"):
        build(shop, repo, ColourNetwork(fingerprint="feed"))
    other = Schema.from_mapping({"pattern": ["solid", "striped"]})
    with pytest.raises(
        RequestError, match="with the schema pattern: solid, striped, floral; shape"
    ):
        build(shop, repo, ColourNetwork(schema=other))
    assert contents(repo) == before


def test_folders_that_are_no_repository(shop, repo, tmp_path):
    with pytest.raises(RequestError, match="not a repository"):
        Repository.open(repo)
    with pytest.raises(RequestError, match="not a repository"):
        build(shop, shop)
    assert not (shop / "items.lance").exists()
    with pytest.raises(RequestError, match="is a file"):
        build(shop, shop / "1.png")
    with pytest.raises(RequestError, match="cannot make repository"):
        build(shop, shop / "1.png" / "repo")
    repo.mkdir()
    build(shop, repo)
    for damage in ("", "[]", "{}", '{"format": 99}', '{"format": 1, "attributes": 3}'):
        (repo / "repository.json").write_text(damage)
        with pytest.raises(RequestError, match=r"repository\.json: (damaged|written in format 99)"):
            Repository.open(repo)


def test_a_damaged_table_is_one_line(shop, repo):
    build(shop, repo)
    for file in (repo / "items.lance" / "data").iterdir():
        file.write_bytes(b"damaged")
    with pytest.raises(RequestError, match="cannot read repository") as caught:
        Repository.open(repo).items()
    assert len(str(caught.value).splitlines()) == 1


def test_a_build_that_was_stopped_at_the_start(shop, repo):
    build(shop, repo)
    shutil.rmtree(repo / "items.lance")
    (repo / ".repository.json.x1").touch()
    with pytest.raises(RequestError, match="stopped before the first item"):
        Repository.open(repo)
    assert build(shop, repo).described == 10


def test_two_builds_at_once(shop, repo):
    class Impatient(ColourNetwork):
        def describe(self, images):
            with pytest.raises(RequestError, match="another build is at work"):
                build(shop, repo)
            return super().describe(images)

    assert build(shop, repo, Impatient()).described == 10


def test_repository_and_catalogue_can_move_together(shop, repo, tmp_path):
    build(shop, repo)
    (tmp_path / "elsewhere").mkdir()
    shutil.move(shop, tmp_path / "elsewhere" / "shop")
    shutil.move(repo, tmp_path / "elsewhere" / "repo")
    photos = Repository.open(tmp_path / "elsewhere" / "repo").items().photos
    assert photos[0] == str(tmp_path / "elsewhere" / "shop" / "0.png")


def test_repository_apart_from_its_catalogue(shop, tmp_path):
    repo = tmp_path / "far" / "away" / "repo"
    build(shop, repo)
    assert Repository.open(repo).items().photos[0] == str(shop / "0.png")


def test_an_open_repository_follows_a_build(shop, repo):
    build(shop, repo)
    repository = Repository.open(repo)
    save_photo(shop / "new.png", 50)
    build(shop, repo)
    assert "new" in repository.items().ids


def test_many_builds_do_not_swell_the_folder(shop, repo):
    build(shop, repo)
    size = sum(file.stat().st_size for file in repo.rglob("*") if file.is_file())
    for number in range(5):
        save_photo(shop / "1.png", 200 + number)
        build(shop, repo)
    assert sum(file.stat().st_size for file in repo.rglob("*") if file.is_file()) < 2 * size


def test_nothing_usable(tmp_path, repo):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "broken.jpg").write_text("no photo")
    report = Repository.build(tmp_path / "shop", repo, ColourNetwork())
    assert report.described == 0
    assert len(Repository.open(repo).items()) == 0


def test_no_room_left_is_one_line(shop, repo):
    code = (
        "import resource, sys; sys.path[:0] = sys.argv[1:3]\n"
        "from test_repository import *\n"
        "from fashionnet.errors import RequestError\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "try:\n    build(Path(sys.argv[3]), Path(sys.argv[4]))\n"
        "except RequestError as error:\n    print(error)\n"
    )
    arguments = [str(ROOT), str(ROOT / "tests"), str(shop), str(repo)]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert len(done.stdout.splitlines()) == 1
    assert f"cannot write repository {repo}" in done.stdout
    assert "too large" in done.stdout
    assert build(shop, repo).described == 10


def test_no_permission_is_one_line(shop, repo):
    build(shop, repo)
    for folder in [repo, *(path for path in repo.rglob("*") if path.is_dir())]:
        folder.chmod(0o500)
    if os.access(repo, os.W_OK):
        pytest.skip("this user (the superuser) may write anywhere")
    save_photo(shop / "new.png", 3)
    with pytest.raises(RequestError, match=r"cannot write .*[Pp]ermission denied"):
        build(shop, repo)
    with pytest.raises(RequestError, match="permission denied"):
        build(shop, repo / "inside")


def test_ten_thousand_items_are_read_at_once(tmp_path):
    from fashionnet.repository.table import Description, ItemTable, vector_columns

    count, schema = 10_000, Schema.default()
    random = np.random.default_rng(0)
    vectors = FashionVectors(
        schema,
        random.random((count, schema.class_count), np.float32),
        np.ones(count, np.float32),
        random.random((count, 512), np.float32),
    )
    description = Description(schema, "feed", 512, 0.98, "photos")
    (tmp_path / "repo").mkdir()
    description.write(tmp_path / "repo")
    import pyarrow as pa

    own = {
        "id": pa.array([f"{number:05}" for number in reversed(range(count))]),
        "photo": pa.array([f"{number}.jpg" for number in range(count)]),
        "_sha256": pa.array(["0" * 64] * count),
        "_size": pa.array(range(count)),
        "_modified": pa.array(range(count)),
    }
    table = ItemTable.open(tmp_path / "repo", description, pa.schema([]))
    table.add(pa.table(own | vector_columns(vectors, "feed")))
    repository = Repository.open(tmp_path / "repo")
    durations = []
    for _ in range(3):
        start = time.perf_counter()
        items = repository.items()
        durations.append(time.perf_counter() - start)
    assert items.ids == sorted(items.ids)
    np.testing.assert_array_equal(items.vectors.probabilities, vectors.probabilities[::-1])
    assert min(durations) < 0.5


def test_the_command(shop, repo, monkeypatch, capsys):
    from fashionnet.cli import build as command
    from fashionnet.network import compiled

    monkeypatch.setattr(compiled.CompiledNetwork, "open", lambda *_: ColourNetwork())
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    given = ["--catalogue", str(shop), "--repository", str(repo)]
    assert command.run(parser.parse_args(given)) == 0
    assert capsys.readouterr().out.startswith("12 items: 10 described (8 relevant")
    for photo in shop.glob("*.png"):
        photo.unlink()
    assert command.run(parser.parse_args([*given, "--prune"])) == 1
    assert "10 vanished and removed" in capsys.readouterr().out
