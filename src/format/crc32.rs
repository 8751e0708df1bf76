//! CRC-32 as in Ethernet, gzip and PNG: reflected, polynomial 0xedb88320.

/// The checksum of bytes that come in pieces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crc32(u32);

impl Default for Crc32 {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

/// What a byte does to the register.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut value, mut bit) = (byte as u32, 0);
        while bit < 8 {
            value = (value >> 1) ^ if value & 1 == 1 { 0xedb8_8320 } else { 0 };
            bit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "the loop ends below 256")]
        {
            table[byte] = value;
        }
        byte += 1;
    }
    table
}

impl Crc32 {
    /// Goes on after bytes whose checksum is `value`.
    pub fn resume(value: u32) -> Crc32 {
        Crc32(!value)
    }

    /// Takes more bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let [low, ..] = self.0.to_le_bytes();
            let change = TABLE.get(usize::from(low ^ byte)).copied();
            self.0 = (self.0 >> 8) ^ change.unwrap_or_default();
        }
    }

    /// The checksum of everything so far.
    pub fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Crc32;

    #[test]
    fn known_values() {
        for (text, value) in [
            ("", 0),
            ("123456789", 0xcbf4_3926),
            ("The quick brown fox jumps over the lazy dog", 0x414f_a339),
        ] {
            let mut crc = Crc32::default();
            let (head, tail) = text.split_at(text.len() / 2);
            crc.update(head.as_bytes());
            let mut crc = Crc32::resume(crc.value());
            crc.update(tail.as_bytes());
            assert_eq!(crc.value(), value, "{text}");
        }
    }
}
