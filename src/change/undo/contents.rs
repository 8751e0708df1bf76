//! The contents in an undo file: short ones in memory, long ones read again from the file.

use super::open::{FileCause, FileError, UndoFile};
use crate::device::Store;
use crate::format::undo::{Contents, Place, RECORD_HEAD, Run, UndoFileError};
use crate::units::Bytes;

/// Contents up to this length are kept in memory,
const SHORT: u64 = 64 << 10;

/// as long as they are no more bytes than this together.
const KEPT: u64 = 8 << 20;

/// Bytes of the file read at a time.
const WINDOW: u64 = 64 << 10;

/// A content of an undo file.
#[derive(Debug)]
pub(super) enum Content {
    /// These bytes.
    Short(Vec<u8>),
    /// The runs that begin there.
    Long(Place),
}

/// Decides what is kept in memory.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    kept: u64,
}

impl Keeper {
    /// A content of so many bytes whose runs begin at `place`.
    pub(super) fn begin(&mut self, place: Place, len: u64) -> Content {
        match len <= SHORT && self.kept.saturating_add(len) <= KEPT {
            true => {
                self.kept += len;
                Content::Short(Vec::new())
            }
            false => Content::Long(place),
        }
    }

    /// Its next run.
    pub(super) fn add(&self, content: &mut Content, run: &Run) {
        if let Content::Short(bytes) = content {
            let at = bytes.len();
            let len = usize::try_from(run.bytes()).unwrap_or_default();
            bytes.resize(at.saturating_add(len), 0);
            run.read(0, bytes.get_mut(at..).unwrap_or_default());
        }
    }
}

/// The bytes of a file, in order.
pub(super) struct Source<'s> {
    store: &'s dyn Store,
    at: u64,
    /// What was read and not used.
    window: Vec<u8>,
    used: usize,
}

impl<'s> Source<'s> {
    /// From a byte of `store` on.
    pub(super) fn at(store: &'s dyn Store, at: u64) -> Self {
        Source {
            store,
            at,
            window: Vec::new(),
            used: 0,
        }
    }

    /// The next bytes.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FileCause> {
        let mut rest = buffer;
        while !rest.is_empty() {
            let ready = self.window.get(self.used..).unwrap_or_default();
            let len = ready.len().min(rest.len());
            if len == 0 {
                self.refill()?;
                continue;
            }
            if let (Some(to), Some(from)) = (rest.get_mut(..len), ready.get(..len)) {
                to.copy_from_slice(from);
            }
            self.used += len;
            rest = rest.get_mut(len..).unwrap_or_default();
        }
        Ok(())
    }

    fn refill(&mut self) -> Result<(), FileCause> {
        let len = self.store.len().0;
        let left = len.saturating_sub(self.at).min(WINDOW);
        if left == 0 {
            return Err(UndoFileError::CutOff { at: len }.into());
        }
        self.window
            .resize(usize::try_from(left).unwrap_or_default(), 0);
        self.store.read_at(Bytes(self.at), &mut self.window)?;
        self.at = self.at.saturating_add(left);
        self.used = 0;
        Ok(())
    }
}

/// Reads a content from its beginning on; going back begins anew.
pub(super) struct Cursor<'f> {
    file: &'f UndoFile,
    content: &'f Content,
    reading: Option<Reading<'f>>,
}

struct Reading<'f> {
    source: Source<'f>,
    contents: Contents,
    /// Where in the content the run begins.
    run_at: u64,
    run: Run,
}

impl<'f> Cursor<'f> {
    /// Nothing is read yet.
    pub(super) fn new(file: &'f UndoFile, content: &'f Content) -> Self {
        Cursor {
            file,
            content,
            reading: None,
        }
    }

    /// Fills `buffer` with the bytes of the content from `start` on, which are inside.
    pub(super) fn read(&mut self, start: u64, buffer: &mut [u8]) -> Result<(), FileError> {
        let place = match self.content {
            Content::Short(bytes) => {
                let from = usize::try_from(start).ok().and_then(|at| bytes.get(at..));
                for (to, from) in buffer.iter_mut().zip(from.unwrap_or_default()) {
                    *to = *from;
                }
                return Ok(());
            }
            Content::Long(place) => *place,
        };
        self.read_long(place, start, buffer)
            .map_err(|cause| FileError {
                path: self.file.name().to_owned(),
                cause,
            })
    }

    fn read_long(&mut self, place: Place, start: u64, buffer: &mut [u8]) -> Result<(), FileCause> {
        let (mut at, mut rest) = (start, buffer);
        let mut reading = match self.reading.take() {
            Some(reading) if reading.run_at <= start => reading,
            _ => Reading::begin(&*self.file.source, place)?,
        };
        while !rest.is_empty() {
            let end = reading.run_at.saturating_add(reading.run.bytes());
            if at >= end {
                reading.next()?;
                continue;
            }
            let len = usize::try_from(end - at)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (now, later) = rest.split_at_mut(len);
            reading.run.read(at - reading.run_at, now);
            at = at.saturating_add(len as u64);
            rest = later;
        }
        self.reading = Some(reading);
        Ok(())
    }
}

impl<'f> Reading<'f> {
    fn begin(store: &'f dyn Store, place: Place) -> Result<Self, FileCause> {
        let mut source = Source::at(store, place.at);
        let mut contents = Contents::at(place);
        let run = next_run(&mut source, &mut contents)?;
        Ok(Reading {
            source,
            contents,
            run_at: 0,
            run,
        })
    }

    fn next(&mut self) -> Result<(), FileCause> {
        let run = next_run(&mut self.source, &mut self.contents)?;
        self.run_at = self.run_at.saturating_add(self.run.bytes());
        self.run = run;
        Ok(())
    }
}

fn next_run(source: &mut Source<'_>, contents: &mut Contents) -> Result<Run, FileCause> {
    let mut head = [0; RECORD_HEAD];
    source.fill(&mut head)?;
    let mut rest = vec![0; contents.rest_of(head)?];
    source.fill(&mut rest)?;
    Ok(contents.run(head, &rest)?)
}
