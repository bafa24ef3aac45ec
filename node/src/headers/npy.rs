//! `.npy`: a magic word, a version, the length of a header, the header as a literal of Python, the values.

use std::ops::Range;

use super::literal::{self, Literal};
use super::{Array, DIMENSIONS_MAX, Failure, HEADER_BYTES_MAX, HeaderError, Source, number, part};

/// How it begins.
pub(super) const MAGIC: &[u8] = b"\x93NUMPY";
/// The most bytes of a header that are read here: one with an absurd type of many fields is longer.
const NPY_HEADER_BYTES_MAX: u64 = HEADER_BYTES_MAX / 16;
/// The most digits of a number of bytes.
const WIDTH_DIGITS_MAX: usize = 9;

/// Reads type, shape and order of the array that a part of a file is.
pub(super) fn read<S: Source>(
    source: &mut S,
    lies: Range<u64>,
    name: &str,
) -> Result<Array, Failure<S::Error>> {
    let found = lies.end.saturating_sub(lies.start);
    let begin = part(source, lies.start, found.min(12))?;
    if !begin.starts_with(MAGIC) {
        return Err(HeaderError::Magic.into());
    }
    let (before, bytes) = match begin.get(6) {
        Some(1) => (10, number(&begin, 8, 2)?),
        Some(2 | 3) => (12, number(&begin, 8, 4)?),
        Some(other) => {
            return Err(HeaderError::Unknown { what: "version", found: other.to_string() }.into());
        }
        None => return Err(HeaderError::Cut.into()),
    };
    if bytes > NPY_HEADER_BYTES_MAX {
        return Err(HeaderError::TooLong { bytes, limit: NPY_HEADER_BYTES_MAX }.into());
    }
    let values = found.checked_sub(before + bytes).ok_or(HeaderError::Cut)?;
    let header = part(source, lies.start + before, bytes)?;
    // Latin 1 until version 3, UTF-8 then; beyond ASCII only names of fields differ.
    Ok(array(&String::from_utf8_lossy(&header), values, name)?)
}

fn array(header: &str, values: u64, name: &str) -> Result<Array, HeaderError> {
    let wrong = || HeaderError::Shape("it is no table of descr, fortran_order and shape".to_owned());
    let Literal::Table(fields) = literal::read(header)? else { return Err(wrong()) };
    let field = |key: &str| {
        let mut found = fields.iter().filter(|(name, _)| matches!(name, Literal::Text(name) if name == key));
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Ok(value),
            _ => Err(wrong()),
        }
    };
    let (Literal::Flag(fortran), Literal::List(along)) = (field("fortran_order")?, field("shape")?) else {
        return Err(wrong());
    };
    if along.len() > DIMENSIONS_MAX {
        return Err(HeaderError::Count("dimensions"));
    }
    let along = along.iter().map(|along| match along {
        Literal::Number(along) => Ok(*along),
        _ => Err(wrong()),
    });
    let shape = along.collect::<Result<_, _>>()?;
    let descr = field("descr")?;
    let order = Some(if *fortran { "F" } else { "C" }.to_owned());
    let array = Array { dtype: told(descr), order, shape };
    if let Literal::Text(dtype) = descr
        && let Some(bits) = value_bits(dtype)?
    {
        array.fits(name, bits, values)?;
    }
    Ok(array)
}

/// Bits of a value of a plain type; `None` for objects, whose values are pickled.
fn value_bits(dtype: &str) -> Result<Option<u64>, HeaderError> {
    let unknown = || HeaderError::Unknown { what: "the type", found: dtype.chars().take(40).collect() };
    let plain = dtype.trim_start_matches(['<', '>', '=', '|']);
    let mut rest = plain.chars();
    let kind = rest.next().ok_or_else(unknown)?;
    let digits: String = rest.as_str().chars().take_while(char::is_ascii_digit).collect();
    let width = match kind {
        'O' => return Ok(None),
        _ if digits.len() > WIDTH_DIGITS_MAX => return Err(unknown()),
        _ => digits.parse::<u64>().map_err(|_| unknown())?,
    };
    match kind {
        'U' => Ok(Some(width * 32)),
        'b' | 'i' | 'u' | 'f' | 'c' | 'm' | 'M' | 'S' | 'a' | 'V' | '?' => Ok(Some(width * 8)),
        _ => Err(unknown()),
    }
}

/// A type as NumPy writes it.
fn told(descr: &Literal) -> String {
    match descr {
        Literal::Text(text) => text.clone(),
        Literal::Number(number) => number.to_string(),
        Literal::Flag(flag) => flag.to_string(),
        Literal::List(items) => format!("({})", items.iter().map(told).collect::<Vec<_>>().join(", ")),
        Literal::Table(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{}: {}", told(key), told(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Form, Header, of_bytes};
    use super::*;

    pub(in crate::headers) fn file(dtype: &str, shape: &str, values: usize) -> Vec<u8> {
        raw(&format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n"), values)
    }

    fn raw(header: &str, values: usize) -> Vec<u8> {
        let mut bytes = [MAGIC, &[1, 0], &(header.len() as u16).to_le_bytes()].concat();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + values, 1);
        bytes
    }

    fn of(bytes: &[u8]) -> Result<Array, HeaderError> {
        let Header::Arrays(mut arrays) = of_bytes(Form::Npy, bytes)? else { panic!() };
        Ok(arrays.remove("").unwrap())
    }

    #[test]
    fn arrays_are_read_with_type_shape_and_order() {
        let array = of(&file("<f4", "(2, 3)", 24)).unwrap();
        assert_eq!(array, Array { dtype: "<f4".into(), order: Some("C".into()), shape: vec![2, 3] });
        assert_eq!(of(&file("<U5", "(3,)", 60)).unwrap().shape, [3]);
        assert_eq!(of(&file("<M8[ns]", "()", 8)).unwrap().dtype, "<M8[ns]");
        assert_eq!(of(&file("|O", "(3,)", 17)).unwrap().dtype, "|O", "pickled values have any size");
        let fields = "{'descr': [('x', '<f8'), ('y', '<i4', (2,))], 'fortran_order': True, 'shape': (1,)}";
        let array = of(&raw(fields, 16)).unwrap();
        assert_eq!((&*array.dtype, array.order.as_deref()), ("((x, <f8), (y, <i4, (2)))", Some("F")));
    }

    #[test]
    fn headers_that_lie_are_refused() {
        assert_eq!(of(b"\x93NUMPY"), Err(HeaderError::Cut));
        assert_eq!(of(b"\x93NUMPX\x01\x00\x00\x00{}"), Err(HeaderError::Magic));
        assert_eq!(of(b"\x93NUMPY\x01\x00\xff\xff{}"), Err(HeaderError::Cut));
        assert!(matches!(of(b"\x93NUMPY\x02\x00\xff\xff\xff\xff{}"), Err(HeaderError::TooLong { .. })));
        assert!(matches!(of(b"\x93NUMPY\x09\x00\x02\x00{}"), Err(HeaderError::Unknown { .. })));
        assert!(matches!(of(&raw("{}", 0)), Err(HeaderError::Shape(_))));
        assert!(matches!(
            of(&file("<f4", "(2, 3)", 23)),
            Err(HeaderError::Misfit { needed: 24, found: 23, .. })
        ));
        let huge = "(18446744073709551615, 18446744073709551615, 18446744073709551615)";
        assert!(matches!(of(&file("<f8", huge, 8)), Err(HeaderError::Misfit { .. })));
        assert!(matches!(of(&file("<S9999999999", "(1,)", 8)), Err(HeaderError::Unknown { .. })));
        assert_eq!(
            of(&file("<f4", &format!("({})", "1,".repeat(65)), 4)),
            Err(HeaderError::Count("dimensions"))
        );
        let twice = "{'shape': (1,), 'shape': (2,), 'descr': '<i1', 'fortran_order': False}";
        assert!(matches!(of(&raw(twice, 1)), Err(HeaderError::Shape(_))));
    }
}
