"""Measures everything we claim about speed, in Rust and in Python, beside our targets.

    run.py             build what is missing, measure, print one table and the targets
    run.py --json      print the figures and the targets for machines
    run.py --quick     measure less, to see that it runs
    run.py --strict    fail if a target is missed, at reference speed too

What is measured, and how: benches/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from harness import Row, show

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers"
#: The raw RS256 check in µs on the machine where the targets in µs were set.
REFERENCE_RAW = 12.7

Rows = dict[str, Row]


class Target(NamedTuple):
    """What we promise."""

    text: str
    value: Callable[[Rows], float]
    limit: float
    #: `at most` the limit, or else at least.
    at_most: bool = True
    #: Whether it is a time, which depends on the machine, or a ratio, which hardly does.
    in_us: bool = False


def of(id: str, field: str) -> Callable[[Rows], float]:
    return lambda rows: rows[id][field]


def against(id: str, other: str) -> Callable[[Rows], float]:
    return lambda rows: rows[id]["us"] / rows[other]["us"]


TARGETS = [
    Target("RS256, core, x raw", of("rs256/core", "ratio"), 1.20),
    Target("RS256, cache off, x raw", of("rs256/cold", "ratio"), 1.20),
    Target("ES256, core, x raw", of("es256/core", "ratio"), 1.10),
    Target("ES256, cache off, x raw", of("es256/cold", "ratio"), 1.10),
    Target("EdDSA, core, x raw", of("eddsa/core", "ratio"), 1.10),
    Target("EdDSA, cache off, x raw", of("eddsa/cold", "ratio"), 1.10),
    Target("cache hit, µs", of("rs256/hit", "us"), 1.2, in_us=True),
    Target("cache off, x jsonwebtoken", against("rs256/cold", "rs256/jsonwebtoken"), 1.0),
    Target("cache off, x jwt-authorizer", against("rs256/cold", "rs256/jwt-authorizer"), 1.0),
    Target("layer, x tower-oauth2-rs", against("rs256/layer", "rs256/tower-oauth2"), 1.0),
    Target("cache off, x oauth-resource-server", against("rs256/cold", "rs256/oauth-rs"), 1.0),
    Target("cache off, x clerk-rs", against("rs256/cold", "rs256/clerk-rs"), 1.0),
    Target("10,000 keys, x one", against("rs256/cold-10000-keys", "rs256/cold"), 1.03),
    Target("1,000 issuers, x one", against("rs256/cold-1000-issuers", "rs256/cold"), 1.03),
    Target("axum in process, cached, + µs", of("router/hit", "over"), 1.3, in_us=True),
    Target("axum in process, cache off, + µs", of("router/cold", "over"), 21, in_us=True),
    Target("axum served, cached, + µs", of("served/hit", "over"), 1.3, in_us=True),
    Target("axum served, cache off, + µs", of("served/cold", "over"), 21, in_us=True),
    Target("Python verify, x raw", of("python/verify", "ratio"), 1.5),
    Target(
        "Python verify, x clerk_backend_api",
        against("python/verify", "python/clerk-backend-api"),
        0.25,
    ),
    Target(
        "Python verify, x fastapi_clerk_auth",
        against("python/verify", "python/fastapi-clerk-auth"),
        0.25,
    ),
    Target("Python cache hit, ASGI scope, µs", of("python/hit-scope", "us"), 1.6, in_us=True),
    Target("webhook, x svix for Rust", against("webhook/ours", "webhook/svix"), 1.0),
    Target(
        "webhook, x svix for Python", against("python-webhook/message", "python-webhook/svix"), 0.1
    ),
    Target("FastAPI middleware, cached, x CPU of open", of("fastapi/hit", "ratio"), 1.05),
    Target("FastAPI middleware, cache off, x CPU", of("fastapi/cold", "ratio"), 1.45),
    Target("FastAPI guard, cached, x CPU", of("fastapi/guard", "ratio"), 1.20),
    Target("FastAPI guard, cache off, x CPU", of("fastapi/guard-cold", "ratio"), 1.45),
    Target("FastAPI middleware, cached, x speed", of("fastapi/hit", "speed"), 0.95, at_most=False),
    Target("FastAPI middleware, off, x speed", of("fastapi/cold", "speed"), 0.70, at_most=False),
    Target("Flask, cached, x CPU of open", of("flask/hit", "ratio"), 1.08),
    Target("DRF, cached, x CPU of open", of("drf/hit", "ratio"), 1.05),
    Target("opaque token remembered, µs", of("opaque/hit", "us"), 2, in_us=True),
    Target("Python, opaque remembered, µs", of("python-opaque/hit", "us"), 3, in_us=True),
    Target("opaque token asked, 0 ms, + ms", lambda r: r["opaque/cold-0"]["over"] / 1000, 2),
    Target("opaque token asked, 50 ms, + ms", lambda r: r["opaque/cold-50"]["over"] / 1000, 2),
    Target("known callers' p99 in a flood, x quiet", of("opaque/flood-p99", "ratio"), 2),
    Target("1,000 at once with one token, questions", of("opaque/herd", "us"), 1),
    Target("event loop while keys take 2 s, ms", of("stall/guard", "ms"), 20),
    Target("import doorward, + ms", lambda rows: rows["import/doorward"]["over"] / 1000, 15),
]


def main() -> int:
    arguments = argparse.ArgumentParser(description="Measures everything we claim about speed.")
    arguments.add_argument("--json", action="store_true", help="print for machines")
    arguments.add_argument("--quick", action="store_true", help="measure less")
    arguments.add_argument("--strict", action="store_true", help="fail if a target is missed")
    options = arguments.parse_args()

    program = build()
    effort = ["--quick"] if options.quick else []
    rows = measured([str(program)], effort)
    for script in ("python_bench.py", "opaque_bench.py", "http_bench.py"):
        rows += measured([sys.executable, str(HERE / script)], effort)
    verdicts = judge({row["id"]: row for row in rows})
    if options.json:
        print(json.dumps({"machine": machine(), "figures": rows, "targets": verdicts}, indent=2))
    else:
        print(f"{machine()}; µs of CPU time, medians; details in benches/README.md")
        show(rows)
        show_targets(verdicts)
    missed = any(verdict["verdict"] == "MISSED" for verdict in verdicts)
    return 1 if options.strict and missed else 0


def build() -> Path:
    print("building the peers (the first time takes minutes)", file=sys.stderr)
    command = ["cargo", "build", "--release", "--locked", "--quiet"]
    environment = {**os.environ, "CARGO_TARGET_DIR": str(PEERS / "target")}
    subprocess.run(command, cwd=PEERS, env=environment, check=True)
    return PEERS / "target" / "release" / "doorward-peers"


def measured(command: list[str], effort: list[str]) -> list[Row]:
    print(f"measuring with {Path(command[-1]).name}", file=sys.stderr)
    command = [*command, *effort, "--json"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def machine() -> str:
    try:
        cpus = Path("/proc/cpuinfo").read_text()
    except OSError:
        cpus = ""
    found = re.search(r"^model name\s*:\s*(.*)$", cpus, re.MULTILINE)
    name = found[1].strip() if found else platform.machine()
    return f"{os.cpu_count()} x {name}, {platform.system()}, Python {platform.python_version()}"


def judge(rows: Rows) -> list[Row]:
    slowness = rows["rs256/raw"]["us"] / REFERENCE_RAW
    verdicts = []
    for target in TARGETS:
        value = target.value(rows)

        def meets(value: float, target: Target = target) -> bool:
            return value <= target.limit if target.at_most else value >= target.limit

        verdict = "met" if meets(value) else "MISSED"
        if verdict == "MISSED" and target.in_us and meets(value / slowness):
            verdict = "missed here, met at reference speed"
        limit = f"{'≤' if target.at_most else '≥'} {target.limit:g}"
        verdicts.append({"target": target.text, "value": value, "limit": limit, "verdict": verdict})
    return verdicts


def show_targets(verdicts: list[Row]) -> None:
    print(f"\n{'target':<42} {'limit':>8} {'measured':>9}")
    for verdict in verdicts:
        mark = {"met": "✓", "MISSED": "✗"}.get(verdict["verdict"], "≈")
        note = "" if verdict["verdict"] == "met" else f"  {verdict['verdict']}"
        line = f"{verdict['target']:<42} {verdict['limit']:>8} {verdict['value']:>9.2f}"
        print(f"{line} {mark}{note}")


if __name__ == "__main__":
    sys.exit(main())
