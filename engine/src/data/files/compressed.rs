//! gzip, Zstandard and xz around a file of rows, told by the first bytes whatever the name says, and unpacked as they are
//! read: to a bound, since a few kB can stand for terabytes.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::damaged;
use super::meter::Meter;
use crate::error::{EngineError, IoAction, Result};
use crate::files::{self, Kind};
use crate::sentence;

/// Endings of packed files.
const ENDINGS: [&str; 6] = [".gz", ".gzip", ".zst", ".zstd", ".xz", ".lzma"];
/// Memory that xz may take to unpack: its strongest usual setting takes 65 MiB.
const XZ_MEMORY: u64 = 512 << 20;
/// Bytes that say what a file is: more than any answer of a server that is told as one.
const BEGINNING: u64 = 4097;

/// A compressor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Zstandard,
    Xz,
}

impl Packing {
    /// The one that a file begins as.
    pub(crate) fn of(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0x1F, 0x8B, 8, ..] => Some(Self::Gzip),
            [0x28, 0xB5, 0x2F, 0xFD, ..] => Some(Self::Zstandard),
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            _ => None,
        }
    }
}

/// The name of what is in a packed file, in small letters.
pub(crate) fn without_packing(path: &Path) -> String {
    let name = path.to_string_lossy().to_lowercase();
    let short = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending));
    short.map_or(name.clone(), str::to_owned)
}

/// The first bytes of a file.
///
/// # Errors
/// It cannot be read.
pub(crate) fn beginning(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = files::open(path, Kind::Rows)?;
    file.take(BEGINNING).read_to_end(&mut bytes).map_err(EngineError::io(IoAction::Read, path))?;
    Ok(bytes)
}

/// At most `most` bytes of what is in a packed file.
///
/// # Errors
/// It cannot be read, is damaged, or unpacks to more than a file of its size does.
pub(crate) fn unpacked(path: &Path, packing: Packing, most: Option<u64>) -> Result<Vec<u8>> {
    let mut reader = Unpacking::open(path, packing)?;
    let mut bytes = Vec::new();
    let read = reader.by_ref().take(most.unwrap_or(u64::MAX)).read_to_end(&mut bytes);
    read.map_err(|error| reader.fault(path, error))?;
    Ok(bytes)
}

/// A packed file that is unpacked as it is read.
pub(super) struct Unpacking {
    reader: Box<dyn Read + Send>,
    meter: Meter,
}

impl Unpacking {
    pub(super) fn open(path: &Path, packing: Packing) -> Result<Self> {
        let file = files::open(path, Kind::Rows)?;
        let length = file.metadata().map_err(EngineError::io(IoAction::Read, path))?.len();
        let reader = decoder(file, packing).map_err(EngineError::io(IoAction::Read, path))?;
        Ok(Self { reader, meter: Meter::of(length) })
    }

    /// The error for one that reading gave.
    pub(super) fn fault(&self, path: &Path, error: io::Error) -> EngineError {
        damaged(
            path,
            match error.kind() {
                _ if self.meter.is_spent() => self.meter.refusal(),
                io::ErrorKind::UnexpectedEof => {
                    sentence!("it ends in the middle; it may not have been copied or downloaded whole")
                }
                _ => sentence!("it cannot be unpacked: {error}", error = error.to_string()),
            },
        )
    }
}

fn decoder(file: File, packing: Packing) -> io::Result<Box<dyn Read + Send>> {
    let file = BufReader::new(file);
    Ok(match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        Packing::Zstandard => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
        Packing::Xz => {
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, liblzma::stream::CONCATENATED)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(file, stream))
        }
    })
}

impl Read for Unpacking {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(into)?;
        if self.meter.spend(n as u64) { Ok(n) } else { Err(io::Error::other("too much")) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn packed(packing: Packing, bytes: &[u8]) -> Vec<u8> {
        match packing {
            Packing::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            Packing::Zstandard => zstd::stream::encode_all(bytes, 1).unwrap(),
            Packing::Xz => {
                let mut encoder = liblzma::write::XzEncoder::new(Vec::new(), 0);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
        }
    }

    #[test]
    fn what_was_packed_comes_back_and_what_is_cut_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.csv.GZ");
        assert!(without_packing(&path).ends_with("rows.csv") && without_packing(Path::new("a.csv")) == "a.csv");
        for packing in [Packing::Gzip, Packing::Zstandard, Packing::Xz] {
            // Twice, as shards are joined with cat.
            let bytes = [packed(packing, b"one\n"), packed(packing, b"two\n")].concat();
            std::fs::write(&path, &bytes).unwrap();
            assert_eq!(Packing::of(&beginning(&path).unwrap()), Some(packing));
            assert_eq!(unpacked(&path, packing, None).unwrap(), b"one\ntwo\n", "{packing:?}");
            assert_eq!(unpacked(&path, packing, Some(5)).unwrap(), b"one\nt");
            std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
            let error = unpacked(&path, packing, None).unwrap_err().to_string();
            assert!(error.contains("in the middle"), "{packing:?}: {error}");
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 0x55;
                std::fs::write(&path, &bad).unwrap();
                // Damage is an error or goes unseen, and never a panic.
                drop(unpacked(&path, packing, None));
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_with_its_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bomb.jsonl.zst");
        // A gigabyte and a half of zeros takes some 50 kB.
        let mut encoder = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
        let zeros = vec![0; 1 << 20];
        for _ in 0..1536 {
            encoder.write_all(&zeros).unwrap();
        }
        std::fs::write(&path, encoder.finish().unwrap()).unwrap();
        let mut reader = Unpacking::open(&path, Packing::Zstandard).unwrap();
        let error = io::copy(&mut reader, &mut io::sink()).unwrap_err();
        let said = reader.fault(&path, error).to_string();
        assert!(said.contains("unpack to more than 1073741824"), "{said}");
    }
}
