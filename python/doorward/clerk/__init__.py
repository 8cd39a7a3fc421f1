"""Clerk's Backend API: every operation, sync and async, with answers that are never lost.

    from doorward.clerk import Clerk

    clerk = Clerk(bearer_auth="sk_test_…")
    user = clerk.users.get(user_id="user_1")
    user = await clerk.users.get_async(user_id="user_1")
    for user in clerk.users.list_iter():
        …

Resources and operations have the names of Clerk's own Python SDK; see `docs/guides/backend-api.md`.
"""

from __future__ import annotations

from ._client import Clerk
from ._errors import ClerkAnswerError, ClerkError
from ._objects import List, Object

__all__ = ["Clerk", "ClerkAnswerError", "ClerkError", "List", "Object"]
