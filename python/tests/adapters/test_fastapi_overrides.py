"""What tests put in the place of a guard."""

# FastAPI evaluates the annotations of the routes below: they must not be strings.

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, Request, Security, WebSocket
from fastapi.security import SecurityScopes
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from doorward import Authenticator, Identity
from doorward.fastapi import Guard


class Claims(BaseModel):
    sub: str


class Somebody:
    subject = "somebody"


@pytest.fixture
def guard(auth: Authenticator) -> Guard:
    return Guard(auth)


@pytest.fixture
def app(guard: Guard) -> FastAPI:
    app = FastAPI()

    @app.get("/me")
    async def me(caller: Annotated[Identity, Depends(guard)]) -> str:
        return caller.subject

    @app.get("/maybe")
    def maybe(caller: Annotated[Identity | None, Depends(guard.optional)]) -> str | None:
        return caller and caller.subject

    @app.get("/admin", dependencies=[Depends(guard.requires(role="admin"))])
    async def admin() -> str:
        return "admin"

    @app.get("/users/{user_id}", dependencies=[Depends(guard.user_in_path("user_id"))])
    async def user(user_id: str) -> str:
        return user_id

    @app.get("/claims", dependencies=[Depends(guard.claims(Claims))])
    async def claims() -> str:
        return "claims"

    @app.websocket("/ws")
    async def greet(
        websocket: WebSocket, caller: Annotated[Identity, Depends(guard.websocket())]
    ) -> None:
        await websocket.accept()
        await websocket.send_text(caller.subject)
        await websocket.close()

    return app


def plain() -> Somebody:
    return Somebody()


async def with_untyped_request(request):  # type: ignore[no-untyped-def]
    assert isinstance(request, HTTPConnection)
    return Somebody()


def with_typed_request(connection: HTTPConnection) -> Somebody:
    assert isinstance(connection, HTTPConnection)
    return Somebody()


async def with_dependencies(
    one: Annotated[Somebody, Depends(plain)], name: Annotated[str, Header()] = "none"
) -> Somebody:
    assert isinstance(one, Somebody)
    assert name == "none"
    return one


def that_yields() -> Iterator[Somebody]:
    yield Somebody()


async def that_yields_asynchronously() -> AsyncIterator[Somebody]:
    yield Somebody()


OVERRIDES = [
    plain,
    with_untyped_request,
    with_typed_request,
    with_dependencies,
    that_yields,
    that_yields_asynchronously,
]


@pytest.mark.parametrize("override", OVERRIDES)
def test_by_class(app: FastAPI, override: Any) -> None:
    app.dependency_overrides[Guard] = override
    assert_open(TestClient(app))


# FastAPI finds this key itself, and takes a `request` without a type for a query parameter.
@pytest.mark.parametrize("override", [one for one in OVERRIDES if one is not with_untyped_request])
def test_by_the_guard_that_others_were_derived_from(
    app: FastAPI, guard: Guard, override: Any
) -> None:
    app.dependency_overrides[guard] = override
    assert_open(TestClient(app))


def assert_open(client: TestClient) -> None:
    assert client.get("/me").json() == "somebody"
    assert client.get("/maybe").json() == "somebody"
    for path in ("/admin", "/users/user_7", "/claims"):
        assert client.get(path).status_code == 200
    with client.websocket_connect("/ws") as session:
        assert session.receive_text() == "somebody"


def test_an_exact_override_wins(app: FastAPI, guard: Guard) -> None:
    app.dependency_overrides[guard.requires(role="admin")] = lambda: None
    client = TestClient(app)
    assert client.get("/admin").status_code == 200
    assert client.get("/me").status_code == 401


def test_a_class_that_was_subscripted_is_a_guard_as_well(auth: Authenticator) -> None:
    app = FastAPI()
    app.get("/", dependencies=[Depends(Guard[Claims](auth))])(lambda: "open")
    client = TestClient(app)
    assert client.get("/").status_code == 401
    for key in (Guard, Guard[Claims]):
        app.dependency_overrides = {key: plain}
        assert client.get("/").json() == "open"


def test_a_class_of_ones_own(auth: Authenticator) -> None:
    class Mine(Guard[Identity]):
        pass

    app = FastAPI()
    app.get("/", dependencies=[Depends(Mine(auth).requires(role="admin"))])(lambda: "open")
    for key in (Mine, Guard):
        app.dependency_overrides = {key: plain}
        assert TestClient(app).get("/").json() == "open"


def test_what_is_yielded_is_finished_after_the_handler(guard: Guard) -> None:
    order: list[str] = []
    app = FastAPI()

    @app.get("/", dependencies=[Depends(guard)])
    async def handler() -> None:
        order.append("handler")

    async def override() -> AsyncIterator[Somebody]:
        order.append("begin")
        yield Somebody()
        order.append("end")

    app.dependency_overrides[Guard] = override
    assert TestClient(app).get("/").status_code == 200
    assert order == ["begin", "handler", "end"]


def test_an_override_asks_for_what_a_request_may_lack(app: FastAPI) -> None:
    def override(user: str, request: Request) -> Somebody:
        return Somebody()

    app.dependency_overrides[Guard] = override
    client = TestClient(app)
    assert client.get("/me?user=7").json() == "somebody"
    answer = client.get("/me")
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "user"]


def test_an_override_sees_path_and_scopes(guard: Guard) -> None:
    app = FastAPI()
    seen: list[Any] = []

    @app.get("/posts/{post}", dependencies=[Security(guard, scopes=["posts:read"])])
    async def read(post: int) -> None: ...

    def override(post: int, scopes: SecurityScopes) -> None:
        seen.append((post, scopes.scopes))

    app.dependency_overrides[Guard] = override
    assert TestClient(app).get("/posts/7").status_code == 200
    assert seen == [(7, ["posts:read"])]
