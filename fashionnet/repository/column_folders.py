"""Where the columns of a repository lie, and which version of the table they are of."""

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fashionnet.errors import RequestError
from fashionnet.files import cache_folder
from fashionnet.locations import Location
from fashionnet.repository.columns import Columns, write_columns

if TYPE_CHECKING:
    from fashionnet.repository.table import ItemTable

_COLUMNS = "columns."


def open_columns(table: "ItemTable") -> "tuple[Columns, ItemTable]":
    """Return the newest columns beside a table, and the table as they were made from it.

    They are made where a build was stopped before it made them; where the folder cannot be
    written, in a temporary one. Those of a repository in a store of objects lie on this machine,
    and follow what builds on others commit.
    """
    if not isinstance(table.path, Path):
        write_table_columns(table)
    present = _columns_of(table)
    if present:
        return present
    version = table.version
    folder = _columns_home(table.path) / f"{_COLUMNS}{version}"
    try:
        write_columns(folder, table.at(version))
    except OSError:
        home = Path(tempfile.mkdtemp(prefix="fashionnet-columns-"))
        weakref.finalize(table, shutil.rmtree, home, ignore_errors=True)
        folder = home / folder.name
        with _write_errors(home):
            write_columns(folder, table.at(version))
    columns = Columns.open(folder)
    if columns is None:
        raise RequestError(f"{folder}: damaged: remove this folder")
    return columns, table.at(version)


def _columns_of(table: "ItemTable") -> "tuple[Columns, ItemTable] | None":
    """Return the newest columns that are of a version of this table, and that version."""
    for folder in _column_folders(table.path):
        columns = Columns.open(folder)
        # A version may be gone, and what lies there may be of a table that was there before.
        with suppress(RequestError):
            if columns:
                then = table.at(columns.version)
                if then.identity == columns.identity:
                    return columns, then
    return None


def write_table_columns(table: "ItemTable") -> None:
    """Write the columns of a table's newest version beside it, and remove those before."""
    version = table.version
    folders = _column_folders(table.path)
    present = _columns_of(table)
    before = present[0] if present else None
    if before is None or before.version != version:
        with _write_errors(table.path):
            folder = _columns_home(table.path) / f"{_COLUMNS}{version}"
            write_columns(folder, table.at(version), before)
    for folder in folders:
        if _version_of(folder) < version:
            shutil.rmtree(folder, ignore_errors=True)


def remove_columns(path: Location) -> None:
    """Remove the columns of a table that has become small."""
    for folder in _column_folders(path):
        shutil.rmtree(folder, ignore_errors=True)


def _columns_home(path: Location) -> Path:
    """Return the folder for the columns of a repository: its own, where that is on this machine."""
    if isinstance(path, Path):
        return path
    return cache_folder() / "columns" / hashlib.sha256(str(path).encode()).hexdigest()[:16]


def _column_folders(path: Location) -> list[Path]:
    """Return the folders of columns of a repository, that of the newest version first."""
    folders = [
        folder
        for folder in _columns_home(path).glob(f"{_COLUMNS}*")
        if folder.suffix[1:].isascii() and folder.suffix[1:].isdigit()
    ]
    return sorted(folders, key=_version_of, reverse=True)


def _version_of(folder: Path) -> int:
    return int(folder.suffix[1:])


@contextmanager
def _write_errors(path: Location) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RequestError(
            f"cannot write the columns of repository {path}: "
            f"{(error.strerror or str(error)).lower()}: the items are kept; make room, then run "
            "the build again"
        ) from error
