"""Show how far long work is: a bar on a terminal, plain lines elsewhere; always on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

SECONDS_BETWEEN_LINES = 15.0

Advance = Callable[[int], None]
"""Call it with how many more units are done."""


class _RateColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "")


@contextmanager
def progress(what: str, total: int) -> Iterator[Advance]:
    """Report units of work done out of a total, with rate and time left; from any thread.

    >>> with progress("describing photos", 2) as advance:  # doctest: +SKIP
    ...     advance(1)
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _RateColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.update(task, advance=count)
        return

    start = last = time.monotonic()
    done = 0
    counting = Lock()

    def advance(count: int) -> None:
        nonlocal done, last
        with counting:
            done += count
            now = time.monotonic()
            if now - last >= SECONDS_BETWEEN_LINES:
                last = now
                rate = done / (now - start)
                left = max(0, total - done) / rate if rate else 0
                print(f"{what}: {done}/{total}, {rate:.1f}/s, {left:.0f} s left", file=sys.stderr)

    yield advance
