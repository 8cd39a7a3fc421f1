"""Second opinions on webhooks: `svix` and `standardwebhooks`, for Python and for Node.

Where they and we disagree, the test asserts every answer. `README.md` says why we answer as we do.
"""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from standardwebhooks.webhooks import Webhook as Standard
from standardwebhooks.webhooks import WebhookVerificationError
from svix.webhooks import Webhook as Svix

from doorward import ConfigError
from doorward.webhooks import Webhook, WebhookRejection, sign

HERE = Path(__file__).parent
SECRET = "whsec_++/7/+/7dGVzdC1zZWNyZXQtZm9yLXZlY3RvcnMtISE="
#: Its base64 has letters in which the two alphabets differ.
URL_SAFE = SECRET.replace("+", "-").replace("/", "_")
BODY = b'{"type":"user.created","data":{"id":"user_1"}}'

Json = dict[str, Any]


class Delivery(NamedTuple):
    headers: dict[str, str]
    body: bytes = BODY
    secret: str = SECRET


def node(jobs: list[Json]) -> list[str]:
    finished = subprocess.run(
        [str(Path(sys.executable).with_name("node")), "webhooks.mjs"],
        cwd=HERE,
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def ours(delivery: Delivery) -> str:
    try:
        Webhook(delivery.secret).verify_message(delivery.body, delivery.headers)
    except WebhookRejection as rejection:
        return str(rejection.reason)
    except ConfigError:
        return "config_error"
    return "accept"


def in_python(library: Any, delivery: Delivery) -> str:
    try:
        library(delivery.secret).verify(delivery.body, delivery.headers)
    except WebhookVerificationError:
        return "refuse"
    except Exception as error:
        return type(error).__name__
    return "accept"


def job(library: str, delivery: Delivery) -> Json:
    return {
        "job": "verify",
        "library": library,
        "secret": delivery.secret,
        "headers": delivery.headers,
        "body": base64.b64encode(delivery.body).decode(),
    }


def genuine(body: bytes = BODY, family: str = "svix", at: float | None = None) -> dict[str, str]:
    fields = sign(SECRET, "msg_1", time.time() if at is None else at, body)
    return {name.replace("webhook", family): value for name, value in fields.items()}


def bodies() -> Iterator[bytes]:
    random.seed(7)
    yield BODY
    yield b'{"first_name":"Zo\xc3\xab \xf0\x9f\x9a\xaa","pretty":\n  true}\n'
    for size in (10, 1_000, 100_000):
        yield json.dumps({"type": "x", "data": random.choices('aé\n"\\\u2028', k=size)}).encode()


def test_they_verify_what_we_sign() -> None:
    deliveries = [Delivery(genuine(body, "webhook"), body) for body in bodies()]
    for delivery in deliveries:
        assert ours(delivery) == "accept"
        assert in_python(Svix, delivery) == "accept"
        assert in_python(Standard, delivery) == "accept"
    changed = [one._replace(body=one.body + b" ") for one in deliveries]
    for delivery in changed:
        assert ours(delivery) == "signature_mismatch"
        assert in_python(Svix, delivery) == in_python(Standard, delivery) == "refuse"
    for library in ("svix", "standardwebhooks"):
        jobs = [job(library, one) for one in [*deliveries, *changed]]
        assert node(jobs) == ["accept"] * len(deliveries) + ["refuse"] * len(changed)


def test_we_verify_what_they_sign() -> None:
    now = datetime.now(tz=timezone.utc)
    seconds = int(now.timestamp())
    texts = [body.decode() for body in bodies()]
    jobs = [
        {"job": "sign", "library": library, "secret": SECRET, "id": "msg_1", "seconds": seconds}
        | {"body": text}
        for library in ("svix", "standardwebhooks")
        for text in texts
    ]
    signatures = [Svix(SECRET).sign("msg_1", now, text) for text in texts]
    signatures += [Standard(SECRET).sign("msg_1", now, text) for text in texts]
    signatures += node(jobs)
    for text, signature in zip(texts * 4, signatures, strict=True):
        for family in ("svix", "webhook"):
            headers = {
                f"{family}-id": "msg_1",
                f"{family}-timestamp": str(seconds),
                f"{family}-signature": signature,
            }
            assert ours(Delivery(headers, text.encode())) == "accept"
            forged = headers | {f"{family}-id": "msg_2"}
            assert ours(Delivery(forged, text.encode())) == "signature_mismatch"


def test_all_take_the_same_five_minutes() -> None:
    for age, expected in ((295, True), (-295, True), (305, False), (-305, False)):
        delivery = Delivery(genuine(at=time.time() - age))
        assert (ours(delivery) == "accept") is expected
        assert (in_python(Svix, delivery) == "accept") is expected
        assert (node([job("svix", delivery)]) == ["accept"]) is expected


@cache
def disagreements() -> dict[str, tuple[Delivery, tuple[str, str, str]]]:
    """What each of us, svix for Python and svix for Node says."""
    head = genuine()
    now, right = head["svix-timestamp"], head["svix-signature"]
    encoded = right.removeprefix("v1,")
    standard = genuine(family="webhook")

    def listed(entries: str) -> Delivery:
        return Delivery({**head, "svix-signature": entries})

    def at(timestamp: str) -> Delivery:
        return Delivery({**head, "svix-timestamp": timestamp})

    def signed(id: str, body: bytes) -> dict[str, str]:
        # Signed by them: we sign none of these.
        moment = datetime.fromtimestamp(int(now), tz=timezone.utc)
        signature = Svix(SECRET).sign(id, moment, body.decode())
        return {"svix-id": id, "svix-timestamp": now, "svix-signature": signature}

    malformed, bad_time = "signatures_malformed", "timestamp_malformed"
    lossy = "\ufffd".encode()
    rows: list[tuple[str, Delivery, tuple[str, str, str]]] = [
        ("no comma", listed("v1"), (malformed, "ValueError", "refuse")),
        ("junk before the right one", listed(f"junk {right}"), ("accept", "ValueError", "accept")),
        ("two spaces", listed(f"v9,x  {right}"), ("accept", "ValueError", "accept")),
        ("a second comma", listed(f"{right},"), (malformed, "ValueError", "accept")),
        ("joined by a comma", listed(f"{right},{right}"), (malformed, "ValueError", "accept")),
        ("base64 without padding", listed(right[:-1]), (malformed, "Error", "refuse")),
        ("letters that are none", listed(f"v1,*{encoded}"), (malformed, "accept", "refuse")),
        ("a timestamp with a fraction", at(f"{now}.0"), (bad_time, "accept", "accept")),
        ("with an exponent", at(f"{now}e0"), (bad_time, "accept", "accept")),
        ("with underscores", at(f"{now[:1]}_{now[1:]}"), (bad_time, "accept", "refuse")),
        ("with a sign", at(f"+{now}"), (bad_time, "accept", "accept")),
        ("with a zero", at(f"0{now}"), (bad_time, "accept", "accept")),
        ("with something behind it", at(f"{now}x"), (bad_time, "refuse", "accept")),
        ("an id with a dot", Delivery(signed("a.b", BODY)), ("id_malformed", "accept", "accept")),
        (
            "put together from both families",
            Delivery(
                {**{"svix-id": "msg_1", "svix-timestamp": now}, **dict([*standard.items()][2:])}
            ),
            ("headers_missing", "accept", "accept"),
        ),
        (
            "both families, saying different things",
            Delivery(
                {
                    **head,
                    "webhook-id": "msg_2",
                    "webhook-timestamp": now,
                    "webhook-signature": right,
                }
            ),
            ("headers_conflict", "accept", "accept"),
        ),
        (
            "no UTF-8",
            Delivery(head, b"\xff"),
            ("signature_mismatch", "UnicodeDecodeError", "refuse"),
        ),
        (
            "octets that decode to the same text",
            Delivery(signed("msg_1", lossy), b"\xff"),
            ("signature_mismatch", "UnicodeDecodeError", "SyntaxError"),
        ),
        ("no body", Delivery(signed("msg_1", b""), b""), ("accept", "accept", "SyntaxError")),
        ("no JSON", Delivery(signed("msg_1", b"x"), b"x"), ("accept", "accept", "SyntaxError")),
        ("2 MiB", Delivery(genuine(), b"a" * 2**21), ("body_too_large", "refuse", "refuse")),
        (
            "a secret in the other alphabet",
            Delivery(head, secret=URL_SAFE),
            ("accept", "Error", "Error"),
        ),
        (
            "a prefix for a secret",
            Delivery(head, secret="whsec_"),
            ("config_error", "EmptyWebhookSecretError", "refuse"),
        ),
        (
            "a secret key for a secret",
            Delivery(head, secret="sk_test_" + "A" * 40),
            ("config_error", "refuse", "Error"),
        ),
        (
            "a secret of three bytes",
            Delivery(head, secret="whsec_AAAA"),
            ("config_error", "refuse", "refuse"),
        ),
    ]
    return {name: (delivery, answers) for name, delivery, answers in rows}


def test_where_we_disagree() -> None:
    found = {}
    jobs = [job("svix", delivery) for delivery, _ in disagreements().values()]
    for (name, (delivery, _)), theirs in zip(disagreements().items(), node(jobs), strict=True):
        found[name] = (ours(delivery), in_python(Svix, delivery), theirs)
    assert found == {name: answers for name, (_, answers) in disagreements().items()}


@pytest.mark.parametrize("name", sorted(disagreements()))
def test_a_disagreement_is_one(name: str) -> None:
    _, (own, *theirs) = disagreements()[name]
    same = {"accept": "accept"}.get(own, "refuse")
    alike = own != "config_error" and all(one == same for one in theirs)
    # Two MiB are refused by all, by us unread.
    assert not alike or own == "body_too_large"
