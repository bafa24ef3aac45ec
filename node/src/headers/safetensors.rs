//! safetensors: the length of a JSON document as eight bytes, the document, then the tensors end to end.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use super::{
    ARRAYS_COUNT_MAX, Array, Arrays, DIMENSIONS_MAX, Failure, HEADER_BYTES_MAX, HeaderError, NAME_BYTES_MAX,
    Source, number, part,
};

/// The key that names no tensor.
const METADATA: &str = "__metadata__";

/// Bits of a value, by type.
const BITS: [(&str, u64); 19] = [
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("C64", 64),
    ("F64", 64),
    ("I64", 64),
];

/// A tensor as the document tells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The document; a name that stands twice is refused.
struct Document(BTreeMap<String, Told>);

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(Tensors).map(Self)
    }
}

struct Tensors;

impl<'de> Visitor<'de> for Tensors {
    type Value = BTreeMap<String, Told>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut told = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            if name.len() > NAME_BYTES_MAX || told.len() >= ARRAYS_COUNT_MAX {
                return Err(A::Error::custom("more or longer names than are read"));
            }
            if told.insert(name, map.next_value()?).is_some() {
                return Err(A::Error::custom("a name stands twice"));
            }
        }
        Ok(told)
    }
}

/// Reads the tensors of a file.
pub(super) fn read<S: Source>(source: &mut S) -> Result<Arrays, Failure<S::Error>> {
    let bytes = number(&part(source, 0, 8)?, 0, 8)?;
    if bytes > HEADER_BYTES_MAX {
        return Err(HeaderError::TooLong { bytes, limit: HEADER_BYTES_MAX }.into());
    }
    let document = part(source, 8, bytes)?;
    Ok(tensors(&document, source.bytes().saturating_sub(8 + bytes))?)
}

/// The tensors of a document, which lie end to end in `data_bytes`.
fn tensors(document: &[u8], data_bytes: u64) -> Result<Arrays, HeaderError> {
    if document.first() != Some(&b'{') {
        return Err(HeaderError::Magic);
    }
    let Document(told) =
        serde_json::from_slice(document).map_err(|error| HeaderError::Shape(error.to_string()))?;
    let mut places: Vec<_> = told.iter().map(|(name, told)| (told.data_offsets, name)).collect();
    places.sort();
    let mut end = 0;
    for ((from, to), name) in places {
        if from != end || to < from || to > data_bytes {
            return Err(HeaderError::Shape(format!("{name:?} does not lie behind the tensor before it")));
        }
        end = to;
    }
    if end != data_bytes {
        return Err(HeaderError::Misfit {
            name: "what the tensors hold".to_owned(),
            needed: end.into(),
            found: data_bytes,
        });
    }
    told.into_iter().map(|(name, told)| Ok((name.clone(), array(&name, told)?))).collect()
}

fn array(name: &str, told: Told) -> Result<Array, HeaderError> {
    let Told { dtype, shape, data_offsets: (from, to) } = told;
    if shape.len() > DIMENSIONS_MAX {
        return Err(HeaderError::Count("dimensions"));
    }
    let known = BITS.iter().find(|(word, _)| *word == dtype);
    let (_, bits) = known.ok_or_else(|| HeaderError::Unknown {
        what: "the type of a tensor:",
        found: dtype.chars().take(40).collect(),
    })?;
    let array = Array { dtype, order: None, shape };
    array.fits(name, *bits, to - from)?;
    Ok(array)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Form, Header, of_bytes};
    use super::*;

    pub(in crate::headers) fn file(document: &str, data_bytes: usize) -> Vec<u8> {
        let mut bytes = (document.len() as u64).to_le_bytes().to_vec();
        bytes.extend(document.as_bytes());
        bytes.resize(bytes.len() + data_bytes, 7);
        bytes
    }

    fn error(document: &str, data_bytes: usize) -> HeaderError {
        of_bytes(Form::Safetensors, &file(document, data_bytes)).unwrap_err()
    }

    #[test]
    fn tensors_are_read_with_type_and_shape() {
        let document = r#"{"__metadata__":{"format":"pt"},
            "b":{"dtype":"BF16","shape":[],"data_offsets":[24,26]},
            "a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
            "none":{"dtype":"I64","shape":[0,9],"data_offsets":[26,26]}}  "#;
        let Ok(Header::Arrays(arrays)) = of_bytes(Form::Safetensors, &file(document, 26)) else { panic!() };
        assert_eq!(arrays["a"], Array { dtype: "F32".into(), order: None, shape: vec![2, 3] });
        assert_eq!((arrays.len(), arrays["b"].shape.len(), &arrays["none"].shape[..]), (3, 0, &[0, 9][..]));
    }

    #[test]
    fn a_length_that_lies_is_no_header() {
        let of = |bytes: &[u8]| of_bytes(Form::Safetensors, bytes).unwrap_err();
        assert_eq!(of(&[1, 0, 0]), HeaderError::Cut);
        assert_eq!(of(&[9, 0, 0, 0, 0, 0, 0, 0, b'{', b'}']), HeaderError::Cut);
        assert!(matches!(of(&[0xff; 64]), HeaderError::TooLong { .. }));
        assert_eq!(error("[]", 0), HeaderError::Magic);
    }

    #[test]
    fn tensors_that_do_not_fit_are_refused() {
        let one = |dtype: &str, shape: &str, from: u64, to: u64| {
            format!(r#"{{"a":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{to}]}}}}"#)
        };
        assert!(matches!(
            error(&one("F32", "[3]", 0, 8), 8),
            HeaderError::Misfit { needed: 12, found: 8, .. }
        ));
        assert!(matches!(error(&one("F32", "[2]", 0, 8), 9), HeaderError::Misfit { .. }), "bytes of nobody");
        assert!(matches!(error(&one("F32", "[2]", 1, 9), 9), HeaderError::Shape(_)), "a hole");
        assert!(matches!(error(&one("F32", "[2]", 0, 8), 4), HeaderError::Shape(_)), "behind the end");
        assert!(matches!(error(&one("F32", "[2]", 8, 0), 8), HeaderError::Shape(_)));
        let huge = format!("[{}]", ["18446744073709551615"; 5].join(","));
        assert!(matches!(error(&one("F32", &huge, 0, 8), 8), HeaderError::Misfit { .. }));
        assert_eq!(
            error(&one("F32", &format!("[{}1]", "1,".repeat(64)), 0, 4), 4),
            HeaderError::Count("dimensions")
        );
        assert!(matches!(error(&one("Q7", "[1]", 0, 4), 4), HeaderError::Unknown { .. }));
        assert!(matches!(error(&one("F32", "[-1]", 0, 4), 4), HeaderError::Shape(_)));
    }

    #[test]
    fn nesting_and_names_that_stand_twice_are_refused() {
        let deep = format!(r#"{{"__metadata__":{}"#, "[".repeat(100_000));
        assert!(matches!(error(&deep, 0), HeaderError::Shape(_)));
        let a = r#""a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#;
        assert!(
            matches!(error(&format!("{{{a},{a}}}"), 0), HeaderError::Shape(why) if why.contains("twice"))
        );
    }
}
