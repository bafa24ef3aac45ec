//! What files of data say of themselves: tensors, arrays and columns, with their types and shapes.
//!
//! The bytes come from anybody. A header's length is compared with a limit and with the file before anything is read, a
//! shape with the bytes that it would take, and what does not fit is a typed error. Only what a header touches is
//! read; a table is read through once, since only its end says how many rows it has.

pub mod compare;
mod csv;
mod literal;
mod npy;
mod npz;
mod safetensors;

use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

pub use csv::{Column, Table};

/// The most bytes of a header.
const HEADER_BYTES_MAX: u64 = 16 << 20;
/// The most arrays of a file.
const ARRAYS_COUNT_MAX: usize = 1 << 18;
/// The most dimensions of an array.
const DIMENSIONS_MAX: usize = 64;
/// The most bytes of a name.
const NAME_BYTES_MAX: usize = 4096;

/// How many bytes tell the form of a file that its name does not.
pub const BEGIN_BYTES: u64 = 9;

/// Why a header cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// It ends inside its header.
    #[error("it ends inside its header")]
    Cut,
    /// Its header is longer than is read.
    #[error("its header has {bytes} bytes, and at most {limit} are read")]
    TooLong {
        /// What it says.
        bytes: u64,
        /// What is read.
        limit: u64,
    },
    /// It does not begin as its form does.
    #[error("it does not begin as a file of its form does")]
    Magic,
    /// A form that is not known.
    #[error("{what} {found} is not known")]
    Unknown {
        /// What.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// A header that is not well formed.
    #[error("its header is not well formed: {0}")]
    Shape(String),
    /// More of something than is read.
    #[error("it has more {0} than are read")]
    Count(&'static str),
    /// An array that does not fit where it says it lies.
    #[error("{name} does not fit: it takes {needed} bytes, and {found} are there")]
    Misfit {
        /// Which array; empty where there is one.
        name: String,
        /// What type and shape come to.
        needed: u128,
        /// What is there.
        found: u64,
    },
}

/// A file that is read in parts.
pub trait Source {
    /// What reading may fail with.
    type Error;

    /// How many bytes it has.
    fn bytes(&self) -> u64;

    /// Some of its bytes; the range ends within the file.
    fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, Self::Error>;
}

/// Why nothing is known: the header, or the reading.
#[derive(Debug)]
pub enum Failure<E> {
    /// The header is none.
    Header(HeaderError),
    /// The bytes did not come.
    Source(E),
}

impl<E> From<HeaderError> for Failure<E> {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

/// The forms of files that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Named tensors behind a header of JSON.
    Safetensors,
    /// One array of NumPy.
    Npy,
    /// Several in a zip.
    Npz,
    /// Rows of cells; the first one names the columns.
    Csv,
}

impl Form {
    /// The form that a file's name tells.
    pub fn of_name(name: &str) -> Option<Self> {
        match name.rsplit_once('.')?.1.to_ascii_lowercase().as_str() {
            "safetensors" => Some(Self::Safetensors),
            "npy" => Some(Self::Npy),
            "npz" => Some(Self::Npz),
            "csv" | "tsv" => Some(Self::Csv),
            _ => None,
        }
    }

    /// The form that the first [`BEGIN_BYTES`] of a file tell.
    pub fn of_beginning(bytes: &[u8]) -> Option<Self> {
        let is_bounded = number(bytes, 0, 8).is_ok_and(|header| header <= HEADER_BYTES_MAX);
        match bytes {
            _ if bytes.starts_with(npy::MAGIC) => Some(Self::Npy),
            [.., b'{'] if bytes.len() as u64 == BEGIN_BYTES && is_bounded => Some(Self::Safetensors),
            _ => None,
        }
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Npy => "npy",
            Self::Npz => "npz",
            Self::Csv => "csv",
        }
    }
}

/// Type and shape of an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Array {
    /// Its type, in the words of its form.
    pub dtype: String,
    /// `C` or `F`, where the form tells: which index goes fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<String>,
    /// How many along each dimension.
    pub shape: Vec<u64>,
}

impl Array {
    /// How many values it has; `None` where that is more than any file holds.
    fn values(&self) -> Option<u128> {
        self.shape.iter().try_fold(1_u128, |values, along| values.checked_mul(u128::from(*along)))
    }

    /// Compares what it takes with the bytes that are there.
    fn fits(&self, name: &str, value_bits: u64, found: u64) -> Result<(), HeaderError> {
        let bits = self.values().and_then(|values| values.checked_mul(u128::from(value_bits)));
        match bits.map_or(u128::MAX, |bits| bits.div_ceil(8)) {
            needed if needed == u128::from(found) => Ok(()),
            needed => Err(HeaderError::Misfit { name: name.to_owned(), needed, found }),
        }
    }
}

/// Arrays by name.
pub type Arrays = BTreeMap<String, Array>;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Header {
    /// Arrays; the one of an `.npy` file has no name.
    Arrays(Arrays),
    /// Columns and rows.
    Table(Table),
}

/// Reads what a file of a form says of itself.
pub fn read<S: Source>(form: Form, source: &mut S) -> Result<Header, Failure<S::Error>> {
    match form {
        Form::Safetensors => safetensors::read(source).map(Header::Arrays),
        Form::Npy => {
            let end = source.bytes();
            let array = npy::read(source, 0..end, "")?;
            Ok(Header::Arrays(Arrays::from([(String::new(), array)])))
        }
        Form::Npz => npz::read(source).map(Header::Arrays),
        Form::Csv => csv::read(source).map(Header::Table),
    }
}

/// Some bytes, if the file has them.
fn part<S: Source>(source: &mut S, from: u64, bytes: u64) -> Result<Vec<u8>, Failure<S::Error>> {
    let end = from.checked_add(bytes).filter(|end| *end <= source.bytes()).ok_or(HeaderError::Cut)?;
    source.read(from..end).map_err(Failure::Source)
}

/// A number at a place, least byte first; `bytes` of them, at most 8.
fn number(from: &[u8], at: usize, bytes: usize) -> Result<u64, HeaderError> {
    let end = at.checked_add(bytes).ok_or(HeaderError::Cut)?;
    let found = from.get(at..end).ok_or(HeaderError::Cut)?;
    Ok(found.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

impl Source for &[u8] {
    type Error = std::convert::Infallible;

    fn bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, Self::Error> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        Ok(self.get(place(range.start)..place(range.end)).unwrap_or_default().to_vec())
    }
}

/// What bytes of a form say, for tests.
#[cfg(test)]
fn of_bytes(form: Form, mut bytes: &[u8]) -> Result<Header, HeaderError> {
    read(form, &mut bytes).map_err(|failure| match failure {
        Failure::Header(error) => error,
        Failure::Source(never) => match never {},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FORMS: [Form; 4] = [Form::Safetensors, Form::Npy, Form::Npz, Form::Csv];

    #[test]
    fn names_tell_the_form() {
        assert_eq!(Form::of_name("runs/ab/out/Model.SafeTensors"), Some(Form::Safetensors));
        assert_eq!(Form::of_name("x.tsv"), Some(Form::Csv));
        assert_eq!(["csv", "x.bin", ""].map(Form::of_name), [None; 3]);
        assert_eq!(Form::of_beginning(b"\x93NUMPY\x01\0v"), Some(Form::Npy));
        assert_eq!(Form::of_beginning(b"\x20\0\0\0\0\0\0\0{"), Some(Form::Safetensors));
        assert_eq!(
            [&b"{\"a\": 12}"[..], b"\xff\xff\xff\xff\xff\0\0\0{", b""].map(Form::of_beginning),
            [None; 3]
        );
    }

    fn samples() -> Vec<(Form, Vec<u8>)> {
        let array = npy::tests::file("<f4", "(2, 3)", 24);
        let tensors = r#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        vec![
            (Form::Safetensors, safetensors::tests::file(tensors, 8)),
            (Form::Npz, npz::tests::zip(&[("a.npy", &array)])),
            (Form::Npz, npz::tests::deflated(&[("a.npy", &array)])),
            (Form::Npy, array),
            (Form::Csv, b"a,\"b \"\"x\"\"\"\n1,2\n3,\"4\n5\"\n".to_vec()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn nothing_that_anybody_writes_panics(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            for form in FORMS {
                let _ = of_bytes(form, &bytes);
            }
        }

        #[test]
        fn a_sample_with_other_bytes_panics_nowhere(
            which in 0_usize..5,
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            cut in any::<prop::sample::Index>(),
            cuts in any::<bool>(),
        ) {
            let (form, mut bytes) = samples().swap_remove(which);
            prop_assert!(of_bytes(form, &bytes).is_ok());
            for (place, byte) in changes {
                let place = place.index(bytes.len());
                bytes[place] = byte;
            }
            if cuts {
                bytes.truncate(cut.index(bytes.len()));
            }
            let _ = of_bytes(form, &bytes);
        }
    }
}
