"""Measures the doors of FastAPI, Flask and Django over HTTP, beside the packages people use today.

    http_bench.py                     print a table
    http_bench.py --json              print the figures for machines
    http_bench.py --quick             measure less
    http_bench.py --only flask        one of fastapi, flask, drf (with plain Django)

Every variant (`http_apps.py`) is a server process of its own. All those of a framework are alive at
once and take turns in short slices over kept connections; the figures are medians of many rounds,
in µs of the server's own CPU time per request. A slice during which others used the machine is
taken again, as long as the patience lasts (`--patience SECONDS`, 120 unless told).
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from harness import BROWSER, Key, Row, figure, serve_jwks, show
from http_apps import DJANGO, DRF, FASTAPI, FLASK, VARIANTS, Facts, Variant

HERE = Path(__file__).resolve().parent
FRAMEWORKS = {"fastapi": (FASTAPI,), "flask": (FLASK,), "drf": (DJANGO, DRF)}
CONNECTIONS = 16
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
PAUSE = 0.2
#: Seconds in which any answer is there, also the first one of a server that has yet to start.
PATIENCE = 60


# ---- The cost of a request ----


def requests_of(only: str | None, company: Company, *, quick: bool) -> list[Row]:
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
                rows += compare(variants, facts, token, bad, company, quick=quick)
    finally:
        server.shutdown()
    return rows


def compare(
    variants: list[Variant],
    facts: Facts,
    token: str,
    bad: dict[str, str | None],
    company: Company,
    *,
    quick: bool,
) -> list[Row]:
    slices: dict[str, list[Slice]] = {one.id: [] for one in variants}
    requests = 960 if variants[0].section == FASTAPI else 640
    # No two processes are alike, though they run the same: memory lies elsewhere. So the servers
    # are started anew now and then.
    for _ in range(1 if quick else 6):
        with ExitStack() as stack:
            servers = [stack.enter_context(serving(one, facts)) for one in variants]
            for server in servers:
                check(server, token, bad)
            loads = [stack.enter_context(Load(server, get(token))) for server in servers]
            for turn in range(3 if quick else 6):
                # Nobody is always behind the same neighbour.
                for load in loads[turn:] + loads[:turn]:
                    found = load.slice(requests // 4 if quick else requests, company)
                    if turn:
                        slices[load.id].append(found)
    cpu = {id: [one.us for one in own] for id, own in slices.items()}
    rows: list[Row] = []
    for one in variants:
        row = figure(one.section, one.id, one.name, one.base, cpu)
        own, base = slices[one.id], slices[one.base]
        speeds = [mine.per_second / other.per_second for mine, other in zip(own, base, strict=True)]
        row["per_second"] = statistics.median(slice.per_second for slice in own)
        row["speed"] = statistics.median(speeds)
        row["disturbed"] = statistics.mean(slice.others > Company.BEARABLE for slice in own)
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


class Slice(NamedTuple):
    """What some hundred requests took."""

    #: µs of CPU time per request.
    us: float
    per_second: float
    #: How many cores others had meanwhile.
    others: float


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

    def slice(self, requests: int, company: Company) -> Slice:
        while True:
            start = time.monotonic()
            # Since its last turn, its neighbours had the caches of the machine.
            self._run(requests // 10)
            found = self._slice(requests)
            if found.others <= Company.BEARABLE or not company.wait(time.monotonic() - start):
                return found

    def _slice(self, requests: int) -> Slice:
        start, used = time.perf_counter(), self._server.cpu_us()
        all_used, own = machine_us(), time.process_time()
        done = self._run(requests)
        seconds, us = time.perf_counter() - start, self._server.cpu_us() - used
        ours = us + (time.process_time() - own) * 1e6
        others = (machine_us() - all_used - ours) / (seconds * 1e6)
        return Slice(us / done, done / seconds, others)

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


class Company:
    """Others who use the machine, and how long we wait for them to leave."""

    #: Cores. The kernel counts in hundredths of a second, and slices take some tenths.
    BEARABLE = 0.3

    def __init__(self, patience: float) -> None:
        self._patience = patience

    def wait(self, lost: float) -> bool:
        """Whether there is patience left for another try, after one that took so many seconds."""
        self._patience -= lost + PAUSE
        if self._patience <= 0:
            return False
        time.sleep(PAUSE)
        return True


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
                self._command(descriptor),
                cwd=HERE,
                env=environment,
                pass_fds=[descriptor],
                preexec_fn=end_with_parent,
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


def end_with_parent() -> None:
    """Has the kernel end this process when the benchmark ends, however it does."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def machine_us() -> float:
    """The time of all processes on the machine so far."""
    user, nice, system, _, _, *interrupts = Path("/proc/stat").read_text().split()[1:8]
    ticks = int(user) + int(nice) + int(system) + sum(map(int, interrupts))
    return ticks * 1e6 / os.sysconf("SC_CLK_TCK")


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
    arguments.add_argument("--patience", type=float, help="wait so many seconds for others")
    options = arguments.parse_args()
    patience = options.patience
    if patience is None:
        patience = 0 if options.quick else 120
    rows = requests_of(options.only, Company(patience), quick=options.quick)
    if options.only in (None, "fastapi"):
        rows += stalls(quick=options.quick)
    if options.json:
        print(json.dumps(rows))
    else:
        show(rows)


if __name__ == "__main__":
    main()
