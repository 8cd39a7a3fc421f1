"""Calls every stateful resource of the Backend API through `clerk-backend-api` of any version.

Takes the URL and the secret key; prints the calls that were made, and those that raised, as JSON.
"""

from __future__ import annotations

import inspect
import json
import sys
from typing import Any
from urllib.request import Request, urlopen

from clerk_backend_api import Clerk
from clerk_backend_api.models import ClerkErrors
from clerk_backend_api.utils import BackoffStrategy, RetryConfig

Json = dict[str, Any]


class Missing:
    """What came of a call that could not be made. So is everything about it."""

    def __getattr__(self, name: str) -> str:
        return f"missing_{name}"


MISSING: Any = Missing()


class Caller:
    """Any version of the SDK: methods take `request=`, or keywords, or are not there yet."""

    def __init__(self, url: str, key: str) -> None:
        patience = RetryConfig("backoff", BackoffStrategy(1, 1, 1, 1), False)
        self.clerk = Clerk(bearer_auth=key, server_url=url, retry_config=patience)
        self.made: list[str] = []
        self.failed: dict[str, str] = {}

    def __call__(self, name: str, /, **fields: Any) -> Any:
        resource, verb = name.split(".")
        method = getattr(getattr(self.clerk, resource, None), verb, None)
        if method is None:
            return MISSING
        wanted = "request" in inspect.signature(method).parameters
        if wanted and fields and "request" not in fields:
            fields = {"request": fields}
        try:
            answer = method(**fields)
        except Exception as error:
            # Each of them is a finding.
            self.failed[name] = f"{type(error).__name__}: {error}"[:600]
            return MISSING
        self.made.append(name)
        return answer

    def refused(self, name: str, /, **fields: Any) -> None:
        """A refusal can be read too: nobody has such a thing."""
        resource, verb = name.split(".")
        method = getattr(getattr(self.clerk, resource, None), verb, None)
        if method is None:
            return
        try:
            method(**fields)
        except ClerkErrors as error:
            if error.data.errors[0].code == "resource_not_found":
                self.made.append(name)
                return
            self.failed[name] = f"{error.data}"[:600]
        except Exception as error:
            self.failed[name] = f"{type(error).__name__}: {error}"[:600]
        else:
            self.failed[name] = "it was done"


def users(call: Caller) -> None:
    user = call(
        "users.create",
        email_address=["ada@example.com"],
        phone_number=["+15555550100"],
        web3_wallet=["0xabc"],
        username="adalove",
        password="correct horse",
        first_name="Ada",
        public_metadata={"plan": {"name": "pro"}},
    )
    other = call("users.create", email_address=["bob@example.com"])
    call("users.list", limit=2, order_by="-created_at")
    call("users.list", email_address=["ada@example.com"], user_id=[user.id])
    call("users.count", query="ada")
    call("users.get", user_id=user.id)
    call("users.update", user_id=user.id, last_name="King", external_id="a-1")
    call("users.update_metadata", user_id=user.id, public_metadata={"plan": {"seats": 3}})
    call("users.replace_metadata", user_id=user.id, private_metadata={"n": 1})
    call("users.verify_password", user_id=user.id, password="correct horse")
    for verb in (
        *("ban", "unban", "lock", "unlock", "disable_mfa", "delete_totp", "delete_backup_codes"),
        *("set_password_compromised", "unset_password_compromised", "delete_profile_image"),
        "list_trusted_devices",
    ):
        call(f"users.{verb}", user_id=user.id)
    none = {"user_id": user.id}
    call.refused("users.delete_passkey", **none, passkey_identification_id="idn_none")
    call.refused("users.delete_external_account", **none, external_account_id="eac_none")
    call.refused("users.revoke_trusted_device", **none, trusted_device_id="td_none")
    call.refused("users.get", user_id="user_none")
    call("users.bulk_ban", user_ids=[other.id])
    call("users.bulk_unban", user_ids=[other.id])
    picture = {"file_name": "a.png", "content": b"PNG", "content_type": "image/png"}
    call("users.set_profile_image", user_id=user.id, file=picture)
    call("users.get_organization_memberships", user_id=user.id)
    call("users.get_organization_invitations", user_id=user.id)
    call("users.get_o_auth_access_token", user_id=user.id, provider="oauth_google")
    wallet = user.web3_wallets[0].id
    call("users.delete_web3_wallet", user_id=user.id, web3_wallet_identification_id=wallet)
    for resource, field, value in (
        ("email_addresses", "email_address", "second@example.com"),
        ("phone_numbers", "phone_number", "+15555550122"),
    ):
        made = call(f"{resource}.create", user_id=user.id, **{field: value})
        name = {f"{field}_id": made.id}
        call(f"{resource}.get", **name)
        prepared = call(f"{resource}.prepare_verification", **name)
        if prepared is not MISSING:
            attempt = {"verification_id": prepared.id, "code": "424242"}
            call(f"{resource}.attempt_verification", **name, **attempt)
        call(f"{resource}.update", **name, verified=True, primary=True)
        call(f"{resource}.delete", **name)
        call(f"{resource}.replace_for_user", user_id=other.id, **{field: value})
    sessions(call, user.id)
    organizations(call, user.id, other.id)
    call("users.get_instance_organization_memberships", limit=5)
    keys(call, user.id)
    call("users.remove_password", user_id=user.id)
    call("users.delete", user_id=other.id)


def sessions(call: Caller, user: str) -> None:
    call(
        "jwt_templates.create",
        name="hasura",
        claims={"role": "{{user.username}}"},
        lifetime=60,
        allowed_clock_skew=5,
    )
    session = call("sessions.create", user_id=user)
    call("sessions.list", user_id=user, status="active")
    call("sessions.get", session_id=session.id)
    token = call("sessions.create_token", session_id=session.id, expires_in_seconds=90)
    call(
        "sessions.create_token_from_template",
        session_id=session.id,
        template_name="hasura",
    )
    call("clients.list")
    call("clients.get", client_id=session.client_id)
    call("clients.verify", token=token.jwt)
    call("sessions.revoke", session_id=session.id)
    actor = call("actor_tokens.create", user_id=user, actor={"sub": "user_support"})
    call("actor_tokens.revoke", actor_token_id=actor.id)
    sign_in = call("sign_in_tokens.create", user_id=user)
    call("sign_in_tokens.revoke", sign_in_token_id=sign_in.id)
    call("testing_tokens.create")
    call("jwks.get_jwks")


def organizations(call: Caller, user: str, other: str) -> None:
    permission = call(
        "organization_permissions.create",
        name="Publish",
        key="org:posts:publish",
        description="May publish",
    )
    role = call("organization_roles.create", name="Editor", key="org:editor", description="Edits")
    if role is not MISSING:
        where = {"organization_role_id": role.id}
        call("organization_roles.assign_permission", **where, permission_id=permission.id)
        call("organization_roles.remove_permission", **where, permission_id=permission.id)
        call("organization_roles.get", **where)
        call("organization_roles.update", **where, name="Author")
        call("organization_roles.list")
        call("organization_permissions.list")
        call("organization_permissions.get", permission_id=permission.id)
        call("organization_permissions.update", permission_id=permission.id, name="Print")
        call("organization_permissions.delete", permission_id=permission.id)
        call("organization_roles.delete", **where)
    made = call("organizations.create", name="Acme", created_by=user, slug="acme")
    where = {"organization_id": made.id}
    call("organizations.list", include_members_count=True)
    call("organizations.get", **where)
    call("organizations.update", **where, name="Acme Corp")
    call("organizations.merge_metadata", **where, public_metadata={"a": 1})
    call("organizations.replace_metadata", **where, public_metadata={"b": 1})
    picture = {"file_name": "a.png", "content": b"PNG", "content_type": "image/png"}
    call("organizations.upload_logo", **where, uploader_user_id=user, file=picture)
    call("organizations.delete_logo", **where)
    call("organization_memberships.create", **where, user_id=other, role="org:member")
    call("organization_memberships.list", **where)
    call("organization_memberships.update", **where, user_id=other, role="org:admin")
    metadata = {"public_metadata": {"a": 1}}
    call("organization_memberships.update_metadata", **where, user_id=other, **metadata)
    call("organization_memberships.delete", **where, user_id=other)
    guest = {"email_address": "guest@example.com", "role": "org:member"}
    invited = call("organization_invitations.create", **where, **guest, inviter_user_id=user)
    call("organization_invitations.list", **where, status="pending")
    call("organization_invitations.get_all")
    call("organization_invitations.list_pending", **where)
    call("organization_invitations.get", **where, invitation_id=invited.id)
    revoked = {"invitation_id": invited.id, "requesting_user_id": user}
    call("organization_invitations.revoke", **where, **revoked)
    call("organization_invitations.bulk_create", **where, request_body=[guest])
    mode = {"enrollment_mode": "automatic_invitation"}
    domain = call("organization_domains.create", **where, name="acme.example.com", **mode)
    call("organization_domains.list", **where)
    call("organization_domains.list_all")
    call("organization_domains.verify_ownership", **where, domain_id=domain.id)
    call("organization_domains.update", **where, domain_id=domain.id, verified=True)
    call("organization_domains.delete", **where, domain_id=domain.id)
    call("organizations.delete", **where)


def keys(call: Caller, user: str) -> None:
    one = call("machines.create", name="one")
    two = call("machines.create", name="two", scoped_machines=[one.id])
    call("machines.list")
    call("machines.get", machine_id=two.id)
    call("machines.update", machine_id=two.id, name="second")
    call("machines.delete_scope", machine_id=two.id, other_machine_id=one.id)
    call("machines.create_scope", machine_id=two.id, to_machine_id=one.id)
    call("machines.rotate_secret_key", machine_id=two.id, previous_token_ttl=0)
    secret = call("machines.get_secret_key", machine_id=two.id).secret
    instance, call.clerk = call.clerk, Clerk(bearer_auth=secret, server_url=URL)
    token = call("m2m.create_token", claims={"job": 7}, seconds_until_expiration=600)
    call.clerk = instance
    call("m2m.list_tokens", subject=two.id)
    call("m2m.verify_token", token=token.token)
    call("m2m.revoke_token", m2m_token_id=token.id, revocation_reason="done")
    call.clerk = Clerk(bearer_auth=secret, server_url=URL)
    call("m2m.create_token", token_format="jwt", seconds_until_expiration=600)
    call.clerk = instance
    call("machines.delete", machine_id=two.id)
    key = call("api_keys.create_api_key", name="cicd", subject=user, scopes=["read"])
    if key is not MISSING:
        where = {"api_key_id": key.id}
        call("api_keys.get_api_keys", subject=user)
        call("api_keys.get_api_key", **where)
        call("api_keys.get_api_key_secret", **where)
        call("api_keys.verify_api_key", secret=key.secret)
        call("api_keys.update_api_key", **where, subject=user, description="of the CI")
        call("api_keys.revoke_api_key", **where, revocation_reason="lost")
        call("api_keys.delete_api_key", **where)


def settings(call: Caller) -> None:
    callback = ["https://app.example.com/callback"]
    application = call("oauth_applications.create", name="app", redirect_uris=callback)
    where = {"oauth_application_id": application.id}
    call("oauth_applications.list")
    call("oauth_applications.get", **where)
    call("oauth_applications.update", **where, name="application")
    call("oauth_applications.rotate_secret", **where)
    picture = {"file_name": "a.png", "content": b"PNG", "content_type": "image/png"}
    call("oauth_applications.upload_logo", **where, file=picture)
    token = minted(kind="oauth_opaque", client_id=application.client_id)
    call("oauth_access_tokens.verify", access_token=token)
    call("oauth_applications.revoke_token", **where, token=token)
    call("oauth_applications.delete", **where)
    claims = {"a": "{{user.id}}"}
    template = call("jwt_templates.create", name="other", claims=claims)
    call("jwt_templates.list")
    call("jwt_templates.get", template_id=template.id)
    call("jwt_templates.update", template_id=template.id, name="third", claims=claims)
    call("jwt_templates.delete", template_id=template.id)
    for resource in ("allowlist_identifiers", "blocklist_identifiers"):
        listed = call(f"{resource}.create", identifier="x@example.com")
        call(f"{resource}.list")
        call(f"{resource}.delete", identifier_id=listed.id)
    redirect = call("redirect_urls.create", url="https://app.example.com/")
    call("redirect_urls.list")
    call("redirect_urls.get", id=redirect.id)
    call("redirect_urls.delete", id=redirect.id)
    invitation = call("invitations.create", email_address="new@example.com")
    call("invitations.list", status="pending")
    call("invitations.bulk_create", request=[{"email_address": "other@example.com"}])
    call("invitations.revoke", invitation_id=invitation.id)
    domain = call("domains.add", name="sat.example.com", is_satellite=True)
    call("domains.list")
    call("domains.update", domain_id=domain.id, name="sat2.example.com")
    call("domains.delete", domain_id=domain.id)
    call("webhooks.create_svix_app")
    call("webhooks.generate_svix_auth_url")
    call("webhooks.delete_svix_app")


def minted(**said: str) -> str:
    """A token that the issuer gives to whoever asks."""
    headers = {"content-type": "application/json"}
    where = URL.removesuffix("/v1") + "/dev/mint"
    with urlopen(Request(where, json.dumps(said).encode(), headers)) as answer:
        token: str = json.load(answer)["token"]
    return token


URL, KEY = sys.argv[1:]

if __name__ == "__main__":
    caller = Caller(URL, KEY)
    users(caller)
    settings(caller)
    print(json.dumps({"made": caller.made, "failed": caller.failed}))
