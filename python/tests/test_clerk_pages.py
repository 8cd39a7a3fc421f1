"""Walking through the lists of the Backend API, at the local issuer."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from clerk_server import OPERATIONS, BackendApi

from doorward.clerk import Clerk as TypedClerk
from doorward.clerk import ClerkAnswerError, ClerkError, Object
from doorward.testing import DevIssuer

#: What is called here is decided when the tests run.
Clerk: Any = TypedClerk
PAGINATED = [
    operation
    for operation in OPERATIONS
    if {"limit", "offset"} <= {parameter["name"] for parameter in operation.get("parameters", ())}
]
USERS = 23


@pytest.fixture(scope="module")
def issuer() -> Iterator[DevIssuer]:
    with DevIssuer() as issuer:
        clerk = Clerk(bearer_auth=issuer.secret_key, server_url=issuer.api_url)
        for n in range(USERS):
            user = clerk.users.create(
                email_address=[f"user{n}@example.com"], username=f"user{n:02}"
            )
            clerk.organizations.create(name=f"Org {n}", created_by=user.id)
        machine = clerk.machines.create(name="one", scoped_machines=[])
        tokens = Clerk(machine_secret_key=machine.secret_key, server_url=issuer.api_url)
        for _ in range(5):
            tokens.m2m.create_token(token_format="opaque")
        for n in range(5):
            clerk.redirect_urls.create(url=f"https://example.com/{n}")
        issuer.machine = machine.id  # type: ignore[attr-defined]
        yield issuer


@pytest.fixture
def clerk(issuer: DevIssuer) -> Any:
    return Clerk(bearer_auth=issuer.secret_key, server_url=issuer.api_url)


@pytest.fixture
def local(api: BackendApi) -> Any:
    return Clerk(bearer_auth="sk_test_x", server_url=api.url)


def calls(issuer: DevIssuer) -> int:
    return issuer.requests("backend_api")


async def collected(pages: Any) -> list[Any]:
    return [item async for item in pages]


#: One of each shape: a bare array by cursor and by offset, `data`, `m2m_tokens`.
SHAPES = {
    "cursor": ("users", "list", {}, USERS, None),
    "array": ("users", "list", {"order_by": "username"}, USERS, None),
    "page": ("organizations", "list", {}, USERS, USERS),
    "tokens": ("m2m", "list_tokens", {}, 5, 5),
    "redirects": ("redirect_urls", "list", {"paginated": True}, 5, 5),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("limit", [None, 1, 4, 5, 500])
async def test_every_item_comes_once(
    issuer: DevIssuer, clerk: Any, shape: str, limit: int | None
) -> None:
    resource, verb, given, wanted, total = SHAPES[shape]
    if shape == "tokens":
        given = {"subject": issuer.machine}  # type: ignore[attr-defined]
        # The API allows no more of these.
        limit = limit and min(limit, 100)
    size = {} if limit is None else {"limit": limit}
    walk = getattr(getattr(clerk, resource), f"{verb}_iter")
    pages = walk(**given, **size)
    ids = [item.id for item in pages]
    assert len(ids) == len(set(ids)) == wanted
    assert pages.total_count == total
    assert list(pages) == []
    walk_async = getattr(getattr(clerk, resource), f"{verb}_iter_async")
    assert [item.id for item in await collected(walk_async(request={**given, **size}))] == ids


def test_it_starts_and_stops_where_it_is_told(issuer: DevIssuer, clerk: Any) -> None:
    names = [user.username for user in clerk.users.list(order_by="+username", limit=500)]
    before = calls(issuer)
    walk = clerk.users.list_iter(order_by="+username", offset=3, limit=5)
    assert calls(issuer) == before
    taken = [user.username for user in itertools.islice(walk, 7)]
    assert taken == names[3:10]
    # The third page is there before the second one's last item goes, and that is the tenth.
    assert calls(issuer) == before + 2
    assert next(walk).username == names[10]
    assert [user.username for user in walk] == names[11:]
    after = clerk.users.list(limit=500)
    rest = clerk.users.list_iter(starting_after=after[19].id, limit=2)
    assert [user.id for user in rest] == [user.id for user in after[20:]]


def test_by_cursor_nobody_is_missed_when_others_leave(clerk: Any) -> None:
    made = {clerk.users.create(email_address=[f"leaving{n}@example.com"]).id for n in range(6)}
    everyone = {user.id for user in clerk.users.list_iter()}
    seen: list[str] = []
    for user in clerk.users.list_iter(limit=2):
        seen.append(user.id)
        if user.id in made:
            clerk.users.delete(user_id=user.id)
    assert len(seen) == len(set(seen))
    assert set(seen) == everyone


@pytest.mark.parametrize("operation", PAGINATED, ids=lambda o: o["id"])
async def test_every_list_can_be_walked(
    api: BackendApi, local: Any, operation: dict[str, Any]
) -> None:
    required = {
        p["name"]: [] if p["type"].startswith("[") else "x"
        for p in operation["parameters"]
        if p.get("required")
    }
    field = operation.get("items") or "data"
    resource = getattr(local, operation["resource"])
    for verb in [operation["verb"], *operation.get("aliases", ())]:
        api.say(operation["id"], {field: [{"id": "a"}, {"id": "b"}], "total_count": 2})
        assert {f"{verb}_iter", f"{verb}_iter_async"} <= set(dir(resource))
        pages = getattr(resource, f"{verb}_iter")(**required)
        assert [item.id for item in pages] == ["a", "b"]
        asked = api.seen[-1]
        most = next(p.get("maximum") for p in operation["parameters"] if p["name"] == "limit")
        assert asked["query"].get("limit") == (most and [str(most)])
        api.say(operation["id"], [{"id": "a"}])
        pages = getattr(resource, f"{verb}_iter_async")(**required, limit=5)
        assert [item.id for item in await collected(pages)] == ["a"]


def test_what_has_no_pages_has_no_walk(local: Any) -> None:
    for resource, verb in (("users", "get_iter"), ("domains", "list_iter"), ("users", "_iter")):
        with pytest.raises(AttributeError):
            getattr(getattr(local, resource), verb)
    assert "get_iter" not in dir(local.users)
    assert local.users.list_iter.__doc__.startswith("GET /users, answers Pages[User].")
    assert local.organization_domains.list_all_iter
    assert "more" in repr(local.users.list_iter())


def test_wrong_arguments_are_told_before_the_first_step(api: BackendApi, local: Any) -> None:
    for wrong in (
        {"limt": 5},
        {"limit": 0},
        {"limit": "5"},
        {"limit": True},
        {"limit": 2.0},
        {"offset": -1},
        {"offset": "20"},
    ):
        for walk in (local.users.list_iter, local.users.list_iter_async):
            with pytest.raises(TypeError, match=next(iter(wrong))):
                walk(**wrong)
    with pytest.raises(TypeError, match="subject"):
        local.m2m.list_tokens_iter()
    assert [item.id for item in local.users.list_iter(limit=None, offset=None)]
    assert len(api.seen) == 1


async def test_an_error_surfaces_and_the_walk_goes_on_after_it(issuer: DevIssuer) -> None:
    clerk = Clerk(bearer_auth=issuer.secret_key, server_url=issuer.api_url, retries=0)
    ids = [user.id for user in clerk.users.list(limit=500)]
    pages = clerk.users.list_iter(limit=4)
    seen = [next(pages).id]
    issuer.fault("status", status=503, endpoint="backend_api")
    seen += [next(pages).id for _ in range(3)]
    for _ in range(2):
        with pytest.raises(ClerkError) as caught:
            next(pages)
        assert caught.value.status_code == 503
    issuer.fault("none")
    assert seen + [user.id for user in pages] == ids
    walk = clerk.users.list_iter_async(limit=4)
    found = [(await anext(walk)).id]
    issuer.fault("cut", endpoint="backend_api")
    found += [(await anext(walk)).id for _ in range(3)]
    for _ in range(2):
        with pytest.raises(ClerkError):
            await anext(walk)
    issuer.fault("none")
    assert found + [user.id for user in await collected(walk)] == ids
    with pytest.raises(ClerkAnswerError):
        list(Clerk(bearer_auth="sk_test_wrong", server_url=issuer.api_url).users.list_iter())


def test_a_server_that_repeats_itself_is_left(api: BackendApi, local: Any) -> None:
    api.say("GetUserList", [{"id": "a"}, {"id": "b"}])
    pages = local.users.list_iter(limit=2)
    assert [next(pages).id, next(pages).id] == ["a", "b"]
    with pytest.raises(ClerkError, match="the same page came twice") as caught:
        next(pages)
    assert caught.value.kind == "unreadable"
    assert list(pages) == []
    assert len(api.seen) == 2


@pytest.mark.parametrize("answer", [{"what": "ever"}, "text", 5, None, {"data": {"id": "a"}}])
async def test_an_answer_that_is_no_list_is_not_the_end_of_one(
    api: BackendApi, local: Any, answer: Any
) -> None:
    api.say("GetUserList", answer)
    with pytest.raises(ClerkError, match="no list"):
        list(local.users.list_iter())
    with pytest.raises(ClerkError, match="no list"):
        await collected(local.users.list_iter_async())


def test_damaged_items_are_walked_all_the_same(api: BackendApi, local: Any) -> None:
    for page in ([None], [1, "x", {}], [{"id": None}], [{"id": 5}], [[{"a": float("nan")}]], []):
        api.say("GetUserList", page)
        came = [i.to_dict() if isinstance(i, Object) else i for i in local.users.list_iter()]
        assert json.dumps(came) == json.dumps(page)


def test_one_page_is_held_at_a_time(clerk: Any) -> None:
    class Marked(Object):
        __slots__ = ("__weakref__",)

    pages = clerk.users.list_iter(limit=3)
    first = pages._fetch
    refs: list[weakref.ref[Marked]] = []

    def fetch(step: Any) -> Any:
        page = first(step)
        for at, item in enumerate(page):
            page[at] = Marked(item.to_dict(), "User")
            refs.append(weakref.ref(page[at]))
        return page

    pages._fetch = fetch
    for _ in pages:
        gc.collect()
        assert sum(ref() is not None for ref in refs) <= 4, (
            "a page, and one item of the page before"
        )
    assert len(refs) >= USERS


def test_threads_share_a_walk(clerk: Any) -> None:
    pages = clerk.users.list_iter(limit=2)
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.extend(user.id for user in pages)) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == sorted(user.id for user in clerk.users.list(limit=500))


async def test_tasks_cannot_share_a_walk_and_one_that_is_cancelled_goes_on(clerk: Any) -> None:
    ids = [user.id for user in await clerk.users.list_async(limit=500)]
    pages = clerk.users.list_iter_async(limit=500)
    first = asyncio.ensure_future(anext(pages))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="on its way"):
        await anext(pages)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert [user.id for user in await collected(pages)] == ids
