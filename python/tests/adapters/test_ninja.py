"""`DoorwardAuth`, in every place Ninja has for it."""

from __future__ import annotations

import gc
import itertools
import threading
from typing import Any

import mysite.configure
import pytest
from asgiref.sync import SyncToAsync, async_to_sync
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.urls import path
from django.views.decorators.cache import never_cache
from ninja import NinjaAPI, Router
from ninja.security import APIKeyHeader
from ninja.testing import TestAsyncClient, TestClient
from ninja.throttling import AuthRateThrottle
from support import NOW, Clock, Signer, bearer

from doorward import Authenticator, Identity, Policy, Reason
from doorward.django import public
from doorward.ninja import DoorwardAuth, Refused
from doorward.testing import DevIssuer

site = mysite.configure.site
clients = pytest.mark.parametrize("client", [Client, AsyncClient])
numbers = itertools.count()


def new_api(**options: Any) -> NinjaAPI:
    """An API with a namespace of its own, for Ninja knows them all."""
    return NinjaAPI(urls_namespace=f"ninja{next(numbers)}", **options)


def api_of(auth: Any, **options: Any) -> NinjaAPI:
    """An API with a sync and an async operation behind the same guard."""
    api = new_api(**options)

    @api.get("/sync", auth=auth)
    def sync(request: Any) -> Any:
        return request.auth and request.auth.subject

    @api.get("/async", auth=auth)
    async def coroutine(request: Any) -> Any:
        return request.auth and request.auth.subject

    @api.post("/sync", auth=auth)
    def post(request: Any) -> Any:
        return request.auth and request.auth.subject

    @api.post("/async", auth=auth)
    async def apost(request: Any) -> Any:
        return request.auth and request.auth.subject

    return api


NAMES = ("/sync", "/async")


def ask(client: Any, name: str, headers: dict[str, str] | None = None, method: str = "get") -> Any:
    call = getattr(client, method)
    call = async_to_sync(call) if isinstance(client, AsyncClient) else call
    return call(name, headers=headers or {})


class TestOperations:
    @clients
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("gate", [False, True])
    def test_demand_a_caller(
        self, auth: Authenticator, keys: Signer, client: Any, name: str, gate: bool
    ) -> None:
        with site(auth, path("", api_of(DoorwardAuth()).urls), gate=gate):
            nobody = ask(client(), name)
            assert nobody.status_code == 401
            assert nobody.json() == {"detail": "credentials_missing"}
            assert nobody.headers["www-authenticate"] == "Bearer"
            assert nobody.headers["Cache-Control"] == "no-store"
            bad = ask(client(), name, bearer("junk"))
            assert bad.status_code == 401
            assert 'error="invalid_token"' in bad.headers["www-authenticate"]
            assert ask(client(), name, bearer(keys.session())).json() == "user_1"

    @clients
    @pytest.mark.parametrize("name", NAMES)
    def test_optional(self, auth: Authenticator, keys: Signer, client: Any, name: str) -> None:
        guard = DoorwardAuth().optional
        assert DoorwardAuth().optional is not guard
        with site(auth, path("", api_of(guard).urls), gate=False):
            assert ask(client(), name).json() is None
            assert ask(client(), name, bearer("junk")).status_code == 401
            assert ask(client(), name, bearer(keys.session())).json() == "user_1"

    @clients
    def test_nobody_is_really_nobody(self, auth: Authenticator, client: Any) -> None:
        api = new_api()

        def look(request: Any) -> Any:
            assert request.auth is None
            assert request.identity is None
            assert not hasattr(request.auth, "subject")
            request.auth = "somebody"
            return request.auth

        @api.get("/sync", auth=DoorwardAuth().optional)
        def sync(request: Any) -> Any:
            return look(request)

        @api.get("/async", auth=DoorwardAuth().optional)
        async def coroutine(request: Any) -> Any:
            return look(request)

        with site(auth, path("", api.urls), gate=False):
            for name in NAMES:
                assert ask(client(), name).json() == "somebody"

    @clients
    @pytest.mark.parametrize("name", NAMES)
    def test_requires(self, auth: Authenticator, keys: Signer, client: Any, name: str) -> None:
        guard = DoorwardAuth()
        member = bearer(keys.session(o={"id": "org_1", "rol": "member"}, fea=None))
        for one in (guard.requires(role="admin"), guard.permits(Policy(role="admin"))):
            with site(auth, path("", api_of(one).urls), gate=False):
                assert ask(client(), name, bearer(keys.session())).json() == "user_1"
                refused = ask(client(), name, member)
                assert refused.status_code == 403
                assert refused.json() == {"detail": "role_required"}
                assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]

    def test_demands_add_up_and_equal_ones_are_one(self, auth: Authenticator, keys: Signer) -> None:
        guard = DoorwardAuth()
        assert guard.requires(role="admin") is guard.requires(role="admin")
        assert guard.requires(role="admin") is not guard.requires(role="owner")
        assert guard.optional is guard.optional
        both = guard.requires(role="admin").requires(permission="org:posts:publish")
        assert both is guard.requires(role="admin").requires(permission="org:posts:publish")
        with site(auth, path("", api_of(both).urls), gate=False):
            refused = ask(Client(), "/sync", bearer(keys.session()))
        assert refused.json() == {"detail": "permission_required"}
        with pytest.raises(TypeError, match="rolle"):
            guard.requires(rolle="admin")  # type: ignore[call-arg]

    def test_optional_demands(self, auth: Authenticator, keys: Signer) -> None:
        member = bearer(keys.session(o={"id": "org_1", "rol": "member"}, fea=None))
        guard = DoorwardAuth().requires(role="admin").optional
        with site(auth, path("", api_of(guard).urls), gate=False):
            assert ask(Client(), "/sync").json() is None
            assert ask(Client(), "/sync", member).status_code == 403

    @clients
    def test_for_the_whole_api_and_for_routers(
        self, auth: Authenticator, keys: Signer, client: Any
    ) -> None:
        guard = DoorwardAuth()
        api, router = new_api(auth=guard), Router(auth=guard.requires(role="owner"))

        @api.get("/me")
        async def me(request: Any) -> Any:
            return request.auth.subject

        @api.get("/health", auth=None)
        def health(request: Any) -> Any:
            return "well"

        @router.get("/owners")
        def owners(request: Any) -> Any:
            return "owner"

        api.add_router("/more", router)
        with site(auth, path("", api.urls), gate=False):
            good = bearer(keys.session())
            assert ask(client(), "/health").json() == "well"
            assert ask(client(), "/me").status_code == 401
            assert ask(client(), "/me", good).json() == "user_1"
            assert ask(client(), "/more/owners", good).json() == {"detail": "role_required"}

    @clients
    def test_sync_and_async_operations_of_one_path(
        self, auth: Authenticator, keys: Signer, client: Any
    ) -> None:
        """Ninja then takes the way of asynchronous ones, and the sync one through a thread."""
        api, guard = new_api(), DoorwardAuth()

        @api.get("/", auth=guard)
        async def coroutine(request: Any) -> Any:
            return ["async", request.auth.subject]

        @api.post("/", auth=guard)
        def sync(request: Any) -> Any:
            return ["sync", request.auth.subject]

        with site(auth, path("", api.urls), gate=False):
            good = bearer(keys.session())
            for method, kind in (("get", "async"), ("post", "sync")):
                assert ask(client(), "/", method=method).status_code == 401
                assert ask(client(), "/", bearer("junk"), method).status_code == 401
                assert ask(client(), "/", good, method).json() == [kind, "user_1"]

    def test_an_authenticator_of_its_own(self, auth: Authenticator, clock: Clock) -> None:
        other = DevIssuer(issuer="https://other.example", clock=clock)
        guard = DoorwardAuth(other.authenticator())
        theirs = bearer(other.mint(sub="ada"))
        for one in (guard, guard.optional, guard.requires(accepts="session_token")):
            with site(auth, path("", api_of(one).urls), gate=False):
                for name in NAMES:
                    assert ask(Client(), name, theirs).json() == "ada"

    @clients
    @pytest.mark.parametrize("name", NAMES)
    def test_keys_that_are_fetched_first(self, client: Any, name: str) -> None:
        with (
            DevIssuer() as issuer,
            site(issuer.authenticator(), path("", api_of(DoorwardAuth()).urls), gate=False),
        ):
            for _ in range(3):
                assert ask(client(), name, bearer(issuer.mint(sub="ada"))).json() == "ada"
            assert issuer.jwks_fetches == 1

    def test_in_a_wrapped_view(self, auth: Authenticator, keys: Signer) -> None:
        routes = api_of(DoorwardAuth()).urls[0]
        for one in routes:
            one.callback = never_cache(one.callback)
        with site(auth, *routes, gate=False):
            for name in NAMES:
                refused = ask(Client(), name)
                assert refused.headers["www-authenticate"] == "Bearer"
                assert ask(Client(), name, bearer(keys.session())).json() == "user_1"


class TestAwaiting:
    """Whoever is not awaited is not let in."""

    async def test_no_thread_for_asynchronous_operations(
        self, auth: Authenticator, keys: Signer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hops: list[str] = []
        call = SyncToAsync.__call__

        async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
            hops.append(repr(self.func))
            return await call(self, *args, **kwargs)

        monkeypatch.setattr(SyncToAsync, "__call__", counted)
        api, threads = new_api(), []

        async def operation(request: Any) -> Any:
            threads.append(threading.get_ident())

        api.get("/open")(operation)
        api.get("/guarded", auth=DoorwardAuth())(operation)
        with site(auth, path("", api.urls), middleware=[]):
            good = bearer(keys.session())
            assert (await AsyncClient().get("/open", headers=good)).status_code == 200
            usual, hops[:] = len(hops), []
            assert (await AsyncClient().get("/guarded", headers=good)).status_code == 200
        assert len(hops) == usual
        assert threads == [threading.get_ident()] * 2

    async def test_an_answer_that_is_not_awaited_is_no_yes(
        self, auth: Authenticator, keys: Signer
    ) -> None:
        with site(auth, gate=False):
            request = AsyncRequestFactory().get("/", headers=bearer(keys.session()))
            answer = DoorwardAuth()(request)
            with pytest.raises(TypeError, match="not awaited"):
                bool(answer)
            del answer
            # And nothing was begun that would complain.
            gc.collect()
            assert isinstance(await DoorwardAuth()(request), Identity)

    def test_without_a_loop_it_answers(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, gate=False):
            request = RequestFactory().get("/", headers=bearer(keys.session()))
            assert isinstance(DoorwardAuth()(request), Identity)
            with pytest.raises(Refused):
                DoorwardAuth()(RequestFactory().get("/"))

    @pytest.mark.parametrize("headers", [{}, bearer("junk")], ids=["nothing", "junk"])
    async def test_sync_operations_on_a_loop_are_guarded_too(
        self, auth: Authenticator, keys: Signer, headers: dict[str, str]
    ) -> None:
        """Ninja's sync client, in an asynchronous test."""
        with site(auth, gate=False):
            api = new_api()
            api.get("/", auth=DoorwardAuth())(lambda request: request.auth.subject)
            client = TestClient(api)
            assert client.get("/", headers=headers).status_code == 401
            assert client.get("/", headers=bearer(keys.session())).json() == "user_1"


class Key(APIKeyHeader):
    param_name = "X-Key"

    def authenticate(self, request: Any, key: str | None) -> Any:
        return Machine() if key == "right" else None


class Machine:
    subject = "machine"


class TestAlternatives:
    @clients
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("first", [True, False])
    def test_get_their_turn(
        self, auth: Authenticator, keys: Signer, client: Any, name: str, first: bool
    ) -> None:
        guard = DoorwardAuth()
        both = [guard, Key()] if first else [Key(), guard]
        with site(auth, path("", api_of(both).urls), gate=False):
            assert ask(client(), name, bearer(keys.session())).json() == "user_1"
            assert ask(client(), name, {"X-Key": "right"}).json() == "machine"
            nobody = ask(client(), name)
            assert nobody.status_code == 401
            # Ninja says the last word where the last one is not ours.
            assert ("www-authenticate" in nobody.headers) is not first
            # Bad ones are refused and not passed on.
            bad = ask(client(), name, {**bearer("junk"), "X-Key": "right"})
            assert bad.status_code == (401 if first else 200)

    def test_optional_stands_last(self, auth: Authenticator, keys: Signer) -> None:
        both = [Key(), DoorwardAuth().optional]
        with site(auth, path("", api_of(both).urls), gate=False):
            for name in NAMES:
                assert ask(Client(), name).json() is None
                assert ask(Client(), name, {"X-Key": "right"}).json() == "machine"
                assert ask(Client(), name, bearer("junk")).status_code == 401

    @clients
    @pytest.mark.parametrize("name", NAMES)
    def test_two_of_ours(self, auth: Authenticator, keys: Signer, client: Any, name: str) -> None:
        guard = DoorwardAuth()
        with site(auth, path("", api_of([guard, guard.requires(role="x")]).urls), gate=False):
            assert ask(client(), name).headers["www-authenticate"] == "Bearer"
            assert ask(client(), name, bearer(keys.session())).json() == "user_1"


class TestRefusals:
    @pytest.mark.parametrize("name", NAMES)
    def test_are_exceptions_that_handlers_see(self, auth: Authenticator, name: str) -> None:
        api = api_of(DoorwardAuth())

        @api.exception_handler(Refused)
        def uniform(request: Any, refused: Refused) -> HttpResponse:
            assert refused.reason is Reason.CREDENTIALS_MISSING
            assert refused.status_code == 401
            return HttpResponse("mine", status=418)

        with site(auth, path("", api.urls), gate=False):
            for _ in range(2):
                answer = ask(Client(), name)
                assert (answer.status_code, answer.content) == (418, b"mine")

    def test_show_no_token(self, auth: Authenticator, keys: Signer) -> None:
        token = keys.session(azp="https://evil.example")
        with site(auth, gate=False), pytest.raises(Refused) as refused:
            DoorwardAuth()(RequestFactory().get("/", headers=bearer(token)))
        shown = f"{refused.value} {refused.value!r} {vars(refused.value)} {DoorwardAuth(auth)!r}"
        assert "party_mismatch" in shown
        assert not any(part in shown for part in token.split("."))

    def test_keys_out_of_reach_are_our_trouble(self) -> None:
        with DevIssuer() as issuer:
            issuer.down()
            with site(issuer.authenticator(), path("", api_of(DoorwardAuth()).urls), gate=False):
                for name in NAMES:
                    answer = ask(Client(), name, bearer(issuer.mint()))
                    assert answer.status_code == 503
                    assert int(answer.headers["Retry-After"]) > 0
                    assert "www-authenticate" not in answer.headers


class TestCookies:
    @clients
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize("gate", [False, True])
    def test_need_the_csrf_token(
        self, auth: Authenticator, keys: Signer, client: Any, name: str, gate: bool
    ) -> None:
        def hand_out(request: Any) -> HttpResponse:
            return HttpResponse(get_token(request))

        api = api_of(DoorwardAuth())
        with site(auth, path("", api.urls), path("token", public(hand_out)), gate=gate):
            browser = client(enforce_csrf_checks=True)
            browser.cookies["__session"] = keys.session()
            assert ask(browser, name).json() == "user_1"
            assert ask(browser, name, method="post").status_code == 403
            token = {"X-CSRFToken": ask(browser, "/token").content.decode()}
            assert ask(browser, name, token, "post").json() == "user_1"
            elsewhere = {**token, "Origin": "https://evil.example"}
            assert ask(browser, name, elsewhere, "post").status_code == 403

    @clients
    @pytest.mark.parametrize("name", NAMES)
    def test_headers_do_not(
        self, auth: Authenticator, keys: Signer, client: Any, name: str
    ) -> None:
        with site(auth, path("", api_of(DoorwardAuth()).urls)):
            browser = client(enforce_csrf_checks=True)
            answer = ask(browser, name, bearer(keys.session()), "post")
            assert answer.json() == "user_1"
            expired = bearer(keys.session(exp=NOW - 60))
            assert ask(browser, name, expired, "post").json() == {"detail": "token_expired"}

    def test_nor_do_exempt_operations(self, auth: Authenticator, keys: Signer) -> None:
        from django.views.decorators.csrf import csrf_exempt

        api = new_api()

        @api.post("/", auth=DoorwardAuth())
        @csrf_exempt
        def post(request: Any) -> Any:
            return request.auth.subject

        with site(auth, path("", api.urls), gate=False):
            browser = Client(enforce_csrf_checks=True)
            browser.cookies["__session"] = keys.session()
            assert browser.post("/").json() == "user_1"


class TestTestClients:
    """Ninja's own, which make requests without a server."""

    @pytest.mark.parametrize("name", ["Authorization", "AUTHORIZATION"])
    def test_sync(self, auth: Authenticator, keys: Signer, name: str) -> None:
        with site(auth, gate=False):
            api = new_api()
            api.get("/", auth=DoorwardAuth())(lambda request: request.auth.subject)
            client = TestClient(api)
            assert client.get("/").status_code == 401
            assert client.get("/")["www-authenticate"] == "Bearer"
            good = {name: f"Bearer {keys.session()}"}
            assert client.get("/", headers=good).json() == "user_1"
            cookies = {"theme": "dark", "__session": keys.session()}
            assert client.get("/", COOKIES=cookies).json() == "user_1"

    async def test_async(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, gate=False):
            api = new_api()

            @api.get("/", auth=DoorwardAuth())
            async def me(request: Any) -> Any:
                return [request.auth.subject, (await request.auser()).pk]

            client = TestAsyncClient(api)
            assert (await client.get("/")).status_code == 401
            answer = await client.get("/", headers=bearer(keys.session()))
            assert answer.json() == ["user_1", "user_1"]

    def test_routers_alone(self, auth: Authenticator, keys: Signer) -> None:
        router = Router(auth=DoorwardAuth())
        router.get("/")(lambda request: request.auth.subject)
        with site(auth, gate=False):
            assert TestClient(router).get("/").status_code == 401
            answer = TestClient(router).get("/", headers=bearer(keys.session()))
            assert answer.json() == "user_1"


class TestThrottles:
    def test_count_callers_by_their_subject(self, auth: Authenticator, keys: Signer) -> None:
        from django.core.cache import cache

        cache.clear()
        api = new_api(auth=DoorwardAuth(), throttle=[AuthRateThrottle("2/d")])
        api.get("/")(lambda request: request.auth.subject)
        with site(auth, path("", api.urls), gate=False):
            good = bearer(keys.session())
            assert [ask(Client(), "/", good).status_code for _ in range(3)] == [200, 200, 429]
            assert ask(Client(), "/", bearer(keys.session(sub="user_2"))).status_code == 200
        cache.clear()


class TestSchema:
    def test_has_one_security_scheme(self) -> None:
        guard = DoorwardAuth()
        api = new_api(auth=guard)
        for name, one in (
            ("me", guard),
            ("admin", guard.requires(role="admin")),
            ("hello", guard.optional),
        ):
            api.get(f"/{name}", auth=one, operation_id=name)(lambda request: None)
        document = api.get_openapi_schema(path_prefix="")
        assert document["components"]["securitySchemes"] == {
            "DoorwardAuth": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "A bearer token, or the session cookie where this API reads one.",
            }
        }
        for name in ("me", "admin", "hello"):
            assert document["paths"][f"/{name}"]["get"]["security"] == [{"DoorwardAuth": []}]
