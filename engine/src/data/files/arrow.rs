//! Arrow's own files: the stream of messages that the datasets library writes, and the file with a footer, also called
//! Feather, which holds the same stream. Read message after message; no size is believed before the file has it.
//!
//! <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Message, MessageHeader, convert::try_fb_to_schema, root_as_message};
use arrow_schema::SchemaRef;

use super::batches::{Batches, guarded};
use super::columnar::Columns;
use super::damaged;
use super::features::Classes;
use super::meter::Meter;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind};
use crate::{Sentence, sentence};

/// Begins the form with a footer, and ends it.
pub(super) const FILE_MARK: &[u8] = b"ARROW1";
/// Begins a message.
pub(super) const MESSAGE_MARK: [u8; 4] = [0xFF; 4];
/// Bytes that a batch may unpack to however small it is.
const BATCH_FLOOR: u64 = 64 << 20;
/// Rows of a batch that cost nothing, as those of an empty column do.
const FREE_ROWS: u64 = 1 << 20;

type Checked<T> = std::result::Result<T, Sentence>;

/// A file of messages.
pub(super) struct ArrowFile {
    reader: BufReader<File>,
    at: u64,
    length: u64,
    schema: SchemaRef,
    dictionaries: HashMap<i64, ArrayRef>,
    read: Vec<usize>,
}

/// A message's description and where its body is.
struct Envelope {
    description: Vec<u8>,
    body_at: u64,
    body_length: u64,
}

/// A batch by its place in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) at: u64,
    pub(super) rows: u64,
}

impl ArrowFile {
    /// Opens a file, and says which of its columns are read.
    ///
    /// # Errors
    /// It cannot be read, or does not begin as such a file does.
    pub(super) fn open(path: &Path, beside: &Classes) -> Result<(Self, Columns)> {
        let file = files::open(path, Kind::Rows)?;
        let length = file.metadata().map_err(EngineError::io(IoAction::Read, path))?.len();
        guarded(|| Self::begin(file, length, beside)).map_err(|reason| damaged(path, reason))
    }

    fn begin(file: File, length: u64, beside: &Classes) -> Checked<(Self, Columns)> {
        let schema = Arc::new(arrow_schema::Schema::empty());
        let reader = BufReader::new(file);
        let mut file = Self { reader, at: 0, length, schema, dictionaries: HashMap::new(), read: Vec::new() };
        let mut mark = [0; FILE_MARK.len()];
        file.reader.read_exact(&mut mark).ok().ok_or_else(ends_early)?;
        if mark == FILE_MARK {
            // A footer that is not there says that the file is not whole, even where its messages are.
            file.seek(length.saturating_sub(FILE_MARK.len() as u64))?;
            file.reader.read_exact(&mut mark).ok().ok_or_else(ends_early)?;
            if mark != FILE_MARK {
                return Err(ends_early());
            }
            // The mark is padded to eight bytes.
            file.seek(8)?;
        } else {
            file.seek(0)?;
        }
        let first = file.next_envelope()?.ok_or_else(ends_early)?;
        let message = message(&first)?;
        let schema = message.header_as_schema().ok_or_else(|| sentence!("it does not begin with its schema"))?;
        if !schema.endianness().equals_to_target_endianness() {
            return Err(sentence!("its numbers are in another byte order"));
        }
        file.schema = Arc::new(try_fb_to_schema(schema).map_err(Sentence::verbatim)?);
        file.seek(first.body_at + first.body_length)?;
        let columns = Columns::new(&file.schema, beside)?;
        file.read.clone_from(&columns.read);
        Ok((file, columns))
    }

    /// Bytes of the file.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The places of all batches from here on; dictionaries on the way are read.
    ///
    /// # Errors
    /// A sentence on what is damaged.
    pub(super) fn blocks(&mut self) -> Checked<Vec<Block>> {
        guarded(|| {
            let mut blocks = Vec::new();
            loop {
                let at = self.at;
                let Some(envelope) = self.next_envelope()? else { return Ok(blocks) };
                let message = message(&envelope)?;
                if let Some(batch) = message.header_as_record_batch() {
                    let rows = u64::try_from(batch.length()).ok().ok_or_else(bad_size)?;
                    blocks.push(Block { at, rows });
                } else {
                    self.read_dictionary(&message, &envelope)?;
                }
                self.seek(envelope.body_at + envelope.body_length)?;
            }
        })
    }

    /// The batch at a place that [`Self::blocks`] gave.
    ///
    /// # Errors
    /// A sentence on what is damaged.
    pub(super) fn batch_at(&mut self, block: Block) -> Checked<RecordBatch> {
        guarded(|| {
            self.seek(block.at)?;
            let batch = self.next()?.ok_or_else(ends_early)?;
            if batch.num_rows() as u64 == block.rows { Ok(batch) } else { Err(bad_size()) }
        })
    }

    fn next(&mut self) -> Checked<Option<RecordBatch>> {
        loop {
            let Some(envelope) = self.next_envelope()? else { return Ok(None) };
            let message = message(&envelope)?;
            if let Some(batch) = message.header_as_record_batch() {
                let body = self.body(&envelope)?;
                check(&batch, &body)?;
                let (dictionaries, version) = (&self.dictionaries, message.version());
                let schema = self.schema.clone();
                let read = read_record_batch(&body.into(), batch, schema, dictionaries, Some(&self.read), &version);
                return read.map(Some).map_err(Sentence::verbatim);
            }
            self.read_dictionary(&message, &envelope)?;
        }
    }

    fn read_dictionary(&mut self, message: &Message<'_>, envelope: &Envelope) -> Checked<()> {
        let Some(dictionary) = message.header_as_dictionary_batch() else {
            return match message.header_type() {
                MessageHeader::Schema => Err(sentence!("it changes its columns in the middle")),
                _ => Err(sentence!("it holds something other than rows")),
            };
        };
        let body = self.body(envelope)?;
        check(&dictionary.data().ok_or_else(bad_size)?, &body)?;
        read_dictionary(&body.into(), dictionary, &self.schema, &mut self.dictionaries, &message.version())
            .map_err(Sentence::verbatim)
    }

    /// The next message; `None` at the mark that ends the stream, or at the file's end.
    fn next_envelope(&mut self) -> Checked<Option<Envelope>> {
        if self.at == self.length {
            return Ok(None);
        }
        let mut word = self.word()?;
        if word == MESSAGE_MARK {
            word = self.word()?;
        }
        let size = u64::from(u32::from_le_bytes(word));
        if size == 0 {
            return Ok(None);
        }
        let description = self.bytes(size)?;
        let body_at = self.at;
        let parsed = root_as_message(&description).map_err(Sentence::verbatim)?;
        let body_length = u64::try_from(parsed.bodyLength()).ok().ok_or_else(bad_size)?;
        if body_length > self.length - body_at {
            return Err(ends_early());
        }
        Ok(Some(Envelope { description, body_at, body_length }))
    }

    fn body(&mut self, envelope: &Envelope) -> Checked<Vec<u8>> {
        self.seek(envelope.body_at)?;
        self.bytes(envelope.body_length)
    }

    fn word(&mut self) -> Checked<[u8; 4]> {
        let mut word = [0; 4];
        self.reader.read_exact(&mut word).ok().ok_or_else(ends_early)?;
        self.at += 4;
        Ok(word)
    }

    fn bytes(&mut self, n: u64) -> Checked<Vec<u8>> {
        if n > self.length.saturating_sub(self.at) {
            return Err(ends_early());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(n).ok().ok_or_else(bad_size)?);
        self.reader.by_ref().take(n).read_to_end(&mut bytes).map_err(Sentence::verbatim)?;
        self.at += n;
        if bytes.len() as u64 == n { Ok(bytes) } else { Err(ends_early()) }
    }

    fn seek(&mut self, to: u64) -> Checked<()> {
        self.reader.seek(SeekFrom::Start(to)).map_err(Sentence::verbatim)?;
        self.at = to;
        Ok(())
    }
}

impl Batches for ArrowFile {
    fn next_batch(&mut self) -> Checked<Option<RecordBatch>> {
        self.next()
    }
}

fn message(envelope: &Envelope) -> Checked<Message<'_>> {
    root_as_message(&envelope.description).map_err(Sentence::verbatim)
}

/// Holds a batch to its body: parts within it, what they unpack to, and rows that it can have.
fn check(batch: &arrow_ipc::RecordBatch<'_>, body: &[u8]) -> Checked<()> {
    let packed = batch.compression().is_some();
    let (length, meter) = (body.len() as u64, Meter::with_floor(body.len() as u64, BATCH_FLOOR));
    let mut bytes = length;
    for part in batch.buffers().into_iter().flatten() {
        let (Ok(at), Ok(n)) = (u64::try_from(part.offset()), u64::try_from(part.length())) else {
            return Err(bad_size());
        };
        if at.checked_add(n).is_none_or(|end| end > length) {
            return Err(bad_size());
        }
        if packed && n > 0 {
            // Before each packed part stands how long it was, or -1 where it is as it was.
            let size = body[at as usize..(at + n) as usize].first_chunk::<8>().ok_or_else(bad_size)?;
            let unpacked = match i64::from_le_bytes(*size) {
                -1 => n,
                size => u64::try_from(size).ok().ok_or_else(bad_size)?,
            };
            if !meter.spend(unpacked) {
                return Err(meter.refusal());
            }
            bytes = bytes.saturating_add(unpacked);
        }
    }
    let most = FREE_ROWS.saturating_add(bytes.saturating_mul(64));
    let nodes = batch.nodes().into_iter().flatten().map(|node| node.length());
    let is_too_long = |n: i64| !u64::try_from(n).is_ok_and(|n| n <= most);
    if nodes.chain([batch.length()]).any(is_too_long) { Err(bad_size()) } else { Ok(()) }
}

fn ends_early() -> Sentence {
    sentence!("it ends in the middle; it may not have been copied or downloaded whole")
}

fn bad_size() -> Sentence {
    sentence!("it claims sizes that it does not have")
}
