//! Requests that present a credential, and demands of a route (RFC 9110 §11.6.2, RFC 6750 §2.1, RFC 6265 §4.2).

use serde_json::{Value, json};

use crate::clerk;
use crate::maker::{Group, Maker, header};

pub(crate) fn headers(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "credential/header.json",
        "One Authorization field with the Bearer scheme and one token. Another scheme is left to others; what calls \
         itself Bearer and is malformed is refused, and never rescued by a cookie (RFC 6750 §2, RFC 9110 §11.4).",
        maker,
    );
    session_cookies(&mut group, maker);
    let malformed = "authorization_malformed";
    for value in [
        "Bearer <good>",
        "bearer <good>",
        "BEARER <good>",
        "bEaReR <good>",
        "Bearer    <good>",
        "  Bearer <good>  ",
        "\tBearer <good>\t",
    ] {
        group
            .head(&format!("{value:?}"), &[("Authorization", value)], "accept")
            .identity(json!({"subject": "user_ada"}));
    }
    for name in ["authorization", "AUTHORIZATION", "aUTHORIZATION"] {
        group.head(
            &format!("a field of the name {name}"),
            &[(name, "Bearer <good>")],
            "accept",
        );
    }
    for value in [
        "Bearer",
        "Bearer ",
        "bearer",
        "Bearer  ",
        "Bearer <good> x",
        "Bearer <good> <good>",
        "Bearer <good>,<good>",
        "Bearer <good>, Bearer <good>",
        "Bearer <good>;",
        "Bearer \"<good>\"",
        "Bearer '<good>'",
        "Bearer\t<good>",
        "Bearer \t<good>",
        "Bearer:<good>",
        "Bearer,<good>",
        "Bearer=<good>x y",
        "Bearer =",
        "Bearer ==",
        "Bearer Bearer <good>",
        "Bearer token=<good>",
        "Bearer token=\"<good>\"",
        "Bearer <good>\u{e9}",
        "Bearer \u{a0}<good>",
        "Bearer <good>\0",
        "Bearer\u{a0}<good>",
        "Bearer\0<good>",
        "Bearer (<good>)",
        "Bearer <good>%20",
        "Bearer/<good>",
    ] {
        group.head(
            &format!("{value:?}"),
            &[("Authorization", value), ("Cookie", "__session=<good>")],
            malformed,
        );
    }
    let missing = "credentials_missing";
    for value in [
        "",
        " ",
        "<good>",
        "Basic <good>",
        "Basic dTpwCg==",
        "Token <good>",
        "JWT <good>",
        "BearerToken <good>",
        "xBearer <good>",
        "DPoP <good>",
        "Digest username=\"Bearer <good>\"",
        "Basic Bearer <good>",
    ] {
        group.head(&format!("{value:?}"), &[("Authorization", value)], missing);
        group.head(
            &format!("{value:?} beside a cookie"),
            &[("Authorization", value), ("Cookie", "__session=<good>")],
            "accept",
        );
    }
    let several = "multiple_credentials";
    for (what, first, second) in [
        ("two, the same", "Bearer <good>", "Bearer <good>"),
        ("two, the right one first", "Bearer <good>", "Bearer <bad>"),
        ("two, the right one last", "Bearer <bad>", "Bearer <good>"),
        ("two, of two schemes", "Basic dTpwCg==", "Bearer <good>"),
        ("two, the second empty", "Bearer <good>", ""),
        ("two, the first empty", "", "Bearer <good>"),
    ] {
        group.head(
            what,
            &[("Authorization", first), ("authorization", second)],
            several,
        );
        group.head(
            &format!("{what}, beside a cookie"),
            &[
                ("Authorization", first),
                ("Cookie", "__session=<good>"),
                ("authorization", second),
            ],
            several,
        );
    }
    group.head("nothing", &[], missing);
    group.head(
        "other fields",
        &[
            ("Accept", "*/*"),
            ("X-Authorization", "Bearer <good>"),
            ("Proxy-Authorization", "Bearer <good>"),
            ("Authorization-X", "Bearer <good>"),
        ],
        missing,
    );
    group.head(
        "a name with an underscore",
        &[
            ("authori_zation", "Bearer <good>"),
            ("HTTP_AUTHORIZATION", "Bearer <good>"),
        ],
        missing,
    );
    group.head(
        "a name with a space",
        &[("Authorization ", "Bearer <good>")],
        missing,
    );
    group.head(
        "a bad header is not rescued by a cookie",
        &[
            ("Authorization", "Bearer <bad>"),
            ("Cookie", "__session=<good>"),
        ],
        "signature_invalid",
    );
    group.head(
        "an expired header is not rescued by a cookie",
        &[
            ("Authorization", "Bearer <expired>"),
            ("Cookie", "__session=<good>"),
        ],
        "token_expired",
    );
    group.head(
        "junk in the header is not rescued by a cookie",
        &[
            ("Authorization", "Bearer junk"),
            ("Cookie", "__session=<good>"),
        ],
        "token_malformed",
    );
    group.head(
        "a right header beside a bad cookie",
        &[
            ("Authorization", "Bearer <good>"),
            ("Cookie", "__session=<bad>"),
        ],
        "accept",
    );
    group.head(
        "base64 padding is allowed by the scheme, not by the token",
        &[("Authorization", "Bearer <good>==")],
        "encoding_invalid",
    );
    group
}

pub(crate) fn cookies(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "credential/cookie.json",
        "Session cookies have exact names; whatever else stands in a Cookie field, however malformed, is somebody \
         else's (RFC 6265 §4.2 and §5.4).",
        maker,
    );
    session_cookies(&mut group, maker);
    group.token(
        "access",
        maker.header(&header("EdDSA").text("typ", "at+jwt")),
    );
    let missing = "credentials_missing";
    for value in [
        "__session=<good>",
        "__session=\"<good>\"",
        "a=b; __session=<good>",
        "__session=<good>; a=b",
        "a=b;__session=<good>;c=d",
        " __session = <good> ",
        "; ;__session=<good>;;",
        "__session=; __session=<good>",
        "a; __session=<good>",
        "=; __session=<good>",
        "=a; __session=<good>",
        "a=\"b; __session=<good>",
        "prefs={\"a\":[1]}; __session=<good>",
        "a(b)=1; k[0]=x; __session=<good>",
        "a=b=c=d; __session=<good>",
        "\u{e9}=\u{ff}; __session=<good>",
        "a=\0\u{1}; __session=<good>",
        "$Version=1; __session=<good>; $Path=/",
        "__session_other=<bad>; __session=<good>",
        "__sessionx=<bad>; __session=<good>",
        "x__session=<bad>; __session=<good>",
        "__SESSION=<bad>; __session=<good>",
        "__Host-__session=<bad>; __session=<good>",
        "__session_ABC=<bad>; __session=<good>",
        "__session=<good>; __session=<bad>",
        "__session_abc=<good>; __session=<bad>",
        "__session=<bad>; __session_abc=<good>",
    ] {
        group
            .head(&format!("{value:?}"), &[("Cookie", value)], "accept")
            .identity(json!({"subject": "user_ada"}));
    }
    for value in [
        "",
        "__session",
        "__session=",
        "__session=\"\"",
        "a=b",
        "__SESSION=<good>",
        "__session_other=<good>",
        "__session_ABC=<good>",
        "x__session=<good>",
        "__sessio=<good>",
        "__session\u{e9}=<good>",
        "a=__session=<good>",
        "__session:<good>",
        "__session%3D<good>",
        "__session,a=<good>",
    ] {
        group.head(&format!("{value:?}"), &[("Cookie", value)], missing);
    }
    group.head(
        "two fields",
        &[("Cookie", "a=b"), ("Cookie", "__session=<good>")],
        "accept",
    );
    group.head(
        "two fields, the first one's counts",
        &[
            ("Cookie", "__session=<good>"),
            ("cookie", "__session=<bad>"),
        ],
        "accept",
    );
    group.head(
        "the more wanted name wins over the first field",
        &[
            ("Cookie", "__session=<bad>"),
            ("Cookie", "__session_abc=<good>"),
        ],
        "accept",
    );
    group.head(
        "the first of two of one name",
        &[("Cookie", "__session=<bad>; __session=<good>")],
        "signature_invalid",
    );
    group.head(
        "a bad one of the more wanted name",
        &[("Cookie", "__session_abc=<bad>; __session=<good>")],
        "signature_invalid",
    );
    group.head(
        "expired",
        &[("Cookie", "__session=<expired>")],
        "token_expired",
    );
    group.head("junk", &[("Cookie", "__session=junk")], "token_malformed");
    group.head(
        "spaces inside",
        &[("Cookie", "__session=<good> x")],
        "encoding_invalid",
    );
    group.head(
        "not ASCII",
        &[("Cookie", "__session=\u{e9}")],
        "token_malformed",
    );
    group.head(
        "one quote",
        &[("Cookie", "__session=\"<good>")],
        "encoding_invalid",
    );
    group.head(
        "written with %2E for its dots",
        &[("Cookie", "__session=a%2Eb%2Ec")],
        "token_malformed",
    );
    group.head(
        "a Set-Cookie field",
        &[("Set-Cookie", "__session=<good>")],
        missing,
    );
    let both = || json!({"accepts": ["session_token", "oauth_token"]});
    group
        .head(
            "an access token in a cookie",
            &[("Cookie", "__session=<access>")],
            "token_kind_not_accepted",
        )
        .with(both())
        .why("Machines do not use cookies.");
    group
        .head(
            "an access token in the header",
            &[("Authorization", "Bearer <access>")],
            "accept",
        )
        .with(both());
    group
        .head(
            "cookies are not read",
            &[("Cookie", "__session=<good>; __session_abc=<good>")],
            missing,
        )
        .with(json!({"cookies": []}));
    group
}

fn session_cookies(group: &mut Group, maker: &Maker) {
    group.verifier_member("cookies", json!(["__session_abc", "__session"]));
    group.token("good", maker.good());
    group.token(
        "expired",
        maker.claims(&crate::maker::claims().set("exp", crate::maker::NOW - 100)),
    );
    let good = maker.good();
    let other = maker.claims(&crate::maker::claims().text("sub", "user_eve"));
    let (input, _) = other.rsplit_once('.').expect("a token");
    let (_, signature) = good.rsplit_once('.').expect("a token");
    group.token("bad", format!("{input}.{signature}"));
}

pub(crate) fn policies(maker: &Maker) -> Group {
    let mut verifier = clerk::verifier(maker);
    verifier["accepts"] = json!(["session_token", "oauth_token", "m2m_token"]);
    let mut group = Group::new(
        "policy/policy.json",
        "What a route demands of a verified caller, and which refusal answers. Every demand must be met.",
        verifier,
    );
    let member = || {
        clerk::version_2().text("pla", "o:team,u:pro").text("fea", "o:posts,u:beta,ou:chat").set("o", json!({"id": "org_1", "slg": "acme", "rol": "admin", "per": "read,write", "fpm": "3,0,1"}))
    };
    group.token("member", clerk::token(maker, &member()));
    group.token(
        "user",
        clerk::token(
            maker,
            &clerk::version_2()
                .text("pla", "u:free")
                .text("fea", "u:beta"),
        ),
    );
    group.token(
        "impersonated",
        clerk::token(maker, &member().set("act", "{\"sub\":\"user_admin\"}")),
    );
    let mut forged = member();
    forged = forged
        .without("o")
        .text("org_id", "org_1")
        .text("org_role", "org:admin")
        .set("org_permissions", "[\"org:posts:read\"]");
    group.token("smuggler", clerk::token(maker, &forged));
    group.token(
        "slug_only",
        clerk::token(
            maker,
            &clerk::version_2().set("o", json!({"slg": "acme", "rol": "admin"})),
        ),
    );
    group.token(
        "boaster",
        clerk::token(
            maker,
            &clerk::version_2().set("permissions", json!(["org:posts:read"])),
        ),
    );
    group.token(
        "placeless",
        clerk::token(
            maker,
            &clerk::version_2()
                .text("fea", "o:posts")
                .set("o", json!({"rol": "admin", "per": "read", "fpm": "1"})),
        ),
    );
    for (name, fva) in [
        ("fresh", "[0,0]"),
        ("first_only", "[9,-1]"),
        ("stale", "[600,600]"),
        ("stale_second", "[0,600]"),
        ("stale_first", "[600,0]"),
        ("no_second", "[0,-1]"),
        ("none_enrolled", "[-1,-1]"),
        ("odd_factors", "[0]"),
    ] {
        group.token(
            name,
            clerk::token(maker, &clerk::version_2().set("fva", fva)),
        );
    }
    group.token(
        "no_factors",
        clerk::token(maker, &clerk::version_2().without("fva")),
    );
    let access = clerk::version_2()
        .text("client_id", "client_1")
        .text("scope", "posts:read posts:write");
    group.token(
        "access",
        maker.jws(
            "RS256",
            &header("RS256").text("typ", "at+jwt"),
            access.to_string().as_bytes(),
        ),
    );

    // Scopes that hold others: the token has `posts:read posts:write`.
    for (what, implies, scope, permitted) in [
        (
            "held directly",
            json!({"posts:write": ["posts:draft"]}),
            "posts:draft",
            true,
        ),
        (
            "held by what is held",
            json!({"posts:write": ["posts:draft"], "posts:draft": ["posts:list"]}),
            "posts:list",
            true,
        ),
        (
            "held in a circle",
            json!({"posts:write": ["a"], "a": ["b"], "b": ["a", "posts:write"]}),
            "b",
            true,
        ),
        (
            "held by a scope of itself",
            json!({"posts:write": ["posts:write", "a"]}),
            "a",
            true,
        ),
        (
            "not held upwards",
            json!({"posts:admin": ["posts:write"]}),
            "posts:admin",
            false,
        ),
        ("not held by a prefix", json!({"posts": ["a"]}), "a", false),
        (
            "not held by other letters",
            json!({"POSTS:WRITE": ["a"]}),
            "a",
            false,
        ),
        (
            "not held by nobody",
            json!({"a": ["b"], "b": ["a"]}),
            "a",
            false,
        ),
    ] {
        let expect = if permitted {
            "accept"
        } else {
            "insufficient_scope"
        };
        for demand in [
            json!({"scopes": ["posts:read", scope]}),
            json!({"any_scope": ["x", scope]}),
        ] {
            let name = format!("{what}: {demand}");
            let with = json!({"scope_implies": implies});
            group.policy(&name, "access", demand, expect).with(with);
        }
    }
    let mut rows = |reason: &str, rows: &[(&str, Value, bool)]| {
        for (token, policy, permitted) in rows {
            let expect = if *permitted { "accept" } else { reason };
            group.policy(&format!("{token}: {policy}"), token, policy.clone(), expect);
        }
    };
    rows(
        "insufficient_scope",
        &[
            ("access", json!({}), true),
            ("member", json!({}), true),
            ("access", json!({"scopes": ["posts:read"]}), true),
            (
                "access",
                json!({"scopes": ["posts:read", "posts:write"]}),
                true,
            ),
            (
                "access",
                json!({"scopes": ["posts:read", "posts:delete"]}),
                false,
            ),
            ("access", json!({"scopes": ["posts"]}), false),
            ("access", json!({"scopes": ["POSTS:READ"]}), false),
            ("access", json!({"scopes": ["posts:*"]}), false),
            ("member", json!({"scopes": ["posts:read"]}), false),
            (
                "access",
                json!({"any_scope": ["posts:delete", "posts:read"]}),
                true,
            ),
            (
                "access",
                json!({"any_scope": ["posts:delete", "posts:admin"]}),
                false,
            ),
            (
                "access",
                json!({"scopes": ["posts:read"], "any_scope": ["posts:delete"]}),
                false,
            ),
        ],
    );
    rows(
        "role_required",
        &[
            ("member", json!({"role": "admin"}), true),
            ("member", json!({"role": "org:admin"}), true),
            ("member", json!({"role": "org:owner"}), false),
            ("member", json!({"role": "Admin"}), false),
            ("member", json!({"role": "org:org:admin"}), false),
            ("user", json!({"role": "admin"}), false),
            ("smuggler", json!({"role": "admin"}), false),
            ("slug_only", json!({"role": "admin"}), false),
            ("access", json!({"role": "admin"}), false),
        ],
    );
    rows(
        "permission_required",
        &[
            ("boaster", json!({"permissions": ["org:posts:read"]}), false),
            (
                "placeless",
                json!({"permissions": ["org:posts:read"]}),
                false,
            ),
            ("member", json!({"permissions": ["org:posts:read"]}), true),
            (
                "member",
                json!({"permissions": ["org:posts:read", "org:posts:write", "org:chat:read"]}),
                true,
            ),
            (
                "member",
                json!({"permissions": ["org:posts:read", "org:posts:delete"]}),
                false,
            ),
            ("member", json!({"permissions": ["posts:read"]}), false),
            ("member", json!({"permissions": ["org:beta:read"]}), false),
            ("member", json!({"permissions": ["org:posts:*"]}), false),
            ("user", json!({"permissions": ["org:posts:read"]}), false),
            (
                "smuggler",
                json!({"permissions": ["org:posts:read"]}),
                false,
            ),
            ("access", json!({"permissions": ["posts:read"]}), false),
        ],
    );
    rows(
        "feature_required",
        &[
            ("member", json!({"feature": "posts"}), true),
            ("member", json!({"feature": "org:posts"}), true),
            ("member", json!({"feature": "user:posts"}), false),
            ("member", json!({"feature": "beta"}), true),
            ("member", json!({"feature": "org:beta"}), false),
            ("member", json!({"feature": "user:chat"}), true),
            ("member", json!({"feature": "org:chat"}), true),
            ("member", json!({"feature": "mail"}), false),
            ("member", json!({"feature": "x:posts"}), false),
            ("user", json!({"feature": "u:beta"}), true),
            ("access", json!({"feature": "posts"}), false),
        ],
    );
    rows(
        "plan_required",
        &[
            ("member", json!({"plan": "team"}), true),
            ("member", json!({"plan": "org:team"}), true),
            ("member", json!({"plan": "user:team"}), false),
            ("member", json!({"plan": "user:pro"}), true),
            ("user", json!({"plan": "pro"}), false),
            ("user", json!({"plan": "free"}), true),
        ],
    );
    rows(
        "organization_required",
        &[
            ("member", json!({"organization": true}), true),
            ("user", json!({"organization": true}), false),
            ("member", json!({"organization": "org_1"}), true),
            ("member", json!({"organization": "acme"}), true),
            ("member", json!({"organization": "org_2"}), false),
            ("smuggler", json!({"organization": true}), false),
            ("smuggler", json!({"organization": "org_1"}), false),
            ("slug_only", json!({"organization": true}), false),
            ("slug_only", json!({"organization": "acme"}), false),
            ("access", json!({"organization": true}), false),
        ],
    );
    let within = |level: &str, after: u32| json!({"reverification": {"level": level, "after_minutes": after}});
    rows(
        "reverification_required",
        &[
            (
                "stale_first",
                json!({"reverification": "strict_mfa"}),
                false,
            ),
            ("stale_first", json!({"reverification": "strict"}), true),
            ("stale_first", within("first_factor", 10), false),
            ("no_second", json!({"reverification": "strict_mfa"}), true),
            ("none_enrolled", json!({"reverification": "lax"}), false),
            ("none_enrolled", within("first_factor", 10), false),
            ("fresh", json!({"reverification": "strict_mfa"}), true),
            (
                "stale_second",
                json!({"reverification": "strict_mfa"}),
                false,
            ),
            ("first_only", json!({"reverification": "strict"}), true),
            ("stale", json!({"reverification": "moderate"}), false),
            ("stale", json!({"reverification": "lax"}), true),
            ("stale_second", json!({"reverification": "strict"}), false),
            ("no_factors", json!({"reverification": "lax"}), false),
            ("odd_factors", json!({"reverification": "lax"}), false),
            ("access", json!({"reverification": "lax"}), false),
            ("first_only", within("first_factor", 9), false),
            ("first_only", within("first_factor", 10), true),
            ("stale_second", within("first_factor", 1), true),
            ("stale_second", within("second_factor", 601), true),
            ("stale_second", within("multi_factor", 600), false),
        ],
    );
    rows(
        "impersonation_denied",
        &[
            ("member", json!({"deny_impersonation": true}), true),
            ("impersonated", json!({"deny_impersonation": true}), false),
            ("impersonated", json!({}), true),
            ("impersonated", json!({"role": "admin"}), true),
        ],
    );
    rows(
        "token_kind_not_accepted",
        &[
            ("member", json!({"accepts": ["session_token"]}), true),
            ("member", json!({"accepts": ["oauth_token"]}), false),
            (
                "access",
                json!({"accepts": ["oauth_token", "m2m_token"]}),
                true,
            ),
            ("access", json!({"accepts": ["session_token"]}), false),
        ],
    );
    rows(
        "permission_required",
        &[
            (
                "member",
                json!({"role": "admin", "permissions": ["org:posts:write"], "feature": "posts", "plan": "team", "organization": "acme", "deny_impersonation": true, "accepts": ["session_token"], "reverification": "lax"}),
                true,
            ),
            (
                "member",
                json!({"role": "admin", "permissions": ["org:posts:delete"], "feature": "posts", "plan": "team", "organization": "acme"}),
                false,
            ),
        ],
    );
    group
}
