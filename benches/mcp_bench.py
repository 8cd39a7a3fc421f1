"""A protected MCP server beside an unprotected one: FastMCP's Clerk classes and ours.

One FastMCP server for each row (streamable HTTP, stateless, JSON), a uvicorn process of its own.
The local issuer plays Clerk, and waits as long as is said before each answer. Load: one connection
or sixteen, each one request after the other, `tools/call` of a tool that adds two numbers. A cell
is requests in a second, the median of their times, and the server's own CPU time for one of them,
which other work on the machine hardly touches; the last column is that of no auth, divided by it.

    python benches/mcp_bench.py [--seconds 5]

FastMCP's own classes know only `https://{domain}`. They are pointed at the issuer by their private
attributes, so their part is measured without TLS to the provider: in production it is larger.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "python"))

from doorward._doorward import DevIssuer

CONFIGURATIONS = [
    "no auth",
    "doorward verifier, opaque",
    "doorward verifier, JWT",
    "doorward provider",
    "fastmcp verifier, opaque",
    "fastmcp verifier, shared client",
    "fastmcp provider",
]
BODY = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "add", "arguments": {"a": 2, "b": 3}},
    }
).encode()


def serve(configuration: str, port: int, issuer: str) -> None:
    """One server, in a process of its own."""
    import uvicorn
    from fastmcp import FastMCP

    mcp: Any = FastMCP("bench", auth=provider(configuration, port, issuer))

    @mcp.tool
    def add(a: int, b: int) -> int:
        return a + b

    app = mcp.http_app(stateless_http=True, json_response=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


def provider(configuration: str, port: int, issuer: str) -> Any:
    common: dict[str, Any] = {
        "domain": issuer.removeprefix("http://"),
        "client_id": "client_2doorward",
        "client_secret": os.environ["BENCH_SECRET"],
    }
    base_url = f"http://127.0.0.1:{port}"
    if configuration.startswith("doorward"):
        from doorward.fastmcp import ClerkProvider, ClerkTokenVerifier

        if "verifier" in configuration:
            return ClerkTokenVerifier(**common, base=issuer, required_scopes=["openid"])
        return ClerkProvider(**common, base=issuer, base_url=base_url, client_storage="memory:")
    if configuration.startswith("fastmcp"):
        import httpx2
        from fastmcp.server.auth.providers.clerk import ClerkProvider as TheirProvider
        from fastmcp.server.auth.providers.clerk import ClerkTokenVerifier as TheirVerifier
        from key_value.aio.stores.memory import MemoryStore

        shared = httpx2.AsyncClient(timeout=10) if "shared" in configuration else None
        if "verifier" in configuration:
            theirs = TheirVerifier(**common, required_scopes=["openid"], http_client=shared)
            verifier = theirs
        else:
            theirs = TheirProvider(**common, base_url=base_url, client_storage=MemoryStore())
            theirs._upstream_authorization_endpoint = f"{issuer}/oauth/authorize"
            theirs._upstream_token_endpoint = f"{issuer}/oauth/token"
            verifier = theirs._token_validator
        verifier._userinfo_url = f"{issuer}/oauth/userinfo"
        verifier._introspection_url = f"{issuer}/oauth/token_info"
        return theirs
    return None


async def load(
    port: int, token: str | None, connections: int, seconds: float
) -> tuple[float, float]:
    """Requests in a second, and the median of their times in milliseconds."""
    head = (
        "POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json, text/event-stream\r\n"
        f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\n"
        + (f"authorization: Bearer {token}\r\n" if token else "")
        + "\r\n"
    ).encode()
    times: list[float] = []
    end = time.perf_counter() + seconds

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.perf_counter() < end:
            start = time.perf_counter()
            writer.write(head + BODY)
            answer = await reader.readuntil(b"\r\n\r\n")
            if not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(answer.decode())
            length = int(answer.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - start)
        writer.close()

    start = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    elapsed = time.perf_counter() - start
    times.sort()
    return len(times) / elapsed, times[len(times) // 2] * 1000


def cpu_seconds(process: int) -> float:
    """What a process has used so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def login(port: int, fastmcp: bool) -> str:
    """A whole login at a provider, by the scripted client of the tests."""
    import httpx2

    sys.path.insert(0, str(Path(__file__).parent.parent / "python" / "tests"))
    from mcp_login import Program

    async def go() -> str:
        async with httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30
        ) as client:
            program = Program(client)
            if not fastmcp:
                return await program.log_in()
            # Its form posts to where it stands, and its buttons are called otherwise.
            program.form = {"action": "approve"}
            return await program.log_in()

    return asyncio.run(go())


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def running(configuration: str, issuer: DevIssuer) -> Any:
    port = free_port()
    environment = {**os.environ, "BENCH_SECRET": issuer.client_secret}
    command = [sys.executable, __file__, "--serve", configuration, str(port), issuer.issuer]
    process = subprocess.Popen(command, env=environment)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
                break
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--serve", nargs=3, metavar=("WHAT", "PORT", "ISSUER"))
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    if given.serve:
        serve(given.serve[0], int(given.serve[1]), given.serve[2])
        return
    import httpx2

    issuer = DevIssuer()
    issuer.start()
    print("| server | provider's delay | 1 connection | 16 connections | upstream calls | ratio |")
    print("|---|---|---|---|---|---|")
    bare = 0.0
    for configuration in CONFIGURATIONS:
        if given.only not in configuration:
            continue
        for delay in (0.0, 0.05):
            issuer.fault("none")
            with running(configuration, issuer) as (port, process):
                token = None
                if "provider" in configuration:
                    httpx2.post(
                        f"{issuer.issuer}/dev/sign-in",
                        json={"sub": "user_2doorwardAda", "opaque": True},
                    )
                    token = login(port, configuration.startswith("fastmcp"))
                elif "JWT" in configuration:
                    token = issuer.mint(json.dumps({"kind": "oauth", "scopes": ["openid"]}))
                elif configuration != "no auth":
                    token = issuer.mint(json.dumps({"kind": "oauth_opaque", "scopes": ["openid"]}))
                if delay:
                    issuer.fault("slow", delay)
                asyncio.run(load(port, token, 1, 1.0))
                before = issuer.requests("introspect") + issuer.requests("userinfo")
                cells: list[str] = []
                costs: list[float] = []
                for connections in (1, 16):
                    used, start = cpu_seconds(process), time.perf_counter()
                    rate, median = asyncio.run(load(port, token, connections, given.seconds))
                    count = rate * (time.perf_counter() - start)
                    costs.append((cpu_seconds(process) - used) / count * 1e6)
                    cells.append(f"{rate:.0f}/s, {median:.1f} ms, {costs[-1]:.0f} µs")
                calls = issuer.requests("introspect") + issuer.requests("userinfo") - before
            cost = sum(costs) / len(costs)
            bare = cost if configuration == "no auth" else bare
            ratio = f"{bare / cost:.2f}"
            row = [configuration, f"{delay * 1000:.0f} ms", *cells, str(calls), ratio]
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
