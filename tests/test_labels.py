import csv
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashionnet.errors import RequestError
from fashionnet.labels import (
    PARTS,
    LabelledPhotos,
    check_for_training,
    join_groups,
    near_duplicate_groups,
    near_duplicate_pairs,
    perceptual_hashes,
    read_labels,
    schema_from_labels,
    split,
)
from fashionnet.schema import Schema

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
SCHEMA = Schema.from_mapping({"pattern": ["striped", "solid"], "shape": ["long", "short"]})


def texture(seed: int, side: int = 160) -> np.ndarray:
    """Draw a picture with a structure of its own: uint8 BGR."""
    blocks = np.random.default_rng(seed).integers(0, 256, (6, 6, 3)).astype(np.uint8)
    return cv2.resize(blocks, (side, side), interpolation=cv2.INTER_CUBIC)


def write_photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), texture(seed, 32))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for number in range(4):
        write_photo(tmp_path / "images" / f"{number}.png", number)
    return tmp_path / "images"


def write_csv(images: Path, text: str, encoding: str = "utf-8") -> Path:
    path = images.parent / "labels.csv"
    path.write_bytes(text.encode(encoding))
    return path


def refusal(images: Path, text: str, group: str | None = None) -> str:
    with pytest.raises(RequestError) as refused:
        read_labels(write_csv(images, text), images, SCHEMA, group)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def labels_of(pattern: list[int], shape: list[int] | None = None) -> LabelledPhotos:
    count = len(pattern)
    return LabelledPhotos(
        SCHEMA,
        [Path(f"{row}.jpg") for row in range(count)],
        [f"{row}.jpg" for row in range(count)],
        {
            "pattern": np.array(pattern, np.int16),
            "shape": np.array(shape or [-1] * count, np.int16),
        },
        np.full(count, -1, np.int16),
        np.arange(count),
    )


# --- reading a CSV


def test_a_csv_becomes_columns(images):
    source = write_csv(
        images,
        "image,pattern,colour,relevant,sender\n"
        "0.png,striped,red,yes,ann\n1.png,,blue,No,\n\n2.png,solid,,,ann\n3.png,solid\n",
    )
    labels = read_labels(source, images, SCHEMA, "sender")
    assert labels.names == ["0.png", "1.png", "2.png", "3.png"]
    assert labels.photos[2] == images / "2.png"
    assert labels.codes["pattern"].tolist() == [0, -1, 1, 1]
    assert labels.codes["shape"].tolist() == [-1, -1, -1, -1]
    assert labels.relevance.tolist() == [1, 0, -1, -1]
    assert labels.groups[0] == labels.groups[2]
    assert len(set(labels.groups.tolist())) == 3
    taken = labels.take(np.array([False, True, True, False]))
    assert taken.names == ["1.png", "2.png"]
    assert taken.codes["pattern"].tolist() == [-1, 1]


def test_images_are_relative_to_the_csv_unless_a_folder_is_named(images):
    source = write_csv(images, "image,pattern\nimages/0.png,striped\n")
    assert read_labels(source, None, SCHEMA).photos == [images / "0.png"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_encodings_of_spreadsheets_are_read(images, encoding):
    write_photo(images / "blusé.png", 9)
    source = write_csv(images, "image,pattern\r\nblusé.png,solid\r\n", encoding)
    assert read_labels(source, images, SCHEMA).names == ["blusé.png"]


def test_rows_of_one_photo_are_merged_unless_they_contradict(images):
    source = write_csv(
        images,
        "image,pattern,shape\n0.png,solid,\n./0.png,,long\n0.png,solid,long\n1.png,solid,\n",
    )
    labels = read_labels(source, images, SCHEMA)
    assert labels.names == ["0.png", "1.png"]
    assert labels.codes["shape"].tolist() == [0, -1]
    message = refusal(images, "image,pattern\n0.png,solid\n1.png,solid\n0.png,striped\n")
    assert "line 4: pattern is 'striped'" in message
    assert "line 2" in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "no column 'image'; it has nothing"),
        ("photo,pattern\n0.png,solid\n", "no column 'image'; it has photo, pattern"),
        ("image,colour\n0.png,red\n", "any of the attributes pattern, shape; it has image, colour"),
        ("image,pattern\n", "no rows"),
        ("image,pattern,pattern\n0.png,solid,solid\n", "column 'pattern' appears twice"),
        ("image,pattern\n0.png,dotted\n", "line 2: pattern has no class 'dotted': expected one"),
        ("image,pattern,relevant\n0.png,solid,maybe\n", "line 2: relevant is 'maybe'"),
        ("image,pattern\n,solid\n", "line 2: the cell under 'image' is blank"),
        ("image,pattern\n../secret.png,solid\n", "line 2: image '../secret.png' lies outside"),
        ("image,pattern\n/etc/passwd,solid\n", "line 2: image '/etc/passwd' lies outside"),
        ("image,pattern\n.,solid\n", "lies outside"),
        ("image,pattern\n0.png,solid,more\n", "line 2: 3 cells under 2 columns"),
        (
            "image,pattern\n0.png,solid\na.png,solid\nb.png,solid\nc.png,solid\nd.png,solid\n",
            "4 of 5 photos are missing",
        ),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_in_one_line(images, text, expected):
    assert expected in refusal(images, text)


def test_missing_photos_are_named_three_at_most(images):
    message = refusal(images, "image,pattern\na.png,solid\nb.png,solid\nc.png,solid\nd.png,solid\n")
    assert "a.png" in message and "c.png" in message and "d.png" not in message


def test_a_group_column_that_is_not_there_is_refused(images):
    assert "no column 'sender'" in refusal(images, "image,pattern\n0.png,solid\n", "sender")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(RequestError, match="no such file"):
        read_labels(tmp_path / "none.csv", tmp_path, SCHEMA)


# --- reading folders of classes


def test_folders_of_classes_are_merged_by_content(tmp_path):
    write_photo(tmp_path / "pattern/solid/a.png", 1)
    write_photo(tmp_path / "pattern/striped/b.png", 2)
    write_photo(tmp_path / "shape/long/renamed.png", 1)
    write_photo(tmp_path / "colour/red/a.png", 1)
    write_photo(tmp_path / "relevant/no/shoe.png", 3)
    labels = read_labels(tmp_path, None, SCHEMA)
    assert labels.names == ["pattern/solid/a.png", "pattern/striped/b.png", "relevant/no/shoe.png"]
    assert labels.codes["pattern"].tolist() == [1, 0, -1]
    assert labels.codes["shape"].tolist() == [0, -1, -1]
    assert labels.relevance.tolist() == [-1, -1, 0]


def test_one_photo_in_two_classes_of_an_attribute_is_refused(tmp_path):
    write_photo(tmp_path / "pattern/solid/a.png", 1)
    write_photo(tmp_path / "pattern/striped/b.png", 1)
    with pytest.raises(RequestError, match=r"striped.*same photo has 'solid'"):
        read_labels(tmp_path, None, SCHEMA)


def test_folders_of_an_unknown_class_or_no_attribute_are_refused(tmp_path):
    write_photo(tmp_path / "pattern/dotted/a.png", 1)
    with pytest.raises(RequestError, match="no class 'dotted': expected one of striped, solid"):
        read_labels(tmp_path, None, SCHEMA)
    with pytest.raises(RequestError, match=r"<attribute>/<class>"):
        read_labels(tmp_path / "pattern", None, SCHEMA)
    with pytest.raises(RequestError, match="no column 'sender'"):
        read_labels(tmp_path, None, SCHEMA, "sender")


def test_a_schema_is_made_from_what_the_labels_mention(images, tmp_path):
    source = write_csv(images, "image,neck,colour\n0.png,v,red\n1.png,round,\n2.png,,blue\n")
    assert schema_from_labels(source, ["neck"]).to_mapping() == {"neck": ["round", "v"]}
    with pytest.raises(RequestError, match="no attribute 'sleeve'; it has image, neck, colour"):
        schema_from_labels(source, ["sleeve"])
    with pytest.raises(RequestError, match="say which columns are attributes"):
        schema_from_labels(source)
    for path in ("neck/v/a.png", "neck/round/b.png", "hem/long/c.png", "hem/short/d.png"):
        write_photo(tmp_path / "folders" / path, len(path))
    made = schema_from_labels(tmp_path / "folders")
    assert made.to_mapping() == {"hem": ["long", "short"], "neck": ["round", "v"]}


# --- checking


def test_what_cannot_be_trained_is_refused_by_name():
    with pytest.raises(RequestError, match=r"pattern: only 'solid' has labelled photos"):
        check_for_training(labels_of([1, 1, 1, -1]), ["pattern"])
    with pytest.raises(RequestError, match=r"shape: none of its classes has"):
        check_for_training(labels_of([1, 1, 1, 0, 0, 0]), ["pattern", "shape"])
    with pytest.raises(RequestError, match=r"too few labelled photos of 'striped' \(2\)"):
        check_for_training(labels_of([0, 0, 1, 1, 1]), ["pattern"])
    assert check_for_training(labels_of([0, 0, 0, 1, 1, 1]), ["pattern"]) == []


def test_a_class_without_photos_is_a_warning_when_two_others_have_some():
    schema = Schema.from_mapping({"pattern": ["striped", "solid", "lace"]})
    codes = np.array([0, 0, 0, 1, 1, 1], np.int16)
    rows = labels_of(codes.tolist())
    labels = LabelledPhotos(
        schema, rows.photos, rows.names, {"pattern": codes}, rows.relevance, rows.groups
    )
    (warning,) = check_for_training(labels, ["pattern"])
    assert "'lace'" in warning


# --- near-duplicates


def test_copies_are_grouped_and_other_pictures_are_not(tmp_path):
    original = texture(1, 256)
    pictures = {
        "original.png": original,
        "recoded.jpg": original,
        "smaller.png": cv2.resize(original, (128, 128), interpolation=cv2.INTER_AREA),
        "mirrored.png": original[:, ::-1],
        "darker.png": cv2.convertScaleAbs(original, alpha=0.95),
        "cropped.png": original[2:-2, 2:-2],
        "other.png": texture(2, 256),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(tmp_path / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 50])
    (tmp_path / "broken.jpg").write_bytes(b"not a photo")
    photos = [tmp_path / name for name in [*pictures, "broken.jpg"]]
    groups = near_duplicate_groups(photos)
    assert len(set(groups[:6].tolist())) == 1
    assert len(set(groups.tolist())) == 3


def test_different_flat_garments_on_white_stay_apart(tmp_path):
    for number, colour in enumerate([(40, 40, 200), (200, 60, 40), (60, 160, 60), (240, 240, 240)]):
        picture = np.full((128, 128, 3), 255, np.uint8)
        cv2.rectangle(picture, (40, 40), (88, 100), colour, -1)
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture)
    groups = near_duplicate_groups(sorted(tmp_path.iterdir()))
    assert len(set(groups.tolist())) == 4


def test_grouping_no_photo_gives_no_group():
    assert near_duplicate_groups([]).tolist() == []


def test_the_search_finds_the_pairs_that_looking_at_every_pair_finds():
    random = np.random.default_rng(0)
    base = np.stack([cv2.resize(texture(seed, 64), (32, 32)) for seed in range(40)])
    noisy = [
        np.clip(image + random.normal(0, strength, image.shape), 0, 255).astype(np.uint8)
        for strength in (2, 6, 12)
        for image in base
    ]
    thumbnails = np.concatenate([base, np.stack(noisy), base[:10, :, ::-1]])
    small = [cv2.resize(image, (16, 16), interpolation=cv2.INTER_AREA) for image in thumbnails]
    rows = np.stack(small).reshape(len(thumbnails), -1).astype(np.float64)
    flipped = rows.reshape(-1, 16, 16, 3)[:, :, ::-1].reshape(rows.shape)
    hashes = perceptual_hashes(thumbnails)
    expected = set()
    for others, theirs in (
        (rows, hashes),
        (flipped, perceptual_hashes(np.ascontiguousarray(thumbnails[:, :, ::-1]))),
    ):
        centred, centred_others = (x - x.mean(axis=1, keepdims=True) for x in (rows, others))
        difference = (centred[:, None] - centred_others[None]).std(axis=2)
        spread = rows.std(axis=1)
        near = difference <= 0.12 * np.minimum(spread[:, None], spread)
        near &= np.bitwise_count(hashes[:, None] ^ theirs) <= 10
        expected |= {(one, two) for one, two in np.argwhere(near).tolist() if one < two}
    found = set(zip(*(ends.tolist() for ends in near_duplicate_pairs(thumbnails)), strict=True))
    assert found == expected and len(found) > 40


def test_near_duplicates_do_not_chain_through_the_real_catalogue():
    if not DATA.is_dir():
        pytest.skip("the real photos of ../shared/data are not here")
    labels = read_labels(DATA / "attributes.csv", DATA, Schema.default())
    photos = [photo for photo in labels.photos if "catalogue" in photo.parts][:1500]
    _, sizes = np.unique(near_duplicate_groups(photos), return_counts=True)
    assert 1 < sizes.max() <= 15
    assert (sizes == 1).sum() > 0.9 * len(photos)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=30))
def test_joined_groups_are_the_finest_that_hold_both(pairs):
    first = np.array([pair[0] for pair in pairs], np.int64)
    second = np.array([pair[1] for pair in pairs], np.int64)
    joined = join_groups(first, second)
    reached = (first[:, None] == first) | (second[:, None] == second)
    for _ in pairs:
        reached = reached @ reached
    assert ((joined[:, None] == joined) == reached).all()


# --- splitting


@st.composite
def grouped_labels(draw):
    count = draw(st.integers(1, 60))
    codes = st.lists(st.integers(-1, 1), min_size=count, max_size=count)
    labels = labels_of(draw(codes), draw(codes))
    groups = draw(st.lists(st.integers(0, count), min_size=count, max_size=count))
    return labels, np.array(groups, np.int64), draw(st.integers(0, 1000))


@settings(deadline=None)
@given(grouped_labels(), st.randoms(use_true_random=False))
def test_a_split_keeps_groups_whole_and_forgets_the_order_of_rows(case, random):
    labels, groups, seed = case
    part = split(labels, groups, seed)
    assert set(part.tolist()) <= set(PARTS)
    for group in np.unique(groups):
        assert len(set(part[groups == group].tolist())) == 1
    order = list(range(len(labels)))
    random.shuffle(order)
    assert (split(labels.take(order), groups[order], seed) == part[order]).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(100, 600))
def test_parts_of_many_small_groups_are_near_70_15_15(seed, count):
    random = np.random.default_rng(seed)
    labels = labels_of(
        random.choice(2, count, p=[0.9, 0.1]).tolist(), random.integers(-1, 2, count).tolist()
    )
    part = split(labels, random.integers(0, count // 2, count), seed)
    for name, share in zip(PARTS, (0.70, 0.15, 0.15), strict=True):
        assert abs((part == name).mean() - share) < 0.03
        rare = labels.codes["pattern"] == 1
        assert abs((part[rare] == name).sum() - share * rare.sum()) < 3


def test_each_class_of_three_photos_has_one_in_each_part():
    labels = labels_of([0] * 40 + [1] * 3, [0] * 3 + [1] * 40)
    for seed in range(20):
        part = split(labels, labels.groups, seed)
        for codes in labels.codes.values():
            for code in (0, 1):
                assert set(part[codes == code].tolist()) == set(PARTS)


def test_another_seed_gives_another_split():
    labels = labels_of([0, 1] * 50)
    one, two = (split(labels, labels.groups, seed) for seed in (1, 2))
    assert (one != two).any()


# --- the recipe of the default model


def test_the_default_models_labels_hold_nothing_that_was_left_unlabelled(tmp_path):
    if not DATA.is_dir():
        pytest.skip("the real photos of ../shared/data are not here")
    output = tmp_path / "labels.csv"
    recipe = ROOT / "examples" / "default_model" / "labels.py"
    command = [sys.executable, str(recipe), "--data", str(DATA), "--output", str(output)]
    subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)})
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["image"] for row in rows}) == len(rows)
    with (DATA / "attributes.csv").open(newline="") as file:
        labelled = {row["image"] for row in csv.DictReader(file)}
    added = [row for row in rows if row["image"] not in labelled]
    assert len(rows) - len(added) == len(labelled)
    assert {row["relevant"] for row in added} == {"no"}
    with (DATA / "catalogue" / "styles.csv").open(newline="") as file:
        kinds = {f"catalogue/images/{row['id']}.jpg": row for row in csv.DictReader(file)}
    garments = {"Topwear", "Dress", "Saree", "Apparel Set", "Innerwear", "Loungewear and Nightwear"}
    for row in added:
        if row["image"] in kinds:
            assert kinds[row["image"]]["subCategory"] not in garments
        else:
            category = row["image"].split("/")[1]
            assert category in {"pants", "shoes", "shorts", "hat", "skirt"}
            assert row["sender_id"]


def test_photos_whose_names_are_no_text_are_split():
    names = [f"{number} caf\udce9.jpg" for number in range(20)]
    codes = {name: np.arange(20) % 2 for name in SCHEMA.names}
    relevance = np.ones(20, np.int16)
    labels = LabelledPhotos(
        SCHEMA, [Path(n) for n in names], names, codes, relevance, np.arange(20)
    )
    assert set(split(labels, np.arange(20), 0)) == set(PARTS)
