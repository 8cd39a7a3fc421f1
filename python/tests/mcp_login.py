"""An MCP client and a browser, both scripted, for logins at a server in this process."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import httpx2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BASE = "https://mcp.example.com"
CALLBACK = "http://127.0.0.1:33418/callback"


@asynccontextmanager
async def browsing(app: Any, base: str = BASE) -> AsyncIterator[httpx2.AsyncClient]:
    """A client that reaches `app` at `base`, and everything else over the network."""
    mounts = {base: httpx2.ASGITransport(app, client=("192.0.2.1", 4711))}
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(mounts=mounts, base_url=base, trust_env=False) as client,
    ):
        yield client


class Program:
    """An MCP client."""

    def __init__(self, client: httpx2.AsyncClient, prefix: str = "") -> None:
        self.http = client
        self.prefix = prefix
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(8)
        self.client_id = ""
        #: What forms of other servers want besides.
        self.form: dict[str, str] = {}
        self.tokens: dict[str, Any] = {}

    async def register(self, **more: Any) -> httpx2.Response:
        said = {
            "client_name": "Notebook",
            "redirect_uris": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
            **more,
        }
        response = await self.http.post(f"{self.prefix}/register", json=said)
        if response.status_code == 201:
            self.client_id = response.json()["client_id"]
        return response

    def request(self, **changes: str | None) -> dict[str, str]:
        challenge = hashlib.sha256(self.verifier.encode()).digest()
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "state": self.state,
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in asked.items() if value is not None}

    async def authorize(self, decision: str = "allow", **changes: str | None) -> dict[str, str]:
        """What the browser brings back: the parameters of the redirect to the client."""
        query = self.request(**changes)
        response = await self.http.get(
            f"{self.prefix}/authorize", params=query, headers={"accept": "text/html"}
        )
        for _ in range(10):
            if response.status_code == 200 and "<form" in response.text:
                response = await self._submit(response, decision)
                continue
            to = self._onwards(response)
            if to is None:
                raise AssertionError(f"{response.status_code} {response.text[:400]}")
            if to.startswith(CALLBACK):
                return {name: value[0] for name, value in parse_qs(urlsplit(to).query).items()}
            response = await self.http.get(to, headers={"accept": "text/html"})
        raise AssertionError("too many steps")

    async def _submit(self, page: httpx2.Response, decision: str) -> httpx2.Response:
        action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        fields = dict(re.findall(r'<input[^>]* name="([^"]+)"[^>]* value="([^"]*)"', page.text))
        fields = {name: html.unescape(value) for name, value in fields.items()}
        url = page.url.join(html.unescape(action.group(1))) if action else page.url
        origin = f"{url.scheme}://{url.host}" + (f":{url.port}" if url.port else "")
        return await self.http.post(
            url,
            data={**fields, "decision": decision, **self.form},
            headers={"origin": origin, "accept": "text/html"},
        )

    @staticmethod
    def _onwards(response: httpx2.Response) -> str | None:
        if response.is_redirect:
            return response.headers["location"]
        refresh = re.search(r'http-equiv="refresh" content="0; ?url=([^"]+)"', response.text)
        return html.unescape(refresh.group(1)) if refresh else None

    async def redeem(self, code: str, **changes: str) -> httpx2.Response:
        return await self._token(
            grant_type="authorization_code",
            code=code,
            redirect_uri=CALLBACK,
            code_verifier=self.verifier,
            **changes,
        )

    async def refresh(self, token: str | None = None, **changes: str) -> httpx2.Response:
        token = self.tokens["refresh_token"] if token is None else token
        return await self._token(grant_type="refresh_token", refresh_token=token, **changes)

    async def _token(self, **form: str) -> httpx2.Response:
        form = {"client_id": self.client_id, **form}
        response = await self.http.post(f"{self.prefix}/token", data=form)
        if response.status_code == 200:
            self.tokens = response.json()
        return response

    async def log_in(self, **changes: str | None) -> str:
        """Everything; the access token."""
        registered = await self.register()
        assert registered.status_code == 201, registered.text
        brought = await self.authorize(**changes)
        assert "code" in brought, brought
        assert brought["state"] == self.state
        response = await self.redeem(brought["code"])
        assert response.status_code == 200, response.text
        return str(self.tokens["access_token"])
