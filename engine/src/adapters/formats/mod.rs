//! The forms in which adapters are kept: PEFT's folder, the workbench's own, and those of other programs. Here alone all of
//! them are known.

mod chatglm;
pub mod import;
mod llama_cpp;
pub mod lookalike;
pub mod peft;
pub mod programs;
mod vllm;

pub(crate) mod native;
pub(crate) mod tensors;

use std::path::Path;

use self::import::Source;
use self::lookalike::{Lookalike, no_adapter};
use self::native::{by_site, few_shot, full_weights, multi_part, placement};
use crate::adapters::methods::PartState;
use crate::adapters::methods::prefix::PrefixState;
use crate::adapters::state::AdapterState;
use crate::config::{MethodConfig, Task};
use crate::error::{EngineError, Result, json_reason};
use crate::file_kind::refuse_other;
use crate::files::{self, Kind};
use crate::models::{ModelShape, Site};
use crate::{Sentence, sentence};

/// The form in which an adapter is kept at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A folder of PEFT's or of the workbench's own.
    Folder,
    /// A form of another program.
    Import(Source),
}

/// Says what keeps the adapter at a path.
///
/// # Errors
/// There is none, or a file is damaged or asks to run something.
pub fn detect(path: &Path) -> Result<Format> {
    if is_of_peft(path) {
        return Ok(Format::Folder);
    }
    if let Some(is @ (Lookalike::Rows | Lookalike::Absent)) = Lookalike::of(path).filter(|_| !path.is_dir()) {
        return Err(EngineError::Lookalike { is, path: path.to_owned() });
    }
    let source = import::detect(path)?;
    source.map(Format::Import).ok_or_else(|| no_adapter(path))
}

/// Reads an adapter of any form, and says in a sentence what was found. `like` are the sites of the model it is for; other
/// programs keep no sizes without them.
///
/// # Errors
/// It is of no known form, damaged, or of a kind that is not used here.
pub fn open(path: &Path, like: Option<&[(Site, ModelShape)]>) -> Result<(AdapterState, Sentence)> {
    match (detect(path)?, like) {
        (Format::Folder, like) => {
            let adapter = read(path, like)?;
            let sentence = adapter.describe(&sentence!("PEFT's form"));
            Ok((adapter, sentence))
        }
        (Format::Import(_), Some(sites)) => {
            let (imported, _, sentence) = import::read(path, sites)?;
            Ok((imported.adapter(sites), sentence))
        }
        (Format::Import(source), None) => Err(EngineError::AdapterMismatch {
            reason: sentence!(
                "{source} keeps no sizes, so it can only be read for a model",
                source = source.sentence()
            ),
        }),
    }
}

/// Reads an adapter folder, PEFT's or ours. `like` are the sites of the model it is for; they say what the files do not:
/// sizes, and whether PEFT's prefix stands in an encoder. Where nobody says, it stands in a decoder.
///
/// # Errors
/// A file is missing or damaged, or of a kind that is not used here.
pub fn read(folder: &Path, like: Option<&[(Site, ModelShape)]>) -> Result<AdapterState> {
    let path = folder.join("adapter_config.json");
    if !path.is_file() {
        return Err(no_adapter(folder));
    }
    let text = files::read_to_string(&path, Kind::Settings)?;
    refuse_other(sentence!("the adapter's configuration"), &path, text.as_bytes())?;
    let json: serde_json::Value = serde_json::from_str(&text).map_err(|e| malformed(&path, json_reason(&e)))?;
    let read = match json.get("peft_type").and_then(serde_json::Value::as_str) {
        Some(by_site::KIND) => by_site::read(folder, json),
        Some(multi_part::KIND) => multi_part::read(folder, &json, |part| read(part, like)),
        Some(few_shot::KIND) => few_shot::read(folder, json),
        Some(full_weights::KIND) => full_weights::read(folder, json),
        Some(kind) if peft::KINDS.contains(&kind) => peft::read(folder, json, like),
        other => Err(EngineError::AdapterType(other.unwrap_or("without a peft_type").to_owned())),
    }?;
    read.task.check().map_err(|reason| malformed(&path, reason))?;
    Ok(AdapterState { placement: placement::read(folder)?, ..read })
}

/// Reads an adapter folder for a model with these sites.
///
/// # Errors
/// As [`read`]; or it does not fit the model.
pub fn read_for(folder: &Path, sites: &[(Site, ModelShape)]) -> Result<AdapterState> {
    let adapter = read(folder, Some(sites))?;
    adapter.check_fits(sites)?;
    Ok(adapter)
}

/// Writes the folder exactly: in PEFT's form, for an encoder with a decoder in ours. `config` is the method that trained it,
/// where that is known.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(adapter: &AdapterState, folder: &Path, config: Option<&MethodConfig>) -> Result<()> {
    match adapter.text() {
        _ if multi_part::is_of_several(adapter) => {
            multi_part::write(adapter, folder, |part, to| write(part, to, config))?;
        }
        Some(text) => few_shot::write(adapter, text, folder)?,
        None => write_alone(adapter, folder, config)?,
    }
    placement::write(&adapter.placement, folder)
}

/// An adapter of one method.
fn write_alone(adapter: &AdapterState, folder: &Path, config: Option<&MethodConfig>) -> Result<()> {
    let prefix_config = config.and_then(MethodConfig::prefix);
    if let Some(prompt) = adapter.prompt() {
        return peft::prompt::write(adapter, prompt, folder, config);
    }
    if let Some(lora) = adapter.lora() {
        return peft::lora::write(adapter, lora, folder);
    }
    let prefixes: Vec<&PrefixState> = adapter.prefixes().collect();
    match prefixes.as_slice() {
        [] => full_weights::write(adapter, folder),
        [prefix] if adapter.task.task != Task::Seq2Seq => peft::write(adapter, prefix, folder, prefix_config),
        _ => by_site::write(adapter, folder, prefix_config),
    }
}

/// Writes the folder for PEFT, if PEFT has a place for every site; otherwise as [`write()`]. A name that ends in `.bin` is that
/// of a file for ChatGLM. What does not come out exactly, or
/// for a model of this architecture not at all, is said in a sentence.
///
/// # Errors
/// The folder cannot be written to.
pub fn export(adapter: &AdapterState, folder: &Path, architecture: Option<&str>) -> Result<Option<Sentence>> {
    if chatglm::is_for(folder) {
        return chatglm::write(adapter, folder, architecture);
    }
    let inexact = export_for_peft(adapter, folder)?;
    let prefix = architecture.filter(|_| !adapter.sites().is_empty());
    let unusable = prefix.and_then(placement::unusable_in_peft);
    let elsewhere = placement::elsewhere(&adapter.placement, adapter.n_virtual());
    Ok(Sentence::clauses(unusable.into_iter().chain(inexact).chain(elsewhere)))
}

fn export_for_peft(adapter: &AdapterState, folder: &Path) -> Result<Option<Sentence>> {
    if multi_part::is_of_several(adapter) {
        write(adapter, folder, None)?;
        return Ok(Some(sentence!(
            "PEFT trains one method at a time: the folder is in the workbench's own form, with a folder below for each part"
        )));
    }
    let is_prefix =
        |part: &PartState| matches!(part, PartState::Prefix(_) | PartState::Head(_) | PartState::FewShot(_));
    let sites = adapter.sites();
    if adapter.task.task != Task::Seq2Seq || sites.is_empty() || !adapter.parts.iter().all(is_prefix) {
        write(adapter, folder, None)?;
        return Ok(None);
    }
    let alone = adapter.prefix_at(Site::Decoder).filter(|_| sites.len() == 1);
    let Some(prefix) = alone else {
        write(adapter, folder, None)?;
        return Ok(Some(sentence!(
            "PEFT has no place for a prefix of the encoder or of cross-attention: the folder is in the workbench's own form"
        )));
    };
    let (stored, exact) = peft::gather(prefix);
    peft::write(adapter, &stored, folder, None)?;
    placement::write(&adapter.placement, folder)?;
    let half = prefix.shape.n_layers / 2;
    let sentence = || {
        sentence!(
            "PEFT gives layers i and i + {half} of this model one pair between them: each holds the mean of two that \
             differ, and computes something else than here",
            half
        )
    };
    Ok((!exact).then(sentence))
}

/// The adapters library has a file of the same name, without the type.
fn is_of_peft(path: &Path) -> bool {
    let text = files::read_to_string(&path.join("adapter_config.json"), Kind::Settings).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    // A folder that is damaged there is still said to be so by what reads it.
    let is_damaged = text.is_empty() && path.join("adapter_model.safetensors").is_file();
    is_damaged || json.get("peft_type").is_some()
}

pub(crate) fn malformed(path: &Path, reason: Sentence) -> EngineError {
    EngineError::Malformed { what: sentence!("the adapter"), path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::{PrefixPlacement, PrefixShape};
    use crate::config::TaskRecord;
    use crate::nn::positions::PositionConvention;

    /// A prefix whose numbers all differ.
    fn prefix(site: Site, n_layers: usize) -> PrefixState {
        let shape = PrefixShape { n_virtual: 2, n_layers, n_kv_heads: 1, d_head: 2 };
        PrefixState::new(site, shape, (0..shape.stored()).map(|i| i as f32).collect())
    }

    fn decoder_only(n_layers: usize) -> AdapterState {
        AdapterState::new(TaskRecord::of(Task::Seq2Seq), [prefix(Site::Decoder, n_layers)])
    }

    #[test]
    fn an_odd_number_of_layers_goes_through_peft_unchanged_and_an_even_one_is_said() {
        for (n_layers, exact) in [(1, true), (3, true), (4, false), (5, true)] {
            let folder = tempfile::tempdir().unwrap();
            let adapter = decoder_only(n_layers);
            let said = export(&adapter, folder.path(), None).unwrap();
            assert_eq!(said.is_none(), exact, "{n_layers} layers: {said:?}");
            let back = read(folder.path(), None).unwrap();
            let flat = |adapter: &AdapterState| adapter.prefixes().next().unwrap().flat.clone();
            assert_eq!(flat(&back) == flat(&adapter), exact, "{n_layers} layers");
            // What came from PEFT fits into PEFT, however many layers there are.
            assert_eq!(export(&back, folder.path(), None).unwrap(), None, "{n_layers} layers");
            let text = std::fs::read_to_string(folder.path().join("adapter_config.json")).unwrap();
            let json: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!((&json["num_transformer_submodules"], &json["task_type"]), (&2.into(), &"SEQ_2_SEQ_LM".into()));
        }
    }

    #[test]
    fn how_a_prefix_stands_in_its_model_comes_back_and_what_peft_would_do_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let plain = AdapterState { task: TaskRecord::default(), ..decoder_only(2) };
        for (layers, positions, words) in [
            (Some(vec![1]), PositionConvention::Shifted, "some layers have no prefix"),
            (None, PositionConvention::Infix, "between prompt and target"),
            (Some(vec![0]), PositionConvention::Infix, "between prompt and target"),
        ] {
            let adapter = AdapterState { placement: PrefixPlacement { positions, layers }, ..plain.clone() };
            let said = export(&adapter, folder.path(), None).unwrap().unwrap();
            assert!(said.to_string().contains(words), "{said}");
            let back = read(folder.path(), None).unwrap();
            assert_eq!((&back.placement, back.hash()), (&adapter.placement, adapter.hash()));
            assert_ne!(adapter.hash(), plain.hash());
            let MethodConfig::Prefix(method) = back.method() else { panic!("{:?}", back.method()) };
            assert_eq!(
                (method.layers, method.infix),
                (adapter.placement.layers, positions == PositionConvention::Infix)
            );
        }
        assert_eq!(export(&plain, folder.path(), None).unwrap(), None, "the word of the one before does not stay");
        assert_eq!(read(folder.path(), None).unwrap().placement.layers, None);
    }

    #[test]
    fn a_prefix_at_every_site_comes_back_as_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let sites = [(Site::Encoder, 3), (Site::Decoder, 2), (Site::Cross, 2)];
        let prefixes = sites.map(|(site, n_layers)| prefix(site, n_layers));
        let adapter = AdapterState::new(TaskRecord::of(Task::Seq2Seq), prefixes);
        let said = export(&adapter, folder.path(), None).unwrap().unwrap();
        assert!(said.to_string().contains("PEFT has no place"), "{said}");
        let back = read(folder.path(), None).unwrap();
        assert_eq!(back.parts.len(), 3);
        assert_eq!(back.parts, adapter.parts);
        assert_eq!(adapter.hash(), back.hash());
    }
}
