"""Keeps a table of Clerk's users, in FastAPI with asynchronous SQLAlchemy.

    CLERK_WEBHOOK_SIGNING_SECRET=whsec_… DATABASE_URL=sqlite+aiosqlite:///app.db \\
        python -m uvicorn fastapi_sync_app:app
    python fastapi_sync_app.py --port 0    # the first line of output is {"url": "http://…"}
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
from collections.abc import AsyncIterator
from typing import Annotated

import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from doorward.fastapi import webhook
from doorward.sync import AsyncInbox, Message, Unavailable
from doorward.webhooks import WebhookEvent

engine = create_async_engine(os.environ.get("DATABASE_URL", "sqlite+aiosqlite:///app.db"))
inbox = AsyncInbox(engine)


@inbox.on("user.created")
async def welcome(session: AsyncSession, message: Message) -> None:
    """Runs once for each message, in the transaction that marks it as done."""
    sql = text("INSERT INTO mails (user_id) VALUES (:user_id)")
    await session.execute(sql, {"user_id": message.data["id"]})


@contextlib.asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE IF NOT EXISTS mails (user_id TEXT)"))
    await inbox.migrate()
    worker = asyncio.create_task(inbox.run())
    yield
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    await engine.dispose()


app = FastAPI(title="Doorward sync example", lifespan=lifespan)


@app.post("/webhooks/clerk")
async def clerk(event: Annotated[WebhookEvent, Depends(webhook())]) -> dict[str, str]:
    """On disk before it is answered, handled after."""
    try:
        await inbox.accept(event)
    except Unavailable:
        raise HTTPException(503, headers={"Retry-After": "5"}) from None
    return {"id": event.id}


def main() -> None:
    parser = argparse.ArgumentParser(description="Keeps a table of Clerk's users.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    listener = socket.create_server((arguments.host, arguments.port))
    host, port = listener.getsockname()[:2]
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
