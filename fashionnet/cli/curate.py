"""`python -m fashionnet curate`: find what is wrong with photos and labels, decide, clean."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.cli.network import add_network_arguments, open_network
from fashionnet.cli.source import add_source_arguments, open_source
from fashionnet.errors import RequestError
from fashionnet.files import require_output_folder
from fashionnet.text import counted, plain

if TYPE_CHECKING:
    from fashionnet.curation.curate import Curation
    from fashionnet.curation.decisions import Decisions
    from fashionnet.curation.findings import Finding
    from fashionnet.curation.pile import Pile
    from fashionnet.curation.review import ReviewServer
    from fashionnet.curation.words import Words
    from fashionnet.describing import Network
    from fashionnet.schema import Schema

DEFAULT = Path()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument(
        "pile",
        metavar="PHOTOS_OR_LABELS",
        help="a folder of photos, with <attribute>/<class>/ folders or without, or a CSV, "
        "JSON-lines or Parquet file with a column image; with --photos-to also a shard, a folder "
        "of shards, or a table at a web address",
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
    add_network_arguments(parser)
    add_source_arguments(parser)
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
    if not 0 <= arguments.port <= 65535:
        raise RequestError(f"--port {arguments.port}: expected 0 to 65535")
    if not arguments.review:
        return _run(arguments, None)
    from fashionnet.curation.review import ReviewServer

    # Before the long work: that a port is taken should be known at once.
    with ReviewServer(arguments.port) as server:
        return _run(arguments, server)


def _run(arguments: argparse.Namespace, server: "ReviewServer | None") -> int:
    from fashionnet.curation.curate import Workplace, curate
    from fashionnet.curation.decisions import require_decisions_about
    from fashionnet.curation.doubtful import can_doubt
    from fashionnet.progress import progress

    if arguments.output:
        require_output_folder(arguments.output)
    schema, network, pile = _opened(arguments)
    workplace = Workplace.of(pile.source, arguments.output)
    # Refused here already, where reading the photos would find it out after minutes.
    require_decisions_about(workplace.decisions, set(pile.names), schema)
    words = _words(arguments.words, schema)
    labels_before = _count_labels(pile)
    curation = curate(pile, workplace, network, schema, progress, words)
    if words is not None:
        print(f"labels from words: {_count_labels(curation.pile) - labels_before:,}")
    decisions = curation.decisions(schema)
    _print_notes(pile, workplace.left_out)
    if curation.pile.labels and not can_doubt():
        print(
            "note: doubtful labels are not looked for: install cleanlab, pip install '.[curate]'",
            file=sys.stderr,
        )
    _print_findings(curation.findings)
    print(f"written to {workplace.findings}")
    if decisions.stale:
        print(
            f"note: {counted(decisions.stale, 'decision')} made of photos that changed or are gone",
            file=sys.stderr,
        )
    if server is not None and curation.findings:
        _serve(server, curation, decisions, schema)
    if arguments.apply:
        cleaned = curation.apply(decisions)
        print(
            f"{workplace.cleaned}: {cleaned.kept:,} of {len(pile):,} photos; left out because "
            f"certain: {cleaned.certain:,}, because decided: {cleaned.decided:,}; labels changed: "
            f"{cleaned.labels:,}"
        )
        if curation.images:
            print(f"its photos lie elsewhere: read it with --images {curation.images}")
    return 0 if curation.looks.readable.any() else 1


def _opened(arguments: argparse.Namespace) -> "tuple[Schema, Network, Pile]":
    from fashionnet.curation.pile import read_pile
    from fashionnet.schema import Schema

    schema = Schema.load(arguments.schema) if arguments.schema else None
    network = open_network(arguments)
    schema = schema or network.schema
    source = open_source(arguments.pile, arguments)
    for place in (source.place, arguments.images):
        if place is not None and not isinstance(place, Path):
            raise RequestError(
                f"{place}: photos are curated on disk: bring them there with --photos-to DIR"
            )
    assert isinstance(source.place, Path)
    pile = read_pile(source.place, arguments.labels, schema, arguments.images)
    left_out, notes = source.left_out + pile.left_out, source.notes + pile.notes
    return schema, network, replace(pile, left_out=left_out, notes=notes)


def _words(path: Path | None, schema: "Schema") -> "Words | None":
    from fashionnet.curation.words import DEFAULT_WORDS, read_words

    if path is None:
        return None
    return read_words(DEFAULT_WORDS if path == DEFAULT else path, schema)


def _serve(
    server: "ReviewServer", curation: "Curation", decisions: "Decisions", schema: "Schema"
) -> None:
    from fashionnet.curation.review import Review

    server.review = Review(curation, decisions, schema)
    print(f"open {server.address}\nevery decision is kept at once; Ctrl-C ends the review")
    with suppress(KeyboardInterrupt):
        server.serve_forever()


def _count_labels(pile: "Pile") -> int:
    return sum(bool(cell) for column in pile.labels.values() for cell in column)


def _print_notes(pile: "Pile", rows: Path) -> None:
    for note in pile.notes:
        print(plain(f"note: {note}"), file=sys.stderr)
    for left_out in pile.left_out[:20]:
        print(plain(f"left out: {left_out.image}: {left_out.reason}"), file=sys.stderr)
    if len(pile.left_out) > 20:
        print(f"left out: {len(pile.left_out) - 20:,} more, see {rows}", file=sys.stderr)


def _print_findings(findings: "Sequence[Finding]") -> None:
    counts = Counter(finding.finding for finding in findings)
    certain = Counter(finding.finding for finding in findings if finding.certain)
    for kind, count in counts.items():
        print(f"{kind}: {count:,}" + (f", certain: {certain[kind]:,}" if certain[kind] else ""))
    if not counts:
        print("nothing found")
