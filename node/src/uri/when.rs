//! Moments as people write them, in UTC unless an offset says otherwise.
//!
//! A moment stands for the last millisecond of the unit that it names: `2026-11-20` is the end of that
//! day and `15:50` the end of that minute, so that a line which the log dates 15:50:07 is part of it. A time
//! without a date is the last such time that was. An age (`3d`, `2h`, `30m`, `1w`) counts back from now.

const SECOND_MS: u64 = 1000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;

/// The moment that `text` means at `now_ms`, in milliseconds since 1970; `None` when it is no moment.
pub fn moment(text: &str, now_ms: u64) -> Option<u64> {
    if let Some(age_ms) = age(text) {
        return now_ms.checked_sub(age_ms);
    }
    let (text, offset_ms) = offset(text)?;
    let (date, time) = match text.split_once(['T', 't', ' ']) {
        Some((date, time)) => (Some(date), Some(time)),
        None if text.contains(':') => (None, Some(text)),
        None => (Some(text), None),
    };
    let (start_ms, unit_ms) = match time {
        Some(time) => clock(time)?,
        None => (0, DAY_MS),
    };
    let local_ms = match date {
        Some(date) => day(date)?.checked_mul(DAY_MS)? + start_ms + unit_ms - 1,
        None => {
            let now_ms = now_ms.checked_add_signed(offset_ms)?;
            let today_ms = now_ms - now_ms % DAY_MS + start_ms;
            let was_ms = if today_ms <= now_ms { today_ms } else { today_ms.checked_sub(DAY_MS)? };
            was_ms + unit_ms - 1
        }
    };
    local_ms.checked_sub_signed(offset_ms)
}

/// `3d`, `2h`, `30m`, `1w`, `45s`.
fn age(text: &str) -> Option<u64> {
    let unit_ms = match text.chars().last()? {
        's' => SECOND_MS,
        'm' => MINUTE_MS,
        'h' => HOUR_MS,
        'd' => DAY_MS,
        'w' => 7 * DAY_MS,
        _ => return None,
    };
    number(&text[..text.len() - 1])?.checked_mul(unit_ms)
}

/// Takes `Z` or `+02:00` off.
fn offset(text: &str) -> Option<(&str, i64)> {
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        return Some((rest, 0));
    }
    let Some(at) = text.rfind(['+', '-']).filter(|at| text[..*at].contains(':')) else {
        return Some((text, 0));
    };
    let (rest, sign) = (&text[..at], if text[at..].starts_with('-') { -1 } else { 1 });
    let digits = &text[at + 1..];
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "00"));
    let (hours, minutes) = (two(hours, 23)?, two(minutes, 59)?);
    Some((rest, sign * i64::try_from(hours * HOUR_MS + minutes * MINUTE_MS).ok()?))
}

/// The start of `15:50` or `15:50:07` in its day, and the length of what it names.
fn clock(text: &str) -> Option<(u64, u64)> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [hour, minute] => Some((two(hour, 23)? * HOUR_MS + two(minute, 59)? * MINUTE_MS, MINUTE_MS)),
        [hour, minute, second] => {
            let minute_ms = two(hour, 23)? * HOUR_MS + two(minute, 59)? * MINUTE_MS;
            Some((minute_ms + two(second, 59)? * SECOND_MS, SECOND_MS))
        }
        _ => None,
    }
}

/// The day of `2026-11-20`, counted from 1970-01-01.
fn day(text: &str) -> Option<u64> {
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return None };
    let year = number(year).filter(|value| year.len() == 4 && *value >= 1970)?;
    let (month, day) = (two(month, 12)?, two(day, 31)?);
    let days = days_before(year, month) + day.checked_sub(1)?;
    (month > 0 && date(days) == (year, month, day)).then_some(days)
}

/// Days from 1970-01-01 to the first of a month: March first, so that the leap day ends a year.
fn days_before(year: u64, month: u64) -> u64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400;
    days + (153 * month + 2) / 5 - 719_468
}

fn two(text: &str, max: u64) -> Option<u64> {
    number(text).filter(|value| text.len() == 2 && *value <= max)
}

fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

/// A moment, given in milliseconds since 1970, as `2026-11-20 15:50:07Z`.
pub fn spell(wall_ms: u64) -> String {
    let seconds = wall_ms / SECOND_MS;
    let (year, month, day) = date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z")
}

/// The civil date of a day counted from 1970-01-01: whole eras of 400 years.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 15:21:07Z.
    const NOW_MS: u64 = 1_795_274_467_000;

    fn read(text: &str) -> Option<String> {
        moment(text, NOW_MS).map(spell)
    }

    #[test]
    fn moments_are_civil() {
        assert_eq!(spell(0), "1970-01-01 00:00:00Z");
        assert_eq!(spell(951_782_400_000), "2000-02-29 00:00:00Z");
        assert_eq!(spell(NOW_MS), "2026-11-21 15:21:07Z");
        for days in (0..60_000).step_by(13) {
            let (year, month, of_month) = date(days);
            assert_eq!(day(&format!("{year:04}-{month:02}-{of_month:02}")), Some(days));
        }
    }

    #[test]
    fn a_time_is_the_last_moment_of_what_it_names() {
        let cases = [
            ("2026-11-20T15:50", "2026-11-20 15:50:59Z"),
            ("2026-11-20 15:50:07", "2026-11-20 15:50:07Z"),
            ("2026-11-20T15:50Z", "2026-11-20 15:50:59Z"),
            ("2026-11-20T15:50+02:00", "2026-11-20 13:50:59Z"),
            ("2026-11-20T23:50:00-0130", ""),
            ("2026-11-20T23:50:00-01:30", "2026-11-21 01:20:00Z"),
            ("2026-11-20", "2026-11-20 23:59:59Z"),
            ("2024-02-29", "2024-02-29 23:59:59Z"),
            ("15:20", "2026-11-21 15:20:59Z"),
            ("15:22", "2026-11-20 15:22:59Z"),
            ("17:20+02:00", "2026-11-21 15:20:59Z"),
            ("3d", "2026-11-18 15:21:07Z"),
            ("2h", "2026-11-21 13:21:07Z"),
            ("30m", "2026-11-21 14:51:07Z"),
            ("1w", "2026-11-14 15:21:07Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text).unwrap_or_default(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        let never = [
            "",
            "d",
            "-3d",
            "3x",
            "skiplist",
            "2026-02-30",
            "2025-02-29",
            "2026-13-01",
            "2026-00-10",
            "1:5",
            "24:00",
            "15:60",
            "26-11-20",
            "2026-11-20T",
            "2026-11-20T15",
            "99999999999999999999d",
            "999999w",
            "é",
            "3é",
            "+",
            "15:50+",
            "15:50+2",
        ];
        for text in never {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
