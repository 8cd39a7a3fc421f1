//! The key of a SQLite store that was given none: a file beside the database, for its owner alone.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use doorward_core::Secret;

use super::super::settings::ConfigError;
use super::observe;
use crate::encoding::base64url;

/// The key in this file, which is made if it is not there. Of several processes that make it at once, one does.
pub(super) fn read_or_make(path: &Path) -> Result<Secret, ConfigError> {
    let unfit = |why: &dyn std::fmt::Display| {
        ConfigError::new(format!("`store`: the key file {}: {why}", path.display()))
    };
    let failed = |error: io::Error| unfit(&error.kind());
    match read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
        Ok(read) => return read.map_err(|why| unfit(&why)),
    }
    if make(path).map_err(failed)? {
        observe::key_file_made(path);
    }
    // Of those who made one at once, all read the same.
    read(path).map_err(failed)?.map_err(|why| unfit(&why))
}

fn read(path: &Path) -> io::Result<Result<Secret, String>> {
    let text = fs::read_to_string(path)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let why = format!("others may read or write it (mode {mode:o}); expected 600");
            return Ok(Err(why));
        }
    }
    let key = text.trim();
    if key.len() < KEY_TEXT {
        let why = format!("it has {} bytes; expected {KEY_TEXT}", key.len());
        return Ok(Err(why));
    }
    Ok(Ok(Secret::from(key)))
}

/// Whether the file that is there now was made here. It appears whole, or not at all.
fn make(path: &Path) -> io::Result<bool> {
    let mut bytes = [0; 48];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| ErrorKind::Other)?;
    let (key, name) = bytes.split_at(32);
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}", base64url(name)));
    let unfinished = Path::new(&unfinished);
    let made = write(unfinished, &base64url(key)).and_then(|()| fs::hard_link(unfinished, path));
    drop(fs::remove_file(unfinished));
    match made {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    // A record must not outlive the key that opens it, not even in a power cut.
    file.sync_all()
}

/// 32 bytes in base64url.
const KEY_TEXT: usize = 43;
