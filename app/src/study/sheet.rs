//! Runs as a sheet of values for other programs.

use super::cell::Cell;
use super::key::Key;
use crate::store::RunRow;
use crate::workspace::date_and_time;

/// Comma-separated values, a line for each run: under each name the whole value, times in UTC, nothing where a run has none.
pub fn csv(rows: &[&RunRow], names: &[&str]) -> String {
    let keys: Vec<Key> = names.iter().map(|name| Key::of(name)).collect();
    let mut sheet = csv::Writer::from_writer(Vec::new());
    let lines = rows.iter().map(|row| keys.iter().map(|key| plain(key, row)).collect::<Vec<_>>());
    let head = names.iter().map(|name| (*name).to_owned()).collect();
    for line in std::iter::once(head).chain(lines) {
        sheet.write_record(line).expect("lines of one length go into memory");
    }
    let bytes = sheet.into_inner().expect("memory is always flushed");
    String::from_utf8(bytes).expect("texts make a text")
}

fn plain(key: &Key, row: &RunRow) -> String {
    match key.cell(row) {
        // Counted from 1970, far from where the digits of a number end.
        Some(Cell::Number(secs)) if key.is_time() => date_and_time(secs as i64),
        Some(cell) => cell.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests_support::run;
    use super::*;

    #[test]
    fn every_value_is_whole_and_commas_stay_within_their_cells() {
        let (mut one, other) = (run("a", &[("method.n_virtual", json!(5))]), run("b", &[]));
        one.name = "one, \"two\"\nthree".to_owned();
        one.started = Some(1_795_230_902);
        one.best_loss = Some(1.0 / 3.0);
        let text = csv(&[&one, &other], &["name", "n_virtual", "loss", "started", "accuracy"]);
        assert_eq!(
            text,
            "name,n_virtual,loss,started,accuracy\n\
             \"one, \"\"two\"\"\nthree\",5,0.3333333333333333,2026-11-21 03:15:02,\nb,20,2.25,,\n"
        );
        assert_eq!(csv(&[], &["name"]), "name\n");
    }
}
