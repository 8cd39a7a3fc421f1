"""What people build in Django around `authenticate_request`, with only the import line changed."""

from __future__ import annotations

import sys
import time
import types
from dataclasses import dataclass
from typing import Any

import django
import pytest
from django.conf import settings
from support import PARTY, Signer, bearer, signer

if not settings.configured:
    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
        SECRET_KEY="for tests",
    )
    django.setup()

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from doorward.compat.clerk_backend_api import AuthenticateRequestOptions, authenticate_request
from doorward.compat.clerk_backend_api.security.types import RequestState


def options() -> AuthenticateRequestOptions:
    return AuthenticateRequestOptions(
        secret_key="sk_test_plantedplantedplantedplanted",
        jwt_key=signer().pem(),
        authorized_parties=[PARTY],
        accepts_token=["session_token"],
    )


@dataclass
class Caller:
    """As much of a user as permissions look at."""

    id: str
    payload: dict[str, Any]
    is_authenticated: bool = True


class Authentication(BaseAuthentication):
    #: Whether a bad token is refused rather than overlooked.
    strict = False

    def authenticate(self, request: Request) -> tuple[Caller, RequestState] | None:
        state = authenticate_request(request, options())
        if not state.is_signed_in:
            if self.strict and state.reason != "session-token-missing":
                raise AuthenticationFailed(state.reason)
            return None
        assert state.payload is not None
        return Caller(state.payload["sub"], state.payload), state

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class StrictAuthentication(Authentication):
    strict = True


class HasPermission(BasePermission):
    def __init__(self, permission: str) -> None:
        self.permission = permission

    def has_permission(self, request: Any, view: Any) -> bool:
        return self.permission in (request.auth.payload.get("org_permissions") or [])


class Me(APIView):
    authentication_classes = (Authentication,)
    permission_classes = (IsAuthenticated,)

    def get(self, request: Any) -> Response:
        return Response({"user_id": request.user.id, "session": request.auth.payload["sid"]})


class StrictMe(Me):
    authentication_classes = (StrictAuthentication,)


class Guarded(APIView):
    authentication_classes = (Authentication,)
    demanded = "org:posts:delete"

    def get_permissions(self) -> Any:
        # Permissions with arguments are made here: the framework calls the classes it is given.
        return [IsAuthenticated(), HasPermission(self.demanded)]

    def delete(self, request: Any) -> Response:
        return Response("deleted")


class Secret(Guarded):
    demanded = "org:posts:burn"


class Identify(MiddlewareMixin):
    """Plain Django: who is there is found before any view."""

    def process_request(self, request: Any) -> HttpResponse | None:
        state = authenticate_request(request, options())
        if not state.is_signed_in:
            return JsonResponse({"reason": state.reason}, status=401)
        assert state.payload is not None
        request.user = Caller(state.payload["sub"], state.payload)
        return None


def whoami(request: HttpRequest) -> HttpResponse:
    caller: Any = request.user
    return JsonResponse({"user_id": caller.id})


class Urls(types.ModuleType):
    urlpatterns = (
        path("me", Me.as_view()),
        path("strict", StrictMe.as_view()),
        path("posts", Guarded.as_view()),
        path("secrets", Secret.as_view()),
        path("whoami", whoami),
    )


URLS = "doorward_compat_urls"


@pytest.fixture(autouse=True)
def _served(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setitem(sys.modules, URLS, Urls(URLS))
    with override_settings(ROOT_URLCONF=URLS, MIDDLEWARE=[], ALLOWED_HOSTS=["testserver"]):
        yield


@pytest.fixture
def token(keys: Signer) -> str:
    return keys.session(now=time.time())


def test_a_good_token(token: str) -> None:
    answer = Client().get("/me", headers=bearer(token))
    assert answer.json() == {"user_id": "user_1", "session": "sess_1"}
    by_cookie = Client()
    by_cookie.cookies["__session"] = token
    assert by_cookie.get("/me").json()["user_id"] == "user_1"


async def test_a_good_token_over_asgi(token: str) -> None:
    answer = await AsyncClient().get("/me", headers=bearer(token))
    assert answer.json()["user_id"] == "user_1"
    assert (await AsyncClient().get("/me")).status_code == 401


@pytest.mark.parametrize("headers", [{}, bearer("junk"), {"Authorization": "Basic dTpw"}])
def test_everybody_else_is_401(headers: dict[str, str]) -> None:
    answer = Client().get("/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_bad_token_can_say_why(keys: Signer) -> None:
    expired = keys.session(now=time.time() - 3600)
    answer = Client().get("/strict", headers=bearer(expired))
    assert answer.status_code == 401
    assert answer.json() == {"detail": "token-expired"}


def test_rights(token: str) -> None:
    client = Client()
    assert client.delete("/posts", headers=bearer(token)).json() == "deleted"
    assert client.delete("/secrets", headers=bearer(token)).status_code == 403
    assert client.delete("/posts").status_code == 401


def test_middleware(token: str) -> None:
    with override_settings(MIDDLEWARE=[f"{URLS}.Identify"]):
        sys.modules[URLS].Identify = Identify  # type: ignore[attr-defined]
        client = Client()
        assert client.get("/whoami", headers=bearer(token)).json() == {"user_id": "user_1"}
        answer = client.get("/whoami")
        assert answer.status_code == 401
        assert answer.json() == {"reason": "session-token-missing"}


async def test_middleware_over_asgi(token: str) -> None:
    with override_settings(MIDDLEWARE=[f"{URLS}.Identify"]):
        sys.modules[URLS].Identify = Identify  # type: ignore[attr-defined]
        client = AsyncClient()
        answer = await client.get("/whoami", headers=bearer(token))
        assert answer.json() == {"user_id": "user_1"}
        assert (await client.get("/whoami", headers=bearer("junk"))).status_code == 401
