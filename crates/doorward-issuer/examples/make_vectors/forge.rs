//! What no signing library does on request: raw RSA, wrong paddings, impossible numbers. Slow, and fit for test keys
//! only (RFC 8017 §5.2, §9.1 and §9.2; RFC 8032 §5.1; SEC 1 §4.1).

use aws_lc_rs::digest::{self, Algorithm as Hash, digest};

/// An RSA private key, as three big-endian numbers.
pub(crate) struct Rsa {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    d: Vec<u8>,
}

impl Rsa {
    /// Reads a PKCS#8 PEM: AlgorithmIdentifier around RSAPrivateKey (RFC 8017 §A.1.2).
    pub(crate) fn from_pem(pem: &str) -> Self {
        let der = pem_body(pem);
        let mut info = Der(Der(&der).next(0x30));
        info.next(0x02);
        info.next(0x30);
        let mut key = Der(Der(info.next(0x04)).next(0x30));
        key.next(0x02);
        let [n, e, d] = [(); 3].map(|()| strip_zeros(key.next(0x02)).to_vec());
        Self { n, e, d }
    }

    /// `message ^ d mod n`, as wide as the modulus.
    pub(crate) fn private(&self, message: &[u8]) -> Vec<u8> {
        mod_pow(message, &self.d, &self.n)
    }

    pub(crate) fn width(&self) -> usize {
        self.n.len()
    }

    /// RSASSA-PSS with a salt of our choice, which makes it repeatable.
    pub(crate) fn pss(&self, message: &[u8], pss: &Pss) -> Vec<u8> {
        self.private(&pss.encode(message, self.width()))
    }
}

/// How to encode for PSS; everything but the hash may be wrong.
pub(crate) struct Pss {
    pub(crate) hash: &'static Hash,
    pub(crate) mask_hash: &'static Hash,
    pub(crate) salt: usize,
    pub(crate) trailer: u8,
    pub(crate) separator: u8,
}

impl Pss {
    /// As RFC 7518 §3.5 wants it.
    pub(crate) fn right(hash: &'static Hash) -> Self {
        Self {
            hash,
            mask_hash: hash,
            salt: hash.output_len(),
            trailer: 0xbc,
            separator: 1,
        }
    }

    fn encode(&self, message: &[u8], width: usize) -> Vec<u8> {
        let salt = vec![0x5a; self.salt];
        let hashed = digest(self.hash, message);
        let h = digest(
            self.hash,
            &[&[0; 8], hashed.as_ref(), salt.as_slice()].concat(),
        );
        let mut block = vec![0; width - h.as_ref().len() - 1];
        let start = block.len() - salt.len() - 1;
        block[start] = self.separator;
        block[start + 1..].copy_from_slice(&salt);
        for (byte, mask) in block
            .iter_mut()
            .zip(mgf1(self.mask_hash, h.as_ref(), width))
        {
            *byte ^= mask;
        }
        block[0] &= 0x7f;
        block.extend_from_slice(h.as_ref());
        block.push(self.trailer);
        block
    }
}

fn mgf1(hash: &'static Hash, seed: &[u8], length: usize) -> Vec<u8> {
    (0u32..)
        .flat_map(|counter| {
            digest(hash, &[seed, &counter.to_be_bytes()].concat())
                .as_ref()
                .to_vec()
        })
        .take(length)
        .collect()
}

/// DigestInfo of SHA-256 in DER, without the digest (RFC 8017 §9.2, note 1).
pub(crate) const SHA256_INFO: &[u8] = &[
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05,
    0x00, 0x04, 0x20,
];
/// The same without the NULL parameters.
pub(crate) const SHA256_INFO_WITHOUT_NULL: &[u8] = &[
    0x30, 0x2f, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x04,
    0x20,
];
/// DigestInfo of SHA-1.
pub(crate) const SHA1_INFO: &[u8] = &[
    0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
];

/// `00 type FF.. 00 rest`, filled up with FF to the width.
pub(crate) fn pkcs1(width: usize, block_type: u8, rest: &[u8]) -> Vec<u8> {
    let mut block = vec![0xff; width - rest.len()];
    (block[0], block[1]) = (0, block_type);
    *block.last_mut().expect("there is room") = 0;
    block.extend_from_slice(rest);
    block
}

pub(crate) fn sha256(message: &[u8]) -> Vec<u8> {
    digest(&digest::SHA256, message).as_ref().to_vec()
}

pub(crate) fn sha1(message: &[u8]) -> Vec<u8> {
    digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message)
        .as_ref()
        .to_vec()
}

/// The orders of the curves, big-endian.
pub(crate) const ORDER_P256: &str =
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
pub(crate) const ORDER_P384: &str = "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973";
pub(crate) const ORDER_P521: &str = "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409";
/// The order of Ed25519's group, little-endian.
pub(crate) const ORDER_ED25519: &str =
    "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hex is ASCII");
            u8::from_str_radix(pair, 16).expect("hex")
        })
        .collect()
}

/// `a - b`, big-endian, both of one width, `a >= b`.
pub(crate) fn subtract(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut result: Vec<u8> = a
        .iter()
        .zip(b)
        .rev()
        .map(|(a, b)| {
            let value = i16::from(*a) - i16::from(*b) - borrow;
            borrow = i16::from(value < 0);
            value.rem_euclid(256) as u8
        })
        .collect();
    result.reverse();
    result
}

/// `a + b`, little-endian, as wide as `a`; the last carry is lost.
pub(crate) fn add_little(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    a.iter()
        .zip(b)
        .map(|(a, b)| {
            let value = u16::from(*a) + u16::from(*b) + carry;
            carry = value >> 8;
            value as u8
        })
        .collect()
}

/// `R || S` as an ASN.1 SEQUENCE of two INTEGERs, as X.509 and many libraries have it.
pub(crate) fn ecdsa_der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let mut number = strip_zeros(number).to_vec();
        if number.first().is_none_or(|byte| byte & 0x80 != 0) {
            number.insert(0, 0);
        }
        [&[2, number.len() as u8], number.as_slice()].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let body = [integer(r), integer(s)].concat();
    [&[0x30, body.len() as u8], body.as_slice()].concat()
}

/// The bytes between the two lines of a PEM block.
pub(crate) fn pem_body(pem: &str) -> Vec<u8> {
    let body: String = pem
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .filter(|line| !line.starts_with("-----"))
        .collect();
    base64_simd::STANDARD
        .decode_to_vec(body)
        .expect("base64 in PEM")
}

/// A reader of DER that trusts its input.
pub(crate) struct Der<'d>(pub(crate) &'d [u8]);

impl<'d> Der<'d> {
    pub(crate) fn next(&mut self, tag: u8) -> &'d [u8] {
        assert_eq!(self.0[0], tag, "an unexpected tag");
        let (length, start) = match usize::from(self.0[1]) {
            short @ 0..0x80 => (short, 2),
            long => {
                let octets = &self.0[2..2 + (long & 0x7f)];
                let length = octets
                    .iter()
                    .fold(0, |length, byte| length << 8 | usize::from(*byte));
                (length, 2 + octets.len())
            }
        };
        let (content, rest) = self.0[start..].split_at(length);
        self.0 = rest;
        content
    }
}

fn strip_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

/// `base ^ exponent mod modulus` by Montgomery's method; the modulus is odd and its top byte is not zero.
fn mod_pow(base: &[u8], exponent: &[u8], modulus: &[u8]) -> Vec<u8> {
    let n = limbs(modulus, modulus.len().div_ceil(8));
    let size = n.len();
    let inverse = (0..6).fold(1u64, |x, _| {
        x.wrapping_mul(2u64.wrapping_sub(n[0].wrapping_mul(x)))
    });
    let n0 = inverse.wrapping_neg();
    let one = limbs(&[1], size);
    let to_power_of_two = |bits: usize| (0..bits).fold(one.clone(), |x, _| double(&x, &n));
    let (r, r_squared) = (to_power_of_two(64 * size), to_power_of_two(128 * size));
    let base = montgomery(&limbs(base, size), &r_squared, &n, n0);
    let mut result = r;
    for byte in exponent {
        for bit in (0..8).rev() {
            result = montgomery(&result, &result, &n, n0);
            if byte >> bit & 1 == 1 {
                result = montgomery(&result, &base, &n, n0);
            }
        }
    }
    let result = montgomery(&result, &one, &n, n0);
    let bytes: Vec<u8> = result
        .iter()
        .rev()
        .flat_map(|limb| limb.to_be_bytes())
        .collect();
    bytes[bytes.len() - modulus.len()..].to_vec()
}

fn limbs(number: &[u8], size: usize) -> Vec<u64> {
    let mut limbs: Vec<u64> = number
        .rchunks(8)
        .map(|chunk| {
            chunk
                .iter()
                .fold(0, |limb, byte| limb << 8 | u64::from(*byte))
        })
        .collect();
    limbs.resize(size, 0);
    limbs
}

fn double(x: &[u64], n: &[u64]) -> Vec<u64> {
    let mut carry = 0;
    let doubled: Vec<u64> = x
        .iter()
        .map(|limb| {
            let value = limb << 1 | carry;
            carry = limb >> 63;
            value
        })
        .collect();
    reduce_once(doubled, carry, n)
}

fn reduce_once(x: Vec<u64>, carry: u64, n: &[u64]) -> Vec<u64> {
    if carry == 0 && x.iter().rev().lt(n.iter().rev()) {
        return x;
    }
    let mut borrow = false;
    x.iter()
        .zip(n)
        .map(|(x, n)| {
            let (value, under) = x.overflowing_sub(*n);
            let (value, further) = value.overflowing_sub(u64::from(borrow));
            borrow = under || further;
            value
        })
        .collect()
}

fn montgomery(a: &[u64], b: &[u64], n: &[u64], n0: u64) -> Vec<u64> {
    let size = n.len();
    let mut t = vec![0u64; size + 2];
    let step = |t: u64, x: u64, y: u64, carry: u64| {
        let sum = u128::from(x) * u128::from(y) + u128::from(t) + u128::from(carry);
        (sum as u64, (sum >> 64) as u64)
    };
    for limb in a {
        let mut carry = 0;
        for (t, b) in t.iter_mut().zip(b) {
            (*t, carry) = step(*t, *limb, *b, carry);
        }
        (t[size], carry) = step(t[size], 0, 0, carry);
        t[size + 1] = carry;
        let m = t[0].wrapping_mul(n0);
        let (_, mut carry) = step(t[0], m, n[0], 0);
        for at in 1..size {
            (t[at - 1], carry) = step(t[at], m, n[at], carry);
        }
        (t[size - 1], carry) = step(t[size], 0, 0, carry);
        t[size] = t[size + 1] + carry;
    }
    let carry = t[size];
    t.truncate(size);
    reduce_once(t, carry, n)
}
