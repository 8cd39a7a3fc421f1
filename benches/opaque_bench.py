"""Measures one opaque token in Python: asked about at an endpoint on this machine, and remembered.

    opaque_bench.py            print a table
    opaque_bench.py --json     print the figures for machines
    opaque_bench.py --quick    measure less
    opaque_bench.py --fastmcp <python>    beside FastMCP, in an environment of its own

All cases run in turn, and the figures are medians. What asks is measured by the wall clock, for
waiting is what it costs; what remembers is measured in CPU time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from harness import Row, figure, show
from python_bench import batch, scope_of

#: Answers as Clerk's Backend API, an introspection endpoint and userinfo do, after so many ms.
SERVER = """
import asyncio, json, sys
delay = float(sys.argv[1]) / 1000
key = {"object": "api_key", "id": "ak_1", "subject": "user_ada", "claims": None, "scopes": [],
       "revoked": False, "revocation_reason": None, "expired": False, "expiration": None}
told = {"active": True, "sub": "user_ada", "client_id": "web", "scope": "openid", "aud": "web"}
async def serve(reader, writer):
    try:
        while True:
            head = (await reader.readuntil(b"\\r\\n\\r\\n")).lower()
            length = head.partition(b"content-length: ")[2].split(b"\\r\\n")[0]
            await reader.readexactly(int(length or 0))
            await asyncio.sleep(delay)
            body = json.dumps(key if b"/api_keys" in head else told).encode()
            start = "HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\n"
            writer.write(f"{start}content-length: {len(body)}\\r\\n\\r\\n".encode() + body)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""

#: FastMCP's verifier for Clerk, one token for each line it is sent.
FASTMCP = """
import asyncio, sys, time
from fastmcp.server.auth.providers import clerk
port = sys.argv[1]
verifier = clerk.ClerkTokenVerifier(domain="127.0.0.1", client_id="web", client_secret="x")
for name, value in vars(verifier).items():
    if isinstance(value, str) and value.startswith("https://127.0.0.1"):
        setattr(verifier, name, value.replace("https://127.0.0.1", f"http://127.0.0.1:{port}"))
async def main():
    for line in sys.stdin:
        start = time.perf_counter_ns()
        verified = await verifier.verify_token(line.strip())
        took = time.perf_counter_ns() - start
        assert verified is not None
        print(took / 1000, flush=True)
asyncio.run(main())
"""


def main() -> int:
    arguments = argparse.ArgumentParser(description="Measures opaque tokens in Python.")
    arguments.add_argument("--json", action="store_true", help="print for machines")
    arguments.add_argument("--quick", action="store_true", help="measure less")
    arguments.add_argument("--fastmcp", help="a Python with FastMCP in it")
    options = arguments.parse_args()
    rounds = 10 if options.quick else 60
    rows = [row for delay in (0, 50) for row in asked(delay, rounds, options.fastmcp)]
    rows += remembered(rounds)
    if options.json:
        print(json.dumps(rows))
    else:
        show(rows)
    return 0


def asked(delay: int, rounds: int, fastmcp: str | None) -> list[Row]:
    """A token that nobody has asked about before."""
    from clerk_backend_api import AuthenticateRequestOptions
    from clerk_backend_api.security import authenticate_request

    server, port = served(delay)
    url = f"http://127.0.0.1:{port}"
    now = [1_800_000_000.0]
    auth = authenticator(url, lambda: now[0])
    options = AuthenticateRequestOptions(secret_key="sk_test_x", accepts_token=["api_key"])
    clerk_api(url)
    loop = asyncio.new_event_loop()
    other = None
    if fastmcp:
        command = [fastmcp, "-c", FASTMCP, str(port)]
        other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    class Request:
        def __init__(self, token: str) -> None:
            self.headers = {"Authorization": f"Bearer {token}"}

    names = {
        f"python-opaque/clerk-{delay}": f"clerk_backend_api 7, {delay} ms (wall)",
        f"python-opaque/cold-{delay}": f"doorward verify, {delay} ms (wall)",
        f"python-opaque/async-{delay}": f"doorward verify_async, {delay} ms (wall)",
    }
    if other:
        names[f"python-opaque/fastmcp-{delay}"] = f"FastMCP 4 Clerk verifier, {delay} ms (wall)"
    samples: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds + 3):
        now[0] += 0.05

        def clerk(turn: int = turn) -> None:
            assert authenticate_request(Request(f"ak_clerk_{turn}"), options).is_signed_in

        took = [
            wall(clerk),
            wall(lambda turn=turn: auth.verify(f"ak_cold_{turn}")),
            wall(lambda turn=turn: loop.run_until_complete(auth.verify_async(f"ak_async_{turn}"))),
        ]
        if other and other.stdin and other.stdout:
            other.stdin.write(f"oat_{turn}\n")
            other.stdin.flush()
            took.append(float(other.stdout.readline()))
        if turn >= 3:
            for name, us in zip(names, took, strict=True):
                samples[name].append(us)
    loop.close()
    for process in filter(None, (other, server)):
        process.kill()
        process.wait()
    base = f"python-opaque/cold-{delay}"
    section = "Python, opaque tokens"
    return [figure(section, name, names[name], base, samples) for name in names]


def remembered(rounds: int) -> list[Row]:
    server, port = served(0)
    auth = authenticator(f"http://127.0.0.1:{port}", lambda: 1_800_000_000.0)
    clocked = authenticator(f"http://127.0.0.1:{port}", None)
    auth.verify("ak_good")
    clocked.verify("ak_good")
    scope = scope_of("ak_good")
    cases: dict[str, tuple[str, Callable[[], Any]]] = {
        "python-opaque/hit": ("doorward verify, remembered", lambda: clocked.verify("ak_good")),
        "python-opaque/hit-scope": (
            "doorward, ASGI scope of 12 headers, remembered",
            lambda: clocked.authenticate_nowait(scope),
        ),
    }
    samples: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 2):
        for name, (_, run) in cases.items():
            us = batch(run, 2000)
            if turn >= 2:
                samples[name].append(us)
    server.kill()
    server.wait()
    section = "Python, opaque tokens"
    return [figure(section, name, cases[name][0], "python-opaque/hit", samples) for name in cases]


def authenticator(url: str, clock: Callable[[], float] | None) -> Any:
    import doorward

    return doorward.Authenticator.clerk(
        secret_key="sk_test_x", api_url=url, accepts="api_key", answer_ttl=3600, clock=clock
    )


def clerk_api(url: str) -> None:
    """Points Clerk's SDK, which has no setting for it here, at the endpoint."""
    from clerk_backend_api.security import types

    defaults: list[Any] = list(types.VerifyTokenOptions.__init__.__defaults__ or ())
    place = defaults.index(next(value for value in defaults if str(value).startswith("http")))
    defaults[place] = url
    types.VerifyTokenOptions.__init__.__defaults__ = tuple(defaults)


def served(delay: int) -> tuple[subprocess.Popen[str], int]:
    command = [sys.executable, "-c", SERVER, str(delay)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    return server, int(server.stdout.readline())


def wall(run: Callable[[], Any]) -> float:
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / 1000


if __name__ == "__main__":
    sys.exit(main())
