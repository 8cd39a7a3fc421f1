"""The middleware and the guards, in every place Django has for them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import SyncToAsync, async_to_sync
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import AsyncClient, AsyncRequestFactory, Client, RequestFactory
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from mysite.configure import GATE, site
from support import ISSUER, PARTY, Clock, Signer, bearer

from doorward import Authenticator, Policy, Reason
from doorward.django import (
    OptionalMixin,
    RequiredMixin,
    TokenUser,
    optional,
    permits,
    public,
    required,
    requires,
)
from doorward.testing import DevIssuer

View_ = Callable[..., Any]


class Counting(Authenticator):
    """Counts verifications."""

    calls = 0

    def authenticate_nowait(self, head: Any) -> Any:
        type(self).calls += 1
        return super().authenticate_nowait(head)

    def authenticate_blocking(self, head: Any) -> Any:
        type(self).calls += 1
        return super().authenticate_blocking(head)


@pytest.fixture
def counting(clock: Clock, keys: Signer) -> Counting:
    Counting.calls = 0
    return Counting.clerk(jwt_key=keys.jwks(), issuer=ISSUER, authorized_parties=PARTY, clock=clock)


def answer(request: Any) -> JsonResponse:
    """Who `request.identity` and `request.user` are."""
    caller = request.identity
    return JsonResponse([caller and caller.subject, str(request.user)], safe=False)


async def aanswer(request: Any) -> JsonResponse:
    caller, user = request.identity, await request.auser()
    return JsonResponse([caller and caller.subject, str(user)], safe=False)


def copy() -> View_:
    """A view of one's own: some decorators write on what they decorate."""
    return lambda request: answer(request)


def acopy() -> View_:
    async def view(request: Any) -> JsonResponse:
        return await aanswer(request)

    return view


NOBODY = [None, "AnonymousUser"]
ADA = ["user_1", "user_1"]
either_kind = pytest.mark.parametrize("view", [copy, acopy], ids=["sync", "async"])


class TestMiddleware:
    @either_kind
    def test_every_view_demands_a_caller(
        self, auth: Authenticator, keys: Signer, view: View_
    ) -> None:
        with site(auth, path("", view())):
            assert Client().get("/").status_code == 401
            assert Client().get("/", headers=bearer("junk")).status_code == 401
            assert Client().get("/", headers=bearer(keys.session())).json() == ADA

    @either_kind
    async def test_so_it_does_by_asgi(self, auth: Authenticator, keys: Signer, view: View_) -> None:
        with site(auth, path("", view())):
            assert (await AsyncClient().get("/")).status_code == 401
            assert (await AsyncClient().get("/", headers=bearer("junk"))).status_code == 401
            assert (await AsyncClient().get("/", headers=bearer(keys.session()))).json() == ADA

    def test_the_caller_is_where_people_look(self, auth: Authenticator, keys: Signer) -> None:
        def view(request: Any) -> HttpResponse:
            state = request.auth_state
            assert request.identity is state.identity is state.verdict
            assert request.identity.subject == state.user_id == "user_1"
            assert state.is_signed_in
            assert state.rejection is state.reason is None
            assert isinstance(request.user, TokenUser)
            assert request.user.is_authenticated
            assert request.user.identity is request.identity
            return HttpResponse()

        with site(auth, path("", view)):
            assert Client().get("/", headers=bearer(keys.session())).status_code == 200

    def test_where_nobody_is(self, auth: Authenticator) -> None:
        def view(request: Any) -> HttpResponse:
            assert request.identity is None
            assert not request.auth_state.is_signed_in
            assert request.auth_state.user_id is None
            assert request.auth_state.reason is Reason.CREDENTIALS_MISSING
            assert request.user.is_anonymous
            return HttpResponse()

        with site(auth, path("", view), OPTIONAL=True):
            assert Client().get("/").status_code == 200

    @pytest.mark.parametrize("headers", [{}, bearer("junk")])
    async def test_a_path_without_a_view_stays_a_404(
        self, auth: Authenticator, headers: dict[str, str]
    ) -> None:
        with site(auth, path("", copy())):
            assert (await AsyncClient().get("/nowhere", headers=headers)).status_code == 404
            assert Client().get("/nowhere", headers=headers).status_code == 404

    def test_optional_lets_only_absence_through(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, path("", copy()), OPTIONAL=True):
            assert Client().get("/").json() == NOBODY
            assert Client().get("/", headers=bearer(keys.session())).json() == ADA
            refused = Client().get("/", headers=bearer("junk"))
            assert refused.status_code == 401
            assert refused.json() == {"detail": "token_malformed"}

    def test_policy(self, auth: Authenticator, keys: Signer) -> None:
        boss, member = keys.session(), keys.session(o={"id": "org_1", "rol": "member"}, fea=None)
        for policy in (Policy(role="admin"), {"ROLE": "admin"}):
            with site(auth, path("", copy()), path("hello", optional(copy())), POLICY=policy):
                assert Client().get("/", headers=bearer(boss)).status_code == 200
                refused = Client().get("/", headers=bearer(member))
                assert refused.status_code == 403
                assert refused.json() == {"detail": "role_required"}
                # Whoever is identified must satisfy it.
                assert Client().get("/hello", headers=bearer(member)).status_code == 403
                assert Client().get("/hello").status_code == 200

    def test_answers_rejections_that_views_let_pass(
        self, auth: Authenticator, keys: Signer
    ) -> None:
        def view(request: Any) -> HttpResponse:
            auth.permit(Policy(scopes="posts:read"), request.identity)
            return HttpResponse()

        with site(auth, path("", view)):
            refused = Client().get("/", headers=bearer(keys.session()))
            assert refused.status_code == 403
            assert 'scope="posts:read"' in refused.headers["www-authenticate"]

    def test_without_the_rest_of_django(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, path("", copy()), middleware=[GATE]):
            assert Client().get("/").status_code == 401
            assert Client().get("/", headers=bearer(keys.session())).json() == ADA

    def test_one_verification_however_many_ask(self, counting: Counting, keys: Signer) -> None:
        view = requires(role="admin")(required(optional(copy())))
        with site(counting, path("", view)):
            assert Client().get("/", headers=bearer(keys.session())).json() == ADA
        assert Counting.calls == 1

    async def test_one_verification_by_asgi(self, counting: Counting, keys: Signer) -> None:
        view = requires(role="admin")(required(optional(acopy())))
        with site(counting, path("", view)):
            assert (await AsyncClient().get("/", headers=bearer(keys.session()))).json() == ADA
        assert Counting.calls == 1

    async def test_no_thread_in_an_asynchronous_stack(
        self, auth: Authenticator, keys: Signer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hops: list[str] = []
        call = SyncToAsync.__call__

        async def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
            hops.append(getattr(self.func, "__qualname__", repr(self.func)))
            return await call(self, *args, **kwargs)

        monkeypatch.setattr(SyncToAsync, "__call__", counted)
        good = bearer(keys.session())
        threads: list[int] = []

        async def view(request: Any) -> HttpResponse:
            threads.append(threading.get_ident())
            return HttpResponse()

        with site(auth, path("", view), middleware=[]):
            assert (await AsyncClient().get("/", headers=good)).status_code == 200
        # Django's own, around every request.
        usual, hops[:] = list(hops), []
        with site(auth, path("", required(view)), middleware=[GATE]):
            assert (await AsyncClient().get("/", headers=good)).status_code == 200
        assert hops == usual
        assert threads == [threading.get_ident()] * 2

    async def test_an_asynchronous_handler_stays_asynchronous(self, auth: Authenticator) -> None:
        from asgiref.sync import iscoroutinefunction

        from doorward.django import AuthMiddleware

        async def inner(request: HttpRequest) -> HttpResponse:
            return HttpResponse()

        with site(auth):
            assert iscoroutinefunction(AuthMiddleware(inner))
            assert iscoroutinefunction(AuthMiddleware(inner).process_view)
            assert not iscoroutinefunction(AuthMiddleware(lambda request: HttpResponse()))


class TestOpenViews:
    def test_public_views_identify_nobody(self, counting: Counting, keys: Signer) -> None:
        class Open(View):
            def get(self, request: Any) -> HttpResponse:
                return answer(request)

        class Inheriting(public(Open)):  # type: ignore[misc]
            pass

        class Dispatching(View):
            get = Open.get

        routes = (
            path("function", public(copy())),
            path("coroutine", public(acopy())),
            path("class", Open.as_view()),
            path("view", public(Inheriting.as_view())),
            path("dispatch", method_decorator(public, name="dispatch")(Dispatching).as_view()),
        )
        with site(counting, *routes, path("inheriting", Inheriting.as_view())):
            for headers in ({}, bearer("junk"), bearer(keys.session())):
                for name in ("function", "coroutine", "class", "view", "dispatch"):
                    assert Client().get(f"/{name}", headers=headers).json() == NOBODY, name
            assert Counting.calls == 0
            # Who opens a class has not opened those that are made from it.
            assert Client().get("/inheriting").status_code == 401

    def test_a_guard_goes_before_an_open_mark(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, path("", required(public(copy())))):
            assert Client().get("/").status_code == 401
            assert Client().get("/", headers=bearer(keys.session())).json() == ADA

    def test_login_not_required_is_optional(self, auth: Authenticator, keys: Signer) -> None:
        from django.contrib.auth.decorators import login_not_required

        with site(auth, path("", login_not_required(copy()))):
            assert Client().get("/").json() == NOBODY
            assert Client().get("/", headers=bearer(keys.session())).json() == ADA
            assert Client().get("/", headers=bearer("junk")).status_code == 401

    def test_excluded_paths(self, counting: Counting, keys: Signer) -> None:
        routes = (
            path("health", copy()),
            path("static/<path:name>", lambda request, name: answer(request)),
            path("v1/status", copy()),
            path("v1/secret", copy()),
        )
        exclude = ["/health", "/static/*", "/v*/status"]
        with site(counting, *routes, EXCLUDE=exclude):
            for headers in ({}, bearer("junk"), bearer(keys.session())):
                for name in ("health", "static/a/b.css", "v1/status"):
                    assert Client().get(f"/{name}", headers=headers).json() == NOBODY
            assert Counting.calls == 0
            for name in ("v1/secret", "static/../v1/secret", "static/./x"):
                assert Client().get(f"/{name}").status_code == 401

    def test_excluded_paths_begin_behind_the_script_name(self, auth: Authenticator) -> None:
        with site(auth, path("health", copy()), EXCLUDE=["/health"]):
            assert Client().get("/health", SCRIPT_NAME="/app").json() == NOBODY

    def test_a_guard_on_an_excluded_path_guards(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, path("me", required(copy())), EXCLUDE=["/*"]):
            assert Client().get("/me").status_code == 401
            assert Client().get("/me", headers=bearer(keys.session())).json() == ADA


class TestGuards:
    """Without the middleware."""

    @either_kind
    def test_required(self, auth: Authenticator, keys: Signer, view: View_) -> None:
        with site(auth, path("", required(view())), gate=False):
            for client in (Client(), AsyncClient()):
                assert (got(client)).status_code == 401
                assert (got(client, bearer("junk"))).status_code == 401
                assert (got(client, bearer(keys.session()))).json() == ADA

    @either_kind
    def test_optional(self, auth: Authenticator, keys: Signer, view: View_) -> None:
        with site(auth, path("", optional(view())), gate=False):
            for client in (Client(), AsyncClient()):
                assert (got(client)).json() == NOBODY
                assert (got(client, bearer("junk"))).status_code == 401
                assert (got(client, bearer(keys.session()))).json() == ADA

    @pytest.mark.parametrize(
        "guard",
        [requires(role="admin"), permits(Policy(role="admin"))],
        ids=["requires", "permits"],
    )
    def test_requires(self, auth: Authenticator, keys: Signer, guard: Any) -> None:
        member = keys.session(o={"id": "org_1", "rol": "member"}, fea=None)
        with site(auth, path("", guard(copy())), gate=False):
            assert Client().get("/").status_code == 401
            assert Client().get("/", headers=bearer(keys.session())).json() == ADA
            refused = Client().get("/", headers=bearer(member))
            assert refused.status_code == 403
            assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]

    def test_unknown_demands_are_errors(self) -> None:
        with pytest.raises(TypeError, match="rolle"):
            requires(rolle="admin")  # type: ignore[call-arg]

    def test_an_authenticator_of_its_own(
        self, auth: Authenticator, keys: Signer, clock: Clock
    ) -> None:
        other = DevIssuer(issuer="https://other.example", clock=clock)
        own = Authenticator.clerk(
            issuer=other.issuer, jwt_key=other.jwks(), authorized_parties=PARTY, clock=clock
        )

        class Guarded(RequiredMixin, Sync):
            auth = own

        routes = (
            path("", required(auth=own)(copy())),
            path("class", Guarded.as_view()),
            path("theirs", required(copy())),
        )
        theirs = bearer(other.mint(azp=PARTY, sub="user_theirs"))
        # The middleware leaves a view with an authenticator of its own to that.
        for gate in (False, True):
            with site(auth, *routes, gate=gate):
                for name in ("/", "/class"):
                    answer = Client().get(name, headers=theirs)
                    assert answer.json() == ["user_theirs", "user_theirs"]
                    assert Client().get(name).status_code == 401
                    assert Client().get(name, headers=bearer(keys.session())).status_code == 401
                    strict = Client(enforce_csrf_checks=True)
                    posted = strict.post("/", headers=theirs)
                    assert posted.json() == ["user_theirs", "user_theirs"]
                assert Client().get("/theirs", headers=theirs).status_code == 401

    def test_names_survive(self) -> None:
        def view(request: Any) -> HttpResponse:
            """Says something."""
            return HttpResponse()

        guarded = required(view)
        assert guarded.__name__ == "view"
        assert guarded.__doc__ == "Says something."

    def test_in_a_test_of_the_view_alone(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, gate=False):
            request = RequestFactory().get("/", headers=bearer(keys.session()))
            assert json.loads(required(copy())(request).content) == ADA
            assert required(copy())(RequestFactory().get("/")).status_code == 401

    async def test_in_a_test_of_the_coroutine_alone(
        self, auth: Authenticator, keys: Signer
    ) -> None:
        with site(auth, gate=False):
            request = AsyncRequestFactory().get("/", headers=bearer(keys.session()))
            assert json.loads((await required(acopy())(request)).content) == ADA


class Sync(View):
    def get(self, request: Any) -> HttpResponse:
        return answer(request)


class Async(View):
    async def get(self, request: Any) -> HttpResponse:
        return await aanswer(request)


class TestClasses:
    @pytest.mark.parametrize("kind", [Sync, Async])
    def test_mixins(self, auth: Authenticator, keys: Signer, kind: Any) -> None:
        class Guarded(RequiredMixin, kind):
            policy = Policy(role="admin")

        class Open(OptionalMixin, kind):
            pass

        member = bearer(keys.session(o={"id": "org_1", "rol": "member"}, fea=None))
        routes = path("", Guarded.as_view()), path("open", Open.as_view())
        with site(auth, *routes, gate=False):
            for client in (Client(), AsyncClient()):
                assert (got(client)).status_code == 401
                assert (got(client, member)).status_code == 403
                assert (got(client, bearer(keys.session()))).json() == ADA
                assert (got(client, path="/open")).json() == NOBODY
                assert (got(client, bearer("junk"), "/open")).status_code == 401

    @pytest.mark.parametrize(
        ("kind", "method", "decorators"),
        [
            (Sync, "dispatch", required),
            (Sync, "dispatch", [never_cache, required]),
            (Sync, "dispatch", [required, never_cache]),
            (Sync, "get", [required, never_cache]),
            (Async, "dispatch", required),
            # The other way round, Django's own takes an asynchronous `dispatch` for a sync one.
            (Async, "dispatch", [never_cache, required]),
            (Async, "get", required),
            (Async, "get", [never_cache, required]),
            (Async, "get", [required, never_cache]),
        ],
    )
    def test_method_decorator(
        self, auth: Authenticator, keys: Signer, kind: Any, method: str, decorators: Any
    ) -> None:
        guarded = method_decorator(decorators, name=method)(type("Guarded", (kind,), {}))
        with site(auth, path("", guarded.as_view()), gate=False):
            for client in (Client(), AsyncClient()):
                assert got(client).status_code == 401
                assert got(client, bearer(keys.session())).json() == ADA

    def test_view_functions_of_classes(self, auth: Authenticator, keys: Signer) -> None:
        with site(auth, path("", required(Async.as_view())), gate=False):
            assert Client().get("/").status_code == 401
            assert Client().get("/", headers=bearer(keys.session())).json() == ADA


def got(client: Any, headers: dict[str, str] | None = None, path: str = "/") -> Any:
    """The answer to a GET request, by either client."""
    get = async_to_sync(client.get) if isinstance(client, AsyncClient) else client.get
    return get(path, headers=headers or {})
