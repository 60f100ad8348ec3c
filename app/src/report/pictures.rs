//! Pictures of a report: curves, figures over what varies, norms of a prefix.

use engine::analysis::PrefixGrid;
use serde_json::Value;

use super::figures::{Compared, Comparison, label};
use super::{Report, RunRecord};
use crate::charts::{Axis, Chart, HeatMap, Mark, Series, Theme, heat_svg, svg};
use crate::study;
use crate::t;

/// Points of a curve in a picture: more than a screen has room for are means.
const MOST_POINTS: usize = 240;
/// Curves in a picture: of more, those of a group over seeds are one.
const MOST_CURVES: usize = 10;
const SIZE: (u32, u32) = (560, 320);
/// Width of a picture that stands alone.
const WIDE: u32 = 980;
/// Height of a row of a legend, and about the width of a letter in it.
const LEGEND_ROW: u32 = 20;
const LEGEND_LETTER: u32 = 7;
/// A loss that falls by such a factor is drawn over a logarithmic axis: else nothing is seen of its end.
const LOG_FROM: f64 = 20.0;

/// A curve over a setting: its name, and the groups on it by the value that they have of the setting.
type Course = (String, Vec<(f64, usize)>);

/// A picture with words below it.
pub(super) struct Picture {
    pub(super) svg: String,
    pub(super) caption: String,
}

impl Report {
    /// Curves of all runs.
    pub(super) fn curve_pictures(&self, comparison: &Comparison) -> Vec<Picture> {
        let alone = comparison.groups.iter().all(|group| group.runs.len() == 1);
        let (charts, caption) = match self.runs.len() {
            1..=MOST_CURVES if alone => (curves(&self.runs), ""),
            _ => (self.curves_of_groups(comparison), if alone { "" } else { t!("report.band") }),
        };
        // One that stands alone is as wide as two.
        let width = if charts.len() == 1 { WIDE } else { SIZE.0 };
        let drawn = |chart: Chart| {
            let longest = chart.series.iter().map(|series| series.name.chars().count()).max().unwrap_or_default();
            let in_a_row = (width / (LEGEND_LETTER * longest as u32 + 40)).max(1);
            let rows = (chart.series.len() as u32).div_ceil(in_a_row);
            let height = SIZE.1 + LEGEND_ROW * rows.saturating_sub(1);
            Picture { svg: svg(&chart, Theme::Page, (width, height)), caption: caption.to_owned() }
        };
        charts.into_iter().map(drawn).collect()
    }

    /// One curve a group: the mean, and from the least to the greatest run.
    fn curves_of_groups(&self, comparison: &Comparison) -> Vec<Chart> {
        let mut all = Vec::new();
        for group in &comparison.groups {
            let runs = group.runs.iter().filter_map(|run| self.runs.get(*run));
            let curves: Vec<Vec<[f64; 2]>> = runs.map(validation_loss).collect();
            let Some(first) = curves.first() else { continue };
            let (mut points, mut band) = (Vec::new(), Vec::new());
            for [step, _] in first {
                let at = |curve: &Vec<[f64; 2]>| curve.iter().find(|point| point[0] == *step).map(|point| point[1]);
                let values: Vec<f64> = curves.iter().filter_map(at).filter(|value| value.is_finite()).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                points.push([*step, mean]);
                let least = values.iter().copied().fold(f64::NAN, f64::min);
                band.push([least, values.iter().copied().fold(f64::NAN, f64::max)]);
            }
            all.push(Series { name: self.label(group), points, band, mark: Mark::Line });
        }
        let title = t!("report.validation_loss").to_owned();
        vec![Chart { title, x: steps(), y: nats(&all), series: all }]
    }

    /// Each figure of the groups: over the one number that varies, or beside each other.
    pub(super) fn figure_pictures(&self, comparison: &Comparison) -> Vec<Picture> {
        if comparison.groups.len() < 2 {
            return Vec::new();
        }
        let varied = self.varied(comparison);
        let draw = |of: &Compared| {
            let chart = match &varied {
                Some((key, series)) => over_setting(of, key, series),
                None => self.beside_each_other(of, comparison),
            };
            let height = if varied.is_some() { SIZE.1 } else { 110 + 24 * comparison.groups.len() as u32 };
            Picture { svg: svg(&chart, Theme::Page, (SIZE.0, height)), caption: String::new() }
        };
        comparison.figures.iter().take(6).map(draw).collect()
    }

    fn beside_each_other(&self, of: &Compared, comparison: &Comparison) -> Chart {
        let names = comparison.groups.iter().map(|group| self.label(group)).collect();
        let known = of.values.iter().enumerate().filter_map(|(at, value)| value.map(|value| (at, value)));
        let (points, band) = known.map(|(at, (mean, half))| ([mean, at as f64], interval(mean, half))).unzip();
        let series = vec![Series { points, band, mark: Mark::Points, ..Series::default() }];
        let y = Axis { names, ..Axis::default() };
        Chart { title: label(&of.figure), x: Axis::default(), y, series }
    }

    /// The one setting of numbers that the groups differ in, with the groups on each of its curves: one, or one for each value
    /// of another setting.
    fn varied(&self, comparison: &Comparison) -> Option<(String, Vec<Course>)> {
        let differences = study::differences(&self.rows());
        let differences: Vec<_> = differences.into_iter().filter(|(key, _)| !key.ends_with("seed")).collect();
        let firsts: Vec<usize> = comparison.groups.iter().filter_map(|group| group.runs.first().copied()).collect();
        let numbers = |values: &[Option<Value>]| -> Option<Vec<f64>> {
            let all: Option<Vec<f64>> = firsts.iter().map(|run| values.get(*run)?.as_ref()?.as_f64()).collect();
            let mut distinct = all.clone()?;
            distinct.sort_by(f64::total_cmp);
            distinct.dedup();
            all.filter(|_| distinct.len() > 2)
        };
        let (number, key, places) =
            differences.iter().enumerate().find_map(|(at, (key, values))| Some((at, key.clone(), numbers(values)?)))?;
        let others: Vec<_> = differences.iter().enumerate().filter(|(at, _)| *at != number).map(|(_, of)| of).collect();
        if others.len() > 1 {
            return None;
        }
        let mut curves: Vec<Course> = Vec::new();
        for (group, (run, place)) in firsts.iter().zip(places).enumerate() {
            let name = others.first().map_or(String::new(), |(key, values)| {
                let short = key.rsplit('.').next().unwrap_or(key);
                match values.get(*run).and_then(Option::as_ref) {
                    Some(Value::String(text)) => super::sources::at_home(text),
                    Some(value) => format!("{short} {value}"),
                    None => format!("{short} –"),
                }
            });
            match curves.iter_mut().find(|(known, _)| *known == name) {
                Some((_, groups)) => groups.push((place, group)),
                None => curves.push((name, vec![(place, group)])),
            }
        }
        curves.iter_mut().for_each(|(_, groups)| groups.sort_by(|a, b| a.0.total_cmp(&b.0)));
        // Curves of single points say nothing of a course.
        (curves.len() <= MOST_CURVES && curves.iter().any(|(_, groups)| groups.len() > 2)).then_some((key, curves))
    }

    /// Maps of the norms of each prefix.
    pub(super) fn prefix_pictures(&self) -> Vec<Picture> {
        self.grids.iter().flat_map(|(run, grid)| maps(grid, &self.runs[*run].row.name)).collect()
    }
}

fn over_setting(of: &Compared, key: &str, curves: &[Course]) -> Chart {
    let places: Vec<f64> = curves.iter().flat_map(|(_, groups)| groups.iter().map(|(place, _)| *place)).collect();
    let (least, most) = places.iter().fold((f64::INFINITY, 0.0f64), |(low, high), v| (low.min(*v), high.max(*v)));
    let log = least > 0.0 && most / least >= 20.0;
    let series = curves.iter().map(|(name, groups)| {
        let known = groups.iter().filter_map(|(place, group)| Some((*place, of.values.get(*group).copied()??)));
        let (points, band) = known.map(|(place, (mean, half))| ([place, mean], interval(mean, half))).unzip();
        Series { name: name.clone(), points, band, mark: Mark::LineAndPoints }
    });
    let x = Axis { label: key.to_owned(), log, ..Axis::default() };
    Chart { title: label(&of.figure), x, y: Axis::default(), series: series.collect() }
}

fn interval(mean: f64, half: Option<f64>) -> [f64; 2] {
    half.filter(|half| half.is_finite()).map_or([mean, mean], |half| [mean - half, mean + half])
}

fn steps() -> Axis {
    Axis { label: t!("report.step").to_owned(), ..Axis::default() }
}

fn nats(series: &[Series]) -> Axis {
    let values = series.iter().flat_map(|series| &series.points).map(|point| point[1]).filter(|loss| loss.is_finite());
    let (least, most) = values.fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
    let log = least > 0.0 && most / least >= LOG_FROM;
    Axis { label: t!("report.nats").to_owned(), log, ..Axis::default() }
}

fn validation_loss(run: &RunRecord) -> Vec<[f64; 2]> {
    run.evaluations.iter().map(|evaluation| [evaluation.step as f64, evaluation.loss]).collect()
}

/// Training and validation loss of a run in one picture, or the validation losses of several.
pub fn loss_chart(runs: &[RunRecord]) -> Chart {
    let validation = |run: &RunRecord, name: &str| Series {
        name: name.to_owned(),
        points: validation_loss(run),
        mark: if run.evaluations.len() > 40 { Mark::Line } else { Mark::LineAndPoints },
        ..Series::default()
    };
    let series = match runs {
        [run] => vec![
            Series { name: t!("report.training").to_owned(), points: thinned(run.series("loss")), ..Series::default() },
            validation(run, t!("report.validation")),
        ],
        runs => runs.iter().map(|run| validation(run, &run.row.name)).collect(),
    };
    let title = if runs.len() == 1 { t!("report.loss_title") } else { t!("report.validation_loss") };
    let series: Vec<Series> = series.into_iter().filter(has_points).collect();
    Chart { title: title.to_owned(), x: steps(), y: nats(&series), series }
}

fn has_points(series: &Series) -> bool {
    !series.points.is_empty()
}

/// Curves of runs: losses, then each figure of their evaluations.
pub fn curves(runs: &[RunRecord]) -> Vec<Chart> {
    let mut charts = vec![loss_chart(runs)];
    if runs.len() > 1 {
        let of = |run: &RunRecord| Series {
            name: run.row.name.clone(),
            points: thinned(run.series("loss")),
            ..Series::default()
        };
        let series: Vec<Series> = runs.iter().map(of).filter(has_points).collect();
        charts.push(Chart { title: t!("report.training_loss").to_owned(), x: steps(), y: nats(&series), series });
    }
    let mut names: Vec<&'static str> = Vec::new();
    for (name, _) in runs.iter().flat_map(|run| &run.evaluations).flat_map(evaluated) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    for figure in names {
        let of = |run: &RunRecord| Series {
            name: run.row.name.clone(),
            points: run
                .evaluations
                .iter()
                .filter_map(|at| Some([at.step as f64, evaluated(at).into_iter().find(|(name, _)| *name == figure)?.1]))
                .collect(),
            mark: Mark::LineAndPoints,
            ..Series::default()
        };
        let series = runs.iter().map(of).filter(has_points).collect();
        charts.push(Chart { title: label(figure), x: steps(), y: Axis::default(), series });
    }
    charts.retain(|chart| !chart.series.is_empty());
    charts
}

/// Figures of an evaluation beside its loss.
pub(crate) fn evaluated(report: &engine::training::EvaluationReport) -> Vec<(&'static str, f64)> {
    let Some(figures) = &report.figures else { return Vec::new() };
    let answers = figures.answers.as_ref();
    let ranking = figures.ranking.as_ref();
    let numbers = figures.regression.as_ref();
    let all = [
        ("accuracy", figures.accuracy),
        ("macro_f1", figures.macro_f1),
        ("micro_f1", figures.micro_f1),
        ("entity_f1", figures.entity_f1),
        ("matthews", figures.matthews),
        ("exact_match", answers.map(|of| of.exact_match)),
        ("token_f1", answers.map(|of| of.f1)),
        ("p_at_1", ranking.map(|of| of.p_at_1)),
        ("mrr", ranking.map(|of| of.mrr)),
        ("pearson", numbers.map(|of| of.pearson)),
        ("spearman", numbers.map(|of| of.spearman)),
        ("mse", numbers.map(|of| of.mse)),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Means of equally many points that follow each other, where there are more than a picture shows.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let each = points.len().div_ceil(MOST_POINTS).max(1);
    let mean = |part: &[[f64; 2]]| {
        let sum = part.iter().fold([0.0, 0.0], |sum, point| [sum[0] + point[0], sum[1] + point[1]]);
        sum.map(|sum| sum / part.len() as f64)
    };
    points.chunks(each).map(mean).collect()
}

fn maps(grid: &PrefixGrid, run: &str) -> Vec<Picture> {
    let numbers = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
    let all = match grid.is_prompt {
        true => vec![(t!("report.slot_norms"), &grid.key_norm), (t!("report.slot_change"), &grid.key_change)],
        false => vec![
            (t!("report.key_norms"), &grid.key_norm),
            (t!("report.value_norms"), &grid.value_norm),
            (t!("report.key_change"), &grid.key_change),
            (t!("report.value_change"), &grid.value_change),
        ],
    };
    let drawn = |(title, values): (&str, &Vec<f32>)| {
        let map = HeatMap {
            title: title.to_owned(),
            x: t!("report.position").to_owned(),
            y: t!("report.layer").to_owned(),
            columns: grid.n_virtual,
            values: numbers(values),
        };
        let height = 104 + (grid.n_layers as u32 * 24).clamp(48, 560);
        Picture { svg: heat_svg(&map, Theme::Page, (480, height)), caption: run.to_owned() }
    };
    all.into_iter().filter(|(_, values)| values.len() == grid.n_layers * grid.n_virtual).map(drawn).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_curve_keeps_its_course_in_fewer_points() {
        let long: Vec<[f64; 2]> = (0..10_000).map(|step| [f64::from(step), f64::from(step) * 2.0]).collect();
        let thin = thinned(&long);
        assert!(thin.len() <= MOST_POINTS && thin.iter().all(|[x, y]| (y - 2.0 * x).abs() < 1e-6));
        assert_eq!(thinned(&long[..7]), long[..7]);
        assert!(thinned(&[]).is_empty());
    }

    #[test]
    fn a_prefix_has_a_map_of_each_norm_that_is_known() {
        let norms = vec![1.0; 6];
        let grid = PrefixGrid {
            n_layers: 2,
            n_virtual: 3,
            key_norm: norms.clone(),
            value_norm: norms.clone(),
            ..PrefixGrid::default()
        };
        assert_eq!(maps(&grid, "a").len(), 2);
        assert_eq!(
            maps(&PrefixGrid { key_change: norms.clone(), value_change: norms.clone(), ..grid.clone() }, "a").len(),
            4
        );
        assert_eq!(maps(&PrefixGrid { is_prompt: true, ..grid }, "a").len(), 1, "both norms are the slot's");
    }
}
