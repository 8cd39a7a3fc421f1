"""What both kinds of inboxes have: settings and handlers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ._store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._message import Message

BindT = TypeVar("BindT")
HandlerT = TypeVar("HandlerT", bound="Callable[..., Any]")

_DAY = 24 * 3600.0


class Common(Generic[BindT]):
    """Which settings hold, and which handler runs for which type of event."""

    def __init__(
        self,
        bind: BindT,
        *,
        prefix: str = "",
        tables: bool = True,
        sessions: bool = False,
        lease: float = 60.0,
        max_failures: int = 8,
        first_retry: float = 1.0,
        retention: float = 7 * _DAY,
        dead_letter_retention: float = 30 * _DAY,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bind = bind
        self._tables = tables
        self._clock = clock
        self._handlers = Handlers()
        self._store = Store(
            prefix,
            sessions=sessions,
            lease=lease,
            max_failures=max_failures,
            first_retry=first_retry,
            retention=retention,
            dead_letter_retention=dead_letter_retention,
        )

    def on(self, *types: str) -> Callable[[HandlerT], HandlerT]:
        """Runs a function for these types of events; without types, for every event.

        It is called with a `Session` and the `Message`, in the transaction that marks the message
        as done: what it writes there happens once. If it raises, all of that is undone, and the
        message comes again after a rest. It must neither commit nor roll back; what may fail goes
        into a savepoint (`session.begin_nested()`).
        """

        def register(handler: HandlerT) -> HandlerT:
            self._handlers.add(types, handler)
            return handler

        return register

    def _now(self) -> int:
        return int(self._clock() * 1000)


class Handlers:
    """Which handler runs for which type of event."""

    def __init__(self) -> None:
        self._by_type: dict[str, list[Callable[..., Any]]] = {}

    def add(self, types: tuple[str, ...], handler: Callable[..., Any]) -> None:
        for name in types or ("*",):
            self._by_type.setdefault(name, []).append(handler)

    def of(self, message: Message) -> list[Callable[..., Any]]:
        return [*self._by_type.get(message.type, ()), *self._by_type.get("*", ())]
