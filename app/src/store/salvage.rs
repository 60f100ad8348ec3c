//! Stars, tags, notes and library of a database that is no longer used, brought into one read from the run folders. Of runs
//! whose `run.json` has what people said of them, that stands.

use std::path::Path;

use rusqlite::Connection;

/// Each alone, so that a table which cannot be read costs no other. Values of another type are none of ours.
const SALVAGED: [&str; 6] = [
    "INSERT OR IGNORE INTO tags (run, tag) SELECT runs.key, old.tags.tag FROM old.tags
         JOIN old.runs AS before ON before.key = old.tags.run JOIN main.runs AS runs ON runs.id = before.id
         WHERE typeof(old.tags.tag) = 'text' AND NOT runs.marks_kept",
    "INSERT OR IGNORE INTO notes (run, text) SELECT runs.key, old.notes.text FROM old.notes
         JOIN old.runs AS before ON before.key = old.notes.run JOIN main.runs AS runs ON runs.id = before.id
         WHERE typeof(old.notes.text) = 'text' AND NOT runs.marks_kept",
    "UPDATE main.runs SET starred = 1 WHERE NOT marks_kept AND id IN (SELECT id FROM old.runs WHERE starred = 1)",
    "UPDATE main.runs SET archived = 1 WHERE NOT marks_kept AND id IN (SELECT id FROM old.runs WHERE archived = 1)",
    "INSERT OR IGNORE INTO models (folder, name, last_used) SELECT folder, name, last_used FROM old.models
         WHERE typeof(folder) = 'text' AND typeof(name) = 'text' AND typeof(last_used) = 'integer'",
    "INSERT OR IGNORE INTO datasets (train, name, last_used) SELECT train, name, last_used FROM old.datasets
         WHERE typeof(train) = 'text' AND typeof(name) = 'text' AND typeof(last_used) = 'integer'",
];

/// Brings stars, tags, notes and the library over, as far as they can be read.
pub(super) fn from(db: &Connection, old: &Path) {
    let attached = db.execute("ATTACH ?1 AS old", [uri(old)]);
    if let Err(error) = attached {
        return tracing::debug!("nothing can be brought over: {error}");
    }
    for statement in SALVAGED {
        if let Err(error) = db.execute(statement, []) {
            tracing::debug!("a table cannot be brought over: {error}");
        }
    }
    if let Err(error) = db.execute_batch("DETACH old") {
        tracing::debug!("{error}");
    }
}

/// The file as it lies there: no journal is made or heeded, since neither may be possible.
fn uri(path: &Path) -> String {
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    format!("file:{escaped}?immutable=1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema;

    const RUN: &str = "INSERT INTO models (key, folder, name, last_used) VALUES (1, 'm', 'm', 0);
        INSERT INTO datasets (key, train, name, last_used) VALUES (1, 'd', 'd', 0);
        INSERT INTO runs (id, name, state, model, dataset, method, n_virtual, config, created)
            VALUES ('a', 'a', 'finished', 1, 1, 'prefix', 1, '{}', 0);";

    #[test]
    fn what_people_wrote_comes_along_and_what_cannot_be_read_stays_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("what 100 %?.db");
        let old = Connection::open(&path).unwrap();
        let schema::Opened::Ready { connection, .. } = schema::open(&folder.path().join("form.db")).unwrap() else {
            panic!("a new database can be read")
        };
        let form: Vec<String> = connection
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite%'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        old.execute_batch(&form.join(";")).unwrap();
        old.execute_batch(RUN).unwrap();
        old.execute_batch(
            "UPDATE runs SET starred = 1; INSERT INTO tags VALUES (1, 'paper'); INSERT INTO tags VALUES (1, x'00');
             DROP TABLE notes; INSERT INTO models (folder, name, last_used) VALUES ('other', 'o', 3)",
        )
        .unwrap();
        drop(old);
        let new = schema::in_memory().unwrap();
        new.execute_batch(RUN).unwrap();
        from(&new, &path);
        let one = |sql: &str| new.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(one("SELECT group_concat(tag) FROM tags"), "paper");
        assert_eq!(one("SELECT id FROM runs WHERE starred"), "a");
        assert_eq!(one("SELECT name FROM models WHERE folder = 'other'"), "o");
    }
}
