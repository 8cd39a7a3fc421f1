//! Does one thing a given number of times, so that its instructions can be counted: `instructions <mode> <times>`.
//! `benches/instructions.py` runs it under valgrind.
//!
//! Everything is fixed, the token, the key and the time, so that a count changes only when the code does.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use doorward::core::{
    Algorithm, Audience, AuthorizedParties, AzpRule, Credential, Decoder, Facts, Issuer, IssuerId,
    JwkSet, KeySource, Known, NoFacts, Outcome, Settings, Verifier,
};
use doorward::{Authenticator, Config, IssuerConfig, ManualClock, Timestamp};

const NOW: Duration = Duration::from_secs(1_800_000_000);
const ISSUER: &str = "https://clerk.example.com";
const PARTY: &str = "https://app.example.com";

/// A session token of a Clerk instance that never was. Its private key is gone.
const TOKEN: &str = "\
    eyJhbGciOiJSUzI1NiIsImNhdCI6ImNsX0I3ZDRQRDExMUFBQSIsImtpZCI6Imluc18yYldRUEZUU3Z2UG1OWnlxY0NDZGVZaFhN\
    S3giLCJ0eXAiOiJKV1QifQ.eyJhenAiOiJodHRwczovL2FwcC5leGFtcGxlLmNvbSIsImVtYWlsIjoiZ3JhY2UuaG9wcGVyQGV4Y\
    W1wbGUuY29tIiwiZXhwIjoxODAwMDAwMDYwLCJmZWEiOiJvOmRhc2hib2FyZCxvOmltcGVyc29uYXRpb24sdTphcnRpY2xlcyIsI\
    mZ2YSI6WzEyLC0xXSwiaWF0IjoxNzk5OTk5OTk5LCJpc3MiOiJodHRwczovL2NsZXJrLmV4YW1wbGUuY29tIiwianRpIjoiMDAwM\
    DAwMDBiN2Q1NGIxZjljMGEiLCJuYW1lIjoiR3JhY2UgSG9wcGVyIiwibmJmIjoxNzk5OTk5OTg5LCJvIjp7ImZwbSI6IjMsMiwwI\
    iwiaWQiOiJvcmdfMmJXUVBGVFN2dlBtTlp5cWNDQ2RlWWhYTUt4IiwicGVyIjoicmVhZCxtYW5hZ2UiLCJyb2wiOiJhZG1pbiIsI\
    nNsZyI6Im5hdnkifSwicGljdHVyZSI6Imh0dHBzOi8vaW1nLmV4YW1wbGUuY29tL2V5SjBlWEJsSWpvaVpHVm1ZWFZzZENJc0ltb\
    HBaQ0k2SW1sdWMxOHlZbGRSVUVaVVUzWWlmUSIsInBsYSI6Im86ZW50ZXJwcmlzZSIsInB1YmxpY19tZXRhZGF0YSI6eyJub3RlI\
    joieHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4e\
    Hh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4e\
    Hh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4e\
    Hh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHgiLCJ0aGVtZSI6ImRhcmsifSwic2lkIjoic2Vzc\
    18yYldRUEZUU3Z2UG1OWnlxY0NDZGVZaFhNS3giLCJzdHMiOiJhY3RpdmUiLCJzdWIiOiJ1c2VyXzJiV1FQRlRTdnZQbU5aeXFjQ\
    0NkZVloWE1LeCIsInYiOjJ9.MiXaDZOJWnNIgwQuqJAyeUB3JfEvin-hSgzpTH1hQkvlUZOyy9vjjI9HsR-z7axb9xoxqjvVMbpG\
    2xWklwj_jjrqvLku9a4s3FRNrM3Nzk0W1BQgJi4QY-eqcRjRVwBoMvB_-uLdHD402XaWty65nE86Y1RB6RjJgLA4i28v_zRj3dwN\
    jvhfTIvqKLI-P1fkQ4phKDqdrkQtvnYpd2I7DkCq_1yLcZJXYrSMjKaxJJEovOXgxMhrrXbCmDuXQcVpd5c7i3m5Rb9O_gKRD3Q0\
    fVngYfMgbR8B8S86P_epLr4do3Y7Xu_c_XCj4_EqxTszU7z805yC8SPLEIPCTpfU9g";

/// The modulus of its public key.
const MODULUS: &str = "\
    kaodp6V5wbtwcUS2A5DHmrtuEQQTAKT9gZAz-Mt4k5UwQlYn5RcRlN_RS8gc93NvHAw9gEAwY31v5z7Ok0ZJbnaDW5i0-D76TJWQ\
    KdXg1lE4a0dipVJHPtt3CBXw1xslJu8AzWTL3hhjMMcmc8LzBqZ_rOlwxWi92WcTs3u3U1gwI-PXZUMJDp6pqhfT-ZLCPSHZ8pKj\
    BahpU7XJbRIOSelMVreOnZXU41rVLYrtbG2ntbIageRNkhervh7Aash5qfUI1t3KydwAqe3w4RUQ1ZXI1Jwjg_q8Evg5MyPGHbGS\
    hsDZ08BMdKq7hPQck89n2-f00YnecDo6-JaUFDFuyw";
fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (mode, times) = match arguments.as_slice() {
        [mode, times] => (mode.as_str(), times.parse().expect("a number of times")),
        _ => panic!("usage: instructions empty|parse|verify|cache-hit <times>"),
    };
    match mode {
        "empty" => repeat(times, |token| token.len()),
        "parse" => {
            let verifier = verifier(KeySource::Remote);
            let now = now();
            repeat(times, |token| {
                let outcome = verifier.verify(&Credential::bearer(token), &NothingYet, now);
                assert!(matches!(outcome, Outcome::Needs(_)), "{outcome:?}");
                outcome
            });
        }
        "verify" => {
            let keys = JwkSet::parse(&jwks(), Algorithm::RS256.into()).expect("a key set");
            let verifier = verifier(KeySource::Static(keys));
            let now = now();
            repeat(times, |token| {
                let outcome = verifier.verify(&Credential::bearer(token), &NoFacts, now);
                assert!(matches!(outcome, Outcome::Verified(_)), "{outcome:?}");
                outcome
            });
        }
        "cache-hit" => {
            let authenticator = authenticator();
            repeat(times, |token| {
                authenticator.verify_blocking(token).expect("a valid token")
            });
        }
        other => panic!("there is no mode {other}"),
    }
}

fn repeat<R>(times: u64, mut once: impl FnMut(&str) -> R) {
    for _ in 0..times {
        black_box(once(black_box(TOKEN)));
    }
}

/// One who knows no key yet: a verification stops where the signature would be checked.
struct NothingYet;

impl Facts for NothingYet {
    fn keys(&self, _: IssuerId, _: Option<&str>, _: Option<&str>) -> Known<Arc<JwkSet>> {
        Known::NotYet
    }
}

fn now() -> Timestamp {
    Timestamp::from_secs_f64(NOW.as_secs_f64()).expect("a time")
}

fn jwks() -> String {
    format!(
        r#"{{"keys":[{{"kty":"RSA","use":"sig","alg":"RS256","kid":"ins_2bWQPFTSvvPmNZyqcCCdeYhXMKx","n":"{MODULUS}","e":"AQAB"}}]}}"#
    )
}

fn verifier(keys: KeySource) -> Verifier {
    let mut issuer = Issuer::new(ISSUER, Audience::Any, keys, Algorithm::RS256.into());
    issuer.decoder = Decoder::Clerk;
    issuer.authorized_parties = AuthorizedParties {
        parties: vec![PARTY.to_owned()],
        rule: AzpRule::Require,
    };
    Verifier::new(vec![issuer], Settings::default()).expect("a sound issuer")
}

fn authenticator() -> Authenticator {
    let mut issuer = IssuerConfig::new(ISSUER, "*");
    issuer.keys = Some(jwks().as_str().into());
    issuer.algorithms = Some("RS256".into());
    issuer.authorized_parties = Some(PARTY.into());
    issuer.decoder = Some("clerk".to_owned());
    let clock = Arc::new(ManualClock::at(now()));
    Authenticator::with_clock(&Config::new([issuer]), clock).expect("a sound configuration")
}
