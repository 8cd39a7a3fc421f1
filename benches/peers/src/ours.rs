//! The engine, set up in the ways that are compared.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{SystemTime, UNIX_EPOCH};

use doorward::core::{
    Algorithm, AlgorithmSet, Audience, AuthorizedParties, AzpRule, Credential, Decoder, Issuer,
    JwkSet, KeySource, NoFacts, Outcome, Settings, Verifier,
};
use doorward::{Authenticator, Config, IssuerConfig, Timestamp};

use crate::token::{ISSUER, PARTY, Signer};

/// The core alone: keys at hand, the time given.
pub fn verifier(signer: &Signer) -> Verifier {
    let algorithm = Algorithm::from_name(signer.algorithm()).expect("a known algorithm");
    let keys = JwkSet::parse(&signer.jwks(), AlgorithmSet::from(algorithm)).expect("keys");
    let source = KeySource::Static(keys);
    let mut issuer = Issuer::new(ISSUER, Audience::Any, source, algorithm.into());
    issuer.decoder = Decoder::Clerk;
    issuer.authorized_parties = AuthorizedParties {
        parties: vec![PARTY.to_owned()],
        rule: AzpRule::Require,
    };
    Verifier::new(vec![issuer], Settings::default()).expect("a sound issuer")
}

/// Verifies with the core alone.
pub fn decide(verifier: &Verifier, token: &str, now: Timestamp) -> Outcome {
    verifier.verify(&Credential::bearer(token), &NoFacts, now)
}

/// The time, as the core wants it.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    Timestamp::from_secs_f64(since.as_secs_f64()).expect("before the year 10000")
}

/// One issuer with the keys of `signer`.
pub fn issuer(signer: &Signer, name: &str, other_keys: usize) -> IssuerConfig {
    let mut issuer = IssuerConfig::new(name, "*");
    issuer.keys = Some(signer.jwks_among(other_keys).into());
    issuer.algorithms = Some(signer.algorithm().into());
    issuer.authorized_parties = Some(PARTY.into());
    issuer.decoder = Some("clerk".to_owned());
    issuer
}

/// An authenticator for these issuers; `cache` decides whether it remembers verified tokens.
pub fn authenticator(issuers: Vec<IssuerConfig>, cache: bool) -> Authenticator {
    let mut config = Config::new(issuers);
    config.cache_bytes = (!cache).then_some(0);
    Authenticator::new(&config).expect("a sound configuration")
}

/// One issuer among `others` that sign nothing here.
pub fn among_others(signer: &Signer, others: usize) -> Vec<IssuerConfig> {
    let stranger = |n| issuer(signer, &format!("https://tenant-{n}.example.com"), 0);
    (0..others)
        .map(stranger)
        .chain([issuer(signer, ISSUER, 0)])
        .collect()
}

/// One issuer whose keys are learned over HTTP, fetched already.
pub fn remote(signer: &Signer, cache: bool) -> Authenticator {
    let mut issuer = issuer(signer, ISSUER, 0);
    issuer.keys = None;
    issuer.jwks_url = Some(serve(signer.jwks()));
    let authenticator = authenticator(vec![issuer], cache);
    authenticator.refresh_blocking();
    authenticator
}

/// Answers every request with `body`, until the process ends.
fn serve(body: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port");
    let url = format!(
        "http://{}/jwks.json",
        listener.local_addr().expect("its address")
    );
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{body}");
        }
    });
    url
}
