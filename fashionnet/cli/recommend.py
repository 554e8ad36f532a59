"""`recommend.py`: from photos of what a person wears to items that they will like."""

import argparse
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.cli.network import add_network_arguments, opening_network
from fashionnet.errors import RequestError
from fashionnet.files import require_writable
from fashionnet.locations import location
from fashionnet.samples.shipped import SAMPLE_REPOSITORY, with_drawn_photos
from fashionnet.text import plain

if TYPE_CHECKING:
    from concurrent.futures import Future

    from fashionnet.network.compiled import CompiledNetwork
    from fashionnet.profile import ProfilePhotos, StyleProfile
    from fashionnet.repository.store import Repository


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
        type=location,
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
        help="use the style profile saved here; PHOTOS take the place of its liked photos and "
        "--unlike that of its disliked ones, and the profile is saved here again",
    )
    add_network_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Recommend, print and write; returns the exit code."""
    from fashionnet.matching import check_options
    from fashionnet.photos import find_photos
    from fashionnet.report import require_known_output

    for path in arguments.photos:
        if path.suffix.lower() == ".json":
            raise RequestError(f"{path} is no photo: give a saved style profile with --profile")
    weights = parse_weights(arguments.weight)
    if not arguments.photos and not arguments.profile:
        raise RequestError("name the photos to learn from, or a --profile that was saved before")
    # Everything is checked before photos are described, so that a wrong request is answered at
    # once.
    check_options(arguments.top, arguments.scoring, arguments.diversity)
    if arguments.profile and (arguments.photos or arguments.unlike):
        _require_writable(arguments.profile)
    if arguments.output:
        require_known_output(arguments.output)
    photos = find_photos(arguments.photos) if arguments.photos else []
    unlike = find_photos(arguments.unlike) if arguments.unlike else []
    with opening_network(arguments) if photos or unlike else nullcontext() as network:
        return _recommend(arguments, photos, unlike, weights, network)


def _recommend(
    arguments: argparse.Namespace,
    photos: list[Path],
    unlike: list[Path],
    weights: dict[str, float],
    network: "Future[CompiledNetwork] | None",
) -> int:
    from fashionnet.matching import attribute_weights, recommend
    from fashionnet.report import assemble, print_table, write_report
    from fashionnet.repository.store import Repository

    repository = Repository.open(arguments.repository)
    from_samples = arguments.repository.resolve() == SAMPLE_REPOSITORY.resolve()
    if from_samples:
        print(
            f"recommending from {len(repository)} drawn sample items; --repository names others",
            file=sys.stderr,
        )
    attribute_weights(repository.schema, weights)
    items = repository.candidates(arguments.where)

    paths: dict[str, Path] = {}
    profile = _style_profile(arguments, photos, unlike, repository, network, paths)
    if profile is None:
        print("fashionnet: none of the photos can be learned from", file=sys.stderr)
        return 1
    found = recommend(
        profile, items, arguments.top, arguments.scoring, weights, arguments.diversity
    )
    if not len(found):
        print(f"fashionnet: {_why_nothing(repository, len(items), arguments)}", file=sys.stderr)
        return 1
    shown = items.take(found.rows)
    if from_samples and arguments.output:
        shown = with_drawn_photos(shown, range(len(shown)))
    metadata = repository.metadata_of(items, found.rows)
    report = assemble(
        profile,
        paths,
        found,
        shown,
        metadata,
        len(items),
        arguments.scoring,
        arguments.where,
        arguments.diversity,
    )
    print_table(report)
    if arguments.output:
        write_report(report, arguments.output)
        print(f"written: {arguments.output}")
    return 0


def _why_nothing(repository: "Repository", eligible: int, arguments: argparse.Namespace) -> str:
    if not len(repository):
        return f"{arguments.repository} holds no item yet: run build_repository.py to its end"
    if not eligible:
        met = repository.unmet(arguments.where)
        return f"{arguments.repository} holds no relevant item{met}: no item is left to recommend"
    return "the person showed every item themselves: no item is left to recommend"


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


def _require_writable(path: Path) -> None:
    if not path.parent.is_dir():
        raise RequestError(f"{path}: no folder {path.parent} to write to, make it first")
    require_writable(path.parent)


def _style_profile(
    arguments: argparse.Namespace,
    photos: list[Path],
    unlike: list[Path],
    repository: "Repository",
    opening: "Future[CompiledNetwork] | None",
    paths: dict[str, Path],
) -> "StyleProfile | None":
    """Return the profile that was asked for, noting in `paths` where each SHA-256 was read.

    It is saved where photos changed it. None where no liked photo is usable.
    """
    from fashionnet.profile import StyleProfile

    path: Path | None = arguments.profile
    whose = f"repository {arguments.repository}"
    # Loaded even where it will be replaced: a file that is no profile is not overwritten.
    saved = StyleProfile.load(path) if path and (not photos or path.exists()) else None
    if saved and (not photos or saved.disliked):
        saved.require_model(repository.schema, repository.model_fingerprint, whose)
    if opening is None:
        return saved

    network = opening.result()
    require_model_of(repository, network.fingerprint)
    profile = _learned(network, photos, unlike, saved, paths)
    if path and profile and profile is not saved:
        profile.save(path)
        _say_saved(path, saved, profile, replaced=bool(photos))
    return profile


def require_model_of(repository: "Repository", model_fingerprint: str) -> None:
    """Raise RequestError unless a repository was built with this model."""
    if model_fingerprint != repository.model_fingerprint:
        raise RequestError(
            f"the network is model {model_fingerprint}, repository {repository.path} was built "
            f"with model {repository.model_fingerprint}: name that one with --model, or build the "
            "repository again"
        )


def _learned(
    network: "CompiledNetwork",
    photos: list[Path],
    unlike: list[Path],
    saved: "StyleProfile | None",
    paths: dict[str, Path],
) -> "StyleProfile | None":
    """Return the saved profile with the usable photos in the place of its own.

    Disliked photos stay until usable ones take their place. None where no liked photo is usable.
    """
    from fashionnet.profile import StyleProfile

    old_liked, old_disliked = (saved.liked, saved.disliked) if saved else (None, None)
    liked = _describe(network, photos, paths) if photos else old_liked
    if liked is None:
        return None
    disliked = _describe(network, unlike, paths) if unlike else None
    if saved and not photos and not disliked:
        return saved
    return StyleProfile(liked, disliked or old_disliked, network.fingerprint)


def _say_saved(
    path: Path, saved: "StyleProfile | None", profile: "StyleProfile", replaced: bool
) -> None:
    if saved is None:
        print(plain(f"profile saved: {path}"), file=sys.stderr)
        return
    kept = ""
    if profile.disliked and profile.disliked is saved.disliked:
        kept = f"; its disliked photos stay ({len(profile.disliked)})"
    what = "replaced" if replaced else "updated"
    print(plain(f"profile {what}: {path}{kept}"), file=sys.stderr)


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
    print(plain(f"passed over {photo}: {reason}"), file=sys.stderr)
