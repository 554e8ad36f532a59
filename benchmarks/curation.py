"""How much of what was planted `curate` finds, how clean it makes labels, and how fast it compares.

Every part plants faults in real photos with a fixed seed and prints a table:

    PYTHONPATH=. python benchmarks/curation.py --data ../shared/data faults
    PYTHONPATH=. python benchmarks/curation.py --data ../shared/data labels
    PYTHONPATH=. python benchmarks/curation.py --data ../shared/data speed --counts 10000 100000

`faults` copies 2,000 photos of the test and validation parts of the shipped model's split to a
temporary folder, and 200 copies each rescaled, recompressed, cropped (65 to 95% of each side) and
mirrored, 100 shoes, bags and watches, 50 each blurred, dark, blank, too small and truncated.

`labels` swaps labels of photos that the shipped model was not trained on, asks for doubtful labels,
and trains quick heads before and after dropping them; accuracy is that on held-out photos whose
labels nobody touched.

`speed` times the search for near-duplicates among that many pictures beside cleanvision and
imagehash: see `curation_speed.py`. It takes `pip install imagehash cleanvision` besides.
"""

import argparse
import csv
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from accuracy import read_split
from curation_speed import measure_speed
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fashionnet.curation.curate import Curation, Workplace, curate
from fashionnet.curation.doubtful import STRENGTH, doubtful_rows, held_out_predictions
from fashionnet.curation.findings import SMALLEST_SIDE
from fashionnet.curation.looks import look_at
from fashionnet.curation.pile import read_pile
from fashionnet.evaluation import wilson_interval
from fashionnet.labels import read_labels
from fashionnet.network.compiled import CompiledNetwork
from fashionnet.network.folder import DEFAULT_MODEL
from fashionnet.photos import Image, decode, read_bytes
from fashionnet.progress import progress
from fashionnet.schema import Schema

SHARES_SWAPPED = (0.05, 0.10)
Change = Callable[[Image, np.random.Generator], Image]


def _rescaled(image: Image, random: np.random.Generator) -> Image:
    factor = random.uniform(0.55, 1.6)
    return _as_image(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))


def _cropped(image: Image, random: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    share = random.uniform(0.65, 0.95)
    tall, wide = round(height * share), round(width * share)
    top = random.integers(0, height - tall + 1)
    left = random.integers(0, width - wide + 1)
    return image[top : top + tall, left : left + wide]


def _as_image(image: NDArray[np.generic]) -> Image:
    return image.astype(np.uint8, copy=False)


COPIES: dict[str, tuple[Change, int]] = {
    "rescaled": (_rescaled, 92),
    "recompressed": (lambda image, random: image, 40),
    "cropped": (_cropped, 85),
    "mirrored": (lambda image, random: image[:, ::-1], 92),
    "mirrored and cropped": (lambda image, random: _cropped(image[:, ::-1], random), 85),
}
"""Copies of a photo: what is done to it and the JPEG quality it is saved with."""

SPOILT: dict[str, Change] = {
    "blurred": lambda image, random: _as_image(cv2.GaussianBlur(image, (0, 0), 3)),
    "dark": lambda image, random: _as_image(image * random.uniform(0.05, 0.2)),
    "blank": lambda image, random: _as_image(
        np.clip(random.integers(0, 256, 3) + random.normal(0, 2, image.shape), 0, 255)
    ),
    "too small": lambda image, random: _as_image(cv2.resize(image, (72, 96))),
}


def main() -> None:
    """Print the part that was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("part", choices=["faults", "labels", "speed"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument(
        "--folder", type=Path, help="kept for the next run: the faulty pile, the looks"
    )
    parser.add_argument("--photos", type=int, default=2000, help="originals of the part faults")
    parser.add_argument("--copies", type=int, default=200, help="of each kind")
    parser.add_argument("--counts", type=int, nargs="+", default=[10_000, 100_000])
    arguments = parser.parse_args()
    if arguments.part == "faults":
        with tempfile.TemporaryDirectory() as place:
            folder = arguments.folder or Path(place) / "pile"
            measure_faults(arguments.data, folder, arguments.photos, arguments.copies)
    elif arguments.part == "labels":
        with tempfile.TemporaryDirectory() as place:
            measure_labels(arguments.data, arguments.folder or Path(place))
    else:
        with tempfile.TemporaryDirectory() as place:
            measure_speed(arguments.data, arguments.folder or Path(place), arguments.counts)


# --- Planted faults --------------------------------------------------------------------------


def measure_faults(data: Path, folder: Path, count: int, copies: int) -> None:
    """Plant faults in a folder where it is new, curate it, print recall and precision by kind."""
    if not folder.exists():
        _plant(folder, data, count, copies)
    pile = read_pile(folder, None, Schema.default())
    planted: dict[str, set[str]] = {}
    for name in pile.names:
        planted.setdefault(_kind_of(name), set()).add(name)
    network = CompiledNetwork.open()
    curation = curate(pile, Workplace.of(folder, None), network, Schema.default(), progress)
    # What was made smaller than the least side on the way is too small as well.
    small = (curation.looks.sizes > 0).all(axis=1) & (curation.looks.sizes < SMALLEST_SIDE).any(1)
    planted["too small"] = {pile.names[row] for row in np.flatnonzero(small)}
    _print_unusable(curation, planted)
    _print_copies(curation, planted)


def _garments_not_trained_on(data: Path) -> list[Path]:
    split = read_split(DEFAULT_MODEL)
    labels = read_labels(data / "attributes.csv", data, Schema.default())
    return [
        photo
        for photo, name, relevance in zip(
            labels.photos, labels.names, labels.relevance, strict=True
        )
        if relevance == 1 and split.get(name, ("", "train"))[1] != "train"
    ]


def _plant(folder: Path, data: Path, count: int, copies: int) -> None:
    """Write photos and faulty ones to a new folder, each named by its kind and its original."""
    random = np.random.default_rng(0)
    folder.mkdir(parents=True)
    unseen = _garments_not_trained_on(data)
    originals = [unseen[row] for row in random.permutation(len(unseen))[:count]]
    for number, photo in enumerate(originals):
        shutil.copyfile(photo, folder / f"original-{number}.jpg")

    def write(kind: str, number: int, image: Image, quality: int = 92) -> None:
        # The number is that of the original, so that a copy is known by its name.
        name = f"{kind.replace(' ', '_')}-{number}.jpg"
        bgr = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR)
        cv2.imwrite(str(folder / name), bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])

    order = iter(random.permutation(len(originals)).tolist())
    for kind, (change, quality) in COPIES.items():
        for _ in range(copies):
            number = next(order)
            write(kind, number, change(decode(read_bytes(originals[number])), random), quality)
    spoilt = max(1, copies // 4)
    for kind, change in SPOILT.items():
        for _ in range(spoilt):
            # Spoilt from photos that are not in the pile otherwise: they are nobody's copy.
            number = next(order)
            original = folder / f"original-{number}.jpg"
            write(kind, number, change(decode(read_bytes(original)), random))
            original.unlink()
    for _ in range(spoilt):
        number = next(order)
        name = f"unreadable-{number}.jpg"
        whole = (folder / f"original-{number}.jpg").read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 3])
    with (data / "catalogue" / "styles.csv").open(encoding="utf-8", newline="") as file:
        others = [
            row["id"]
            for row in csv.DictReader(file)
            if row["subCategory"] in ("Shoes", "Bags", "Watches")
        ]
    for number in random.permutation(len(others))[: copies // 2].tolist():
        photo = data / "catalogue" / "images" / f"{others[number]}.jpg"
        shutil.copyfile(photo, folder / f"irrelevant-{number}.jpg")


def _print_unusable(curation: Curation, planted: dict[str, set[str]]) -> None:
    print("\n| finding | planted | recall | precision | what else was found |\n|" + " --- |" * 5)
    for kind in ("unreadable", *SPOILT, "irrelevant"):
        found = {f.photo for f in curation.findings if f.finding == kind}
        right = len(found & planted[kind])
        recall = wilson_interval(right, len(planted[kind]))
        precision = wilson_interval(right, len(found))
        others = Counter(_kind_of(name) for name in found - planted[kind])
        words = ", ".join(f"{count} {other}" for other, count in others.most_common())
        print(f"| {kind} | {len(planted[kind])} | {recall} | {precision} | {words} |")


def _kind_of(name: str) -> str:
    return name.split("-")[0].replace("_", " ")


def _print_copies(curation: Curation, planted: dict[str, set[str]]) -> None:
    """A copy is found when its original is in its group; a pair that nobody planted is wrong."""
    pile = curation.pile
    group_of = dict(zip(pile.names, curation.groups.tolist(), strict=True))
    width_of = dict(zip(pile.names, curation.looks.sizes[:, 0].tolist(), strict=True))
    print("\n| copies | planted | recall |\n| --- | --- | --- |")
    cropped: list[tuple[float, bool]] = []
    for kind in COPIES:
        here = [
            (name, original)
            for name in sorted(planted[kind])
            if (original := f"original-{name.split('-')[1]}") in group_of
        ]
        found = [group_of[name] == group_of[original] for name, original in here]
        if "cropped" in kind:
            shares = [width_of[name] / width_of[original] for name, original in here]
            cropped += zip(shares, found, strict=True)
        print(f"| {kind} | {len(here)} | {wilson_interval(sum(found), len(here))} |")
    for least in (0.65, 0.75, 0.85):
        part = [is_found for share, is_found in cropped if least <= share + 0.005 < least + 0.1]
        what = f"cropped to {least:.0%} to {least + 0.1:.0%} of each side"
        print(f"| {what} | {len(part)} | {wilson_interval(sum(part), len(part))} |")
    members: dict[int, set[str]] = {}
    for name, group in group_of.items():
        kind, _, number = Path(name).stem.partition("-")
        members.setdefault(group, set()).add(name if kind == "irrelevant" else number)
    sizes = Counter(group_of.values())
    groups = [numbers for group, numbers in members.items() if sizes[group] > 1]
    joined = sorted(sorted(numbers) for numbers in groups if len(numbers) > 1)
    print(f"\ngroups of one original only: {len(groups) - len(joined)} of {len(groups)}; others:")
    print("; ".join(" ".join(numbers) for numbers in joined))


# --- Planted label noise ---------------------------------------------------------------------


def measure_labels(data: Path, folder: Path) -> None:
    """Swap labels, look for them, print recall and precision, and accuracy with and without."""
    schema = Schema.default()
    split = read_split(DEFAULT_MODEL)
    labels = read_labels(data / "attributes.csv", data, schema)
    unseen = [
        row for row, n in enumerate(labels.names) if split.get(n, ("", "train"))[1] != "train"
    ]
    labels = labels.take(unseen)
    with progress("looking", len(labels)) as advance:
        looks = look_at(labels.photos, CompiledNetwork.open(), folder / "looks", advance)
    embeddings = looks.embeddings.astype(np.float32)
    random = np.random.default_rng(0)
    held_back = random.random(len(labels)) < 0.4
    print(
        "| attribute | swapped | found | of those found, swapped | accuracy, clean labels "
        "| with swapped | after dropping doubtful |\n|" + " --- |" * 7
    )
    for share in SHARES_SWAPPED:
        for attribute in schema:
            truth = labels.codes[attribute.name].astype(np.int64)
            known = np.flatnonzero((truth >= 0) & ~held_back)
            test = np.flatnonzero((truth >= 0) & held_back)
            swapped = random.random(len(known)) < share
            codes = np.full(len(truth), -1)
            codes[known] = _swapped(truth[known], swapped, len(attribute.classes), random)
            held_out = held_out_predictions(embeddings, codes, np.arange(len(truth)))
            if held_out is None:
                continue
            doubted = np.isin(known, held_out.rows[doubtful_rows(held_out)])
            right = int((doubted & swapped).sum())
            figures = [
                _accuracy(embeddings, rows, codes_of, test, truth)
                for rows, codes_of in (
                    (known, truth),
                    (known, codes),
                    (known[~doubted], codes),
                )
            ]
            print(
                f"| {attribute.name} | {share:.0%}: {swapped.sum()} "
                f"| {wilson_interval(right, int(swapped.sum()))} "
                f"| {wilson_interval(right, int(doubted.sum()))} | "
                + " | ".join(str(figure) for figure in figures)
                + " |"
            )


def _swapped(
    truth: NDArray[np.int64],
    swapped: NDArray[np.bool_],
    classes: int,
    random: np.random.Generator,
) -> NDArray[np.int64]:
    others = (truth + random.integers(1, classes, len(truth))) % classes
    return np.where(swapped, others, truth)


def _accuracy(
    embeddings: NDArray[np.float32],
    rows: NDArray[np.intp],
    codes: NDArray[np.int64],
    test: NDArray[np.intp],
    truth: NDArray[np.int64],
) -> str:
    head = make_pipeline(StandardScaler(), LogisticRegression(C=STRENGTH, max_iter=200))
    head.fit(embeddings[rows], codes[rows])
    right = int((head.predict(embeddings[test]) == truth[test]).sum())
    return str(wilson_interval(right, len(test)))


if __name__ == "__main__":
    main()
