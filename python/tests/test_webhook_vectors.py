"""The vectors that the engine reads in Rust, through the Python package.

`vectors/README.md` explains the files.
"""

from __future__ import annotations

import pytest
from webhook_table import FILES, Case, cases, every_case

from doorward import ConfigError
from doorward.compat.svix.webhooks import Webhook as Svix
from doorward.compat.svix.webhooks import WebhookVerificationError
from doorward.webhooks import Webhook, WebhookReason, WebhookRejection


@pytest.mark.parametrize("name", FILES)
def test_file(name: str) -> None:
    for case in cases(name):
        found, told = judge(case)
        assert found == case.expect, case.name
        for member, value in case.message.items():
            assert told[member] == value, case.name
        if found not in ("accept", "config_error"):
            status = 413 if found == "body_too_large" else 400
            assert told == {"status": status, "body": b'{"detail":"%s"}' % found.encode()}


def test_reasons_are_known() -> None:
    # The other two are about what is read of a body.
    elsewhere = {"body_unreadable", "payload_malformed"}
    codes = {case.expect for case in every_case()} - {"accept", "config_error"}
    assert codes == {reason.value for reason in WebhookReason} - elsewhere
    assert len(every_case()) > 200


def judge(case: Case) -> tuple[str, dict[str, object]]:
    try:
        webhook = Webhook(case.secrets, clock=lambda: case.now)
    except ConfigError:
        return "config_error", {}
    try:
        message = webhook.verify_message(case.body, case.head)
    except WebhookRejection as rejection:
        return rejection.reason.value, {"status": rejection.status, "body": rejection.body}
    return "accept", {
        "id": message.id,
        "sent_at": message.sent_at,
        "secret_index": message.secret_index,
    }


def shapes(case: Case) -> list[object]:
    """The same head as the frameworks have it."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in case.head]
    heads: list[object] = [
        pairs,
        {"type": "http", "headers": case.head},
        {"type": "http", "headers": [list(pair) for pair in case.head]},
    ]
    if not case.has_repetition:
        heads.append(dict(pairs))
    environ = {"REQUEST_METHOD": "POST"}
    for name, value in pairs:
        variable = f"HTTP_{name.upper().replace('-', '_')}"
        environ[variable] = f"{environ[variable]},{value}" if variable in environ else value
    heads.append(environ)
    return heads


def test_every_shape_of_a_head_gets_the_same_verdict() -> None:
    for case in every_case():
        if case.expect == "config_error":
            continue
        webhook = Webhook(case.secrets, clock=lambda now=case.now: now)
        for head in shapes(case):
            found = "accept"
            try:
                webhook.verify_message(case.body, head)
            except WebhookRejection as rejection:
                found = rejection.reason.value
            # A server that joins two fields leaves one that is malformed.
            joined = case.expect == "headers_repeated" and isinstance(head, dict)
            expected = {case.expect}
            if joined:
                expected |= {"id_malformed", "timestamp_malformed", "signatures_malformed"}
                expected |= {"signature_mismatch"}
            assert found in expected, (case.name, type(head))


def test_the_compatible_one_raises_nothing_else() -> None:
    """Its clock is the machine's, so everything is too old or too new at best."""
    for case in every_case():
        for secret in case.secrets:
            try:
                webhook = Svix(secret)
            except ConfigError:
                continue
            head = {name.decode("latin-1"): value.decode("latin-1") for name, value in case.head}
            with pytest.raises(WebhookVerificationError):
                webhook.verify(case.body, head)
