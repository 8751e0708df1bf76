//! Contents as runs: bitmaps are mostly alike.

use super::{Run, SECTOR};

/// The longest run of any sectors.
const LONGEST: usize = 64 << 10;

/// Makes runs of the sectors of one content, as they come.
#[derive(Debug, Default)]
pub struct Packer {
    /// Sectors that are no run of their own.
    any: Vec<u8>,
    /// Sectors that are alike, so far.
    alike: Option<(u64, Box<[u8; SECTOR]>)>,
}

impl Packer {
    /// Takes more sectors; the runs that are complete go to `each`.
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn push<E>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(Run) -> Result<(), E>,
    ) -> Result<(), E> {
        let (sectors, _) = bytes.as_chunks::<SECTOR>();
        for sector in sectors {
            match &mut self.alike {
                Some((count, one)) if **one == *sector => *count += 1,
                _ => {
                    self.close(&mut each)?;
                    self.alike = Some((1, Box::new(*sector)));
                }
            }
        }
        Ok(())
    }

    /// The runs that are left.
    ///
    /// # Errors
    /// The first that `each` gives.
    pub fn finish<E>(mut self, mut each: impl FnMut(Run) -> Result<(), E>) -> Result<(), E> {
        self.close(&mut each)?;
        self.close_any(&mut each)
    }

    fn close<E>(&mut self, each: &mut impl FnMut(Run) -> Result<(), E>) -> Result<(), E> {
        let Some((sectors, sector)) = self.alike.take() else {
            return Ok(());
        };
        let [value, rest @ ..] = *sector;
        if rest.iter().all(|byte| *byte == value) {
            self.close_any(each)?;
            return each(Run::Fill { sectors, value });
        }
        if sectors > 1 {
            self.close_any(each)?;
            return each(Run::Same { sectors, sector });
        }
        self.any.extend(*sector);
        match self.any.len() < LONGEST {
            true => Ok(()),
            false => self.close_any(each),
        }
    }

    fn close_any<E>(&mut self, each: &mut impl FnMut(Run) -> Result<(), E>) -> Result<(), E> {
        match std::mem::take(&mut self.any) {
            none if none.is_empty() => Ok(()),
            any => each(Run::Sectors(any)),
        }
    }
}
