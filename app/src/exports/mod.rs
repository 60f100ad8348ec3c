//! Runs for other programs: steps as CSV, everything as JSON, scalars for TensorBoard, curves as SVG and PNG.

mod tables;
pub mod tensorboard;

use std::path::{Path, PathBuf};

use engine::error::{EngineError, Failure, IoAction};
use engine::files::write_whole;
use engine::sentence;
use serde_json::{Value, json};

use crate::charts::{Theme, png, svg};
use crate::report::{RunRecord, curves, loss_chart};

/// Size of a picture of curves.
const SIZE: (u32, u32) = (960, 540);

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A line for each step.
    Csv,
    /// Settings, figures, curves.
    Json,
    /// Event files.
    TensorBoard,
    /// Curves.
    Svg,
    /// Curves.
    Png,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Csv, Self::Json, Self::TensorBoard, Self::Svg, Self::Png];

    /// By the ending of a file; `None` for another, which is then a folder.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "svg" => Some(Self::Svg),
            "png" => Some(Self::Png),
            _ => None,
        }
    }
}

/// Writes runs to one file of a form, all together.
///
/// # Errors
/// The file cannot be written, or the form is of several files.
pub fn to_file(runs: &[RunRecord], form: Form, to: &Path) -> Result<(), Failure> {
    let bytes = match form {
        Form::Csv => tables::steps(runs)?,
        Form::Json => pretty(&Value::Array(runs.iter().map(whole).collect())),
        Form::Svg => svg(&loss_chart(runs), Theme::Light, SIZE).into_bytes(),
        Form::Png => picture(&svg(&loss_chart(runs), Theme::Light, SIZE))?,
        Form::TensorBoard => {
            return Err(Failure {
                what: sentence!("event files of TensorBoard are several"),
                advice: sentence!("Name a folder"),
            });
        }
    };
    write_whole(to, &bytes).map_err(|error| Failure::from(&error))
}

/// Writes each run into a folder of its own below `to`, in these forms; answers with the files.
///
/// # Errors
/// A file cannot be written.
pub fn to_folder(runs: &[RunRecord], forms: &[Form], to: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut written = Vec::new();
    for run in runs {
        let folder = to.join(&run.row.id.0);
        make(&folder)?;
        for form in forms {
            written.extend(one(run, *form, &folder)?);
        }
    }
    Ok(written)
}

fn one(run: &RunRecord, form: Form, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let alone = std::slice::from_ref(run);
    let mut written = Vec::new();
    let mut write = |name: &str, bytes: &[u8]| -> Result<(), Failure> {
        let path = folder.join(name);
        write_whole(&path, bytes).map_err(|error| Failure::from(&error))?;
        written.push(path);
        Ok(())
    };
    match form {
        Form::Csv => write("metrics.csv", &tables::steps(alone)?)?,
        Form::Json => write("run.json", &pretty(&whole(run)))?,
        Form::TensorBoard => {
            let name = tensorboard::file_name(run);
            for (part, scalars) in tensorboard::scalars(run) {
                let folder = folder.join(part);
                make(&folder)?;
                write(&format!("{part}/{name}"), &tensorboard::event_file(tensorboard::begin(run), &scalars))?;
            }
        }
        Form::Svg | Form::Png => {
            for (at, chart) in curves(alone).iter().enumerate() {
                let drawn = svg(chart, Theme::Light, SIZE);
                let name = if at == 0 { "loss".to_owned() } else { format!("figure-{at}") };
                match form {
                    Form::Svg => write(&format!("{name}.svg"), drawn.as_bytes())?,
                    _ => write(&format!("{name}.png"), &picture(&drawn)?)?,
                }
            }
        }
    }
    Ok(written)
}

fn make(folder: &Path) -> Result<(), Failure> {
    let made = std::fs::create_dir_all(folder);
    let failed = |source| EngineError::Io { action: IoAction::Create, path: folder.to_owned(), source };
    made.map_err(|error| Failure::from(&failed(error)))
}

fn picture(svg: &str) -> Result<Vec<u8>, Failure> {
    png(svg).map_err(|what| Failure { what, advice: sentence!("Write it as SVG") })
}

/// All that is known of a run.
fn whole(run: &RunRecord) -> Value {
    json!({
        "run": run.row, "config": run.config, "facts": run.facts, "origin": run.origin, "series": run.series,
        "evaluations": run.evaluations, "samples": run.samples, "kept_evaluations": run.kept,
    })
}

fn pretty(value: &Value) -> Vec<u8> {
    let mut text = format!("{value:#}");
    text.push('\n');
    text.into_bytes()
}
