"""`python -m fashionnet complete-look`: products that complete the look of a photo."""

import argparse
import sys
import tempfile
from pathlib import Path

from fashionnet.locations import location
from fashionnet.text import plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `complete-look` takes."""
    parser.add_argument("scene", type=Path, metavar="SCENE", help="a photo of a dressed person")
    parser.add_argument(
        "--category", required=True, help="what to look for: a value of a column of the repository"
    )
    parser.add_argument(
        "--category-column",
        metavar="COLUMN",
        help="the column that the category is a value of (default: those named like a category)",
    )
    parser.add_argument(
        "--repository", type=location, required=True, help="what build_repository.py built"
    )
    parser.add_argument("--top", type=int, default=10, help="how many products (default: 10)")
    parser.add_argument(
        "--look",
        type=Path,
        metavar="DIR",
        help="a look model that train-look wrote (default: the one that ships)",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="DIR",
        help="the model that the look model's features come from (default: the one that ships); "
        "not for a network of keras.applications, which the look model names itself",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="also write an HTML page, a contact sheet (.png, .jpg) or data (.csv, .json)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Find, print and write; returns the exit code."""
    from PIL import Image as pillow

    from fashionnet.compatibility.complete_look import LookFinder
    from fashionnet.compatibility.look_products import ids_of_category
    from fashionnet.compatibility.look_report import assemble_look
    from fashionnet.errors import RequestError
    from fashionnet.photos import UnreadablePhotoError, decode, read_bytes
    from fashionnet.progress import progress
    from fashionnet.report import print_table, require_known_output, write_report
    from fashionnet.repository.store import Repository

    if arguments.output:
        require_known_output(arguments.output)
    finder = LookFinder.open(arguments.look, arguments.model)
    try:
        scene = decode(read_bytes(arguments.scene))
    except UnreadablePhotoError as error:
        raise RequestError(f"{arguments.scene}: {error}") from error
    repository = Repository.open(arguments.repository)
    column, wanted = ids_of_category(repository, arguments.category, arguments.category_column)
    with progress("products", len(wanted)) as advance:
        completed = finder.complete(
            scene,
            repository,
            arguments.category,
            arguments.top,
            column,
            advance=advance,
        )
    for note in completed.notes:
        print(plain(f"note: {note}"), file=sys.stderr)
    items, metadata = repository.named(completed.ids), repository.metadata(completed.ids)
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder) / "attention.jpg"
        pillow.fromarray(completed.overlay()).save(overlay, quality=92)
        report = assemble_look(arguments.scene, overlay, completed, items, metadata)
        print_table(report)
        if arguments.output:
            write_report(report, arguments.output)
            print(f"written: {arguments.output}")
    return 0
