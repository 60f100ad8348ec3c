//! As much of Thrift's compact protocol as it takes to look through a Parquet file's descriptions before a library trusts
//! their sizes. <https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md>

use std::io::Read;

/// Structures within structures that are gone into.
const MAX_DEPTH: usize = 32;

/// A field's form and number.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) id: i64,
    form: u8,
}

/// Reads a description, value after value, and never more than it may have.
pub(super) struct Thrift<R> {
    reader: R,
    left: u64,
    taken: u64,
}

impl<R: Read> Thrift<R> {
    /// A description of at most `left` bytes.
    pub(super) fn new(reader: R, left: u64) -> Self {
        Self { reader, left, taken: 0 }
    }

    /// Bytes that were read.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The next field of a structure behind one of this number (0 before the first); `None` at its end or where the bytes end.
    pub(super) fn field(&mut self, before: i64) -> Option<Field> {
        let head = self.byte()?;
        let form = head & 0x0F;
        if form == 0 {
            return None;
        }
        let id = match head >> 4 {
            0 => self.number()?,
            step => before.checked_add(step.into())?,
        };
        Some(Field { id, form })
    }

    /// A whole number.
    pub(super) fn number(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// The number of entries of a list, whose forms are the same.
    pub(super) fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let n = match head >> 4 {
            15 => self.varint()?,
            n => n.into(),
        };
        // Each takes a byte at least.
        (n <= self.left).then_some((n, head & 0x0F))
    }

    /// Passes over the value of a field.
    pub(super) fn skip(&mut self, field: Field) -> Option<()> {
        self.skip_form(field.form, false, 0)
    }

    /// Whether the field is a number.
    pub(super) fn is_number(field: Field) -> bool {
        matches!(field.form, 4..=6)
    }

    /// Whether the field is a structure.
    pub(super) fn is_structure(field: Field) -> bool {
        field.form == 12
    }

    /// Whether the field is a list.
    pub(super) fn is_list(field: Field) -> bool {
        field.form == 9
    }

    fn skip_form(&mut self, form: u8, in_list: bool, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        match form {
            // A truth is in the field's head, but in a list a byte.
            1 | 2 if !in_list => Some(()),
            1..=3 => self.byte().map(drop),
            4..=6 => self.varint().map(drop),
            7 => self.pass(8),
            8 => {
                let n = self.varint()?;
                self.pass(n)
            }
            9 | 10 => {
                let (n, form) = self.list()?;
                (0..n).try_for_each(|_| self.skip_form(form, true, depth + 1))
            }
            12 => {
                let mut before = 0;
                while let Some(field) = self.field(before) {
                    before = field.id;
                    self.skip_form(field.form, false, depth + 1)?;
                }
                Some(())
            }
            // Maps are in no description of Parquet.
            _ => None,
        }
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        self.left = self.left.checked_sub(1)?;
        self.reader.read_exact(&mut byte).ok()?;
        self.taken += 1;
        Some(byte[0])
    }

    fn pass(&mut self, n: u64) -> Option<()> {
        self.left = self.left.checked_sub(n)?;
        let passed = std::io::copy(&mut self.reader.by_ref().take(n), &mut std::io::sink()).ok()?;
        self.taken += n;
        (passed == n).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_or_passed_over_and_never_beyond_the_bytes() {
        // Fields 1 (i32 = -2), 2 (list of 2 bytes), 3 (text "ab"), 5 (structure with field 1, true), 6 (i64 = 300), end.
        let bytes = [0x15, 0x03, 0x19, 0x23, 9, 9, 0x18, 2, b'a', b'b', 0x2C, 0x11, 0, 0x16, 0xD8, 0x04, 0];
        let mut thrift = Thrift::new(&bytes[..], bytes.len() as u64);
        let (mut before, mut numbers) = (0, Vec::new());
        while let Some(field) = thrift.field(before) {
            before = field.id;
            match Thrift::<&[u8]>::is_number(field) {
                true => numbers.push((field.id, thrift.number().unwrap())),
                false => thrift.skip(field).unwrap(),
            }
        }
        assert_eq!((numbers, thrift.taken()), (vec![(1, -2), (6, 300)], bytes.len() as u64));
        for n in 0..bytes.len() {
            let mut cut = Thrift::new(&bytes[..n], n as u64);
            let mut before = 0;
            while let Some(field) = cut.field(before) {
                before = field.id;
                if cut.skip(field).is_none() {
                    break;
                }
            }
        }
        let huge = [0xF9, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        assert!(Thrift::new(&huge[..], 6).list().is_none(), "a list is no longer than its bytes");
    }
}
