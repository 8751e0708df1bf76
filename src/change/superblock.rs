//! New md superblocks from old ones: what belongs to the array is as in the freshest, what belongs to the device
//! stays.
//!
//! 1.x, of the device: number, UUID, flags, data and superblock offsets, data size, recovery offset, corrected
//! errors, bad-block log, and the feature bits that speak of these (2, 8, 16, 64, 128). Everything else is the
//! array's (reference/kernel.md 7.4; design.md W8). 0.90, of the device: which entry of the disk table it is
//! (reference/kernel.md 7.5).

use super::content::Content;
use super::plan::{Old, Part, UNIT, Write};
use crate::array::probe::RawSuper;
use crate::device::{Store, StoreError};
use crate::format::md_v1::{self, feature, role};
use crate::format::md_v090::{self, RECOVERED, disk_state, state};
use crate::units::{Bytes, Events};

/// Feature bits of a 1.x superblock that speak of the device alone.
const OF_DEVICE: u32 = feature::RECOVERY_OFFSET
    | feature::BAD_BLOCKS
    | feature::REPLACEMENT
    | feature::NEW_OFFSET
    | feature::RECOVERY_BITMAP;

/// What a superblock is to say of the bitmap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announce {
    /// What it says now.
    AsItIs,
    /// That there is none.
    Off,
    /// That it lies there.
    At {
        /// Sectors from the superblock. 0.90 has one place alone, 8 sectors behind it.
        offset: i32,
        /// That it has a slot for each node of a cluster.
        clustered: bool,
    },
}

/// When a superblock was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970.
    pub seconds: u64,
    /// Microseconds. The kernel records none: what it has written since can be told from this.
    pub micros: u32,
}

impl Moment {
    /// Now, by the clock of the system; 1970 where that lies before.
    pub fn now() -> Moment {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let since = since.unwrap_or_default();
        Moment {
            seconds: since.as_secs(),
            micros: since.subsec_micros(),
        }
    }

    /// As 1.x stores it: 40 bits of seconds, then 24 of microseconds.
    fn field(self) -> u64 {
        (self.seconds & 0xff_ffff_ffff) | u64::from(self.micros) << 40
    }
}

/// What is to change in the superblocks of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuperEdit {
    /// The new event count.
    pub events: Events,
    /// The bitmap.
    pub announce: Announce,
    /// The array becomes one that was not stopped cleanly: resync_offset 0 (design.md W4).
    pub unclean: bool,
    /// Device numbers that become faulty (design.md W7).
    pub failed: Vec<u32>,
    /// When.
    pub updated: Moment,
}

/// Why a superblock cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The two are not of one metadata version.
    #[error("its superblock is of another metadata version than the freshest")]
    OtherMetadata,
    /// Its table is too short for the devices of the array.
    #[error(
        "its superblock has room for {room} devices, and the freshest one names device {number}"
    )]
    TooFewRoles {
        /// Entries it has.
        room: usize,
        /// A device number in use beyond.
        number: usize,
    },
    /// dm-raid.
    #[error("the metadata of LVM RAID volumes is LVM's to change (lvchange, lvconvert)")]
    DmRaid,
    /// 0.90 of a machine of the other byte order.
    #[error(
        "its 0.90 superblock has the byte order of another machine, and no kernel of this one takes it (mdadm --assemble --update=byteorder)"
    )]
    ByteOrder,
}

/// The superblock of a device whose own is `own`, in the array that `array` (the freshest) describes, after `edit`.
///
/// # Errors
/// [`EditError`].
pub fn edited(own: &RawSuper, array: &RawSuper, edit: &SuperEdit) -> Result<RawSuper, EditError> {
    match (own, array) {
        (RawSuper::V1(own), RawSuper::V1(array)) => {
            Ok(RawSuper::V1(Box::new(edited_v1(own, array, edit)?)))
        }
        (RawSuper::V0_90(own), RawSuper::V0_90(array)) => {
            Ok(RawSuper::V0_90(edited_v090(own, array, edit)?))
        }
        (RawSuper::DmRaid(_), _) => Err(EditError::DmRaid),
        _ => Err(EditError::OtherMetadata),
    }
}

fn edited_v1(
    own: &md_v1::RawSuper,
    array: &md_v1::RawSuper,
    edit: &SuperEdit,
) -> Result<md_v1::RawSuper, EditError> {
    let (mine, theirs) = (&own.fixed, &array.fixed);
    let mut fixed = theirs.clone();
    fixed.feature_map = (theirs.feature_map & !OF_DEVICE) | (mine.feature_map & OF_DEVICE);
    fixed.new_offset = mine.new_offset;
    fixed.data_offset = mine.data_offset;
    fixed.data_size = mine.data_size;
    fixed.super_offset = mine.super_offset;
    fixed.recovery_offset = mine.recovery_offset;
    fixed.dev_number = mine.dev_number;
    fixed.cnt_corrected_read = mine.cnt_corrected_read;
    fixed.device_uuid = mine.device_uuid;
    fixed.devflags = mine.devflags;
    fixed.bblog_shift = mine.bblog_shift;
    fixed.bblog_size = mine.bblog_size;
    fixed.bblog_offset = mine.bblog_offset;
    fixed.max_dev = mine.max_dev;
    fixed.events = edit.events.0;
    fixed.utime = edit.updated.field();
    match edit.announce {
        Announce::AsItIs => {}
        Announce::Off => {
            fixed.feature_map &= !(feature::BITMAP_OFFSET | feature::CLUSTERED);
            fixed.bitmap_offset = 0;
        }
        Announce::At { offset, clustered } => {
            fixed.feature_map |= feature::BITMAP_OFFSET;
            match clustered {
                true => fixed.feature_map |= feature::CLUSTERED,
                false => fixed.feature_map &= !feature::CLUSTERED,
            }
            fixed.bitmap_offset = offset;
        }
    }
    if edit.unclean {
        fixed.resync_offset = 0;
    }
    let mut roles = array.roles.clone();
    for number in &edit.failed {
        let entry = usize::try_from(*number).ok();
        if let Some(entry) = entry.and_then(|number| roles.get_mut(number)) {
            *entry = role::FAULTY;
        }
    }
    let room = own.roles.len();
    let beyond = roles.iter().enumerate().skip(room);
    if let Some((number, _)) = beyond
        .clone()
        .find(|(_, entry)| **entry < role::FIRST_SPECIAL)
    {
        return Err(EditError::TooFewRoles { room, number });
    }
    roles.resize(room, role::SPARE);
    let mut new = md_v1::RawSuper { fixed, roles };
    new.seal();
    Ok(new)
}

fn edited_v090(
    own: &md_v090::RawSuper,
    array: &md_v090::RawSuper,
    edit: &SuperEdit,
) -> Result<md_v090::RawSuper, EditError> {
    use crate::format::uuid_text::ByteOrder;
    let native = match cfg!(target_endian = "big") {
        true => ByteOrder::Big,
        false => ByteOrder::Little,
    };
    if own.order() != native || array.order() != native {
        return Err(EditError::ByteOrder);
    }
    let mut new = array.clone();
    // The checkpoint counts only beside the event count that it was made at.
    let checkpoint = match (array.state() & state::CLEAN != 0, edit.unclean) {
        (true, false) => None,
        (false, false) if array.cp_events() == array.events() => Some(array.recovery_cp()),
        _ => Some(0),
    };
    let mut bits = array.state();
    match checkpoint {
        None => bits |= state::CLEAN,
        Some(_) => bits &= !state::CLEAN,
    }
    match edit.announce {
        Announce::AsItIs => {}
        Announce::Off => bits &= !(state::BITMAP_PRESENT | state::CLUSTERED),
        Announce::At { .. } => bits |= state::BITMAP_PRESENT,
    }
    new.set_state(bits);
    new.set_events(edit.events.0);
    new.set_cp_events(edit.events.0);
    new.set_recovery_cp(checkpoint.unwrap_or(RECOVERED));
    new.set_utime(u32::try_from(edit.updated.seconds).unwrap_or(u32::MAX));
    for number in &edit.failed {
        fail_v090(&mut new, *number);
    }
    let this = own.this_disk();
    let entry = new.disks().get(this.number as usize).copied();
    new.set_this_disk(entry.unwrap_or(this));
    new.seal();
    Ok(new)
}

/// The entry of a disk that is gone, as the kernel writes it.
fn fail_v090(raw: &mut md_v090::RawSuper, number: u32) {
    let Some(mut disk) = raw.disks().get(number as usize).copied() else {
        return;
    };
    disk.state = disk_state::FAULTY | disk_state::REMOVED;
    (disk.major, disk.minor) = (0, 0);
    raw.set_disk(number, disk);
    let [active, working, failed] = raw.counts();
    raw.set_counts([
        active.saturating_sub(1),
        working.saturating_sub(1),
        failed.saturating_add(1),
    ]);
}

/// A superblock with the whole sectors that it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuperImage {
    start: Bytes,
    bytes: Vec<u8>,
}

impl SuperImage {
    /// The sectors of `raw`, which lies at byte `start` of `store`.
    ///
    /// # Errors
    /// Those of reading.
    pub fn read(store: &dyn Store, start: Bytes, raw: &RawSuper) -> Result<SuperImage, StoreError> {
        let len = (raw.to_bytes().len() as u64).next_multiple_of(UNIT);
        let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
        store.read_at(start, &mut bytes)?;
        Ok(SuperImage { start, bytes })
    }

    /// The same sectors with another superblock of the same length in them.
    #[must_use]
    pub fn with(&self, raw: &RawSuper) -> SuperImage {
        let mut image = self.clone();
        for (to, from) in image.bytes.iter_mut().zip(raw.to_bytes()) {
            *to = from;
        }
        image
    }

    /// Where the sectors start on the device.
    pub fn start(&self) -> Bytes {
        self.start
    }

    /// The sectors.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What has to be written to turn this into `new`: the sectors that change, and no others (design.md W16).
    pub fn writes(&self, device: usize, new: &SuperImage) -> Vec<Write> {
        let unit = UNIT as usize;
        let pairs = self.bytes.chunks(unit).zip(new.bytes.chunks(unit));
        let mut writes: Vec<(usize, Vec<u8>, Vec<u8>)> = Vec::new();
        for (number, (old, new)) in pairs.enumerate().filter(|(_, (old, new))| old != new) {
            match writes.last_mut() {
                Some((first, olds, news)) if *first + olds.len() / unit == number => {
                    olds.extend(old);
                    news.extend(new);
                }
                _ => writes.push((number, old.to_vec(), new.to_vec())),
            }
        }
        let write = |(number, old, new): (usize, Vec<u8>, Vec<u8>)| Write {
            device,
            start: Bytes(self.start.0.saturating_add((number * unit) as u64)),
            part: Part::Superblock,
            old: Old::Bytes(old),
            new: Content::bytes(new),
        };
        writes.into_iter().map(write).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::MemberSuper;
    use crate::array::probe::probe;
    use crate::device::MemoryStore;
    use crate::format::md_v1::Minor;
    use crate::units::Sectors;

    const DEVICE: usize = 20 << 20;

    fn edit(announce: Announce) -> SuperEdit {
        SuperEdit {
            events: Events(78),
            announce,
            unclean: false,
            failed: Vec::new(),
            updated: Moment {
                seconds: 0x1_2345_6789,
                micros: 999_999,
            },
        }
    }

    fn member(raw: &RawSuper, at: u64) -> MemberSuper {
        let store = MemoryStore::zeroed("m", DEVICE);
        store.write_at(Bytes(at), &raw.to_bytes()).unwrap();
        let mut found = probe(&store, None).found;
        assert_eq!(found.len(), 1, "it is not believed");
        assert!(found[0].refusals.is_empty());
        found.remove(0).member
    }

    fn v1(change: impl FnOnce(&mut md_v1::Builder)) -> RawSuper {
        let mut builder = md_v1::Builder::mirror(Minor::V2, Sectors(DEVICE as u64 / 512));
        builder.events = Events(77);
        change(&mut builder);
        RawSuper::V1(Box::new(builder.build()))
    }

    #[test]
    fn what_is_of_the_device_stays_and_the_rest_is_the_arrays() {
        let own = v1(|b| {
            b.dev_number = 1;
            b.device_uuid = [9; 16];
            b.data_offset = Sectors(4096);
            b.data_size = Sectors(30000);
            b.component = Sectors(20000);
            b.bad_block_log = Some((40, 8));
            b.events = Events(76);
            b.roles = vec![0, 1, 2];
        });
        let array = v1(|b| {
            b.component = Sectors(20000);
            b.roles = vec![0, 1, 0xfffe];
            b.resync_offset = Some(Sectors(800));
        });
        let at = Announce::At {
            offset: 24,
            clustered: false,
        };
        let new = member(&edited(&own, &array, &edit(at)).unwrap(), 4096);
        assert_eq!(new.events, Events(78));
        assert_eq!(new.number, 1);
        assert_eq!(new.device_uuid, Some([9; 16]));
        assert_eq!(new.data_offset, Sectors(4096));
        assert_eq!(
            new.areas.bad_block_log,
            Some(4096 + 40 * 512..4096 + 48 * 512)
        );
        assert_eq!(new.features, feature::BITMAP_OFFSET | feature::BAD_BLOCKS);
        assert_eq!(new.bitmap.unwrap().start, Bytes(4096 + 24 * 512));
        assert_eq!(new.resync_offset, Some(Sectors(800)));
        assert_eq!(new.devices[2], crate::array::Role::Faulty);
        assert_eq!(new.updated, 0x1_2345_6789);

        let mut off = edit(Announce::Off);
        off.unclean = true;
        off.failed = vec![0];
        let new = member(&edited(&own, &array, &off).unwrap(), 4096);
        assert!(new.bitmap.is_err());
        assert_eq!(new.features, feature::BAD_BLOCKS);
        assert_eq!(new.resync_offset, Some(Sectors(0)));
        assert_eq!(new.vacant_slots(), [0]);
    }

    #[test]
    fn roles_that_do_not_fit_are_refused() {
        let own = v1(|b| b.roles = vec![0, 1]);
        let array = v1(|b| b.roles = vec![0, 0xfffe, 1]);
        assert_eq!(
            edited(&own, &array, &edit(Announce::AsItIs)).unwrap_err(),
            EditError::TooFewRoles { room: 2, number: 2 }
        );
        let array = v1(|b| b.roles = vec![0, 1, 0xffff]);
        assert!(edited(&own, &array, &edit(Announce::AsItIs)).is_ok());
    }

    fn v090(change: impl FnOnce(&mut md_v090::Builder)) -> RawSuper {
        let mut builder = md_v090::Builder::mirror(Bytes(DEVICE as u64));
        builder.events = Events(77);
        change(&mut builder);
        RawSuper::V0_90(builder.build())
    }

    #[test]
    fn a_090_superblock_keeps_its_own_entry_and_its_checkpoint() {
        let at = md_v090::super_start(Bytes(DEVICE as u64)).unwrap().0 * 512;
        let own = v090(|b| {
            b.own_slot = 1;
            b.events = Events(76);
        });
        let array = v090(|b| b.resync_offset = Some(Sectors(640)));
        let new = member(&edited(&own, &array, &edit(Announce::AsItIs)).unwrap(), at);
        assert_eq!((new.number, new.events), (1, Events(78)));
        assert_eq!(new.resync_offset, Some(Sectors(640)));
        assert!(new.bitmap.is_ok());

        let mut off = edit(Announce::Off);
        off.failed = vec![0];
        let new = member(&edited(&own, &v090(|_| {}), &off).unwrap(), at);
        assert!(new.bitmap.is_err() && new.is_clean());
        assert_eq!(new.vacant_slots(), [0]);
        off.unclean = true;
        let raw = edited(&own, &v090(|_| {}), &off).unwrap();
        assert_eq!(member(&raw, at).resync_offset, Some(Sectors(0)));
        let RawSuper::V0_90(raw) = raw else { panic!() };
        assert_eq!(raw.counts(), [1, 1, 1]);

        let big = v090(|b| b.order = crate::format::uuid_text::ByteOrder::Big);
        let error = edited(&big, &big, &edit(Announce::Off)).unwrap_err();
        assert_eq!(error, EditError::ByteOrder);
        assert_eq!(
            edited(&big, &v1(|_| {}), &edit(Announce::Off)).unwrap_err(),
            EditError::OtherMetadata
        );
    }

    #[test]
    fn only_sectors_that_change_are_written() {
        let own = v1(|b| b.roles = vec![0xffff; 1000]);
        let store = MemoryStore::new("m", vec![0xaa; DEVICE]);
        store.write_at(Bytes(4096), &own.to_bytes()).unwrap();
        let image = SuperImage::read(&store, Bytes(4096), &own).unwrap();
        assert_eq!(image.bytes().len(), 2560);
        let new = edited(&own, &own, &edit(Announce::Off)).unwrap();
        let writes = image.writes(3, &image.with(&new));
        assert_eq!(writes.len(), 1);
        assert_eq!(writes[0].range(), 4096..4608);
        let mut failed = edit(Announce::Off);
        failed.failed = vec![0, 900];
        let new = edited(&own, &own, &failed).unwrap();
        let writes = image.writes(3, &image.with(&new));
        let ranges: Vec<_> = writes.iter().map(Write::range).collect();
        assert_eq!(ranges, [4096..4608, 6144..6656]);
        // What shares the last sector with the table is left alone.
        assert!(
            image.with(&new).bytes()[256 + 2000..]
                .iter()
                .all(|b| *b == 0xaa)
        );
    }
}
