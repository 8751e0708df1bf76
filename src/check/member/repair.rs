//! Repairs in words. A repair never keeps bits that are not to be believed (design.md W11).

use crate::array::Standing;
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
    "the bits are worth nothing: start without the bitmap (mdadm --assemble --update=no-bitmap), let a resync of \
     everything finish, then add a new one (mdadm --grow --bitmap=internal)"
        .to_owned()
}

/// A field of the superblock is wrong, and the bits are as good as they were: they can be kept.
pub fn mend(case: &Case<'_>, what: &str) -> String {
    format!(
        "the bits themselves are sound, so {what} can be put right in every copy while the array is stopped, and nothing is \
         lost. Without a tool for that: {}",
        replace(case).trim_start_matches("the bits are worth nothing: ")
    )
}

/// A bitmap file whose bits are worthless.
pub fn new_file() -> String {
    "make a new file with all chunks dirty (mdbitmap create --like=MEMBER FILE)".to_owned()
}
