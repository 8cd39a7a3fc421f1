//! Clerk's session tokens of both versions, its other kinds, and the packed permissions of version 2.

use serde_json::{Value, json};

use crate::maker::{Group, Maker, NOW, Object, header, issuer};

const CLERK: &str = "https://clerk.example.com";
const PARTY: &str = "https://app.example";
const SESSION: &str = "cl_B7d4PD111AAA";
const TEMPLATE: &str = "cl_B7d4PD222AAA";
const MACHINE: &str = "cl_B7d4PD333AAA";
const OPTED_OUT: &str = "cl_I7d4PD111III";

pub(crate) fn verifier(maker: &Maker) -> Value {
    let mut clerk = issuer(&json!({ "keys": [maker.jwk("rsa")] }), &["RS256"]);
    clerk["issuer"] = json!(CLERK);
    clerk["audience"] = Value::Null;
    clerk["decoder"] = json!("clerk");
    clerk["authorized_parties"] = json!([PARTY]);
    clerk["azp"] = json!("require");
    json!({ "issuers": [clerk] })
}

/// What every version has.
fn common() -> Object {
    Object::from(&[])
        .text("iss", CLERK)
        .text("sub", "user_2ada")
        .text("sid", "sess_2ada")
        .text("azp", PARTY)
        .set("iat", NOW - 10)
        .set("nbf", NOW - 20)
        .set("exp", NOW + 50)
}

fn version_1() -> Object {
    common()
}

pub(crate) fn version_2() -> Object {
    common()
        .text("jti", "1f2e3d4c5b6a")
        .set("v", 2)
        .set("fva", "[1,-1]")
        .text("sts", "active")
}

fn organization() -> Value {
    json!({"id": "org_1", "slg": "acme", "rol": "admin", "per": "read,manage", "fpm": "3,1"})
}

pub(crate) fn token(maker: &Maker, claims: &Object) -> String {
    let header = header("RS256").text("cat", SESSION);
    maker.jws("RS256", &header, claims.to_string().as_bytes())
}

pub(crate) fn sessions(maker: &Maker) -> Group {
    let mut group = Group::new(
        "jwt/clerk_sessions.json",
        "Clerk's sessions of version 1 and 2, its templates, machine, OAuth and opaque tokens: what each is, and what \
         each may say about an organization.",
        verifier(maker),
    );
    let token = |claims: Object| token(maker, &claims);
    let empty = json!({"organization_id": null, "organization_slug": null, "role": null, "permissions": []});
    group.accept("version 1, no organization", token(version_1())).identity(json!({
        "kind": "session_token", "subject": "user_2ada", "user_id": "user_2ada", "session_id": "sess_2ada", "authorized_party": PARTY, "organization_id": null,
        "role": null, "raw_role": null, "permissions": [], "features": [], "plans": [], "flags": [], "session_status": null,
    }));
    let member_1 = || {
        version_1()
            .text("org_id", "org_1")
            .text("org_slug", "acme")
            .text("org_role", "org:admin")
            .set("org_permissions", "[\"org:posts:read\"]")
    };
    group.accept("version 1, an organization", token(member_1())).identity(json!({
        "organization_id": "org_1", "organization_slug": "acme", "role": "org:admin", "raw_role": "org:admin", "permissions": ["org:posts:read"], "flags": [],
    }));
    group
        .accept(
            "version 1, a bare role",
            token(member_1().text("org_role", "admin")),
        )
        .identity(json!({"role": "org:admin", "raw_role": "admin"}));
    group
        .accept(
            "version 1, a role without its organization",
            token(member_1().without("org_id")),
        )
        .identity(json!({"organization_id": null, "role": null, "permissions": []}));
    group
        .accept(
            "version 1, permissions that are no list",
            token(member_1().set("org_permissions", "\"org:posts:read\"")),
        )
        .identity(json!({"permissions": [], "flags": ["organization_malformed"]}));
    group
        .accept(
            "version 1, permissions with a number",
            token(member_1().set("org_permissions", "[\"org:posts:read\",1]")),
        )
        .identity(json!({"permissions": [], "flags": ["organization_malformed"]}));
    group.accept("version 1, an organization that is a number", token(member_1().set("org_id", 7))).identity(json!({"organization_id": null, "role": null, "permissions": [], "flags": ["organization_malformed"]}));
    group
        .accept(
            "version 1, the claims of version 2 in it",
            token(member_1().set("o", organization())),
        )
        .identity(json!({"organization_id": "org_1", "permissions": ["org:posts:read"]}));
    group
        .accept(
            "version 1, only the claims of version 2",
            token(
                version_1()
                    .set("o", organization())
                    .text("fea", "o:posts,o:members"),
            ),
        )
        .identity(empty.clone());

    group.accept("version 2, no organization", token(version_2().text("pla", "u:free").text("fea", "u:dark_mode"))).identity(json!({
        "organization_id": null, "role": null, "permissions": [], "features": ["u:dark_mode"], "plans": ["u:free"], "token_id": "1f2e3d4c5b6a", "session_status": "active", "flags": [],
    }));
    let member_2 = || {
        version_2()
            .text("pla", "o:team")
            .text("fea", "o:posts,o:members")
            .set("o", organization())
    };
    group.accept("version 2, an organization", token(member_2())).identity(json!({
        "organization_id": "org_1", "organization_slug": "acme", "role": "org:admin", "raw_role": "admin",
        "permissions": ["org:posts:read", "org:posts:manage", "org:members:read"], "features": ["o:posts", "o:members"], "plans": ["o:team"], "flags": [],
    }));
    let with_o = |o: Value| token(version_2().text("fea", "o:posts,o:members").set("o", o));
    let changed = |name: &str, value: Value| {
        let mut o = organization();
        o[name] = value;
        with_o(o)
    };
    group
        .accept(
            "version 2, a prefixed role",
            changed("rol", json!("org:admin")),
        )
        .identity(json!({"role": "org:admin", "raw_role": "org:admin"}));
    group.accept("version 2, an organization without permissions", with_o(json!({"id": "org_1", "slg": "acme", "rol": "member"}))).identity(json!({"organization_id": "org_1", "role": "org:member", "permissions": [], "flags": []}));
    group
        .accept(
            "version 2, members nobody knows",
            changed("new", json!({"a": [1]})),
        )
        .identity(json!({"organization_id": "org_1", "flags": []}));
    for (what, o) in [
        ("null", json!(null)),
        ("a string", json!("org_1")),
        ("a list", json!([organization()])),
        ("a number", json!(1)),
        ("true", json!(true)),
    ] {
        group.accept(format!("version 2, o is {what}"), with_o(o)).identity(json!({"organization_id": null, "role": null, "permissions": [], "flags": ["organization_malformed"]}));
    }
    group
        .accept("version 2, o is empty", with_o(json!({})))
        .identity(empty);
    group
        .accept("version 2, an id that is a number", changed("id", json!(7)))
        .identity(json!({"organization_id": null, "role": null, "permissions": [], "flags": ["organization_malformed"]}));
    group
        .accept(
            "version 2, a role that is a list",
            changed("rol", json!(["admin"])),
        )
        .identity(
            json!({"organization_id": "org_1", "role": null, "flags": ["organization_malformed"]}),
        );
    group
        .accept("version 2, an empty id", changed("id", json!("")))
        .identity(json!({"organization_id": null, "role": null, "permissions": [], "flags": ["organization_malformed"]}));
    for (name, raw) in [
        ("org_id", json!("org_evil")),
        ("org_role", json!("org:owner")),
        ("org_permissions", json!(["org:posts:delete"])),
        ("org_slug", json!("evil")),
    ] {
        group
            .accept(format!("version 2, a custom claim called {name}"), token(version_2().set(name, &raw)))
            .why("A claim of version 1 in a token of version 2 is somebody's custom claim and says nothing about an organization.")
            .identity(json!({"organization_id": null, "organization_slug": null, "role": null, "permissions": [], "flags": ["organization_claims_ignored"]}));
        group.accept(format!("version 2, an organization, and a custom claim called {name}"), token(member_2().set(name, &raw)))
            .identity(json!({"organization_id": "org_1", "organization_slug": "acme", "role": "org:admin", "flags": ["organization_claims_ignored"]}));
    }
    let list = json!(["org:posts:delete"]);
    for (what, claims) in [
        ("version 1, no organization", version_1()),
        ("version 2, no organization", version_2()),
        (
            "version 2, an organization without permissions",
            version_2().set("o", json!({"id": "org_1", "rol": "member"})),
        ),
        (
            "version 2, misaligned permissions",
            member_2().text("fea", "o:posts,o:members,o:mail"),
        ),
    ] {
        group
            .accept(
                format!("{what}, and a custom claim called permissions"),
                token(claims.set("permissions", &list)),
            )
            .why("The permissions of a session are those of its organization. A custom claim may repeat what users say of themselves.")
            .identity(json!({"permissions": []}));
    }
    group
        .accept(
            "version 2, all but the id of an organization",
            with_o(json!({"slg": "acme", "rol": "admin", "per": "read", "fpm": "1,1"})),
        )
        .why("A role or a permission without its organization means nothing.")
        .identity(json!({"organization_id": null, "role": null, "raw_role": null, "permissions": [], "flags": []}));
    for (what, raw) in [
        ("a string", "\"2\""),
        ("3", "3"),
        ("null", "null"),
        ("1", "1"),
        ("2.5", "2.5"),
        ("a list", "[2]"),
    ] {
        group
            .accept(
                format!("v is {what}"),
                token(
                    version_1()
                        .set("v", raw)
                        .set("o", organization())
                        .text("fea", "o:posts,o:members"),
                ),
            )
            .why("Only the number 2 is version 2.")
            .identity(json!({"organization_id": null, "permissions": []}));
    }
    group
        .accept("v is 2.0", token(member_2().set("v", "2.0")))
        .identity(json!({"organization_id": "org_1"}));

    let pending = "session_pending";
    let allow = || json!({"allow_pending": true});
    group.refuse(
        "sts pending",
        token(version_2().text("sts", "pending")),
        pending,
    );
    group.refuse(
        "sts pending, version 1",
        token(version_1().text("sts", "pending")),
        pending,
    );
    group
        .accept(
            "sts pending, allowed",
            token(version_2().text("sts", "pending")),
        )
        .with(allow())
        .identity(json!({"session_status": "pending"}));
    group
        .accept("no sts", token(version_2().without("sts")))
        .identity(json!({"session_status": null}));
    group.refuse(
        "sts is a list",
        token(version_2().set("sts", "[\"active\"]")),
        "claim_malformed",
    );
    group
        .accept(
            "sts nobody knows",
            token(version_2().text("sts", "resting")),
        )
        .identity(json!({"session_status": "resting"}));

    group.refuse(
        "azp missing",
        token(version_2().without("azp")),
        "party_missing",
    );
    group.refuse(
        "azp of a stranger",
        token(version_2().text("azp", "https://evil.example")),
        "party_mismatch",
    );
    group.refuse(
        "azp with a slash",
        token(version_2().text("azp", "https://app.example/")),
        "party_mismatch",
    );
    group
        .accept(
            "azp missing, on a document navigation",
            token(version_2().without("azp")),
        )
        .with(json!({"issuer": {"azp": "if_present"}}));
    group.refuse(
        "iss of another instance",
        token(version_2().text("iss", "https://other.clerk.accounts.dev")),
        "issuer_unknown",
    );
    group.refuse(
        "cnf",
        token(version_2().set("cnf", "{\"jkt\":\"AAAA\"}")),
        "sender_constrained",
    );
    let audience = || json!({"issuer": {"audience": ["https://api.example"]}});
    group
        .refuse(
            "no aud, where one is wanted",
            token(version_2()),
            "audience_missing",
        )
        .with(audience());
    group
        .refuse(
            "aud is a list of a number, where one is wanted",
            token(version_2().set("aud", "[1]")),
            "claim_malformed",
        )
        .with(audience());
    group
        .accept(
            "aud, where one is wanted",
            token(version_2().set("aud", "[\"https://api.example\"]")),
        )
        .with(audience());
    group.accept("somebody acts for the user", token(version_2().set("act", json!({"iss": "https://dashboard.clerk.com", "sid": "sess_9", "sub": "user_admin"}))))
        .identity(json!({"subject": "user_2ada", "actor": {"subject": "user_admin", "issuer": "https://dashboard.clerk.com", "session_id": "sess_9", "kind": null}}));

    // What it is: `cat` in the header, `typ`, and the subject's prefix; where they contradict each other, nothing.
    let kinds = [
        ("session_token", "JWT", "user_2ada"),
        ("oauth_token", "at+jwt", "user_2ada"),
        ("m2m_token", "JWT", "mch_2robot"),
    ];
    for (kind, typ, sub) in kinds {
        for (tag, name) in [
            (None, "no tag"),
            (Some(SESSION), "a session's tag"),
            (Some(TEMPLATE), "a template's tag"),
            (Some(MACHINE), "a machine's tag"),
            (Some(OPTED_OUT), "the tag that opts out"),
            (Some("cl_B7d4PD444AAA"), "a tag nobody knows"),
            (Some(""), "an empty tag"),
            (Some("CL_B7D4PD111AAA"), "a tag in capitals"),
        ] {
            let mut header = header("RS256").text("typ", typ);
            if let Some(tag) = tag {
                header = header.text("cat", tag);
            }
            let claims = version_2().text("sub", sub);
            let jws = maker.jws("RS256", &header, claims.to_string().as_bytes());
            let (expect, is) = match (tag, kind) {
                (None | Some(OPTED_OUT), kind) => ("accept", kind),
                (Some(SESSION), "session_token") | (Some(MACHINE), "m2m_token") => ("accept", kind),
                (Some(TEMPLATE), _) => ("accept", "template_token"),
                _ => ("token_kind_unknown", ""),
            };
            let who = match kind {
                "m2m_token" => "a machine",
                "oauth_token" => "an access token",
                _ => "a user",
            };
            let case = group.refuse(format!("{who} with {name}"), jws.clone(), expect);
            case.with(
                json!({"accepts": ["session_token", "oauth_token", "m2m_token", "template_token"]}),
            );
            if expect == "accept" {
                case.identity(json!({"kind": is}));
                if is != "session_token" {
                    group.refuse(
                        format!("{who} with {name}, where sessions are wanted"),
                        jws,
                        "token_kind_not_accepted",
                    );
                }
            }
        }
    }
    let machine = |claims: Object| {
        maker.jws(
            "RS256",
            &header("RS256").text("cat", MACHINE),
            claims.to_string().as_bytes(),
        )
    };
    group
        .accept(
            "a machine has no party",
            machine(
                version_2()
                    .without("azp")
                    .text("sub", "mch_2robot")
                    .text("scopes", "mch_2api"),
            ),
        )
        .with(json!({"accepts": ["m2m_token"]}))
        .identity(json!({"kind": "m2m_token", "user_id": null, "scopes": ["mch_2api"]}));
    group
        .accept(
            "a machine is never pending",
            machine(version_2().text("sub", "mch_2robot").text("sts", "pending")),
        )
        .with(json!({"accepts": ["m2m_token"]}));
    group
        .refuse(
            "a template has a party",
            maker.jws(
                "RS256",
                &header("RS256").text("cat", TEMPLATE),
                version_2().without("azp").to_string().as_bytes(),
            ),
            "party_missing",
        )
        .with(json!({"accepts": ["template_token"]}));

    // Opaque tokens: only the issuer could say whether they are good.
    for (text, kind) in [
        ("oat_2A9xY", "oauth_token"),
        ("ak_2A9xY", "api_key"),
        ("mt_2A9xY", "m2m_token"),
        ("m2m_2A9xY", "m2m_token"),
    ] {
        group
            .refuse(
                format!("opaque {text}, accepted"),
                text,
                "verification_unavailable",
            )
            .with(json!({"accepts": [kind]}));
        group.refuse(
            format!("opaque {text}, where sessions are wanted"),
            text,
            "token_kind_not_accepted",
        );
    }
    group.refuse("a prefix in capitals", "AK_2A9xY", "token_malformed");
    group.refuse(
        "a secret key sent for a token",
        "sk_test_AAAAAAAAAAAAAAAA",
        "token_malformed",
    );
    group.refuse(
        "a publishable key sent for a token",
        "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k",
        "token_malformed",
    );
    group
}

pub(crate) fn permissions(maker: &Maker) -> Group {
    let mut group = Group::new(
        "jwt/clerk_permissions.json",
        "Packed permissions: bit j of mask i grants permission j on feature i. Masks line up with all features if they \
         are as many, else with the features of organization scope if they are as many as those, else nothing is granted \
         and the identity is flagged.",
        verifier(maker),
    );
    let packed = |fea: &Value, per: &Value, fpm: &Value| {
        let mut o = json!({"id": "org_1", "rol": "member"});
        for (name, value) in [("per", per), ("fpm", fpm)] {
            if *value != json!("absent") {
                o[name] = value.clone();
            }
        }
        let mut claims = version_2().set("o", o);
        if *fea != json!("absent") {
            claims = claims.set("fea", fea);
        }
        token(maker, &claims)
    };
    let names: Vec<String> = (0..72).map(|n| format!("p{n}")).collect();
    let names = names.join(",");
    let power_70 = (1u128 << 70).to_string();
    let power_200 = "1606938044258990275541962092341162602522202993782792835301376";
    for (what, fea, per, fpm, granted) in [
        (
            "two features",
            "o:dashboard,o:teams",
            "manage,read",
            "3,2",
            "dashboard:manage dashboard:read teams:read",
        ),
        (
            "a user's feature first, with a mask of its own",
            "u:beta,o:dashboard,o:teams",
            "manage,read",
            "0,3,2",
            "dashboard:manage dashboard:read teams:read",
        ),
        (
            "a user's feature between, without a mask",
            "o:dashboard,u:beta,o:teams",
            "manage,read",
            "3,2",
            "dashboard:manage dashboard:read teams:read",
        ),
        (
            "a user's feature first, without a mask",
            "u:beta,o:dashboard,o:teams",
            "manage,read",
            "3,2",
            "dashboard:manage dashboard:read teams:read",
        ),
        (
            "a user's feature last, without a mask",
            "o:dashboard,o:teams,u:beta",
            "manage,read",
            "3,2",
            "dashboard:manage dashboard:read teams:read",
        ),
        (
            "a user's feature with bits in its mask",
            "u:beta,o:teams",
            "manage,read",
            "3,2",
            "teams:read",
        ),
        (
            "a feature of both scopes",
            "ou:memberships,u:impersonation",
            "read,manage",
            "3,0",
            "memberships:read memberships:manage",
        ),
        (
            "a feature of both scopes, the other way round",
            "uo:memberships",
            "read,manage",
            "2",
            "memberships:manage",
        ),
        (
            "a feature of both scopes and a user's, masks for the first",
            "u:x,uo:y",
            "read",
            "1",
            "y:read",
        ),
        ("a mask of zero", "o:a,o:b", "read,write", "0,1", "b:read"),
        ("bits beyond the names", "o:a", "read", "7", "a:read"),
        ("a negative mask", "o:a", "read,write", "-3", ""),
        ("a plus sign", "o:a", "read,write", "+1", ""),
        ("an underscore", "o:a", "read,write", "1_0", ""),
        ("a full-width digit", "o:a", "read,write", "\u{ff13}", ""),
        ("an Arabic digit", "o:a", "read,write", "\u{663}", ""),
        ("hexadecimal", "o:a", "read,write", "0x3", ""),
        ("an exponent", "o:a", "read,write", "3e0", ""),
        ("a fraction", "o:a", "read,write", "3.0", ""),
        (
            "leading zeros",
            "o:a",
            "read,write",
            "0003",
            "a:read a:write",
        ),
        (
            "spaces",
            "o:a, o:b",
            "read, write",
            " 3, 1",
            "a:read a:write b:read",
        ),
        ("a space inside a mask", "o:a", "read,write", "1 1", ""),
        (
            "an entry without scope",
            "dashboard,o:b",
            "read",
            "1,1",
            "b:read",
        ),
        (
            "an entry with two colons",
            "o:a:b,o:c",
            "read",
            "1,1",
            "c:read",
        ),
        (
            "a scope that contains an o",
            "org:dashboard",
            "read",
            "1",
            "",
        ),
        ("a scope in capitals", "O:dashboard", "read", "1", ""),
        ("an empty scope", ":dashboard", "read", "1", ""),
        ("an empty feature", "o:,o:b", "read", "1,1", "b:read"),
        (
            "one mask that is no number",
            "o:a,o:b",
            "read",
            "x,1",
            "b:read",
        ),
        ("an empty mask", "o:a,o:b", "read", ",1", "b:read"),
        ("an empty name", "o:a", "read,,write", "7", "a:read a:write"),
        (
            "names with colons of their own",
            "o:a",
            "read:all",
            "1",
            "a:read:all",
        ),
        ("bit 70", "o:a", &names, &power_70, "a:p70"),
        ("bit 200 of 72 names", "o:a", &names, power_200, ""),
        ("no bit of 72 names", "o:a", &names, "0", ""),
        (
            "a repeated feature",
            "o:a,o:a",
            "read,write",
            "1,2",
            "a:read a:write",
        ),
        ("only users' features", "u:a,u:b", "read", "1,1", ""),
    ] {
        let granted: Vec<String> = granted
            .split_whitespace()
            .map(|p| format!("org:{p}"))
            .collect();
        group
            .accept(what, packed(&json!(fea), &json!(per), &json!(fpm)))
            .identity(json!({"permissions": granted, "flags": [], "organization_id": "org_1"}));
    }
    group.accept("all of 72 bits", packed(&json!("o:a"), &json!(names), &json!(((1u128 << 72) - 1).to_string()))).identity(json!({"permissions": (0..72).map(|n| format!("org:a:p{n}")).collect::<Vec<_>>(), "flags": []}));
    group
        .accept(
            "a mask of 1025 digits",
            packed(
                &json!("o:a"),
                &json!("read"),
                &json!(format!("{}1", "0".repeat(1024))),
            ),
        )
        .why("Longer than any mask we read.")
        .identity(json!({"permissions": [], "flags": []}));

    for (what, fea, per, fpm) in [
        (
            "fewer masks than features of either count",
            json!("o:a,o:b,u:c"),
            json!("read"),
            json!("1"),
        ),
        (
            "more masks than features",
            json!("o:a"),
            json!("read"),
            json!("1,1"),
        ),
        (
            "masks for three of four features, two of them the organization's",
            json!("o:a,u:b,u:c,o:d"),
            json!("read"),
            json!("1,1,1"),
        ),
        ("a comma too many", json!("o:a"), json!("read"), json!("1,")),
        (
            "masks without features",
            json!("absent"),
            json!("read"),
            json!("1"),
        ),
        ("empty features", json!(""), json!("read"), json!("1")),
        (
            "only users' features, and one mask",
            json!("u:a,u:b"),
            json!("read"),
            json!("1"),
        ),
        ("no names", json!("o:a"), json!(""), json!("1")),
        (
            "names are absent",
            json!("o:a"),
            json!("absent"),
            json!("1"),
        ),
        (
            "masks are absent",
            json!("o:a"),
            json!("read"),
            json!("absent"),
        ),
        ("masks are empty", json!("o:a"), json!("read"), json!("")),
        ("masks are a number", json!("o:a"), json!("read"), json!(3)),
        (
            "masks are a list",
            json!("o:a"),
            json!("read"),
            json!(["1"]),
        ),
        (
            "names are a list",
            json!("o:a"),
            json!(["read"]),
            json!("1"),
        ),
        (
            "features are a list",
            json!(["o:a"]),
            json!("read"),
            json!("1"),
        ),
    ] {
        group
            .accept(format!("misaligned: {what}"), packed(&fea, &per, &fpm))
            .identity(json!({"permissions": [], "flags": ["permissions_misaligned"]}));
    }
    group
        .accept(
            "nothing is packed",
            packed(&json!("o:a"), &json!("absent"), &json!("absent")),
        )
        .identity(json!({"permissions": [], "flags": []}));
    group
        .accept(
            "nothing is packed, in empty words",
            packed(&json!("o:a"), &json!(""), &json!("")),
        )
        .identity(json!({"permissions": [], "flags": []}));
    group.refuse(
        "a name twice in o",
        token(
            maker,
            &version_2().text("fea", "o:a").set(
                "o",
                "{\"id\":\"org_1\",\"per\":\"read\",\"fpm\":\"0\",\"fpm\":\"1\"}",
            ),
        ),
        "claims_malformed",
    );
    group
}
