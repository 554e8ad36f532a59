"""Work in a few threads, with a bounded queue before them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class QueueFullError(Exception):
    """So much work is waiting already that no more is taken."""


class WorkQueue:
    """Runs functions in threads for an event loop, and refuses what would wait too long.

    >>> queue = WorkQueue(threads=2, waiting=64)           # doctest: +SKIP
    >>> await queue.run(network.describe, [image])         # doctest: +SKIP
    """

    def __init__(self, threads: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._places = threads + waiting
        self._taken = 0

    async def run(
        self,
        function: Callable[Arguments, Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Result:
        """Return what the function returns; QueueFullError where every place is taken."""
        if self._taken >= self._places:
            raise QueueFullError
        self._taken += 1
        loop = asyncio.get_running_loop()

        def leave(_: "Future[Result]") -> None:
            # A request that is given up keeps its place until its work is over.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._leave)

        work = self._pool.submit(function, *arguments, **named)
        work.add_done_callback(leave)
        return await asyncio.wrap_future(work)

    def close(self) -> None:
        """Drop what is waiting."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _leave(self) -> None:
        self._taken -= 1
