//! Signed answers about opaque tokens (RFC 9701): what makes one an answer, and what does not.

use serde_json::{Value, json};

use crate::maker::{
    AUDIENCE, Group, ISSUER, Maker, NOW, Object, b64, claims, hmac_token, issuer, signing_input,
};

const TOKEN: &str = "opaque-0123456789";
const CLIENT: &str = "my-api";

pub(crate) fn signed(maker: &Maker) -> Group {
    let mut own = issuer(&json!({"keys": [maker.jwk("ed25519")]}), &["EdDSA"]);
    own["opaque"] = json!(["oauth_token"]);
    own["answers_signed_for"] = json!(CLIENT);
    let verifier = json!({"accepts": ["session_token", "oauth_token"], "issuers": [own]});
    let mut group = Group::new(
        "introspection/rfc9701.json",
        "Signed answers about opaque tokens (RFC 9701 §5, §8): an answer and an access token are never each other.",
        verifier,
    );
    let ours = "verification_unavailable";
    let good = answer(maker, &envelope());

    group
        .accept("a signed answer", TOKEN)
        .answer(jwt(&good))
        .identity(json!({
            "kind": "oauth_token", "subject": "user_ada", "scopes": ["read"], "audience": [AUDIENCE],
            "expires_at": NOW + 300, "issuer": ISSUER,
        }));
    group
        .refuse("inactive, signed", TOKEN, "token_invalid")
        .answer(jwt(&answer(
            maker,
            &envelope().set("token_introspection", r#"{"active":false}"#),
        )));
    group
        .refuse("expired, signed", TOKEN, "token_expired")
        .answer(jwt(&answer(
            maker,
            &envelope().set("token_introspection", inner().set("exp", NOW - 60)),
        )));

    // What says that it is an answer.
    for (typ, good) in [
        (Some("token-introspection+jwt"), true),
        (Some("Token-Introspection+JWT"), true),
        (Some("application/token-introspection+jwt"), true),
        (Some("at+jwt"), false),
        (Some("JWT"), false),
        (Some("token-introspection"), false),
        (Some("token-introspection+jwt "), false),
        (None, false),
    ] {
        let text = jwt(&maker.jws("EdDSA", &head(typ), envelope().to_string().as_bytes()));
        let name = format!("typ {typ:?}");
        match good {
            true => group.accept(name, TOKEN),
            false => group.refuse(name, TOKEN, ours),
        }
        .answer(text);
    }
    group
        .refuse("an access token as an answer", TOKEN, ours)
        .answer(jwt(&maker.jws(
            "EdDSA",
            &head(Some("at+jwt")),
            claims().text("client_id", CLIENT).to_string().as_bytes(),
        )));
    group
        .refuse(
            "an access token of a client that put an answer into it",
            TOKEN,
            ours,
        )
        .answer(jwt(&maker.jws(
            "EdDSA",
            &head(Some("at+jwt")),
            envelope().to_string().as_bytes(),
        )));
    group.refuse(
        "an answer as an access token",
        good.clone(),
        "token_kind_unknown",
    );
    group.refuse(
        "an answer with a token's claims as an access token",
        answer(
            maker,
            &envelope().text("sub", "user_ada").set("exp", NOW + 300),
        ),
        "token_kind_unknown",
    );

    // Whose signature.
    let input = signing_input(&head(TYP).to_string(), envelope().to_string().as_bytes());
    group
        .refuse("signed by a stranger", TOKEN, ours)
        .answer(jwt(&format!(
            "{input}.{}",
            b64(maker.sign_as_stranger(&input))
        )));
    group.refuse("not signed", TOKEN, ours).answer(jwt(&format!(
        "{}.",
        signing_input(
            &head(TYP).text("alg", "none").to_string(),
            envelope().to_string().as_bytes()
        )
    )));
    group
        .refuse("a MAC with the client's secret", TOKEN, ours)
        .answer(jwt(&hmac_token(
            "HS256",
            &head(TYP).text("alg", "HS256"),
            &[7; 32],
        )));
    group
        .refuse("a key that the answer brings along", TOKEN, ours)
        .answer(jwt(&maker.jws(
            "EdDSA",
            &head(TYP).set("jwk", maker.stranger_jwk()),
            envelope().to_string().as_bytes(),
        )));
    group
        .refuse("a critical extension", TOKEN, ours)
        .answer(jwt(&maker.jws(
            "EdDSA",
            &head(TYP).set("crit", r#"["exp"]"#),
            envelope().to_string().as_bytes(),
        )));
    group
        .refuse("a key that nobody publishes", TOKEN, ours)
        .answer(jwt(&maker.jws(
            "EdDSA",
            &head(TYP).text("kid", "other"),
            envelope().to_string().as_bytes(),
        )));
    for (state, expect) in [
        ("unknown", ours),
        ("not_yet", "needs_keys"),
        ("unreachable", "keys_unavailable"),
    ] {
        group
            .refuse(format!("keys that are {state}"), TOKEN, expect)
            .with(json!({"issuer": {"keys": null}}))
            .keys(json!(state))
            .answer(jwt(&good));
    }
    group
        .accept("keys that were fetched", TOKEN)
        .with(json!({"issuer": {"keys": null}}))
        .keys(json!({"keys": [maker.jwk("ed25519")]}))
        .answer(jwt(&good));

    // Whose answer, for whom, and when.
    for (name, changed, good) in [
        (
            "another issuer",
            envelope().text("iss", "https://evil.example"),
            false,
        ),
        (
            "an issuer with a slash",
            envelope().text("iss", "https://issuer.example/"),
            false,
        ),
        ("without an issuer", envelope().without("iss"), false),
        ("another client", envelope().text("aud", "other-api"), false),
        (
            "the client in another case",
            envelope().text("aud", "My-Api"),
            false,
        ),
        ("without a client", envelope().without("aud"), false),
        ("no text as a client", envelope().set("aud", 1), false),
        (
            "one client of several",
            envelope().set("aud", r#"["x","my-api"]"#),
            true,
        ),
        (
            "several other clients",
            envelope().set("aud", r#"["x","y"]"#),
            false,
        ),
        ("without a time", envelope().without("iat"), false),
        ("a time in words", envelope().text("iat", "now"), false),
        ("five minutes old", envelope().set("iat", NOW - 300), true),
        ("older", envelope().set("iat", NOW - 301), false),
        ("15 seconds ahead", envelope().set("iat", NOW + 15), true),
        ("further ahead", envelope().set("iat", NOW + 16), false),
        (
            "an answer within in another's name",
            envelope().set(
                "token_introspection",
                inner().text("iss", "https://evil.example"),
            ),
            false,
        ),
    ] {
        let text = jwt(&answer(maker, &changed));
        match (good, name) {
            (true, _) => group.accept(name, TOKEN),
            (false, "an answer within in another's name") => {
                group.refuse(name, TOKEN, "issuer_unknown")
            }
            (false, _) => group.refuse(name, TOKEN, ours),
        }
        .answer(text);
    }

    // What is inside.
    for (name, inside) in [
        ("without an answer", None),
        ("an answer that is text", Some(json!("active").to_string())),
        ("an answer that is a list", Some("[]".to_owned())),
        ("an answer that is null", Some("null".to_owned())),
        ("an empty answer", Some("{}".to_owned())),
        (
            "active in words",
            Some(inner().text("active", "true").to_string()),
        ),
        (
            "active twice",
            Some(inner().before("active", false).to_string()),
        ),
    ] {
        let envelope = match inside {
            None => envelope().without("token_introspection"),
            Some(raw) => envelope().set("token_introspection", raw),
        };
        group
            .refuse(name, TOKEN, ours)
            .answer(jwt(&answer(maker, &envelope)));
    }
    group
        .refuse("active outside only", TOKEN, ours)
        .answer(jwt(&answer(
            maker,
            &envelope()
                .set("active", true)
                .text("sub", "user_ada")
                .set("token_introspection", "{}"),
        )));
    group
        .refuse("another audience inside", TOKEN, "audience_mismatch")
        .answer(jwt(&answer(
            maker,
            &envelope().set("token_introspection", inner().text("aud", CLIENT)),
        )));

    // What was agreed.
    let plain: Value = serde_json::from_str(&inner().to_string()).expect("JSON");
    group
        .refuse("a plain answer where a signed one was agreed", TOKEN, ours)
        .answer(plain.clone());
    group
        .accept("a plain answer where that was agreed", TOKEN)
        .with(json!({"issuer": {"answers_signed_for": null}}))
        .answer(plain);
    group
        .refuse("a signed answer where a plain one was agreed", TOKEN, ours)
        .with(json!({"issuer": {"answers_signed_for": null}}))
        .answer(jwt(&good));
    group
        .refuse("an encrypted answer", TOKEN, ours)
        .answer(jwt("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0.a.b.c.d"));
    for text in ["", "{}", "a.b", "a.b.c", "....."] {
        group
            .refuse(format!("{text:?}, which is no JWT"), TOKEN, ours)
            .answer(jwt(text));
    }
    group
}

const TYP: Option<&str> = Some("token-introspection+jwt");

fn answer(maker: &Maker, envelope: &Object) -> String {
    maker.jws("EdDSA", &head(TYP), envelope.to_string().as_bytes())
}

fn head(typ: Option<&str>) -> Object {
    let head = Object::from(&[])
        .text("alg", "EdDSA")
        .text("kid", "ed25519");
    match typ {
        Some(typ) => head.text("typ", typ),
        None => head,
    }
}

fn envelope() -> Object {
    Object::from(&[])
        .text("iss", ISSUER)
        .text("aud", CLIENT)
        .set("iat", NOW)
        .set("token_introspection", inner())
}

fn inner() -> Object {
    claims()
        .before("active", true)
        .text("scope", "read")
        .text("client_id", "web")
}

fn jwt(text: &str) -> Value {
    json!({"jwt": text})
}
