//! A table of a report, and its forms: Markdown and LaTeX with booktabs; the page has a template for it.

use serde::Serialize;

/// Rows under a head.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Table {
    /// Above it.
    pub caption: String,
    /// Names of the columns, and whether numbers stand below.
    pub head: Vec<Head>,
    /// As long as the head.
    pub rows: Vec<Vec<Cell>>,
}

/// The head of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Head {
    /// What stands in it.
    pub name: String,
    /// Numbers are at the right.
    pub is_number: bool,
}

impl Head {
    /// A column of words.
    pub fn words(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_number: false }
    }

    /// A column of numbers.
    pub fn numbers(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_number: true }
    }
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Empty where there is nothing to say.
    pub text: String,
    /// The best of its column.
    pub is_best: bool,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), is_best: false }
    }
}

impl Table {
    /// As Markdown.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = line(self.head.iter().map(|head| in_markdown(&head.name)).collect());
        let rule = line(self.head.iter().map(|head| if head.is_number { "---:" } else { "---" }.to_owned()).collect());
        let cell = |cell: &Cell| match cell.is_best {
            true => format!("**{}**", in_markdown(&cell.text)),
            false => in_markdown(&cell.text),
        };
        let rows: String = self.rows.iter().map(|row| line(row.iter().map(cell).collect())).collect();
        format!("{head}{rule}{rows}")
    }

    /// As LaTeX, for a document that has `\usepackage{booktabs}`.
    pub fn latex(&self) -> String {
        let columns: String = self.head.iter().map(|head| if head.is_number { 'r' } else { 'l' }).collect();
        let line = |cells: Vec<String>| format!("    {} \\\\\n", cells.join(" & "));
        let head = line(self.head.iter().map(|head| in_latex(&head.name)).collect());
        let cell = |cell: &Cell| match cell.is_best {
            true => format!("\\textbf{{{}}}", in_latex(&cell.text)),
            false => in_latex(&cell.text),
        };
        let rows: String = self.rows.iter().map(|row| line(row.iter().map(cell).collect())).collect();
        format!(
            "\\begin{{table}}\n  \\centering\n  \\caption{{{}}}\n  \\begin{{tabular}}{{{columns}}}\n    \\toprule\n{head}    \
             \\midrule\n{rows}    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n",
            in_latex(&self.caption)
        )
    }
}

/// Text that Markdown shows as it is, in one cell.
pub(super) fn in_markdown(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' | '#' => plain.extend(['\\', c]),
            '<' => plain.push_str("&lt;"),
            '>' => plain.push_str("&gt;"),
            '&' => plain.push_str("&amp;"),
            c if c.is_whitespace() => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Text that LaTeX sets as it is.
pub(super) fn in_latex(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => plain.extend(['\\', c]),
            '~' => plain.push_str("\\textasciitilde{}"),
            '^' => plain.push_str("\\textasciicircum{}"),
            '\\' => plain.push_str("\\textbackslash{}"),
            '<' => plain.push_str("\\textless{}"),
            '>' => plain.push_str("\\textgreater{}"),
            '±' => plain.push_str("$\\pm$"),
            '−' => plain.push_str("$-$"),
            '–' => plain.push_str("--"),
            '…' => plain.push_str("\\ldots{}"),
            c if c.is_whitespace() => plain.push(' '),
            c if c.is_control() => {}
            c => plain.push(c),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            caption: "Best of 3 & more".to_owned(),
            head: vec![Head::words("run"), Head::numbers("loss_1")],
            rows: vec![
                vec!["a|b <x>".into(), Cell { text: "1.25 ± 0.10".to_owned(), is_best: true }],
                vec!["50%\nc".into(), "–".into()],
            ],
        }
    }

    #[test]
    fn markdown_has_a_line_for_each_row_whatever_stands_in_it() {
        assert_eq!(
            table().markdown(),
            "| run | loss\\_1 |\n| --- | ---: |\n| a\\|b &lt;x&gt; | **1.25 ± 0.10** |\n| 50% c | – |\n"
        );
    }

    #[test]
    fn latex_sets_what_it_would_obey() {
        let text = table().latex();
        for line in [
            "  \\caption{Best of 3 \\& more}",
            "  \\begin{tabular}{lr}",
            "    run & loss\\_1 \\\\",
            "    a|b \\textless{}x\\textgreater{} & \\textbf{1.25 $\\pm$ 0.10} \\\\",
            "    50\\% c & -- \\\\",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(in_latex("\\input{/x}~^"), "\\textbackslash{}input\\{/x\\}\\textasciitilde{}\\textasciicircum{}");
    }
}
