//! `analyze --what forgetting`: a strength a line.

use clap::Args;
use engine::analysis::{Forgetting, Question};

use crate::cli::support::out;

/// What forgetting is measured at.
#[derive(Debug, Args)]
pub(super) struct ForgettingArgs {
    /// For forgetting: strengths from 0 to 2; 0 to 1.5 in quarters without it
    #[arg(long, value_name = "S,…", value_delimiter = ',')]
    strengths: Vec<f64>,
}

impl ForgettingArgs {
    pub(super) fn question(self) -> Question {
        Question::Forgetting { strengths: self.strengths }
    }
}

/// A strength a line: the loss, how much it rises, and how far the model lies from the base.
pub(super) fn print(report: &Forgetting) {
    for point in &report.points {
        out::result(format_args!(
            "strength {:<4}  loss {:.4}  beside the base {:+.4} ± {:.4}  KL {:.4}",
            point.strength, point.loss, point.rise, point.rise_se, point.kl
        ));
    }
    if !report.left_out.is_empty() {
        let left_out: Vec<String> = report.left_out.iter().map(f64::to_string).collect();
        out::note(format_args!("Such an adapter has no strength {}", left_out.join(", ")));
    }
    out::note(format_args!(
        "{} texts, {} tokens; nats per token, ± one standard error over texts; the base model's loss is {:.4}",
        report.texts, report.tokens, report.base_loss
    ));
}
