//! A set as a file: CSV and JSON with a line for each row and column, tables in Markdown, a page.

use std::path::Path;

use engine::evaluation::MetricFigure;
use minijinja::context;
use serde_json::{Value, json};

use super::figures;
use crate::format;
use crate::report::{self, Cell, Head, Table};
use crate::screens::compare::state::set::{Measure, RowSet, SetRow};
use crate::screens::compare::state::votes::SetVote;
use crate::screens::evaluate::ui::number;
use crate::t;

const TEMPLATE: &str = include_str!("page.html");

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Csv,
    Json,
    Markdown,
    Page,
}

impl Form {
    /// By the ending of a file; `None` for another.
    pub(super) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" => Some(Self::Page),
            _ => None,
        }
    }
}

/// The text of a file.
pub(super) fn written(set: &RowSet, form: Form) -> String {
    match form {
        Form::Csv => csv(set),
        Form::Json => format!("{:#}\n", json(set)),
        Form::Markdown => markdown(set),
        Form::Page => page(set),
    }
}

/// Rows in the order of the file.
fn rows(set: &RowSet) -> Vec<&SetRow> {
    let mut rows: Vec<&SetRow> = set.rows.iter().collect();
    rows.sort_by_key(|row| row.row.row);
    rows
}

/// The name of a figure for machines.
fn key(set: &RowSet, measure: Measure) -> String {
    match measure {
        Measure::Loss => "loss".to_owned(),
        Measure::Metric(metric) => set.metrics.get(metric).cloned().unwrap_or_default(),
    }
}

/// `yes` for the column that won, `tie` for all of a tie.
fn vote_of(row: &SetRow, column: usize) -> &'static str {
    match row.vote {
        Some(SetVote::Best(best)) if best == column => "yes",
        Some(SetVote::Best(_)) => "no",
        Some(SetVote::Tie) => "tie",
        None => "",
    }
}

fn csv(set: &RowSet) -> String {
    let mut table = csv::Writer::from_writer(Vec::new());
    let measures = set.measures();
    let head = ["row", "source", "reference", "column", "text"].map(str::to_owned).into_iter();
    let head = head.chain(measures.iter().map(|&measure| key(set, measure)));
    let head = head.chain(["disagreement", "best", "starred", "note"].map(str::to_owned));
    let mut lines: Vec<Vec<String>> = vec![head.collect()];
    for row in rows(set) {
        for (column, of) in set.columns.iter().enumerate() {
            let reference = row.row.references.first().cloned().unwrap_or_default();
            let text = row.row.texts.get(column).cloned().unwrap_or_default();
            let mut line = vec![row.row.row.to_string(), row.row.source.clone(), reference, of.name.clone(), text];
            let figure = |&measure: &Measure| set.figure(row, column, measure).map_or(String::new(), |f| f.to_string());
            line.extend(measures.iter().map(figure));
            line.push(format!("{:.4}", row.disagreement));
            line.push(vote_of(row, column).to_owned());
            line.push(if row.starred { "yes" } else { "" }.to_owned());
            line.push(row.note.clone());
            lines.push(line);
        }
    }
    for line in &lines {
        table.write_record(line).expect("memory can be written to");
    }
    let bytes = table.into_inner().expect("memory can be written to");
    String::from_utf8(bytes).expect("each cell is text")
}

fn json(set: &RowSet) -> Value {
    let measures = set.measures();
    let column = |(place, (of, rate)): (usize, (&super::super::state::set::SetColumn, _))| {
        let rate: super::super::state::votes::WinRate = rate;
        let scored = set.scored.get(place);
        let figures: &[MetricFigure] = scored.map_or(&[], |scored| &scored.figures);
        json!({
            "name": of.name,
            "is_base": of.is_base,
            "adapter_hash": scored.map(|scored| scored.adapter_hash.as_str()),
            "loss": set.figure_of(place, Measure::Loss).map(|(loss, _)| loss),
            "figures": figures,
            "wins": rate.wins,
            "judged": rate.of,
            "win_rate": rate.share.map(|(share, (low, high))| json!({"share": share, "low": low, "high": high})),
        })
    };
    let row = |row: &&SetRow| {
        let text = |(column, text): (usize, &String)| {
            let figures = measures.iter().map(|&measure| (key(set, measure), json!(set.figure(row, column, measure))));
            let figures: serde_json::Map<String, Value> = figures.collect();
            let name = set.columns.get(column).map(|column| column.name.as_str());
            json!({"column": name, "text": text, "figures": figures, "best": vote_of(row, column)})
        };
        json!({
            "row": row.row.row,
            "source": row.row.source,
            "references": row.row.references,
            "texts": row.row.texts.iter().enumerate().map(text).collect::<Vec<_>>(),
            "disagreement": row.disagreement,
            "starred": row.starred,
            "note": row.note,
        })
    };
    json!({
        "data": set.data,
        "columns": set.columns.iter().zip(set.win_rates()).enumerate().map(column).collect::<Vec<_>>(),
        "rows": rows(set).iter().map(row).collect::<Vec<_>>(),
    })
}

/// The figures of the columns, a line each.
fn table(set: &RowSet) -> Table {
    let measures = set.measures();
    let has_votes = set.n_votes() > 0;
    let mut head = vec![Head::words(t!("compare.column"))];
    head.extend(measures.iter().map(|&measure| Head::numbers(figures::name(set, measure))));
    head.extend(has_votes.then(|| Head::numbers(t!("compare.won"))));
    let best: Vec<Option<usize>> = measures.iter().map(|&measure| figures::best(set, measure)).collect();
    let line = |(column, rate): (usize, _)| {
        let mut line: Vec<Cell> = vec![set.columns[column].name.as_str().into()];
        for (&measure, best) in measures.iter().zip(&best) {
            let text = match set.figure_of(column, measure) {
                Some((figure, Some((low, high)))) => {
                    format!("{} ({} … {})", number(figure), number(low), number(high))
                }
                Some((figure, None)) => number(figure),
                None => "–".to_owned(),
            };
            line.push(Cell { text, is_best: *best == Some(column) });
        }
        line.extend(has_votes.then(|| figures::rate(rate).into()));
        line
    };
    let rows = set.win_rates().into_iter().enumerate().map(line).collect();
    Table { caption: title(set), head, rows }
}

fn title(set: &RowSet) -> String {
    t!("compare.export_title", data = set.file_name(), n = format::count(set.rows.len()))
}

fn markdown(set: &RowSet) -> String {
    let mut head = vec![Head::numbers("#"), Head::words(t!("compare.source"))];
    head.extend(set.columns.iter().map(|column| Head::words(column.name.as_str())));
    head.push(Head::words(t!("compare.note_head")));
    let line = |row: &&SetRow| {
        let mut line: Vec<Cell> = vec![row.row.row.to_string().into(), row.row.source.as_str().into()];
        line.extend(row.row.texts.iter().map(|text| Cell::from(text.as_str())));
        let star = if row.starred { "★ " } else { "" };
        line.push(format!("{star}{}", row.note).into());
        line
    };
    let texts = Table { caption: String::new(), head, rows: rows(set).iter().map(line).collect() };
    let table = table(set);
    format!("# {}\n\n{}\n{}", title(set), table.markdown(), texts.markdown())
}

fn page(set: &RowSet) -> String {
    let shown = |row: &&SetRow| {
        let texts = set.columns.iter().zip(&row.row.texts).enumerate();
        let texts = texts.map(|(column, (of, text))| {
            context! { name => of.name, text => text.trim(), is_best => row.vote == Some(SetVote::Best(column)) }
        });
        context! {
            number => row.row.row,
            source => row.row.source.trim(),
            references => row.row.references,
            texts => texts.collect::<Vec<_>>(),
            starred => row.starred,
            note => row.note,
        }
    };
    let page = context! {
        title => title(set),
        note => t!("compare.figures_note", n = format::count(set.rows.len())),
        wanted => t!("compare.wanted"),
        table => table(set),
        rows => rows(set).iter().map(shown).collect::<Vec<_>>(),
    };
    report::page(TEMPLATE, page)
}

#[cfg(test)]
mod tests {
    use engine::protocol::ComparedRow;

    use super::*;
    use crate::screens::compare::state::ColumnId;
    use crate::screens::compare::state::set::SetColumn;

    fn set() -> RowSet {
        let column = |id: u64, name: &str| SetColumn { id: ColumnId(id), name: name.into(), is_base: id == 0 };
        let row = |number: usize, texts: [&str; 2]| SetRow {
            row: ComparedRow {
                row: number,
                source: "a <b> | c".into(),
                references: vec!["right, \"quoted\"".into()],
                texts: texts.map(str::to_owned).to_vec(),
                losses: vec![Some(2.0), Some(1.5)],
            },
            ..SetRow::default()
        };
        let mut set = RowSet {
            data: "/sets/test.jsonl".into(),
            columns: vec![column(0, "Base model"), column(1, "prefix <20>")],
            losses: true,
            rows: vec![row(2, ["x", "y\nz"]), row(1, ["same", "same"])],
            ..RowSet::default()
        };
        set.rows[0].vote = Some(SetVote::Best(1));
        (set.rows[0].starred, set.rows[0].note) = (true, "<odd>".into());
        set
    }

    #[test]
    fn the_ending_of_a_name_is_its_form() {
        let form = |name: &str| Form::of(Path::new(name));
        assert_eq!(
            (form("a.CSV"), form("a.md"), form("a.html")),
            (Some(Form::Csv), Some(Form::Markdown), Some(Form::Page))
        );
        assert_eq!((form("a.json"), form("a.txt"), form("a")), (Some(Form::Json), None, None));
    }

    #[test]
    fn a_table_for_machines_has_a_line_for_each_row_and_column_in_the_order_of_the_file() {
        let text = written(&set(), Form::Csv);
        let mut table = csv::Reader::from_reader(text.as_bytes());
        let head: Vec<String> = table.headers().unwrap().iter().map(str::to_owned).collect();
        assert_eq!(head[..6], ["row", "source", "reference", "column", "text", "loss"]);
        let lines: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
        let cells: Vec<_> =
            lines.iter().map(|line| (line[0].to_owned(), line[3].to_owned(), line[5].to_owned())).collect();
        assert_eq!(cells[0], ("1".into(), "Base model".into(), "2".into()));
        assert_eq!(cells[3], ("2".into(), "prefix <20>".into(), "1.5".into()));
        assert_eq!((&lines[3][4], &lines[3][7], &lines[3][8], &lines[3][9]), ("y\nz", "yes", "yes", "<odd>"));
        assert_eq!(&lines[2][7], "no");
    }

    #[test]
    fn json_has_columns_and_rows() {
        let value: Value = serde_json::from_str(&written(&set(), Form::Json)).unwrap();
        assert_eq!((&value["columns"][1]["wins"], &value["columns"][1]["loss"]), (&json!(1), &json!(1.5)));
        assert_eq!(value["columns"][1]["win_rate"]["share"], json!(1.0));
        assert_eq!(value["rows"][1]["texts"][1]["figures"]["loss"], json!(1.5));
        assert_eq!((&value["rows"][0]["row"], &value["rows"][1]["note"]), (&json!(1), &json!("<odd>")));
    }

    #[test]
    fn tables_and_the_page_escape_what_they_are_given() {
        let text = written(&set(), Form::Markdown);
        assert!(text.contains("prefix &lt;20&gt;") && text.contains("a &lt;b&gt; \\| c") && !text.contains("<odd>"));
        let page = written(&set(), Form::Page);
        assert!(page.contains("prefix &lt;20&gt;") && page.contains("&lt;odd&gt;") && !page.contains("<odd>"));
        assert!(!page.contains("://") && page.contains("default-src 'none'"), "it asks nothing of a network");
    }
}
