//! Sizes that a Parquet file claims, held against the file before the library that reads it allocates by them: schemas
//! nested without end, pages of a few bytes that claim gigabytes, encodings whose counts are believed.
//!
//! <https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift>

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use parquet::file::metadata::ColumnChunkMetaData;

use super::meter::Meter;
use super::thrift::Thrift;
use crate::{Sentence, sentence};

/// Begins and ends a file.
pub(super) const MARK: &[u8] = b"PAR1";
/// Ends a file whose footer is encrypted.
const ENCRYPTED: &[u8] = b"PARE";
/// Groups within groups of the schema.
const MAX_DEPTH: usize = 40;
/// Bytes that a page may unpack to however small it is.
const PAGE_FLOOR: u64 = 64 << 20;
/// Bytes of a page's description, which may hold its smallest and its largest value.
const MAX_HEADER: u64 = 16 << 20;

/// `DELTA_LENGTH_BYTE_ARRAY` and `DELTA_BYTE_ARRAY`: their counts are believed before their bytes are there.
const BELIEVED: [(i64, &str); 2] = [(6, "DELTA_LENGTH_BYTE_ARRAY"), (7, "DELTA_BYTE_ARRAY")];

type Checked<T> = Result<T, Sentence>;

/// Looks at both ends of a file and through its schema.
///
/// # Errors
/// A sentence on what is not as it must be.
pub(super) fn check_footer(file: &mut File, length: u64) -> Checked<()> {
    let mut tail = [0; 8];
    if length < 12 {
        return Err(ends_early());
    }
    file.seek(SeekFrom::End(-8)).and_then(|_| file.read_exact(&mut tail)).map_err(Sentence::verbatim)?;
    let [a, b, c, d, mark @ ..] = tail;
    match mark.as_slice() {
        MARK => {}
        ENCRYPTED => return Err(sentence!("it is encrypted")),
        _ => return Err(ends_early()),
    }
    let footer = u64::from(u32::from_le_bytes([a, b, c, d]));
    let begin = length.checked_sub(8 + footer).filter(|&begin| begin >= 4).ok_or_else(bad_size)?;
    file.seek(SeekFrom::Start(begin)).map_err(Sentence::verbatim)?;
    let mut thrift = Thrift::new(BufReader::new(&*file), footer);
    match depth(&mut thrift) {
        Some(depth) if depth <= MAX_DEPTH => Ok(()),
        Some(_) => Err(sentence!("its columns hold lists in lists without end")),
        None => Err(bad_size()),
    }
}

/// The depth of the schema, field 2 of the footer: a list of elements, each before as many children as it says.
fn depth<R: Read>(thrift: &mut Thrift<R>) -> Option<usize> {
    let mut before = 0;
    loop {
        let field = thrift.field(before)?;
        before = field.id;
        if field.id == 2 && Thrift::<R>::is_list(field) {
            break;
        }
        thrift.skip(field)?;
    }
    let (n, _) = thrift.list()?;
    // Children that are still to come, of each element above.
    let mut above: Vec<i64> = Vec::new();
    let mut deepest = 0;
    for _ in 0..n {
        let children = n_children(thrift)?;
        if let Some(left) = above.last_mut() {
            *left -= 1;
        }
        if children > 0 {
            above.push(children);
        }
        deepest = deepest.max(above.len());
        if deepest > MAX_DEPTH {
            return Some(deepest);
        }
        while above.last() == Some(&0) {
            above.pop();
        }
    }
    Some(deepest)
}

fn n_children<R: Read>(thrift: &mut Thrift<R>) -> Option<i64> {
    let (mut before, mut children) = (0, 0);
    while let Some(field) = thrift.field(before) {
        before = field.id;
        match field.id {
            5 if Thrift::<R>::is_number(field) => children = thrift.number()?,
            _ => thrift.skip(field)?,
        }
    }
    Some(children.max(0))
}

/// Goes through the pages of a column in a group of rows.
///
/// # Errors
/// A sentence on what is not as it must be.
pub(super) fn check_pages(file: &File, length: u64, chunk: &ColumnChunkMetaData) -> Checked<()> {
    let begins = [chunk.dictionary_page_offset(), Some(chunk.data_page_offset())];
    let begin = begins.into_iter().flatten().filter(|&at| at > 0).min().unwrap_or(0);
    let (begin, n) = (u64::try_from(begin).ok(), u64::try_from(chunk.compressed_size()).ok());
    let (Some(begin), Some(n)) = (begin, n) else { return Err(bad_size()) };
    let end = begin.checked_add(n).filter(|&end| end <= length).ok_or_else(bad_size)?;
    let mut reader = BufReader::new(file);
    let mut at = begin;
    while at < end {
        reader.seek(SeekFrom::Start(at)).map_err(Sentence::verbatim)?;
        let mut thrift = Thrift::new(&mut reader, MAX_HEADER.min(end - at));
        let page = Page::read(&mut thrift).ok_or_else(bad_size)?;
        at += thrift.taken();
        if page.packed > end - at {
            return Err(bad_size());
        }
        page.check(chunk)?;
        at += page.packed;
    }
    Ok(())
}

/// The claims of a page's description.
#[derive(Default)]
struct Page {
    unpacked: u64,
    packed: u64,
    /// Values of its dictionary.
    entries: u64,
    encoding: i64,
}

impl Page {
    fn read<R: Read>(thrift: &mut Thrift<R>) -> Option<Self> {
        let (mut page, mut before, mut ended) = (Self::default(), 0, false);
        let size = |number: i64| u64::try_from(number).ok();
        while let Some(field) = thrift.field(before) {
            before = field.id;
            match field.id {
                2 if Thrift::<R>::is_number(field) => page.unpacked = size(thrift.number()?)?,
                3 if Thrift::<R>::is_number(field) => {
                    page.packed = size(thrift.number()?)?;
                    ended = true;
                }
                // Of a data page, a dictionary, and a data page of the second version.
                5 if Thrift::<R>::is_structure(field) => page.encoding = numbers(thrift)?[2],
                7 if Thrift::<R>::is_structure(field) => page.entries = size(numbers(thrift)?[1])?,
                8 if Thrift::<R>::is_structure(field) => page.encoding = numbers(thrift)?[4],
                _ => thrift.skip(field)?,
            }
        }
        ended.then_some(page)
    }

    fn check(&self, chunk: &ColumnChunkMetaData) -> Checked<()> {
        let meter = Meter::with_floor(self.packed, PAGE_FLOOR);
        if !meter.spend(self.unpacked) {
            return Err(meter.refusal());
        }
        if self.entries > self.unpacked {
            return Err(bad_size());
        }
        match BELIEVED.iter().find(|(encoding, _)| *encoding == self.encoding) {
            Some((_, encoding)) => {
                let column = chunk.column_path().string();
                Err(sentence!(
                    "its column {column:?} is written with {encoding}, which is not read; write it with pandas.DataFrame.to_parquet",
                    column,
                    encoding
                ))
            }
            None => Ok(()),
        }
    }
}

/// The numbers of a structure's first fields, by their ids.
fn numbers<R: Read>(thrift: &mut Thrift<R>) -> Option<[i64; 8]> {
    let (mut numbers, mut before) = ([0; 8], 0);
    while let Some(field) = thrift.field(before) {
        before = field.id;
        let place = usize::try_from(field.id).ok().and_then(|id| numbers.get_mut(id));
        match place {
            Some(place) if Thrift::<R>::is_number(field) => *place = thrift.number()?,
            _ => thrift.skip(field)?,
        }
    }
    Some(numbers)
}

fn ends_early() -> Sentence {
    sentence!("it ends in the middle; it may not have been copied or downloaded whole")
}

fn bad_size() -> Sentence {
    sentence!("it claims sizes that it does not have")
}
