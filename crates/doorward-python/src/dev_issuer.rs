//! The local issuer, for Python's tests.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use doorward_issuer::tls::Tls;
use doorward_issuer::{
    Client, Endpoint, Fault, LogoutError, Mint, Revocation, Served, SigningAlgorithm, SigningKey,
};
use pyo3::exceptions::{PyConnectionError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use serde_json::json;

/// The local issuer. Its keys are good for nothing but tests.
#[pyclass(frozen, module = "doorward.testing", name = "DevIssuer")]
pub(crate) struct DevIssuer {
    issuer: Arc<doorward_issuer::DevIssuer>,
    private_pem: String,
    tls: Option<Tls>,
    served: Mutex<Option<Served>>,
}

#[pymethods]
impl DevIssuer {
    #[new]
    #[pyo3(signature = (*, issuer=None, algorithms=vec!["RS256".to_owned()], clock=None, secret_key=None, rate_limit=None,
        tls=false))]
    fn new(
        issuer: Option<String>,
        algorithms: Vec<String>,
        clock: Option<Py<PyAny>>,
        secret_key: Option<String>,
        rate_limit: Option<usize>,
        tls: bool,
    ) -> PyResult<Self> {
        let mut builder = doorward_issuer::DevIssuer::builder();
        if let Some(requests) = rate_limit {
            builder = builder.rate_limit(requests);
        }
        if let Some(secret_key) = secret_key {
            builder = builder.secret_key(secret_key);
        }
        if let Some(issuer) = issuer {
            builder = builder.issuer(issuer);
        }
        let mut private_pem = None;
        for name in algorithms {
            let algorithm = SigningAlgorithm::from_name(&name).ok_or_else(|| {
                PyValueError::new_err(format!("{name:?} is no signature algorithm"))
            })?;
            let key = SigningKey::generate(algorithm)
                .map_err(|error| PyValueError::new_err(error.to_string()))?;
            private_pem.get_or_insert_with(|| key.private_pem());
            builder = builder.key(key);
        }
        if let Some(clock) = clock {
            builder = builder.clock(move || read(&clock));
        }
        Ok(Self {
            issuer: Arc::new(
                builder
                    .build()
                    .map_err(|error| PyValueError::new_err(error.to_string()))?,
            ),
            private_pem: private_pem.ok_or_else(|| PyValueError::new_err("algorithms is empty"))?,
            tls: tls
                .then(Tls::generate)
                .transpose()
                .map_err(|error| PyRuntimeError::new_err(error.to_string()))?,
            served: Mutex::new(None),
        })
    }

    #[getter]
    fn issuer(&self) -> String {
        self.issuer.issuer()
    }

    #[getter]
    fn jwks_url(&self) -> String {
        format!("{}/.well-known/jwks.json", self.issuer.issuer())
    }

    #[getter]
    fn publishable_key(&self) -> String {
        self.issuer.publishable_key()
    }

    #[getter]
    fn certificate_authority(&self) -> Option<&str> {
        self.tls.as_ref()?.authority()
    }

    fn jwks(&self) -> String {
        self.issuer.jwks().to_string()
    }

    fn public_pem(&self) -> String {
        self.issuer.public_pem()
    }

    fn private_pem(&self) -> String {
        self.private_pem.clone()
    }

    fn mint(&self, spec: &str) -> PyResult<String> {
        let mint: Mint =
            serde_json::from_str(spec).map_err(|error| PyValueError::new_err(error.to_string()))?;
        self.issuer
            .mint(&mint)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    fn rotate(&self) -> PyResult<String> {
        self.issuer
            .rotate()
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    fn rotate_overlapping(&self) -> PyResult<String> {
        self.issuer
            .rotate_overlapping()
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    fn start(&self) -> PyResult<String> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &*served {
            return Ok(running.url().to_owned());
        }
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let started = match &self.tls {
            None => self.issuer.serve(anywhere)?,
            Some(tls) => self.issuer.serve_tls(anywhere, tls)?,
        };
        Ok(served.insert(started).url().to_owned())
    }

    fn stop(&self, py: Python<'_>) {
        let served = self
            .served
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // The server may be asking a Python clock for the time: waiting for it with the GIL would never end.
        py.detach(|| drop(served));
    }

    #[pyo3(signature = (kind, seconds=0.0, endpoint=None, *, status=None, url=None, content_type=None))]
    fn fault(
        &self,
        kind: &str,
        seconds: f64,
        endpoint: Option<&str>,
        status: Option<u16>,
        url: Option<&str>,
        content_type: Option<&str>,
    ) -> PyResult<()> {
        let mut form = json!({ "kind": kind });
        match kind {
            "slow" => form["milliseconds"] = json!((seconds * 1000.0) as u64),
            "too_many_requests" if seconds > 0.0 => {
                form["retry_after"] = json!(seconds.ceil() as u64);
            }
            _ => {}
        }
        // What this kind of fault does not take, the form refuses.
        let given = [
            ("status", status.map(|status| json!(status))),
            ("url", url.map(|url| json!(url))),
            ("content_type", content_type.map(|name| json!(name))),
        ];
        for (name, value) in given {
            if let Some(value) = value {
                form[name] = value;
            }
        }
        let fault: Fault = serde_json::from_value(form)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        match endpoint {
            Some(name) => self.issuer.set_fault_at(endpoint_of(name)?, fault),
            None => self.issuer.set_fault(fault),
        }
        Ok(())
    }

    fn reset(&self) {
        self.issuer.reset();
    }

    #[getter]
    fn jwks_fetches(&self) -> u64 {
        self.issuer.jwks_fetches()
    }

    fn requests(&self, endpoint: &str) -> PyResult<u64> {
        Ok(self.issuer.requests(endpoint_of(endpoint)?))
    }

    fn request_log(&self) -> String {
        self.issuer.request_log().to_string()
    }

    #[getter]
    fn secret_key(&self) -> &str {
        self.issuer.secret_key()
    }

    fn machine_secret_key(&self, machine: &str) -> PyResult<String> {
        self.issuer
            .machine_secret_key(machine)
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))
    }

    fn seed(&self, text: &str) -> PyResult<usize> {
        self.issuer
            .seed(text)
            .map_err(|error| PyValueError::new_err(error.to_string()))
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "PyO3 makes a path of its own"
    )]
    fn open_state(&self, file: PathBuf) -> PyResult<()> {
        Ok(self.issuer.open_state(&file)?)
    }

    #[pyo3(signature = (url, secret=None))]
    fn send_webhooks_to(&self, url: &str, secret: Option<&str>) -> PyResult<String> {
        self.issuer
            .send_webhooks_to(url, secret)
            .map_err(PyValueError::new_err)
    }

    fn webhook_log(&self) -> String {
        self.issuer.webhook_log().to_string()
    }

    #[getter]
    fn client_id(&self) -> &str {
        &self.issuer.client().client_id
    }

    #[getter]
    fn client_secret(&self) -> &str {
        let secret = &self.issuer.client().client_secret;
        secret.as_deref().unwrap_or_default()
    }

    fn register(&self, client: &str) -> PyResult<String> {
        let client: Client = serde_json::from_str(client)
            .map_err(|error| PyValueError::new_err(error.to_string()))?;
        let client = self
            .issuer
            .register(client)
            .map_err(|error| PyRuntimeError::new_err(error.to_string()))?;
        Ok(json!(client).to_string())
    }

    fn verify_opaque(&self, token: &str) -> Option<String> {
        Some(self.issuer.verify_opaque(token)?.to_string())
    }

    fn introspect(&self, token: &str) -> String {
        self.issuer.introspect(token).to_string()
    }

    #[pyo3(signature = (token=None, *, jti=None, sid=None, sub=None, client_id=None, reason=None))]
    fn revoke(
        &self,
        token: Option<String>,
        jti: Option<String>,
        sid: Option<String>,
        sub: Option<String>,
        client_id: Option<String>,
        reason: Option<&str>,
    ) -> PyResult<usize> {
        let mut named = [
            token.map(Revocation::Token),
            jti.map(Revocation::Jti),
            sid.map(Revocation::Sid),
            sub.map(Revocation::Sub),
            client_id.map(Revocation::ClientId),
        ]
        .into_iter()
        .flatten();
        match (named.next(), named.next()) {
            (Some(what), None) => Ok(self.issuer.revoke(&what, reason)),
            _ => Err(PyTypeError::new_err(
                "revoke() takes one of token, jti, sid, sub and client_id",
            )),
        }
    }

    fn send_logout(&self, py: Python<'_>, url: &str, spec: &str) -> PyResult<u16> {
        let mint: Mint =
            serde_json::from_str(spec).map_err(|error| PyValueError::new_err(error.to_string()))?;
        // Whoever is told may be Python too, and may ask a Python clock for the time.
        let sent = py.detach(|| self.issuer.send_logout(url, &mint));
        sent.map_err(|error| match error {
            LogoutError::NoAnswer(_) => PyConnectionError::new_err(error.to_string()),
            _ => PyValueError::new_err(error.to_string()),
        })
    }
}

fn endpoint_of(name: &str) -> PyResult<Endpoint> {
    Endpoint::from_name(name).ok_or_else(|| {
        let known = Endpoint::ALL.map(Endpoint::as_str).join(", ");
        PyValueError::new_err(format!("{name:?} is no endpoint; there are {known}"))
    })
}

/// The time a test wants it to be; the machine's own if the test's clock fails, which is told of.
fn read(clock: &Py<PyAny>) -> i64 {
    let told = Python::try_attach(|py| {
        let seconds = clock
            .call0(py)
            .and_then(|seconds| seconds.extract::<f64>(py));
        seconds
            .map(|seconds| seconds as i64)
            .map_err(|error| error.write_unraisable(py, Some(clock.bind(py))))
    });
    let machine = || {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |now| now.as_secs() as i64)
    };
    told.and_then(Result::ok).unwrap_or_else(machine)
}
