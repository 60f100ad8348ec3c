//! Evaluation by what is written: texts of a whole file of rows, kept line by line, and figures of them.
//!
//! ```text
//! test.jsonl   {"row": 1, "source": …, "prediction": …, "references": [ … ]} for each source
//! test.json    how they were made, and their figures
//! ```

mod predictions;
mod record;
mod scoring;
mod wordnet;

pub use self::predictions::{PredictedRow, PredictionFile, file_name, read_predictions};
pub use self::record::{EvaluationRecord, EvaluationSettings, FOLDER, kept_evaluations, record_of};
pub use self::scoring::{
    GroupFigures, MetricFigure, Predicted, ScoredPredictions, ScoredRow, Scoring, check_metrics, score_texts,
    usual_metrics,
};
pub use self::wordnet::{no_synonyms, resources};
