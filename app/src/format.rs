//! Numbers, sizes and times as people read them.

use crate::t;

/// `9857024` as `9,857,024`.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A text of at most so many characters.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end_matches([' ', ',', '·']))
}

/// `9857024` as `9.86 M`.
pub fn short_count(number: usize) -> String {
    let value = number as f64;
    match number {
        0..=9_999 => count(number),
        10_000..=999_999 => format!("{} k", three_digits(value / 1e3)),
        1_000_000..=999_999_999 => format!("{} M", three_digits(value / 1e6)),
        _ => format!("{} B", three_digits(value / 1e9)),
    }
}

/// `1610612736` as `1.61 GB`.
pub fn bytes(number: u64) -> String {
    let value = number as f64;
    match number {
        0..=999 => format!("{number} B"),
        1_000..=999_999 => format!("{} kB", three_digits(value / 1e3)),
        1_000_000..=999_999_999 => format!("{} MB", three_digits(value / 1e6)),
        _ => format!("{} GB", three_digits(value / 1e9)),
    }
}

fn three_digits(value: f64) -> String {
    let decimals = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.decimals$}")
}

/// A span of time as people say it.
pub fn duration(secs: f64) -> String {
    if !secs.is_finite() {
        return "–".to_owned();
    }
    let whole = secs.max(0.0).round() as u64;
    match whole {
        0..=59 if secs < 10.0 => t!("time.seconds", n = format!("{secs:.1}")),
        0..=59 => t!("time.seconds", n = whole),
        60..=3_599 => t!("time.minutes", n = whole / 60, rest = format!("{:02}", whole % 60)),
        3_600..=86_399 => t!("time.hours", n = whole / 3_600, rest = format!("{:02}", whole % 3_600 / 60)),
        _ => t!("time.days", n = whole / 86_400, rest = format!("{:02}", whole % 86_400 / 3_600)),
    }
}

/// The time since a moment in words, both in seconds since 1970.
pub fn ago(moment: f64, now: f64) -> String {
    let secs = (now - moment).max(0.0) as u64;
    match secs {
        0..=59 => t!("time.just_now").to_owned(),
        60..=3_599 => t!("time.minutes_ago", n = secs / 60),
        3_600..=86_399 => t!("time.hours_ago", n = secs / 3_600),
        _ => t!("time.days_ago", n = secs / 86_400),
    }
}

/// A loss or another figure of about one: four digits after the point.
pub fn figure(value: f64) -> String {
    if value.is_finite() { format!("{value:.4}") } else { "–".to_owned() }
}

/// A learning rate or another small number: `5e-3`, `0.5`.
pub fn scientific(value: f64) -> String {
    if value == 0.0 || (0.01..1e4).contains(&value.abs()) {
        return format!("{value}");
    }
    let text = format!("{value:.3e}");
    match text.split_once('e') {
        Some((mantissa, exponent)) => {
            let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
            format!("{mantissa}e{exponent}")
        }
        None => text,
    }
}

/// A number of any size beside an axis or in a small table: `5e-3`, `0.25`, `92.2 k`, `1.5 M`.
pub fn compact(value: f64) -> String {
    if !value.is_finite() {
        return "–".to_owned();
    }
    let size = value.abs();
    let (unit, name) = match size {
        _ if size < 1e4 => (1.0, ""),
        _ if size < 1e6 => (1e3, " k"),
        _ if size < 1e9 => (1e6, " M"),
        _ => (1e9, " B"),
    };
    let digits = if size < 1e4 { 5 } else { 3 };
    format!("{}{name}", scientific(rounded(value / unit, digits)))
}

/// A number with so many digits that count.
fn rounded(value: f64, digits: usize) -> f64 {
    format!("{value:.*e}", digits.saturating_sub(1)).parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!(count(9_857_024), "9,857,024");
        assert_eq!(short_count(9_857_024), "9.86 M");
        assert_eq!(short_count(184_320), "184 k");
        assert_eq!(bytes(1_610_612_736), "1.61 GB");
        assert_eq!(duration(75.0), "1 min 15 s");
        assert_eq!(scientific(5e-3), "5e-3");
        assert_eq!(scientific(5e-5), "5e-5");
        assert_eq!(scientific(0.05), "0.05");
        let said =
            [10f64.powf(2f64.log10()), 5e-3, 0.250_004, 92_160.0, 1.5e6, 1000.0, -2.0, 0.0, f64::NAN].map(compact);
        assert_eq!(said, ["2", "5e-3", "0.25", "92.2 k", "1.5 M", "1000", "-2", "0", "–"]);
    }
}
