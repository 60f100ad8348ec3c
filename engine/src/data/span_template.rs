//! The short form of P-tuning's templates: `(3, sub, 3, obj, 3)` is three soft tokens, the column `sub`, three, the column
//! to be told, three. Liu et al. 2021, "GPT Understands, Too"; THUDM/P-tuning: LAMA/p_tuning/modeling.py.

use crate::config::{DataConfig, MethodConfig, RunConfig, Task};
use crate::error::{EngineError, Result};
use crate::{Sentence, sentence};

/// One entry of a short form.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Span {
    /// Number of soft tokens.
    Soft(usize),
    /// Words that stand there in every row, in quotes.
    Words(String),
    Column(String),
}

/// The configuration with what is short in it written out: names of datasets that are tasks; P-tuning's form as prompt template, columns and number of soft tokens. The last
/// column is the one to be told. Where masks are filled, which `task` has to say, a mask stands in its place; elsewhere it
/// is written behind the prompt, and nothing can stand behind it.
///
/// # Errors
/// [`EngineError::Setting`] for a form that cannot be read, or soft tokens behind a text that is written.
pub fn settled(mut config: RunConfig) -> Result<RunConfig> {
    config.data = config.data.for_task(config.task);
    let MethodConfig::Prompt(prompt) = &mut config.method else { return Ok(config) };
    if prompt.tasks.is_some() && config.data.task_column.is_none() {
        // The tasks keep their names when files are moved, or others are evaluated.
        config.data.name = Some(config.data.name_of_rows());
        for more in &mut config.data.more {
            more.name = Some(more.name_of_rows());
        }
    }
    let Some(form) = prompt.template.take() else { return Ok(config) };
    let wrong = |reason: Sentence| EngineError::Setting { field: "method.template", reason };
    let spans = spans(&form).map_err(wrong)?;
    let target = spans.iter().rposition(|span| matches!(span, Span::Column(_)));
    let target = target.ok_or_else(|| wrong(sentence!("it names no column; write (3, source, 3, target)")))?;
    let masks = config.task == Some(Task::MaskedFill);
    let mut template = String::new();
    let mut columns = Vec::new();
    prompt.n_virtual = 0;
    for (index, span) in spans.iter().enumerate() {
        if index > target && !masks && *span != Span::Soft(0) {
            let reason = sentence!(
                "nothing can stand behind a text that is written; masks are filled with task = \"masked_fill\""
            );
            return Err(wrong(reason.to_owned()));
        }
        match span {
            Span::Soft(0) => {}
            Span::Soft(n) => {
                prompt.n_virtual += n;
                template.push_str(&format!("{{{{ soft({n}) }}}}"));
            }
            Span::Words(words) => template.push_str(words),
            Span::Column(name) if index == target => {
                set_target(&mut config.data, name);
                template.push_str(if masks { "{{ mask }}" } else { "" });
            }
            Span::Column(name) => {
                columns.push(name.clone());
                template.push_str(&format!("{{{{ {name} }}}}"));
            }
        }
    }
    if let ([column], None) = (columns.as_slice(), &config.data.source_column) {
        config.data.source_column = Some(column.clone()).filter(|column| !ROLES.contains(&column.as_str()));
    }
    config.data.prompt_template = template;
    Ok(config)
}

/// Names that stand for columns which the data's own settings choose.
const ROLES: [&str; 2] = ["source", "target"];

fn set_target(data: &mut DataConfig, name: &str) {
    if data.target_column.is_none() && !ROLES.contains(&name) {
        data.target_column = Some(name.to_owned());
    }
}

fn spans(form: &str) -> Result<Vec<Span>, Sentence> {
    let inner = form.trim().strip_prefix('(').and_then(|form| form.strip_suffix(')'));
    let mut rest = inner.ok_or_else(|| sentence!("it stands in brackets: (3, source, 3, target)"))?.trim();
    let mut spans = Vec::new();
    while !rest.is_empty() {
        let end = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').map(|at| at + 2).ok_or(sentence!("a quote is not closed"))?,
            None => rest.find(',').unwrap_or(rest.len()),
        };
        let (entry, after) = rest.split_at(end);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if after.is_empty() => "",
            None => return Err(sentence!("a comma is missing before {after:?}", after)),
        };
        spans.push(span(entry.trim())?);
    }
    Ok(spans)
}

fn span(entry: &str) -> Result<Span, Sentence> {
    if let Some(words) = entry.strip_prefix('"').and_then(|entry| entry.strip_suffix('"')) {
        return match words.contains('{') {
            true => Err(sentence!("words are no template: {words:?}", words)),
            false => Ok(Span::Words(words.to_owned())),
        };
    }
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    match entry.parse() {
        Ok(n) if n <= 4096 => Ok(Span::Soft(n)),
        Ok(_) => Err(sentence!("{entry} soft tokens are more than 4096", entry)),
        Err(_) if !entry.is_empty() && entry.chars().all(is_name) => Ok(Span::Column(entry.to_owned())),
        Err(_) => Err(sentence!("{entry:?} is no number, no column and no words in quotes", entry)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::{HeadInit, PromptConfig, TrainingConfig};

    fn settle(form: &str, task: Option<Task>) -> Result<RunConfig> {
        let template = Some(form.to_owned());
        settled(RunConfig {
            name: String::new(),
            model: PathBuf::new(),
            device: crate::device::DeviceChoice::Cpu,
            precision: crate::nn::Precision::F32,
            quantization: crate::nn::Quantization::Stored,
            seed: 0,
            task,
            head: HeadInit::default(),
            data: DataConfig::new("x"),
            method: MethodConfig::Prompt(PromptConfig { template, ..PromptConfig::default() }),
            lora: None,
            weights: None,
            training: TrainingConfig::default(),
            generation: crate::config::Sampling::default(),
        })
    }

    #[test]
    fn the_papers_form_becomes_a_template() {
        let config = settle("(3, sub, \" was born in \", 2, obj, 1)", Some(Task::MaskedFill)).unwrap();
        let expected = "{{ soft(3) }}{{ sub }} was born in {{ soft(2) }}{{ mask }}{{ soft(1) }}";
        assert_eq!((config.data.prompt_template.as_str(), config.method.n_virtual()), (expected, 6));
        let columns = (config.data.source_column.as_deref(), config.data.target_column.as_deref());
        assert_eq!(columns, (Some("sub"), Some("obj")));
        let config = settle("(3,source,3,target,0)", None).unwrap();
        assert_eq!(config.data.prompt_template, "{{ soft(3) }}{{ source }}{{ soft(3) }}");
        assert_eq!((config.data.source_column.clone(), config.data.target_column.clone()), (None, None));
        assert_eq!(settled(config.clone()).unwrap(), config, "once is enough");
    }

    #[test]
    fn a_form_that_cannot_be_read_is_said() {
        let said = |form: &str| settle(form, None).unwrap_err().to_string();
        assert!(said("(3, sub, 3, obj, 3)").contains("masked_fill"));
        assert!(said("3, sub").contains("brackets"));
        assert!(said("(3, 3)").contains("no column"));
        assert!(said("(3, \"a, obj)").contains("quote"));
        assert!(said("(3 sub)").contains("3 sub"));
        assert!(said("(3, \"a\" obj)").contains("comma"));
        assert!(said("(9999, obj)").contains("4096"));
    }
}
