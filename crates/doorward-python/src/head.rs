//! Request heads of every shape Python has: ASGI scope, WSGI environ, mapping, list of pairs, or a request object.

use std::marker::PhantomData;
use std::net::IpAddr;

use doorward::RequestHead;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyMapping, PyString, PyTuple};

/// A request's head as far as credentials stand there.
pub(crate) type Head<'py> = HeadOf<'py, Credentials<'py>>;

/// A request's head as far as it is looked at.
pub(crate) struct HeadOf<'py, F> {
    fields: F,
    of: PhantomData<&'py ()>,
}

/// Header fields that are looked at, with room for their values.
pub(crate) trait Fields<'py>: Default {
    /// Where the values of the field `name` go, in any case; `None` if nobody looks at it.
    fn room(&mut self, name: &[u8]) -> Option<&mut Vec<Text<'py>>>;

    /// The values of the field `name`, in lower case.
    fn values(&self, name: &str) -> &[Text<'py>];

    /// PEP 3333: header fields are `HTTP_…` variables, several of one name joined by commas.
    fn read_environ(&mut self, environ: &Bound<'py, PyDict>) -> PyResult<()>;

    /// Takes note of the scope or environ, which knows the other end of the connection.
    fn note_server(&mut self, _server: &Bound<'py, PyDict>) {}

    /// The address at the other end.
    fn peer(&self) -> Option<IpAddr> {
        None
    }
}

/// Where credentials stand, borrowed from Python where they are bytes.
#[derive(Default)]
pub(crate) struct Credentials<'py> {
    authorization: Vec<Text<'py>>,
    cookie: Vec<Text<'py>>,
    /// The field in which the operator's own proxy says who asks, if there is one.
    address_name: Option<&'py str>,
    address: Vec<Text<'py>>,
    /// The scope or environ. Looked at only if somebody asks.
    server: Option<Bound<'py, PyDict>>,
}

impl<'py> Credentials<'py> {
    /// `address_name` is the header field in which the operator's own proxy says who asks.
    pub(crate) fn with_address(address_name: Option<&'py str>) -> Self {
        Self {
            address_name,
            ..Self::default()
        }
    }
}

impl<'py> Fields<'py> for Credentials<'py> {
    fn room(&mut self, name: &[u8]) -> Option<&mut Vec<Text<'py>>> {
        match name.len() {
            13 if name.eq_ignore_ascii_case(b"authorization") => Some(&mut self.authorization),
            6 if name.eq_ignore_ascii_case(b"cookie") => Some(&mut self.cookie),
            _ => self
                .address_name
                .filter(|own| name.eq_ignore_ascii_case(own.as_bytes()))
                .map(|_| &mut self.address),
        }
    }

    fn values(&self, name: &str) -> &[Text<'py>] {
        match name {
            "authorization" => &self.authorization,
            "cookie" => &self.cookie,
            name if self.address_name == Some(name) => &self.address,
            _ => &[],
        }
    }

    fn read_environ(&mut self, environ: &Bound<'py, PyDict>) -> PyResult<()> {
        let py = environ.py();
        for (name, values) in [
            (intern!(py, "HTTP_AUTHORIZATION"), &mut self.authorization),
            (intern!(py, "HTTP_COOKIE"), &mut self.cookie),
        ] {
            if let Some(value) = environ.get_item(name)? {
                values.push(text(&value)?);
            }
        }
        if let Some(name) = self.address_name {
            let name = format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_"));
            if let Some(value) = environ.get_item(name)? {
                self.address.push(text(&value)?);
            }
        }
        Ok(())
    }

    fn note_server(&mut self, server: &Bound<'py, PyDict>) {
        self.server = Some(server.clone());
    }

    fn peer(&self) -> Option<IpAddr> {
        let server = self.server.as_ref()?;
        let py = server.py();
        // ASGI: `client` is a pair of host and port, or None. PEP 3333 has the variable of RFC 3875 §4.1.8.
        let host = match server.get_item(intern!(py, "client")).ok()? {
            Some(client) if !client.is_none() => client.get_item(0).ok()?,
            _ => server.get_item(intern!(py, "REMOTE_ADDR")).ok()??,
        };
        host.cast::<PyString>().ok()?.to_str().ok()?.parse().ok()
    }
}

pub(crate) enum Text<'py> {
    Bytes(Bound<'py, PyBytes>),
    /// Without lone surrogates.
    Str(Bound<'py, PyString>),
    Owned(Vec<u8>),
}

impl Text<'_> {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            // Python keeps the UTF-8 of a text once it was asked for.
            Self::Str(string) => string.to_str().unwrap_or_default().as_bytes(),
            Self::Owned(bytes) => bytes,
        }
    }
}

impl<'py, F: Fields<'py>> RequestHead for HeadOf<'py, F> {
    fn field<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.fields.values(name).iter().map(Text::bytes)
    }

    fn peer(&self) -> Option<IpAddr> {
        self.fields.peer()
    }
}

impl<'py, F: Fields<'py>> HeadOf<'py, F> {
    /// Borrows the head of whatever was handed over.
    pub(crate) fn of(object: &Bound<'py, PyAny>) -> PyResult<Self> {
        Self::with(F::default(), object)
    }

    /// As [`HeadOf::of`], with fields that know more.
    pub(crate) fn with(fields: F, object: &Bound<'py, PyAny>) -> PyResult<Self> {
        let mut head = Self {
            fields,
            of: PhantomData,
        };
        if let Ok(dict) = object.cast::<PyDict>() {
            head.read_dict(dict)?;
        } else if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
            head.read_pairs(object)?;
        } else {
            head.read_object(object)?;
        }
        Ok(head)
    }

    fn read_dict(&mut self, dict: &Bound<'py, PyDict>) -> PyResult<()> {
        let py = dict.py();
        if let Some(headers) = dict.get_item(intern!(py, "headers"))? {
            // An ASGI scope has a list of pairs of bytes here. Asked first: asking for a mapping is slow.
            if let Ok(list) = headers.cast::<PyList>() {
                self.fields.note_server(dict);
                return list.iter().try_for_each(|pair| self.read_pair(&pair));
            }
            if let Ok(mapping) = headers.cast::<PyMapping>() {
                return self.read_pairs(mapping.items()?.as_any());
            }
            // Otherwise it is a header of that name in a plain mapping, or an iterable of pairs.
            if !headers.is_instance_of::<PyString>() && !headers.is_instance_of::<PyBytes>() {
                return self.read_pairs(&headers);
            }
        }
        if dict.contains(intern!(py, "REQUEST_METHOD"))?
            || dict.contains(intern!(py, "wsgi.version"))?
        {
            self.fields.note_server(dict);
            return self.fields.read_environ(dict);
        }
        dict.iter()
            .try_for_each(|(name, value)| self.read_field(&name, &value))
    }

    fn read_pairs(&mut self, pairs: &Bound<'py, PyAny>) -> PyResult<()> {
        if let Ok(list) = pairs.cast::<PyList>() {
            return list.iter().try_for_each(|pair| self.read_pair(&pair));
        }
        for pair in pairs.try_iter()? {
            self.read_pair(&pair?)?;
        }
        Ok(())
    }

    fn read_pair(&mut self, pair: &Bound<'py, PyAny>) -> PyResult<()> {
        if let Ok(tuple) = pair.cast::<PyTuple>()
            && tuple.len() == 2
        {
            return self.read_field(&tuple.get_item(0)?, &tuple.get_item(1)?);
        }
        // ASGI allows any iterable of two items, and some servers send lists.
        match (pair.len(), pair.get_item(0), pair.get_item(1)) {
            (Ok(2), Ok(name), Ok(value)) => self.read_field(&name, &value),
            _ => Err(PyTypeError::new_err("a header is a pair of name and value")),
        }
    }

    fn read_field(&mut self, name: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let room = if let Ok(bytes) = name.cast::<PyBytes>() {
            self.fields.room(bytes.as_bytes())
        } else if let Ok(string) = name.cast::<PyString>() {
            self.fields.room(string.to_string_lossy().as_bytes())
        } else {
            None
        };
        let Some(values) = room else {
            return Ok(());
        };
        if value.is_none() {
            return Ok(());
        }
        // Some mappings hold a list of values for each name.
        match value.cast::<PyList>() {
            Ok(several) => several.iter().try_for_each(|value| {
                values.push(text(&value)?);
                Ok(())
            }),
            Err(_) => {
                values.push(text(value)?);
                Ok(())
            }
        }
    }

    /// A request object: the raw form its framework keeps is better than its header mapping, which may hide a repeated
    /// field.
    fn read_object(&mut self, object: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = object.py();
        for raw in [
            intern!(py, "scope"),
            intern!(py, "environ"),
            intern!(py, "META"),
        ] {
            // Some frameworks raise where others have nothing to say.
            if let Ok(value) = object.getattr(raw)
                && let Ok(dict) = value.cast::<PyDict>()
            {
                return self.read_dict(dict);
            }
        }
        let Some(headers) = object.getattr_opt(intern!(py, "headers"))? else {
            return self.read_headers(object);
        };
        self.read_headers(&headers)
    }

    fn read_headers(&mut self, headers: &Bound<'py, PyAny>) -> PyResult<()> {
        let py = headers.py();
        if let Ok(dict) = headers.cast::<PyDict>() {
            return dict
                .iter()
                .try_for_each(|(name, value)| self.read_field(&name, &value));
        }
        if headers.is_instance_of::<PyList>() || headers.is_instance_of::<PyTuple>() {
            return self.read_pairs(headers);
        }
        if let Some(raw) = headers.getattr_opt(intern!(py, "raw"))?
            && raw.is_instance_of::<PyList>()
        {
            return self.read_pairs(&raw);
        }
        match headers.getattr_opt(intern!(py, "items"))? {
            Some(items) => self.read_pairs(&items.call0()?),
            None => Err(PyTypeError::new_err(format!(
                "expected an ASGI scope, a WSGI environ, a mapping, a list of pairs or an object with `headers`, \
                 found {}",
                headers.get_type().name()?
            ))),
        }
    }
}

pub(crate) fn text<'py>(value: &Bound<'py, PyAny>) -> PyResult<Text<'py>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(Text::Bytes(bytes.clone()));
    }
    match value.cast::<PyString>() {
        Ok(string) if string.to_str().is_ok() => Ok(Text::Str(string.clone())),
        // A lone surrogate cannot be a header's text; as a question mark it is refused where it matters.
        Ok(string) => Ok(Text::Owned(
            string.to_string_lossy().into_owned().into_bytes(),
        )),
        Err(_) => Err(PyTypeError::new_err("a header's value is str or bytes")),
    }
}

/// A token handed over by itself.
pub(crate) fn token_text(token: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(string) = token.cast::<PyString>() {
        return Ok(string.to_string_lossy().into_owned());
    }
    match token.cast::<PyBytes>() {
        Ok(bytes) => String::from_utf8(bytes.as_bytes().to_vec())
            .map_err(|_| PyValueError::new_err("the token is not ASCII")),
        Err(_) => Err(PyTypeError::new_err("a token is str or bytes")),
    }
}
