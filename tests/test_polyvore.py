"""The reader of Polyvore Outfits, on small files in exactly the published layout."""

import json
import shutil
from pathlib import Path

import pytest
from handmade import ColourNetwork, paint

from fashionnet.cli.main import run_command
from fashionnet.compatibility.outfit_data import read_outfits
from fashionnet.compatibility.polyvore import METADATA, read_polyvore
from fashionnet.errors import RequestError
from fashionnet.experiments import experiment_files, read_experiment
from fashionnet.repository.store import Repository

EXAMPLES = Path(__file__).parents[1] / "examples" / "outfits"
KINDS = {"1": "tops", "2": "bottoms", "3": "shoes"}


def item_of(outfit: int, place: int) -> str:
    return f"{outfit}0{place}"


def outfits_of(numbers):
    return [
        {
            "set_id": str(number),
            "items": [{"item_id": item_of(number, place), "index": place} for place in (1, 2, 3)],
        }
        for number in numbers
    ]


def questions_of(numbers):
    """The published tests: every outfit and one thrown together; the right answer third."""
    judged, blanks = [], []
    for number in numbers:
        others = [other for other in numbers if other != number]
        judged.append(f"1 {number}_1 {number}_2 {number}_3")
        judged.append(f"0 {number}_1 {others[0]}_2 {others[1]}_3")
        blanks.append(
            {
                "question": [f"{number}_1", f"{number}_2"],
                "blank_position": 3,
                "answers": [f"{others[0]}_3", f"{others[1]}_3", f"{number}_3", f"{others[2]}_3"],
            }
        )
    return judged, blanks


@pytest.fixture
def published(tmp_path):
    """Polyvore Outfits of twelve outfits, four a part, with metadata as published."""
    numbers = {"train": [11, 12, 13, 14], "valid": [21, 22, 23, 24], "test": [31, 32, 33, 34]}
    metadata = {}
    for part in numbers.values():
        for number in part:
            for place, kind in KINDS.items():
                metadata[item_of(number, int(place))] = {
                    "url_name": "a thing",
                    "description": "",
                    "catgeories": ["Women's Fashion"],
                    "title": "",
                    "related": [],
                    "category_id": "17",
                    "semantic_category": kind,
                }
    (tmp_path / METADATA).write_text(json.dumps(metadata))
    for split in ("disjoint", "nondisjoint"):
        folder = tmp_path / split
        folder.mkdir()
        for part, own in numbers.items():
            judged, blanks = questions_of(own)
            (folder / f"{part}.json").write_text(json.dumps(outfits_of(own)))
            (folder / f"compatibility_{part}.txt").write_text("\n".join(judged) + "\n")
            (folder / f"fill_in_blank_{part}.json").write_text(json.dumps(blanks))
    return tmp_path


def everything(published):
    return list(json.loads((published / METADATA).read_text()))


def change(path, how):
    document = json.loads(path.read_text())
    how(document)
    path.write_text(json.dumps(document))


@pytest.mark.parametrize("split", ["disjoint", "nondisjoint"])
def test_published_files_are_read_with_their_own_negatives(published, split):
    data = read_polyvore(published, split, everything(published))
    assert data.faults.lines() == []
    assert data.parts["train"].outfits[0] == ("1101", "1102", "1103")
    assert data.categories["1103"] == "shoes"
    right, wrong = data.parts["test"].judged[:2]
    assert (right.items, right.compatible) == (("3101", "3102", "3103"), True)
    assert (wrong.items, wrong.compatible) == (("3101", "3202", "3303"), False)
    blank = data.parts["test"].blanks[0]
    assert blank.question == ("3101", "3102")
    assert blank.answers == ("3203", "3303", "3103", "3403")
    assert blank.right == 2


def test_photos_of_the_collection_become_items_of_the_same_names(published):
    for name in everything(published)[:3]:
        paint(published / "images" / f"{name}.jpg", (200, 30, 30))
    Repository.build(published / "images", published / "repository", ColourNetwork())
    items = Repository.open(published / "repository").items(relevant_only=False)
    assert items.ids == ["1101", "1102", "1103"]


def test_what_cannot_be_used_is_counted_and_the_rest_is_read(published):
    folder = published / "disjoint"
    change(
        folder / "train.json",
        lambda rows: rows.extend(
            [
                {"set_id": "15"},
                {"set_id": "16", "items": [{"item_id": "1101"}]},
                {"set_id": "17", "items": [{"item_id": "nowhere", "index": 1}]},
                {"set_id": "11", "items": []},
                "text",
            ]
        ),
    )
    change(published / METADATA, lambda items: items["1203"].update(semantic_category=" "))
    with (folder / "compatibility_test.txt").open("a") as file:
        file.write("2 31_1 32_2\n\n1 31_1\n1 31_1 99_2\n")
    change(
        folder / "fill_in_blank_test.json",
        lambda rows: rows.extend(
            [
                {"question": ["31_1"]},
                {"question": ["31_1"], "blank_position": 1, "answers": ["32_1", "33_1"]},
            ]
        ),
    )
    present = [item for item in everything(published) if item != "3402"]
    data = read_polyvore(published, "disjoint", present)
    assert data.faults.counts == {
        "item of the metadata without a category": 1,
        "broken outfit": 3,
        "item that is not there": 2,
        "item without a category": 1,
        "outfit of fewer than two items": 1,
        "outfit that is there twice": 1,
        "line that starts with neither 0 nor 1": 2,
        "question about fewer than two items": 1,
        "question that names no item of its part": 1,
        "question with an item that is missing": 2,
        "broken question": 1,
        "question without exactly one right answer": 1,
    }
    # What lost an item is a smaller outfit; what lost its answer is no question.
    assert ("1201", "1202") in data.parts["train"].outfits
    assert ("3401", "3403") in data.parts["test"].outfits
    assert len(data.parts["test"].blanks) == 3
    assert any("first: 1203" in line for line in data.faults.lines())


def paint_images(published):
    for number, name in enumerate(everything(published)):
        shade = 40 + 20 * (number // 3 % 4)
        colour = [0, 0, 0]
        colour[number % 3] = shade
        paint(published / "images" / f"{name}.jpg", tuple(colour))


def test_polyvore_is_trained_on_and_measured_by_its_own_questions(published, capsys):
    paint_images(published)
    (published / "images" / "3403.jpg").write_bytes(b"no photo")
    Repository.build(published / "images", published / "repository", ColourNetwork())
    (published / "mine.toml").write_text(
        'input = "picture"\n[data]\nname = "polyvore"\nfolder = "."\nrepository = "repository"\n'
        "[training]\nepochs = 2\n"
    )
    words = [str(published / "mine.toml"), "--output", str(published / "runs")]
    assert run_command("train-outfits", words) == 0
    assert "question with an item that is missing" in capsys.readouterr().out
    results = json.loads((published / "runs" / "mine" / "results.json").read_text())
    assert results["validation"]["blanks"] == 4
    assert results["test"]["outfits"] == 3
    assert "1 × item that is not there (first: 3403)" in results["left_out"]


@pytest.mark.parametrize("name", ["disjoint", "nondisjoint", "disjoint_picture"])
def test_each_experiment_that_ships_runs_beside_the_published_files(
    published, tmp_path_factory, capsys, monkeypatch, name
):
    """The commands of docs/compatibility.md, but for the network that describes the photos."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.chdir(home)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    paint_images(published)
    shutil.move(published, home / "polyvore_outfits")
    shutil.copytree(EXAMPLES / "polyvore", home / "examples" / "outfits" / "polyvore")
    Repository.build(Path("polyvore_outfits/images"), Path("polyvore.repository"), ColourNetwork())
    assert run_command("train-outfits", [f"examples/outfits/polyvore/{name}.toml"]) == 0
    results = json.loads((home / "runs" / name / "results.json").read_text())
    for part in ("validation", "test"):
        assert (results[part]["outfits"], results[part]["blanks"]) == (4, 4)
        assert 0 <= results[part]["auc"]["value"] <= 1
        assert 0 <= results[part]["fill_in_the_blank"]["value"] <= 1
    assert results["left_out"] == []
    assert f"{name}: test AUC" in capsys.readouterr().out


def test_the_experiments_that_ship_can_be_read():
    from fashionnet.compatibility.outfit_experiments import OutfitExperiment

    files = [*experiment_files(EXAMPLES), *experiment_files(EXAMPLES / "polyvore")]
    found = {file.stem: read_experiment(file, OutfitExperiment) for file in files}
    assert set(found) == {"drawn", "disjoint", "disjoint_picture", "nondisjoint"}
    assert found["disjoint_picture"].data.split == "disjoint"
    assert found["disjoint_picture"].loss.margin == 0.1


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("disjoint/train.json", '[{"set_id": ', "train.json: cut short"),
        ("disjoint/train.json", "{}", "train.json: not a file of Polyvore Outfits"),
        ("disjoint/train.json", "[]", "no outfit of two items"),
        ("disjoint/compatibility_test.txt", "", "its test part has no outfits to measure with"),
        ("disjoint/valid.json", None, "valid.json: missing; expected Polyvore Outfits"),
        (METADATA, None, "polyvore_item_metadata.json: missing"),
    ],
)
def test_files_that_are_missing_or_broken_are_one_line(published, file, text, message):
    present = everything(published)
    if text is None:
        (published / file).unlink()
    else:
        (published / file).write_text(text)
    with pytest.raises(RequestError) as caught:
        read_polyvore(published, "disjoint", present)
    assert message in str(caught.value)


# --- A table of one's own outfits ----------------------------------------------------------------


def table(tmp_path, rows, header="outfit,item,part"):
    path = tmp_path / "outfits.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


CATEGORIES = {f"{kind}{number}": kind for kind in ("top", "shoe") for number in range(30)}


def rows_of(numbers, part):
    return [f"{number},{kind}{number},{part}" for number in numbers for kind in ("top", "shoe")]


def test_a_table_gives_questions_whose_wrong_items_are_of_the_same_categories(tmp_path):
    rows = rows_of(range(10), "train") + rows_of(range(10, 20), "validation")
    data = read_outfits(table(tmp_path, rows + rows_of(range(20, 30), "test")), CATEGORIES)
    test = data.parts["test"]
    assert len(test.outfits) == len(test.blanks) == 10
    for right, wrong in zip(test.judged[::2], test.judged[1::2], strict=True):
        assert right.compatible and not wrong.compatible
        assert [CATEGORIES[item] for item in wrong.items] == ["top", "shoe"]
        assert not set(right.items) & set(wrong.items)
    for blank in test.blanks:
        assert len({CATEGORIES[answer] for answer in blank.answers}) == 1
        assert {*blank.question, blank.answers[blank.right]} in map(set, test.outfits)


def test_outfits_of_one_group_stay_in_one_part(tmp_path):
    rows = [f"{n},{kind}{n},shoot {n // 3}" for n in range(30) for kind in ("top", "shoe")]
    data = read_outfits(table(tmp_path, rows, "outfit,item,group"), CATEGORIES)
    parts = [
        {int(outfit[0].removeprefix("top")) // 3 for outfit in part.outfits}
        for part in data.parts.values()
    ]
    assert sum(map(len, parts)) == 10
    assert set().union(*parts) == set(range(10))


def test_a_table_with_missing_items_and_outfits_of_one_is_counted(tmp_path):
    rows = [
        row
        for part, start in (("train", 0), ("validation", 10), ("test", 20))
        for row in rows_of(range(start, start + 10), part)
    ]
    bad = ["x,top1,train", "y,lost,train", "y,bare,train", ",top1,train", "z,top1,trial", "q"]
    data = read_outfits(table(tmp_path, rows + bad), {**CATEGORIES, "bare": ""})
    assert data.faults.counts == {
        "broken row: 1 field where the header has 3": 1,
        "item that is not there": 1,
        "item without a category": 1,
        "row without an outfit or an item": 1,
        "part is none of train, validation, test": 1,
        "outfit of fewer than two items": 2,
    }
    assert len(data.parts["train"].outfits) == 10


def test_a_table_that_names_only_missing_items_says_so(tmp_path):
    with pytest.raises(RequestError, match=r"no outfit of two items.*2 × item that is not there"):
        read_outfits(table(tmp_path, ["a,lost,train", "a,gone,train"]), CATEGORIES)
    with pytest.raises(RequestError, match="no column item"):
        read_outfits(table(tmp_path, ["a,b"], "outfit,product"), CATEGORIES)
