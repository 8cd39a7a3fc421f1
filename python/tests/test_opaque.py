"""Opaque tokens: asked about at a real server, sync and async, once for each."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from doorward import Authenticator, ConfigError, Rejection

KEY: dict[str, Any] = {
    "object": "api_key",
    "id": "ak_1",
    "subject": "user_ada",
    "claims": {"team": "engine"},
    "scopes": ["posts:read"],
    "revoked": False,
    "revocation_reason": None,
    "expired": False,
    "expiration": None,
    "created_at": 1_700_000_000_000,
}


class Provider:
    """Answers about API keys as the provider does."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str | None, Any]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                sent = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.asked.append((self.path, self.headers["Authorization"], sent))
                (token,) = sent.values()
                status, answer = provider.answers.get(token, (404, {"errors": []}))
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.close()


@pytest.fixture
def auth(provider: Provider) -> Authenticator:
    return Authenticator.clerk(
        secret_key="sk_test_TEST-KEY",
        api_url=provider.url,
        accepts=["session_token", "api_key", "m2m_token"],
    )


def test_a_key_is_asked_about_and_remembered(auth: Authenticator, provider: Provider) -> None:
    provider.answers["ak_good"] = (200, KEY)
    for _ in range(50):
        caller = auth.verify("ak_good")
    assert caller.kind == "api_key"
    assert (caller.user_id, caller.token_id, caller.scopes) == ("user_ada", "ak_1", ("posts:read",))
    assert caller.claims["claims"] == {"team": "engine"}
    assert caller.expires_at > 250_000_000_000
    asked = [("/api_keys/verify", "Bearer sk_test_TEST-KEY", {"secret": "ak_good"})]
    assert provider.asked == asked


async def test_many_at_once_ask_once(auth: Authenticator, provider: Provider) -> None:
    provider.answers["ak_good"] = (200, KEY)
    head = [(b"authorization", b"Bearer ak_good")]
    callers = await asyncio.gather(*(auth.authenticate(head) for _ in range(200)))
    assert {caller.subject for caller in callers} == {"user_ada"}
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    ("answer", "reason", "status"),
    [
        ((404, {"errors": []}), "token_invalid", 401),
        ((200, {"active": False}), "token_invalid", 401),
        ((200, {**KEY, "revoked": True}), "token_revoked", 401),
        ((200, {**KEY, "expired": True}), "token_expired", 401),
        ((200, None), "verification_unavailable", 503),
        ((200, []), "verification_unavailable", 503),
        ((401, {"errors": [{"code": "clerk_key_invalid"}]}), "verification_unavailable", 503),
    ],
)
def test_an_answer_is_judged(
    auth: Authenticator, provider: Provider, answer: Any, reason: str, status: int
) -> None:
    provider.answers["ak_x"] = answer
    with pytest.raises(Rejection) as caught:
        auth.verify("ak_x")
    assert (caught.value.reason, caught.value.status) == (reason, status)
    assert "ak_x" not in str(caught.value)


def test_an_outage_is_ours(provider: Provider) -> None:
    url = provider.url
    provider.close()
    auth = Authenticator.clerk(secret_key="sk_test_x", api_url=url, accepts="api_key")
    with pytest.raises(Rejection) as caught:
        auth.verify("ak_good")
    assert caught.value.status == 503
    assert any(name == "retry-after" for name, _ in caught.value.headers)


def test_any_issuer_by_rfc_7662() -> None:
    settings = {
        "issuer": "https://login.example.com",
        "audience": "my-api",
        "accepts": "oauth_token",
        "jwks_url": "https://login.example.com/jwks",
        "introspection_url": "http://127.0.0.1:9/introspect",
        "introspection_client_secret": "TEST-KEY",
    }
    with pytest.raises(ConfigError, match="introspection_client_id"):
        Authenticator.from_config(settings)
    with pytest.raises(ConfigError, match="client_secret_basic"):
        Authenticator.from_config({**settings, "introspection_auth": "client_secret_basik"})
    assert Authenticator.from_config({**settings, "introspection_client_id": "me"})


def test_api_keys_take_a_secret() -> None:
    with pytest.raises(ConfigError, match="secret_key"):
        Authenticator.clerk(issuer="https://clerk.example.com", accepts="api_key")
