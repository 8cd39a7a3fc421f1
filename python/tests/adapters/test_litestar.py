"""`DoorwardPlugin`, its guards and its dependencies, in every place Litestar takes one."""

# Litestar evaluates the annotations of the handlers below in this module's namespace.

from __future__ import annotations

import asyncio
import gc
import logging
import re
import time
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import http_table
import pytest
from litestar import (
    Controller,
    Litestar,
    Request,
    Response,
    Router,
    WebSocket,
    asgi,
    get,
    post,
    route,
    websocket,
    websocket_listener,
)
from litestar.config.cors import CORSConfig
from litestar.config.csrf import CSRFConfig
from litestar.config.response_cache import ResponseCacheConfig
from litestar.connection import ASGIConnection
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import (
    ClientException,
    HTTPException,
    NotAuthorizedException,
    PermissionDeniedException,
    ServiceUnavailableException,
    WebSocketDisconnect,
)
from litestar.handlers import BaseRouteHandler
from litestar.middleware.base import DefineMiddleware
from litestar.middleware.rate_limit import RateLimitConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.params import FromPath
from litestar.plugins.problem_details import ProblemDetailsConfig, ProblemDetailsPlugin
from litestar.response.base import ASGIResponse
from litestar.testing import AsyncTestClient, TestClient
from litestar.types import Receive, Scope, Send
from openapi_spec_validator import validate
from starlette.testclient import TestClient as ASGIClient
from starlette.testclient import WebSocketDenialResponse
from starlette.websockets import WebSocketDisconnect as Disconnected
from support import ISSUER, NOW, PARTY, Clock, Signer, bearer

from doorward import Authenticator, ConfigError, Identity, Policy
from doorward._websocket import Session
from doorward.litestar import (
    DoorwardPlugin,
    MalformedCredentials,
    NotAuthorized,
    PermissionDenied,
    Refused,
    ServiceUnavailable,
    User,
    WebSocketRefused,
    authorize,
    permits,
    provide_identity,
    renew,
    requires,
)
from doorward.testing import DevIssuer, as_user

#: A handler's request, as this door fills it.
Asked = Request[User, Identity, State]
Opened = Request[User, "Identity | None", State]
Socket = WebSocket[User, Identity, State]
Caller = NamedDependency[Identity]
Guest = NamedDependency["Identity | None"]

MEMBER = {"o": {"id": "org_1", "rol": "member"}, "fea": None}


class Counting(Authenticator):
    """Counts verifications."""

    calls = 0

    def authenticate_nowait(self, head: Any) -> Any:
        type(self).calls += 1
        return super().authenticate_nowait(head)


@pytest.fixture
def counting(clock: Clock, keys: Signer) -> Counting:
    Counting.calls = 0
    return Counting.clerk(jwt_key=keys.jwks(), issuer=ISSUER, authorized_parties=PARTY, clock=clock)


@get("/me")
async def me(request: Asked) -> dict[str, Any]:
    return {"auth": request.auth.subject, "user": request.user.display_name}


@get("/who")
async def who(request: Opened) -> str:
    assert request.user.is_authenticated is (request.auth is not None)
    return "nobody" if request.auth is None else request.auth.subject


def door(auth: Authenticator, *handlers: Any, **options: Any) -> TestClient[Litestar]:
    """A client of an application with these handlers behind a plugin; what the plugin does not know
    is for the application.
    """
    ours = {name: options.pop(name) for name in list(options) if name in PLUGIN}
    app = Litestar(list(handlers), plugins=[DoorwardPlugin(auth, **ours)], **options)
    return TestClient(app)


PLUGIN = (
    "exclude",
    "exclude_opt_key",
    "optional",
    "optional_opt_key",
    "policy",
    "scheme_name",
    "close_at_expiry",
    "subprotocol",
    "query_parameter",
)


# The caller


def test_the_caller_is_auth_and_user(auth: Authenticator, keys: Signer) -> None:
    answer = door(auth, me).get("/me", headers=bearer(keys.session()))
    assert answer.json() == {"auth": "user_1", "user": "user_1"}


def test_refuses_a_stranger(auth: Authenticator) -> None:
    answer = door(auth, me).get("/me")
    assert answer.status_code == 401
    assert answer.content == b'{"detail":"credentials_missing"}'
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"


def test_head_is_asked_as_well(auth: Authenticator, keys: Signer) -> None:
    @route("/", http_method=["GET", "HEAD"])
    async def index(request: Request[Any, Any, Any]) -> Response[None]:
        return Response(None, headers={"x-caller": request.auth.subject})

    client = door(auth, index)
    assert client.head("/").status_code == 401
    assert client.head("/", headers=bearer(keys.session())).headers["x-caller"] == "user_1"


def test_unknown_paths_stay_unknown(auth: Authenticator) -> None:
    client = door(auth, me)
    assert client.get("/nothing").status_code == 404
    assert client.post("/me").status_code == 405


def test_a_policy_for_the_whole_application(auth: Authenticator, keys: Signer) -> None:
    client = door(auth, me, who, policy=Policy(role="admin"), exclude="/who")
    member = bearer(keys.session(**MEMBER))
    assert client.get("/me", headers=bearer(keys.session())).status_code == 200
    answer = client.get("/me", headers=member)
    assert answer.status_code == 403
    assert answer.json() == {"detail": "role_required"}
    # It is not asked where nobody is refused.
    assert client.get("/who", headers=member).text == "user_1"


def test_keys_out_of_reach_are_our_trouble(keys: Signer) -> None:
    with DevIssuer() as issuer:
        auth = issuer.authenticator()
        token = issuer.mint(sub="user_1")
        issuer.down()
        client = door(auth, me, who, exclude="/who")
        answer = client.get("/me", headers=bearer(token))
        assert answer.status_code == 503
        assert answer.json() == {"detail": "keys_unavailable"}
        assert int(answer.headers["retry-after"]) > 0
        assert "www-authenticate" not in answer.headers
        assert client.get("/who", headers=bearer(token)).text == "nobody"


async def test_fetches_the_keys_without_blocking(keys: Signer) -> None:
    with DevIssuer() as issuer:
        auth = issuer.authenticator()
        app = Litestar([me], plugins=[DoorwardPlugin(auth)])
        async with AsyncTestClient(app) as client:
            answer = await client.get("/me", headers=bearer(issuer.mint(sub="user_1")))
        assert answer.json()["auth"] == "user_1"
        assert issuer.jwks_fetches == 1


def test_one_verification_however_many_ask(counting: Counting, keys: Signer) -> None:
    @get("/", guards=[requires(role="admin"), requires(permission="org:posts:delete")])
    async def index(request: Asked, identity: Caller, optional_identity: Guest) -> bool:
        return request.auth is identity is optional_identity

    client = door(counting, index, guards=[requires()])
    Counting.calls = 0
    assert client.get("/", headers=bearer(keys.session())).json() is True
    assert Counting.calls == 1


def test_signs_in_by_the_test_helper(auth: Authenticator, keys: Signer) -> None:
    client = door(auth, me)
    assert as_user(client, keys.session()).get("/me").status_code == 200
    assert as_user(client, keys.session(), via="cookie").get("/me").status_code == 200


# Open and optional


def opened(client: TestClient[Litestar], path: str) -> bool:
    return client.get(path).status_code == 200


def at(*paths: str) -> Any:
    """A handler on these paths."""

    @get(list(paths))
    async def handler() -> str:
        return "here"

    return handler


@pytest.mark.parametrize(
    ("exclude", "path", "is_open"),
    [
        ("/health", "/health", True),
        ("/health/", "/health", True),
        ("/health", "/health/", True),
        ("/health", "/health//", True),
        ("/health", "/health/deep", False),
        ("/health", "/users/health", False),
        ("/health", "/healthy", False),
        ("/health", "/health%0a", False),
        ("/static/*", "/static/a/b", True),
        ("/static/*", "/static", False),
        ("/static/*", "/static/a/../../users/x", False),
        ("/static/*", "/static/%2e%2e/users/x", False),
        ("/v*/status", "/v1/status", True),
        ("/v*/status", "/v1/x/status", False),
        ("/", "/", True),
        ("/", "/health", False),
        ("/*", "/users/health", True),
        (re.compile(r"/v\d/status"), "/v1/status", True),
        (re.compile(r"/v\d/status"), "/vx/status", False),
        (re.compile(r"/health"), "/users/health", False),
        ([re.compile(r"/nothing"), "/health"], "/health", True),
    ],
)
def test_exclude(auth: Authenticator, exclude: Any, path: str, is_open: bool) -> None:
    everything = at("/", "/health", "/healthy", "/users/{name:str}", "/v1/status", "/vx/status")
    more = at("/static", "/static/{rest:path}", "/health/{rest:path}", "/v1/x/status")
    client = door(auth, everything, more, exclude=exclude)
    assert opened(client, path) is is_open


@asgi("/sub", is_mount=True, copy_scope=True)
async def mounted(scope: Any, receive: Any, send: Any) -> None:
    await Response(scope["path"]).to_asgi_response(None, Request(scope))(scope, receive, send)


def test_exclude_sees_the_whole_path_of_a_mounted_application(auth: Authenticator) -> None:
    client = door(auth, mounted, exclude=["/sub/open/*", "/secret"])
    assert opened(client, "/sub/open/x")
    assert opened(client, "/sub/op%65n/x")
    assert not opened(client, "/sub/secret")
    assert not opened(client, "/sub/open/../secret")
    assert not opened(client, "/sub/open%2f..%2fsecret")


def test_exclude_of_a_mounted_application_below_a_root_path(auth: Authenticator) -> None:
    app = Litestar([mounted], plugins=[DoorwardPlugin(auth, exclude="/sub/open/*")])
    assert opened(TestClient(app, root_path="/api"), "/api/sub/open/x")
    assert not opened(TestClient(app, root_path="/api"), "/api/sub/secret")


def test_a_raw_path_that_says_something_else_opens_nothing(auth: Authenticator) -> None:
    app = Litestar([mounted], plugins=[DoorwardPlugin(auth, exclude="/sub/open/*")])

    async def rewritten(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "path": "/sub/secret"}, receive, send)

    answer = ASGIClient(rewritten).get("/sub/open/x")
    assert answer.status_code == 401


def test_exclude_below_a_root_path(auth: Authenticator) -> None:
    app = Litestar(
        [at("/health", "/api/health")], plugins=[DoorwardPlugin(auth, exclude="/health")]
    )
    client = TestClient(app, root_path="/api")
    assert opened(client, "/api/health")
    assert not opened(client, "/api/api/health")


@pytest.mark.parametrize("exclude", ["^/health", "/health$", "/(a|b)", ["/x", "/a.*"], r"/v\d", ""])
def test_a_text_that_is_no_path_is_the_operators_mistake(auth: Authenticator, exclude: Any) -> None:
    with pytest.raises(ConfigError, match="exclude"):
        DoorwardPlugin(auth, exclude=exclude)


def test_unknown_arguments(auth: Authenticator) -> None:
    with pytest.raises(TypeError, match=r"no argument 'exlude'; did you mean 'exclude'\?"):
        DoorwardPlugin(auth, exlude=["/health"])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r'"rolle"; known are:.*role'):
        requires(rolle="admin")  # type: ignore[arg-type]


def test_the_authenticator_comes_from_the_environment(
    keys: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError):
        DoorwardPlugin()
    monkeypatch.setenv("CLERK_JWT_KEY", keys.pem())
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", PARTY)
    assert isinstance(DoorwardPlugin().auth, Authenticator)


def test_a_key_in_the_authenticators_place_is_not_shown(keys: Signer) -> None:
    with pytest.raises(TypeError, match="found str") as error:
        DoorwardPlugin("sk_test_secret")  # type: ignore[arg-type]
    assert "sk_test_secret" not in str(error.value)


class Closed(Controller):
    path = "/closed"

    @get("/")
    async def index(self) -> str:
        return "closed"

    @get("/but", exclude_from_auth=True)
    async def but(self) -> str:
        return "open"


class Open(Controller):
    path = "/open"
    opt = {"exclude_from_auth": True}  # noqa: RUF012

    @get("/")
    async def index(self) -> str:
        return "open"

    @get("/but", exclude_from_auth=False)
    async def but(self) -> str:
        return "closed"


def test_exclude_from_auth_on_handlers_controllers_and_routers(auth: Authenticator) -> None:
    router = Router("/router", route_handlers=[at("/in")], opt={"exclude_from_auth": True})
    client = door(auth, Closed, Open, router)
    assert opened(client, "/closed/but")
    assert opened(client, "/open")
    assert opened(client, "/router/in")
    assert not opened(client, "/closed")
    assert not opened(client, "/open/but")


def test_the_stricter_goes_first(auth: Authenticator) -> None:
    @get("/a", exclude_from_auth=True, optional_auth=True)
    async def a() -> None: ...

    @get("/open/b", exclude_from_auth=False)
    async def b() -> None: ...

    client = door(auth, a, b, exclude="/open/*")
    assert opened(client, "/a")
    assert client.get("/a", headers=bearer("junk")).status_code == 401
    assert not opened(client, "/open/b")


def test_another_key(auth: Authenticator) -> None:
    @get("/a", public=True)
    async def a() -> None: ...

    @get("/b", exclude_from_auth=True)
    async def b() -> None: ...

    client = door(auth, a, b, exclude_opt_key="public")
    assert opened(client, "/a")
    assert not opened(client, "/b")


def test_open_paths_know_who_is_known_and_refuse_nobody(
    auth: Authenticator, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    client = door(auth, who, exclude="/who")
    caplog.set_level(logging.INFO, "doorward")
    assert client.get("/who").text == "nobody"
    assert client.get("/who", headers=bearer(keys.session())).text == "user_1"
    assert client.get("/who", headers=bearer(keys.session(exp=NOW - 60))).text == "nobody"
    assert client.get("/who", headers={"Authorization": "Basic YTpi"}).text == "nobody"
    assert not [one for one in caplog.records if one.name == "doorward"]


def test_whoever_wants_a_caller_refuses_on_open_paths_too(
    auth: Authenticator, keys: Signer
) -> None:
    @get("/by-guard", guards=[requires()], exclude_from_auth=True)
    async def by_guard() -> None: ...

    @get("/by-dependency", exclude_from_auth=True)
    async def by_dependency(identity: Caller) -> None: ...

    @get("/maybe", exclude_from_auth=True)
    async def maybe(optional_identity: Guest) -> str:
        return "nobody" if optional_identity is None else optional_identity.subject

    client = door(auth, by_guard, by_dependency, maybe)
    for path in ("/by-guard", "/by-dependency"):
        assert client.get(path).json() == {"detail": "credentials_missing"}
        assert client.get(path, headers=bearer("junk")).json() == {"detail": "token_malformed"}
        assert client.get(path, headers=bearer(keys.session())).status_code == 200
    assert client.get("/maybe").text == "nobody"
    assert client.get("/maybe", headers=bearer(keys.session())).text == "user_1"
    answer = client.get("/maybe", headers=bearer("junk"))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_optional_lets_only_absence_through(auth: Authenticator, keys: Signer) -> None:
    @get("/maybe", optional_auth=True)
    async def maybe(request: Opened) -> str:
        return request.user.display_name

    @get("/never", optional_auth=False)
    async def never() -> None: ...

    some, all_of_them = door(auth, maybe, me), door(auth, who, never, optional=True)
    for client, path in ((some, "/maybe"), (all_of_them, "/who")):
        assert client.get(path).status_code == 200
        assert client.get(path, headers=bearer(keys.session())).text == "user_1"
        assert client.get(path, headers=bearer("junk")).status_code == 401
    assert some.get("/me").status_code == 401
    assert all_of_them.get("/never").status_code == 401


# Guards


def test_guards_on_handlers_controllers_routers_and_the_application(
    auth: Authenticator, keys: Signer
) -> None:
    admin = requires(role="admin")

    @get("/handler", guards=[admin])
    async def handler() -> None: ...

    class Guarded(Controller):
        path = "/controller"
        guards = (admin,)

        @get("/")
        async def index(self) -> None: ...

    router = Router("/router", route_handlers=[at("/in")], guards=[admin])
    client = door(auth, handler, Guarded, router, me)
    whole = door(auth, me, guards=[admin])
    asked = [(client, "/handler"), (client, "/controller"), (client, "/router/in"), (whole, "/me")]
    for one, path in asked:
        assert one.get(path, headers=bearer(keys.session())).status_code == 200
        answer = one.get(path, headers=bearer(keys.session(**MEMBER)))
        assert answer.status_code == 403
        assert answer.content == b'{"detail":"role_required"}'
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert one.get(path).status_code == 401
    assert client.get("/me", headers=bearer(keys.session(**MEMBER))).status_code == 200


def test_demands_add_up(auth: Authenticator, keys: Signer) -> None:
    @get("/", guards=[requires(permission="org:posts:publish")])
    async def index() -> None: ...

    client = door(auth, index, guards=[requires(role="admin")])
    member = bearer(keys.session(**MEMBER))
    assert client.get("/", headers=member).json() == {"detail": "role_required"}
    answer = client.get("/", headers=bearer(keys.session()))
    assert answer.json() == {"detail": "permission_required"}


def test_scopes_are_named_in_the_challenge(auth: Authenticator, keys: Signer) -> None:
    @get("/", guards=[requires(scopes=["posts:read", "posts:write"])])
    async def index() -> None: ...

    client = door(auth, index)
    both = keys.session(scope="posts:write posts:read other")
    assert client.get("/", headers=bearer(both)).status_code == 200
    answer = client.get("/", headers=bearer(keys.session(scope="posts:read")))
    assert answer.json() == {"detail": "insufficient_scope"}
    assert 'scope="posts:read posts:write"' in answer.headers["www-authenticate"]


def test_equal_demands_are_one_object() -> None:
    assert requires(role="admin") is requires(role="admin")
    assert requires(scopes=["a", "b"]) is requires(scopes=("a", "b"))
    assert requires(role="admin") is not requires(role="member")
    policy = Policy(role="admin")
    assert permits(policy) is requires(role="admin")
    assert permits(policy).policy == policy


def test_guards_that_nobody_holds_are_forgotten() -> None:
    gone = weakref.ref(requires(role="role-of-this-test"))
    gc.collect()
    assert gone() is None


def test_a_guard_without_a_door_says_what_is_missing(keys: Signer) -> None:
    @get("/", guards=[requires(role="admin")])
    async def index() -> None: ...

    answer = TestClient(Litestar([index])).get("/", headers=bearer(keys.session()))
    assert answer.status_code == 500
    debugged = TestClient(Litestar([index], debug=True)).get("/", headers={"Accept": "text/plain"})
    assert debugged.status_code == 500
    assert "plugins=[DoorwardPlugin()]" in debugged.text


def test_own_guards_see_the_caller(auth: Authenticator, keys: Signer) -> None:
    def only_ada(
        connection: ASGIConnection[Any, User, Identity, State], _: BaseRouteHandler
    ) -> None:
        if connection.auth.subject != "ada":
            raise PermissionDeniedException("not you")

    client = door(auth, me, guards=[only_ada])
    assert client.get("/me", headers=bearer(keys.session(sub="ada"))).status_code == 200
    assert client.get("/me", headers=bearer(keys.session())).status_code == 403


def test_authorize_inside_a_handler(auth: Authenticator, keys: Signer) -> None:
    @get("/{organization:str}")
    async def index(request: Asked, organization: FromPath[str]) -> str:
        return (await authorize(request, Policy(organization=organization))).subject

    client = door(auth, index)
    assert client.get("/org_1", headers=bearer(keys.session())).text == "user_1"
    answer = client.get("/org_2", headers=bearer(keys.session()))
    assert answer.status_code == 403
    assert answer.json() == {"detail": "organization_required"}


# Dependencies


def test_dependencies_by_name(auth: Authenticator, keys: Signer) -> None:
    @get("/a")
    async def a(identity: Caller) -> str:
        return identity.subject

    @get("/b", sync_to_thread=True)
    def b(identity: Caller) -> str:
        return identity.subject

    @get("/c", dependencies={"caller": Provide(provide_identity)})
    async def c(caller: Caller) -> str:
        return caller.subject

    async def provide_name(identity: Caller) -> str:
        return f"{identity.subject}!"

    @get("/d", dependencies={"name": Provide(provide_name)})
    async def d(name: NamedDependency[str]) -> str:
        return name

    client = door(auth, a, b, c, d)
    answers = [client.get(f"/{one}", headers=bearer(keys.session())).text for one in "abcd"]
    assert answers == ["user_1", "user_1", "user_1", "user_1!"]


def test_a_test_may_override_a_dependency(auth: Authenticator) -> None:
    class Somebody:
        subject = "somebody"

    @get("/", exclude_from_auth=True)
    async def index(identity: NamedDependency[Any]) -> str:
        return str(identity.subject)

    dependencies = {"identity": Provide(Somebody, sync_to_thread=False)}
    assert door(auth, index, dependencies=dependencies).get("/").text == "somebody"


# Refusals


def test_refusals_are_litestars_exceptions(keys: Signer) -> None:
    seen: list[Exception] = []

    def note(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        seen.append(error)
        return Response(
            {"code": error.detail}, status_code=error.status_code, headers=error.headers
        )

    @get("/", guards=[requires(role="boss")])
    async def index() -> None: ...

    with DevIssuer() as issuer:
        auth = issuer.authenticator()
        good = issuer.mint()
        client = door(auth, index, exception_handlers={HTTPException: note})
        assert client.get("/").headers["www-authenticate"] == "Bearer"
        assert client.get("/", headers=bearer("a b")).json() == {"code": "authorization_malformed"}
        assert client.get("/", headers=bearer(good)).json() == {"code": "role_required"}
        issuer.down()
        fresh = door(issuer.authenticator(), index, exception_handlers={HTTPException: note})
        fresh.get("/", headers=bearer(good))
    kinds: Sequence[tuple[type[Exception], type[Exception]]] = [
        (NotAuthorized, NotAuthorizedException),
        (MalformedCredentials, ClientException),
        (PermissionDenied, PermissionDeniedException),
        (ServiceUnavailable, ServiceUnavailableException),
    ]
    assert len(seen) == len(kinds)
    for error, (ours, theirs) in zip(seen, kinds, strict=True):
        assert type(error) is ours
        assert isinstance(error, theirs)
        assert isinstance(error, Refused)
        assert error.reason is error.rejection.reason
        assert str(error) == f"{error.rejection.status}: {error.reason.value}"


@pytest.mark.parametrize(
    "key",
    [Refused, NotAuthorized, NotAuthorizedException, ClientException, HTTPException, 401],
)
def test_an_applications_own_handler_goes_first(auth: Authenticator, key: Any) -> None:
    def teapot(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
        assert isinstance(error, Refused)
        return Response(error.reason, status_code=418)

    on_application = door(auth, me, exception_handlers={key: teapot})
    router = Router("/in", route_handlers=[me], exception_handlers={key: teapot})
    for client, path in ((on_application, "/me"), (door(auth, router), "/in/me")):
        answer = client.get(path)
        assert (answer.status_code, answer.text) == (418, "credentials_missing")


def test_a_handler_for_everything_else_does_not_get_refusals(auth: Authenticator) -> None:
    def broken(request: Request[Any, Any, Any], error: Exception) -> Response[str]:
        return Response("broken", status_code=500)

    client = door(auth, me, exception_handlers={Exception: broken, 500: broken})
    assert client.get("/me").status_code == 401


def test_a_handler_may_add_to_the_answer(auth: Authenticator) -> None:
    def handler(request: Request[Any, Any, Any], error: Refused) -> Response[bytes]:
        answer = error.response()
        answer.set_header("x-trace", "7")
        return answer

    answer = door(auth, me, exception_handlers={Refused: handler}).get("/me")
    assert answer.headers["x-trace"] == "7"
    assert answer.json() == {"detail": "credentials_missing"}
    assert answer.headers["www-authenticate"] == "Bearer"


def test_hooks_see_refusals(auth: Authenticator) -> None:
    seen: list[Exception] = []

    async def after(error: Exception, scope: Any) -> None:
        seen.append(error)

    door(auth, me, after_exception=[after]).get("/me")
    assert [type(error) for error in seen] == [NotAuthorized]


def test_problem_details(keys: Signer, clock: Clock) -> None:
    auth = Authenticator.clerk(jwt_key=keys.jwks(), clock=clock, problem_details=True)
    answer = door(auth, me).get("/me")
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["reason"] == "credentials_missing"


def test_beside_litestars_problem_details(auth: Authenticator) -> None:
    theirs = ProblemDetailsPlugin(ProblemDetailsConfig(enable_for_all_http_exceptions=True))
    client = TestClient(Litestar([me], plugins=[DoorwardPlugin(auth), theirs]))
    answer = client.get("/me")
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["reason"] == "credentials_missing"


def test_explains_in_development(keys: Signer, clock: Clock) -> None:
    auth = Authenticator.clerk(jwt_key=keys.jwks(), clock=clock, explain=True)
    body = door(auth, me).get("/me", headers=bearer(keys.session(exp=NOW - 60))).json()
    assert body["detail"] == "token_expired"
    assert body["hint"]


def test_no_token_is_logged_or_shown(
    auth: Authenticator, keys: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = keys.session(exp=NOW - 60)
    seen: list[Exception] = []

    def note(request: Request[Any, Any, Any], error: Exception) -> Response[None]:
        seen.append(error)
        return Response(None, status_code=401)

    plugin = DoorwardPlugin(auth)
    app = Litestar([me], plugins=[plugin], exception_handlers={HTTPException: note}, debug=True)
    TestClient(app).get("/me", headers=bearer(token))
    texts = [caplog.text, repr(seen[0]), str(seen[0]), repr(vars(seen[0])), repr(plugin)]
    for text in texts:
        assert token not in text
        assert token.rpartition(".")[2] not in text


# Beside Litestar's own


def test_preflights_pass_and_refusals_carry_cors_headers(auth: Authenticator) -> None:
    client = door(auth, me, cors_config=CORSConfig([PARTY]))
    preflight = client.options(
        "/me", headers={"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    )
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == PARTY
    answer = client.get("/me", headers={"Origin": PARTY})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PARTY


@pytest.mark.parametrize("is_mount", [True, False])
def test_a_preflight_does_not_open_an_application(auth: Authenticator, is_mount: bool) -> None:
    """It need not look at the method before it acts."""

    @asgi("/raw", is_mount=is_mount, copy_scope=True)
    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        await ASGIResponse(body=b"done")(scope, receive, send)

    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    for options, status in (({}, 401), ({"exclude": ["/raw"]}, 200)):
        app = Litestar([raw], plugins=[DoorwardPlugin(auth, **options)], logging_config=None)
        with TestClient(app) as client:
            assert client.options("/raw", headers=preflight).status_code == status


def test_responses_are_cached_for_each_caller(auth: Authenticator, keys: Signer) -> None:
    """Litestar looks into its cache before it asks the dependencies who is there."""

    @get("/", cache=True)
    async def index(identity: Caller) -> str:
        return identity.subject

    @get("/own", cache=True, cache_key_builder=lambda request: "own")
    async def own(request: Opened) -> str:
        return str(request.auth and request.auth.subject)

    app = Litestar([index, own], plugins=[DoorwardPlugin(auth, optional=True)], logging_config=None)
    first, second = bearer(keys.session()), bearer(keys.session(sub="user_2"))
    with TestClient(app) as client:
        for _ in range(2):
            assert client.get("/", headers=first).text == "user_1"
            assert client.get("/", headers=second).text == "user_2"
            assert client.get("/").status_code == 401
        assert client.get("/own", headers=first).text == "user_1"
        assert client.get("/own").text == "user_1"
    mine = ResponseCacheConfig(key_builder=lambda request: "mine")
    built = Litestar(plugins=[DoorwardPlugin(auth)], response_cache_config=mine)
    assert built.response_cache_config is mine


def test_preflights_pass_guards_of_a_router(auth: Authenticator, keys: Signer) -> None:
    router = Router("/router", route_handlers=[at("/in")], guards=[requires(role="admin")])
    client = door(auth, router)
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    assert client.options("/router/in", headers=preflight).status_code == 204
    assert client.options("/router/in").status_code == 401
    member = bearer(keys.session(**MEMBER))
    assert client.options("/router/in", headers=member).status_code == 403


def test_a_preflight_opens_nothing_else(auth: Authenticator) -> None:
    @route("/any", http_method=["OPTIONS", "POST"], status_code=200)
    async def anything() -> str:
        return "done"

    @route("/own", http_method=["OPTIONS"], guards=[requires()], status_code=200)
    async def own() -> str:
        return "done"

    client = door(auth, anything, own)
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "POST"}
    assert client.options("/any", headers=preflight).status_code == 401
    assert client.options("/own", headers=preflight).status_code == 401
    assert client.post("/any", headers=preflight).status_code == 401


def test_rate_limits_count_callers(auth: Authenticator, keys: Signer) -> None:
    def caller(request: Request[Any, Any, Any]) -> str:
        return str(request.auth.subject)

    limit = RateLimitConfig(("hour", 1), identifier_for_request=caller)
    client = door(auth, me, middleware=[limit.middleware])
    for subject in ("user_1", "user_2"):
        headers = bearer(keys.session(sub=subject))
        first = client.get("/me", headers=headers)
        assert first.status_code == 200
        assert first.headers["ratelimit-remaining"] == "0"
        assert client.get("/me", headers=headers).status_code == 429


def test_where_the_door_stands_among_middleware(auth: Authenticator) -> None:
    limit = RateLimitConfig(("hour", 1))
    plugin = DoorwardPlugin(auth)
    behind = Litestar([me], plugins=[plugin], middleware=[limit.middleware])
    assert [TestClient(behind).get("/me").status_code for _ in range(2)] == [401, 401]
    by_hand = Litestar([me], plugins=[plugin], middleware=[limit.middleware, plugin.middleware])
    client = TestClient(by_hand)
    assert [client.get("/me").status_code for _ in range(2)] == [401, 429]
    assert by_hand.middleware.count(plugin.middleware) == 1


def test_a_door_on_one_router_only(auth: Authenticator, keys: Signer) -> None:
    plugin = DoorwardPlugin(auth)
    router = Router("/in", route_handlers=[me], middleware=[plugin.middleware], guards=[requires()])
    client = TestClient(Litestar([router, at("/")]))
    assert opened(client, "/")
    assert client.get("/in/me", headers=bearer(keys.session())).json()["auth"] == "user_1"
    answer = client.get("/in/me")
    # Nothing renders refusals without the plugin, but they are Litestar's own.
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["detail"] == "credentials_missing"


def test_csrf_protection(auth: Authenticator, keys: Signer) -> None:
    @post("/posts", status_code=200)
    async def write(request: Asked) -> str:
        return request.auth.subject

    client = door(auth, me, write, csrf_config=CSRFConfig(secret="x" * 32))
    as_user(client, keys.session(), via="cookie")
    assert client.post("/posts").status_code == 403
    assert client.post("/posts").json()["detail"] == "CSRF token verification failed"
    token = client.get("/me").cookies["csrftoken"]
    answer = client.post("/posts", headers={"x-csrftoken": token})
    assert (answer.status_code, answer.text) == (200, "user_1")


def test_beside_sessions(auth: Authenticator, keys: Signer) -> None:
    @get("/")
    async def index(request: Asked) -> int:
        request.session["seen"] = request.session.get("seen", 0) + 1
        return int(request.session["seen"])

    client = door(auth, index, middleware=[ServerSideSessionConfig().middleware])
    client.headers.update(bearer(keys.session()))
    assert [client.get("/").json() for _ in range(2)] == [1, 2]


def test_cached_responses_stay_behind_the_door(auth: Authenticator, keys: Signer) -> None:
    @get("/", cache=60, guards=[requires(role="admin")])
    async def index() -> str:
        return "secret"

    client = door(auth, index)
    assert client.get("/", headers=bearer(keys.session())).text == "secret"
    assert client.get("/").status_code == 401
    assert client.get("/", headers=bearer(keys.session(**MEMBER))).status_code == 403


def test_two_applications_share_nothing(auth: Authenticator) -> None:
    handler = at("/")
    assert door(auth, handler).get("/").status_code == 401
    plain = TestClient(Litestar([handler]))
    assert plain.get("/").status_code == 200
    document = plain.get("/schema/openapi.json").json()
    assert "securitySchemes" not in document.get("components", {})
    operation = document["paths"]["/"]["get"]
    assert "security" not in operation
    assert list(operation["responses"]) == ["200"]


# OpenAPI


def test_openapi_tells_who_wants_a_caller(auth: Authenticator) -> None:
    @get("/maybe", optional_auth=True)
    async def maybe() -> None: ...

    @get("/open", exclude_from_auth=True)
    async def free() -> None: ...

    @get("/own", security=[{"Other": []}])
    async def own() -> None: ...

    other = SecurityScheme(type="apiKey", name="X-Key", security_scheme_in="header")
    config = OpenAPIConfig("Posts", "1", components=Components(security_schemes={"Other": other}))
    paths = ["/schema", "/schema/*", "/health"]
    client = door(auth, me, maybe, free, own, at("/health"), exclude=paths, openapi_config=config)
    document = client.get("/schema/openapi.json").json()
    validate(document)
    schemes = document["components"]["securitySchemes"]
    assert schemes["Doorward"] == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A bearer token, or the session cookie where this API reads one.",
    }
    assert "Other" in schemes
    wanted = {path: item["get"].get("security") for path, item in document["paths"].items()}
    assert wanted == {
        "/me": [{"Doorward": []}],
        "/maybe": [{"Doorward": []}, {}],
        "/open": None,
        "/health": None,
        "/own": [{"Other": []}],
    }
    answers = document["paths"]["/me"]["get"]["responses"]
    assert {"400", "401", "403", "503"} <= set(answers)
    assert "401" not in document["paths"]["/open"]["get"]["responses"]
    refusal = document["components"]["schemas"]["Refusal"]
    assert list(refusal["properties"]) == ["detail"]
    assert "token_expired" in str(document["components"]["schemas"])
    assert client.get("/schema/swagger").status_code == 200
    assert "identity" not in str(document["paths"])


def test_openapi_tells_of_problem_details(keys: Signer) -> None:
    auth = Authenticator.clerk(jwt_key=keys.jwks(), problem_details=True)
    client = door(auth, me, exclude="/schema/*", scheme_name="Session")
    document = client.get("/schema/openapi.json").json()
    validate(document)
    assert list(document["components"]["securitySchemes"]) == ["Session"]
    answer = document["paths"]["/me"]["get"]["responses"]["401"]
    assert list(answer["content"]) == ["application/problem+json"]
    assert "reason" in document["components"]["schemas"]["Problem"]["properties"]


def test_the_document_is_behind_the_door_unless_excluded(auth: Authenticator) -> None:
    assert door(auth, me).get("/schema/openapi.json").status_code == 401


def test_without_openapi(auth: Authenticator) -> None:
    assert door(auth, me, openapi_config=None).get("/me").status_code == 401


# Websockets


@websocket("/ws")
async def greet(socket: Socket) -> None:
    await socket.accept()
    await socket.send_text(socket.auth.subject)
    await socket.close()


@websocket("/admin", guards=[requires(role="admin")])
async def administer(socket: Socket, identity: Caller) -> None:
    await socket.accept()
    await socket.send_text(identity.subject)
    await socket.close()


@websocket("/ask")
async def ask(socket: Socket) -> None:
    """Judges the caller anew with each message, by the role that it names."""
    await socket.accept()
    async for role in socket.iter_data():
        caller = await authorize(socket, Policy(role=str(role)) if role else None)
        await socket.send_text(caller.subject)


@websocket("/renew", guards=[requires(role="admin")])
async def renewing(socket: Socket) -> None:
    await socket.accept()
    async for token in socket.iter_data():
        fresh = await renew(socket, str(token))
        assert socket.auth is fresh
        await socket.send_text(f"{socket.user.display_name} {fresh.expires_at}")


@websocket("/guest", optional_auth=True)
async def guest(socket: Socket, optional_identity: Guest) -> None:
    assert socket.auth is optional_identity
    await socket.accept()
    await socket.send_text("nobody" if optional_identity is None else optional_identity.subject)
    await socket.close()


@websocket_listener("/listen")
async def listen(data: str, identity: Caller) -> str:
    return f"{identity.subject}: {data}"


def sockets(auth: Authenticator, **options: Any) -> Litestar:
    plugin = DoorwardPlugin(auth, **options)
    return Litestar([greet, administer, ask, renewing, guest, listen], plugins=[plugin])


def refused(app: Any, path: str, **options: Any) -> Any:
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        ASGIClient(bounded(app)).websocket_connect(path, **options),
    ):
        pass
    return denied.value


def bounded(app: Any) -> Any:
    """A connection that is not closed in time is an error, for the client would wait for ever."""

    async def run(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.wait_for(app(scope, receive, send), 20)

    return run


def talk(session: Any, messages: Sequence[str]) -> None:
    for message in messages:
        session.send_text(message)
    while True:
        session.receive_text()


def code(app: Any, path: str, *messages: str, **options: Any) -> tuple[int, str]:
    """How the server closes after these messages."""
    with (
        pytest.raises(Disconnected) as closed,
        ASGIClient(bounded(app)).websocket_connect(path, **options) as session,
    ):
        talk(session, messages)
    return closed.value.code, closed.value.reason or ""


def test_websocket(auth: Authenticator, keys: Signer) -> None:
    headers = bearer(keys.session())
    with TestClient(sockets(auth)).websocket_connect("/ws", headers=headers) as session:
        assert session.receive_text() == "user_1"
    with TestClient(sockets(auth)).websocket_connect("/listen", headers=headers) as session:
        session.send_text("hello")
        assert session.receive_text() == "user_1: hello"


@pytest.mark.parametrize("path", ["/ws", "/admin", "/listen"])
def test_websocket_handshake_is_refused_with_a_challenge(auth: Authenticator, path: str) -> None:
    answer = refused(sockets(auth), path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == b'{"detail":"credentials_missing"}'
    bad = refused(sockets(auth), path, headers=bearer("junk"))
    assert bad.status_code == 401
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]


def test_websocket_guards_refuse_before_accepting(auth: Authenticator, keys: Signer) -> None:
    app = sockets(auth)
    with ASGIClient(bounded(app)).websocket_connect(
        "/admin", headers=bearer(keys.session())
    ) as session:
        assert session.receive_text() == "user_1"
    answer = refused(app, "/admin", headers=bearer(keys.session(**MEMBER)))
    assert answer.status_code == 403
    assert answer.content == b'{"detail":"role_required"}'
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_websocket_dependencies_refuse_before_accepting(auth: Authenticator) -> None:
    app = sockets(auth, optional=True)
    assert refused(app, "/listen").status_code == 401


def test_websocket_optional(auth: Authenticator, keys: Signer) -> None:
    app = sockets(auth)
    for headers, subject in (({}, "nobody"), (bearer(keys.session()), "user_1")):
        with ASGIClient(bounded(app)).websocket_connect("/guest", headers=headers) as session:
            assert session.receive_text() == subject
    assert refused(app, "/guest", headers=bearer("junk")).status_code == 401


def test_websocket_on_a_server_without_denial_responses(auth: Authenticator, keys: Signer) -> None:
    app = sockets(auth)
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        TestClient(app).websocket_connect("/ws"),
    ):
        pass
    assert (closed.value.code, closed.value.detail) == (1008, "credentials_missing")
    with (
        pytest.raises(WebSocketDisconnect) as closed,
        TestClient(app).websocket_connect("/admin", headers=bearer(keys.session(**MEMBER))),
    ):
        pass
    assert (closed.value.code, closed.value.detail) == (1008, "role_required")


def test_websocket_is_judged_anew_after_accepting(
    auth: Authenticator, keys: Signer, clock: Clock
) -> None:
    app, headers = sockets(auth), bearer(keys.session())
    with ASGIClient(bounded(app)).websocket_connect("/ask", headers=headers) as session:
        session.send_text("admin")
        assert session.receive_text() == "user_1"
        clock.now += 3600
        session.send_text("")
        with pytest.raises(Disconnected) as closed:
            session.receive_text()
    assert (closed.value.code, closed.value.reason) == (4401, "token_expired")


def test_websocket_lacking_a_right_after_accepting(auth: Authenticator, keys: Signer) -> None:
    headers = bearer(keys.session())
    assert code(sockets(auth), "/ask", "boss", headers=headers) == (4403, "role_required")


def test_websocket_refusals_are_litestars_exceptions(auth: Authenticator, keys: Signer) -> None:
    seen: list[Exception] = []

    async def after(error: Exception, scope: Any) -> None:
        seen.append(error)

    app = Litestar([ask], plugins=[DoorwardPlugin(auth)], after_exception=[after])
    code(app, "/ask", "boss", headers=bearer(keys.session()))
    assert [type(error) for error in seen] == [WebSocketRefused]
    assert isinstance(seen[0], Refused)
    assert seen[0].reason == "role_required"


def test_websocket_goes_on_with_a_fresh_token(
    auth: Authenticator, keys: Signer, clock: Clock
) -> None:
    app, headers = sockets(auth), bearer(keys.session())
    with ASGIClient(bounded(app)).websocket_connect("/renew", headers=headers) as session:
        clock.now += 30
        session.send_text(keys.session(now=clock.now))
        assert session.receive_text() == f"user_1 {float(clock.now + 50)}"
        clock.now += 45
        session.send_text(keys.session(now=clock.now))
        assert session.receive_text() == f"user_1 {float(clock.now + 50)}"


@pytest.mark.parametrize(
    ("changes", "end"),
    [
        ({"sub": "user_2"}, (4403, "another_caller")),
        ({"exp": NOW - 60}, (4401, "token_expired")),
        (MEMBER, (4403, "role_required")),
    ],
)
def test_websocket_goes_on_with_no_other_token(
    auth: Authenticator, keys: Signer, changes: dict[str, Any], end: tuple[int, str]
) -> None:
    app, headers = sockets(auth), bearer(keys.session())
    assert code(app, "/renew", keys.session(**changes), headers=headers) == end


def test_a_renewed_caller_is_judged_by_the_fresh_token(
    auth: Authenticator, keys: Signer, clock: Clock
) -> None:
    @websocket("/")
    async def index(socket: Socket) -> None:
        await socket.accept()
        await renew(socket, await socket.receive_text())
        clock.now += 55
        await socket.send_text((await authorize(socket)).subject)
        await socket.close()

    app = Litestar([index], plugins=[DoorwardPlugin(auth)])
    headers = bearer(keys.session())
    with ASGIClient(bounded(app)).websocket_connect("/", headers=headers) as session:
        session.send_text(keys.session(now=clock.now + 10))
        assert session.receive_text() == "user_1"


def test_a_refusal_that_a_handler_caught_is_not_answered_later(
    auth: Authenticator, keys: Signer
) -> None:
    @websocket("/")
    async def index(socket: Socket) -> None:
        with pytest.raises(WebSocketRefused, match="role_required"):
            await authorize(socket, Policy(role="boss"))
        await socket.accept()
        await socket.close(4000, "as I like")

    app = Litestar([index], plugins=[DoorwardPlugin(auth)])
    assert code(app, "/", headers=bearer(keys.session())) == (4000, "as I like")


def test_websocket_renewal_keeps_the_policy_of_the_application(
    auth: Authenticator, keys: Signer
) -> None:
    @websocket("/")
    async def plain(socket: Socket) -> None:
        await socket.accept()
        await renew(socket, await socket.receive_text())
        await socket.send_text("renewed")
        await socket.close()

    app = Litestar([plain], plugins=[DoorwardPlugin(auth, policy=Policy(role="admin"))])
    headers = bearer(keys.session())
    assert code(app, "/", keys.session(**MEMBER), headers=headers) == (4403, "role_required")


def test_renewal_on_an_open_path_asks_nothing_else(auth: Authenticator, keys: Signer) -> None:
    @websocket("/", exclude_from_auth=True)
    async def plain(socket: Socket) -> None:
        await socket.accept()
        await renew(socket, await socket.receive_text())
        await socket.send_text("renewed")
        await socket.close()

    app = Litestar([plain], plugins=[DoorwardPlugin(auth, policy=Policy(role="admin"))])
    headers = bearer(keys.session(**MEMBER))
    with ASGIClient(bounded(app)).websocket_connect("/", headers=headers) as session:
        session.send_text(keys.session(**MEMBER))
        assert session.receive_text() == "renewed"


def test_a_connection_leaves_nothing_behind(
    auth: Authenticator, keys: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[Session] = []
    stop = Session.stop

    async def noted(session: Session) -> None:
        stopped.append(session)
        await stop(session)

    monkeypatch.setattr(Session, "stop", noted)
    headers = bearer(keys.session())
    app = bounded(sockets(auth))
    with ASGIClient(app).websocket_connect("/admin", headers=headers) as session:
        assert session.receive_text() == "user_1"
    assert len(stopped) == 1
    assert stopped[0].demands == []


def test_renewal_where_nobody_was_identified(auth: Authenticator, keys: Signer) -> None:
    @websocket("/", exclude_from_auth=True)
    async def plain(socket: Socket) -> None:
        await socket.accept()
        with pytest.raises(RuntimeError, match="nobody was identified"):
            await renew(socket, keys.session())
        await socket.send_text("as said")
        await socket.close()

    with TestClient(Litestar([plain], plugins=[DoorwardPlugin(auth)])).websocket_connect("/") as it:
        assert it.receive_text() == "as said"


def test_websocket_token_as_subprotocol(auth: Authenticator, keys: Signer) -> None:
    app, token = sockets(auth), keys.session()
    offered = [f"bearer.{token}", "chat"]
    with ASGIClient(bounded(app)).websocket_connect("/ws", subprotocols=offered) as session:
        assert session.receive_text() == "user_1"
        assert session.accepted_subprotocol == "chat"
    assert refused(app, "/ws", subprotocols=["bearer.junk", "chat"]).status_code == 401
    none = sockets(auth, subprotocol=None)
    assert refused(none, "/ws", subprotocols=offered).status_code == 401


def test_websocket_token_in_the_url_where_asked_for(auth: Authenticator, keys: Signer) -> None:
    path = f"/ws?access_token={keys.session()}"
    app = sockets(auth, query_parameter="access_token")
    with ASGIClient(bounded(app)).websocket_connect(path) as session:
        assert session.receive_text() == "user_1"
    assert refused(sockets(auth), path).status_code == 401


def test_websocket_cookies_count_on_our_own_pages(auth: Authenticator, keys: Signer) -> None:
    app = sockets(auth)
    cookie = {"Cookie": f"__session={keys.session()}"}
    for origin in (PARTY, "http://testserver"):
        headers = {**cookie, "Origin": origin}
        with ASGIClient(bounded(app)).websocket_connect("/ws", headers=headers) as session:
            assert session.receive_text() == "user_1"
    for headers in (cookie, {**cookie, "Origin": "https://evil.example"}):
        assert refused(app, "/ws", headers=headers).status_code == 401


def test_websocket_closes_at_expiry(keys: Signer) -> None:
    issuer = DevIssuer()
    app = sockets(issuer.authenticator(leeway=0), close_at_expiry=True)
    headers = bearer(issuer.mint(sub="user_1", ttl=1))
    assert code(app, "/ask", "", headers=headers) == (4401, "token_expired")


def test_websocket_on_an_open_path_does_not_close_at_expiry() -> None:
    @websocket("/", exclude_from_auth=True)
    async def patient(socket: Socket) -> None:
        await socket.accept()
        await asyncio.sleep(max(0.0, socket.auth.expires_at + 1 - time.time()))
        await socket.send_text("still here")
        await socket.close()

    issuer = DevIssuer()
    plugin = DoorwardPlugin(issuer.authenticator(leeway=0), close_at_expiry=True)
    app = Litestar([patient], plugins=[plugin])
    headers = bearer(issuer.mint(ttl=1))
    with ASGIClient(bounded(app)).websocket_connect("/", headers=headers) as session:
        assert session.receive_text() == "still here"


def test_websocket_of_a_mounted_application(auth: Authenticator, keys: Signer) -> None:
    @asgi("/sub", is_mount=True, copy_scope=True, guards=[requires(role="admin")])
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": scope["auth"].subject})
        await send({"type": "websocket.close"})

    app = Litestar([mounted], plugins=[DoorwardPlugin(auth)])
    with ASGIClient(bounded(app)).websocket_connect(
        "/sub/x", headers=bearer(keys.session())
    ) as session:
        assert session.receive_text() == "user_1"
    assert refused(app, "/sub/x").status_code == 401
    assert refused(app, "/sub/x", headers=bearer(keys.session(**MEMBER))).status_code == 403


# The table


def by_request(auth: Authenticator) -> Litestar:
    """The caller is read from the request, in handlers with and without a thread."""

    @get("/public", optional_auth=True)
    async def public(request: Opened) -> dict[str, Any]:
        return {"hello": "stranger" if request.auth is None else request.auth.subject}

    @get("/me", sync_to_thread=True)
    def myself(request: Asked) -> dict[str, Any]:
        return described(request.auth)

    @route("/posts/{post:int}", http_method=["DELETE"], status_code=200, guards=[DELETER])
    async def delete(request: Asked, post: FromPath[int]) -> dict[str, Any]:
        return {"deleted": post, "by": request.auth.subject}

    @get("/admin", guards=[ADMIN])
    async def admin(request: Asked) -> dict[str, Any]:
        return {"admin": request.auth.subject}

    @get("/scoped", guards=[READER])
    async def scoped(request: Asked) -> dict[str, Any]:
        return {"scopes": request.auth.scopes}

    return Litestar([public, myself, delete, admin, scoped], plugins=[DoorwardPlugin(auth)])


def by_dependencies(auth: Authenticator) -> Litestar:
    """The caller is injected, and an optional one is on an open path."""
    return Litestar(injected(), plugins=[DoorwardPlugin(auth, exclude="/public")])


def by_guards(auth: Authenticator) -> Litestar:
    """The door is optional, so that guards and dependencies are all that refuses."""
    return Litestar(injected(), plugins=[DoorwardPlugin(auth, optional=True)])


def injected() -> list[Any]:
    @get("/public")
    async def public(optional_identity: Guest) -> dict[str, Any]:
        return {"hello": "stranger" if optional_identity is None else optional_identity.subject}

    @get("/me")
    async def myself(identity: Caller) -> dict[str, Any]:
        return described(identity)

    @route("/posts/{post:int}", http_method=["DELETE"], status_code=200, guards=[DELETER])
    async def delete(identity: Caller, post: FromPath[int]) -> dict[str, Any]:
        return {"deleted": post, "by": identity.subject}

    @get("/admin", guards=[ADMIN])
    async def admin(identity: Caller) -> dict[str, Any]:
        return {"admin": identity.subject}

    @get("/scoped", guards=[READER])
    async def scoped(identity: Caller) -> dict[str, Any]:
        return {"scopes": identity.scopes}

    return [public, myself, delete, admin, scoped]


def described(caller: Caller) -> dict[str, Any]:
    return {
        "subject": caller.subject,
        "kind": caller.kind,
        "organization": caller.organization_id,
        "role": caller.role,
    }


DELETER, ADMIN, READER = (
    requires(permission="org:posts:delete"),
    requires(role="admin"),
    requires(scopes="posts:read"),
)
DOORS = (by_request, by_dependencies, by_guards)


def is_one_line_each(parameters: Any) -> bool:
    """Litestar's test client joins field lines of one name before the application sees them; so do
    rows with such lines go through real servers alone (`test_litestar_servers.py`).
    """
    names = [name.lower() for name, _ in parameters.values[-1]["headers"]]
    return len(names) == len(set(names))


@pytest.mark.parametrize(
    ("build", "table", "case"),
    [
        row
        for row in http_table.rows(*DOORS, in_front=[by_request, by_dependencies])
        if is_one_line_each(row)
    ],
)
def test_row(build: Callable[[Authenticator], Litestar], table: str, case: http_table.Case) -> None:
    app = APPS.get((build, table)) or build(http_table.authenticator(table))
    APPS[build, table] = app
    answer = TestClient(app).request(
        case["method"],
        http_table.path(table, case),
        headers=[
            (name.encode(), value.encode()) for name, value in http_table.headers(table, case)
        ],
    )
    if case["method"] == "OPTIONS" and case["status"] == 405:
        # The router's own answer, and Litestar's router has one for OPTIONS.
        case = {**case, "status": 204}
    http_table.check(
        table, case, status=answer.status_code, headers=answer.headers, body=answer.content
    )


#: One application for each door and table.
APPS: dict[Any, Litestar] = {}


def test_middleware_of_ones_own_behind_the_door(auth: Authenticator, keys: Signer) -> None:
    seen: list[Any] = []

    class Noting:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["auth"])
            await self.app(scope, receive, send)

    client = door(auth, me, middleware=[DefineMiddleware(Noting)])
    client.get("/me", headers=bearer(keys.session()))
    client.get("/me")
    assert [one.subject for one in seen] == ["user_1"]
