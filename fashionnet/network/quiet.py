"""Import what talks while it is imported."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_import() -> Iterator[None]:
    """Drop what native libraries print on stderr, such as TensorFlow's list of what it found.

    Exceptions pass as ever.

    >>> with quiet_import():  # doctest: +SKIP
    ...     import keras
    """
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)
