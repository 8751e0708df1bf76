//! Several streams of runs side by side: in memory is one run of each.

use crate::format::dump_text::RunMark;
use std::ops::Range;

/// Goes through any number of streams of marked ranges at once, piece by piece: in each piece every
/// stream says the same throughout. The ranges are chunks, bytes or anything else that ascends.
#[derive(Debug)]
pub struct Sweep<I> {
    streams: Vec<Stream<I>>,
    /// Everything before has been dealt with.
    position: u128,
    /// What the streams say about the piece given last.
    marks: Vec<Option<RunMark>>,
}

/// A range and what is said about it.
pub type Marked = (Range<u128>, RunMark);

#[derive(Debug)]
struct Stream<I> {
    runs: Option<I>,
    current: Option<Marked>,
}

impl<I, E> Sweep<I>
where
    I: Iterator<Item = Result<Marked, E>>,
{
    /// Starts; the ranges of each stream must ascend without overlaps.
    pub fn new(streams: impl IntoIterator<Item = I>) -> Self {
        let streams: Vec<Stream<I>> = streams
            .into_iter()
            .map(|runs| Stream {
                runs: Some(runs),
                current: None,
            })
            .collect();
        Self {
            marks: vec![None; streams.len()],
            streams,
            position: 0,
        }
    }

    /// The next piece about which at least one stream says something; [`Sweep::marks`] tells what.
    ///
    /// # Errors
    /// The first of any stream; nothing must be asked for then.
    pub fn advance(&mut self) -> Result<Option<Range<u128>>, E> {
        loop {
            let (mut border, mut any) = (u128::MAX, false);
            for (stream, mark) in self.streams.iter_mut().zip(&mut self.marks) {
                *mark = None;
                let Some((range, said)) = stream.from(self.position)? else {
                    continue;
                };
                if range.start <= self.position {
                    (*mark, any) = (Some(*said), true);
                    border = border.min(range.end);
                } else {
                    border = border.min(range.start);
                }
            }
            if border == u128::MAX {
                return Ok(None);
            }
            let piece = self.position..border;
            self.position = border;
            if any {
                return Ok(Some(piece));
            }
        }
    }

    /// What each stream says about the last piece, in the order given.
    pub fn marks(&self) -> &[Option<RunMark>] {
        &self.marks
    }
}

impl<I, E> Stream<I>
where
    I: Iterator<Item = Result<Marked, E>>,
{
    /// The first range that ends behind `position`.
    fn from(&mut self, position: u128) -> Result<Option<&Marked>, E> {
        while self
            .current
            .as_ref()
            .is_none_or(|(range, _)| range.end <= position)
        {
            match self.runs.as_mut().and_then(Iterator::next) {
                Some(run) => self.current = Some(run?),
                None => {
                    (self.runs, self.current) = (None, None);
                    return Ok(None);
                }
            }
        }
        Ok(self.current.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream() -> impl Strategy<Value = Vec<Marked>> {
        let run = (0u128..6, 1u128..6, 0u8..3);
        proptest::collection::vec(run, 0..12).prop_map(|runs| {
            let mut at = 0;
            let mut place = |(gap, len, state)| {
                let start = at + gap;
                at = start + len;
                (start..at, RunMark::State(state))
            };
            runs.into_iter().map(&mut place).collect()
        })
    }

    fn said(stream: &[Marked], at: u128) -> Option<RunMark> {
        let mut all = stream.iter();
        all.find(|(range, _)| range.contains(&at))
            .map(|(_, mark)| *mark)
    }

    proptest! {
        #[test]
        fn pieces_say_what_the_streams_say(streams in proptest::collection::vec(stream(), 0..5)) {
            let runs = streams.iter().map(|stream| stream.iter().cloned().map(Ok::<_, ()>));
            let mut sweep = Sweep::new(runs);
            let mut at = 0;
            while let Some(piece) = sweep.advance().unwrap() {
                prop_assert!(piece.start >= at && piece.start < piece.end);
                for gap in at..piece.start {
                    prop_assert!(streams.iter().all(|stream| said(stream, gap).is_none()));
                }
                for inside in piece.clone() {
                    let expected: Vec<_> = streams.iter().map(|stream| said(stream, inside)).collect();
                    prop_assert_eq!(sweep.marks(), expected);
                }
                at = piece.end;
            }
            prop_assert!((at..200).all(|rest| streams.iter().all(|stream| said(stream, rest).is_none())));
        }
    }
}
