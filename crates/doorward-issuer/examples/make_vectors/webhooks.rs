//! Webhooks, genuine and not (Standard Webhooks 1.0.0, and Svix, its origin).

use aws_lc_rs::hmac;
use serde::Serialize;
use serde_json::{Value, json};

use crate::maker::{Maker, NOW, b64_standard, compact, unb64};

pub(crate) fn groups(maker: &Maker) -> Vec<Group> {
    vec![
        published(),
        headers(),
        timestamp(),
        signatures(maker),
        secrets(maker),
        body(),
    ]
}

/// What others have printed: the documents of Svix and of Standard Webhooks, Svix' own tests; and what `svix` 2.9.1 for
/// Python signed.
fn published() -> Group {
    let mut group = Group::new(
        "webhook/published.json",
        "Messages that others have signed: the documents and tests of Svix and of Standard Webhooks, and svix 2.9.1.",
        &[],
    );
    let docs = "{\"test\": 2432232314}";
    group.published(
        "Svix' documents, and those of Standard Webhooks",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, docs),
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    );
    group.published(
        "Ed25519, as Svix' server tests it",
        "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
        ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, docs),
        "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
    );
    group.published(
        "a test of Svix for Rust",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        (
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            "{\"email\":\"test@example.com\",\"username\":\"test_user\"}",
        ),
        "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
    );
    let clerk = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";
    group.published(
        "other scripts than Latin",
        clerk,
        (
            "msg_2doorwardVector000000000005",
            1_772_000_200,
            "{\"type\":\"user.updated\",\"data\":{\"first_name\":\"Zo\u{eb} \u{1f6aa}\",\"last_name\":\"\u{141}ukasiewicz\"}}",
        ),
        "v1,0jTcqb+T9GRvxEWqSrZHEnsLgXzb3q5EBigFxl4na04=",
    );
    group.published(
        "line breaks in the body and at its end",
        clerk,
        (
            "msg_2doorwardVector000000000006",
            1_772_000_300,
            "{\n  \"type\": \"session.ended\",\n  \"data\": {\n    \"id\": \"sess_1\",\n    \"status\": \"ended\"\n  }\n}\n",
        ),
        "v1,P5bOYJH+IC9iMOW+UO8zaQlJcB6zYP+c67pGluh01Jo=",
    );
    group.published(
        "a secret without prefix and padding",
        "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGQ",
        (
            "msg_2doorwardVector000000000007",
            1_772_000_400,
            "{\"type\":\"organization.created\",\"data\":{\"id\":\"org_1\"}}",
        ),
        "v1,2vPFV9/VqTZ5HkgmYNxVc3DrqlTT64PzjnuKKmvytOc=",
    );
    group.published(
        "the old secret's signature before the new one's",
        "whsec_//z59vPw7ern5OHe29jV0s/MycbDwL26t7SxrquopaKfnJmWk5CNioeEgX57eHVyb2xpZmNgXVpXVFFOS0hFQg==",
        (
            "msg_2doorwardVector000000000008",
            1_772_000_500,
            "{\"type\":\"organizationMembership.created\",\"data\":{\"id\":\"orgmem_1\"}}",
        ),
        "v1,A4Ptv1sjfEHFmUgVf4NTHrwc2BPC985oPw4pU/aFqV8= v1,9+8ud5piW11LJwIcx3Ap4pffZFTj8ObPhyjytWpzjQI=",
    );
    group
}

fn headers() -> Group {
    let mut group = Group::new(
        "webhook/headers.json",
        "Three header fields, `webhook-*` or `svix-*`, each once. Both families may be there if they agree.",
        &[SECRET],
    );
    let good = Message::new();
    let (id, time, list) = (good.id.as_str(), good.timestamp.as_str(), good.signature());
    let list = list.as_str();
    let standard = [
        ("webhook-id", id),
        ("webhook-timestamp", time),
        ("webhook-signature", list),
    ];
    let svix = [
        ("svix-id", id),
        ("svix-timestamp", time),
        ("svix-signature", list),
    ];
    let with = |head: &[(&str, &str)], more: &[(&str, &str)]| -> Vec<(String, String)> {
        let all = head.iter().chain(more);
        all.map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    };
    let without = |head: &[(&str, &str)], name: &str| -> Vec<(String, String)> {
        let mut head = with(head, &[]);
        head.retain(|(own, _)| own != name);
        head
    };
    group
        .case("webhook-*", with(&standard, &[]), BODY, "accept")
        .message(json!({"id": ID, "sent_at": NOW, "secret_index": 0}));
    group
        .case("svix-*", with(&svix, &[]), BODY, "accept")
        .message(json!({"id": ID, "sent_at": NOW, "secret_index": 0}));
    group
        .case("both, the same", with(&standard, &svix), BODY, "accept")
        .why("Clerk sends both.");
    let shouted: Vec<_> = with(&svix, &[])
        .into_iter()
        .map(|(name, value)| (name.to_uppercase(), value))
        .collect();
    group.case("names in upper case", shouted, BODY, "accept");
    let mixed: Vec<_> = with(&standard, &[])
        .into_iter()
        .map(|(name, value)| (name.replace("webhook", "wEbHoOk"), value))
        .collect();
    group.case("names in mixed case", mixed, BODY, "accept");
    let blanks: Vec<_> = with(&svix, &[])
        .into_iter()
        .map(|(name, value)| (name, format!(" \t{value}\t ")))
        .collect();
    group
        .case("blanks around values", blanks, BODY, "accept")
        .why("RFC 9110 §5.5: they are no part of the value.");
    let others = [
        ("content-type", "application/json"),
        ("x-svix-id", "msg_2"),
        ("svix-id-2", "x"),
    ];
    group.case("among others", with(&others, &svix), BODY, "accept");

    group.case("none at all", vec![], BODY, "headers_missing");
    for head in [standard, svix] {
        for (name, _) in head {
            group.case(
                &format!("no {name}"),
                without(&head, name),
                BODY,
                "headers_missing",
            );
        }
        for (name, value) in head {
            group
                .case(
                    &format!("{name} twice, the same"),
                    with(&head, &[(name, value)]),
                    BODY,
                    "headers_repeated",
                )
                .why("A server may join them, and another may take the last.");
            group.case(
                &format!("{name} twice, in another case"),
                with(&head, &[(&name.to_uppercase(), "x")]),
                BODY,
                "headers_repeated",
            );
        }
    }
    group
        .case(
            "one whole family, and a part of the other that agrees",
            with(&standard, &svix[..2]),
            BODY,
            "accept",
        )
        .why("A proxy dropped a field.");
    group
        .case(
            "two halves that would make a whole",
            with(&svix[..2], &standard[2..]),
            BODY,
            "headers_missing",
        )
        .why("Svix puts a message together from both families.");
    for (name, other) in [
        ("svix-id", "msg_other"),
        ("svix-timestamp", "1800000001"),
        ("svix-signature", "v1,AAAA"),
        ("svix-id", ""),
    ] {
        let mut both = without(&svix, name);
        both.push((name.to_owned(), other.to_owned()));
        both.extend(with(&standard, &[]));
        group.case(
            &format!("both, and {name} is {other:?}"),
            both,
            BODY,
            "headers_conflict",
        );
        group.case(
            &format!("the other one whole, and {name} is {other:?}"),
            with(&standard, &[(name, other)]),
            BODY,
            "headers_conflict",
        );
    }

    let other_id = |id: &str| Message {
        id: id.to_owned(),
        ..Message::new()
    };
    group.message("an id of 255 bytes", &other_id(&"i".repeat(255)), "accept");
    group.message(
        "an id with every other mark",
        &other_id("!#$%&'*+-/:;<=>?@[]^_`{|}~\"\\()"),
        "accept",
    );
    for (name, id) in [
        ("an empty id", ""),
        ("an id of 256 bytes", &"i".repeat(256)),
        ("an id with a space", "a b"),
        ("an id with a line break", "msg_1\r\nx-evil: 1"),
        ("an id with a zero byte", "msg\u{0}"),
        ("an id that is not ASCII", "msg_\u{e9}"),
        ("an id with a dot", "msg.1"),
    ] {
        group.message(name, &other_id(id), "id_malformed");
    }
    group
        .case(
            "an id that a server joined from two",
            vec![
                ("svix-id".to_owned(), format!("{ID},{ID}")),
                ("svix-timestamp".to_owned(), time.to_owned()),
                ("svix-signature".to_owned(), list.to_owned()),
            ],
            BODY,
            "id_malformed",
        )
        .why("PEP 3333 servers join fields with commas.");
    let shifted = Message {
        id: "msg.1800000000".to_owned(),
        body: "x".to_owned(),
        ..Message::new()
    };
    group
        .case(
            "the boundary between id and timestamp, moved",
            vec![
                ("svix-id".to_owned(), "msg.1800000000".to_owned()),
                ("svix-timestamp".to_owned(), shifted.timestamp.clone()),
                ("svix-signature".to_owned(), shifted.signature()),
            ],
            "x",
            "id_malformed",
        )
        .why("The same octets as the id `msg`, the same timestamp and the body `1800000000.x`; Svix takes both.");
    group
}

fn timestamp() -> Group {
    let mut group = Group::new(
        "webhook/timestamp.json",
        "Whole seconds in one spelling, at most 300 from now in either direction.",
        &[SECRET],
    );
    let at = |timestamp: &str| Message {
        timestamp: timestamp.to_owned(),
        ..Message::new()
    };
    for (age, expect) in [
        (0, "accept"),
        (299, "accept"),
        (300, "accept"),
        (301, "timestamp_too_old"),
        (86_400, "timestamp_too_old"),
        (-299, "accept"),
        (-300, "accept"),
        (-301, "timestamp_too_new"),
        (-86_400, "timestamp_too_new"),
    ] {
        group.message(
            &format!("{age} s old"),
            &at(&(NOW - age).to_string()),
            expect,
        );
    }
    let old = at(&(NOW - 300).to_string());
    group
        .message("300.999 s old", &old, "accept")
        .now(NOW as f64 + 0.999)
        .why("Whole seconds are compared: the sender rounded down, and so do we.");
    group
        .message("301 s old to the millisecond", &old, "timestamp_too_old")
        .now(NOW as f64 + 1.0);
    group.message("the year 9999", &at("253402300799"), "timestamp_too_new");
    group.message("1970", &at("0"), "timestamp_too_old");
    let malformed = "timestamp_malformed";
    for (name, timestamp) in [
        ("empty", ""),
        ("a sign", "+1800000000"),
        ("negative", "-1"),
        ("a fraction", "1800000000.0"),
        ("an exponent", "1.8e9"),
        ("underscores", "1_800_000_000"),
        ("leading zeros", "001800000000"),
        ("zero twice", "00"),
        ("hexadecimal", "0x6B49D200"),
        ("a space inside", "1800 000000"),
        ("a line break", "1800000000\r\n1"),
        ("two joined", "1800000000,1800000000"),
        ("two joined with a space", "1800000000, 1800000000"),
        ("milliseconds", "1800000000000"),
        ("microseconds", "1800000000000000"),
        ("the year 10000", "253402300800"),
        ("2^63", "9223372036854775808"),
        ("2^64 and our time", "18446744075509551616"),
        ("400 digits", &"1".repeat(400)),
        ("a date", "2027-01-15T08:00:00Z"),
        ("NaN", "NaN"),
        ("infinity", "inf"),
        ("not ASCII", "180000000\u{b2}"),
        ("a zero byte", "1800000000\u{0}"),
    ] {
        group.message(name, &at(timestamp), malformed);
    }
    group
        .case(
            "signed without the leading zero",
            {
                let mut head = at("1800000000").head();
                head[1].1 = "01800000000".to_owned();
                head
            },
            BODY,
            malformed,
        )
        .why("Libraries that read the number and sign it anew take every spelling.");
    group.case(
        "another timestamp than was signed",
        {
            let mut head = Message::new().head();
            head[1].1 = (NOW + 1).to_string();
            head
        },
        BODY,
        "signature_mismatch",
    );
    group
}

fn signatures(maker: &Maker) -> Group {
    let mut group = Group::new(
        "webhook/signatures.json",
        "A list separated by spaces, of entries `v1,` and `v1a,` with canonical padded base64. A bad entry never spoils a good \
         one.",
        &[SECRET],
    );
    let good = Message::new();
    let right = good.signature();
    let encoded = right.strip_prefix("v1,").expect("it is v1");
    let other = good.signed_with(&key(OLD));
    let wrong = format!("v1,{}", b64_standard([0x5a; 32]));
    let list = |list: &str| {
        let mut head = good.head();
        head[2].1 = list.to_owned();
        head
    };
    assert_ne!(urlsafe(encoded), encoded, "choose another id");
    let (mismatch, malformed) = ("signature_mismatch", "signatures_malformed");
    for (name, entries, expect) in [
        ("one, right", right.clone(), "accept"),
        ("one, wrong", wrong.clone(), mismatch),
        ("another secret's", other.clone(), mismatch),
        ("right after wrong", format!("{wrong} {right}"), "accept"),
        ("right before wrong", format!("{right} {wrong}"), "accept"),
        (
            "right between others",
            format!("{wrong} {right} {other}"),
            "accept",
        ),
        ("right twice", format!("{right} {right}"), "accept"),
        ("right after junk", format!("junk {right}"), "accept"),
        (
            "right after an entry without a value",
            format!("v1, {right}"),
            "accept",
        ),
        (
            "right after an entry without a version",
            format!(",{encoded} {right}"),
            "accept",
        ),
        (
            "right after three commas",
            format!("v1,a,b,c {right}"),
            "accept",
        ),
        (
            "right after bad base64",
            format!("v1,**** {right}"),
            "accept",
        ),
        (
            "right after one without padding",
            format!("v1,{} {right}", &encoded[..43]),
            "accept",
        ),
        (
            "right after other versions",
            format!("v0,x v2,{encoded} v9z,x {right}"),
            "accept",
        ),
        ("right after two spaces", format!("  {right}"), "accept"),
        ("right and trailing spaces", format!("{right}   "), "accept"),
        ("empty", String::new(), malformed),
        ("a space", " ".to_owned(), malformed),
        ("no comma", "v1".to_owned(), malformed),
        ("a comma", ",".to_owned(), malformed),
        ("no value", "v1,".to_owned(), malformed),
        ("no version", encoded.to_owned(), malformed),
        ("version 2", format!("v2,{encoded}"), malformed),
        (
            "the version in upper case",
            format!("V1,{encoded}"),
            malformed,
        ),
        ("a zero in the version", format!("v01,{encoded}"), malformed),
        ("equals for comma", format!("v1={encoded}"), malformed),
        ("a second comma", format!("v1,{encoded},"), malformed),
        ("a second comma before", format!("v1,,{encoded}"), malformed),
        (
            "two joined by a comma",
            format!("{right},{right}"),
            malformed,
        ),
        (
            "two joined by a comma and a space",
            format!("{wrong}, {right}"),
            "accept",
        ),
        (
            "two joined by a tab",
            format!("{right}\t{right}"),
            malformed,
        ),
        (
            "two joined by a line break",
            format!("{right}\n{right}"),
            malformed,
        ),
        (
            "a header smuggled behind",
            format!("{right}\r\nx-evil: 1"),
            malformed,
        ),
        (
            "without padding",
            format!("v1,{}", &encoded[..43]),
            malformed,
        ),
        ("too much padding", format!("v1,{encoded}="), malformed),
        (
            "in the other alphabet",
            format!("v1,{}", urlsafe(encoded)),
            malformed,
        ),
        (
            "31 bytes",
            format!("v1,{}", b64_standard([1; 31])),
            malformed,
        ),
        (
            "33 bytes",
            format!("v1,{}", b64_standard([1; 33])),
            malformed,
        ),
        ("no bytes", "v1,====".to_owned(), malformed),
        ("hexadecimal", format!("v1,{}", "ab".repeat(32)), malformed),
        ("the v1 tag as v1a", format!("v1a,{encoded}"), malformed),
        (
            "not ASCII",
            format!("v1,\u{e9}{}", &encoded[1..]),
            malformed,
        ),
        (
            "32 entries, the last right",
            format!("{}{right}", format!("{wrong} ").repeat(31)),
            "accept",
        ),
        (
            "33 entries, the last right",
            format!("{}{right}", format!("{wrong} ").repeat(32)),
            malformed,
        ),
        ("1,000 entries", format!("{wrong} ").repeat(1000), malformed),
        (
            "20,000 entries without content",
            "a ".repeat(20_000),
            malformed,
        ),
        ("100,000 commas", ",".repeat(100_000), malformed),
        (
            "a prefix of the right one",
            format!("v1,{}", b64_standard(&standard(encoded)[..16])),
            malformed,
        ),
    ] {
        group.case(name, list(&entries), BODY, expect);
    }
    let mut stray = encoded.to_owned();
    stray.replace_range(42..43, next_letter(&encoded[42..43]));
    group
        .case(
            "stray bits in the last letter",
            list(&format!("v1,{stray}")),
            BODY,
            malformed,
        )
        .why("Lenient decoders read the same 32 bytes.");
    let mut flipped = standard(encoded);
    for bit in [0, 7, 128, 255] {
        flipped[bit / 8] ^= 1 << (bit % 8);
        group.case(
            &format!("bit {bit} flipped"),
            list(&format!("v1,{}", b64_standard(&flipped))),
            BODY,
            mismatch,
        );
        flipped[bit / 8] ^= 1 << (bit % 8);
    }

    let public = format!(
        "whpk_{}",
        b64_standard(unb64(maker.jwk("ed25519")["x"].as_str().expect("a key")))
    );
    let asymmetric = format!("v1a,{}", b64_standard(maker.sign("EdDSA", &good.content())));
    let stranger = format!(
        "v1a,{}",
        b64_standard(maker.sign_as_stranger(&good.content()))
    );
    let only_public = json!([public]);
    let both = json!([SECRET, public]);
    for (name, secrets, entries, expect, index) in [
        (
            "v1a with its key",
            &only_public,
            asymmetric.clone(),
            "accept",
            0,
        ),
        (
            "v1a with a shared secret alone",
            &json!([SECRET]),
            asymmetric.clone(),
            mismatch,
            0,
        ),
        (
            "v1 with a public key alone",
            &only_public,
            right.clone(),
            mismatch,
            0,
        ),
        (
            "v1a, and both configured",
            &both,
            asymmetric.clone(),
            "accept",
            1,
        ),
        ("v1, and both configured", &both, right.clone(), "accept", 0),
        (
            "v1 and v1a",
            &both,
            format!("{asymmetric} {right}"),
            "accept",
            0,
        ),
        (
            "v1a of another key",
            &only_public,
            stranger.clone(),
            mismatch,
            0,
        ),
        (
            "v1a after another key's",
            &only_public,
            format!("{stranger} {asymmetric}"),
            "accept",
            0,
        ),
        (
            "v1a after wrong v1",
            &both,
            format!("{wrong} {asymmetric}"),
            "accept",
            1,
        ),
        (
            "v1a as v1",
            &only_public,
            asymmetric.replace("v1a,", "v1,"),
            malformed,
            0,
        ),
        (
            "a tag keyed with the public key",
            &only_public,
            good.signed_with(&unb64(maker.jwk("ed25519")["x"].as_str().expect("a key"))),
            mismatch,
            0,
        ),
        (
            "a tag keyed with the public key's text",
            &both,
            good.signed_with(public.as_bytes()),
            mismatch,
            0,
        ),
    ] {
        let case = group.case(name, list(&entries), BODY, expect);
        case.secrets(secrets.clone());
        if expect == "accept" {
            case.message(json!({"secret_index": index}));
        }
    }
    group
}

fn secrets(maker: &Maker) -> Group {
    let mut group = Group::new(
        "webhook/secrets.json",
        "Secrets as operators spell them, and several at once. `config_error`: the verifier cannot be made.",
        &[SECRET],
    );
    let good = Message::new();
    for (name, secrets, index) in [
        ("the right one of two", json!([OLD, SECRET]), 1),
        (
            "the right one of eight",
            json!([OLD, OLD, OLD, OLD, OLD, OLD, OLD, SECRET]),
            7,
        ),
        ("the same twice", json!([SECRET, SECRET]), 0),
    ] {
        let case = group.message(name, &good, "accept");
        case.secrets(secrets);
        case.message(json!({"secret_index": index}));
    }
    group
        .message("another endpoint's", &good, "signature_mismatch")
        .secrets(json!([OLD]));
    let encoded = SECRET.strip_prefix("whsec_").expect("a prefix");
    let bare = encoded.trim_end_matches('=');
    assert!(encoded.ends_with('=') && encoded.contains('+') && encoded.contains('/'));
    for (name, secret) in [
        ("without prefix", encoded.to_owned()),
        ("without padding", format!("whsec_{bare}")),
        (
            "in the other alphabet",
            format!("whsec_{}", urlsafe(encoded)),
        ),
        ("in the other alphabet, bare", urlsafe(bare)),
        ("with a line break behind", format!("{SECRET}\n")),
        ("with blanks around", format!("  {SECRET} \t")),
        ("in double quotes", format!("\"{SECRET}\"")),
        ("in single quotes", format!("'{SECRET}'")),
    ] {
        group
            .message(name, &good, "accept")
            .secrets(json!([secret]));
    }
    let public = b64_standard(unb64(maker.jwk("ed25519")["x"].as_str().expect("a key")));
    for (name, secret) in [
        ("nothing", String::new()),
        ("blanks", "  ".to_owned()),
        ("the prefix alone", "whsec_".to_owned()),
        ("the prefix and padding", "whsec_==".to_owned()),
        ("15 bytes", format!("whsec_{}", b64_standard([1; 15]))),
        ("513 bytes", format!("whsec_{}", b64_standard([1; 513]))),
        ("the prefix twice", format!("whsec_{SECRET}")),
        ("no base64", "whsec_not base64, is it?".to_owned()),
        ("a letter that is none", format!("whsec_{bare}!")),
        (
            "breaks off in a byte",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwA".to_owned(),
        ),
        ("too much padding", format!("{SECRET}==")),
        (
            "a secret key",
            "sk_test_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKY".to_owned(),
        ),
        (
            "a publishable key",
            "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k".to_owned(),
        ),
        (
            "an endpoint's id",
            "ep_2abcdefghijklmnopqrstuvwxyz".to_owned(),
        ),
        ("a URL", "https://api.example/webhooks".to_owned()),
        ("a signature", good.signature()),
        ("a private key", format!("whsk_{}", b64_standard([1; 64]))),
        (
            "a public key of 31 bytes",
            format!("whpk_{}", b64_standard([1; 31])),
        ),
        (
            "a public key of small order",
            format!("whpk_{}", b64_standard([0; 32])),
        ),
        (
            "a public key with both prefixes",
            format!("whpk_whsec_{public}"),
        ),
        ("a placeholder", "whsec_...".to_owned()),
        (
            "a variable that nobody put in",
            "${CLERK_WEBHOOK_SIGNING_SECRET}".to_owned(),
        ),
    ] {
        group
            .message(
                &format!("instead of a secret: {name}"),
                &good,
                "config_error",
            )
            .secrets(json!([secret]));
    }
    group
        .message("none", &good, "config_error")
        .secrets(json!([]));
    group
        .message("a right one and a bad one", &good, "config_error")
        .secrets(json!([SECRET, "whsec_"]));
    group
        .message("nine", &good, "config_error")
        .secrets(json!(vec![SECRET; 9]));
    group
}

fn body() -> Group {
    let mut group = Group::new(
        "webhook/body.json",
        "The octets that arrived are what was signed, whatever they are; nothing parses them before.",
        &[SECRET],
    );
    let of = |body: &str| Message {
        body: body.to_owned(),
        ..Message::new()
    };
    for (name, body) in [
        ("empty", String::new()),
        ("no JSON", "hello".to_owned()),
        ("a list", "[]".to_owned()),
        ("a line break", "\n".to_owned()),
        ("a byte order mark", "\u{feff}{}".to_owned()),
        ("1 MiB", "a".repeat(1024 * 1024)),
    ] {
        group.message(name, &of(&body), "accept");
    }
    group.message(
        "1 MiB and a byte",
        &of(&"a".repeat(1024 * 1024 + 1)),
        "body_too_large",
    );
    group.message("10 MB", &of(&"a".repeat(10_000_000)), "body_too_large");
    let good = Message::new();
    for (name, body) in [
        ("with spaces added", BODY.replace(':', ": ")),
        ("with a line break added", format!("{BODY}\n")),
        ("with a byte changed", BODY.replace("user_1", "user_2")),
        ("with a byte missing", BODY[1..].to_owned()),
        ("empty in its place", String::new()),
    ] {
        group.case(name, good.head(), &body, "signature_mismatch");
    }
    let binary = [0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28];
    let lossy = [0xef, 0xbf, 0xbd];
    let signed = Message::new().signed_octets(&key(SECRET), &binary);
    let mut head = good.head();
    head[2].1 = signed;
    group.octets("not UTF-8", head.clone(), &binary, "accept");
    let mut replaced = binary.to_vec();
    replaced.splice(0..1, lossy);
    group
        .octets(
            "another octet string that decodes to the same text",
            head,
            &replaced,
            "signature_mismatch",
        )
        .why("A library that decodes the body first takes this.");
    group
}

/// 32 bytes whose base64 has padding and both letters in which the alphabets differ. A test secret.
const SECRET: &str = "whsec_++/7/+/7dGVzdC1zZWNyZXQtZm9yLXZlY3RvcnMtISE=";
const OLD: &str = "whsec_AwoRGB8mLTQ7QklQV15lbHN6gYiPlp2kq7K5wMfO1dw=";
const ID: &str = "msg_8vector";
const BODY: &str = r#"{"type":"user.created","data":{"id":"user_1"}}"#;

/// A message, as a right sender signs it.
struct Message {
    id: String,
    timestamp: String,
    body: String,
}

impl Message {
    fn new() -> Self {
        Self {
            id: ID.to_owned(),
            timestamp: NOW.to_string(),
            body: BODY.to_owned(),
        }
    }

    fn content(&self) -> String {
        format!("{}.{}.{}", self.id, self.timestamp, self.body)
    }

    fn signature(&self) -> String {
        self.signed_with(&key(SECRET))
    }

    fn signed_with(&self, key: &[u8]) -> String {
        self.signed_octets(key, self.body.as_bytes())
    }

    fn signed_octets(&self, key: &[u8], body: &[u8]) -> String {
        let mut content = latin_1(&format!("{}.{}.", self.id, self.timestamp));
        content.extend(body);
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        format!("v1,{}", b64_standard(hmac::sign(&key, &content)))
    }

    fn head(&self) -> Vec<(String, String)> {
        vec![
            ("svix-id".to_owned(), self.id.clone()),
            ("svix-timestamp".to_owned(), self.timestamp.clone()),
            ("svix-signature".to_owned(), self.signature()),
        ]
    }
}

/// A header value's letters are its bytes.
fn latin_1(text: &str) -> Vec<u8> {
    let byte = |letter: char| u8::try_from(u32::from(letter)).expect("a byte");
    text.chars().map(byte).collect()
}

fn key(secret: &str) -> Vec<u8> {
    standard(secret.strip_prefix("whsec_").expect("a prefix"))
}

fn standard(encoded: &str) -> Vec<u8> {
    base64_simd::STANDARD
        .decode_to_vec(encoded)
        .expect("base64")
}

fn urlsafe(encoded: &str) -> String {
    encoded.replace('+', "-").replace('/', "_")
}

/// The letter after this one: with the last of 32 bytes it differs in bits that are not used.
fn next_letter(letter: &str) -> &'static str {
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let place = LETTERS.find(letter).expect("a letter");
    &LETTERS[place + 1..place + 2]
}

#[derive(Serialize)]
pub(crate) struct Case {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secrets: Option<Value>,
    head: Vec<(String, Value)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<f64>,
    expect: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Value>,
}

impl Case {
    fn why(&mut self, comment: &str) -> &mut Self {
        self.comment = Some(comment.to_owned());
        self
    }

    fn secrets(&mut self, secrets: Value) -> &mut Self {
        self.secrets = Some(secrets);
        self
    }

    fn now(&mut self, now: f64) -> &mut Self {
        self.now = Some(now);
        self
    }

    fn message(&mut self, message: Value) -> &mut Self {
        self.message = Some(message);
        self
    }
}

/// One file of webhooks.
#[derive(Serialize)]
pub(crate) struct Group {
    #[serde(skip)]
    pub(crate) path: &'static str,
    description: &'static str,
    now: i64,
    secrets: Vec<&'static str>,
    pub(crate) cases: Vec<Case>,
}

impl Group {
    fn new(path: &'static str, description: &'static str, secrets: &[&'static str]) -> Self {
        Self {
            path,
            description,
            now: NOW,
            secrets: secrets.to_vec(),
            cases: Vec::new(),
        }
    }

    fn case(
        &mut self,
        name: &str,
        head: Vec<(String, String)>,
        body: &str,
        expect: &str,
    ) -> &mut Case {
        let taken = self.cases.iter().any(|case| case.name == name);
        assert!(!taken, "{}: {name:?} twice", self.path);
        self.cases.push(Case {
            name: name.to_owned(),
            comment: None,
            secrets: None,
            head: head
                .into_iter()
                .map(|(name, value)| (name, compact(&value)))
                .collect(),
            body: Some(compact(body)),
            body_base64: None,
            now: None,
            expect: expect.to_owned(),
            message: None,
        });
        self.cases.last_mut().expect("just pushed")
    }

    fn message(&mut self, name: &str, message: &Message, expect: &str) -> &mut Case {
        self.case(name, message.head(), &message.body, expect)
    }

    fn octets(
        &mut self,
        name: &str,
        head: Vec<(String, String)>,
        body: &[u8],
        expect: &str,
    ) -> &mut Case {
        let case = self.case(name, head, "", expect);
        case.body = None;
        case.body_base64 = Some(b64_standard(body));
        case
    }

    /// A message of somebody else's, ten seconds after it was signed; and the same with a letter of the body changed.
    fn published(
        &mut self,
        name: &str,
        secret: &str,
        (id, sent_at, body): (&str, i64, &str),
        list: &str,
    ) {
        let head: Vec<_> = [
            ("svix-id", id),
            ("svix-timestamp", &sent_at.to_string()),
            ("svix-signature", list),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        self.case(name, head.clone(), body, "accept")
            .secrets(json!([secret]))
            .now(sent_at as f64 + 10.0)
            .message(json!({"id": id, "sent_at": sent_at}));
        self.case(
            &format!("{name}, changed"),
            head,
            &format!("{body} "),
            "signature_mismatch",
        )
        .secrets(json!([secret]))
        .now(sent_at as f64 + 10.0);
    }
}
