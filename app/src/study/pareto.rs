//! Runs that are not beaten: by another in both of two figures, or by those before them.

/// Indices of the points that no other beats in both, from the least `x` on. Less is better of `x`, which is a cost. A point
/// as good in one and better in the other beats; of equal points none beats the other; what is no number is left out.
pub fn pareto(points: &[(f64, f64)], less_is_better: bool) -> Vec<usize> {
    // More is better from here on.
    let gain = |index: &usize| if less_is_better { -points[*index].1 } else { points[*index].1 };
    let mut order: Vec<usize> = (0..points.len()).filter(|&i| !points[i].0.is_nan() && !points[i].1.is_nan()).collect();
    order.sort_by(|a, b| {
        let by_cost = points[*a].0.total_cmp(&points[*b].0);
        by_cost.then_with(|| gain(b).total_cmp(&gain(a))).then_with(|| a.cmp(b))
    });
    let mut front: Vec<usize> = Vec::new();
    for index in order {
        let stays = front.last().is_none_or(|last| gain(&index) > gain(last) || points[index] == points[*last]);
        if stays {
            front.push(index);
        }
    }
    front
}

/// The best value so far, point by point. What is no number does not count; before the first number there is none.
pub fn best_so_far(values: &[f64], less_is_better: bool) -> Vec<f64> {
    let better = |best: f64, value: f64| {
        // Of a number and none these two answer with the number.
        if less_is_better { best.min(value) } else { best.max(value) }
    };
    let mut best = f64::NAN;
    let so_far = values.iter().map(|value| {
        best = better(best, *value);
        best
    });
    so_far.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition.
    fn slow(points: &[(f64, f64)], less: bool) -> Vec<usize> {
        let gain = |y: f64| if less { -y } else { y };
        let beats = |a: (f64, f64), b: (f64, f64)| a.0 <= b.0 && gain(a.1) >= gain(b.1) && a != b;
        let mut front: Vec<usize> =
            (0..points.len()).filter(|&i| !points.iter().any(|&other| beats(other, points[i]))).collect();
        front.sort_by(|a, b| points[*a].0.total_cmp(&points[*b].0).then(a.cmp(b)));
        front
    }

    #[test]
    fn the_front_is_that_of_the_definition() {
        let mut state = 1_u64;
        let mut random = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 33) % 7) as f64
        };
        for n in 0..60 {
            let points: Vec<(f64, f64)> = (0..n).map(|_| (random(), random())).collect();
            for less in [true, false] {
                assert_eq!(pareto(&points, less), slow(&points, less), "{points:?}");
            }
        }
    }

    #[test]
    fn what_is_no_number_is_in_no_front() {
        assert_eq!(pareto(&[(f64::NAN, 1.0), (2.0, f64::NAN), (3.0, 1.0)], true), [2]);
        assert!(pareto(&[], false).is_empty());
    }

    #[test]
    fn the_best_never_gets_worse() {
        let values = [f64::NAN, 3.0, 5.0, f64::NAN, 1.0];
        let shown = |less| best_so_far(&values, less).iter().map(f64::to_string).collect::<Vec<_>>();
        assert_eq!(shown(true), ["NaN", "3", "3", "3", "1"]);
        assert_eq!(shown(false), ["NaN", "3", "5", "5", "5"]);
    }
}
