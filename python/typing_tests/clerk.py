"""What type checkers know of the Backend API."""

from typing import Any

from typing_extensions import assert_type

from doorward.clerk import Clerk, List
from doorward.clerk.types import AsyncPages, OrganizationMembership, Pages, Session, User
from doorward.compat.clerk_backend_api import Clerk as CompatClerk


def of_users(clerk: Clerk) -> None:
    user = clerk.users.get(user_id="user_1", timeout_ms=500)
    assert_type(user, User)
    assert_type(user.first_name, str | None)
    assert_type(user.primary_email_address, str | None)
    assert_type(user.public_metadata, dict[str, Any])
    assert_type(user["anything"], Any)
    assert_type(clerk.users.list(request={"limit": 5}), List[User])
    assert_type(clerk.users.delete(user_id="user_1").deleted, bool)
    clerk.users.update(user_id="user_1", first_name=None, public_metadata={"plan": "pro"})
    clerk.users.update(user_id="user_1", frist_name="x")  # type: ignore[call-overload]
    clerk.users.get()  # type: ignore[call-overload]


async def of_sessions(clerk: CompatClerk) -> None:
    sessions = await clerk.sessions.list_async(user_id="user_1")
    assert_type(sessions, List[Session])
    assert_type(sessions.data[0], Session)
    assert_type(sessions.total_count, int | None)
    memberships = clerk.users.get_organization_memberships(user_id="user_1")
    assert_type(memberships[0], OrganizationMembership)


async def of_walks(clerk: Clerk) -> None:
    users = clerk.users.list_iter(query="ada", limit=100)
    assert_type(users, Pages[User])
    assert_type(users.total_count, int | None)
    for user in users:
        assert_type(user, User)
    sessions = clerk.sessions.list_iter_async(request={"user_id": "user_1"})
    assert_type(sessions, AsyncPages[Session])
    async for session in sessions:
        assert_type(session, Session)
    assert_type(clerk.m2m.list_iter_async(subject="mch_1").total_count, int | None)
    clerk.users.list_iter(limt=5)  # type: ignore[call-overload]
    clerk.users.get_iter(user_id="user_1")  # type: ignore[attr-defined]
