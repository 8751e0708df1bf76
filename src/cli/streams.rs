//! Standard output and standard error of a run, with their failures.

use std::io::{self, BufWriter, Write};

/// Where results and complaints go.
///
/// A reader that closed its end of the pipe has seen enough: that is no error. Any other failure
/// to write results is one, because the caller did not get them.
pub struct Streams<'a> {
    out: Box<dyn Write + 'a>,
    err: Box<dyn Write + 'a>,
    failed: Option<io::Error>,
}

impl Streams<'static> {
    /// The streams of this process; output is buffered until [`Streams::flush`].
    pub fn of_process() -> Self {
        Streams::new(BufWriter::new(io::stdout().lock()), io::stderr().lock())
    }
}

impl<'a> Streams<'a> {
    /// Any two writers.
    pub fn new(out: impl Write + 'a, err: impl Write + 'a) -> Self {
        Streams {
            out: Box::new(out),
            err: Box::new(err),
            failed: None,
        }
    }

    /// Where results go.
    pub fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Remembers that results could not be written.
    pub fn note_write(&mut self, written: io::Result<()>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    /// True when nobody receives results any more.
    pub fn is_closed(&self) -> bool {
        self.failed.is_some()
    }

    /// Writes out what is buffered, so that a complaint that follows comes after it.
    pub fn flush(&mut self) {
        let written = self.out.flush();
        self.note_write(written);
    }

    /// One line on standard error with the name of the program before it.
    pub fn complain(&mut self, message: &str) {
        self.flush();
        // Nothing is left to report a failing standard error to.
        let _ = writeln!(self.err, "mdbitmap: {message}");
    }

    /// Text on standard error as it is.
    pub(super) fn complain_raw(&mut self, text: &str) {
        let _ = self.err.write_all(text.as_bytes());
    }

    /// Flushes, and gives the exit status: 1 when results were lost and the run had not failed anyway.
    pub fn finish(mut self, status: u8) -> u8 {
        self.flush();
        match self.failed.take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = writeln!(
                    self.err,
                    "mdbitmap: cannot write to standard output: {error}"
                );
                status.max(1)
            }
            _ => status,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Streams;
    use std::io::{self, Write};

    struct Failing(io::ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn a_closed_pipe_is_no_error() {
        let mut err = Vec::new();
        assert_eq!(
            Streams::new(Failing(io::ErrorKind::BrokenPipe), &mut err).finish(0),
            0
        );
        assert!(err.is_empty());
    }

    #[test]
    fn a_full_disk_is_one() {
        let mut err = Vec::new();
        assert_eq!(
            Streams::new(Failing(io::ErrorKind::StorageFull), &mut err).finish(0),
            1
        );
        assert!(err.starts_with(b"mdbitmap: cannot write to standard output: "));
        assert_eq!(
            Streams::new(Failing(io::ErrorKind::StorageFull), io::sink()).finish(4),
            4
        );
    }
}
