"""`python -m fashionnet map`: all items of a catalogue on one picture, like beside like."""

import argparse
import sys
from pathlib import Path

from fashionnet.locations import location
from fashionnet.samples.shipped import SAMPLE_REPOSITORY, with_drawn_photos
from fashionnet.text import counted


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
        met = repository.unmet(arguments.where)
        print(f"fashionnet: {arguments.repository} holds no relevant item{met}", file=sys.stderr)
        return 1
    rows = maps.every_nth(len(items))
    metadata = repository.metadata([items.ids[row] for row in rows])
    columns, titles = maps.columns_and_titles(items, rows.tolist(), metadata, arguments.colour_by)
    if arguments.repository.resolve() == SAMPLE_REPOSITORY.resolve():
        items = with_drawn_photos(items, rows.tolist())
    # It takes about a minute for ten thousand items, and tells nothing of how far it is.
    print(f"laying out {counted(len(rows), 'item')}, like beside like", file=sys.stderr)
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
