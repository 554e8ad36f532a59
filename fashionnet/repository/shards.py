"""Web-dataset shards: tar archives of photos, each with its data in files of the same name.

`a/0001.jpg`, `a/0001.json` and `a/0001.txt` are one sample of the key `a/0001` (Aizman et al.,
2019, "High Performance I/O For Large Scale Deep Learning"). What an archive says is not trusted:
only plain files are read, each of bounded size, and only into the folder that was named.
"""

import io
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any

from fashionnet.errors import RequestError
from fashionnet.files import write_whole
from fashionnet.locations import Location, first_line, reaching
from fashionnet.photos import MAXIMUM_BYTES, SUFFIXES

MAXIMUM_TEXT = 2**20
MAXIMUM_KEY = 200

_TEXTS = {".txt": "caption", ".cls": "cls"}
_UNSAFE = frozenset('<>:"\\|?*')


def is_shard(source: Location) -> bool:
    """Return whether a source is a shard, by its name."""
    return source.suffix.lower() == ".tar"


@dataclass
class Sample:
    """What a shard holds under one key.

    Attributes:
        key: its name: the path of its files up to the first dot of their name.
        photos: where its photos were unpacked to.
        cells: what its other files say: the entries of a JSON object, and texts.
        reasons: for files by name, why they were not read.
    """

    key: str
    photos: list[Path] = field(default_factory=list)
    cells: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def unpack(shard: Location, folder: Path) -> Iterator[Sample]:
    """Write a shard's photos to a folder, as they come, and yield its samples.

    A photo that is there with the same size is not written again. Files that are neither photos
    nor JSON, captions (`.txt`) or classes (`.cls`) are passed over. Raises RequestError for what
    is no tar archive, or damaged, after the samples before the damage.
    """
    sample: Sample | None = None
    try:
        with (
            reaching(shard),
            shard.open("rb") as file,
            tarfile.open(fileobj=_Bounded(file), mode="r:") as archive,
        ):
            for member in archive:
                # The archive would keep the header of every file that it ever had; its list of
                # them has no place in the types that are published.
                archive.members = []  # type: ignore[attr-defined]
                if member.isdir():
                    continue
                key, suffixes = _key(member.name)
                if sample is None or sample.key != key:
                    if sample is not None:
                        yield sample
                    sample = Sample(key)
                try:
                    _take(archive, member, PurePosixPath(suffixes), sample, folder)
                except ValueError as error:
                    sample.reasons[member.name[:MAXIMUM_KEY]] = str(error)
    except (OSError, tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        if sample is not None:
            yield sample
        raise RequestError(
            f"{shard}: not a tar archive, or damaged: {first_line(error)}: photos before the "
            f"damage are in {folder}"
        ) from error
    if sample is not None:
        yield sample


class _Bounded(io.RawIOBase):
    """A file of which nobody reads more at once than a photo may have."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= MAXIMUM_BYTES:
            raise tarfile.ReadError("a header that says it is larger than a photo may be")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def _key(name: str) -> tuple[str, str]:
    """Part a file's name at the first dot of its last part.

    >>> _key("a.b/0001.front.jpg")
    ('a.b/0001', 'front.jpg')
    """
    folder, slash, last = name.rpartition("/")
    stem, _, suffixes = last.partition(".")
    return folder + slash + stem, suffixes


def _take(
    archive: tarfile.TarFile,
    member: tarfile.TarInfo,
    suffixes: PurePosixPath,
    sample: Sample,
    folder: Path,
) -> None:
    """Add one file of a shard to its sample; ValueError with the reason where it cannot be."""
    kind = "." + suffixes.name.rpartition(".")[2].lower()
    if kind not in SUFFIXES and kind != ".json" and kind not in _TEXTS:
        return
    if not member.isreg() or member.issparse():
        raise ValueError("a link, a device or a sparse file")
    limit = MAXIMUM_BYTES if kind in SUFFIXES else MAXIMUM_TEXT
    if member.size > limit:
        raise ValueError(f"{member.size / 2**20:.0f} MiB: at most {limit // 2**20} MiB are read")
    content = archive.extractfile(member)
    data = content.read() if content is not None else b""
    if len(data) < member.size:
        raise tarfile.ReadError("it ends too early")
    if kind == ".json":
        try:
            record = json.loads(data)
        except (ValueError, RecursionError):
            record = None
        if not isinstance(record, dict):
            raise ValueError("not a JSON object")
        sample.cells |= {str(name): value for name, value in record.items()}
    elif kind in _TEXTS:
        sample.cells[_TEXTS[kind]] = data.decode("utf-8", errors="replace")
    else:
        sample.photos.append(_write(data, folder, f"{sample.key}.{suffixes}"))


def _write(data: bytes, folder: Path, name: str) -> Path:
    """Write a photo below a folder; ValueError for a name that leads elsewhere."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or _UNSAFE & {*name} or not name.isprintable():
        raise ValueError("its name is no path inside the archive")
    if len(name) > MAXIMUM_KEY or not path.stem or any(part[0] == "." for part in path.parts):
        raise ValueError(f"its name is hidden, or longer than {MAXIMUM_KEY} characters")
    place = folder / path
    try:
        if place.is_symlink() or not place.parent.resolve().is_relative_to(folder.resolve()):
            raise ValueError("a link leads out of the folder of photos")
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.is_file() or place.stat().st_size != len(data):
            write_whole(place, data)
    except (OSError, RequestError) as error:
        raise ValueError(str(error)) from error
    return place
