//! What is known of every chunk before the bitmap is made anew, and from where.

use super::present::{Family, Present};
use crate::array::FoundSuper;
use crate::array::verdict::{self, Assembly};
use crate::bitmap::Bitmap;
use crate::change::stopped::{cannot_know, too_many};
use crate::change::{Knowledge, PlanError, StoppedArray};
use crate::device::Store;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_rules::Rule;
use crate::format::coverage::Coverage;
use crate::units::{Bytes, Events};

/// What is known of every chunk.
pub(super) struct Source {
    /// What it is.
    pub known: Knowledge,
    /// When bits were cleared last, by all that was read; `None` where that is not known, or nothing was read (W3).
    pub cleared: Option<Events>,
    /// Why chunks have to be synchronised between members even if the superblocks call the array clean (W4).
    pub must_sync: Option<&'static str>,
}

/// Why dirt of a version 6 bitmap counts on a clean array.
pub(super) const LOCKLESS_DIRT: &str =
    "a lockless bitmap has chunks that are not in sync whatever the superblock says";
const CLUSTER_DIRT: &str =
    "a node of the cluster has left marks, which count whatever the superblock says";
const MERGED_DIRT: &str = "the bitmap file has marks";

impl Source {
    /// What the array's own bitmap and the one to be merged say; without any of them the superblock alone: every chunk
    /// is clean or none is (reference/kernel.md R7). Without a bitmap the chunks are those of `usual`.
    ///
    /// # Errors
    /// [`PlanError`]: a bitmap cannot be read, or the one to be merged is not believed.
    pub fn gather(
        array: &StoppedArray<'_>,
        present: Option<&Present<'_>>,
        merge: Option<&dyn Store>,
        usual: Coverage,
    ) -> Result<Source, PlanError> {
        let own = match present {
            Some(present) => Some(of_present(array, present, usual)?),
            None => None,
        };
        match (own, merge) {
            (None, None) => without(array, usual),
            (Some(source), None) => Ok(source),
            (None, Some(store)) => of_file(array, store)?.of_file_alone(array),
            (Some(own), Some(store)) => match of_file(array, store) {
                Ok(merged) => own.united(merged),
                // As it is once all this was done, and the file is the older one.
                Err(PlanError::Refused(_)) if own.has_all_of(array, store)? => Ok(own),
                Err(error) => Err(error),
            },
        }
    }

    /// True when everything that the file to be merged says is in the array's bitmap already.
    ///
    /// # Errors
    /// [`PlanError`]: the bitmap cannot be read.
    pub fn is_merged(
        array: &StoppedArray<'_>,
        present: &Present<'_>,
        merge: &dyn Store,
        usual: Coverage,
    ) -> Result<bool, PlanError> {
        of_present(array, present, usual)?.has_all_of(array, merge)
    }

    /// True when a bitmap file of this array, not newer than it, marks nothing that is not marked here, where marks count.
    fn has_all_of(&self, array: &StoppedArray<'_>, store: &dyn Store) -> Result<bool, PlanError> {
        let Ok(bitmap) = Bitmap::open(store, Bytes(0), BitOrder::Little) else {
            return Ok(false);
        };
        let (raw, member) = (bitmap.raw(), array.array()?);
        if raw.uuid != member.array_uuid || raw.events > member.events.0 {
            return Ok(false);
        }
        // What it cleared last is later than what is known here (W3).
        if self
            .cleared
            .is_none_or(|cleared| cleared.0 < raw.events_cleared)
        {
            return Ok(false);
        }
        let Ok(file) = Knowledge::read(&bitmap, array.sync_size()) else {
            return Ok(false);
        };
        if file.dirty().is_empty() {
            return Ok(true);
        }
        let (mut fine, coarse) =
            match self.known.coverage().chunk_bytes() <= file.coverage().chunk_bytes() {
                true => (self.known.clone(), &file),
                false => (file.clone(), &self.known),
            };
        fine.unite(coarse).map_err(|error| too_many(&error))?;
        let counts = !member.is_clean() || self.must_sync.is_some();
        Ok(counts && fine.dirty_bytes(false) == self.known.dirty_bytes(false))
    }

    /// The file was the array's bitmap. While a slot is open, its marks on an array that was stopped cleanly are what the
    /// absent member lacks, not what the others differ in; and no such array can be marked otherwise.
    fn of_file_alone(self, array: &StoppedArray<'_>) -> Result<Source, PlanError> {
        let for_absent = !array.open_slots().is_empty() && array.array()?.is_clean();
        Ok(Source {
            must_sync: self.must_sync.filter(|_| !for_absent),
            ..self
        })
    }

    fn united(self, other: Source) -> Result<Source, PlanError> {
        let (mut fine, coarse) =
            match self.known.coverage().chunk_bytes() <= other.known.coverage().chunk_bytes() {
                true => (self.known, other.known),
                false => (other.known, self.known),
            };
        fine.unite(&coarse).map_err(|error| too_many(&error))?;
        Ok(Source {
            known: fine,
            cleared: self
                .cleared
                .zip(other.cleared)
                .map(|(one, two)| one.max(two)),
            must_sync: other.must_sync.or(self.must_sync),
        })
    }
}

fn of_present(
    array: &StoppedArray<'_>,
    present: &Present<'_>,
    usual: Coverage,
) -> Result<Source, PlanError> {
    let known = match &present.lost {
        Some(_) => None,
        None => array.knowledge()?,
    };
    let known = match known {
        Some(known) => known,
        None => all_dirty(usual)?,
    };
    // Neither goes by what the superblocks say of the array (W10; reference/kernel.md 3.9, trap 8).
    let families: Vec<Family> = present
        .bitmaps()
        .map(|(_, bitmap)| Family::of(bitmap.raw()))
        .collect();
    let must_sync = if families.contains(&Family::Lockless) && !known.is_all_clean() {
        Some(LOCKLESS_DIRT)
    } else if families.contains(&Family::Clustered) && !known.dirty().is_empty() {
        Some(CLUSTER_DIRT)
    } else {
        None
    };
    Ok(Source {
        known,
        cleared: present.events_cleared(),
        must_sync,
    })
}

/// Members are equal if the array was stopped cleanly; otherwise nobody knows where they are not.
fn without(array: &StoppedArray<'_>, usual: Coverage) -> Result<Source, PlanError> {
    let known = match array.array()?.is_clean() {
        true => Knowledge::all_clean(usual).map_err(|error| too_many(&error))?,
        false => all_dirty(usual)?,
    };
    Ok(Source {
        known,
        cleared: None,
        must_sync: None,
    })
}

fn all_dirty(coverage: Coverage) -> Result<Knowledge, PlanError> {
    Ok(Knowledge::all_dirty(coverage).map_err(|error| too_many(&error))?)
}

/// What the bitmap file of an array says, if the kernel would work with it.
pub(super) fn believed_file<'s>(
    array: &StoppedArray<'_>,
    store: &'s dyn Store,
) -> Result<Bitmap<'s>, String> {
    let name = store.name();
    let bitmap =
        Bitmap::open(store, Bytes(0), BitOrder::Little).map_err(|error| error.to_string())?;
    let supers: Vec<&FoundSuper> = array.devices.iter().map(|device| &device.found).collect();
    let freshest = array.membership.freshest();
    let Some(assembly) = Assembly::with_missing(&supers, &array.membership, freshest) else {
        return Err(format!("{name}: there is no array to judge it by"));
    };
    let judged = verdict::assess_file(&assembly, bitmap.raw(), Some(store.len()));
    // The kernel takes any that is ahead; one that is far ahead has seen what these members have not.
    let ahead = judged
        .notes
        .iter()
        .filter(|note| note.name == Rule::EventsAhead.name());
    let mut reasons: Vec<&str> = ahead.map(|note| note.sentence.as_str()).collect();
    if !judged.trusted {
        reasons.extend(judged.reasons.iter().map(|reason| reason.sentence.as_str()));
    }
    if Family::of(bitmap.raw()) == Family::Clustered {
        reasons.push("it belongs to a cluster, whose bitmaps are never in a file");
    }
    match reasons.is_empty() {
        true => Ok(bitmap),
        false => Err(format!("{name}: {}", reasons.join("; "))),
    }
}

fn of_file(array: &StoppedArray<'_>, store: &dyn Store) -> Result<Source, PlanError> {
    let bitmap = believed_file(array, store).map_err(|why| {
        PlanError::refuse(
            "file-not-believed",
            format!(
                "{why}: this is not the bitmap of the array as it is, so its marks mean nothing; without --merge every chunk of an \
                 array that was not stopped cleanly is marked dirty"
            ),
        )
    })?;
    let known = Knowledge::read(&bitmap, array.sync_size()).map_err(cannot_know)?;
    let cleared = Events(bitmap.raw().events_cleared);
    Ok(Source {
        must_sync: (!known.dirty().is_empty()).then_some(MERGED_DIRT),
        known,
        cleared: Some(cleared).filter(|cleared| cleared.0 > 0),
    })
}
