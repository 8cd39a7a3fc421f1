//! What a token says: claims, times, issuer, audience, party and kind (RFC 7519 §4.1, RFC 8725 §3.8 to §3.12, RFC 9068).

use serde_json::{Value, json};

use crate::forge;
use crate::maker::{
    AUDIENCE, Group, ISSUER, Maker, NOW, b64, claims, header, issuer, segments, signing_input,
};

pub(crate) fn members(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "jwt/claims.json",
        "`iss`, `sub` and `exp` are required; a claim that is there and cannot be used refuses the token, for it is \
         never the same as an absent one (RFC 7519 §4.1).",
        maker,
    );
    group.accept("control", maker.good()).identity(json!({
        "kind": "session_token", "subject": "user_ada", "user_id": "user_ada", "issuer": ISSUER, "audience": [AUDIENCE],
        "session_id": null, "client_id": null, "organization_id": null, "role": null, "permissions": [], "scopes": [],
        "features": [], "plans": [], "actor": null, "authorized_party": null, "token_id": null, "flags": [],
        "issued_at": NOW - 10, "expires_at": NOW + 300,
    }));
    let (missing, wrong) = ("claim_missing", "claim_malformed");
    for name in ["iss", "sub", "exp"] {
        group.refuse(
            format!("no {name}"),
            maker.claims(&claims().without(name)),
            missing,
        );
        group.refuse(
            format!("{name} in another case"),
            maker.claims(&claims().without(name).set(&name.to_uppercase(), "\"x\"")),
            missing,
        );
    }
    group.accept("no iat", maker.claims(&claims().without("iat")));
    let types = [
        ("null", "null"),
        ("a boolean", "true"),
        ("a number", "7"),
        ("a string", "\"x\""),
        ("a list", "[\"x\"]"),
        ("a list of a number", "[7]"),
        ("an object", "{\"x\":1}"),
    ];
    for name in ["iss", "sub"] {
        for (what, raw) in types.iter().filter(|(what, _)| *what != "a string") {
            group.refuse(
                format!("{name} is {what}"),
                maker.claims(&claims().set(name, raw)),
                wrong,
            );
        }
        group.refuse(
            format!("{name} is empty"),
            maker.claims(&claims().text(name, "")),
            wrong,
        );
    }
    for name in ["jti", "azp", "client_id", "sid", "sts"] {
        for (what, raw) in types {
            let expect = if what == "a string" { "accept" } else { wrong };
            group.refuse(
                format!("{name} is {what}"),
                maker.claims(&claims().set(name, raw)),
                expect,
            );
        }
    }
    for name in ["scope", "scp", "scopes"] {
        for (what, raw) in types {
            let expect = if matches!(what, "a string" | "a list") {
                "accept"
            } else {
                wrong
            };
            group.refuse(
                format!("{name} is {what}"),
                maker.claims(&claims().set(name, raw)),
                expect,
            );
        }
        group
            .accept(
                format!("{name} is two words"),
                maker.claims(&claims().text(name, "posts:read  posts:write")),
            )
            .identity(json!({"scopes": ["posts:read", "posts:write"]}));
        group
            .accept(
                format!("{name} is two strings"),
                maker.claims(&claims().set(name, "[\"posts:read\",\"a b\"]")),
            )
            .identity(json!({"scopes": ["posts:read", "a b"]}));
        group
            .accept(
                format!("{name} is empty"),
                maker.claims(&claims().text(name, "")),
            )
            .identity(json!({"scopes": []}));
    }
    for (what, raw) in types.iter().filter(|(what, _)| *what != "an object") {
        group.refuse(
            format!("act is {what}"),
            maker.claims(&claims().set("act", raw)),
            wrong,
        );
    }
    group
        .accept("act names an actor", maker.claims(&claims().set("act", json!({"sub": "user_admin", "iss": "https://dashboard.example", "sid": "sess_9", "type": "agent"}))))
        .identity(json!({"actor": {"subject": "user_admin", "issuer": "https://dashboard.example", "session_id": "sess_9", "kind": "agent"}}));
    group
        .accept("act is empty", maker.claims(&claims().set("act", "{}")))
        .identity(
            json!({"actor": {"subject": null, "issuer": null, "session_id": null, "kind": null}}),
        );
    group
        .accept(
            "permissions of the provider",
            maker.claims(&claims().set("permissions", "[\"read:posts\"]")),
        )
        .identity(json!({"permissions": ["read:posts"]}));
    group
        .accept(
            "organization claims mean nothing from an issuer that has none",
            maker.claims(
                &claims()
                    .text("org_id", "org_1")
                    .text("org_role", "org:admin")
                    .set("o", "{\"id\":\"org_1\"}"),
            ),
        )
        .identity(json!({"organization_id": null, "role": null, "flags": []}));
    group
        .accept(
            "a client that acts for itself is no user",
            maker.claims(
                &claims()
                    .text("sub", "client_1")
                    .text("client_id", "client_1"),
            ),
        )
        .identity(json!({"subject": "client_1", "client_id": "client_1", "user_id": null}));
    group.accept("all the registered claims", maker.claims(&claims().text("jti", "jti_1").text("sid", "sess_1").text("azp", "https://app.example").text("sts", "active").set("nbf", NOW - 20)))
        .identity(json!({"token_id": "jti_1", "session_id": "sess_1", "authorized_party": "https://app.example", "session_status": "active"}));

    // RFC 7800 §3.1: a token bound to a key of its sender is no bearer token.
    for raw in [
        "{\"jkt\":\"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}",
        "{\"x5t#S256\":\"AAAA\"}",
        "{\"jwk\":{}}",
        "{}",
        "null",
        "\"\"",
        "[]",
    ] {
        group.refuse(
            format!("cnf {raw}"),
            maker.claims(&claims().set("cnf", raw)),
            "sender_constrained",
        );
    }
    group.accept(
        "a claim that begins with cnf",
        maker.claims(&claims().set("cnfx", "{}")),
    );

    for (what, object, expect) in [
        ("there", claims().text("tenant", "t1"), "accept"),
        ("missing", claims(), missing),
        ("there, and null", claims().set("tenant", "null"), "accept"),
        ("in another case", claims().text("Tenant", "t1"), missing),
        (
            "inside another",
            claims().set("a", "{\"tenant\":\"t1\"}"),
            missing,
        ),
        (
            "spelled in escapes",
            claims().set("t\\u0065nant", "\"t1\""),
            "accept",
        ),
    ] {
        group
            .refuse(
                format!("a required claim is {what}"),
                maker.claims(&object),
                expect,
            )
            .with(json!({"issuer": {"required_claims": ["tenant"]}}));
    }
    for name in ["iat", "nbf", "jti", "aud", "cnf", "o", "act"] {
        group
            .refuse(
                format!("{name} is required and missing"),
                maker.claims(&claims().without(name)),
                missing,
            )
            .with(json!({"issuer": {"required_claims": [name]}}));
    }
    for name in ["toString", "constructor", "__proto__"] {
        group
            .refuse(
                format!("a required claim of the name {name}"),
                maker.good(),
                missing,
            )
            .with(json!({"issuer": {"required_claims": [name]}}));
    }
    group
}

pub(crate) fn time(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "jwt/time.json",
        "`exp`, `nbf` and `iat` are numbers of seconds; `now < exp + leeway`, `nbf <= now + leeway`, `iat <= now + \
         leeway`, and no rounding favours the holder (RFC 7519 §2 and §4.1.4 to §4.1.6).",
        maker,
    );
    let (expired, early, future, wrong) = (
        "token_expired",
        "token_not_yet_valid",
        "token_issued_in_future",
        "claim_malformed",
    );
    group.accept("control", maker.good());
    for name in ["exp", "nbf", "iat"] {
        for (what, raw) in [
            ("null", "null"),
            ("true", "true"),
            ("false", "false"),
            ("a string of digits", "\"1800000300\""),
            ("an empty string", "\"\""),
            ("a date in letters", "\"2027-01-15T08:05:00Z\""),
            ("a list", "[1800000300]"),
            ("an empty list", "[]"),
            ("an object", "{}"),
            ("1e300", "1e300"),
            ("-1e300", "-1e300"),
            ("1e18", "1e18"),
            ("2^63", "9223372036854775808"),
            ("2^64", "18446744073709551616"),
            ("milliseconds", "1800000300000"),
            ("the year 10000", "253402300800"),
            (
                "one of 40 digits",
                "1800000300000000000000000000000000000000",
            ),
        ] {
            group.refuse(
                format!("{name} is {what}"),
                maker.claims(&claims().set(name, raw)),
                wrong,
            );
        }
        for (what, raw) in [("NaN", "NaN"), ("Infinity", "Infinity"), ("1e999", "1e999")] {
            group.refuse(
                format!("{name} is {what}"),
                maker.claims(&claims().set(name, raw)),
                "claims_malformed",
            );
        }
    }
    let strict = || json!({"issuer": {"leeway": 0}});
    for (raw, expect) in [
        ("1799999999", expired),
        ("1800000000", expired),
        ("1800000000.0", expired),
        ("1800000000.0009", expired),
        ("1.8e9", expired),
        ("1799999999.999", expired),
        ("1799999999.9999", expired),
        ("1800000000.001", "accept"),
        ("1800000001", "accept"),
        ("18000000010e-1", "accept"),
        ("1.800000001e9", "accept"),
        ("0", expired),
        ("-0", expired),
        ("-1", expired),
        ("-1800000300", expired),
        ("1e-9", expired),
        ("253402300799", "accept"),
    ] {
        group
            .refuse(
                format!("exp {raw}, no leeway"),
                maker.claims(&claims().set("exp", raw)),
                expect,
            )
            .with(strict());
    }
    for (raw, expect) in [
        ("1799999994", expired),
        ("1799999995", expired),
        ("1799999995.0009", expired),
        ("1799999995.001", "accept"),
        ("1799999996", "accept"),
        ("1800000000", "accept"),
    ] {
        group.refuse(
            format!("exp {raw}, a leeway of 5 s"),
            maker.claims(&claims().set("exp", raw)),
            expect,
        );
    }
    for (raw, expect) in [
        ("1800000000", "accept"),
        ("1800000000.0001", early),
        ("1800000000.001", early),
        ("1800000001", early),
        ("1799999999.9999", "accept"),
        ("0", "accept"),
        ("-1", "accept"),
        ("253402300799", early),
        ("1.8e9", "accept"),
    ] {
        group
            .refuse(
                format!("nbf {raw}, no leeway"),
                maker.claims(&claims().set("nbf", raw)),
                expect,
            )
            .with(strict());
    }
    for (raw, expect) in [
        ("1800000005", "accept"),
        ("1800000005.0001", early),
        ("1800000006", early),
    ] {
        group.refuse(
            format!("nbf {raw}, a leeway of 5 s"),
            maker.claims(&claims().set("nbf", raw)),
            expect,
        );
    }
    for (raw, expect) in [
        ("1800000000", "accept"),
        ("1800000000.0001", future),
        ("1800000001", future),
        ("0", "accept"),
        ("-1", "accept"),
        ("253402300799", future),
    ] {
        group
            .refuse(
                format!("iat {raw}, no leeway"),
                maker.claims(&claims().set("iat", raw)),
                expect,
            )
            .with(strict());
    }
    for (raw, expect) in [
        ("1800000005", "accept"),
        ("1800000005.0001", future),
        ("1800000006", future),
    ] {
        group.refuse(
            format!("iat {raw}, a leeway of 5 s"),
            maker.claims(&claims().set("iat", raw)),
            expect,
        );
    }
    group.refuse(
        "expired, and not valid yet",
        maker.claims(&claims().set("exp", NOW - 100).set("nbf", NOW + 100)),
        expired,
    );
    group.refuse(
        "exp before iat",
        maker.claims(&claims().set("exp", NOW - 200).set("iat", NOW - 100)),
        expired,
    );
    let widest = || json!({"issuer": {"leeway": 300}});
    group
        .accept(
            "exp 299 s ago, a leeway of 300 s",
            maker.claims(&claims().set("exp", NOW - 299)),
        )
        .with(widest());
    group
        .refuse(
            "exp 300 s ago, a leeway of 300 s",
            maker.claims(&claims().set("exp", NOW - 300)),
            expired,
        )
        .with(widest());
    group
        .accept(
            "exp half a second ago, a leeway of 0.6 s",
            maker.claims(&claims().set("exp", "1799999999.5")),
        )
        .with(json!({"issuer": {"leeway": 0.6}}));
    group
        .refuse(
            "exp half a second ago, a leeway of 0.5 s",
            maker.claims(&claims().set("exp", "1799999999.5")),
            expired,
        )
        .with(json!({"issuer": {"leeway": 0.5}}));

    // The same token, as the clock goes on: the widest leeway is more than a clock at the start of time.
    let early_token = || maker.claims(&claims().without("iat").set("exp", 20).set("nbf", 10));
    for (now, expect) in [
        (0.0, early),
        (9.999, early),
        (10.0, "accept"),
        (19.999, "accept"),
        (20.0, expired),
        (1.8e9, expired),
    ] {
        group
            .refuse(
                format!("valid from 10 to 20, at {now}"),
                early_token(),
                expect,
            )
            .with(strict())
            .now(now);
    }
    for (now, expect) in [(0.0, "accept"), (319.0, "accept"), (320.0, expired)] {
        group
            .refuse(
                format!("valid from 10 to 20, at {now}, a leeway of 300 s"),
                early_token(),
                expect,
            )
            .with(widest())
            .now(now);
    }
    let good = maker.good();
    for (now, expect) in [
        (NOW - 16, future),
        (NOW - 15, "accept"),
        (NOW + 304, "accept"),
        (NOW + 305, expired),
    ] {
        group
            .refuse(format!("the usual token at {now}"), good.clone(), expect)
            .now(now as f64);
    }
    group
}

pub(crate) fn issuer_audience(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "jwt/issuer_audience.json",
        "The issuer is exactly one of the trusted ones and vouches with its own keys; the audience is there and is \
         ours (RFC 7519 §2 and §4.1.3, RFC 8725 §3.8 and §3.9, CVE-2024-53861).",
        maker,
    );
    group.accept("control", maker.good());
    let unknown = "issuer_unknown";
    for near in [
        "https://issuer.example/",
        "https://issuer.example//",
        "https://issuer.example/.",
        "https://issuer.example?",
        "https://issuer.example#",
        "https://issuer.example:443",
        "https://issuer.example:80",
        "http://issuer.example",
        "HTTPS://issuer.example",
        "https://Issuer.example",
        "https://ISSUER.EXAMPLE",
        "https://issuer.example.",
        "https://issuer.exampl",
        "https://issuer.example.evil.example",
        "https://evil.example/https://issuer.example",
        "https://issuer.example@evil.example",
        "https://evil.example#https://issuer.example",
        "https://ada@issuer.example",
        "https://www.issuer.example",
        "issuer.example",
        "//issuer.example",
        "https:issuer.example",
        "https:/issuer.example",
        "https:///issuer.example",
        " https://issuer.example",
        "https://issuer.example ",
        "https://issuer.example\n",
        "https://issuer.example\u{0}",
        "https://issuer%2Eexample",
        "https://iss\u{200b}uer.example",
        "https://\u{456}ssuer.example",
        "https://issuer\u{3002}example",
        "https:\\\\issuer.example",
        "https://issuer.example/realms/a",
        "*",
    ] {
        group.refuse(
            format!("iss {near:?}"),
            maker.claims(&claims().text("iss", near)),
            unknown,
        );
    }
    for (what, raw, expect) in [
        (
            "a list of the right one",
            json!([ISSUER]),
            "claim_malformed",
        ),
        (
            "a list of the right one and another",
            json!([ISSUER, "https://evil.example"]),
            "claim_malformed",
        ),
        ("an object", json!({"iss": ISSUER}), "claim_malformed"),
        ("a number", json!(7), "claim_malformed"),
        ("null", Value::Null, "claim_malformed"),
        ("true", json!(true), "claim_malformed"),
        ("empty", json!(""), "claim_malformed"),
    ] {
        group.refuse(
            format!("iss is {what}"),
            maker.claims(&claims().set("iss", raw)),
            expect,
        );
    }
    group.refuse(
        "no iss",
        maker.claims(&claims().without("iss")),
        "claim_missing",
    );

    let mismatch = "audience_mismatch";
    for (what, raw, expect) in [
        ("ours", json!(AUDIENCE), "accept"),
        ("a list of ours", json!([AUDIENCE]), "accept"),
        (
            "a list with ours last",
            json!(["https://other.example", AUDIENCE]),
            "accept",
        ),
        (
            "a list of 200 with ours last",
            json!(
                (0..200)
                    .map(|n| n.to_string())
                    .chain([AUDIENCE.to_owned()])
                    .collect::<Vec<_>>()
            ),
            "accept",
        ),
        ("another", json!("https://other.example"), mismatch),
        (
            "a list of others",
            json!(["https://other.example", "https://third.example"]),
            mismatch,
        ),
        ("an empty list", json!([]), "audience_missing"),
        ("empty", json!(""), mismatch),
        ("a list of the empty string", json!([""]), mismatch),
        ("ours with a slash", json!("https://api.example/"), mismatch),
        ("ours in capitals", json!("HTTPS://API.EXAMPLE"), mismatch),
        ("a prefix of ours", json!("https://api.exampl"), mismatch),
        (
            "ours and more",
            json!("https://api.example.evil.example"),
            mismatch,
        ),
        ("ours with a space", json!("https://api.example "), mismatch),
        (
            "ours and another in one string",
            json!("https://api.example https://other.example"),
            mismatch,
        ),
        (
            "ours and another with a comma",
            json!("https://api.example,https://other.example"),
            mismatch,
        ),
        ("a star", json!("*"), mismatch),
        ("null", Value::Null, "claim_malformed"),
        ("a number", json!(7), "claim_malformed"),
        ("true", json!(true), "claim_malformed"),
        (
            "an object with ours as its name",
            json!({AUDIENCE: true}),
            "claim_malformed",
        ),
        (
            "a list with a number beside ours",
            json!([AUDIENCE, 1]),
            "claim_malformed",
        ),
        (
            "a list with null beside ours",
            json!([AUDIENCE, null]),
            "claim_malformed",
        ),
        ("a list of a number", json!([1]), "claim_malformed"),
        (
            "a list of a list of ours",
            json!([[AUDIENCE]]),
            "claim_malformed",
        ),
    ] {
        group.refuse(
            format!("aud is {what}"),
            maker.claims(&claims().set("aud", raw)),
            expect,
        );
    }
    group.refuse(
        "no aud",
        maker.claims(&claims().without("aud")),
        "audience_missing",
    );
    let any = || json!({"issuer": {"audience": null}});
    group
        .accept("no aud, waived", maker.claims(&claims().without("aud")))
        .with(any());
    group
        .accept(
            "another aud, waived",
            maker.claims(&claims().text("aud", "https://other.example")),
        )
        .with(any());
    group
        .refuse(
            "a number for aud, waived",
            maker.claims(&claims().set("aud", 7)),
            "claim_malformed",
        )
        .why("Present and unusable, whether or not it is compared.")
        .with(any());
    let two = || json!({"issuer": {"audience": ["https://first.example", AUDIENCE]}});
    group
        .accept("the second of two audiences", maker.good())
        .with(two());
    group
        .refuse(
            "neither of two audiences",
            maker.claims(&claims().text("aud", "https://other.example")),
            mismatch,
        )
        .with(two());

    // What a token that names no audience is worth.
    let clients = || json!({"issuer": {"clients_without_audience": ["client_1", "client_2"]}});
    let unnamed = || claims().without("aud");
    let stranger = "client_mismatch";
    for (what, claims, expect) in [
        (
            "no aud, a client of ours",
            unnamed().text("client_id", "client_2"),
            "accept",
        ),
        (
            "an empty list of aud, a client of ours",
            claims().set("aud", "[]").text("client_id", "client_1"),
            "accept",
        ),
        (
            "no aud, another client",
            unnamed().text("client_id", "client_3"),
            stranger,
        ),
        (
            "no aud, a prefix of our client",
            unnamed().text("client_id", "client_"),
            stranger,
        ),
        (
            "no aud, our client in capitals",
            unnamed().text("client_id", "CLIENT_1"),
            stranger,
        ),
        (
            "no aud, two clients in one text",
            unnamed().text("client_id", "client_1 client_2"),
            stranger,
        ),
        ("no aud, no client", unnamed(), "audience_missing"),
        (
            "no aud, a client of ours as azp",
            unnamed().text("azp", "client_1"),
            "audience_missing",
        ),
        (
            "no aud, a list of clients",
            unnamed().set("client_id", r#"["client_1"]"#),
            "claim_malformed",
        ),
        (
            "another aud, a client of ours",
            claims()
                .text("aud", "https://other.example")
                .text("client_id", "client_1"),
            mismatch,
        ),
        (
            "an empty aud, a client of ours",
            claims().text("aud", "").text("client_id", "client_1"),
            mismatch,
        ),
        (
            "our aud, another client",
            claims().text("client_id", "client_3"),
            "accept",
        ),
    ] {
        group
            .refuse(what, maker.claims(&claims), expect)
            .with(clients());
    }
    group.refuse(
        "no aud, a client, and no client is allowed",
        maker.claims(&unnamed().text("client_id", "client_1")),
        "audience_missing",
    );
    let any = || json!({"issuer": {"dangerously_accept_tokens_without_audience": true}});
    group
        .accept(
            "no aud, whoever it was made for",
            maker.claims(&unnamed().text("client_id", "client_3")),
        )
        .with(any());
    group
        .refuse(
            "another aud, whoever it was made for",
            maker.claims(&claims().text("aud", "https://other.example")),
            mismatch,
        )
        .with(any());

    // Two issuers that call their keys by one name.
    let other = "https://other.example";
    let keys = |jwk: Value| json!({"keys": [jwk]});
    let mut second = issuer(&keys(maker.stranger_jwk()), &["EdDSA"]);
    second["issuer"] = json!(other);
    let first = issuer(&keys(maker.jwk("ed25519")), &["EdDSA"]);
    let both = json!({"issuers": [first, second]});
    let swapped = json!({"issuers": [second, first]});
    let stranger = |object: &dyn std::fmt::Display| {
        let input = signing_input(&header("EdDSA").to_string(), object.to_string().as_bytes());
        format!("{input}.{}", b64(maker.sign_as_stranger(&input)))
    };
    let as_other = claims().text("iss", other);
    for (order, verifier) in [("", both), (", in the other order", swapped)] {
        group
            .accept(
                format!("two issuers: the first by its own key{order}"),
                maker.good(),
            )
            .with(verifier.clone())
            .identity(json!({"issuer": ISSUER}));
        group
            .accept(
                format!("two issuers: the second by its own key{order}"),
                stranger(&as_other),
            )
            .with(verifier.clone())
            .identity(json!({"issuer": other}));
        group
            .refuse(
                format!("two issuers: the first by the key of the second{order}"),
                stranger(&claims()),
                "signature_invalid",
            )
            .with(verifier.clone());
        group
            .refuse(
                format!("two issuers: the second by the key of the first{order}"),
                maker.claims(&as_other),
                "signature_invalid",
            )
            .with(verifier.clone());
        group
            .refuse(
                format!("two issuers: a third{order}"),
                maker.claims(&claims().text("iss", "https://third.example")),
                unknown,
            )
            .with(verifier);
    }

    // Keys that belong to one instance and so stand for its name.
    let pinned = || json!({"issuer": {"issuer": null}});
    for (name, expect) in [
        ("https://anything.example", "accept"),
        ("https://issuer.example/", "accept"),
        ("http://localhost:3000", "accept"),
        ("http://127.0.0.1", "accept"),
        ("http://[::1]:8080/a", "accept"),
        ("http://anything.example", unknown),
        ("http://localhost.evil.example", unknown),
        ("http://127.0.0.1.evil.example", unknown),
        ("https://", unknown),
        ("ftp://anything.example", unknown),
        ("anything", unknown),
        ("javascript:alert(1)", unknown),
    ] {
        group
            .refuse(
                format!("pinned by its keys: {name}"),
                maker.claims(&claims().text("iss", name)),
                expect,
            )
            .with(pinned());
    }
    group
        .refuse(
            "pinned by its keys: another key",
            stranger(&claims()),
            "signature_invalid",
        )
        .with(pinned());
    group
}

pub(crate) fn party(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "jwt/party.json",
        "The party a session was made for is one of ours, exactly (OpenID Connect Core §2 and §3.1.3.7).",
        maker,
    );
    let app = "https://app.example";
    let rule = |azp: &str| json!({"issuer": {"authorized_parties": [app, "http://localhost:3000"], "azp": azp}});
    let with = |party: &str| maker.claims(&claims().text("azp", party));
    let (missing, mismatch) = ("party_missing", "party_mismatch");
    for (azp, absent, other) in [
        ("require", missing, mismatch),
        ("if_present", "accept", mismatch),
        ("off", "accept", "accept"),
    ] {
        group
            .accept(format!("{azp}: the first party"), with(app))
            .with(rule(azp))
            .identity(json!({"authorized_party": app}));
        group
            .accept(
                format!("{azp}: the second party"),
                with("http://localhost:3000"),
            )
            .with(rule(azp));
        group
            .refuse(format!("{azp}: no azp"), maker.good(), absent)
            .with(rule(azp));
        group
            .refuse(
                format!("{azp}: another party"),
                with("https://evil.example"),
                other,
            )
            .with(rule(azp));
        group
            .refuse(format!("{azp}: azp is empty"), with(""), other)
            .with(rule(azp));
        for (what, raw) in [
            ("null", json!(null)),
            ("a list of the party", json!([app])),
            ("a number", json!(7)),
        ] {
            group
                .refuse(
                    format!("{azp}: azp is {what}"),
                    maker.claims(&claims().set("azp", raw)),
                    "claim_malformed",
                )
                .with(rule(azp));
        }
    }
    for near in [
        "https://app.example/",
        "http://app.example",
        "https://app.example:443",
        "HTTPS://app.example",
        "https://App.example",
        "https://app.example.evil.example",
        "https://evil.example/?https://app.example",
        "app.example",
        " https://app.example",
        "https://app.example ",
        "https://sub.app.example",
        "*",
        "null",
    ] {
        group
            .refuse(format!("near the party: {near:?}"), with(near), mismatch)
            .with(rule("require"));
    }
    group
        .refuse(
            "the audience is no party",
            maker.claims(&claims().set("aud", json!([AUDIENCE, app]))),
            missing,
        )
        .with(rule("require"));
    group
        .refuse(
            "a party that is required of nobody lets nobody in",
            with(app),
            mismatch,
        )
        .with(json!({"issuer": {"authorized_parties": [], "azp": "require"}}));
    let access = maker.header(&header("EdDSA").text("typ", "at+jwt"));
    let mut overrides = rule("require");
    overrides["accepts"] = json!(["oauth_token"]);
    group
        .accept("an access token has no party", access)
        .why("`azp` is asked of sessions and templates.")
        .with(overrides);
    group
}

pub(crate) fn kinds(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "jwt/kinds.json",
        "Kinds of tokens never mix: the header's `typ` says what it is, the application what it accepts, the issuer's \
         settings what it may issue (RFC 8725 §3.11 and §3.12, RFC 9068 §4).",
        maker,
    );
    let typed = |typ: Option<&str>| match typ {
        Some(typ) => maker.header(&header("EdDSA").text("typ", typ)),
        None => maker.header(&header("EdDSA").without("typ")),
    };
    let (other, unknown) = ("token_kind_not_accepted", "token_kind_unknown");
    let session = [
        None,
        Some("JWT"),
        Some("jwt"),
        Some("Jwt"),
        Some("application/jwt"),
        Some("APPLICATION/JWT"),
    ];
    let access = [
        Some("at+jwt"),
        Some("AT+JWT"),
        Some("application/at+jwt"),
        Some("Application/At+Jwt"),
    ];
    let nothing = [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "id_token+jwt",
        "rt+jwt",
        "oauth-authz-req+jwt",
        "token-introspection+jwt",
        "client-authentication+jwt",
        "statuslist+jwt",
        "JOSE",
        "JOSE+JSON",
        "at",
        "at+",
        "+jwt",
        "at+jwt+jwt",
        "at+JWT ",
        " at+jwt",
        "at+jwt; charset=utf-8",
        "application/",
        "application/application/jwt",
        "text/at+jwt",
        "",
        "JWS",
        "JWE",
        "null",
        "application/at\u{0}jwt",
        "\u{ff21}T+JWT",
    ];
    for (accepts, right, wrong) in [
        ("session_token", &session[..], &access[..]),
        ("oauth_token", &access[..], &session[..]),
    ] {
        let with = || json!({"accepts": [accepts]});
        for typ in right {
            group
                .accept(format!("accepts {accepts}: typ {typ:?}"), typed(*typ))
                .with(with())
                .identity(json!({"kind": accepts}));
        }
        for typ in wrong {
            group
                .refuse(
                    format!("accepts {accepts}: typ {typ:?}"),
                    typed(*typ),
                    other,
                )
                .with(with());
        }
        for typ in nothing {
            group
                .refuse(
                    format!("accepts {accepts}: typ {typ:?}"),
                    typed(Some(typ)),
                    unknown,
                )
                .with(with());
        }
    }
    let both = || json!({"accepts": ["session_token", "oauth_token"]});
    for typ in ["JWT", "at+jwt"] {
        group
            .accept(format!("both kinds are accepted: {typ}"), typed(Some(typ)))
            .with(both());
        for accepts in ["m2m_token", "api_key", "template_token"] {
            group
                .refuse(
                    format!("only {accepts} is accepted: {typ}"),
                    typed(Some(typ)),
                    other,
                )
                .with(json!({"accepts": [accepts]}));
        }
    }
    let mut only = both();
    only["issuer"] = json!({"token_types": ["oauth_token"]});
    group
        .refuse(
            "an issuer of access tokens sends a session",
            typed(Some("JWT")),
            other,
        )
        .with(only.clone());
    group
        .accept(
            "an issuer of access tokens sends one",
            typed(Some("at+jwt")),
        )
        .with(only);
    group
        .refuse(
            "a kind that is not accepted, wrongly signed",
            format!("{}x", typed(Some("at+jwt"))),
            other,
        )
        .why("The kind is read before the signature, and cheaper.");
    group
        .accept(
            "cat and the subject's prefix mean nothing from an issuer that has none",
            maker.jws(
                "EdDSA",
                &header("EdDSA").text("cat", "cl_B7d4PD333AAA"),
                claims().text("sub", "mch_1").to_string().as_bytes(),
            ),
        )
        .identity(json!({"kind": "session_token"}));
    for text in ["ak_AAAA", "oat_AAAA", "mt_AAAA"] {
        group.refuse(
            format!("an opaque token nobody knows: {text}"),
            text,
            "token_malformed",
        );
    }
    group
}

/// The tokens that tell the verifiers of the ecosystem apart.
pub(crate) fn matrix(maker: &Maker) -> Group {
    let keys = json!({ "keys": [maker.jwk("rsa")] });
    let mut group = Group::new(
        "jwt/matrix.json",
        "Thirty-four tokens that common verifiers disagree about: rightly signed, or a little damaged.",
        json!({"issuers": [issuer(&keys, &["RS256"])]}),
    );
    let token = |object: crate::maker::Object| {
        maker.jws("RS256", &header("RS256"), object.to_string().as_bytes())
    };
    let headed =
        |object: crate::maker::Object| maker.jws("RS256", &object, claims().to_string().as_bytes());
    let good = token(claims());
    group.accept("a right token", good.clone());
    group.refuse(
        "iss missing",
        token(claims().without("iss")),
        "claim_missing",
    );
    group.refuse(
        "iss a number",
        token(claims().set("iss", 7)),
        "claim_malformed",
    );
    group.refuse(
        "iss an object",
        token(claims().set("iss", "{}")),
        "claim_malformed",
    );
    group.refuse(
        "iss a list with the right one",
        token(claims().set("iss", json!([ISSUER]))),
        "claim_malformed",
    );
    group.refuse(
        "iss wrong",
        token(claims().text("iss", "https://evil.example")),
        "issuer_unknown",
    );
    group.refuse(
        "nbf ahead",
        token(claims().set("nbf", NOW + 3600)),
        "token_not_yet_valid",
    );
    group.refuse(
        "nbf ahead, a string",
        token(claims().text("nbf", "1800003600")),
        "claim_malformed",
    );
    group.refuse(
        "exp missing",
        token(claims().without("exp")),
        "claim_missing",
    );
    group
        .accept("exp a fraction", token(claims().set("exp", "1800000300.5")))
        .identity(json!({"expires_at": 1_800_000_300.5}));
    group.refuse(
        "exp past",
        token(claims().set("exp", NOW - 3600)),
        "token_expired",
    );
    group
        .refuse(
            "exp 30 s past",
            token(claims().set("exp", NOW - 30)),
            "token_expired",
        )
        .why("Within the leeway of a minute that most have.");
    group.refuse(
        "exp a string",
        token(claims().text("exp", "1800000300")),
        "claim_malformed",
    );
    group.refuse(
        "exp negative",
        token(claims().set("exp", -1)),
        "token_expired",
    );
    group.refuse(
        "exp null",
        token(claims().set("exp", "null")),
        "claim_malformed",
    );
    group.refuse(
        "iat ahead",
        token(claims().set("iat", NOW + 3600)),
        "token_issued_in_future",
    );
    group.refuse(
        "crit with an unknown extension",
        headed(
            header("RS256")
                .set("crit", "[\"urn:example:x\"]")
                .set("urn:example:x", 1),
        ),
        "header_unsupported",
    );
    group.refuse(
        "crit with b64",
        headed(header("RS256").set("crit", "[\"b64\"]").set("b64", "false")),
        "header_unsupported",
    );
    group.refuse(
        "crit empty",
        headed(header("RS256").set("crit", "[]")),
        "header_unsupported",
    );
    group.refuse(
        "typ logout+jwt",
        headed(header("RS256").text("typ", "logout+jwt")),
        "token_kind_unknown",
    );
    group.refuse(
        "typ dpop+jwt",
        headed(header("RS256").text("typ", "dpop+jwt")),
        "token_kind_unknown",
    );
    group.refuse(
        "cnf.jkt as a bearer",
        token(claims().set("cnf", "{\"jkt\":\"AAAA\"}")),
        "sender_constrained",
    );
    group.refuse(
        "sub twice",
        token(claims().after("sub", "\"user_eve\"")),
        "claims_malformed",
    );
    group.refuse(
        "alg twice",
        headed(header("RS256").after("alg", "\"RS256\"")),
        "header_malformed",
    );
    group.refuse(
        "kid unknown",
        headed(header("RS256").text("kid", "other")),
        "key_unknown",
    );
    group.accept("kid missing", headed(header("RS256").without("kid")));
    group.accept(
        "an unknown header member",
        headed(header("RS256").text("cat", "x").set("oiat", 1)),
    );
    group.refuse(
        "aud wrong",
        token(claims().text("aud", "https://other.example")),
        "audience_mismatch",
    );
    let [head, body, tail] = segments(&good);
    group.refuse("base64 padding", format!("{good}=="), "encoding_invalid");
    let last = tail.as_bytes()[tail.len() - 1];
    let neighbour = char::from(last + 1);
    group.refuse(
        "a last letter with a stray bit",
        format!("{head}.{body}.{}{neighbour}", &tail[..tail.len() - 1]),
        "encoding_invalid",
    );
    group.refuse("four segments", format!("{good}.{tail}"), "token_malformed");
    group.refuse("a space before it", format!(" {good}"), "encoding_invalid");
    group.refuse(
        "alg none",
        format!(
            "{}.",
            signing_input(&header("none").to_string(), claims().to_string().as_bytes())
        ),
        "algorithm_not_allowed",
    );
    let stranger = {
        let input = signing_input(
            &header("RS256").to_string(),
            claims().to_string().as_bytes(),
        );
        let info = [forge::SHA256_INFO, &forge::sha256(input.as_bytes())].concat();
        format!(
            "{input}.{}",
            b64(maker.rsa_stranger.private(&forge::pkcs1(256, 1, &info)))
        )
    };
    group.refuse("a stranger's signature", stranger, "signature_invalid");
    assert_eq!(group.cases.len(), 34);
    group
}
