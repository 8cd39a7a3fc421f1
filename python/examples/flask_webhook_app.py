"""An endpoint for Clerk's webhooks, in Flask.

The signing secret comes from `CLERK_WEBHOOK_SIGNING_SECRET`:

    gunicorn flask_webhook_app:app
    python flask_webhook_app.py --port 0    # the first line of output is {"url": "http://…"}
"""

import argparse
import json
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from doorward.flask import webhook
from doorward.webhooks import WebhookEvent

app = Flask(__name__)

users: dict[str, str | None] = {}


@app.post("/webhooks/clerk")
@webhook()
def clerk(event: WebhookEvent) -> dict[str, Any]:
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
    server = make_server(arguments.host, arguments.port, app, threaded=True)
    print(json.dumps({"url": f"http://{server.host}:{server.port}"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
