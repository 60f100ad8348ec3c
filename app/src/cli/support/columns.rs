//! Tables as text: columns as wide as their widest cell, and CSV.

/// Lines of a table, the first of which is its head; the cells of one line are apart by two spaces.
pub(in crate::cli) fn aligned(rows: &[Vec<String>]) -> String {
    let n = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..n).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, &width)| {
            let padding = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(padding))
        });
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// The same as RFC 4180 has it.
pub(in crate::cli) fn csv(rows: &[Vec<String>]) -> String {
    let cell = |cell: &String| match cell.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.clone(),
    };
    rows.iter().map(|row| format!("{}\n", row.iter().map(cell).collect::<Vec<_>>().join(","))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<String>> {
        [["name", "loss"], ["café, \"new\"", "1.5"], ["x", "–"]].map(|row| row.map(str::to_owned).to_vec()).to_vec()
    }

    #[test]
    fn a_table_lines_up_with_wide_names() {
        assert_eq!(aligned(&rows()), "name         loss\ncafé, \"new\"  1.5\nx            –\n");
        assert_eq!(aligned(&[]), "");
    }

    #[test]
    fn what_would_end_a_cell_stands_in_quotation_marks() {
        assert_eq!(csv(&rows()), "name,loss\n\"café, \"\"new\"\"\",1.5\nx,–\n");
    }
}
