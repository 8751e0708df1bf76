//! Repairs in words. A repair never keeps bits that are not to be believed (design.md W11).

use crate::array::{Membership, Standing};
use crate::check::Case;

/// A bitmap whose bits are worthless: away with it, and a new one after a full resync.
pub fn replace(case: &Case<'_>) -> String {
    let recovering = case.membership.as_ref().is_some_and(|membership| {
        membership.standings().iter().any(|standing| {
            matches!(
                standing,
                Standing::Recovering {
                    by_bitmap: true,
                    ..
                }
            )
        })
    });
    if recovering {
        // Seen on 6.1 to 7.2 (tests/vm/FINDINGS.md): the rest of the recovery is forgotten.
        return "first take the member that is being recovered out of the array for good (mdadm --zero-superblock on it): \
                without this bitmap the kernel forgets what it still lacks; then remove the bitmap (mdadm --assemble \
                --update=no-bitmap), and add a new one (mdadm --grow --bitmap=internal) and that member again"
            .to_owned();
    }
    if case.is_dm_raid() {
        return "let LVM make it anew: deactivate the volume and run lvchange --resync on it, which copies everything"
            .to_owned();
    }
    format!(
        "{DOES_IT}, and makes the bitmap anew: from the copies that can be believed; where there is none, with every chunk \
         marked, so that the next start resynchronises everything"
    )
}

/// How a repair begins that is this program's.
pub const DOES_IT: &str = "mdbitmap check --repair does it while the array is stopped";

/// The bitmap cannot stay where it is, or not as large as it is.
pub fn moved(case: &Case<'_>) -> String {
    match is_plain(case) {
        true => format!("{DOES_IT}, and makes the bitmap anew where nothing else lies"),
        false => replace(case),
    }
}

/// Bits that the kernel believes and nobody should.
pub fn all_marked(case: &Case<'_>) -> String {
    match is_plain(case) {
        true => format!(
            "{DOES_IT}, and makes the bitmap anew with every chunk marked, so that the next start resynchronises everything"
        ),
        false => replace(case),
    }
}

/// The copies are to be made one.
pub fn unite(case: &Case<'_>) -> String {
    match is_plain(case) {
        true => {
            format!("{DOES_IT}, and gives all members the marks of all copies that can be believed")
        }
        false => replace(case),
    }
}

/// Whether this program repairs bitmaps of such an array: not where one is still relied on, nor where it is LVM's.
fn is_plain(case: &Case<'_>) -> bool {
    let recovering = case
        .membership
        .as_ref()
        .is_some_and(Membership::is_recovering);
    !recovering && !case.is_dm_raid()
}

/// A field of the superblock is wrong, and the bits are as good as they were: they can be kept.
pub fn mend(case: &Case<'_>, what: &str) -> String {
    match is_plain(case) {
        true => format!(
            "{DOES_IT}: it puts {what} right in every copy, and keeps the bits where they can be believed"
        ),
        false => replace(case),
    }
}

/// A bitmap file whose bits are worthless.
pub fn new_file() -> String {
    "make a new file with all chunks dirty (mdbitmap create --like=MEMBER FILE)".to_owned()
}
