"""What calls the official SDK calls ours instead, against the local issuer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clerk_server import OPERATIONS, example

from doorward.clerk import Clerk as NativeClerk
from doorward.clerk import ClerkAnswerError, ClerkError
from doorward.compat.clerk_backend_api import Clerk as TypedClerk
from doorward.compat.clerk_backend_api.models import SDKError
from doorward.compat.clerk_backend_api.utils import BackoffStrategy, RetryConfig
from doorward.testing import DevIssuer

SCRIPT = Path(__file__).resolve().parents[3] / "tests" / "outsiders" / "backend_api.py"
#: Puts ours where the official SDK is imported from.
INSTEAD = """
import runpy, sys
import doorward.compat.clerk_backend_api as ours
import doorward.compat.clerk_backend_api.utils as utils
sys.modules["clerk_backend_api"], sys.modules["clerk_backend_api.utils"] = ours, utils
script, *sys.argv[1:] = sys.argv[1:]
runpy.run_path(script, run_name="__main__")
"""
Clerk: Any = TypedClerk


def test_every_call_of_the_official_sdks_can_be_made() -> None:
    with DevIssuer(secret_key="sk_test_outsiders") as issuer:
        finished = subprocess.run(
            [sys.executable, "-c", INSTEAD, str(SCRIPT), f"{issuer.api_url}/v1", issuer.secret_key],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert finished.returncode == 0, finished.stderr
    told = json.loads(finished.stdout)
    assert told["failed"] == {}
    assert len(set(told["made"])) >= 140


async def test_a_users_life() -> None:
    with DevIssuer() as issuer:
        clerk = Clerk(bearer_auth=issuer.secret_key, server_url=f"{issuer.api_url}/v1")
        user = clerk.users.create(email_address=["ada@example.com"], first_name="Ada")
        assert user.primary_email_address == "ada@example.com"
        renamed = await clerk.users.update_async(
            user_id=user.id, last_name="King", public_metadata={"plan": "pro"}
        )
        assert (renamed.first_name, renamed.last_name) == ("Ada", "King")
        assert renamed.public_metadata == {"plan": "pro"}
        session = clerk.sessions.create(user_id=user.id)
        for found in clerk.sessions.list(user_id=user.id).data:
            await clerk.sessions.revoke_async(session_id=found.id)
        assert clerk.sessions.get(session_id=session.id).status == "revoked"
        with pytest.raises(ClerkAnswerError) as caught:
            clerk.users.create(email_address=["ada@example.com"])
        assert caught.value.has_code("form_identifier_exists")
        clerk.users.delete(user_id=user.id)
        with pytest.raises(SDKError) as missing:
            await clerk.users.get_async(user_id=user.id)
        assert missing.value.status_code == 404


def test_a_retry_config_of_none_is_one_attempt() -> None:
    never = RetryConfig("none", BackoffStrategy(1, 1, 1, 1), False)
    clerk = Clerk(bearer_auth="sk_test_x", server_url="http://127.0.0.1:9", retry_config=never)
    with pytest.raises(SDKError) as caught:
        clerk.users.get(user_id="u")
    assert (caught.value.kind, caught.value.attempts) == ("unreachable", 1)


async def test_the_local_issuer_answers_every_operation() -> None:
    """Whatever it says to arguments that fit nothing, it is an answer that can be read."""
    refusals: list[ClerkError] = []
    with DevIssuer() as issuer:
        clerk: Any = NativeClerk(
            bearer_auth=issuer.secret_key,
            machine_secret_key="ak_nobody",
            server_url=f"{issuer.api_url}/v1",
        )
        for operation in OPERATIONS:
            resource = getattr(clerk, operation["resource"])
            given = {p["name"]: example(p["type"], 1) for p in operation.get("parameters", ())}
            for name in (operation["verb"], f"{operation['verb']}_async"):
                try:
                    answer = getattr(resource, name)(**given)
                    if name.endswith("_async"):
                        await answer
                except ClerkError as error:
                    refusals.append(error)
    assert 0 < len(refusals) < 2 * len(OPERATIONS)
    told = {(type(error), error.kind, bool(error.code)) for error in refusals}
    assert told == {(ClerkAnswerError, "refused", True)}
    assert {error.status_code for error in refusals} <= {400, 401, 403, 404, 409, 422, 501}
