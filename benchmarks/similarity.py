"""How well search by picture finds what it is asked for, by labels that nothing was learned from.

Walks: photos of the model's test part are shifted towards each class that they do not have, and
their ten nearest neighbours are sought among the test and validation photos of the catalogue.
Reported along the strength are the share of the ten with the asked true class, and the share of the
photo's other true attributes that they keep, beside a plain filter on the predicted class and no
shift at all. Three ways to find a direction are compared:

    least squares       what `--shift` does: from the repository's predictions, without labels
    class means         the mean embedding of a class less that of all others, from training labels
    classifier normal   Fisher's linear discriminant of a class, from training labels

Colours: the named colours of the items' photos against baseColour of the shop, and the share of the
ten nearest with an asked baseColour, with `--shift colour=`, with `--colour` and with neither.

    python benchmarks/similarity.py --repository shop.repository \
        --labels ../shared/data/attributes.csv --images ../shared/data --sheets sheets

`--sheets` also writes contact sheets of thirty queries and ten shifts, to look at.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accuracy import read_split
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from fashionnet.errors import RequestError
from fashionnet.labels import UNKNOWN, LabelledPhotos, read_labels
from fashionnet.network.folder import DEFAULT_MODEL
from fashionnet.photos import read_ahead
from fashionnet.profile import ProfilePhotos
from fashionnet.progress import progress
from fashionnet.report import write_report
from fashionnet.repository.store import Items, Repository
from fashionnet.schema import Schema
from fashionnet.similarity.by_colour import COLOUR_CANDIDATES, read_colours
from fashionnet.similarity.colours import NAMED_COLOURS
from fashionnet.similarity.neighbours import most_similar
from fashionnet.similarity.report import assemble
from fashionnet.similarity.search import search
from fashionnet.similarity.shifts import Shift, class_places, walked

TOP = 10
FEWEST_PHOTOS = 30
QUERIES_A_CLASS = 100
BOOTSTRAPS = 2000
SHRINKAGE = 0.5

STRENGTHS = {
    "least squares": (0.5, 1.0, 1.5, 2.0, 3.0, 4.0),
    "class means": (0.2, 0.4, 0.6, 0.8, 1.2),
    "classifier normal": (0.4, 0.8, 1.2, 1.6, 2.4),
}
COLOUR_STRENGTHS = (0.5, 1.0, 1.5, 3.0)

SHIFTS = (
    *("pattern=striped", "pattern=floral", "pattern=checkered", "pattern=graphic", "pattern=solid"),
    *("style=formal", "style=winter", "shape=sleeveless", "shape=full-sleeve", "colour=red"),
)

Walk = Callable[[int, int, int], NDArray[np.float32]]
"""From a row, an attribute's index and a class's code to the embedding to search for."""


@dataclass(frozen=True, eq=False)
class Labelled:
    """Items with their true codes, int16 (N, A), and the parts of the model's split."""

    items: Items
    truth: NDArray[np.int16]
    parts: NDArray[np.str_]


def main() -> int:
    """Print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repository", type=Path, required=True, help="built from the photos")
    parser.add_argument("--labels", type=Path, default=Path("../shared/data/attributes.csv"))
    parser.add_argument("--images", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--column", default="baseColour", help="the shop's names of colours")
    parser.add_argument("--sheets", type=Path, help="also write contact sheets into this folder")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        repository = Repository.open(arguments.repository)
        items = repository.items()
        labels = read_labels(arguments.labels, arguments.images, repository.schema)
        photos = labelled(items, labels, arguments.model)
        measure_walks(photos, arguments.seed)
        measure_colours(repository, items, arguments.column, arguments.seed)
        if arguments.sheets:
            write_sheets(repository, items, photos, arguments.sheets, arguments.seed)
    except RequestError as error:
        print(f"similarity: {error}", file=sys.stderr)
        return 2
    return 0


def labelled(items: Items, labels: LabelledPhotos, model: Path) -> Labelled:
    """Return the items of which every attribute is labelled."""
    row_of = {str(photo.resolve()): row for row, photo in enumerate(labels.photos)}
    split = read_split(model)
    truth = np.stack([labels.codes[name] for name in labels.schema.names], axis=1)
    chosen, found = [], []
    for row, photo in enumerate(items.photos):
        label = row_of.get(str(Path(photo).resolve()))
        if label is not None and (truth[label] != UNKNOWN).all():
            chosen.append(row)
            found.append(label)
    if not chosen:
        raise RequestError("none of the repository's photos is fully labelled: is it theirs?")
    parts = [split.get(labels.names[label], ("", ""))[1] for label in found]
    return Labelled(items.take(chosen), truth[found], np.array(parts))


def measure_walks(photos: Labelled, seed: int) -> None:
    """Print the shares along the strengths of each direction, and of a plain filter."""
    pool_rows = np.flatnonzero(np.isin(photos.parts, ("validation", "test")))
    train = photos.parts == "train"
    pool = Labelled(photos.items.take(pool_rows), photos.truth[pool_rows], photos.parts[pool_rows])
    schema, vectors = pool.items.vectors.schema, pool.items.vectors
    places = class_places(photos.items.vectors)
    learned = photos.items.vectors.embeddings[train], photos.truth[train]
    normals = {
        "class means": _directions(schema, *learned, whitened=False),
        "classifier normal": _directions(schema, *learned, whitened=True),
    }
    asked = _asked(pool, seed)
    print(
        f"{len(pool.truth)} photos to find, {len({q for q, _, _ in asked})} queries, "
        f"{len(asked)} pairs of a query and a class"
    )

    def least_squares(strength: float) -> Walk:
        def walk(row: int, place: int, code: int) -> NDArray[np.float32]:
            attribute = schema.attributes[place]
            shift = Shift(attribute.name, attribute.classes[code], strength)
            return walked(vectors.take([row]), places, [shift])

        return walk

    def along(directions: NDArray[np.float32], strength: float) -> Walk:
        starts = [part.start for part in schema.slices.values()]

        def walk(row: int, place: int, code: int) -> NDArray[np.float32]:
            there = vectors.embeddings[row] + strength * directions[starts[place] + code]
            return (there / np.linalg.norm(there)).astype(np.float32)

        return walk

    table = Table("way", "strength", "of the asked class", "other attributes kept", "likeness")

    def stay(row: int, place: int, code: int) -> NDArray[np.float32]:
        return vectors.embeddings[row]

    _add(table, "no shift", "", _shares(pool, asked, stay), seed)
    _add(table, "plain filter", "", _shares(pool, asked, stay, filtered=True), seed)
    for name, strengths in STRENGTHS.items():
        for strength in strengths:
            if name == "least squares":
                walk = least_squares(strength)
            else:
                walk = along(normals[name], strength)
            _add(table, name, f"{strength:g}", _shares(pool, asked, walk), seed)
    Console(width=110).print(table)


def _directions(
    schema: Schema,
    embeddings: NDArray[np.float32],
    truth: NDArray[np.int16],
    whitened: bool,
) -> NDArray[np.float32]:
    """Return (C, E) of unit length: each class's mean less that of the others, or the normal.

    The normal is Fisher's: the difference times the inverse of the covariance within the class
    and within the others, shrunk towards a multiple of the unit matrix.
    """
    directions = []
    for place, attribute in enumerate(schema):
        for code in range(len(attribute.classes)):
            has = truth[:, place] == code
            if not has.any():
                directions.append(np.zeros(embeddings.shape[1]))
                continue
            inside, outside = embeddings[has].mean(axis=0), embeddings[~has].mean(axis=0)
            direction = (inside - outside).astype(np.float64)
            if whitened:
                rest = embeddings - np.where(has[:, None], inside, outside)
                covariance = (rest.T @ rest / len(rest)).astype(np.float64)
                size = len(covariance)
                covariance += SHRINKAGE * np.trace(covariance) / size * np.eye(size)
                direction = np.linalg.solve(covariance, direction)
            directions.append(direction / np.linalg.norm(direction))
    return np.stack(directions).astype(np.float32)


def _asked(pool: Labelled, seed: int) -> list[tuple[int, int, int]]:
    """Return queries: a test photo's row, an attribute's index and a class that it has not."""
    random = np.random.default_rng(seed)
    asked = []
    for place, attribute in enumerate(pool.items.vectors.schema):
        for code in range(len(attribute.classes)):
            if (pool.truth[:, place] == code).sum() < FEWEST_PHOTOS:
                continue
            rows = np.flatnonzero((pool.parts == "test") & (pool.truth[:, place] != code))
            asked += [(int(r), place, code) for r in random.permutation(rows)[:QUERIES_A_CLASS]]
    return asked


def _shares(
    pool: Labelled, asked: Sequence[tuple[int, int, int]], walk: Walk, filtered: bool = False
) -> NDArray[np.float64]:
    """Return (Q, 3): for each query the shares of the class and of what is kept, and likeness."""
    vectors, shares = pool.items.vectors, []
    for row, place, code in asked:
        items = pool.items
        rows = np.arange(len(items))
        if filtered:
            rows = np.flatnonzero(vectors.codes[:, place] == code)
            items = items.take(rows.tolist())
        found = most_similar(
            items, vectors.embeddings[row], TOP, pool.items.ids[row], walk(row, place, code)
        )
        truth = pool.truth[rows[found.rows]]
        others = [other for other in range(truth.shape[1]) if other != place]
        kept = (truth[:, others] == pool.truth[row, others]).mean()
        shares.append(((truth[:, place] == code).mean(), kept, found.likeness.mean()))
    return np.array(shares)


def measure_colours(repository: Repository, items: Items, column: str, seed: int) -> None:
    """Print how often the named colours are the shop's, and how colour searches fare."""
    metadata = repository.metadata(items.ids)
    if metadata and column not in metadata[0]:
        raise RequestError(f"no column {column} in the repository: name the shop's with --column")
    shop = np.array([str(row[column]) for row in metadata])
    found: list[dict[str, float]] = []
    with progress("looking at colours", len(items)) as advance:
        for _, pending in read_ahead([Path(photo) for photo in items.photos], read_colours):
            found.append(pending.result())
            advance(1)
    known = np.flatnonzero(np.isin(shop, list(NAMED_COLOURS)))
    first = np.array([next(iter(found[row]), "") == shop[row] for row in known])
    two = np.array([shop[row] in list(found[row])[:2] for row in known])
    table = Table("colour", "photos", "first", "among the first two")
    table.add_row("all", str(len(known)), bootstrap(first, seed), bootstrap(two, seed))
    for name in NAMED_COLOURS:
        has = shop[known] == name
        if has.sum() >= FEWEST_PHOTOS:
            cells = f"{first[has].mean():.3f}", f"{two[has].mean():.3f}"
            table.add_row(name, str(has.sum()), *cells)
    Console(width=110).print(table)
    _measure_colour_search(items, shop, seed)


def _measure_colour_search(items: Items, shop: NDArray[np.str_], seed: int) -> None:
    random = np.random.default_rng(seed)
    frequent = [name for name in NAMED_COLOURS if (shop == name).sum() >= FEWEST_PHOTOS]
    asked = [
        (int(row), name)
        for name in frequent
        for row in random.permutation(np.flatnonzero(shop != name))[:5]
    ]
    ways: list[tuple[str, str, float | None]] = [("no shift", "", None), ("--colour", "", None)]
    ways += [("--shift colour", f"{strength:g}", strength) for strength in COLOUR_STRENGTHS]
    table = Table("way", "strength", "of the asked colour", "predicted classes kept", "likeness")
    for way, shown, strength in ways:
        shares = []
        for row, name in asked:
            query = items.vectors.take([row])
            shifts = [] if strength is None else [Shift("colour", name, strength)]
            colour = name if way == "--colour" else None
            similar = search(query, items, items, TOP, shifts, colour, items.ids[row])
            kept = (items.vectors.codes[similar.rows] == query.codes).mean()
            asked_for = (shop[similar.rows] == name).mean()
            shares.append((asked_for, kept, similar.likeness.mean()))
        _add(table, way, shown, np.array(shares), seed)
    print(
        f"{len(asked)} queries for a colour; shifts look at the {COLOUR_CANDIDATES} nearest items"
    )
    Console(width=110).print(table)


def write_sheets(
    repository: Repository, items: Items, photos: Labelled, folder: Path, seed: int
) -> None:
    """Write contact sheets: thirty test photos as they are, and ten of them shifted."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    rows = random.permutation(np.flatnonzero(photos.parts == "test"))[:30]
    names = [photos.items.ids[row] for row in rows]
    requests: list[tuple[str, list[Shift]]] = [(name, []) for name in names]
    shifts = [Shift.parse(f"{text}:2", repository.schema) for text in SHIFTS]
    requests += [(name, [shift]) for name, shift in zip(names, shifts, strict=False)]
    for name, wanted in requests:
        row = items.ids.index(name)
        query = ProfilePhotos((name,), (str(items.fingerprints[row]),), items.vectors.take([row]))
        similar = search(query.vectors, items, items, TOP, wanted, leave_out=name)
        metadata = repository.metadata(similar.ids)
        photo = Path(items.photos[row])
        report = assemble(query, photo, similar, metadata, wanted, None, None)
        suffix = f"_{wanted[0].attribute}_{wanted[0].class_name}" if wanted else ""
        write_report(report, folder / f"{name}{suffix}.jpg")
    print(f"sheets written to {folder}")


def _add(table: Table, way: str, strength: str, shares: NDArray[np.float64], seed: int) -> None:
    has, kept = (bootstrap(shares[:, column], seed) for column in (0, 1))
    table.add_row(way, strength, has, kept, f"{np.nanmean(shares[:, 2]):.3f}")


def bootstrap(values: NDArray[np.float64] | NDArray[np.bool_], seed: int) -> str:
    """Return the mean and its 95% bootstrap interval."""
    values = values[~np.isnan(values)]
    random = np.random.default_rng(seed)
    means = values[random.integers(0, len(values), (BOOTSTRAPS, len(values)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return f"{values.mean():.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    sys.exit(main())
