//! Events as Clerk sends them.

use doorward_sync::Message;
use serde_json::{Value, json};

pub(crate) fn message(id: &str, kind: &str, at: i64, data: &Value) -> Message {
    let event = json!({
        "object": "event",
        "type": kind,
        "instance_id": "ins_test",
        "timestamp": at,
        "event_attributes": {"http_request": {"client_ip": "203.0.113.7", "user_agent": "Mozilla/5.0"}},
        "data": data,
    });
    Message::new(id, event.to_string().as_bytes()).expect("a message")
}

/// A user with one address for each of `addresses`; the first is the primary one.
pub(crate) fn user(id: &str, name: &str, addresses: &[&str], updated_at: i64) -> Value {
    let addresses: Vec<Value> = addresses
        .iter()
        .map(|address| {
            json!({
                "id": format!("idn_{id}_{address}"),
                "object": "email_address",
                "email_address": address,
                "verification": {"object": "verification_otp", "status": "verified", "strategy": "email_code"},
                "linked_to": [],
                "created_at": 1_700_000_000_000_i64,
                "updated_at": updated_at,
            })
        })
        .collect();
    json!({
        "id": id,
        "object": "user",
        "username": null,
        "first_name": name,
        "last_name": "Lovelace",
        "external_id": format!("ex_{id}"),
        "primary_email_address_id": addresses.first().map(|address| address["id"].clone()),
        "email_addresses": addresses,
        "phone_numbers": [],
        "banned": false,
        "locked": false,
        "public_metadata": {"plan": "pro"},
        "created_at": 1_700_000_000_000_i64,
        "updated_at": updated_at,
    })
}

pub(crate) fn deleted(object: &str, id: &str) -> Value {
    json!({"object": object, "id": id, "deleted": true})
}

pub(crate) fn organization(id: &str, name: &str, updated_at: i64) -> Value {
    json!({
        "id": id,
        "object": "organization",
        "name": name,
        "slug": name.to_lowercase(),
        "max_allowed_memberships": 5,
        "created_by": "user_1",
        "public_metadata": {},
        "created_at": 1_700_000_000_000_i64,
        "updated_at": updated_at,
    })
}

pub(crate) fn membership(
    id: &str,
    organization_id: &str,
    user_id: &str,
    role: &str,
    updated_at: i64,
) -> Value {
    json!({
        "id": id,
        "object": "organization_membership",
        "role": role,
        "permissions": ["org:posts:read"],
        "organization": organization(organization_id, "Acme", updated_at),
        "public_user_data": {"user_id": user_id, "identifier": "ada@example.com"},
        "created_at": 1_700_000_000_000_i64,
        "updated_at": updated_at,
    })
}

pub(crate) fn session(id: &str, user_id: &str, status: &str, updated_at: i64) -> Value {
    json!({
        "id": id,
        "object": "session",
        "user_id": user_id,
        "client_id": "client_1",
        "status": status,
        "last_active_at": updated_at,
        "expire_at": updated_at + 604_800_000,
        "created_at": 1_700_000_000_000_i64,
        "updated_at": updated_at,
    })
}
