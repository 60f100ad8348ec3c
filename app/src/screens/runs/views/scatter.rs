//! Any setting or figure against any figure, a point for each run, colored by a third.

use super::choices::ScatterChoices;
use super::facts::Facts;
use super::scale::{Scale, Shades, cells, words};
use super::view::{Tone, View};
use crate::charts::{Axis, Chart, Mark};
use crate::screens::saving::sheet::Sheet;
use crate::store::RunRow;
use crate::t;

/// The scatter plot of these runs.
pub(super) fn scatter(rows: &[&RunRow], facts: &Facts, choices: &ScatterChoices) -> View {
    let (x_name, y_name) = (facts.setting(&choices.x), facts.figure(&choices.y));
    let (x_cells, y_cells) = (cells(rows, x_name), cells(rows, y_name));
    let (x, y) = (Scale::of(&x_cells), Scale::of(&y_cells));
    let (log_x, log_y) = (choices.log_x && x.can_log(), choices.log_y && y.can_log());
    let colors = cells(rows, &choices.color);
    let shades = match choices.color.is_empty() {
        true => Shades { of: vec![0; rows.len()], groups: vec![(t!("views.runs").to_owned(), Tone::Accent)] },
        false => Shades::of(&colors),
    };
    let drawable = |value: Option<f64>, log: bool| value.filter(|value| !log || *value > 0.0);
    let point = |run: usize| Some([drawable(x.values[run], log_x)?, drawable(y.values[run], log_y)?]);
    let axis = |name: &str, log: bool, names: &[String]| Axis { label: facts.shown(name), log, names: names.to_vec() };
    let mut head = vec![t!("views.run").to_owned(), facts.shown(x_name), facts.shown(y_name)];
    head.extend((!choices.color.is_empty()).then(|| facts.shown(&choices.color)));
    let mut view = View {
        chart: Chart { x: axis(x_name, log_x, &x.names), y: axis(y_name, log_y, &y.names), ..Chart::default() },
        sheet: Sheet::new(head),
        ..View::default()
    };
    for (group, (name, tone)) in shades.groups.iter().enumerate() {
        let members = (0..rows.len()).filter(|run| shades.of[*run] == group);
        let (owners, points): (Vec<usize>, Vec<[f64; 2]>) = members.filter_map(|run| Some((run, point(run)?))).unzip();
        view.push(name, Mark::Points, *tone, points, owners);
    }
    let said = |cell: &Option<crate::study::Cell>| match cell {
        Some(crate::study::Cell::Number(value)) => crate::screens::saving::sheet::number(*value),
        Some(cell) => words(cell),
        None => String::new(),
    };
    for (run, row) in rows.iter().enumerate() {
        let mut line = vec![row.name.clone(), said(&x_cells[run]), said(&y_cells[run])];
        line.extend((!choices.color.is_empty()).then(|| said(&colors[run])));
        view.sheet.rows.push(line);
        view.without += usize::from(point(run).is_none());
    }
    view
}
