//! A forward pass through a stack of blocks: what each block is given, and what is taken from it on the way.
//!
//! Past, mask and positions are counted here alone: for rows that are read at once ([`ForwardPass::of_batch`]) and for
//! text that is gone on with ([`ForwardPass::of_prompt`], [`ForwardPass::of_next`]).

use burn::tensor::{Device, Int, Tensor, TensorData};

use super::dropout::BaseDropout;
use super::hooks::{Hooks, StackName};
use super::layer_range::LayerRange;
use super::tokens::Tokens;
use crate::config::Site;
use crate::error::Result;
use crate::models::{Conditioning, Encoded, ModelShape};
use crate::nn::positions::{Place, PositionIds, PositionOffset, positions, real_tokens};
use crate::nn::{AttentionMask, ContextRows, ContextTokens, LayerKv};
use crate::tokens::SOFT;

/// A stack of blocks, as far as a pass through it must know it.
#[derive(Clone, Copy, Debug)]
pub struct Stack {
    pub(crate) name: StackName,
    /// Where its prefix stands.
    pub(crate) site: Site,
    pub(crate) n_positions: usize,
    /// The counting of positions in rows that are read at once.
    pub(crate) position_ids: PositionIds,
    /// The tokens that part a text into a context and what is written behind it, where the model reads it so.
    pub(crate) context: Option<ContextTokens>,
}

/// Rows of token ids padded to one length, on the host.
#[derive(Clone, Debug)]
pub struct PaddedRows<'a> {
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Ids, row by row.
    pub tokens: &'a [i32],
    /// 1 for a token, 0 for padding.
    pub mask: &'a [f32],
    /// The text of a pair that each token belongs to; none: all to the first.
    pub types: Option<&'a [i32]>,
    /// The column of each row from which on an infix is seen; not looked at without one.
    pub infix_from: Vec<usize>,
    /// The column at which the row of each position begins, where lines have several rows; none: each is one.
    pub starts: Option<&'a [usize]>,
    /// Sources that an encoder reads, which stand before targets.
    pub source: Option<Box<PaddedRows<'a>>>,
}

/// One pass of a batch through a stack of blocks.
pub struct ForwardPass<'a> {
    /// The tokens, `[batch, seq]`, with the embeddings of the soft ones.
    pub tokens: Tokens,
    /// Position of each token, `[batch, seq]`.
    pub positions: Tensor<2, Int>,
    /// Its position in what is written behind a context, `[batch, seq]`, where the model has one.
    pub block_positions: Option<Tensor<2, Int>>,
    /// The text of a pair that each token belongs to, `[batch, seq]`; none: all to the first.
    pub types: Option<Tensor<2, Int>>,
    /// The mask of the keys that each layer sees, of the past and of the text.
    pub(super) mask: AttentionMask,
    /// Keys and values that every token may see, one pair per layer: a prefix, a cache, or both.
    pub(super) past: Option<&'a [LayerKv]>,
    /// The source as the decoder sees it.
    pub(super) source: Option<&'a Encoded>,
    /// The blocks that run.
    pub(super) layers: LayerRange,
    pub(super) stack: StackName,
    pub(super) kv: Option<Vec<LayerKv>>,
    pub(super) hooks: Option<&'a mut dyn Hooks>,
    /// Dropout of the model itself, in training.
    pub(super) dropout: Option<BaseDropout>,
}

impl Stack {
    /// The only stack of a model.
    pub(crate) fn only(site: Site, shape: &ModelShape, position_ids: PositionIds) -> Self {
        Self { name: StackName::Blocks, site, n_positions: shape.n_positions, position_ids, context: None }
    }

    /// The place of the token behind a text that [`ForwardPass::of_prompt`] reads.
    pub fn behind(&self, tokens: &[u32], n_free: usize, conditioning: &Conditioning) -> Place {
        match self.context {
            Some(context) => context.parts(tokens).place(tokens.len()),
            None => {
                let before = self.n_before(conditioning) + self.n_infix(conditioning);
                Place { position: before + tokens.len() + n_free, block: None }
            }
        }
    }

    /// Positions that a prefix takes before the text. Sources start at 0 whether there is one or not, as in the paper's code,
    /// and so do texts with a context, whose positions GLM's own code counts from the tokens alone.
    fn n_before(&self, conditioning: &Conditioning) -> usize {
        let takes_none = self.name == StackName::Encoder || self.context.is_some();
        if takes_none { 0 } else { conditioning.n_before(self.site) }
    }

    fn n_infix(&self, conditioning: &Conditioning) -> usize {
        if self.name == StackName::Blocks { conditioning.n_infix() } else { 0 }
    }

    /// Embeddings of the soft tokens, which stand in a source where there is one.
    fn soft_prompt<'a>(&self, conditioning: &'a Conditioning) -> Option<&'a Tensor<2>> {
        conditioning.soft_prompt.as_ref().filter(|_| self.name != StackName::Decoder)
    }
}

impl<'a> ForwardPass<'a> {
    /// Rows that are read at once, in training and evaluation, behind what an adapter gives.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`](crate::error::EngineError::AdapterMismatch) for a soft token that it does not have.
    pub fn of_batch(
        stack: Stack,
        rows: &PaddedRows<'_>,
        conditioning: &'a Conditioning,
        device: &Device,
    ) -> Result<Self> {
        let &PaddedRows { shape, tokens, mask, types, ref infix_from, starts, .. } = rows;
        let soft_prompt = stack.soft_prompt(conditioning);
        let context = stack.context.map(|context| context.rows(tokens, mask, shape, device));
        let tokens = Tokens::new(tokens.iter().map(|&id| id.into()), shape, soft_prompt, device)?;
        let types = types.map(|types| Tensor::from_data(TensorData::new(types.to_vec(), shape), device));
        let dropout = conditioning.dropout;
        if let Some(rows) = context {
            let pass = Self::of_context(stack, tokens, rows, conditioning, real_tokens(mask, shape, device));
            return Ok(Self { types, dropout, ..pass });
        }
        let taken = match (stack.n_infix(conditioning), starts) {
            (0, None) => PositionOffset::Before(stack.n_before(conditioning)),
            (0, Some(starts)) => PositionOffset::Rows(stack.n_before(conditioning), starts),
            (n_infix, _) => PositionOffset::From(n_infix, infix_from),
        };
        let positions = positions(mask, shape, taken, stack.n_positions, stack.position_ids, device);
        // Padding stands behind a target's end, where no token of it looks.
        let is_target = stack.name == StackName::Decoder;
        let real = if is_target { None } else { real_tokens(mask, shape, device) };
        let pass = Self::new(stack, tokens, positions).behind(stack, conditioning, real, infix_from);
        let n_slots = conditioning.prefix_columns(stack.site).n;
        let mask = starts.map(|starts| pass.mask.clone().with_rows(n_slots, starts, shape, device));
        Ok(Self { types, dropout, mask: mask.unwrap_or(pass.mask), ..pass })
    }

    /// A text that stands alone and is gone on with, a source, or the start of a target, behind what an adapter gives.
    /// After its leading soft tokens `n_free` positions are left free.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`](crate::error::EngineError::AdapterMismatch) for a soft token that it does not have.
    pub fn of_prompt(
        stack: Stack,
        tokens: &[u32],
        n_free: usize,
        conditioning: &'a Conditioning,
        device: &Device,
    ) -> Result<Self> {
        Self::of_text(stack, (tokens, tokens.len() - 1), n_free, conditioning, device)
    }

    /// The same for a text whose continuation is known and stands behind its prompt: `last` is the place of the prompt's last
    /// token, the first that sees an infix.
    ///
    /// # Errors
    /// [`EngineError::AdapterMismatch`](crate::error::EngineError::AdapterMismatch) for a soft token that it does not have.
    pub fn of_text(
        stack: Stack,
        (tokens, last): (&[u32], usize),
        n_free: usize,
        conditioning: &'a Conditioning,
        device: &Device,
    ) -> Result<Self> {
        let seq = tokens.len();
        if let Some(context) = stack.context {
            let ids: Vec<i32> = tokens.iter().map(|token| token.cast_signed()).collect();
            let rows = context.rows(&ids, &vec![1.0; seq], [1, seq], device);
            let ids = tokens.iter().map(|&token| token.into());
            let tokens = Tokens::new(ids, [1, seq], stack.soft_prompt(conditioning), device)?;
            return Ok(Self::of_context(stack, tokens, rows, conditioning, None));
        }
        let n_leading = tokens.iter().take_while(|&&token| token >= SOFT).count();
        let (n_before, n_infix) = (stack.n_before(conditioning), stack.n_infix(conditioning));
        let position = |at: usize| {
            let infix = if at >= last { n_infix } else { 0 };
            (n_before + infix + at + if at < n_leading { 0 } else { n_free }) as i64
        };
        let positions = on_device((0..seq).map(position).collect(), [1, seq], device);
        let ids = tokens.iter().map(|&token| token.into());
        let tokens = Tokens::new(ids, [1, seq], stack.soft_prompt(conditioning), device)?;
        Ok(Self::new(stack, tokens, positions).behind(stack, conditioning, None, &[last]))
    }

    /// One more token of each row, behind what a cache holds.
    pub fn of_next(
        stack: Stack,
        (tokens, places): (Vec<i64>, Vec<Place>),
        (past, mask): (&'a [LayerKv], AttentionMask),
        device: &Device,
    ) -> Self {
        let shape = [tokens.len(), 1];
        let tokens = Tokens::plain(on_device(tokens, shape, device));
        // A row that has ended may be past the last position; what it computes is not used.
        let position = |place: &Place| place.position.min(stack.n_positions - 1) as i64;
        let positions = on_device(places.iter().map(position).collect(), shape, device);
        let block = |place: &Place| place.block.unwrap_or(0) as i64;
        let block_positions = stack.context.map(|_| on_device(places.iter().map(block).collect(), shape, device));
        Self { past: Some(past), mask, block_positions, ..Self::new(stack, tokens, positions) }
    }

    /// Texts without padding and without anything before them; where a model reads contexts, each is one.
    pub fn of_texts(stack: Stack, tokens: Tensor<2, Int>) -> Self {
        let [batch, seq] = tokens.dims();
        let (mask, taken) = (vec![1.0; batch * seq], PositionOffset::Before(0));
        let positions = positions(&mask, [batch, seq], taken, stack.n_positions, stack.position_ids, &tokens.device());
        let block_positions = stack.context.map(|_| positions.zeros_like());
        Self { block_positions, ..Self::new(stack, Tokens::plain(tokens), positions) }
    }

    /// Texts with a context, behind what an adapter gives.
    fn of_context(
        stack: Stack,
        tokens: Tokens,
        ContextRows { positions, blocks, columns }: ContextRows,
        conditioning: &'a Conditioning,
        real: Option<Tensor<2>>,
    ) -> Self {
        let ([_, seq], device) = (tokens.dims(), positions.device());
        let pass = Self::new(stack, tokens, positions).behind(stack, conditioning, real, &[]);
        let n_slots = conditioning.prefix_columns(stack.site).n;
        let mask = pass.mask.clone().with_context(n_slots, &columns, seq, &device);
        Self { block_positions: Some(blocks), mask, ..pass }
    }

    fn new(stack: Stack, tokens: Tokens, positions: Tensor<2, Int>) -> Self {
        Self {
            tokens,
            positions,
            block_positions: None,
            types: None,
            mask: AttentionMask::default(),
            past: None,
            source: None,
            layers: LayerRange::Whole,
            stack: stack.name,
            kv: None,
            hooks: None,
            dropout: None,
        }
    }

    fn behind(
        self,
        stack: Stack,
        conditioning: &'a Conditioning,
        real: Option<Tensor<2>>,
        infix_from: &[usize],
    ) -> Self {
        let ([batch, seq], device) = (self.tokens.dims(), self.positions.device());
        let mask = AttentionMask::with_prefix(conditioning.prefix_columns(stack.site), real, [batch, seq], &device);
        let mask = mask.with_infix(stack.n_infix(conditioning), infix_from, seq, &device);
        Self { past: conditioning.of(stack.site), mask, ..self }
    }

    /// The same through some of the blocks.
    pub fn through(self, layers: LayerRange) -> Self {
        Self { layers, ..self }
    }

    /// The same of a target behind a source.
    pub fn behind_source(self, source: &'a Encoded) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The same, which keeps the keys and values of its tokens for [`ForwardPass::take_kv`].
    pub fn keeping_kv(self) -> Self {
        Self { kv: Some(Vec::new()), ..self }
    }

    /// The same under hooks.
    pub fn with_hooks(self, hooks: Option<&'a mut (dyn Hooks + '_)>) -> Self {
        Self { hooks: hooks.map(|hooks| hooks as &mut dyn Hooks), ..self }
    }

    /// Keys and values of this pass's tokens, one pair per layer, `[batch, n_kv_heads, seq, d_head]`: what a cache appends
    /// and what a prefix is initialized from.
    pub fn take_kv(&mut self) -> Vec<LayerKv> {
        self.kv.take().unwrap_or_default()
    }
}

fn on_device(ids: Vec<i64>, shape: [usize; 2], device: &Device) -> Tensor<2, Int> {
    Tensor::from_data(TensorData::new(ids, shape), device)
}
