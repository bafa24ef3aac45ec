//! Signed records: what came from outside, and what was verified, as two types.
//!
//! A signature covers a hash under a domain that names its purpose, over the format level and the
//! record's canonical bytes. So a signature made for one purpose is worth nothing for another, and
//! a `Verified` value exists only where a signature was made or checked.

use std::ops::Deref;

use cairn_crdt::encoding::{Decode, Encoded, Problem, Reader, Writer};
use cairn_crdt::id::derive;

use crate::error::Reject;
use crate::key::{DeviceKey, Keypair, Signature};
use crate::limits::FORMAT_LEVEL;

/// A record that one key signs.
pub trait Signable: Encoded {
    /// The domain of the signature: `cairn 1 sign <purpose>`.
    const PURPOSE: &'static str;

    /// The key that must have signed; `None` in a record that names nobody.
    fn signer(&self) -> Option<DeviceKey>;
}

/// A record with a signature that nobody has checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed<T> {
    value: T,
    signature: Signature,
}

impl<T: Signable> Signed<T> {
    /// Puts a record and a signature together, unchecked.
    pub fn from_parts(value: T, signature: Signature) -> Self {
        Self { value, signature }
    }

    /// What the record claims; not to be believed before [`Signed::verify`].
    pub fn claimed(&self) -> &T {
        &self.value
    }

    /// The signature, unchecked.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Checks the signature.
    pub fn verify(self) -> Result<Verified<T>, Reject> {
        let signer = self.value.signer().ok_or(Reject::Signature)?;
        signer.verify(&preimage(&self.value), &self.signature)?;
        Ok(Verified(self))
    }
}

/// A record whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(Signed<T>);

impl<T: Signable> Verified<T> {
    /// Signs a record; refuses a pair that is not its signer's, and a record that no reader would take:
    /// what is signed cannot be taken back.
    pub fn sign(value: T, keypair: &Keypair) -> Result<Self, Reject> {
        if value.signer() != Some(keypair.key()) {
            return Err(Reject::Misuse("signing for another key"));
        }
        T::from_bytes(&value.to_bytes())?;
        Ok(Self::sign_unread(value, keypair))
    }

    /// Signs whatever it is given; the tests make hostile records with it.
    pub(crate) fn sign_unread(value: T, keypair: &Keypair) -> Self {
        let signature = keypair.sign(&preimage(&value));
        Self(Signed { value, signature })
    }
}

impl<T> Verified<T> {
    /// The record with its signature, to send or store.
    pub fn signed(&self) -> &Signed<T> {
        &self.0
    }

    /// The record with its signature, to send or store.
    pub fn into_signed(self) -> Signed<T> {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

fn preimage<T: Signable>(value: &T) -> [u8; 32] {
    derive(T::PURPOSE, &[&FORMAT_LEVEL.to_le_bytes(), &value.to_bytes()])
}

/// Writes the format level.
pub(crate) fn write_level(out: &mut Writer) {
    out.u16(FORMAT_LEVEL);
}

/// Reads the format level; refuses what a newer program wrote before reading on.
pub(crate) fn read_level(input: &mut Reader<'_>) -> Decode<()> {
    let at = input.clone();
    match input.u16()? {
        FORMAT_LEVEL => Ok(()),
        level => Err(at.error(Problem::Level(level))),
    }
}

impl<T: Signable> Encoded for Signed<T> {
    fn write(&self, out: &mut Writer) {
        write_level(out);
        self.value.write(out);
        self.signature.write(out);
    }

    fn read(input: &mut Reader<'_>) -> Decode<Self> {
        read_level(input)?;
        Ok(Self { value: T::read(input)?, signature: Signature::read(input)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grant::{Grant, Revocation};
    use crate::samples::{feed, keypair, log_over, top, waypoints};
    use crate::top::Top;

    #[test]
    fn a1_every_flipped_bit_of_a_signed_top_is_refused() {
        let feed = feed(1, "p", 1);
        let bytes = top(feed, 1, &log_over(&waypoints(feed, 3))).signed().to_bytes();
        assert!(Signed::<Top>::from_bytes(&bytes).unwrap().verify().is_ok());
        for bit in 0..8 * bytes.len() {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            let refused = Signed::<Top>::from_bytes(&bad).map_or(true, |top| top.verify().is_err());
            assert!(refused, "{bit}");
        }
    }

    #[test]
    fn a1_signing_for_another_key_is_refused() {
        let feed = feed(1, "p", 1);
        let value = (*top(feed, 1, &log_over(&waypoints(feed, 1)))).clone();
        let forged = Signed::from_parts(value.clone(), keypair(2).sign(&preimage(&value)));
        assert_eq!(forged.verify(), Err(Reject::Signature));
        assert!(matches!(Verified::sign(value, &keypair(2)), Err(Reject::Misuse(_))));
    }

    #[test]
    fn a3_a_newer_level_is_named_and_refused() {
        let feed = feed(1, "p", 1);
        let bytes = top(feed, 1, &log_over(&waypoints(feed, 1))).signed().to_bytes();
        for level in [0, 2, 7, u16::MAX] {
            let mut other = bytes.clone();
            other[..2].copy_from_slice(&u16::to_le_bytes(level));
            let error = Reject::from(Signed::<Top>::from_bytes(&other).unwrap_err());
            assert_eq!(error, Reject::Level { found: level, known: FORMAT_LEVEL });
        }
    }

    #[test]
    fn a6_a_signature_is_worth_nothing_for_another_purpose() {
        let purposes =
            [Top::PURPOSE, Grant::PURPOSE, Revocation::PURPOSE, crate::founding::FoundingRecord::PURPOSE];
        for (index, purpose) in purposes.iter().enumerate() {
            assert!(purpose.starts_with("cairn 1 sign "));
            for other in &purposes[..index] {
                assert_ne!(purpose, other);
                assert_ne!(derive(purpose, &[b"x"]), derive(other, &[b"x"]));
            }
        }
        let feed = feed(1, "p", 1);
        let value = (*top(feed, 1, &log_over(&waypoints(feed, 1)))).clone();
        let level = FORMAT_LEVEL.to_le_bytes();
        let hash = derive("cairn 1 sign grant", &[&level, &value.to_bytes()]);
        let forged = Signed::from_parts(value, keypair(1).sign(&hash));
        assert_eq!(forged.verify(), Err(Reject::Signature));
    }
}
