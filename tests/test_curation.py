"""A pile with planted faults: what is found, what is decided, what the cleaned file says."""

import csv
import hashlib
import json
import shutil
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from handmade import ColourNetwork
from test_fetch import bomb

from fashionnet.cli import run_command
from fashionnet.curation.curate import Workplace, curate
from fashionnet.curation.decisions import Decisions
from fashionnet.curation.doubtful import doubtful_rows, held_out_predictions
from fashionnet.curation.duplicates import nearest
from fashionnet.curation.looks import look_at
from fashionnet.curation.pile import read_pile
from fashionnet.curation.same_picture import same_pictures
from fashionnet.curation.words import DEFAULT_WORDS, read_words, weak_labels
from fashionnet.errors import RequestError
from fashionnet.labels import join_groups, near_duplicate_groups, read_labels, split
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.repository import Repository
from fashionnet.repository.catalogue import read_catalogue
from fashionnet.schema import Schema

SCHEMA = Schema.default()


@contextmanager
def silent(what, total):
    yield lambda count: None


def find(source, labels=None, network=None):
    pile = read_pile(source, labels, SCHEMA)
    return curate(pile, Workplace.of(source, None), network or ColourNetwork(), SCHEMA, silent)


def kinds(curation):
    found = {}
    for finding in curation.findings:
        found.setdefault(finding.finding, set()).add(finding.photo)
    return found


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def pile(drawn, tmp_path):
    """A folder of twelve drawn photos and one of each fault."""
    folder = tmp_path / "pile"
    folder.mkdir()
    originals = sorted(Path(drawn).glob("*.jpg"))[:12]
    for number, photo in enumerate(originals):
        shutil.copy(photo, folder / f"{number}.jpg")
    images = [cv2.imread(str(photo)) for photo in originals]
    height, width = images[0].shape[:2]
    faulty = {
        "dark.jpg": (images[7] * 0.08).astype(np.uint8),
        "blank.png": np.full((300, 300, 3), 200, np.uint8),
        "small.jpg": cv2.resize(cv2.rotate(images[8], cv2.ROTATE_180), (90, 100)),
        "blurred.jpg": cv2.GaussianBlur(cv2.rotate(images[9], cv2.ROTATE_180), (0, 0), 12),
        "rescaled of 1.jpg": cv2.resize(images[1], (width * 2 // 3, height * 2 // 3)),
        "mirrored of 2.png": images[2][:, ::-1],
        "cropped of 3.jpg": images[3][height // 8 :, width // 10 : width - width // 20],
        "mirrored crop of 4.jpg": images[4][: height * 7 // 8, width // 8 :][:, ::-1],
    }
    for name, image in faulty.items():
        cv2.imwrite(str(folder / name), image)
    (folder / "unreadable.jpg").write_bytes(b"<html>not found</html>")
    shutil.copy(folder / "0.jpg", folder / "exact of 0.jpg")
    return folder


def write_rows(path, header, *rows):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


# --- finding


def test_every_planted_fault_is_found_and_nothing_else(pile):
    before = contents(pile)
    curation = find(pile, network=CompiledNetwork.open())
    found = kinds(curation)
    assert found["unreadable"] == {"unreadable.jpg"}
    assert found["dark"] == {"dark.jpg"}
    assert found["blank"] == {"blank.png"}
    assert found["too small"] == {"small.jpg"}
    assert found["blurred"] == {"blurred.jpg"}
    groups = {}
    for finding in curation.findings:
        if finding.group:
            groups.setdefault(finding.group, set()).add(finding.photo)
    copies = [name for name in before if " of " in name]
    assert sorted(map(sorted, groups.values())) == sorted(
        sorted([f"{name.split()[-1].split('.')[0]}.jpg", name]) for name in copies
    )
    assert contents(pile) == before


def test_the_same_garment_in_another_colour_is_another_picture(pile):
    """A shop shows every colour of a garment in one pose: a thumbnail in grey is the same."""
    for number in range(6):
        hue, lightness, saturation = cv2.split(
            cv2.cvtColor(cv2.imread(str(pile / f"{number}.jpg")), cv2.COLOR_BGR2HLS)
        )
        hue = ((hue.astype(int) + 60) % 180).astype(np.uint8)
        saturation = np.where(lightness < 235, np.maximum(saturation, 90), saturation)
        other = cv2.merge([hue, lightness, saturation.astype(np.uint8)])
        cv2.imwrite(
            str(pile / f"other colour of {number}.jpg"), cv2.cvtColor(other, cv2.COLOR_HLS2BGR)
        )
    curation = find(pile, network=CompiledNetwork.open())
    grouped = {finding.photo for finding in curation.findings if finding.group}
    assert not {name for name in grouped if name.startswith("other colour")}
    assert "mirrored crop of 4.jpg" in grouped


@pytest.mark.parametrize("share", [0.75, 0.85, 0.95])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_part_of_a_photo_is_found_where_it_lies(drawn, tmp_path, share, mirrored):
    photos = sorted(Path(drawn).glob("*.jpg"))[8:12]
    parts = []
    for photo in photos:
        image = cv2.imread(str(photo))
        height, width = image.shape[:2]
        part = image[: round(height * share), width - round(width * share) :]
        parts.append(tmp_path / photo.name)
        cv2.imwrite(str(parts[-1]), part[:, ::-1] if mirrored else part)
    looks = look_at([*photos, *parts], ColourNetwork(), tmp_path / "looks")
    pairs = np.array([(row, other) for row in range(8) for other in range(row)])
    same = same_pictures(looks, [*photos, *parts], pairs)
    assert {tuple(sorted(pair)) for pair in same.tolist()} == {(row, row + 4) for row in range(4)}


def test_only_bytes_that_are_the_same_and_what_cannot_be_read_are_certain(pile):
    certain = {finding.photo for finding in find(pile).findings if finding.certain}
    assert certain == {"unreadable.jpg", "blank.png", "exact of 0.jpg"}


def test_what_is_unusable_is_not_called_irrelevant_too(pile):
    night = np.full((300, 300, 3), 5, np.uint8)
    cv2.circle(night, (150, 150), 25, (250, 250, 250), -1)
    cv2.imwrite(str(pile / "night.png"), night)
    found = kinds(find(pile))
    assert found["irrelevant"] == {"night.png"} and "dark.jpg" in found["dark"]


def test_findings_are_rows_of_a_file_beside_the_data(pile):
    curation = find(pile)
    written = rows_of(pile.parent / "pile.curation" / "findings.csv")
    assert len(written) == len(curation.findings)
    (row,) = (row for row in written if row["photo"] == "exact of 0.jpg")
    assert row["finding"] == "exact duplicate" and row["suggestion"] == "drop"
    assert row["detail"] == "the same file as 0.jpg" and row["certain"] == "yes"


def test_copies_whose_labels_differ_are_not_certain_and_say_so(pile):
    table = write_rows(
        pile.parent / "labels.csv",
        ["image", "pattern"],
        ["pile/0.jpg", "striped"],
        ["pile/exact of 0.jpg", "solid"],
        ["pile/1.jpg", "solid"],
    )
    curation = find(table)
    copies = [finding for finding in curation.findings if finding.group]
    assert [finding.certain for finding in copies] == [False, False]
    assert "labels differ: pattern solid, striped" in copies[0].detail


def test_three_copies_of_which_two_contradict_each_other_are_all_left_to_a_person(pile):
    shutil.copy(pile / "0.jpg", pile / "again 0.jpg")
    table = write_rows(
        pile.parent / "labels.csv",
        ["image", "pattern", "shape"],
        ["pile/0.jpg", "", "sleeveless"],
        ["pile/exact of 0.jpg", "solid", ""],
        ["pile/again 0.jpg", "striped", ""],
    )
    assert not any(finding.certain for finding in find(table).findings)


class AskedOnce(ColourNetwork):
    """Counts the photos it is shown, and can fail at one of them."""

    def __init__(self, stop_at=10**9):
        self.seen = 0
        self.stop_at = stop_at

    def describe(self, images):
        return super().describe(self.counted(images))

    def counted(self, images):
        for image in images:
            self.seen += 1
            if self.seen == self.stop_at:
                raise KeyboardInterrupt
            yield image


def test_a_second_run_looks_at_new_photos_only(pile):
    network = AskedOnce()
    first = find(pile, network=network)
    seen = network.seen
    shutil.copy(pile / "5.jpg", pile / "5 again.jpg")
    second = find(pile, network=network)
    assert network.seen == seen + 1
    assert "5 again.jpg" in kinds(second)["exact duplicate"]
    assert len(second.findings) == len(first.findings) + 2


def test_a_run_that_was_stopped_goes_on_where_it_was(pile, monkeypatch):
    monkeypatch.setattr("fashionnet.curation.looks.PHOTOS_IN_A_FILE", 4)
    with pytest.raises(KeyboardInterrupt):
        find(pile, network=AskedOnce(stop_at=10))
    network = AskedOnce()
    assert len(kinds(find(pile, network=network))) >= 6
    assert network.seen <= 22 - 8


def test_what_is_kept_between_runs_may_be_damaged(pile):
    expected = find(pile).findings
    for file in (pile.parent / "pile.curation" / "looks").iterdir():
        file.write_bytes(file.read_bytes()[:1000])
    assert find(pile).findings == expected


def test_nearest_rows_are_those_of_all_pairs():
    rows = np.random.default_rng(0).normal(size=(600, 8)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    found, cosines = nearest(rows, 3)
    every = rows @ rows.T
    np.fill_diagonal(every, -2)
    best = np.argsort(-every, axis=1)[:, :3]
    shared = np.mean([len({*a} & {*b}) / 3 for a, b in zip(found, best, strict=True)])
    assert shared > 0.9
    assert (found != np.arange(600)[:, None]).all()
    assert np.allclose(cosines, np.take_along_axis(every, found, axis=1), atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_piles_of_next_to_nothing(pile, tmp_path, count):
    small = tmp_path / "small"
    small.mkdir()
    (small / "broken.jpg").touch()
    for number in range(count):
        shutil.copy(pile / f"{number}.jpg", small)
    assert kinds(find(small)) == {"unreadable": {"broken.jpg"}}


def test_a_look_by_another_precision_is_another_look(pile):
    network = AskedOnce()
    find(pile, network=network)
    seen = network.seen
    network.precision = "int8"
    find(pile, network=network)
    assert network.seen == 2 * seen


def test_a_bomb_and_a_text_that_is_called_a_photo_are_rows(pile):
    (pile / "bomb.png").write_bytes(bomb())
    (pile / "text.jpg").write_bytes(b"#!/bin/sh")
    reasons = {f.photo: f.detail for f in find(pile).findings if f.finding == "unreadable"}
    assert "too many pixels" in reasons["bomb.png"] or "megapixels" in reasons["bomb.png"]
    assert reasons["text.jpg"].startswith("not a photo")


def test_a_table_that_lies_about_its_types_is_read_as_far_as_it_goes(pile):
    lines = [
        {"image": 5, "pattern": "solid"},
        {"image": ["pile/0.jpg", "pile/1.jpg"], "pattern": ["solid"], "price": {"a": 1}},
        {"image": {"bytes": "x"}, "pattern": True},
        {"image": "pile/2.jpg", "pattern": 3.5, "relevant": False, "id": ["x"]},
        {"image": None},
    ]
    table = pile.parent / "labels.jsonl"
    table.write_text("\n".join(map(json.dumps, lines)))
    read = read_pile(table, None, SCHEMA)
    assert read.names[1:3] == ["pile/0.jpg", "pile/1.jpg"]
    assert read.labels["relevant"][read.names.index("pile/2.jpg")] == "no"
    assert {fault.reason.split(" is ")[0] for fault in read.faults} == {
        "'[\"solid\"]'",
        "'3.5'",
        "'true'",
    }
    assert kinds(find(table))["unreadable"] >= {"5"}


def test_the_published_collection_is_curated_and_its_cleaned_file_names_its_photos(pile):
    folder = pile.parent / "fashion-dataset"
    (folder / "images").mkdir(parents=True)
    for number in range(3):
        shutil.copy(pile / f"{number}.jpg", folder / "images" / f"{number}.jpg")
    shutil.copy(pile / "0.jpg", folder / "images" / "7.jpg")
    (folder / "styles.csv").write_text("id,articleType\n0,Shirts\n1,Tops\n7,Shirts\n")
    curation = find(folder)
    assert kinds(curation)["exact duplicate"] == {"0.jpg", "7.jpg"}
    curation.apply(decisions_of(curation))
    items = read_catalogue(pile.parent / "fashion-dataset.cleaned.csv")
    assert items.ids == ["0", "1", "2"]
    assert items.metadata["articleType"].to_pylist() == ["Shirts", "Tops", None]
    assert all((items.root / photo).is_file() for photo in items.photos)


# --- labels


def test_labels_that_cannot_be_used_are_findings_and_left_blank(pile):
    table = write_rows(
        pile.parent / "labels.csv",
        ["image", "pattern", "relevant"],
        ["pile/0.jpg", "striped", "TRUE"],
        ["pile/0.jpg", "solid", "yes"],
        ["pile/1.jpg", "stripey", "maybe"],
        ["pile/2.jpg", "solid", "0"],
    )
    read = read_pile(table, None, SCHEMA)
    assert read.labels["pattern"] == ["", "", "solid"]
    assert read.labels["relevant"] == ["yes", "", "no"]
    assert [(row.image, row.reason.split(":")[0]) for row in read.left_out] == [
        ("pile/0.jpg", "line 3 names this photo again")
    ]
    details = {f.detail for f in find(table).findings if f.finding == "faulty label"}
    assert "pattern: its rows contradict each other: striped, solid" in details
    assert any(detail.startswith("pattern: 'stripey' is none of the classes") for detail in details)
    assert any(detail.startswith("relevant: 'maybe'") for detail in details)


def test_labels_of_another_schema_are_one_clear_line(pile):
    table = write_rows(pile.parent / "labels.csv", ["image", "pattern"], ["pile/0.jpg", "paisley"])
    with pytest.raises(RequestError, match=r"none of the labels of pattern .* --schema"):
        read_pile(table, None, SCHEMA)


def test_a_manifest_cannot_name_files_elsewhere(pile):
    outside = pile.parent.parent / "outside.jpg"
    shutil.copy(pile / "0.jpg", outside)
    (pile / "link.jpg").symlink_to(outside)
    table = write_rows(
        pile.parent / "labels.csv",
        ["image"],
        ["../outside.jpg"],
        [str(outside)],
        ["pile/link.jpg"],
        ["http://127.0.0.1/a.jpg"],
        ["pile/0.jpg"],
        [""],
    )
    read = read_pile(table, None, SCHEMA)
    assert read.names == ["pile/0.jpg"]
    assert [left_out.reason.split(":")[0] for left_out in read.left_out] == [
        "lies outside the folder of the file that names it",
        "lies outside the folder of the file that names it",
        "lies outside the folder of the file that names it",
        "a web address",
        "no photo named in column image",
    ]


def test_folders_of_classes_and_a_table_beside_a_folder_are_labels(pile):
    (pile / "pattern" / "striped").mkdir(parents=True)
    shutil.copy(pile / "0.jpg", pile / "pattern" / "striped" / "a.jpg")
    read = read_pile(pile, None, SCHEMA)
    assert read.labels["pattern"][read.names.index("pattern/striped/a.jpg")] == "striped"
    table = pile.parent / "labels.jsonl"
    table.write_text(json.dumps({"id": "0", "pattern": "floral"}) + '\n{"id": "gone"}\n')
    read = read_pile(pile, table, SCHEMA)
    assert read.labels["pattern"][read.names.index("0.jpg")] == "floral"
    assert read.notes[0] == "labels.jsonl: rows without a photo: 1, such as gone"


def blobs(count, wrong, seed=0):
    """Embeddings of three classes, well apart, and labels of which a share is wrong."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, count)
    embeddings = random.normal(size=(count, 16)).astype(np.float32)
    embeddings[np.arange(count), truth] += 4
    swapped = random.random(count) < wrong
    return embeddings, np.where(swapped, (truth + 1) % 3, truth), truth, swapped


def test_swapped_labels_are_doubted_and_the_right_class_is_named():
    embeddings, codes, truth, swapped = blobs(600, 0.05)
    codes[:20] = -1
    held_out = held_out_predictions(embeddings, codes, np.arange(600))
    doubted = doubtful_rows(held_out)
    rows = held_out.rows[doubted]
    assert not set(rows) & set(range(20))
    assert swapped[rows].mean() > 0.8
    assert swapped[rows].sum() > 0.8 * swapped[20:].sum()
    said = held_out.classes[held_out.probabilities[doubted].argmax(axis=1)]
    assert (said == truth[rows])[swapped[rows]].mean() > 0.95


def test_a_rare_class_and_labels_of_one_class_are_not_doubted():
    embeddings, codes, _, _ = blobs(200, 0)
    rare = np.where(codes == 2, -1, codes)
    rare[:3] = 2
    held_out = held_out_predictions(embeddings, rare, np.arange(200))
    assert held_out.classes.tolist() == [0, 1] and not set(held_out.rows) & {0, 1, 2}
    assert held_out_predictions(embeddings, np.zeros(200, int), np.arange(200)) is None
    assert held_out_predictions(embeddings, codes, codes) is None


def test_doubtful_labels_are_findings_with_the_class_to_relabel(pile):
    for name in range(12):
        image = np.full((300, 300, 3), (40, 40, 200) if name % 2 else (200, 40, 40), np.uint8)
        cv2.circle(image, (60 + 15 * name, 150), 50, (90, 90, 90), -1)
        cv2.rectangle(image, (20 * name, 10), (20 * name + 60, 280 - 9 * name), (0, 0, 0), 4)
        cv2.imwrite(str(pile / f"{name}.jpg"), image)
    rows = [[f"pile/{n}.jpg", "striped" if n % 2 or n == 4 else "solid"] for n in range(12)]
    table = write_rows(pile.parent / "labels.csv", ["image", "pattern"], *rows)
    doubted = [f for f in find(table).findings if f.finding == "doubtful label"]
    assert [(f.photo, f.suggestion, f.certain) for f in doubted] == [
        ("pile/4.jpg", "pattern=solid", False)
    ]
    assert "labelled striped; a head trained on other photos says solid" in doubted[0].detail


def test_words_of_names_folders_and_titles_become_labels(pile):
    table = write_rows(
        pile.parent / "labels.csv",
        ["image", "pattern", "productDisplayName", "season"],
        ["pile/0.jpg", "", "Men Gingham Shirt, long-sleeved", "Winter coat"],
        ["pile/1.jpg", "", "Striped floral top", ""],
        ["pile/2.jpg", "solid", "Plaid shirt", ""],
        ["pile/3.jpg", "", "Checkout this shirt", ""],
        ["pile/4.jpg", "striped", "Striped floral top", ""],
    )
    before = read_pile(table, None, SCHEMA)
    filled, findings = weak_labels(before, read_words(DEFAULT_WORDS, SCHEMA))
    assert filled.labels["pattern"] == ["checkered", "", "solid", "", "striped"]
    assert filled.labels["shape"] == ["full-sleeve", "", "", "", ""]
    assert "style" not in filled.labels
    assert [(f.photo, f.finding, f.suggestion) for f in findings] == [
        ("pile/1.jpg", "conflicting words", "review"),
        ("pile/2.jpg", "words against label", "pattern=checkered"),
    ]
    assert findings[0].detail == "pattern: 'striped' means striped, 'floral' means floral"
    assert before.labels["pattern"] == ["", "", "solid", "", "striped"]


def test_a_folder_from_a_search_becomes_labelled_data(pile, tiny_model, capsys):
    (pile / "Plaid_shirts").mkdir()
    for number in range(3):
        (pile / f"{number}.jpg").rename(pile / "Plaid_shirts" / f"{number}.jpg")
    words = [str(pile), "--model", str(tiny_model), "--words", "--apply"]
    assert run_command("curate", words) == 0
    assert "labels from words: 3" in capsys.readouterr().out
    labels = read_labels(pile.parent / "pile.cleaned.csv", None, SCHEMA)
    assert (labels.codes["pattern"] == SCHEMA["pattern"].code("checkered")).sum() == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pattern = 3", r"expected a table \[pattern\]"),
        ("[pattern]\nsolid = 'plain'", r"\[pattern\] solid: expected a list"),
        ("[pattern]\npaisley = ['paisley']", "pattern has no class 'paisley'"),
        ("[colour]\nred = ['red']", "no attribute 'colour'"),
        ("", "none of its attributes"),
        ("[", "words "),
    ],
)
def test_tables_of_words_that_are_none_are_one_clear_line(tmp_path, text, said):
    (tmp_path / "words.toml").write_text(text)
    with pytest.raises(RequestError, match=said):
        read_words(tmp_path / "words.toml", SCHEMA)


# --- deciding and cleaning


def decisions_of(curation):
    return curation.decisions(SCHEMA)


def test_the_cleaned_file_is_what_training_and_building_read(pile):
    table = write_rows(
        pile.parent / "labels.csv",
        ["image", "pattern", "shape", "price"],
        *([f"pile/{name}.jpg", "solid", "", "1,50 €"] for name in range(6)),
        ["pile/exact of 0.jpg", "", "sleeveless", ""],
        ["pile/unreadable.jpg", "solid", "", ""],
        ["pile/rescaled of 1.jpg", "striped", "", ""],
    )
    before = contents(pile)
    curation = find(table)
    decisions = decisions_of(curation)
    decisions.take(["pile/5.jpg"], "drop")
    decisions.take(["pile/4.jpg"], "pattern=checkered")
    cleaned = curation.apply(decisions)
    assert (cleaned.kept, cleaned.certain, cleaned.decided) == (6, 2, 1)
    written = curation.workplace.cleaned
    rows = {row["image"]: row for row in rows_of(written)}
    assert "pile/5.jpg" not in rows and "pile/unreadable.jpg" not in rows
    assert rows["pile/0.jpg"]["shape"] == "sleeveless" and rows["pile/0.jpg"]["price"] == "1,50 €"
    assert rows["pile/4.jpg"]["pattern"] == "checkered"
    assert rows["pile/1.jpg"]["picture"] == rows["pile/rescaled of 1.jpg"]["picture"] != ""
    labels = read_labels(written, None, SCHEMA)
    assert len(labels) == 6 and len(set(labels.groups.tolist())) == 5
    assert len(read_catalogue(written)) == 6
    assert contents(pile) == before


def test_photos_of_one_picture_never_straddle_a_split(pile):
    """A crop is no near-duplicate to training itself: the column `picture` is what joins them."""
    header = ["image", "pattern"]
    names = [f"{number}.jpg" for number in range(12)]
    names += ["cropped of 3.jpg", "mirrored crop of 4.jpg", "rescaled of 1.jpg"]
    rows = [[f"pile/{name}", ("solid", "striped")[len(name) % 2]] for name in names]
    curation = find(
        write_rows(pile.parent / "labels.csv", header, *rows), None, CompiledNetwork.open()
    )
    curation.apply(decisions_of(curation))
    labels = read_labels(curation.workplace.cleaned, None, SCHEMA)
    place = {Path(name).name: row for row, name in enumerate(labels.names)}
    groups = join_groups(labels.groups, near_duplicate_groups(labels.photos))
    assert len(set(groups.tolist())) == 12
    for seed in range(20):
        part = split(labels, groups, seed)
        for copy in names[12:]:
            original = f"{copy.split()[-1]}"
            assert part[place[copy]] == part[place[original]]


def test_a_cleaned_file_elsewhere_is_built_and_learned_from(pile, tiny_model, tmp_path, capsys):
    table = write_rows(
        pile.parent / "labels.csv",
        ["image", "pattern"],
        *([f"pile/{name}.jpg", ("solid", "striped")[name % 2]] for name in range(6)),
        ["pile/exact of 0.jpg", "solid"],
    )
    output, model = tmp_path / "elsewhere", ["--model", str(tiny_model)]
    said = ["--apply", "--output", str(output), *model]
    assert run_command("curate", [str(table), *said]) == 0
    assert f"read it with --images {pile.parent}\n" in capsys.readouterr().out
    assert not list(pile.parent.glob("*.c*"))[1:]
    cleaned, images = output / "cleaned.csv", ["--images", str(pile.parent)]
    assert len(read_labels(cleaned, pile.parent, SCHEMA)) == 6
    assert run_command("evaluate", ["--labels", str(cleaned), *images, *model]) == 0
    build = ["--catalogue", str(cleaned), "--repository", str(tmp_path / "shop"), *model]
    assert run_command("build", [*build, *images]) == 0
    items = Repository.open(tmp_path / "shop").items()
    assert all(Path(photo).parent == pile for photo in items.photos)
    assert len(Repository.open(tmp_path / "shop")) == 6
    # What is cleaned can be cleaned again.
    again = ["--apply", "--output", str(tmp_path / "again"), *model]
    assert run_command("curate", [str(cleaned), *images, *again]) == 0
    assert rows_of(tmp_path / "again" / "cleaned.csv") == rows_of(cleaned)


def test_no_row_leads_out_of_the_folder_of_images(pile, tmp_path):
    shutil.copy(pile / "0.jpg", pile.parent / "outside.jpg")
    (tmp_path / "tables").mkdir()
    rows = [["../outside.jpg"], [str(pile.parent / "outside.jpg")], ["0.jpg"]]
    table = write_rows(tmp_path / "tables" / "labels.csv", ["image"], *rows)
    read = read_pile(table, None, SCHEMA, pile)
    assert read.names == ["0.jpg"] and len(read.left_out) == 2
    for source, images in ((pile, pile), (table, tmp_path / "gone")):
        with pytest.raises(RequestError, match=r"folder of photos"):
            read_pile(source, None, SCHEMA, images)


def test_a_folder_s_cleaned_file_lies_beside_it_and_names_its_photos(pile):
    curation = find(pile)
    curation.apply(decisions_of(curation))
    written = pile.parent / "pile.cleaned.csv"
    assert len(read_catalogue(written)) == len(curation.pile) - 3
    assert "exact of 0" not in {row["id"] for row in rows_of(written)}


def test_a_person_s_word_goes_before_a_certain_finding(pile):
    curation = find(pile)
    decisions = decisions_of(curation)
    decisions.take(["exact of 0.jpg"], "keep")
    assert curation.apply(decisions).certain == 2


def test_decisions_are_undone_step_by_step_in_another_session_too(pile):
    curation = find(pile)
    decisions = decisions_of(curation)
    decisions.take(["1.jpg", "2.jpg"], "drop")
    decisions.take(["1.jpg"], "keep")
    decisions.take(["1.jpg"], "pattern=floral")
    again = decisions_of(curation)
    assert again.current() == {"1.jpg": ["keep", "pattern=floral"], "2.jpg": ["drop"]}
    assert [again.undo(), again.undo(), again.undo(), again.undo()] == [
        ["1.jpg"],
        ["1.jpg"],
        ["1.jpg", "2.jpg"],
        [],
    ]
    assert decisions_of(curation).current() == {}


def test_a_decision_is_about_a_picture_not_about_a_name(pile):
    curation = find(pile)
    decisions_of(curation).take(["1.jpg", "2.jpg"], "drop")
    shutil.copy(pile / "5.jpg", pile / "1.jpg")
    decisions = decisions_of(find(pile))
    assert decisions.current() == {"2.jpg": ["drop"]} and decisions.stale == 1


def test_decisions_of_another_pile_and_files_that_are_none_are_one_clear_line(pile):
    path = pile.parent / "decisions.csv"
    Decisions(path, {"a.jpg": "0" * 64}, SCHEMA).take(["a.jpg"], "drop")
    with pytest.raises(RequestError, match=r"about other photos, such as a\.jpg"):
        Decisions(path, {"1.jpg": "1" * 64}, SCHEMA)
    for spoilt in (b"", b"hello", b"step,photo,sha256,decision\nx,a,b,drop\n", b"\xff" * 50):
        path.write_bytes(spoilt)
        with pytest.raises(RequestError, match="no file of decisions"):
            Decisions(path, {"1.jpg": "1" * 64}, SCHEMA)


@pytest.mark.parametrize("wrong", ["burn", "pattern=paisley", "colour=red", "relevant=perhaps", ""])
def test_what_is_no_decision_is_refused_and_nothing_is_written(tmp_path, wrong):
    decisions = Decisions(tmp_path / "decisions.csv", {"a.jpg": "0" * 64}, SCHEMA)
    with pytest.raises(RequestError):
        decisions.take(["a.jpg"], wrong)
    with pytest.raises(RequestError, match="no such photo"):
        decisions.take(["b.jpg"], "drop")
    assert not (tmp_path / "decisions.csv").exists()


# --- the command


def test_the_command_finds_and_applies(pile, tiny_model, capsys):
    assert run_command("curate", [str(pile), "--model", str(tiny_model), "--apply"]) == 0
    printed = capsys.readouterr().out
    assert "exact duplicate: 2, certain: 1" in printed
    assert "pile.cleaned.csv: " in printed and "left out because certain: 3" in printed
    assert (pile.parent / "pile.cleaned.csv").is_file()


def test_the_command_s_bad_requests(pile, tiny_model, tmp_path, monkeypatch, capsys):
    model = ["--model", str(tiny_model)]
    (tmp_path / "file").touch()
    table = write_rows(tmp_path / "labels.csv", ["image"], ["pile/0.jpg"])
    (tmp_path / "labels.curation").mkdir()
    others = Decisions(tmp_path / "labels.curation" / "decisions.csv", {"a.jpg": "0" * 64}, SCHEMA)
    others.take(["a.jpg"], "drop")
    monkeypatch.setattr("fashionnet.curation.curate.look_at", pytest.fail)
    for words, said in (
        ([str(tmp_path / "gone")], "no such file or folder"),
        ([str(pile), "--output", str(tmp_path / "file")], "--output names a folder"),
        ([str(pile), "--labels", str(tmp_path / "gone.csv")], "no such file"),
        ([str(pile), "--images", str(pile)], "is a folder of photos itself"),
        ([str(table), "--images", str(tmp_path / "gone")], "no such folder of photos"),
        ([str(table)], "are about other photos, such as a.jpg"),
    ):
        assert run_command("curate", [*words, *model]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1


def test_a_pile_without_a_readable_photo_exits_with_one(tmp_path, tiny_model):
    (tmp_path / "pile").mkdir()
    (tmp_path / "pile" / "a.jpg").touch()
    assert run_command("curate", [str(tmp_path / "pile"), "--model", str(tiny_model)]) == 1
