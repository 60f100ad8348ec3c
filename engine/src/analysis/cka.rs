//! How alike two sets of vectors are, whatever rotation lies between them: linear centered kernel alignment (Kornblith et
//! al. 2019), with the estimator of HSIC that is not biased by few vectors in many dimensions (Song et al. 2012, "Feature
//! Selection via Dependence Maximization", eq. 5), so that sets that have nothing to do with each other have 0 and not 1.

/// Of vectors that belong together by their order; `None` for fewer than four, or where one set does not vary.
pub(super) fn debiased_cka(a: &[&[f32]], b: &[&[f32]]) -> Option<f64> {
    let n = a.len().min(b.len());
    if n < 4 {
        return None;
    }
    let (a, b) = (gram(&a[..n]), gram(&b[..n]));
    let (aa, bb) = (hsic(&a, &a), hsic(&b, &b));
    let cka = hsic(&a, &b) / (aa * bb).sqrt();
    (aa > 0.0 && bb > 0.0 && cka.is_finite()).then_some(cka)
}

/// Products of all with all, of vectors less their mean, without those of each with itself. The estimator does not depend on
/// the mean, but rounding does.
fn gram(vectors: &[&[f32]]) -> Vec<Vec<f64>> {
    let (n, width) = (vectors.len(), vectors.first().map_or(0, |vector| vector.len()));
    let mean = |i: usize| vectors.iter().map(|vector| f64::from(vector[i])).sum::<f64>() / n as f64;
    let mean: Vec<f64> = (0..width).map(mean).collect();
    let centered: Vec<Vec<f64>> =
        vectors.iter().map(|vector| vector.iter().zip(&mean).map(|(&x, mean)| f64::from(x) - mean).collect()).collect();
    let product = |i: usize, j: usize| -> f64 {
        if i == j { 0.0 } else { centered[i].iter().zip(&centered[j]).map(|(a, b)| a * b).sum() }
    };
    (0..n).map(|i| (0..n).map(|j| product(i, j)).collect()).collect()
}

/// Of symmetric matrices with zeros on the diagonal.
fn hsic(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let n = a.len() as f64;
    let sums = |matrix: &[Vec<f64>]| matrix.iter().map(|row| row.iter().sum()).collect::<Vec<f64>>();
    let (of_a, of_b) = (sums(a), sums(b));
    let trace: f64 = a.iter().zip(b).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>()).sum();
    let all = of_a.iter().sum::<f64>() * of_b.iter().sum::<f64>() / ((n - 1.0) * (n - 2.0));
    let across: f64 = of_a.iter().zip(&of_b).map(|(a, b)| a * b).sum();
    (trace + all - 2.0 / (n - 2.0) * across) / (n * (n - 3.0))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::random::normal;

    fn drawn(seed: u64, n: usize, width: usize) -> Vec<Vec<f32>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| (0..width).map(|_| normal(&mut random)).collect()).collect()
    }

    fn slices(set: &[Vec<f32>]) -> Vec<&[f32]> {
        set.iter().map(Vec::as_slice).collect()
    }

    fn cka(a: &[Vec<f32>], b: &[Vec<f32>]) -> Option<f64> {
        debiased_cka(&slices(a), &slices(b))
    }

    #[test]
    fn a_set_is_like_itself_however_it_is_turned_scaled_and_moved() {
        let set = drawn(1, 12, 2);
        let (sin, cos) = 0.7_f32.sin_cos();
        let turned = |v: &Vec<f32>| vec![3.0 * (cos * v[0] - sin * v[1]) + 5.0, 3.0 * (sin * v[0] + cos * v[1]) - 2.0];
        let turned: Vec<Vec<f32>> = set.iter().map(turned).collect();
        assert!((cka(&set, &set).unwrap() - 1.0).abs() < 1e-9);
        assert!((cka(&set, &turned).unwrap() - 1.0).abs() < 1e-4);
    }

    /// The biased one is near 1 here: 20 vectors in 300 dimensions.
    #[test]
    fn few_vectors_in_many_dimensions_are_not_alike_by_that_alone() {
        let n = 40;
        let mean =
            (0..n).filter_map(|i| cka(&drawn(2 * i, 20, 300), &drawn(2 * i + 1, 20, 300))).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.05, "{mean}");
    }

    #[test]
    fn too_few_vectors_or_the_same_one_have_none() {
        assert_eq!(cka(&drawn(1, 3, 4), &drawn(2, 3, 4)), None);
        assert_eq!(cka(&vec![vec![1.0, 2.0]; 6], &drawn(2, 6, 2)), None);
    }

    /// The formula written out in Python, of the vectors as they are.
    #[test]
    fn it_is_what_the_formula_says() {
        let a: Vec<Vec<f32>> = vec![vec![1.0, 0.0], vec![0.0, 2.0], vec![3.0, 1.0], vec![-1.0, 1.0], vec![2.0, -2.0]];
        let b: Vec<Vec<f32>> = vec![vec![0.5], vec![1.5], vec![2.0], vec![-1.0], vec![0.0]];
        assert!((cka(&a, &b).unwrap() + 0.118_774_584_957_937_59).abs() < 1e-9, "{:?}", cka(&a, &b));
    }
}
