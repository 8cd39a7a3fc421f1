"""Measures one verification of one token or webhook in Python, beside the packages in use today.

    python_bench.py            print a table
    python_bench.py --json     print the figures for machines
    python_bench.py --quick    measure less

Every case of a table runs in turn in one process; the figures are medians of many short rounds, in
µs of CPU time, so that other work on the machine counts as little as possible.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from harness import BROWSER, ISSUER, PARTY, Key, Row, figure, serve_jwks, show


class Case(NamedTuple):
    """One thing that is measured."""

    id: str
    name: str
    run: Callable[[], Any]


def scope_of(token: str) -> dict[str, Any]:
    headers = [*BROWSER, (b"authorization", f"Bearer {token}".encode())]
    return {"type": "http", "method": "GET", "path": "/", "headers": headers}


# ---- One verification ----


def verification(rounds: int, batch_us: float) -> list[Row]:
    key = Key()
    token = key.token()
    server, url = serve_jwks(key.jwks())
    try:
        return measure(verification_cases(key, token, url), "python/raw", rounds, batch_us)
    finally:
        server.shutdown()


def verification_cases(key: Key, token: str, jwks_url: str) -> list[Case]:
    import fastapi_clerk_auth
    import jwt
    from clerk_backend_api import AuthenticateRequestOptions
    from clerk_backend_api.security import authenticate_request
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    import doorward

    scope = scope_of(token)
    setup: dict[str, Any] = {"issuer": ISSUER, "jwt_key": key.pem, "authorized_parties": PARTY}
    cold = doorward.Authenticator.clerk(**setup, cache_bytes=0)
    cached = doorward.Authenticator.clerk(**setup)
    signed, _, signature = token.rpartition(".")
    raw_input = signed.encode()
    raw_signature = base64.urlsafe_b64decode(signature + "==")
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()

    class Request:
        headers = {name.decode().title(): value.decode() for name, value in scope["headers"]}  # noqa: RUF012

    options = AuthenticateRequestOptions(jwt_key=key.pem, authorized_parties=[PARTY])
    bearer = fastapi_clerk_auth.ClerkHTTPBearer(
        fastapi_clerk_auth.ClerkConfig(jwks_url=jwks_url, issuer=ISSUER, verify_iss=True)
    )

    # Whoever refuses would win: make sure that all of them accept.
    assert cold.verify(token).organization_id == cached.authenticate_nowait(scope).organization_id
    assert authenticate_request(Request, options).is_signed_in
    assert bearer._decode_token(token)

    def pyjwt(with_key: Any) -> Callable[[], Any]:
        return lambda: jwt.decode(token, with_key, algorithms=["RS256"], issuer=ISSUER)

    return [
        Case(
            "python/raw",
            "raw signature check, cryptography",
            lambda: key.public.verify(raw_signature, raw_input, scheme, digest),
        ),
        Case("python/verify", "doorward verify, cache off", lambda: cold.verify(token)),
        Case(
            "python/scope",
            "doorward, ASGI scope, cache off",
            lambda: cold.authenticate_nowait(scope),
        ),
        Case(
            "python/claims",
            "doorward verify, cache off, and .claims",
            lambda: cold.verify(token).claims,
        ),
        Case(
            "python/clerk-backend-api",
            "clerk_backend_api 7 authenticate_request(jwt_key)",
            lambda: authenticate_request(Request, options),
        ),
        Case(
            "python/fastapi-clerk-auth",
            "fastapi_clerk_auth 0.0.9, its key set cached",
            lambda: bearer._decode_token(token),
        ),
        Case("python/pyjwt", "PyJWT 2.15 decode, parsed key", pyjwt(key.public)),
        Case("python/pyjwt-pem", "PyJWT 2.15 decode, PEM", pyjwt(key.pem)),
        Case("python/hit", "doorward verify, cached", lambda: cached.verify(token)),
        Case(
            "python/hit-scope",
            "doorward, ASGI scope of 12 headers, cached",
            lambda: cached.authenticate_nowait(scope),
        ),
    ]


# ---- One webhook ----


def webhooks(rounds: int, batch_us: float) -> list[Row]:
    """A `user.created` of 1.1 kB, in the headers that Svix sends."""
    import hmac

    from standardwebhooks.webhooks import Webhook as Standard
    from svix.webhooks import Webhook as Svix

    from doorward.compat.svix.webhooks import Webhook as Compatible
    from doorward.webhooks import Webhook, sign

    secret = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw="
    user = {"object": "user", "id": "user_1", "public_metadata": {"bio": "x" * 900}}
    event = {"type": "user.created", "instance_id": "ins_1", "data": user}
    body = json.dumps(event).encode()
    signed = sign(secret, "msg_2bWQPFTSvvPmNZyqcCCdeYhXMKx", time.time(), body)
    plain = {
        "host": "api.example.com",
        "user-agent": "Svix-Webhooks/1.62.0 (sender-9YMgn; +https://www.svix.com/http-sender/)",
        "accept": "*/*",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-forwarded-for": "192.0.2.7",
        **signed,
    }
    svix = {name.replace("webhook-", "svix-"): value for name, value in plain.items()}
    scope = {
        "type": "http",
        "headers": [(name.encode(), value.encode()) for name, value in svix.items()],
    }
    key = base64.b64decode(secret.removeprefix("whsec_"))
    content = ".".join([*signed.values()][:2]).encode() + b"." + body
    ours, compatible = Webhook(secret), Compatible(secret)
    theirs, standard = Svix(secret), Standard(secret)
    cases = [
        Case("python-webhook/raw", "bare hmac.digest", lambda: hmac.digest(key, content, "sha256")),
        Case(
            "python-webhook/message",
            "doorward, verify_message",
            lambda: ours.verify_message(body, svix),
        ),
        Case("python-webhook/event", "doorward, verify", lambda: ours.verify(body, svix)),
        Case(
            "python-webhook/scope",
            "doorward, verify, from an ASGI scope",
            lambda: ours.verify(body, scope),
        ),
        Case(
            "python-webhook/compatible",
            "doorward.compat.svix, verify",
            lambda: compatible.verify(body, svix),
        ),
        Case("python-webhook/svix", "svix 2, verify", lambda: theirs.verify(body, svix)),
        Case(
            "python-webhook/svix-event",
            "svix 2, verify, then json.loads",
            lambda: (theirs.verify(body, svix), json.loads(body)),
        ),
        Case(
            "python-webhook/standard",
            "standardwebhooks 1, verify",
            lambda: standard.verify(body, plain),
        ),
    ]
    return measure(cases, "python-webhook/raw", rounds, batch_us, "Python, webhooks")


# ---- Measuring ----


def measure(
    cases: list[Case], base: str, rounds: int, batch_us: float, section: str = "Python"
) -> list[Row]:
    """Runs the cases in turn and compares each round of each with the same round of `base`."""
    batches = {}
    for case in cases:
        batch(case.run, 20)
        batches[case.id] = max(5, round(batch_us / max(batch(case.run, 50), 0.05)))
    samples: dict[str, list[float]] = {case.id: [] for case in cases}
    for turn in range(rounds + 2):
        for case in cases:
            batch(case.run, batches[case.id] // 10 + 1)
            us = batch(case.run, batches[case.id])
            if turn >= 2:
                samples[case.id].append(us)
    names = {case.id: case.name for case in cases}
    return [figure(section, name, names[name], base, samples) for name in samples]


def batch(run: Callable[[], Any], times: int) -> float:
    """µs of CPU time per call."""
    turns = range(times)
    start = time.process_time_ns()
    for _ in turns:
        run()
    return (time.process_time_ns() - start) / times / 1000


# ---- import doorward ----


def import_time(rounds: int) -> list[Row]:
    """What `import doorward` adds to a fresh interpreter, in µs of wall time."""
    commands = {"import/bare": "pass", "import/doorward": "import doorward"}
    names = {"import/bare": "python -c pass", "import/doorward": "python -c 'import doorward'"}
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(rounds + 1):
        for id, command in commands.items():
            start = time.perf_counter_ns()
            subprocess.run([sys.executable, "-c", command], check=True)
            if turn:
                samples[id].append((time.perf_counter_ns() - start) / 1000)
    return [figure("import", id, names[id], "import/bare", samples) for id in samples]


# ---- Everything ----


def everything(*, quick: bool) -> list[Row]:
    rounds, batch_us = (11, 1_500) if quick else (31, 5_000)
    return [
        *verification(rounds, batch_us),
        *webhooks(rounds, batch_us),
        *import_time(rounds=9),
    ]


def main() -> None:
    arguments = argparse.ArgumentParser(description="Measures one verification in Python.")
    arguments.add_argument("--json", action="store_true", help="print for machines")
    arguments.add_argument("--quick", action="store_true", help="measure less")
    options = arguments.parse_args()
    rows = everything(quick=options.quick)
    if options.json:
        print(json.dumps(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main()
