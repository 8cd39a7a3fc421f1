"""The Backend API from Python, in the hands of somebody hurried, and of somebody hostile."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import traceback
from datetime import date
from enum import Enum
from typing import Any

import pydantic
import pytest
from clerk_server import OPERATIONS, BackendApi, answer_of, example

from doorward import ConfigError
from doorward.clerk import Clerk as TypedClerk
from doorward.clerk import ClerkError, List, Object
from doorward.testing import DevIssuer

KEY = "sk_test_planted"
MACHINE = "ak_planted"
#: What is called here is decided when the tests run.
Clerk: Any = TypedClerk


@pytest.fixture
def clerk(api: BackendApi) -> Any:
    return Clerk(bearer_auth=KEY, machine_secret_key=MACHINE, server_url=api.url)


@pytest.mark.parametrize(
    "name",
    ["../x", "a/b", "a?b=c", "a#b", "%2e%2e%2fx", "a%00b", "a\r\nHost: b", "Ada Ünï 🚪", " "],
)
def test_a_name_in_the_path_stays_in_its_segment(api: BackendApi, clerk: Any, name: str) -> None:
    clerk.users.get(user_id=name)
    seen = api.seen.pop()
    assert (seen["id"], seen["path"]) == ("GetUser", {"user_id": name})


@pytest.mark.parametrize("name", ["", ".", "..", None, ["a"], {"a": 1}, float("inf")])
async def test_what_no_segment_can_be_is_not_sent(api: BackendApi, clerk: Any, name: Any) -> None:
    with pytest.raises((ClerkError, TypeError, ValueError), match=r"user_id|JSON"):
        clerk.users.delete(user_id=name)
    with pytest.raises((ClerkError, TypeError, ValueError), match=r"user_id|JSON"):
        await clerk.users.delete_async(user_id=name)
    assert api.seen == []


async def test_who_forgets_the_keyword_is_told_it(api: BackendApi, clerk: Any) -> None:
    with pytest.raises(TypeError, match=r"clerk.users.get\(\) takes keywords only: user_id=…"):
        clerk.users.get("user_1")
    with pytest.raises(TypeError, match="keywords only: user_id"):
        await clerk.users.get_async("user_1")
    for walk in (clerk.users.list_iter, clerk.users.list_iter_async):
        with pytest.raises(TypeError, match="keywords only"):
            walk({"limit": 5})
    with pytest.raises(TypeError, match="takes a mapping as request, not str"):
        clerk.users.get(request="user_1")
    assert api.seen == []


def test_arguments_of_every_kind(api: BackendApi, clerk: Any) -> None:
    class Color(str, Enum):
        RED = "red"

    class Inner(pydantic.BaseModel):
        since: date
        color: Color

    class Outer(pydantic.BaseModel):
        first_name: str
        last_name: str | None = None
        public_metadata: dict[str, Inner]

    model = Outer(first_name="Ädä", public_metadata={"a": Inner(since="2026-01-02", color="red")})  # type: ignore[arg-type]
    wanted = {
        "first_name": "Ädä",
        "public_metadata": {"a": {"since": "2026-01-02", "color": "red"}},
    }
    clerk.users.create(request=model)
    assert json.loads(api.seen.pop()["body"]) == wanted
    clerk.users.create(first_name="Ädä", public_metadata=model.public_metadata)
    assert json.loads(api.seen.pop()["body"]) == wanted
    # What came can go back.
    api.say("GetUser", {"id": "u", "public_metadata": {"deep": [{"er": None}]}})
    user = clerk.users.get(user_id="u")
    clerk.users.create(public_metadata=user.public_metadata, private_metadata=user)
    sent = json.loads(api.seen.pop()["body"])
    assert sent["public_metadata"] == user.public_metadata
    assert sent["private_metadata"] == user.to_dict()
    edges = {"a": 2**64 - 1, "b": -(2**63), "c": 1e300, "d": "9" * 40, '"\\"': [1.5e-7, -0.0]}
    clerk.users.create(public_metadata=edges)
    assert json.loads(api.seen.pop()["body"])["public_metadata"] == edges
    for many in (2**64, -(2**63) - 1, 10**400):
        with pytest.raises(ValueError, match="lose digits"):
            clerk.users.create(public_metadata={"a": [1, many]})
    with pytest.raises(ValueError, match="cannot be sent: recursion"):
        clerk.users.create(public_metadata=json.loads("[" * 200 + "]" * 200))
    around: dict[str, Any] = {}
    around["me"] = around
    for bad in (object(), b"bytes", float("nan"), around, {1j: 2}, "\ud800"):
        with pytest.raises((TypeError, ValueError)):
            clerk.users.create(public_metadata={"x": bad})
    assert [seen["id"] for seen in api.seen] == ["GetUser"]


@pytest.mark.parametrize("bad", [0, -1, float("nan"), float("inf"), 1e300, "5", "soon", [], b"1"])
def test_settings_that_make_no_sense(api: BackendApi, clerk: Any, bad: Any) -> None:
    with pytest.raises(ConfigError, match="timeout_ms"):
        Clerk(bearer_auth=KEY, timeout_ms=bad)
    with pytest.raises((ValueError, TypeError), match="timeout_ms"):
        clerk.users.get(user_id="u", timeout_ms=bad)
    if bad != 0:
        with pytest.raises((ValueError, TypeError), match="retries"):
            clerk.users.get(user_id="u", retries=bad)
    assert api.seen == []


def test_settings_at_their_ends(api: BackendApi, clerk: Any) -> None:
    assert clerk.users.get(user_id="u", retries=10**30, timeout_ms=10**11)
    with pytest.raises(ClerkError) as caught:
        clerk.users.get(user_id="u", timeout_ms=1e-6)
    assert caught.value.kind == "timed_out"
    for url in (api.url + "/", api.url.removesuffix("/v1"), api.url.removesuffix("v1")):
        assert Clerk(bearer_auth=KEY, server_url=url).users.get(user_id="u")
        assert api.seen.pop()["target"] == "/v1/users/u"
    below = Clerk(bearer_auth=KEY, server_url=api.url.replace("/v1", "/gate/clerk/v1/"))
    with pytest.raises(ClerkError):
        below.users.get(user_id="u")
    assert api.seen.pop()["target"] == "/gate/clerk/v1/users/u"
    for url in (api.url + "?a=b", api.url + "#a", "ftp://127.0.0.1", "127.0.0.1", "http://"):
        with pytest.raises(ConfigError):
            Clerk(bearer_auth=KEY, server_url=url)


def test_header_fields_cannot_be_smuggled(api: BackendApi, clerk: Any) -> None:
    for name, value in (("x", "a\r\ny: b"), ("x\r\ny", "b"), ("", "b"), ("x y", "b")):
        with pytest.raises(ValueError, match="header field") as caught:
            clerk.users.get(user_id="u", http_headers={name: value})
        assert "y: b" not in str(caught.value)
    assert api.seen == []
    for name, kind in (('a"\r\nX-Evil: 1', "image/png"), ("a\0b", None), ("a", "a\r\nX-Evil: 1")):
        file = {"file_name": name, "content": b"png", "content_type": kind}
        with pytest.raises(ClerkError, match='"file" is a file whose'):
            clerk.users.set_profile_image(user_id="u", file=file)
    assert api.seen == []


def shown(value: Any) -> str:
    """All that logs, debuggers and reports of crashes show."""
    found = [repr(value), str(value), repr(getattr(value, "__dict__", {}))]
    for name in dir(value):
        if not name.startswith("__"):
            found.append(repr(getattr(value, name, None)))
    return "\n".join(found)


def test_no_key_is_shown(api: BackendApi, clerk: Any) -> None:
    from doorward.compat.clerk_backend_api import Clerk as Compat

    api.say("GetUser", {"errors": [{"code": "c", "message": "m"}]}, 403)
    compat = Compat(bearer_auth=KEY, server_url=api.url)
    texts: list[str] = []
    for one in (clerk, compat):
        with pytest.raises(ClerkError) as caught:
            one.users.get(user_id="u")
        error = caught.value
        trace = traceback.TracebackException.from_exception(error, capture_locals=True)
        texts += [shown(error), "".join(trace.format())]
        texts += [shown(thing) for thing in (one, one.users, one.users.get, one._api)]
        texts += [shown(one.users.list_iter()), shown(one.users.list_iter_async())]
    for text in texts:
        assert "planted" not in text


DAMAGED = [
    b"",
    b" ",
    b"null",
    b"[]",
    b"{}",
    b"[[]]",
    b"[null, 1, [], {}]",
    b'{"data": null}',
    b'{"data": {}}',
    b'{"data": [], "data": [{"id": "second"}]}',
    b'{"data": [{"id": "a"}], "total_count": "many"}',
    b'{"data": [{"id": "a"}], "total_count": 1e400}',
    b'[{"id": "a", "id": "b"}]',
    b'[{"id": 1' + b"0" * 5000 + b"}]",
    b'[{"id": NaN, "x": Infinity}]',
    b'[{"id": "\xff\xfe"}]',
    b'[{"id": "\\ud83d"}]',
    b'\xef\xbb\xbf[{"id": "a"}]',
    b"[{}]trailing",
    b'[{"id": "a"},]',
    b'[{"id": "a"',
    b'[{"id": "a\nb"}]',
    b"[" * 200 + b"]" * 200,
    b"[" * 100_000 + b"]" * 100_000,
    b'[{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}]",
    b"<html></html>",
    b'[{"":{"a":"[[[[\\"]"}}]',
]


@pytest.mark.parametrize("body", DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize("operation", ["GetUserList", "ListOrganizations", "GetUser"])
def test_a_damaged_answer_is_read_as_python_reads_it_or_refused_at_once(
    api: BackendApi, clerk: Any, operation: str, body: bytes
) -> None:
    api.answers[operation] = (200, {"content-type": "application/json"}, body)
    call = {
        "GetUserList": lambda: clerk.users.list(),
        "ListOrganizations": lambda: clerk.organizations.list(),
        "GetUser": lambda: clerk.users.get(user_id="u"),
    }[operation]
    try:
        wanted = json.loads(body.decode("utf-8-sig", "replace")) if body.strip() else None
    except (ValueError, RecursionError):
        with pytest.raises(ClerkError) as caught:
            call()
        assert caught.value.kind == "unreadable"
        return
    answer = call()
    if isinstance(answer, List):
        plain = [item.to_dict() if isinstance(item, Object) else item for item in answer]
        listed = wanted if isinstance(wanted, list) else (wanted or {}).get("data", [])
        assert repr(plain) == repr(listed)
        assert answer.total_count is None
        assert repr(answer)
    else:
        assert repr(answer.to_dict() if isinstance(answer, Object) else answer) == repr(wanted)


def test_a_huge_list_is_read_item_by_item(api: BackendApi, clerk: Any) -> None:
    api.say("GetUserList", [{"id": f"user_{n}", "n": n} for n in range(50_000)])
    users = clerk.users.list()
    assert len(users) == 50_000
    assert (users[0].id, users[-1].n) == ("user_0", 49_999)
    assert [user.n for user in users] == list(range(50_000))
    assert users == clerk.users.list()
    assert users.to_dict()["data"][7] == {"id": "user_7", "n": 7}


def test_items_that_nobody_looked_into_are_like_others(api: BackendApi, clerk: Any) -> None:
    import copy
    import pickle

    api.say("GetUserList", [{"id": "u", "email_addresses": [{"id": "e"}], "new": 1}] * 2)
    fresh = lambda: clerk.users.list()[0]  # noqa: E731
    assert repr(fresh()) == "User(id='u')"
    assert (len(fresh()), "new" in fresh(), list(fresh())) == (
        3,
        True,
        ["id", "email_addresses", "new"],
    )
    assert fresh() == fresh() == Object({"id": "u", "email_addresses": [{"id": "e"}], "new": 1})
    assert pickle.loads(pickle.dumps(fresh())) == copy.deepcopy(fresh()) == copy.copy(fresh())
    assert fresh().get("nothing", 5) == 5
    assert fresh().email_addresses[0].id == "e"
    assert {"new", "first_name"} <= set(dir(fresh()))
    with pytest.raises(AttributeError, match="an answer is not changed"):
        fresh().new = 2
    with pytest.raises(TypeError):
        hash(fresh())
    assert json.loads(json.dumps(fresh(), default=Object.to_dict))["new"] == 1
    from fastapi.encoders import jsonable_encoder

    assert dict(fresh())["new"] == 1
    assert {**fresh()}["email_addresses"][0].id == "e"
    plain = {"id": "u", "email_addresses": [{"id": "e"}], "new": 1}
    assert jsonable_encoder({"user": fresh(), "all": clerk.users.list()}) == {
        "user": plain,
        "all": [plain, plain],
    }
    api.say("GetJWKS", {"keys": [{"kid": "k"}]})
    assert clerk.jwks.get_jwks().keys[0].kid == "k"
    users = clerk.users.list()
    threads = [threading.Thread(target=lambda: [user.new for user in users]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [user.new for user in users] == [1, 1]


def test_a_client_serves_loops_one_after_another_and_side_by_side(
    api: BackendApi, clerk: Any
) -> None:
    async def some() -> int:
        return len(await asyncio.gather(*(clerk.users.get_async(user_id="u") for _ in range(5))))

    assert asyncio.run(some()) + asyncio.run(some()) == 10
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(asyncio.run(some()))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert counts == [5] * 4
    assert len(api.seen) == 30


async def test_two_hundred_calls_at_once() -> None:
    with DevIssuer() as issuer:
        clerk = Clerk(bearer_auth=issuer.secret_key, server_url=issuer.api_url)
        user = await clerk.users.create_async(email_address=["ada@example.com"])
        calls = [clerk.users.get_async(user_id=user.id) for _ in range(200)]
        assert {found.id for found in await asyncio.gather(*calls)} == {user.id}


@pytest.mark.parametrize("way", ["daemon", "loop", "main"])
def test_an_interpreter_that_ends_during_a_call_ends_well(way: str) -> None:
    code = f"""
import asyncio, socket, sys, threading
from doorward.clerk import Clerk, ClerkError

silent = socket.create_server(("127.0.0.1", 0))
clerk = Clerk(bearer_auth="sk_test_x", server_url=f"http://127.0.0.1:{{silent.getsockname()[1]}}")
way = {way!r}
if way == "daemon":
    threading.Thread(target=lambda: clerk.users.get(user_id="u"), daemon=True).start()
    silent.accept()
elif way == "loop":
    async def main():
        asyncio.ensure_future(clerk.users.get_async(user_id="u"))
        await asyncio.to_thread(silent.accept)
    asyncio.run(main())
else:
    try:
        clerk.users.get(user_id="u", timeout_ms=50)
    except ClerkError as error:
        assert error.kind == "timed_out", error
print("ended")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=os.environ
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "ended\n", "")


def test_context_managers_can_be_entered_again(api: BackendApi, clerk: Any) -> None:
    for _ in range(2):
        with clerk, clerk:
            assert clerk.users.get(user_id="u")

    async def twice() -> None:
        for _ in range(2):
            async with clerk:
                assert await clerk.users.get_async(user_id="u")

    asyncio.run(twice())
    with pytest.raises(ZeroDivisionError), clerk:
        raise ZeroDivisionError
    assert len(api.seen) == 4


def test_the_originals_models_are_arguments(api: BackendApi, clerk: Any) -> None:
    from clerk_backend_api import models
    from clerk_backend_api.types import UNSET

    from doorward.compat.clerk_backend_api.types import UNSET as OURS

    clerk.users.list(request=models.GetUserListRequest(email_address=["a@example.com"], limit=5))
    query = api.seen.pop()["query"]
    assert query == {"email_address": ["a@example.com"], "limit": ["5"]}
    body = models.CreateUserRequestBody(first_name="Ada", username=None, skip_password_checks=True)
    clerk.users.create(request=body)
    sent = json.loads(api.seen.pop()["body"])
    assert sent == {"first_name": "Ada", "username": None, "skip_password_checks": True}
    for unset in (UNSET, OURS):
        clerk.users.update(user_id="u", first_name="Ada", last_name=unset)
        assert json.loads(api.seen.pop()["body"]) == {"first_name": "Ada"}


def test_the_table_is_read_by_resource() -> None:
    from doorward.clerk._table import Table

    table = Table()
    assert set(table.resources) == {operation["resource"] for operation in OPERATIONS}
    for operation in OPERATIONS:
        verbs = table.verbs(operation["resource"])
        assert verbs is not None
        for verb in [operation["verb"], *operation.get("aliases", ())]:
            assert verbs[verb].id == operation["id"]
    assert table.verbs("nothing") is None
    assert answer_of(OPERATIONS[0])


async def test_every_operation_arrives_at_the_local_issuer_and_its_answer_comes_back() -> None:
    with DevIssuer() as issuer:
        clerk = Clerk(
            bearer_auth=issuer.secret_key,
            machine_secret_key=issuer.machine_secret_key("mch_1"),
            server_url=issuer.api_url,
        )
        refused: list[ClerkError] = []
        for operation in OPERATIONS:
            given = {
                p["name"]: "x" if p["type"].startswith("string") else example(p["type"], 1)
                for p in operation.get("parameters", ())
                if p.get("required")
            }
            path = "/v1" + operation["path"]
            for p in operation.get("parameters", ()):
                if p["in"] == "path":
                    path = path.replace(f"{{{p.get('wire', p['name'])}}}", given[p["name"]])
            resource = getattr(clerk, operation["resource"])
            for ending in ("", "_async"):
                method = getattr(resource, operation["verb"] + ending)
                try:
                    found = method(**given)
                    if ending:
                        await found
                except ClerkError as error:
                    refused.append(error)
                told = issuer.request_log()[-1]
                assert told["method"] == operation["method"]
                # The log shows nothing that looks like a token.
                assert told["path"] in (path, path.replace("m2m_tokens", "…"))
        assert {error.kind for error in refused} == {"refused"}
        assert all(error.errors for error in refused)
        # What an "x" means is another matter; the operation and its arguments are right.
        codes = {error.code for error in refused}
        assert "resource_not_found" in codes
        assert not codes & {"form_param_unknown", "form_param_type_invalid", "clerk_key_invalid"}
