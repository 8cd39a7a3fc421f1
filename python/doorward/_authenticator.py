"""The authenticator, with the waiting that an event loop wants."""

from __future__ import annotations

import os

from ._doorward import Authenticator as _Engine
from ._doorward import Pending
from ._rejection import Rejection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable
    from concurrent.futures import ThreadPoolExecutor
    from typing import Any, Protocol, TypeVar

    from typing_extensions import Unpack

    from ._doorward import Identity, Logout, Revoking
    from ._types import Revoked

    _T = TypeVar("_T")
    _R = TypeVar("_R")

    class Waited(Protocol):
        """What a thread can wait for; the same number stands for the same event."""

        @property
        def fetch_id(self) -> int: ...
        def wait(self) -> None: ...


class Authenticator(_Engine):
    """A verifier with a memory, a fetcher and a clock. One per application; safe to share.

    Sync and async are two drivers of one path: both first try without waiting, which is all it
    takes once the keys are known. Only a missing key set is waited for, and never on the event
    loop's thread.
    """

    async def authenticate(self, head: Any) -> Identity:
        """The verified caller of a request.

        `head` is an ASGI scope, a WSGI environ, a mapping or a list of header pairs, or anything
        with `.headers`. Raises `Rejection`; cancelling it leaves the fetch of the keys running for
        the others.
        """
        for _ in range(_ROUNDS):
            found = self.authenticate_nowait(head)
            if not isinstance(found, Pending):
                return found
            await settled(found)
        raise _undecided()

    async def verify_async(self, token: str | bytes) -> Identity:
        """Like `verify`, for an event loop: the caller a bare token names. Raises `Rejection`."""
        for _ in range(_ROUNDS):
            found = self.verify_nowait(token)
            if not isinstance(found, Pending):
                return found
            await settled(found)
        raise _undecided()

    async def userinfo_async(self, identity: Identity, token: str | bytes) -> dict[str, Any]:
        """Like `userinfo`, for an event loop: what the issuer tells besides about a caller.

        Raises `Rejection` where it tells nothing or cannot be asked; the caller stays verified.
        """
        for _ in range(_ROUNDS):
            found = self.userinfo_nowait(identity, token)
            if not isinstance(found, Pending):
                return found
            await settled(found)
        raise _undecided()

    async def revoke_async(self, **what: Unpack[Revoked]) -> None:
        """Like `revoke`, for an event loop: refused here at once, and waits for the store."""
        await _shared(self.revoke_nowait(**what))

    async def accept_event_async(self, event: Any) -> bool:
        """Like `accept_event`, for an event loop."""
        revoked, revoking = self.accept_event_nowait(event)
        await _shared(revoking)
        return revoked

    async def accept_logout_async(self, token: str) -> Logout:
        """Like `accept_logout`, for an event loop."""
        return await _elsewhere(self.accept_logout, token)

    async def answer_logout_async(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """Like `answer_logout`, for an event loop."""
        return await _elsewhere(self.answer_logout, body)


async def _shared(revoking: Revoking | None) -> None:
    if revoking is not None:
        await settled(revoking)
        revoking.outcome()


async def _elsewhere(call: Callable[[_T], _R], argument: _T) -> _R:
    """Runs it on a few threads of our own: strangers send logout tokens, and may keep nobody else
    from the event loop's own threads.
    """
    global _threads
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    if _threads is None or _threads[0] != os.getpid():
        _threads = os.getpid(), ThreadPoolExecutor(4, "doorward-logout")
    return await asyncio.get_running_loop().run_in_executor(_threads[1], call, argument)


async def settled(pending: Waited) -> None:
    """Returns once the fact is known, or known to be out of reach."""
    # Large imports, and whoever gets here has paid for them already.
    import asyncio
    import contextlib
    import threading

    loop = asyncio.get_running_loop()
    key = (id(loop), pending.fetch_id)
    if key in _waits:
        await asyncio.shield(_waits[key])
        return
    future: Future[None] = loop.create_future()
    _waits[key] = future

    def settle() -> None:
        if not future.done():
            future.set_result(None)

    def wait() -> None:
        try:
            pending.wait()
        finally:
            _waits.pop(key, None)
            # A loop that was closed during the fetch has nobody who waits.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(settle)

    # A thread of Python's own, which it joins before it goes down. The engine's thread must not
    # call Python: an interpreter that goes down ends such a thread in the middle of foreign code.
    threading.Thread(target=wait, name="doorward-wait").start()
    # Whoever is cancelled leaves the others waiting.
    await asyncio.shield(future)


#: Those who wait on one event loop for one fetch share a thread. Emptied when the fetch ends; a
#: forked child has other fetches.
_waits: dict[tuple[int, int], Future[None]] = {}


def _undecided() -> Rejection:
    """What is left to say when facts keep being missing: trouble on our side of the door."""
    return Rejection(
        "keys_unavailable",
        503,
        [("cache-control", "no-store"), ("retry-after", "5")],
        b'{"detail":"keys_unavailable"}',
        f"still undecided after {_ROUNDS} rounds of fetching",
        "The key source changes faster than it can be read.",
    )


#: The threads on which logout tokens are verified, and the process they belong to.
_threads: tuple[int, ThreadPoolExecutor] | None = None
#: Tries before giving up. One lookup takes one round, and a token can need an answer, keys, a key
#: that was published since, and what was revoked.
_ROUNDS = 5
