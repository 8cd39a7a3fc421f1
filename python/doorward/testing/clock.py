"""A clock that stands still until a test moves it."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

__all__ = ["Clock"]


class Clock:
    """The time of an issuer and of an authenticator, which both take it as `clock=`.

    It stands at the second it was made, unless it is told otherwise. The time of the machine, and
    with it everything else in the process, goes on.
    """

    def __init__(self, now: float | datetime | None = None) -> None:
        self._now = float(int(time.time())) if now is None else _seconds(now)

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self._now

    def set(self, now: float | datetime) -> None:
        """Stands at `now`: seconds since the epoch, or a `datetime` that knows its zone."""
        self._now = _seconds(now)

    def advance(self, by: float | timedelta) -> None:
        """Moves on by seconds, or by a `timedelta`. A negative one goes back."""
        seconds = by.total_seconds() if isinstance(by, timedelta) else by
        self._now = _seconds(self._now + seconds)

    def __call__(self) -> float:
        return self._now

    def __repr__(self) -> str:
        return f"Clock({self._now!r})"


def _seconds(now: float | datetime) -> float:
    if isinstance(now, datetime):
        if now.tzinfo is None:
            raise ValueError("a datetime without a zone is no point in time; give it a tzinfo")
        now = now.timestamp()
    # `nan` and `inf` fail this comparison too.
    if not 0 <= now < float("inf"):
        raise ValueError(f"{now!r} is no time in seconds since the epoch")
    return float(now)
