//! Files that are read whole or not at all, and such that appear so.

use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Bytes of the largest component that is read, compiled or not. The largest that
/// toolchains make, with an interpreter in them, have some tens of megabytes.
pub const MAX_COMPONENT: u64 = 1 << 30;

/// Why a file was not read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A device may have no end, and a pipe nobody who writes to it.
    #[error("it is {0} and not a file")]
    NotAFile(&'static str),
    /// It has more bytes than anybody expects of it.
    #[error("it has more than {0} bytes")]
    TooLarge(u64),
}

/// All of a file that has no more than `limit` bytes.
///
/// # Errors
/// [`ReadError`]; also where this is no file at all. It is looked at before it is
/// opened: to open a pipe may already take for ever.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    let found = fs::metadata(path)?;
    if !found.is_file() {
        return Err(ReadError::NotAFile(kind(found.file_type())));
    }
    if found.len() > limit {
        return Err(ReadError::TooLarge(limit));
    }
    // It may grow meanwhile. What the system makes up (`/proc`) has no length at all.
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    File::open(path)?
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(ReadError::TooLarge(limit));
    }
    Ok(bytes)
}

/// The same where it is text.
///
/// # Errors
/// [`ReadError`], also where it is none.
pub fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    let text = String::from_utf8(read(path, limit)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8").into())
}

/// What there is in the place of a file.
fn kind(found: FileType) -> &'static str {
    if found.is_dir() {
        return "a folder";
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if found.is_fifo() {
            return "a pipe";
        }
        if found.is_socket() {
            return "a socket";
        }
    }
    "a device"
}

/// Writes beside the file and renames, so that nobody sees half of it. Folders
/// that are missing are made.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let beside = beside(path);
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .inspect_err(|_| {
            let _ = fs::remove_file(&beside);
        })
}

/// Writes all of these files below `folder`, or none. Each is written beside its place
/// first: that is where a disk is full or a folder closed. Only then do they take
/// their places, the last one last. The error names the path.
pub(crate) fn write_all(
    folder: &Path,
    files: &[(PathBuf, Vec<u8>)],
) -> Result<(), (PathBuf, io::Error)> {
    let mut made = Made::default();
    for (path, bytes) in files {
        let place = folder.join(path);
        made.write_beside(&place, bytes)
            .map_err(|error| (place, error))?;
    }
    made.take_places()
}

/// Files beside their places, and the folders that were made for them. What has not
/// taken its place is removed with this.
#[derive(Default)]
struct Made {
    places: Vec<PathBuf>,
    folders: Vec<PathBuf>,
}

impl Made {
    fn write_beside(&mut self, place: &Path, bytes: &[u8]) -> io::Result<()> {
        // A rename would say so too, but too late.
        if place.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if let Some(folder) = place.parent() {
            let missing = folder.ancestors().take_while(|folder| !folder.exists());
            let missing: Vec<_> = missing.map(Path::to_owned).collect();
            self.folders.extend(missing.into_iter().rev());
            fs::create_dir_all(folder)?;
        }
        self.places.push(place.to_owned());
        fs::write(beside(place), bytes)
    }

    fn take_places(mut self) -> Result<(), (PathBuf, io::Error)> {
        while let Some(place) = self.places.first() {
            fs::rename(beside(place), place).map_err(|error| (place.clone(), error))?;
            self.places.remove(0);
        }
        self.folders.clear();
        Ok(())
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        // Nothing can be done about what cannot be removed, and a folder in which
        // something is stays.
        for place in &self.places {
            let _ = fs::remove_file(beside(place));
        }
        for folder in self.folders.iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A name in the same folder, so that a rename stays within one file system, and
/// of this process, so that two of them do not write to the same file.
fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{}", std::process::id()));
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn a_file_is_read_up_to_the_limit_and_not_beyond() {
        let folder = Folder::new("limited");
        let file = folder.path().join("file");
        fs::write(&file, "text").expect("it can be written");
        assert_eq!(read(&file, 4).expect("it fits"), b"text");
        assert!(matches!(read(&file, 3), Err(ReadError::TooLarge(3))));
        // Nothing of it is read: it has no bytes on disk.
        let sparse = File::create(&file).expect("it can be written");
        sparse.set_len(1 << 40).expect("a file with holes");
        let refused = read(&file, MAX_COMPONENT);
        assert!(matches!(refused, Err(ReadError::TooLarge(MAX_COMPONENT))));
    }

    #[test]
    fn what_has_no_length_is_read_up_to_the_limit_all_the_same() {
        let file = Path::new("/proc/self/status");
        assert!(!read(file, 1 << 20).expect("a Linux").is_empty());
        assert!(matches!(read(file, 10), Err(ReadError::TooLarge(10))));
    }

    #[test]
    fn what_is_no_file_is_refused_by_what_it_is() {
        let folder = Folder::new("no-file");
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo, of coreutils").success());
        let socket = folder.path().join("socket");
        let _listens = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        for (path, expected) in [
            (folder.path(), "a folder"),
            (&pipe, "a pipe"),
            (&socket, "a socket"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            match read(path, 100) {
                Err(ReadError::NotAFile(kind)) => assert_eq!(kind, expected),
                other => panic!("{expected}: {other:?}"),
            }
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let folder = Folder::new("no-text");
        let file = folder.path().join("file");
        fs::write(&file, b"\xff").expect("it can be written");
        let error = read_text(&file, 100).expect_err("no text").to_string();
        assert_eq!(error, "it is not UTF-8");
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_is_left_in_its_folder() {
        let folder = Folder::new("replaced");
        let file = folder.path().join("file");
        for text in ["one", "two"] {
            write(&file, text.as_bytes()).expect("it can be written");
            assert_eq!(fs::read_to_string(&file).expect("it is there"), text);
        }
        assert_eq!(folder.listing(), ["file"]);
    }

    #[test]
    fn folders_that_are_missing_are_made() {
        let folder = Folder::new("missing");
        let file = folder.path().join("new").join("newer").join("file");
        write(&file, b"text").expect("it can be written");
        assert_eq!(fs::read(&file).expect("it is there"), b"text");
    }

    #[test]
    fn of_several_files_all_are_written_or_none() {
        let folder = Folder::new("several");
        let files = |last: &str| {
            let paths = ["old", "new/deep/file", "new/file", last];
            paths.map(|path| (PathBuf::from(path), b"text".to_vec()))
        };
        let listing = || {
            let mut names = folder.listing();
            names.sort();
            names
        };
        let old = folder.path().join("old");
        fs::write(&old, "of yesterday").expect("it can be written");
        fs::create_dir(folder.path().join("taken")).expect("a folder");
        // In the place of the last one is a folder, or in the place of its folder a file.
        for last in ["taken", "old/file"] {
            let (path, _) = write_all(folder.path(), &files(last)).expect_err("no place");
            assert_eq!(path, folder.path().join(last));
            assert_eq!(listing(), ["old", "taken"]);
            let read = fs::read_to_string(&old).expect("it is there");
            assert_eq!(read, "of yesterday");
        }

        write_all(folder.path(), &files("last")).expect("they can be written");
        assert_eq!(listing(), ["last", "new", "old", "taken"]);
        for path in ["old", "new/deep/file", "new/file", "last"] {
            let read = fs::read_to_string(folder.path().join(path));
            assert_eq!(read.expect("it is there"), "text");
        }
    }

    #[test]
    fn what_cannot_take_its_place_leaves_nothing_behind() {
        let folder = Folder::new("in-the-way");
        // A folder is in the way, which a file cannot replace.
        let file = folder.path().join("file");
        fs::create_dir(&file).expect("a folder");
        write(&file, b"text").expect_err("a folder");
        assert_eq!(folder.listing(), ["file"]);
    }
}
