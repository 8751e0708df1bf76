//! Areas of a device as records.

use super::Area;
use crate::device::{Store, StoreError};
use crate::format::bundle::{Device, Encoder, Piece, Record, pieces};
use crate::units::Bytes;
use std::io::{self, Write};

/// Bytes read at a time; a literal of it fits a record.
const WINDOW: u64 = 64 << 10;

/// What is read again by itself when a window cannot be read.
const SMALL: u64 = 4096;

/// Writes the records of one device.
pub(super) struct Pieces<'a> {
    encoder: &'a mut Encoder,
    out: &'a mut dyn Write,
    /// Zeros are written too.
    keep_zeros: bool,
    /// A stretch of one value that may go on in the next window.
    open: Option<(u64, u64, u8)>,
    unreadable: Vec<String>,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(encoder: &'a mut Encoder, out: &'a mut dyn Write, keep_zeros: bool) -> Self {
        Self {
            encoder,
            out,
            keep_zeros,
            open: None,
            unreadable: Vec::new(),
        }
    }

    pub(super) fn device(&mut self, device: Device) -> io::Result<()> {
        self.write(&Record::Device(device))
    }

    pub(super) fn area(&mut self, store: &dyn Store, area: &Area) -> io::Result<()> {
        let mut at = area.bytes.start;
        while at < area.bytes.end {
            let end = at.saturating_add(WINDOW).min(area.bytes.end);
            let mut bytes = vec![0; usize::try_from(end - at).unwrap_or_default()];
            match store.read_at(Bytes(at), &mut bytes) {
                Ok(()) => self.bytes(at, &bytes)?,
                Err(_) => self.piecemeal(store, at, end)?,
            }
            at = end;
        }
        Ok(())
    }

    /// A window that cannot be read whole.
    fn piecemeal(&mut self, store: &dyn Store, start: u64, end: u64) -> io::Result<()> {
        let mut at = start;
        while at < end {
            let next = (at / SMALL + 1).saturating_mul(SMALL).min(end);
            let mut bytes = vec![0; usize::try_from(next - at).unwrap_or_default()];
            match store.read_at(Bytes(at), &mut bytes) {
                Ok(()) => self.bytes(at, &bytes)?,
                Err(error) => self.failed(at, next, &error)?,
            }
            at = next;
        }
        Ok(())
    }

    fn failed(&mut self, start: u64, end: u64, error: &StoreError) -> io::Result<()> {
        // One message says enough of a disk that is gone.
        if self.unreadable.len() < 16 {
            self.unreadable.push(error.to_string());
        }
        self.close()?;
        self.write(&Record::Unreadable {
            start,
            len: end - start,
        })
    }

    fn bytes(&mut self, start: u64, bytes: &[u8]) -> io::Result<()> {
        let mut at = start;
        for piece in pieces(bytes) {
            match piece {
                Piece::Fill(len, value) => {
                    let len = len as u64;
                    match &mut self.open {
                        Some((from, so_far, old)) if *old == value && *from + *so_far == at => {
                            *so_far += len
                        }
                        _ => {
                            self.close()?;
                            self.open = Some((at, len, value));
                        }
                    }
                    at += len;
                }
                Piece::Literal(bytes) => {
                    self.close()?;
                    self.write(&Record::Literal {
                        start: at,
                        bytes: bytes.to_vec(),
                    })?;
                    at += bytes.len() as u64;
                }
            }
        }
        Ok(())
    }

    /// Writes the stretch that is open. Zeros are what everything is that no record names.
    fn close(&mut self) -> io::Result<()> {
        match self.open.take() {
            Some((start, len, value)) if value != 0 || self.keep_zeros => {
                self.write(&Record::Fill { start, len, value })
            }
            _ => Ok(()),
        }
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.out.write_all(&self.encoder.record(record))
    }

    /// Ends the device; what could not be read.
    pub(super) fn finish(mut self) -> io::Result<Vec<String>> {
        self.close()?;
        Ok(self.unreadable)
    }
}
