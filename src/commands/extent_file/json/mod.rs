//! A list of extents as JSON: what `extents --format=json` writes, read as it streams.

mod tokens;

use super::{ExtentFileError, Found};
use crate::array::spaces::Space;
use crate::format::extent_list::ListedExtent;
use std::io::Read;
use tokens::{NoToken, Token, Tokens};

/// Takes the extents of a list.
pub(super) type Sink<'s> = dyn FnMut(Found) -> Result<(), ExtentFileError> + 's;

/// The keys that a list may have beside `schema`, `space`, `extents` and `complete`: what `extents` and `compare` write.
const OTHERS: &[&str] = &["totals", "trusted", "errors", "verdict", "reasons"];

/// Lists and objects within each other at most.
const DEEPEST: usize = 64;

/// Reads the whole list; `each` is given its extents as they come.
pub(super) fn read(
    path: &str,
    source: impl Read,
    each: &mut Sink<'_>,
) -> Result<Space, ExtentFileError> {
    let mut reader = Reader {
        tokens: Tokens::new(source),
        each,
        count: 0,
    };
    reader.list().map_err(|error| match error {
        Failed::Not(NoToken::Io(source)) => ExtentFileError::Read {
            path: path.to_owned(),
            source,
        },
        Failed::Not(NoToken::Wrong(message)) => {
            let (line, column) = reader.tokens.place();
            ExtentFileError::Json {
                path: path.to_owned(),
                line,
                column,
                message,
            }
        }
        Failed::Taking(error) => error,
    })
}

enum Failed {
    /// It is not what it has to be.
    Not(NoToken),
    /// An extent was not taken.
    Taking(ExtentFileError),
}

impl From<NoToken> for Failed {
    fn from(error: NoToken) -> Self {
        Failed::Not(error)
    }
}

fn wrong<T>(message: impl Into<String>) -> Result<T, Failed> {
    Err(Failed::Not(NoToken::Wrong(message.into())))
}

struct Reader<'r, 's, R> {
    tokens: Tokens<R>,
    each: &'r mut Sink<'s>,
    /// Extents so far.
    count: u64,
}

impl<R: Read> Reader<'_, '_, R> {
    fn list(&mut self) -> Result<Space, Failed> {
        self.expect(b'{', "an object: a list of extents")?;
        let (mut schema, mut space, mut listed) = (false, None, false);
        let mut first = true;
        while let Some(key) = self.key(&mut first)? {
            match key.as_str() {
                "schema" if !schema => {
                    let found = self.whole_number("schema")?;
                    if found != 1 {
                        return wrong(format!("schema {found}; this program reads schema 1"));
                    }
                    schema = true;
                }
                "space" if space.is_none() => {
                    let Token::Text(found) = self.tokens.next()? else {
                        return wrong("space: expected a string");
                    };
                    space = Some(
                        found
                            .parse::<Space>()
                            .or_else(|error| wrong(error.to_string()))?,
                    );
                }
                "extents" if !listed => {
                    // Without it the numbers mean nothing, and they are not kept.
                    if space.is_none() {
                        return wrong("\"space\" must stand before \"extents\"");
                    }
                    listed = true;
                    self.extents()?;
                }
                "complete" => match self.tokens.next()? {
                    Token::Word("true") => {}
                    Token::Word("false") => {
                        return wrong(
                            "the list is marked as incomplete: what it does not name may be meant too",
                        );
                    }
                    _ => return wrong("complete: expected true or false"),
                },
                key if OTHERS.contains(&key) => {
                    let value = self.tokens.next()?;
                    self.skip(value, 0)?;
                }
                key => return wrong(unknown(key, &["schema", "space", "extents"])),
            }
        }
        match (self.tokens.next()?, schema, space, listed) {
            (Token::End, true, Some(space), true) => Ok(space),
            (Token::End, false, ..) => wrong("no key \"schema\""),
            (Token::End, _, None, _) => wrong("no key \"space\""),
            (Token::End, ..) => wrong("no key \"extents\""),
            _ => wrong("something stands behind the list"),
        }
    }

    fn extents(&mut self) -> Result<(), Failed> {
        self.expect(b'[', "an array of extents")?;
        let mut first = true;
        loop {
            match (self.tokens.next()?, first) {
                (Token::Mark(b']'), _) => return Ok(()),
                (Token::Mark(b'{'), true) => {}
                (Token::Mark(b','), false) => self.expect(b'{', "an extent")?,
                _ => return wrong("expected an extent, or the end of the array"),
            }
            first = false;
            self.count += 1;
            let extent = self.extent()?;
            let found = Found {
                extent,
                place: format!("extent {}", self.count),
            };
            (self.each)(found).map_err(Failed::Taking)?;
        }
    }

    fn extent(&mut self) -> Result<ListedExtent, Failed> {
        let (mut member, mut start, mut length) = (None, None, None);
        let mut first = true;
        while let Some(key) = self.key(&mut first)? {
            match key.as_str() {
                "member" if member.is_none() => {
                    member = Some(match self.tokens.next()? {
                        Token::Text(name) => Some(name),
                        Token::Word("null") => None,
                        _ => return wrong("member: expected a string or null"),
                    });
                }
                "start_bytes" if start.is_none() => start = Some(self.whole_number("start_bytes")?),
                "length_bytes" if length.is_none() => {
                    length = Some(self.whole_number("length_bytes")?);
                }
                key => return wrong(unknown(key, &["member", "start_bytes", "length_bytes"])),
            }
        }
        let (Some(start), Some(length)) = (start, length) else {
            return wrong("an extent without start_bytes or length_bytes");
        };
        if length == 0 {
            return wrong("length_bytes: found 0, expected more");
        }
        let start = u128::from(start);
        Ok(ListedExtent {
            member: member.flatten(),
            bytes: start..start + u128::from(length),
        })
    }

    fn expect(&mut self, mark: u8, what: &str) -> Result<(), Failed> {
        match self.tokens.next()? {
            Token::Mark(found) if found == mark => Ok(()),
            _ => wrong(format!("expected {what}")),
        }
    }

    /// The next key of an object and the colon behind it; `None` at its end. Before each but the first stands a comma.
    fn key(&mut self, first: &mut bool) -> Result<Option<String>, Failed> {
        let is_first = std::mem::replace(first, false);
        let key = match (self.tokens.next()?, is_first) {
            (Token::Mark(b'}'), _) => return Ok(None),
            (Token::Text(key), true) => key,
            (Token::Mark(b','), false) => match self.tokens.next()? {
                Token::Text(key) => key,
                _ => return wrong("expected a key behind the comma"),
            },
            _ => return wrong("expected a key, or the end of the object"),
        };
        self.expect(b':', "a colon")?;
        Ok(Some(key))
    }

    fn whole_number(&mut self, name: &str) -> Result<u64, Failed> {
        let Token::Number(text) = self.tokens.next()? else {
            return wrong(format!("{name}: expected a whole number"));
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse().ok().filter(|_| digits) {
            Some(number) => Ok(number),
            None => wrong(format!(
                "{name}: found {text}, expected a whole number below 2^64"
            )),
        }
    }

    /// Passes over a value that begins with a token.
    fn skip(&mut self, first: Token, depth: usize) -> Result<(), Failed> {
        if depth > DEEPEST {
            return wrong(format!(
                "more than {DEEPEST} lists and objects within each other"
            ));
        }
        let end = match first {
            Token::Text(_) | Token::Number(_) | Token::Word(_) => return Ok(()),
            Token::Mark(b'[') => b']',
            Token::Mark(b'{') => b'}',
            _ => return wrong("expected a value"),
        };
        loop {
            match self.tokens.next()? {
                Token::Mark(mark) if mark == end => return Ok(()),
                Token::Mark(b',' | b':') => {}
                Token::End => return wrong("the text ends within a list or an object"),
                token => self.skip(token, depth + 1)?,
            }
        }
    }
}

fn unknown(key: &str, known: &[&str]) -> String {
    let what = if known.contains(&key) {
        "a second"
    } else {
        "an unknown"
    };
    let shown: String = key.chars().take(40).collect();
    format!("{what} key \"{}\"", shown.escape_debug())
}
