#!/usr/bin/env python3
"""The Backend API from Python beside Clerk's own SDK: import, memory, calls, a long list.

    benches/backend_api.py [--calls 200] [--rounds 5]

The local issuer answers both. Each figure is the best of its rounds, in a process of its own.
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
#: attribute of the first.
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
start = time.perf_counter()
users = clerk.users.list(request={"limit": 500})
assert users[0].id and len(users) == 500
long = time.perf_counter() - start
import json
print(json.dumps([imported, memory, call, long]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()

    from doorward.clerk import Clerk
    from doorward.testing import DevIssuer

    figures: dict[str, list[float]] = {}
    with DevIssuer() as issuer:
        url = f"{issuer.api_url}/v1"
        clerk = Clerk(bearer_auth=issuer.secret_key, server_url=url)
        made = [
            clerk.users.create(email_address=[f"user{n}@example.com"], first_name="Ada")
            for n in range(USERS)
        ]
        for side, module in SIDES.items():
            arguments = [module, url, issuer.secret_key, made[0].id, str(options.calls)]
            rows = [measured(arguments) for _ in range(options.rounds)]
            figures[side] = [min(column) for column in zip(*rows, strict=True)]
    heads = ["import ms", "memory MiB", "call µs", f"{USERS} users ms"]
    scales = [1e3, 2**-20, 1e6, 1e3]
    print(f"{'':10}" + "".join(f"{head:>14}" for head in heads))
    for side, row in figures.items():
        cells = (f"{value * scale:14.1f}" for value, scale in zip(row, scales, strict=True))
        print(f"{side:10}" + "".join(cells))
    ratios = (b / a for a, b in zip(figures["doorward"], figures["official"], strict=True))
    print(f"{'ratio':10}" + "".join(f"{ratio:14.1f}" for ratio in ratios))
    return 0


def measured(arguments: list[str]) -> list[float]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT / "python")
    command = [sys.executable, "-c", PROBE, *arguments]
    told = subprocess.check_output(command, env=environment, text=True, timeout=300)
    found: list[float] = json.loads(told)
    return found


if __name__ == "__main__":
    sys.exit(main())
