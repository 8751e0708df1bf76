//! A list of extents as JSON: what `extents --format=json` writes, read as it streams.

use super::{ExtentFileError, Found};
use crate::array::spaces::Space;
use crate::format::extent_list::{ListedExtent, MAX_LINE};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::io::{self, BufReader, Read};

/// Reads the whole list; `each` is given its extents as they come.
pub(super) fn read(
    path: &str,
    source: impl Read,
    each: &mut Sink<'_>,
) -> Result<Space, ExtentFileError> {
    let source = Bounded::new(BufReader::with_capacity(64 << 10, source));
    let mut failed = None;
    let list = List {
        each,
        failed: &mut failed,
    };
    let mut json = serde_json::Deserializer::from_reader(source);
    let read = list
        .deserialize(&mut json)
        .and_then(|space| json.end().map(|()| space));
    match (read, failed) {
        (_, Some(error)) => Err(error),
        (Ok(space), None) => Ok(space),
        (Err(error), None) if error.is_io() => Err(ExtentFileError::Read {
            path: path.to_owned(),
            source: error.into(),
        }),
        (Err(error), None) => Err(ExtentFileError::Json {
            path: path.to_owned(),
            line: error.line(),
            column: error.column(),
            message: without_place(&error),
        }),
    }
}

/// Takes the extents of a list, as found in the space that it says.
pub(super) type Sink<'s> = dyn FnMut(Option<Space>, Found) -> Result<(), ExtentFileError> + 's;

/// The message of an error without the place that stands at its end.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}

struct List<'l, 's> {
    each: &'l mut Sink<'s>,
    failed: &'l mut Option<ExtentFileError>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = Space;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Space, D::Error> {
        from.deserialize_map(self)
    }
}

/// The keys that a list may have beside `schema`, `space` and `extents`: what `extents` and `compare` write.
const OTHERS: &[&str] = &["totals", "trusted", "errors", "verdict", "reasons"];

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = Space;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of extents: an object with \"schema\", \"space\" and \"extents\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Space, A::Error> {
        let (mut schema, mut space, mut listed) = (None, None, false);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "schema" if schema.is_none() => {
                    let found: u64 = map.next_value()?;
                    if found != 1 {
                        return Err(A::Error::custom(format!(
                            "schema {found}; this program reads schema 1"
                        )));
                    }
                    schema = Some(found);
                }
                "space" if space.is_none() => {
                    let found: String = map.next_value()?;
                    space = Some(found.parse::<Space>().map_err(A::Error::custom)?);
                }
                "extents" if !listed => {
                    // Without it the numbers mean nothing, and they are not kept.
                    if space.is_none() {
                        return Err(A::Error::custom("\"space\" must stand before \"extents\""));
                    }
                    listed = true;
                    map.next_value_seed(Extents {
                        space,
                        each: &mut *self.each,
                        failed: &mut *self.failed,
                    })?;
                }
                "complete" => {
                    if !map.next_value::<bool>()? {
                        return Err(A::Error::custom(
                            "the list is marked as incomplete: what it does not name may be meant too",
                        ));
                    }
                }
                key if OTHERS.contains(&key) => {
                    map.next_value::<IgnoredAny>()?;
                }
                key => {
                    let known = ["schema", "space", "extents"].contains(&key);
                    let what = if known { "a second" } else { "an unknown" };
                    let shown: String = key.chars().take(40).collect();
                    return Err(A::Error::custom(format!(
                        "{what} key \"{}\"",
                        shown.escape_debug()
                    )));
                }
            }
        }
        match (schema, space, listed) {
            (Some(_), Some(space), true) => Ok(space),
            (None, ..) => Err(A::Error::custom("no key \"schema\"")),
            (_, None, _) => Err(A::Error::custom("no key \"space\"")),
            _ => Err(A::Error::custom("no key \"extents\"")),
        }
    }
}

struct Extents<'l, 's> {
    space: Option<Space>,
    each: &'l mut Sink<'s>,
    failed: &'l mut Option<ExtentFileError>,
}

impl<'de> DeserializeSeed<'de> for Extents<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_seq(self)
    }
}

/// An extent as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Extent {
    #[serde(default)]
    member: Option<String>,
    start_bytes: u64,
    length_bytes: u64,
}

impl<'de> Visitor<'de> for Extents<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of extents")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut extents: A) -> Result<(), A::Error> {
        let mut number = 0;
        while let Some(extent) = extents.next_element::<Extent>()? {
            number += 1;
            if extent.length_bytes == 0 {
                return Err(A::Error::custom("length_bytes: found 0, expected more"));
            }
            let start = u128::from(extent.start_bytes);
            let found = Found {
                extent: ListedExtent {
                    member: extent.member,
                    bytes: start..start + u128::from(extent.length_bytes),
                },
                place: format!("extent {number}"),
            };
            if let Err(error) = (self.each)(self.space, found) {
                *self.failed = Some(error);
                return Err(A::Error::custom("the extent is not taken"));
            }
        }
        Ok(())
    }
}

/// Ends with an error where a string is longer than any path, or nesting deeper than in any list: both would be kept in
/// memory.
struct Bounded<R> {
    source: R,
    in_string: bool,
    escaped: bool,
    len: usize,
    depth: usize,
}

const DEEPEST: usize = 64;

impl<R> Bounded<R> {
    fn new(source: R) -> Self {
        Bounded {
            source,
            in_string: false,
            escaped: false,
            len: 0,
            depth: 0,
        }
    }

    fn take(&mut self, byte: u8) {
        match (self.in_string, byte) {
            (_, _) if std::mem::take(&mut self.escaped) => {}
            (true, b'\\') => self.escaped = true,
            (_, b'"') => (self.in_string, self.len) = (!self.in_string, 0),
            (false, b'[' | b'{') => self.depth += 1,
            (false, b']' | b'}') => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        self.len += usize::from(self.in_string);
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        for byte in buffer.get(..read).unwrap_or_default() {
            self.take(*byte);
            let message = match (self.len > MAX_LINE, self.depth > DEEPEST) {
                (true, _) => format!("a string of more than {MAX_LINE} bytes"),
                (_, true) => format!("more than {DEEPEST} lists and objects within each other"),
                _ => continue,
            };
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        Ok(read)
    }
}
