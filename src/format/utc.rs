//! Moments as a calendar shows them.

/// Seconds since 1970 as year, month, day, hour, minute, second in UTC; the year 9999 is the last.
fn civil(seconds: u64) -> [u64; 6] {
    const DAY: u64 = 24 * 60 * 60;
    const LAST: u64 = 253_402_300_799;
    let seconds = seconds.min(LAST);
    // Days since the first of March of the year 0, so that a leap day is the last day of a year, and years are counted
    // in cycles of 400.
    let days = seconds / DAY + 719_468;
    let (cycle, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (month_day, month) = (
        day - (153 * month + 2) / 5 + 1,
        if month < 10 { month + 3 } else { month - 9 },
    );
    let year = cycle * 400 + year + u64::from(month <= 2);
    let second = seconds % DAY;
    [
        year,
        month,
        month_day,
        second / 3600,
        second / 60 % 60,
        second % 60,
    ]
}

/// `2026-01-02 03:04:05 UTC`
pub fn text(seconds: u64) -> String {
    let [year, month, day, hour, minute, second] = civil(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// `20260102T030405Z`: for the names of files.
pub fn compact(seconds: u64) -> String {
    let [year, month, day, hour, minute, second] = civil(seconds);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::{compact, text};

    #[test]
    fn days_that_are_known() {
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_709_164_800, "2024-02-29 00:00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
            (u64::MAX, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(text(seconds), expected);
        }
        assert_eq!(compact(1_234_567_890), "20090213T233130Z");
    }

    #[test]
    fn every_day_follows_the_one_before() {
        let mut last = super::civil(0);
        for day in 1..200_000u64 {
            let [year, month, date, ..] = super::civil(day * 86_400);
            let next = match (last[1] == month, last[0] == year) {
                (true, true) => date == last[2] + 1,
                (false, true) => date == 1 && month == last[1] + 1 && last[2] >= 28,
                (_, false) => [year, month, date] == [last[0] + 1, 1, 1] && last[1..3] == [12, 31],
            };
            assert!(next, "{last:?} {year} {month} {date}");
            last = [year, month, date, 0, 0, 0];
        }
    }
}
