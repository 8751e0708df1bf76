//! A bare bitmap on a block device: only the bytes of the bitmap are written.

use super::content::Image;
use super::file::refuse_users;
use super::{CreateError, Note, source};
use crate::array::probe;
use crate::device::{DirectStore, OpenMode, Store, StoreError, signature};
use crate::format::bitmap_super::{BITMAP_SUPER_BYTES, RawBitmapSuper};
use crate::format::placement::{ChunkSize, area, chunk};
use crate::kernel::{holders, running_array};
use crate::units::{Bytes, Sectors};
use std::path::Path;

/// A device that may be written, and what is in the place of the superblock now.
pub(super) struct Checked {
    store: DirectStore,
    /// The first 256 bytes.
    pub(super) old: [u8; BITMAP_SUPER_BYTES],
}

/// What must be true before anything is written. The device stays held from here on.
pub(super) fn check(
    path: &Path,
    content: &dyn Image,
    force: bool,
    notes: &mut Vec<Note>,
) -> Result<Checked, CreateError> {
    let name = path.display().to_string();
    let users = holders(path).map_err(|source| CreateError::Path {
        path: name.clone(),
        step: "find out what uses it",
        source,
    })?;
    refuse_users(&name, &users, notes)?;
    // O_EXCL sees what the list of users may have missed.
    let store = DirectStore::open(path, OpenMode::Exclusive)?;
    notes.push(Note::NotAttachable);
    large_enough(&store, content)?;
    if !force {
        no_array(path, &name)?;
        nothing_there(&store)?;
    }
    if content.is_clean() {
        source::nothing_dirty(
            &store,
            Bytes(0),
            &format!("{name}: the bitmap to be replaced"),
        )?;
    }
    let mut old = [0; BITMAP_SUPER_BYTES];
    store.read_at(Bytes(0), &mut old)?;
    Ok(Checked { store, old })
}

/// Refuses a running array: what a user who meant `--array` would overwrite is its data.
fn no_array(path: &Path, name: &str) -> Result<(), CreateError> {
    match running_array(path) {
        Ok(None) => Ok(()),
        Ok(Some(_)) => Err(CreateError::NotEmpty {
            path: name.to_owned(),
            found: "the data of a running array".to_owned(),
            start: Bytes(0),
        }),
        Err(error) => Err(CreateError::Source {
            path: name.to_owned(),
            reason: error.to_string(),
        }),
    }
}

fn large_enough(store: &dyn Store, content: &dyn Image) -> Result<(), CreateError> {
    if content.length() <= store.len() {
        return Ok(());
    }
    let sync_size = Sectors(content.superblock().sync_size_sectors);
    let chunk = u64::from(content.superblock().chunksize);
    Err(CreateError::TooSmall {
        path: store.name().to_owned(),
        sync_size,
        chunk: ChunkSize::new(chunk).unwrap_or(ChunkSize::LARGEST),
        needed: content.length(),
        available: store.len(),
        smallest: chunk::truly_smallest(sync_size, area::max_bits(store.len().0))
            .filter(|_| store.len().0 >= BITMAP_SUPER_BYTES as u64),
    })
}

/// Refuses a device that holds something: file systems, members of arrays, bitmaps.
fn nothing_there(store: &dyn Store) -> Result<(), CreateError> {
    let refuse = |found: String, start| {
        Err(CreateError::NotEmpty {
            path: store.name().to_owned(),
            found,
            start,
        })
    };
    if let Some(found) = signature::scan(store)?.first() {
        return refuse(format!("a {}", found.name), found.start);
    }
    if is_bitmap(store)? {
        return refuse("a bitmap".to_owned(), Bytes(0));
    }
    let probed = probe(store, None);
    if let Some(found) = probed.newest() {
        let metadata = found.member.metadata;
        return refuse(
            format!("an md {metadata} superblock"),
            found.member.super_start,
        );
    }
    if let Some(rejected) = probed.rejected.first() {
        return refuse(
            format!("a damaged md {} superblock", rejected.metadata),
            rejected.start,
        );
    }
    match probed.unreadable.into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

fn is_bitmap(store: &dyn Store) -> Result<bool, StoreError> {
    let mut head = [0; BITMAP_SUPER_BYTES];
    store.read_at(Bytes(0), &mut head)?;
    Ok(RawBitmapSuper::from_bytes(&head).is_ok_and(|raw| raw.has_magic()))
}

/// Writes the bitmap and reads it back.
pub(super) fn write(checked: &Checked, content: &dyn Image) -> Result<(), CreateError> {
    let store = &checked.store;
    write_to(store, content)?;
    match content.first_difference(store)? {
        None => Ok(()),
        Some(at) => Err(CreateError::ReadBack {
            path: store.name().to_owned(),
            at,
            is_device: true,
        }),
    }
}

/// Bits, flush, superblock, flush (design.md W19): a superblock never vouches for bits that are
/// not on the disk yet. That of a bitmap that was there before goes first, for it would vouch
/// for the new bits meanwhile.
fn write_to(store: &dyn Store, content: &dyn Image) -> Result<(), CreateError> {
    if is_bitmap(store)? {
        store.write_at(Bytes(0), &[0; BITMAP_SUPER_BYTES])?;
        store.flush()?;
    }
    let mut write = |at, piece: &[u8]| Ok(store.write_at(Bytes(at), piece)?);
    content.pieces(content.bit_bytes(), &mut write)?;
    store.flush()?;
    content.pieces(content.header(), &mut write)?;
    Ok(store.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::create::content::Content;
    use crate::device::MemoryStore;
    use crate::format::placement::content::{Fill, NewBitmap};
    use crate::units::Events;
    use std::sync::Mutex;

    /// Remembers what was asked of it.
    struct Recorder {
        inner: MemoryStore,
        calls: Mutex<Vec<String>>,
        fail_at: Option<usize>,
    }

    impl Recorder {
        fn new(bytes: Vec<u8>) -> Self {
            Recorder {
                inner: MemoryStore::new("recorder", bytes),
                calls: Mutex::new(Vec::new()),
                fail_at: None,
            }
        }

        fn call(&self, what: String) -> Result<(), StoreError> {
            let mut calls = self.calls.lock().unwrap();
            calls.push(what);
            if Some(calls.len()) == self.fail_at {
                return Err(StoreError::Flush {
                    device: "recorder".to_owned(),
                    source: std::io::Error::other("test"),
                });
            }
            Ok(())
        }
    }

    impl Store for Recorder {
        fn name(&self) -> &str {
            self.inner.name()
        }
        fn len(&self) -> Bytes {
            self.inner.len()
        }
        fn logical_block_bytes(&self) -> u32 {
            512
        }
        fn physical_block_bytes(&self) -> u32 {
            512
        }
        fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
            self.inner.read_at(start, buffer)
        }
        fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
            self.call(format!("write {start}..{}", start.0 + data.len() as u64))?;
            self.inner.write_at(start, data)
        }
        fn flush(&self) -> Result<(), StoreError> {
            self.call("flush".to_owned())
        }
    }

    fn content(fill: Fill) -> Content {
        let bitmap = NewBitmap {
            uuid: [7; 16],
            sync_size: Sectors(39976),
            chunk: ChunkSize::MDADM_SMALLEST,
            delay_seconds: 5,
            write_behind: 0,
            events: Events(0),
            cluster: None,
        };
        Content::new(&bitmap, fill)
    }

    #[test]
    fn bits_are_durable_before_the_superblock() {
        let store = Recorder::new(vec![0xaa; 4096]);
        write_to(&store, &content(Fill::Dirty)).unwrap();
        assert_eq!(
            *store.calls.lock().unwrap(),
            ["write 256..881", "flush", "write 0..256", "flush"]
        );
        // Only the bytes of the bitmap.
        let bytes = store.inner.into_contents();
        assert_eq!(bytes[..256], content(Fill::Dirty).superblock.to_bytes());
        assert!(bytes[256..881].iter().all(|&b| b == 0xff));
        assert!(bytes[881..].iter().all(|&b| b == 0xaa));
    }

    #[test]
    fn an_old_superblock_never_vouches_for_new_bits() {
        let mut bytes = vec![0xff; 4096];
        bytes[..256].copy_from_slice(&content(Fill::Dirty).superblock.to_bytes());
        let store = Recorder::new(bytes.clone());
        write_to(&store, &content(Fill::Clean)).unwrap();
        let calls = store.calls.into_inner().unwrap();
        assert_eq!(
            calls,
            [
                "write 0..256",
                "flush",
                "write 256..881",
                "flush",
                "write 0..256",
                "flush"
            ]
        );
        // Wherever it stops: a superblock stands only before bits that it may stand before.
        for fail_at in 1..=calls.len() {
            let mut store = Recorder::new(bytes.clone());
            store.fail_at = Some(fail_at);
            write_to(&store, &content(Fill::Clean)).unwrap_err();
            let now = store.inner.into_contents();
            let raw = RawBitmapSuper::from_bytes(&now).unwrap();
            let zeros = now[256..881].iter().any(|&b| b != 0xff);
            assert!(!raw.has_magic() || !zeros || fail_at == calls.len());
        }
    }

    #[test]
    fn a_device_too_small_names_the_chunk_that_fits() {
        let error = large_enough(&MemoryStore::zeroed("d", 512), &content(Fill::Dirty));
        assert_eq!(
            error.unwrap_err().to_string(),
            "d: a bitmap of 39976 sectors with chunks of 4K takes 881 bytes, the device has 512; \
             the smallest chunk size that fits is 16K"
        );
        let error = large_enough(&MemoryStore::zeroed("d", 255), &content(Fill::Dirty));
        assert!(
            error
                .unwrap_err()
                .to_string()
                .ends_with("; no chunk size fits")
        );
        assert!(large_enough(&MemoryStore::zeroed("d", 881), &content(Fill::Dirty)).is_ok());
    }

    #[test]
    fn what_is_there_is_named() {
        let mut xfs = vec![0; 8192];
        xfs[..4].copy_from_slice(b"XFSB");
        let error = nothing_there(&MemoryStore::new("d", xfs)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "d: holds a xfs file system (at byte 0); --force overwrites it"
        );
        let mut bitmap = vec![0; 8192];
        bitmap[..256].copy_from_slice(&content(Fill::Dirty).superblock.to_bytes());
        let error = nothing_there(&MemoryStore::new("d", bitmap)).unwrap_err();
        assert!(error.to_string().contains("holds a bitmap"), "{error}");
        assert!(nothing_there(&MemoryStore::zeroed("d", 8192)).is_ok());
    }
}
