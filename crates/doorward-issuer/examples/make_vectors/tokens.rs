//! The token as text: its header, its encoding, its JSON, its segments (RFC 7515 §4 and §7.1, RFC 4648 §3.5, RFC 8259).

use serde_json::{Value, json};

use crate::maker::{
    Group, Maker, Object, b64, b64_standard, claims, header, segments, signing_input,
};

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

pub(crate) fn head(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "jwt/header.json",
        "Members of the protected header: what is critical, what brings a key along, names of keys, and members that \
         come twice (RFC 7515 §4, RFC 7797, RFC 8725 §3.10).",
        maker,
    );
    let usual = || header("EdDSA");
    let token = |header: Object| maker.header(&header);
    group.accept("control", maker.good());

    let unsupported = "header_unsupported";
    for raw in [
        "[\"exp\"]",
        "[]",
        "\"exp\"",
        "[1]",
        "null",
        "{}",
        "true",
        "[\"b64\"]",
        "[\"kid\"]",
        "[\"alg\"]",
        "[\"crit\"]",
        "[\"urn:example:unknown\"]",
        "[\"exp\",\"exp\"]",
        "[[\"exp\"]]",
    ] {
        group.refuse(
            format!("crit {raw}"),
            token(usual().set("crit", raw).set("exp", 1)),
            unsupported,
        );
    }
    group.refuse(
        "crit of a member that is not there",
        token(usual().set("crit", "[\"nonce\"]")),
        unsupported,
    );
    for raw in ["false", "true", "null", "\"false\""] {
        group.refuse(
            format!("b64 {raw}"),
            token(usual().set("b64", raw)),
            unsupported,
        );
        group.refuse(
            format!("b64 {raw}, critical"),
            token(usual().set("b64", raw).set("crit", "[\"b64\"]")),
            unsupported,
        );
    }
    for raw in ["\"DEF\"", "null", "\"\""] {
        group.refuse(
            format!("zip {raw}"),
            token(usual().set("zip", raw)),
            unsupported,
        );
    }
    group.refuse(
        "enc, in a token of three segments",
        token(usual().text("enc", "A256GCM")),
        "token_encrypted",
    );
    group.refuse(
        "enc is null",
        token(usual().set("enc", "null")),
        "token_encrypted",
    );

    // A key that the token brings along, and a signature that it verifies.
    let embedded = "embedded_key";
    let stranger = maker.stranger_jwk();
    let forged = |header: Object| {
        let input = signing_input(&header.to_string(), claims().to_string().as_bytes());
        format!("{input}.{}", b64(maker.sign_as_stranger(&input)))
    };
    group.refuse(
        "jwk: a stranger's key, and its signature",
        forged(usual().set("jwk", &stranger)),
        embedded,
    );
    group.refuse(
        "jwk: a stranger's key, and its signature, without kid",
        forged(usual().without("kid").set("jwk", &stranger)),
        embedded,
    );
    group.refuse(
        "jwk: the right key, and a right signature",
        token(usual().set("jwk", maker.jwk("ed25519"))),
        embedded,
    );
    for raw in ["null", "{}", "\"\"", "[]"] {
        group.refuse(
            format!("jwk {raw}"),
            token(usual().set("jwk", raw)),
            embedded,
        );
    }
    for url in [
        "https://stranger.example/jwks.json",
        "https://issuer.example@stranger.example/",
        "https://issuer.example/.well-known/jwks.json",
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "data:application/json,{}",
        "",
        "//stranger.example",
    ] {
        group.refuse(
            format!("jku {url:?}"),
            forged(usual().text("jku", url)),
            embedded,
        );
    }
    for url in ["https://stranger.example/cert.pem", "file:///etc/passwd"] {
        group.refuse(
            format!("x5u {url:?}"),
            forged(usual().text("x5u", url)),
            embedded,
        );
    }
    group.refuse("x5c", forged(usual().set("x5c", "[\"MIIB\"]")), embedded);
    group.refuse("x5c is empty", token(usual().set("x5c", "[]")), embedded);
    group.refuse(
        "jku is null, and the signature right",
        token(usual().set("jku", "null")),
        embedded,
    );
    group
        .accept(
            "x5t names a certificate and brings none",
            token(usual().text("x5t", "AAAA")),
        )
        .why("A label we do not look at (RFC 7515 §4.1.7).");

    // `kid` is compared and nothing else.
    let unknown = "key_unknown";
    for kid in [
        "",
        " ed25519",
        "ed25519 ",
        "ED25519",
        "ed2551",
        "ed25519\u{0}",
        "ed25519\n",
        "\u{0}",
        "../../../../dev/null",
        "/dev/null",
        "TEST-KEY-ed25519.pem",
        "file:///dev/null",
        "https://stranger.example/key",
        "x' UNION SELECT 'a",
        "1; DROP TABLE keys",
        "| sleep 9",
        "$(id)",
        "`id`",
        "${jndi:ldap://stranger.example}",
        "{{7*7}}",
        "%s%s%n",
        "<script>",
        "\r\nSet-Cookie: a=b",
        "\u{202e}91552de",
        "ed25519\u{301}",
        "\u{ff45}d25519",
        "__proto__",
        "constructor",
        "*",
        "0",
    ] {
        group.refuse(
            format!("kid {kid:?}"),
            token(usual().text("kid", kid)),
            unknown,
        );
    }
    group.refuse(
        "a kid of 256 bytes",
        token(usual().text("kid", &"k".repeat(256))),
        unknown,
    );
    group.refuse(
        "a kid of 257 bytes",
        token(usual().text("kid", &"k".repeat(257))),
        "header_malformed",
    );
    group.refuse(
        "a kid of 129 letters and 258 bytes",
        token(usual().text("kid", &"\u{e9}".repeat(129))),
        "header_malformed",
    );
    group
        .accept(
            "kid with escapes",
            token(usual().set("kid", "\"\\u0065d25519\"")),
        )
        .why("The same string, spelled otherwise.");
    group.accept("no kid", token(usual().without("kid")));
    for member in ["kid", "typ", "cat"] {
        for raw in ["7", "null", "[]", "{}", "true"] {
            group.refuse(
                format!("{member} is {raw}"),
                token(usual().set(member, raw)),
                "header_malformed",
            );
        }
    }
    group.refuse(
        "kid in a list",
        token(usual().set("kid", "[\"ed25519\"]")),
        "header_malformed",
    );

    for (name, raw) in [
        ("cty", "\"JWT\""),
        ("oiat", "1799999990"),
        ("x5t#S256", "\"AAAA\""),
        ("nonce", "\"n\""),
        ("custom", "{\"a\":[1,null]}"),
        ("", "0"),
    ] {
        group.accept(
            format!("an uncritical member {name:?}"),
            token(usual().set(name, raw)),
        );
    }

    // Which of two would win differs between readers (RFC 7515 §4, RFC 8725 §2.4).
    let malformed = "header_malformed";
    for (name, raw) in [
        ("alg", "\"EdDSA\""),
        ("alg", "\"none\""),
        ("alg", "\"HS256\""),
        ("kid", "\"ed25519\""),
        ("kid", "\"other\""),
        ("typ", "\"at+jwt\""),
        ("crit", "[]"),
    ] {
        let one = if name == "crit" {
            usual().set("crit", "[\"exp\"]")
        } else {
            usual()
        };
        group.refuse(
            format!("{name} twice, {raw} first"),
            token(one.clone().before(name, raw)),
            malformed,
        );
        group.refuse(
            format!("{name} twice, {raw} last"),
            token(one.after(name, raw)),
            malformed,
        );
    }
    group.refuse(
        "alg twice, once in escapes",
        token(usual().after("\\u0061lg", "\"none\"")),
        malformed,
    );
    group.refuse(
        "alg twice, first in escapes",
        token(usual().before("al\\u0067", "\"none\"")),
        malformed,
    );
    group.refuse(
        "an unknown member twice",
        token(usual().after("a", 1).after("a", 1)),
        malformed,
    );
    group.refuse(
        "a member of a member twice",
        token(usual().set("a", "{\"b\":1,\"b\":1}")),
        malformed,
    );

    for (what, text) in [
        ("an empty header", ""),
        ("an empty object", "{}"),
        ("a list", "[]"),
        ("a list of a header", "[{\"alg\":\"EdDSA\"}]"),
        ("a string", "\"EdDSA\""),
        ("null", "null"),
        ("a number", "7"),
        ("two objects", "{\"alg\":\"EdDSA\"}{\"alg\":\"EdDSA\"}"),
        ("text behind the object", "{\"alg\":\"EdDSA\"}x"),
        ("a comma too many", "{\"alg\":\"EdDSA\",}"),
        ("an object that does not end", "{\"alg\":\"EdDSA\""),
        ("single quotes", "{'alg':'EdDSA'}"),
        ("a name without quotes", "{alg:\"EdDSA\"}"),
        ("a comment", "{\"alg\":\"EdDSA\"/**/}"),
        ("NaN in a member", "{\"alg\":\"EdDSA\",\"a\":NaN}"),
        ("a byte order mark", "\u{feff}{\"alg\":\"EdDSA\"}"),
        (
            "a line break inside a string",
            "{\"alg\":\"EdDSA\",\"a\":\"\n\"}",
        ),
    ] {
        group.refuse(what, maker.header(&text), malformed);
    }
    group.accept(
        "white space where JSON has it",
        maker.header(&" {\r\n\t\"alg\" : \"EdDSA\" ,\n \"kid\":\"ed25519\"}\n "),
    );
    let utf16: Vec<u8> = header("EdDSA")
        .to_string()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let with_bytes = |bytes: &[u8]| {
        let input = format!("{}.{}", b64(bytes), b64(claims().to_string()));
        format!("{input}.{}", b64(maker.sign("EdDSA", &input)))
    };
    group.refuse("a header in UTF-16", with_bytes(&utf16), malformed);
    group.refuse(
        "a header that is not UTF-8",
        with_bytes(b"{\"alg\":\"EdDSA\",\"a\":\"\xff\"}"),
        malformed,
    );
    for (depth, expect) in [(31, "accept"), (32, malformed), (1000, malformed)] {
        let nested = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        group.refuse(
            format!("{depth} lists inside each other"),
            token(usual().set("a", nested)),
            expect,
        );
    }
    group
}

pub(crate) fn encoding(maker: &Maker) -> Group {
    let mut group = Group::usual(
        "jwt/encoding.json",
        "Base64url in its one spelling: no padding, no white space, no other alphabet, no stray bits. One token has \
         one spelling, so that a digest of it is an identity (RFC 7515 §2, RFC 4648 §3.5).",
        maker,
    );
    let invalid = "encoding_invalid";
    let es = maker.jws("ES256", &header("ES256"), claims().to_string().as_bytes());
    let [head, body, tail] = segments(&es);
    let last = tail.as_bytes()[tail.len() - 1];
    let canonical = LETTERS
        .iter()
        .position(|letter| *letter == last)
        .expect("base64url");
    for bits in 0..16 {
        let letter = char::from(LETTERS[canonical & !15 | bits]);
        let spelled = format!("{head}.{body}.{}{letter}", &tail[..tail.len() - 1]);
        let expect = if bits == 0 { "accept" } else { invalid };
        group.refuse(
            format!("an ES256 signature whose stray bits are {bits:04b}"),
            spelled,
            expect,
        );
    }
    assert_eq!(canonical & 15, 0, "our own spelling is canonical");

    // Each segment in each wrong spelling. Changed headers and payloads are signed as they are spelled, so that a
    // verifier that decodes them laxly would accept them.
    let resigned = |head: &str, body: &str| {
        let input = format!("{head}.{body}");
        format!("{input}.{}", b64(maker.sign("EdDSA", &input)))
    };
    let aligned = |object: Object, rest: usize| {
        (0..3)
            .map(|pad| object.clone().text("pad", &"x".repeat(pad)).to_string())
            .find(|text| text.len() % 3 == rest)
            .expect("one of three")
    };
    let [head, body, tail] = segments(&maker.good());
    group.accept("control: a signature of 86 letters", maker.good());
    for (segment, at) in [("header", 0), ("payload", 1), ("signature", 2)] {
        // An inserted letter; the text is otherwise right.
        for (what, before, behind) in [
            ("one = behind it", "", "="),
            ("two = behind it", "", "=="),
            ("= written %3D behind it", "", "%3D"),
            ("a space before it", " ", ""),
            ("a space behind it", "", " "),
            ("a line break behind it", "", "\n"),
            ("CR LF behind it", "", "\r\n"),
            ("a tab behind it", "", "\t"),
            ("NUL behind it", "", "\0"),
            ("a no-break space behind it", "", "\u{a0}"),
            ("a zero-width space before it", "\u{200b}", ""),
            ("a letter behind it that is in no alphabet", "", "!"),
            ("a full-width A behind it", "", "\u{ff21}"),
        ] {
            let spelled = |text: &str| format!("{before}{text}{behind}");
            let token = match at {
                0 => resigned(&spelled(&head), &body),
                1 => resigned(&head, &spelled(&body)),
                _ => format!("{head}.{body}.{}", spelled(&tail)),
            };
            group.refuse(format!("{segment}: {what}"), token, invalid);
        }
        let inside = |text: &str| format!("{}\n{}", &text[..8], &text[8..]);
        let token = match at {
            0 => resigned(&inside(&head), &body),
            1 => resigned(&head, &inside(&body)),
            _ => format!("{head}.{body}.{}", inside(&tail)),
        };
        group.refuse(format!("{segment}: a line break inside it"), token, invalid);
    }
    for rest in [1, 2] {
        let bump = |text: &str| {
            let at = LETTERS
                .iter()
                .position(|letter| *letter == text.as_bytes()[text.len() - 1])
                .expect("base64url");
            format!("{}{}", &text[..text.len() - 1], char::from(LETTERS[at + 1]))
        };
        let head_text = b64(aligned(header("EdDSA"), rest));
        let body_text = b64(aligned(claims(), rest));
        let name = |segment: &str| format!("{segment}: a stray bit behind {rest} bytes over");
        group.accept(
            format!("header and payload with {rest} bytes over"),
            resigned(&head_text, &body_text),
        );
        group.refuse(
            name("header"),
            resigned(&bump(&head_text), &body_text),
            invalid,
        );
        group.refuse(
            name("payload"),
            resigned(&head_text, &bump(&body_text)),
            invalid,
        );
    }
    let high = claims().set("pad", "\"\u{3ff}\u{3fe}\u{fbff}?>~\"");
    let (head_text, body_text) = (head.clone(), b64(high.to_string()));
    assert!(body_text.contains(['-', '_']));
    group.accept(
        "control: a payload with - or _",
        resigned(&head_text, &body_text),
    );
    group.refuse(
        "payload: the other alphabet, + and /",
        resigned(&head_text, &body_text.replace('-', "+").replace('_', "/")),
        invalid,
    );
    group.refuse(
        "payload: padded, in the other alphabet",
        resigned(&head_text, &b64_standard(aligned(high, 1))),
        invalid,
    );
    group.refuse(
        "a length of 1 over a multiple of 4",
        format!("{head}.{body}.{}", &tail[..85]),
        invalid,
    );
    group.refuse("signature: one letter", format!("{head}.{body}.A"), invalid);
    group.refuse(
        "the payload is not encoded",
        format!(
            "{head}.{}.{tail}",
            claims().without("iss").to_string().replace('.', "")
        ),
        invalid,
    );
    group.refuse(
        "encoded twice",
        format!("{}.{}.{}", b64(&head), b64(&body), b64(&tail)),
        "header_malformed",
    );
    group
        .refuse(
            "in hex",
            maker
                .good()
                .split('.')
                .map(|segment| {
                    segment
                        .bytes()
                        .map(|byte| format!("{byte:02x}"))
                        .collect::<String>()
                })
                .collect::<Vec<_>>()
                .join("."),
            "header_malformed",
        )
        .why("Hex digits are base64url letters, and decode to something that is no JSON.");
    group
}

pub(crate) fn payload_json(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "jwt/json.json",
        "The payload is one strict, bounded JSON object in UTF-8, with every name once (RFC 7519 §4 and §7.2, \
         RFC 8259). Every token here is rightly signed.",
        maker,
    );
    let malformed = "claims_malformed";
    group.accept("control", maker.good());
    let usual = claims().to_string();
    let inner = &usual[1..usual.len() - 1];
    for (what, text) in [
        ("nothing", String::new()),
        ("white space", " ".to_owned()),
        ("null", "null".to_owned()),
        ("a number", "7".to_owned()),
        ("a string", "\"user_ada\"".to_owned()),
        ("true", "true".to_owned()),
        ("a list of the claims", format!("[{usual}]")),
        ("the claims as a string", json!(usual).to_string()),
        ("two objects", format!("{usual}{usual}")),
        ("two objects on two lines", format!("{usual}\n{usual}")),
        ("text behind the object", format!("{usual}x")),
        ("NUL behind the object", format!("{usual}\0")),
        ("text before the object", format!("x{usual}")),
        ("an object that does not end", format!("{{{inner}")),
        ("a comma too many", format!("{{{inner},}}")),
        ("two commas", format!("{{{inner},,\"a\":1}}")),
        ("a comment", format!("{{{inner}/* no */}}")),
        ("a line comment", format!("{{{inner}// no\n}}")),
        ("single quotes", usual.replace('"', "'")),
        ("a name without quotes", format!("{{{inner},a:1}}")),
        ("an equals sign for a colon", format!("{{{inner},\"a\"=1}}")),
        ("a byte order mark", format!("\u{feff}{usual}")),
        ("NaN", format!("{{{inner},\"a\":NaN}}")),
        ("Infinity", format!("{{{inner},\"a\":Infinity}}")),
        ("-Infinity", format!("{{{inner},\"a\":-Infinity}}")),
        ("1e999", format!("{{{inner},\"a\":1e999}}")),
        ("a plus sign", format!("{{{inner},\"a\":+1}}")),
        ("a leading zero", format!("{{{inner},\"a\":01}}")),
        ("a hexadecimal number", format!("{{{inner},\"a\":0x1}}")),
        (
            "a number that begins with a dot",
            format!("{{{inner},\"a\":.5}}"),
        ),
        (
            "a number that ends with a dot",
            format!("{{{inner},\"a\":5.}}"),
        ),
        ("undefined", format!("{{{inner},\"a\":undefined}}")),
        ("True", format!("{{{inner},\"a\":True}}")),
        (
            "a line break inside a string",
            format!("{{{inner},\"a\":\"\n\"}}"),
        ),
        ("NUL inside a string", format!("{{{inner},\"a\":\"\0\"}}")),
        ("a wrong escape", format!("{{{inner},\"a\":\"\\x41\"}}")),
        ("half an escape", format!("{{{inner},\"a\":\"\\u00\"}}")),
        (
            "half a surrogate pair",
            format!("{{{inner},\"a\":\"\\ud800\"}}"),
        ),
        (
            "the other half of a surrogate pair",
            format!("{{{inner},\"a\":\"\\udc00\"}}"),
        ),
        (
            "a surrogate pair the wrong way round",
            format!("{{{inner},\"a\":\"\\udc00\\ud800\"}}"),
        ),
        (
            "a number of 500 digits",
            format!("{{{inner},\"a\":{}}}", "1".repeat(500)),
        ),
        (
            "a name that other readers treat as raw JSON",
            format!("{{{inner},\"$serde_json::private::RawValue\":\"{{}}\"}}"),
        ),
        (
            "a name that other readers treat as a number",
            format!("{{{inner},\"a\":{{\"$serde_json::private::Number\":\"1\"}}}}"),
        ),
    ] {
        group.refuse(what, maker.payload(text.as_bytes()), malformed);
    }

    let utf16 =
        |order: fn(u16) -> [u8; 2]| usual.encode_utf16().flat_map(order).collect::<Vec<u8>>();
    let utf32 = |order: fn(u32) -> [u8; 4]| {
        usual
            .chars()
            .flat_map(|letter| order(u32::from(letter)))
            .collect::<Vec<u8>>()
    };
    let inside = |bytes: &[u8]| [b"{", inner.as_bytes(), b",\"a\":\"", bytes, b"\"}"].concat();
    for (what, bytes) in [
        ("UTF-16, little end first", utf16(u16::to_le_bytes)),
        ("UTF-16, big end first", utf16(u16::to_be_bytes)),
        (
            "UTF-16 with a byte order mark",
            [vec![0xff, 0xfe], utf16(u16::to_le_bytes)].concat(),
        ),
        ("UTF-32, little end first", utf32(u32::to_le_bytes)),
        ("UTF-32, big end first", utf32(u32::to_be_bytes)),
        (
            "UTF-32 with a byte order mark",
            [vec![0, 0, 0xfe, 0xff], utf32(u32::to_be_bytes)].concat(),
        ),
        ("a byte that is never UTF-8", inside(&[0xff])),
        ("half a letter", inside(&[0xc3])),
        ("an overlong slash", inside(&[0xc0, 0xaf])),
        ("an overlong NUL", inside(&[0xc0, 0x80])),
        ("a surrogate in three bytes", inside(&[0xed, 0xa0, 0x80])),
        ("a letter beyond Unicode", inside(&[0xf4, 0x90, 0x80, 0x80])),
        ("Latin-1", inside(b"Andr\xe9")),
    ] {
        group.refuse(what, maker.payload(&bytes), malformed);
    }

    for name in ["iss", "sub", "aud", "exp", "iat", "o"] {
        let other: Value = match name {
            "exp" | "iat" => json!(1_900_000_000),
            "o" => json!({"id": "org_1"}),
            _ => json!("user_eve"),
        };
        let one = if name == "o" {
            claims().set("o", "{}")
        } else {
            claims()
        };
        group.refuse(
            format!("{name} twice, the wrong one first"),
            maker.claims(&one.clone().before(name, &other)),
            malformed,
        );
        group.refuse(
            format!("{name} twice, the wrong one last"),
            maker.claims(&one.after(name, &other)),
            malformed,
        );
    }
    for (what, object) in [
        ("sub twice, the same", claims().after("sub", "\"user_ada\"")),
        (
            "sub twice, once in escapes",
            claims().after("s\\u0075b", "\"user_eve\""),
        ),
        (
            "sub twice, first in escapes",
            claims().before("\\u0073ub", "\"user_eve\""),
        ),
        (
            "an unknown name twice",
            claims().after("a", 1).after("a", 2),
        ),
        (
            "a name twice inside an object",
            claims().set("o", "{\"id\":\"org_1\",\"id\":\"org_2\"}"),
        ),
        (
            "a name twice inside act",
            claims().set("act", "{\"sub\":\"a\",\"sub\":\"b\"}"),
        ),
        (
            "a name twice deep inside",
            claims().set("a", "[{\"b\":{\"c\":1,\"c\":2}}]"),
        ),
        ("the empty name twice", claims().after("", 1).after("", 2)),
    ] {
        group.refuse(what, maker.claims(&object), malformed);
    }
    let many =
        |count: usize| (0..count).fold(claims(), |object, n| object.set(&format!("k{n}"), n));
    group.refuse(
        "the last of 300 names twice",
        maker.claims(&many(300).after("k299", 0)),
        malformed,
    );
    group.accept("600 names", maker.claims(&many(600)));

    for (what, raw) in [
        ("escapes of NUL and line breaks", "\"a\\u0000\\r\\nb\""),
        ("a pair of surrogates", "\"\\ud83d\\udeaa\""),
        ("a letter beyond the first plane", "\"\u{1f6aa}\""),
        ("a number of 300 digits", &"1".repeat(300)),
        (
            "a number with 300 decimals",
            &format!("0.{}", "1".repeat(300)),
        ),
        ("-0", "-0"),
        ("1e-999", "1e-999"),
        ("null", "null"),
        ("an empty list and object", "[[],{}]"),
    ] {
        group.accept(
            format!("an unknown claim with {what}"),
            maker.claims(&claims().set("a", raw)),
        );
    }
    for name in [
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "",
        "\u{fc}",
        "a.b",
        "$ref",
    ] {
        group.accept(
            format!("a claim of the name {name:?}"),
            maker.claims(&claims().set(name, "{\"admin\":true}")),
        );
    }
    group
        .accept(
            "CR LF in sub",
            maker.claims(&claims().set("sub", "\"ada\\r\\nX-Admin: 1\"")),
        )
        .why("Legal as data; what leaves the process is escaped elsewhere.")
        .identity(json!({"subject": "ada\r\nX-Admin: 1"}));
    group.accept(
        "white space where JSON has it",
        maker.payload(format!(" \t\r\n{{ {} }}\n", inner.replace(',', " ,\n")).as_bytes()),
    );
    group
        .accept(
            "escaped names of claims",
            maker.claims(
                &claims()
                    .without("sub")
                    .set("\\u0073\\u0075\\u0062", "\"user_ada\""),
            ),
        )
        .identity(json!({"subject": "user_ada"}));

    for (depth, expect) in [
        (31, "accept"),
        (32, malformed),
        (127, malformed),
        (5000, malformed),
    ] {
        let lists = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let objects = format!(
            "{}0{}",
            "{\"a\":".repeat(depth.min(1500)),
            "}".repeat(depth.min(1500))
        );
        group.refuse(
            format!("{depth} lists inside each other"),
            maker.claims(&claims().set("a", lists)),
            expect,
        );
        group.refuse(
            format!("{} objects inside each other", depth.min(1500)),
            maker.claims(&claims().set("a", objects)),
            expect,
        );
    }
    group.refuse(
        "5000 lists that do not end",
        maker.payload("[".repeat(5000).as_bytes()),
        malformed,
    );
    group
}

pub(crate) fn structure(maker: &Maker) -> Group {
    let mut group = Group::plain(
        "jwt/structure.json",
        "Three segments in the compact serialization, and nothing else; a limit on the size before anything is read \
         (RFC 7515 §7.1, RFC 7516 §9, RFC 8725 §2.8).",
        maker,
    );
    let malformed = "token_malformed";
    let good = maker.good();
    let [head, body, tail] = segments(&good);
    group.accept("control", good.clone());
    for (what, text) in [
        ("nothing", String::new()),
        ("a space", " ".to_owned()),
        ("one dot", ".".to_owned()),
        ("a word", "token".to_owned()),
        ("the header alone", head.clone()),
        ("header and payload", format!("{head}.{body}")),
        ("header and signature", format!("{head}.{tail}")),
        ("a fourth segment that is empty", format!("{good}.")),
        ("a fourth segment", format!("{good}.{tail}")),
        ("an empty segment before it", format!(".{good}")),
        ("the token twice", format!("{good}.{good}")),
        ("three dots", "...".to_owned()),
        ("five dots", ".....".to_owned()),
        ("a thousand dots", ".".repeat(1000)),
        ("16384 dots", ".".repeat(16_384)),
        (
            "dots behind the token",
            format!("{good}{}", ".".repeat(9000)),
        ),
    ] {
        group.refuse(what, text, malformed);
    }
    for (what, text) in [
        ("200000 dots", ".".repeat(200_000)),
        ("200000 letters", "A".repeat(200_000)),
        (
            "a right token and 20000 letters",
            format!("{good}{}", "A".repeat(20_000)),
        ),
        (
            "a right token behind 20000 spaces",
            format!("{}{good}", " ".repeat(20_000)),
        ),
    ] {
        group.refuse(what, text, "token_too_large");
    }
    for (what, text, expect) in [
        ("two dots", "..".to_owned(), "header_malformed"),
        (
            "no signature",
            format!("{head}.{body}."),
            "signature_invalid",
        ),
        ("no payload", format!("{head}..{tail}"), "claims_malformed"),
        ("no header", format!(".{body}.{tail}"), "header_malformed"),
        (
            "header and payload exchanged",
            format!("{body}.{head}.{tail}"),
            "header_malformed",
        ),
        (
            "quotes around it",
            format!("\"{good}\""),
            "encoding_invalid",
        ),
        ("a space before it", format!(" {good}"), "encoding_invalid"),
        (
            "a line break behind it",
            format!("{good}\n"),
            "encoding_invalid",
        ),
        (
            "the scheme before it",
            format!("Bearer {good}"),
            "encoding_invalid",
        ),
        (
            "a comma and another token behind it",
            format!("{good},{}", &tail),
            "encoding_invalid",
        ),
        (
            "spaces around the dots",
            format!("{head} . {body} . {tail}"),
            "encoding_invalid",
        ),
        (
            "dots of another script",
            format!("{head}\u{ff0e}{body}\u{ff0e}{tail}"),
            malformed,
        ),
        (
            "colons for dots",
            format!("{head}:{body}:{tail}"),
            malformed,
        ),
        (
            "a letter that is not ASCII",
            format!("{good}\u{e9}"),
            "encoding_invalid",
        ),
        (
            "PASETO",
            "v4.public.eyJkYXRhIjoidGhpcyJ9".to_owned(),
            "encoding_invalid",
        ),
        (
            "a macaroon",
            "MDAxY2xvY2F0aW9uIGh0dHBzOi8vZXhhbXBsZQ".to_owned(),
            malformed,
        ),
        (
            "a JWE",
            "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIn0.a2V5.aXY.dGV4dA.dGFn".to_owned(),
            "token_encrypted",
        ),
        (
            "a JWE with an empty key",
            format!(
                "{}..aXY.dGV4dA.dGFn",
                b64("{\"alg\":\"dir\",\"enc\":\"A128GCM\"}")
            ),
            "token_encrypted",
        ),
        (
            "a JWE that asks for 2^31 rounds",
            format!(
                "{}.a2V5.aXY.dGV4dA.dGFn",
                b64(
                    "{\"alg\":\"PBES2-HS256+A128KW\",\"enc\":\"A128GCM\",\"p2c\":2147483647,\"p2s\":\"AA\"}"
                )
            ),
            "token_encrypted",
        ),
        (
            "five segments around a right token",
            format!("{good}..",),
            "token_encrypted",
        ),
        ("four dots", "....".to_owned(), "token_encrypted"),
    ] {
        group.refuse(what, text, expect);
    }
    // The JSON serialization, and texts that are both (CVE-2022-39227).
    let flat = json!({"protected": head, "payload": body, "signature": tail}).to_string();
    let general = json!({"payload": body, "signatures": [{"protected": head, "signature": tail}]})
        .to_string();
    for (what, text, expect) in [
        ("the flattened JSON serialization", flat, malformed),
        ("the general JSON serialization", general, malformed),
        (
            "JSON with the compact token inside",
            json!({"token": good}).to_string(),
            "encoding_invalid",
        ),
        (
            "JSON whose member names make it compact too",
            format!(
                "{{\"{head}.{}.\":1,\"protected\":\"{head}\",\"payload\":\"{body}\",\"signature\":\"{tail}\"}}",
                b64("{}")
            ),
            "encoding_invalid",
        ),
        (
            "a list of the token",
            json!([good]).to_string(),
            "encoding_invalid",
        ),
    ] {
        group.refuse(what, text, expect);
    }
    let nested = maker.payload(good.as_bytes());
    group.refuse("a token inside a token", nested, "claims_malformed");

    // The limit is on the whole token, to the byte.
    let exact = |bytes: usize| {
        // Unpadded base64 has no text of length 4n + 1, so the header takes up the slack.
        (0..4)
            .map(|slack| {
                let header = header("EdDSA").text("pad", &"p".repeat(slack));
                let header_length = b64(header.to_string()).len();
                let room = bytes - header_length - tail.len() - 2;
                let pad = room / 4 * 3 + [0, 0, 1, 2][room % 4];
                let bare = claims().text("pad", "").to_string().len();
                (room % 4 != 1).then(|| {
                    maker.jws(
                        "EdDSA",
                        &header,
                        claims()
                            .text("pad", &"a".repeat(pad - bare))
                            .to_string()
                            .as_bytes(),
                    )
                })
            })
            .find_map(|token| token.filter(|token| token.len() == bytes))
            .expect("one slack fits")
    };
    group.accept("16384 bytes", exact(16_384));
    group.refuse("16385 bytes", exact(16_385), "token_too_large");
    group
        .refuse(
            "as many as fit, and a limit of 500",
            exact(501),
            "token_too_large",
        )
        .with(json!({"max_token_bytes": 500}));
    group
        .accept("500 bytes, and a limit of 500", exact(500))
        .with(json!({"max_token_bytes": 500}));
    group
        .accept("20000 bytes, and a limit of 32768", exact(20_000))
        .with(json!({"max_token_bytes": 32768}));
    group
}
