"""The `doorward` command."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def doorward() -> str:
    """Where it is, as cargo built it last."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    built = [path for kind in ("debug", "release") if (path := target / kind / "doorward").exists()]
    assert built, "there is no doorward command; run cargo build -p doorward-cli"
    return str(max(built, key=lambda path: path.stat().st_mtime))
