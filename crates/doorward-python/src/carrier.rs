//! Requests to issuers, handed to Python to be carried by an HTTP client of Python's.
//!
//! The engine's threads never call Python: they leave a request here and wait; a thread of Python's own fetches it.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use doorward::{Carried, CarriedRequest, CarriedResponse, SharedCarrier};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use tokio::sync::oneshot;

type Answer = Result<CarriedResponse, String>;

#[derive(Default)]
struct Queue {
    waiting: Mutex<VecDeque<(CarriedRequest, oneshot::Sender<Answer>)>>,
    arrived: Condvar,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<(CarriedRequest, oneshot::Sender<Answer>)>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where requests wait for somebody who carries them.
#[pyclass(frozen, module = "doorward", name = "Carrier")]
pub(crate) struct Carrier(Arc<Queue>);

#[pymethods]
impl Carrier {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }

    /// The next request, or `None` if there is none for so many seconds. Blocks, without the GIL.
    fn next(&self, py: Python<'_>, seconds: f64) -> Option<CarriedCall> {
        let queue = &*self.0;
        let patience = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        py.detach(|| {
            let waiting = queue.lock();
            let (mut waiting, _) = queue
                .arrived
                .wait_timeout_while(waiting, patience, |waiting| waiting.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            // Whoever asked may have given up meanwhile.
            while let Some((request, answer)) = waiting.pop_front() {
                if !answer.is_closed() {
                    return Some(CarriedCall {
                        request,
                        answer: Mutex::new(Some(answer)),
                    });
                }
            }
            None
        })
    }

    fn __repr__(&self) -> &'static str {
        "Carrier()"
    }
}

impl Carrier {
    pub(crate) fn shared(&self) -> SharedCarrier {
        SharedCarrier(Arc::new(Leaving(Arc::clone(&self.0))))
    }
}

/// The engine's end.
struct Leaving(Arc<Queue>);

impl doorward::Carrier for Leaving {
    fn carry(&self, request: CarriedRequest) -> Carried {
        let (answer, answered) = oneshot::channel();
        let mut waiting = self.0.lock();
        let full = waiting.len() >= MOST_WAITING;
        if !full {
            waiting.push_back((request, answer));
        }
        drop(waiting);
        self.0.arrived.notify_one();
        Box::pin(async move {
            if full {
                return Err("too many requests wait for the HTTP client".to_owned());
            }
            let gone = |_| Err("the HTTP client gave no answer".to_owned());
            answered.await.unwrap_or_else(gone)
        })
    }
}

/// One request on its way.
#[pyclass(frozen, module = "doorward", name = "CarriedCall")]
pub(crate) struct CarriedCall {
    request: CarriedRequest,
    answer: Mutex<Option<oneshot::Sender<Answer>>>,
}

#[pymethods]
impl CarriedCall {
    #[getter]
    fn method(&self) -> &str {
        &self.request.method
    }

    #[getter]
    fn url(&self) -> &str {
        &self.request.url
    }

    #[getter]
    fn headers(&self) -> Vec<(String, String)> {
        self.request.headers.clone()
    }

    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.request.body)
    }

    /// Brings the answer. A second one is as if it had not come.
    fn answer(&self, status: u16, headers: Vec<(String, String)>, body: Vec<u8>) {
        self.settle(Ok(CarriedResponse {
            status,
            headers,
            body,
        }));
    }

    /// Says why there is none.
    fn fail(&self, why: String) {
        self.settle(Err(why));
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.request)
    }
}

impl CarriedCall {
    fn settle(&self, answer: Answer) {
        let sender = self
            .answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(sender) = sender {
            // Whoever asked may have given up.
            drop(sender.send(answer));
        }
    }
}

const MOST_WAITING: usize = 512;
