"""Guards that compare the caller with the path."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI
from fastapi.testclient import TestClient
from support import Signer, bearer

from doorward import Authenticator, Identity, Policy
from doorward.asgi import AuthMiddleware
from doorward.fastapi import Guard, verify_user_access

STAFF = Policy(organization="org_staff", role="org:admin")


@pytest.fixture
def client(auth: Authenticator) -> TestClient:
    guard = Guard(auth)
    app = FastAPI()

    def route(path: str, door: Guard) -> None:
        app.get(path, dependencies=[Depends(door)])(lambda: "in")

    route("/users/{user_id}", guard.user_in_path("user_id"))
    route("/numbers/{number:int}", guard.user_in_path("number"))
    route("/staffed/users/{user_id}", guard.user_in_path("user_id", unless=STAFF))
    route("/strict/{user_id}", guard.requires(role="admin").user_in_path("user_id"))
    route("/orgs/{org}", guard.organization_in_path("org"))
    route("/slugs/{org}", guard.organization_in_path("org", by="slug"))
    route("/either/{org}", guard.organization_in_path("org", by="id_or_slug"))
    route("/staffed/orgs/{org}", guard.organization_in_path("org", unless=STAFF))
    route(
        "/both/{org}/{user_id}",
        guard.organization_in_path("org").user_in_path("user_id"),
    )
    route("/mistaken/{id}", guard.user_in_path("user_id"))
    return TestClient(app, raise_server_exceptions=False)


def get(client: TestClient, path: str, token: str) -> Any:
    answer = client.get(path, headers=bearer(token))
    if answer.status_code == 403:
        assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
        assert answer.headers["cache-control"] == "no-store"
    return answer.json()


def test_the_user(client: TestClient, keys: Signer) -> None:
    mine = keys.session()
    refused = {"detail": "permission_required"}
    assert get(client, "/users/user_1", mine) == "in"
    for other in ("user_2", "USER_1", "user_1%20", "user_11", "None", "%00"):
        assert get(client, f"/users/{other}", mine) == refused, other
    assert get(client, "/numbers/7", keys.session(sub="7")) == "in"
    assert get(client, "/numbers/8", keys.session(sub="7")) == refused
    assert client.get("/users/user_1").json() == {"detail": "credentials_missing"}


def test_demands_come_first_and_stay(client: TestClient, keys: Signer) -> None:
    member = keys.session(o={"id": "org_1", "rol": "member"}, fea=None)
    assert get(client, "/strict/user_1", keys.session()) == "in"
    assert get(client, "/strict/user_1", member) == {"detail": "role_required"}
    assert get(client, "/strict/user_2", keys.session()) == {"detail": "permission_required"}


def test_the_organization(client: TestClient, keys: Signer) -> None:
    acme = keys.session()
    refused = {"detail": "organization_required"}
    for path, expected in {
        "/orgs/org_1": "in",
        "/orgs/acme": refused,
        "/slugs/acme": "in",
        "/slugs/org_1": refused,
        "/either/acme": "in",
        "/either/org_1": "in",
        "/either/org_2": refused,
        "/orgs/org_2": refused,
        "/both/org_1/user_1": "in",
        "/both/org_2/user_1": refused,
        "/both/org_1/user_2": {"detail": "permission_required"},
    }.items():
        assert get(client, path, acme) == expected, path
    alone = keys.session(o=None, fea=None)
    for path in ("/orgs/org_1", "/orgs/None", "/slugs/None", "/either/None"):
        assert get(client, path, alone) == refused


def test_a_slug_is_no_id(client: TestClient, keys: Signer) -> None:
    impostor = keys.session(o={"id": "org_evil", "slg": "org_1", "rol": "admin"}, fea=None)
    assert get(client, "/orgs/org_1", impostor) == {"detail": "organization_required"}


def test_an_escape(client: TestClient, keys: Signer) -> None:
    staff = keys.session(sub="user_9", o={"id": "org_staff", "rol": "admin"}, fea=None)
    assert get(client, "/staffed/users/user_1", staff) == "in"
    assert get(client, "/staffed/orgs/org_1", staff) == "in"
    assert get(client, "/users/user_1", staff) == {"detail": "permission_required"}
    # An admin, but of another organization. The refusal does not tell of the escape.
    assert get(client, "/staffed/users/user_2", keys.session()) == {"detail": "permission_required"}
    assert get(client, "/staffed/orgs/org_2", keys.session()) == {"detail": "organization_required"}


def test_a_path_without_the_parameter_lets_nobody_in(client: TestClient, keys: Signer) -> None:
    headers = bearer(keys.session())
    assert client.get("/mistaken/user_1", headers=headers).status_code == 500
    client = TestClient(client.app)
    with pytest.raises(RuntimeError, match=r"no path parameter 'user_id'.*it has: id"):
        client.get("/mistaken/user_1", headers=headers)


def test_equal_demands_are_one_object(auth: Authenticator) -> None:
    guard = Guard(auth)
    one = guard.user_in_path("user_id", unless=STAFF)
    assert one is guard.user_in_path("user_id", unless=STAFF)
    assert one is not guard.user_in_path("user_id")


def test_function_style(auth: Authenticator, keys: Signer) -> None:
    guard = Guard(auth)
    router = APIRouter(prefix="/api", dependencies=[Depends(guard)])

    @router.get("/{user_id}/tasks")
    async def tasks(user_id: Annotated[str, Depends(verify_user_access)]) -> str:
        return user_id

    app = FastAPI()
    app.include_router(router)
    client = TestClient(app)
    assert get(client, "/api/user_1/tasks", keys.session()) == "user_1"
    assert get(client, "/api/user_2/tasks", keys.session()) == {"detail": "permission_required"}
    assert client.get("/api/user_1/tasks").status_code == 401


def test_function_style_behind_an_optional_guard(auth: Authenticator) -> None:
    app = FastAPI(dependencies=[Depends(Guard(auth).optional)])
    app.get("/{user_id}", dependencies=[Depends(verify_user_access)])(lambda: "in")
    assert TestClient(app).get("/user_1").json() == {"detail": "credentials_missing"}


def test_function_style_without_a_guard_lets_nobody_in(keys: Signer) -> None:
    app = FastAPI()
    app.get("/{user_id}", dependencies=[Depends(verify_user_access)])(lambda: "in")
    with pytest.raises(RuntimeError, match="no guard"):
        TestClient(app).get("/user_1", headers=bearer(keys.session()))


def test_the_identity_is_what_comes_out(auth: Authenticator, keys: Signer) -> None:
    app = FastAPI()
    mine = Guard(auth).user_in_path("user_id")

    @app.get("/{user_id}")
    async def read(caller: Annotated[Identity, Depends(mine)]) -> str:
        return caller.subject

    assert get(TestClient(app), "/user_1", keys.session()) == "user_1"


@pytest.mark.parametrize(
    ("options", "kind", "sentence"),
    [
        ({"by": "name"}, ValueError, "by: expected one of id, slug, id_or_slug, found 'name'"),
        ({"by": "user"}, ValueError, "by: expected one of"),
        ({"unless": Policy()}, ValueError, "demands nothing, so it would let everybody in"),
        ({"unless": "org:admin"}, TypeError, "unless: expected a Policy, found str"),
    ],
)
def test_mistakes(
    auth: Authenticator, options: dict[str, Any], kind: type[Exception], sentence: str
) -> None:
    with pytest.raises(kind, match=sentence):
        Guard(auth).organization_in_path("org", **options)


def test_function_style_goes_by_the_headers_it_sees(auth: Authenticator, keys: Signer) -> None:
    app = FastAPI()
    app.get("/{user_id}", dependencies=[Depends(verify_user_access)])(lambda: "in")

    async def strip(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "headers": []}, receive, send)

    client = TestClient(AuthMiddleware(strip, auth))
    answer = client.get("/user_1", headers=bearer(keys.session()))
    assert answer.json() == {"detail": "credentials_missing"}
