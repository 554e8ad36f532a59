"""`python -m fashionnet similar`: the items that look like a photo, or like one of the items."""

import argparse
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.cli.network import add_network_arguments, open_network
from fashionnet.cli.recommend import require_model_of
from fashionnet.errors import RequestError
from fashionnet.locations import location
from fashionnet.photos import SUFFIXES
from fashionnet.samples.shipped import SAMPLE_REPOSITORY, with_drawn_photos
from fashionnet.text import plain

if TYPE_CHECKING:
    from fashionnet.profile import ProfilePhotos
    from fashionnet.repository.store import Items, Repository
    from fashionnet.similarity.other_embedding import OtherEmbedding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `similar` takes."""
    parser.add_argument(
        "query",
        metavar="PHOTO_OR_ITEM_ID",
        help="a photo, or the id of an item, which is then left out itself",
    )
    parser.add_argument(
        "--repository",
        type=location,
        default=SAMPLE_REPOSITORY,
        help="what build_repository.py built (default: the drawn sample catalogue)",
    )
    parser.add_argument("--top", type=int, default=5, help="how many items (default: 5)")
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        help="only items whose metadata meet this, for example \"gender = 'Women'\"",
    )
    parser.add_argument(
        "--shift",
        action="append",
        default=[],
        metavar="ATTRIBUTE=CLASS[:STRENGTH]",
        help="walk from the photo towards a class or a colour, as in pattern=striped:2 or "
        "colour=red (default strength: 1.5; below 0 away from it); may be given again",
    )
    parser.add_argument(
        "--colour", metavar="NAME", help="only items whose garment is mostly of this colour"
    )
    parser.add_argument(
        "--embedding",
        metavar="NETWORK_OR_RUN",
        help="how likeness is seen: a network of keras.applications, such as ResNet50, or the "
        "folder of an embedding that train-embedding wrote (default: the repository's own)",
    )
    parser.add_argument(
        "--pooling",
        choices=("max", "average"),
        help="of the last feature map of an --embedding (default: max)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="also write an HTML page, a contact sheet (.png, .jpg) or data (.csv, .json)",
    )
    add_network_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Search, print and write; returns the exit code."""
    from fashionnet.progress import progress
    from fashionnet.report import print_table, require_known_output, write_report
    from fashionnet.repository.store import Repository
    from fashionnet.similarity.colours import colour_named
    from fashionnet.similarity.neighbours import check_top
    from fashionnet.similarity.report import assemble
    from fashionnet.similarity.search import colour_shifts, search
    from fashionnet.similarity.shifts import Shift

    # Everything is checked before a photo is described, so that a wrong request is answered at
    # once.
    check_top(arguments.top)
    if arguments.output:
        require_known_output(arguments.output)
    colour = None if arguments.colour is None else colour_named(arguments.colour)
    repository = Repository.open(arguments.repository)
    shifts = [Shift.parse(text, repository.schema) for text in arguments.shift]
    items = repository.items()
    from_samples = arguments.repository.resolve() == SAMPLE_REPOSITORY.resolve()
    met = None if arguments.where is None else set(repository.items(arguments.where).ids)
    embedding = None
    if arguments.pooling and arguments.embedding is None:
        raise RequestError("--pooling is of an --embedding: name one, such as ResNet50")
    if arguments.embedding is not None:
        from fashionnet.similarity.other_embedding import open_embedding, seen_by

        embedding = open_embedding(arguments.embedding, arguments.pooling or "max")
        if from_samples:
            items = with_drawn_photos(items, range(len(items)))
        with progress(f"seeing with {plain(arguments.embedding)}", len(items)) as advance:
            seen = seen_by(repository, items, embedding, advance)
        unseen = set(items.ids) - set(seen.ids)
        if unseen:
            print(
                plain(
                    f"note: left out: {len(unseen)} items, such as {min(unseen)}, whose photos "
                    "cannot be read"
                ),
                file=sys.stderr,
            )
        items = seen
    searched = items
    if met is not None:
        searched = items.take([row for row, name in enumerate(items.ids) if name in met])
    own = arguments.query if arguments.query in items.ids else None
    query = _query(arguments, repository, items, embedding)
    if query is None:
        return 1
    by_colour = colour is not None or bool(colour_shifts(shifts, repository.schema))
    if from_samples:
        print(
            f"searching {len(repository)} drawn sample items; --repository names others",
            file=sys.stderr,
        )
        if by_colour:
            searched = with_drawn_photos(searched, range(len(searched)))
    looking = progress("looking at colours", len(searched)) if by_colour else nullcontext(_quiet)
    with looking as advance:
        similar = search(
            query.vectors, items, searched, arguments.top, shifts, colour, own, advance
        )
    if not len(similar):
        print(f"fashionnet: {_why_nothing(arguments, repository, colour)}", file=sys.stderr)
        return 1
    if from_samples and arguments.output:
        if own is not None:
            items = with_drawn_photos(items, [items.ids.index(own)])
        similar = replace(similar, items=with_drawn_photos(searched, similar.rows.tolist()))
    photo = location(arguments.query if own is None else items.photos[items.ids.index(own)])
    metadata = repository.metadata(similar.ids)
    report = assemble(query, photo, similar, metadata, shifts, arguments.where, colour)
    print_table(report)
    if arguments.output:
        write_report(report, arguments.output)
        print(f"written: {arguments.output}")
    return 0


def _quiet(count: int) -> None:
    pass


def _why_nothing(
    arguments: argparse.Namespace, repository: "Repository", colour: str | None
) -> str:
    of_colour = f" that is mostly {colour}" if colour else ""
    met = repository.unmet(arguments.where)
    return f"{arguments.repository} holds no other relevant item{met}{of_colour}"


def _query(
    arguments: argparse.Namespace,
    repository: "Repository",
    items: "Items",
    embedding: "OtherEmbedding | None",
) -> "ProfilePhotos | None":
    """Return what is searched for: an item, or else a photo; None where that cannot be read."""
    from fashionnet.profile import ProfilePhotos
    from fashionnet.similarity.search import row_of

    name = arguments.query
    if name in items.ids or not Path(name).is_file():
        if name not in items.ids and Path(name).suffix.lower() in SUFFIXES:
            raise RequestError(f"{name}: no such photo, and no item of {repository.path} either")
        row = row_of(items, name, repository)
        return ProfilePhotos((name,), (str(items.fingerprints[row]),), items.vectors.take([row]))

    from fashionnet.describing import describe_photos

    network = open_network(arguments)
    require_model_of(repository, network.fingerprint)
    described = describe_photos(network, [Path(name)])
    for left_out in described.left_out:
        print(plain(f"fashionnet: {left_out.photo}: {left_out.reason}"), file=sys.stderr)
        return None
    if not described.vectors.relevant[0]:
        print(
            plain(f"note: {name} shows no single garment that the network describes"),
            file=sys.stderr,
        )
    vectors = described.vectors
    if embedding is not None:
        from fashionnet.similarity.other_embedding import embedded_photo

        vectors = replace(vectors, embeddings=embedded_photo(embedding, Path(name))[None])
    return ProfilePhotos((Path(name).name,), (described.fingerprints[0],), vectors)
