"""`import doorward` is cheap and drags nothing in."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def run(code: str) -> str:
    command = [sys.executable, "-I", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_imports_nothing_but_the_standard_library() -> None:
    code = """
import json, sys
before = set(sys.modules)
import doorward
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(names - set(sys.stdlib_module_names) - {"doorward"})))
"""
    assert json.loads(run(code)) == []


@pytest.mark.parametrize("heavy", ["asyncio", "dataclasses", "typing", "re", "inspect", "ssl"])
def test_imports_nothing_heavy(heavy: str) -> None:
    before, after = (
        run(f"import sys\n{statement}\nprint({heavy!r} in sys.modules)").strip()
        for statement in ("", "import doorward")
    )
    assert after == before


def test_costs_less_than_15_milliseconds() -> None:
    code = """
import time
start = time.process_time()
import doorward
print(time.process_time() - start)
"""
    # The best of several, in time of its own: the machine may be busy, the import is not slower.
    assert min(float(run(code)) for _ in range(7)) < 0.015


@pytest.mark.parametrize(
    "module",
    ["doorward.asgi", "doorward.clerk", "doorward.testing", "doorward.compat.clerk_backend_api"],
)
def test_modules_without_a_framework_import_none(module: str) -> None:
    code = f"import sys, {module}; print('fastapi' in sys.modules, 'starlette' in sys.modules)"
    assert run(code).split() == ["False", "False"]
