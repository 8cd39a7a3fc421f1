"""`Doorward` for Quart. What it shares with Flask's is tried there; here is what an event loop and
websockets add.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

import pytest
from quart import Blueprint, Quart, current_app, g, websocket
from quart.testing import QuartClient
from quart.testing.connections import WebsocketDisconnectError, WebsocketResponseError
from quart.views import MethodView
from support import ISSUER, NOW, PARTY, Clock, Signer, bearer
from test_docs import ROOT, run
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException, Unauthorized

from doorward import Authenticator, ConfigError, Identity, Policy, Rejection
from doorward.asgi import AuthMiddleware
from doorward.quart import (
    CrossOrigin,
    Doorward,
    Refused,
    authenticated,
    current_identity,
    public,
    rejected,
)
from doorward.testing import DevIssuer

EVIL = "https://evil.example"


class Counting(Authenticator):
    """Counts verifications."""

    calls = 0

    def authenticate_nowait(self, head: Any) -> Any:
        type(self).calls += 1
        return super().authenticate_nowait(head)

    def admit_nowait(self, scope: Any) -> Any:
        type(self).calls += 1
        return super().admit_nowait(scope)


@pytest.fixture
def counting(clock: Clock, keys: Signer) -> Counting:
    Counting.calls = 0
    return Counting.clerk(jwt_key=keys.jwks(), issuer=ISSUER, authorized_parties=PARTY, clock=clock)


@pytest.fixture
def app() -> Quart:
    app = Quart(__name__)
    app.testing = True
    return app


@pytest.fixture
def door(app: Quart, counting: Counting) -> Doorward:
    return Doorward(app, counting)


@pytest.fixture
def client(app: Quart) -> QuartClient:
    return app.test_client(use_cookies=False)


@pytest.fixture
def user(keys: Signer) -> dict[str, str]:
    return bearer(keys.session())


@pytest.fixture
def member(keys: Signer) -> dict[str, str]:
    return bearer(keys.session(o={"id": "org_1", "rol": "member"}, fea=None))


def whoami() -> dict[str, Any]:
    return {"user": current_identity.subject if current_identity else None}


def page() -> Callable[..., Any]:
    """A view of its own, for guards leave marks on theirs."""

    async def whoami_page() -> dict[str, Any]:
        return whoami()

    return whoami_page


async def assert_refused(answer: Any, status: int, reason: str) -> None:
    assert (answer.status_code, await answer.get_json()) == (status, {"detail": reason})


# Requests


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
async def test_guards(
    app: Quart,
    door: Doorward,
    client: QuartClient,
    user: dict[str, str],
    member: dict[str, str],
    asynchronous: bool,
) -> None:
    def view() -> Callable[..., Any]:
        return page() if asynchronous else lambda: whoami()

    app.add_url_rule("/required", "required", door.required(view()))
    app.add_url_rule("/optional", "optional", door.optional()(view()))
    app.add_url_rule("/admin", "admin", door.requires(role="admin")(view()))
    app.add_url_rule("/policy", "policy", door.permits(Policy(role="admin"))(view()))
    for path in ("/required", "/optional", "/admin", "/policy"):
        answer = await client.get(path, headers=user)
        assert await answer.get_json() == {"user": "user_1"}
        await assert_refused(await client.get(path, headers=bearer("junk")), 401, "token_malformed")
    await assert_refused(await client.get("/required"), 401, "credentials_missing")
    assert await (await client.get("/optional")).get_json() == {"user": None}
    for path in ("/admin", "/policy"):
        await assert_refused(await client.get(path, headers=member), 403, "role_required")


async def test_above_the_route_it_guards_as_well(
    app: Quart, door: Doorward, client: QuartClient, user: dict[str, str]
) -> None:
    @door.required
    @app.get("/async")
    async def coroutine() -> dict[str, Any]:
        return whoami()

    @door.requires(role="admin")
    @app.get("/sync")
    def function() -> dict[str, Any]:
        return whoami()

    @door.required
    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send("welcome")

    for path in ("/async", "/sync"):
        await assert_refused(await client.get(path), 401, "credentials_missing")
        assert (await client.get(path, headers=user)).status_code == 200
    assert (await refusal(client, "/ws")).status_code == 401


async def test_between_other_decorators(
    app: Quart, door: Doorward, client: QuartClient, user: dict[str, str]
) -> None:
    def logged(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        async def wrapper(*args: Any, **kwargs: Any) -> Any:
            return await current_app.ensure_async(view)(*args, **kwargs)

        return wrapper

    chains = {
        "/1": logged(door.required(page())),
        "/2": door.required(logged(page())),
        "/3": logged(door.required(logged(lambda: whoami()))),
    }
    for path, view in chains.items():
        app.add_url_rule(path, path, view)
    for path in chains:
        assert await (await client.get(path, headers=user)).get_json() == {"user": "user_1"}
        await assert_refused(await client.get(path), 401, "credentials_missing")


async def test_methods_of_views(
    app: Quart, door: Doorward, client: QuartClient, user: dict[str, str]
) -> None:
    class Posts(MethodView):
        async def get(self) -> dict[str, Any]:
            return whoami()

        @door.required
        async def post(self) -> dict[str, Any]:
            return whoami()

    app.add_url_rule("/posts", view_func=Posts.as_view("posts"))
    assert (await client.get("/posts")).status_code == 200
    assert (await client.post("/posts")).status_code == 401
    assert (await client.post("/posts", headers=user)).status_code == 200


async def test_the_caller_is_where_people_look(
    app: Quart, door: Doorward, client: QuartClient, user: dict[str, str]
) -> None:
    seen: list[Any] = []

    @app.get("/required")
    @door.required
    async def required() -> str:
        assert isinstance(current_identity, Identity)
        seen.append((door.identity, g.auth_state, g.user_id))
        return ""

    @app.get("/open")
    async def unguarded() -> str:
        seen.append((bool(current_identity), door.identity, g.auth_state, g.user_id))
        return ""

    await client.get("/required", headers=user)
    identity, state, user_id = seen.pop()
    assert (identity.user_id, user_id) == ("user_1", "user_1")
    assert state.identity is identity
    async with app.app_context():
        await client.get("/required", headers=user)
        await client.get("/open", headers=user)
    known, identity, state, user_id = seen.pop()
    assert (known, identity, state.is_signed_in, user_id) == (False, None, False, None)
    with pytest.raises(RuntimeError, match="Not within a websocket context"):
        _ = door.identity


async def test_every_view_is_guarded(
    app: Quart, counting: Counting, user: dict[str, str], tmp_path: Any
) -> None:
    app = Quart(__name__, static_folder=str(tmp_path), static_url_path="/static")
    (tmp_path / "style.css").write_text("p {}", encoding="utf-8")
    door = Doorward(app, counting, protect=True, public=["clerk_webhook"])
    webhooks = Blueprint("webhooks", __name__)
    webhooks.add_url_rule("/webhook", "clerk_webhook", page(), methods=["POST"])
    app.register_blueprint(webhooks)
    app.add_url_rule("/", "index", page())
    app.add_url_rule("/marked", "marked", public(page()))
    app.add_url_rule("/optional", "optional", door.optional(page()))
    door.check(app)
    client = app.test_client()
    await assert_refused(await client.get("/"), 401, "credentials_missing")
    assert (await client.get("/", headers=user)).status_code == 200
    assert (await client.post("/webhook")).status_code == 200
    for path in ("/marked", "/optional", "/static/style.css"):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/nowhere")).status_code == 404
    assert (await client.post("/")).status_code == 405
    preflight = {"Origin": PARTY, "Access-Control-Request-Method": "GET"}
    assert (await client.options("/", headers=preflight)).status_code == 200
    assert (await client.options("/")).status_code == 401


async def test_an_unknown_public_name_is_a_mistake(app: Quart, counting: Counting) -> None:
    door = Doorward(app, counting, protect=True, public=["indx"])
    app.add_url_rule("/", "index", page())
    with pytest.raises(ConfigError, match=r"no endpoint is named 'indx'; did you mean 'index'\?"):
        door.check(app)
    app.testing = False
    assert (await app.test_client().get("/")).status_code == 500


async def test_one_blueprint_is_guarded(
    app: Quart, door: Doorward, client: QuartClient, user: dict[str, str]
) -> None:
    api = Blueprint("api", __name__, url_prefix="/api")
    door.protect(api, public=["health"])
    api.add_url_rule("/", "index", page())
    api.add_url_rule("/health", "health", page())

    @api.websocket("/ws")
    async def ws() -> None:
        await websocket.send("welcome")

    app.register_blueprint(api)
    app.add_url_rule("/", "index", page())
    assert (await client.get("/")).status_code == 200
    assert (await client.get("/api/health")).status_code == 200
    assert (await client.get("/api/")).status_code == 401
    assert (await client.get("/api/", headers=user)).status_code == 200
    assert (await refusal(client, "/api/ws")).status_code == 401


async def test_one_verification_however_many_guards(
    app: Quart, counting: Counting, user: dict[str, str]
) -> None:
    door = Doorward(app, counting, protect=True)
    app.add_url_rule("/", "index", door.required(door.requires(role="admin")(page())))
    cast_app: Any = app
    cast_app.asgi_app = AuthMiddleware(cast_app.asgi_app, counting)
    assert (await app.test_client().get("/", headers=user)).status_code == 200
    assert Counting.calls == 1


async def test_error_handlers(app: Quart, door: Doorward, client: QuartClient) -> None:
    app.add_url_rule("/", "index", door.required(page()))

    @app.errorhandler(HTTPException)
    async def handler(error: Refused) -> Any:
        assert isinstance(error, Unauthorized)
        return {"error": str(error.reason)}, error.code

    answer = await client.get("/", headers=bearer("junk"))
    assert (answer.status_code, await answer.get_json()) == (401, {"error": "token_malformed"})


async def test_a_page_for_a_browser(app: Quart, door: Doorward, client: QuartClient) -> None:
    app.add_url_rule("/", "index", door.required(page()))
    answer = await client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.content_type == "text/html; charset=utf-8"
    assert "The request carries no credentials." in await answer.get_data(as_text=True)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    answer = await client.get("/", headers={"Accept": "*/*"})
    assert answer.content_type == "application/json"


async def test_a_cookie_that_another_site_sends(
    app: Quart, door: Doorward, client: QuartClient, keys: Signer
) -> None:
    app.add_url_rule("/", "index", door.required(page()), methods=["GET", "POST"])
    cookie = {"Cookie": f"__session={keys.session()}"}
    for origin in (PARTY, "http://localhost"):
        headers = {**cookie, "Origin": origin}
        assert (await client.post("/", headers=headers)).status_code == 200
    evil = {**cookie, "Origin": EVIL}
    await assert_refused(await client.post("/", headers=evil), 403, "cross_origin")
    assert (await client.get("/", headers=evil)).status_code == 200
    app.register_error_handler(CrossOrigin, lambda error: ("crossed", 403))
    answer = await client.post("/", headers=evil)
    assert await answer.get_data(as_text=True) == "crossed"


@pytest.fixture
def heard(app: Quart) -> Iterator[list[str]]:
    events: list[str] = []

    async def on_authenticated(sender: Quart, identity: Identity) -> None:
        assert sender is app
        events.append(identity.subject)

    def on_rejected(sender: Quart, rejection: Rejection) -> None:
        assert sender is app
        events.append(str(rejection.reason))

    with authenticated.connected_to(on_authenticated), rejected.connected_to(on_rejected):
        yield events


async def test_signals(
    app: Quart,
    door: Doorward,
    client: QuartClient,
    heard: list[str],
    user: dict[str, str],
    member: dict[str, str],
) -> None:
    app.add_url_rule("/", "index", door.required(door.requires(role="admin")(page())))
    await client.get("/", headers=user)
    await client.get("/", headers=member)
    await client.get("/")
    assert heard == ["user_1", "user_1", "role_required", "credentials_missing"]


async def test_keys_are_waited_for_without_blocking(app: Quart) -> None:
    with DevIssuer() as issuer:
        issuer.fault("slow", 0.5)
        auth = Authenticator.clerk(issuer=issuer.issuer, jwks_url=issuer.jwks_url)
        door = Doorward(app, auth)
        app.add_url_rule("/", "index", door.required(page()))
        app.add_url_rule("/open", "open", page())
        client = app.test_client()
        waiting = asyncio.ensure_future(client.get("/", headers=bearer(issuer.mint())))
        while issuer.jwks_fetches == 0:
            assert (await client.get("/open")).status_code == 200
        assert not waiting.done()
        assert (await waiting).status_code == 200


async def test_callers_are_not_mixed_up(
    app: Quart, door: Doorward, client: QuartClient, keys: Signer
) -> None:
    @app.get("/")
    @door.required
    async def index() -> dict[str, Any]:
        before = current_identity.subject
        await asyncio.sleep(0)
        return {"same": before == current_identity.subject == g.user_id, **whoami()}

    subjects = [f"user_{n}" for n in range(8)] * 5
    tokens = {subject: bearer(keys.session(sub=subject)) for subject in set(subjects)}
    answers = await asyncio.gather(*(client.get("/", headers=tokens[one]) for one in subjects))
    bodies = [await answer.get_json() for answer in answers]
    assert bodies == [{"same": True, "user": one} for one in subjects]


async def test_settings(keys: Signer) -> None:
    app = Quart(__name__)
    app.config.update(
        CLERK_JWT_KEY=keys.pem(), CLERK_AUTHORIZED_PARTIES=[PARTY], DOORWARD_PROTECT=True
    )
    Doorward(app)
    app.add_url_rule("/", "index", page())
    client = app.test_client()
    good = bearer(keys.session(now=time.time()))
    assert (await client.get("/", headers=good)).status_code == 200
    assert (await client.get("/")).status_code == 401
    wrong = Quart(__name__)
    wrong.config.update(DOORWARD_PROTEKT=True)
    with pytest.raises(ConfigError, match="did you mean 'DOORWARD_PROTECT'"):
        Doorward(wrong)


# Websockets


async def refusal(client: QuartClient, path: str, **options: Any) -> Any:
    """What a refused handshake is answered with."""
    with pytest.raises(WebsocketResponseError) as refused:
        async with client.websocket(path, **options) as session:
            await session.receive()
    return refused.value.response


@pytest.fixture
def chat(app: Quart, door: Doorward) -> None:
    @app.websocket("/ws")
    @door.required
    async def ws() -> None:
        await websocket.send(current_identity.subject)

    @app.websocket("/optional")
    @door.optional
    async def optional() -> None:
        await websocket.send(str(g.user_id))

    @app.websocket("/admin")
    @door.requires(role="admin")
    async def admin() -> None:
        await websocket.send("welcome")


@pytest.mark.usefixtures("chat")
async def test_websocket_handshake(
    client: QuartClient, user: dict[str, str], member: dict[str, str]
) -> None:
    async with client.websocket("/ws", headers=user) as session:
        assert await session.receive() == "user_1"
    async with client.websocket("/optional") as session:
        assert await session.receive() == "None"
    answer = await refusal(client, "/ws")
    await assert_refused(answer, 401, "credentials_missing")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.content_type == "application/json"
    for path in ("/ws", "/optional"):
        junk = await refusal(client, path, headers=bearer("junk"))
        await assert_refused(junk, 401, "token_malformed")
    await assert_refused(await refusal(client, "/admin", headers=member), 403, "role_required")


async def test_websockets_of_a_protected_application(
    app: Quart, counting: Counting, user: dict[str, str]
) -> None:
    Doorward(app, counting, protect=True, public=["open"])

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(current_identity.subject)

    @app.websocket("/open", endpoint="open")
    async def unguarded() -> None:
        await websocket.send(str(not current_identity))

    client = app.test_client()
    async with client.websocket("/ws", headers=user) as session:
        assert await session.receive() == "user_1"
    async with client.websocket("/open") as session:
        assert await session.receive() == "True"
    assert (await refusal(client, "/ws")).status_code == 401
    assert (await refusal(client, "/nowhere")).status_code == 404


@pytest.mark.usefixtures("chat")
async def test_a_websocket_that_another_site_opens(client: QuartClient, keys: Signer) -> None:
    """A browser sends cookies along, whichever page opens the websocket."""
    cookie = {"Cookie": f"__session={keys.session()}"}
    async with client.websocket("/ws", headers={**cookie, "Origin": PARTY}) as session:
        assert await session.receive() == "user_1"
    evil = {**cookie, "Origin": EVIL}
    await assert_refused(await refusal(client, "/ws", headers=evil), 401, "credentials_missing")
    async with client.websocket("/optional", headers=evil) as session:
        assert await session.receive() == "None"
    header = {**bearer(keys.session()), "Origin": EVIL}
    async with client.websocket("/ws", headers=header) as session:
        assert await session.receive() == "user_1"


@pytest.mark.usefixtures("chat")
async def test_websocket_on_a_server_without_denial_responses(app: Quart) -> None:
    sent: list[Any] = []
    scope = {
        "type": "websocket",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.3"},
        "scheme": "ws",
        "path": "/ws",
        "raw_path": b"/ws",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "subprotocols": [],
        "extensions": {},
    }
    arrived = asyncio.Queue[Any]()
    arrived.put_nowait({"type": "websocket.connect"})

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, arrived.get, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "credentials_missing"}]


async def test_a_token_expires_while_the_websocket_is_open(
    app: Quart, door: Doorward, client: QuartClient, keys: Signer, clock: Clock
) -> None:
    @app.websocket("/ws")
    @door.required
    async def ws() -> None:
        while True:
            await websocket.receive()
            await websocket.send((await door.recheck()).subject)

    async with client.websocket("/ws", headers=bearer(keys.session(exp=NOW + 30))) as session:
        await session.send("hello")
        assert await session.receive() == "user_1"
        clock.now += 60
        await session.send("still there?")
        with pytest.raises(WebsocketDisconnectError) as closed:
            await session.receive()
        assert closed.value.args == (4401,)


async def test_a_websocket_ends_when_its_token_does(app: Quart) -> None:
    """Although its view waits for something else."""
    issuer = DevIssuer()
    door = Doorward(app, Authenticator.clerk(issuer=issuer.issuer, jwt_key=issuer.jwks(), leeway=0))
    cancelled: list[bool] = []

    @app.websocket("/ws")
    @door.required
    async def ws() -> None:
        door.close_at_expiry()
        door.close_at_expiry()
        await websocket.accept()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    client = app.test_client()
    async with client.websocket("/ws", headers=bearer(issuer.mint(ttl=2))) as session:
        with pytest.raises(WebsocketDisconnectError) as closed:
            await asyncio.wait_for(session.receive(), 20)
    assert closed.value.args == (4401,)
    assert cancelled == [True]
    async with client.websocket("/ws", headers=bearer(issuer.mint(ttl=600))):
        pass
    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}  # type: ignore[union-attr]
    assert "_expire" not in names


async def test_a_right_is_lacking_once_the_websocket_is_open(
    app: Quart, door: Doorward, client: QuartClient, member: dict[str, str]
) -> None:
    @door.requires(role="admin")
    async def wipe() -> None: ...

    @app.websocket("/ws")
    @door.required
    async def ws() -> None:
        await websocket.receive()
        await wipe()

    async with client.websocket("/ws", headers=member) as session:
        await session.send("wipe")
        with pytest.raises(WebsocketDisconnectError) as closed:
            await session.receive()
        assert closed.value.args == (4403,)


async def test_a_refusal_may_be_caught_and_another_follow(
    app: Quart, door: Doorward, client: QuartClient, member: dict[str, str]
) -> None:
    seen: list[str] = []

    @door.requires(role="admin")
    async def wipe() -> None: ...

    @app.websocket("/ws")
    @door.required
    async def ws() -> None:
        await websocket.accept()
        for _ in range(2):
            try:
                await wipe()
            except Refused as refused:
                seen.append(str(refused.reason))

    async with client.websocket("/ws", headers=Headers(member)) as session:
        with pytest.raises(WebsocketDisconnectError) as closed:
            await session.receive()
    assert closed.value.args == (4403,)
    assert seen == ["role_required", "role_required"]


# The guide


async def test_the_guide(monkeypatch: pytest.MonkeyPatch, keys: Signer) -> None:
    monkeypatch.setenv("CLERK_JWT_KEY", keys.pem())
    monkeypatch.setenv("CLERK_AUTHORIZED_PARTIES", PARTY)
    guide = run(ROOT / "docs" / "guides" / "quart.md")
    good = bearer(keys.session(now=time.time()))
    client = guide["app"].test_client()
    answer = await client.get("/me", headers=good)
    assert (await answer.get_json())["user_id"] == "user_1"
    async with client.websocket("/chat", headers=good) as session:
        await session.send("hello")
        assert await session.receive() == "user_1: hello"
        await session.send("wipe")
        assert await session.receive() == "user_1: wipe"
    assert (await refusal(client, "/chat")).status_code == 401
    guarded = guide["guarded"].test_client()
    for path in ("/health", "/about"):
        assert (await guarded.get(path)).status_code == 200
