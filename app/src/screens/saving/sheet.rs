//! A table of words, to be copied or written as CSV.

/// Head and rows, all of one width.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::screens) struct Sheet {
    /// Names of the columns.
    pub(in crate::screens) head: Vec<String>,
    /// Cells.
    pub(in crate::screens) rows: Vec<Vec<String>>,
}

impl Sheet {
    /// A sheet with these columns.
    pub(in crate::screens) fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// The text of a CSV file.
    pub(in crate::screens) fn csv(&self) -> String {
        self.lines(quoted, ",")
    }

    /// Text with tabs between the cells, as spreadsheets and people take it.
    pub(in crate::screens) fn text(&self) -> String {
        self.lines(|cell| cell.replace(['\t', '\n', '\r'], " "), "\t")
    }

    fn lines(&self, cell: impl Fn(&str) -> String, between: &str) -> String {
        let line = |cells: &Vec<String>| cells.iter().map(|text| cell(text)).collect::<Vec<_>>().join(between) + "\n";
        std::iter::once(&self.head).chain(&self.rows).map(line).collect()
    }
}

/// A number as another program reads it; what is no number is empty.
pub(in crate::screens) fn number(value: f64) -> String {
    if value.is_finite() { value.to_string() } else { String::new() }
}

/// A cell of a CSV file, in quotes where it has to be.
fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_with_commas_and_quotes_stays_one_cell() {
        let mut sheet = Sheet::new(["run", "loss"]);
        sheet.rows.push(vec!["prefix 20, \"long\"".into(), number(1.25)]);
        sheet.rows.push(vec!["two\nlines".into(), number(f64::NAN)]);
        assert_eq!(sheet.csv(), "run,loss\n\"prefix 20, \"\"long\"\"\",1.25\n\"two\nlines\",\n");
        assert_eq!(sheet.text(), "run\tloss\nprefix 20, \"long\"\t1.25\ntwo lines\t\n");
    }
}
