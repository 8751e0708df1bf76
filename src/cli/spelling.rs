//! mdadm's spellings: of `examine`, `-X` or `--examine-bitmap`, with mdadm's other options in mdadm's
//! order (reference/mdadm.md 4.1 and 6.1); of `grow`, `-G` or `--grow`.

mod grow;

use super::UsageError;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Arguments in our own spelling.
#[derive(Debug, PartialEq, Eq)]
pub struct Spelled {
    /// The arguments, program name first.
    pub args: Vec<OsString>,
    /// True when they came in mdadm's spelling, whose exit statuses apply then.
    pub mdadm: bool,
}

/// What a long option of mdadm means here.
#[derive(Clone, Copy)]
enum Meaning {
    /// Asks for the bitmap to be shown.
    ExamineBitmap,
    /// Shows less.
    Brief,
    /// Names the metadata; a value follows.
    Metadata,
    /// Lists of devices are shown briefly.
    Scan,
    /// Undoes what `Scan` does when given twice.
    Verbose,
    /// Has no influence on `-X`.
    Ignored,
    /// Contradicts `-X`.
    Contradicts,
}

const LONG: [(&str, Meaning); 10] = [
    ("examine-bitmap", Meaning::ExamineBitmap),
    ("brief", Meaning::Brief),
    ("metadata", Meaning::Metadata),
    ("scan", Meaning::Scan),
    ("verbose", Meaning::Verbose),
    ("misc", Meaning::Ignored),
    ("export", Meaning::Ignored),
    ("quiet", Meaning::Ignored),
    ("force", Meaning::Ignored),
    ("examine", Meaning::Contradicts),
];

/// Turns mdadm's spelling into ours; leaves ours alone.
///
/// # Errors
/// Options that contradict `-X`, or change the array itself beside `--grow`, or a device before the first option.
pub fn translate(args: Vec<OsString>) -> Result<Spelled, UsageError> {
    match args.get(1) {
        Some(first) if grow::is_first(first) => return grow::translate(&args),
        Some(first) if first.as_bytes().starts_with(b"-") => {}
        // A word first is a verb of ours, unless -X comes later: then it is a device in the wrong place.
        first => return device_first(first.cloned(), args),
    }
    let mut reader = Reader::default();
    let mut rest = args.iter().skip(1);
    while let Some(arg) = rest.next() {
        if arg == "--" {
            reader.passed.push(arg.clone());
            reader.passed.extend(rest.by_ref().cloned());
        } else if let Some(long) = arg.as_bytes().strip_prefix(b"--") {
            reader.long(arg, long, &mut rest)?;
        } else if arg.as_bytes().len() > 1 && arg.as_bytes().starts_with(b"-") {
            reader.short(arg, &mut rest)?;
        } else {
            reader.passed.push(arg.clone());
        }
    }
    if !reader.examine {
        return Ok(Spelled { args, mdadm: false });
    }
    if let Some(option) = reader.of_ours_alone() {
        return Err(UsageError(format!(
            "{option} is no option of mdadm's -X; write mdbitmap examine {option} DEVICE"
        )));
    }
    let program = args.first().cloned().unwrap_or_else(|| "mdbitmap".into());
    let mut ours = vec![program, "examine".into()];
    if reader.brief || (reader.scan && reader.verbose < 2) {
        ours.push("--brief".into());
    }
    ours.append(&mut reader.passed);
    Ok(Spelled {
        args: ours,
        mdadm: true,
    })
}

fn device_first(first: Option<OsString>, args: Vec<OsString>) -> Result<Spelled, UsageError> {
    let is_verb = super::VERBS
        .iter()
        .any(|verb| first.as_deref() == Some(OsStr::new(verb.name)));
    let action = args.iter().find_map(|arg| match arg.to_str()? {
        "-X" | "--examine-bitmap" => Some("-X"),
        "-G" | "--grow" => Some("--grow"),
        _ => None,
    });
    match (first, action) {
        (Some(device), Some(action)) if !is_verb => Err(UsageError(format!(
            "{}: a device name came before the action; write {action} first, then the devices",
            device.to_string_lossy()
        ))),
        _ => Ok(Spelled { args, mdadm: false }),
    }
}

/// What has been read so far.
#[derive(Default)]
struct Reader {
    examine: bool,
    brief: bool,
    scan: bool,
    verbose: usize,
    /// Devices, and options that are left to our own definitions.
    passed: Vec<OsString>,
}

/// What mdadm's text has no place for: standard output is to be mdadm's here.
const OURS_ALONE: [&str; 4] = ["--layout", "--map", "--width", "--ascii"];

impl Reader {
    /// An option among those passed on that is offered in our own spelling only.
    fn of_ours_alone(&self) -> Option<&'static str> {
        let options = self.passed.iter().take_while(|arg| *arg != "--");
        let mut names = options.map(|arg| arg.as_bytes().split(|byte| *byte == b'=').next());
        names.find_map(|name| {
            let is_it = |ours: &&&str| name == Some(ours.as_bytes());
            OURS_ALONE.iter().find(is_it).copied()
        })
    }

    fn long<'a>(
        &mut self,
        arg: &OsStr,
        name_and_value: &[u8],
        rest: &mut impl Iterator<Item = &'a OsString>,
    ) -> Result<(), UsageError> {
        let mut parts = name_and_value.splitn(2, |&byte| byte == b'=');
        let name = parts.next().unwrap_or_default();
        let value = parts.next();
        let Some(meaning) = long_meaning(name) else {
            self.passed.push(arg.to_owned());
            return Ok(());
        };
        if value.is_some() && !matches!(meaning, Meaning::Metadata) {
            return Err(UsageError(format!(
                "--{} takes no value",
                String::from_utf8_lossy(name)
            )));
        }
        self.apply(meaning, value, rest)
    }

    fn short<'a>(
        &mut self,
        arg: &OsStr,
        rest: &mut impl Iterator<Item = &'a OsString>,
    ) -> Result<(), UsageError> {
        let mut letters = arg.as_bytes().get(1..).unwrap_or_default();
        while let Some((&letter, after)) = letters.split_first() {
            let Some(meaning) = short_meaning(letter) else {
                // Left to our own definitions, which say what is wrong with it.
                self.passed
                    .push(OsString::from_vec([b"-", letters].concat()));
                return Ok(());
            };
            if matches!(meaning, Meaning::Metadata) {
                return self.apply(meaning, Some(after).filter(|value| !value.is_empty()), rest);
            }
            self.apply(meaning, None, rest)?;
            letters = after;
        }
        Ok(())
    }

    fn apply<'a>(
        &mut self,
        meaning: Meaning,
        value: Option<&[u8]>,
        rest: &mut impl Iterator<Item = &'a OsString>,
    ) -> Result<(), UsageError> {
        match meaning {
            Meaning::ExamineBitmap => self.examine = true,
            Meaning::Brief => self.brief = true,
            Meaning::Scan => self.scan = true,
            Meaning::Verbose => self.verbose += 1,
            Meaning::Ignored => {}
            Meaning::Contradicts => {
                return Err(UsageError(
                    "-E (--examine) cannot be given together with -X".to_owned(),
                ));
            }
            Meaning::Metadata => {
                let value = value
                    .map(|bytes| OsString::from_vec(bytes.to_vec()))
                    .or_else(|| rest.next().cloned());
                let Some(value) = value else {
                    return Err(UsageError(
                        "-e (--metadata) needs a metadata version, such as 1.2".to_owned(),
                    ));
                };
                self.passed.push("--metadata".into());
                self.passed.push(value);
            }
        }
        Ok(())
    }
}

/// A long name or an unambiguous beginning of one, as getopt_long accepts it.
fn long_meaning(name: &[u8]) -> Option<Meaning> {
    if let Some((_, meaning)) = LONG.iter().find(|(full, _)| full.as_bytes() == name) {
        return Some(*meaning);
    }
    // Beginnings that mdadm or our own options share with another name stay unknown.
    let enough = match name.first()? {
        b'e' if name.starts_with(b"examine-bi") => 10,
        b'e' if name.starts_with(b"expo") => 4,
        b'b' => 2,
        b'm' if name.starts_with(b"mi") => 3,
        b'm' => 3,
        b's' => 2,
        b'v' => 4,
        b'q' => 1,
        b'f' => 2,
        _ => return None,
    };
    let mut found = LONG
        .iter()
        .filter(|(full, _)| name.len() >= enough && full.as_bytes().starts_with(name));
    match (found.next(), found.next()) {
        (Some((_, meaning)), None) => Some(*meaning),
        _ => None,
    }
}

fn short_meaning(letter: u8) -> Option<Meaning> {
    Some(match letter {
        b'X' => Meaning::ExamineBitmap,
        b'b' => Meaning::Brief,
        b'e' => Meaning::Metadata,
        b's' => Meaning::Scan,
        b'v' => Meaning::Verbose,
        b'Y' | b'q' | b'f' => Meaning::Ignored,
        b'E' => Meaning::Contradicts,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{Spelled, translate};
    use std::ffi::OsString;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    fn ours(line: &str) -> String {
        let spelled = translate(words(&format!("mdbitmap {line}"))).unwrap();
        assert!(spelled.mdadm, "{line}");
        spelled.args[1..]
            .iter()
            .map(|arg| arg.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Every line was accepted by mdadm 4.2.
    #[test]
    fn orders_that_mdadm_accepts() {
        assert_eq!(ours("-X a"), "examine a");
        assert_eq!(ours("--examine-bitmap a b"), "examine a b");
        assert_eq!(ours("-b -X a"), "examine --brief a");
        assert_eq!(ours("-X a -b"), "examine --brief a");
        assert_eq!(ours("-Xb a"), "examine --brief a");
        assert_eq!(ours("-bX a"), "examine --brief a");
        assert_eq!(ours("-X a -e 1.2"), "examine a --metadata 1.2");
        assert_eq!(ours("-Xe 1.2 a"), "examine --metadata 1.2 a");
        assert_eq!(ours("-Xe1.2 a"), "examine --metadata 1.2 a");
        assert_eq!(ours("-X --metadata 0.90 a"), "examine --metadata 0.90 a");
        assert_eq!(ours("-X --metadata=0.90 a"), "examine --metadata 0.90 a");
        assert_eq!(ours("-X -Y -q a"), "examine a");
        assert_eq!(ours("-X -s a"), "examine --brief a");
        assert_eq!(ours("-X -s -v -v a"), "examine a");
        assert_eq!(ours("-X -vv a"), "examine a");
        assert_eq!(ours("--misc -X a"), "examine a");
        assert_eq!(ours("-X --br a"), "examine --brief a");
        assert_eq!(ours("-X --verb a"), "examine a");
        assert_eq!(ours("-X a -X"), "examine a");
    }

    #[test]
    fn our_own_options_work_beside_them() {
        assert_eq!(ours("-X --json a"), "examine --json a");
        assert_eq!(ours("-X --slot=3 -- -X"), "examine --slot=3 -- -X");
        assert_eq!(ours("-X -- --map"), "examine -- --map");
        assert_eq!(ours("-XZ a"), "examine -Z a");
    }

    #[test]
    fn our_own_spelling_is_left_alone() {
        for line in ["examine -b a", "examine -X", "--help", "-V", "-b a", ""] {
            let args = words(&format!("mdbitmap {line}"));
            assert_eq!(
                translate(args.clone()),
                Ok(Spelled { args, mdadm: false }),
                "{line}"
            );
        }
    }

    #[test]
    fn what_mdadm_refuses() {
        for line in [
            "-X -E a",
            "a -X",
            "-X --brief=3 a",
            "--examine-bitmap=a",
            "-X -e",
            "-X --map a",
            "-X a --layout",
            "-X --width=50 a",
        ] {
            assert!(
                translate(words(&format!("mdbitmap {line}"))).is_err(),
                "{line}"
            );
        }
    }
}
