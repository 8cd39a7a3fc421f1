"""An endpoint for Clerk's webhooks, in Django.

The signing secret comes from `CLERK_WEBHOOK_SIGNING_SECRET`:

    python -m uvicorn django_webhook_app:application
    python django_webhook_app.py --port 0    # the first line of output is {"url": "http://…"}
"""

from __future__ import annotations

import argparse
import json
import secrets
import socket

import django
import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

from doorward.django import webhook
from doorward.webhooks import WebhookEvent

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(50),
)
django.setup()

users: dict[str, str | None] = {}


@webhook()
async def clerk(request: HttpRequest, event: WebhookEvent) -> JsonResponse:
    """Every genuine event is answered with 200: a refusal would be tried again for days."""
    if event.type in ("user.created", "user.updated"):
        users[event.data["id"]] = event.data.get("first_name")
    elif event.type == "user.deleted":
        users.pop(event.data.get("id"), None)
    return JsonResponse({"id": event.id, "users": len(users)})


urlpatterns = [path("webhooks/clerk", clerk)]
application = get_asgi_application()


def main() -> None:
    parser = argparse.ArgumentParser(description="An endpoint for Clerk's webhooks.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")
    arguments = parser.parse_args()
    listener = socket.create_server((arguments.host, arguments.port))
    host, port = listener.getsockname()[:2]
    print(json.dumps({"url": f"http://{host}:{port}"}), flush=True)
    config = uvicorn.Config(application, lifespan="off", log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
