//! The file that remembers the store: a line of JSON for each change, appended before the change is answered.
//!
//! The last line about an object stands. When the file has grown to several times what it has to say, and at every
//! start, it is written anew beside itself and put in its place.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;

#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Lines in the file, and how many it had when it was last written anew.
    lines: usize,
    settled: usize,
}

impl Journal {
    /// Opens the file, or makes it, and reads what is in it. A last line without an end was cut off by a crash: it is not
    /// one. Two processes cannot have the same file.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Value>)> {
        let told = |error: io::Error| {
            let told = format!("{}: {error}", path.display());
            io::Error::new(error.kind(), told)
        };
        let file = private().append(true).read(true).open(path).map_err(told)?;
        if file.try_lock().is_err() {
            let told = format!("{}: another process has this file", path.display());
            return Err(io::Error::new(ErrorKind::ResourceBusy, told));
        }
        if file.metadata()?.len() > MAX_FILE {
            let told = format!("{}: larger than {MAX_FILE} bytes", path.display());
            return Err(io::Error::new(ErrorKind::FileTooLarge, told));
        }
        let mut values = Vec::new();
        let mut reader = BufReader::new(&file);
        let mut line = Vec::new();
        loop {
            line.clear();
            reader.read_until(b'\n', &mut line).map_err(told)?;
            if line.last() != Some(&b'\n') {
                break;
            }
            let place = values.len() + 1;
            values.push(serde_json::from_slice(&line).map_err(|error| {
                let told = format!("{}: line {place}: {error}", path.display());
                io::Error::new(ErrorKind::InvalidData, told)
            })?);
        }
        let journal = Self {
            path: path.to_owned(),
            file,
            lines: values.len(),
            settled: values.len(),
        };
        Ok((journal, values))
    }

    /// Adds lines, in one write.
    pub(super) fn append(&mut self, lines: impl Iterator<Item = Value>) -> io::Result<()> {
        let mut text = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut text, &line)?;
            text.push(b'\n');
            self.lines += 1;
        }
        self.file.write_all(&text)
    }

    /// Whether most of the lines are about what has changed since.
    pub(super) fn is_long(&self) -> bool {
        self.lines > SHORT && self.lines > 4 * self.settled
    }

    /// Writes the file anew. Whoever looks sees the old one or the new one.
    pub(super) fn rewrite(&mut self, lines: &[Value]) -> io::Result<()> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = self.path.with_file_name(name);
        let file = private().write(true).truncate(true).open(&beside)?;
        let mut writer = BufWriter::new(&file);
        for line in lines {
            serde_json::to_writer(&mut writer, line)?;
            writer.write_all(b"\n")?;
        }
        writer.flush()?;
        drop(writer);
        // The next line goes to the end of the new file, and the lock with it.
        drop(file);
        let file = private().append(true).read(true).open(&beside)?;
        file.lock()?;
        std::fs::rename(&beside, &self.path)?;
        self.file = file;
        (self.lines, self.settled) = (lines.len(), lines.len());
        Ok(())
    }
}

/// A file that nobody else of this machine may read: it holds secrets, if only those of tests.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}

/// A file that is not read at all.
const MAX_FILE: u64 = 256 * 1024 * 1024;
/// So many lines are never too many.
const SHORT: usize = 1000;
