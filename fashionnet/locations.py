"""Where photos, tables and repositories lie: on disk, or at a URI that fsspec can reach."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union
from urllib.parse import urlsplit
from urllib.request import url2pathname

from fashionnet.errors import RequestError

if TYPE_CHECKING:
    from upath import UPath

Location: TypeAlias = Union[Path, "UPath"]
"""A path on disk, or a `UPath`, which has the same methods for a file or folder elsewhere."""

INSTALL = "pip install 'universal-pathlib>=0.3,<0.4'"


def location(text: str | Location) -> Location:
    """Return a path on disk, or for `scheme://...` one in what fsspec reaches by that scheme.

    Credentials are those that the scheme's library finds in the environment.

    >>> location("shop/photos"), location("file:///shop/photos")
    (PosixPath('shop/photos'), PosixPath('/shop/photos'))

    Raises RequestError for a scheme that is unknown or whose library is not installed.
    """
    if not isinstance(text, str):
        return text
    scheme, separator, _ = text.partition("://")
    if not separator:
        return Path(text)
    if scheme.lower() in ("file", "local"):
        return Path(url2pathname(urlsplit(text).path))
    try:
        from upath import UPath
    except ImportError:
        raise RequestError(
            f"{text}: not on disk, and what reads it is not installed: {INSTALL} (and s3fs for "
            "s3://, gcsfs for gs://, adlfs for az://, aiohttp for https://)"
        ) from None
    try:
        found = UPath(text)
        found.fs  # noqa: B018  # A library that is missing is missed here.
    except (ImportError, ValueError) as error:
        raise RequestError(f"{text}: {first_line(error)}") from error
    return found


@contextmanager
def reaching(place: Location) -> Iterator[None]:
    """Turn what the libraries behind fsspec raise into OSError, as a disk would raise it."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if isinstance(place, Path):
            raise
        raise OSError(first_line(error)) from error


def read_up_to(place: Location, limit: int) -> bytes:
    """Return a file's content, at most so many bytes of it; raises OSError.

    A server need not say how long a file is, and may send more than it said.
    """
    with reaching(place):
        size = place.stat().st_size
        with place.open("rb") as file:
            return file.read(min(limit, size + 1) if size else limit)


def first_line(error: BaseException) -> str:
    """Return an error's message in one line, or its kind where it has none."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, FileNotFoundError):
        return "no such file or directory"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
