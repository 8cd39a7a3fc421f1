//! People and organizations that do not exist, in the shapes of Clerk's Backend API. The same number is always the same
//! person.

use serde_json::{Value, json};

/// Somebody, as `GET /v1/users` lists them. `at` is when they last changed, in milliseconds.
pub fn user(number: u64, at: i64) -> Value {
    let (first, last) = name(number);
    let address = format!(
        "{}.{}{number}@example.com",
        first.to_lowercase(),
        last.to_lowercase()
    );
    let image = format!("https://img.example.com/user/{number}");
    json!({
        "id": user_id(number),
        "object": "user",
        "username": null,
        "first_name": first,
        "last_name": last,
        "locale": "en-US",
        "image_url": image,
        "has_image": false,
        "primary_email_address_id": id("idn", number),
        "primary_phone_number_id": null,
        "primary_web3_wallet_id": null,
        "password_enabled": true,
        "two_factor_enabled": false,
        "totp_enabled": false,
        "backup_code_enabled": false,
        "email_addresses": [{
            "id": id("idn", number),
            "object": "email_address",
            "email_address": address,
            "reserved": false,
            "verification": {"object": "verification_otp", "status": "verified", "strategy": "email_code", "attempts": 1, "expire_at": at + 600_000},
            "linked_to": [],
            "matches_sso_connection": false,
            "created_at": created_at(number),
            "updated_at": at,
        }],
        "phone_numbers": [],
        "web3_wallets": [],
        "passkeys": [],
        "external_accounts": [],
        "saml_accounts": [],
        "enterprise_accounts": [],
        "public_metadata": {"plan": if number.is_multiple_of(3) { "pro" } else { "free" }},
        "private_metadata": {},
        "unsafe_metadata": {},
        "external_id": null,
        "last_sign_in_at": at,
        "banned": false,
        "locked": false,
        "lockout_expires_in_seconds": null,
        "verification_attempts_remaining": 100,
        "created_at": created_at(number),
        "updated_at": at,
        "delete_self_enabled": true,
        "create_organization_enabled": true,
        "create_organizations_limit": null,
        "last_active_at": at,
        "mfa_enabled_at": null,
        "mfa_disabled_at": null,
        "legal_accepted_at": null,
    })
}

/// An organization, as `GET /v1/organizations` lists it.
pub fn organization(number: u64, at: i64) -> Value {
    let name = format!("{} {}", COMPANIES[place(number, COMPANIES.len())], number);
    json!({
        "id": organization_id(number),
        "object": "organization",
        "name": name,
        "slug": name.to_lowercase().replace(' ', "-"),
        "image_url": format!("https://img.example.com/org/{number}"),
        "has_image": false,
        "members_count": 1,
        "pending_invitations_count": 0,
        "max_allowed_memberships": 5,
        "admin_delete_enabled": true,
        "public_metadata": {},
        "private_metadata": {},
        "created_by": user_id(number),
        "created_at": created_at(number),
        "updated_at": at,
    })
}

/// That a user is a member of an organization, as `GET /v1/organization_memberships` lists it.
pub fn membership(user: u64, organization: u64, role: &str, at: i64) -> Value {
    let (first, last) = name(user);
    json!({
        "id": id("orgmem", user),
        "object": "organization_membership",
        "role": role,
        "role_name": if role == "org:admin" { "Admin" } else { "Member" },
        "permissions": ["org:sys_memberships:read", "org:posts:read"],
        "public_metadata": {},
        "private_metadata": {},
        "organization": self::organization(organization, at),
        "public_user_data": {
            "user_id": user_id(user),
            "first_name": first,
            "last_name": last,
            "image_url": format!("https://img.example.com/user/{user}"),
            "has_image": false,
            "identifier": format!("{}.{}{user}@example.com", first.to_lowercase(), last.to_lowercase()),
        },
        "created_at": created_at(user),
        "updated_at": at,
    })
}

pub(crate) fn user_id(number: u64) -> String {
    id("user", number)
}

pub(crate) fn organization_id(number: u64) -> String {
    id("org", number)
}

/// An id as long as Clerk's.
pub(crate) fn id(kind: &str, number: u64) -> String {
    format!("{kind}_dev{number:024}")
}

/// The number in an id that [`id`] made.
pub(crate) fn number(id: &str) -> Option<u64> {
    id.rsplit_once("_dev")?.1.parse().ok()
}

pub(crate) fn name(number: u64) -> (&'static str, &'static str) {
    let first = FIRST[place(number, FIRST.len())];
    let last = LAST[place(number / FIRST.len() as u64, LAST.len())];
    (first, last)
}

/// Later numbers came later.
pub(crate) fn created_at(number: u64) -> i64 {
    EPOCH.saturating_add(
        i64::try_from(number)
            .unwrap_or_default()
            .saturating_mul(1000),
    )
}

fn place(number: u64, length: usize) -> usize {
    usize::try_from(number % length as u64).unwrap_or_default()
}

const FIRST: [&str; 12] = [
    "Ada",
    "Grace",
    "Edsger",
    "Barbara",
    "Alan",
    "Katherine",
    "Donald",
    "Radia",
    "Dennis",
    "Frances",
    "Ken",
    "Hedy",
];
const LAST: [&str; 10] = [
    "Baker", "Carter", "Fisher", "Mason", "Miller", "Porter", "Shepherd", "Smith", "Taylor",
    "Weaver",
];
const COMPANIES: [&str; 6] = ["Acme", "Globex", "Initech", "Umbrella", "Hooli", "Stark"];

/// 2025-01-01.
const EPOCH: i64 = 1_735_689_600_000;
