//! What a running array's driver says about the bitmap that it has in memory.

use super::system::{System, attribute};
use crate::units::decimal_seconds;
use std::time::Duration;

/// What is known of a bitmap in memory. On disk a bit may be set longer: it is cleared late.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BitmapMemory {
    /// How often the driver looks for bits to clear (`time_base`, in seconds, maybe with a fraction).
    pub delay: Option<Duration>,
    /// Version 6: chunks that are dirty, need sync or are syncing.
    pub dirty_chunks: Option<u64>,
}

impl System {
    /// What the driver says about the bitmap of the array of this name (`md0`). Nothing without /sys.
    pub fn bitmap_memory(&self, array: &str) -> BitmapMemory {
        let md = self.sys.join("block").join(array).join("md");
        let delay =
            attribute(&md, "bitmap/time_base").and_then(|text| decimal_seconds(text.trim()));
        let bits = attribute(&md, "llbitmap/bits");
        BitmapMemory {
            delay,
            dirty_chunks: bits.and_then(|text| dirty(&text)),
        }
    }
}

/// The sum of the lines of `md/llbitmap/bits` that a recovery copies (reference/kernel.md 6.2).
fn dirty(text: &str) -> Option<u64> {
    let count = |name: &str| {
        let mut lines = text.lines();
        let rest = lines.find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(' '));
        rest?.trim().parse::<u64>().ok()
    };
    let counts = [count("dirty")?, count("need sync")?, count("syncing")?];
    counts.into_iter().try_fold(0, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kernels_print() {
        let text = "unwritten 1\nclean 512\ndirty 112\nneed sync 3\nsyncing 2\nneed sync unwritten 7\n\
                    syncing unwritten 9\nclean unwritten 0";
        assert_eq!(dirty(text), Some(117));
        assert_eq!(dirty("unwritten 1\nclean 2"), None);
        assert_eq!(dirty("dirty 1\nneed sync x\nsyncing 0"), None);
    }

    #[test]
    fn an_array_that_is_not_there_tells_nothing() {
        let memory = System::default().bitmap_memory("no such array");
        assert_eq!(memory, BitmapMemory::default());
    }
}
