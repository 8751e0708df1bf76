//! Values in a dump: how they are written and read.

use super::{Metadata, Role};
use crate::format::level::Level;
use crate::format::uuid_text::ByteOrder;
use std::ops::Range;

/// Bytes as text in double quotes; what is no printable character of UTF-8 as `\xNN`.
pub(super) fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for piece in bytes.utf8_chunks() {
        for character in piece.valid().chars() {
            match character {
                '"' | '\\' => text.extend(['\\', character]),
                _ if is_plain(character) => text.push(character),
                _ => {
                    let mut buffer = [0; 4];
                    escape(&mut text, character.encode_utf8(&mut buffer).as_bytes());
                }
            }
        }
        escape(&mut text, piece.invalid());
    }
    text.push('"');
    text
}

fn escape(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        text.push_str(&format!("\\x{byte:02x}"));
    }
}

/// True for what can stand in a line as it is. Characters that turn the direction of writing, or are
/// not seen, could make a line look like another one.
fn is_plain(character: char) -> bool {
    let hidden = matches!(character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}');
    !character.is_control() && !hidden
}

/// The bytes that [`quote`] was given.
pub(super) fn unquote(text: &str) -> Option<Vec<u8>> {
    let inside = text.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(inside.len());
    let mut rest = inside.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'"' => return None,
            b'\\' => match rest.next()? {
                kept @ (b'"' | b'\\') => bytes.push(kept),
                b'x' => {
                    let digit = |byte: u8| char::from(byte).to_digit(16);
                    let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
                    bytes.push(u8::try_from(high * 16 + low).ok()?);
                }
                _ => return None,
            },
            byte => bytes.push(byte),
        }
    }
    Some(bytes)
}

/// A number: decimal digits alone, or `0x` and hexadecimal ones.
pub(super) fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    // Rust's own parser would take a sign.
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, radix).ok())?
}

/// A UUID in the spelling of this metadata.
pub(super) fn uuid(text: &str, metadata: Option<Metadata>) -> Option<[u8; 16]> {
    let mut bytes = [0; 16];
    let (words, _) = bytes.as_chunks_mut::<4>();
    let mut groups = text.split(':');
    for word in words {
        let group = groups.next().filter(|group| group.len() == 8)?;
        let plain = group.bytes().all(|byte| byte.is_ascii_hexdigit());
        let value = u32::from_str_radix(group, 16).ok().filter(|_| plain)?;
        *word = match metadata {
            Some(Metadata::V0_90(ByteOrder::Little)) => value.to_le_bytes(),
            _ => value.to_be_bytes(),
        };
    }
    groups.next().is_none().then_some(bytes)
}

/// Hexadecimal digits, two a byte.
pub(super) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        let digit = |byte: &u8| char::from(*byte).to_digit(16);
        *byte = u8::try_from(digit(high)? * 16 + digit(low)?).ok()?;
    }
    Some(bytes)
}

/// `slot 3`, `spare`, `faulty`, `journal`.
pub(super) fn role_text(role: Role) -> String {
    match role {
        Role::Slot(slot) => format!("slot {slot}"),
        Role::Spare => "spare".to_owned(),
        Role::Faulty => "faulty".to_owned(),
        Role::Journal => "journal".to_owned(),
    }
}

pub(super) fn role(text: &str) -> Option<Role> {
    Some(match text {
        "spare" => Role::Spare,
        "faulty" => Role::Faulty,
        "journal" => Role::Journal,
        other => {
            let slot = number(other.strip_prefix("slot")?.trim_start())?;
            Role::Slot(u32::try_from(slot).ok()?)
        }
    })
}

/// The level's name, or the number that has none.
pub(super) fn level_text(level: Level) -> String {
    match level {
        Level::Unknown(number) => number.to_string(),
        known => known.to_string(),
    }
}

pub(super) fn level(text: &str) -> Option<Level> {
    let known = (-5..=10).map(Level::from_number);
    let named = known
        .into_iter()
        .find(|level| !matches!(level, Level::Unknown(_)) && level.to_string() == text);
    named.or_else(|| text.parse().ok().map(Level::from_number))
}

/// `none`, or numbers and ranges of numbers, both ends included.
pub(super) fn slots_text(slots: &[Range<u32>]) -> String {
    let texts: Vec<String> = slots
        .iter()
        .map(|range| match range.end.saturating_sub(range.start) {
            1 => range.start.to_string(),
            _ => format!("{}-{}", range.start, range.end.saturating_sub(1)),
        })
        .collect();
    match texts.is_empty() {
        true => "none".to_owned(),
        false => texts.join(" "),
    }
}

pub(super) fn slots(text: &str) -> Option<Vec<Range<u32>>> {
    if text == "none" {
        return Some(Vec::new());
    }
    let mut ranges: Vec<Range<u32>> = Vec::new();
    for word in text.split_whitespace() {
        let (first, last) = word.split_once('-').unwrap_or((word, word));
        let first = u32::try_from(number(first)?).ok()?;
        let end = u32::try_from(number(last)?).ok()?.checked_add(1)?;
        let ascending = ranges.last().is_none_or(|before| before.end <= first);
        if first >= end || !ascending {
            return None;
        }
        ranges.push(first..end);
    }
    (!ranges.is_empty()).then_some(ranges)
}
