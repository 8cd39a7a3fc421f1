"""What receivers of webhooks use of `svix`: `doorward.compat.svix.webhooks`.

Sending webhooks, the rest of the package, is not mirrored.
"""
