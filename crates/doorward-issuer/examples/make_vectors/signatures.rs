//! Algorithms, keys and signatures (RFC 7515 §5.2, RFC 7518 §3, RFC 8032 §5.1.7, RFC 8725 §2.1 and §3.1).

use aws_lc_rs::digest;
use serde_json::{Value, json};

use crate::forge::{self, Pss, Rsa, hex};
use crate::maker::{
    Group, ISSUER, Maker, Object, b64, b64_standard, claims, header, hmac_token, issuer, rsa_jwk,
    segments, signing_input,
};

const ALL: [&str; 10] = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
];

pub(crate) fn algorithm(maker: &Maker) -> Group {
    let mut group = Group::usual(
        "jwt/algorithm.json",
        "The header's `alg` chooses nothing: it must be known, allowed by the issuer, and be what the key verifies \
         (RFC 8725 §3.1).",
        maker,
    );
    let payload = claims().to_string();
    let token = |alg: &str| maker.jws(alg, &header(alg), payload.as_bytes());
    for alg in ALL {
        group.accept(format!("{alg} under its own key"), token(alg));
    }
    group
        .accept(
            "Ed25519 is another name of EdDSA",
            maker.header(&header("EdDSA").text("alg", "Ed25519")),
        )
        .why("RFC 9864 §2.2");

    for none in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "n\u{f8}ne",
        "",
    ] {
        let head = header("EdDSA").text("alg", none);
        let unsigned = signing_input(&head.to_string(), payload.as_bytes());
        let refuse = "algorithm_not_allowed";
        group.refuse(
            format!("{none:?} without signature"),
            format!("{unsigned}."),
            refuse,
        );
        group.refuse(
            format!("{none:?} with a right signature"),
            maker.header(&head),
            refuse,
        );
        let bare = header("EdDSA").text("alg", none).without("kid");
        let unsigned = signing_input(&bare.to_string(), payload.as_bytes());
        group.refuse(
            format!("{none:?} without kid and signature"),
            format!("{unsigned}."),
            refuse,
        );
    }
    for name in [
        "rs256",
        "Rs256",
        "RS256 ",
        "RS256\u{0}",
        "\u{0}RS256",
        "RS-256",
        "RS1",
        "RS25\u{ff16}",
        "RSA256",
        "SHA256withRSA",
        "HS1",
        "ES256K",
        "Ed448",
        "eddsa",
        "RSA-OAEP",
        "dir",
        "A128KW",
        "ML-DSA-44",
        "*",
    ] {
        group.refuse(
            format!("the name {name:?}"),
            maker.header(&header("EdDSA").text("alg", name)),
            "algorithm_not_allowed",
        );
    }
    for (what, raw) in [
        ("a number", "256"),
        ("null", "null"),
        ("true", "true"),
        ("a list with the right name", "[\"EdDSA\"]"),
        ("an object", "{\"name\":\"EdDSA\"}"),
    ] {
        let head = header("EdDSA").set("alg", raw);
        group.refuse(
            format!("alg is {what}"),
            maker.header(&head),
            "header_malformed",
        );
    }
    group.refuse(
        "alg is missing",
        maker.header(&header("EdDSA").without("alg")),
        "header_malformed",
    );

    for (alg, allowed) in [
        ("ES256", "RS256"),
        ("RS256", "ES256"),
        ("PS256", "RS256"),
        ("RS384", "RS256"),
        ("EdDSA", "ES256"),
    ] {
        group
            .refuse(
                format!("{alg} where only {allowed} is allowed"),
                token(alg),
                "algorithm_not_allowed",
            )
            .with(json!({"issuer": {"algorithms": [allowed]}}));
        group
            .accept(
                format!("{alg} where {alg} and {allowed} are allowed"),
                token(alg),
            )
            .with(json!({"issuer": {"algorithms": [alg, allowed]}}));
    }

    // A right signature by another key than the one that `kid` names.
    for (alg, kid) in [
        ("ES256", "rsa"),
        ("ES256", "p384"),
        ("ES256", "p521"),
        ("ES256", "ed25519"),
        ("ES384", "p256"),
        ("ES512", "p384"),
        ("EdDSA", "p256"),
        ("EdDSA", "rsa"),
        ("RS256", "p256"),
        ("PS256", "ed25519"),
    ] {
        let head = header(alg).text("kid", kid);
        group.refuse(
            format!("{alg} under the kid {kid}"),
            maker.jws(alg, &head, payload.as_bytes()),
            "key_unsuitable",
        );
    }
    // The header lies about the hash or the padding.
    for (said, signed) in [
        ("RS256", "RS384"),
        ("RS384", "RS256"),
        ("RS512", "RS256"),
        ("RS256", "PS256"),
        ("PS256", "RS256"),
        ("PS384", "PS256"),
        ("PS512", "PS384"),
    ] {
        group.refuse(
            format!("{signed} that calls itself {said}"),
            maker.jws(signed, &header(said), payload.as_bytes()),
            "signature_invalid",
        );
    }
    // RFC 7517 §4.4: the key's own `alg` is one more bound.
    for (alg, own, expect) in [
        ("RS256", "RS256", "accept"),
        ("RS384", "RS256", "key_unsuitable"),
        ("PS256", "RS256", "key_unsuitable"),
        ("RS256", "PS256", "key_unsuitable"),
        ("PS512", "PS512", "accept"),
    ] {
        let mut jwk = maker.jwk("rsa");
        jwk["alg"] = json!(own);
        group
            .refuse(
                format!("{alg} with a key whose own alg is {own}"),
                token(alg),
                expect,
            )
            .with(json!({"issuer": {"keys": {"keys": [jwk]}}}));
    }
    group
}

pub(crate) fn confusion(maker: &Maker) -> Group {
    let rsa = maker.jwk("rsa");
    let keys = json!({ "keys": [rsa] });
    let mut group = Group::new(
        "jwt/confusion.json",
        "A public key is never a secret: tokens with a MAC keyed by every spelling of the public key, and issuers \
         whose secret is shared (RFC 8725 §2.1, CVE-2015-9235 and its many returns).",
        json!({"issuers": [issuer(&keys, &["RS256"])]}),
    );
    let payload = claims().to_string();
    let right = maker.jws("RS256", &header("RS256"), payload.as_bytes());
    group.accept("control: a right RS256 signature", right.clone());

    let pem = maker.rsa_public_pem.clone();
    let spki = forge::pem_body(&pem);
    let pkcs1 = pkcs1_public(&maker.rsa);
    let wrapped = |label: &str, der: &[u8]| {
        let body = b64_standard(der);
        let lines: Vec<&str> = body
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).expect("ASCII"))
            .collect();
        format!(
            "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
            lines.join("\n")
        )
    };
    let jwk = rsa.to_string();
    let ssh = ssh_line(&maker.rsa);
    let utf16: Vec<u8> = pem.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let spellings: Vec<(&str, Vec<u8>)> = vec![
        ("SPKI PEM", pem.clone().into()),
        (
            "SPKI PEM without its last line break",
            pem.trim_end().into(),
        ),
        (
            "SPKI PEM with two last line breaks",
            format!("{pem}\n").into(),
        ),
        ("SPKI PEM with CRLF", pem.replace('\n', "\r\n").into()),
        ("SPKI PEM with spaces before it", format!("  {pem}").into()),
        (
            "SPKI PEM with a line break before it",
            format!("\n{pem}").into(),
        ),
        (
            "SPKI PEM with a byte order mark",
            format!("\u{feff}{pem}").into(),
        ),
        ("SPKI PEM in one line", pem.replace('\n', "").into()),
        ("SPKI PEM with backslash n", pem.replace('\n', "\\n").into()),
        ("SPKI PEM in quotes", format!("\"{pem}\"").into()),
        ("SPKI PEM in UTF-16", utf16),
        ("SPKI PEM as a JSON string", json!(pem).to_string().into()),
        ("the body of the SPKI PEM", b64_standard(&spki).into()),
        ("SPKI DER", spki.clone()),
        ("SPKI DER in base64url", b64(&spki).into()),
        ("SPKI DER in hex", to_hex(&spki).into()),
        ("PKCS#1 PEM", wrapped("RSA PUBLIC KEY", &pkcs1).into()),
        ("PKCS#1 DER", pkcs1.clone()),
        ("PKCS#1 DER in base64", b64_standard(&pkcs1).into()),
        (
            "SPKI in a PKCS#1 frame",
            wrapped("RSA PUBLIC KEY", &spki).into(),
        ),
        (
            "a PEM that calls itself a certificate",
            wrapped("CERTIFICATE", &spki).into(),
        ),
        ("JWK", jwk.clone().into()),
        ("JWK, pretty", format!("{rsa:#}").into()),
        (
            "JWK with spaces",
            jwk.replace(',', ", ").replace(':', ": ").into(),
        ),
        ("JWK set", keys.to_string().into()),
        ("JWK in a list", format!("[{jwk}]").into()),
        ("n in base64url", rsa["n"].as_str().expect("n").into()),
        ("n as bytes", maker.rsa.n.clone()),
        ("n in hex", to_hex(&maker.rsa.n).into()),
        (
            "n in decimal of its first bytes",
            maker.rsa.n[..16]
                .iter()
                .map(u8::to_string)
                .collect::<String>()
                .into(),
        ),
        ("e in base64url", b"AQAB".to_vec()),
        ("an SSH line", ssh.clone().into()),
        (
            "an SSH line with a comment",
            format!("{ssh} ada@example").into(),
        ),
        ("the SHA-256 of SPKI", forge::sha256(&spki)),
    ];
    assert_eq!(spellings.len(), 34, "the README counts them");
    for (what, secret) in &spellings {
        let head = header("HS256").text("kid", "rsa");
        group.refuse(
            format!("HS256 with {what}"),
            hmac_token("HS256", &head, secret),
            "algorithm_not_allowed",
        );
    }
    for alg in ["HS384", "HS512"] {
        for (what, secret) in [&spellings[0], &spellings[13], &spellings[21]] {
            let head = header(alg).text("kid", "rsa");
            group.refuse(
                format!("{alg} with {what}"),
                hmac_token(alg, &head, secret),
                "algorithm_not_allowed",
            );
        }
    }
    let pem_issuer = json!({"issuer": {"keys": pem, "algorithms": ALL}});
    let no_kid = header("HS256").without("kid");
    for (what, secret) in &spellings[..4] {
        group
            .refuse(
                format!("HS256 with {what}, the key being a PEM and every signature allowed"),
                hmac_token("HS256", &no_kid, secret),
                "algorithm_not_allowed",
            )
            .with(pem_issuer.clone());
    }
    group
        .accept(
            "control: RS256 with the key being a PEM and every signature allowed",
            right.clone(),
        )
        .with(pem_issuer);
    for kid in ["p256", "ed25519"] {
        let jwk = maker.jwk(kid);
        for (what, secret) in [
            ("PEM", maker.public_pem(kid).into_bytes()),
            ("JWK", jwk.to_string().into_bytes()),
            ("x in base64url", jwk["x"].as_str().expect("x").into()),
        ] {
            let head = header("HS256").text("kid", kid);
            group
                .refuse(
                    format!("HS256 with the {what} of {kid}"),
                    hmac_token("HS256", &head, &secret),
                    "algorithm_not_allowed",
                )
                .with(json!({"issuer": {"keys": {"keys": [jwk]}, "algorithms": ALL}}));
        }
    }
    for (what, secret) in [
        ("an empty secret", Vec::new()),
        ("the word secret", b"secret".to_vec()),
        ("the issuer's name", ISSUER.into()),
        ("32 zeros", vec![0; 32]),
    ] {
        let head = header("HS256").text("kid", "rsa");
        group.refuse(
            format!("HS256 with {what}"),
            hmac_token("HS256", &head, &secret),
            "algorithm_not_allowed",
        );
    }

    // A symmetric key among public ones is no key at all.
    let symmetric = json!({"kty": "oct", "kid": "mac", "k": b64([7; 32]), "alg": "HS256"});
    let mixed = json!({"issuer": {"keys": {"keys": [symmetric, rsa]}}});
    let mac = header("HS256").text("kid", "mac");
    group
        .refuse(
            "HS256 with a symmetric key of the published set",
            hmac_token("HS256", &mac, &[7; 32]),
            "algorithm_not_allowed",
        )
        .with(mixed.clone());
    group
        .refuse(
            "RS256 under the kid of a symmetric key",
            maker.jws(
                "RS256",
                &header("RS256").text("kid", "mac"),
                payload.as_bytes(),
            ),
            "key_unknown",
        )
        .with(mixed.clone());
    group
        .accept("control: RS256 beside a symmetric key", right.clone())
        .with(mixed);

    // An issuer whose secret is shared verifies MACs and nothing else.
    let secret =
        "a shared secret of a test, sixty-four bytes or more, so that every MAC may use it";
    let shared = |algorithms: &[&str]| json!({"issuer": {"keys": null, "shared_secret": secret, "algorithms": algorithms}});
    for alg in ["HS256", "HS384", "HS512"] {
        let head = header(alg).without("kid");
        let token = hmac_token(alg, &head, secret.as_bytes());
        group
            .accept(format!("{alg} with the shared secret"), token.clone())
            .with(shared(&["HS256", "HS384", "HS512"]));
        group
            .refuse(
                format!("{alg} with another secret"),
                hmac_token(alg, &head, pem.as_bytes()),
                "signature_invalid",
            )
            .with(shared(&["HS256", "HS384", "HS512"]));
        let [head, payload, tag] = segments(&token);
        group
            .refuse(
                format!("{alg} with half a tag"),
                format!("{head}.{payload}.{}", b64(&crate::maker::unb64(&tag)[..16])),
                "signature_invalid",
            )
            .with(shared(&["HS256", "HS384", "HS512"]));
        group
            .refuse(
                format!("{alg} without a tag"),
                format!("{head}.{payload}."),
                "signature_invalid",
            )
            .with(shared(&["HS256", "HS384", "HS512"]));
    }
    let hs384 = hmac_token("HS384", &header("HS384"), secret.as_bytes());
    group
        .refuse(
            "HS384 where only HS256 is allowed",
            hs384,
            "algorithm_not_allowed",
        )
        .with(shared(&["HS256"]));
    group
        .refuse(
            "RS256 where a secret is shared",
            right.clone(),
            "algorithm_not_allowed",
        )
        .with(shared(&["HS256"]));
    let none = signing_input(&header("none").to_string(), payload.as_bytes());
    group
        .refuse(
            "none where a secret is shared",
            format!("{none}."),
            "algorithm_not_allowed",
        )
        .with(shared(&["HS256"]));

    // Two issuers, one with public keys and one with a secret: neither may speak for the other.
    let other = "https://secret.example";
    let both = json!({"issuers": [
        issuer(&keys, &["RS256"]),
        {"issuer": other, "audience": null, "shared_secret": secret, "algorithms": ["HS256"]},
    ]});
    let as_other = claims().text("iss", other);
    let mac_of = |payload: &Object| {
        let input = signing_input(&header("HS256").to_string(), payload.to_string().as_bytes());
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
        format!(
            "{input}.{}",
            b64(aws_lc_rs::hmac::sign(&key, input.as_bytes()))
        )
    };
    group
        .accept("two issuers: the first signs RS256", right)
        .with(both.clone());
    group
        .accept("two issuers: the second shares a secret", mac_of(&as_other))
        .with(both.clone());
    group
        .refuse(
            "two issuers: the secret of the second in the name of the first",
            mac_of(&claims()),
            "algorithm_not_allowed",
        )
        .with(both.clone());
    group
        .refuse(
            "two issuers: the key of the first in the name of the second",
            maker.jws("RS256", &header("RS256"), as_other.to_string().as_bytes()),
            "algorithm_not_allowed",
        )
        .with(both);
    group
}

/// Forged, damaged and impossible signatures.
pub(crate) fn signature(maker: &Maker) -> Group {
    let mut group = Group::usual(
        "jwt/signature.json",
        "Signatures of impossible numbers, wrong widths, other encodings and forged paddings (RFC 7518 §3.3 to §3.5, \
         RFC 8017 §8, RFC 8032 §5.1.7; CVE-2022-21449, BERserk, Bleichenbacher 2006).",
        maker,
    );
    let payload = claims().to_string();
    let input = |alg: &str| signing_input(&header(alg).to_string(), payload.as_bytes());
    let put = |alg: &str, signature: &[u8]| format!("{}.{}", input(alg), b64(signature));
    let refuse = "signature_invalid";

    for (alg, order) in [
        ("ES256", forge::ORDER_P256),
        ("ES384", forge::ORDER_P384),
        ("ES512", forge::ORDER_P521),
    ] {
        let n = hex(order);
        let width = n.len();
        let good = maker.sign(alg, &input(alg));
        let (r, s) = good.split_at(width);
        group.accept(format!("{alg}: control"), put(alg, &good));
        group
            .accept(format!("{alg}: n - s in place of s"), put(alg, &[r, &forge::subtract(&n, s)].concat()))
            .why("Both are right signatures (SEC 1 §4.1.4). A token's identity is therefore never its signature.");
        let zero = vec![0; width];
        let mut one = zero.clone();
        one[width - 1] = 1;
        let less = forge::subtract(&n, &one);
        let ones = vec![0xff; width];
        for (what, r, s) in [
            ("r = s = 0", &zero[..], &zero[..]),
            ("r = 0, s = 1", &zero, &one),
            ("r = 1, s = 0", &one, &zero),
            ("r = s = 1", &one, &one),
            ("r = 0", &zero, s),
            ("s = 0", r, &zero),
            ("r = s = n", &n, &n),
            ("r = n", &n, s),
            ("s = n", r, &n),
            ("r = 0, s = n", &zero, &n),
            ("r = n, s = 0", &n, &zero),
            ("r = s = n - 1", &less, &less),
            ("all bits set", &ones, &ones),
            ("s and r exchanged", s, r),
        ] {
            group.refuse(format!("{alg}: {what}"), put(alg, &[r, s].concat()), refuse);
        }
        group.refuse(
            format!("{alg}: DER"),
            put(alg, &forge::ecdsa_der(&good)),
            refuse,
        );
        let mut padded = forge::ecdsa_der(&good);
        padded.resize(2 * width, 0);
        group.refuse(
            format!("{alg}: DER cut or filled to the right width"),
            put(alg, &padded),
            refuse,
        );
        for (what, bytes) in [
            ("nothing", Vec::new()),
            ("a byte less", good[..2 * width - 1].to_vec()),
            ("a byte more", [&good[..], &[0]].concat()),
            ("a zero before each half", [&[0], r, &[0], s].concat()),
            ("the first half", r.to_vec()),
            ("twice", [&good[..], &good[..]].concat()),
        ] {
            group.refuse(format!("{alg}: {what}"), put(alg, &bytes), refuse);
        }
    }

    let rsa = &maker.rsa;
    let width = rsa.width();
    let hash = forge::sha256(input("RS256").as_bytes());
    let info = [forge::SHA256_INFO, &hash].concat();
    let raw = |block: &[u8]| put("RS256", &rsa.private(block));
    let good = rsa.private(&forge::pkcs1(width, 1, &info));
    group.accept("RS256: control, encoded by hand", put("RS256", &good));
    let short_padding = |padding: usize, garbage: &[u8]| {
        let mut block = vec![0, 1];
        block.extend(std::iter::repeat_n(0xff, padding));
        block.push(0);
        block.extend_from_slice(&info);
        block.extend_from_slice(garbage);
        block.resize(width, 0);
        block
    };
    let changed = |at: usize, byte: u8| {
        let mut block = forge::pkcs1(width, 1, &info);
        block[at] = byte;
        block
    };
    let no_null = [forge::SHA256_INFO_WITHOUT_NULL, &hash].concat();
    let wrong_algorithm = [forge::SHA1_INFO, &forge::sha1(input("RS256").as_bytes())].concat();
    let mut long_length = info.clone();
    long_length.splice(1..2, [0x81, 0x31]);
    let mut trailing = info.clone();
    trailing.extend_from_slice(&[0x05, 0x00]);
    let mut parameters = info.clone();
    // BERserk: garbage hidden in the parameters, with every length made to fit.
    parameters.splice(17..17, [0x04, 0x08, 1, 2, 3, 4, 5, 6, 7, 8]);
    (parameters[1], parameters[3]) = (0x3b, 0x17);
    for (what, block) in [
        (
            "eight bytes of padding, then zeros behind the digest",
            short_padding(8, &[]),
        ),
        (
            "eight bytes of padding, then garbage behind the digest",
            short_padding(8, &[0xa5; 100]),
        ),
        (
            "no padding, garbage behind the digest",
            short_padding(0, &[0xa5; 100]),
        ),
        ("block type 0", forge::pkcs1(width, 0, &info)),
        ("block type 2", forge::pkcs1(width, 2, &info)),
        ("a first byte that is not zero", changed(0, 1)),
        ("a padding byte that is not FF", changed(9, 0xfe)),
        ("a zero inside the padding", changed(40, 0)),
        (
            "no zero behind the padding",
            changed(width - info.len() - 1, 0xff),
        ),
        ("no NULL parameters", forge::pkcs1(width, 1, &no_null)),
        (
            "garbage in the parameters",
            forge::pkcs1(width, 1, &parameters),
        ),
        (
            "a length in long form",
            forge::pkcs1(width, 1, &long_length),
        ),
        ("NULL behind the digest", forge::pkcs1(width, 1, &trailing)),
        (
            "the digest without DigestInfo",
            forge::pkcs1(width, 1, &hash),
        ),
        (
            "DigestInfo without the digest",
            forge::pkcs1(width, 1, forge::SHA256_INFO),
        ),
        (
            "SHA-1 in place of SHA-256",
            forge::pkcs1(width, 1, &wrong_algorithm),
        ),
        (
            "another digest",
            forge::pkcs1(width, 1, &[forge::SHA256_INFO, &[0; 32]].concat()),
        ),
    ] {
        group.refuse(format!("RS256: {what}"), raw(&block), refuse);
    }
    let mut one = vec![0; width];
    one[width - 1] = 1;
    for (what, bytes) in [
        ("zero", vec![0; width]),
        ("one", one.clone()),
        ("n", rsa.n.clone()),
        ("n - 1", forge::subtract(&rsa.n, &one)),
        ("all bits set", vec![0xff; width]),
        ("a zero before it", [&[0], &good[..]].concat()),
        ("a zero behind it", [&good[..], &[0]].concat()),
        ("a byte less", good[..width - 1].to_vec()),
        ("nothing", Vec::new()),
        ("the encoded message itself", forge::pkcs1(width, 1, &info)),
        ("a 1025 byte signature", vec![1; 1025]),
    ] {
        let expect = if bytes.len() > 1024 {
            "encoding_invalid"
        } else {
            refuse
        };
        let case = group.refuse(format!("RS256: {what}"), put("RS256", &bytes), expect);
        if expect != refuse {
            case.why("Wider than any key we verify with, so it is not decoded.");
        }
    }
    group.refuse(
        "RS256: signed by a stranger's key",
        put(
            "RS256",
            &maker.rsa_stranger.private(&forge::pkcs1(width, 1, &info)),
        ),
        refuse,
    );

    let right = || Pss::right(&digest::SHA256);
    let pss = |how: Pss| put("PS256", &rsa.pss(input("PS256").as_bytes(), &how));
    group.accept("PS256: control, a salt of 32 bytes", pss(right()));
    for salt in [0, 20, 31, 33, 64, width - 32 - 2] {
        group.refuse(
            format!("PS256: a salt of {salt} bytes"),
            pss(Pss { salt, ..right() }),
            refuse,
        );
    }
    for (what, how) in [
        (
            "SHA-1 in the mask",
            Pss {
                mask_hash: &digest::SHA1_FOR_LEGACY_USE_ONLY,
                ..right()
            },
        ),
        (
            "SHA-512 in the mask",
            Pss {
                mask_hash: &digest::SHA512,
                ..right()
            },
        ),
        (
            "another trailer",
            Pss {
                trailer: 0xcc,
                ..right()
            },
        ),
        (
            "another separator",
            Pss {
                separator: 2,
                ..right()
            },
        ),
        ("SHA-384 throughout", Pss::right(&digest::SHA384)),
    ] {
        group.refuse(format!("PS256: {what}"), pss(how), refuse);
    }

    let good = maker.sign("EdDSA", &input("EdDSA"));
    let (r, s) = good.split_at(32);
    let order = hex(forge::ORDER_ED25519);
    group.accept("EdDSA: control", put("EdDSA", &good));
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut double = order.clone();
    double = forge::add_little(&double, &order);
    for (what, bytes) in [
        (
            "S + L in place of S",
            [r, &forge::add_little(s, &order)].concat(),
        ),
        (
            "S + 2L in place of S",
            [r, &forge::add_little(s, &double)].concat(),
        ),
        ("S = L", [r, &order].concat()),
        ("S = 0", [r, &[0; 32]].concat()),
        ("R the neutral element, S = 0", [identity, [0; 32]].concat()),
        ("all zero", vec![0; 64]),
        ("all bits set", vec![0xff; 64]),
        ("R with its sign changed", {
            let mut bytes = good.clone();
            bytes[31] ^= 0x80;
            bytes
        }),
        ("S before R", [s, r].concat()),
        ("a byte less", good[..63].to_vec()),
        ("a byte more", [&good[..], &[0]].concat()),
        ("nothing", Vec::new()),
    ] {
        group.refuse(format!("EdDSA: {what}"), put("EdDSA", &bytes), refuse);
    }
    group.refuse(
        "EdDSA: signed by a stranger's key",
        put("EdDSA", &maker.sign_as_stranger(&input("EdDSA"))),
        refuse,
    );

    // The signature belongs to every byte before it.
    let [head, body, tail] = segments(&maker.good());
    let other = b64(claims().text("sub", "user_eve").to_string());
    group.refuse(
        "another payload under a right signature",
        format!("{head}.{other}.{tail}"),
        refuse,
    );
    let other = b64(header("EdDSA").text("typ", "jwt").to_string());
    group.refuse(
        "another header under a right signature",
        format!("{other}.{body}.{tail}"),
        refuse,
    );
    for (what, at) in [("first", 0), ("last", 63)] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        group.refuse(
            format!("one bit of the {what} byte of the signature"),
            put("EdDSA", &bytes),
            refuse,
        );
    }
    group
}

pub(crate) fn keys(maker: &Maker) -> Group {
    let ed = maker.jwk("ed25519");
    let set = |keys: &[&Value]| json!({"issuer": {"keys": {"keys": keys}}});
    let mut group = Group::usual(
        "jwt/keys.json",
        "Which key of a set is used, and which keys are none: the wrong purpose, weak, broken, ambiguous; and keys \
         that are out of reach (RFC 7517 §4 and §5, RFC 7518 §6, RFC 8725 §3.5).",
        maker,
    );
    let payload = claims().to_string();
    let good = maker.good();
    let unknown = "key_unknown";
    group
        .accept("a set of one key", good.clone())
        .with(set(&[&ed]));
    group
        .accept("a single JWK", good.clone())
        .with(json!({"issuer": {"keys": ed}}));
    group
        .accept("a PEM, which has no kid", good.clone())
        .with(json!({"issuer": {"keys": maker.public_pem("ed25519")}}));
    group
        .accept(
            "an RSA PEM",
            maker.jws("RS256", &header("RS256"), payload.as_bytes()),
        )
        .with(json!({"issuer": {"keys": maker.public_pem("rsa")}}));
    group
        .refuse("the PEM of another key", good.clone(), "key_unsuitable")
        .with(json!({"issuer": {"keys": maker.public_pem("rsa")}}));
    group
        .refuse("an empty set", good.clone(), unknown)
        .with(set(&[]));

    let renamed = |kid: &str| {
        let mut jwk = ed.clone();
        jwk["kid"] = json!(kid);
        jwk
    };
    let stranger = |kid: Option<&str>| {
        let mut jwk = maker.stranger_jwk();
        match kid {
            Some(kid) => jwk["kid"] = json!(kid),
            None => drop(jwk.as_object_mut().expect("an object").remove("kid")),
        }
        jwk
    };
    let nameless = {
        let mut jwk = ed.clone();
        jwk.as_object_mut().expect("an object").remove("kid");
        jwk
    };
    for kid in ["ED25519", "ed2551", "ed25519 ", "ed25519x", ""] {
        group
            .refuse(format!("the key is called {kid:?}"), good.clone(), unknown)
            .with(set(&[&renamed(kid)]));
    }
    group
        .accept("a key without kid", good.clone())
        .with(set(&[&nameless]));
    group
        .accept(
            "a token without kid",
            maker.header(&header("EdDSA").without("kid")),
        )
        .with(set(&[&ed]));
    group
        .accept(
            "a token without kid, two keys",
            maker.header(&header("EdDSA").without("kid")),
        )
        .with(set(&[&stranger(Some("first")), &ed]));
    group
        .refuse(
            "a token without kid, its key the fifth",
            maker.header(&header("EdDSA").without("kid")),
            "signature_invalid",
        )
        .why("At most four keys are tried.")
        .with(set(&[
            &stranger(Some("1")),
            &stranger(Some("2")),
            &stranger(Some("3")),
            &stranger(Some("4")),
            &ed,
        ]));
    group
        .accept(
            "a token without kid, its key the fourth of its algorithm",
            maker.header(&header("EdDSA").without("kid")),
        )
        .with(set(&[
            &maker.jwk("rsa"),
            &maker.jwk("p256"),
            &stranger(Some("1")),
            &stranger(Some("2")),
            &stranger(Some("3")),
            &ed,
        ]));
    group
        .refuse(
            "the named key counts, not the one that fits",
            good.clone(),
            "signature_invalid",
        )
        .with(set(&[&stranger(Some("ed25519")), &renamed("other")]));
    group
        .refuse(
            "the named key counts, not a nameless one that fits",
            good.clone(),
            "signature_invalid",
        )
        .with(set(&[&stranger(Some("ed25519")), &nameless]));
    group
        .refuse("two keys of one kid", good.clone(), unknown)
        .why("Ambiguous (RFC 7517 §4.5).")
        .with(set(&[&ed, &stranger(Some("ed25519"))]));
    group
        .refuse("one key twice", good.clone(), unknown)
        .with(set(&[&ed, &ed]));

    // RFC 7517 §4.2 to §4.4.
    let member = |name: &str, value: Value| {
        let mut jwk = ed.clone();
        jwk[name] = value;
        jwk
    };
    for (name, value, expect) in [
        ("use", json!("sig"), "accept"),
        ("use", json!("enc"), unknown),
        ("use", json!("SIG"), unknown),
        ("use", json!(7), unknown),
        ("key_ops", json!(["verify"]), "accept"),
        ("key_ops", json!(["sign", "verify"]), "accept"),
        ("key_ops", json!(["sign"]), unknown),
        ("key_ops", json!([]), unknown),
        ("key_ops", json!("verify"), unknown),
        ("alg", json!("EdDSA"), "accept"),
        ("alg", json!("Ed25519"), "accept"),
        ("alg", json!("ES256"), unknown),
        ("alg", json!("HS256"), unknown),
        ("alg", json!("none"), unknown),
        ("alg", json!(["EdDSA"]), unknown),
        ("x5c", json!(["AA"]), "accept"),
        ("ext", json!(true), "accept"),
        ("d", json!("AA"), unknown),
        ("kty", json!("okp"), unknown),
        ("kty", json!("EC"), unknown),
        ("kty", json!(null), unknown),
        ("crv", json!("Ed448"), unknown),
        ("crv", json!("X25519"), unknown),
        ("crv", json!("ed25519"), unknown),
        ("kid", json!(7), unknown),
        ("x", json!("AA"), unknown),
        (
            "x",
            json!(format!("{}=", ed["x"].as_str().expect("x"))),
            unknown,
        ),
        ("x", json!(b64([0; 32])), unknown),
    ] {
        group
            .refuse(
                format!("an Ed25519 key whose {name} is {value}"),
                good.clone(),
                expect,
            )
            .with(set(&[&member(name, value)]));
    }

    // Keys under which anybody can sign: refused when they are read, so they verify nothing.
    let identity = {
        let mut point = [0; 32];
        point[0] = 1;
        point
    };
    let small = member("x", json!(b64(identity)));
    let input = signing_input(&header("EdDSA").to_string(), payload.as_bytes());
    group
        .refuse(
            "an Ed25519 key of small order, and the signature that it verifies",
            format!("{input}.{}", b64([identity, [0; 32]].concat())),
            unknown,
        )
        .with(set(&[&small]));
    let rs = signing_input(&header("RS256").to_string(), payload.as_bytes());
    let info = [forge::SHA256_INFO, &forge::sha256(rs.as_bytes())].concat();
    let rs_token = |signature: &[u8]| format!("{rs}.{}", b64(signature));
    let by = |key: &Rsa| rs_token(&key.private(&forge::pkcs1(key.width(), 1, &info)));
    let as_rsa = |key: &Rsa| rsa_jwk(key, "rsa");
    group
        .accept("RSA: control", by(&maker.rsa))
        .with(set(&[&as_rsa(&maker.rsa)]));
    group
        .accept("RSA: another key of the same kid", by(&maker.rsa_stranger))
        .with(set(&[&as_rsa(&maker.rsa_stranger)]));
    group
        .refuse(
            "RSA: 1024 bits, rightly signed",
            by(&maker.rsa_small),
            unknown,
        )
        .with(set(&[&as_rsa(&maker.rsa_small)]));
    group
        .refuse(
            "RSA: exponent 3, rightly signed",
            by(&maker.rsa_three),
            unknown,
        )
        .with(set(&[&as_rsa(&maker.rsa_three)]));
    let with_e =
        |e: &[u8]| json!({"kty": "RSA", "kid": "rsa", "n": b64(&maker.rsa.n), "e": b64(e)});
    group
        .refuse(
            "RSA: exponent 1, the signature being the encoded message",
            rs_token(&forge::pkcs1(256, 1, &info)),
            unknown,
        )
        .with(set(&[&with_e(&[1])]));
    for (what, e) in [
        ("even", vec![1, 0, 2]),
        ("zero", vec![0]),
        ("empty", vec![]),
        ("wider than 32 bits", vec![1, 0, 0, 0, 1]),
    ] {
        group
            .refuse(
                format!("RSA: an exponent that is {what}"),
                by(&maker.rsa),
                unknown,
            )
            .with(set(&[&with_e(&e)]));
    }
    group.accept("RSA: zeros before the modulus and the exponent", by(&maker.rsa)).with(set(&[&json!({
        "kty": "RSA", "kid": "rsa", "n": b64([&[0], &maker.rsa.n[..]].concat()), "e": b64([0, 1, 0, 1]),
    })]));
    let even = {
        let mut n = maker.rsa.n.clone();
        n[255] &= 0xfe;
        n
    };
    group
        .refuse("RSA: an even modulus", by(&maker.rsa), unknown)
        .with(set(&[
            &json!({"kty": "RSA", "kid": "rsa", "n": b64(even), "e": "AQAB"}),
        ]));
    group
        .refuse("RSA: a modulus of 16384 bits", by(&maker.rsa), unknown)
        .with(set(&[
            &json!({"kty": "RSA", "kid": "rsa", "n": b64(vec![0xff; 2048]), "e": "AQAB"}),
        ]));

    let es = maker.jws("ES256", &header("ES256"), payload.as_bytes());
    let p256 = maker.jwk("p256");
    let ec = |name: &str, value: Value| {
        let mut jwk = p256.clone();
        jwk[name] = value;
        jwk
    };
    group.accept("EC: control", es.clone()).with(set(&[&p256]));
    let x = crate::maker::unb64(p256["x"].as_str().expect("x"));
    for (what, jwk) in [
        ("another curve's name", ec("crv", json!("P-384"))),
        ("a curve nobody has", ec("crv", json!("P-257"))),
        ("secp256k1", ec("crv", json!("secp256k1"))),
        ("no curve", {
            let mut jwk = p256.clone();
            jwk.as_object_mut().expect("an object").remove("crv");
            jwk
        }),
        ("no y", {
            let mut jwk = p256.clone();
            jwk.as_object_mut().expect("an object").remove("y");
            jwk
        }),
        (
            "a point that is not on the curve",
            ec("y", p256["x"].clone()),
        ),
        ("the point 0, 0", {
            let mut jwk = ec("x", json!(b64([0; 32])));
            jwk["y"] = json!(b64([0; 32]));
            jwk
        }),
        (
            "a zero before x",
            ec("x", json!(b64([&[0], &x[..]].concat()))),
        ),
        ("x one byte short", ec("x", json!(b64(&x[1..])))),
        ("x in base64 with padding", ec("x", json!(b64_standard(&x)))),
    ] {
        group
            .refuse(format!("EC: {what}"), es.clone(), unknown)
            .with(set(&[&jwk]));
    }

    // One broken key does not take the others down (RFC 7517 §5).
    for (what, broken) in [
        ("null", json!(null)),
        ("a string", json!("key")),
        ("a number", json!(7)),
        ("a list", json!([])),
        ("an empty object", json!({})),
        ("a symmetric key", json!({"kty": "oct", "k": "AAAA"})),
        (
            "an unknown type",
            json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA"}),
        ),
        (
            "an unknown curve",
            json!({"kty": "EC", "crv": "P-192", "x": "AA", "y": "AA"}),
        ),
        ("a small RSA key", as_rsa(&maker.rsa_small)),
    ] {
        group
            .accept(format!("beside a good key: {what}"), good.clone())
            .with(set(&[&broken, &ed]));
    }

    // The keys of an issuer that publishes them; a driver fetches, the verifier only says what it misses.
    let remote = json!({"issuer": {"keys": null}});
    group
        .accept("published keys, known", good.clone())
        .with(remote.clone())
        .keys(json!({"keys": [ed]}));
    group
        .refuse(
            "published keys, known not to have this one",
            good.clone(),
            unknown,
        )
        .with(remote.clone())
        .keys(json!("unknown"));
    group
        .refuse(
            "published keys, not asked for yet",
            good.clone(),
            "needs_keys",
        )
        .with(remote.clone())
        .keys(json!("not_yet"));
    group
        .refuse("published keys, out of reach", good, "keys_unavailable")
        .with(remote.clone())
        .keys(json!("unreachable"));
    group
        .refuse(
            "published keys, a stranger's token",
            maker.claims(&claims().text("iss", "https://stranger.example")),
            "issuer_unknown",
        )
        .why("Nothing is fetched for an issuer nobody trusts.")
        .with(remote.clone())
        .keys(json!("not_yet"));
    group
        .refuse(
            "published keys, an algorithm that is not allowed",
            maker.header(&header("EdDSA").text("alg", "none")),
            "algorithm_not_allowed",
        )
        .with(remote.clone())
        .keys(json!("not_yet"));
    group
        .refuse(
            "published keys, a kind that is not accepted",
            maker.header(&header("EdDSA").text("typ", "at+jwt")),
            "token_kind_not_accepted",
        )
        .with(remote)
        .keys(json!("not_yet"));
    group
}

fn pkcs1_public(rsa: &Rsa) -> Vec<u8> {
    let integer = |number: &[u8]| {
        der(
            0x02,
            &if number[0] & 0x80 == 0 {
                number.to_vec()
            } else {
                [&[0], number].concat()
            },
        )
    };
    der(0x30, &[integer(&rsa.n), integer(&rsa.e)].concat())
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = match content.len() {
        short @ 0..0x80 => vec![short as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [&[tag], length.as_slice(), content].concat()
}

/// RFC 4253 §6.6.
fn ssh_line(rsa: &Rsa) -> String {
    let field = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes(), bytes].concat();
    let n = [&[0], rsa.n.as_slice()].concat();
    format!(
        "ssh-rsa {}",
        b64_standard([field(b"ssh-rsa"), field(&rsa.e), field(&n)].concat())
    )
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
