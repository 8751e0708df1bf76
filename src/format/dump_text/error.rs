//! What is wrong with a dump.

/// What is wrong with a dump. Every message but the last kind's names the line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DumpTextError {
    /// A line that is not what the format asks for.
    #[error("line {line}: expected {expected}, found {found}")]
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// What would be right there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A version that is not known.
    #[error(
        "line {line}: this is a dump of version {found}; this program reads version {}",
        super::VERSION
    )]
    Version {
        /// Number of the line.
        line: u64,
        /// The version.
        found: String,
    },
    /// A key that a section needs is not there.
    #[error("line {line}: the {section} that ends here has no line \"{key} ...\"")]
    KeyMissing {
        /// Number of the line at which the section ends.
        line: u64,
        /// `device` or `bitmap`.
        section: &'static str,
        /// The key.
        key: &'static str,
    },
    /// Runs that are not in ascending order.
    #[error(
        "line {line}: run {run} begins before the run of line {before_line}, which begins at chunk {before}; \
         runs must be in ascending order"
    )]
    Order {
        /// Number of the line.
        line: u64,
        /// The run as it is written.
        run: String,
        /// Line of the run before.
        before_line: u64,
        /// Where that begins.
        before: u64,
    },
    /// Version 6: two states for one chunk.
    #[error("line {line}: chunk {chunk} was given a state in line {before_line} already")]
    TwoStates {
        /// Number of the line.
        line: u64,
        /// The chunk.
        chunk: u64,
        /// Line of the run before.
        before_line: u64,
    },
    /// A run reaches past the last chunk.
    #[error(
        "line {line}: chunk {chunk} does not exist: the bitmap has {chunks} chunks (by sync_size_sectors and chunk_bytes)"
    )]
    PastEnd {
        /// Number of the line.
        line: u64,
        /// The chunk.
        chunk: u64,
        /// Chunks of the bitmap.
        chunks: u64,
    },
    /// The totals at the end of the runs are not those of the runs.
    #[error(
        "line {line}: the totals are {said_runs} runs, {said_chunks} dirty chunks, but {runs} runs, {chunks} dirty chunks \
         were read: lines are missing or were changed; if you meant to change them, write \"{} {runs} runs {chunks} dirty\", \
         or \"{}\" alone",
        super::BITMAP_END,
        super::BITMAP_END
    )]
    Totals {
        /// Number of the line.
        line: u64,
        /// Runs by the totals.
        said_runs: u64,
        /// Dirty chunks by the totals.
        said_chunks: u64,
        /// Runs that were read.
        runs: u64,
        /// Dirty chunks that were read.
        chunks: u64,
    },
    /// The dump ends too early.
    #[error("the dump is cut off after line {line}: expected \"{expected}\" at its end")]
    CutOff {
        /// Number of the last line.
        line: u64,
        /// The line that has to come.
        expected: &'static str,
    },
}
