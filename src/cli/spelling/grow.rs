//! mdadm's spelling of `grow`: `-G` or `--grow`, then its options for bitmaps (reference/mdadm.md 5.2, 6.1).

use super::{Spelled, UsageError};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Long options of mdadm that mean the same here, and whether a value follows.
const SAME: [(&str, bool); 7] = [
    ("bitmap", true),
    ("bitmap-chunk", true),
    ("delay", true),
    // Its value comes with = alone.
    ("write-behind", false),
    ("force", false),
    ("nodes", true),
    ("home-cluster", true),
];

/// Long options of mdadm without meaning here.
const IGNORED: [&str; 3] = ["grow", "verbose", "quiet"];

/// Long options of mdadm that change the array, not its bitmap.
const SHAPE: [&str; 19] = [
    "chunk",
    "raid-devices",
    "raid-disks",
    "spare-devices",
    "size",
    "array-size",
    "level",
    "layout",
    "parity",
    "add",
    "add-spare",
    "backup-file",
    "data-offset",
    "consistency-policy",
    "rwh-policy",
    "continue",
    "invalid-backup",
    "assume-clean",
    "write-zeroes",
];

/// Short options of mdadm that change the array, not its bitmap.
const SHAPE_LETTERS: &[u8] = b"nxlczZpakrN";

/// True for the first argument of such a line.
pub(super) fn is_first(argument: &OsStr) -> bool {
    argument == "--grow" || argument.as_bytes().starts_with(b"-G")
}

/// Turns it into ours.
///
/// # Errors
/// Options that change the array itself, or lack their value.
pub(super) fn translate(args: &[OsString]) -> Result<Spelled, UsageError> {
    let program = args.first().cloned().unwrap_or_else(|| "mdbitmap".into());
    let mut ours = vec![program, "grow".into()];
    let mut rest = args.iter().skip(1);
    while let Some(arg) = rest.next() {
        if arg == "--" {
            ours.push(arg.clone());
            ours.extend(rest.by_ref().cloned());
        } else if let Some(long) = arg.as_bytes().strip_prefix(b"--") {
            ours.extend(self::long(arg, long, &mut rest)?);
        } else if arg.as_bytes().len() > 1 && arg.as_bytes().starts_with(b"-") {
            ours.extend(short(arg, &mut rest)?);
        } else {
            ours.push(arg.clone());
        }
    }
    Ok(Spelled {
        args: ours,
        mdadm: true,
    })
}

fn shape(option: &str) -> UsageError {
    UsageError(format!(
        "{option} changes the array itself, which is for mdadm; the size of a bitmap's chunks is --bitmap-chunk"
    ))
}

fn missing(option: &str) -> UsageError {
    UsageError(format!("{option} needs a value"))
}

/// The name that a beginning stands for, as getopt_long accepts it.
fn full_name(beginning: &[u8]) -> Option<&'static str> {
    let same = SAME.iter().map(|(name, _)| *name);
    let all = || same.clone().chain(IGNORED).chain(SHAPE);
    if let Some(exact) = all().find(|name| name.as_bytes() == beginning) {
        return Some(exact);
    }
    let mut found = all().filter(|name| name.as_bytes().starts_with(beginning));
    match (found.next(), found.next()) {
        (Some(name), None) => Some(name),
        _ => None,
    }
}

fn long<'a>(
    arg: &OsString,
    name_and_value: &[u8],
    rest: &mut impl Iterator<Item = &'a OsString>,
) -> Result<Vec<OsString>, UsageError> {
    let mut parts = name_and_value.splitn(2, |&byte| byte == b'=');
    let beginning = parts.next().unwrap_or_default();
    let value = parts.next();
    // Others are left to our own definitions: --dry-run, --json, and what is wrong.
    let Some(name) = full_name(beginning) else {
        return Ok(vec![arg.clone()]);
    };
    if SHAPE.contains(&name) {
        return Err(shape(&format!("--{name}")));
    }
    if IGNORED.contains(&name) {
        return Ok(Vec::new());
    }
    let takes_value = SAME.iter().any(|(same, takes)| *same == name && *takes);
    let option = format!("--{name}");
    let value = match value {
        None if takes_value => rest.next().ok_or_else(|| missing(&option))?.as_bytes(),
        None => return Ok(vec![option.into()]),
        Some(value) => value,
    };
    let whole = [option.as_bytes(), b"=", value].concat();
    Ok(vec![OsString::from_vec(whole)])
}

fn short<'a>(
    arg: &OsString,
    rest: &mut impl Iterator<Item = &'a OsString>,
) -> Result<Vec<OsString>, UsageError> {
    let mut ours = Vec::new();
    let mut letters = arg.as_bytes().get(1..).unwrap_or_default();
    while let Some((&letter, after)) = letters.split_first() {
        match letter {
            b'G' | b'v' | b'q' => {}
            b'f' => ours.push("--force".into()),
            b'b' | b'd' => {
                let name = if letter == b'b' {
                    "--bitmap"
                } else {
                    "--delay"
                };
                let value = match after {
                    [] => rest.next().ok_or_else(|| missing(name))?.as_bytes(),
                    after => after,
                };
                let whole = [name.as_bytes(), b"=", value].concat();
                ours.push(OsString::from_vec(whole));
                return Ok(ours);
            }
            letter if SHAPE_LETTERS.contains(&letter) => {
                return Err(shape(&format!("-{}", char::from(letter))));
            }
            // Left to our own definitions, which say what is wrong with it.
            _ => {
                ours.push(OsString::from_vec([b"-", letters].concat()));
                return Ok(ours);
            }
        }
        letters = after;
    }
    Ok(ours)
}

#[cfg(test)]
mod tests {
    use crate::cli::spelling::translate;
    use std::ffi::OsString;

    fn words(line: &str) -> Vec<OsString> {
        let line = format!("mdbitmap {line}");
        line.split_whitespace().map(OsString::from).collect()
    }

    fn ours(line: &str) -> String {
        let spelled = translate(words(line)).unwrap();
        assert!(spelled.mdadm, "{line}");
        let args = spelled.args[1..].iter().map(|arg| arg.to_str().unwrap());
        args.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn mdadms_lines_become_ours() {
        for (line, expected) in [
            (
                "--grow a b --bitmap=internal --bitmap-chunk=64M --delay=5 --write-behind=256",
                "grow a b --bitmap=internal --bitmap-chunk=64M --delay=5 --write-behind=256",
            ),
            ("-G a -b none", "grow a --bitmap=none"),
            (
                "-Gbinternal a -d5 -f",
                "grow --bitmap=internal a --delay=5 --force",
            ),
            ("-Gf a -b internal", "grow --force a --bitmap=internal"),
            ("--grow --bitmap-c 4K a", "grow --bitmap-chunk=4K a"),
            ("--grow --write-behind a", "grow --write-behind a"),
            (
                "--grow -v --quiet -b clustered --nodes 3 a --home-c x",
                "grow --bitmap=clustered --nodes=3 a --home-cluster=x",
            ),
            (
                "--grow --dry-run --json a -b none",
                "grow --dry-run --json a --bitmap=none",
            ),
            ("-G -b none -- -n", "grow --bitmap=none -- -n"),
        ] {
            assert_eq!(ours(line), expected, "{line}");
        }
    }

    #[test]
    fn what_changes_the_array_is_refused() {
        for line in [
            "--grow a --chunk=64K",
            "--grow a --chunk 64K -b internal",
            "-G a -c 64",
            "-G a -n 3",
            "-G -fn3 a",
            "--grow a --raid-devices=3",
            "--grow a --siz=max",
            "--grow a -l5",
        ] {
            let error = translate(words(line)).unwrap_err();
            assert!(error.0.contains("the array itself"), "{line}: {error}");
        }
        for line in ["-G -b", "--grow a --bitmap", "-G a -d"] {
            assert!(
                translate(words(line))
                    .unwrap_err()
                    .0
                    .contains("needs a value")
            );
        }
    }

    #[test]
    fn our_own_spelling_is_left_alone() {
        for line in ["grow --chunk 4K a", "grow -n a", "examine --grow"] {
            let args = words(line);
            let spelled = translate(args.clone()).unwrap();
            assert!(!spelled.mdadm && spelled.args == args, "{line}");
        }
    }
}
