//! Stores that write down what is done to them, and fail when they are told to.

use super::image::Image;
use super::log::{Call, Log};
use super::random::Random;
use crate::device::Store;
use crate::device::store::{StoreError, check_range};
use crate::units::Bytes;
use rustix::io::Errno;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Several stores whose calls go into one log.
#[derive(Debug)]
pub struct Recorder {
    shared: Arc<Mutex<Shared>>,
    stores: Vec<RecordingStore>,
}

/// One of them.
#[derive(Debug)]
pub struct RecordingStore {
    name: String,
    len: u64,
    block_bytes: u32,
    place: usize,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    now: Vec<Image>,
    log: Log,
    /// Reads, writes and flushes so far.
    calls: Vec<CallKind>,
    fault: Option<Fault>,
    /// The store that the fault struck, and in what.
    victim: Option<(usize, CallKind)>,
}

/// A call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which: the number of reads, writes and flushes, of all stores together, before it.
    pub call: u64,
    /// What the device says.
    pub what: What,
    /// What becomes of the data, where it is a write.
    pub kept: Kept,
    /// True when every later call to the same store fails, too.
    pub lasting: bool,
}

/// What is asked of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallKind {
    /// Bytes.
    Read,
    /// To store bytes.
    Write,
    /// To make durable what was written.
    Flush,
}

/// What a failing device says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// EIO.
    InputOutput,
    /// ENOSPC: of a thin volume, or an image on a full file system. No read or flush says so; they say EIO.
    NoSpace,
}

/// What a failing write has stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// Everything.
    All,
    /// Some of its blocks, which this seed chooses.
    Some(u64),
}

impl Recorder {
    /// Stores that hold what these images do.
    pub fn new(images: Vec<Image>) -> Recorder {
        let shared = Arc::new(Mutex::new(Shared {
            now: images.clone(),
            log: Log {
                start: images.clone(),
                calls: Vec::new(),
            },
            calls: Vec::new(),
            fault: None,
            victim: None,
        }));
        let stores = images
            .iter()
            .enumerate()
            .map(|(place, image)| RecordingStore {
                name: image.name().to_owned(),
                len: image.len(),
                block_bytes: u32::try_from(image.block_bytes()).unwrap_or(u32::MAX),
                place,
                shared: Arc::clone(&shared),
            });
        Recorder {
            stores: stores.collect(),
            shared,
        }
    }

    /// The same, with a call that fails.
    #[must_use]
    pub fn with_fault(self, fault: Fault) -> Recorder {
        locked(&self.shared).fault = Some(fault);
        self
    }

    /// The stores.
    pub fn stores(&self) -> Vec<&dyn Store> {
        self.stores
            .iter()
            .map(|store| store as &dyn Store)
            .collect()
    }

    /// Reads, writes and flushes so far.
    pub fn calls(&self) -> u64 {
        locked(&self.shared).calls.len() as u64
    }

    /// What each of them was, in order.
    pub fn kinds(&self) -> Vec<CallKind> {
        locked(&self.shared).calls.clone()
    }

    /// What the call that was to fail was, when it has failed.
    pub fn struck(&self) -> Option<CallKind> {
        locked(&self.shared).victim.map(|(_, kind)| kind)
    }

    /// What was done so far.
    pub fn log(&self) -> Log {
        locked(&self.shared).log.clone()
    }

    /// What the stores hold now, durable or not.
    pub fn now(&self) -> Vec<Image> {
        locked(&self.shared).now.clone()
    }
}

fn locked(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Counts a call to a store; the fault that strikes it, if one does.
    fn called(&mut self, place: usize, kind: CallKind) -> Option<Fault> {
        let number = self.calls.len() as u64;
        self.calls.push(kind);
        let fault = self.fault?;
        if number == fault.call {
            self.victim = Some((place, kind));
            return Some(fault);
        }
        let is_victim = self.victim.is_some_and(|(victim, _)| victim == place);
        (fault.lasting && is_victim).then_some(fault)
    }

    fn write(&mut self, place: usize, start: u64, data: &[u8], struck: Option<Fault>) {
        let Some(image) = self.now.get_mut(place) else {
            return;
        };
        let mut blocks = image.blocks_of(start, data);
        match struck.map(|fault| (fault.kept, fault.call)) {
            None | Some((Kept::All, _)) => {}
            Some((Kept::Nothing, _)) => return,
            Some((Kept::Some(seed), call)) => {
                let mut random = Random::of(&[seed, call]);
                blocks.retain(|_| random.once_in(2));
            }
        }
        for (number, block) in &blocks {
            image.put(*number, block.clone());
        }
        if !blocks.is_empty() {
            self.log.calls.push(Call::Write {
                store: place,
                blocks,
            });
        }
    }
}

impl RecordingStore {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        locked(&self.shared)
    }
}

fn io_error(what: What, is_write: bool) -> std::io::Error {
    let number = match (what, is_write) {
        (What::NoSpace, true) => Errno::NOSPC,
        _ => Errno::IO,
    };
    std::io::Error::from_raw_os_error(number.raw_os_error())
}

impl Store for RecordingStore {
    fn name(&self) -> &str {
        &self.name
    }

    fn len(&self) -> Bytes {
        Bytes(self.len)
    }

    fn logical_block_bytes(&self) -> u32 {
        self.block_bytes
    }

    fn physical_block_bytes(&self) -> u32 {
        self.block_bytes
    }

    fn read_at(&self, start: Bytes, buffer: &mut [u8]) -> Result<(), StoreError> {
        let end = check_range(self, start, buffer.len())?;
        let mut shared = self.shared();
        if let Some(fault) = shared.called(self.place, CallKind::Read) {
            return Err(StoreError::Read {
                device: self.name.clone(),
                start: start.0,
                end,
                source: io_error(fault.what, false),
            });
        }
        if let Some(image) = shared.now.get(self.place) {
            image.read(start.0, buffer);
        }
        Ok(())
    }

    fn write_at(&self, start: Bytes, data: &[u8]) -> Result<(), StoreError> {
        let end = check_range(self, start, data.len())?;
        let mut shared = self.shared();
        let struck = shared.called(self.place, CallKind::Write);
        shared.write(self.place, start.0, data, struck);
        match struck {
            None => Ok(()),
            Some(fault) => Err(StoreError::Write {
                device: self.name.clone(),
                start: start.0,
                end,
                source: io_error(fault.what, true),
            }),
        }
    }

    fn flush(&self) -> Result<(), StoreError> {
        let mut shared = self.shared();
        if let Some(fault) = shared.called(self.place, CallKind::Flush) {
            return Err(StoreError::Flush {
                device: self.name.clone(),
                source: io_error(fault.what, false),
            });
        }
        shared.log.calls.push(Call::Flush { store: self.place });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::crash::Entry;

    fn two() -> Vec<Image> {
        let image = |name| Image::new(name, vec![0; 8192]);
        vec![image("a"), image("b").with_block_bytes(4096)]
    }

    /// Five calls.
    fn command(stores: &[&dyn Store]) -> Result<(), StoreError> {
        let mut buffer = [0; 4];
        stores[0].read_at(Bytes(510), &mut buffer)?;
        assert_eq!(buffer, [0; 4]);
        stores[0].write_at(Bytes(510), &[1; 600])?;
        stores[0].flush()?;
        stores[1].write_at(Bytes(4090), &[2; 6])?;
        stores[1].flush()
    }

    #[test]
    fn calls_are_written_down_in_one_sequence() {
        let recorder = Recorder::new(two());
        command(&recorder.stores()).unwrap();
        assert_eq!(recorder.calls(), 5);
        let log = recorder.log();
        let entries: Vec<Entry> = log.entries().collect();
        let write = |store, first, blocks| Entry::Write {
            store,
            first,
            blocks,
        };
        let flush = |store| Entry::Flush { store };
        let expected = [write(0, 0, 3), flush(0), write(1, 0, 1), flush(1)];
        assert_eq!(entries, expected);
        for images in [log.end(), recorder.now()] {
            let mut first = vec![0; 8192];
            first[510..1110].fill(1);
            assert_eq!(images[0].to_vec(), first);
            assert_eq!(
                images[1].to_vec()[4085..4097],
                [0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 0]
            );
        }
        assert_eq!(log.start()[0].to_vec(), vec![0; 8192]);
        let kept = log.without_flushes(|number, store| number == 1 && store == 1);
        assert_eq!(kept.entries().count(), 3);
    }

    #[test]
    fn every_call_can_fail() {
        for call in 0..5 {
            for (what, kept) in [
                (What::InputOutput, Kept::Nothing),
                (What::NoSpace, Kept::All),
                (What::NoSpace, Kept::Some(7)),
            ] {
                let fault = Fault {
                    call,
                    what,
                    kept,
                    lasting: false,
                };
                let recorder = Recorder::new(two()).with_fault(fault);
                let error = command(&recorder.stores()).unwrap_err();
                let kind = match call {
                    0 => CallKind::Read,
                    1 | 3 => CallKind::Write,
                    _ => CallKind::Flush,
                };
                assert_eq!(recorder.struck(), Some(kind));
                assert_eq!(recorder.calls(), call + 1);
                let text = error.to_string();
                let is_write = call == 1 || call == 3;
                assert_eq!(
                    text.contains("No space"),
                    is_write && what == What::NoSpace,
                    "{text}"
                );
                assert!(text.starts_with(if call < 3 { "a: " } else { "b: " }));
                let first = recorder.now()[0].to_vec();
                let stored = first.iter().filter(|byte| **byte == 1).count();
                match (call, kept) {
                    (0, _) | (1, Kept::Nothing) => assert_eq!(stored, 0),
                    (1, Kept::Some(_)) => {
                        assert!([2, 512, 86, 514, 88, 598, 0, 600].contains(&stored))
                    }
                    _ => assert_eq!(stored, 600),
                }
            }
        }
        let never = Recorder::new(two()).with_fault(Fault {
            call: 5,
            what: What::InputOutput,
            kept: Kept::All,
            lasting: true,
        });
        command(&never.stores()).unwrap();
        assert_eq!(never.struck(), None);
    }

    #[test]
    fn a_lasting_fault_is_of_one_store() {
        let recorder = Recorder::new(two()).with_fault(Fault {
            call: 1,
            what: What::InputOutput,
            kept: Kept::Nothing,
            lasting: true,
        });
        let stores = recorder.stores();
        stores[1].flush().unwrap();
        assert!(stores[0].flush().is_err());
        assert!(stores[0].read_at(Bytes(0), &mut [0]).is_err());
        stores[1].write_at(Bytes(0), &[1]).unwrap();
    }
}
