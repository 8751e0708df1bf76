//! Which chunks a user names: all of them, by ranges, or by a list of extents.

use crate::array::membership::Standing;
use crate::array::spaces::{Inverse, Named, Space, Wanted, WantedError};
use crate::bitmap::ChunkSet;
use crate::change::stopped::too_many;
use crate::change::{PlanError, StoppedArray};
use crate::commands::extent_file::{ExtentFile, ExtentFileError};
use crate::format::coverage::Coverage;
use crate::format::extent_list::ListedExtent;
use crate::units::Sectors;
use std::ops::Range;

/// What is asked for, and in which addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What.
    pub what: What,
    /// In which addresses.
    pub space: Space,
    /// The member that addresses of a member are of, where a list does not name it.
    pub member: Option<String>,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Every chunk.
    All,
    /// These ranges.
    Ranges(Vec<Range<Sectors>>),
    /// The extents of a list.
    List(ExtentFile),
}

/// Chunks that are asked for.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Resolved {
    /// Touched, and as a whole.
    pub named: Named,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Asked {
    /// Everything.
    pub fn all() -> Asked {
        Asked {
            what: What::All,
            space: Space::Bitmap,
            member: None,
        }
    }

    /// The chunks of a bitmap with this coverage that are asked for.
    ///
    /// # Errors
    /// [`PlanError::Refused`] when it names what the array does not have, or a list cannot be used.
    pub(in crate::commands) fn resolve(
        &self,
        array: &StoppedArray<'_>,
        coverage: Coverage,
    ) -> Result<Resolved, PlanError> {
        let wanted = Wanted::new(coverage).map_err(|error| too_many(&error))?;
        let mut resolver = Resolver {
            asked: self,
            array,
            wanted,
            inverse: None,
            outside: None,
        };
        match &self.what {
            What::All => {
                let full = ChunkSet::full(coverage.chunks()).map_err(|error| too_many(&error))?;
                return Ok(Resolved {
                    named: Named {
                        touched: full.clone(),
                        whole: full,
                    },
                    notes: Vec::new(),
                });
            }
            What::Ranges(ranges) => {
                for range in ranges {
                    resolver.add(&ListedExtent {
                        member: None,
                        bytes: range.start.bytes_wide()..range.end.bytes_wide(),
                    })?;
                }
            }
            What::List(list) => {
                // A refusal of what an extent means has to pass through the reader of the list.
                let mut refused = None;
                let read = list.read(&mut |extent| {
                    resolver.add(extent).map_err(|error| {
                        let message = error.to_string();
                        refused = Some(error);
                        ExtentFileError::Meaningless { message }
                    })
                });
                match (refused, read) {
                    (Some(error), _) => return Err(error),
                    (None, Err(error)) => {
                        return Err(PlanError::refuse("extent-list", error.to_string()));
                    }
                    (None, Ok(_)) => {}
                }
            }
        }
        Ok(resolver.finish())
    }
}

struct Resolver<'r> {
    asked: &'r Asked,
    array: &'r StoppedArray<'r>,
    wanted: Wanted,
    /// Of the member that the last extent was of.
    inverse: Option<(Option<String>, Inverse)>,
    /// The first bytes that were left out.
    outside: Option<(String, Range<u128>)>,
}

impl Resolver<'_> {
    fn add(&mut self, extent: &ListedExtent) -> Result<(), PlanError> {
        let known = self
            .inverse
            .as_ref()
            .is_some_and(|(member, _)| *member == extent.member);
        if !known {
            let inverse = self.inverse(extent.member.as_deref())?;
            self.inverse = Some((extent.member.clone(), inverse));
        }
        let Some((_, inverse)) = &self.inverse else {
            return Ok(());
        };
        let addresses = inverse.addresses();
        let inside = addresses.start.bytes_wide()..addresses.end.bytes_wide();
        let bytes = &extent.bytes;
        if bytes.start < inside.start || inside.end < bytes.end {
            if self.asked.space != Space::Device {
                return Err(PlanError::refuse(
                    "range-outside",
                    format!(
                        "bytes {}..{} were asked for in the space {}, which has {} bytes here",
                        bytes.start, bytes.end, self.asked.space, inside.end
                    ),
                ));
            }
            // A device holds other things as well, and a list of its bytes may name them.
            let name = extent.member.clone().or_else(|| self.asked.member.clone());
            self.outside
                .get_or_insert_with(|| (name.unwrap_or_default(), bytes.clone()));
        }
        self.wanted
            .add_bytes(inverse, bytes)
            .map_err(|error| match error {
                WantedError::TooManyChunks(error) => too_many(&error).into(),
                WantedError::TooManyPieces => {
                    PlanError::refuse("too-many-pieces", error.to_string())
                }
            })
    }

    fn inverse(&self, named: Option<&str>) -> Result<Inverse, PlanError> {
        let (array, space) = (self.array, self.asked.space);
        match (space, named) {
            (Space::Bitmap | Space::Array, Some(name)) => Err(PlanError::refuse(
                "space-unclear",
                format!(
                    "the list names extents of \"{name}\", and was to be in the space {space}, which all members share; say --space=member \
                     or --space=device"
                ),
            )),
            (Space::Bitmap, None) => Ok(Inverse::bitmap(array.sync_size())),
            (Space::Array, None) => Ok(Inverse::array(&array.geometry)),
            (Space::Member | Space::Device, named) => self.inverse_of_member(named),
        }
    }

    fn inverse_of_member(&self, named: Option<&str>) -> Result<Inverse, PlanError> {
        let (array, space) = (self.array, self.asked.space);
        let given = self.asked.member.as_deref();
        let name = match (named, given) {
            (Some(named), Some(given)) if named != given => {
                return Err(PlanError::refuse(
                    "member-unclear",
                    format!(
                        "the list is of \"{named}\" by its own word, of \"{given}\" by --member"
                    ),
                ));
            }
            (None, None) => {
                return Err(PlanError::refuse(
                    "member-unclear",
                    format!(
                        "addresses in the space {space} are of one member; say of which (--member)"
                    ),
                ));
            }
            (named, given) => named.or(given).unwrap_or_default(),
        };
        let mut devices = array.devices.iter();
        let device = devices.find(|device| device.store.name() == name);
        let Some(device) = device else {
            let all: Vec<&str> = array
                .devices
                .iter()
                .map(|device| device.store.name())
                .collect();
            return Err(PlanError::refuse(
                "member-unknown",
                format!(
                    "\"{name}\" is none of the devices given ({})",
                    all.join(", ")
                ),
            ));
        };
        let Standing::Current { slot } = device.standing else {
            return Err(PlanError::refuse(
                "member-unknown",
                format!("{name}: holds no slot of the array, so its addresses are not the array's"),
            ));
        };
        Inverse::of_member(space, &array.geometry, device.member(), Some(slot))
            .map_err(|error| PlanError::refuse("space-unknown", format!("{name}: {error}")))
    }

    fn finish(self) -> Resolved {
        let note = |(name, bytes): (String, Range<u128>)| {
            format!(
                "{name}: bytes {}..{} lie outside the data of the array, in part at least; what lies there has no mark, and is left out",
                bytes.start, bytes.end
            )
        };
        Resolved {
            named: self.wanted.named(),
            notes: self.outside.map(note).into_iter().collect(),
        }
    }
}
