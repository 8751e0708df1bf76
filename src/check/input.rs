//! One device, image or file of a case, and what lies on it.

use super::file_facts::FileFacts;
use crate::array::{
    FoundSuper, MemberSuper, MetadataFilter, NoBitmap, RejectedSuper, probe, sync_size,
};
use crate::bitmap::{Bitmap, BitmapError, Counts};
use crate::device::Store;
use crate::format::bit_array::BitOrder;
use crate::format::bitmap_super::RawBitmapSuper;
use crate::units::Bytes;
use std::cell::OnceCell;

/// How superblocks and bitmaps are looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct LookOptions {
    /// Metadata to look for; all when `None`.
    pub metadata: Option<MetadataFilter>,
    /// Byte at which the bitmap starts, whatever an md superblock says.
    pub offset: Option<Bytes>,
    /// Bit order of version 3 bitmaps.
    pub order: BitOrder,
}

/// Where a bitmap lies or would lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// First byte of its superblock.
    pub start: Bytes,
    /// False where the md superblock says that there is none.
    pub announced: bool,
}

/// One device, image or file.
pub struct Input<'a> {
    /// Its path.
    pub name: String,
    /// Its storage.
    pub store: &'a dyn Store,
    /// True for a block device.
    pub is_block_device: bool,
    /// True for a member of a running array that was given as such.
    pub in_use: bool,
    /// The md superblock to go by.
    pub member: Option<FoundSuper>,
    /// Other superblocks that can be believed: of another metadata version, hence stale.
    pub other_supers: Vec<FoundSuper>,
    /// Superblocks that cannot.
    pub rejected: Vec<RejectedSuper>,
    /// Places of superblocks that could not be read.
    pub unreadable: Vec<String>,
    /// True where the user named the place of the bitmap.
    pub told_place: bool,
    /// Where its bitmap is, or would be.
    pub place: Option<Place>,
    /// What the file system says of a bitmap file.
    pub file: Option<FileFacts>,
    bitmap: Option<Result<Bitmap<'a>, BitmapError>>,
    counts: OnceCell<Option<Result<Counts, BitmapError>>>,
}

impl<'a> Input<'a> {
    /// Looks for superblocks and the bitmap on `store`.
    pub fn look(store: &'a dyn Store, options: &LookOptions) -> Input<'a> {
        let mut input = Input {
            name: store.name().to_owned(),
            store,
            is_block_device: false,
            in_use: false,
            member: None,
            other_supers: Vec::new(),
            rejected: Vec::new(),
            unreadable: Vec::new(),
            told_place: options.offset.is_some(),
            place: None,
            file: None,
            bitmap: None,
            counts: OnceCell::new(),
        };
        if options.offset.is_none() {
            let probed = probe(store, options.metadata);
            let mut found = probed.found.into_iter();
            input.member = found.next();
            input.other_supers = found.collect();
            input.rejected = probed.rejected;
            input.unreadable = probed.unreadable.iter().map(ToString::to_string).collect();
        }
        input.place = input.locate(options);
        let open = |place: Place| Bitmap::open(store, place.start, options.order);
        input.bitmap = input.place.map(open);
        input
    }

    /// Where the bitmap is: as the md superblock says, else at the start of a file.
    fn locate(&self, options: &LookOptions) -> Option<Place> {
        if let Some(start) = options.offset {
            return Some(Place {
                start,
                announced: true,
            });
        }
        let Some(member) = self.super_of() else {
            let alone = self.rejected.is_empty() && options.metadata.is_none();
            return alone.then_some(Place {
                start: Bytes(0),
                announced: true,
            });
        };
        match &member.bitmap {
            Ok(place) => Some(Place {
                start: place.start,
                announced: true,
            }),
            Err(NoBitmap::NotAnnounced {
                would_be: Some(place),
                ..
            }) => Some(Place {
                start: place.start,
                announced: false,
            }),
            Err(_) => None,
        }
    }

    /// What its md superblock says.
    pub fn super_of(&self) -> Option<&MemberSuper> {
        self.member.as_ref().map(|found| &found.member)
    }

    /// The bitmap that counts here: announced and with a superblock that can be read.
    pub fn bitmap(&self) -> Option<&Bitmap<'a>> {
        let announced = self.place.is_some_and(|place| place.announced);
        self.any_bitmap().filter(|_| announced)
    }

    /// Whatever lies where a bitmap is or would be, announced or not.
    pub fn any_bitmap(&self) -> Option<&Bitmap<'a>> {
        self.bitmap.as_ref()?.as_ref().ok()
    }

    /// Why the bitmap's superblock cannot be read.
    pub fn bitmap_error(&self) -> Option<&BitmapError> {
        self.bitmap.as_ref()?.as_ref().err()
    }

    /// The superblock of the bitmap that counts here, when it has the magic number of one.
    pub fn bitmap_super(&self) -> Option<&RawBitmapSuper> {
        let raw = self.bitmap()?.raw();
        raw.has_magic().then_some(raw)
    }

    /// True for a bitmap file or a bare bitmap device.
    pub fn is_bitmap_file(&self) -> bool {
        self.member.is_none() && self.rejected.is_empty() && self.place.is_some()
    }

    /// True where there is neither an md superblock nor, at the start, the magic number of a bitmap.
    pub fn is_nothing(&self) -> bool {
        let bitmap = self.bitmap_super().is_some() || self.told_place;
        let unknown = !self.unreadable.is_empty()
            || matches!(self.bitmap_error(), Some(BitmapError::Store(_)));
        self.is_bitmap_file() && !bitmap && !unknown
    }

    /// The bitmap over the sectors that the array has, which is what the kernel counts
    /// (reference/kernel.md 2.1), where they are known.
    pub fn sized_bitmap(&self) -> Option<Bitmap<'a>> {
        let bitmap = self.bitmap()?.clone();
        let size = self.super_of().map(sync_size::expected);
        Some(match size {
            Some(Ok(size)) => bitmap.with_sync_size(size),
            _ => bitmap,
        })
    }

    /// Its chunks counted, once; `None` without a bitmap.
    pub fn counts(&self) -> Option<&Result<Counts, BitmapError>> {
        let count = || {
            self.bitmap_super()?;
            Some(self.sized_bitmap()?.count())
        };
        self.counts.get_or_init(count).as_ref()
    }
}
