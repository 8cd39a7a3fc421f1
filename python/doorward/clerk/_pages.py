"""Lists that are walked through, page by page."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from doorward._doorward import Walk

from ._arguments import Step
from ._errors import failed
from ._objects import List, Object

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    Fetch = Callable[[Step], Any]

__all__ = ["AsyncPages", "Pages"]

_T = TypeVar("_T")


class _Walked(Generic[_T]):
    """What both kinds have: the items at hand, and where the next page is.

    A page is fetched before the last item of the one before it is handed out: that item is where
    the API goes on from, and whoever gets it may delete it.
    """

    #: How many items there are on all pages, once the first is there; None where the API does not
    #: count.
    total_count: int | None

    def __init__(self, step: Step, fetch: Fetch, name: str) -> None:
        for argument, least in _NUMBERS.items():
            value = step.given.get(argument, least)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise TypeError(f"{name}() takes {argument} from {least} up, found {value!r}")
        self._operation = step.operation
        self._walk = Walk(step.operation.id, step.arguments)
        self._fetch = fetch
        self._name = name
        self._ready: deque[_T] = deque()
        self._failure: Exception | None = None
        self._done = False
        self._busy = False
        self.total_count = None

    def __repr__(self) -> str:
        return f"<{self._name}: {'the last page' if self._done else 'more'}>"

    def _wants(self) -> Step | None:
        """The next page, if it is time for it."""
        if len(self._ready) > 1 or self._done or self._failure is not None:
            return None
        if self._busy:
            raise RuntimeError(f"{self._name}(): a page is on its way already")
        self._busy = True
        return Step(self._operation, json.loads(self._walk.arguments()), [], False)

    def _turn(self, page: Any) -> None:
        if not isinstance(page, List):
            self._done = True
            raise self._unreadable("the answer is no list")
        items: List[Any] = cast("Any", page)
        ends = (_text(items[0]), _text(items[-1])) if items else None
        more = self._walk.step(len(items), ends, items.total_count)
        self._done = not more
        if more is None:
            raise self._unreadable("the same page came twice: the API ignores where to go on")
        if items.total_count is not None:
            self.total_count = items.total_count
        self._ready.extend(items)

    def _failed(self, error: Exception) -> None:
        """It is told after the items that came before it."""
        if not self._ready:
            raise error
        self._failure = error

    def _handed(self, end: type[Exception]) -> _T:
        if self._ready:
            return self._ready.popleft()
        failure, self._failure = self._failure, None
        raise failure or end

    def _unreadable(self, why: str) -> Exception:
        where = f"{self._operation.method} {self._operation.path}: {why}"
        return failed("unreadable", where, None, None, None, 1, True)


class Pages(_Walked[_T], Iterator[_T]):
    """The items of a list, from all of its pages, each fetched when it is needed.

    One page is held at a time, and nothing is open between two, so a walk can be left anywhere.
    After an error it goes on where it was. Threads may share one.
    """

    def __init__(self, step: Step, fetch: Fetch, name: str) -> None:
        from threading import RLock

        super().__init__(step, fetch, name)
        self._one_at_a_time = RLock()

    def __next__(self) -> _T:
        with self._one_at_a_time:
            while (step := self._wants()) is not None:
                try:
                    self._turn(self._fetch(step))
                except Exception as error:
                    self._failed(error)
                finally:
                    self._busy = False
            return self._handed(StopIteration)


class AsyncPages(_Walked[_T], AsyncIterator[_T]):
    """Like `Pages`, for `async for`. One task walks at a time."""

    _fetch: Callable[[Step], Awaitable[Any]]

    async def __anext__(self) -> _T:
        while (step := self._wants()) is not None:
            try:
                self._turn(await self._fetch(step))
            except Exception as error:
                self._failed(error)
            finally:
                self._busy = False
        return self._handed(StopAsyncIteration)


def _text(item: Any) -> str:
    return json.dumps(item.to_dict() if isinstance(item, Object) else item)


#: What a walk counts with, and the least it may be.
_NUMBERS = {"limit": 1, "offset": 0}
