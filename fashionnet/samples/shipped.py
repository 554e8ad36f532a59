"""The sample repository that ships: 300 drawn items, whose pictures are drawn when first shown."""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.files import cache_folder
from fashionnet.progress import progress

if TYPE_CHECKING:
    from fashionnet.describing import Network
    from fashionnet.repository.build import BuildReport
    from fashionnet.repository.store import Items

SAMPLE_REPOSITORY = Path(__file__).parent / "repository"
SAMPLE_COUNT = 300
SAMPLE_SEED = 0

_MODIFIED_NS = 10**18
"""The photos' time of change, in September 2001: a repository keeps it, and each build's alike."""


def with_drawn_photos(items: "Items", rows: Sequence[int]) -> "Items":
    """Return items of the sample repository, those of some rows with pictures that are there.

    What is missing is drawn into the user's cache, or into a temporary folder where that cannot
    be written.
    """
    try:
        return _drawn_below(cache_folder() / "samples", items, rows)
    except (OSError, RuntimeError):
        return _drawn_below(Path(tempfile.mkdtemp(prefix="fashionnet-samples-")), items, rows)


def build_sample_repository(
    target: Path,
    network: "Network",
    count: int = SAMPLE_COUNT,
    advance: Callable[[int], None] = lambda done: None,
) -> "BuildReport":
    """Draw the sample catalogue and put its repository in the place of `target`.

    It holds no photo and no path of this machine, and the same rows whenever it is built.
    """
    from fashionnet.network.folder import replace_folder
    from fashionnet.repository.store import Repository
    from fashionnet.samples.collection import write_catalogue

    with tempfile.TemporaryDirectory() as name:
        # Beside each other, so that the repository names the photos' folder relative to itself.
        drawn, built = Path(name) / "drawn", Path(name) / "repository"
        write_catalogue(drawn, count, SAMPLE_SEED)
        for photo in drawn.glob("*.jpg"):
            os.utime(photo, ns=(_MODIFIED_NS, _MODIFIED_NS))
        report = Repository.build(drawn / "catalogue.csv", built, network, advance=advance)
        new = target.with_name(f".{target.name}.new")
        shutil.rmtree(new, ignore_errors=True)
        shutil.copytree(built, new)
    replace_folder(new, target)
    return report


def _drawn_below(folder: Path, items: "Items", rows: Sequence[int]) -> "Items":
    from fashionnet.samples.collection import SampleCatalogue

    catalogue = SampleCatalogue(SAMPLE_COUNT, SAMPLE_SEED)
    photos = list(items.photos)
    with progress("drawing sample items", len(rows)) as advance:
        for row in rows:
            index = int(items.ids[row].rpartition("_")[2])
            # By content: what another version draws of the same item is another picture.
            photos[row] = str(catalogue.photo(index, folder / str(items.fingerprints[row])[:16]))
            advance(1)
    return replace(items, photos=photos)
