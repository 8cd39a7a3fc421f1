"""FastMCP's module paths, for its Clerk provider alone: the rest is FastMCP's own."""
