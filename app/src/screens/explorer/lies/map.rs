//! Slots among tokens on a plane: where they began, the way they went, and where they are.

use egui::{Slider, Ui};
use engine::analysis::{MapReport, PrefixGrid, Question};

use super::super::layer;
use super::super::lines::{legend_ui, sentence_ui};
use super::super::looking::{Choices, note_ui};
use super::side_ui;
use crate::charts::{Axis, Chart, Mark, Picture, Series};
use crate::screens::saving::sheet::number;
use crate::t;
use crate::theme::{self, tokens};
use crate::widgets::chart_plot::{Look, Plotted, chart_ui};
use crate::widgets::field;

/// Tokens on the map.
const TOKENS: usize = 400;
const HEIGHT: f32 = 420.0;

/// What a series of the map is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Tokens,
    Way,
    Start,
    Slots,
    Other,
}

pub(in crate::screens::explorer) fn question(choices: &Choices) -> Question {
    Question::Map { layer: choices.map_layer, side: choices.side(), vocabulary: TOKENS }
}

/// Draws the choice of a layer, and of keys or values.
pub(in crate::screens::explorer) fn asking_ui(ui: &mut Ui, choices: &mut Choices, grid: &PrefixGrid) {
    choices.map_layer = choices.map_layer.min(grid.n_layers.saturating_sub(1));
    ui.horizontal_wrapped(|ui| {
        if grid.n_layers > 1 {
            let names = layers_of(grid);
            let layers: Vec<(usize, String)> = names.into_iter().enumerate().collect();
            ui.scope(|ui| {
                ui.set_max_width(220.0);
                field::field_ui(ui, t!("insight.map_layer"), "", None, |ui| {
                    field::choice_ui(ui, "layer of the map", &mut choices.map_layer, &layers);
                });
            });
        }
        side_ui(ui, choices, grid);
    });
    ui.add_space(theme::SMALL_GAP);
}

/// Names of all layers, over the places of a model with two stacks.
fn layers_of(grid: &PrefixGrid) -> Vec<String> {
    let of = |(site, n): &(engine::models::Site, usize)| {
        (0..*n).map(|number| layer::long(&format!("{}.{number}", site.name()))).collect::<Vec<_>>()
    };
    let named: Vec<String> = if grid.sites.len() > 1 { grid.sites.iter().flat_map(of).collect() } else { Vec::new() };
    let plain = |number: usize| t!("insight.layer", layer = number + 1);
    (0..grid.n_layers).map(|number| named.get(number).cloned().unwrap_or_else(|| plain(number))).collect()
}

/// Draws the map, with a slider over the checkpoints.
pub(in crate::screens::explorer) fn map_ui(ui: &mut Ui, choices: &mut Choices, who: &str, report: &MapReport) {
    let n = report.trajectory.len();
    let at = shown(choices, report);
    if n > 0 {
        let mut place = at.unwrap_or(n);
        ui.scope(|ui| {
            ui.set_max_width(360.0);
            field::field_ui(ui, t!("insight.map_checkpoint"), t!("insight.map_checkpoint_help"), None, |ui| {
                ui.spacing_mut().slider_width = (ui.available_width() - 8.0).max(80.0);
                if ui.add(Slider::new(&mut place, 0..=n).show_value(false)).changed() {
                    choices.map_at = (place < n).then_some(place);
                }
            });
        });
    }
    sentence_ui(ui, &moment(report, at));
    let (chart, kinds) = chart(report, at, String::new());
    let t = tokens(ui);
    let look = |kind: &Kind| match kind {
        Kind::Tokens => Look { color: t.faint, width: 0.0, radius: 1.8, dashed: false, found: true },
        Kind::Way => {
            Look { color: t.accent.gamma_multiply(0.35), width: 1.0, radius: 0.0, dashed: false, found: false }
        }
        Kind::Start => Look { color: t.warn, width: 0.0, radius: 3.0, dashed: false, found: true },
        Kind::Slots => Look { color: t.accent, width: 0.0, radius: 4.5, dashed: false, found: true },
        Kind::Other => Look { color: t.second, width: 0.0, radius: 4.0, dashed: false, found: true },
    };
    let looks: Vec<Look> = kinds.iter().map(look).collect();
    ui.horizontal_wrapped(|ui| {
        for (kind, look) in kinds.iter().zip(&looks).filter(|(kind, _)| **kind != Kind::Way) {
            legend_ui(ui, look.color, kind.name());
        }
    });
    let label = format!("{who}{}", t!("insight.map_plot"));
    // Another layer is another map: no zoom is left over.
    let key = format!("{} {:?}", report.name, report.side);
    let plotted = Plotted { label: &label, key: &key, chart: &chart, looks: &looks, height: HEIGHT, empty: "" };
    chart_ui(ui, plotted, |series, point| kinds.get(series).map_or(String::new(), |kind| kind.said(report, point)));
    let sum = |shares: &[f64]| format!("{:.1}", 100.0 * shares.iter().take(2).sum::<f64>());
    let chance = report.explained_by_chance;
    let line = t!(
        "insight.map_shares",
        slots = sum(&report.explained_of_slots),
        tokens = sum(&report.explained_of_tokens),
        n = report.cloud.len(),
        chance = format!("{:.1}", 100.0 * chance.mean),
        sd = format!("{:.1}", 100.0 * chance.sd)
    );
    note_ui(ui, &line);
}

/// The checkpoint that is shown, by its place; `None` is now.
fn shown(choices: &Choices, report: &MapReport) -> Option<usize> {
    choices.map_at.filter(|at| *at < report.trajectory.len())
}

fn moment(report: &MapReport, at: Option<usize>) -> String {
    let place = if report.is_prompt { t!("insight.embeddings").to_owned() } else { layer::long(&report.name) };
    match at.and_then(|at| report.trajectory.get(at)) {
        Some(step) => t!("insight.map_step", layer = place, step = step.step),
        None => t!("insight.map_now", layer = place),
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Tokens => t!("insight.map_tokens"),
            Self::Start => t!("insight.map_start"),
            Self::Slots => t!("insight.map_slots"),
            Self::Other => t!("insight.map_other"),
            Self::Way => "",
        }
    }

    /// A point of the series in words.
    fn said(self, report: &MapReport, at: usize) -> String {
        match self {
            Self::Tokens => report.cloud.get(at).map_or(String::new(), |token| token.text.clone()),
            Self::Start => t!("insight.map_slot_start", slot = at + 1),
            Self::Slots | Self::Way => t!("insight.slot", slot = at + 1),
            Self::Other => t!("insight.map_slot_other", slot = at + 1),
        }
    }
}

fn point(place: &[f64]) -> [f64; 2] {
    [place.first().copied().unwrap_or(f64::NAN), place.get(1).copied().unwrap_or(0.0)]
}

/// Everything on the map, with what each series is of; what is later than the checkpoint is not on it.
fn chart(report: &MapReport, at: Option<usize>, title: String) -> (Chart, Vec<Kind>) {
    let now = at.and_then(|at| report.trajectory.get(at)).map_or(&report.slots, |step| &step.slots);
    let points = |places: &[Vec<f64>]| places.iter().map(|place| point(place)).collect::<Vec<_>>();
    let cloud: Vec<[f64; 2]> = report.cloud.iter().map(|token| point(&token.place)).collect();
    let mut found = vec![(Kind::Tokens, cloud)];
    found.extend(report.other.iter().map(|other| (Kind::Other, points(other))));
    // The way to an adapter that is itself one of the checkpoints ends there: later ones are not on it.
    let end = at.or_else(|| report.trajectory.iter().position(|step| step.slots == report.slots));
    for slot in 0..report.slots.len() {
        let steps = report.trajectory.iter().take(end.map_or(usize::MAX, |end| end + 1)).map(|step| &step.slots);
        let way = report.start.iter().chain(steps).chain(end.is_none().then_some(&report.slots));
        let way: Vec<[f64; 2]> = way.filter_map(|slots| slots.get(slot)).map(|place| point(place)).collect();
        if way.len() > 1 {
            found.push((Kind::Way, way));
        }
    }
    found.extend(report.start.iter().map(|start| (Kind::Start, points(start))));
    found.push((Kind::Slots, points(now)));
    let mark = |kind: Kind| if kind == Kind::Way { Mark::Line } else { Mark::Points };
    let (kinds, series) = found
        .into_iter()
        .map(|(kind, points)| {
            (kind, Series { name: kind.name().into(), points, mark: mark(kind), ..Series::default() })
        })
        .unzip();
    let axis = |n: usize| Axis { label: t!("insight.axis_direction", n = n), ..Axis::default() };
    (Chart { title, x: axis(1), y: axis(2), series }, kinds)
}

pub(in crate::screens::explorer) fn table(report: &MapReport) -> (&'static [&'static str], Vec<Vec<String>>) {
    let row = |what: &str, step: String, name: String, place: &[f64]| {
        let [x, y] = point(place);
        vec![what.to_owned(), step, name, number(x), number(y)]
    };
    let of = |what: &str, step: &str, slots: &[Vec<f64>]| {
        let one = |(slot, place): (usize, &Vec<f64>)| row(what, step.to_owned(), (slot + 1).to_string(), place);
        slots.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    let mut rows = of("slot", "now", &report.slots);
    rows.extend(report.start.iter().flat_map(|start| of("slot", "start", start)));
    rows.extend(report.trajectory.iter().flat_map(|step| of("slot", &step.step.to_string(), &step.slots)));
    rows.extend(report.other.iter().flat_map(|other| of("other", "", other)));
    rows.extend(report.cloud.iter().map(|token| row("token", String::new(), token.text.clone(), &token.place)));
    (&["what", "step", "name", "x", "y"], rows)
}

pub(in crate::screens::explorer) fn picture(choices: &Choices, report: &MapReport, title: String) -> Picture {
    let at = shown(choices, report);
    Picture::Chart(chart(report, at, format!("{title} · {}", moment(report, at))).0)
}

#[cfg(test)]
mod tests {
    use engine::analysis::{MapStep, MapToken, Side, Spread};

    use super::*;

    fn report() -> MapReport {
        let step = |step: usize| MapStep { step, slots: vec![vec![step as f64, 1.0]] };
        MapReport {
            layer: 0,
            name: "blocks.0".into(),
            side: Side::Key,
            is_prompt: false,
            explained_of_slots: vec![0.5, 0.25],
            explained_of_tokens: vec![0.1],
            explained_by_chance: Spread::default(),
            slots: vec![vec![30.0, 1.0]],
            start: Some(vec![vec![0.0, 0.0]]),
            trajectory: vec![step(10), step(20)],
            other: None,
            cloud: vec![MapToken { id: 1, text: "a".into(), place: vec![2.0] }],
        }
    }

    #[test]
    fn the_way_ends_at_the_checkpoint_that_is_shown() {
        let way = |at| {
            let (chart, kinds) = chart(&report(), at, String::new());
            let place = kinds.iter().position(|kind| *kind == Kind::Way).unwrap();
            (chart.series[place].points.clone(), chart.series.last().unwrap().points[0])
        };
        assert_eq!(way(Some(0)), (vec![[0.0, 0.0], [10.0, 1.0]], [10.0, 1.0]));
        assert_eq!(way(None).0.len(), 4);
        assert_eq!(way(None).1, [30.0, 1.0]);
        // The first of the checkpoints is looked at: the way does not go on to the second and back.
        let early = MapReport { slots: vec![vec![10.0, 1.0]], ..report() };
        let (chart, kinds) = chart(&early, None, String::new());
        let place = kinds.iter().position(|kind| *kind == Kind::Way).unwrap();
        assert_eq!(chart.series[place].points, [[0.0, 0.0], [10.0, 1.0]]);
    }

    #[test]
    fn a_table_has_slots_at_each_step_and_tokens() {
        let (head, rows) = table(&report());
        assert!(rows.iter().all(|row| row.len() == head.len()));
        assert_eq!(rows.iter().map(|row| row[1].as_str()).collect::<Vec<_>>(), ["now", "start", "10", "20", ""]);
    }
}
