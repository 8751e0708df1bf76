//! How many sectors a bitmap of an array covers: the kernel's `resync_max_sectors`
//! (reference/kernel.md 9.1 to 9.3).

use super::member::MemberSuper;
use crate::format::level::Level;
use crate::units::Sectors;

/// A page, in sectors: the smallest RAID chunk.
const PAGE_SECTORS: u64 = 8;

/// Why the size cannot be told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The level has no bitmap.
    #[error("an array of level {level} has no bitmap")]
    Level {
        /// The level found.
        level: Level,
    },
    /// The superblock does not say how large the members are.
    #[error("the superblock does not record how many sectors of each member are used")]
    UnknownComponent,
    /// A reshape is under way.
    #[error("the superblock records an unfinished reshape, during which the size changes")]
    Reshaping,
    /// A RAID chunk that the kernel refuses.
    #[error(
        "the RAID chunk is {found} sectors, expected a power of two of at least {PAGE_SECTORS}"
    )]
    RaidChunk {
        /// Sectors found.
        found: Sectors,
    },
    /// A layout that the kernel refuses.
    #[error("layout 0x{layout:x} is not one that {level} knows with {raid_disks} members")]
    Layout {
        /// The level.
        level: Level,
        /// The layout found.
        layout: u32,
        /// Members of the array.
        raid_disks: u32,
    },
    /// A raid10 layout with which the kernel itself maps two chunks onto one place.
    #[error(
        "raid10 layout 0x{layout:x} with {raid_disks} members stores two chunks in one place \
         (members that are no multiple of the near copies, with offset or in far sets of unequal size); \
         no tool can handle it safely"
    )]
    Collision {
        /// The layout found.
        layout: u32,
        /// Members of the array.
        raid_disks: u32,
    },
    /// A raid10 layout in which the kernel's recovery does not find what its writes stored.
    #[error(
        "raid10 layout 0x{layout:x} with {raid_disks} members has far sets smaller than its copies reach: \
         the kernel cannot rebuild a member, and may crash when it tries"
    )]
    Contradiction {
        /// The layout found.
        layout: u32,
        /// Members of the array.
        raid_disks: u32,
    },
    /// Too few members for the level.
    #[error("{level} with {raid_disks} members does not exist")]
    RaidDisks {
        /// The level.
        level: Level,
        /// Members found.
        raid_disks: u32,
    },
    /// The size does not fit 64 bits.
    #[error("the array's size does not fit 64 bits")]
    Overflow,
}

impl SizeError {
    /// True when the kernel would not start such an array either.
    pub fn kernel_refuses(&self) -> bool {
        matches!(
            self,
            Self::Level { .. }
                | Self::RaidChunk { .. }
                | Self::Layout { .. }
                | Self::RaidDisks { .. }
        )
    }
}

/// The sectors that the bitmap of this member's array covers: the used part of a member for
/// raid1, 4, 5 and 6 (whole RAID chunks), the array for raid10.
///
/// # Errors
/// [`SizeError`] for arrays whose geometry the kernel refuses, or that have no single size.
pub fn expected(member: &MemberSuper) -> Result<Sectors, SizeError> {
    if !member.level.has_bitmap() {
        return Err(SizeError::Level {
            level: member.level,
        });
    }
    if member.reshaping {
        return Err(SizeError::Reshaping);
    }
    let component = component(member)?;
    match member.level {
        Level::Raid4 | Level::Raid5 | Level::Raid6 => parity(member, component),
        Level::Raid10 => raid10(member, component),
        _ => Ok(component),
    }
}

/// Used sectors of a member: never more than it says to have for data.
pub(super) fn component(member: &MemberSuper) -> Result<Sectors, SizeError> {
    let component = member.component.ok_or(SizeError::UnknownComponent)?;
    let data = member
        .areas
        .data
        .as_ref()
        .filter(|_| member.metadata.is_v1());
    let available =
        data.map(|data| crate::units::Bytes(data.end.saturating_sub(data.start)).sectors_floor());
    Ok(available.map_or(component, |available| component.min(available)))
}

fn raid_chunk(member: &MemberSuper) -> Result<u64, SizeError> {
    let chunk = member.raid_chunk.0;
    if chunk.is_power_of_two() && chunk >= PAGE_SECTORS {
        Ok(chunk)
    } else {
        Err(SizeError::RaidChunk {
            found: member.raid_chunk,
        })
    }
}

fn parity(member: &MemberSuper, component: Sectors) -> Result<Sectors, SizeError> {
    let chunk = raid_chunk(member)?;
    let (level, layout, raid_disks) = (member.level, member.layout, member.raid_disks);
    let (fewest, known) = match level {
        Level::Raid6 => (4, matches!(layout, 0..=5 | 8..=10 | 16..=20)),
        Level::Raid5 => (2, layout <= 5),
        _ => (2, true),
    };
    if raid_disks < fewest {
        return Err(SizeError::RaidDisks { level, raid_disks });
    }
    if !known {
        return Err(SizeError::Layout {
            level,
            layout,
            raid_disks,
        });
    }
    Ok(Sectors(component.0 / chunk * chunk))
}

/// Copies and far sets of a raid10 layout number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raid10Layout {
    /// Copies side by side.
    pub near: u64,
    /// Copies far apart, or offset by a chunk row.
    pub far: u64,
    /// Whether far copies lie in the next chunk row.
    pub offset: bool,
    /// Far-set mode: 0 none, 1 the older, 2 the newer.
    pub far_sets: u32,
}

impl Raid10Layout {
    /// Reads the layout number of an array of `raid_disks` members.
    ///
    /// # Errors
    /// [`SizeError::Layout`], [`SizeError::Collision`] or [`SizeError::Contradiction`].
    pub fn decode(layout: u32, raid_disks: u32) -> Result<Raid10Layout, SizeError> {
        let decoded = Raid10Layout {
            near: u64::from(layout & 0xff),
            far: u64::from(layout >> 8 & 0xff),
            offset: layout & 0x1_0000 != 0,
            far_sets: layout >> 17,
        };
        let level = Level::Raid10;
        let copies = decoded.near * decoded.far;
        let members = u64::from(raid_disks);
        if layout >> 19 != 0 || decoded.far_sets > 2 || !(2..=members).contains(&copies) {
            return Err(SizeError::Layout {
                level,
                layout,
                raid_disks,
            });
        }
        if decoded.collides(members) {
            return Err(SizeError::Collision { layout, raid_disks });
        }
        if decoded.contradicts(members) {
            return Err(SizeError::Contradiction { layout, raid_disks });
        }
        Ok(decoded)
    }

    /// Members that a far copy stays among, all sets but the last: the last one takes the rest.
    pub fn far_set(&self, members: u64) -> u64 {
        match self.far_sets {
            0 => members,
            1 => members / self.far.max(1),
            _ => self.near.saturating_mul(self.far),
        }
        .max(1)
    }

    /// True when the kernel's own formula puts two chunks in one place. Two causes, both with
    /// more than one near and one far copy: with offset, a near copy that wraps to the first
    /// member goes one row down, where the far copies are (reference/kernel.md trap 15); with
    /// far sets of unequal size, a step from the last but one set into the last is taken for a
    /// step within the last (seen by enumerating the formula; `geometry::tests` does it again).
    fn collides(&self, members: u64) -> bool {
        let set = self.far_set(members);
        let wraps_into_far = self.offset && !members.is_multiple_of(self.near);
        let steps_into_last = !members.is_multiple_of(set) && members / set >= 2;
        self.near > 1 && self.far > 1 && (wraps_into_far || steps_into_last)
    }

    /// True when the kernel's inverse formula (recovery) is none: with offset it adds the size of
    /// a far set at most once, so copies that reach further than a set come out elsewhere. Only
    /// the older far sets can be that small.
    fn contradicts(&self, members: u64) -> bool {
        self.offset && (self.far - 1) * self.near > self.far_set(members)
    }
}

fn raid10(member: &MemberSuper, component: Sectors) -> Result<Sectors, SizeError> {
    let chunk = raid_chunk(member)?;
    let layout = Raid10Layout::decode(member.layout, member.raid_disks)?;
    // Rounded at each step, in this order, as the kernel does.
    let rows = component.0 / chunk / layout.far;
    let chunks = rows
        .checked_mul(u64::from(member.raid_disks))
        .ok_or(SizeError::Overflow)?
        / layout.near;
    chunks
        .checked_mul(chunk)
        .map(Sectors)
        .ok_or(SizeError::Overflow)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::array::probe::probe;
    use crate::device::MemoryStore;
    use crate::format::dm_raid;
    use crate::format::md_v1::{Builder, Minor, feature};

    /// A member of a large device, of which only the superblock exists.
    fn size(change: impl FnOnce(&mut Builder)) -> Result<Sectors, SizeError> {
        let mut builder = Builder::mirror(Minor::V2, Sectors(1 << 40));
        builder.raid_chunk = Sectors(1024);
        change(&mut builder);
        let mut image = vec![0; 8192];
        let bytes = builder.build().to_bytes();
        image[4096..4096 + bytes.len()].copy_from_slice(&bytes);
        let result = probe(&MemoryStore::new("image", image), None);
        expected(&result.found[0].member)
    }

    fn of(
        level: Level,
        layout: u32,
        raid_disks: u32,
        component: u64,
    ) -> Result<Sectors, SizeError> {
        size(|builder| {
            (builder.level, builder.layout, builder.raid_disks) = (level, layout, raid_disks);
            builder.component = Sectors(component);
        })
    }

    #[test]
    fn mirrors_cover_a_member_parity_whole_chunks_raid10_the_array() {
        assert_eq!(of(Level::Raid1, 0, 2, 37889), Ok(Sectors(37889)));
        assert_eq!(of(Level::Raid4, 77, 3, 10_239), Ok(Sectors(9 * 1024)));
        assert_eq!(of(Level::Raid5, 2, 3, 10_240), Ok(Sectors(10_240)));
        assert_eq!(of(Level::Raid6, 20, 4, 10_241), Ok(Sectors(10_240)));
        // reference/mdadm.md 2.10 F.
        assert_eq!(
            of(Level::Raid10, 0x102, 4, 209_582_080),
            Ok(Sectors(419_164_160))
        );
    }

    #[test]
    fn raid10_rounds_at_each_step() {
        // reference/kernel.md 9.3 with chunks of 64 sectors and members of 5000: 78 chunks each.
        let raid10 = |layout, raid_disks| {
            size(|builder| {
                (builder.level, builder.layout, builder.raid_disks) =
                    (Level::Raid10, layout, raid_disks);
                (builder.component, builder.raid_chunk) = (Sectors(5000), Sectors(64));
            })
        };
        assert_eq!(raid10(0x102, 5), Ok(Sectors(195 * 64)));
        assert_eq!(raid10(0x201, 4), Ok(Sectors(39 * 4 * 64)));
        assert_eq!(raid10(0x301, 5), Ok(Sectors(26 * 5 * 64)));
        assert_eq!(raid10(0x202, 4), Ok(Sectors(39 * 4 / 2 * 64)));
        assert_eq!(raid10(0x4_0201, 5), Ok(Sectors(39 * 5 * 64)));
        assert_eq!(raid10(0x1_0201, 4), Ok(Sectors(39 * 4 * 64)));
    }

    #[test]
    fn layouts_that_collide_or_do_not_exist_are_refused() {
        assert!(matches!(
            of(Level::Raid10, 0x1_0202, 5, 10_000),
            Err(SizeError::Collision { .. })
        ));
        assert!(of(Level::Raid10, 0x1_0202, 4, 10_000).is_ok());
        assert!(
            of(Level::Raid10, 0x1_0102, 5, 10_000).is_ok(),
            "one far copy: nothing to collide with"
        );
        for (layout, raid_disks) in [(0x4_0202, 9), (0x2_0202, 5)] {
            assert!(matches!(
                of(Level::Raid10, layout, raid_disks, 10_000),
                Err(SizeError::Collision { .. })
            ));
        }
        assert!(of(Level::Raid10, 0x4_0202, 8, 10_000).is_ok());
        assert!(of(Level::Raid10, 0x4_0202, 7, 10_000).is_ok(), "one set");
        assert!(matches!(
            of(Level::Raid10, 0x3_0301, 4, 10_000),
            Err(SizeError::Contradiction { .. })
        ));
        for layout in [0, 0x101, 0x100, 0x2, 0x303, 0x8_0102, 0x6_0201] {
            assert!(
                matches!(
                    of(Level::Raid10, layout, 8, 10_000),
                    Err(SizeError::Layout { .. })
                ),
                "{layout:x}"
            );
        }
        assert!(matches!(
            of(Level::Raid10, 0x104, 3, 10_000),
            Err(SizeError::Layout { .. })
        ));
        for (level, layout) in [
            (Level::Raid5, 6),
            (Level::Raid6, 6),
            (Level::Raid6, 11),
            (Level::Raid6, 21),
        ] {
            assert!(matches!(
                of(level, layout, 4, 10_000),
                Err(SizeError::Layout { .. })
            ));
        }
        assert!(matches!(
            of(Level::Raid6, 2, 3, 10_000),
            Err(SizeError::RaidDisks { .. })
        ));
        assert!(matches!(
            of(Level::Raid0, 0, 3, 10_000),
            Err(SizeError::Level { .. })
        ));
    }

    #[test]
    fn hostile_numbers_are_refused() {
        for chunk in [0, 4, 12, 1000] {
            let result = size(|builder| {
                (builder.level, builder.raid_disks, builder.raid_chunk) =
                    (Level::Raid5, 3, Sectors(chunk));
            });
            assert!(
                matches!(result, Err(SizeError::RaidChunk { .. })),
                "{chunk}"
            );
        }
        let result = size(|builder| {
            (builder.level, builder.layout, builder.raid_disks) = (Level::Raid10, 0x102, 1920);
            (builder.component, builder.data_size) = (Sectors(u64::MAX), Sectors(u64::MAX));
        });
        assert_eq!(result, Err(SizeError::Overflow));
        assert_eq!(
            size(|builder| builder.features = feature::RESHAPE_ACTIVE),
            Err(SizeError::Reshaping)
        );
        let larger = size(|builder| {
            (builder.component, builder.data_size) = (Sectors(500), Sectors(400));
        });
        assert_eq!(larger, Ok(Sectors(400)));
    }

    #[test]
    fn dm_raid_says_its_size_only_in_the_extension() {
        let sized = |change: fn(&mut dm_raid::RawSuper)| {
            let mut raw = dm_raid::RawSuper::mirror(2, 262_144);
            change(&mut raw);
            let mut image = raw.to_bytes();
            image.resize(8192, 0);
            expected(&probe(&MemoryStore::new("image", image), None).found[0].member)
        };
        assert_eq!(sized(|_| ()), Ok(Sectors(262_144)));
        assert_eq!(
            sized(|raw| raw.compat_features = 0),
            Err(SizeError::UnknownComponent)
        );
    }
}
