"""What is not collected, and why."""

import sys

# FastMCP's dependencies have left Python 3.10 behind.
collect_ignore = ["test_mcp_clients.py"] if sys.version_info < (3, 11) else []
