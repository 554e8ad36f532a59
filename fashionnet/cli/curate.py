"""`python -m fashionnet curate`: find what is wrong with photos and labels, decide, clean."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.errors import RequestError
from fashionnet.text import plain

if TYPE_CHECKING:
    from fashionnet.curation.curate import Curation
    from fashionnet.curation.decisions import Decisions
    from fashionnet.curation.findings import Finding
    from fashionnet.curation.pile import Fetch, Pile
    from fashionnet.schema import Schema


DEFAULT = Path()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "pile",
        type=Path,
        metavar="PHOTOS_OR_LABELS",
        help="a folder of photos, with <attribute>/<class>/ folders or without, or a CSV, "
        "JSON-lines or Parquet file with a column image",
    )
    parser.add_argument(
        "--labels", type=Path, metavar="FILE", help="labels of the photos of a folder"
    )
    parser.add_argument(
        "--schema",
        type=Path,
        metavar="TOML",
        help="attributes and classes of the labels (default: those of the model)",
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="default: the model that ships with FashionNet"
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="DIR",
        help="where findings, decisions and the cleaned file go (default: beside the data)",
    )
    parser.add_argument(
        "--words",
        type=Path,
        nargs="?",
        const=DEFAULT,
        metavar="TOML",
        help="fill blank labels from file names, folder names and titles by this table of words "
        "for each class (without TOML: the one that ships)",
    )
    parser.add_argument(
        "--fetch", action="store_true", help="fetch the photos that a file names by web address"
    )
    parser.add_argument(
        "--allow-private",
        action="store_true",
        help="fetch from this machine and its network, too",
    )
    parser.add_argument(
        "--review",
        action="store_true",
        help="serve a page to look at the findings and decide; Ctrl-C ends it",
    )
    parser.add_argument(
        "--port", type=int, default=0, help="of the review page (default: one that is free)"
    )
    parser.add_argument(
        "--apply",
        action="store_true",
        help="write the cleaned file: without what is certain or was decided to drop",
    )


def run(arguments: argparse.Namespace) -> int:
    """Find, let a person decide, clean, as asked; 1 where no photo could be read."""
    from fashionnet.curation.curate import Workplace, curate
    from fashionnet.curation.doubtful import can_doubt
    from fashionnet.curation.pile import read_pile
    from fashionnet.curation.words import DEFAULT_WORDS, read_words
    from fashionnet.network.compiled import CompiledNetwork
    from fashionnet.progress import progress
    from fashionnet.schema import Schema

    if not 0 <= arguments.port <= 65535:
        raise RequestError(f"--port {arguments.port}: expected 0 to 65535")
    schema = Schema.load(arguments.schema) if arguments.schema else None
    network = CompiledNetwork.open(arguments.model)
    schema = schema or network.schema
    fetch = _fetching(arguments.allow_private) if arguments.fetch else None
    pile = read_pile(arguments.pile, arguments.labels, schema, fetch)
    workplace = Workplace.of(arguments.pile, arguments.output)
    words = None
    if arguments.words is not None:
        words = read_words(DEFAULT_WORDS if arguments.words == DEFAULT else arguments.words, schema)
    labels_before = _count_labels(pile)
    curation = curate(pile, workplace, network, schema, progress, words)
    if words is not None:
        print(f"labels from words: {_count_labels(curation.pile) - labels_before:,}")
    decisions = curation.decisions(schema)
    _print_notes(pile)
    if curation.pile.labels and not can_doubt():
        print(
            "note: doubtful labels are not looked for: install cleanlab, "
            "pip install 'fashionnet[curate]'",
            file=sys.stderr,
        )
    _print_findings(curation.findings)
    print(f"written to {workplace.findings}")
    if decisions.stale:
        print(
            f"note: {decisions.stale:,} decisions are about photos that have changed or gone",
            file=sys.stderr,
        )
    if arguments.review and curation.findings:
        _review(curation, decisions, schema, arguments.port)
    if arguments.apply:
        cleaned = curation.apply(decisions)
        print(
            f"{workplace.cleaned}: {cleaned.kept:,} of {len(pile):,} photos; left out because "
            f"certain: {cleaned.certain:,}, because decided: {cleaned.decided:,}; labels changed: "
            f"{cleaned.labels:,}"
        )
    return 0 if curation.looks.readable.any() else 1


def _fetching(allow_private: bool) -> "Fetch":
    from fashionnet.curation.fetch import fetch_photos
    from fashionnet.progress import progress

    def fetch(addresses: Sequence[str], folder: Path) -> dict[str, Path | str]:
        with progress("fetching photos", len(set(addresses))) as advance:
            return fetch_photos(addresses, folder, allow_private, advance)

    return fetch


def _review(curation: "Curation", decisions: "Decisions", schema: "Schema", port: int) -> None:
    from fashionnet.curation.review import Review, ReviewServer

    with ReviewServer(Review(curation, decisions, schema), port) as server:
        print(f"open {server.address}\nevery decision is kept at once; Ctrl-C ends the review")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _count_labels(pile: "Pile") -> int:
    return sum(bool(cell) for column in pile.labels.values() for cell in column)


def _print_notes(pile: "Pile") -> None:
    for note in pile.notes:
        print(plain(f"note: {note}"), file=sys.stderr)
    for left_out in pile.left_out[:20]:
        print(plain(f"left out: {left_out.image}: {left_out.reason}"), file=sys.stderr)
    if len(pile.left_out) > 20:
        print(f"left out: {len(pile.left_out) - 20:,} more", file=sys.stderr)


def _print_findings(findings: "Sequence[Finding]") -> None:
    counts = Counter(finding.finding for finding in findings)
    certain = Counter(finding.finding for finding in findings if finding.certain)
    for kind, count in counts.items():
        print(f"{kind}: {count:,}" + (f", certain: {certain[kind]:,}" if certain[kind] else ""))
    if not counts:
        print("nothing found")
