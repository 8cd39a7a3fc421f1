//! HTTPS on this machine (RFC 9110 §4.2.2): a certificate authority for one certificate, and a listener.
//!
//! ```
//! use doorward_issuer::tls::Tls;
//! use doorward_issuer::{DevIssuer, SigningAlgorithm};
//!
//! let issuer = DevIssuer::builder()
//!     .algorithms(&[SigningAlgorithm::ES256])
//!     .build()?;
//! let tls = Tls::generate()?;
//! let served = std::sync::Arc::new(issuer).serve_tls("127.0.0.1:0".parse()?, &tls)?;
//!
//! assert!(served.url().starts_with("https://localhost:"));
//! let authority = tls.authority().ok_or("its own")?;
//! assert!(authority.starts_with("-----BEGIN CERTIFICATE-----"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::serve::Listener;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::keys::pem;

/// A certificate with its key, in memory alone.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    authority: Option<String>,
}

impl Tls {
    /// A new certificate for `localhost`, `127.0.0.1` and `::1`, signed by an authority that is made for it.
    ///
    /// The authority's key is gone when this returns, and its certificate vouches for nothing but these three names: who
    /// trusts it trusts this one certificate, which lasts for 90 days.
    ///
    /// # Errors
    /// The cryptographic library cannot make a key.
    pub fn generate() -> Result<Self, TlsError> {
        let failed = |error: rcgen::Error| TlsError(error.to_string());
        let authority_key = KeyPair::generate().map_err(failed)?;
        let authority = authority();
        let trusted = authority.self_signed(&authority_key).map_err(failed)?;
        let key = KeyPair::generate().map_err(failed)?;
        let signed = certificate()
            .map_err(failed)?
            .signed_by(&key, &Issuer::new(authority, authority_key))
            .map_err(failed)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der());
        Ok(Self {
            acceptor: acceptor(vec![signed.der().clone()], key.into())?,
            authority: Some(pem(BEGIN, END, trusted.der())),
        })
    }

    /// A certificate of one's own, followed by those that vouch for it, and its key; both in PEM.
    ///
    /// # Errors
    /// They cannot be read, or do not belong together. The key is never quoted.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let chain = CertificateDer::pem_slice_iter(certificates).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| TlsError("the certificate is no PEM".to_owned()))?;
        if chain.is_empty() {
            return Err(TlsError("there is no certificate in it".to_owned()));
        }
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| TlsError("there is no private key in PEM".to_owned()))?;
        Ok(Self {
            acceptor: acceptor(chain, key)?,
            authority: None,
        })
    }

    /// The certificate of the authority that was made, in PEM, for those who connect to trust; nothing where the
    /// certificate is one's own.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// HTTPS where there was TCP.
    pub fn listener(&self, plain: TcpListener) -> TlsListener {
        TlsListener {
            plain,
            acceptor: self.acceptor.clone(),
            handshakes: JoinSet::new(),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Tls")
            .field("authority", &self.authority.is_some())
            .finish_non_exhaustive()
    }
}

/// A certificate or a key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

/// Connections whose handshake is done.
///
/// Handshakes go on beside each other, 256 at a time and 10 seconds at most, so nobody who says nothing keeps the others
/// waiting for longer. Who speaks plain HTTP is told so.
pub struct TlsListener {
    plain: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_tuple("TlsListener");
        shown.field(&self.plain).finish_non_exhaustive()
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                (stream, address) = Listener::accept(&mut self.plain), if self.handshakes.len() < MAX_HANDSHAKES => {
                    let acceptor = self.acceptor.clone();
                    self.handshakes.spawn(async move {
                        let done = timeout(PATIENCE, handshake(acceptor, stream)).await;
                        Some((done.ok()??, address))
                    });
                }
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(ready)) = done {
                        return ready;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Listener::local_addr(&self.plain)
    }
}

async fn handshake(acceptor: TlsAcceptor, mut stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    let mut first = [0];
    if stream.peek(&mut first).await.ok()? == 1 && first[0].is_ascii_uppercase() {
        // A method: RFC 9110 §9.1. The record of a handshake begins with 22 (RFC 8446 §5.1).
        stream.write_all(PLAIN_HTTP).await.ok()?;
        stream.shutdown().await.ok()?;
        // What is closed with something unread is reset, and the answer lost.
        let mut rest = [0; 1024];
        for _ in 0..MAX_BODY_READS {
            if stream.read(&mut rest).await.ok()? == 0 {
                break;
            }
        }
        return None;
    }
    acceptor.accept(stream).await.ok()
}

/// An authority that signs once. It is trusted by whoever tries things out, so it can vouch for nothing but this machine
/// (RFC 5280 §4.2.1.10).
fn authority() -> CertificateParams {
    let mut params = CertificateParams::default();
    let name = "Doorward's local issuer, until it ends";
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName(HOST.to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(Ipv4Addr::LOCALHOST.into(), 32)),
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
                Ipv6Addr::LOCALHOST.into(),
                128,
            )),
        ],
        excluded_subtrees: Vec::new(),
    });
    (params.not_before, params.not_after) = validity();
    params
}

fn certificate() -> Result<CertificateParams, rcgen::Error> {
    let names = [
        HOST.to_owned(),
        Ipv4Addr::LOCALHOST.to_string(),
        Ipv6Addr::LOCALHOST.to_string(),
    ];
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, HOST);
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = validity();
    Ok(params)
}

/// From yesterday, for clocks that differ.
fn validity() -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::from(std::time::SystemTime::now());
    (now - DAY, now + DAY * 90)
}

fn acceptor(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<TlsAcceptor, TlsError> {
    let failed = |error: rustls::Error| TlsError(error.to_string());
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The name in URLs of what is served over TLS.
pub(crate) const HOST: &str = "localhost";
const DAY: Duration = Duration::from_secs(86_400);
const MAX_HANDSHAKES: usize = 256;
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_BODY_READS: usize = 64;
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 34\r\nconnection: close\r\n\r\nThis port speaks HTTPS, not HTTP.\n";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream as Plain;

    use rcgen::SanType;

    use super::*;
    use crate::{DevIssuer, Served, SigningAlgorithm};

    fn served(tls: &Tls) -> Served {
        let issuer = DevIssuer::builder()
            .algorithms(&[SigningAlgorithm::ES256])
            .build()
            .unwrap();
        let issuer = Arc::new(issuer);
        let served = issuer.serve_tls("127.0.0.1:0".parse().unwrap(), tls);
        let served = served.unwrap();
        assert_eq!(issuer.issuer(), served.url());
        served
    }

    /// The keys, as who trusts these authorities gets them.
    fn fetched(served: &Served, authorities: &str) -> Result<String, reqwest::Error> {
        fetched_from(HOST, served, authorities)
    }

    fn fetched_from(
        host: &str,
        served: &Served,
        authorities: &str,
    ) -> Result<String, reqwest::Error> {
        let address = address(served);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let trusted = reqwest::Certificate::from_pem_bundle(authorities.as_bytes()).unwrap();
        runtime.block_on(async {
            let client = reqwest::Client::builder()
                .no_proxy()
                .resolve(host, address)
                .tls_certs_only(trusted)
                .build()?;
            let url = format!("https://{host}:{}/.well-known/jwks.json", address.port());
            client.get(url).send().await?.text().await
        })
    }

    fn private(key: &KeyPair) -> String {
        let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
        pem(begin, end, key.serialized_der())
    }

    fn address(served: &Served) -> SocketAddr {
        let port = served.url().rsplit(':').next().unwrap().parse().unwrap();
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    fn plain(served: &Served) -> Plain {
        Plain::connect(address(served)).unwrap()
    }

    #[test]
    fn whoever_trusts_the_authority_connects_and_nobody_else() {
        let tls = Tls::generate().unwrap();
        let served = served(&tls);
        let keys = fetched(&served, tls.authority().unwrap()).unwrap();
        assert!(keys.contains("\"kid\""), "{keys}");
        let other = Tls::generate().unwrap();
        assert!(fetched(&served, other.authority().unwrap()).is_err());
    }

    #[test]
    fn the_authority_can_vouch_for_nothing_but_this_machine() {
        for (name, believed) in [("localhost", true), ("accounts.example.com", false)] {
            let authority_key = KeyPair::generate().unwrap();
            let trusted = authority().self_signed(&authority_key).unwrap();
            let trusted = pem(BEGIN, END, trusted.der());
            let key = KeyPair::generate().unwrap();
            let mut signed = certificate().unwrap();
            signed.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
            let signed = signed.signed_by(&key, &Issuer::new(authority(), authority_key));
            let tls = Tls::from_pem(
                pem(BEGIN, END, signed.unwrap().der()).as_bytes(),
                private(&key).as_bytes(),
            );
            let served = served(&tls.unwrap());
            let fetched = fetched_from(name, &served, &trusted);
            assert_eq!(fetched.is_ok(), believed, "{name}: {fetched:?}");
        }
    }

    #[test]
    fn who_is_silent_keeps_nobody_waiting_and_plain_http_is_told_why() {
        let tls = Tls::generate().unwrap();
        let served = served(&tls);
        let silent = plain(&served);
        let mut http = plain(&served);
        write!(http, "GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        http.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        http.read_to_end(&mut answer).unwrap();
        assert_eq!(answer, PLAIN_HTTP);
        let (head, body) = PLAIN_HTTP.split_at(PLAIN_HTTP.len() - 34);
        assert!(head.ends_with(b"content-length: 34\r\nconnection: close\r\n\r\n"));
        assert!(body.starts_with(b"This"));
        assert!(fetched(&served, tls.authority().unwrap()).is_ok());
        drop(silent);
    }

    #[test]
    fn a_certificate_of_ones_own_serves_and_needs_its_key() {
        let key = KeyPair::generate().unwrap();
        let signed = certificate().unwrap().self_signed(&key).unwrap();
        let own_key = private(&key);
        let own = pem(BEGIN, END, signed.der());
        let tls = Tls::from_pem(own.as_bytes(), own_key.as_bytes()).unwrap();
        assert_eq!(tls.authority(), None);
        assert!(fetched(&served(&tls), &own).is_ok());

        let other = private(&KeyPair::generate().unwrap());
        for (certificates, key) in [
            (own.as_str(), other.as_str()),
            (own.as_str(), own.as_str()),
            (own_key.as_str(), own_key.as_str()),
            ("", own_key.as_str()),
        ] {
            let error = Tls::from_pem(certificates.as_bytes(), key.as_bytes()).unwrap_err();
            assert!(!error.to_string().contains("MI"), "{error}");
        }
    }
}
