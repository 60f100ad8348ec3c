//! The mean of a few values, such as those of several seeds, with its 95 % interval by Student's t, and that of a share.
//!
//! The quantile inverts the distribution function, which is a regularized incomplete beta function (Abramowitz and Stegun
//! 26.5.27), computed by its continued fraction (26.5.8) with Lentz' method.

/// Mean of some values and half the width of its 95 % interval; one value has no interval. `None` without a value, or where
/// one is not finite.
pub fn mean_interval(values: &[f64]) -> Option<(f64, Option<f64>)> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return Some((mean, None));
    }
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    Some((mean, Some(student_t_quantile(0.975, n - 1.0) * error)))
}

/// The 95 % interval of a share of which so many hits are known: Wilson 1927, "Probable Inference, the Law of Succession, and
/// Statistical Inference", without correction for continuity. `None` of nothing.
pub fn share_interval(hits: usize, of: usize) -> Option<(f64, f64)> {
    /// The value that a normal variable is below with probability 0.975.
    const Z: f64 = 1.959_963_984_540_054;
    if of == 0 {
        return None;
    }
    let n = of as f64;
    let share = hits.min(of) as f64 / n;
    let middle = (share + Z * Z / (2.0 * n)) / (1.0 + Z * Z / n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt() / (1.0 + Z * Z / n);
    Some(((middle - half).max(0.0), (middle + half).min(1.0)))
}

/// The value that a variable of Student's t distribution is below with probability `p`; NaN unless `p` is between 0 and 1
/// and there are degrees of freedom.
pub fn student_t_quantile(p: f64, degrees: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && degrees > 0.0) {
        return f64::NAN;
    }
    // The half above 0 by the small probability beyond it, which keeps its digits.
    let beyond = p.min(1.0 - p);
    let mut high = 1.0;
    while upper_tail(high, degrees) > beyond && high < f64::MAX / 2.0 {
        high *= 2.0;
    }
    let mut low = if high > 1.0 { high / 2.0 } else { 0.0 };
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            break;
        }
        if upper_tail(middle, degrees) > beyond { low = middle } else { high = middle }
    }
    if p < 0.5 { -low } else { low }
}

/// The probability of more than `t`, which is at least 0.
fn upper_tail(t: f64, degrees: f64) -> f64 {
    let x = degrees / (degrees + t * t);
    // What is left of 1, without losing digits where t is small.
    let rest = t * t / (degrees + t * t);
    0.5 * regularized_beta(x, rest, degrees / 2.0, 0.5)
}

/// `I_x(a, b)`; `rest` is `1 - x`.
fn regularized_beta(x: f64, rest: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 {
        return 0.0;
    }
    if rest <= 0.0 {
        return 1.0;
    }
    let front = (ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * rest.ln()).exp();
    // The fraction converges fast below its mean; above it the other end is computed.
    if x < (a + 1.0) / (a + b + 2.0) { front * fraction(x, a, b) / a } else { 1.0 - front * fraction(rest, b, a) / b }
}

/// The continued fraction of the incomplete beta function.
fn fraction(x: f64, a: f64, b: f64) -> f64 {
    const MOST: u32 = 10_000;
    let kept = |value: f64| if value.abs() < f64::MIN_POSITIVE { f64::MIN_POSITIVE } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / kept(1.0 - (a + b) * x / (a + 1.0));
    let mut found = d;
    for m in 1..=MOST {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let mut change = 1.0;
        for term in [even, odd] {
            d = 1.0 / kept(1.0 + term * d);
            c = kept(1.0 + term / c);
            change = c * d;
            found *= change;
        }
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    found
}

/// Logarithm of the gamma function of a positive number: Lanczos' approximation with g = 7 and nine terms.
fn ln_gamma(x: f64) -> f64 {
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    if x < 0.5 {
        // Reflected.
        return (std::f64::consts::PI / (std::f64::consts::PI * x).sin()).ln() - ln_gamma(1.0 - x);
    }
    let x = x - 1.0;
    let sum = TERMS.iter().zip(1_u8..).fold(FIRST, |sum, (term, at)| sum + term / (x + f64::from(at)));
    let base = x + 7.5;
    0.5 * std::f64::consts::TAU.ln() + (x + 0.5) * base.ln() - base + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.t.ppf(0.975, df)` for 1 to 30 degrees of freedom.
    const T: [f64; 30] = [
        12.706_204_736_2,
        4.302_652_729_75,
        3.182_446_305_28,
        2.776_445_105_2,
        2.570_581_835_64,
        2.446_911_851_14,
        2.364_624_251_59,
        2.306_004_135_2,
        2.262_157_162_8,
        2.228_138_851_99,
        2.200_985_160_09,
        2.178_812_829_67,
        2.160_368_656_46,
        2.144_786_687_92,
        2.131_449_545_56,
        2.119_905_299_22,
        2.109_815_577_83,
        2.100_922_040_24,
        2.093_024_054_41,
        2.085_963_447_27,
        2.079_613_844_73,
        2.073_873_067_9,
        2.068_657_610_42,
        2.063_898_561_63,
        2.059_538_552_75,
        2.055_529_438_64,
        2.051_830_516_48,
        2.048_407_141_8,
        2.045_229_642_13,
        2.042_272_456_3,
    ];

    fn near(found: f64, wanted: f64) {
        assert!((found / wanted - 1.0).abs() < 1e-10, "{found} {wanted}");
    }

    #[test]
    fn quantiles_are_those_of_scipy() {
        for (wanted, degrees) in T.iter().zip(1_u8..) {
            near(student_t_quantile(0.975, degrees.into()), *wanted);
            near(student_t_quantile(0.025, degrees.into()), -wanted);
        }
        for (p, degrees, wanted) in [
            (0.975, 100.0, 1.983_971_518_523_551_8),
            (0.975, 1e6, 1.959_966_356_814_107),
            (0.95, 4.0, 2.131_846_786_326_649_5),
            (0.25, 3.0, -0.764_892_328_404_344_4),
            (0.9995, 2.0, 31.599_054_576_445_365),
            (0.6, 2.5, 0.281_459_512_748_547_7),
            (1e-10, 5.0, -156.825_592_708_894_33),
        ] {
            near(student_t_quantile(p, degrees), wanted);
        }
        assert!(student_t_quantile(0.5, 3.0).abs() < 1e-12);
        for (p, degrees) in [(0.0, 3.0), (1.0, 3.0), (0.5, 0.0), (f64::NAN, 3.0)] {
            assert!(student_t_quantile(p, degrees).is_nan(), "{p} {degrees}");
        }
    }

    /// `statsmodels.stats.proportion.proportion_confint(hits, of, method="wilson")`.
    #[test]
    fn the_interval_of_a_share_is_wilsons() {
        let (low, high) = share_interval(8, 10).unwrap();
        assert!((low - 0.490_162_5).abs() < 1e-6 && (high - 0.943_317_8).abs() < 1e-6, "{low} {high}");
        let (low, high) = share_interval(0, 20).unwrap();
        assert!(low.abs() < 1e-12 && (high - 0.161_125_2).abs() < 1e-6, "{low} {high}");
        assert_eq!(share_interval(0, 0), None);
        let (a, b) = (share_interval(5, 20).unwrap(), share_interval(15, 20).unwrap());
        assert!((a.0 + b.1 - 1.0).abs() < 1e-12, "the other side is the mirror image");
    }

    #[test]
    fn the_interval_is_that_of_the_mean() {
        let (mean, half) = mean_interval(&[2.1, 2.5, 1.9, 2.2, 2.8]).unwrap();
        near(mean, 2.3);
        near(half.unwrap(), 0.438_994_516_542_541_24);
        assert_eq!(mean_interval(&[2.0]), Some((2.0, None)));
        assert_eq!(mean_interval(&[2.0, 2.0]), Some((2.0, Some(0.0))));
        assert_eq!((mean_interval(&[]), mean_interval(&[1.0, f64::NAN])), (None, None));
    }
}
