//! What nobody should send, what two send at once, and what is left of it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use doorward_clerk::table::{BodyKind, Kind, Operation, Parameter, Place, Table};
use serde_json::{Map, Value, json};

use super::{Desk, fixtures, value_for};
use crate::DevIssuer;
use crate::backend_api::store::{Family, Store};
use crate::backend_api::world::{MAX_OBJECTS, World};

const NOTHING: Value = Value::Null;
/// Far more than it takes.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn no_value_of_any_parameter_breaks_it_or_shows_what_is_ours_alone() {
    let desk = Desk::open();
    let known = fixtures(&desk).await;
    let mut asked = 0;
    for operation in &Table::get().operations {
        if operation.method == "DELETE" || operation.body == BodyKind::Multipart {
            continue;
        }
        let wrong = [
            json!(true),
            json!(-7),
            json!(1.5),
            json!("\u{0}\u{202e}"),
            json!([null, [[]], {"a": []}]),
            json!({"a": {"b": [1e300]}}),
        ];
        for value in wrong {
            hostile(&desk, operation, &known, |_| Some(value.clone())).await;
            asked += 1;
        }
        for parameter in &operation.parameters {
            if matches!(parameter.place, Place::Path) {
                continue;
            }
            for value in extremes(parameter) {
                let only = |other: &Parameter| {
                    (other.name == parameter.name && other.place == parameter.place)
                        .then(|| value.clone())
                };
                hostile(&desk, operation, &known, only).await;
                asked += 1;
            }
        }
    }
    assert!(asked > 2000, "{asked}");
}

/// Values of the right type, and of no use.
fn extremes(parameter: &Parameter) -> Vec<Value> {
    match parameter.kind().kind {
        Kind::Integer | Kind::Number | Kind::Time => vec![
            json!(i64::MAX),
            json!(i64::MIN),
            json!(9_007_199_254_740_991_i64),
            json!(0),
        ],
        Kind::String => vec![
            json!(""),
            json!("\u{0}/../%2F\u{fdd0}ß"),
            json!("é@".repeat(5000)),
        ],
        Kind::List(_) => vec![json!([]), json!(vec!["x"; 1000]), json!(["", "-", "+"])],
        Kind::Object | Kind::Map(_) | Kind::Any => {
            let nested = (0..100).fold(json!({}), |within, _| json!({"a": within}));
            vec![
                nested,
                json!({"": null, "iss": "me", "a.b": {"{{user.id": "{{"}}),
            ]
        }
        Kind::Named(_) => vec![json!({})],
        _ => Vec::new(),
    }
}

/// Sends the request that would be right but for what `change` says.
async fn hostile(
    desk: &Desk,
    operation: &Operation,
    known: &BTreeMap<&'static str, String>,
    change: impl Fn(&Parameter) -> Option<Value>,
) {
    let mut path = operation.path.to_owned();
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let (mut body, mut document) = (Map::new(), Value::Null);
    for parameter in &operation.parameters {
        let hole = format!("{{{}}}", parameter.wire());
        if parameter.place == Place::Path {
            let id = known.get(parameter.name).map_or("none_1", String::as_str);
            path = path.replace(&hole, id);
            continue;
        }
        let value = match change(parameter) {
            Some(value) => value,
            None if parameter.required => value_for(parameter, operation, known),
            None => continue,
        };
        match (parameter.place, &value) {
            (Place::Query, Value::Array(items)) => {
                for item in items.iter().take(50) {
                    query.append_pair(parameter.wire(), item.as_str().unwrap_or("{}"));
                }
            }
            (Place::Query, Value::String(text)) => {
                query.append_pair(parameter.wire(), text);
            }
            (Place::Query, other) => {
                query.append_pair(parameter.wire(), &other.to_string());
            }
            (Place::Document, _) => document = value,
            _ => drop(body.insert(parameter.wire().to_owned(), value)),
        }
    }
    let body = match document {
        Value::Null => Value::Object(body),
        document => document,
    };
    let target = format!("/v1{path}?{}", query.finish());
    let machine = desk.issuer.machine_secret_key("mch_one").unwrap();
    let key = match operation.id {
        "createM2MToken" => machine.as_str(),
        _ => desk.issuer.secret_key(),
    };
    let request = desk.request(operation.method, &target).bearer_auth(key);
    let reply = Desk::sent(request.body(body.to_string())).await;
    let told = || {
        format!(
            "{} {target} {body:.300}: {} {}",
            operation.id, reply.status, reply.text
        )
    };
    assert!(reply.status < 500 || reply.status == 501, "{}", told());
    if reply.status >= 400 {
        let code = &reply.body["errors"][0]["code"];
        assert!(code.is_string(), "{}", told());
    }
    assert!(!has_ours(&reply.body), "{}", told());
}

/// Whether there is a name that begins with `_` beside what somebody gave.
fn has_ours(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| {
            let given = name.ends_with("metadata") || name == "claims" || name == "actor";
            name.starts_with('_') || (!given && has_ours(value))
        }),
        Value::Array(items) => items.iter().any(has_ours),
        _ => false,
    }
}

#[tokio::test]
async fn bodies_that_are_no_json_object_are_refused_in_the_shape_of_the_api() {
    let desk = Desk::open();
    let secret = desk.issuer.secret_key();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let send = |path: &str, kind: &str, body: Vec<u8>| {
        let request = desk.request("POST", path).bearer_auth(secret);
        Desk::sent(request.header("content-type", kind).body(body))
    };
    for (kind, body) in [
        (
            "application/x-www-form-urlencoded",
            b"first_name=Ada".to_vec(),
        ),
        ("application/json", b"[]".to_vec()),
        ("application/json", b"null".to_vec()),
        ("application/json", b"7".to_vec()),
        ("application/json", b"\xff\xfe".to_vec()),
        (
            "application/json",
            b"{\"first_name\": \"A\"} trailing".to_vec(),
        ),
        (
            "application/json",
            b"{\"first_name\": \"\\ud800\"}".to_vec(),
        ),
        ("application/json", deep.into_bytes()),
    ] {
        let start = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
        let reply = send("/v1/users", kind, body).await;
        let code = &reply.body["errors"][0]["code"];
        assert_eq!(
            (reply.status, code),
            (400, &json!("request_body_invalid")),
            "{start}"
        );
    }
    // Of two, the last counts.
    let twice = b"{\"first_name\": \"A\", \"first_name\": \"B\"}".to_vec();
    assert_eq!(
        send("/v1/users", "application/json", twice).await.body["first_name"],
        "B"
    );
    // 10 MiB are read, one octet more is not; neither takes long.
    let of_size = |size: usize| {
        let padding = " ".repeat(size - 2);
        format!("{{{padding}}}").into_bytes()
    };
    let limit = crate::requests::MAX_BACKEND_API_BODY;
    assert_eq!(
        send("/v1/users", "application/json", of_size(limit))
            .await
            .status,
        200
    );
    let reply = send("/v1/users", "application/json", of_size(limit + 1)).await;
    assert_eq!(
        (reply.status, &reply.body["errors"][0]["code"]),
        (413, &json!("request_too_large"))
    );
    // A boundary that nearly is everywhere.
    let user = desk.done("POST", "/users", json!({})).await;
    let path = format!("/v1/users/{}/profile_image", user["id"].as_str().unwrap());
    for (length, status) in [(70, 422), (71, 400), (4000, 400)] {
        let kind = format!("multipart/form-data; boundary={}b", "-".repeat(length - 1));
        let reply = send(&path, &kind, vec![b'-'; 4 << 20]).await;
        assert_eq!(reply.status, status, "{length}: {}", reply.text);
    }
}

#[tokio::test]
async fn a_list_that_cannot_be_whole_is_not_at_all_and_tells_nobody() {
    let desk = Desk::open();
    let told = told(&desk);
    let one = json!({"email_address": "one@example.com"});
    let bulk = json!([one, {"email_address": "two@example.com"}, one]);
    let refused = desk.refused("POST", "/invitations/bulk", bulk).await;
    assert_eq!(refused, (400, "duplicate_record".to_owned()));
    let list = desk.done("GET", "/invitations", NOTHING).await;
    assert_eq!(list, json!([]));
    desk.issuer
        .seed("organizations: [{id: org_a, name: A}]")
        .unwrap();
    let guest = |role: &str| json!({"email_address": "one@example.com", "role": role});
    let bulk = json!([guest("org:member"), {"email_address": "b@example.com", "role": "org:none"}]);
    let path = "/organizations/org_a/invitations/bulk";
    assert_eq!(desk.refused("POST", path, bulk).await.0, 404);
    let list = desk.done("GET", "/organization_invitations", NOTHING).await;
    assert_eq!(list["total_count"], 0);
    desk.done("POST", "/users", json!({})).await;
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), "user.created");
    // And half a seed is none: the right one can still be sown.
    let issuer = DevIssuer::builder().build().unwrap();
    let seed = "{users: [{id: user_a}], api_keys: [{id: ak_a, name: one, subject: user_a}, {}]}";
    assert!(issuer.seed(seed).is_err());
    assert_eq!(issuer.tokens().count(), 0);
    assert_eq!(issuer.seed(&seed.replace(", {}", "")).unwrap(), 2);
}

#[tokio::test]
async fn every_change_is_told_once_in_its_order_and_nothing_else() {
    let desk = Desk::open();
    let told = told(&desk);
    let acme = "/organizations/org_acme";
    let id = |made: &Value| made["id"].as_str().unwrap().to_owned();
    desk.issuer
        .seed("organizations: [{id: org_acme, name: Acme}]")
        .unwrap();
    let mut expected: Vec<&str> = Vec::new();
    let ada = desk.done("POST", "/users", json!({})).await;
    let ada = id(&ada);
    let user = format!("/users/{ada}");
    desk.done("PATCH", &user, json!({"first_name": "Ada"}))
        .await;
    desk.refused("PATCH", &user, json!({"username": "?"})).await;
    desk.refused("PATCH", "/users/user_none", json!({})).await;
    expected.extend(["user.created", "user.updated"]);
    let address = json!({"user_id": ada, "email_address": "a@example.com"});
    desk.done("POST", "/email_addresses", address.clone()).await;
    desk.refused("POST", "/email_addresses", address).await;
    expected.push("user.updated");
    let large = json!({"public_metadata": {"a": "x".repeat(9000)}});
    let metadata = format!("{user}/metadata");
    assert_eq!(desk.refused("PATCH", &metadata, large).await.0, 422);
    let made = json!({"name": "Other", "created_by": ada});
    let made = desk.done("POST", "/organizations", made).await;
    expected.extend(["organization.created", "organizationMembership.created"]);
    desk.done("PATCH", acme, json!({"name": "Acme Corp"})).await;
    expected.push("organization.updated");
    let member = json!({"user_id": ada, "role": "org:member"});
    let members = format!("{acme}/memberships");
    desk.done("POST", &members, member.clone()).await;
    desk.refused("POST", &members, member).await;
    let role = json!({"role": "org:admin"});
    desk.done("PATCH", &format!("{members}/{ada}"), role).await;
    expected.extend([
        "organizationMembership.created",
        "organizationMembership.updated",
    ]);
    let guest = json!({"email_address": "g@example.com", "role": "org:member"});
    let guest = desk
        .done("POST", &format!("{acme}/invitations"), guest)
        .await;
    let revoke = format!("{acme}/invitations/{}/revoke", id(&guest));
    desk.done("POST", &revoke, json!({})).await;
    desk.refused("POST", &revoke, json!({})).await;
    expected.extend([
        "organizationInvitation.created",
        "organizationInvitation.revoked",
    ]);
    let domains = format!("{acme}/domains");
    let name = json!({"name": "acme.example.com"});
    let domain = id(&desk.done("POST", &domains, name).await);
    let domain = format!("{domains}/{domain}");
    desk.done("PATCH", &domain, json!({"verified": true})).await;
    desk.done("DELETE", &domain, NOTHING).await;
    expected.extend(["organizationDomain.created", "organizationDomain.updated"]);
    expected.push("organizationDomain.deleted");
    let permission = json!({"name": "Publish", "key": "org:posts:publish"});
    let permission = desk
        .done("POST", "/organization_permissions", permission)
        .await;
    let permission = format!("/organization_permissions/{}", id(&permission));
    let role = json!({"name": "Editor", "key": "org:editor"});
    let role = desk.done("POST", "/organization_roles", role).await;
    let role = format!("/organization_roles/{}", id(&role));
    let changed = json!({"name": "Changed"});
    for path in [&role, &permission] {
        desk.done("PATCH", path, changed.clone()).await;
        desk.done("DELETE", path, NOTHING).await;
        desk.refused("DELETE", path, NOTHING).await;
    }
    expected.extend([
        "permission.created",
        "role.created",
        "role.updated",
        "role.deleted",
        "permission.updated",
        "permission.deleted",
    ]);
    let sign_in = json!({"user_id": ada});
    let session = id(&desk.done("POST", "/sessions", sign_in.clone()).await);
    let revoke = format!("/sessions/{session}/revoke");
    desk.done("POST", &revoke, NOTHING).await;
    // It has ended already.
    desk.done("POST", &revoke, NOTHING).await;
    desk.done("POST", "/sessions", sign_in).await;
    expected.extend(["session.created", "session.revoked", "session.created"]);
    desk.done("DELETE", acme, NOTHING).await;
    expected.extend(["organizationMembership.deleted", "organization.deleted"]);
    desk.done("DELETE", &user, NOTHING).await;
    expected.extend([
        "session.removed",
        "organizationMembership.deleted",
        "user.deleted",
    ]);
    desk.done("DELETE", &format!("/organizations/{}", id(&made)), NOTHING)
        .await;
    expected.push("organization.deleted");
    for (place, expected) in expected.iter().enumerate() {
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), *expected, "{place}");
    }
    assert!(told.try_recv().is_err());
}

/// The types of the events that the issuer tells, in their order.
pub(super) fn told(desk: &Desk) -> Receiver<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    desk.issuer.send_webhooks_to(&url, None).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let (mut length, mut line) = (0, String::new());
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some(digits) = line.strip_prefix("content-length: ") {
                    length = digits.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let event: Value = serde_json::from_slice(&body).unwrap();
            let kind = event["type"].as_str().unwrap().to_owned();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
            stream.get_mut().write_all(answer).unwrap();
            if sender.send(kind).is_err() {
                break;
            }
        }
    });
    receiver
}

#[tokio::test]
async fn of_two_at_once_one_wins_and_no_change_is_lost() {
    let desk = Desk::open();
    let user = json!({"email_address": ["ada@example.com"], "external_id": "a"});
    let both = futures_of(16, |_| desk.ask("POST", "/users", user.clone())).await;
    let made: Vec<_> = both.iter().filter(|reply| reply.status == 200).collect();
    assert_eq!(made.len(), 1);
    for reply in both.iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.body["errors"][0]["code"], "form_identifier_exists");
    }
    let path = format!("/users/{}/metadata", made[0].body["id"].as_str().unwrap());
    let change = |number: usize| {
        let change = json!({"public_metadata": {format!("k{number}"): {"n": number}}});
        desk.ask("PATCH", &path, change)
    };
    for reply in futures_of(32, change).await {
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let user = desk.done("PATCH", &path, json!({})).await;
    assert_eq!(user["public_metadata"].as_object().unwrap().len(), 32);
}

/// Asks so often at once.
async fn futures_of<F: Future<Output = super::Reply>>(
    count: usize,
    ask: impl Fn(usize) -> F,
) -> Vec<super::Reply> {
    let mut asking: Vec<_> = (0..count).map(|number| Box::pin(ask(number))).collect();
    let mut replies = Vec::new();
    std::future::poll_fn(|context| {
        asking.retain_mut(|one| match one.as_mut().poll(context) {
            std::task::Poll::Ready(reply) => {
                replies.push(reply);
                false
            }
            std::task::Poll::Pending => true,
        });
        match asking.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    replies
}

#[tokio::test]
async fn what_is_named_elsewhere_follows_or_holds() {
    let desk = Desk::open();
    fixtures(&desk).await;
    // A role that gets another key is still had.
    let member = json!({"user_id": "user_bob", "role": "org:editor"});
    desk.done("POST", "/organizations/org_acme/memberships", member)
        .await;
    let guest = json!({"email_address": "g@example.com", "role": "org:editor"});
    desk.done("POST", "/organizations/org_acme/invitations", guest)
        .await;
    let key = json!({"key": "org:writer"});
    desk.done("PATCH", "/organization_roles/role_editor", key)
        .await;
    let members = "/organizations/org_acme/memberships?role=org:writer";
    let members = desk.done("GET", members, NOTHING).await;
    assert_eq!(
        members["data"][0]["permissions"],
        json!(["org:posts:publish"])
    );
    let remove = "/organizations/org_acme/memberships/user_bob";
    desk.done("DELETE", remove, NOTHING).await;
    // Somebody is still invited to it.
    let role = "/organization_roles/role_editor";
    assert_eq!(desk.refused("DELETE", role, NOTHING).await.0, 403);
    let invitations =
        "/organizations/org_acme/invitations?status=pending&email_address=g@example.com";
    let invitations = desk.done("GET", invitations, NOTHING).await;
    assert_eq!(invitations["data"][0]["role"], "org:writer");
    let id = invitations["data"][0]["id"].as_str().unwrap();
    let revoke = format!("/organizations/org_acme/invitations/{id}/revoke");
    desk.done("POST", &revoke, json!({})).await;
    desk.done("DELETE", role, NOTHING).await;
    // With an organization go its keys.
    let key = json!({"name": "of acme", "subject": "org_acme"});
    let key = desk.done("POST", "/api_keys", key).await;
    let verify = json!({"secret": key["secret"]});
    desk.done("POST", "/api_keys/verify", verify.clone()).await;
    desk.done("DELETE", "/organizations/org_acme", NOTHING)
        .await;
    assert_eq!(
        desk.refused("POST", "/api_keys/verify", verify).await.0,
        404
    );
    let subject = json!({"subject": "user_none"});
    assert_eq!(
        desk.refused("PATCH", "/api_keys/ak_one", subject).await.0,
        404
    );
    // A ticket that is over cannot be revoked.
    let actor =
        json!({"user_id": "user_ada", "actor": {"sub": "user_bob"}, "expires_in_seconds": 0});
    assert_eq!(desk.refused("POST", "/actor_tokens", actor).await.0, 422);
}

#[tokio::test]
async fn identifiers_are_the_same_or_not_as_people_mean_them() {
    let desk = Desk::open();
    let create = |body: Value| desk.ask("POST", "/users", body);
    assert_eq!(create(json!({"external_id": "abc"})).await.status, 200);
    assert_eq!(create(json!({"external_id": "ABC"})).await.status, 200);
    assert_eq!(create(json!({"external_id": "abc"})).await.status, 422);
    let one = create(json!({"email_address": ["élise@example.com"]})).await;
    assert_eq!(one.status, 200);
    assert_eq!(
        create(json!({"email_address": ["ÉLISE@example.com"]}))
            .await
            .status,
        422
    );
    assert_eq!(
        create(json!({"max_allowed_memberships": 5})).await.status,
        422
    );
    let body = json!({"name": "A", "max_allowed_memberships": 5.0});
    let made = desk.done("POST", "/organizations", body).await;
    assert_eq!(made["max_allowed_memberships"].to_string(), "5");
    // The crowd's slugs are taken too, and lead to it.
    let desk = Desk::of(DevIssuer::builder().people(3, 3));
    let list = desk.done("GET", "/organizations?limit=1", NOTHING).await;
    let slug = list["data"][0]["slug"].as_str().unwrap();
    let found = desk
        .done("GET", &format!("/organizations/{slug}"), NOTHING)
        .await;
    assert_eq!(found["id"], list["data"][0]["id"]);
    let body = json!({"name": "Other", "slug": slug});
    let refused = desk.refused("POST", "/organizations", body).await;
    assert_eq!(refused.1, "form_identifier_exists slug");
}

#[tokio::test]
async fn a_seed_keeps_every_id_it_says() {
    let desk = Desk::open();
    let seed = "
users: [{id: user_a}]
email_addresses: [{id: idn_a, user_id: user_a, email_address: a@example.com, verified: true}]
phone_numbers: [{id: idn_p, user_id: user_a, phone_number: '+15555550100', verified: true}]
organizations: [{id: org_a, name: A}]
organization_memberships: [{id: orgmem_a, organization_id: org_a, user_id: user_a, role: 'org:admin'}]
api_keys: [{id: ak_a, name: one, subject: user_a}]
";
    assert_eq!(desk.issuer.seed(seed).unwrap(), 6);
    let user = desk.done("GET", "/users/user_a", NOTHING).await;
    assert_eq!(user["primary_email_address_id"], "idn_a");
    assert_eq!(user["phone_numbers"][0]["id"], "idn_p");
    let members = desk
        .done("GET", "/organizations/org_a/memberships", NOTHING)
        .await;
    assert_eq!(members["data"][0]["id"], "orgmem_a");
    desk.done("GET", "/api_keys/ak_a", NOTHING).await;
    for (from, to) in [
        ("idn_p", "idn_a"),
        ("id: ak_a", "id: key_a"),
        ("id: orgmem_a", "id: a"),
        (
            "{id: ak_a, name: one, subject: user_a}",
            "{id: ak_a, name: one, subject: user_a}, {id: ak_a, name: two, subject: user_a}",
        ),
    ] {
        let issuer = DevIssuer::builder().build().unwrap();
        let told = issuer
            .seed(&seed.replace(from, to))
            .map_err(|error| error.to_string());
        // An address and a number may have the same id: they are asked for in different places.
        match from {
            "idn_p" => assert_eq!(told, Ok(6)),
            _ => assert!(
                told.as_ref().is_err_and(|told| told.contains("id: ")),
                "{to}: {told:?}"
            ),
        }
    }
}

#[tokio::test]
async fn who_walks_by_cursor_sees_everybody_once() {
    let desk = Desk::open();
    let years = [2021, 2019, 2024, 2020, 2023];
    let users: Vec<String> = years
        .map(|year| format!("{{id: user_{year}, created_at: '{year}-01-01T00:00:00Z'}}"))
        .into();
    desk.issuer
        .seed(&format!("users: [{}, {{id: user_now}}]", users.join(", ")))
        .unwrap();
    for (order, expected) in [
        (
            "-created_at",
            ["now", "2024", "2023", "2021", "2020", "2019"],
        ),
        (
            "%2Bcreated_at",
            ["2019", "2020", "2021", "2023", "2024", "now"],
        ),
    ] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let path = format!("/users?limit=2&order_by={order}{after}");
            let page = desk.done("GET", &path, NOTHING).await;
            let ids = page.as_array().unwrap().iter();
            let ids: Vec<String> = ids
                .map(|user| user["id"].as_str().unwrap().to_owned())
                .collect();
            let Some(last) = ids.last() else { break };
            after = format!("&starting_after={last}");
            seen.extend(ids);
        }
        assert_eq!(seen, expected.map(|name| format!("user_{name}")));
        let unique: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(unique.len(), seen.len());
    }
}

#[tokio::test]
async fn a_wrong_code_counts_and_is_no_news() {
    let desk = Desk::open();
    desk.issuer.seed("users: [{id: user_a}]").unwrap();
    let address = json!({"user_id": "user_a", "email_address": "a@example.com"});
    let address = desk.done("POST", "/email_addresses", address).await;
    let path = format!("/email_addresses/{}", address["id"].as_str().unwrap());
    let prepare = format!("{path}/prepare_verification");
    let prepared = desk.done("POST", &prepare, json!({})).await;
    let attempt = json!({"verification_id": prepared["id"], "code": "000000"});
    let path_to_attempt = format!("{path}/attempt_verification");
    for status in [422, 422, 200] {
        let reply = desk.ask("POST", &path_to_attempt, attempt.clone()).await;
        assert_eq!(reply.status, status, "{}", reply.text);
    }
    let address = desk.done("GET", &path, NOTHING).await;
    assert_eq!(address["verification"]["status"], "failed");
    assert_eq!(address["verification"]["attempts"], 3);
}

#[tokio::test]
async fn to_look_does_not_make_the_clock_run_ahead() {
    let desk = Desk::open();
    for _ in 0..50 {
        desk.done("GET", "/users/count", NOTHING).await;
    }
    let made = desk.done("POST", "/users", json!({})).await;
    let ahead = made["created_at"].as_i64().unwrap() - desk.issuer.now() * 1000;
    assert!(ahead < 50, "{ahead}");
}

#[test]
fn what_passes_by_itself_makes_room_and_the_rest_is_refused() {
    let issuer = DevIssuer::builder().build().unwrap();
    let mut store = Store::new(0, 0);
    let mut world = World::new(&mut store, &issuer);
    let object = |number: usize| {
        let object = json!({"id": format!("x_{number}")});
        object.as_object().unwrap().clone()
    };
    for number in 0..=MAX_OBJECTS {
        world.add(Family::Sessions, &object(number)).unwrap();
        let added = world.add(Family::Users, &object(number));
        assert_eq!(added.is_ok(), number < MAX_OBJECTS);
    }
    for (family, number, there) in [
        (Family::Sessions, 0, false),
        (Family::Sessions, 1, true),
        (Family::Sessions, MAX_OBJECTS, true),
        (Family::Users, 0, true),
        (Family::Users, MAX_OBJECTS, false),
    ] {
        let found = world.store.find(family, &format!("x_{number}"));
        assert_eq!(found.is_some(), there, "{family:?} {number}");
    }
}

#[tokio::test]
async fn one_of_a_million_is_found_without_a_look_at_the_others() {
    let desk = Desk::of(DevIssuer::builder().people(1_000_000, 1000));
    let id = crate::people::user_id(777_777);
    let user = desk.done("GET", &format!("/users/{id}"), NOTHING).await;
    let address = user["email_addresses"][0]["email_address"]
        .as_str()
        .unwrap();
    let body = json!({"email_address": ["late@example.com"]});
    let late = desk.done("POST", "/users", body).await;
    let late = late["id"].as_str().unwrap();
    let both = format!("email_address=LATE@example.com&email_address={address}");
    for (query, expected) in [
        (both.clone(), vec![late, &id]),
        (format!("{both}&order_by=%2Bcreated_at"), vec![&id, late]),
        (format!("{both}&user_id={id}&user_id=user_none"), vec![&id]),
        (format!("{both}&user_id=-{id}"), vec![late]),
        (format!("user_id=%2B{id}&user_id={id}"), vec![&id]),
        (format!("user_id={id}&username=nobody"), vec![]),
        ("email_address=none@example.com".to_owned(), vec![]),
    ] {
        let list = desk
            .done("GET", &format!("/users?limit=5&{query}"), NOTHING)
            .await;
        let found = list.as_array().unwrap().iter();
        let found: Vec<&str> = found.map(|user| user["id"].as_str().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
        let count = query.replace("&order_by=%2Bcreated_at", "");
        let count = desk
            .done("GET", &format!("/users/count?{count}"), NOTHING)
            .await;
        assert_eq!(count["total_count"], expected.len(), "{query}");
    }
    // And signs in, for the organization.
    let organization = crate::people::organization_id(777);
    let session = json!({"user_id": id, "active_organization_id": organization});
    let session = desk.done("POST", "/sessions", session).await;
    let path = format!("/sessions/{}/tokens", session["id"].as_str().unwrap());
    desk.done("POST", &path, NOTHING).await;
    let member = format!("/organizations/{organization}/memberships/{id}");
    desk.done("DELETE", &member, NOTHING).await;
    let gone = desk.refused("DELETE", &member, NOTHING).await;
    assert_eq!(gone.0, 404);
}
