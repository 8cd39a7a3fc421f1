"""The names and shapes of packages people come from. Migrating is a changed import line.

`doorward.compat.fastapi_clerk_auth` and `doorward.compat.clerk_backend_api` mirror the modules of
the originals; their holes are not mirrored. Each docstring says where the answer differs and why.
"""
