//! `.npz`: a zip of `.npy` files. Its list of members stands at the end; each member has a header of its own. Of one that is compressed
//! only the beginning is unpacked: the list says how many bytes all of it has.

use std::io::Read;
use std::ops::Range;

use flate2::read::DeflateDecoder;

use super::{
    ARRAYS_COUNT_MAX, Array, Arrays, Failure, HEADER_BYTES_MAX, HeaderError, NAME_BYTES_MAX, Source, npy,
    number, part,
};

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: u64 = 22;
/// A comment of the zip stands behind the end.
const COMMENT_BYTES_MAX: u64 = u16::MAX as u64;
const LISTED: &[u8] = b"PK\x01\x02";
const LISTED_BYTES: usize = 46;
const MEMBER: &[u8] = b"PK\x03\x04";
const MEMBER_BYTES: u64 = 30;
/// How a member is kept.
const STORED: u64 = 0;
const DEFLATED: u64 = 8;
/// The most bytes of a compressed member that are read, and that its beginning is unpacked to.
const BEGIN_BYTES_MAX: u64 = 64 << 10;
/// The number that says that the true one stands elsewhere.
const ELSEWHERE: u64 = u32::MAX as u64;

/// A member, as the list tells it.
struct Member {
    name: String,
    method: u64,
    /// As it lies in the zip.
    packed_bytes: u64,
    bytes: u64,
    start: u64,
}

/// The beginning of a member that is compressed, and how many bytes all of it has.
struct Begin {
    bytes: u64,
    begin: Vec<u8>,
}

impl Begin {
    fn of(packed: &[u8], bytes: u64, name: &str) -> Result<Self, HeaderError> {
        let mut begin = Vec::new();
        // What is cut off behind the limit ends in an error; what was unpacked until then counts.
        let read = DeflateDecoder::new(packed).take(BEGIN_BYTES_MAX.min(bytes)).read_to_end(&mut begin);
        match read {
            Err(error) if begin.is_empty() => {
                Err(HeaderError::Shape(format!("{name} is not unpacked: {error}")))
            }
            _ => Ok(Self { bytes, begin }),
        }
    }
}

impl Source for Begin {
    type Error = HeaderError;

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read(&mut self, range: Range<u64>) -> Result<Vec<u8>, HeaderError> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let found = self.begin.get(place(range.start)..place(range.end));
        Ok(found.ok_or(HeaderError::Cut)?.to_vec())
    }
}

/// Reads the arrays of a zip.
pub(super) fn read<S: Source>(source: &mut S) -> Result<Arrays, Failure<S::Error>> {
    let tail_bytes = source.bytes().min(END_BYTES + COMMENT_BYTES_MAX);
    let tail = part(source, source.bytes() - tail_bytes, tail_bytes)?;
    let (count, bytes, start) = end(&tail)?;
    if bytes > HEADER_BYTES_MAX {
        return Err(HeaderError::TooLong { bytes, limit: HEADER_BYTES_MAX }.into());
    }
    let list = part(source, start, bytes)?;
    let mut arrays = Arrays::new();
    for member in members(&list, count)? {
        let name = member.name.strip_suffix(".npy").unwrap_or(&member.name).to_owned();
        let array = array(source, &member, &name)?;
        if arrays.insert(name, array).is_some() {
            return Err(HeaderError::Shape("a name stands twice".to_owned()).into());
        }
    }
    Ok(arrays)
}

/// The array that a member is.
fn array<S: Source>(source: &mut S, member: &Member, name: &str) -> Result<Array, Failure<S::Error>> {
    let begin = part(source, member.start, MEMBER_BYTES)?;
    if !begin.starts_with(MEMBER) {
        return Err(HeaderError::Magic.into());
    }
    let from = member.start + MEMBER_BYTES + number(&begin, 26, 2)? + number(&begin, 28, 2)?;
    match member.method {
        STORED => {
            let end = from.checked_add(member.bytes).filter(|to| *to <= source.bytes());
            npy::read(source, from..end.ok_or(HeaderError::Cut)?, name)
        }
        DEFLATED => {
            let packed = part(source, from, member.packed_bytes.min(BEGIN_BYTES_MAX))?;
            let mut begin = Begin::of(&packed, member.bytes, name)?;
            npy::read(&mut begin, 0..member.bytes, name).map_err(|failure| match failure {
                Failure::Header(error) | Failure::Source(error) => Failure::Header(error),
            })
        }
        other => Err(HeaderError::Unknown { what: "the packing", found: other.to_string() }.into()),
    }
}

/// How many members, and where their list lies.
fn end(tail: &[u8]) -> Result<(u64, u64, u64), HeaderError> {
    let at = tail.windows(END.len()).rposition(|bytes| bytes == END).ok_or(HeaderError::Magic)?;
    let (count, bytes, start) =
        (number(tail, at + 10, 2)?, number(tail, at + 12, 4)?, number(tail, at + 16, 4)?);
    match count == u64::from(u16::MAX) || bytes == ELSEWHERE || start == ELSEWHERE {
        true => Err(HeaderError::Unknown { what: "the form", found: "zip64".to_owned() }),
        false => Ok((count, bytes, start)),
    }
}

fn members(list: &[u8], count: u64) -> Result<Vec<Member>, HeaderError> {
    let mut members = Vec::new();
    let mut rest = list;
    for _ in 0..count {
        if !rest.starts_with(LISTED) || members.len() >= ARRAYS_COUNT_MAX {
            return Err(HeaderError::Magic);
        }
        let length = |at| number(rest, at, 2).map(|length| length as usize);
        let (name, more, comment) = (length(28)?, length(30)?, length(32)?);
        if name > NAME_BYTES_MAX {
            return Err(HeaderError::Count("bytes in a name"));
        }
        let text = rest.get(LISTED_BYTES..LISTED_BYTES + name).ok_or(HeaderError::Cut)?;
        let numbers = [number(rest, 20, 4)?, number(rest, 24, 4)?, number(rest, 42, 4)?];
        let [packed_bytes, bytes, start] = numbers;
        if numbers.contains(&ELSEWHERE) {
            return Err(HeaderError::Unknown { what: "the form", found: "zip64".to_owned() });
        }
        let name_text = String::from_utf8_lossy(text).into_owned();
        members.push(Member { name: name_text, method: number(rest, 10, 2)?, packed_bytes, bytes, start });
        rest = rest.get(LISTED_BYTES + name + more + comment..).ok_or(HeaderError::Cut)?;
    }
    Ok(members)
}

#[cfg(test)]
pub(super) mod tests {
    use flate2::Compression;
    use flate2::read::DeflateEncoder;

    use super::super::{Form, Header, of_bytes};
    use super::*;

    /// A zip whose members are stored as they are; the checksums are left out.
    pub(in crate::headers) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let stored = members.iter().map(|(name, bytes)| (*name, STORED, bytes.len(), bytes.to_vec()));
        written(stored.collect())
    }

    /// A zip whose members are compressed.
    pub(in crate::headers) fn deflated(members: &[(&str, &[u8])]) -> Vec<u8> {
        let packed = |bytes: &[u8]| (DEFLATED, bytes.len(), deflate_of(bytes));
        let members = members.iter().map(|(name, bytes)| (*name, packed(bytes)));
        written(members.map(|(name, (method, bytes, packed))| (name, method, bytes, packed)).collect())
    }

    fn deflate_of(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        DeflateEncoder::new(bytes, Compression::default()).read_to_end(&mut out).unwrap();
        out
    }

    fn written(members: Vec<(&str, u64, usize, Vec<u8>)>) -> Vec<u8> {
        let (mut out, mut list) = (Vec::new(), Vec::new());
        for (name, method, whole_bytes, bytes) in &members {
            let start = out.len() as u32;
            let sizes = [(bytes.len() as u32).to_le_bytes(), (*whole_bytes as u32).to_le_bytes()].concat();
            let (method, name_bytes) = ((*method as u16).to_le_bytes(), (name.len() as u16).to_le_bytes());
            out.extend([MEMBER, &[0; 4], &method, &[0; 8], &sizes, &name_bytes, &[0; 2]].concat());
            out.extend([name.as_bytes(), bytes].concat());
            list.extend([LISTED, &[0; 6], &method, &[0; 8], &sizes, &name_bytes, &[0; 12]].concat());
            list.extend(start.to_le_bytes());
            list.extend(name.as_bytes());
        }
        let (count, bytes, start) = (members.len() as u16, list.len() as u32, out.len() as u32);
        out.extend(list);
        out.extend([END, &[0; 4], &count.to_le_bytes(), &count.to_le_bytes()].concat());
        out.extend([&bytes.to_le_bytes()[..], &start.to_le_bytes(), &[0; 2]].concat());
        out
    }

    #[test]
    fn members_are_read_by_their_own_headers() {
        let (a, b) = (npy::tests::file("<f4", "(2, 3)", 24), npy::tests::file("|b1", "(4,)", 4));
        let zip = zip(&[("a.npy", &a), ("b.npy", &b)]);
        let Ok(Header::Arrays(arrays)) = of_bytes(Form::Npz, &zip) else { panic!() };
        assert_eq!((&arrays["a"].shape[..], &arrays["b"].shape[..]), (&[2, 3][..], &[4][..]));
    }

    #[test]
    fn of_what_is_compressed_the_beginning_is_unpacked() {
        let big = npy::tests::file("<f8", "(1000, 1000)", 8_000_000);
        let zip = deflated(&[("big.npy", &big), ("b.npy", &npy::tests::file("|b1", "(4,)", 4))]);
        let Ok(Header::Arrays(arrays)) = of_bytes(Form::Npz, &zip) else { panic!() };
        assert_eq!((&arrays["big"].shape[..], &arrays["b"].shape[..]), (&[1000, 1000][..], &[4][..]));
        // A member whose whole size is another than its shape takes.
        let lies = written(vec![("a.npy", DEFLATED, 99, deflate_of(&big))]);
        assert!(matches!(of_bytes(Form::Npz, &lies), Err(HeaderError::Misfit { .. })));
        let noise = written(vec![("a.npy", DEFLATED, 99, vec![0xff; 40])]);
        assert!(matches!(of_bytes(Form::Npz, &noise), Err(HeaderError::Shape(_))));
        let long = npy::tests::file(&format!("<f4{}", " ".repeat(65_475)), "(1,)", 4);
        assert_eq!(of_bytes(Form::Npz, &deflated(&[("a.npy", &long)])), Err(HeaderError::Cut));
    }

    #[test]
    fn zips_that_lie_are_refused() {
        let a = npy::tests::file("<f4", "(2, 3)", 24);
        let whole = zip(&[("a.npy", &a)]);
        let of = |bytes: &[u8]| of_bytes(Form::Npz, bytes).unwrap_err();
        assert_eq!(of(&[]), HeaderError::Magic);
        let at = whole.len() - 22;
        let with = |place: usize, bytes: &[u8]| {
            let mut changed = whole.clone();
            changed[place..place + bytes.len()].copy_from_slice(bytes);
            changed
        };
        assert_eq!(of(&with(at + 16, &[0xff, 0xff, 0xff, 0x7f])), HeaderError::Cut, "a list behind the end");
        assert!(matches!(of(&with(at + 12, &[0xff, 0xff, 0xff, 0x7f])), HeaderError::TooLong { .. }));
        assert!(matches!(of(&with(at + 10, &[0xff, 0xff])), HeaderError::Unknown { .. }));
        assert_eq!(of(&with(at + 10, &[9, 0])), HeaderError::Magic, "fewer members than it says");
        let listed = whole.len() - 22 - 46 - 5;
        assert!(matches!(of(&with(listed + 10, &[99, 0])), HeaderError::Unknown { .. }));
        // What is not compressed unpacks to anything but an array.
        drop(of(&with(listed + 10, &[8, 0])));
        assert_eq!(of(&with(listed + 24, &[0xff, 0xff, 0xff, 0x7f])), HeaderError::Cut);
        assert!(matches!(of(&zip(&[("a.npy", &a), ("a", &a)])), HeaderError::Shape(_)));
    }
}
