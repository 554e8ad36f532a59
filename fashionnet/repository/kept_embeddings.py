"""Embeddings of items that another network than the repository's made: computed once and kept."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fashionnet.errors import RequestError
from fashionnet.files import cache_folder, write_whole
from fashionnet.repository.store import Repository

_MOST_BYTES = 8 * 2**30


def kept_embeddings(
    repository: Repository,
    name: str,
    size: int,
    ids: list[str],
    keys: NDArray[np.bytes_],
    compute: Callable[[list[str]], NDArray[np.float32]],
) -> NDArray[np.float32]:
    """Return embeddings of items, float32 (N, D): those kept, and the others once computed.

    Args:
        repository: in whose folder they are kept, or where that cannot be written or is not on
            this machine in the user's cache.
        name: of the file; it changes with all that the embeddings depend on but the photos.
        size: their width D.
        ids: of the N items.
        keys: S64 (N,), the SHA-256 of each one's photo.
        compute: from ids of items, each of another photo, to float32 (n, D); a row that is not
            finite is not kept, so that it is computed again the next time.
    """
    path = _kept_at(repository, name)
    known, embeddings = _read(path, size)
    missing = np.flatnonzero(~np.isin(keys, known))
    if len(missing):
        fresh = list(dict.fromkeys(keys[missing].tolist()))
        first = {key: row for row, key in reversed(list(enumerate(keys.tolist())))}
        computed = compute([ids[first[key]] for key in fresh])
        known = np.concatenate([known, np.array(fresh, "S64")])
        embeddings = np.concatenate([embeddings, computed.astype(np.float16)])
        order = np.argsort(known)
        known, embeddings = known[order], embeddings[order]
        lasting = np.isfinite(embeddings).all(axis=1)
        _keep(path, known[lasting], embeddings[lasting])
    return embeddings[np.searchsorted(known, keys)].astype(np.float32)


def _kept_at(repository: Repository, name: str) -> Path:
    if isinstance(repository.path, Path):
        return repository.path / f"{name}.npz"
    place = hashlib.sha256(str(repository.path).encode()).hexdigest()[:16]
    return cache_folder() / "looks" / place / f"{name}.npz"


def _read(path: Path, size: int) -> tuple[NDArray[np.bytes_], NDArray[np.float16]]:
    nothing = np.zeros(0, "S64"), np.zeros((0, size), np.float16)
    try:
        if path.stat().st_size > _MOST_BYTES:
            return nothing
        with np.load(path, allow_pickle=False) as file:
            keys, embeddings = file["keys"], file["embeddings"]
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile):
        # What is missing or damaged is computed again; RuntimeError is how zipfile says of a
        # damaged header that it cannot read such a file.
        return nothing
    if keys.dtype != "S64" or embeddings.shape != (len(keys), size):
        return nothing
    return keys, embeddings


def _keep(path: Path, keys: NDArray[np.bytes_], embeddings: NDArray[np.float16]) -> None:
    file = io.BytesIO()
    np.savez(file, keys=keys, embeddings=embeddings)
    # A repository that may only be read is searched all the same.
    with suppress(RequestError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, file.getvalue())
