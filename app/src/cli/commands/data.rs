//! `data`: what is in a file of rows, and what a model's context makes of it.

use std::path::{Path, PathBuf};

use clap::Args;
use engine::config::schema::Names;
use engine::config::{DataConfig, Task};
use engine::data::{ColumnStatistics, DataStatistics, Spread, TokenStatistics};
use engine::protocol::{Ask, Report};
use serde_json::{Value, json};

use crate::cli::Global;
use crate::cli::support::error::CliError;
use crate::cli::support::json::plain;
use crate::cli::support::models::{found_model, require_rows, rows_path};
use crate::cli::support::out;
use crate::cli::support::paths::{absolute, path};
use crate::cli::support::session::Session;
use crate::cli::support::{run_file, settings};
use crate::format;

/// Classes that are written out.
const CLASSES: usize = 20;

/// Rows, lengths, duplicates, empties and classes of a dataset; with a model its tokens, and what its context cuts.
#[derive(Debug, Args)]
pub(in crate::cli) struct DataArgs {
    /// Rows: a file, a folder or a pattern
    #[arg(value_name = "FILE", value_parser = path())]
    file: PathBuf,
    /// Validation rows, held against the training rows
    #[arg(long, value_name = "FILE", value_parser = path())]
    validation: Option<PathBuf>,
    /// Model folder, or its id on the hub: its tokenizer and its context
    #[arg(long, value_name = "MODEL", value_parser = path())]
    model: Option<PathBuf>,
    /// Virtual tokens that stand before a row
    #[arg(long, value_name = "N", default_value_t = 0)]
    prefix: usize,
}

pub(in crate::cli) fn run(args: DataArgs, global: &Global) -> Result<(), CliError> {
    let workspace = global.workspace()?;
    let (data, task) = asked(&args, global)?;
    let model = args.model.as_deref().map(found_model).transpose()?;
    let session = Session::start(&workspace, None)?;
    let ask = Ask::DescribeData { data, model, task, n_virtual: args.prefix };
    let found = session.ask(ask, |report| match report {
        Report::Statistics(statistics) => Some(statistics),
        _ => None,
    })?;
    match global.json {
        true => out::result(plain(&without_drawn(*found))),
        false => said(&found).into_iter().for_each(out::result),
    }
    Ok(())
}

/// The rows as a run of the settings on the command line would read them.
fn asked(args: &DataArgs, global: &Global) -> Result<(DataConfig, Option<Task>), CliError> {
    let here = std::env::current_dir().unwrap_or_default();
    let rows = |file: &Path| {
        let rows = rows_path(file, Path::new(""));
        require_rows(&rows)?;
        absolute(&rows)
    };
    let mut data = DataConfig::new(rows(&args.file)?);
    data.validation = args.validation.as_deref().map(rows).transpose()?;
    let mut tree: Value = json!({"model": "", "data": data});
    let mut names = settings::method_of(&global.set).map_or_else(Names::default, |method| Names::of_method(&method));
    settings::assign(&mut tree, &global.set, &mut names)?;
    run_file::make_absolute(&mut tree, &here);
    settings::normalize(&mut tree)?;
    names.finish(&mut tree)?;
    let config = settings::to_config(&tree)?;
    Ok((config.data, config.task))
}

/// Lengths to be drawn are for pictures.
fn without_drawn(mut statistics: DataStatistics) -> DataStatistics {
    if let Some(tokens) = &mut statistics.tokens {
        tokens.drawn.clear();
    }
    statistics
}

/// The statistics in lines.
fn said(statistics: &DataStatistics) -> Vec<String> {
    let mut lines = vec![format!("{} rows", format::count(statistics.rows))];
    if statistics.unreadable > 0 {
        lines[0] += &format!(", {} more cannot be read", format::count(statistics.unreadable));
    }
    lines.extend(statistics.notes.iter().map(|note| format!("  {note}")));
    if !statistics.target_column.is_empty() {
        let (source, target) = (&statistics.source_column, &statistics.target_column);
        lines.push(match source.as_str() {
            "" => format!("learned is {target}"),
            source => format!("learned is {target} from {source}"),
        });
    }
    lines.push(String::new());
    lines.extend(table(statistics));
    lines.push(String::new());
    lines.push(format!(
        "duplicates: {} rows equal an earlier one; {} have the source of an earlier one and another target",
        format::count(statistics.duplicates),
        format::count(statistics.other_targets)
    ));
    if let Some(tokens) = &statistics.tokens {
        lines.push(cut_line(tokens));
    }
    if let Some(overlap) = &statistics.overlap {
        lines.push(format!(
            "validation: {} rows, of which {} are training rows and {} have the source of one",
            format::count(overlap.rows),
            format::count(overlap.same),
            format::count(overlap.same_source)
        ));
    }
    if !statistics.classes.is_empty() {
        let named = statistics.classes.iter().take(CLASSES).map(|(class, n)| format!("{class} {}", format::count(*n)));
        let more = statistics.classes.len().saturating_sub(CLASSES);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        let named = named.collect::<Vec<_>>().join(", ");
        lines.push(format!("{} different targets: {named}{rest}", statistics.classes.len()));
    }
    for of in &statistics.left_out {
        let (n, first, reason) = (format::count(of.rows), of.first, &of.reason);
        lines.push(format!("left out: {n} rows, first row {first}: {reason}"));
    }
    lines
}

fn cut_line(tokens: &TokenStatistics) -> String {
    let TokenStatistics { limit, cut, lost_prompts, used, .. } = tokens;
    let share = 100.0 * *cut as f64 / (*used).max(1) as f64;
    format!(
        "cut: {} of {} rows ({share:.1} %) are longer than {limit} tokens; {} of them lose all that they ask",
        format::count(*cut),
        format::count(*used),
        format::count(*lost_prompts)
    )
}

/// Lengths by column and together, characters and then tokens.
fn table(statistics: &DataStatistics) -> Vec<String> {
    let width = statistics.columns.iter().map(|column| column.name.chars().count()).max().unwrap_or(0).clamp(16, 40);
    let head = ["", "empty", "min", "median", "p90", "p99", "max"];
    let row = |name: &str, cells: [String; 6]| {
        let name: String = name.chars().take(width).collect();
        let cells: String = cells.iter().map(|cell| format!("{cell:>10}")).collect();
        format!("{name:width$}{cells}")
    };
    let spread = |name: &str, empty: String, Spread { min, median, p90, p99, max, .. }: Spread| {
        let [min, median, p90, p99, max] = [min, median, p90, p99, max].map(|number| number.to_string());
        row(name, [empty, min, median, p90, p99, max])
    };
    let mut lines = vec![row("characters", [1, 2, 3, 4, 5, 6].map(|at: usize| head[at].to_owned()))];
    let columns = &statistics.columns;
    lines.extend(columns.iter().map(|column| spread(&column.name, format::count(column.empty), column.characters)));
    lines.push(spread("together", String::new(), statistics.characters));
    if let Some(tokens) = &statistics.tokens {
        lines.push(row("tokens", std::array::from_fn(|_| String::new())));
        let of = |column: &ColumnStatistics| Some(spread(&column.name, String::new(), column.tokens?));
        lines.extend(columns.iter().filter_map(of));
        lines.push(spread("as trained", String::new(), tokens.lengths));
    }
    lines
}

#[cfg(test)]
mod tests {
    use engine::data::{LeftOut, Overlap};
    use engine::sentence;

    use super::*;
    use crate::cli::support::tests_support::global;

    #[test]
    fn every_figure_has_its_line() {
        let spread = |max| Spread { count: 4, min: 1, median: 2, p90: 3, p99: 3, max, sum: 9 };
        let column = |name: &str| ColumnStatistics {
            name: name.to_owned(),
            empty: 7,
            characters: spread(41),
            tokens: Some(spread(17)),
        };
        let statistics = DataStatistics {
            rows: 1200,
            unreadable: 3,
            columns: vec![column("question"), column("answer")],
            characters: spread(99),
            tokens: Some(TokenStatistics {
                lengths: spread(63),
                limit: 50,
                cut: 2,
                used: 40,
                ..TokenStatistics::default()
            }),
            duplicates: 5,
            other_targets: 6,
            source_column: "question".to_owned(),
            target_column: "answer".to_owned(),
            classes: vec![("yes".to_owned(), 9)],
            overlap: Some(Overlap { rows: 8, same: 1, same_source: 2 }),
            left_out: vec![LeftOut { reason: sentence!("the target is empty"), rows: 4, first: 12 }],
            notes: Vec::new(),
        };
        let text = said(&statistics).join("\n");
        for line in [
            "1,200 rows, 3 more cannot be read",
            "learned is answer from question",
            "duplicates: 5 rows equal an earlier one; 6 have",
            "cut: 2 of 40 rows (5.0 %) are longer than 50 tokens",
            "validation: 8 rows, of which 1 are training rows and 2 have",
            "1 different targets: yes 9",
            "left out: 4 rows, first row 12: the target is empty",
        ] {
            assert!(text.contains(line), "{line:?} is not in\n{text}");
        }
        let row = text.lines().find(|line| line.starts_with("question")).unwrap();
        assert_eq!(row.split_whitespace().collect::<Vec<_>>(), ["question", "7", "1", "2", "3", "3", "41"]);
        assert!(text.lines().any(|line| line.starts_with("as trained") && line.ends_with("63")));
    }

    #[test]
    fn settings_say_how_the_rows_are_read() {
        let args = DataArgs { file: "/a.csv".into(), validation: Some("/v.csv".into()), model: None, prefix: 0 };
        let (data, task) = asked(&args, &global(&["data.truncate=end", "data.max_tokens=9", "task=causal"])).unwrap();
        assert_eq!((data.train.to_str(), data.validation.as_deref()), (Some("/a.csv"), Some(Path::new("/v.csv"))));
        assert_eq!(
            (data.max_tokens, data.truncate, task),
            (Some(9), engine::config::Truncate::End, Some(Task::Causal))
        );
    }
}
