//! The index: the keys and values that every token of the vocabulary produces in every layer when it is run alone, at
//! position 0, or behind a few others. The space in which a prefix's keys and values have neighbors.
//!
//! It is computed block by block and kept in one file per model. A file that is damaged or belongs to something else is
//! built anew.

use std::io::{Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use burn::tensor::{Int, Tensor, TensorData};
use half::f16;
use half::slice::HalfFloatSliceExt;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::vocabulary_index::{Checksum, Layout, VocabularyIndex};
use crate::error::{EngineError, IoAction, Result};
use crate::models::{KvSource, ModelShape};
use crate::sentence;

/// Tokens in one step, those before them among them.
const BLOCK: usize = 512;

/// Opens a model's index, or builds it, in bounded steps.
#[derive(Debug)]
pub struct VocabularyBuilder {
    path: PathBuf,
    layout: Layout,
    /// Tokens that stand before each.
    context: Vec<u32>,
    state: State,
}

#[derive(Debug)]
enum State {
    Opening,
    Checking { index: VocabularyIndex, table: usize },
    Building { file: NamedTempFile, checksums: Vec<Checksum>, tokens: usize },
    Done,
}

/// Result of a step.
#[derive(Debug)]
pub enum VocabularyStep {
    /// Share done, 0 to 1.
    Share(f32),
    /// The index is there.
    Done(VocabularyIndex),
}

impl VocabularyBuilder {
    /// Computes nothing yet. `cache` is a folder, made if need be; `model_hash` names the weights.
    pub fn new(cache: &Path, shape: &ModelShape, model_hash: &str) -> Self {
        let name: String = model_hash.chars().filter(char::is_ascii_alphanumeric).take(32).collect();
        Self {
            path: cache.join(format!("vocabulary-{name}.safetensors")),
            layout: Layout::new(shape, model_hash, &[]),
            context: Vec::new(),
            state: State::Opening,
        }
    }

    /// The same with each token behind others, in place of at the beginning of a text. There a model's first layers make of
    /// every token an attention sink, so that all have one direction in common.
    pub fn behind(self, context: Vec<u32>, shape: &ModelShape, model_hash: &str) -> Self {
        if context.is_empty() {
            return self;
        }
        let digest = context.iter().fold(Sha256::new(), |digest, token| digest.chain_update(token.to_le_bytes()));
        let digest: String = digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let mut name = self.path.file_stem().unwrap_or_default().to_os_string();
        name.push(format!("-{digest}.safetensors"));
        let layout = Layout::new(shape, model_hash, &context);
        Self { path: self.path.with_file_name(name), layout, context, ..self }
    }

    /// Where the index is kept.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks one table of the file that is there, or computes one block of tokens.
    ///
    /// # Errors
    /// [`EngineError::Io`] when the file cannot be read or written, [`EngineError::Computation`] when the device
    /// fails.
    ///
    /// # Panics
    /// After it returned the index.
    pub fn step(&mut self, model: &(impl KvSource + ?Sized)) -> Result<VocabularyStep> {
        let n_tables = 2 * self.layout.n_layers;
        match std::mem::replace(&mut self.state, State::Done) {
            State::Opening => {
                self.state = match VocabularyIndex::open(&self.path, &self.layout)? {
                    Some(index) => State::Checking { index, table: 0 },
                    None => self.start()?,
                };
                Ok(VocabularyStep::Share(0.0))
            }
            State::Checking { index, table } if table == n_tables => Ok(VocabularyStep::Done(index)),
            State::Checking { index, table } if index.is_intact(table) => {
                self.state = State::Checking { index, table: table + 1 };
                Ok(VocabularyStep::Share((table + 1) as f32 / n_tables as f32))
            }
            State::Checking { .. } => {
                tracing::warn!(path = %self.path.display(), "the vocabulary index is damaged and is built anew");
                self.state = self.start()?;
                Ok(VocabularyStep::Share(0.0))
            }
            State::Building { file, checksums, tokens } if tokens == self.layout.vocab_size => {
                self.finish(file, &checksums).map(VocabularyStep::Done)
            }
            State::Building { mut file, mut checksums, tokens } => {
                let block = (BLOCK / (self.context.len() + 1)).max(1);
                let end = (tokens + block).min(self.layout.vocab_size);
                self.build(model, &mut file, &mut checksums, tokens..end)?;
                self.state = State::Building { file, checksums, tokens: end };
                Ok(VocabularyStep::Share(end as f32 / self.layout.vocab_size as f32))
            }
            State::Done => panic!("the index was handed out"),
        }
    }

    fn start(&self) -> Result<State> {
        let folder = self.path.parent().expect("the path was joined to a folder");
        std::fs::create_dir_all(folder).map_err(EngineError::io(IoAction::Create, folder))?;
        let mut file = NamedTempFile::new_in(folder).map_err(EngineError::io(IoAction::Create, folder))?;
        file.write_all(&self.layout.header).map_err(EngineError::io(IoAction::Write, file.path()))?;
        let checksums = vec![Checksum::default(); 2 * self.layout.n_layers];
        Ok(State::Building { file, checksums, tokens: 0 })
    }

    fn build(
        &self,
        model: &(impl KvSource + ?Sized),
        file: &mut NamedTempFile,
        checksums: &mut [Checksum],
        tokens: Range<usize>,
    ) -> Result<()> {
        let count = tokens.len();
        let seq = self.context.len() + 1;
        let before = || self.context.iter().map(|&token| i64::from(token));
        let ids: Vec<i64> = tokens.clone().flat_map(|token| before().chain([token as i64])).collect();
        let kv = model.forward_kv(Tensor::<2, Int>::from_data(TensorData::new(ids, [count, seq]), &model.device()));
        let tables = kv.iter().flat_map(|slots| [&slots.key, &slots.value]).zip(checksums).enumerate();
        for (table, (slots, checksum)) in tables {
            let last = slots.clone().slice([0..count, 0..slots.dims()[1], seq - 1..seq]);
            let mut exact = super::rows(&last)?; // [count, width]
            let limit = f16::MAX.to_f32();
            exact.iter_mut().for_each(|x| *x = x.clamp(-limit, limit));
            let mut numbers = vec![f16::ZERO; exact.len()];
            numbers.convert_from_f32_slice(&exact);
            checksum.add(&numbers);
            let offset = self.layout.offset(table) + tokens.start * self.layout.width * size_of::<f16>();
            file.seek(SeekFrom::Start(offset as u64))
                .and_then(|_| file.write_all(bytemuck::cast_slice(&numbers)))
                .map_err(EngineError::io(IoAction::Write, &self.path))?;
        }
        Ok(())
    }

    fn finish(&self, mut file: NamedTempFile, checksums: &[Checksum]) -> Result<VocabularyIndex> {
        let checksums: Vec<u8> = checksums.iter().flat_map(Checksum::bytes).collect();
        file.seek(SeekFrom::Start(self.layout.offset(2 * self.layout.n_layers) as u64))
            .and_then(|_| file.write_all(&checksums))
            .map_err(EngineError::io(IoAction::Write, &self.path))?;
        // Not synced to the disk: that may take long, and after a power cut the checksums tell.
        file.persist(&self.path).map_err(|error| EngineError::io(IoAction::Write, &self.path)(error.error))?;
        let index = VocabularyIndex::open(&self.path, &self.layout)?;
        index.ok_or_else(|| EngineError::Malformed {
            what: sentence!("the vocabulary index"),
            path: self.path.clone(),
            reason: sentence!("it was changed while it was written"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::Side;
    use crate::generation::tiny::TinyModel;
    use crate::models::{CausalModel, ForwardPass};

    fn build(cache: &Path, model: &TinyModel, hash: &str) -> (VocabularyIndex, PathBuf, usize) {
        let mut builder = VocabularyBuilder::new(cache, model.shape(), hash);
        for steps in 1.. {
            if let VocabularyStep::Done(index) = builder.step(model).unwrap() {
                return (index, builder.path().to_owned(), steps);
            }
        }
        unreachable!()
    }

    fn large() -> TinyModel {
        let shape = ModelShape { vocab_size: 1100, ..TinyModel::new(1).shape().clone() };
        TinyModel::of(shape, 1)
    }

    #[test]
    fn each_row_is_what_the_token_produces_alone() {
        let model = large();
        let folder = tempfile::tempdir().unwrap();
        let (index, path, steps) = build(folder.path(), &model, "abc");
        assert_eq!(steps, 1 + 3 + 1);
        for token in [0_usize, 511, 512, 1099] {
            let device = model.embeddings().device();
            let tokens = Tensor::from_data(TensorData::new(vec![token as i64], [1, 1]), &device);
            let mut pass = ForwardPass::of_texts(model.stack(), tokens).keeping_kv();
            drop(model.hidden(&mut pass));
            let kv = pass.take_kv();
            for (layer, slots) in kv.iter().enumerate() {
                for (side, slots) in [(Side::Key, &slots.key), (Side::Value, &slots.value)] {
                    let row = &index.table(layer, side)[token * index.width()..][..index.width()];
                    for (ours, exact) in row.iter().zip(super::super::rows(slots).unwrap()) {
                        assert!((ours.to_f32() - exact).abs() <= exact.abs() / 1024.0 + 1e-5);
                    }
                }
            }
        }
        let bytes = std::fs::read(path).unwrap();
        let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(file.tensor("layers.1.value").unwrap().shape(), [1100, 8]);
    }

    #[test]
    fn a_token_behind_others_is_what_it_is_at_the_end_of_that_text() {
        let model = large();
        let folder = tempfile::tempdir().unwrap();
        let alone = build(folder.path(), &model, "abc").1;
        let mut builder =
            VocabularyBuilder::new(folder.path(), model.shape(), "abc").behind(vec![3, 9], model.shape(), "abc");
        assert_ne!(builder.path(), alone);
        let index = loop {
            if let VocabularyStep::Done(index) = builder.step(&model).unwrap() {
                break index;
            }
        };
        for token in [0_usize, 170, 171, 1099] {
            let device = model.embeddings().device();
            let tokens = Tensor::from_data(TensorData::new(vec![3, 9, token as i64], [1, 3]), &device);
            let mut pass = ForwardPass::of_texts(model.stack(), tokens).keeping_kv();
            drop(model.hidden(&mut pass));
            for (layer, slots) in pass.take_kv().iter().enumerate() {
                let exact = super::super::rows(&slots.value).unwrap();
                let row = &index.table(layer, Side::Value)[token * index.width()..][..index.width()];
                for (ours, exact) in row.iter().zip(&exact[2 * index.width()..]) {
                    assert!((ours.to_f32() - exact).abs() <= exact.abs() / 1024.0 + 1e-5);
                }
            }
        }
        drop(index);
        let plain = VocabularyBuilder::new(folder.path(), model.shape(), "abc");
        assert_eq!(plain.behind(Vec::new(), model.shape(), "abc").path(), alone, "behind nothing is alone");
    }

    #[test]
    fn an_intact_file_is_used_and_a_damaged_or_foreign_one_is_built_anew() {
        let model = large();
        let folder = tempfile::tempdir().unwrap();
        let (index, path, built) = build(folder.path(), &model, "abc");
        let expected = index.table(1, Side::Value).to_vec();
        drop(index);
        let (_, _, opened) = build(folder.path(), &model, "abc");
        assert_eq!(opened, 1 + 4 + 1);

        let good = std::fs::read(&path).unwrap();
        let mut flipped = good.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let mut swapped = good.clone();
        let start = good.len() - 1000;
        swapped[start..start + 4].rotate_left(2);
        let mut foreign = good.clone();
        foreign[20] ^= 1;
        for bad in [&flipped, &swapped, &foreign, &good[..good.len() - 1].to_vec(), &Vec::new()] {
            std::fs::write(&path, bad).unwrap();
            let (index, _, steps) = build(folder.path(), &model, "abc");
            assert!(steps >= built);
            assert_eq!(index.table(1, Side::Value), expected);
        }
        let (_, other, _) = build(folder.path(), &model, "abd");
        assert_ne!(other, path);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "no temporary file stays");
    }
}
