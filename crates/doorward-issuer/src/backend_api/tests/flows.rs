//! What the families remember, and what follows from it.

use std::io::{Read, Write};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::{Desk, SEED};
use crate::{DevIssuer, SeedError};

const NOTHING: Value = Value::Null;

fn ids(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn users_are_created_changed_looked_for_and_deleted() {
    let desk = Desk::open();
    let ada = json!({
        "email_address": ["Ada@Example.com"], "first_name": "Ada", "external_id": "a-1", "password": "correct horse",
        "public_metadata": {"plan": {"name": "pro", "seats": 3}}, "created_at": "2020-01-01T00:00:00Z",
    });
    let ada = desk.done("POST", "/users", ada).await;
    let id = ada["id"].as_str().unwrap();
    assert_eq!(
        ada["email_addresses"][0]["email_address"],
        "ada@example.com"
    );
    assert_eq!(
        ada["primary_email_address_id"],
        ada["email_addresses"][0]["id"]
    );
    assert_eq!(
        (&ada["password_enabled"], &ada["created_at"]),
        (&json!(true), &json!(1_577_836_800_000_i64))
    );
    let bob = json!({"email_address": ["bob@example.com"], "username": "bobby"});
    let bob = desk.done("POST", "/users", bob).await;

    for (body, told) in [
        (
            json!({"email_address": ["ada@example.com"]}),
            "form_identifier_exists email_address",
        ),
        (
            json!({"external_id": "a-1"}),
            "form_identifier_exists external_id",
        ),
        (
            json!({"username": "Bobby"}),
            "form_identifier_exists username",
        ),
    ] {
        assert_eq!(
            desk.refused("POST", "/users", body).await,
            (422, told.to_owned())
        );
    }

    let path = format!("/users/{id}");
    let verify = format!("{path}/verify_password");
    assert_eq!(
        desk.done("POST", &verify, json!({"password": "correct horse"}))
            .await["verified"],
        true
    );
    let wrong = desk
        .refused("POST", &verify, json!({"password": "wrong horse"}))
        .await;
    assert_eq!(wrong, (422, "incorrect_password".to_owned()));

    let merged = json!({"public_metadata": {"plan": {"seats": null, "trial": true}}, "private_metadata": {"n": 1}});
    let merged = desk
        .done("PATCH", &format!("{path}/metadata"), merged)
        .await;
    assert_eq!(
        merged["public_metadata"],
        json!({"plan": {"name": "pro", "trial": true}})
    );
    let replaced = json!({"public_metadata": {"x": 1}});
    let replaced = desk
        .done("PUT", &format!("{path}/metadata"), replaced)
        .await;
    assert_eq!(
        (&replaced["public_metadata"], &replaced["private_metadata"]),
        (&json!({"x": 1}), &json!({"n": 1}))
    );
    let huge = json!({"public_metadata": {"x": "x".repeat(9000)}});
    let huge = desk
        .refused("PATCH", &format!("{path}/metadata"), huge)
        .await;
    assert_eq!(
        huge,
        (
            422,
            "form_param_exceeds_allowed_size public_metadata".to_owned()
        )
    );
    let refused = desk
        .refused("PATCH", &path, json!({"public_metadata": {}}))
        .await;
    assert_eq!(
        refused,
        (422, "form_param_unknown public_metadata".to_owned())
    );
    let old = desk
        .request("PATCH", &format!("/v1{path}"))
        .bearer_auth(desk.issuer.secret_key())
        .header("clerk-api-version", "2025-11-10")
        .body(json!({"public_metadata": {"y": 2}, "last_name": null}).to_string());
    let old = Desk::sent(old).await;
    assert_eq!(
        (old.status, &old.body["public_metadata"]),
        (200, &json!({"y": 2}))
    );

    let list = async |query: &str| {
        let found = desk.done("GET", &format!("/users{query}"), NOTHING).await;
        let names = found.as_array().unwrap().iter();
        let names = names.map(|user| user["first_name"].as_str().unwrap_or("Bob").to_owned());
        names.collect::<Vec<_>>().join(" ")
    };
    for (query, found) in [
        ("", "Bob Ada"),
        ("?order_by=%2Bcreated_at", "Ada Bob"),
        ("?order_by=created_at&limit=1&offset=1", "Bob"),
        (
            "?email_address=ada%40example.com&email_address=none%40example.com",
            "Ada",
        ),
        ("?external_id=a-1", "Ada"),
        ("?username=bobby", "Bob"),
        (&format!("?user_id=-{id}"), "Bob"),
        (&format!("?user_id=%2B{id}"), "Ada"),
        ("?query=EXAMPLE.com", "Bob Ada"),
        ("?name_query=ad", "Ada"),
        ("?created_at_before=1600000000000", "Ada"),
        ("?banned=true", ""),
        (
            &format!("?order_by=%2Bcreated_at&starting_after={id}"),
            "Bob",
        ),
    ] {
        assert_eq!(list(query).await, found, "{query}");
    }
    let paginated = desk.done("GET", "/users/count?query=bob", NOTHING).await;
    assert_eq!(
        paginated,
        json!({"object": "total_count", "total_count": 1})
    );

    let bob = format!("/users/{}", bob["id"].as_str().unwrap());
    for (verb, field, value) in [
        ("ban", "banned", true),
        ("unban", "banned", false),
        ("lock", "locked", true),
        ("unlock", "locked", false),
    ] {
        assert_eq!(
            desk.done("POST", &format!("{bob}/{verb}"), NOTHING).await[field],
            value,
            "{verb}"
        );
    }
    let gone = desk.done("DELETE", &bob, NOTHING).await;
    assert_eq!(
        (&gone["object"], &gone["deleted"]),
        (&json!("user"), &json!(true))
    );
    assert_eq!(desk.refused("GET", &bob, NOTHING).await.0, 404);
}

#[tokio::test]
async fn addresses_are_verified_before_they_are_primary() {
    let desk = Desk::open();
    desk.issuer.seed(SEED).unwrap();
    let made = json!({"user_id": "user_bob", "email_address": "second@example.com"});
    let made = desk.done("POST", "/email_addresses", made).await;
    let path = format!("/email_addresses/{}", made["id"].as_str().unwrap());
    assert_eq!(made["verification"], NOTHING);
    let early = desk.refused("PATCH", &path, json!({"primary": true})).await;
    assert_eq!(
        early,
        (
            422,
            "form_param_value_invalid primary_email_address_id".to_owned()
        )
    );

    let prepared = desk
        .done("POST", &format!("{path}/prepare_verification"), NOTHING)
        .await;
    assert_eq!(prepared["status"], "unverified");
    let attempt = |code: &str| json!({"verification_id": prepared["id"], "code": code});
    let attempted = format!("{path}/attempt_verification");
    let wrong = desk.refused("POST", &attempted, attempt("000000")).await;
    assert_eq!(wrong, (422, "form_code_incorrect code".to_owned()));
    assert_eq!(
        desk.done("POST", &attempted, attempt("424242")).await["status"],
        "verified"
    );
    desk.done("PATCH", &path, json!({"primary": true})).await;
    let bob = desk.done("GET", "/users/user_bob", NOTHING).await;
    assert_eq!(bob["primary_email_address_id"], made["id"]);
    desk.done("DELETE", &path, NOTHING).await;
    let bob = desk.done("GET", "/users/user_bob", NOTHING).await;
    assert_eq!(
        bob["primary_email_address_id"],
        bob["email_addresses"][0]["id"]
    );

    let replaced = json!({"email_address": "only@example.com"});
    desk.done("PUT", "/users/user_bob/email_address", replaced)
        .await;
    let bob = desk.done("GET", "/users/user_bob", NOTHING).await;
    assert_eq!(bob["email_addresses"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn what_ends_a_session_ends_its_tokens() {
    let desk = Desk::open();
    desk.issuer.seed(SEED).unwrap();
    let created = json!({"user_id": "user_ada", "active_organization_id": "org_acme"});
    let session = desk.done("POST", "/sessions", created).await;
    let path = format!("/sessions/{}", session["id"].as_str().unwrap());
    let token = async |path: &str| {
        let token = desk.done("POST", path, NOTHING).await;
        token["jwt"].as_str().unwrap().to_owned()
    };
    let active = |jwt: &str| {
        let read = desk.issuer.own_jws(jwt).unwrap();
        desk.issuer.stands_by(&read)
    };
    let jwt = token(&format!("{path}/tokens")).await;
    let claims = desk.issuer.own_jws(&jwt).unwrap().claims;
    assert_eq!(
        (&claims["sub"], &claims["sid"]),
        (&json!("user_ada"), &session["id"])
    );
    assert_eq!(
        (&claims["o"]["id"], &claims["o"]["rol"]),
        (&json!("org_acme"), &json!("admin"))
    );
    let other = token("/sessions/sess_ada/tokens").await;
    let hasura = token("/sessions/sess_ada/tokens/hasura").await;
    assert_eq!(
        desk.issuer.own_jws(&hasura).unwrap().claims["role"],
        "adalove"
    );
    assert!(active(&jwt) && active(&other));

    desk.done("POST", &format!("{path}/revoke"), NOTHING).await;
    assert!(!active(&jwt) && active(&other));
    assert_eq!(
        desk.refused("POST", &format!("{path}/tokens"), NOTHING)
            .await
            .0,
        404
    );
    let listed = desk
        .done("GET", "/sessions?user_id=user_ada&status=active", NOTHING)
        .await;
    assert_eq!(ids(&listed), ["sess_ada"]);
    let listed = desk.done("GET", "/sessions?paginated=true", NOTHING).await;
    assert_eq!(listed["total_count"], 2);

    desk.done("POST", "/users/user_ada/ban", NOTHING).await;
    assert!(!active(&other));
    let banned = desk
        .refused("POST", "/sessions", json!({"user_id": "user_ada"}))
        .await;
    assert_eq!(banned, (403, "user_banned".to_owned()));
}

#[tokio::test]
async fn organizations_have_members_with_roles_and_invite_others() {
    let desk = Desk::open();
    desk.issuer.seed(SEED).unwrap();
    let globex = json!({"name": "Globex Corp", "created_by": "user_bob"});
    let globex = desk.done("POST", "/organizations", globex).await;
    assert_eq!(
        (&globex["slug"], &globex["members_count"]),
        (&json!("globex-corp"), &json!(1))
    );
    let taken = desk
        .refused(
            "POST",
            "/organizations",
            json!({"name": "x", "slug": "globex-corp"}),
        )
        .await;
    assert_eq!(taken, (422, "form_identifier_exists slug".to_owned()));
    let listed = desk
        .done("GET", "/organizations?user_id=user_bob", NOTHING)
        .await;
    assert_eq!(
        (listed["total_count"].as_u64(), ids(&listed["data"]).len()),
        (Some(1), 1)
    );

    let members = "/organizations/org_acme/memberships";
    let editor = json!({"user_id": "user_bob", "role": "org:editor"});
    let made = desk.done("POST", members, editor.clone()).await;
    assert_eq!(made["permissions"], json!(["org:posts:publish"]));
    assert_eq!(made["public_user_data"]["identifier"], "bob@example.com");
    let again = desk.refused("POST", members, editor).await;
    assert_eq!(again, (400, "already_a_member_in_organization".to_owned()));
    let unknown = desk
        .refused(
            "POST",
            members,
            json!({"user_id": "user_bob", "role": "org:king"}),
        )
        .await;
    assert_eq!(unknown.0, 404);
    let session = json!({"user_id": "user_bob", "active_organization_id": "org_acme"});
    let session = desk.done("POST", "/sessions", session).await;
    let tokens = format!("/sessions/{}/tokens", session["id"].as_str().unwrap());
    let jwt = desk.done("POST", &tokens, NOTHING).await["jwt"].clone();
    let claims = desk.issuer.own_jws(jwt.as_str().unwrap()).unwrap().claims;
    assert_eq!(
        (&claims["o"]["rol"], &claims["o"]["per"]),
        (&json!("editor"), &json!("publish"))
    );

    let used = desk
        .refused("DELETE", "/organization_roles/role_editor", NOTHING)
        .await;
    assert_eq!(used.0, 403);
    for (query, total) in [
        ("", 2),
        ("?role=org%3Aeditor", 1),
        ("?query=bob", 1),
        ("?user_id=-user_bob", 1),
    ] {
        let listed = desk
            .done("GET", &format!("{members}{query}"), NOTHING)
            .await;
        assert_eq!(listed["total_count"], total, "{query}");
    }
    let role = json!({"role": "org:member"});
    desk.done("PATCH", &format!("{members}/user_bob"), role)
        .await;
    desk.done("DELETE", &format!("{members}/user_bob"), NOTHING)
        .await;
    assert_eq!(
        desk.done("GET", "/sessions/sess_ada", NOTHING).await["last_active_organization_id"],
        "org_acme"
    );
    let jwt = desk.done("POST", &tokens, NOTHING).await["jwt"].clone();
    assert!(
        desk.issuer
            .own_jws(jwt.as_str().unwrap())
            .unwrap()
            .claims
            .get("o")
            .is_none()
    );

    let invitations = "/organizations/org_acme/invitations";
    let guest = json!({"email_address": "bob@example.com", "role": "org:member", "inviter_user_id": "user_ada"});
    let made = desk.done("POST", invitations, guest.clone()).await;
    let again = desk.refused("POST", invitations, guest).await;
    assert_eq!(again, (400, "duplicate_record".to_owned()));
    let theirs = desk
        .done("GET", "/users/user_bob/organization_invitations", NOTHING)
        .await;
    assert_eq!(
        theirs["data"][0]["public_organization_data"]["name"],
        "Acme"
    );
    let revoke = format!("{invitations}/{}/revoke", made["id"].as_str().unwrap());
    assert_eq!(
        desk.done("POST", &revoke, NOTHING).await["status"],
        "revoked"
    );
    assert_eq!(desk.refused("POST", &revoke, NOTHING).await.0, 400);
    let pending = desk
        .done("GET", &format!("{invitations}?status=pending"), NOTHING)
        .await;
    assert_eq!(ids(&pending["data"]), ["orginv_acme"]);

    desk.done("DELETE", "/organizations/org_acme", NOTHING)
        .await;
    assert_eq!(
        desk.done("GET", "/users/user_ada/organization_memberships", NOTHING)
            .await["total_count"],
        0
    );
    assert_eq!(
        desk.done("GET", "/organization_invitations", NOTHING).await["total_count"],
        0
    );
}

#[tokio::test]
async fn machines_keys_and_applications_lose_their_tokens_when_they_are_revoked() {
    let desk = Desk::open();
    desk.issuer.seed(SEED).unwrap();
    let verified = async |path: &str, body: Value| desk.ask("POST", path, body).await.status;

    let key = json!({"name": "cicd", "subject": "org_acme", "scopes": ["read"], "claims": {"sub": "user_evil"}});
    let key = desk.done("POST", "/api_keys", key).await;
    let (id, secret) = (
        key["id"].as_str().unwrap(),
        json!({"secret": key["secret"]}),
    );
    assert_eq!(
        desk.done("POST", "/api_keys/verify", secret.clone()).await["subject"],
        "org_acme"
    );
    assert_eq!(
        desk.done("GET", &format!("/api_keys/{id}/secret"), NOTHING)
            .await["secret"],
        key["secret"]
    );
    let listed = desk
        .done("GET", "/api_keys?subject=org_acme", NOTHING)
        .await;
    assert_eq!(
        (&listed["total_count"], &listed["data"][0]["id"]),
        (&json!(1), &key["id"])
    );
    assert!(listed["data"][0].get("secret").is_none());
    let reason = json!({"revocation_reason": "lost"});
    let revoked = desk
        .done("POST", &format!("/api_keys/{id}/revoke"), reason)
        .await;
    assert_eq!(
        (&revoked["revoked"], &revoked["revocation_reason"]),
        (&json!(true), &json!("lost"))
    );
    assert_eq!(verified("/api_keys/verify", secret).await, 404);
    assert_eq!(
        desk.done("GET", "/api_keys?subject=org_acme", NOTHING)
            .await["total_count"],
        0
    );
    let all = desk
        .done(
            "GET",
            "/api_keys?subject=org_acme&include_invalid=true",
            NOTHING,
        )
        .await;
    assert_eq!(all["total_count"], 1);

    let one = desk.issuer.machine_secret_key("mch_one").unwrap();
    let as_machine = async |key: &str, path: &str, body: Value| {
        let request = desk.request("POST", path).bearer_auth(key);
        Desk::sent(request.body(body.to_string())).await
    };
    let made = as_machine(
        &one,
        "/m2m_tokens",
        json!({"claims": {"job": 7}, "seconds_until_expiration": 600}),
    )
    .await;
    assert_eq!(
        (made.status, &made.body["scopes"]),
        (201, &json!(["mch_two"]))
    );
    let reused = as_machine(
        &one,
        "/m2m_tokens",
        json!({"claims": {"job": 7}, "min_remaining_ttl_seconds": 60}),
    )
    .await;
    assert_eq!(reused.body["token"], made.body["token"]);
    let token = json!({"token": made.body["token"]});
    let two = desk.issuer.machine_secret_key("mch_two").unwrap();
    let three = desk.issuer.machine_secret_key("mch_three").unwrap();
    assert_eq!(
        as_machine(&two, "/m2m_tokens/verify", token.clone())
            .await
            .body["claims"],
        json!({"job": 7})
    );
    assert_eq!(
        as_machine(&three, "/m2m_tokens/verify", token.clone())
            .await
            .status,
        404
    );
    let jwt = as_machine(
        &one,
        "/m2m_tokens",
        json!({"token_format": "jwt", "claims": {"job": 7}}),
    )
    .await;
    let read = desk
        .issuer
        .own_jws(jwt.body["token"].as_str().unwrap())
        .unwrap();
    assert_eq!(
        (&read.claims["sub"], &read.claims["job"]),
        (&json!("mch_one"), &json!(7))
    );
    let forged = as_machine(
        &one,
        "/m2m_tokens",
        json!({"token_format": "jwt", "claims": {"sub": "mch_two"}}),
    )
    .await;
    assert_eq!(forged.status, 400);
    let revoke = format!("/m2m_tokens/{}/revoke", made.body["id"].as_str().unwrap());
    assert_eq!(as_machine(&three, &revoke, json!({})).await.status, 404);
    assert_eq!(as_machine(&one, &revoke, json!({})).await.status, 200);
    assert_eq!(
        as_machine(&two, "/m2m_tokens/verify", token).await.status,
        404
    );

    let rotated = json!({"previous_token_ttl": 0});
    let new = desk
        .done("POST", "/machines/mch_one/secret_key/rotate", rotated)
        .await;
    assert_eq!(as_machine(&one, "/m2m_tokens", json!({})).await.status, 401);
    assert_eq!(
        as_machine(new["secret"].as_str().unwrap(), "/m2m_tokens", json!({}))
            .await
            .status,
        201
    );

    let application = desk
        .done("POST", "/oauth_applications", json!({"name": "app"}))
        .await;
    let client = application["client_id"].as_str().unwrap();
    assert!(application["client_secret"].is_string());
    let mint = crate::Mint::kind(crate::Kind::OauthOpaque).client_id(client);
    let token = desk.issuer.mint(&mint).unwrap();
    let verify = "/oauth_applications/access_tokens/verify";
    assert_eq!(verified(verify, json!({"access_token": token})).await, 200);
    let path = format!(
        "/oauth_applications/{}",
        application["id"].as_str().unwrap()
    );
    let elsewhere = "/oauth_applications/oauthapp_one/revoke_token";
    assert_eq!(
        desk.refused("POST", elsewhere, json!({"token": token}))
            .await
            .0,
        404
    );
    desk.done(
        "POST",
        &format!("{path}/revoke_token"),
        json!({"token": token}),
    )
    .await;
    assert_eq!(verified(verify, json!({"access_token": token})).await, 404);
    let rotated = desk
        .done("POST", &format!("{path}/rotate_secret"), NOTHING)
        .await;
    assert_ne!(rotated["client_secret"], application["client_secret"]);
    assert!(
        desk.done("GET", &path, NOTHING)
            .await
            .get("client_secret")
            .is_none()
    );
}

#[tokio::test]
async fn a_crowd_is_listed_changed_and_deleted_like_everybody() {
    let desk = Desk::of(DevIssuer::builder().people(20_000, 3));
    let first = desk.done("GET", "/users?limit=2", NOTHING).await;
    let last_id = crate::people::user_id(19_999);
    assert_eq!(first[0]["id"], last_id.as_str());
    let path = format!("/users/{last_id}");
    desk.done("PATCH", &path, json!({"first_name": "Zoe"}))
        .await;
    assert_eq!(desk.done("GET", &path, NOTHING).await["first_name"], "Zoe");
    let address =
        desk.done("GET", &path, NOTHING).await["email_addresses"][0]["email_address"].clone();
    let taken = desk
        .refused("POST", "/users", json!({"email_address": [address]}))
        .await;
    assert_eq!(
        taken,
        (422, "form_identifier_exists email_address".to_owned())
    );
    desk.done("DELETE", &path, NOTHING).await;
    assert_eq!(
        desk.done("GET", "/users/count", NOTHING).await["total_count"],
        19_999
    );
    let new = desk
        .done("POST", "/users", json!({"first_name": "New"}))
        .await;
    assert_eq!(
        desk.done("GET", "/users?limit=1", NOTHING).await[0]["id"],
        new["id"]
    );
    let members = desk
        .done("GET", "/organization_memberships?limit=1", NOTHING)
        .await;
    assert_eq!(members["total_count"], 19_999);
}

#[test]
fn a_seed_that_does_not_fit_says_where() {
    for (seed, told) in [
        ("users: 7", "users: expected a list"),
        ("user: []", "user: nothing that can be seeded"),
        ("users: [{frist_name: Ada}]", "users, entry 1: frist_name"),
        (
            "users: [{id: ada}]",
            "users, entry 1: id: It must begin with user_.",
        ),
        (
            "organizations: [{name: A, created_by: user_none}]",
            "organizations, entry 1: There is no user",
        ),
        ("users: [", "the seed cannot be read"),
    ] {
        let issuer = DevIssuer::builder().build().unwrap();
        let why: SeedError = issuer.seed(seed).unwrap_err();
        assert!(why.to_string().contains(told), "{seed}: {why}");
    }
}

#[tokio::test]
async fn changes_are_told_in_their_order_signed_and_again_if_nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hooks", listener.local_addr().unwrap());
    let desk = Desk::open();
    let secret = desk.issuer.send_webhooks_to(&url, None).unwrap();
    assert!(
        desk.issuer
            .send_webhooks_to("https://example.com/", None)
            .is_err()
    );
    let received = std::thread::spawn(move || {
        let mut bodies = Vec::new();
        // The first is refused, and comes again.
        for status in ["500 No", "200 OK", "200 OK", "200 OK"] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut seen = Vec::new();
            let mut piece = [0; 4096];
            let (head, body) = loop {
                let count = stream.read(&mut piece).unwrap();
                seen.extend(&piece[..count]);
                let text = String::from_utf8_lossy(&seen).into_owned();
                if let Some((head, body)) = text.split_once("\r\n\r\n") {
                    let length = head
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: "));
                    if body.len() == length.unwrap().parse::<usize>().unwrap() {
                        break (head.to_owned(), body.to_owned());
                    }
                }
            };
            write!(stream, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").unwrap();
            bodies.push((head, body));
        }
        bodies
    });
    let ada = desk
        .done("POST", "/users", json!({"first_name": "Ada"}))
        .await;
    let path = format!("/users/{}", ada["id"].as_str().unwrap());
    desk.done("PATCH", &path, json!({"first_name": "Augusta"}))
        .await;
    desk.done("DELETE", &path, NOTHING).await;
    let received = received.join().unwrap();
    let types: Vec<String> = received
        .iter()
        .map(|(_, body)| serde_json::from_str::<Value>(body).unwrap()["type"].to_string())
        .collect();
    assert_eq!(
        types,
        [
            "\"user.created\"",
            "\"user.created\"",
            "\"user.updated\"",
            "\"user.deleted\""
        ]
    );
    let signer = crate::WebhookSigner::new([secret]).unwrap();
    let header = |head: &str, name: &str| {
        let mut lines = head.lines();
        let line =
            lines.find_map(|line| line.strip_prefix(&format!("{name}: ")).map(str::to_owned));
        line.unwrap()
    };
    for (head, body) in &received {
        let (id, at) = (header(head, "svix-id"), header(head, "svix-timestamp"));
        let signature = signer.signature(&id, at.parse().unwrap(), body.as_bytes());
        assert_eq!(header(head, "svix-signature"), signature);
    }
    assert_eq!(
        header(&received[0].0, "svix-id"),
        header(&received[1].0, "svix-id")
    );
}
