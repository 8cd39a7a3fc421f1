"""An inbox that runs your handlers once for each webhook message, and tables of users, addresses,
organizations and memberships that follow the provider. In your own database, by SQLAlchemy.

    from doorward.sync import Inbox
    from doorward.webhooks import Webhook

    webhook = Webhook()
    inbox = Inbox(engine)          # or a sessionmaker; AsyncInbox for asyncio
    inbox.migrate()

    @inbox.on("user.created")
    def welcome(session, message):
        session.add(Mail(to=message.data["id"]))   # committed with the message, or not at all

    # in the view
    event = webhook.verify(body, headers)
    inbox.accept(event)            # on disk when it returns: answer 2xx

    # in a worker process or thread
    inbox.run()

The tables are those of `doorward sync` and `doorward webhooks serve`; both may work on them.
Databases: SQLite 3.35 or newer, PostgreSQL 12 or newer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._inbox import Inbox
from ._message import Letter, Message, Turn, Unavailable

if TYPE_CHECKING:
    from ._async import AsyncInbox

__all__ = ["AsyncInbox", "Inbox", "Letter", "Message", "Turn", "Unavailable"]


def __getattr__(name: str) -> Any:
    # SQLAlchemy's asyncio half needs greenlet, which synchronous code does without.
    if name == "AsyncInbox":
        from ._async import AsyncInbox

        return AsyncInbox
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
