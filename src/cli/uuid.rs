//! UUIDs on the command line.

/// The sixteen bytes of a UUID: as mdadm prints it (`01234567:89abcdef:fedcba98:76543210`), with
/// dashes, or 32 digits. The digits are the bytes in order.
///
/// # Errors
/// A description of what is expected.
pub fn parse(text: &str) -> Result<[u8; 16], &'static str> {
    const EXPECTED: &str = "must be 32 hexadecimal digits, plain or grouped as in \
         01234567:89abcdef:fedcba98:76543210 or 01234567-89ab-cdef-fedc-ba9876543210";
    let groups: Vec<usize> = text.split([':', '-']).map(str::len).collect();
    let shape = match (text.contains(':'), text.contains('-')) {
        (true, false) => groups == [8, 8, 8, 8],
        (false, true) => groups == [8, 4, 4, 4, 12],
        (false, false) => groups == [32],
        (true, true) => false,
    };
    if !shape {
        return Err(EXPECTED);
    }
    let digits: String = text.split([':', '-']).collect();
    // The grouping was checked above; this reads the digits.
    uuid::Uuid::try_parse(&digits)
        .map(uuid::Uuid::into_bytes)
        .map_err(|_| EXPECTED)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn three_spellings_of_the_same_uuid() {
        let bytes = [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
            0x32, 0x10,
        ];
        for text in [
            "01234567:89abcdef:fedcba98:76543210",
            "01234567-89ab-cdef-fedc-ba9876543210",
            "0123456789abcdeffedcba9876543210",
            "0123456789ABCDEFFEDCBA9876543210",
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for text in [
            "",
            "0123",
            "0123456789abcdeffedcba987654321",
            "0123456789abcdeffedcba98765432100",
            "g123456789abcdeffedcba9876543210",
            "+123456789abcdeffedcba9876543210",
            "01234567:89abcdef:fedcba98-76543210",
            "01234567:89abcdef:fedcba9:876543210",
            "{01234567-89ab-cdef-fedc-ba9876543210}",
            "urn:uuid:01234567-89ab-cdef-fedc-ba9876543210",
            "0123456789abcdeffedcba98765432\u{e9}",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
