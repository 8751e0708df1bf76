//! Values of options that several verbs have.

use super::UsageError;
use crate::format::placement::content::MAX_WRITE_BEHIND;
use clap::ArgMatches;

/// The value of an option, if given; an error says `invalid WHAT: VALUE (REASON)`.
pub(super) fn parsed<T, E: std::fmt::Display>(
    matches: &ArgMatches,
    id: &str,
    what: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, UsageError> {
    matches
        .get_one::<String>(id)
        .map(|text| {
            parse(text).map_err(|reason| UsageError(format!("invalid {what}: {text} ({reason})")))
        })
        .transpose()
}

/// mdadm's range; the kernel takes all of it (reference/kernel.md 2.1).
pub(super) fn delay(text: &str) -> Result<u32, &'static str> {
    number(text)
        .filter(|seconds| (1..=i32::MAX as u32).contains(seconds))
        .ok_or("must be a number of seconds from 1 to 2147483647")
}

/// mdadm's range, which is the kernel's.
pub(super) fn write_behind(text: &str) -> Result<u32, &'static str> {
    number(text)
        .filter(|&writes| writes <= MAX_WRITE_BEHIND)
        .ok_or("must be a number from 0 to 16383")
}

/// Digits alone: no sign, no blanks.
pub(super) fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}
