//! Base64url without padding, in its one canonical spelling (RFC 7515 §2, RFC 4648 §3.5 and §5).

use base64_simd::{AsOut as _, URL_SAFE_NO_PAD};

/// Why a segment is not base64url. Padding, white space, foreign letters and stray trailing bits are all refused, so
/// that one token has one spelling and a digest of it is an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotCanonical;

/// Decodes a segment into a fresh vector.
pub(crate) fn decode(segment: &[u8]) -> Result<Vec<u8>, NotCanonical> {
    URL_SAFE_NO_PAD
        .decode_to_vec(segment)
        .map_err(|_| NotCanonical)
}

/// Decodes a segment into `buffer` and returns what was written, or an error if it does not fit.
pub(crate) fn decode_into<'b>(
    segment: &[u8],
    buffer: &'b mut [u8],
) -> Result<&'b [u8], NotCanonical> {
    let length = URL_SAFE_NO_PAD
        .decoded_length(segment)
        .map_err(|_| NotCanonical)?;
    let room = buffer.get_mut(..length).ok_or(NotCanonical)?;
    URL_SAFE_NO_PAD
        .decode(segment, room.as_out())
        .map(|written| &*written)
        .map_err(|_| NotCanonical)
}

/// Encodes bytes.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_every_second_spelling() {
        assert_eq!(decode(b"QQ"), Ok(b"A".to_vec()));
        for spelling in [
            "QQ==",
            "QR",
            "Q",
            "QQ ",
            " QQ",
            "Q\nQ",
            "Q+",
            "Q/",
            "QQ=",
            "\u{ff31}Q",
        ] {
            assert_eq!(
                decode(spelling.as_bytes()),
                Err(NotCanonical),
                "{spelling:?}"
            );
        }
    }

    #[test]
    fn a_small_buffer_is_an_error() {
        assert_eq!(decode_into(b"QUJD", &mut [0; 2]), Err(NotCanonical));
        assert_eq!(decode_into(b"QUJD", &mut [0; 8]), Ok(&b"ABC"[..]));
    }

    #[test]
    fn encodes_what_it_decodes() {
        assert_eq!(
            decode(encode(&[0, 255, 62, 63]).as_bytes()).unwrap(),
            [0, 255, 62, 63]
        );
    }
}
