//! Defects and limits of particular kernels that this array meets (reference/kernel.md 0).

use crate::array::FoundSuper;
use crate::array::geometry::Geometry;
use crate::array::probe::RawSuper;
use crate::array::{Membership, Standing, sync_size};
use crate::check::finding::kinds;
use crate::check::member::repair;
use crate::check::{Case, Finding, Input, Rule};
use crate::format::bitmap_super::{RawBitmapSuper, STATES_OFFSET};
use crate::format::lockless::ChunkState;
use crate::units::{Bytes, SECTOR_BYTES, Sectors};

kinds! {
    BITMAP_FILE "kernel-bitmap-file" Note None None "6.18 and later attach no bitmap file any more";
    ROWS_UNMARKED "kernel-rows-unmarked" Warning None Elsewhere "6.12 leaves rows unmarked that it writes to, and the bits of this array are about to be relied on";
    ROWS_MAY_BE_UNMARKED "kernel-rows-may-be-unmarked" Note None None "6.12 leaves rows unmarked that it writes to (parity, number of data members no power of two)";
    LOGICAL_BLOCK "kernel-logical-block-size" Note None None "a recorded logical block size, with which kernels up to 6.18 refuse the member";
    LOCKLESS "kernel-lockless" Note None None "version 6 needs a kernel with the lockless bitmap";
    FIRST_USE_OVERRUN "kernel-lockless-first-use-overrun" Danger Loss Rebuild "the kernel will make a version 6 bitmap that is larger than its space";
    READD "kernel-lockless-readd" Warning None Elsewhere "version 6 keeps no events_cleared: any old member is re-added by bitmap";
    RESYNC "kernel-lockless-resync" Warning None Elsewhere "up to 7.2 a resync by a version 6 bitmap leaves out chunks";
    DISCARD "kernel-lockless-discard" Note None None "up to 7.2 a discard forgets data in its last chunk (version 6)";
    PARITY "kernel-lockless-parity" Warning None Elsewhere "version 6 on a parity array: a replaced member gets no parity where nothing was written";
}

/// See the file's comment.
pub const RULE: Rule = Rule {
    kinds: KINDS,
    judge,
};

fn judge(case: &Case<'_>) -> Vec<Finding> {
    let files = case.others.iter().filter_map(bitmap_file);
    files
        .chain(rows_unmarked(case))
        .chain(logical_block(case))
        .chain(lockless(case))
        .collect()
}

/// Trap 5.
fn bitmap_file(input: &Input<'_>) -> Option<Finding> {
    let is_bitmap = input.is_bitmap_file() && input.bitmap_super().is_some();
    (is_bitmap && !input.is_block_device).then(|| {
        BITMAP_FILE.found(
            &input.name,
            "this is a bitmap in a file",
            "refuses to attach any bitmap file from 6.18 on (EINVAL); up to 6.17 it takes one, if it has MD_BITMAP_FILE",
            "before the kernel is updated: an internal bitmap instead (mdadm --grow --bitmap=none, then --bitmap=internal)",
        )
    })
}

/// tests/vm/FINDINGS.md, scenario unmarked-rows. (That kernel knows no version 6.)
fn rows_unmarked(case: &Case<'_>) -> Option<Finding> {
    let array = case.array()?;
    let bits = |input: &Input<'_>| input.bitmap_super().is_some_and(|raw| !raw.is_lockless());
    let marked = case.inputs().any(bits);
    let affected = Geometry::of(array).is_ok_and(|geometry| geometry.rows_may_go_unmarked());
    // A clean, complete array does not ask its bits for anything yet.
    let relied_on = !array.is_clean()
        || (case.membership.as_ref()).is_some_and(|members| !members.vacant.is_empty());
    let kind = if relied_on {
        &ROWS_UNMARKED
    } else {
        &ROWS_MAY_BE_UNMARKED
    };
    (marked && affected).then(|| {
        kind.found(
            case.title(),
            format!(
                "a {} of {} members: the number of its data members is no power of two",
                array.level, array.raid_disks
            ),
            "marks the wrong rows for many writes to such an array if it is 6.12 (seen on 6.12.107; not on 6.1, 7.2 and 7.3): a \
             clear bit proves nothing where such a kernel has written, so a resync after a crash and a re-add by bitmap leave \
             out what they should mend",
            "if the array was ever used with 6.12: after a crash or a re-add let everything be compared (echo repair > \
             /sys/block/mdX/md/sync_action), and before a re-add mdbitmap readd-check --verify=full; a kernel from 7.2 on marks \
             rightly from then on",
        )
    })
}

/// reference/kernel.md 7.4, 11: older kernels ask these bytes to be zero.
fn logical_block(case: &Case<'_>) -> Option<Finding> {
    let recorded = |found: &FoundSuper| match &found.raw {
        RawSuper::V1(raw) => Some(raw.fixed.logical_block_size).filter(|size| *size != 0),
        _ => None,
    };
    let all = case.members.iter();
    let mut sizes = all.filter_map(|input| recorded(input.member.as_ref()?));
    let size = sizes.next()?;
    Some(LOGICAL_BLOCK.found(
        case.title(),
        format!("its superblocks record a logical block size ({size} bytes), which kernels do from 6.19 on"),
        "refuses such members up to 6.18 (unless md_mod.check_new_feature=0)",
        "none needed, unless the disks are to be read by an older rescue system: that needs a kernel from 6.19 on",
    ))
}

/// Everything about version 6.
fn lockless(case: &Case<'_>) -> Vec<Finding> {
    let bitmap_of = |input: &Input<'_>| {
        input
            .bitmap_super()
            .filter(|raw| raw.is_lockless())
            .cloned()
    };
    let copies = case
        .current()
        .filter_map(|(_, input)| Some((input, bitmap_of(input)?)));
    let copies: Vec<(&Input<'_>, RawBitmapSuper)> = copies.collect();
    let Some(membership) = case.membership.as_ref().filter(|_| !copies.is_empty()) else {
        return Vec::new();
    };
    let mut findings = vec![
        LOCKLESS.found(
            case.title(),
            "the array has a lockless bitmap (version 6)",
            "refuses to start it (ENOENT) before 6.18, and where it is built without CONFIG_MD_LLBITMAP, as Debian's are",
            "none needed on the kernel that made it; see that a rescue system has such a kernel too",
        ),
        DISCARD.found(
            case.title(),
            "the array has a lockless bitmap (version 6)",
            "takes a chunk in which a discard ends for unwritten as a whole, up to 7.2: its live data is left out of every later \
             resync and recovery; mended in 7.3",
            "up to 7.2: no discard on the file system (mount without it, no fstrim)",
        ),
    ];
    findings.extend(first_use(case, &copies));
    findings.extend(readd(case, membership));
    findings.extend(resync(case, &copies));
    findings.extend(parity(case, membership, &copies));
    findings
}

/// Trap 3, while the kernel has still to choose the chunk size: 128 sectors, doubled until there are
/// no more chunks than bytes in the space; the 1024 bytes before them are not counted.
fn first_use(case: &Case<'_>, copies: &[(&Input<'_>, RawBitmapSuper)]) -> Option<Finding> {
    let size = sync_size::expected(case.array()?).ok()?;
    let (input, raw) = copies.iter().find(|(_, raw)| raw.is_first_use())?;
    let space = u64::from(raw.sectors_reserved).saturating_mul(SECTOR_BYTES);
    let chunks = chosen_chunks(size, space)?;
    let excess = (chunks + STATES_OFFSET).saturating_sub(space);
    (excess > 0).then(|| {
        FIRST_USE_OVERRUN.found(
            &input.name,
            format!("the kernel is asked to make this bitmap: it will have {chunks} chunks and {STATES_OFFSET} bytes before them, and {space} bytes are reserved"),
            format!("writes {excess} bytes past the reserved space (7.2, 7.3), over whatever lies there"),
            format!("do not start the array as it is; {}", repair::all_marked(case)),
        )
    })
}

/// The number of chunks that the kernel chooses for `size` in `space` bytes.
fn chosen_chunks(size: Sectors, space: u64) -> Option<u64> {
    let mut chunk = 128u64;
    loop {
        let chunks = size.0.div_ceil(chunk);
        if chunks <= space {
            return Some(chunks);
        }
        chunk = chunk.checked_mul(2)?;
    }
}

/// Trap 11. A member that is here and would come back has a finding of its own (`readd-unsafe`).
fn readd(case: &Case<'_>, membership: &Membership) -> Option<Finding> {
    let behind = |standing: &Standing| matches!(standing, Standing::OutOfDate { .. });
    let returning = membership.standings().iter().any(behind);
    (!membership.vacant.is_empty() && !returning).then(|| {
        READD.found(
            case.title(),
            "a member is absent, and a version 6 bitmap does not record since when its states are complete (events_cleared is \
             always 0)",
            "re-adds any old member by bitmap, also one whose missing changes were cleared from the bitmap \
             while another device held its slot: the members then differ unnoticed",
            "re-add only a member whose slot stood empty all the time (mdbitmap readd-check compares it); add any other anew, \
             after mdadm --zero-superblock",
        )
    })
}

/// Trap 12.
fn resync(case: &Case<'_>, copies: &[(&Input<'_>, RawBitmapSuper)]) -> Option<Finding> {
    let dirty = |input: &Input<'_>| match input.counts() {
        Some(Ok(counts)) => counts.dirty,
        _ => 0,
    };
    let most = copies.iter().map(|(input, _)| dirty(input)).max()?;
    (most > 0).then(|| {
        RESYNC.found(
            case.title(),
            format!("{most} chunks are to be resynchronised by a version 6 bitmap"),
            "marks, up to 7.2, the first of them clean without copying it (unless it is chunk 0), and another one every 30 \
             seconds; mended in 7.3",
            "start it on 7.3 or later; otherwise compare afterwards (echo repair > /sys/block/mdX/md/sync_action)",
        )
    })
}

/// Trap 16.
fn parity(
    case: &Case<'_>,
    membership: &Membership,
    copies: &[(&Input<'_>, RawBitmapSuper)],
) -> Option<Finding> {
    let array = case.array()?;
    let to_be_filled = !membership.vacant.is_empty() || membership.is_recovering();
    if !array.level.has_parity() || !to_be_filled {
        return None;
    }
    let (_, built) = copies.iter().find_map(|(input, _)| {
        let Some(Ok(counts)) = input.counts() else {
            return None;
        };
        let built = counts.states?.clean_unwritten;
        let first = first_state(input)?;
        let skipped = matches!(first, ChunkState::Unwritten | ChunkState::CleanUnwritten);
        (built > 0 && skipped).then_some((input, built))
    })?;
    Some(PARITY.found(
        case.title(),
        format!("{built} chunks hold no data but believed parity (clean unwritten), the first chunk is unwritten, and a member is missing"),
        "does not build that parity on the member that takes the empty slot (7.2, 7.3), and still believes it: data written there \
         later is protected by wrong parity, and its own check does not notice",
        "once the new member is in sync: write to those areas as a whole, or remove the bitmap, let a repair run over everything \
         (sync_action), and only then make a new one",
    ))
}

fn first_state(input: &Input<'_>) -> Option<ChunkState> {
    let start = input.bitmap()?.start().0.checked_add(STATES_OFFSET)?;
    let mut byte = [0];
    input.store.read_at(Bytes(start), &mut byte).ok()?;
    Some(ChunkState::from_byte(byte[0]))
}
