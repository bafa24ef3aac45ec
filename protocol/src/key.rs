//! Device keys: who signs. The only file that names the signature library.
//!
//! Verification is strict and single: a signature that holds here holds on every node. Keys of small
//! order, under which one signature fits any message, are refused when the key is read, so that no
//! record with such an author can exist in memory.

use std::cell::Cell;
use std::fmt;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::{derive, hex};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};

use crate::error::Reject;

thread_local! {
    /// The key that was found to be good last. What is read in a row names the same author again and again, and to
    /// check a key costs as much as to check the waypoint that names it.
    static GOOD: Cell<Option<[u8; 32]>> = const { Cell::new(None) };
}

/// The public key of a device or agent; for a node, also its network identity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceKey([u8; 32]);

impl DeviceKey {
    /// Checks bytes and takes them as a key.
    pub fn new(bytes: [u8; 32]) -> Result<Self, Reject> {
        if GOOD.get() == Some(bytes) {
            return Ok(Self(bytes));
        }
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| Reject::WeakKey)?;
        let canonical = key.to_edwards().compress().to_bytes() == bytes;
        if key.is_weak() || !canonical {
            return Err(Reject::WeakKey);
        }
        GOOD.set(Some(bytes));
        Ok(Self(bytes))
    }

    /// The key's bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        cairn_crdt::id::from_hex(text).and_then(|bytes| Self::new(bytes).ok())
    }

    /// The first eight hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex(&self.0[..4])
    }

    /// Whether this key made `signature` over `message`.
    pub(crate) fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), Reject> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| Reject::WeakKey)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(message, &signature).map_err(|_| Reject::Signature)
    }
}

impl fmt::Display for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey({})", self.short())
    }
}

impl Encoded for DeviceKey {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.0);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        let at = input.clone();
        Self::new(input.array()?).map_err(|_| at.error(Problem::WeakKey))
    }
}

/// A signature's bytes, not yet verified.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({})", hex(&self.0[..4]))
    }
}

impl Encoded for Signature {
    fn write(&self, out: &mut Writer) {
        out.raw(&self.0);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        Ok(Self(input.array()?))
    }
}

/// A secret key; wiped from memory when dropped, never printed.
#[derive(Clone)]
pub struct Keypair(SigningKey);

impl Keypair {
    /// The pair that 32 secret bytes stand for. Randomness is the caller's.
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(secret))
    }

    /// The public half.
    pub fn key(&self) -> DeviceKey {
        DeviceKey(self.0.verifying_key().to_bytes())
    }

    /// The pair under which this one's owner keeps waypoints that never leave the home. It is derived, so that there is no second
    /// secret to keep; nobody who has not the secret can tell that the two belong together.
    pub fn local(&self) -> Self {
        Self::from_secret(&derive("cairn 1 local key", &[&self.secret()]))
    }

    /// The 32 secret bytes: for the network, whose identity is the same key.
    pub fn secret(&self) -> [u8; 32] {
        self.0.to_bytes()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keypair({})", self.key().short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cairn_crdt::id::from_hex;
    use proptest::prelude::*;

    /// Encodings of points of small order, canonical and not.
    const SMALL_ORDER: [&str; 10] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ];

    /// The order of the group, little-endian.
    const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

    #[test]
    fn a1_keys_of_small_order_are_refused_when_read() {
        for text in SMALL_ORDER {
            let bytes = from_hex(text).unwrap();
            // A good key that was read before, and is known for it, lets no other pass.
            let good = Keypair::from_secret(&[1; 32]).key();
            assert_eq!(DeviceKey::new(*good.as_bytes()), Ok(good));
            assert_eq!(DeviceKey::new(bytes), Err(Reject::WeakKey), "{text}");
            assert_eq!(DeviceKey::from_bytes(&bytes).unwrap_err().problem, Problem::WeakKey);
        }
    }

    #[test]
    fn a1_a_malleable_signature_is_refused() {
        let keypair = Keypair::from_secret(&[1; 32]);
        let mut signature = keypair.sign(b"message");
        assert_eq!(keypair.key().verify(b"message", &signature), Ok(()));
        let (order, mut carry) = (from_hex(ORDER).unwrap(), 0);
        for (byte, add) in signature.0[32..].iter_mut().zip(order) {
            let sum = u16::from(*byte) + u16::from(add) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        assert_eq!(keypair.key().verify(b"message", &signature), Err(Reject::Signature));
    }

    #[test]
    fn a1_a_signature_with_a_part_of_small_order_is_refused() {
        let keypair = Keypair::from_secret(&[1; 32]);
        for text in SMALL_ORDER {
            let mut signature = keypair.sign(b"message");
            signature.0[..32].copy_from_slice(&from_hex(text).unwrap());
            assert_eq!(keypair.key().verify(b"message", &signature), Err(Reject::Signature));
        }
    }

    proptest! {
        #[test]
        fn a1_any_flipped_bit_is_refused(secret: [u8; 32], mut message: [u8; 40], bit in 0usize..832) {
            let keypair = Keypair::from_secret(&secret);
            let mut signature = keypair.sign(&message);
            prop_assert_eq!(keypair.key().verify(&message, &signature), Ok(()));
            match bit.checked_sub(512) {
                Some(bit) => message[bit / 8] ^= 1 << (bit % 8),
                None => signature.0[bit / 8] ^= 1 << (bit % 8),
            }
            prop_assert_eq!(keypair.key().verify(&message, &signature), Err(Reject::Signature));
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let text = format!("{:?}", Keypair::from_secret(&[0xab; 32]));
        assert!(!text.contains("abab") && text.len() < 20, "{text}");
    }
}
