//! The tokens of a JSON text as it is read, in bounded memory.
//!
//! A library would bring the parsing of decimal fractions with its tables, 25 KB of a program that has to be small, and
//! strings without bound; a list of extents has whole numbers and short strings.

use std::io::{BufRead, BufReader, Read};

/// The longest string or number, in bytes.
const LONGEST: usize = crate::format::extent_list::MAX_LINE;

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// `{`, `}`, `[`, `]`, `:` or `,`.
    Mark(u8),
    /// A string, unescaped.
    Text(String),
    /// A number as it is written.
    Number(String),
    /// `true`, `false`, `null`.
    Word(&'static str),
    /// The end of the text.
    End,
}

/// Why there is no next token.
#[derive(Debug)]
pub(super) enum NoToken {
    /// It cannot be read.
    Io(std::io::Error),
    /// It is no JSON.
    Wrong(String),
}

impl From<std::io::Error> for NoToken {
    fn from(error: std::io::Error) -> Self {
        NoToken::Io(error)
    }
}

fn wrong<T>(message: impl Into<String>) -> Result<T, NoToken> {
    Err(NoToken::Wrong(message.into()))
}

/// Reads tokens.
pub(super) struct Tokens<R> {
    source: BufReader<R>,
    line: u64,
    column: u64,
}

impl<R: Read> Tokens<R> {
    pub fn new(source: R) -> Self {
        Tokens {
            source: BufReader::with_capacity(64 << 10, source),
            line: 1,
            column: 0,
        }
    }

    /// Line and column of the byte that was read last, from 1.
    pub fn place(&self) -> (u64, u64) {
        (self.line, self.column)
    }

    fn peek(&mut self) -> Result<Option<u8>, NoToken> {
        Ok(self.source.fill_buf()?.first().copied())
    }

    fn take(&mut self) -> Result<Option<u8>, NoToken> {
        let byte = self.peek()?;
        if byte.is_some() {
            self.source.consume(1);
            self.column += 1;
        }
        if byte == Some(b'\n') {
            (self.line, self.column) = (self.line + 1, 0);
        }
        Ok(byte)
    }

    /// The next token.
    pub fn next(&mut self) -> Result<Token, NoToken> {
        loop {
            return match self.take()? {
                None => Ok(Token::End),
                Some(b' ' | b'\t' | b'\r' | b'\n') => continue,
                Some(mark @ (b'{' | b'}' | b'[' | b']' | b':' | b',')) => Ok(Token::Mark(mark)),
                Some(b'"') => self.text().map(Token::Text),
                Some(first @ (b'-' | b'0'..=b'9')) => self.number(first),
                Some(first @ b'a'..=b'z') => self.word(first),
                Some(other) => wrong(format!("found {}", shown(other))),
            };
        }
    }

    fn number(&mut self, first: u8) -> Result<Token, NoToken> {
        let mut number = String::from(char::from(first));
        while let Some(byte @ (b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) = self.peek()? {
            self.take()?;
            number.push(char::from(byte));
            if number.len() > 40 {
                return wrong("found a number with too many digits");
            }
        }
        Ok(Token::Number(number))
    }

    fn word(&mut self, first: u8) -> Result<Token, NoToken> {
        let mut word = String::from(char::from(first));
        while let Some(byte @ b'a'..=b'z') = self.peek()? {
            self.take()?;
            word.push(char::from(byte));
            if word.len() > 5 {
                break;
            }
        }
        let known = ["true", "false", "null"]
            .into_iter()
            .find(|known| *known == word);
        match known {
            Some(known) => Ok(Token::Word(known)),
            None => wrong(format!("found {word}")),
        }
    }

    /// What stands up to the closing quote.
    fn text(&mut self) -> Result<String, NoToken> {
        let mut bytes = Vec::new();
        loop {
            let byte = match self.take()? {
                None => return wrong("the text ends within a string"),
                Some(b'"') => break,
                Some(b'\\') => {
                    let escaped = self.escaped()?;
                    bytes.extend_from_slice(escaped.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
                Some(byte) if byte < 0x20 => return wrong("found a control character in a string"),
                Some(byte) => byte,
            };
            bytes.push(byte);
            if bytes.len() > LONGEST {
                return wrong(format!("found a string of more than {LONGEST} bytes"));
            }
        }
        String::from_utf8(bytes).or_else(|_| wrong("found a string that is not UTF-8"))
    }

    fn escaped(&mut self) -> Result<char, NoToken> {
        Ok(match self.take()? {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_point(),
            _ => return wrong("found an escape that there is not"),
        })
    }

    /// One code point: four digits, or two pairs of them.
    fn code_point(&mut self) -> Result<char, NoToken> {
        let first = self.four_digits()?;
        let code = match first {
            0xd800..0xdc00 => {
                if (self.take()?, self.take()?) != (Some(b'\\'), Some(b'u')) {
                    return wrong("found half a surrogate pair");
                }
                let second = self.four_digits()?;
                match second {
                    0xdc00..0xe000 => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                    _ => return wrong("found half a surrogate pair"),
                }
            }
            code => code,
        };
        char::from_u32(code).map_or_else(|| wrong("found half a surrogate pair"), Ok)
    }

    fn four_digits(&mut self) -> Result<u32, NoToken> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.take()?.and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return wrong("expected four hexadecimal digits behind \\u");
            };
            code = code * 16 + digit;
        }
        Ok(code)
    }
}

fn shown(byte: u8) -> String {
    char::from(byte).escape_default().to_string()
}
