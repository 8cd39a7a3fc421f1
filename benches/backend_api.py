#!/usr/bin/env python3
"""The Backend API from Python beside Clerk's own SDK: import, memory, calls, a long list.

    benches/backend_api.py [--calls 200] [--rounds 5]

One local server answers both. Each figure is the best of its rounds, in a process of its own.
Without `clerk_backend_api` only ours is measured.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SIDES = {"doorward": "doorward.clerk", "official": "clerk_backend_api"}

#: Told in one line of JSON: seconds of the import, KiB of memory it took, seconds for one call,
#: seconds from the request for 500 users to the first attribute of the first.
PROBE = """
import json, resource, sys, time
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
bare, start = peak(), time.perf_counter()
from {module} import Clerk
imported, memory = time.perf_counter() - start, peak() - bare
clerk = Clerk(bearer_auth="sk_test_x", server_url={url!r})
clerk.users.get(user_id="user_1")
start = time.perf_counter()
for _ in range({calls}):
    clerk.users.get(user_id="user_1")
call = (time.perf_counter() - start) / {calls}
clerk.users.list(request={{"limit": 500}})
start = time.perf_counter()
clerk.users.list(request={{"limit": 500}})[0].first_name
print(json.dumps([imported, memory, call, time.perf_counter() - start]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    # The tests' server, which answers every operation from the table.
    sys.path[:0] = [str(ROOT / "python"), str(ROOT / "python" / "tests")]
    from clerk_server import BackendApi, example

    server = BackendApi()
    figures: dict[str, list[float]] = {}
    try:
        server.say("GetUserList", [example("User")] * 500)
        for side, module in SIDES.items():
            code = PROBE.format(module=module, url=server.url, calls=options.calls)
            rows = [measured(code) for _ in range(options.rounds)]
            if found := [row for row in rows if row]:
                figures[side] = [min(column) for column in zip(*found, strict=True)]
    finally:
        server.close()
    heads = ["import ms", "memory MiB", "call µs", "500 users ms"]
    scales = [1e3, 1 / 1024, 1e6, 1e3]
    print(f"{'':10}" + "".join(f"{head:>14}" for head in heads))
    for side, row in figures.items():
        cells = (f"{value * scale:14.1f}" for value, scale in zip(row, scales, strict=True))
        print(f"{side:10}" + "".join(cells))
    if len(figures) == 2:
        ratios = (b / a for a, b in zip(figures["doorward"], figures["official"], strict=True))
        print(f"{'ratio':10}" + "".join(f"{ratio:14.1f}" for ratio in ratios))
    return 0


def measured(code: str) -> list[float] | None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python")}
    run = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300
    )
    return json.loads(run.stdout) if run.returncode == 0 else None


if __name__ == "__main__":
    sys.exit(main())
