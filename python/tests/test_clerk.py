"""The Backend API from Python: every operation, and answers that are not what was expected."""

from __future__ import annotations

import asyncio
import copy
import inspect
import io
import json
import os
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from clerk_server import OPERATIONS, TABLE, BackendApi, answer_of, example

from doorward import ConfigError
from doorward.clerk import Clerk as TypedClerk
from doorward.clerk import ClerkAnswerError, ClerkError, List, Object

KEY = "sk_test_planted"
ROOT = Path(__file__).resolve().parents[2]
#: An environment in which Python keeps what it compiled.
CACHING = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
#: What is called here is decided when the tests run.
Clerk: Any = TypedClerk


@pytest.fixture(scope="module")
def server() -> Iterator[BackendApi]:
    server = BackendApi()
    yield server
    server.close()


@pytest.fixture
def api(server: BackendApi) -> BackendApi:
    server.seen.clear()
    server.answers.clear()
    return server


@pytest.fixture
def clerk(api: BackendApi) -> Any:
    return Clerk(bearer_auth=KEY, machine_secret_key="ak_planted", server_url=api.url)


def arguments(operation: dict[str, Any]) -> dict[str, Any]:
    return {p["name"]: example(p["type"], 1) for p in operation.get("parameters", ())}


def plain(value: Any) -> Any:
    if isinstance(value, List):
        return [plain(item) for item in value]
    return value.to_dict() if isinstance(value, Object) else value


def arrived(operation: dict[str, Any], seen: dict[str, Any], given: dict[str, Any]) -> None:
    """Every argument stands where the table says, as it was given."""
    assert seen["id"] == operation["id"]
    key = {"machine": "ak_planted", "none": None}.get(operation.get("auth", "secret"), KEY)
    assert seen["headers"].get("authorization") == (key and f"Bearer {key}")
    assert seen["headers"]["clerk-api-version"] == "2026-05-12"
    body: dict[str, Any] = {}
    if operation.get("body") == "json" and seen["body"]:
        body = json.loads(seen["body"])
    for parameter in operation.get("parameters", ()):
        name, wire = parameter["name"], parameter.get("wire", parameter["name"])
        value = given[name]
        listed: list[Any] = value if isinstance(value, list) else [value]
        texts = [
            text if isinstance(text, str) else json.dumps(text, default=repr) for text in listed
        ]
        if parameter["in"] == "path":
            assert seen["path"][wire] == texts[0]
        elif parameter["in"] == "query":
            wanted = [",".join(texts)] if parameter.get("comma") else texts
            assert seen["query"].get(wire, []) == wanted
        elif parameter["in"] == "document":
            assert body == value
        elif operation.get("body") == "multipart":
            raw = value if isinstance(value, bytes) else texts[0].encode()
            assert f'name="{wire}"'.encode() in seen["body"]
            assert raw in seen["body"]
        else:
            assert body[wire] == value


def check_answer(operation: dict[str, Any], answer: Any) -> None:
    shape = operation.get("shape", "object")
    if shape == "empty":
        assert answer is None
    elif shape == "text":
        assert answer == "<html></html>"
    else:
        wanted = json.loads(answer_of(operation))
        if shape == "page":
            assert answer.total_count == 1
            wanted = wanted[operation.get("items") or "data"]
        assert isinstance(answer, List if shape in ("array", "page") else Object)
        assert plain(answer) == wanted


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o["id"])
def test_every_operation(api: BackendApi, clerk: Any, operation: dict[str, Any]) -> None:
    given = arguments(operation)
    resource = getattr(clerk, operation["resource"])
    for verb in [operation["verb"], *operation.get("aliases", ())]:
        check_answer(operation, getattr(resource, verb)(**given))
        arrived(operation, api.seen.pop(), given)
        if given:
            check_answer(operation, getattr(resource, verb)(request=given))
            arrived(operation, api.seen.pop(), given)
    assert api.seen == []


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda o: o["id"])
async def test_every_operation_async(
    api: BackendApi, clerk: Any, operation: dict[str, Any]
) -> None:
    given = arguments(operation)
    method = getattr(getattr(clerk, operation["resource"]), f"{operation['verb']}_async")
    check_answer(operation, await method(**given))
    arrived(operation, api.seen.pop(), given)


def test_there_are_249() -> None:
    assert len(OPERATIONS) == 249


def mangled(value: Any, dice: random.Random) -> Any:
    """The same with fields missing, null, of another type, unknown."""
    if isinstance(value, dict):
        kept = {k: mangled(v, dice) for k, v in value.items() if dice.random() > 0.1}
        return {**kept, **({"never_heard_of": {"a": [1]}} if dice.random() > 0.5 else {})}
    if isinstance(value, list):
        return [mangled(item, dice) for item in value for _ in range(dice.choice([1, 1, 2, 0]))]
    others = [
        None,
        "a new word",
        2**70,
        -1.5,
        True,
        {},
        [],
        [[{"x": None}]],
        {"y": {"z": "\ud83d"}},
    ]
    return dice.choice(others) if dice.random() > 0.6 else value


def touch(value: Any) -> None:
    """Reads all that can be read."""
    if isinstance(value, Object):
        repr(value)
        for name in dir(value):
            if not name.startswith("_"):
                touch(getattr(value, name))
        for name in value:
            touch(value[name])
    elif isinstance(value, list):
        for item in value:
            touch(item)


def test_no_answer_is_lost(api: BackendApi, clerk: Any) -> None:
    dice = random.Random(7)
    for operation in OPERATIONS:
        if operation.get("shape", "object") in ("text", "empty"):
            continue
        for _ in range(3):
            wanted = mangled(json.loads(answer_of(operation)), dice)
            api.say(operation["id"], wanted)
            resource = getattr(clerk, operation["resource"])
            answer = getattr(resource, operation["verb"])(**arguments(operation))
            touch(answer)
            came = answer.to_dict() if isinstance(answer, (Object, List)) else answer
            if isinstance(wanted, list):
                assert came["data"] == wanted
            elif isinstance(answer, List):
                items = operation.get("items") or "data"
                assert came.pop("data") == wanted[items]
                assert came.pop("total_count") == wanted.get("total_count")
                assert came == {k: v for k, v in wanted.items() if k not in (items, "total_count")}
            else:
                assert came == wanted


def test_an_object(api: BackendApi, clerk: Any) -> None:
    came = {
        "id": "user_1",
        "primary_email_address_id": "idn_2",
        "email_addresses": [
            {"id": "idn_1", "email_address": "old@example.com"},
            {"id": "idn_2", "email_address": "ada@example.com", "verification": {"status": "new"}},
        ],
        "phone_numbers": [],
        "public_metadata": {"subscription_tier": "pro"},
        "brand_new": 1,
    }
    api.say("GetUser", came)
    user = clerk.users.get(user_id="user_1")
    assert (user.id, user["id"], user.get("id"), user.get("nothing", 5)) == (
        *["user_1"] * 3,
        5,
    )
    assert user.primary_email_address == "ada@example.com"
    assert user.primary_phone_number is None
    assert user.email_addresses[1].verification.status == "new"
    assert user.email_addresses[0].verification is None
    assert user.public_metadata == {"subscription_tier": "pro"}
    assert user.brand_new == 1
    assert user.first_name is None
    assert "first_name" not in user
    assert "brand_new" in user
    with pytest.raises(AttributeError, match="this User has no 'frist_name'; did you mean 'first_"):
        user.frist_name  # noqa: B018
    with pytest.raises(KeyError):
        user["first_name"]
    with pytest.raises(AttributeError, match="an answer is not changed"):
        user.first_name = "x"
    assert user.to_dict() == came
    assert user.to_dict() is not user.to_dict()
    assert repr(user) == "User(id='user_1')"
    for twin in (copy.deepcopy(user), copy.copy(user), pickle.loads(pickle.dumps(user))):
        assert twin == user
        assert twin.primary_email_address == "ada@example.com"
    assert {"brand_new", "first_name", "primary_email_address", "to_dict"} <= set(dir(user))


@pytest.mark.parametrize("shape", ["array", "page"])
def test_a_list_is_a_list(api: BackendApi, clerk: Any, shape: str) -> None:
    items = [{"id": "sess_1"}, {"id": "sess_2"}]
    api.say("GetSessionList", items if shape == "array" else {"data": items, "total_count": 9})
    sessions: Any = clerk.sessions.list(user_id="user_1")
    assert isinstance(sessions, List)
    assert isinstance(sessions, list)
    assert sessions.data is sessions
    assert sessions.total_count == (None if shape == "array" else 9)
    assert [session.id for session in sessions.data] == ["sess_1", "sess_2"]
    assert len(sessions) == 2
    twin = pickle.loads(pickle.dumps(sessions))
    assert (twin, twin.total_count) == (sessions, sessions.total_count)


def test_names_are_checked_and_the_closest_is_named(api: BackendApi, clerk: Any) -> None:
    for call in (
        lambda: clerk.users.update(user_id="u", frist_name="x"),
        lambda: clerk.users.update(request={"user_id": "u", "frist_name": "x"}),
    ):
        with pytest.raises(TypeError, match="'frist_name'; did you mean 'first_name'"):
            call()
    with pytest.raises(TypeError, match=r"clerk.users.update\(\) needs 'user_id'"):
        clerk.users.update(first_name="x")
    with pytest.raises(TypeError, match="'user_id' twice"):
        clerk.users.get(user_id="a", request={"user_id": "b"})
    with pytest.raises(AttributeError, match="clerk has no 'user'; did you mean 'users'"):
        clerk.user  # noqa: B018
    with pytest.raises(AttributeError, match=r"clerk\.users has no 'lst'; did you mean 'list'"):
        clerk.users.lst  # noqa: B018
    assert api.seen == []


def test_metadata_is_replaced_by_a_request_of_its_own(api: BackendApi, clerk: Any) -> None:
    clerk.users.update(user_id="u", first_name=None, public_metadata={"a": 1}, unsafe_metadata={})
    clerk.organizations.update(organization_id="o", private_metadata={"b": 2})
    told = [(seen["id"], json.loads(seen["body"])) for seen in api.seen]
    assert told == [
        ("UpdateUser", {"first_name": None}),
        ("ReplaceUserMetadata", {"public_metadata": {"a": 1}, "unsafe_metadata": {}}),
        ("ReplaceOrganizationMetadata", {"private_metadata": {"b": 2}}),
    ]
    api.say("ReplaceUserMetadata", {"errors": [{"code": "x", "message": "y"}]}, 422)
    with pytest.raises(ClerkAnswerError) as caught:
        clerk.users.update(user_id="u", first_name="A", public_metadata={"a": 1})
    assert caught.value.may_have_arrived


def test_absent_null_and_value_are_three_things(api: BackendApi, clerk: Any) -> None:
    from doorward.compat.clerk_backend_api.types import UNSET

    clerk.users.update(user_id="u", username=None, first_name=UNSET, password_digest=None)
    assert json.loads(api.seen.pop()["body"]) == {"username": None}
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
    clerk.users.list(created_at_before=moment, banned=False, limit=0)
    query = {"created_at_before": ["1767323045678"], "banned": ["false"], "limit": ["0"]}
    assert api.seen.pop()["query"] == query
    clerk.users.create(created_at=moment, email_address=("a@example.com",))
    assert json.loads(api.seen.pop()["body"]) == {
        "created_at": "2026-01-02T03:04:05.678000+00:00",
        "email_address": ["a@example.com"],
    }
    with pytest.raises(ValueError, match="needs its zone"):
        clerk.users.list(created_at_before=datetime(2026, 1, 2))


@pytest.mark.parametrize("kind", ["bytes", "open", "path", "mapping"])
def test_files(api: BackendApi, clerk: Any, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(b"\x89PNG")
    named = io.BytesIO(b"\x89PNG")
    named.name = "face.png"
    shape = {"file_name": "face.png", "content": b"\x89PNG", "content_type": "image/png"}
    file = {"bytes": b"\x89PNG", "open": named, "path": path, "mapping": shape}[kind]
    clerk.users.set_profile_image(user_id="u", file=file)
    body = api.seen.pop()["body"]
    assert b"\x89PNG" in body
    if kind != "bytes":
        assert b'filename="face.png"' in body
        assert b"image/png" in body
    with pytest.raises(TypeError, match="file: expected bytes"):
        clerk.users.set_profile_image(user_id="u", file="a name")


def test_errors_are_typed(api: BackendApi, clerk: Any) -> None:
    from doorward.compat.clerk_backend_api import models

    entry = {"code": "c", "message": "m", "long_message": "l", "meta": {"param_name": "username"}}
    api.say("UpdateUser", {"errors": [entry], "clerk_trace_id": "trace"}, 422, retry_after="3")
    with pytest.raises(models.ClerkErrors) as caught:
        clerk.users.update(user_id="user_planted", username="x")
    error = caught.value
    assert isinstance(error, models.SDKError)
    assert (error.kind, error.status_code, error.code, error.trace_id) == (
        *("refused", 422, "c"),
        "trace",
    )
    assert (error.errors[0].long_message, error.errors[0].param_name) == ("l", "username")
    assert error.data.errors[0].code == "c"
    assert error.has_code("c")
    assert (error.retry_after, error.attempts, error.may_have_arrived) == (3.0, 1, False)
    assert "planted" not in str(error) + repr(error)
    twin = pickle.loads(pickle.dumps(error))
    assert (type(twin), twin.code, str(twin)) == (ClerkAnswerError, "c", str(error))
    api.answers["UpdateUser"] = (502, {"content-type": "text/html"}, b"<html>")
    with pytest.raises(ClerkError) as caught:
        clerk.users.update(user_id="u", username="x")
    assert type(caught.value) is ClerkError
    assert (caught.value.body, caught.value.may_have_arrived) == ("<html>", True)
    api.answers["GetUser"] = (200, {}, b"<html>")
    with pytest.raises(ClerkError) as caught:
        clerk.users.get(user_id="u")
    assert caught.value.kind == "unreadable"
    nobody = Clerk(bearer_auth=KEY, server_url="http://127.0.0.1:9", retries=0)
    with pytest.raises(ClerkError) as caught:
        nobody.users.get(user_id="u")
    assert caught.value.kind == "unreachable"


def test_settings(api: BackendApi, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Clerk(bearer_auth=lambda: "sk_test_asked", server_url=api.url)
    asked.users.get(user_id="u", http_headers={"x-mine": "1"})
    headers = api.seen.pop()["headers"]
    assert (headers["authorization"], headers["x-mine"]) == ("Bearer sk_test_asked", "1")
    machine = Clerk(bearer_auth="ak_machine", server_url=api.url)
    machine.m2m.create_token()
    assert api.seen.pop()["headers"]["authorization"] == "Bearer ak_machine"
    monkeypatch.setenv("CLERK_SECRET_KEY", "sk_test_environment")
    monkeypatch.setenv("CLERK_API_URL", api.url)
    Clerk().users.get(user_id="u")
    assert api.seen.pop()["headers"]["authorization"] == "Bearer sk_test_environment"
    elsewhere = Clerk(bearer_auth=KEY, server_url="http://127.0.0.1:9")
    elsewhere.users.get(user_id="u", server_url=api.url)
    assert api.seen.pop()["id"] == "GetUser"
    for bad in (
        {"bearer_auth": 5},
        {"bearer_auth": ""},
        {"bearer_auth": "a\nb"},
        {"server_url": ""},
        {"server_url": "http://example.com"},
        {"timeout_ms": 0},
        {"timeout_ms": "5"},
        {"retries": -1},
    ):
        with pytest.raises(ConfigError) as caught:
            Clerk(**bad)
        assert "a\nb" not in str(caught.value)
    # Another key than the one that was meant is worse than none.
    for nothing in ("", None):
        silent = Clerk(
            bearer_auth=lambda nothing=nothing: nothing,
            machine_secret_key="ak_planted",
            server_url=api.url,
        )
        with pytest.raises(ClerkError, match="returned no key"):
            silent.m2m.list_tokens(subject="mch_1")
    assert api.seen == []
    assert copy.copy(elsewhere.users).get
    monkeypatch.delenv("CLERK_SECRET_KEY")
    with pytest.raises(ClerkError, match="key"):
        Clerk().users.get(user_id="u")


def test_retries_and_deadlines(api: BackendApi, clerk: Any) -> None:
    api.say("GetUser", {}, 503)
    api.say("UpdateUser", {}, 503)
    with pytest.raises(ClerkError) as caught:
        clerk.users.get(user_id="u", retries=1)
    assert (caught.value.attempts, len(api.seen)) == (2, 2)
    api.seen.clear()
    with pytest.raises(ClerkError):
        clerk.users.update(user_id="u")
    assert len(api.seen) == 1
    with pytest.raises(TypeError, match="retries"):
        clerk.users.get(user_id="u", retries="many")


async def test_a_cancelled_call_leaves_the_loop(api: BackendApi, clerk: Any) -> None:
    api.say("GetUser", {}, 503, retry_after="20")
    task = asyncio.ensure_future(clerk.users.get_async(user_id="u"))
    while not api.seen:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    waiting = [thread for thread in threading.enumerate() if thread.name == "doorward-wait"]
    for thread in waiting:
        thread.join(5)
        assert not thread.is_alive()


async def test_many_at_once(api: BackendApi, clerk: Any) -> None:
    calls = [clerk.users.get_async(user_id=f"user_{n}") for n in range(40)]
    assert len(await asyncio.gather(*calls)) == 40
    asked = {seen["path"]["user_id"] for seen in api.seen}
    assert asked == {f"user_{n}" for n in range(40)}


def test_raw(api: BackendApi, clerk: Any) -> None:
    assert clerk.send("GET", "/users/count?query=a") == json.loads(
        answer_of(next(o for o in OPERATIONS if o["id"] == "GetUsersCount"))
    )
    clerk.send("POST", "/users", {"first_name": "A"})
    assert json.loads(api.seen.pop()["body"]) == {"first_name": "A"}


def test_context_managers(clerk: Any) -> None:
    with clerk as entered:
        assert entered.users.get(user_id="u")

    async def entered_async() -> None:
        async with clerk as entered:
            assert await entered.users.get_async(user_id="u")

    asyncio.run(entered_async())
    assert "planted" not in repr(clerk) + repr(clerk.users) + repr(clerk._api)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forking is a POSIX habit")
def test_after_a_fork(api: BackendApi) -> None:
    code = f"""
import os, signal, sys
from doorward.clerk import Clerk
clerk = Clerk(bearer_auth="sk_test_x", server_url={api.url!r})
assert clerk.users.get(user_id="u").id
child = os.fork()
if child == 0:
    signal.alarm(20)
    import asyncio
    assert clerk.users.get(user_id="v").id
    assert asyncio.run(clerk.users.get_async(user_id="w")).id
    os._exit(0)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
assert clerk.users.get(user_id="x").id
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    assert {seen["path"]["user_id"] for seen in api.seen} == {"u", "v", "w", "x"}


def test_the_guides_snippets(api: BackendApi, monkeypatch: pytest.MonkeyPatch) -> None:
    from doorward.compat.clerk_backend_api import Clerk as Compat

    monkeypatch.setenv("CLERK_API_URL", api.url)
    user = {"id": "user_xxx", "public_metadata": {"subscription_tier": "pro"}}
    api.say("GetUser", user)
    api.say("GetSessionList", [{"id": "s1", "status": "active"}, {"id": "s2", "status": "ended"}])
    api.say("CreateOrganization", {"id": "org_1"})
    clerk: Any = Compat(bearer_auth=KEY)

    assert clerk.users.get(user_id="user_xxx").public_metadata == {"subscription_tier": "pro"}
    clerk.users.update(user_id="user_xxx", public_metadata={"subscription_tier": "enterprise"})
    sessions = clerk.sessions.list(user_id="user_xxx")
    for session in sessions.data:
        if session.status == "active":
            clerk.sessions.revoke(session_id=session.id)
    org = clerk.organizations.create(name="Acme Inc", slug="acme")
    memberships = clerk.users.get_organization_memberships(user_id="user_xxx")
    assert (len(memberships.data), memberships.total_count) == (1, 1)
    clerk.organization_invitations.create(
        organization_id=org.id, email_address="teammate@example.com", role="org:admin"
    )
    with pytest.warns(DeprecationWarning, match="instance_id"):
        clerk.organization_roles.create(
            instance_id="ins_xxx",
            name="Analyst",
            key="org:analyst",
            description="Read-only access to reports",
        )
    assert "instance_id" not in json.loads(api.seen[-1]["body"])
    actor_token = clerk.actor_tokens.create(
        request={
            "user_id": "user_target_xxx",
            "actor": {"sub": "user_admin_xxx"},
            "expires_in_seconds": 3600,
            "session_max_duration_in_seconds": 1800,
        }
    )
    assert actor_token.url
    assert actor_token.token
    clerk.actor_tokens.revoke(actor_token_id=actor_token.id)
    revoked = [seen["path"] for seen in api.seen if seen["id"] == "RevokeSession"]
    assert revoked == [{"session_id": "s1"}]
    assert asyncio.run(clerk.sessions.list_async(user_id="user_xxx")).data[0].id == "s1"


def test_editors_are_told() -> None:
    clerk = Clerk(bearer_auth=KEY)
    signature = inspect.signature(clerk.users.update)
    assert signature.parameters["user_id"].default is inspect.Parameter.empty
    assert {"first_name", "public_metadata", "request", "timeout_ms"} <= set(signature.parameters)
    assert signature.return_annotation == "User"
    assert clerk.users.list.__doc__.startswith("GET /users, answers List[User].")
    assert {"users", "m2m", "send"} <= set(dir(clerk))
    assert {"list", "list_async"} <= set(dir(clerk.users))
    for operation in OPERATIONS:
        method = getattr(getattr(clerk, operation["resource"]), operation["verb"])
        assert inspect.signature(method)
        assert method.__doc__


def test_the_stub_is_made_from_the_table() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "clerk_stub.py"), "--check"]
    subprocess.run(command, check=True, timeout=60)


def test_the_import_costs_less_than_15_milliseconds() -> None:
    code = """
import time
start = time.process_time()
import doorward.clerk
print(time.process_time() - start)
"""
    costs = [
        float(subprocess.check_output([sys.executable, "-c", code], env=CACHING, timeout=60))
        for _ in range(7)
    ]
    assert min(costs) < 0.015, costs


def test_the_package_does_not_import_it() -> None:
    code = "import doorward, sys; print('doorward.clerk' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code]).strip() == b"False"


def test_the_table_knows_its_version() -> None:
    assert TABLE["version"] == "2026-05-12"
