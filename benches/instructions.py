#!/usr/bin/env python3
"""Counts the instructions of one verification under valgrind, and compares with the record.

Wall time wobbles; instruction counts do not. Every mode of the example `instructions` (in
`crates/doorward`) is run N and 2N times; the difference divided by N is the cost of once, without
start-up.

    instructions.py             compare with benches/instructions.json, fail above +5 %
    instructions.py --record    write the record anew
    instructions.py --json      print the figures for machines

Counts depend on the compiler, the C library and the instructions that valgrind lets the program
see. Where those differ from the record's, the comparison is a coarse one (+25 %), and says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RECORD = Path(__file__).with_suffix(".json")
#: How often each mode runs at first: enough that rare events even out.
TIMES = {"empty": 1000, "parse": 200, "verify": 100, "cache-hit": 200}
TOLERANCE = 0.05
TOLERANCE_ELSEWHERE = 0.25
#: What valgrind passes on to a program; it hides AVX-512, ADX and the SHA instructions.
FLAGS = ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "rdrand", "rdseed", "ssse3", "sse4_2")


def main() -> int:
    arguments = argparse.ArgumentParser(description="Counts the instructions of one verification.")
    arguments.add_argument("--record", action="store_true", help="write the record anew")
    arguments.add_argument("--json", action="store_true", help="print for machines")
    options = arguments.parse_args()

    program = build()
    here = {"machine": fingerprint(), "instructions": measure(program)}
    if options.json:
        print(json.dumps(here, indent=2))
    if options.record:
        RECORD.write_text(json.dumps(here, indent=2) + "\n")
        print(f"recorded in {RECORD.relative_to(ROOT)}")
        return 0
    if not RECORD.exists():
        print(f"there is no {RECORD.relative_to(ROOT)}; make it with --record", file=sys.stderr)
        return 1
    return compare(here, json.loads(RECORD.read_text()), quiet=options.json)


def build() -> Path:
    """The program that is counted, with the crate's default features."""
    command = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "doorward"]
    command += ["--example", "instructions"]
    subprocess.run(command, cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return target / "release" / "examples" / "instructions"


def measure(program: Path) -> dict[str, int]:
    once = {}
    for mode, times in TIMES.items():
        first, second = (count(program, mode, n) for n in (times, 2 * times))
        once[mode] = round((second - first) / times)
    return once


def count(program: Path, mode: str, times: int) -> int:
    with tempfile.NamedTemporaryFile() as profile:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile.name}"]
        command += [str(program), mode, str(times)]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Collected\s*:\s*(\d+)", run.stderr)
    if run.returncode != 0 or found is None:
        sys.exit(f"{' '.join(command)} failed:\n{run.stderr}")
    return int(found[1])


def fingerprint() -> dict[str, str]:
    """Whatever changes the counts without a change of ours."""

    def version(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    return {
        "architecture": platform.machine(),
        "flags": " ".join(flag for flag in FLAGS if flag in cpu_flags()),
        "rustc": version("rustc", "--version"),
        "cc": version("cc", "-dumpfullversion"),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": version("valgrind", "--version"),
    }


def cpu_flags() -> set[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    found = re.search(r"^(?:flags|Features)\s*:\s*(.*)$", text, re.MULTILINE)
    return set(found[1].split()) if found else set()


def compare(here: dict[str, dict], record: dict[str, dict], *, quiet: bool) -> int:
    say = (lambda *_: None) if quiet else print
    differs = [
        f"{name}: {record['machine'].get(name)!r} in the record, {value!r} here"
        for name, value in here["machine"].items()
        if record["machine"].get(name) != value
    ]
    tolerance = TOLERANCE_ELSEWHERE if differs else TOLERANCE
    failed = False
    say(f"{'instructions of one':<22}{'record':>10}{'now':>10}{'change':>9}")
    for mode, now in here["instructions"].items():
        before = record["instructions"].get(mode)
        if before is None:
            say(f"{mode:<22}{'-':>10}{now:>10,}{'new':>9}")
            failed = True
            continue
        change = now / before - 1 if before else 0.0
        # A handful of instructions more is no regression of anything.
        worse = change > tolerance and now - before > 50
        failed |= worse
        mark = "  TOO MANY" if worse else ""
        say(f"{mode:<22}{before:>10,}{now:>10,}{change:>+9.1%}{mark}")
    if differs:
        say(f"\nnot the machine of the record, so up to +{tolerance:.0%} pass here:")
        for line in differs:
            say(f"  {line}")
        say("  (on the machine that guards, record anew: benches/instructions.py --record)")
    if failed:
        print(
            f"more than +{tolerance:.0%}: mend it, or if it is worth it, "
            "benches/instructions.py --record",
            file=sys.stderr,
        )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
