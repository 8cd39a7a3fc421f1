"""Keeps a table of Clerk's users, in Flask with SQLAlchemy.

    CLERK_WEBHOOK_SIGNING_SECRET=whsec_… DATABASE_URL=sqlite:///app.db gunicorn flask_sync_app:app
    python flask_sync_app.py --port 0    # the first line of output is {"url": "http://…"}

Here a thread handles the messages; with several processes, let one of your own do it:
`python -c "from flask_sync_app import inbox; inbox.run()"`.
"""

import argparse
import json
import os
import threading
from typing import Any

from flask import Flask
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session, sessionmaker
from werkzeug.serving import make_server

from doorward.flask import webhook
from doorward.sync import Inbox, Message, Unavailable
from doorward.webhooks import WebhookEvent

app = Flask(__name__)
engine = create_engine(os.environ.get("DATABASE_URL", "sqlite:///app.db"))
inbox = Inbox(sessionmaker(engine))


@inbox.on("user.created")
def welcome(session: Session, message: Message) -> None:
    """Runs once for each message, in the transaction that marks it as done."""
    sql = text("INSERT INTO mails (user_id) VALUES (:user_id)")
    session.execute(sql, {"user_id": message.data["id"]})


@app.post("/webhooks/clerk")
@webhook()
def clerk(event: WebhookEvent) -> Any:
    """On disk before it is answered, handled after."""
    try:
        inbox.accept(event)
    except Unavailable:
        return {"detail": "store_unavailable"}, 503, {"Retry-After": "5"}
    return {"id": event.id}


def main() -> None:
    parser = argparse.ArgumentParser(description="Keeps a table of Clerk's users.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS mails (user_id TEXT)"))
    inbox.migrate()
    threading.Thread(target=inbox.run, daemon=True).start()
    server = make_server(arguments.host, arguments.port, app, threaded=True)
    print(json.dumps({"url": f"http://{server.host}:{server.port}"}), flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
