#!/usr/bin/env python3
"""The Backend API from Python beside Clerk's own SDK: import, memory, calls, a long list.

    benches/backend_api.py [--calls 200] [--rounds 5]

The local issuer answers both. Each figure is the best of its rounds, in a process of its own; the
sides take turns. The last column is the long list in the client's own CPU time, without the
issuer's and what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))

SIDES = {"doorward": "doorward.clerk", "official": "clerk_backend_api"}
USERS = 500

#: Told in one line of JSON: seconds of the import, bytes of memory after a call over the bare
#: interpreter's, seconds for one call, seconds from the request for 500 users to the first
#: attribute of the first, and of its own CPU time for the same.
PROBE = """
import sys, time
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
module, url, key, user, calls = sys.argv[1:]
bare, start = resident(), time.perf_counter()
if module == "doorward.clerk":
    from doorward.clerk import Clerk
else:
    from clerk_backend_api import Clerk
imported = time.perf_counter() - start
clerk = Clerk(bearer_auth=key, server_url=url)
clerk.users.get(user_id=user)
memory = resident() - bare
start = time.perf_counter()
for _ in range(int(calls)):
    clerk.users.get(user_id=user)
call = (time.perf_counter() - start) / int(calls)
def least(clock):
    best = 1e9
    for _ in range(10):
        start = clock()
        users = clerk.users.list(request={"limit": 500})
        assert users[0].id and len(users) == 500
        best = min(best, clock() - start)
    return best
import json
lists = [least(time.perf_counter), least(time.process_time)]
print(json.dumps([imported, memory, call, *lists]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    from doorward.clerk import Clerk
    from doorward.testing import DevIssuer

    with DevIssuer() as issuer:
        url = f"{issuer.api_url}/v1"
        clerk = Clerk(bearer_auth=issuer.secret_key, server_url=url)
        made = [
            clerk.users.create(email_address=[f"user{n}@example.com"], first_name="Ada")
            for n in range(USERS)
        ]
        rows: dict[str, list[list[float]]] = {side: [] for side in SIDES}
        for _ in range(options.rounds):
            for side, module in SIDES.items():
                arguments = [module, url, issuer.secret_key, made[0].id, str(options.calls)]
                rows[side].append(measured(arguments))
    figures = {side: best(found) for side, found in rows.items()}
    heads = ["import ms", "memory MiB", "call µs", f"{USERS} users ms", "its CPU ms"]
    scales = [1e3, 2**-20, 1e6, 1e3, 1e3]
    print(f"{'':10}" + "".join(f"{head:>14}" for head in heads))
    for side, row in figures.items():
        cells = (f"{value * scale:14.1f}" for value, scale in zip(row, scales, strict=True))
        print(f"{side:10}" + "".join(cells))
    ratios = (b / a for a, b in zip(figures["doorward"], figures["official"], strict=True))
    print(f"{'ratio':10}" + "".join(f"{ratio:14.1f}" for ratio in ratios))
    return 0


def best(rows: list[list[float]]) -> list[float]:
    return [min(column) for column in zip(*rows, strict=True)]


def measured(arguments: list[str]) -> list[float]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT / "python")
    command = [sys.executable, "-c", PROBE, *arguments]
    told = subprocess.check_output(command, env=environment, text=True, timeout=300)
    found: list[float] = json.loads(told)
    return found


if __name__ == "__main__":
    sys.exit(main())
