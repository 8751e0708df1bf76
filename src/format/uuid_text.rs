//! How md prints the sixteen bytes of an array's UUID.
//!
//! The text is four groups of eight hexadecimal digits. With metadata 1.x the groups are the
//! bytes in order. With metadata 0.90 the UUID is four 32-bit words in the host's own byte
//! order, and the groups are those words: on a little-endian host the bytes of each group come
//! out reversed (reference/mdadm.md 2.1, 4.2 "UUID text").

/// The byte order of a structure that its host wrote in its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ByteOrder {
    /// Least significant byte first.
    Little,
    /// Most significant byte first.
    Big,
}

/// The UUID of a 1.x array or of a bitmap file: the bytes in order.
pub fn in_byte_order(uuid: &[u8; 16]) -> String {
    groups(uuid, ByteOrder::Big)
}

/// The UUID of a 0.90 array whose superblock is in `order`: the words as that host prints them.
pub fn as_words(uuid: &[u8; 16], order: ByteOrder) -> String {
    groups(uuid, order)
}

fn groups(uuid: &[u8; 16], order: ByteOrder) -> String {
    let (words, _) = uuid.as_chunks::<4>();
    let words: Vec<String> = words
        .iter()
        .map(|word| match order {
            ByteOrder::Little => u32::from_le_bytes(*word),
            ByteOrder::Big => u32::from_be_bytes(*word),
        })
        .map(|word| format!("{word:08x}"))
        .collect();
    words.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "01234567:89abcdef:fedcba98:76543210";

    #[test]
    fn a_1x_uuid_is_its_bytes_in_order() {
        let bytes = [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
            0x32, 0x10,
        ];
        assert_eq!(in_byte_order(&bytes), TEXT);
        assert_eq!(as_words(&bytes, ByteOrder::Big), TEXT);
    }

    #[test]
    fn a_little_endian_090_uuid_is_its_words() {
        // reference/mdadm.md 2.1.
        let bytes = [
            0x67, 0x45, 0x23, 0x01, 0xef, 0xcd, 0xab, 0x89, 0x98, 0xba, 0xdc, 0xfe, 0x10, 0x32,
            0x54, 0x76,
        ];
        assert_eq!(as_words(&bytes, ByteOrder::Little), TEXT);
        assert_eq!(in_byte_order(&bytes), "67452301:efcdab89:98badcfe:10325476");
    }
}
