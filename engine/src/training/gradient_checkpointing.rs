//! Gradients without what a forward pass would keep: gradient checkpointing.
//!
//! The blocks run once without being recorded, and only what enters each of them is kept. Then, the last one first, each
//! runs again and backwards. What a batch shares (keys and values, matrices, weights) is cut into leaves, which gather
//! their gradients over the blocks; one last pass takes these to the parameters. A block is recorded by the same
//! operations as in an ordinary pass, so the gradients are the same numbers, in another order of sums at most.
//!
//! Segments of several blocks would not pay: a block keeps some ten times of what enters it, so that for up to some
//! dozens of layers one block each is best, or next to it. Chen et al. 2016, "Training Deep Nets with Sublinear Memory
//! Cost".

use burn::tensor::{Device, Gradients, Tensor};

use crate::data::TokenBatch;
use crate::error::Result;
use crate::models::{
    BaseModel, Conditioning, GraphCut, LayerPosition, LayerRange, Leaf, Model, PaddedRows, Site, leaf, with_gradient,
};
use crate::training::loss::{nll_of_hidden, rows_of};

/// The weighted loss of a batch, `[1]` and untracked, and the gradients of what `conditioning` is made of. The weight is
/// what one labeled token counts.
///
/// # Errors
/// The model cannot do the batch's task, or the device failed.
pub(super) fn backward(
    base: &BaseModel,
    conditioning: &Conditioning,
    (batch, token_weight): (&TokenBatch, f64),
    device: &Device,
) -> Result<(Tensor<1>, Gradients)> {
    let rows = &rows_of(batch, conditioning);
    let entered = {
        let untracked = conditioning.untracked();
        let plain = base.with_overrides(&untracked.tuned)?;
        Pass { model: plain.as_ref().unwrap_or(base), conditioning: &untracked, rows, device }.forward()?
    };
    let seams = GraphCut::default();
    let apart = base.with_detached_overrides(&conditioning.tuned, &seams)?;
    let leaves = seams.conditioning(conditioning);
    let pass = Pass { model: apart.as_ref().unwrap_or(base), conditioning: &leaves, rows, device };
    let trained = |side| first_trained(base, conditioning, side);
    let (writes, n_layers) = (base.last_site(), base.shape().n_layers);
    let mut loss = None;
    let of_loss = |hidden| {
        let (nll, _) = nll_of_hidden(pass.model, pass.conditioning, batch, hidden, device)?;
        let weighted = nll * token_weight;
        loss = Some(weighted.clone().inner());
        Ok(weighted)
    };
    let Entered { encoder, resids } = entered;
    match encoder {
        None => {
            let blocks = Blocks { side: writes, resids, n_layers, first: trained(writes).unwrap_or(n_layers - 1) };
            pass.backward(blocks, None, of_loss, &seams)?;
        }
        Some((source, encoded)) => {
            let reading = trained(Site::Encoder);
            // What is trained in the encoder reaches the decoder from its first layer on.
            let first = if reading.is_some() { Some(0) } else { trained(Site::Decoder) }.unwrap_or(n_layers - 1);
            let blocks = Blocks { side: Site::Decoder, resids, n_layers, first };
            let tensor = if reading.is_some() { leaf(encoded) } else { encoded };
            let mut encoded = Leaf { tensor, gradient: None };
            pass.backward(blocks, Some(&mut encoded), of_loss, &seams)?;
            if let (Some(first), Some(gradient)) = (reading, encoded.gradient) {
                let n_layers = source.len() + 1;
                let blocks = Blocks { side: Site::Encoder, resids: source, n_layers, first };
                pass.backward(blocks, None, |encoded| Ok(with_gradient(encoded, gradient)), &seams)?;
            }
        }
    }
    let loss = loss.expect("the last block runs first");
    drop((leaves, apart));
    Ok((loss, seams.backward(device)))
}

/// Inputs of each block but the first of a stack, which makes its own of the tokens.
struct Entered {
    /// Of an encoder before the decoder, and what it made.
    encoder: Option<(Vec<Tensor<3>>, Tensor<3>)>,
    resids: Vec<Tensor<3>>,
}

/// A stack on its way backwards.
struct Blocks {
    side: Site,
    resids: Vec<Tensor<3>>,
    n_layers: usize,
    /// Below it nothing is trained.
    first: usize,
}

/// A model with what an adapter gives it, and the rows of a batch.
struct Pass<'a> {
    model: &'a Model,
    conditioning: &'a Conditioning,
    rows: &'a PaddedRows<'a>,
    device: &'a Device,
}

impl Pass<'_> {
    fn forward(&self) -> Result<Entered> {
        let n_layers = self.model.shape().n_layers;
        let Model::Seq2Seq(model) = self.model else {
            let resids = self.blocks(self.model.last_site(), (n_layers, n_layers - 1), None)?;
            return Ok(Entered { encoder: None, resids });
        };
        let n_reading = model.encoder_shape().n_layers;
        let mut source = self.blocks(Site::Encoder, (n_reading, n_reading), None)?;
        let encoded = source.pop().expect("an encoder has a block");
        let resids = self.blocks(Site::Decoder, (n_layers, n_layers - 1), Some(&encoded))?;
        Ok(Entered { encoder: Some((source, encoded)), resids })
    }

    /// Outputs of the first blocks of a stack.
    fn blocks(
        &self,
        side: Site,
        (n_layers, n_run): (usize, usize),
        encoded: Option<&Tensor<3>>,
    ) -> Result<Vec<Tensor<3>>> {
        let mut made: Vec<Tensor<3>> = Vec::with_capacity(n_run);
        for layer in 0..n_run {
            let resid = made.last().cloned();
            made.push(self.run(side, LayerRange::Block { layer, n_layers, resid }, encoded)?);
        }
        Ok(made)
    }

    /// Runs a stack backwards from what `root` makes of its output.
    fn backward(
        &self,
        blocks: Blocks,
        mut encoded: Option<&mut Leaf<3>>,
        root: impl FnOnce(Tensor<3>) -> Result<Tensor<1>>,
        seams: &GraphCut,
    ) -> Result<()> {
        let Blocks { side, mut resids, n_layers, first } = blocks;
        let mut root = Some(root);
        let mut upstream = None;
        for layer in (first..n_layers).rev() {
            let resid = if layer == 0 { None } else { resids.pop() };
            let resid = resid.map(|resid| if layer > first { leaf(resid) } else { resid });
            let span = LayerRange::Block { layer, n_layers, resid: resid.clone() };
            let made = self.run(side, span, encoded.as_ref().map(|leaf| &leaf.tensor))?;
            let top = match (root.take(), upstream.take()) {
                (Some(root), _) => root(made)?,
                (None, Some(upstream)) => with_gradient(made, upstream),
                (None, None) => break,
            };
            if !top.is_tracked() {
                break;
            }
            let mut gradients = top.backward();
            seams.accumulate(&mut gradients);
            if let Some(leaf) = &mut encoded {
                leaf.accumulate(&mut gradients);
            }
            upstream = resid.and_then(|resid| resid.grad_remove(&mut gradients));
        }
        Ok(())
    }

    fn run(&self, side: Site, layers: LayerRange, encoded: Option<&Tensor<3>>) -> Result<Tensor<3>> {
        let Self { model, conditioning, rows, device } = self;
        model.run((side, layers), rows, encoded, conditioning, None, device)
    }
}

/// The first block of a stack that something trained reaches; `None` if nothing does. Where the names of weights do not
/// tell, it is the first of all, which costs time alone.
fn first_trained(base: &BaseModel, conditioning: &Conditioning, side: Site) -> Option<usize> {
    let is_pair = matches!(**base, Model::Seq2Seq(_));
    let n_layers = match &**base {
        Model::Seq2Seq(model) if side == Site::Encoder => model.encoder_shape().n_layers,
        model => model.shape().n_layers,
    };
    let is_soft = conditioning.soft_prompt.is_some() && (!is_pair || side == Site::Encoder);
    let is_cross = conditioning.cross.is_some() && side == Site::Decoder;
    if conditioning.of(side).is_some() || is_soft || is_cross {
        return Some(0);
    }
    let is_here = |name: &str| match (is_pair, name.contains("decoder."), name.contains("encoder.")) {
        (false, _, _) | (true, false, false) => true,
        (true, is_writing, _) => is_writing == (side == Site::Decoder),
    };
    let tuned = &conditioning.tuned;
    let names = tuned.replaced.keys().chain(tuned.low_rank.keys()).filter(|name| is_here(name));
    let depth = |name: &String| match LayerPosition::of(name) {
        LayerPosition::Embedding => 0,
        LayerPosition::Block(block) => block.min(n_layers - 1),
        LayerPosition::Head => n_layers - 1,
    };
    names.map(depth).min()
}
