//! `.npz`: a zip of `.npy` files. Its list of members stands at the end; each member that is stored as it is has a header of its own.

use super::{
    ARRAYS_COUNT_MAX, Arrays, Failure, HEADER_BYTES_MAX, HeaderError, NAME_BYTES_MAX, Source, npy, number,
    part,
};

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: u64 = 22;
/// A comment of the zip stands behind the end.
const COMMENT_BYTES_MAX: u64 = u16::MAX as u64;
const LISTED: &[u8] = b"PK\x01\x02";
const LISTED_BYTES: usize = 46;
const MEMBER: &[u8] = b"PK\x03\x04";
const MEMBER_BYTES: u64 = 30;
/// The number that says that the true one stands elsewhere.
const ELSEWHERE: u64 = u32::MAX as u64;

/// A member, as the list tells it.
struct Member {
    name: String,
    method: u64,
    bytes: u64,
    start: u64,
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
        if member.method != 0 {
            return Err(HeaderError::Compressed(name).into());
        }
        let begin = part(source, member.start, MEMBER_BYTES)?;
        if !begin.starts_with(MEMBER) {
            return Err(HeaderError::Magic.into());
        }
        let from = member.start + MEMBER_BYTES + number(&begin, 26, 2)? + number(&begin, 28, 2)?;
        let to = from.checked_add(member.bytes).filter(|to| *to <= source.bytes()).ok_or(HeaderError::Cut)?;
        let array = npy::read(source, from..to, &name)?;
        if arrays.insert(name, array).is_some() {
            return Err(HeaderError::Shape("a name stands twice".to_owned()).into());
        }
    }
    Ok(arrays)
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
        let (bytes, start) = (number(rest, 24, 4)?, number(rest, 42, 4)?);
        if bytes == ELSEWHERE || start == ELSEWHERE {
            return Err(HeaderError::Unknown { what: "the form", found: "zip64".to_owned() });
        }
        let name_text = String::from_utf8_lossy(text).into_owned();
        members.push(Member { name: name_text, method: number(rest, 10, 2)?, bytes, start });
        rest = rest.get(LISTED_BYTES + name + more + comment..).ok_or(HeaderError::Cut)?;
    }
    Ok(members)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::{Form, Header, of_bytes};
    use super::*;

    /// A zip whose members are stored as they are; the checksums are left out.
    pub(in crate::headers) fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let (mut out, mut list) = (Vec::new(), Vec::new());
        for (name, bytes) in members {
            let start = out.len() as u32;
            let sizes = [(bytes.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes()].concat();
            let name_bytes = (name.len() as u16).to_le_bytes();
            out.extend([MEMBER, &[0; 14], &sizes, &name_bytes, &[0; 2], name.as_bytes(), bytes].concat());
            list.extend([LISTED, &[0; 16], &sizes, &name_bytes, &[0; 12]].concat());
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
        assert_eq!(of(&with(listed + 10, &[8, 0])), HeaderError::Compressed("a".into()));
        assert_eq!(of(&with(listed + 24, &[0xff, 0xff, 0xff, 0x7f])), HeaderError::Cut);
        assert!(matches!(of(&zip(&[("a.npy", &a), ("a", &a)])), HeaderError::Shape(_)));
    }
}
