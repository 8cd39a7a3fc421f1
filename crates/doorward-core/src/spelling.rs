//! placeholder
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    Ec {
        curve: EcCurve,
        x: Vec<u8>,
        y: Vec<u8>,
    },
    Ed25519([u8; 32]),
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum EcCurve {
    P256,
    P384,
    P521,
}
pub(crate) enum Spelled {
    Json(String),
    Keys(Vec<Material>),
}
pub(crate) fn read(input: &[u8]) -> Result<Spelled, SpellingError> {
    Ok(Spelled::Json(String::from_utf8_lossy(input).into_owned()))
}
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpellingError {
    Empty,
}
impl std::fmt::Display for SpellingError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("empty")
    }
}
