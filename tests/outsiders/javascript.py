"""Asks the JavaScript libraries: `<script>.mjs` reads jobs and writes answers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

Json = dict[str, Any]
HERE = Path(__file__).parent


def node(script: str, jobs: list[Json]) -> list[Json]:
    """What a JavaScript library says to each job."""
    finished = subprocess.run(
        [str(Path(sys.executable).with_name("node")), f"{script}.mjs"],
        cwd=HERE,
        input=json.dumps(jobs),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    answers: list[Json] = json.loads(finished.stdout)
    return answers
