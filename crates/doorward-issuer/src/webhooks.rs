//! Clerk's webhook events with realistic payloads, all 45 of them
//! (<https://clerk.com/docs/guides/development/webhooks/overview>).

use serde_json::{Value, json};

use crate::people::{self, id, organization_id, user_id};

/// Every documented type of event.
pub const WEBHOOK_EVENTS: [&str; 45] = [
    "user.created",
    "user.updated",
    "user.deleted",
    "session.created",
    "session.pending",
    "session.ended",
    "session.removed",
    "session.revoked",
    "organization.created",
    "organization.updated",
    "organization.deleted",
    "organizationMembership.created",
    "organizationMembership.updated",
    "organizationMembership.deleted",
    "organizationInvitation.created",
    "organizationInvitation.accepted",
    "organizationInvitation.revoked",
    "organizationDomain.created",
    "organizationDomain.updated",
    "organizationDomain.deleted",
    "role.created",
    "role.updated",
    "role.deleted",
    "permission.created",
    "permission.updated",
    "permission.deleted",
    "email.created",
    "sms.created",
    "waitlistEntry.created",
    "waitlistEntry.updated",
    "paymentAttempt.created",
    "paymentAttempt.updated",
    "subscription.created",
    "subscription.updated",
    "subscription.active",
    "subscription.pastDue",
    "subscriptionItem.abandoned",
    "subscriptionItem.active",
    "subscriptionItem.canceled",
    "subscriptionItem.ended",
    "subscriptionItem.freeTrialEnding",
    "subscriptionItem.incomplete",
    "subscriptionItem.pastDue",
    "subscriptionItem.upcoming",
    "subscriptionItem.updated",
];

/// An event about the person (and the organization, the session …) of this number, which happened at this moment in
/// milliseconds. `None` for a type that is not in [`WEBHOOK_EVENTS`].
pub fn webhook_event(kind: &str, number: u64, at: i64) -> Option<Value> {
    Some(json!({
        "object": "event",
        "type": WEBHOOK_EVENTS.into_iter().find(|known| *known == kind)?,
        "instance_id": INSTANCE,
        "timestamp": at,
        "event_attributes": {
            "http_request": {"client_ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Chrome/142.0"},
        },
        "data": data(kind, number, at)?,
    }))
}

fn data(kind: &str, number: u64, at: i64) -> Option<Value> {
    let (noun, verb) = kind.split_once('.')?;
    Some(match (noun, verb) {
        ("user", "deleted") => gone("user", "user", number),
        ("user", _) => people::user(number, at),
        ("session", _) => session(verb, number, at),
        ("organization", "deleted") => {
            let mut data = gone("organization", "org", number);
            data["slug"] = people::organization(number, at)["slug"].take();
            data
        }
        ("organization", _) => people::organization(number, at),
        ("organizationMembership", "created") => {
            people::membership(number, number, "org:member", at)
        }
        ("organizationMembership", _) => people::membership(number, number, "org:admin", at),
        ("organizationInvitation", _) => invitation(verb, number, at),
        ("organizationDomain", "deleted") => gone("organization_domain", "orgdmn", number),
        ("organizationDomain", _) => json!({
            "object": "organization_domain",
            "id": id("orgdmn", number),
            "organization_id": organization_id(number),
            "name": "example.com",
            "enrollment_mode": "manual_invitation",
            "affiliation_email_address": "admin@example.com",
            "affiliation_verification": {"status": "verified", "strategy": "affiliation_email_code", "attempts": 1, "expire_at": at},
            "ownership_verification": null,
            "verification": {"status": "verified", "strategy": "affiliation_email_code", "attempts": 1, "expire_at": at},
            "total_pending_invitations": 0,
            "total_pending_suggestions": 0,
            "created_at": people::created_at(number),
            "updated_at": at,
        }),
        ("role", "deleted") => gone("role", "role", number),
        ("role", _) => json!({
            "object": "role",
            "id": id("role", number),
            "name": "Editor",
            "key": "org:editor",
            "description": "Writes and publishes",
            "is_creator_eligible": false,
            "permissions": [permission(number, at)],
            "created_at": people::created_at(number),
            "updated_at": at,
        }),
        ("permission", "deleted") => gone("permission", "perm", number),
        ("permission", _) => permission(number, at),
        ("email", _) => json!({
            "object": "email",
            "id": id("ema", number),
            "slug": "verification_code",
            "from_email_name": "notifications",
            "to_email_address": people::user(number, at)["email_addresses"][0]["email_address"],
            "email_address_id": id("idn", number),
            "user_id": user_id(number),
            "subject": "424242 is your verification code",
            "body": "<p>Your verification code is <b>424242</b></p>",
            "body_plain": "Your verification code is 424242",
            "status": "queued",
            "data": {"otp_code": "424242", "app": {"name": "Example", "domain_name": "example.com"}},
            "delivered_by_clerk": true,
        }),
        ("sms", _) => json!({
            "object": "sms_message",
            "id": id("sms", number),
            "slug": "verification_code",
            "from_phone_number": "+15555550100",
            "to_phone_number": "+15555550199",
            "phone_number_id": id("idn", number),
            "user_id": user_id(number),
            "message": "424242 is your verification code",
            "status": "queued",
            "data": {"otp_code": "424242"},
            "delivered_by_clerk": true,
            "created_at_ms": at,
        }),
        ("waitlistEntry", _) => json!({
            "object": "waitlist_entry",
            "id": id("wle", number),
            "email_address": people::user(number, at)["email_addresses"][0]["email_address"],
            "status": if verb == "created" { "pending" } else { "invited" },
            "is_locked": false,
            "invitation": null,
            "created_at": people::created_at(number),
            "updated_at": at,
        }),
        ("paymentAttempt", _) => payment(verb, number, at),
        ("subscription", _) => subscription(verb, number, at),
        ("subscriptionItem", _) => subscription_item(verb, number, at),
        _ => return None,
    })
}

fn gone(object: &str, kind: &str, number: u64) -> Value {
    json!({"object": object, "id": id(kind, number), "deleted": true})
}

fn session(verb: &str, number: u64, at: i64) -> Value {
    let status = if verb == "created" { "active" } else { verb };
    json!({
        "object": "session",
        "id": id("sess", number),
        "user_id": user_id(number),
        "client_id": id("client", number),
        "actor": null,
        "status": status,
        "last_active_organization_id": null,
        "last_active_at": at,
        "latest_activity": {
            "object": "session_activity", "id": id("sess_activity", number), "is_mobile": false,
            "browser_name": "Chrome", "browser_version": "142.0", "ip_address": "203.0.113.7", "country": "NZ",
        },
        "expire_at": at + 7 * DAY,
        "abandon_at": at + 30 * DAY,
        "created_at": people::created_at(number),
        "updated_at": at,
        "user": people::user(number, at),
    })
}

fn invitation(verb: &str, number: u64, at: i64) -> Value {
    let status = if verb == "created" { "pending" } else { verb };
    let mut invitation = json!({
        "object": "organization_invitation",
        "id": id("orginv", number),
        "email_address": format!("guest{number}@example.com"),
        "role": "org:member",
        "role_name": "Member",
        "organization_id": organization_id(number),
        "inviter_id": user_id(number),
        "public_inviter_data": null,
        "status": status,
        "public_metadata": {},
        "private_metadata": {},
        "url": null,
        "expires_at": at + 30 * DAY,
        "created_at": people::created_at(number),
        "updated_at": at,
    });
    if verb == "accepted" {
        invitation["user_id"] = json!(user_id(number));
    }
    invitation
}

fn permission(number: u64, at: i64) -> Value {
    json!({
        "object": "permission",
        "id": id("perm", number),
        "name": "Publish posts",
        "key": "org:posts:publish",
        "description": "May publish posts",
        "type": "user",
        "created_at": people::created_at(number),
        "updated_at": at,
    })
}

fn payer(number: u64, at: i64) -> Value {
    let (first, last) = people::name(number);
    json!({
        "object": "commerce_payer",
        "id": id("cpayer", number),
        "user_id": user_id(number),
        "first_name": first,
        "last_name": last,
        "email": people::user(number, at)["email_addresses"][0]["email_address"],
        "organization_id": null,
        "organization_name": null,
        "image_url": format!("https://img.example.com/user/{number}"),
        "created_at": people::created_at(number),
        "updated_at": at,
    })
}

fn amount(cents: u64) -> Value {
    let formatted = format!("{}.{:02}", cents / 100, cents % 100);
    json!({"amount": cents, "amount_formatted": formatted, "currency": "USD", "currency_symbol": "$"})
}

fn payment(verb: &str, number: u64, at: i64) -> Value {
    let paid = verb == "updated";
    json!({
        "object": "commerce_payment_attempt",
        "id": id("cpay", number),
        "instance_id": INSTANCE,
        "payment_id": id("cpmt", number),
        "invoice_id": id("cinv", number),
        "statement_id": id("cstmt", number),
        "gateway_external_id": format!("pi_{number:024}"),
        "status": if paid { "paid" } else { "pending" },
        "paid_at": paid.then_some(at),
        "failed_at": null,
        "failed_reason": null,
        "billing_date": at,
        "charge_type": "recurring",
        "payee": {"id": id("cpayee", 1), "gateway_type": "stripe", "gateway_external_id": "acct_1", "gateway_status": "active"},
        "payer": payer(number, at),
        "totals": {"subtotal": amount(2000), "tax_total": amount(0), "grand_total": amount(2000)},
        "payment_source": {"id": id("csrc", number), "gateway": "stripe", "payment_method": "card", "card_type": "visa", "last4": "4242"},
        "subscription_items": [subscription_item("active", number, at)],
        "created_at": at,
        "updated_at": at,
    })
}

fn subscription(verb: &str, number: u64, at: i64) -> Value {
    let past_due = verb == "pastDue";
    json!({
        "object": "commerce_subscription",
        "id": id("csub", number),
        "status": if past_due { "past_due" } else { "active" },
        "active_at": at,
        "canceled_at": null,
        "ended_at": null,
        "past_due_at": past_due.then_some(at),
        "latest_payment_id": id("cpmt", number),
        "payer_id": id("cpayer", number),
        "payer": payer(number, at),
        "payment_source_id": id("csrc", number),
        "items": [subscription_item(if past_due { "pastDue" } else { "active" }, number, at)],
        "created_at": people::created_at(number),
        "updated_at": at,
    })
}

fn subscription_item(verb: &str, number: u64, at: i64) -> Value {
    let status = match verb {
        "pastDue" => "past_due",
        "freeTrialEnding" | "updated" => "active",
        other => other,
    };
    json!({
        "object": "commerce_subscription_item",
        "id": id("csubitem", number),
        "status": status,
        "is_free_trial": verb == "freeTrialEnding",
        "period_start": at,
        "period_end": at + 30 * DAY,
        "interval": "month",
        "plan_id": id("cplan", 1),
        "plan": {"id": id("cplan", 1), "slug": "pro", "name": "Pro", "is_recurring": true, "amount": 2000, "currency": "usd"},
        "payer": payer(number, at),
        "subscription_id": id("csub", number),
        "created_at": people::created_at(number),
        "updated_at": at,
    })
}

pub(crate) const INSTANCE: &str = "ins_dev000000000000000000000001";
const DAY: i64 = 24 * 3600 * 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_about_something_with_an_id() {
        for kind in WEBHOOK_EVENTS {
            let event = webhook_event(kind, 7, 1_800_000_000_000).unwrap();
            assert_eq!(event["type"], kind);
            let id = event["data"]["id"]
                .as_str()
                .unwrap_or_else(|| panic!("{kind} has no id"));
            assert!(id.ends_with('7'), "{kind}: {id}");
        }
        assert_eq!(webhook_event("user.invented", 7, 0), None);
    }
}
