//! The file, in: every size in it is held against every other.

use std::path::Path;

use serde::Deserialize;

use super::{
    FORMAT, KEY, METHOD, Manifest, PrefixFile, REFERENCE, ReferenceLogits, SiteSizes, malformed, parts, tensor_name,
};
use crate::adapters::formats::native::unread;
use crate::adapters::formats::tensors::Tensors;
use crate::adapters::{AdapterState, HeadState, PartState, PrefixPlacement, PrefixShape, PrefixState};
use crate::config::DataConfig;
use crate::data::Templates;
use crate::error::{EngineError, Result, json_reason};
use crate::weights::NamedTensor;
use crate::weights::{Floats, read_metadata};
use crate::{Sentence, sentence};

/// Rows of a probe, and tokens of each, at most.
const MAX_ROWS: usize = 64;
const MAX_TOKENS: usize = 4096;
/// Longest JSON.
const MAX_JSON: usize = 8 * 1024 * 1024;

/// Reads a file; every size in it is held against every other.
///
/// # Errors
/// It is damaged, contradicts itself, or is of a newer form.
pub fn read(path: &Path) -> Result<PrefixFile> {
    let malformed = malformed(path);
    let kept = Kept::read(path)?;
    let mut tensors = Tensors::open(path.to_owned())?;
    let prefixes = prefixes(&kept, &mut tensors, &malformed)?;
    let Kept { json, about, .. } = kept;
    let others = parts::read(&about.others, tensors.floats()).map_err(&malformed)?;
    let reference = reference(&about, tensors.floats()).map_err(&malformed)?;
    let head = named(tensors.floats(), "head.").map_err(&malformed)?;
    tensors.finish()?;
    let parts = prefixes.into_iter().map(PartState::from).chain(others).chain([HeadState(head).into()]);
    let adapter = AdapterState {
        base_model: Some(about.base.name.clone()),
        placement: PrefixPlacement { positions: about.positions, layers: about.layers.clone() },
        notices: unread::keys(&json, &about),
        ..AdapterState::new(about.task.clone(), parts)
    };
    if adapter.parts.is_empty() {
        return Err(malformed(sentence!("it holds nothing")));
    }
    Ok(PrefixFile { adapter, about, reference })
}

/// The manifest of a file, parsed and as it is written.
struct Kept {
    format: u32,
    /// As it is written, for what nobody reads of it.
    json: serde_json::Value,
    about: Manifest,
}

impl Kept {
    fn read(path: &Path) -> Result<Self> {
        let malformed = malformed(path);
        let broken = |error: serde_json::Error| malformed(json_reason(&error));
        let unknown = || EngineError::UnknownAdapter { path: path.to_owned() };
        let json = read_metadata(path)?.remove(KEY).ok_or_else(unknown)?;
        if json.len() > MAX_JSON {
            return Err(malformed(sentence!(
                "what it says beside its numbers has {n_bytes} bytes, more than {max_json}",
                n_bytes = json.len(),
                max_json = MAX_JSON
            )));
        }
        #[derive(Deserialize)]
        struct Form {
            format: u32,
            method: String,
        }
        let Form { format, method } = serde_json::from_str(&json).map_err(broken)?;
        if format > FORMAT {
            return Err(malformed(sentence!(
                "it is of form {format}, and this program reads up to {newest}: take a newer one",
                format,
                newest = FORMAT
            )));
        }
        if format < FORMAT && method != METHOD {
            return Err(EngineError::AdapterType(method));
        }
        let json: serde_json::Value = serde_json::from_str(&json).map_err(broken)?;
        let about: Manifest = serde_json::from_value(json.clone()).map_err(broken)?;
        about.task.check().map_err(&malformed)?;
        about.check_texts().map_err(&malformed)?;
        if let Some(template) = &about.template {
            Templates::new(&DataConfig {
                prompt_template: template.prompt_template.clone(),
                target_template: template.target_template.clone(),
                ..DataConfig::new("")
            })?;
        }
        Ok(Self { format, json, about })
    }
}

/// The prefix of each site, as wide and as deep as the file says.
fn prefixes(
    Kept { format, about, .. }: &Kept,
    tensors: &mut Tensors,
    malformed: impl Fn(Sentence) -> EngineError,
) -> Result<Vec<PrefixState>> {
    let n_frozen = about.n_frozen;
    let mut prefixes: Vec<PrefixState> = Vec::new();
    for &SiteSizes { site, n_virtual, n_layers, n_kv_heads, d_head } in &about.sites {
        // A site that is named twice finds its tensor gone.
        let ([rows, row], flat) = tensors.take_matrix(&tensor_name(site))?;
        let wide = [2, n_layers, n_kv_heads, d_head].into_iter().try_fold(1_usize, usize::checked_mul);
        if rows != n_virtual || wide != Some(row) {
            let says = sentence!(
                "{n_virtual} tokens, {n_layers} layers, {n_kv_heads} heads of {d_head}",
                n_virtual,
                n_layers,
                n_kv_heads,
                d_head
            );
            return Err(malformed(sentence!(
                "the prefix at the {site} is [{rows}, {row}], and it says {says}",
                site,
                rows,
                row,
                says
            )));
        }
        let shape = PrefixShape { n_virtual, n_layers, n_kv_heads, d_head };
        prefixes.push(PrefixState { site, shape, n_frozen, flat });
    }
    if prefixes.is_empty() && *format < FORMAT {
        return Err(malformed(sentence!("it names no site")));
    }
    let slots = prefixes.iter().map(|prefix| prefix.shape.n_virtual).min();
    if slots.is_some_and(|slots| n_frozen > slots) {
        return Err(malformed(sentence!("{n_frozen} of its virtual tokens are frozen, and it has fewer", n_frozen)));
    }
    prefixes.sort_by_key(|prefix| prefix.site);
    Ok(prefixes)
}

fn reference(about: &Manifest, tensors: &mut Floats) -> Result<Option<ReferenceLogits>, Sentence> {
    let (rows, columns) = (about.reference_rows.clone(), about.reference_columns.clone());
    let Some((shape, logits)) = tensors.remove(REFERENCE) else {
        return if rows.is_empty() {
            Ok(None)
        } else {
            Err(sentence!("it has rows for a probe, and no {reference}", reference = REFERENCE))
        };
    };
    if shape != [rows.len(), columns.len()] || rows.is_empty() || columns.is_empty() {
        return Err(sentence!(
            "{reference} is {shape}, for {n_rows} rows and {n_columns} columns",
            reference = REFERENCE,
            shape,
            n_rows = rows.len(),
            n_columns = columns.len()
        ));
    }
    if rows.len() > MAX_ROWS || rows.iter().any(|row| row.is_empty() || row.len() > MAX_TOKENS) {
        return Err(sentence!(
            "a probe has 1 to {max_rows} rows of 1 to {max_tokens} tokens",
            max_rows = MAX_ROWS,
            max_tokens = MAX_TOKENS
        ));
    }
    if logits.iter().any(|x| !x.is_finite()) {
        return Err(sentence!("{reference} holds a number that is not finite", reference = REFERENCE));
    }
    Ok(Some(ReferenceLogits { rows, columns, logits }))
}

/// Takes the tensors below a name, with the names they have there.
pub(super) fn named(tensors: &mut Floats, below: &str) -> Result<Vec<NamedTensor>, Sentence> {
    let mut found = Vec::new();
    for (name, (shape, values)) in tensors.extract_if(.., |name, _| name.starts_with(below)) {
        let name = &name[below.len()..];
        if values.iter().any(|x| !x.is_finite()) {
            return Err(sentence!("{below}{name} holds a number that is not finite", below, name));
        }
        found.push((name.to_owned(), shape, values));
    }
    Ok(found)
}
