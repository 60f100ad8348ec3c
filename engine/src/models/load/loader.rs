//! Weights as the architectures ask for them, by the names of Hugging Face's checkpoints: read from the files once, and
//! then the same tensors for every model that is built of them, with what an adapter changes in place.

use burn::tensor::{DType, Device, Tensor};

use super::matrices::{Lines, Read, of_one_type};
use super::weight_cache::{LinearName, Role, WeightCache, WeightName};
use crate::error::{EngineError, Result};
use crate::models::{GraphCut, WeightOverrides};
use crate::nn::{FrozenLinear, FrozenMatrix, LayerNorm, LowRank, Place, Precision, Quantization, RmsNorm, floats};
use crate::sentence;
use crate::weights::WeightFiles;

/// Name that adapters use for a head that makes logits.
const HEAD: &str = "lm_head";
const HEAD_WEIGHT: &str = "lm_head.weight";
const HEAD_BIAS: &str = "lm_head.bias";

/// Where the numbers of a model come from.
#[derive(Clone, Copy)]
pub struct Weights<'a> {
    /// The checkpoint.
    pub files: &'a WeightFiles,
    /// Where they go.
    pub device: &'a Device,
    /// Precision of matrix products: for 16 bits, matrices are brought there in that type, whatever the files have.
    pub precision: Precision,
    /// Whether matrices are put into blocks as they are read.
    pub quantization: Quantization,
    /// Tensors that were read already, in that precision.
    pub shared: &'a WeightCache,
    /// Weights that an adapter changes.
    pub tuned: &'a WeightOverrides,
    /// Where what is tracked is cut out of its graph, if it is: each weight that a block takes becomes a leaf.
    pub seams: Option<&'a GraphCut>,
}

/// The weights of a model on their way to a device.
pub(crate) struct Loader<'a> {
    pub(super) from: Weights<'a>,
    /// Beginning of every name in the files: the module of the task's head adds it, the bare model does not.
    pub(super) root: &'static str,
    /// Beginning of every name for adapters, whatever the files say.
    module: &'static str,
}

impl<'a> Loader<'a> {
    /// With `root` before the names if `sample` is found under it.
    pub(crate) fn new(from: Weights<'a>, root: &'static str, sample: &str) -> Self {
        let module = root;
        let root = if from.files.contains(&format!("{root}{sample}")) { root } else { "" };
        Self { from, root, module }
    }

    /// With another name for the module than the files have.
    pub(crate) fn named(self, module: &'static str) -> Self {
        Self { module, ..self }
    }

    /// The same files without what stands before the names: where the heads are.
    pub(crate) fn outside(&self) -> Self {
        Self { from: self.from, root: "", module: "" }
    }

    pub(crate) fn device(&self) -> &'a Device {
        self.from.device
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.from.files.contains(&format!("{}{name}", self.root))
    }

    /// Makes something of weights: once, unless an adapter changes one of them.
    pub(crate) fn once<T: Clone + 'static>(
        &self,
        key: &str,
        of: &[&str],
        make: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let changed = of.iter().any(|name| self.from.tuned.replaces(&self.module_name(name)));
        if changed { make() } else { self.from.shared.once(&format!("{}{key} made", self.module), make) }
    }

    pub(crate) fn tensor<const D: usize>(&self, name: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        self.weight_at(name, name, shape).map(|weight| self.cut(weight))
    }

    /// A matrix in the bits it is stored in, or in those of the precision, that no adapter has low ranks for.
    pub(crate) fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<FrozenMatrix> {
        self.whole_matrix(name, shape, Lines::Rows(Place::Layer)).map(|weight| self.cut_matrix(weight))
    }

    /// The table of token embeddings, or the head of an architecture that has it among its other modules.
    pub(crate) fn table(&self, name: &str, shape: [usize; 2], role: Role) -> Result<FrozenMatrix> {
        let module = self.module_name(name.strip_suffix(".weight").unwrap_or(name));
        self.note_table(&module, shape, role);
        let changed = self.with_rows(name, self.whole_matrix(name, shape, Lines::Rows(Place::Vocabulary))?)?;
        let changed = self.with_low_rank(&module, changed)?;
        Ok(self.cut_matrix(changed))
    }

    /// The matrix of the head, which is outside of the root. `tied` names the embeddings that serve where it has none of its
    /// own: then it is `None`, unless an adapter changes one of the two and not the other. It is `None` too where nothing is
    /// written with it. Adapters call it `lm_head`, as transformers does, whatever the files call it.
    pub(crate) fn head(&self, stored: &str, shape: [usize; 2], tied: Option<&str>) -> Result<Option<FrozenMatrix>> {
        let head = self.head_values(stored, shape, tied)?;
        Ok(head.map(|head| self.cut_matrix(head)))
    }

    /// The same of a head with a bias, `[vocab_size, d_model + 1]`: the bias is one more column, for hidden states that end in
    /// a 1, and none of it stays in blocks. It is `None` only where nothing is written with it.
    pub(crate) fn head_with_bias(&self, shape: [usize; 2], words: &str, is_tied: bool) -> Result<Option<FrozenMatrix>> {
        let load = self.outside();
        if !is_tied && self.names_classes(HEAD_WEIGHT) {
            return Ok(None);
        }
        let [vocab_size, _] = shape;
        let bias = || Ok(load.weight_at(HEAD_BIAS, HEAD_BIAS, [vocab_size])?.reshape([vocab_size, 1]));
        let joined = |head: Tensor<2>, bias: Tensor<2>| Tensor::cat(of_one_type(vec![head, bias]), 1);
        let head = if is_tied || self.changes_words(words) || self.from.tuned.replaces(HEAD_BIAS) {
            let head = match self.head_values(HEAD_WEIGHT, shape, is_tied.then_some(words))? {
                Some(head) => head,
                None => self.whole_matrix(words, shape, Lines::Rows(Place::Vocabulary))?,
            };
            joined(head.dense(), bias()?)
        } else {
            load.note_table(HEAD, shape, Role::Head);
            // Kept as it is multiplied alone: without the bias too, it would be in memory twice.
            load.once(HEAD_WEIGHT, &[], || {
                let (head, bias) = (load.stacked(vec![load.part(HEAD_WEIGHT, shape)?]).dense(), bias()?);
                let narrow = bias.clone().cast(head.dtype());
                let is_exact = floats((narrow.clone().cast(DType::F32) - bias.clone()).abs().max())? == [0.0];
                Ok(joined(head, if is_exact { narrow } else { bias }))
            })?
        };
        Ok(Some(self.multiplied(self.cut(head))))
    }

    fn head_values(&self, stored: &str, shape: [usize; 2], tied: Option<&str>) -> Result<Option<FrozenMatrix>> {
        let load = self.outside();
        let stored = if load.contains(HEAD_WEIGHT) { HEAD_WEIGHT } else { stored };
        if tied.is_none() && self.names_classes(stored) {
            return Ok(None);
        }
        load.note_table(HEAD, shape, Role::Head);
        let head = match tied {
            None => load.whole_matrix_at(HEAD_WEIGHT, stored, shape, Lines::Rows(Place::Vocabulary))?,
            Some(table) => match self.tied_to(table, shape)? {
                Some(head) => head,
                None => return Ok(None),
            },
        };
        let head = load.with_rows(HEAD_WEIGHT, head)?;
        load.with_low_rank(HEAD, head).map(Some)
    }

    /// The bias of the head of an architecture that has one; `None` where nothing is written with the head.
    pub(crate) fn head_bias(&self, vocab_size: usize) -> Result<Option<Tensor<1>>> {
        if self.names_classes(HEAD_WEIGHT) {
            return Ok(None);
        }
        self.outside().tensor("lm_head.bias", [vocab_size]).map(Some)
    }

    /// The matrix of a head tied to the table of embeddings, in place of it; `None` where that serves as it is. As in
    /// PEFT new rows of single tokens reach both, low ranks and copies of a whole module the one that they are for.
    pub(crate) fn tied_to(&self, table: &str, shape: [usize; 2]) -> Result<Option<FrozenMatrix>> {
        let WeightOverrides { low_rank, head_apart, .. } = self.from.tuned;
        let name = self.module_name(table);
        let module = name.strip_suffix(".weight").unwrap_or(&name);
        let own = self.from.tuned.replacement(HEAD_WEIGHT, shape, self.from.device)?;
        let is_apart = *head_apart && self.from.tuned.replaces(&name);
        if own.is_none() && !is_apart && !low_rank.contains_key(HEAD) && !low_rank.contains_key(module) {
            return Ok(None);
        }
        let head = match own {
            Some(own) => self.multiplied(own),
            None if is_apart => {
                let stored = format!("{}{table}", self.root);
                self.from.shared.once(&name, || self.read_matrix(&stored, shape, Lines::Rows(Place::Vocabulary)))?
            }
            None => self.whole_matrix(table, shape, Lines::Rows(Place::Vocabulary))?,
        };
        self.with_rows(table, head).map(Some)
    }

    /// Whether an adapter changes the table of embeddings, or the head.
    pub(crate) fn changes_words(&self, table: &str) -> bool {
        let WeightOverrides { low_rank, rows, .. } = self.from.tuned;
        let name = self.module_name(table);
        let module = name.strip_suffix(".weight").unwrap_or(&name);
        self.from.tuned.replaces(&name)
            || self.from.tuned.replaces(HEAD_WEIGHT)
            || rows.contains_key(&name)
            || [module, HEAD].iter().any(|module| low_rank.contains_key(*module))
    }

    fn note_table(&self, module: &str, [tokens, width]: [usize; 2], role: Role) {
        let linear = LinearName { name: module.to_owned(), d_in: width, d_out: tokens, is_in_out: false, role };
        self.from.shared.note_linear(linear);
    }

    /// A table with the rows of single tokens that an adapter has for it.
    fn with_rows(&self, name: &str, table: FrozenMatrix) -> Result<FrozenMatrix> {
        let Some(rows) = self.from.tuned.rows.get(&self.module_name(name)) else { return Ok(table) };
        let changed = rows.in_place(table.dense().cast(DType::F32), &self.module_name(name))?;
        Ok(self.multiplied(changed))
    }

    /// A matrix with the low ranks that an adapter has for it, as one: it is looked up in, or the loss multiplies with it. Where
    /// padding stands as a token in a text, its lookup trains neither of a table's two matrices; PEFT's trains the second.
    fn with_low_rank(&self, module: &str, matrix: FrozenMatrix) -> Result<FrozenMatrix> {
        let Some(LowRank { a, b, .. }) = self.from.tuned.low_rank.get(module) else { return Ok(matrix) };
        let ([d_out, d_in], [rank, reads], [makes, narrow]) = (matrix.dims(), a.dims(), b.dims());
        if (reads, makes, narrow) != (d_in, d_out, rank) {
            return Err(low_rank_mismatch(module, a, b, [d_out, d_in]));
        }
        Ok(self.multiplied(matrix.dense().cast(DType::F32) + b.clone().matmul(a.clone())))
    }

    /// Whether the files have a head for classes in place of this one.
    fn names_classes(&self, head: &str) -> bool {
        let load = self.outside();
        !load.contains(head) && load.contains("score.weight")
    }

    /// A matrix that the files lack: drawn by `draw`, the same each time, and from then on a weight like others.
    pub(crate) fn drawn<const D: usize>(
        &self,
        name: &str,
        shape: [usize; D],
        draw: impl FnOnce() -> Tensor<D>,
    ) -> Result<Tensor<D>> {
        self.weight(name, &format!("{}{name}", self.root), shape, || Ok(draw()))
    }

    /// Checkpoints that were once TensorFlow's call the weight `gamma` and the bias `beta`.
    pub(crate) fn layer_norm(&self, name: &str, d: usize, epsilon: f64) -> Result<LayerNorm> {
        let stored = if self.contains(&format!("{name}.gamma")) { ["gamma", "beta"] } else { ["weight", "bias"] };
        let [gamma, beta] = [("weight", stored[0]), ("bias", stored[1])]
            .map(|(known, stored)| self.weight_at(&format!("{name}.{known}"), &format!("{name}.{stored}"), [d]));
        Ok(LayerNorm { gamma: self.cut(gamma?), beta: self.cut(beta?), epsilon })
    }

    pub(crate) fn rms_norm(&self, name: &str, d: usize, epsilon: f64) -> Result<RmsNorm> {
        Ok(RmsNorm { gamma: self.tensor(&format!("{name}.weight"), [d])?, epsilon })
    }

    /// An RMS norm whose scale the files keep as its distance from 1.
    pub(crate) fn centered_rms_norm(&self, name: &str, d: usize, epsilon: f64) -> Result<RmsNorm> {
        let weight = format!("{name}.weight");
        let distance: Tensor<1> = self.weight_at(&weight, &weight, [d])?;
        Ok(RmsNorm { gamma: self.cut(distance + 1.0), epsilon })
    }

    /// A linear layer that the files lack, of weights that were [`Loader::drawn`]: `[d_out, d_in]`.
    pub(crate) fn linear_drawn(&self, name: &str, weight: Tensor<2>, bias: Tensor<1>) -> Result<FrozenLinear> {
        let [d_out, d_in] = weight.dims();
        self.from.shared.note_linear(LinearName {
            name: self.module_name(name),
            d_in,
            d_out,
            is_in_out: false,
            role: Role::Layer,
        });
        let low_rank = self.low_rank(&[(name.to_owned(), d_out)], d_in)?;
        Ok(self.linear_of(self.multiplied(weight.transpose()), Some(bias), low_rank))
    }

    /// A linear layer whose weight is stored as `[d_out, d_in]`.
    pub(crate) fn linear(&self, name: &str, d_in: usize, d_out: usize, bias: bool) -> Result<FrozenLinear> {
        self.linear_of_parts(&[(name.to_owned(), d_out)], d_in, bias)
    }

    /// A linear layer whose weight is stored as `[d_in, d_out]`, with a bias: GPT-2's `Conv1D`.
    pub(crate) fn conv1d(&self, name: &str, d_in: usize, d_out: usize) -> Result<FrozenLinear> {
        let linear = LinearName { name: self.module_name(name), d_in, d_out, is_in_out: true, role: Role::Layer };
        self.from.shared.note_linear(linear);
        let bias = format!("{name}.bias");
        let weight = self.whole_matrix(&format!("{name}.weight"), [d_in, d_out], Lines::Columns)?;
        let bias = self.weight_at(&bias, &bias, [d_out])?;
        let low_rank = self.low_rank(&[(name.to_owned(), d_out)], d_in)?;
        Ok(self.linear_of(weight, Some(bias), low_rank))
    }

    /// Linear layers with the same input as one, side by side.
    pub(crate) fn linear_of_parts(&self, parts: &[(String, usize)], d_in: usize, bias: bool) -> Result<FrozenLinear> {
        for (name, d_out) in parts {
            let linear =
                LinearName { name: self.module_name(name), d_in, d_out: *d_out, is_in_out: false, role: Role::Layer };
            self.from.shared.note_linear(linear);
        }
        let weights: Vec<String> = parts.iter().map(|(name, _)| format!("{name}.weight")).collect();
        let biases: Vec<String> = parts.iter().filter(|_| bias).map(|(name, _)| format!("{name}.bias")).collect();
        let weight = |at: usize| self.whole_matrix(&weights[at], [parts[at].1, d_in], Lines::Rows(Place::Layer));
        let shift = |at: usize| self.weight_at(&biases[at], &biases[at], [parts[at].1]);
        let names: Vec<&str> = weights.iter().chain(&biases).map(String::as_str).collect();
        // Parts of a pair are kept as the pair alone: kept one by one too, they would be in memory twice.
        let base = match parts.len() {
            1 => (weight(0)?, bias.then(|| shift(0)).transpose()?),
            n => self.once(&weights.join(" "), &names, || {
                let read: Vec<Read> =
                    (0..n).map(|at| self.part(&weights[at], [parts[at].1, d_in])).collect::<Result<_>>()?;
                let shifts: Vec<Tensor<1>> = (0..biases.len()).map(shift).collect::<Result<_>>()?;
                Ok((self.stacked(read), bias.then(|| Tensor::cat(shifts, 0))))
            })?,
        };
        // [d_in, d_out], a view
        Ok(self.linear_of(base.0.transpose(), base.1, self.low_rank(parts, d_in)?))
    }

    /// A fused projection as our attention reads it: all queries, all keys, all values. Stored is query, key and value of
    /// the first head, then those of the second, and so on.
    pub(crate) fn linear_by_head(&self, name: &str, d_in: usize, n_heads: usize, bias: bool) -> Result<FrozenLinear> {
        self.linear_by_group(name, d_in, [n_heads, n_heads, d_in / n_heads], bias)
    }

    /// The same where query heads share a key head: stored are the queries of the first group, its key and its value, then
    /// those of the second, and so on.
    pub(crate) fn linear_by_group(
        &self,
        name: &str,
        d_in: usize,
        [n_heads, n_kv_heads, d_head]: [usize; 3],
        bias: bool,
    ) -> Result<FrozenLinear> {
        let d_out = (n_heads + 2 * n_kv_heads) * d_head;
        if n_kv_heads == 1 {
            return self.linear(name, d_in, d_out, bias);
        }
        let linear = LinearName { name: self.module_name(name), d_in, d_out, is_in_out: false, role: Role::Layer };
        self.from.shared.note_linear(linear);
        let outside = |rows: Tensor<2>| heads_outside(rows, n_heads, n_kv_heads);
        let (weight, shift) = (format!("{name}.weight"), format!("{name}.bias"));
        let (weight, bias) = self.once(&weight, &[&weight, &shift], || {
            let stored = match self.part(&weight, [d_out, d_in])? {
                Read::Dense(values) => self.multiplied(outside(values)),
                Read::Packed(rows) => {
                    let rows = rows.in_order(&rows_outside([n_heads, n_kv_heads, d_head]));
                    FrozenMatrix::packed(vec![rows], self.from.precision, self.from.device)
                }
            };
            let bias = bias.then(|| self.weight_at(&shift, &shift, [d_out])).transpose()?;
            let bias = bias.map(|bias: Tensor<1>| outside(bias.reshape([d_out, 1])).reshape([d_out]));
            Ok((stored, bias))
        })?;
        let low_rank = self.low_rank(&[(name.to_owned(), d_out)], d_in)?;
        let low_rank = low_rank.map(|LowRank { a, b, dropout }| LowRank { a, b: outside(b), dropout });
        Ok(self.linear_of(weight.transpose(), bias, low_rank))
    }

    /// Cuts what the loader gives away out of its graph, if that is asked for: once, and as the last thing done to it.
    fn cut<const D: usize>(&self, weight: Tensor<D>) -> Tensor<D> {
        match self.from.seams {
            Some(seams) => seams.cut(weight),
            None => weight,
        }
    }

    /// As [`Loader::cut`].
    fn cut_matrix(&self, weight: FrozenMatrix) -> FrozenMatrix {
        weight.map(|values| self.cut(values))
    }

    fn linear_of(&self, weight: FrozenMatrix, bias: Option<Tensor<1>>, low_rank: Option<LowRank>) -> FrozenLinear {
        let linear = FrozenLinear { weight, bias, low_rank };
        match self.from.seams {
            Some(seams) => seams.linear(linear),
            None => linear,
        }
    }

    pub(super) fn multiplied(&self, values: Tensor<2>) -> FrozenMatrix {
        FrozenMatrix::new(values, self.from.precision)
    }

    /// Name that adapters use for a weight.
    pub(super) fn module_name(&self, name: &str) -> String {
        format!("{}{name}", self.module)
    }

    fn weight_at<const D: usize>(&self, name: &str, stored: &str, shape: [usize; D]) -> Result<Tensor<D>> {
        let stored = format!("{}{stored}", self.root);
        self.weight(name, &stored, shape, || self.from.files.tensor(&stored, shape, self.from.device))
    }

    fn weight<const D: usize>(
        &self,
        name: &str,
        stored: &str,
        shape: [usize; D],
        read: impl FnOnce() -> Result<Tensor<D>>,
    ) -> Result<Tensor<D>> {
        match self.replacement(name, stored, shape)? {
            Some(tensor) => Ok(tensor),
            None => self.from.shared.once(&self.module_name(name), read),
        }
    }

    pub(super) fn replacement<const D: usize>(
        &self,
        name: &str,
        stored: &str,
        shape: [usize; D],
    ) -> Result<Option<Tensor<D>>> {
        let name = self.module_name(name);
        let replacement = self.from.tuned.replacement(&name, shape, self.from.device)?;
        self.from.shared.note_weight(WeightName { name, stored: stored.to_owned(), shape: shape.to_vec() });
        Ok(replacement)
    }

    /// Low ranks that an adapter adds to linear layers side by side, as one: the ranks side by side too, each reaching
    /// its own columns.
    fn low_rank(&self, parts: &[(String, usize)], d_in: usize) -> Result<Option<LowRank>> {
        let found: Vec<_> =
            parts.iter().map(|(name, _)| self.from.tuned.low_rank.get(&self.module_name(name))).collect();
        let Some(first) = found.iter().flatten().next() else { return Ok(None) };
        let dropout = first.dropout;
        let (mut downs, mut ups) = (Vec::new(), Vec::new());
        let rank: usize = found.iter().flatten().map(|part| part.a.dims()[0]).sum();
        let mut before = 0;
        for (part, (name, d_out)) in found.iter().zip(parts) {
            let Some(LowRank { a, b, .. }) = part else {
                ups.push(Tensor::zeros([*d_out, rank], self.from.device));
                continue;
            };
            let own = a.dims()[0];
            if a.dims() != [own, d_in] || b.dims() != [*d_out, own] {
                return Err(low_rank_mismatch(&self.module_name(name), a, b, [*d_out, d_in]));
            }
            let zeros = |width: usize| (width > 0).then(|| Tensor::zeros([*d_out, width], self.from.device));
            let row: Vec<Tensor<2>> =
                [zeros(before), Some(b.clone()), zeros(rank - before - own)].into_iter().flatten().collect();
            ups.push(joined(row, 1));
            downs.push(a.clone());
            before += own;
        }
        Ok(Some(LowRank { a: joined(downs, 0), b: joined(ups, 0), dropout }))
    }
}

fn low_rank_mismatch(module: &str, a: &Tensor<2>, b: &Tensor<2>, [d_out, d_in]: [usize; 2]) -> EngineError {
    let (a, b) = (a.dims(), b.dims());
    let reason = sentence!(
        "its matrices for {module} are {a} and {b}, the model needs [r, {d_in}] and [{d_out}, r]",
        module,
        a,
        b,
        d_in,
        d_out
    );
    EngineError::AdapterMismatch { reason }
}

/// Rows of a projection that stands group by group, as all queries, all keys, all values.
fn heads_outside(rows: Tensor<2>, n_heads: usize, n_kv_heads: usize) -> Tensor<2> {
    let ([d_out, columns], shared) = (rows.dims(), n_heads / n_kv_heads);
    let d_head = d_out / (n_heads + 2 * n_kv_heads);
    let groups = rows.reshape([n_kv_heads, shared + 2, d_head, columns]);
    let part = |from: usize, n: usize| groups.clone().narrow(1, from, n).reshape([n_kv_heads * n * d_head, columns]);
    Tensor::cat(vec![part(0, shared), part(shared, 1), part(shared + 1, 1)], 0)
}

/// The same of rows that can only be moved: which row of before stands at each place.
fn rows_outside([n_heads, n_kv_heads, d_head]: [usize; 3]) -> Vec<usize> {
    let shared = n_heads / n_kv_heads;
    let rows = |group: usize, part: usize| (0..d_head).map(move |at| (group * (shared + 2) + part) * d_head + at);
    let of_parts = |parts: std::ops::Range<usize>| {
        (0..n_kv_heads).flat_map(move |group| parts.clone().flat_map(move |part| rows(group, part)))
    };
    [0..shared, shared..shared + 1, shared + 1..shared + 2].into_iter().flat_map(of_parts).collect()
}

/// A single tensor is not copied.
fn joined<const D: usize>(mut tensors: Vec<Tensor<D>>, axis: usize) -> Tensor<D> {
    if tensors.len() == 1 { tensors.remove(0) } else { Tensor::cat(tensors, axis) }
}
