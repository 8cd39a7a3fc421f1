"""The original's configuration of retries, of which only the strategy "none" counts here."""

from __future__ import annotations

__all__ = ["BackoffStrategy", "RetryConfig"]


class BackoffStrategy:
    """How the original waits. Here pauses double from 250 ms, within the call's deadline."""

    def __init__(
        self, initial_interval: int, max_interval: int, exponent: float, max_elapsed_time: int
    ) -> None:
        self.initial_interval = initial_interval
        self.max_interval = max_interval
        self.exponent = exponent
        self.max_elapsed_time = max_elapsed_time


class RetryConfig:
    """With the strategy "none" a call is tried once, with any other as often as is safe."""

    def __init__(
        self, strategy: str, backoff: BackoffStrategy, retry_connection_errors: bool
    ) -> None:
        self.strategy = strategy
        self.backoff = backoff
        self.retry_connection_errors = retry_connection_errors
