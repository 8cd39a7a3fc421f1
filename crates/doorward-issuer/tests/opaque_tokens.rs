//! Opaque tokens over HTTP: minted, verified, introspected, revoked, and everything that may go wrong on the way.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use doorward_issuer::{
    Client, ClientAuthentication, Defect, DevIssuer, Endpoint, Fault, Kind, LogoutError, Mint,
    Revocation, Served, SigningAlgorithm, SigningKey,
};
use serde_json::{Value, json};

const NOW: i64 = 1_800_000_000;

struct Desk {
    issuer: Arc<DevIssuer>,
    served: Served,
    time: Arc<AtomicI64>,
}

impl Desk {
    fn new() -> Self {
        let time = Arc::new(AtomicI64::new(NOW));
        let told = Arc::clone(&time);
        let issuer = DevIssuer::builder()
            .algorithms(&[SigningAlgorithm::ES256])
            .secret_key("sk_test_desk")
            .clock(move || told.load(Ordering::Relaxed))
            .build()
            .unwrap();
        let issuer = Arc::new(issuer);
        let served = issuer.serve("127.0.0.1:0".parse().unwrap()).unwrap();
        Self {
            issuer,
            served,
            time,
        }
    }

    fn mint(&self, mint: &Mint) -> String {
        self.issuer.mint(mint).unwrap()
    }

    fn try_ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Option<Answer> {
        let address = self.served.url().strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let length = body.len();
        // HTTP/1.0: the end of the body is the end of the connection.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut bytes = Vec::new();
        // A cut connection may also be reset.
        let _ = stream.read_to_end(&mut bytes);
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        Some(Answer {
            status: head[9..12].parse().unwrap(),
            head: head.to_ascii_lowercase(),
            body: bytes[end + 4..].to_vec(),
        })
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        self.try_ask(method, path, headers, body).unwrap()
    }

    fn send(&self, path: &str, body: &Value) -> Answer {
        let json = "content-type: application/json\r\n";
        self.ask("POST", path, json, &body.to_string())
    }

    fn verify(&self, path: &str, body: &Value) -> Answer {
        self.verify_as("sk_test_desk", path, body)
    }

    fn verify_as(&self, key: &str, path: &str, body: &Value) -> Answer {
        let headers = format!(
            "content-type: application/json\r\nauthorization: Bearer {key}\r\nclerk-api-version: 2026-05-12\r\n"
        );
        self.ask("POST", path, &headers, &body.to_string())
    }

    fn post(&self, path: &str, headers: &str, form: &str) -> Answer {
        let headers = format!("content-type: application/x-www-form-urlencoded\r\n{headers}");
        self.ask("POST", path, &headers, form)
    }

    fn basic(&self) -> String {
        let client = self.issuer.client();
        basic(&client.client_id, client.client_secret.as_ref().unwrap())
    }

    fn introspect(&self, token: &str) -> Value {
        let answer = self.post(
            "/oauth/introspect",
            &self.basic(),
            &format!("token={token}"),
        );
        assert_eq!(answer.status, 200);
        answer.json()
    }

    fn userinfo(&self, token: &str) -> Answer {
        let headers = format!("authorization: Bearer {token}\r\n");
        self.ask("GET", "/oauth/userinfo", &headers, "")
    }

    fn fault(&self, fault: &Value) {
        assert_eq!(self.send("/dev/fault", fault).status, 200, "{fault}");
    }
}

struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }
}

fn basic(name: &str, secret: &str) -> String {
    let credentials = base64_simd::STANDARD.encode_to_string(format!("{name}:{secret}"));
    format!("authorization: Basic {credentials}\r\n")
}

fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).unwrap();
    serde_json::from_slice(&base64_simd::URL_SAFE_NO_PAD.decode_to_vec(part).unwrap()).unwrap()
}

fn as_kind(kind: Kind, mint: &Mint) -> Mint {
    let mut mint = mint.clone();
    mint.kind = kind;
    mint
}

const VERIFY: [(Kind, &str, &str, &str); 3] = [
    (Kind::ApiKey, "/api_keys/verify", "secret", "api_key"),
    (
        Kind::OauthOpaque,
        "/oauth_applications/access_tokens/verify",
        "access_token",
        "clerk_idp_oauth_access_token",
    ),
    (
        Kind::M2mOpaque,
        "/m2m_tokens/verify",
        "token",
        "machine_to_machine_token",
    ),
];

#[test]
fn every_kind_is_verified_with_and_without_a_version_in_the_path() {
    let desk = Desk::new();
    for (kind, path, word, object) in VERIFY {
        let spec = json!({"kind": kind.as_str(), "scopes": ["a"], "claims": {"team": "blue"}});
        let token = desk.send("/dev/mint", &spec).json()["token"].clone();
        for path in [path.to_owned(), format!("/v1{path}")] {
            for word in [word, "secret"] {
                let answer = desk.verify(&path, &json!({word: token}));
                assert_eq!(answer.status, 200, "{path} {word}");
                assert!(answer.head.contains("content-type: application/json"));
                assert!(answer.head.contains("cache-control: no-store"));
                let told = answer.json();
                assert_eq!(
                    (&told["object"], &told["scopes"]),
                    (&json!(object), &json!(["a"]))
                );
            }
        }
        let mut here = desk.issuer.verify_opaque(token.as_str().unwrap()).unwrap();
        let mut there = desk.verify(path, &json!({word: token})).json();
        here["last_used_at"].take();
        there["last_used_at"].take();
        assert_eq!(here, there);
    }
}

#[test]
fn a_wrong_key_is_401_and_a_stranger_learns_nothing() {
    let desk = Desk::new();
    for (kind, path, word, _) in VERIFY {
        let token = desk.mint(&Mint::kind(kind).scopes(["mch_b"]));
        for (key, code) in [
            ("sk_test_other", "clerk_key_invalid"),
            ("sk_live_desk", "clerk_key_invalid"),
            ("ak_nobody", "clerk_key_invalid"),
            (" ", "authentication_invalid"),
        ] {
            for body in [json!({word: token}), json!({}), json!("")] {
                let answer = desk.verify_as(key, path, &body);
                assert_eq!(answer.status, 401);
                let errors = answer.json();
                assert_eq!(errors["errors"][0]["code"], code);
                assert!(errors["errors"][0]["long_message"].is_string());
            }
        }
        let machine = desk.issuer.machine_secret_key("mch_b").unwrap();
        let status = if kind == Kind::M2mOpaque { 200 } else { 401 };
        let answer = desk.verify_as(&machine, path, &json!({word: token}));
        assert_eq!(answer.status, status);
    }
}

#[test]
fn a_machine_verifies_the_tokens_that_are_for_it() {
    let desk = Desk::new();
    let told = desk
        .send("/dev/machines", &json!({"machine_id": "mch_b"}))
        .json();
    let key = told["secret_key"].as_str().unwrap();
    assert!(key.starts_with("ak_"));
    assert_eq!(desk.issuer.machine_secret_key("mch_b").unwrap(), key);
    let ask = |token: String| {
        desk.verify_as(key, "/m2m_tokens/verify", &json!({"token": token}))
            .status
    };
    assert_eq!(
        ask(desk.mint(&Mint::kind(Kind::M2mOpaque).scopes(["mch_b"]))),
        200
    );
    assert_eq!(
        ask(desk.mint(&Mint::kind(Kind::M2mOpaque).scopes(["mch_c"]))),
        404
    );
    assert_eq!(ask(desk.mint(&Mint::kind(Kind::M2mOpaque))), 404);
    let legacy = Mint::kind(Kind::M2mOpaque).scopes(["mch_b"]).prefix("m2m_");
    assert_eq!(ask(desk.mint(&legacy)), 200);
}

#[test]
fn what_is_malformed_is_400_and_what_is_not_good_is_404() {
    let desk = Desk::new();
    for (kind, path, word, _) in VERIFY {
        for body in [json!({}), json!([]), json!({word: 7}), json!({word: ""})] {
            let answer = desk.verify(path, &body);
            assert_eq!(answer.status, 400, "{path} {body}");
            assert_eq!(answer.json()["errors"][0]["code"], "bad_request");
        }
        let mint = Mint::kind(kind);
        let extra = desk.verify(path, &json!({word: desk.mint(&mint), "more": 1}));
        assert_eq!(extra.status == 400, kind != Kind::OauthOpaque);
        for token in [
            "unknown".to_owned(),
            desk.mint(&mint.clone().defect(Defect::Expired)),
            desk.mint(&mint.clone().defect(Defect::Revoked)),
            desk.mint(&mint.clone().defect(Defect::WrongKey)),
            desk.mint(&mint.clone().defect(Defect::BadSignature)),
            desk.mint(&mint.clone().defect(Defect::Truncated)),
            desk.mint(&mint.clone().defect(Defect::Junk)),
            desk.mint(&Mint::kind(Kind::Opaque)),
            desk.mint(&Mint::default()),
        ] {
            let answer = desk.verify(path, &json!({word: token}));
            assert_eq!(answer.status, 404, "{path} {token}");
            let error = &answer.json()["errors"][0];
            assert_eq!(error["code"], "resource_not_found");
            assert!(answer.json().get("meta").is_none());
        }
    }
    // Kinds never mix.
    for (kind, ..) in VERIFY {
        let token = desk.mint(&Mint::kind(kind));
        for (other, path, word, _) in VERIFY {
            let status = if kind == other { 200 } else { 404 };
            assert_eq!(desk.verify(path, &json!({word: token})).status, status);
        }
    }
    assert_eq!(desk.ask("GET", "/v1/api_keys/verify", "", "").status, 405);
    let malformed = desk.ask(
        "POST",
        "/api_keys/verify",
        "authorization: Bearer sk_test_desk\r\n",
        "secret=ak_x",
    );
    assert_eq!(malformed.status, 400);
}

#[test]
fn tokens_run_out_with_the_issuers_clock_and_api_keys_may_last() {
    let desk = Desk::new();
    let status = |token: &str| {
        desk.verify("/api_keys/verify", &json!({"secret": token}))
            .status
    };
    let brief = desk.mint(&Mint::kind(Kind::ApiKey).ttl(60));
    let lasting = desk.mint(&Mint::kind(Kind::ApiKey));
    assert_eq!((status(&brief), status(&lasting)), (200, 200));
    desk.time.fetch_add(60, Ordering::Relaxed);
    assert_eq!((status(&brief), status(&lasting)), (404, 200));
    desk.time.fetch_add(400 * 24 * 3600, Ordering::Relaxed);
    assert_eq!(status(&lasting), 200);
    let endless = desk.mint(&Mint::kind(Kind::Opaque).without("exp"));
    desk.time.fetch_add(400 * 24 * 3600, Ordering::Relaxed);
    assert_eq!(desk.introspect(&endless).get("exp"), None);
    assert_eq!(desk.introspect(&endless)["active"], true);
}

#[test]
fn the_oauth_endpoint_reads_jwts_and_says_inactive_of_those_that_ran_out() {
    let desk = Desk::new();
    let path = "/oauth_applications/access_tokens/verify";
    let ask = |token: &str| desk.verify(path, &json!({"access_token": token}));
    let mint = Mint::kind(Kind::Oauth).scopes(["a"]).claim("jti", "oat_1");
    let token = desk.mint(&mint);
    assert_eq!(
        ask(&token).json(),
        json!({
            "object": "clerk_idp_oauth_access_token", "id": "oat_1", "client_id": Mint::CLIENT,
            "subject": Mint::USER, "scopes": ["a"], "revoked": false, "revocation_reason": null,
            "expired": false, "expiration": (NOW + 3600) * 1000, "created_at": NOW * 1000,
            "updated_at": NOW * 1000,
        })
    );
    for defect in [Defect::Expired, Defect::Revoked] {
        let gone = ask(&desk.mint(&mint.clone().defect(defect)));
        assert_eq!((gone.status, gone.json()), (200, json!({"active": false})));
    }
    for defect in [
        Defect::WrongKey,
        Defect::AlgNone,
        Defect::HmacWithPublicKey,
        Defect::WrongIss,
    ] {
        assert_eq!(
            ask(&desk.mint(&mint.clone().defect(defect))).status,
            404,
            "{defect}"
        );
    }
}

#[test]
fn introspection_tells_a_client_all_about_an_access_token() {
    let desk = Desk::new();
    let mint = Mint::kind(Kind::Opaque)
        .sub("ada")
        .scopes(["a", "b"])
        .aud("https://api.test")
        .claim("username", "ada")
        .claim("jti", "1");
    let expected = json!({
        "active": true, "token_type": "Bearer", "iss": desk.served.url(), "sub": "ada",
        "aud": "https://api.test", "client_id": Mint::CLIENT, "scope": "a b", "username": "ada",
        "jti": "1", "iat": NOW, "nbf": NOW - 10, "exp": NOW + 3600,
    });
    let opaque = desk.mint(&mint);
    assert_eq!(desk.introspect(&opaque), expected);
    assert_eq!(desk.issuer.introspect(&opaque), expected);
    let told = desk.introspect(&desk.mint(&as_kind(Kind::Oauth, &mint)));
    assert_eq!(
        (&told["active"], &told["sub"], &told["scp"]),
        (&json!(true), &json!("ada"), &json!(["a", "b"]))
    );
    assert_eq!(
        desk.introspect(&desk.mint(&as_kind(Kind::Oidc, &mint)))["active"],
        true
    );
    assert_eq!(
        desk.introspect(&desk.mint(&as_kind(Kind::OauthOpaque, &mint))),
        expected
    );
    let bound = desk.mint(&mint.clone().claim("cnf", json!({"jkt": "x"})));
    assert_eq!(desk.introspect(&bound)["token_type"], "DPoP");

    let inactive = json!({"active": false});
    for kind in [
        Kind::ApiKey,
        Kind::M2mOpaque,
        Kind::M2m,
        Kind::Session,
        Kind::Template,
        Kind::Logout,
    ] {
        assert_eq!(
            desk.introspect(&desk.mint(&Mint::kind(kind))),
            inactive,
            "{}",
            kind.as_str()
        );
    }
    for kind in [Kind::Opaque, Kind::Oauth] {
        for defect in [
            Defect::Expired,
            Defect::NotYetValid,
            Defect::Revoked,
            Defect::WrongKey,
            Defect::BadSignature,
            Defect::Truncated,
            Defect::Junk,
        ] {
            let token = desk.mint(&as_kind(kind, &mint).defect(defect));
            assert_eq!(
                desk.introspect(&token),
                inactive,
                "{} {defect}",
                kind.as_str()
            );
        }
    }
    assert_eq!(desk.introspect("unknown"), inactive);
}

#[test]
fn clerks_token_info_tells_less() {
    let desk = Desk::new();
    let mint = Mint::kind(Kind::OauthOpaque)
        .scopes(["a"])
        .claim("org_id", "org_1");
    let ask = |token: &str| {
        let form = format!("token={token}&token_type_hint=access_token");
        desk.post("/oauth/token_info", &desk.basic(), &form).json()
    };
    assert_eq!(
        ask(&desk.mint(&mint)),
        json!({
            "active": true, "client_id": Mint::CLIENT, "iat": NOW, "scope": "a", "sub": Mint::USER,
            "org_id": "org_1",
        })
    );
    assert_eq!(ask("x"), json!({"active": false}));
}

#[test]
fn introspection_wants_to_know_who_asks() {
    let desk = Desk::new();
    let token = desk.mint(&Mint::kind(Kind::Opaque));
    let form = format!("token={token}&token_type_hint=any");
    let secret = desk.issuer.client().client_secret.clone().unwrap();
    let ask = |headers: &str, form: &str| desk.post("/oauth/introspect", headers, form);
    assert_eq!(ask(&desk.basic(), &form).status, 200);
    let posted = format!("{form}&client_id={}&client_secret={secret}", Mint::CLIENT);
    assert_eq!(ask("", &posted).status, 200);
    let refused = ask("", &form);
    assert_eq!(
        (refused.status, refused.json()["error"].clone()),
        (401, json!("invalid_client"))
    );
    assert!(refused.head.contains("www-authenticate: basic"));
    assert_eq!(ask(&basic(Mint::CLIENT, "wrong"), &form).status, 401);
    for (headers, form) in [
        (desk.basic(), posted.as_str()),
        (desk.basic(), ""),
        (desk.basic(), "token="),
        (desk.basic(), "token=a&token=b"),
    ] {
        let refused = ask(&headers, form);
        assert_eq!(
            (refused.status, refused.json()["error"].clone()),
            (400, json!("invalid_request"))
        );
    }
    let headers = format!("content-type: application/json\r\n{}", desk.basic());
    let json = json!({"token": token}).to_string();
    assert_eq!(
        desk.ask("POST", "/oauth/introspect", &headers, &json)
            .status,
        400
    );

    let anonymous = json!({"client_id": "", "token_endpoint_auth_method": "none"});
    assert_eq!(desk.send("/dev/clients", &anonymous).status, 200);
    assert_eq!(ask("", &form).json()["active"], true);
    assert_eq!(ask(&basic(Mint::CLIENT, "wrong"), &form).status, 401);
}

#[test]
fn clients_register_and_authenticate_in_their_way() {
    let desk = Desk::new();
    let form = format!("token={}", desk.mint(&Mint::kind(Kind::Opaque)));
    let made = desk
        .send("/dev/clients", &json!({"client_id": "a b"}))
        .json();
    let secret = made["client_secret"].as_str().unwrap();
    assert_eq!(
        desk.post("/oauth/introspect", &basic("a+b", secret), &form)
            .status,
        200
    );

    let given = desk
        .issuer
        .register(Client::with_secret("c", "s:%+"))
        .unwrap();
    assert_eq!(given.client_secret.as_deref(), Some("s:%+"));
    assert_eq!(
        desk.post("/oauth/introspect", &basic("c", "s%3A%25%2B"), &form)
            .status,
        200
    );
    assert_eq!(
        desk.post("/oauth/introspect", &basic("c", "s:%+"), &form)
            .status,
        401
    );

    let key = SigningKey::generate(SigningAlgorithm::EdDSA).unwrap();
    let client = json!({
        "client_id": "signer", "token_endpoint_auth_method": "private_key_jwt", "jwks": {"keys": [key.jwk()]},
    });
    assert!(
        desk.send("/dev/clients", &client)
            .json()
            .get("client_secret")
            .is_none()
    );
    let assertion = |aud: &str, jti: &str| {
        let claims =
            json!({"iss": "signer", "sub": "signer", "aud": aud, "exp": NOW + 60, "jti": jti});
        let encode =
            |value: Value| base64_simd::URL_SAFE_NO_PAD.encode_to_string(value.to_string());
        let signed = format!("{}.{}", encode(json!({"alg": "EdDSA"})), encode(claims));
        let signature = key.sign(signed.as_bytes()).unwrap();
        let signature = base64_simd::URL_SAFE_NO_PAD.encode_to_string(signature);
        let kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        format!("{form}&client_assertion_type={kind}&client_assertion={signed}.{signature}")
    };
    let url = desk.served.url();
    let ask = |form: &str| desk.post("/oauth/introspect", "", form).status;
    for (jti, aud) in [url.to_owned(), format!("{url}/oauth/introspect")]
        .iter()
        .enumerate()
    {
        assert_eq!(ask(&assertion(aud, &jti.to_string())), 200);
        assert_eq!(ask(&assertion(aud, &jti.to_string())), 401, "used before");
    }
    assert_eq!(ask(&assertion("https://elsewhere.test", "x")), 401);
    assert_eq!(ask(&assertion(&format!("{url}/oauth/revoke"), "y")), 401);

    for mistake in [
        json!({}),
        json!({"client_id": "x", "method": "none"}),
        json!({"client_id": "x", "token_endpoint_auth_method": "client_secret_jwt"}),
    ] {
        assert_eq!(desk.send("/dev/clients", &mistake).status, 422, "{mistake}");
    }
}

#[test]
fn an_answer_is_signed_for_whoever_asks_so() {
    let desk = Desk::new();
    let token = desk.mint(&Mint::kind(Kind::Opaque));
    let form = format!("token={token}");
    let accept = "accept: application/json;q=0.5, Application/token-introspection+jwt\r\n";
    let headers = format!("{}{accept}", desk.basic());
    let signed = desk.post("/oauth/introspect", &headers, &form);
    assert!(
        signed
            .head
            .contains("content-type: application/token-introspection+jwt")
    );
    let jwt = signed.text();
    let kid = &desk.issuer.kids()[0];
    assert_eq!(
        part(&jwt, 0),
        json!({"alg": "ES256", "kid": kid, "typ": "token-introspection+jwt"})
    );
    let claims = json!({
        "iss": desk.served.url(), "aud": Mint::CLIENT, "iat": NOW,
        "token_introspection": desk.issuer.introspect(&token),
    });
    assert_eq!(part(&jwt, 1), claims);
    assert!(verifies(&desk.issuer, &jwt));
    // It is signed by the issuer's key, and is no access token for all that.
    assert_eq!(desk.introspect(&jwt), json!({"active": false}));
    assert_eq!(desk.userinfo(&jwt).status, 401);

    desk.fault(&json!({"kind": "forged", "endpoint": "introspect"}));
    let forged = desk.post("/oauth/introspect", &headers, &form).text();
    assert_eq!(part(&forged, 1), claims);
    assert!(!verifies(&desk.issuer, &forged));
    desk.fault(&json!({"kind": "none"}));

    desk.issuer.register(Client::anonymous()).unwrap();
    assert_eq!(desk.post("/oauth/introspect", accept, &form).status, 401);
    let plain = desk.post("/oauth/token_info", &headers, &form);
    assert!(plain.head.contains("content-type: application/json"));
}

fn verifies(issuer: &DevIssuer, jwt: &str) -> bool {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    let pem = issuer.public_pem();
    let der: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64_simd::STANDARD.decode_to_vec(der).unwrap();
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let signature = base64_simd::URL_SAFE_NO_PAD
        .decode_to_vec(signature)
        .unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, der)
        .verify(signed.as_bytes(), &signature)
        .is_ok()
}

#[test]
fn userinfo_tells_what_the_scopes_ask_for() {
    let desk = Desk::new();
    let mint = Mint::kind(Kind::OauthOpaque)
        .sub("user_ada")
        .claim("email", "ada@a.test")
        .claim("name", "Ada")
        .claim("team", "blue");
    let tell = |mint: &Mint| desk.userinfo(&desk.mint(mint)).json();
    assert_eq!(
        tell(&mint),
        json!({"sub": "user_ada", "email": "ada@a.test", "name": "Ada"})
    );
    assert_eq!(
        tell(&mint.clone().scopes(["openid", "email"])),
        json!({"sub": "user_ada", "email": "ada@a.test"})
    );
    let jwt = as_kind(Kind::Oauth, &mint).scopes(["openid", "profile"]);
    assert_eq!(tell(&jwt), json!({"sub": "user_ada", "name": "Ada"}));

    let narrow = desk.userinfo(&desk.mint(&mint.clone().scopes(["email"])));
    assert_eq!(narrow.status, 403);
    assert!(
        narrow
            .head
            .contains(r#"www-authenticate: bearer error="insufficient_scope", scope="openid""#)
    );
    for token in [
        desk.mint(&mint.clone().defect(Defect::Expired)),
        desk.mint(&Mint::kind(Kind::ApiKey)),
        desk.mint(&Mint::default()),
        "x".to_owned(),
    ] {
        let refused = desk.userinfo(&token);
        assert_eq!(refused.status, 401);
        assert!(
            refused
                .head
                .contains(r#"www-authenticate: bearer error="invalid_token""#)
        );
    }
    let absent = desk.ask("GET", "/oauth/userinfo", "", "");
    assert_eq!(absent.status, 401);
    assert!(absent.head.contains("www-authenticate: bearer\r"));
    let posted = format!("authorization: bearer {}\r\n", desk.mint(&mint));
    assert_eq!(desk.ask("POST", "/oauth/userinfo", &posted, "").status, 200);
    desk.fault(&json!({"kind": "other_subject", "endpoint": "userinfo"}));
    assert_eq!(tell(&mint)["sub"], "user_2doorwardEve");
}

#[test]
fn a_client_revokes_its_own_tokens() {
    let desk = Desk::new();
    let revoke = |path: &str, token: &str| {
        let form = format!("token={token}&token_type_hint=refresh_token");
        desk.post(path, &desk.basic(), &form)
    };
    for kind in [Kind::OauthOpaque, Kind::Opaque, Kind::Oauth] {
        for path in ["/oauth/revoke", "/oauth/token/revoke"] {
            let token = desk.mint(&Mint::kind(kind));
            let other = desk.mint(&Mint::kind(kind));
            assert_eq!(desk.introspect(&token)["active"], true);
            let answer = revoke(path, &token);
            assert_eq!((answer.status, answer.body.len()), (200, 0));
            assert_eq!(desk.introspect(&token), json!({"active": false}));
            assert_eq!(desk.introspect(&other)["active"], true);
            assert_eq!(revoke(path, &token).status, 200);
        }
        let foreign = desk.mint(&Mint::kind(kind).client_id("another"));
        let refused = revoke("/oauth/revoke", &foreign);
        assert_eq!(
            (refused.status, refused.json()["error"].clone()),
            (400, json!("invalid_grant"))
        );
        assert_eq!(desk.introspect(&foreign)["active"], true);
    }
    assert_eq!(revoke("/oauth/revoke", "unknown").status, 200);
    let key = desk.mint(&Mint::kind(Kind::ApiKey));
    assert_eq!(revoke("/oauth/revoke", &key).status, 200);
    assert!(
        desk.issuer.verify_opaque(&key).is_some(),
        "no access token, not theirs to revoke"
    );
    let spared = desk.mint(&Mint::kind(Kind::Opaque));
    desk.fault(&json!({"kind": "down", "endpoint": "revoke"}));
    assert_eq!(revoke("/oauth/revoke", &spared).status, 503);
    desk.fault(&json!({"kind": "none"}));
    assert_eq!(
        desk.introspect(&spared)["active"],
        true,
        "who is down does nothing"
    );
    assert_eq!(desk.post("/oauth/revoke", "", "token=x").status, 401);
    assert_eq!(desk.post("/oauth/revoke", &desk.basic(), "").status, 400);
}

#[test]
fn what_happened_is_forgotten_between_tests() {
    let desk = Desk::new();
    let mint = Mint::kind(Kind::ApiKey).sub("user_ada");
    let token = desk.mint(&mint);
    desk.send("/dev/revoke", &json!({"sub": "user_ada"}));
    desk.fault(&json!({"kind": "down", "endpoint": "verify"}));
    let asked = |token: &str| {
        desk.verify("/api_keys/verify", &json!({ "secret": token }))
            .status
    };
    assert_eq!(asked(&token), 503);
    assert_eq!(desk.ask("DELETE", "/dev/state", "", "").status, 200);
    assert_eq!(desk.issuer.requests(Endpoint::Verify), 0);
    assert_eq!(desk.issuer.request_log(), json!([]));
    assert_eq!(asked(&token), 404);
    assert_eq!(asked(&desk.mint(&mint)), 200);
}

#[test]
fn the_operator_revokes_whatever_shall_be_gone() {
    let desk = Desk::new();
    let mint = Mint::kind(Kind::Opaque)
        .sid("sess_1")
        .sub("ada")
        .client_id("c")
        .claim("jti", "j");
    let other = desk.mint(&Mint::kind(Kind::Opaque).sid("sess_2").sub("bob"));
    for what in [
        json!({"jti": "j"}),
        json!({"sid": "sess_1"}),
        json!({"sub": "ada"}),
        json!({"client_id": "c"}),
    ] {
        let desk = Desk::new();
        let opaque = desk.mint(&mint);
        let jwt = desk.mint(&as_kind(Kind::Oidc, &mint));
        assert_eq!(desk.introspect(&opaque)["active"], true);
        let told = desk.send("/dev/revoke", &what).json();
        assert_eq!(told, json!({"revoked": 1}), "{what}");
        for token in [&opaque, &jwt] {
            assert_eq!(desk.introspect(token), json!({"active": false}), "{what}");
        }
        desk.time.fetch_add(1, Ordering::Relaxed);
        // What is named by its own name is gone for good; a subject or a client may come back.
        let back = what.get("sub").or(what.get("client_id")).is_some();
        for kind in [Kind::Opaque, Kind::Oidc] {
            let again = desk.mint(&as_kind(kind, &mint));
            assert_eq!(desk.introspect(&again)["active"], back, "{what}");
        }
    }
    assert_eq!(desk.introspect(&other)["active"], true);

    let key = desk.mint(&Mint::kind(Kind::ApiKey));
    let told = desk.send("/dev/revoke", &json!({"token": key, "reason": "leaked"}));
    assert_eq!(told.json(), json!({"revoked": 1}));
    assert_eq!(
        desk.verify("/api_keys/verify", &json!({"secret": key}))
            .status,
        404
    );
    let jwt = desk.mint(&Mint::kind(Kind::Oauth).without("jti"));
    assert_eq!(desk.issuer.revoke(&Revocation::Token(jwt.clone()), None), 1);
    assert_eq!(desk.introspect(&jwt), json!({"active": false}));
    for (mistake, status) in [
        (json!({"token": "unknown"}), 404),
        (
            json!({"token": desk.mint(&Mint::defective(Defect::WrongKey))}),
            404,
        ),
        (json!({}), 422),
        (json!({"sub": "a", "sid": "b"}), 422),
        (json!({"sub": "a", "reason": 1}), 422),
        (json!({"user": "a"}), 422),
        (json!([]), 422),
    ] {
        assert_eq!(
            desk.send("/dev/revoke", &mistake).status,
            status,
            "{mistake}"
        );
    }
}

/// An application's logout endpoint: answers once, and hands over what it was sent.
fn application(answer: &'static str) -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/logout?a=b", listener.local_addr().unwrap());
    let thread = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let mut seen = Vec::new();
        loop {
            let mut piece = [0; 4096];
            let count = stream.read(&mut piece).unwrap();
            seen.extend(&piece[..count]);
            let text = String::from_utf8_lossy(&seen);
            let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if count == 0
                || body >= length.map(|length| length.trim().parse().unwrap()) && body.is_some()
            {
                break;
            }
        }
        let _ = stream.write_all(answer.as_bytes());
        String::from_utf8(seen).unwrap()
    });
    (url, thread)
}

#[test]
fn an_application_is_told_who_left() {
    let desk = Desk::new();
    let (url, told) = application("HTTP/1.1 204 No Content\r\n\r\n");
    let spec = json!({"url": url, "sub": "user_ada", "sid": "sess_1", "client_id": "app"});
    assert_eq!(
        desk.send("/dev/backchannel", &spec).json(),
        json!({"status": 204})
    );
    let request = told.join().unwrap();
    assert!(request.starts_with("POST /logout?a=b HTTP/1.1\r\nhost: 127.0.0.1:"));
    assert!(request.contains("content-type: application/x-www-form-urlencoded\r\n"));
    let (_, token) = request.split_once("logout_token=").unwrap();
    assert_eq!(part(token, 0)["typ"], "logout+jwt");
    let claims = part(token, 1);
    assert_eq!(
        (
            &claims["aud"],
            &claims["sub"],
            &claims["sid"],
            &claims["iss"]
        ),
        (
            &json!("app"),
            &json!("user_ada"),
            &json!("sess_1"),
            &json!(desk.served.url())
        )
    );
    assert!(claims["events"]["http://schemas.openid.net/event/backchannel-logout"].is_object());
    assert!(claims.get("nonce").is_none() && claims["jti"].is_string());
    assert!(verifies(&desk.issuer, token));
    assert_eq!(desk.introspect(token), json!({"active": false}));

    let (url, told) = application("HTTP/1.1 400 Bad Request\r\n\r\n");
    let spec = json!({"url": url, "sid": "sess_1", "defect": "wrong_key"});
    assert_eq!(
        desk.send("/dev/backchannel", &spec).json(),
        json!({"status": 400})
    );
    let request = told.join().unwrap();
    let (_, token) = request.split_once("logout_token=").unwrap();
    assert!(!verifies(&desk.issuer, token) && part(token, 1).get("sub").is_none());

    let (url, told) = application("hello\r\n");
    let silent = desk.issuer.send_logout(&url, &Mint::default());
    assert!(matches!(silent, Err(LogoutError::NoAnswer(_))));
    told.join().unwrap();
    for (mistake, status) in [
        (json!({"url": "http://example.com/logout"}), 422),
        (json!({"url": "http://127.0.0.1:1/", "subject": "a"}), 422),
        (json!({"sub": "a"}), 422),
        (json!({"url": closed()}), 502),
    ] {
        assert_eq!(
            desk.send("/dev/backchannel", &mistake).status,
            status,
            "{mistake}"
        );
    }
}

/// A URL nobody answers at.
fn closed() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}/", listener.local_addr().unwrap())
}

#[test]
fn a_fault_strikes_one_endpoint() {
    let desk = Desk::new();
    let key = desk.mint(&Mint::kind(Kind::ApiKey));
    let token = desk.mint(&Mint::kind(Kind::Opaque));
    let client_id = &desk.issuer.client().client_id;
    let authorize = format!(
        "/oauth/authorize?response_type=code&client_id={client_id}&redirect_uri=http://localhost/"
    );
    let redeem = "grant_type=authorization_code&code=x".to_owned();
    // Nobody has a code, which is no fault of the endpoint's.
    const SOUND: [u16; 9] = [200, 200, 200, 200, 200, 200, 200, 400, 200];
    let bearer = format!("authorization: Bearer {}\r\n", desk.issuer.secret_key());
    let statuses = || {
        [
            desk.ask("GET", "/.well-known/jwks.json", "", "").status,
            desk.ask("GET", "/.well-known/openid-configuration", "", "")
                .status,
            desk.verify("/api_keys/verify", &json!({"secret": key}))
                .status,
            desk.post(
                "/oauth/introspect",
                &desk.basic(),
                &format!("token={token}"),
            )
            .status,
            desk.userinfo(&token).status,
            desk.post("/oauth/revoke", &desk.basic(), "token=x").status,
            desk.ask("GET", &authorize, "", "").status,
            desk.post("/oauth/token", &desk.basic(), &redeem).status,
            desk.ask("GET", "/v1/users", &bearer, "").status,
        ]
    };
    assert_eq!(statuses(), SOUND);
    for (index, endpoint) in Endpoint::ALL.into_iter().enumerate() {
        desk.fault(&json!({"kind": "down", "endpoint": endpoint}));
        let mut expected = SOUND;
        expected[index] = 503;
        assert_eq!(statuses(), expected, "{endpoint}");
        let faults = desk.ask("GET", "/dev/state", "", "").json()["faults"].clone();
        assert_eq!(faults[endpoint.as_str()]["kind"], "down");
        desk.fault(&json!({"kind": "none", "endpoint": endpoint}));
    }
    desk.fault(&json!({"kind": "status", "status": 500}));
    assert_eq!(statuses(), [500; 9]);
    desk.fault(&json!({"kind": "none", "endpoint": "verify"}));
    assert_eq!(statuses(), [500, 500, 200, 500, 500, 500, 500, 500, 500]);
    desk.fault(&json!({"kind": "down", "endpoint": "verify"}));
    desk.fault(&json!({"kind": "none"}));
    assert_eq!(statuses(), SOUND);
    assert_eq!(
        desk.send("/dev/fault", &json!({"kind": "down", "endpoint": "x"}))
            .status,
        422
    );
}

#[test]
fn every_fault_of_content_is_what_its_name_says() {
    let desk = Desk::new();
    let key = desk.mint(&Mint::kind(Kind::ApiKey));
    let token = desk.mint(&Mint::kind(Kind::Opaque));
    let verify = || desk.verify("/api_keys/verify", &json!({"secret": key}));
    for (kind, body) in [
        ("null", "null"),
        ("array", "[]"),
        ("inactive", r#"{"active":false}"#),
        ("not_json", r#"{"active": tru"#),
    ] {
        desk.fault(&json!({"kind": kind, "endpoint": "verify"}));
        let answer = verify();
        assert_eq!((answer.status, answer.text().as_str()), (200, body));
        assert!(answer.head.contains("content-type: application/json"));
        // Whoever asks, and whatever.
        assert_eq!(
            desk.verify_as("sk_test_x", "/api_keys/verify", &json!(1))
                .status,
            200
        );
    }
    desk.fault(&json!({"kind": "too_many_requests", "retry_after": 7, "endpoint": "verify"}));
    let busy = verify();
    assert!(busy.status == 429 && busy.head.contains("retry-after: 7"));

    desk.fault(&json!({"kind": "content_type", "content_type": "application/json; charset=utf-8"}));
    assert!(
        verify()
            .head
            .contains("content-type: application/json; charset=utf-8")
    );
    desk.fault(&json!({"kind": "content_type"}));
    assert!(verify().head.contains("content-type: text/plain"));
    assert_eq!(verify().json()["object"], "api_key");

    desk.fault(&json!({"kind": "revoked"}));
    let told = verify().json();
    assert_eq!(
        (&told["revoked"], &told["expired"]),
        (&json!(true), &json!(false))
    );
    assert!(told["revocation_reason"].is_string());
    assert_eq!(desk.introspect(&token), json!({"active": false}));
    assert_eq!(desk.userinfo(&token).status, 401);

    desk.fault(&json!({"kind": "expired"}));
    let told = verify().json();
    assert_eq!(
        (&told["revoked"], &told["expired"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(told["expiration"], (NOW - 3600) * 1000);
    let told = desk.introspect(&token);
    assert_eq!(
        (&told["active"], &told["exp"]),
        (&json!(true), &json!(NOW - 3600))
    );
    assert_eq!(desk.userinfo(&token).status, 401);

    desk.fault(&json!({"kind": "other_subject"}));
    assert_eq!(verify().json()["subject"], "user_2doorwardEve");
    assert_eq!(desk.introspect(&token)["sub"], "user_2doorwardEve");
    assert_eq!(
        desk.verify("/api_keys/verify", &json!({"secret": "x"}))
            .status,
        404
    );

    desk.fault(&json!({"kind": "oversize", "endpoint": "verify"}));
    let large = verify();
    assert!(large.body.len() > 8 << 20);
    assert_eq!(large.json()["object"], "api_key");
    desk.fault(&json!({"kind": "slow", "milliseconds": 150, "endpoint": "verify"}));
    let start = Instant::now();
    assert_eq!(verify().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(150));
    desk.fault(&json!({"kind": "refuse", "endpoint": "verify"}));
    let body = json!({"secret": key}).to_string();
    let refused = desk.try_ask(
        "POST",
        "/api_keys/verify",
        "authorization: Bearer sk_test_desk\r\n",
        &body,
    );
    assert!(refused.is_none());
}

#[test]
fn a_connection_breaks_in_the_middle_of_an_answer() {
    let desk = Desk::new();
    let key = desk.mint(&Mint::kind(Kind::ApiKey));
    let whole = desk.verify("/api_keys/verify", &json!({"secret": key}));
    desk.issuer.set_fault_at(Endpoint::Verify, Fault::Cut);
    let half = desk.verify("/api_keys/verify", &json!({"secret": key}));
    assert_eq!(half.status, 200);
    let length = half
        .head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .unwrap();
    let length: usize = length.trim().parse().unwrap();
    assert!(
        length.abs_diff(whole.body.len()) < 20,
        "the object knows when it was used last"
    );
    assert_eq!(half.body.len(), length / 2);
}

#[test]
fn requests_are_counted_and_remembered_without_their_secrets() {
    let desk = Desk::new();
    let key = desk.mint(&Mint::kind(Kind::ApiKey));
    desk.verify("/v1/api_keys/verify", &json!({"secret": key}));
    desk.post(
        "/oauth/introspect",
        &desk.basic(),
        &format!("token={key}&client_id={}", Mint::CLIENT),
    );
    desk.userinfo(&key);
    desk.ask("GET", "/v1/nothing?token=x", "cookie: __session=x\r\n", "");
    desk.fault(&json!({"kind": "refuse", "endpoint": "jwks"}));
    assert!(desk.try_ask("GET", "/v1/jwks", "", "").is_none());

    let told = desk.ask("GET", "/dev/requests", "", "").json();
    assert_eq!(
        told["counts"],
        json!({
            "jwks": 1, "discovery": 0, "verify": 1, "introspect": 1, "userinfo": 1, "revoke": 0, "authorize": 0,
            "token": 0, "backend_api": 1,
        })
    );
    let of = |index: usize| told["requests"][index].clone();
    assert_eq!(
        of(0),
        json!({
            "number": 0, "endpoint": "verify", "method": "POST", "path": "/v1/api_keys/verify",
            "query_fields": [], "body_fields": ["secret"], "status": 200,
            "headers": {
                "authorization": "Bearer sk_test_…", "clerk-api-version": "2026-05-12",
                "content-type": "application/json",
            },
        })
    );
    assert_eq!(of(1)["body_fields"], json!(["token", "client_id"]));
    assert_eq!(of(1)["headers"]["authorization"], "Basic …");
    assert_eq!(of(2)["headers"]["authorization"], "Bearer ak_…");
    assert_eq!(
        (
            &of(3)["endpoint"],
            &of(3)["status"],
            &of(3)["query_fields"],
            &of(3)["headers"]["cookie"]
        ),
        (
            &json!("backend_api"),
            &json!(404),
            &json!(["token"]),
            &json!("…")
        )
    );
    assert_eq!(
        (&of(4)["endpoint"], &of(4)["status"]),
        (&json!("jwks"), &json!(null))
    );
    let secret = desk.issuer.client().client_secret.clone().unwrap();
    let log = desk.issuer.request_log().to_string();
    assert!(!log.contains(&key) && !log.contains(&secret) && !log.contains("sk_test_desk"));

    let some = desk
        .ask("GET", "/dev/requests?endpoint=verify", "", "")
        .json();
    assert_eq!(some["requests"].as_array().unwrap().len(), 1);
    assert_eq!(
        desk.ask("GET", "/dev/requests?endpoint=x", "", "").status,
        422
    );
    desk.ask("DELETE", "/dev/requests", "", "");
    let after = desk.ask("GET", "/dev/requests", "", "").json();
    assert_eq!(
        (&after["requests"], &after["counts"]["verify"]),
        (&json!([]), &json!(1))
    );
    assert_eq!(desk.issuer.requests(Endpoint::Verify), 1);
}

#[test]
fn the_metadata_names_every_endpoint_that_is_there() {
    let desk = Desk::new();
    let url = desk.served.url();
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let metadata = desk.ask("GET", path, "", "").json();
        for (member, path, status) in [
            ("introspection_endpoint", "/oauth/introspect", 400),
            ("revocation_endpoint", "/oauth/revoke", 400),
            ("userinfo_endpoint", "/oauth/userinfo", 401),
        ] {
            assert_eq!(metadata[member], format!("{url}{path}"));
            assert_eq!(desk.ask("POST", path, "", "").status, status);
        }
        let methods = json!([
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt"
        ]);
        assert_eq!(
            metadata["introspection_endpoint_auth_methods_supported"],
            methods
        );
        assert_eq!(
            metadata["introspection_signing_alg_values_supported"],
            json!(["ES256"])
        );
        assert_eq!(metadata["backchannel_logout_supported"], true);
    }
    desk.issuer.register(Client::public("p")).unwrap();
    let methods = desk.issuer.discovery()["revocation_endpoint_auth_methods_supported"].clone();
    assert_eq!(methods[3], json!(ClientAuthentication::None));
}

#[test]
fn mistakes_in_a_mint_are_told() {
    let desk = Desk::new();
    for (spec, hint) in [
        (json!({"kind": "api_key", "alg": "ES256"}), "has no alg"),
        (json!({"kind": "api_key", "defect": "alg_none"}), "alg_none"),
        (json!({"kind": "session", "prefix": "x"}), "has no prefix"),
        (json!({"kind": "opaque", "prefix": "a b"}), "prefix"),
        (
            json!({"kind": "opaque", "revocation_reason": "x"}),
            "revoked",
        ),
        (json!({"kind": "ap_key"}), "api_key"),
    ] {
        let answer = desk.send("/dev/mint", &spec);
        assert_eq!(answer.status, 422, "{spec}");
        assert!(
            answer.json()["message"].as_str().unwrap().contains(hint),
            "{spec}"
        );
    }
    assert!(
        DevIssuer::builder()
            .secret_key("sk_live_real")
            .build()
            .is_err()
    );
}

#[test]
fn the_page_shows_the_kinds_the_faults_and_the_counts() {
    let desk = Desk::new();
    desk.verify("/api_keys/verify", &json!({"secret": "x"}));
    desk.fault(&json!({"kind": "null", "endpoint": "verify"}));
    let page = desk.ask("GET", "/", "", "").text();
    for shown in [
        "api_key",
        "m2m_opaque",
        "too_many_requests",
        "sk_test_desk",
        "verify 1",
        "&quot;null&quot;",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    assert!(!page.contains("{{") && !page.contains("all is well"));
    desk.fault(&json!({"kind": "none"}));
    assert!(desk.ask("GET", "/", "", "").text().contains("all is well"));
}

#[test]
fn a_body_beyond_all_measure_is_refused() {
    let desk = Desk::new();
    let large = "a".repeat(70 * 1024);
    let answer = desk.verify("/api_keys/verify", &json!({"secret": large}));
    assert_eq!(answer.status, 413);
    assert_eq!(desk.issuer.requests(Endpoint::Verify), 1);
}
