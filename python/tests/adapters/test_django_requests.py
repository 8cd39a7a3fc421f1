"""What a request remembers and shows, what caches are told, and keys that must be fetched first."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import SynchronousOnlyOperation
from django.core.handlers.asgi import ASGIHandler
from django.core.signals import got_request_exception
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, AsyncRequestFactory, Client
from django.urls import path
from django.views.debug import ExceptionReporter
from django.views.decorators.cache import cache_page
from django.views.decorators.vary import vary_on_headers
from mysite.configure import GATE, site
from mysite.requests import aask
from support import Signer, bearer

from doorward import Authenticator
from doorward.asgi import AuthMiddleware
from doorward.django import AuthState, optional, public, required
from doorward.django.reports import SafeReporterFilter
from doorward.testing import DevIssuer

clients = pytest.mark.parametrize("client", [Client, AsyncClient])


def who(request: Any) -> JsonResponse:
    caller = request.identity
    return JsonResponse(caller and caller.subject, safe=False)


def view() -> Any:
    return lambda request: who(request)


def coroutine() -> Any:
    async def view(request: Any) -> JsonResponse:
        return who(request)

    return view


def got(client: Any, path: str = "/", headers: dict[str, str] | None = None) -> Any:
    get = async_to_sync(client.get) if isinstance(client, AsyncClient) else client.get
    return get(path, headers=headers or {})


class TestCaches:
    @pytest.fixture(autouse=True)
    def _empty(self) -> Iterator[None]:
        cache.clear()
        yield
        cache.clear()

    @clients
    def test_answers_vary(self, auth: Authenticator, keys: Signer, client: Any) -> None:
        routes = (
            path("", view()),
            path("language", vary_on_headers("Accept-Language")(view())),
            path("guarded", required(view())),
            path("coroutine", required(coroutine())),
            path("public", public(view())),
        )
        good = bearer(keys.session())
        with site(auth, *routes, middleware=[GATE]):
            for name in ("/", "/guarded", "/coroutine"):
                assert got(client(), name, good).headers["Vary"] == "Authorization, Cookie"
            both = got(client(), "/language", good).headers["Vary"]
            assert both == "Accept-Language, Authorization, Cookie"
            assert "Vary" not in got(client(), "/public", good).headers

    @pytest.mark.parametrize("gate", [False, True])
    def test_no_caller_gets_what_was_cached_for_another(
        self, auth: Authenticator, keys: Signer, gate: bool
    ) -> None:
        one, two = bearer(keys.session()), bearer(keys.session(sub="user_2"))
        with site(auth, path("", cache_page(60)(required(view()))), gate=gate):
            for _ in range(2):
                assert got(Client(), headers=one).json() == "user_1"
                assert got(Client(), headers=two).json() == "user_2"
                assert got(Client()).status_code == 401

    def test_nor_from_a_cache_of_the_whole_site(self, auth: Authenticator, keys: Signer) -> None:
        caches = "django.middleware.cache.UpdateCacheMiddleware"
        fetches = "django.middleware.cache.FetchFromCacheMiddleware"
        middleware = [caches, *settings.MIDDLEWARE, GATE, fetches]
        one, two = bearer(keys.session()), bearer(keys.session(sub="user_2"))
        routes = path("", view()), path("hello", optional(view()))
        with site(auth, *routes, middleware=middleware):
            for _ in range(2):
                assert got(Client(), headers=one).json() == "user_1"
                assert got(Client(), headers=two).json() == "user_2"
                assert got(Client()).status_code == 401
                assert got(Client(), "/hello", one).json() == "user_1"
                assert got(Client(), "/hello").json() is None


class TestHeads:
    def test_a_header_that_was_taken_away_is_not_remembered(
        self, auth: Authenticator, keys: Signer
    ) -> None:
        def view(request: Any) -> HttpResponse:
            assert request.identity.subject == "user_1"
            del request.META["HTTP_AUTHORIZATION"]
            return required(lambda request: who(request))(request)

        with site(auth, path("", view)):
            assert got(Client(), headers=bearer(keys.session())).status_code == 401

    def test_a_header_that_was_put_there_counts(self, auth: Authenticator, keys: Signer) -> None:
        def view(request: Any) -> HttpResponse:
            assert request.identity is None
            request.META["HTTP_AUTHORIZATION"] = f"Bearer {keys.session()}"
            return required(lambda request: who(request))(request)

        with site(auth, path("", view), OPTIONAL=True):
            assert got(Client()).json() == "user_1"

    async def test_repeated_fields_are_seen_by_asgi(
        self, auth: Authenticator, keys: Signer
    ) -> None:
        field = ("Authorization", f"Bearer {keys.session()}")
        with site(auth, path("", view())):
            answer = await aask(AsyncClient(), "GET", "/", [field, field])
        assert answer.status == 400
        assert answer.body == b'{"detail":"multiple_credentials"}'

    async def test_the_verdict_of_a_middleware_in_front_of_django_counts(
        self, auth: Authenticator, keys: Signer
    ) -> None:
        """`doorward.asgi.AuthMiddleware` leaves it in the scope."""
        found: list[Any] = []

        @required
        async def view(request: Any) -> HttpResponse:
            found.append((request.identity, request.scope["auth"].identity))
            return HttpResponse()

        async def send(message: Any) -> None:
            pass

        messages = iter([{"type": "http.request", "body": b""}])

        async def receive() -> Any:
            message = next(messages, None)
            return message or await asyncio.Event().wait()

        scope = AsyncRequestFactory().get("/", headers=bearer(keys.session())).scope
        scope["query_string"] = b""
        with site(auth, path("", view)):
            await AuthMiddleware(ASGIHandler(), auth)(scope, receive, send)
        assert len(found) == 1
        assert found[0][0] is found[0][1]


class TestSecrets:
    @clients
    def test_error_reports_show_no_token(
        self, auth: Authenticator, keys: Signer, client: Any
    ) -> None:
        reports: list[str] = []

        def report(sender: Any, request: Any, **_: Any) -> None:
            reporter = ExceptionReporter(request, *sys.exc_info())
            # Django's own shows all cookies but its own.
            assert isinstance(reporter.filter, SafeReporterFilter)
            reports.append(reporter.get_traceback_html())
            reports.append(reporter.get_traceback_text())
            reports.append(str(reporter.get_traceback_data()["request_meta"]))
            reports.append(repr(request.auth_state) + repr(vars(request)["auth_state"].verdict))

        def broken(request: Any) -> HttpResponse:
            raise ZeroDivisionError(repr(request.user))

        token = keys.session()
        got_request_exception.connect(report)
        try:
            with site(auth, path("", required(broken))):
                browser = client(raise_request_exception=False)
                browser.cookies["__session"] = token
                assert got(browser, headers=bearer(token)).status_code == 500
        finally:
            got_request_exception.disconnect(report)
        assert "ZeroDivisionError" in reports[0]
        assert "__session" in reports[0]
        assert not any(part in text for text in reports for part in token.split("."))

    def test_nor_do_they_show_secrets_of_the_settings(self, auth: Authenticator) -> None:
        secrets = {
            "SECRET_KEY": "hidden1",
            "ISSUER": [{"JWKS_BEARER": "hidden2", "JWKS_HEADERS": {"X-Key": "hidden3"}}],
            "SHARED_SECRET": "hidden4",
            "LEEWAY": 5,
        }
        with site(auth, more={"DOORWARD": secrets}):
            shown = SafeReporterFilter().get_safe_settings()["DOORWARD"]
        assert shown["LEEWAY"] == 5
        assert "hidden" not in str(shown)

    def test_nor_do_logs(
        self, auth: Authenticator, keys: Signer, caplog: pytest.LogCaptureFixture
    ) -> None:
        token = keys.session(azp="https://evil.example")
        caplog.set_level(logging.DEBUG)
        with site(auth, path("", view())):
            assert got(Client(), headers=bearer(token)).status_code == 401
        assert "party_mismatch" in caplog.text
        assert not any(part in caplog.text for part in token.split("."))

    def test_states_tell_where_they_are(self, auth: Authenticator, keys: Signer) -> None:
        seen: list[str] = []

        def watching(request: Any) -> HttpResponse:
            state: AuthState = request.auth_state
            seen.append(repr(state))
            return HttpResponse()

        routes = path("", watching), path("public", public(lambda request: watching(request)))
        with site(auth, *routes, OPTIONAL=True):
            for name, headers in (("/", {}), ("/", bearer(keys.session())), ("/public", {})):
                got(Client(), name, headers)
        assert seen[0] == "<AuthState: credentials_missing>"
        assert seen[1].startswith("<AuthState: <Identity session_token subject=")
        assert seen[2] == "<AuthState: nobody is asked>"


class TestKeys:
    """Keys that are fetched when the first token comes."""

    @pytest.fixture
    def issuer(self) -> Iterator[DevIssuer]:
        with DevIssuer() as issuer:
            yield issuer

    @clients
    @pytest.mark.parametrize("gate", [False, True])
    @pytest.mark.parametrize("make", [view, coroutine])
    def test_the_first_caller_waits(
        self, issuer: DevIssuer, client: Any, gate: bool, make: Any
    ) -> None:
        with site(issuer.authenticator(), path("", required(make())), gate=gate):
            for _ in range(3):
                answer = got(client(), headers=bearer(issuer.mint(sub="ada")))
                assert answer.json() == "ada"
        assert issuer.jwks_fetches == 1

    @clients
    def test_keys_out_of_reach_are_our_trouble(self, issuer: DevIssuer, client: Any) -> None:
        issuer.down()
        with site(issuer.authenticator(), path("", view()), path("public", public(view()))):
            answer = got(client(), headers=bearer(issuer.mint()))
            assert answer.status_code == 503
            assert answer.json() == {"detail": "keys_unavailable"}
            assert int(answer.headers["Retry-After"]) > 0
            assert "www-authenticate" not in answer.headers
            # Whoever is not asked does not wait.
            assert got(client(), "/public", bearer(issuer.mint())).status_code == 200

    async def test_the_loop_goes_on_meanwhile(self, issuer: DevIssuer) -> None:
        issuer.fault("slow", 1.0)
        order: list[str] = []

        async def guarded(request: Any) -> HttpResponse:
            order.append("guarded")
            return HttpResponse()

        async def health(request: Any) -> HttpResponse:
            order.append("public")
            return HttpResponse()

        headers = bearer(issuer.mint())
        routes = path("", guarded), path("health", public(health))
        with site(issuer.authenticator(), *routes, middleware=[GATE]):
            waiting = asyncio.create_task(AsyncClient().get("/", headers=headers))
            while not issuer.jwks_fetches:
                await asyncio.sleep(0.001)
            # It bears a token too, and nobody looks at it.
            assert (await AsyncClient().get("/health", headers=headers)).status_code == 200
            assert (await waiting).status_code == 200
        assert order == ["public", "guarded"]

    async def test_who_asks_too_early_on_a_loop_is_told_how_to(self, issuer: DevIssuer) -> None:
        found: list[Any] = []

        def curious(get_response: Any) -> Any:
            async def middleware(request: Any) -> Any:
                with pytest.raises(SynchronousOnlyOperation, match=r"await request\.auser\(\)"):
                    str(request.user)
                found.append(await request.auser())
                found.append(request.user)
                return await get_response(request)

            return middleware

        curious.async_capable = True  # type: ignore[attr-defined]
        module = sys.modules[__name__]
        module.curious = curious  # type: ignore[attr-defined]
        middleware = [GATE, f"{__name__}.curious"]
        with site(issuer.authenticator(), path("", coroutine()), middleware=middleware):
            answer = await AsyncClient().get("/", headers=bearer(issuer.mint(sub="ada")))
        assert answer.json() == "ada"
        assert [str(one) for one in found] == ["ada", "ada"]
