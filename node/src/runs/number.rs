//! Numbers of metrics: any float, also those that JSON cannot write.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number; not a number and the infinities are written as the words `nan`, `inf` and `-inf`.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl Number {
    /// The number that a word is, as programs print it.
    pub fn parse(word: &str) -> Option<Self> {
        word.parse().ok().map(Self)
    }
}

/// Equal where the same number is written: not a number equals itself.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0 || (self.0.is_nan() && other.0.is_nan())
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number) = self;
        match number.abs() {
            _ if number.is_nan() => f.write_str("nan"),
            size if size.is_finite() && size != 0.0 && !(1e-4..1e16).contains(&size) => {
                write!(f, "{number:e}")
            }
            _ => write!(f, "{number}"),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.is_finite() {
            true => serializer.serialize_f64(self.0),
            false => serializer.serialize_str(&self.to_string()),
        }
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl Visitor<'_> for Reader {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, or one of the words nan, inf and -inf")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Number, E> {
        match word {
            "nan" => Ok(Number(f64::NAN)),
            "inf" => Ok(Number(f64::INFINITY)),
            "-inf" => Ok(Number(f64::NEG_INFINITY)),
            _ => Err(E::custom(format!("{word:?} is no number"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_read_as_it_was_written() {
        for number in [0.0, -1.5, 0.1 + 0.2, 1e300, 5e-324, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let text = serde_json::to_string(&Number(number)).unwrap();
            let read: Number = serde_json::from_str(&text).unwrap();
            assert_eq!(read, Number(number), "{text}");
            assert_eq!(Number::parse(&Number(number).to_string()), Some(Number(number)));
        }
        // A reader that rounds would take another number for this one.
        let hard = 0.300_000_000_000_000_04;
        let text = serde_json::to_string(&Number(hard)).unwrap();
        assert_eq!(serde_json::from_str::<Number>(&text).unwrap().0.to_bits(), hard.to_bits());
        for bad in ["\"x\"", "null", "[]", "true"] {
            assert!(serde_json::from_str::<Number>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_told_short() {
        let told = |number| Number(number).to_string();
        assert_eq!([told(1e-5), told(0.001), told(3.0), told(1e20)], ["1e-5", "0.001", "3", "1e20"]);
    }
}
