//! Every operation, over HTTP.

mod attacks;
mod flows;
#[cfg(feature = "sqlite")]
mod state;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use doorward_clerk::table::{
    Auth, BodyKind, Kind, Operation, Parameter, Place, Shape, Table, Type,
};
use serde_json::{Map, Value, json};

use super::shape::flaw;
use crate::{DevIssuer, Fault, Mint, Served, SigningAlgorithm};

/// An issuer on a port, and who asks it.
pub(super) struct Desk {
    pub(super) issuer: Arc<DevIssuer>,
    served: Served,
    client: reqwest::Client,
}

pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) text: String,
    pub(super) headers: reqwest::header::HeaderMap,
}

impl Desk {
    pub(super) fn open() -> Self {
        Self::of(DevIssuer::builder())
    }

    pub(super) fn of(builder: crate::DevIssuerBuilder) -> Self {
        let builder = builder.algorithms(&[SigningAlgorithm::ES256]);
        let issuer = Arc::new(builder.build().unwrap());
        let served = issuer
            .serve(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
            .unwrap();
        Self {
            issuer,
            served,
            client: reqwest::Client::new(),
        }
    }

    pub(super) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.served.url());
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, url)
    }

    /// Asks with the instance's key, under `/v1`.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Value) -> Reply {
        let request = self.request(method, &format!("/v1{path}"));
        let request = request.bearer_auth(self.issuer.secret_key());
        Self::sent(match body {
            Value::Null => request,
            body => request
                .header("content-type", "application/json")
                .body(body.to_string()),
        })
        .await
    }

    /// What is answered with 2xx.
    pub(super) async fn done(&self, method: &str, path: &str, body: Value) -> Value {
        let reply = self.ask(method, path, body).await;
        assert!(
            (200..300).contains(&reply.status),
            "{method} {path}: {}",
            reply.text
        );
        reply.body
    }

    /// The code and the parameter of what is refused.
    pub(super) async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let reply = self.ask(method, path, body).await;
        let error = &reply.body["errors"][0];
        let code = error["code"].as_str().unwrap_or(&reply.text);
        let told = match error["meta"]["param_name"].as_str() {
            Some(name) => format!("{code} {name}"),
            None => code.to_owned(),
        };
        (reply.status, told)
    }

    pub(super) async fn sent(request: reqwest::RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.unwrap();
        Reply {
            status,
            body: serde_json::from_str(&text).unwrap_or_default(),
            text,
            headers,
        }
    }
}

const SEED: &str = "
organization_permissions:
  - {id: perm_posts, name: Publish, key: 'org:posts:publish', description: May publish}
  - {id: perm_free, name: Read, key: 'org:posts:read', description: May read}
organization_roles:
  - {id: role_editor, name: Editor, key: 'org:editor', permissions: [perm_posts]}
users:
  - {id: user_ada, email_address: [ada@example.com], phone_number: ['+15555550100'], username: adalove,
     password: correct horse, web3_wallet: ['0xabc'], external_id: ada-1}
  - {id: user_bob, email_address: [bob@example.com]}
organizations:
  - {id: org_acme, name: Acme, created_by: user_ada}
organization_domains:
  - {id: orgdmn_acme, organization_id: org_acme, name: acme.example.com}
organization_invitations:
  - {id: orginv_acme, organization_id: org_acme, email_address: guest@example.com, role: 'org:member'}
invitations:
  - {id: inv_one, email_address: new@example.com}
sessions:
  - {id: sess_ada, user_id: user_ada, active_organization_id: org_acme}
machines:
  - {id: mch_two, name: two}
  - {id: mch_one, name: one, scoped_machines: [mch_two]}
  - {id: mch_three, name: three}
api_keys:
  - {id: ak_one, name: one, subject: user_ada, scopes: [read]}
oauth_applications:
  - {id: oauthapp_one, name: one, redirect_uris: ['https://app.example.com/callback']}
jwt_templates:
  - {id: jtmp_one, name: hasura, claims: {role: '{{user.username}}'}}
allowlist_identifiers:
  - {id: alid_one, identifier: ok@example.com}
blocklist_identifiers:
  - {id: blid_one, identifier: '*@bad.example.com'}
redirect_urls:
  - {id: ru_one, url: 'https://app.example.com/'}
";

/// What the seed cannot make, by the name of the parameter that names it.
async fn fixtures(desk: &Desk) -> BTreeMap<&'static str, String> {
    desk.issuer.seed(SEED).unwrap();
    let ada = desk.done("GET", "/users/user_ada", Value::Null).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut known: BTreeMap<&str, String> = [
        ("user_id", "user_ada"),
        ("organization_id", "org_acme"),
        ("session_id", "sess_ada"),
        ("template_name", "hasura"),
        ("template_id", "jtmp_one"),
        ("invitation_id", "inv_one"),
        ("permission_id", "perm_posts"),
        ("organization_role_id", "role_editor"),
        ("machine_id", "mch_one"),
        ("other_machine_id", "mch_two"),
        ("to_machine_id", "mch_three"),
        ("oauth_application_id", "oauthapp_one"),
        ("api_key_id", "ak_one"),
        ("id", "ru_one"),
        ("provider", "oauth_google"),
    ]
    .map(|(name, id)| (name, id.to_owned()))
    .into();
    known.insert("email_address_id", text(&ada["email_addresses"][0]["id"]));
    known.insert("phone_number_id", text(&ada["phone_numbers"][0]["id"]));
    known.insert(
        "web3_wallet_identification_id",
        text(&ada["web3_wallets"][0]["id"]),
    );
    let session = desk.done("GET", "/sessions/sess_ada", Value::Null).await;
    known.insert("client_id", text(&session["client_id"]));
    let user = json!({"user_id": "user_ada"});
    let sign_in = desk.done("POST", "/sign_in_tokens", user.clone()).await;
    known.insert("sign_in_token_id", text(&sign_in["id"]));
    let actor = json!({"user_id": "user_ada", "actor": {"sub": "user_bob"}});
    let actor = desk.done("POST", "/actor_tokens", actor).await;
    known.insert("actor_token_id", text(&actor["id"]));
    let domain = json!({"name": "sat.example.com", "is_satellite": true});
    let domain = desk.done("POST", "/domains", domain).await;
    known.insert("domain_id", text(&domain["id"]));
    known
}

/// A value for a parameter that wants one.
fn value_for(
    parameter: &Parameter,
    operation: &Operation,
    known: &BTreeMap<&str, String>,
) -> Value {
    let email = "fresh@example.com";
    match (parameter.name, operation.id) {
        ("user_id", "CreateOrganizationMembership") => return json!("user_bob"),
        ("user_ids", _) => return json!(["user_ada", "user_bob"]),
        ("email_address", "CreateUser") => return json!([email]),
        ("email_address", _) => return json!(email),
        ("phone_number", _) => return json!("+15555550177"),
        ("role", _) => return json!("org:member"),
        ("key", "CreateOrganizationRole") => return json!("org:fresh"),
        ("key", _) => return json!("org:fresh:thing"),
        ("subject", "getM2MTokens") => return json!("mch_one"),
        ("subject", _) => return json!("user_ada"),
        ("identifier", _) => return json!(email),
        ("url", _) => return json!("https://other.example.com/"),
        ("name", "AddDomain" | "CreateOrganizationDomain") => return json!("fresh.example.com"),
        ("password", _) => return json!("correct horse"),
        ("actor", _) => return json!({"sub": "user_bob"}),
        ("name", _) => return json!("fresh"),
        ("verification_id" | "code", _) => return json!("x"),
        _ => {}
    }
    if let Some(id) = known.get(parameter.name) {
        return json!(id);
    }
    match parameter.kind().kind {
        Kind::Integer | Kind::Number | Kind::Time => json!(parameter.minimum.unwrap_or(1.0) as i64),
        Kind::Boolean => json!(true),
        Kind::OneOf(words) => json!(words[0]),
        Kind::Object | Kind::Map(_) | Kind::Named(_) => json!({}),
        Kind::List(item) => match item.kind {
            Kind::Named(_) => {
                json!([{"email_address": email, "role": "org:member"}])
            }
            _ => json!([]),
        },
        _ => json!("text"),
    }
}

/// Everything that has a family of its own; the rest is answered with 501.
const STATEFUL: [&str; 27] = [
    "users",
    "email_addresses",
    "phone_numbers",
    "sessions",
    "clients",
    "organizations",
    "organization_memberships",
    "organization_invitations",
    "organization_roles",
    "organization_permissions",
    "organization_domains",
    "domains",
    "invitations",
    "actor_tokens",
    "sign_in_tokens",
    "testing_tokens",
    "machines",
    "m2m",
    "api_keys",
    "oauth_applications",
    "oauth_access_tokens",
    "jwt_templates",
    "allowlist_identifiers",
    "blocklist_identifiers",
    "redirect_urls",
    "jwks",
    "webhooks",
];

/// Operations of those that are answered with 501 all the same.
const LEFT_OUT: [&str; 8] = [
    "RefreshSession",
    "VerifyTOTP",
    "GetUserBillingSubscription",
    "GetUserBillingCreditBalance",
    "AdjustUserBillingCreditBalance",
    "GetOrganizationBillingSubscription",
    "GetOrganizationBillingCreditBalance",
    "AdjustOrganizationBillingCreditBalance",
];

#[tokio::test]
async fn every_operation_is_answered_by_the_table_or_with_501() {
    let desk = Desk::open();
    let table = Table::get();
    assert_eq!(table.operations.len(), 249);
    let mut implemented = 0;
    let mut fresh = BTreeMap::new();
    for operation in &table.operations {
        let stateful = STATEFUL.contains(&operation.resource);
        if fresh.is_empty() {
            desk.issuer.reset();
            fresh = fixtures(&desk).await;
        }
        let mut known = fresh.clone();
        if stateful && operation.method != "GET" {
            fresh.clear();
        }
        if operation.resource == "organization_invitations" {
            known.insert("invitation_id", "orginv_acme".to_owned());
        }
        match operation.resource {
            "organization_domains" => drop(known.insert("domain_id", "orgdmn_acme".to_owned())),
            "allowlist_identifiers" => drop(known.insert("identifier_id", "alid_one".to_owned())),
            "blocklist_identifiers" => drop(known.insert("identifier_id", "blid_one".to_owned())),
            _ => {}
        }
        if operation.id == "AssignPermissionToOrganizationRole" {
            known.insert("permission_id", "perm_free".to_owned());
        }
        let machine = desk.issuer.machine_secret_key("mch_one").unwrap();
        let token = Desk::sent(
            desk.request("POST", "/m2m_tokens")
                .bearer_auth(&machine)
                .body("{}"),
        )
        .await;
        assert_eq!(token.status, 201, "{}", token.text);
        known.insert(
            "m2m_token_id",
            token.body["id"].as_str().unwrap().to_owned(),
        );
        known.insert("token", token.body["token"].as_str().unwrap().to_owned());
        let secret = desk
            .done("GET", "/api_keys/ak_one/secret", Value::Null)
            .await;
        known.insert("secret", secret["secret"].as_str().unwrap().to_owned());
        match operation.id {
            "VerifyClient" => {
                let token = desk
                    .done("POST", "/sessions/sess_ada/tokens", Value::Null)
                    .await;
                known.insert("token", token["jwt"].as_str().unwrap().to_owned());
            }
            "GenerateSvixAuthURL" | "DeleteSvixApp" => {
                desk.done("POST", "/webhooks/svix", Value::Null).await;
            }
            "RevokeOAuthApplicationToken" | "verifyOAuthAccessToken" => {
                let path = "/oauth_applications/oauthapp_one";
                let application = desk.done("GET", path, Value::Null).await;
                let client = application["client_id"].as_str().unwrap();
                let mint = Mint::kind(crate::Kind::OauthOpaque).client_id(client);
                known.insert("token", desk.issuer.mint(&mint).unwrap());
                known.insert("access_token", known["token"].clone());
                known.remove("secret");
            }
            _ => {}
        }

        let mut path = operation.path.to_owned();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let mut body = Map::new();
        let mut document = Value::Null;
        for parameter in &operation.parameters {
            let hole = format!("{{{}}}", parameter.wire());
            let wanted = parameter.required || parameter.name == "access_token";
            match parameter.place {
                Place::Path => {
                    let id = known.get(parameter.name).map_or("none_1", String::as_str);
                    path = path.replace(&hole, id);
                }
                Place::Query if wanted => {
                    let value = value_for(parameter, operation, &known);
                    query.append_pair(parameter.wire(), value.as_str().unwrap());
                }
                Place::Body if wanted && operation.body == BodyKind::Json => {
                    let value = value_for(parameter, operation, &known);
                    body.insert(parameter.wire().to_owned(), value);
                }
                Place::Document => document = value_for(parameter, operation, &known),
                _ => {}
            }
        }
        if operation.id == "CreateOrganizationDomain" {
            body.insert("name".to_owned(), json!("fresh.example.com"));
        }
        let query = query.finish();
        let target = match query.as_str() {
            "" => path.clone(),
            query => format!("{path}?{query}"),
        };
        let prefixes: &[&str] = if operation.unversioned {
            &["", "/v1"]
        } else {
            &["/v1"]
        };
        // The last of them counts: what one path has done, the other cannot do again.
        let mut request = desk.request(operation.method, &format!("{}{target}", prefixes[0]));
        request = match operation.auth {
            Auth::None => request,
            Auth::Machine => request.bearer_auth(&machine),
            _ => request.bearer_auth(desk.issuer.secret_key()),
        };
        request = match operation.body {
            BodyKind::Json if !document.is_null() => request.body(document.to_string()),
            BodyKind::Json => request.body(Value::Object(body).to_string()),
            BodyKind::Multipart => request
                .header("content-type", "multipart/form-data; boundary=b")
                .body("--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n\r\nPNG\r\n--b--\r\n"),
            BodyKind::None => request,
        };
        let reply = Desk::sent(request).await;
        let told = format!(
            "{} {} {target}: {} {}",
            operation.id, operation.method, reply.status, reply.text
        );

        if !stateful || LEFT_OUT.contains(&operation.id) {
            let error = &reply.body["errors"][0];
            // What is wrong with the request is told first.
            if reply.status != 501 {
                assert_eq!(
                    reply.status,
                    if operation.unversioned { 400 } else { 422 },
                    "{told}"
                );
                continue;
            }
            assert_eq!(error["code"], "not_implemented", "{told}");
            let named = error["long_message"]
                .as_str()
                .unwrap()
                .contains(operation.id);
            assert!(named, "{told}");
            continue;
        }
        implemented += 1;
        // Nobody has passkeys, external accounts or trusted devices here; a code is attempted before it is prepared.
        let none = path.contains("none_1") || operation.id.starts_with("Attempt");
        if none {
            assert_eq!(
                (reply.status, &reply.body["errors"][0]["code"]),
                (404, &json!("resource_not_found")),
                "{told}"
            );
            continue;
        }
        let created = operation.id == "createApiKey";
        let status = if created { 201 } else { operation.status };
        assert_eq!(reply.status, status, "{told}");
        well_formed(operation, &reply, &told);
    }
    assert_eq!(implemented, 156);
}

fn well_formed(operation: &Operation, reply: &Reply, told: &str) {
    let of = |value: &Value| {
        let kind = Type::parse(operation.response.unwrap());
        if let Some(flaw) = flaw("answer", &kind, value) {
            panic!("{flaw}: {told}");
        }
    };
    match operation.shape {
        Shape::Object => of(&reply.body),
        Shape::Array => reply.body.as_array().expect(told).iter().for_each(of),
        Shape::Page => {
            assert!(reply.body["total_count"].is_u64(), "{told}");
            let items = &reply.body[operation.items.unwrap()];
            items.as_array().expect(told).iter().for_each(of);
        }
        Shape::Empty => assert_eq!(reply.text, "", "{told}"),
        Shape::Text => {}
    }
}

#[tokio::test]
async fn nobody_without_the_right_key_learns_anything() {
    let desk = Desk::open();
    let machine = desk.issuer.machine_secret_key("mch_one").unwrap();
    let secret = desk.issuer.secret_key();
    for (path, key, status, code) in [
        ("/v1/users", None, 401, "authentication_invalid"),
        ("/v1/users", Some("sk_test_wrong"), 401, "clerk_key_invalid"),
        (
            "/v1/users",
            Some(machine.as_str()),
            401,
            "authentication_invalid",
        ),
        (
            "/v1/users/user_none",
            Some("sk_test_wrong"),
            401,
            "clerk_key_invalid",
        ),
        ("/v1/nothing", None, 404, "resource_not_found"),
        ("/v1/users", Some(secret), 200, ""),
        (
            "/m2m_tokens?subject=mch_one",
            Some(machine.as_str()),
            200,
            "",
        ),
        (
            "/m2m_tokens?subject=mch_two",
            Some(machine.as_str()),
            403,
            "authorization_invalid",
        ),
    ] {
        let request = desk.request("GET", path);
        let request = match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        };
        let reply = Desk::sent(request).await;
        let told = reply.body["errors"][0]["code"].as_str().unwrap_or_default();
        assert_eq!((reply.status, told), (status, code), "{path} {key:?}");
    }
    let create = desk
        .request("POST", "/m2m_tokens")
        .bearer_auth(secret)
        .body("{}");
    assert_eq!(Desk::sent(create).await.status, 401);
}

#[tokio::test]
async fn parameters_are_what_the_table_says_and_all_that_is_wrong_is_told() {
    let desk = Desk::open();
    for (method, path, body, status, told) in [
        (
            "POST",
            "/users",
            json!({"frist_name": "Ada"}),
            422,
            "form_param_unknown frist_name",
        ),
        (
            "POST",
            "/users",
            json!({"first_name": 7}),
            422,
            "form_param_type_invalid first_name",
        ),
        (
            "POST",
            "/users",
            json!({"email_address": "ada@example.com"}),
            422,
            "form_param_type_invalid email_address",
        ),
        (
            "POST",
            "/users",
            json!({"email_address": ["nobody"]}),
            422,
            "form_param_format_invalid email_address",
        ),
        (
            "POST",
            "/users",
            json!({"password": "short"}),
            422,
            "form_password_length_too_short password",
        ),
        (
            "POST",
            "/users",
            json!({"created_at": "soon"}),
            422,
            "form_param_format_invalid created_at",
        ),
        (
            "POST",
            "/organizations",
            json!({}),
            422,
            "form_param_missing name",
        ),
        (
            "POST",
            "/organizations",
            json!([]),
            400,
            "request_body_invalid",
        ),
        (
            "POST",
            "/sessions",
            json!({"user_id": "user_none"}),
            404,
            "resource_not_found",
        ),
        (
            "POST",
            "/actor_tokens",
            json!({"user_id": "user_1", "actor": {}}),
            422,
            "form_param_missing actor.sub",
        ),
        (
            "GET",
            "/users?limit=0",
            Value::Null,
            422,
            "form_param_value_invalid limit",
        ),
        (
            "GET",
            "/users?limit=501",
            Value::Null,
            422,
            "form_param_value_invalid limit",
        ),
        (
            "GET",
            "/users?limit=ten",
            Value::Null,
            422,
            "form_param_type_invalid limit",
        ),
        (
            "GET",
            "/users?limt=5",
            Value::Null,
            422,
            "form_param_unknown limt",
        ),
        (
            "GET",
            "/users?order_by=shoe_size",
            Value::Null,
            422,
            "form_param_value_invalid order_by",
        ),
        (
            "GET",
            "/sessions?status=sleepy",
            Value::Null,
            422,
            "form_param_value_invalid status",
        ),
        (
            "GET",
            "/users/user_none",
            Value::Null,
            404,
            "resource_not_found",
        ),
        (
            "POST",
            "/api_keys",
            json!({"name": "x"}),
            400,
            "bad_request",
        ),
        ("DELETE", "/users", Value::Null, 404, "resource_not_found"),
    ] {
        let found = desk.refused(method, path, body.clone()).await;
        assert_eq!(found, (status, told.to_owned()), "{method} {path} {body}");
    }
    let several = json!({"name": 1, "slug": 2, "colour": "red"});
    let reply = desk.ask("POST", "/organizations", several).await;
    assert_eq!(
        reply.body["errors"].as_array().unwrap().len(),
        3,
        "{}",
        reply.text
    );
    assert!(reply.body["clerk_trace_id"].is_string());
    let broken = desk
        .request("POST", "/v1/users")
        .bearer_auth(desk.issuer.secret_key());
    let reply = Desk::sent(broken.body("{\"first_name\": ")).await;
    assert_eq!(
        (reply.status, &reply.body["errors"][0]["code"]),
        (400, &json!("request_body_invalid"))
    );
    let proxied = desk.ask("GET", "/api_keys", Value::Null).await;
    assert!(proxied.body.get("clerk_trace_id").is_none());
    assert!(proxied.body["errors"][0].get("meta").is_none());
}

#[tokio::test]
async fn faults_and_limits_strike_here_too() {
    let desk = Desk::of(DevIssuer::builder().rate_limit(3));
    for _ in 0..3 {
        desk.done("GET", "/users", Value::Null).await;
    }
    let reply = desk.ask("GET", "/users", Value::Null).await;
    assert_eq!(
        (reply.status, &reply.body["errors"][0]["code"]),
        (429, &json!("too_many_requests"))
    );
    let wait: u64 = reply.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=10).contains(&wait));

    desk.issuer.reset();
    desk.issuer
        .set_fault_at(crate::Endpoint::BackendApi, Fault::TooManyRequests(7));
    let reply = desk.ask("POST", "/users", json!({})).await;
    assert_eq!(
        (reply.status, reply.headers["retry-after"].to_str().unwrap()),
        (429, "7")
    );
    assert_eq!(reply.body["errors"][0]["code"], "too_many_requests");
    desk.issuer
        .set_fault_at(crate::Endpoint::BackendApi, Fault::Refuse);
    let secret = desk.issuer.secret_key();
    assert!(
        desk.request("POST", "/v1/users")
            .bearer_auth(secret)
            .send()
            .await
            .is_err()
    );
    desk.issuer.set_fault(Fault::None);
    // What was refused was not done.
    assert_eq!(
        desk.done("GET", "/users/count", Value::Null).await["total_count"],
        0
    );
    assert_eq!(desk.issuer.requests(crate::Endpoint::BackendApi), 3);
}
