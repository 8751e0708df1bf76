//! Comma-separated values (RFC 4180) with the columns that `extents --format=csv` writes.

use super::{ListError, ListedExtent, MAX_LINE, wrong};

/// The titles, which come first.
const TITLES: &str = "member,start_bytes,length_bytes";

/// The member of a line that says that the list broke off.
const INCOMPLETE: &str = "incomplete";

/// Reads a list line by line.
#[derive(Debug, Clone, Default)]
pub struct CsvParser {
    line: u64,
    /// A record whose quotes are still open, and the line that it began in.
    open: Option<(Vec<u8>, u64)>,
}

impl CsvParser {
    /// True for the first line of such a list.
    pub fn is_start(line: &[u8]) -> bool {
        without_return(line) == TITLES.as_bytes()
    }

    /// Reads the next line, given without its line feed; an extent, when one is complete.
    ///
    /// # Errors
    /// [`ListError`]; the rest must not be read then.
    pub fn line(&mut self, bytes: &[u8]) -> Result<Option<ListedExtent>, ListError> {
        self.line = self.line.saturating_add(1);
        if self.line == 1 {
            return match Self::is_start(bytes) {
                true => Ok(None),
                false => Err(wrong(1, format!("the titles \"{TITLES}\""), bytes)),
            };
        }
        let continues = self.open.is_some();
        let (record, first) = match self.open.take() {
            Some((mut record, first)) => {
                record.push(b'\n');
                record.extend_from_slice(bytes);
                (record, first)
            }
            None => (bytes.to_vec(), self.line),
        };
        if record.len() > MAX_LINE {
            let found = format!("{} bytes", record.len());
            return Err(wrong(
                first,
                format!("at most {MAX_LINE} bytes"),
                found.as_bytes(),
            ));
        }
        // A quote within quotes is written twice, so an odd number of them is open.
        let quotes = bytes.iter().filter(|byte| **byte == b'"').count();
        if (quotes % 2 == 1) != continues {
            self.open = Some((record, first));
            return Ok(None);
        }
        let record = without_return(&record);
        extent(record, first).map(Some)
    }

    /// Says that there are no more lines.
    ///
    /// # Errors
    /// [`ListError::CutOff`] unless the list was complete.
    pub fn finish(&self) -> Result<(), ListError> {
        let expected = match (&self.open, self.line) {
            (Some(_), _) => "a closing quote",
            (None, 0) => "the titles",
            (None, _) => return Ok(()),
        };
        Err(ListError::CutOff {
            line: self.line,
            expected,
        })
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn extent(record: &[u8], line: u64) -> Result<ListedExtent, ListError> {
    let fields = fields(record).ok_or_else(|| {
        wrong(
            line,
            "fields with quotes around all of them, or none",
            record,
        )
    })?;
    let [member, start, length] = fields.as_slice() else {
        return Err(wrong(line, "three fields", record));
    };
    let member = std::str::from_utf8(member).map_err(|_| wrong(line, "text in UTF-8", record))?;
    if member == INCOMPLETE && start.is_empty() && length.is_empty() {
        return Err(ListError::Incomplete { line });
    }
    let number = |field: &[u8]| {
        let digits = !field.is_empty() && field.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(field).ok().filter(|_| digits);
        let number = text.and_then(|text| text.parse::<u64>().ok());
        number
            .map(u128::from)
            .ok_or_else(|| wrong(line, "a whole number of bytes", field))
    };
    let (start, length) = (number(start)?, number(length)?);
    if length == 0 {
        return Err(wrong(line, "a length of more than 0 bytes", record));
    }
    Ok(ListedExtent {
        member: (!member.is_empty()).then(|| member.to_owned()),
        bytes: start..start + length,
    })
}

/// The fields of a record; `None` where quotes do not enclose whole fields.
fn fields(record: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut fields = Vec::new();
    let mut rest = record;
    loop {
        let (field, behind) = match rest.strip_prefix(b"\"") {
            Some(quoted) => quoted_field(quoted)?,
            None => {
                let end = rest.iter().position(|byte| *byte == b',');
                let (field, behind) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
                if field.contains(&b'"') {
                    return None;
                }
                (field.to_vec(), behind)
            }
        };
        fields.push(field);
        match behind.split_first() {
            None => return Some(fields),
            Some((b',', behind)) => rest = behind,
            Some(_) => return None,
        }
    }
}

/// What stands before the closing quote, and what behind it.
fn quoted_field(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut field = Vec::new();
    loop {
        let quote = rest.iter().position(|byte| *byte == b'"')?;
        let (before, behind) = rest.split_at_checked(quote)?;
        field.extend_from_slice(before);
        match behind.strip_prefix(b"\"\"") {
            Some(behind) => {
                field.push(b'"');
                rest = behind;
            }
            None => return Some((field, behind.get(1..)?)),
        }
    }
}
