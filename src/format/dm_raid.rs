//! The superblock on the metadata device of an LVM RAID volume.

use super::super_check::{Check, Failure, Failures};
use binrw::{BinRead, BinWrite, binrw};
use std::io::Cursor;

/// "DmRd" on disk.
pub const MAGIC: u32 = 0x6452_6d44;

/// Bytes that a superblock is read and written as: one sector.
pub const BYTES: usize = 512;

/// First byte of the bitmap on the metadata device.
pub const BITMAP_START: u64 = 4096;

/// An offset that means "done".
pub const DONE: u64 = u64::MAX;

/// The largest number of devices a dm-raid set can have: 253 in the kernel.
pub const MAX_DEVICES: u32 = 253;

/// `compat_features` bit 0: the fields from `flags` on are valid.
pub const COMPAT_V190: u32 = 1;

/// A dm-raid superblock, as read: nothing is checked, nothing is lost.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 4 | magic |
/// | 4 | 4 | compatible features: bit 0 = the fields from 60 on are valid |
/// | 8 | 4 | number of devices |
/// | 12 | 4 | this device's position |
/// | 16 | 8 | events |
/// | 24 | 8 | failed devices, bit set |
/// | 32 | 8 | disk recovery offset, sectors; all ones when recovered |
/// | 40 | 8 | array resync offset, sectors; all ones when in sync |
/// | 48 | 4 | level |
/// | 52 | 4 | layout |
/// | 56 | 4 | stripe, sectors |
/// | 60 | 4 | flags |
/// | 64 | 8 | reshape position |
/// | 72 | 4 | new level |
/// | 76 | 4 | new layout |
/// | 80 | 4 | new stripe, sectors |
/// | 84 | 4 | delta disks |
/// | 88 | 8 | array size, sectors |
/// | 96 | 8 | data offset on the data device |
/// | 104 | 8 | new data offset |
/// | 112 | 8 | used size of the data device, sectors |
/// | 120 | 24 | failed devices 64 to 255 |
/// | 144 | 4 | incompatible features |
/// | 148 | 364 | pad |
///
/// All little-endian. Source: reference/kernel.md 13.
#[binrw]
#[brw(little)]
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the offset table names every field")]
pub struct RawSuper {
    pub magic: u32,
    pub compat_features: u32,
    pub num_devices: u32,
    pub array_position: u32,
    pub events: u64,
    pub failed_devices: u64,
    pub disk_recovery_offset: u64,
    pub array_resync_offset: u64,
    pub level: i32,
    pub layout: u32,
    pub stripe_sectors: u32,
    pub flags: u32,
    pub reshape_position: u64,
    pub new_level: i32,
    pub new_layout: u32,
    pub new_stripe_sectors: u32,
    pub delta_disks: u32,
    pub array_sectors: u64,
    pub data_offset: u64,
    pub new_data_offset: u64,
    pub sectors: u64,
    pub extended_failed_devices: [u64; 3],
    pub incompat_features: u32,
    pub pad: [u8; 364],
}

impl RawSuper {
    /// Decodes the first 512 bytes; `None` when there are fewer.
    pub fn from_bytes(bytes: &[u8]) -> Option<RawSuper> {
        RawSuper::read(&mut Cursor::new(bytes.get(..BYTES)?)).ok()
    }

    /// The 512 bytes on disk: exactly those it was decoded from.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::with_capacity(BYTES));
        // Writing to memory does not fail.
        let _ = self.write(&mut bytes);
        bytes.into_inner()
    }

    /// True when the fields from `flags` on are valid.
    pub fn is_extended(&self) -> bool {
        self.compat_features & COMPAT_V190 != 0
    }

    /// True when the device at `position` is marked failed.
    pub fn is_failed(&self, position: u32) -> bool {
        let [a, b, c] = self.extended_failed_devices;
        // Before the extension the three further words do not exist.
        let words = if self.is_extended() {
            [self.failed_devices, a, b, c]
        } else {
            [self.failed_devices, 0, 0, 0]
        };
        let word = words
            .get(position as usize / 64)
            .copied()
            .unwrap_or_default();
        word >> (position % 64) & 1 == 1
    }

    /// A raid1 superblock of `devices` legs that is in sync, for device 0.
    pub fn mirror(devices: u32, sectors: u64) -> RawSuper {
        RawSuper {
            magic: MAGIC,
            compat_features: COMPAT_V190,
            num_devices: devices,
            array_position: 0,
            events: 1,
            failed_devices: 0,
            disk_recovery_offset: DONE,
            array_resync_offset: DONE,
            level: 1,
            layout: 0,
            stripe_sectors: 0,
            flags: 0,
            reshape_position: 0,
            new_level: 1,
            new_layout: 0,
            new_stripe_sectors: 0,
            delta_disks: 0,
            array_sectors: sectors,
            data_offset: 0,
            new_data_offset: 0,
            sectors,
            extended_failed_devices: [0; 3],
            incompat_features: 0,
            pad: [0; 364],
        }
    }
}

/// A dm-raid superblock that can be believed as far as that goes: it has no checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Super {
    raw: RawSuper,
    refusals: Vec<Failure>,
}

impl Super {
    /// Judges a superblock.
    ///
    /// # Errors
    /// Every check that fails, when the superblock cannot be believed.
    pub fn validate(raw: RawSuper) -> Result<Super, Vec<Failure>> {
        let mut failures = Failures::default();
        let hex = |value: u32| format!("0x{value:08x}");
        failures.require(
            raw.magic == MAGIC,
            Check::Magic,
            "magic",
            hex(raw.magic),
            hex(MAGIC),
        );
        failures.require(
            (1..=MAX_DEVICES).contains(&raw.num_devices),
            Check::RaidDisks,
            "num_devices",
            raw.num_devices,
            format_args!("1 to {MAX_DEVICES}"),
        );
        failures.require(
            raw.array_position < raw.num_devices,
            Check::OwnNumber,
            "array_position",
            raw.array_position,
            format_args!("below the number of devices, {}", raw.num_devices),
        );
        failures.require(
            raw.compat_features & !COMPAT_V190 == 0 && raw.incompat_features == 0,
            Check::UnknownFeatures,
            "features",
            format_args!(
                "compatible {}, incompatible {}",
                hex(raw.compat_features),
                hex(raw.incompat_features)
            ),
            "none but compatible bit 0",
        );
        let refusals = failures.judge()?;
        Ok(Super { raw, refusals })
    }

    /// The superblock as it lies on disk.
    pub fn raw(&self) -> &RawSuper {
        &self.raw
    }

    /// Checks that fail although the superblock can be read: the kernel refuses such a device.
    pub fn refusals(&self) -> &[Failure] {
        &self.refusals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_lie_where_the_table_says() {
        let bytes: Vec<u8> = (0..=255).chain(0..=255).collect();
        let raw = RawSuper::from_bytes(&bytes).unwrap();
        let word = |at: u32| 0x0302_0100 + at * 0x0101_0101;
        assert_eq!(
            (raw.num_devices, raw.array_position, raw.events as u32),
            (word(8), word(12), word(16))
        );
        assert_eq!(
            (raw.array_resync_offset as u32, raw.level as u32),
            (word(40), word(48))
        );
        assert_eq!(
            (raw.flags, raw.reshape_position as u32),
            (word(60), word(64))
        );
        assert_eq!(
            (raw.delta_disks, raw.array_sectors as u32),
            (word(84), word(88))
        );
        assert_eq!(
            (raw.sectors as u32, raw.extended_failed_devices[0] as u32),
            (word(112), word(120))
        );
        assert_eq!((raw.incompat_features, raw.pad[0]), (word(144), 148));
    }

    #[test]
    fn failed_devices_span_four_words() {
        let mut raw = RawSuper::mirror(200, 1000);
        raw.failed_devices = 1 << 63;
        raw.extended_failed_devices = [1, 0, 1 << 7];
        let failed: Vec<u32> = (0..300).filter(|n| raw.is_failed(*n)).collect();
        assert_eq!(failed, [63, 64, 199]);
        raw.compat_features = 0;
        assert!(raw.is_failed(63) && !raw.is_failed(64));
    }

    #[test]
    fn each_check_fails_for_its_own_reason() {
        type Case = (fn(&mut RawSuper), Check);
        let cases: [Case; 4] = [
            (|raw| raw.num_devices = 254, Check::RaidDisks),
            (|raw| raw.array_position = 2, Check::OwnNumber),
            (|raw| raw.incompat_features = 1, Check::UnknownFeatures),
            (|raw| raw.compat_features = 2, Check::UnknownFeatures),
        ];
        assert!(
            Super::validate(RawSuper::mirror(2, 1000))
                .unwrap()
                .refusals()
                .is_empty()
        );
        for (change, check) in cases {
            let mut raw = RawSuper::mirror(2, 1000);
            change(&mut raw);
            assert_eq!(Super::validate(raw).unwrap().refusals()[0].check, check);
        }
        let mut raw = RawSuper::mirror(2, 1000);
        raw.magic = 1;
        assert_eq!(Super::validate(raw).unwrap_err()[0].check, Check::Magic);
    }

    proptest! {
        #[test]
        fn any_bytes_survive_decoding(bytes in proptest::collection::vec(any::<u8>(), 512..600)) {
            let raw = RawSuper::from_bytes(&bytes).unwrap();
            prop_assert_eq!(&raw.to_bytes()[..], &bytes[..512]);
            let _ = Super::validate(raw);
        }
    }
}
