//! ZIP archives: each member is an input of its own, read without unpacking the archive.
//!
//! The members are found once, from the archive's directory; a member is then a stretch of the file. What cannot be
//! read of one (encrypted, compressed in a way nobody reads) is a refusal of that member and costs no other.

use super::expand::{Codec, Expand, Loss};
use super::head::Refusal;
use super::normalize::fault;
use crate::error::{AtPath, Result};
use flate2::Crc;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// One file in an archive. Ordered by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Member {
    /// Its path in the archive.
    pub name: String,
    /// Uncompressed, as the archive's directory says.
    pub size: u64,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Content {
    Stretch {
        start: u64,
        compressed: u64,
        crc: u32,
        method: Method,
    },
    Unreadable {
        reason: String,
        hint: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Method {
    Stored,
    Deflated,
    Zstd,
}

/// What a file that begins like a ZIP archive is.
pub enum Kind {
    /// An archive with these members.
    Archive(Vec<Member>),
    /// A spreadsheet, which is an archive only inside.
    Workbook,
    Broken(String),
}

/// Whether these are the first bytes of a ZIP archive.
pub fn begins_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

/// The members of the archive at a path, in the order of their names; none if there is no readable archive there.
pub fn members(path: &Path) -> Vec<Member> {
    let mut first = Vec::new();
    let Ok(mut file) = File::open(path) else {
        return Vec::new();
    };
    if file.by_ref().take(4).read_to_end(&mut first).is_err() || !begins_archive(&first) {
        return Vec::new();
    }
    match kind(file) {
        Kind::Archive(members) => members,
        Kind::Workbook | Kind::Broken(_) => Vec::new(),
    }
}

pub fn kind(file: File) -> Kind {
    let mut archive = match ZipArchive::new(BufReader::new(file)) {
        Ok(archive) => archive,
        Err(cause) => return Kind::Broken(cause.to_string()),
    };
    if archive.file_names_raw().any(|name| name == b"xl/workbook.xml") {
        return Kind::Workbook;
    }
    let mut members: Vec<Member> = (0..archive.len())
        .filter_map(|index| member(&mut archive, index))
        .collect();
    members.sort();
    Kind::Archive(members)
}

/// The member at a place of the directory; `None` for folders and for what file managers leave in archives.
fn member(archive: &mut ZipArchive<BufReader<File>>, index: usize) -> Option<Member> {
    let (name, size, is_folder, compressed, crc, is_encrypted, method) = {
        let entry = archive.by_index_data(index).ok()?;
        let name = match entry.name() {
            Ok(name) => name.into_owned(),
            Err(_) => String::from_utf8_lossy(entry.name_raw()).into_owned(),
        };
        let method = entry.compression();
        let (is_folder, is_encrypted) = (entry.is_dir(), entry.encrypted());
        (
            name,
            entry.size(),
            is_folder,
            entry.compressed_size(),
            entry.crc32(),
            is_encrypted,
            method,
        )
    };
    let base = name.rsplit('/').next().unwrap_or_default();
    if is_folder || base == ".DS_Store" || name.split('/').any(|part| part == "__MACOSX") {
        return None;
    }
    let unreadable = |reason: String, hint| Content::Unreadable { reason, hint };
    let method = match method {
        CompressionMethod::Stored => Ok(Method::Stored),
        CompressionMethod::Deflated => Ok(Method::Deflated),
        CompressionMethod::ZSTD => Ok(Method::Zstd),
        other => Err(other),
    };
    let content = match method {
        _ if is_encrypted => unreadable("is encrypted".to_owned(), "unpack the archive with its password first"),
        Err(other) => unreadable(
            format!("is compressed by a method gatelog does not read ({other})"),
            "unpack the archive first, or pack it with deflate",
        ),
        // The directory says where the member begins; only its own header says where its bytes do.
        Ok(method) => match archive.by_index_raw(index).map(|entry| entry.data_start()) {
            Ok(Some(start)) => Content::Stretch {
                start,
                compressed,
                crc,
                method,
            },
            Ok(None) => unreadable("is missing from its archive".to_owned(), DAMAGED),
            Err(cause) => unreadable(format!("cannot be found in its archive: {cause}"), DAMAGED),
        },
    };
    Some(Member { name, size, content })
}

pub const DAMAGED: &str = "the archive is damaged: copy or pack it again";

/// Opens a member of the archive at a path.
pub fn open(path: &Path, member: &Member) -> Result<std::result::Result<Box<dyn Read + Send>, Refusal>> {
    let (start, compressed, crc, method) = match &member.content {
        Content::Unreadable { reason, hint } => {
            return Ok(Err(Refusal {
                reason: reason.clone(),
                hint: (*hint).to_owned(),
            }));
        }
        Content::Stretch {
            start,
            compressed,
            crc,
            method,
        } => (*start, *compressed, *crc, *method),
    };
    let mut file = File::open(path).at_path(path, "cannot be read")?;
    file.seek(SeekFrom::Start(start)).at_path(path, "cannot be read")?;
    let stretch = file.take(compressed);
    let bytes: Box<dyn Read + Send> = match method {
        Method::Stored => Box::new(stretch),
        Method::Deflated => Box::new(Expand::new(stretch, Codec::Deflate).at_path(path, "cannot be read")?),
        Method::Zstd => Box::new(Expand::new(stretch, Codec::Zstd).at_path(path, "cannot be read")?),
    };
    Ok(Ok(Box::new(Checked {
        bytes,
        left: member.size,
        expected: crc,
        crc: Crc::new(),
        is_lost: false,
    })))
}

/// Compares a member with what the archive's directory says of it.
struct Checked<R> {
    bytes: R,
    left: u64,
    expected: u32,
    crc: Crc,
    is_lost: bool,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, output: &mut [u8]) -> io::Result<usize> {
        let count = if self.is_lost { 0 } else { self.bytes.read(output)? };
        self.crc.update(&output[..count]);
        self.is_lost |= count as u64 > self.left;
        self.left -= self.left.min(count as u64);
        let is_end = count == 0 && !output.is_empty();
        self.is_lost |= is_end && (self.left > 0 || self.crc.sum() != self.expected);
        match self.is_lost && count == 0 {
            true => Err(Loss::error(fault(
                "corrupt",
                "the archive member is not what its archive says it is (size or checksum); what there was of it was read",
            ))),
            false => Ok(count),
        }
    }
}
