//! The file that remembers the store: a SQLite database of one table, a row for each object that was touched.
//!
//! The changes of one operation are one transaction, written before it is answered: after a crash all of them are there
//! or none is. One process has the file, until it ends.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, params};

#[derive(Debug)]
pub(super) struct StateFile {
    connection: Connection,
}

/// What is remembered of one object.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: String,
    pub(super) id: String,
    /// When it came: greater than what came before it.
    pub(super) place: u64,
    /// As JSON; nothing, if it is gone and would be there without this row.
    pub(super) object: Option<String>,
}

/// What becomes of one object's row.
pub(super) enum Change {
    Keep(Row),
    /// The kind and the id.
    Drop(String, String),
}

impl StateFile {
    /// Opens the file, or makes it, and reads what is in it, oldest first. What is no state file is left as it is.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Row>)> {
        let told = |error: io::Error| {
            let told = format!("{}: {error}", path.display());
            io::Error::new(error.kind(), told)
        };
        private(path).map_err(told)?;
        let connection = Connection::open(path).map_err(|error| told(plainly(error)))?;
        let file = Self { connection };
        let rows = file.prepare().and_then(|()| file.rows());
        Ok((file, rows.map_err(told)?))
    }

    /// Writes changes: all of them, or none.
    pub(super) fn write(&mut self, changes: impl Iterator<Item = Change>) -> io::Result<()> {
        self.in_one(changes, false).map_err(plainly)
    }

    /// Puts these rows in the place of all that was there.
    pub(super) fn rewrite(&mut self, rows: impl Iterator<Item = Row>) -> io::Result<()> {
        self.in_one(rows.map(Change::Keep), true).map_err(plainly)
    }

    /// Lets the file not grow any more, as if the disk were full, or grow again.
    #[cfg(test)]
    pub(super) fn may_grow(&self, may: bool) {
        let number = |text: &str| -> i64 {
            let read = self.connection.query_row(text, [], |row| row.get(0));
            read.expect("it is open")
        };
        let most = match may {
            true => 1 << 30,
            false => number("PRAGMA page_count"),
        };
        number(&format!("PRAGMA max_page_count = {most}"));
    }

    fn prepare(&self) -> io::Result<()> {
        let sql = |text: &str| self.connection.execute_batch(text).map_err(plainly);
        let number = |name: &str| {
            let read = self
                .connection
                .pragma_query_value(None, name, |row| row.get(0));
            read.map_err(plainly)
        };
        // Whoever has the file keeps it: to wait would be in vain.
        self.connection
            .busy_timeout(Duration::ZERO)
            .map_err(plainly)?;
        sql("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT;")?;
        let (application, version): (i64, i64) =
            (number("application_id")?, number("user_version")?);
        let objects = "SELECT count(*) FROM sqlite_schema";
        let objects: i64 = self
            .connection
            .query_row(objects, [], |row| row.get(0))
            .map_err(plainly)?;
        match (application, version) {
            (0, 0) if objects == 0 => sql(&format!(
                "BEGIN; {SCHEMA} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
            ))?,
            (APPLICATION, VERSION) => {}
            (APPLICATION, newer) => {
                let told =
                    format!("version {newer} of the state; this program knows version {VERSION}");
                return Err(io::Error::new(ErrorKind::InvalidData, told));
            }
            _ => return Err(foreign()),
        }
        // With these two a process that is killed loses nothing, and a machine without power the last changes at most.
        let mode = "PRAGMA journal_mode = WAL";
        let _: String = self
            .connection
            .query_row(mode, [], |row| row.get(0))
            .map_err(plainly)?;
        sql("PRAGMA synchronous = NORMAL;")
    }

    fn rows(&self) -> io::Result<Vec<Row>> {
        let read = || {
            let text = "SELECT kind, id, place, object FROM objects ORDER BY place";
            let mut statement = self.connection.prepare(text)?;
            let rows = statement.query_map([], |row| {
                Ok(Row {
                    kind: row.get(0)?,
                    id: row.get(1)?,
                    place: row.get::<_, i64>(2)?.cast_unsigned(),
                    object: row.get(3)?,
                })
            })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(plainly)
    }

    fn in_one(
        &mut self,
        changes: impl Iterator<Item = Change>,
        anew: bool,
    ) -> rusqlite::Result<()> {
        // It ends in a rollback if it does not come to its end.
        let transaction = self.connection.transaction()?;
        if anew {
            transaction.execute("DELETE FROM objects", [])?;
        }
        {
            let keep =
                "INSERT OR REPLACE INTO objects (kind, id, place, object) VALUES (?1, ?2, ?3, ?4)";
            let drop = "DELETE FROM objects WHERE kind = ?1 AND id = ?2";
            let (mut keep, mut drop) = (transaction.prepare(keep)?, transaction.prepare(drop)?);
            for change in changes {
                match change {
                    Change::Keep(row) => keep.execute(params![
                        row.kind,
                        row.id,
                        row.place.cast_signed(),
                        row.object
                    ])?,
                    Change::Drop(kind, id) => drop.execute(params![kind, id])?,
                };
            }
        }
        transaction.commit()
    }
}

/// A new file that nobody else of this machine may read: it holds secrets, if only those of tests. What SQLite keeps
/// beside it has the same mode.
fn private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path).map(|_| ())
}

/// In words for who started the issuer.
fn plainly(error: rusqlite::Error) -> io::Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            io::Error::new(ErrorKind::ResourceBusy, "another process has this file")
        }
        Some(ErrorCode::NotADatabase) => foreign(),
        Some(ErrorCode::DiskFull) => io::Error::new(ErrorKind::StorageFull, "the disk is full"),
        _ => io::Error::other(error),
    }
}

fn foreign() -> io::Error {
    let told = "not a file that the local issuer made; name another, or remove it";
    io::Error::new(ErrorKind::InvalidData, told)
}

const SCHEMA: &str = "CREATE TABLE objects (
    kind TEXT NOT NULL, id TEXT NOT NULL, place INTEGER NOT NULL, object TEXT, PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;";
/// `PRAGMA application_id`: whose file it is. `doorward` in four letters, "Door".
const APPLICATION: i64 = 0x446f_6f72;
/// `PRAGMA user_version`: what stands in it.
const VERSION: i64 = 1;
