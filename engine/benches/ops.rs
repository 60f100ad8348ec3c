//! What each operation costs at the sizes of GPT-2 small: batch 4 × 128, prefix 10, half of the tokens labeled.
//!
//! Prints one JSON line for each figure, the fastest of several runs. An argument selects by name:
//! `cargo bench --bench ops -- attention`. `WORKBENCH_BENCH_DEVICE=wgpu` measures the default GPU.

use std::time::Instant;

use burn::tensor::{Device, Distribution, Int, Tensor};
use engine::nn::{
    Activation, AdamW, AttentionShape, FrozenLinear, LayerKv, LayerNorm, activation, adamw_step, attention,
    cross_entropy_at_labels, head_logits,
};

const BATCH: usize = 4;
const SEQ: usize = 128;
const N_VIRTUAL: usize = 10;
const N_LAYERS: usize = 12;
const N_HEADS: usize = 12;
const D_HEAD: usize = 64;
const D_MODEL: usize = N_HEADS * D_HEAD;
const D_FF: usize = 4 * D_MODEL;
const VOCAB_SIZE: usize = 50_257;

fn main() {
    let bench = Bench {
        device: match std::env::var("WORKBENCH_BENCH_DEVICE").as_deref() {
            Ok("wgpu") => Device::wgpu(Default::default()),
            _ => Device::flex(),
        },
        only: std::env::args().skip(1).find(|argument| !argument.starts_with('-')),
    };
    bench.linear();
    bench.rows();
    bench.attention();
    bench.loss();
    bench.optimizer();
    bench.stack();
    bench.decoding();
}

struct Bench {
    device: Device,
    only: Option<String>,
}

impl Bench {
    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// Runs `work` once to warm up, then for a second, at least five times, and prints the fastest.
    fn time(&self, name: &str, mut work: impl FnMut()) {
        if !self.wants(name) {
            return;
        }
        work();
        let (start, mut fastest, mut runs) = (Instant::now(), f64::INFINITY, 0);
        while runs < 5 || (start.elapsed().as_secs_f64() < 1.0 && runs < 200) {
            let begin = Instant::now();
            work();
            self.device.sync().expect("the device works");
            fastest = fastest.min(begin.elapsed().as_secs_f64() * 1e3);
            runs += 1;
        }
        println!(r#"{{"bench":"{name}","value":{fastest:.4},"unit":"ms"}}"#);
    }

    fn plain<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        Tensor::random(shape, Distribution::Normal(0.0, 0.05), &self.device)
    }

    fn tracked<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        Tensor::from_inner(self.plain(shape)).require_grad()
    }

    /// Forward alone, and forward with backward.
    fn both<const D: usize>(&self, name: &str, leaf: &Tensor<D>, f: impl Fn(Tensor<D>) -> Tensor<3>) {
        let plain = leaf.clone().inner();
        self.time(&format!("{name}_forward"), || drop(f(plain.clone())));
        self.time(&format!("{name}_forward_backward"), || {
            let out = f(leaf.clone());
            drop(out.sum().backward());
        });
    }

    fn frozen_linear(&self, d_in: usize, d_out: usize) -> FrozenLinear {
        FrozenLinear::new(self.plain([d_in, d_out]), Some(self.plain([d_out])))
    }

    fn norm(&self) -> LayerNorm {
        LayerNorm { gamma: self.plain([D_MODEL]) + 1.0, beta: self.plain([D_MODEL]), epsilon: 1e-5 }
    }

    fn linear(&self) {
        for (d_in, d_out) in [(D_MODEL, 3 * D_MODEL), (D_MODEL, D_MODEL), (D_MODEL, D_FF), (D_FF, D_MODEL)] {
            let layer = self.frozen_linear(d_in, d_out);
            self.both(&format!("linear_{d_in}x{d_out}"), &self.tracked([BATCH, SEQ, d_in]), |x| layer.forward(x));
            for rows in [1, 2, 4, 8, 16] {
                let few = self.plain([1, rows, d_in]);
                self.time(&format!("linear_{d_in}x{d_out}_{rows}_rows"), || drop(layer.forward(few.clone())));
            }
        }
    }

    fn rows(&self) {
        let norm = self.norm();
        self.both("layer_norm", &self.tracked([BATCH, SEQ, D_MODEL]), |x| norm.forward(x));
        let x = self.tracked([BATCH, SEQ, D_FF]);
        self.both("gelu_new", &x, |x| activation(x, Activation::GeluTanh));
        self.both("gelu", &x, |x| activation(x, Activation::Gelu));
    }

    fn attention(&self) {
        let qkv = self.tracked([BATCH, SEQ, 3 * D_MODEL]);
        let kv = || Tensor::from_inner(self.plain([1, N_HEADS, N_VIRTUAL, D_HEAD])).require_grad();
        let past = LayerKv { key: kv(), value: kv() };
        let plain = LayerKv { key: past.key.clone().inner(), value: past.value.clone().inner() };
        self.both("attention", &qkv, |qkv| {
            let past = if qkv.device().is_autodiff() { &past } else { &plain };
            attention(qkv, Some(past), None, None, &shape())
        });
        let first = qkv.inner();
        self.time("attention_first_layer_forward_backward", || {
            drop(attention(first.clone(), Some(&past), None, None, &shape()).sum().backward());
        });
    }

    fn loss(&self) {
        let n = BATCH * SEQ / 2;
        let head = self.plain([VOCAB_SIZE, D_MODEL]);
        let targets: Tensor<1, Int> = Tensor::arange(0..n as i64, &self.device);
        let plain = self.plain([n, D_MODEL]);
        self.time("label_nll_forward", || drop(cross_entropy_at_labels(plain.clone(), &head, targets.clone())));
        let hidden = self.tracked([n, D_MODEL]);
        self.time("label_nll_forward_backward", || {
            drop(cross_entropy_at_labels(hidden.clone(), &head, targets.clone()).sum().backward());
        });
        for n in [1, 2, 4, 8] {
            let hidden = self.plain([n, D_MODEL]);
            self.time(&format!("head_logits_{n}_rows"), || drop(head_logits(hidden.clone(), &head)));
        }
    }

    fn optimizer(&self) {
        for count in [N_LAYERS * 2 * N_VIRTUAL * D_MODEL, 9_857_024] {
            let cfg = AdamW::default();
            let grad = self.plain([count]);
            let mut state = Some((self.plain([count]), self.plain([count]).abs(), self.plain([count]).abs()));
            let name = format!("adamw_{count}");
            self.time(&name, || {
                let (param, first, second) = state.take().expect("put back below");
                state = Some(adamw_step(&cfg, 3, 1e-3, param, grad.clone(), first, second));
            });
        }
    }

    /// Twelve blocks: the work of a training step but for embeddings and optimizer.
    fn stack(&self) {
        if !["stack_forward_backward", "step", "decoding_1_streams"].iter().any(|name| self.wants(name)) {
            return;
        }
        let blocks: Vec<Block> = (0..N_LAYERS).map(|_| Block::new(self)).collect();
        let x = self.plain([BATCH, SEQ, D_MODEL]);
        let prefix = self.tracked([N_LAYERS * 2, N_HEADS, N_VIRTUAL, D_HEAD]);
        let run = |x: Tensor<3>, prefix: &Tensor<4>| {
            blocks.iter().enumerate().fold(x, |x, (layer, block)| {
                let part = |which: usize| prefix.clone().narrow(0, 2 * layer + which, 1);
                block.forward(x, &LayerKv { key: part(0), value: part(1) })
            })
        };
        let plain = prefix.clone().inner();
        self.time("stack_forward", || drop(run(x.clone(), &plain)));
        self.time("stack_forward_backward", || {
            drop(run(x.clone(), &prefix).sum().backward());
        });
        let head = self.plain([VOCAB_SIZE, D_MODEL]);
        let norm = self.norm();
        let n = BATCH * SEQ / 2;
        let targets: Tensor<1, Int> = Tensor::arange(0..n as i64, &self.device);
        self.time("step", || {
            let hidden = norm.forward(run(x.clone(), &prefix)).reshape([BATCH * SEQ, D_MODEL]);
            let labeled = hidden.narrow(0, BATCH * SEQ - n, n);
            drop(cross_entropy_at_labels(labeled, &head, targets.clone()).mean().backward());
        });
        let kv = || self.plain([1, N_HEADS, 138, D_HEAD]);
        let cache: Vec<LayerKv> = (0..N_LAYERS).map(|_| LayerKv { key: kv(), value: kv() }).collect();
        for streams in [1, 2, 4, 8] {
            let tokens = self.plain([streams, 1, D_MODEL]);
            self.time(&format!("decoding_{streams}_streams"), || {
                let x = blocks.iter().zip(&cache).fold(tokens.clone(), |x, (block, past)| block.forward(x, past));
                drop(head_logits(norm.forward(x).reshape([streams, D_MODEL]), &head));
            });
        }
    }

    fn decoding(&self) {
        let qkv = self.plain([1, 1, 3 * D_MODEL]);
        let past = LayerKv { key: self.plain([1, N_HEADS, 138, D_HEAD]), value: self.plain([1, N_HEADS, 138, D_HEAD]) };
        self.time("attention_one_query", || drop(attention(qkv.clone(), Some(&past), None, None, &shape())));
    }
}

fn shape() -> AttentionShape {
    AttentionShape {
        n_heads: N_HEADS,
        n_kv_heads: N_HEADS,
        d_head: D_HEAD,
        scale: 0.125,
        causal: true,
        is_cross: false,
        softcap: None,
    }
}

struct Block {
    norms: [LayerNorm; 2],
    qkv: FrozenLinear,
    project: FrozenLinear,
    up: FrozenLinear,
    down: FrozenLinear,
}

impl Block {
    fn new(bench: &Bench) -> Self {
        Self {
            norms: [bench.norm(), bench.norm()],
            qkv: bench.frozen_linear(D_MODEL, 3 * D_MODEL),
            project: bench.frozen_linear(D_MODEL, D_MODEL),
            up: bench.frozen_linear(D_MODEL, D_FF),
            down: bench.frozen_linear(D_FF, D_MODEL),
        }
    }

    fn forward(&self, x: Tensor<3>, past: &LayerKv) -> Tensor<3> {
        let qkv = self.qkv.forward(self.norms[0].forward(x.clone()));
        let x = x + self.project.forward(attention(qkv, Some(past), None, None, &shape()));
        let inner = activation(self.up.forward(self.norms[1].forward(x.clone())), Activation::GeluTanh);
        x + self.down.forward(inner)
    }
}
