//! What could not be read. Unknown counts as dirty, so this is never a detail.

use crate::bitmap::BitmapError;
use crate::check::finding::kinds;
use crate::check::{Case, Finding, Input, Rule};

kinds! {
    UNREADABLE "unreadable" Error LeftOut Elsewhere "something could not be read";
}

/// The name of the finding: it has an exit status of its own.
pub const NAME: &str = UNREADABLE.name;

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    case.inputs().flat_map(of_input).collect()
}

fn of_input(input: &Input<'_>) -> Vec<Finding> {
    let supers = input.unreadable.iter().map(|error| {
        UNREADABLE.found(
            &input.name,
            format!("a place where an md superblock may lie could not be read: {error}"),
            "does not take a member whose superblock it cannot read",
            REPAIR,
        )
    });
    let header = input.bitmap_error().and_then(of_store);
    let bits = || input.counts()?.as_ref().err().and_then(of_store);
    let bitmap = header.or_else(bits).map(|error| {
        UNREADABLE.found(
            &input.name,
            format!("not all of the bitmap could be read: {error}"),
            "reads the bitmap of another member in sync; where it has none, the array does not start (EIO)",
            REPAIR,
        )
    });
    supers.chain(bitmap).collect()
}

const REPAIR: &str = "copy the device with ddrescue before anything else; chunks whose bits cannot be read count as dirty";

/// The message of a failed read; other errors are findings of their own.
fn of_store(error: &BitmapError) -> Option<String> {
    match error {
        BitmapError::Store(error) => Some(error.to_string()),
        _ => None,
    }
}
