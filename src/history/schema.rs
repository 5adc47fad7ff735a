//! The form of the store, and how older forms become the present one.

use rusqlite::{Connection, Transaction, TransactionBehavior};

/// What tells a store of ours from every other database: `PtRv`.
pub(super) const APPLICATION: i64 = 0x5074_5276;

/// What each format adds to the one before; the first makes a new store. Only ever appended to.
const MIGRATIONS: [&str; 4] = [
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// The format that this version writes: how many migrations there are.
pub(super) const FORMAT: i64 = 4;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A database with nothing in it.
    Empty,
    /// A store of this format.
    Store(i64),
    /// Somebody else's.
    Foreign,
}

/// Looks what the file is, without changing it.
pub(super) fn look(connection: &Connection) -> rusqlite::Result<Found> {
    let number = |pragma| connection.query_row(&format!("PRAGMA {pragma}"), [], |row| row.get::<_, i64>(0));
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    Ok(match (number("application_id")?, number("user_version")?, tables) {
        (APPLICATION, format, _) if format > 0 => Found::Store(format),
        (0, 0, 0) => Found::Empty,
        _ => Found::Foreign,
    })
}

/// Brings the store to the present format: each step whole or not at all. What the file is is looked at again under the lock, for
/// another process may have made it meanwhile.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<Found> {
    loop {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let format = match look(&step)? {
            Found::Empty => 0,
            Found::Store(format) if format < FORMAT => format,
            done => return Ok(done),
        };
        apply(&step, format)?;
        step.commit()?;
    }
}

fn apply(step: &Transaction<'_>, format: i64) -> rusqlite::Result<()> {
    let migration = usize::try_from(format).ok().and_then(|format| MIGRATIONS.get(format));
    step.execute_batch(migration.unwrap_or(&""))?;
    step.pragma_update(None, "application_id", APPLICATION)?;
    step.pragma_update(None, "user_version", format + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_store_has_the_present_format_and_a_second_look_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert_eq!(look(&connection).unwrap(), Found::Empty);
        for _ in 0..2 {
            assert_eq!(migrate(&mut connection).unwrap(), Found::Store(FORMAT));
        }
    }

    #[test]
    fn what_is_somebody_elses_is_left_alone() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE mine (x)").unwrap();
        assert_eq!(migrate(&mut connection).unwrap(), Found::Foreign);
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0)).unwrap();
        assert_eq!(tables, 1);
    }

    #[test]
    fn a_newer_format_is_not_touched() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection.pragma_update(None, "user_version", FORMAT + 1).unwrap();
        assert_eq!(migrate(&mut connection).unwrap(), Found::Store(FORMAT + 1));
    }
}
