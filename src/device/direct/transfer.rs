//! Whole transfers out of system calls that may be interrupted or cut short.

use std::io;

/// What one read call is: bytes into a buffer from a byte position.
pub(super) type ReadCall<'a> = &'a mut dyn FnMut(&mut [u8], u64) -> io::Result<usize>;
/// What one write call is.
pub(super) type WriteCall<'a> = &'a mut dyn FnMut(&[u8], u64) -> io::Result<usize>;

/// A failed transfer: how much of it was done before.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) done: u64,
    pub(super) source: io::Error,
}

/// Reads until at least `wanted` bytes of `buffer` are filled.
///
/// `buffer` may be longer than `wanted` (O_DIRECT wants whole blocks where a file's last block is
/// not whole); what lies behind is of no meaning. After a short read the next request starts at a
/// multiple of `align` again, counted from `start`, which is one itself.
pub(super) fn read_fully(
    read: ReadCall<'_>,
    start: u64,
    buffer: &mut [u8],
    wanted: usize,
    align: usize,
) -> Result<(), Failure> {
    let mut done = 0_usize;
    loop {
        let from = done - done % align.max(1);
        let Some(rest) = buffer.get_mut(from..) else {
            return Ok(());
        };
        let fail = |source| Failure {
            done: from as u64,
            source,
        };
        let got = match read(rest, start.saturating_add(from as u64)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fail(error)),
            Ok(got) => got,
        };
        let reached = from.saturating_add(got);
        if reached >= wanted {
            return Ok(());
        }
        if reached <= done {
            return Err(fail(short("read", got, wanted - from)));
        }
        done = reached;
    }
}

/// Writes all of `data`; after a short write the rest goes on at a multiple of `align`.
pub(super) fn write_fully(
    write: WriteCall<'_>,
    start: u64,
    data: &[u8],
    align: usize,
) -> Result<(), Failure> {
    let mut done = 0_usize;
    loop {
        let from = done - done % align.max(1);
        let Some(rest) = data.get(from..).filter(|rest| !rest.is_empty()) else {
            return Ok(());
        };
        let fail = |source| Failure {
            done: from as u64,
            source,
        };
        let put = match write(rest, start.saturating_add(from as u64)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(fail(error)),
            Ok(put) => put,
        };
        let reached = from.saturating_add(put);
        if reached >= data.len() {
            return Ok(());
        }
        if reached <= done {
            return Err(fail(short("write", put, data.len() - from)));
        }
        done = reached;
    }
}

fn short(what: &str, got: usize, wanted: usize) -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        format!("short {what}: {got} of {wanted} bytes (was the file cut meanwhile?)"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATA: [u8; 2048] = [5; 2048];

    /// A file of `len` bytes whose reads follow a script: at most so many bytes, or an error.
    fn run(
        len: usize,
        script: &[Result<usize, i32>],
        wanted: usize,
        align: usize,
    ) -> (Result<(), Failure>, Vec<(u64, usize)>) {
        let mut calls = Vec::new();
        let mut steps = script.iter();
        let mut buffer = vec![0; 2048];
        let result = read_fully(
            &mut |buffer, start| {
                calls.push((start, buffer.len()));
                let most = match steps.next() {
                    None => usize::MAX,
                    Some(Ok(most)) => *most,
                    Some(Err(code)) => return Err(io::Error::from_raw_os_error(*code)),
                };
                let left = len.saturating_sub(start as usize - 4096);
                let got = most.min(left).min(buffer.len());
                buffer[..got].copy_from_slice(&DATA[..got]);
                Ok(got)
            },
            4096,
            &mut buffer,
            wanted,
            align,
        );
        if result.is_ok() {
            assert!(buffer[..wanted].iter().all(|b| *b == 5));
        }
        (result, calls)
    }

    #[test]
    fn interrupted_and_partial_reads_go_on() {
        let (result, calls) = run(2048, &[Err(4), Ok(512), Err(4), Ok(700)], 2048, 512);
        result.unwrap();
        let expected = [
            (4096, 2048),
            (4096, 2048),
            (4608, 1536),
            (4608, 1536),
            // 512 + 700 is no block boundary: back to 1024.
            (5120, 1024),
        ];
        assert_eq!(calls, expected);
    }

    #[test]
    fn the_last_bytes_of_a_file_are_enough_and_a_cut_file_is_an_error() {
        run(881, &[], 881, 512).0.unwrap();
        let failure = run(600, &[], 881, 512).0.unwrap_err();
        assert_eq!(failure.done, 512);
        assert!(failure.source.to_string().contains("short read"));
        let failure = run(0, &[], 1, 512).0.unwrap_err();
        assert_eq!(failure.done, 0);
    }

    #[test]
    fn an_error_says_how_far_it_came() {
        let failure = run(2048, &[Ok(1024), Err(5)], 2048, 512).0.unwrap_err();
        assert_eq!(failure.done, 1024);
        assert_eq!(failure.source.raw_os_error(), Some(5));
    }

    #[test]
    fn writes_go_on_and_never_spin() {
        let mut out = vec![0; 2048];
        let mut steps = [Err(4), Ok(100), Ok(1024)].into_iter();
        let mut calls = 0;
        write_fully(
            &mut |data, start| {
                calls += 1;
                let most = match steps.next() {
                    None => usize::MAX,
                    Some(Ok(most)) => most,
                    Some(Err(code)) => return Err(io::Error::from_raw_os_error(code)),
                };
                let put = data.len().min(most);
                out[start as usize..start as usize + put].copy_from_slice(&data[..put]);
                Ok(put)
            },
            0,
            &DATA,
            512,
        )
        .unwrap();
        assert_eq!(calls, 4);
        assert_eq!(out, DATA);
        let failure = write_fully(&mut |_, _| Ok(0), 0, &DATA, 512).unwrap_err();
        assert!(failure.source.to_string().contains("short write"));
    }
}
