"""To the conformance suite, a FastMCP server is the same behind Doorward."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from mcp_server import environment

HERE = Path(__file__).parent


def results(kind: str, requirements: str, home: Path) -> list[str]:
    """How each scenario went, and how many of its checks."""
    command = [sys.executable, str(HERE / "fastmcp_server.py"), kind]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        suite = subprocess.run(
            [
                *("node", "node_modules/.bin/conformance", "server"),
                *("--url", f"http://127.0.0.1:{port}/mcp", "--requirements", requirements),
            ],
            cwd=HERE,
            env=environment(home),
            capture_output=True,
            text=True,
            timeout=180,
        )
    finally:
        server.terminate()
        server.wait(timeout=20)
        if server.stdout is not None:
            server.stdout.close()
    return re.findall(r"^[✓✗] \S+ \d+ passed, \d+ failed$", suite.stdout, re.MULTILINE)


@pytest.mark.parametrize("requirements", ["2025-11-25", "2026-07-28"])
def test_the_suite_sees_no_difference(requirements: str, tmp_path: Path) -> None:
    bare = results("bare", requirements, tmp_path)
    guarded = results("guarded", requirements, tmp_path)
    assert len(bare) > 20
    assert guarded == bare
    assert sum(line.startswith("✓") for line in guarded) > 5
