//! Reads from several devices at the same time.

use super::{Side, bytes};
use crate::device::{AlignedBuffer, StoreError};
use crate::units::{Bytes, SECTOR_BYTES, Sectors};
use std::ops::Range;
use std::thread;

/// Pieces of one device, read into one buffer one behind the other.
#[derive(Debug, Clone, Default)]
pub(super) struct Request {
    /// Member sectors; neighbours are joined.
    pieces: Vec<Range<u64>>,
    len: u64,
}

impl Request {
    /// Adds sectors; where they will lie in the buffer, in bytes.
    pub fn add(&mut self, sectors: Range<u64>) -> Range<usize> {
        let start = self.len;
        self.len += sectors.end - sectors.start;
        match self.pieces.last_mut() {
            Some(last) if last.end == sectors.start => last.end = sectors.end,
            _ => self.pieces.push(sectors),
        }
        bytes(start)..bytes(self.len)
    }

    fn read(&self, side: &Side<'_>, buffer: &mut [u8]) -> Result<(), StoreError> {
        let mut rest = buffer;
        for piece in &self.pieces {
            let len = bytes(piece.end - piece.start).min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            let sector = side.data_offset.checked_add(Sectors(piece.start));
            let start = sector.and_then(Sectors::to_bytes);
            side.store
                .read_at(start.unwrap_or(Bytes(u64::MAX - SECTOR_BYTES)), now)?;
            rest = later;
        }
        Ok(())
    }
}

/// Which device failed, and how.
#[derive(Debug)]
pub(super) struct Failed {
    /// Its place in the list of sides.
    pub side: usize,
    /// What happened.
    pub error: StoreError,
}

/// A buffer for each device.
#[derive(Debug, Default)]
pub(super) struct Reader {
    buffers: Vec<AlignedBuffer>,
}

impl Reader {
    /// Reads the requests, one for each side, all at once.
    ///
    /// # Errors
    /// The failure of the first side, in their order, of those that failed.
    pub fn read(&mut self, sides: &[Side<'_>], requests: &[Request]) -> Result<(), Failed> {
        self.buffers
            .resize_with(requests.len(), || AlignedBuffer::new(0));
        for (buffer, request) in self.buffers.iter_mut().zip(requests) {
            if buffer.len() < bytes(request.len) {
                *buffer = AlignedBuffer::new(bytes(request.len));
            }
        }
        let work = sides
            .iter()
            .zip(requests)
            .zip(&mut self.buffers)
            .enumerate();
        let work = work.filter(|(_, ((_, request), _))| request.len > 0);
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for (side, ((source, request), buffer)) in work {
                let room = buffer.get_mut(..bytes(request.len)).unwrap_or_default();
                threads.push((side, scope.spawn(move || request.read(source, room))));
            }
            let mut first = Ok(());
            for (side, thread) in threads {
                let read = thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                if let Err(error) = read
                    && first.is_ok()
                {
                    first = Err(Failed { side, error });
                }
            }
            first
        })
    }

    /// What was read of a side.
    pub fn data(&self, side: usize, range: Range<usize>) -> &[u8] {
        let buffer = self.buffers.get(side);
        buffer
            .and_then(|buffer| buffer.get(range))
            .unwrap_or_default()
    }
}
