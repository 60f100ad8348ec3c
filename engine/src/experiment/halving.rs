//! Successive halving: after which steps runs are held against each other, and how many go on (Jamieson and Talwalkar 2016,
//! "Non-stochastic Best Arm Identification and Hyperparameter Optimization").

/// Steps, each with the number of runs that go on from there.
pub(super) fn rungs(
    (factor, first_steps): (usize, usize),
    runs: usize,
    total_steps: usize,
    eval_every: usize,
) -> Vec<(usize, usize)> {
    // As a run takes 0.
    let every = if eval_every > 0 { eval_every } else { total_steps.div_ceil(10).max(1) };
    let factor = factor.max(2);
    let (mut rungs, mut left) = (Vec::new(), runs);
    let mut next = first_steps.max(1).checked_next_multiple_of(every);
    while let Some(step) = next.filter(|step| *step < total_steps && left > 1) {
        left = left.div_ceil(factor);
        rungs.push((step, left));
        next = step.checked_mul(factor);
    }
    rungs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_evaluations_and_a_part_goes_on() {
        assert_eq!(rungs((3, 100), 27, 2000, 50), [(100, 9), (300, 3), (900, 1)]);
        assert_eq!(rungs((2, 120), 5, 2000, 50), [(150, 3), (300, 2), (600, 1)], "rounded up to an evaluation");
        assert_eq!(rungs((3, 100), 27, 300, 50), [(100, 9)], "the last step is the end itself");
        assert_eq!(rungs((3, 100), 1, 2000, 50), [], "nothing to be held against");
        assert_eq!(rungs((3, 100), 0, 2000, 50), []);
        assert_eq!(rungs((3, 2000), 9, 2000, 50), []);
    }

    #[test]
    fn what_is_not_said_is_as_in_a_run() {
        assert_eq!(rungs((3, 0), 9, 95, 0), [(10, 3), (30, 1)], "ten evaluations");
        assert_eq!(rungs((0, 1), 4, 9, 1), [(1, 2), (2, 1)], "a factor leaves some behind");
        assert_eq!(rungs((usize::MAX, usize::MAX), 9, usize::MAX, 7), [], "no step is beyond all numbers");
    }
}
