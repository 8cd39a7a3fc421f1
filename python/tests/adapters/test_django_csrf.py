"""Who is asked for Django's CSRF token: whoever a browser may have sent without knowing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, Client
from django.urls import path
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from mysite.configure import CSRF, GATE, site
from support import NOW, Signer, bearer

from doorward import Authenticator
from doorward.django import RequiredMixin, optional, public, required

clients = pytest.mark.parametrize("client", [Client, AsyncClient])
PREFLIGHT = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
ORIGIN = {"Origin": "http://testserver"}


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    from mysite.database import tables

    with tables():
        yield


def done(request: Any) -> HttpResponse:
    # Without the middleware and without a guard, nobody put a caller there.
    caller = getattr(request, "identity", None)
    return HttpResponse(caller.subject if caller else "stranger")


def view() -> Any:
    return lambda request: done(request)


def coroutine() -> Any:
    async def view(request: Any) -> HttpResponse:
        return done(request)

    return view


class Guarded(RequiredMixin, View):
    def post(self, request: Any) -> HttpResponse:
        return done(request)


def hand_out(request: Any) -> HttpResponse:
    return HttpResponse(get_token(request))


def send(client: Any, name: str, headers: dict[str, str] | None = None) -> Any:
    post = async_to_sync(client.post) if isinstance(client, AsyncClient) else client.post
    return post(f"/{name}", headers=headers or {})


def with_token(browser: Any) -> dict[str, str]:
    """What a page of ours would send; the cookie is in the browser then."""
    get = async_to_sync(browser.get) if isinstance(browser, AsyncClient) else browser.get
    return {"X-CSRFToken": get("/token").content.decode(), **ORIGIN}


ROUTES = (
    path("token", public(hand_out)),
    path("plain", view()),
    path("required", required(view())),
    path("coroutine", required(coroutine())),
    path("class", Guarded.as_view()),
    path("optional", optional(view())),
    path("exempt", csrf_exempt(view())),
    path("required-exempt", required(csrf_exempt(view()))),
    path("optional-exempt", optional(csrf_exempt(view()))),
    path("public", public(view())),
    path("public-exempt", public(csrf_exempt(view()))),
)
GUARDED = ("required", "coroutine", "class", "optional", "required-exempt", "optional-exempt")
EVERYWHERE = ("plain", *GUARDED)

#: The middleware after Django's check, before it, without it, and no middleware at all.
STANDS = {
    "after": [*settings.MIDDLEWARE, GATE],
    "before": [*(one for one in settings.MIDDLEWARE if one != CSRF), GATE, CSRF],
    "alone": [*(one for one in settings.MIDDLEWARE if one != CSRF), GATE],
    "guards": settings.MIDDLEWARE,
}
stands = pytest.mark.parametrize("middleware", STANDS.values(), ids=STANDS)


@clients
@stands
def test_a_token_in_a_header_needs_none(
    auth: Authenticator, keys: Signer, client: Any, middleware: list[str]
) -> None:
    with site(auth, *ROUTES, middleware=middleware):
        for name in EVERYWHERE if GATE in middleware else GUARDED:
            answer = send(client(enforce_csrf_checks=True), name, bearer(keys.session()))
            assert (answer.status_code, answer.content) == (200, b"user_1"), name


@clients
@stands
def test_a_token_in_a_cookie_does(
    auth: Authenticator, keys: Signer, client: Any, middleware: list[str]
) -> None:
    with site(auth, *ROUTES, middleware=middleware):
        for name in EVERYWHERE if GATE in middleware else GUARDED:
            browser = client(enforce_csrf_checks=True)
            browser.cookies["__session"] = keys.session()
            assert send(browser, name).status_code == 403, name
            if CSRF in middleware:
                assert send(browser, name, with_token(browser)).content == b"user_1", name
                elsewhere = {**with_token(browser), "Origin": "https://evil.example"}
                assert send(browser, name, elsewhere).status_code == 403, name


@clients
@stands
def test_a_bad_token_is_told_that_it_is_bad(
    auth: Authenticator, keys: Signer, client: Any, middleware: list[str]
) -> None:
    """A client whose token ran out gets another one if it is told so, and gives up at a 403."""
    expired = keys.session(exp=NOW - 60)
    with site(auth, *ROUTES, middleware=middleware):
        for name in EVERYWHERE if GATE in middleware else GUARDED:
            answer = send(client(enforce_csrf_checks=True), name, bearer(expired))
            assert answer.status_code == 401, name
            assert answer.json() == {"detail": "token_expired"}


@stands
def test_strangers_are_asked_as_django_asks_them(
    auth: Authenticator, middleware: list[str]
) -> None:
    with site(auth, *ROUTES, middleware=middleware):
        expected = 403 if CSRF in middleware else 200
        browser = Client(enforce_csrf_checks=True)
        assert send(browser, "optional").status_code == expected
        assert send(browser, "optional-exempt").status_code == 200
        assert send(browser, "required").status_code == 401


@clients
@stands
@pytest.mark.parametrize("headers", [{}, bearer("junk")], ids=["nothing", "junk"])
def test_a_public_view_is_checked_as_ever(
    auth: Authenticator, client: Any, middleware: list[str], headers: dict[str, str]
) -> None:
    with site(auth, *ROUTES, middleware=middleware):
        expected = 403 if CSRF in middleware else 200
        browser = client(enforce_csrf_checks=True)
        assert send(browser, "public", headers).status_code == expected
        assert send(browser, "public-exempt", headers).status_code == 200
        if CSRF in middleware:
            sent = {**headers, **with_token(browser)}
            assert send(browser, "public", sent).status_code == 200


@clients
@stands
def test_an_excluded_path_is_checked_as_ever(
    auth: Authenticator, keys: Signer, client: Any, middleware: list[str]
) -> None:
    with site(auth, *ROUTES, middleware=middleware, EXCLUDE=["/plain"]):
        expected = 403 if CSRF in middleware else 200
        browser = client(enforce_csrf_checks=True)
        assert send(browser, "plain", bearer(keys.session())).status_code == expected


@clients
@pytest.mark.parametrize("prefer_token", [False, True])
def test_a_session_beside_a_token_is_protected(
    auth: Authenticator, keys: Signer, client: Any, prefer_token: bool
) -> None:
    """The view may act for the session's user, whom another site could have sent here."""
    from django.contrib.auth.models import User

    for middleware in (STANDS["after"], STANDS["before"], STANDS["guards"]):
        with site(auth, *ROUTES, middleware=middleware, PREFER_TOKEN=prefer_token):
            browser = client(enforce_csrf_checks=True)
            browser.force_login(User.objects.get_or_create(username="grace")[0])
            for name in ("plain", "required") if GATE in middleware else ("required",):
                answer = send(browser, name, bearer(keys.session()))
                assert answer.status_code == (200 if prefer_token else 403), (name, middleware)
                sent = {**bearer(keys.session()), **with_token(browser)}
                assert send(browser, name, sent).content == b"user_1"


def test_sessions_may_hold_the_secret(auth: Authenticator, keys: Signer) -> None:
    more = {"CSRF_USE_SESSIONS": True}
    with site(auth, *ROUTES, more=more):
        for client in (Client, AsyncClient):
            browser = client(enforce_csrf_checks=True)
            browser.cookies["__session"] = keys.session()
            for name in ("plain", "required", "coroutine"):
                assert send(browser, name).status_code == 403
                assert send(browser, name, with_token(browser)).content == b"user_1"


class TestPreflights:
    """A preflight carries no credentials, and Django's views do not look at the method."""

    @clients
    @stands
    @pytest.mark.parametrize("more", [{}, bearer("junk")], ids=["nothing", "junk"])
    def test_no_guarded_view_runs(
        self, auth: Authenticator, client: Any, middleware: list[str], more: dict[str, str]
    ) -> None:
        ran: list[str] = []

        def careless(request: Any) -> HttpResponse:
            ran.append(request.method)
            return HttpResponse()

        async def acareless(request: Any) -> HttpResponse:
            return careless(request)

        class Careless(RequiredMixin, View):
            options = post = staticmethod(careless)

        routes = (
            path("required", required(careless)),
            path("coroutine", required(acareless)),
            path("class", Careless.as_view()),
            path("plain", lambda request: careless(request)),
        )
        names = ("required", "coroutine", "class", "plain")
        with site(auth, *routes, middleware=middleware):
            for name in names if GATE in middleware else names[:-1]:
                browser = client()
                options = browser.options
                if isinstance(browser, AsyncClient):
                    options = async_to_sync(browser.options)
                answer = options(f"/{name}", headers={**PREFLIGHT, **more})
                assert answer.status_code == 405, name
                assert "www-authenticate" not in answer.headers
        assert ran == []

    def test_where_a_caller_is_optional_it_is_a_stranger(
        self, auth: Authenticator, keys: Signer
    ) -> None:
        for options in ({"OPTIONAL": True}, {}):
            with site(auth, path("", optional(view())), path("plain", view()), **options):
                answer = Client().options("/", headers={**PREFLIGHT, **bearer(keys.session())})
                assert answer.content == b"stranger"
        with site(auth, path("", view()), OPTIONAL=True):
            answer = Client().options("/", headers={**PREFLIGHT, **bearer("junk")})
            assert answer.content == b"stranger"
