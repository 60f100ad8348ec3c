//! Which way a figure is better.

use engine::metrics::Metric;

/// Columns of which less is better: losses, sizes and times.
const COSTS: [&str; 6] = ["loss", "last", "minutes", "duration", "trained", "stored"];
/// Parts of names of figures that count errors; metrics of ours say it themselves.
const ERRORS: [&str; 9] = ["loss", "perplexity", "error", "ppl", "wer", "cer", "secs", "nll", "mse"];

/// Whether less is better of a figure: losses, perplexities, error rates, sizes, times.
pub fn less_is_better(figure: &str) -> bool {
    let key = super::Key::of(figure);
    if !key.is_other() {
        let full = key.full();
        // Of settings that are sizes, as a cost.
        return COSTS.contains(&full) || ["method.n_virtual", "prefix", "method.rank", "lora.rank"].contains(&full);
    }
    let last = figure.rsplit('/').next().unwrap_or(figure).to_lowercase();
    let name = last.strip_prefix("eval_").unwrap_or(&last);
    match Metric::named(name) {
        Ok(metric) => !metric.higher_is_better,
        Err(_) => name.split(|c: char| !c.is_alphanumeric()).any(|part| ERRORS.contains(&part)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_errors_sizes_and_times_are_better_when_less() {
        let less = ["loss", "val", "last", "perplexity", "test/perplexity", "ter", "minutes", "trained", "stored"];
        for figure in less.into_iter().chain([
            "test/ter",
            "wer",
            "validation loss",
            "bits_per_byte",
            "eval_loss",
            "mse",
            "n_virtual",
        ]) {
            assert!(less_is_better(figure), "{figure}");
        }
        for figure in
            ["accuracy", "eval_accuracy", "macro_f1", "test/bleu", "rouge_l", "mrr", "p_at_1", "learning_rate", "seed"]
        {
            assert!(!less_is_better(figure), "{figure}");
        }
    }
}
