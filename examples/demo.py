"""Doorward's demonstration: an issuer, two protected APIs, every verdict, and an MCP client.

`make demo` builds what this needs and runs it. With DEMO=once it ends after the walk, with status
0 only if every verdict was as expected; otherwise it stays up until Ctrl-C. It needs nothing but
Python's standard library.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import http.server
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

from scripted_browser import Browser

ROOT = Path(__file__).resolve().parent.parent
BINARIES = Path(os.environ.get("DEMO_BINARIES", ROOT / "target" / "debug"))
FRONTEND = "http://localhost:3000"
FLOOD = 200

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code: str, text: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if COLOUR else text


@dataclass
class Answer:
    status: int
    reason: str
    hint: str
    micros: float


@dataclass
class Api:
    """One of the two protected APIs, on a connection that is kept alive."""

    name: str
    url: str
    connection: http.client.HTTPConnection = field(init=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=15)

    def ask(self, method: str, path: str, headers: dict[str, str]) -> Answer:
        begin = time.perf_counter()
        self.connection.request(method, path, headers=headers)
        response = self.connection.getresponse()
        body = response.read()
        micros = (time.perf_counter() - begin) * 1e6
        found = json.loads(body) if response.status != 200 else {}
        detail = found.get("detail", "")
        if isinstance(detail, dict):
            found, detail = detail, detail.get("detail", "")
        return Answer(response.status, detail, found.get("hint", ""), micros)


@dataclass
class Issuer:
    """The local issuer, as its control API shows it."""

    url: str
    publishable_key: str

    def call(self, method: str, path: str, body: object = None) -> dict:
        data = json.dumps(body or {}).encode() if method == "POST" else None
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def mint(self, **spec: object) -> str:
        return self.call("POST", "/dev/mint", {"azp": FRONTEND, **spec})["token"]

    def fetches(self) -> int:
        return self.call("GET", "/dev/state")["jwks_fetches"]


class Walk:
    """Asks both APIs the same questions, and remembers whether the answers were right."""

    def __init__(self, apis: list[Api]) -> None:
        self.apis = apis
        self.wrong = 0
        print(paint("1", f"{'request':<46} {'api':<8} {'status':<7} {'reason':<27} {'µs':>7}"))
        print("─" * 100)

    def step(
        self,
        title: str,
        status: int,
        reason: str = "",
        *,
        token: str | None = None,
        cookie: str | None = None,
        method: str = "GET",
        path: str = "/me",
    ) -> None:
        headers = {}
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if cookie is not None:
            headers["cookie"] = f"theme=dark; __session={cookie}"
        hint = ""
        for position, api in enumerate(self.apis):
            answer = api.ask(method, path, headers)
            right = answer.status == status and answer.reason == reason
            self.wrong += not right
            label = f"{title:<28.28} {method + ' ' + path:<17.17}" if position == 0 else ""
            colour = "32" if answer.status == 200 else "33" if right else "31"
            shown = answer.reason or "-"
            mark = "" if right else paint("31", f"  expected {status} {reason}")
            cells = f"{label:<46} {api.name:<8} " + paint(colour, f"{answer.status:<7} {shown:<27}")
            print(f"{cells} {answer.micros:>7.0f}{mark}")
            hint = answer.hint or hint
        for line in textwrap.wrap(hint, 98):
            print(paint("2", f"  {line}"))

    def note(self, text: str, right: bool = True) -> None:
        self.wrong += not right
        print(paint("2" if right else "31", f"  {text}"))


def start(stack: ExitStack, command: list[str], environment: dict[str, str]) -> dict:
    """Starts a server that prints a line of JSON once it listens, and ends it with us."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def end() -> None:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    stack.callback(end)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise SystemExit(f"{command[0]} ended without listening")
    return json.loads(line)


def walk(issuer: Issuer, apis: list[Api]) -> int:
    steps = Walk(apis)
    editor = {"id": "org_1", "slug": "acme", "role": "editor", "permissions": ["org:posts:read"]}
    admin = {
        "id": "org_1",
        "slug": "acme",
        "role": "admin",
        "permissions": ["org:posts:read", "org:posts:delete"],
    }
    good = issuer.mint(sub="user_ada", ttl=600)
    delete = {"method": "DELETE", "path": "/posts/7"}

    steps.step("anonymous", 401, "credentials_missing")
    steps.step("good session", 200, token=good)
    steps.step("the same, remembered", 200, token=good)
    steps.step("session cookie", 200, cookie=good)
    steps.step("expired", 401, "token_expired", token=issuer.mint(defect="expired"))
    steps.step("wrong party", 401, "party_mismatch", token=issuer.mint(azp="https://evil.example"))
    oauth = issuer.mint(kind="oauth", client_id="client_1", scopes=["profile"])
    steps.step("OAuth token, session route", 401, "token_kind_not_accepted", token=oauth)
    steps.step(
        "missing permission", 403, "permission_required", token=issuer.mint(org=editor), **delete
    )
    steps.step("admin allowed", 200, token=issuer.mint(org=admin), **delete)

    before = issuer.fetches()
    issuer.call("POST", "/dev/rotate")
    steps.step("key rotated", 200, token=issuer.mint(sub="user_ada"))
    steps.note(f"the new key cost {issuer.fetches() - before} fetches, one for each API")
    steps.step("signed by the withdrawn key", 401, "key_unknown", token=good)

    issuer.call("POST", "/dev/fault", {"kind": "down"})
    steps.step("issuer down", 200, token=issuer.mint(sub="user_ada"))
    steps.note("the last good keys serve on while their source is away")
    issuer.call("POST", "/dev/fault", {"kind": "none"})

    before = issuer.fetches()
    forged = [issuer.mint(defect="unknown_kid") for _ in range(FLOOD)]
    begin = time.perf_counter()
    refused = sum(
        api.ask("GET", "/me", {"authorization": f"Bearer {token}"}).status == 401
        for token in forged
        for api in apis
    )
    spent = (time.perf_counter() - begin) * 1e6 / (FLOOD * len(apis))
    fetched = issuer.fetches() - before
    steps.step("forged kid flood, the last", 401, "key_unknown", token=forged[-1])
    steps.note(
        f"{refused} of {FLOOD * len(apis)} forged tokens refused, {spent:.0f} µs each, "
        f"{fetched} key fetches in all",
        right=refused == FLOOD * len(apis) and fetched <= len(apis),
    )
    print("─" * 100)
    return steps.wrong


@dataclass
class McpClient:
    """An MCP client that nobody has prepared anything for: what it knows is the server's URL."""

    url: str
    wrong: int = 0
    token: str = ""

    def log_in_and_call(self) -> None:
        answer = self.call("tools/list")
        self.verdict("POST /mcp, anonymous", answer, 401)
        challenge = answer[1]["www-authenticate"]
        metadata = challenge.partition('resource_metadata="')[2].partition('"')[0]
        resource = self.fetch("GET", metadata)
        self.verdict("protected resource metadata", resource, 200)
        base = resource[2]["authorization_servers"][0]
        server = self.fetch("GET", f"{base}/.well-known/oauth-authorization-server")
        self.verdict("authorization server metadata", server, 200)

        answers: list[dict[str, list[str]]] = []
        callback = self.listen(answers)
        redirect_uri = f"http://127.0.0.1:{callback.server_port}/callback"
        said = {"client_name": "Demonstration", "redirect_uris": [redirect_uri]}
        registered = self.fetch("POST", server[2]["registration_endpoint"], json.dumps(said))
        self.verdict("client registration", registered, 201)
        client_id = registered[2]["client_id"]

        verifier = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": redirect_uri,
            "state": "demonstration",
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
            "resource": resource[2]["resource"],
        }
        browser = Browser()
        browser.open(f"{server[2]['authorization_endpoint']}?{urlencode(asked)}")
        callback.shutdown()
        for visit in browser.visits:
            shown = f"{visit.method} {urlsplit(visit.url).netloc}{urlsplit(visit.url).path}"
            self.verdict(
                f"  browser: {visit.title or 'redirect'}", (visit.status, {}, {}), note=shown
            )
        answer = answers[0] if answers else {}
        mine = answer.get("state") == ["demonstration"] and answer.get("iss") == [base]
        self.wrong += not mine

        redeem = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": answer.get("code", [""])[0],
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        given = self.fetch("POST", server[2]["token_endpoint"], urlencode(redeem), form=True)
        self.verdict("code for tokens", given, 200)
        self.token = given[2].get("access_token", "")
        answer = self.call("tools/call", {"name": "whoami", "arguments": {}})
        who = content(answer)
        self.verdict("tools/call whoami", answer, 200, note=f"{who['user']}: {who['scopes']}")
        answer = self.call("tools/call", {"name": "add", "arguments": {"a": 2, "b": 3}})
        self.verdict("tools/call add 2 3", answer, 200, note=json.dumps(content(answer)))
        self.wrong += content(answer) != {"sum": 5.0}
        again = self.fetch("POST", server[2]["token_endpoint"], urlencode(redeem), form=True)
        self.verdict("the same code again", again, 400, note=again[2].get("error", ""))
        # Nobody knows which of the two was the thief, so what came of the code has ended.
        answer = self.call("tools/list")
        self.verdict("and the token that it gave", answer, 401, note=answer[2].get("detail", ""))
        self.token = self.token[:-4] + "AAAA"
        answer = self.call("tools/list")
        self.verdict("a forged token", answer, 401, note=answer[2].get("detail", ""))

    def call(self, method: str, params: object = None) -> tuple[int, dict, dict]:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        return self.fetch("POST", self.url, json.dumps(request))

    def fetch(
        self, method: str, url: str, body: str = "", form: bool = False
    ) -> tuple[int, dict, dict]:
        headers = {
            "accept": "application/json, text/event-stream",
            "content-type": "application/x-www-form-urlencoded" if form else "application/json",
            "mcp-protocol-version": "2025-11-25",
        }
        if self.token and url == self.url:
            headers["authorization"] = f"Bearer {self.token}"
        data = body.encode() if method == "POST" else None
        request = urllib.request.Request(url, data, headers, method=method)
        try:
            response = urllib.request.urlopen(request, timeout=15)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            text = response.read().decode()
            found = {name.lower(): value for name, value in response.headers.items()}
        return response.status, found, json.loads(text) if text.startswith("{") else {}

    def listen(self, answers: list[dict[str, list[str]]]) -> http.server.HTTPServer:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answers.append(parse_qs(urlsplit(self.path).query))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"<title>back at the client</title>")

            def log_message(self, format: str, *args: object) -> None:
                pass

        callback = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=callback.serve_forever, daemon=True).start()
        return callback

    def verdict(
        self, title: str, answer: tuple[int, dict, dict], expected: int = 0, note: str = ""
    ) -> None:
        status = answer[0]
        right = status == expected if expected else status < 400
        self.wrong += not right
        colour = "32" if right and status < 400 else "33" if right else "31"
        mark = "" if right else paint("31", f"  expected {expected}")
        print(f"{title:<54.54} {paint(colour, f'{status:<7}')} {paint('2', note[:120])}{mark}")


def content(answer: tuple[int, dict, dict]) -> dict:
    nothing = {"user": "nobody", "scopes": []}
    return answer[2].get("result", {}).get("structuredContent", nothing)


def mcp(stack: ExitStack) -> int:
    doorward = str(BINARIES / "doorward")
    command = [doorward, "--json", "dev", "--mcp", "--port", "0", "--mcp-port", "0"]
    client = McpClient(start(stack, command, dict(os.environ))["mcp"])
    print(paint("1", "\nAn MCP client logs in, with nothing but the URL of the server"))
    print("─" * 100)
    client.log_in_and_call()
    print("─" * 100)
    return client.wrong


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with ExitStack() as stack:
        doorward = str(BINARIES / "doorward")
        found = start(
            stack, [doorward, "--json", "dev", "--issuer-only", "--port", "0"], dict(os.environ)
        )
        issuer = Issuer(found["issuer"], found["publishable_key"])
        environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(("CLERK_", "DOORWARD_"))
            },
            "CLERK_PUBLISHABLE_KEY": issuer.publishable_key,
            "CLERK_AUTHORIZED_PARTIES": FRONTEND,
            "DOORWARD_EXPLAIN": "true",
            "PORT": "0",
        }
        fastapi = [sys.executable, "python/examples/fastapi_app.py", "--port", "0"]
        apis = [
            Api("FastAPI", start(stack, fastapi, environment)["url"]),
            Api("axum", start(stack, [str(BINARIES / "examples" / "axum")], environment)["url"]),
        ]
        print(paint("1", "Doorward: one issuer, two APIs, every verdict"))
        print(
            paint("2", "µs is the HTTP round trip as this script sees it; a hint follows a refusal")
        )
        print()
        wrong = walk(issuer, apis) + mcp(stack)
        print(
            paint("32", "every verdict as expected")
            if not wrong
            else paint("31", f"{wrong} verdicts were wrong")
        )
        if os.environ.get("DEMO") != "once" and not wrong:
            stay(issuer, apis)
    return 1 if wrong else 0


def stay(issuer: Issuer, apis: list[Api]) -> None:
    mint = f"curl -s {issuer.url}/dev/mint -d '{json.dumps({'azp': FRONTEND, 'ttl': 3600})}'"
    print(f"\nissuer   {issuer.url}   (open it in a browser)")
    for api in apis:
        print(f"{api.name:<8} {api.url}")
    print("\nmint a token and use it:")
    print(
        f"  TOKEN=$({mint} \\\n    -H 'content-type: application/json' "
        '| sed \'s/.*"token":"\\([^"]*\\).*/\\1/\')'
    )
    for api in apis:
        print(f'  curl -i {api.url}/me -H "Authorization: Bearer $TOKEN"')
    print("\nCtrl-C ends it.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    sys.exit(main())
