//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

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
    fn what_cannot_take_its_place_leaves_nothing_behind() {
        let folder = Folder::new("in-the-way");
        // A folder is in the way, which a file cannot replace.
        let file = folder.path().join("file");
        fs::create_dir(&file).expect("a folder");
        write(&file, b"text").expect_err("a folder");
        assert_eq!(folder.listing(), ["file"]);
    }
}
