"""Progress of long operations: to a callable, or to a bar of the package tqdm."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from ._types import Progress

ProgressTo = Callable[[Progress], object] | Literal["tqdm"]
"""What is told of a running operation: a callable, or a bar of the package tqdm."""


@contextmanager
def told(progress: ProgressTo | None) -> Iterator[Callable[[Progress], object] | None]:
    """What to call while the block runs."""
    if progress != "tqdm":
        yield progress
        return
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError('progress="tqdm" needs the package tqdm: pip install "tidelock[tqdm]"') from error
    with tqdm(unit="step", leave=False) as bar:

        def show(step: Progress) -> None:
            bar.set_description(step.phase, refresh=False)
            bar.total = step.total
            bar.n = step.done
            bar.refresh()

        yield show
