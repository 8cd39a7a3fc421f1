//! The client of the Backend API and the local issuer, each made from the table, understand each other.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::collections::BTreeMap;
use std::sync::Arc;

use doorward_clerk::table::{Auth, Kind, Shape, Type};
use doorward_clerk::{
    Arguments, CallOptions, Clerk, ClerkConfig, ErrorKind, List, Operation, Table, Upload,
};
use doorward_core::Secret;
use doorward_issuer::{DevIssuer, Served, SigningAlgorithm};
use serde_json::{Map, Value, json};

fn served() -> (Arc<DevIssuer>, Served, Clerk) {
    let issuer = DevIssuer::builder().algorithms(&[SigningAlgorithm::ES256]);
    let issuer = Arc::new(issuer.build().unwrap());
    let served = issuer.serve("127.0.0.1:0".parse().unwrap()).unwrap();
    let clerk = Clerk::with_config(ClerkConfig {
        secret_key: Some(Secret::new(issuer.secret_key())),
        machine_secret_key: Some(Secret::new("ak_nobody")),
        base_url: format!("{}/v1", served.url()),
        ..ClerkConfig::default()
    });
    (issuer, served, clerk.unwrap())
}

/// Most of what is asked for is there, the rest fits nothing. Whatever is said to it is an answer that can be read: a success
/// in its documented shape, or a refusal with a code.
#[tokio::test]
async fn every_operation_goes_there_and_back() {
    let (issuer, _served, clerk) = served();
    let mut told: BTreeMap<u16, u32> = BTreeMap::new();
    for operation in &Table::get().operations {
        let id = operation.id;
        issuer.reset();
        issuer.seed(SEED).unwrap();
        let options = CallOptions::default();
        let answer = clerk.call(operation, arguments(operation), &options);
        let status = match answer.await {
            Ok(answer) => {
                match operation.shape {
                    Shape::Text => {}
                    Shape::Empty => assert!(answer.bytes().is_empty(), "{id}"),
                    Shape::Object => assert!(answer.json().unwrap().is_object(), "{id}"),
                    Shape::Array | Shape::Page => {
                        let list = List::read(Some(operation), answer.json().unwrap());
                        let counted = operation.shape == Shape::Page;
                        assert_eq!(list.total_count.is_some(), counted, "{id}");
                        let rest = list.rest.as_object().map_or(0, Map::len);
                        assert_eq!(rest, usize::from(counted), "{id}: {:?}", list.rest);
                    }
                }
                operation.status
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Refused, "{id}: {error}");
                assert!(error.code().is_some_and(|code| !code.is_empty()), "{id}");
                let status = error.status().unwrap();
                assert!(
                    [400, 401, 403, 404, 409, 422, 501].contains(&status),
                    "{id}: {error}"
                );
                if status == 501 {
                    assert!(error.to_string().contains(id), "{id}: {error}");
                }
                if operation.auth == Auth::Machine {
                    assert_eq!(status, 401, "{id}: nobody's key");
                }
                status
            }
        };
        *told.entry(status).or_default() += 1;
    }
    assert_eq!(told.values().sum::<u32>(), 249);
    assert!(told[&200] > 90 && told[&501] < 100, "{told:?}");
}

/// The calls of the guides, in types.
#[tokio::test]
async fn what_is_made_is_found_in_types() {
    let (_issuer, _served, clerk) = served();
    let ada = clerk
        .users()
        .create()
        .email_address(["ada@example.com"])
        .first_name("Ada")
        .password("correct horse battery");
    let ada = ada.send().await.unwrap();
    assert_eq!(ada.primary_email_address(), Some("ada@example.com"));
    let id = ada.id().unwrap();
    let organization = clerk.organizations().create().name("Acme").created_by(id);
    let organization = organization.send().await.unwrap();
    let memberships = clerk.users().get_organization_memberships(id);
    let memberships = memberships.send().await.unwrap();
    assert_eq!((memberships.len(), memberships.total_count), (1, Some(1)));
    let of = memberships[0].organization().unwrap();
    assert_eq!(of.id(), organization.id());
    let session = clerk.sessions().create().user_id(id).send().await.unwrap();
    assert_eq!(session.status(), Some("active"));
    let session = clerk.sessions().revoke(session.id().unwrap());
    assert_eq!(session.send().await.unwrap().status(), Some("revoked"));
    let token = clerk.actor_tokens().create().user_id(id);
    let token = token.actor(json!({ "sub": "user_other" }));
    let token = token.send().await.unwrap();
    assert!(token.url().is_some() && token.token().is_some());
    let taken = clerk.users().create().email_address(["ada@example.com"]);
    let error = taken.send().await.unwrap_err();
    assert_eq!(error.code(), Some("form_identifier_exists"));
    assert_eq!(
        error.errors()[0].param_name.as_deref(),
        Some("email_address")
    );
    assert!(error.trace_id().is_some());
    let machine = clerk.machines().create().name("reports");
    let machine = machine.send().await.unwrap();
    let key = Secret::new(machine.secret_key().unwrap());
    let token = clerk.m2m().create().secret_key(key).send().await.unwrap();
    let verify = clerk.m2m().verify().token(token.token().unwrap());
    let now = doorward_core::Timestamp::from_millis(token.created_at().unwrap().as_millis());
    let verified = verify.send().await.unwrap().verified(now).unwrap();
    assert_eq!(Some(verified.subject.as_str()), machine.id());
}

fn arguments(operation: &Operation) -> Arguments {
    let mut arguments = Arguments::new();
    for parameter in &operation.parameters {
        let kind = parameter.kind();
        arguments = match kind.kind {
            Kind::File => arguments.file(
                parameter.name,
                Upload {
                    file_name: "a.png".to_owned(),
                    content_type: "image/png".to_owned(),
                    bytes: b"\x89PNG\r\n\x1a\n".to_vec(),
                },
            ),
            _ if parameter.required => {
                let known = IDS.iter().find(|(name, _)| *name == parameter.name);
                let value = known.map_or_else(|| sample(&kind), |(_, id)| json!(id));
                arguments.set(parameter.name, value)
            }
            _ => arguments,
        };
    }
    arguments
}

fn sample(kind: &Type) -> Value {
    match &kind.kind {
        Kind::Integer | Kind::Number => json!(3),
        Kind::Time => json!(1_772_000_000_123_i64),
        Kind::Boolean => json!(false),
        Kind::OneOf(words) => json!(words[0]),
        Kind::List(inner) => json!([sample(inner)]),
        Kind::Object | Kind::Map(_) => json!({}),
        Kind::Named(name) => {
            let fields = Table::get().fields(name).unwrap().iter();
            let required = fields.filter(|(name, _)| !name.ends_with('?'));
            let fields =
                required.map(|(name, kind)| ((*name).to_owned(), sample(&Type::parse(kind))));
            Value::Object(fields.collect())
        }
        _ => json!("x_1"),
    }
}

const SEED: &str = "
organization_permissions: [{id: perm_x, name: x, key: 'org:x:y'}]
organization_roles: [{id: role_x, name: x, key: 'org:x'}]
users: [{id: user_x, password: correct horse battery}]
email_addresses: [{id: idn_mail, user_id: user_x, email_address: x@example.com}]
phone_numbers: [{id: idn_phone, user_id: user_x, phone_number: '+15555550100'}]
organizations: [{id: org_x, name: x, created_by: user_x}]
invitations: [{id: inv_x, email_address: y@example.com}]
sessions: [{id: sess_x, user_id: user_x}]
machines: [{id: mch_x, name: x}, {id: mch_y, name: other}]
api_keys: [{id: ak_x, name: some, subject: user_x}]
oauth_applications: [{id: oauthapp_x, name: x, redirect_uris: ['https://x.example.com/callback']}]
jwt_templates: [{id: jtmp_x, name: x, claims: {}}]
redirect_urls: [{id: ru_x, url: 'https://x.example.com/'}]
";

/// What of the seed a parameter names.
const IDS: [(&str, &str); 17] = [
    ("user_id", "user_x"),
    ("email_address_id", "idn_mail"),
    ("phone_number_id", "idn_phone"),
    ("email_address", "new@example.com"),
    ("organization_id", "org_x"),
    ("organization_role_id", "role_x"),
    ("permission_id", "perm_x"),
    ("session_id", "sess_x"),
    ("invitation_id", "inv_x"),
    ("machine_id", "mch_x"),
    ("to_machine_id", "mch_y"),
    ("other_machine_id", "mch_y"),
    ("api_key_id", "ak_x"),
    ("subject", "user_x"),
    ("oauth_application_id", "oauthapp_x"),
    ("template_id", "jtmp_x"),
    ("id", "ru_x"),
];
