"""Handlers written for svix, with the import line changed."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from flask import Blueprint, Flask, abort, current_app, request
from webhook_table import SECRET

from doorward import ConfigError
from doorward.compat.standardwebhooks import Webhook as Standard
from doorward.compat.svix.webhooks import Webhook, WebhookVerificationError
from doorward.webhooks import sign

EVENT = {"type": "user.created", "data": {"id": "user_1", "first_name": "Zoë"}}
BODY = json.dumps(EVENT).encode()

HOSTILE: list[dict[str, str]] = [
    {},
    {"svix-signature": "v1"},
    {"svix-signature": "junk"},
    {"svix-signature": "v1,a,b"},
    {"svix-signature": "v1,*"},
    {"svix-signature": "v1,A"},
    {"svix-signature": "  "},
    {"svix-timestamp": "nan"},
    {"svix-timestamp": "1e400"},
    {"svix-timestamp": "9" * 40},
    {"svix-id": ""},
]


def headers(body: bytes = BODY) -> dict[str, str]:
    fields = sign(SECRET, "msg_1", time.time(), body)
    return {name.replace("webhook", "svix"): value for name, value in fields.items()}


def hostile() -> list[dict[str, str]]:
    return [{**headers(), **changes} if changes else {} for changes in HOSTILE]


@pytest.mark.parametrize("shape", [bytes, bytearray, memoryview, bytes.decode])
def test_a_body_of_every_shape(shape: Any) -> None:
    assert Webhook(SECRET).verify(shape(BODY), headers()) == EVENT
    assert Standard(SECRET).verify(shape(BODY), headers()) == EVENT


def test_the_guides_fastapi_handler() -> None:
    router = APIRouter()
    seen: list[Any] = []

    def get_settings() -> Any:
        return SimpleNamespace(clerk_webhook_signing_secret=SECRET)

    @router.post("/webhooks/clerk")
    async def clerk_webhook(request: Request) -> Any:  # pyright: ignore[reportUnusedFunction]
        body = await request.body()
        headers = dict(request.headers)
        settings = get_settings()
        try:
            event = Webhook(settings.clerk_webhook_signing_secret).verify(body, headers)
        except WebhookVerificationError:
            raise HTTPException(status_code=400, detail="invalid signature")  # noqa: B904
        event_type = event["type"]
        data = event["data"]
        if event_type == "user.created":
            seen.append(data["id"])
        return {"ok": True}

    # Annotations are strings here, and the names they mean stand in this module.
    app = FastAPI()
    app.include_router(router)
    client = TestClient(app)
    answer = client.post("/webhooks/clerk", content=BODY, headers=headers())
    assert (answer.status_code, answer.json(), seen) == (200, {"ok": True}, ["user_1"])
    for head in hostile():
        answer = client.post("/webhooks/clerk", content=BODY, headers=head)
        assert (answer.status_code, answer.json()) == (400, {"detail": "invalid signature"})
    for body in (b"\xff\xfe", b"[", b"", b"a" * 2_000_000):
        answer = client.post("/webhooks/clerk", content=body, headers=headers(body))
        assert answer.status_code == 400


def test_the_guides_flask_handler() -> None:
    bp = Blueprint("webhooks", __name__)
    seen: list[Any] = []

    @bp.post("/webhooks/clerk")
    def clerk_webhook() -> Any:  # pyright: ignore[reportUnusedFunction]
        body = request.get_data()
        headers = dict(request.headers)
        try:
            event = Webhook(current_app.config["CLERK_WEBHOOK_SIGNING_SECRET"]).verify(
                body, headers
            )
        except WebhookVerificationError:
            abort(400, description="invalid signature")
        if event["type"] == "user.created":
            seen.append(event["data"])
        return {"ok": True}

    app = Flask(__name__)
    app.config["CLERK_WEBHOOK_SIGNING_SECRET"] = SECRET
    app.register_blueprint(bp)
    client = app.test_client()
    answer = client.post("/webhooks/clerk", data=BODY, headers=headers())
    assert (answer.status_code, answer.json, seen) == (200, {"ok": True}, [EVENT["data"]])
    for head in hostile():
        assert client.post("/webhooks/clerk", data=BODY, headers=head).status_code == 400


def test_signs_as_it_verifies() -> None:
    webhook = Webhook(SECRET)
    now = datetime.now(tz=timezone.utc)
    signature = webhook.sign("msg_1", now, BODY.decode())
    head = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    assert webhook.verify(BODY, head) == EVENT
    assert webhook.verify(BODY.decode(), head) == EVENT


def test_a_key_in_bytes() -> None:
    import base64

    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    assert Webhook(key).verify(BODY, headers()) == EVENT


def test_the_error_says_why_to_the_log() -> None:
    with pytest.raises(WebhookVerificationError, match="headers_missing") as caught:
        Webhook(SECRET).verify(BODY, {})
    rejection = caught.value.rejection
    assert rejection is not None
    assert rejection.reason == "headers_missing"


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff", b"[" * 100_000, b'"\\ud800'])
def test_what_is_no_json_is_the_same_error(body: bytes) -> None:
    with pytest.raises(WebhookVerificationError, match="payload_malformed"):
        Webhook(SECRET).verify(body, headers(body))


def test_mistakes_stop_the_start_up() -> None:
    for secret in ("", "whsec_", "sk_test_abc", None, 7, b""):
        with pytest.raises(ConfigError) as caught:
            Webhook(secret)  # type: ignore[arg-type]
        assert "abc" not in str(caught.value)


def test_standard_webhooks() -> None:
    head = sign(SECRET, "msg_1", time.time(), BODY)
    webhook = Standard(SECRET)
    assert webhook.verify(BODY, head) == EVENT
    assert webhook.verify(BODY, head, json_parse=False) is None
    with pytest.raises(WebhookVerificationError):
        webhook.verify(b"x", head, json_parse=False)
    body = b"no json"
    assert webhook.verify(body, sign(SECRET, "m", time.time(), body), json_parse=False) is None
