"""`doorward.webhooks`: what it yields, what it refuses, and what stops the start-up."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import time
from typing import Any

import pytest
from webhook_table import SECRET

from doorward import ConfigError
from doorward.webhooks import (
    Webhook,
    WebhookEvent,
    WebhookMessage,
    WebhookReason,
    WebhookRejection,
    sign,
    tell,
    verify,
)

OTHER = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT: dict[str, Any] = {
    "object": "event",
    "type": "user.created",
    "timestamp": 1_772_000_000_123,
    "instance_id": "ins_1",
    "data": {"id": "user_1", "first_name": "Zoë"},
    "event_attributes": {"http_request": {"client_ip": "203.0.113.7"}},
}
BODY = json.dumps(EVENT).encode()


def headers(body: bytes = BODY, secret: str = SECRET, at: float | None = None) -> dict[str, str]:
    return sign(secret, "msg_1", time.time() if at is None else at, body)


def refused(body: Any, head: Any, secret: str = SECRET) -> WebhookRejection:
    with pytest.raises(WebhookRejection) as caught:
        verify(body, head, secret=secret)
    return caught.value


def test_yields_the_event() -> None:
    event = verify(BODY, headers(), secret=SECRET)
    assert isinstance(event, WebhookEvent)
    assert (event.id, event.type, event.instance_id) == ("msg_1", "user.created", "ins_1")
    assert event.data == {"id": "user_1", "first_name": "Zoë"}
    assert event.timestamp == 1_772_000_000_123
    assert event.event_attributes["http_request"]["client_ip"] == "203.0.113.7"
    assert abs(event.sent_at - time.time()) < 5
    assert event.payload == EVENT
    assert event.body == BODY
    assert event["type"] == event.get("type") == "user.created"
    assert "data" in event
    assert event.get("nothing", 7) == 7
    assert "Zoë" not in repr(event)


def test_what_was_left_out_reads_as_absent() -> None:
    body = b'{"type":"brand.new","timestamp":"2027-01-01T00:00:00Z","instance_id":7,"x":1}'
    event = verify(body, headers(body), secret=SECRET)
    assert (event.data, event.timestamp, event.instance_id) == (None, None, None)
    assert event.event_attributes == {}
    assert event["x"] == 1
    body = b'{"type":"a","timestamp":true}'
    assert verify(body, headers(body), secret=SECRET).timestamp is None


@pytest.mark.parametrize("convert", [bytes, bytearray, memoryview, lambda body: body.decode()])
def test_takes_the_body_in_any_form(convert: Any) -> None:
    assert verify(convert(BODY), headers(), secret=SECRET).body == BODY


def test_what_users_write_hides_nothing_else() -> None:
    deep = b'{"y":' * 5000 + b"1" + b"}" * 5000
    body = (
        b'{"type":"a","x":' + deep + b',"data":{"id":"user_1","name":"\\ud800","z":' + deep + b"}}"
    )
    event = verify(body, headers(body), secret=SECRET)
    assert event.payload == {
        "type": "a",
        "x": None,
        "data": {"id": "user_1", "name": None, "z": None},
    }
    assert event.body == body


def test_copies_and_pickles_are_the_same() -> None:
    event = verify(BODY, headers(), secret=SECRET)
    message = Webhook(SECRET).verify_message(BODY, headers())
    assert isinstance(event, WebhookMessage)
    for original in (event, message):
        for again in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
            assert type(again) is type(original)
            assert repr(again) == repr(original)
            assert again.secret_index == 0
    assert copy.copy(event).payload == EVENT
    assert "missing" not in event
    assert event.get("missing", 7) == 7


def test_a_body_that_was_parsed_is_told_apart() -> None:
    for parsed in (EVENT, None, 7, [BODY]):
        with pytest.raises(TypeError, match="the bytes that arrived"):
            verify(parsed, headers(), secret=SECRET)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"hello", "not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"user.created"', "not a JSON object"),
        (b"{}", "no `type`"),
        (b'{"type":7}', "not a string"),
        (b'{"type":null}', "not a string"),
        (b'{"type":""}', "empty"),
        (b'{"type":NaN}', "not JSON"),
        (b"[" * 100_000, "not a JSON object"),
        (b'{"type":"a","x":' + b'{"y":' * 5000 + b"1" + b"}" * 5000, "not JSON"),
        (b'{"type":"\\ud800"}', "not a string"),
    ],
)
def test_what_is_genuine_and_no_event_is_refused(body: bytes, said: str) -> None:
    rejection = refused(body, headers(body))
    assert rejection.reason is WebhookReason.PAYLOAD_MALFORMED
    assert said in rejection.detail
    assert len(rejection.detail) < 300
    message = Webhook(SECRET).verify_message(body, headers(body))
    assert message.id == "msg_1"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"webhook-signature": "v1"}, "signatures_malformed"),
        ({"webhook-signature": "v1,****"}, "signatures_malformed"),
        ({"webhook-signature": ""}, "signatures_malformed"),
        ({"webhook-signature": "v1,AAAA " * 1000}, "signatures_malformed"),
        ({"webhook-signature": b"v1,\xff"}, "signatures_malformed"),
        ({"webhook-timestamp": "9" * 30}, "timestamp_malformed"),
        ({"webhook-timestamp": "1.8e9"}, "timestamp_malformed"),
        ({"webhook-id": "msg_1\r\nx: y"}, "id_malformed"),
        ({"webhook-id": b"msg_\xff"}, "id_malformed"),
        ({"webhook-id": "\ud800"}, "id_malformed"),
        ({"webhook-id": ["msg_1", "msg_1"]}, "headers_repeated"),
        ({"Webhook-Id": "msg_1"}, "headers_repeated"),
        ({"svix-id": "msg_2"}, "headers_conflict"),
        ({"webhook-id": None}, "headers_missing"),
    ],
)
def test_hostile_headers_are_refused(changes: dict[str, Any], reason: str) -> None:
    rejection = refused(BODY, {**headers(), **changes})
    assert rejection.reason == reason
    assert rejection.status == 400
    assert rejection.hint


def test_ten_megabytes_are_refused_unread() -> None:
    rejection = refused(b"a" * 10_000_000, headers())
    assert (rejection.reason, rejection.status) == (WebhookReason.BODY_TOO_LARGE, 413)


def test_long_bodies_are_hashed_while_others_run() -> None:
    body = json.dumps({"type": "big", "data": "x" * 900_000}).encode()
    assert verify(body, headers(body), secret=SECRET).type == "big"
    assert refused(body + b" ", headers(body)).reason == "signature_mismatch"


def test_the_secret_of_another_endpoint_is_hinted_at() -> None:
    rejection = refused(BODY, headers(secret=OTHER))
    assert rejection.reason is WebhookReason.SIGNATURE_MISMATCH
    assert "this very endpoint" in rejection.hint
    assert SECRET not in str(rejection)


def test_takes_several_secrets() -> None:
    assert verify(BODY, headers(secret=OTHER), secret=[SECRET, OTHER]).secret_index == 1
    assert verify(BODY, headers(secret=OTHER), secret=f"{SECRET}, {OTHER}").secret_index == 1
    assert Webhook((OTHER,)).verify(BODY, headers(secret=OTHER)).secret_index == 0


def test_the_clock_is_injectable() -> None:
    now = 1_800_000_000.0
    webhook = Webhook(SECRET, clock=lambda: now)
    webhook.verify(BODY, headers(at=now - 300))
    for at, reason in ((now - 301, "timestamp_too_old"), (now + 301, "timestamp_too_new")):
        with pytest.raises(WebhookRejection) as caught:
            webhook.verify(BODY, headers(at=at))
        assert caught.value.reason == reason
        assert "301 s" in caught.value.detail


def test_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLERK_WEBHOOK_SIGNING_SECRET", "DOORWARD_WEBHOOK_SECRET"):
        with monkeypatch.context() as patch:
            patch.setenv(name, SECRET)
            assert Webhook().verify(BODY, headers()).type == "user.created"
            assert verify(BODY, headers()).type == "user.created"
            patch.setenv(name, OTHER)
            with pytest.raises(WebhookRejection):
                verify(BODY, headers())
    monkeypatch.delenv("CLERK_WEBHOOK_SIGNING_SECRET", raising=False)
    monkeypatch.delenv("DOORWARD_WEBHOOK_SECRET", raising=False)
    with pytest.raises(ConfigError, match="CLERK_WEBHOOK_SIGNING_SECRET: is not set"):
        Webhook()
    assert Webhook.from_env({"DOORWARD_WEBHOOK_SECRET": SECRET}).verify(BODY, headers())


@pytest.mark.parametrize(
    ("secret", "said"),
    [
        ("", "nothing"),
        ("whsec_", "nothing behind it"),
        ("sk_test_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "API secret key"),
        ("pk_test_Y2xlcmsuZXhhbXBsZS5jb20k", "publishable"),
        ("ep_2abcdefghijklmnopqrstuvwxyz", "id of an endpoint"),
        ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "private"),
        ("whsec_not base64", "not base64"),
        ([SECRET, "whsec_AAAA"], "signing secret 2"),
        ([], "no signing secret"),
    ],
)
def test_what_is_no_secret_stops_the_start_up(secret: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Webhook(secret)
    assert "MfKQ9r8GKYqr" not in str(caught.value)


def test_what_is_no_text_is_a_type_error() -> None:
    for secret in (b"whsec_x", 7, [7], object()):
        with pytest.raises(TypeError, match="signing secret"):
            Webhook(secret)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Webhook(SECRET).verify(BODY, 7)


def test_shows_no_secret() -> None:
    assert repr(Webhook([SECRET, OTHER])) == "Webhook(WebhookVerifier([whsec_…, whsec_…]))"


def test_a_rejection_survives_pickling() -> None:
    rejection = refused(BODY, {})
    again = pickle.loads(pickle.dumps(rejection))
    assert (again.reason, again.status, again.body) == (
        WebhookReason.HEADERS_MISSING,
        400,
        b'{"detail":"headers_missing"}',
    )
    assert str(again) == str(rejection)


def test_tells_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "doorward"):
        tell(refused(BODY, {}))
    record = caplog.records[-1]
    assert record.reason == "headers_missing"  # type: ignore[attr-defined]
    assert "webhook-id" in record.getMessage()


def test_an_authenticators_environment_may_hold_the_secret() -> None:
    from doorward import Authenticator

    Authenticator.from_env(
        {
            "DOORWARD_ISSUER": "https://issuer.example",
            "DOORWARD_AUDIENCE": "api",
            "DOORWARD_WEBHOOK_SECRET": SECRET,
            "CLERK_WEBHOOK_SIGNING_SECRET": SECRET,
        }
    )
