"""Clerk's own SDKs call the local issuer as their Backend API, and can read every answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from javascript import node

from doorward.testing import DevIssuer

HERE = Path(__file__).parent
#: `clerk-backend-api` 5.0.6, beside the 7.0.0 of the environment.
OLD = HERE / ".clerk-5"


@pytest.fixture
def issuer() -> Iterator[DevIssuer]:
    with DevIssuer(secret_key="sk_test_outsiders") as running:
        yield running


def called(issuer: DevIssuer, path: str) -> dict[str, Any]:
    finished = subprocess.run(
        [sys.executable, str(HERE / "backend_api.py"), f"{issuer.api_url}/v1", issuer.secret_key],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert finished.returncode == 0, finished.stderr
    told: dict[str, Any] = json.loads(finished.stdout)
    return told


@pytest.mark.parametrize(("path", "least"), [("", 156), (str(OLD), 142)], ids=["7.0.0", "5.0.6"])
def test_the_python_sdk_reads_every_answer(issuer: DevIssuer, path: str, least: int) -> None:
    told = called(issuer, path)
    assert told["failed"] == {}
    assert len(set(told["made"])) >= least


def test_the_javascript_sdk_reads_every_answer(issuer: DevIssuer) -> None:
    job = {"apiUrl": issuer.api_url, "secretKey": issuer.secret_key}
    (told,) = node("backend_api", [job])
    assert told["failed"] == {}
    assert len(set(told["made"])) >= 144
