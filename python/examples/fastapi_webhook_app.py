"""An endpoint for Clerk's webhooks, in FastAPI.

The signing secret comes from `CLERK_WEBHOOK_SIGNING_SECRET`:

    python -m uvicorn fastapi_webhook_app:app
    python fastapi_webhook_app.py --port 0    # the first line of output is {"url": "http://…"}
"""

import argparse
import json
import socket
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI

from doorward.fastapi import webhook
from doorward.webhooks import WebhookEvent

app = FastAPI(title="Doorward webhook example")
ClerkEvent = Annotated[WebhookEvent, Depends(webhook())]

users: dict[str, str | None] = {}


@app.post("/webhooks/clerk")
async def clerk(event: ClerkEvent) -> dict[str, Any]:
    """Every genuine event is answered with 200: a refusal would be tried again for days."""
    if event.type in ("user.created", "user.updated"):
        users[event.data["id"]] = event.data.get("first_name")
    elif event.type == "user.deleted":
        users.pop(event.data.get("id"), None)
    return {"id": event.id, "users": len(users)}


def main() -> None:
    parser = argparse.ArgumentParser(description="An endpoint for Clerk's webhooks.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    listener = socket.create_server((arguments.host, arguments.port))
    host, port = listener.getsockname()[:2]
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


if __name__ == "__main__":
    main()
