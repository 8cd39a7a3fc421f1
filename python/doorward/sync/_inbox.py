"""The inbox of synchronous code."""

from __future__ import annotations

import asyncio
import logging
import re
import sqlite3
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from ._common import Common
from ._message import Claim, Letter, Message, Turn, Unavailable

if TYPE_CHECKING:
    from collections.abc import Generator

    from ._message import Event


class HandlerFailed(Exception):
    """A handler raised something, and whatever it was says nothing about our database."""


class Inbox(Common[Engine | sessionmaker[Session]]):
    """Messages waiting to be handled, and the memory of those that were.

    `bind`                   an `Engine`, or your `sessionmaker`
    `prefix`                 what the tables' names begin with, to set them apart from your own
    `tables`                 whether users, addresses, organizations and memberships are kept
    `sessions`               whether sessions are kept as well
    `lease`                  seconds a worker may hold a message: twice as long as a handler takes
    `max_failures`           failures until a message becomes a dead letter
    `first_retry`            seconds until the first retry; the next ones come after 4, 16, 64 …
                             times as many, at most an hour
    `retention`              seconds a handled message is remembered, 28 hours or more
    `dead_letter_retention`  seconds a dead letter waits for somebody
    `clock`                  seconds since 1970, for tests

    Raises `ValueError` for settings that would break the promise to handle a message once.
    """

    def migrate(self) -> list[str]:
        """Creates the tables, or brings them to the newest version; says which steps it took."""
        with self._transaction() as session:
            return self._store.migrate(session.connection(), self._now())

    def accept(self, event: Event, *, session: Session | None = None) -> bool:
        """Takes a verified event in; `False` if it was known already. Answer 2xx either way.

        It is on disk when this returns; within a `session` of yours, when you commit.
        Raises `Unavailable`: answer 503, and the sender comes again.
        """
        message = Message(event.id, bytes(event.body))
        if session is not None:
            return self._store.accept(session.connection(), message, self._now())
        with self._transaction() as own:
            return self._store.accept(own.connection(), message, self._now())

    def handle_now(self, id: str) -> str:
        """Handles this one message before its sender is answered: `"done"`, `"dead"` (answer 2xx),
        `"failed"` (500) or `"in_hand"` (503: somebody else is at it).

        Raises `Unavailable`: answer 503.
        """
        with self._transaction() as session:
            claim = self._store.claim_one(session.connection(), id, self._now())
            if claim is None:
                state = self._store.state(session.connection(), id)
                return state if state in ("done", "dead") else "in_hand"
        turn = Turn()
        try:
            self._handle(claim, turn)
        except BaseException:
            self._release([claim])
            raise
        if turn.done:
            return "done"
        return "dead" if turn.dead else "failed" if turn.failed else "in_hand"

    def work(self, most: int = 32) -> Turn:
        """Handles what is due, up to `most` messages, and says what became of it.

        Raises `Unavailable`. Nothing is lost: what was in hand comes back.
        """
        began = time.monotonic()
        with self._transaction() as session:
            claims = self._store.claim(session.connection(), most, self._now())
        turn = Turn()
        for place, claim in enumerate(claims):
            if time.monotonic() - began > self._store.lease / 2:
                # What remains of the lease may be too short for the next one.
                self._release(claims[place:])
                break
            try:
                self._handle(claim, turn)
            except BaseException:
                self._release(claims[place:])
                raise
        return turn

    def run(self, stop: threading.Event | None = None, *, idle: float = 0.2) -> None:
        """Handles messages until `stop` is set. Trouble of the database is waited out."""
        stop = stop or threading.Event()
        swept = 0.0
        while not stop.is_set():
            try:
                if not 0 <= self._clock() - swept < 60:
                    swept = self._clock()
                    self.expire()
                rest = 0.0 if self.work().taken else idle
            except Unavailable:
                rest = 1.0
            except Exception:
                # Whatever it is, others wait behind it.
                logger.exception("messages could not be handled")
                rest = 1.0
            if rest:
                stop.wait(rest)

    def dead_letters(self, most: int = 50) -> list[Letter]:
        """Messages that failed too often, the latest first."""
        with self._transaction() as session:
            return self._store.dead_letters(session.connection(), most)

    def replay(self, id: str | None = None) -> int:
        """Lets every dead letter be handled again, or one message, dead or done. How many."""
        with self._transaction() as session:
            return self._store.replay(session.connection(), id, self._now())

    def status(self) -> dict[str, int]:
        """How many messages are `waiting`, `done` and `dead`."""
        with self._transaction() as session:
            return self._store.status(session.connection())

    def expire(self) -> int:
        """Forgets what is older than it has to be; `run` does it every minute."""
        with self._transaction() as session:
            return self._store.expire(session.connection(), self._now())

    def _handle(self, claim: Claim, turn: Turn) -> None:
        why: str | None = None
        if self._store.is_worn_out(claim):
            why = "workers vanished while they handled it"
        elif claim.unreadable:
            why = claim.unreadable
        else:
            try:
                with self._transaction() as session:
                    connection = session.connection()
                    # First, so that nobody else begins with it, and so that SQLite's write lock
                    # is ours before anything is read.
                    if not self._store.complete(connection, claim, self._now()):
                        turn.lost += 1
                        return
                    if self._tables:
                        self._store.follow(connection, claim, self._now())
                    for handler in self._handlers.of(claim.message):
                        try:
                            handler(session, claim.message)
                        except Exception as error:
                            raise HandlerFailed(said(error)) from error
                    if not self._store.is_completed(session.connection(), claim):
                        raise HandlerFailed(ENDED)
            except Unavailable:
                raise
            except Exception as error:
                why = said(error)
            else:
                turn.done += 1
                return
        with self._transaction() as session:
            count(turn, self._store.fail(session.connection(), claim, why, self._now()))

    def _release(self, claims: list[Claim]) -> None:
        # If even this fails, their lease brings them back.
        with suppress(Unavailable), self._transaction() as session:
            self._store.release(session.connection(), claims, self._now())

    @contextmanager
    def _transaction(self) -> Generator[Session, None, None]:
        session = Session(self._bind) if isinstance(self._bind, Engine) else self._bind()
        try:
            with session:
                yield session
                session.commit()
        except Exception as error:
            raise_if_away(error)
            raise


def raise_if_away(error: Exception) -> None:
    """Turns an error that says nothing against the statement into `Unavailable`."""
    if isinstance(error, PoolTimeout):
        raise Unavailable("no connection became free in time") from None
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    # psycopg and asyncpg say it in this way, psycopg2 in that. While asyncpg connects, its errors
    # come as they are.
    state = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    if isinstance(state, str):
        away = state.startswith(_AWAY)
    elif isinstance(cause, sqlite3.Error):
        away = _SQLITE_AWAY.search(str(cause)) is not None
    elif isinstance(error, DBAPIError):
        # Nobody was there to give a SQLSTATE.
        away = error.connection_invalidated or isinstance(error, (OperationalError, InterfaceError))
    else:
        # A connection that is refused, or does not come about in time.
        away = isinstance(error, (OSError, asyncio.TimeoutError))
    if away:
        raise Unavailable(type(cause).__name__) from error


#: Classes of SQLSTATE (PostgreSQL, appendix A): the connection; a transaction that is to be tried
#: again; resources; a lock that was not to be had; operator intervention; the system. And a primary
#: that has become a standby.
_AWAY = ("08", "40", "53", "55", "57", "58", "25006")
#: SQLITE_BUSY, LOCKED, CANTOPEN, IOERR, FULL and READONLY. Python 3.10 does not tell the code.
_SQLITE_AWAY = re.compile("is locked|unable to open|disk I/O error|disk is full|readonly database")
#: Why a handler failed that seemed to succeed. A commit after a failed statement is a silent
#: rollback, and so the message would not be completed.
ENDED = (
    "the handler ended the transaction, or hid a failed statement: use a savepoint (begin_nested)"
)
logger = logging.getLogger("doorward")


def said(error: Exception) -> str:
    """What is kept of an error as a message's reason for failing."""
    if isinstance(error, HandlerFailed):
        return str(error)
    if isinstance(error, SQLAlchemyError):
        # Without the statement and its values; and of what the database says only the first line,
        # for the next one (DETAIL) repeats values as well.
        lines = str(getattr(error, "orig", None) or error).splitlines()
        return f"{type(error).__name__}: {lines[0] if lines else ''}"
    return f"{type(error).__name__}: {error}"


def count(turn: Turn, state: str | None) -> None:
    """Adds what became of a message that failed."""
    if state == "dead":
        turn.dead += 1
    elif state == "waiting":
        turn.failed += 1
    else:
        turn.lost += 1
