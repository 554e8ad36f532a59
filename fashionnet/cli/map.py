"""`python -m fashionnet map`: all items of a catalogue on one picture, like beside like."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.errors import RequestError
from fashionnet.locations import location
from fashionnet.samples.shipped import SAMPLE_REPOSITORY, with_drawn_photos

if TYPE_CHECKING:
    from fashionnet.repository.store import Items, Repository
    from fashionnet.similarity.map import MapColumn


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `map` takes."""
    parser.add_argument(
        "--repository",
        type=location,
        default=SAMPLE_REPOSITORY,
        help="what build_repository.py built (default: the drawn sample catalogue)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help="a page to zoom into (.html) or a picture (.png, .jpg)",
    )
    parser.add_argument(
        "--colour-by",
        metavar="COLUMN",
        help="an attribute or a column of the catalogue (default: the first attribute); the page "
        "lets one choose another",
    )
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        help="only items whose metadata meet this, for example \"gender = 'Women'\"",
    )


def run(arguments: argparse.Namespace) -> int:
    """Lay the items out and write the map; returns the exit code."""
    from fashionnet.progress import progress
    from fashionnet.repository.store import Repository
    from fashionnet.similarity import map as maps

    maps.require_map_output(arguments.output)
    repository = Repository.open(arguments.repository)
    items = repository.items(arguments.where)
    if not len(items):
        met = " that meets --where" if arguments.where else ""
        print(f"fashionnet: {arguments.repository} holds no relevant item{met}", file=sys.stderr)
        return 1
    rows = maps.every_nth(len(items))
    columns, titles = _columns(repository, items, rows.tolist(), arguments.colour_by)
    if arguments.repository.resolve() == SAMPLE_REPOSITORY.resolve():
        items = with_drawn_photos(items, rows.tolist())
    shown = maps.CatalogueMap(
        points=maps.lay_out(items.vectors.embeddings[rows]),
        ids=[items.ids[row] for row in rows],
        titles=titles,
        photos=[location(items.photos[row]) for row in rows],
        columns=columns,
        summary=maps.summary_of(len(rows), len(items), arguments.where),
    )
    with progress("reading photos", len(rows)) as advance:
        maps.write_map(shown, arguments.output, advance)
    print(f"written: {arguments.output}")
    return 0


def _columns(
    repository: "Repository", items: "Items", rows: list[int], first: str | None
) -> "tuple[list[MapColumn], list[str]]":
    """Return the columns to colour by, the one that was asked for first, and the items' titles."""
    from fashionnet.report.content import title_of
    from fashionnet.similarity.map import MapColumn

    metadata = repository.metadata([items.ids[row] for row in rows])
    values: dict[str, list[object]] = {}
    for place, attribute in enumerate(repository.schema):
        codes = items.vectors.codes[rows, place]
        values[attribute.name] = [attribute.classes[code] for code in codes]
    for name in metadata[0]:
        values.setdefault(name, [row[name] for row in metadata])
    if first is not None and first not in values:
        raise RequestError(
            f"--colour-by {first}: no such column; this repository has {', '.join(values)}"
        )
    order = sorted(values, key=lambda name: name != first)
    titles = [
        title_of(items.ids[row], columns) for row, columns in zip(rows, metadata, strict=True)
    ]
    return [MapColumn.of(name, values[name]) for name in order], titles
