"""The bodies that the engine reads in Rust, through the Python package.

`vectors/README.md` explains the files.
"""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from webhook_table import SECRET, expand

from doorward.sync import Message
from doorward.webhooks import Webhook, WebhookReason, WebhookRejection, sign

FILE = Path(__file__).parents[2] / "vectors" / "event" / "bodies.json"
CASES: list[dict[str, Any]] = json.loads(FILE.read_text("utf-8"))["cases"]


def body_of(case: dict[str, Any]) -> bytes:
    encoded = case.get("body_base64")
    return expand(case["body"]).encode() if encoded is None else base64.b64decode(encoded)


def test_bodies() -> None:
    assert len(CASES) > 40
    webhook = Webhook(SECRET)
    for case in CASES:
        body = body_of(case)
        headers = sign(SECRET, "msg_1", time.time(), body)
        if case["expect"] != "accept":
            with pytest.raises(WebhookRejection) as refused:
                webhook.verify(body, headers)
            assert refused.value.reason == case["expect"], case["name"]
            with pytest.raises(ValueError, match=r"^body: "):
                Message("msg_1", body)
            continue
        event = webhook.verify(body, headers)
        message = Message(event.id, event.body)
        expected = case["event"]
        for found in (event, message):
            assert found.type == expected["type"], case["name"]
            assert found.data == expected["data"], case["name"]
        assert message.happened_at == expected["happened_at"], case["name"]
        assert event.payload is event.payload


def test_what_verifies_can_be_kept() -> None:
    """The ids and types that one takes and the other refuses would end as a 500."""
    webhook = Webhook(SECRET)
    for length in (254, 255, 256):
        name = "x" * length
        for id, body in (
            (name, b'{"type":"a"}'),
            ("msg_1", json.dumps({"type": name}).encode()),
        ):
            kept = refused = None
            try:
                headers = {
                    **sign(SECRET, "msg_1", time.time(), body),
                    "webhook-id": id,
                }
                if length < 256 or id == "msg_1":
                    headers = sign(SECRET, id, time.time(), body)
                event = webhook.verify(body, headers)
                kept = Message(event.id, event.body)
            except WebhookRejection as rejection:
                refused = rejection
            assert (kept is not None) == (length < 256)
            if refused:
                assert refused.status == 400
                assert refused.reason in (
                    WebhookReason.ID_MALFORMED,
                    WebhookReason.PAYLOAD_MALFORMED,
                )
