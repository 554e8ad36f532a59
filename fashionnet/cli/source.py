"""Where photos come from: `--images`, and `--photos-to` for those that are no files yet."""

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.errors import RequestError
from fashionnet.locations import Location, location

if TYPE_CHECKING:
    from fashionnet.repository.listing import LeftOutRow


@dataclass(frozen=True)
class Source:
    """What to read, and what is known already of how it came to be there."""

    place: Location
    left_out: list["LeftOutRow"] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def add_source_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what `open_source` reads."""
    parser.add_argument(
        "--images",
        type=location,
        metavar="DIR",
        help="the folder that the column image of a file is relative to (default: the file's own)",
    )
    parser.add_argument(
        "--photos-to",
        type=Path,
        metavar="DIR",
        help="fetch photos that a file names by web address, and unpack those of shards (.tar), "
        "into this folder; from then on they are read from DIR/photos.csv",
    )
    parser.add_argument(
        "--allow-private",
        action="store_true",
        help="fetch from this machine and its network, too",
    )


def open_source(text: str, arguments: argparse.Namespace) -> Source:
    """Return the source that was named, brought into a folder first where one is named."""
    if arguments.photos_to is None:
        if arguments.allow_private:
            raise RequestError("--allow-private: nothing is fetched without --photos-to DIR")
        return Source(location(text))
    if arguments.images is not None:
        raise RequestError("--images: with --photos-to photos are looked for beside their table")
    from fashionnet.fetch import is_address
    from fashionnet.progress import progress
    from fashionnet.repository.gathering import gather

    source = text if is_address(text) else location(text)
    gathered = gather(source, arguments.photos_to, progress, arguments.allow_private)
    return Source(gathered.table, gathered.left_out, gathered.notes)
