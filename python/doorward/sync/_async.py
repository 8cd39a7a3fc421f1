"""The inbox of asynchronous code."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from ._common import Common
from ._inbox import ENDED, HandlerFailed, count, logger, raise_if_away, said
from ._message import Claim, Letter, Message, Turn, Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from sqlalchemy import Connection

    from ._message import Event

T = TypeVar("T")


class AsyncInbox(Common[AsyncEngine | async_sessionmaker[AsyncSession]]):
    """`Inbox` for asyncio: `bind` is an `AsyncEngine` or your `async_sessionmaker`, handlers are
    `async def handler(session, message)` with an `AsyncSession`. Everything else is the same.

    A handler that takes longer than half of the lease is cancelled, and has failed.
    """

    async def migrate(self) -> list[str]:
        """Creates the tables, or brings them to the newest version; says which steps it took."""
        return await self._do(lambda connection: self._store.migrate(connection, self._now()))

    async def accept(self, event: Event, *, session: AsyncSession | None = None) -> bool:
        """Takes a verified event in; `False` if it was known already. See `Inbox.accept`."""
        message = Message(event.id, bytes(event.body))

        def accept(connection: Connection) -> bool:
            return self._store.accept(connection, message, self._now())

        if session is not None:
            return await session.run_sync(lambda inner: accept(inner.connection()))
        return await self._do(accept)

    async def handle_now(self, id: str) -> str:
        """Handles this one message before its sender is answered. See `Inbox.handle_now`."""

        def claim_or_state(connection: Connection) -> Claim | str | None:
            claim = self._store.claim_one(connection, id, self._now())
            return self._store.state(connection, id) if claim is None else claim

        claim = await self._do(claim_or_state)
        if not isinstance(claim, Claim):
            return claim if claim in ("done", "dead") else "in_hand"
        turn = Turn()
        try:
            await self._handle(claim, turn)
        except BaseException:
            await asyncio.shield(self._release([claim]))
            raise
        if turn.done:
            return "done"
        return "dead" if turn.dead else "failed" if turn.failed else "in_hand"

    async def work(self, most: int = 32) -> Turn:
        """Handles what is due, up to `most` messages. See `Inbox.work`."""
        began = time.monotonic()
        claims = await self._do(lambda connection: self._store.claim(connection, most, self._now()))
        turn = Turn()
        for place, claim in enumerate(claims):
            if time.monotonic() - began > self._store.lease / 2:
                await self._release(claims[place:])
                break
            try:
                await self._handle(claim, turn)
            except BaseException:
                await asyncio.shield(self._release(claims[place:]))
                raise
        return turn

    async def run(self, *, idle: float = 0.2) -> None:
        """Handles messages until it is cancelled. Trouble of the database is waited out."""
        swept = 0.0
        while True:
            try:
                if not 0 <= self._clock() - swept < 60:
                    swept = self._clock()
                    await self.expire()
                rest = 0.0 if (await self.work()).taken else idle
            except Unavailable:
                rest = 1.0
            except Exception:
                # Whatever it is, others wait behind it.
                logger.exception("messages could not be handled")
                rest = 1.0
            await asyncio.sleep(rest)

    async def dead_letters(self, most: int = 50) -> list[Letter]:
        """Messages that failed too often, the latest first."""
        return await self._do(lambda connection: self._store.dead_letters(connection, most))

    async def replay(self, id: str | None = None) -> int:
        """Lets every dead letter be handled again, or one message, dead or done. How many."""
        return await self._do(lambda connection: self._store.replay(connection, id, self._now()))

    async def status(self) -> dict[str, int]:
        """How many messages are `waiting`, `done` and `dead`."""
        return await self._do(self._store.status)

    async def expire(self) -> int:
        """Forgets what is older than it has to be; `run` does it every minute."""
        return await self._do(lambda connection: self._store.expire(connection, self._now()))

    async def _handle(self, claim: Claim, turn: Turn) -> None:
        why: str | None = None
        if self._store.is_worn_out(claim):
            why = "workers vanished while they handled it"
        elif claim.unreadable:
            why = claim.unreadable
        else:
            try:
                async with self._transaction() as session:
                    taken = await session.run_sync(
                        lambda inner: self._begin(inner.connection(), claim)
                    )
                    if not taken:
                        turn.lost += 1
                        return
                    for handler in self._handlers.of(claim.message):
                        work = handler(session, claim.message)
                        try:
                            await asyncio.wait_for(work, self._store.lease / 2)
                        except Exception as error:
                            raise HandlerFailed(said(error)) from error
                    completed = await session.run_sync(
                        lambda inner: self._store.is_completed(inner.connection(), claim)
                    )
                    if not completed:
                        raise HandlerFailed(ENDED)
            except Unavailable:
                raise
            except Exception as error:
                why = said(error)
            else:
                turn.done += 1
                return
        reason = why
        state = await self._do(
            lambda connection: self._store.fail(connection, claim, reason, self._now())
        )
        count(turn, state)

    def _begin(self, connection: Connection, claim: Claim) -> bool:
        # First, so that nobody else begins with it.
        if not self._store.complete(connection, claim, self._now()):
            return False
        if self._tables:
            self._store.follow(connection, claim, self._now())
        return True

    async def _release(self, claims: list[Claim]) -> None:
        # If even this fails, their lease brings them back.
        with suppress(Unavailable):
            await self._do(lambda connection: self._store.release(connection, claims, self._now()))

    async def _do(self, work: Callable[[Connection], T]) -> T:
        async with self._transaction() as session:
            return await session.run_sync(lambda inner: work(inner.connection()))

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[AsyncSession, None]:
        bind = self._bind
        session = AsyncSession(bind) if isinstance(bind, AsyncEngine) else bind()
        try:
            async with session:
                yield session
                await session.commit()
        except Exception as error:
            raise_if_away(error)
            raise
