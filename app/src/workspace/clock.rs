//! Dates and times as runs are named and shown with, in UTC.

use std::time::{SystemTime, UNIX_EPOCH};

/// `20261121-031502`, in UTC.
pub(super) fn stamp(unix_secs: u64) -> String {
    let ([year, month, day], secs) = (civil(unix_secs / 86_400), unix_secs % 86_400);
    format!("{year:04}{month:02}{day:02}-{:02}{:02}{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// Year, month and day of a day counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> [u64; 3] {
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153; // months from March
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    [year_of_era + era * 400 + u64::from(month <= 2), month, day_of_year - (153 * shifted + 2) / 5 + 1]
}

/// Seconds since 1970 as `2026-11-21 03:15:02`, in UTC.
pub fn date_and_time(unix_secs: i64) -> String {
    let unix_secs = u64::try_from(unix_secs).unwrap_or(0);
    let ([year, month, day], secs) = (civil(unix_secs / 86_400), unix_secs % 86_400);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}", secs / 3600, secs / 60 % 60, secs % 60)
}

/// Seconds since 1970 at the beginning of a day, `2026-11-21`, in UTC; `None` where it is none.
pub fn start_of_day(text: &str) -> Option<i64> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let number = |part: &str, digits: usize| {
        Some(part).filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?.parse::<u64>().ok()
    };
    let wanted = [number(year, 4)?, number(month, 2)?, number(day, 2)?];
    let [year, month, day] = wanted;
    // The same algorithm the other way around.
    let from_march = if month > 2 { year } else { year.checked_sub(1)? };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day;
    let days = 365 * from_march + from_march / 4 - from_march / 100 + from_march / 400 + day_of_year;
    let days = days.checked_sub(719_469)?;
    let is_a_date = civil(days) == wanted;
    i64::try_from(days * 86_400).ok().filter(|_| is_a_date)
}

/// Seconds since 1970, now.
pub fn now() -> i64 {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    i64::try_from(secs).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_where_its_date_says() {
        for (text, secs) in [("1970-01-01", 0), ("2000-02-29", 951_782_400), ("2026-11-21", 1_795_219_200)] {
            assert_eq!(start_of_day(text), Some(secs), "{text}");
            assert_eq!(date_and_time(secs), format!("{text} 00:00:00"));
        }
        for none in
            ["2026-02-29", "2026-13-01", "2026-00-10", "1969-12-31", "2026-1-1", "0000-01-01", "x", "", "+026-01-01"]
        {
            assert_eq!(start_of_day(none), None, "{none}");
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(stamp(0), "19700101-000000");
        assert_eq!(stamp(951_782_399), "20000228-235959");
        assert_eq!(stamp(951_782_400), "20000229-000000");
        assert_eq!(date_and_time(1_795_230_902), "2026-11-21 03:15:02");
    }
}
