//! Draws that are the same on every machine.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// A draw from N(0, 1) by Box and Muller.
pub(crate) fn normal(random: &mut ChaCha8Rng) -> f32 {
    let u: f64 = 1.0 - random.random::<f64>();
    let v: f64 = random.random();
    ((-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()) as f32
}
