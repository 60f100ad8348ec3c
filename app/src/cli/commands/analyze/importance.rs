//! What `analyze` prints of importance and of something left out. Layers, heads and slots are counted from 1.

use engine::analysis::{AblationReport, ImportanceReport, LayerImportance, ShorterReport};

use crate::cli::support::out;
use crate::format;

/// Slots shown, the most important first.
const SHOWN: usize = 20;

/// Slots, layers, and what fewer slots cost.
pub(super) fn importance(report: &ImportanceReport) {
    for &slot in report.order.iter().take(SHOWN) {
        let found = &report.slots[slot];
        let left_out = found.left_out.map(|change| format!("  left out {change:+.5}")).unwrap_or_default();
        out::result(format_args!(
            "slot {:>4}  importance {:.5}  expected {:+.5}{left_out}",
            slot + 1,
            found.importance,
            found.expected
        ));
    }
    if report.order.len() > SHOWN {
        out::note(format_args!("{SHOWN} of {} slots; --json has all", report.order.len()));
    }
    report.layers.iter().for_each(layer);
    for step in &report.pruned {
        let change = step.loss - report.loss;
        out::result(format_args!("best {:>4} slots  loss {:.4}  {change:+.4}", step.slots, step.loss));
    }
    out::note(
        "expected: the change of the loss that a gate tells; left out: the change without the slot, in nats per label",
    );
    if let Some(found) = &report.agreement {
        let number = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |value| format!("{value:.2}"));
        out::note(format_args!(
            "expected and left out agree with Pearson {}, Spearman {} over {} slots; importance with the size of the change: \
             Spearman {}",
            number(found.pearson),
            number(found.spearman),
            found.slots,
            number(found.spearman_of_size)
        ));
    }
    out::note(format_args!("loss {:.4}; {} rows, {} labels", report.loss, report.rows, format::count(report.labels)));
}

/// The cost of fewer slots, a number of slots a line.
pub(super) fn shorter(report: &ShorterReport) {
    for size in &report.sizes {
        out::result(format_args!(
            "{:>4} slots  fitted {:.4}  {:+.4}  best {:.4}  {:+.4}  error {:.3} of {:.3}",
            size.slots,
            size.matched,
            size.matched - report.loss,
            size.pruned,
            size.pruned - report.loss,
            size.error,
            size.error_unfitted
        ));
    }
    out::note(
        "error: how far what heads read of the slots is from before, as a share: fitted, and of the same keys as they were",
    );
    let (rows, labels) = (report.rows, format::count(report.labels));
    out::note(format_args!("loss {:.4} with {} slots; {rows} rows, {labels} labels", report.loss, report.n_slots));
}

/// A layer a line: its slots and heads together, and the most important of each.
fn layer(layer: &LayerImportance) {
    let first = |values: &[f64]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        let one = |&at: &usize| format!("{} ({:.5})", at + 1, values[at]);
        order.iter().take(3).map(one).collect::<Vec<_>>().join(", ")
    };
    out::result(format_args!(
        "{:<28} sum {:.5}  slots {}  heads {}",
        layer.name,
        layer.slots.iter().sum::<f64>(),
        first(&layer.slots),
        first(&layer.heads)
    ));
}

/// Loss and text, with and without.
pub(super) fn ablation(report: &AblationReport) {
    let change = report.without - report.loss;
    out::result(format_args!("loss with the adapter     {:.4}", report.loss));
    out::result(format_args!("loss without that part    {:.4}  {change:+.4}", report.without));
    if let Some(base) = report.base {
        out::result(format_args!("loss of the base model    {base:.4}"));
    }
    if !report.text.is_empty() || !report.text_without.is_empty() {
        out::result(format_args!("prompt                    {:?}", format::shortened(&report.prompt, 120)));
        out::result(format_args!("written with the adapter  {:?}", report.text));
        out::result(format_args!("written without that part {:?}", report.text_without));
    }
    out::note(format_args!("{} rows, {} labels; greedy", report.rows, format::count(report.labels)));
}
