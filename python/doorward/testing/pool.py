"""Issuers lent to one test after another: their keys take long to make."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from doorward._doorward import DevIssuer as _Engine

from .issuer import DevIssuer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["Pool"]


class Pool:
    """Makes issuers when there is none to be lent, and keeps those that come back as they were."""

    def __init__(self) -> None:
        self._idle: dict[bool, list[_Kept]] = {False: [], True: []}

    @contextmanager
    def lent(self, clock: Callable[[], float], *, served: bool) -> Generator[DevIssuer, None, None]:
        """An issuer that goes by `clock`, and to which nothing has happened."""
        idle = self._idle[served]
        kept = idle.pop() if idle else _Kept(served)
        kept.clock = clock
        issuer = _Lent(kept, clock)
        try:
            yield issuer
        finally:
            kept.clock = time.time
            if issuer.changed:
                kept.engine.stop()
            else:
                kept.engine.reset()
                idle.append(kept)

    def close(self) -> None:
        """Stops the servers of those that came back."""
        for idle in self._idle.values():
            while idle:
                idle.pop().engine.stop()


class _Kept:
    """An engine, and the clock of whoever has it."""

    def __init__(self, served: bool) -> None:
        self.clock: Callable[[], float] = time.time
        self.engine = _Engine(algorithms=("RS256",), clock=lambda: self.clock())
        self.url = self.engine.start() if served else None


class _Lent(DevIssuer):
    """A view of a kept engine, for one test."""

    def __init__(self, kept: _Kept, clock: Callable[[], float]) -> None:
        self._use(kept.engine, clock, kept.url)
        #: Whether it can no longer be lent to others.
        self.changed = False

    def rotate(self) -> str:
        self.changed = True
        return super().rotate()

    def rotate_overlapping(self) -> str:
        self.changed = True
        return super().rotate_overlapping()

    def start(self) -> str:
        # An issuer takes the name of where it is served first, for good.
        self.changed = self.changed or self._url is None
        return super().start()

    def stop(self) -> None:
        self.changed = True
        super().stop()
