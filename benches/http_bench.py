"""Measures the doors of FastAPI, Flask and Django over HTTP, beside the packages people use today.

    http_bench.py                     print a table
    http_bench.py --json              print the figures for machines
    http_bench.py --quick             measure less
    http_bench.py --only flask        one of fastapi, flask, drf (with plain Django)

Every variant (`http_apps.py`) is a server process of its own. All those of a framework are alive at
once and take turns in short slices over kept connections; the figures are medians of many rounds,
in µs of the server's own CPU time per request.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness import BROWSER, Key, Row, figure, serve_jwks, show
from http_apps import DJANGO, DRF, FASTAPI, FLASK, VARIANTS, Facts, Variant

HERE = Path(__file__).resolve().parent
FRAMEWORKS = {"fastapi": (FASTAPI,), "flask": (FLASK,), "drf": (DJANGO, DRF)}
CONNECTIONS = 16
#: Seconds in which any answer is there, also the first one of a server that has yet to start.
PATIENCE = 60


# ---- The cost of a request ----


def requests_of(only: str | None, *, quick: bool) -> list[Row]:
    key, stranger = Key(), Key()
    server, url = serve_jwks(key.jwks())
    token = key.token()
    head, _, signature = token.rpartition(".")
    bad = {
        "no token": None,
        "a token with another signature": f"{head}.{signature[:-9]}{'A' * 9}",
        "a token of another key": stranger.token(),
        "an expired token": key.token(ttl=-3600),
    }
    facts = Facts(key.pem, url)
    rows: list[Row] = []
    try:
        for name, sections in FRAMEWORKS.items():
            if only in (None, name):
                variants = [one for one in VARIANTS.values() if one.section in sections]
                rows += compare(variants, facts, token, bad, quick=quick)
    finally:
        server.shutdown()
    return rows


def compare(
    variants: list[Variant], facts: Facts, token: str, bad: dict[str, str | None], *, quick: bool
) -> list[Row]:
    cpu: dict[str, list[float]] = {one.id: [] for one in variants}
    rate: dict[str, list[float]] = {one.id: [] for one in variants}
    # No two processes are alike, though they run the same: memory lies elsewhere. So the servers
    # are started anew now and then.
    requests = 1_600 if variants[0].section == FASTAPI else 640
    for _ in range(1 if quick else 4):
        with ExitStack() as stack:
            servers = [stack.enter_context(serving(one, facts)) for one in variants]
            for server in servers:
                check(server, token, bad)
            loads = [stack.enter_context(Load(server, get(token))) for server in servers]
            for turn in range(3 if quick else 9):
                # Nobody is always behind the same neighbour.
                for load in loads[turn:] + loads[:turn]:
                    us, per_second = load.slice(requests // 4 if quick else requests)
                    if turn:
                        cpu[load.id].append(us)
                        rate[load.id].append(per_second)
    rows: list[Row] = []
    for one in variants:
        row = figure(one.section, one.id, one.name, one.base, cpu)
        speeds = zip(rate[one.id], rate[one.base], strict=True)
        row["per_second"] = statistics.median(rate[one.id])
        row["speed"] = statistics.median(own / reference for own, reference in speeds)
        rows.append(row)
    return rows


def check(server: Server, token: str, bad: dict[str, str | None]) -> None:
    """Whoever refuses would win, and so would whoever accepts everything."""
    id = server.variant.id
    with server.connect() as connection:
        answer = exchange(connection, get(token))
        if not answer.startswith(b"HTTP/1.1 200 ") or b'"hello"' not in answer:
            raise RuntimeError(f"{id} refuses a good token: {answer!r}")
    for name, one in bad.items() if server.variant.guarded else ():
        with server.connect() as connection:
            answer = exchange(connection, get(one))
        if not answer.startswith(b"HTTP/1.1 4"):
            raise RuntimeError(f"{id} does not refuse {name}: {answer!r}")


class Load:
    """Keeps one request in the air on each connection, cheaply, so that the server is the limit."""

    def __init__(self, server: Server, request: bytes) -> None:
        self.id = server.variant.id
        self._server = server
        self._request = request
        self._connections = [server.connect() for _ in range(CONNECTIONS)]
        # All good answers of one server are of the same length.
        self._length = len(exchange(self._connections[0], request))

    def __enter__(self) -> Load:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.close()

    def slice(self, requests: int) -> tuple[float, float]:
        """µs of CPU time per request, and requests per second."""
        # Since its last turn, its neighbours had the caches of the machine.
        self._run(requests // 10)
        start, used = time.perf_counter_ns(), self._server.cpu_us()
        done = self._run(requests)
        seconds = (time.perf_counter_ns() - start) / 1e9
        return (self._server.cpu_us() - used) / done, done / seconds

    def _run(self, requests: int) -> int:
        turns = max(1, requests // CONNECTIONS)
        for connection in self._connections:
            connection.sendall(self._request)
        for _ in range(turns - 1):
            for connection in self._connections:
                self._answered(connection)
                connection.sendall(self._request)
        for connection in self._connections:
            self._answered(connection)
        return turns * CONNECTIONS

    def _answered(self, connection: socket.socket) -> None:
        answer = connection.recv(4096)
        while 0 < len(answer) < self._length:
            received = connection.recv(4096)
            if not received:
                break
            answer += received
        if len(answer) != self._length or not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{self.id} refuses meanwhile: {answer!r}")


# ---- The event loop while keys are fetched ----


def stalls(*, quick: bool) -> list[Row]:
    """How long a page waits at most that nobody guards, while the keys for another page take 2 s.

    In ms between two answers of a page that is asked every 5 ms.
    """
    from doorward.testing import DevIssuer
    from doorward.testing.issuer import PARTY

    variants = [one for one in VARIANTS.values() if one.section == "stall"]
    longest: dict[str, list[float]] = {one.id: [] for one in variants}
    with DevIssuer() as issuer:
        issuer.fault("slow", 2.0)
        token = issuer.mint(sub="user_1")
        facts = Facts(issuer.public_pem(), issuer.jwks_url, issuer.issuer, PARTY)
        for _ in range(1 if quick else 5):
            for one in variants:
                fetches = issuer.jwks_fetches
                with serving(one, facts) as server:
                    longest[one.id].append(stall(server, token))
                assert (issuer.jwks_fetches > fetches) == one.guarded, "nobody fetched the keys"
    return [
        {
            "section": "Event loop while keys take 2 s",
            "id": one.id,
            "name": one.name,
            "ms": statistics.median(longest[one.id]),
            "worst": max(longest[one.id]),
        }
        for one in variants
    ]


def stall(server: Server, token: str) -> float:
    health = get(None, "/health")
    seconds: list[float] = []

    def guarded() -> None:
        with server.connect() as connection:
            start = time.perf_counter()
            answer = exchange(connection, get(token))
            if answer.startswith(b"HTTP/1.1 200 "):
                seconds.append(time.perf_counter() - start)

    fetching = threading.Thread(target=guarded)
    longest = 0.0
    with server.connect() as connection:
        for _ in range(20):
            exchange(connection, health)
        last = time.perf_counter()
        fetching.start()
        while fetching.is_alive():
            exchange(connection, health)
            now = time.perf_counter()
            longest = max(longest, now - last)
            last = now
            time.sleep(0.005)
    fetching.join()
    if not seconds or seconds[0] < 1.9:
        raise RuntimeError(f"{server.variant.id}: the keys were there at once, or never: {seconds}")
    return longest * 1000


# ---- Servers ----


class Server:
    """One variant in a process of its own."""

    def __init__(self, variant: Variant, facts: Facts) -> None:
        self.variant = variant
        environment = {**os.environ, **facts.environment(), "BENCH_VARIANT": variant.id}
        # Whoever connects before the server is up waits for it, or hears that it died.
        with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
            self._address = listener.getsockname()
            descriptor = listener.fileno()
            self._process = subprocess.Popen(
                self._command(descriptor), cwd=HERE, env=environment, pass_fds=[descriptor]
            )

    def _command(self, descriptor: int) -> list[str]:
        if self.variant.section in (FASTAPI, "stall"):
            return [sys.executable, "http_apps.py", self.variant.id, str(descriptor)]
        gunicorn = [sys.executable, "-m", "gunicorn", "http_apps:wsgi()"]
        gunicorn += ["--bind", f"fd://{descriptor}", "--log-level", "warning"]
        gunicorn += ["--workers", "1", "--worker-class", "gthread", "--threads", "2"]
        gunicorn += ["--keep-alive", "600", "--graceful-timeout", "1", "--no-control-socket"]
        return gunicorn

    def connect(self) -> socket.socket:
        connection = socket.create_connection(self._address, timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def cpu_us(self) -> float:
        """User and system time so far, of all threads of the process and of its children."""
        return sum(spent(task) for task in tasks(self._process.pid)) / 1000

    def stop(self) -> None:
        self._process.terminate()

    def wait(self) -> None:
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


@contextmanager
def serving(variant: Variant, facts: Facts) -> Iterator[Server]:
    server = Server(variant, facts)
    try:
        yield server
    finally:
        server.stop()
        server.wait()


def tasks(process: int) -> Iterator[Path]:
    for task in Path(f"/proc/{process}/task").iterdir():
        yield task
        for child in (task / "children").read_text().split():
            yield from tasks(int(child))


def spent(task: Path) -> int:
    return int((task / "schedstat").read_text().split()[0])


# ---- Requests ----


def get(token: str | None, path: str = "/") -> bytes:
    lines = [f"GET {path} HTTP/1.1".encode(), *(name + b": " + value for name, value in BROWSER)]
    if token is not None:
        lines.append(b"authorization: Bearer " + token.encode())
    return b"\r\n".join([*lines, b"", b""])


def exchange(connection: socket.socket, request: bytes) -> bytes:
    """The whole answer to a request."""
    connection.sendall(request)
    answer = b""
    while not complete(answer):
        received = connection.recv(4096)
        if not received:
            raise RuntimeError(f"no answer: {answer!r}")
        answer += received
    return answer


def complete(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
        if name == b"transfer-encoding":
            return body.endswith(b"0\r\n\r\n")
    return True


def main() -> None:
    arguments = argparse.ArgumentParser(description="Measures the doors over HTTP.")
    arguments.add_argument("--json", action="store_true", help="print for machines")
    arguments.add_argument("--quick", action="store_true", help="measure less")
    arguments.add_argument("--only", choices=list(FRAMEWORKS), help="measure one framework")
    options = arguments.parse_args()
    rows = requests_of(options.only, quick=options.quick)
    if options.only in (None, "fastapi"):
        rows += stalls(quick=options.quick)
    if options.json:
        print(json.dumps(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main()
