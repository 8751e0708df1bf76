//! How wide the output may be, and which characters it may hold.

use crate::report::heat_map::Charset;
use std::env;
use std::ffi::OsString;

/// Columns when nothing says otherwise.
const USUAL: usize = 80;

/// Widths that make sense: narrower is unreadable, wider is no terminal.
pub const WIDTHS: std::ops::RangeInclusive<u16> = 40..=1000;

/// Columns of the terminal; without one what `COLUMNS` says, else 80.
pub fn width() -> usize {
    let of_terminal = rustix::termios::tcgetwinsize(std::io::stdout()).ok();
    let of_terminal = of_terminal
        .map(|size| size.ws_col)
        .filter(|columns| *columns > 0);
    let columns = of_terminal.or_else(|| columns_of(env::var_os("COLUMNS")));
    columns.map_or(USUAL, |columns| {
        usize::from(columns.clamp(*WIDTHS.start(), *WIDTHS.end()))
    })
}

fn columns_of(value: Option<OsString>) -> Option<u16> {
    value?.to_str()?.parse().ok().filter(|columns| *columns > 0)
}

/// Unicode when the locale says UTF-8, as no initramfs does.
pub fn charset() -> Charset {
    charset_of(|name| env::var_os(name))
}

/// As the C library reads the locale: the first of these that is set and not empty decides.
fn charset_of(variable: impl Fn(&str) -> Option<OsString>) -> Charset {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty());
    let locale = set.unwrap_or_default().to_string_lossy().to_lowercase();
    match locale.contains("utf-8") || locale.contains("utf8") {
        true => Charset::Unicode,
        false => Charset::Ascii,
    }
}

#[cfg(test)]
mod tests {
    use super::{Charset, charset_of, columns_of};

    #[test]
    fn the_locale_decides_about_characters() {
        let with = |set: &[(&str, &str)]| {
            charset_of(|name| {
                let found = set.iter().find(|(set, _)| *set == name);
                found.map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(with(&[]), Charset::Ascii);
        assert_eq!(with(&[("LANG", "C.UTF-8")]), Charset::Unicode);
        assert_eq!(with(&[("LANG", "de_DE.utf8")]), Charset::Unicode);
        assert_eq!(
            with(&[("LANG", "C.UTF-8"), ("LC_ALL", "C")]),
            Charset::Ascii
        );
        assert_eq!(
            with(&[("LANG", "C.UTF-8"), ("LC_ALL", "")]),
            Charset::Unicode
        );
        assert_eq!(
            with(&[("LANG", "C"), ("LC_CTYPE", "C.utf8")]),
            Charset::Unicode
        );
        assert_eq!(with(&[("LC_MESSAGES", "C.UTF-8")]), Charset::Ascii);
    }

    #[test]
    fn columns_that_make_no_sense_are_ignored() {
        assert_eq!(columns_of(Some("132".into())), Some(132));
        for odd in ["", "0", "-5", "wide", "99999999"] {
            assert_eq!(columns_of(Some(odd.into())), None, "{odd}");
        }
        assert_eq!(columns_of(None), None);
    }
}
