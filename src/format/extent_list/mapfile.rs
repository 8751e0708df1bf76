//! A mapfile of GNU ddrescue (its manual, "Mapfile structure").
//!
//! What `extents` writes is a domain: `+` is meant, `?` is not. A map of a rescue looks alike and means something else (`+` is
//! what was read), so any other status is an error unless it is said which ones are meant.

use super::{ListError, ListedExtent, MAX_LINE, wrong};

/// The statuses of blocks: not tried, not trimmed, not scraped, bad, finished.
const BLOCKS: &[u8] = b"?*/-+";

/// The statuses of the run that wrote the map: those of blocks, filling, generating.
const RUNS: &[u8] = b"?*/-+FG";

/// Which blocks of a map are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Statuses {
    /// Those of a domain: `+`; but for `?` there must be no others.
    #[default]
    Domain,
    /// Those with one of these statuses.
    Of(Vec<u8>),
}

impl Statuses {
    /// The statuses of a text such as `-*/`; `None` when it has others than a map can have, or none.
    pub fn parse(text: &str) -> Option<Statuses> {
        let bytes = text.as_bytes();
        let known = !bytes.is_empty() && bytes.iter().all(|byte| BLOCKS.contains(byte));
        known.then(|| Statuses::Of(bytes.to_vec()))
    }
}

/// What the comments of a map tell that mdbitmap wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MapHead {
    /// In which addresses.
    pub space: Option<String>,
    /// The device that it is of.
    pub device: Option<String>,
}

/// Reads a map line by line.
#[derive(Debug, Clone)]
pub struct MapParser {
    statuses: Statuses,
    line: u64,
    /// True once the line with the position of the run was read.
    begun: bool,
    /// Where the last block ended.
    end: Option<u64>,
    head: MapHead,
}

impl MapParser {
    /// A parser at the start of a map.
    pub fn new(statuses: Statuses) -> MapParser {
        MapParser {
            statuses,
            line: 0,
            begun: false,
            end: None,
            head: MapHead::default(),
        }
    }

    /// True for a line that such a list can begin with.
    pub fn is_start(line: &[u8]) -> bool {
        line.first()
            .is_some_and(|byte| *byte == b'#' || byte.is_ascii_digit())
    }

    /// What the comments before the blocks tell.
    pub fn head(&self) -> &MapHead {
        &self.head
    }

    /// Reads the next line, given without its line feed; an extent, when it is one that is meant.
    ///
    /// # Errors
    /// [`ListError`]; the rest must not be read then.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Option<ListedExtent>, ListError> {
        self.line = self.line.saturating_add(1);
        if bytes.len() > MAX_LINE {
            let found = format!("{} bytes", bytes.len());
            return Err(wrong(
                self.line,
                format!("at most {MAX_LINE} bytes"),
                found.as_bytes(),
            ));
        }
        let bytes = bytes.trim_ascii();
        if bytes.first() == Some(&b'#') {
            if self.end.is_none() {
                self.comment(bytes);
            }
            return Ok(None);
        }
        if bytes == b"incomplete" {
            return Err(ListError::Incomplete { line: self.line });
        }
        let fields: Vec<&[u8]> = bytes
            .split(u8::is_ascii_whitespace)
            .filter(|field| !field.is_empty())
            .collect();
        match self.begun {
            false => self.position(bytes, &fields).map(|()| None),
            true => self.block(bytes, &fields),
        }
    }

    /// Says that there are no more lines.
    ///
    /// # Errors
    /// [`ListError::CutOff`] unless the map was complete, as far as that can be seen: nothing stands at the end of one.
    pub fn finish(&self) -> Result<(), ListError> {
        match self.begun {
            true => Ok(()),
            false => Err(ListError::CutOff {
                line: self.line,
                expected: "the line with the current position, and the blocks",
            }),
        }
    }

    fn comment(&mut self, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_start_matches(['#', ' ']);
        if let Some(device) = text.strip_prefix("Device: ") {
            self.head.device = Some(device.to_owned());
        } else if text.starts_with("Domain for ddrescue")
            && let Some((_, space)) = text.rsplit_once("space: ")
        {
            self.head.space = Some(space.to_owned());
        }
    }

    /// The line of the run: a position, a status, and in newer maps the pass.
    fn position(&mut self, bytes: &[u8], fields: &[&[u8]]) -> Result<(), ListError> {
        let is_good = match fields {
            [position, [status], rest @ ..] => {
                number(position).is_some()
                    && RUNS.contains(status)
                    && rest.len() <= 1
                    && rest.iter().all(|pass| number(pass).is_some())
            }
            _ => false,
        };
        if !is_good {
            let expected = "the current position and status, such as \"0x00000000 + 1\"";
            return Err(wrong(self.line, expected, bytes));
        }
        self.begun = true;
        Ok(())
    }

    fn block(&mut self, bytes: &[u8], fields: &[&[u8]]) -> Result<Option<ListedExtent>, ListError> {
        let expected =
            "a block: its position, size and status, such as \"0x00000000 0x00001000 +\"";
        let [start, size, [status]] = fields else {
            return Err(wrong(self.line, expected, bytes));
        };
        let ends = number(start)
            .zip(number(size))
            .filter(|(_, size)| *size > 0);
        let range = ends.and_then(|(start, size)| Some(start..start.checked_add(size)?));
        let Some(range) = range.filter(|_| BLOCKS.contains(status)) else {
            return Err(wrong(self.line, expected, bytes));
        };
        if let Some(end) = self.end.filter(|end| *end != range.start) {
            let expected =
                format!("a block that begins where the one before it ends, at {end:#010x}");
            return Err(wrong(self.line, expected, bytes));
        }
        self.end = Some(range.end);
        let is_meant = match &self.statuses {
            Statuses::Of(all) => all.contains(status),
            Statuses::Domain if !b"+?".contains(status) => {
                return Err(ListError::Rescue {
                    line: self.line,
                    status: char::from(*status),
                });
            }
            Statuses::Domain => *status == b'+',
        };
        Ok(is_meant.then(|| ListedExtent {
            member: None,
            bytes: u128::from(range.start)..u128::from(range.end),
        }))
    }
}

/// A number as in C: decimal, hexadecimal, octal.
fn number(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    let (digits, radix) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => match text.strip_prefix('0') {
            Some(digits) if !digits.is_empty() => (digits, 8),
            _ => (text, 10),
        },
    };
    // The parser takes a sign.
    let good = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix).ok().filter(|_| good)
}
