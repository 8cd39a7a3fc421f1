"""Measures one verification of one token in Python, beside the packages people use today.

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
import logging
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, NamedTuple

ISSUER = "https://clerk.example.com"
PARTY = "https://app.example.com"
KID = "ins_2bWQPFTSvvPmNZyqcCCdeYhXMKx"
PAYLOAD_BYTES = 900

#: A request as a browser sends it through a proxy: twelve fields, `authorization` last.
BROWSER = [
    (b"host", b"api.example.com"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-language", b"en-US,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"origin", PARTY.encode()),
    (b"referer", b"https://app.example.com/dashboard"),
    (b"sec-fetch-mode", b"cors"),
    (b"x-forwarded-for", b"192.0.2.7"),
    (b"x-forwarded-proto", b"https"),
    (b"x-request-id", b"0195f1c4-7d0e-7c3b-9c55-1f0c8d4c2a11"),
]


class Case(NamedTuple):
    """One thing that is measured."""

    id: str
    name: str
    run: Callable[[], Any]


class Key:
    """A key of ours, for one run."""

    def __init__(self) -> None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        self._private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public = self._private.public_key()
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        self.pem = self.public.public_bytes(serialization.Encoding.PEM, form).decode()

    def jwks(self) -> dict[str, Any]:
        numbers = self.public.public_numbers()
        jwk = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KID}
        return {"keys": [{**jwk, "n": b64(numbers.n.to_bytes(256, "big")), "e": "AQAB"}]}

    def token(self) -> str:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        header = {"alg": "RS256", "cat": "cl_B7d4PD111AAA", "kid": KID, "typ": "JWT"}
        signed = f"{b64(compact(header))}.{b64(payload())}"
        signature = self._private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{b64(signature)}"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def payload() -> bytes:
    """The claims of a Clerk v2 session token, padded to 900 bytes."""
    now = int(time.time())
    claims: dict[str, Any] = {
        "azp": PARTY,
        "email": "grace.hopper@example.com",
        "exp": now + 3600,
        "fea": "o:dashboard,o:impersonation,u:articles",
        "fva": [12, -1],
        "iat": now,
        "iss": ISSUER,
        "jti": "00000000b7d54b1f9c0a",
        "name": "Grace Hopper",
        "nbf": now - 10,
        "o": {
            "fpm": "3,2,0",
            "id": "org_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
            "per": "read,manage",
            "rol": "admin",
            "slg": "navy",
        },
        "picture": "https://img.example.com/eyJ0eXBlIjoiZGVmYXVsdCIsImlpZCI6Imluc18yYldRUEZUU3YifQ",
        "pla": "o:enterprise",
        "public_metadata": {"note": "", "theme": "dark"},
        "sid": "sess_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
        "sts": "active",
        "sub": "user_2bWQPFTSvvPmNZyqcCCdeYhXMKx",
        "v": 2,
    }
    claims["public_metadata"]["note"] = "x" * (PAYLOAD_BYTES - len(compact(claims)))
    assert len(compact(claims)) == PAYLOAD_BYTES
    return compact(claims)


def scope_of(token: str) -> dict[str, Any]:
    headers = [*BROWSER, (b"authorization", f"Bearer {token}".encode())]
    return {"type": "http", "method": "GET", "path": "/", "headers": headers}


# ---- One verification ----


def verification(rounds: int, batch_us: float) -> list[dict[str, Any]]:
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


def measure(cases: list[Case], base: str, rounds: int, batch_us: float) -> list[dict[str, Any]]:
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
    return [figure("Python", name, names[name], base, samples) for name in samples]


def batch(run: Callable[[], Any], times: int) -> float:
    """µs of CPU time per call."""
    turns = range(times)
    start = time.process_time_ns()
    for _ in turns:
        run()
    return (time.process_time_ns() - start) / times / 1000


def figure(
    section: str, id: str, name: str, base: str, samples: dict[str, list[float]]
) -> dict[str, Any]:
    pairs = list(zip(samples[id], samples[base], strict=True))
    return {
        "section": section,
        "id": id,
        "name": name,
        "base": base,
        "us": statistics.median(samples[id]),
        "minimum": min(samples[id]),
        "ratio": statistics.median(own / reference for own, reference in pairs),
        "over": statistics.median(own - reference for own, reference in pairs),
    }


def serve_jwks(jwks: dict[str, Any]) -> tuple[HTTPServer, str]:
    """A key set on the loopback interface, for the package that can only fetch one."""
    body = compact(jwks)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/jwks.json"


# ---- import doorward ----


def import_time(rounds: int) -> list[dict[str, Any]]:
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


# ---- FastAPI ----


class Server:
    """uvicorn with one app in a process of its own."""

    def __init__(self, mode: str, pem: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, __file__, "--serve", mode, "--port", str(self.port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
        assert self.process.stdin is not None
        self.process.stdin.write(pem)
        self.process.stdin.close()

    def connect(self) -> socket.socket:
        for _ in range(200):
            try:
                connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            except ConnectionRefusedError:
                time.sleep(0.05)
            else:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
        raise RuntimeError("the server does not start")

    def cpu_us(self) -> float:
        """CPU time of all its threads so far."""
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1000

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def fastapi(rounds: int, requests: int) -> list[dict[str, Any]]:
    """Requests per second and CPU time per request of the same app, with and without the door."""
    key = Key()
    request = head(key.token())
    modes = {
        "fastapi/open": "FastAPI without auth, header ignored",
        "fastapi/noop": "FastAPI behind a middleware that does nothing",
        "fastapi/hit": "FastAPI behind AuthMiddleware, cached",
        "fastapi/cold": "FastAPI behind AuthMiddleware, cache off",
    }
    servers = {id: Server(id.partition("/")[2], key.pem) for id in modes}
    cpu: dict[str, list[float]] = {id: [] for id in modes}
    rate: dict[str, list[float]] = {id: [] for id in modes}
    try:
        connections = {id: [server.connect() for _ in range(16)] for id, server in servers.items()}
        for turn in range(rounds + 1):
            for id, server in servers.items():
                start, used = time.perf_counter_ns(), server.cpu_us()
                load(connections[id], request, requests)
                seconds = (time.perf_counter_ns() - start) / 1e9
                if turn:
                    cpu[id].append((server.cpu_us() - used) / requests)
                    rate[id].append(requests / seconds)
    finally:
        for server in servers.values():
            server.stop()
    rows = []
    for id, name in modes.items():
        row = figure("FastAPI", id, name, "fastapi/open", cpu)
        speeds = zip(rate[id], rate["fastapi/open"], strict=True)
        row["per_second"] = statistics.median(rate[id])
        row["speed"] = statistics.median(own / reference for own, reference in speeds)
        rows.append(row)
    return rows


def head(token: str) -> bytes:
    lines = [b"GET / HTTP/1.1", *(name + b": " + value for name, value in BROWSER)]
    return b"\r\n".join([*lines, b"authorization: Bearer " + token.encode(), b"", b""])


def load(connections: list[socket.socket], request: bytes, requests: int) -> None:
    """Keeps one request in the air on each connection, cheaply, so that the server is the limit."""
    for connection in connections:
        connection.sendall(request)
    for _ in range(requests // len(connections) - 1):
        for connection in connections:
            answered(connection)
            connection.sendall(request)
    for connection in connections:
        answered(connection)


def answered(connection: socket.socket) -> None:
    answer = b""
    while not answer.endswith(b'{"hello":"world"}'):
        received = connection.recv(4096)
        if not received:
            raise RuntimeError(f"refused: {answer!r}")
        answer += received
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"refused: {answer!r}")


def serve(mode: str, port: int, pem: str) -> None:
    import uvicorn
    from fastapi import FastAPI

    from doorward import Authenticator
    from doorward.asgi import AuthMiddleware

    app = FastAPI()

    @app.get("/")
    async def hello() -> dict[str, str]:
        return {"hello": "world"}

    class Nothing:
        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    if mode == "noop":
        app.add_middleware(Nothing)
    elif mode != "open":
        auth = Authenticator.clerk(
            issuer=ISSUER,
            jwt_key=pem,
            authorized_parties=PARTY,
            **({"cache_bytes": 0} if mode == "cold" else {}),
        )
        app.add_middleware(AuthMiddleware, auth=auth)
    logging.getLogger("doorward").setLevel(logging.WARNING)
    uvicorn.run(
        app, port=port, loop="uvloop", http="httptools", log_level="warning", access_log=False
    )


# ---- Everything ----


def everything(*, quick: bool) -> list[dict[str, Any]]:
    return [
        *verification(rounds=11 if quick else 31, batch_us=1_500 if quick else 5_000),
        *fastapi(rounds=4 if quick else 12, requests=1_600 if quick else 4_000),
        *import_time(rounds=9),
    ]


def show(rows: list[dict[str, Any]]) -> None:
    section = None
    for row in rows:
        if row["section"] != section:
            section = row["section"]
            print(f"\n{section:<52} {'µs':>8} {'min':>8} {'ratio':>7} {'over':>8}")
        figures = f"{row['us']:>8.2f} {row['minimum']:>8.2f} {row['ratio']:>7.2f}"
        speed = f"  {row['per_second']:,.0f}/s ({row['speed']:.2f})" if "speed" in row else ""
        print(f"{row['name']:<52} {figures} {row['over']:>+8.2f}{speed}")


def main() -> None:
    arguments = argparse.ArgumentParser(description="Measures one verification in Python.")
    arguments.add_argument("--json", action="store_true", help="print for machines")
    arguments.add_argument("--quick", action="store_true", help="measure less")
    arguments.add_argument(
        "--serve", choices=["open", "noop", "hit", "cold"], help=argparse.SUPPRESS
    )
    arguments.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.serve:
        serve(options.serve, options.port, sys.stdin.read())
        return
    rows = everything(quick=options.quick)
    if options.json:
        print(json.dumps(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main()
