//! Base64 in the two alphabets (RFC 4648 §4 and §5).

/// Base64url without padding, as JOSE writes everything (RFC 7515 §2).
pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Base64 with padding, as PEM writes it.
pub(crate) fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

/// Base64 without padding, as Clerk writes its publishable keys.
pub(crate) fn base64_unpadded(bytes: &[u8]) -> String {
    base64_simd::STANDARD_NO_PAD.encode_to_string(bytes)
}

/// Base64 with padding, read back.
pub(crate) fn base64_decode(text: &str) -> Option<Vec<u8>> {
    base64_simd::STANDARD.decode_to_vec(text).ok()
}

/// Base64url without padding, read back.
pub(crate) fn base64url_decode(text: &str) -> Option<Vec<u8>> {
    base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}
