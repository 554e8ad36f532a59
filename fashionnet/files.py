"""Write files so that a reader, or a kill, only ever meets the old one or the new one whole."""

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

from fashionnet.errors import RequestError
from fashionnet.locations import Location, first_line, reaching


def write_whole(path: Location, data: bytes) -> None:
    """Write a file beside its place and rename it into it; RequestError where that fails."""
    try:
        if not isinstance(path, Path):
            # Stores of objects show a new object when it has come whole.
            with reaching(path):
                path.write_bytes(data)
            return
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        new = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            new.chmod(mode)
            new.replace(path)
        except BaseException:
            new.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RequestError(f"cannot write {path}: {first_line(error)}") from error


def require_writable(folder: Path) -> None:
    """Raise RequestError unless files can be made in a folder, or where it would have to be made.

    It is tried, because what may be written where is more than a folder's permissions say.
    """
    here = folder
    try:
        while not here.exists() and here != here.parent:
            here = here.parent
        with tempfile.TemporaryFile(dir=here):
            pass
    except OSError as error:
        raise RequestError(
            f"cannot write to {folder}: {first_line(error)}: name another"
        ) from error


def require_output_folder(folder: Path) -> None:
    """Raise RequestError unless --output may name this folder, before any long work."""
    if folder.exists() and not folder.is_dir():
        raise RequestError(f"{folder}: is a file; --output names a folder")
    require_writable(folder)


def require_output(path: Path, suffixes: Collection[str]) -> None:
    """Raise RequestError unless a file can be written and has one of these suffixes."""
    if path.suffix.lower() not in suffixes:
        raise RequestError(f"{path}: expected a file ending in " + ", ".join(suffixes))
    if path.is_dir():
        raise RequestError(f"{path}: is a folder, expected a file to write")
    if not path.parent.is_dir():
        raise RequestError(f"{path}: no folder {path.parent} to write to, make it first")
    require_writable(path.parent)


def cache_folder() -> Path:
    """Return the folder of this user's where what can be made again is kept."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fashionnet"


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
