"""Waiting for work of the extension module on an event loop."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from .. import _tidelock

T = TypeVar("T")


async def finish(work: "_tidelock.Work[T]") -> T:
    """Waits on the running loop. Cancelling the task cancels the work."""
    loop = asyncio.get_running_loop()
    try:
        while True:
            woken = loop.create_future()
            done = work.poll(_waker(loop, woken))
            if done is not None:
                return done[0]
            await woken
    finally:
        work.cancel()


def _waker(loop: asyncio.AbstractEventLoop, woken: "asyncio.Future[None]") -> Callable[[], None]:
    def set_woken() -> None:
        if not woken.done():
            woken.set_result(None)

    def wake() -> None:
        if not loop.is_closed():
            try:
                loop.call_soon_threadsafe(set_woken)
            except RuntimeError:
                pass  # it was closed this very moment

    return wake
