"""`recommend.py`: from photos of what a person wears to items that they will like."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.errors import RequestError
from fashionnet.samples.shipped import SAMPLE_REPOSITORY, with_drawn_photos

if TYPE_CHECKING:
    from fashionnet.network.compiled import CompiledNetwork
    from fashionnet.profile import ProfilePhotos, StyleProfile


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `recommend.py` takes."""
    parser.add_argument(
        "photos",
        nargs="*",
        type=Path,
        metavar="PHOTOS",
        help="photos of the person's clothes, or folders of them; none with a saved --profile",
    )
    parser.add_argument(
        "--repository",
        type=Path,
        default=SAMPLE_REPOSITORY,
        help="what build_repository.py built (default: the drawn sample catalogue)",
    )
    parser.add_argument("--top", type=int, default=10, help="how many items (default: 10)")
    parser.add_argument(
        "--where",
        metavar="CONDITION",
        help="only items whose metadata meet this, for example \"gender = 'Women'\"",
    )
    parser.add_argument(
        "--scoring",
        choices=("matches", "expected"),
        default="matches",
        help="count the classes that agree, or what the probabilities expect to agree",
    )
    parser.add_argument(
        "--weight",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="how much an attribute counts (default: 1 each); may be given again",
    )
    parser.add_argument(
        "--unlike",
        action="append",
        default=[],
        type=Path,
        metavar="PHOTOS",
        help="photos of clothes that the person dislikes, file or folder; may be given again",
    )
    parser.add_argument(
        "--diversity",
        type=float,
        default=0.0,
        metavar="0..1",
        help="how much near-identical items make way for others (default: 0, not at all)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FILE",
        help="also write an HTML page, a contact sheet (.png, .jpg) or data (.csv, .json)",
    )
    parser.add_argument(
        "--profile",
        type=Path,
        metavar="FILE.json",
        help="with PHOTOS: save the style profile here; without: use the one saved here",
    )
    parser.add_argument(
        "--model", type=Path, metavar="DIR", help="a trained model (default: the one that ships)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Recommend, print and write; returns the exit code."""
    from fashionnet.matching import attribute_weights, recommend
    from fashionnet.photos import find_photos
    from fashionnet.report import assemble, print_table, require_known_output, write_report
    from fashionnet.repository.store import Repository

    weights = parse_weights(arguments.weight)
    if not arguments.photos and not arguments.profile:
        raise RequestError("name the photos to learn from, or a --profile that was saved before")
    if arguments.output:
        require_known_output(arguments.output)
    photos = find_photos(arguments.photos) if arguments.photos else []
    unlike = find_photos(arguments.unlike) if arguments.unlike else []
    repository = Repository.open(arguments.repository)
    from_samples = arguments.repository == SAMPLE_REPOSITORY
    if from_samples:
        print(
            f"no --repository given: recommending from {len(repository)} drawn sample items",
            file=sys.stderr,
        )
    # Asked before the photos are described, so that a wrong request is answered at once.
    attribute_weights(repository.schema, weights)
    items = repository.items(arguments.where)

    paths: dict[str, Path] = {}
    profile = _style_profile(arguments, photos, unlike, paths)
    if profile is None:
        print("fashionnet: none of the photos can be learned from", file=sys.stderr)
        return 1
    profile.require_model(
        repository.schema, repository.model_fingerprint, f"repository {arguments.repository}"
    )

    found = recommend(
        profile, items, arguments.top, arguments.scoring, weights, arguments.diversity
    )
    if photos and arguments.profile:
        profile.save(arguments.profile)
    if not len(found):
        print("fashionnet: no item is left to recommend", file=sys.stderr)
        return 1
    if from_samples and arguments.output:
        items = with_drawn_photos(items, found.rows.tolist())
    metadata = repository.metadata([items.ids[row] for row in found.rows])
    report = assemble(profile, paths, found, items, metadata, arguments.scoring, arguments.where)
    print_table(report)
    if arguments.output:
        write_report(report, arguments.output)
        print(f"written: {arguments.output}")
    return 0


def parse_weights(texts: list[str]) -> dict[str, float]:
    """Return the weights that texts like 'pattern=2' give; RequestError for any other."""
    weights = {}
    for text in texts:
        name, _, number = text.partition("=")
        try:
            weights[name.strip()] = float(number)
        except ValueError:
            raise RequestError(f"--weight {text}: expected NAME=NUMBER, as in pattern=2") from None
    return weights


def _style_profile(
    arguments: argparse.Namespace, photos: list[Path], unlike: list[Path], paths: dict[str, Path]
) -> "StyleProfile | None":
    """Return the profile that was asked for, noting in `paths` where each SHA-256 was read.

    None where no liked photo is usable.
    """
    from fashionnet.profile import StyleProfile

    # Loaded even where it will be replaced: a file that is no profile is not overwritten.
    saved = arguments.profile and (not photos or arguments.profile.exists())
    profile = StyleProfile.load(arguments.profile) if saved else None
    if not photos and not unlike:
        return profile

    from fashionnet.network.compiled import CompiledNetwork

    network = CompiledNetwork.open(arguments.model)
    if photos:
        liked = _describe(network, photos, paths)
        profile = StyleProfile(liked, None, network.fingerprint) if liked else None
    if profile and unlike:
        profile.require_model(network.schema, network.fingerprint, "the network")
        profile = replace(profile, disliked=_describe(network, unlike, paths))
    return profile


def _describe(
    network: "CompiledNetwork", photos: list[Path], paths: dict[str, Path]
) -> "ProfilePhotos | None":
    """Describe photos, saying on stderr which are passed over; None where all are."""
    from fashionnet.describing import describe_photos
    from fashionnet.profile import ProfilePhotos
    from fashionnet.progress import progress

    with progress("describing photos", len(photos)) as advance:
        described = describe_photos(network, photos, advance)
    for left_out in described.left_out:
        _pass_over(left_out.photo, left_out.reason)
    vectors = described.vectors
    kept = [row for row in range(len(vectors)) if vectors.relevant[row]]
    for row in sorted(set(range(len(vectors))) - set(kept)):
        _pass_over(
            described.photos[row],
            f"shows no single garment that the network describes "
            f"(relevance {vectors.relevance[row]:.2f} of 1)",
        )
    if not kept:
        return None
    names = tuple(described.photos[row].name for row in kept)
    fingerprints = tuple(described.fingerprints[row] for row in kept)
    paths.update(zip(fingerprints, (described.photos[row] for row in kept), strict=True))
    return ProfilePhotos(names, fingerprints, vectors.take(kept))


def _pass_over(photo: Path, reason: str) -> None:
    print(f"passed over {photo}: {reason}", file=sys.stderr)
