//! Memory that O_DIRECT accepts.

use std::fmt;
use std::ops::{Deref, DerefMut};

/// The alignment of every [`AlignedBuffer`]: enough for any device (kernels before 6.0 want the
/// logical block size, later ones the device's DMA alignment; neither passes a page).
pub const MEMORY_ALIGN: usize = 4096;

/// Zeroed bytes whose address is a multiple of [`MEMORY_ALIGN`].
///
/// A vector somewhat too long and a window into it: no unsafe code, and moving the buffer does
/// not move its heap memory.
pub struct AlignedBuffer {
    memory: Vec<u8>,
    skip: usize,
    len: usize,
}

impl AlignedBuffer {
    /// A buffer of `len` zero bytes.
    pub fn new(len: usize) -> Self {
        // `vec![0; n]` comes zeroed from the system, so untouched pages cost nothing.
        let memory = vec![0_u8; len.saturating_add(MEMORY_ALIGN)];
        let skip = memory.as_ptr().addr().wrapping_neg() % MEMORY_ALIGN;
        Self { memory, skip, len }
    }
}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.memory
            .get(self.skip..self.skip + self.len)
            .unwrap_or_default()
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        self.memory
            .get_mut(self.skip..self.skip + self.len)
            .unwrap_or_default()
    }
}

impl Clone for AlignedBuffer {
    fn clone(&self) -> Self {
        // Not derived: the copy's memory starts elsewhere.
        let mut copy = Self::new(self.len);
        copy.copy_from_slice(self);
        copy
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBuffer({} bytes)", self.len)
    }
}

/// True when `buffer` may be handed to O_DIRECT as it is.
pub fn is_aligned(buffer: &[u8]) -> bool {
    buffer.as_ptr().addr().is_multiple_of(MEMORY_ALIGN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn address_and_length_hold_for_many_sizes_and_after_moves() {
        let mut kept = Vec::new();
        for len in [0, 1, 511, 512, 4095, 4096, 4097, 1 << 20] {
            let mut buffer = AlignedBuffer::new(len);
            assert_eq!(buffer.len(), len);
            assert!(buffer.iter().all(|b| *b == 0));
            buffer.fill(7);
            kept.push(buffer);
        }
        for buffer in &kept {
            assert!(is_aligned(buffer) || buffer.is_empty());
            let copy = buffer.clone();
            assert!(is_aligned(&copy) || copy.is_empty());
            assert_eq!(copy[..], buffer[..]);
        }
    }
}
