"""`Reason` is the engine's table, in Python."""

from __future__ import annotations

import json
import os
from pathlib import Path

import doorward
from doorward import Reason
from doorward._doorward import REASONS, WEBHOOK_REASONS
from doorward.webhooks import WebhookReason

COMMAND = "UPDATE_DOCS=1 pytest python/tests/test_reason.py"
HEAD = f'''"""Why a request was refused. Written by `{COMMAND}`."""

from enum import Enum


class Reason(str, Enum):
    """The closed table of refusals.

    Each member is its own code: `Reason.TOKEN_EXPIRED == "token_expired"`, also in `str()`, in an
    f-string and in JSON. The number in front of each sentence is the HTTP status it becomes.
    """

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]
'''


WEBHOOK_HEAD = '''

class WebhookReason(str, Enum):
    """The closed table of a webhook's refusals, in the order of the checks."""

    __str__ = str.__str__
    __format__ = str.__format__  # type: ignore[assignment]
'''


def rendered() -> str:
    members = [member(code, status, summary) for code, status, _, _, summary in REASONS]
    webhooks = [member(code, status, summary) for code, status, summary in WEBHOOK_REASONS]
    return "".join([HEAD, *members, WEBHOOK_HEAD, *webhooks])


def member(code: str, status: int, summary: str) -> str:
    return f'\n    {code.upper()} = "{code}"\n    """{status}. {summary}"""\n'


def test_reason_equals_the_table() -> None:
    assert doorward.__file__ is not None
    path = Path(doorward.__file__).with_name("_reason.py")
    if os.environ.get("UPDATE_DOCS") == "1":
        path.write_text(rendered(), encoding="utf-8")
    assert path.read_text(encoding="utf-8") == rendered()
    assert [reason.value for reason in Reason] == [row[0] for row in REASONS]
    assert [reason.value for reason in WebhookReason] == [row[0] for row in WEBHOOK_REASONS]


def test_reason_is_its_code_everywhere() -> None:
    reason = Reason.TOKEN_EXPIRED
    assert reason == "token_expired"
    assert str(reason) == f"{reason}" == "%s" % reason == "token_expired"  # noqa: UP031
    assert json.dumps({"detail": reason}) == '{"detail": "token_expired"}'
    assert {reason: 1}["token_expired"] == 1
