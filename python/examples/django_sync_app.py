"""Keeps a table of Clerk's users, in Django.

The inbox comes with SQLAlchemy, on the database that Django uses; the tables are read by models
that Django does not manage.

    CLERK_WEBHOOK_SIGNING_SECRET=whsec_… DATABASE=app.db \\
        python -m uvicorn --lifespan off django_sync_app:application
    python django_sync_app.py --port 0    # the first line of output is {"url": "http://…"}
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import threading

import django
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.db import models
from django.http import HttpRequest, JsonResponse
from django.urls import path
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from doorward.django import webhook
from doorward.sync import Inbox, Message, Unavailable
from doorward.webhooks import WebhookEvent

DATABASE = os.environ.get("DATABASE", "app.db")

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(50),
)
django.setup()


class ClerkUser(models.Model):
    """What Clerk says about a user."""

    provider_id = models.CharField(max_length=255, unique=True)
    primary_email_address = models.TextField(null=True)
    deleted_at = models.BigIntegerField(null=True)

    class Meta:
        app_label = "example"
        db_table = "clerk_users"
        managed = False


engine = create_engine(f"sqlite:///{DATABASE}")
inbox = Inbox(engine, prefix="clerk_")


@inbox.on("user.created")
def welcome(session: Session, message: Message) -> None:
    """Runs once for each message, in the transaction that marks it as done."""
    sql = text("INSERT INTO mails (user_id) VALUES (:user_id)")
    session.execute(sql, {"user_id": message.data["id"]})


@webhook()
def clerk(request: HttpRequest, event: WebhookEvent) -> JsonResponse:
    """On disk before it is answered, handled after."""
    try:
        inbox.accept(event)
    except Unavailable:
        away = {"detail": "store_unavailable"}
        return JsonResponse(away, status=503, headers={"Retry-After": "5"})
    return JsonResponse({"id": event.id})


def users(request: HttpRequest) -> JsonResponse:
    """How many there are, by Django's own ORM."""
    return JsonResponse({"users": ClerkUser.objects.filter(deleted_at=None).count()})


urlpatterns = [path("webhooks/clerk", clerk), path("users", users)]
application = get_asgi_application()


def main() -> None:
    parser = argparse.ArgumentParser(description="Keeps a table of Clerk's users.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE IF NOT EXISTS mails (user_id TEXT)"))
    inbox.migrate()
    threading.Thread(target=inbox.run, daemon=True).start()
    listener = socket.create_server((arguments.host, arguments.port))
    host, port = listener.getsockname()[:2]
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
    config = uvicorn.Config(application, lifespan="off", log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
