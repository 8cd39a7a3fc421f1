"""An API with four doors, in Django.

The issuer comes from the environment (`CLERK_PUBLISHABLE_KEY`, or `DOORWARD_ISSUER` and
`DOORWARD_AUDIENCE`, …):

    python -m uvicorn django_app:application
    python -m gunicorn django_app:wsgi_application
    python django_app.py --port 0    # a free port; the first line of output is {"url": "http://…"}
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
from django.core.wsgi import get_wsgi_application
from django.http import JsonResponse
from django.urls import path
from django.views import View

from doorward import Policy
from doorward.django import AuthenticatedRequest, OptionalRequest, RequiredMixin, optional, requires

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    INSTALLED_APPS=["doorward.django"],
    MIDDLEWARE=[
        "django.middleware.csrf.CsrfViewMiddleware",
        # Every view demands a caller, unless it says otherwise.
        "doorward.django.AuthMiddleware",
    ],
    # The environment says whom to trust.
    DOORWARD={},
    ROOT_URLCONF=__name__,
    SECRET_KEY=secrets.token_urlsafe(50),
)
django.setup()


@optional
def public(request: OptionalRequest) -> JsonResponse:
    """Open to everybody; who sends credentials is recognized."""
    caller = request.identity
    return JsonResponse({"hello": "stranger" if caller is None else caller.subject})


async def me(request: AuthenticatedRequest) -> JsonResponse:
    """For signed-in callers: the middleware sees to it."""
    caller = request.identity
    return JsonResponse(
        {
            "user_id": caller.user_id,
            "session_id": caller.session_id,
            "organization_id": caller.organization_id,
            "role": caller.role,
            "permissions": caller.permissions,
        }
    )


@requires(permission="org:posts:delete")
def delete_post(request: AuthenticatedRequest, post_id: int) -> JsonResponse:
    """For members whose role may delete posts."""
    if request.method != "DELETE":
        return JsonResponse({"detail": "method_not_allowed"}, status=405)
    return JsonResponse({"deleted": post_id, "by": request.identity.subject})


class Admin(RequiredMixin, View):
    """For the organization's admins."""

    policy = Policy(role="org:admin")

    def get(self, request: AuthenticatedRequest) -> JsonResponse:
        caller = request.identity
        return JsonResponse({"admin": caller.subject, "organization_id": caller.organization_id})


urlpatterns = [
    path("public", public),
    path("me", me),
    path("posts/<int:post_id>", delete_post),
    path("admin", Admin.as_view()),
]
application = get_asgi_application()
wsgi_application = get_wsgi_application()


def main() -> None:
    parser = argparse.ArgumentParser(description="An API with four doors.")
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
