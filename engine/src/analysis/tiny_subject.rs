//! A golden case as a subject, with rows written by hand: for tests.

use std::path::Path;
use std::rc::Rc;

use super::subject::Subject;
use crate::config::Task;
use crate::data::Example;
use crate::device::DeviceChoice;
use crate::loaded_model::LoadedModel;
use crate::models::Model;
use crate::nn::Precision;
use crate::tokens::SOFT;

/// Three rows of different lengths behind the adapter of a golden case, of a model that writes.
pub(super) fn subject(case: &str) -> Subject {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/cases").join(case);
    let place = (DeviceChoice::Cpu, Precision::F32);
    let model = LoadedModel::load(&folder.join("model"), place, None, &mut |_| Ok(())).unwrap();
    let adapter = model.adapter(&folder.join("adapter")).unwrap();
    let soft: Vec<u32> = (0..adapter.n_soft() as u32).map(|slot| SOFT + slot).collect();
    let text = |first: u32, n: u32| (0..n).map(|i| 3 + (first + 7 * i) % 50).collect::<Vec<u32>>();
    let row = |soft: &[u32], first: u32, n: u32| {
        let (prompt, target) = (text(first, n), text(first + 11, n + 1));
        let (prompt_text, reference) = ("a prompt".to_owned(), "a reference".to_owned());
        let row = Example { row: 1, prompt: prompt_text, reference, ..Example::default() };
        match &*model.model {
            Model::Seq2Seq(_) => {
                Example { source: [soft, &prompt].concat(), tokens: [&[0][..], &target].concat(), n_prompt: 1, ..row }
            }
            _ => {
                let n_prompt = soft.len() + prompt.len();
                Example { tokens: [soft, &prompt, &target].concat(), n_prompt, ..row }
            }
        }
    };
    let rows = |soft: &[u32]| [(5, 3), (17, 2), (29, 4)].map(|(first, n)| row(soft, first, n)).to_vec();
    let (placed, bare) = (rows(&soft), rows(&[]));
    let task = if matches!(&*model.model, Model::Seq2Seq(_)) { Task::Seq2Seq } else { Task::Causal };
    let conditioning = model.conditioning(&adapter).unwrap();
    let tuned = model.model.with_overrides(&conditioning.tuned).unwrap();
    Subject {
        model: Rc::new(model),
        adapter,
        conditioning,
        tuned,
        initial: None,
        other: None,
        rows: placed,
        bare,
        task,
        checkpoints: Vec::new(),
        words: Vec::new(),
    }
}
