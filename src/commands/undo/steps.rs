//! What taking a change back comes to, in words.

use super::result::{BackStep, BackWrite};
use crate::change::plan::Guard;
use crate::change::undo::{Judgement, UndoFile};
use crate::change::words::Images;
use crate::device::{Store, StoreError};

/// Longer writes are told by their place alone.
const TOLD: u64 = 64 << 10;

/// The steps that are taken back on `stores`, the devices of `file` in their order.
///
/// # Errors
/// When superblocks cannot be read.
pub(super) fn steps(
    file: &UndoFile,
    stores: &[&dyn Store],
    judgement: &Judgement,
) -> Result<Vec<BackStep>, StoreError> {
    let mut now = Vec::new();
    for guard in &file.guards {
        let mut bytes = vec![0; guard.bytes.len()];
        if let Some(store) = stores.get(guard.device) {
            store.read_at(guard.start, &mut bytes)?;
        }
        now.push(Guard {
            bytes,
            ..guard.clone()
        });
    }
    let mut images = Images::new(&now);
    let mut steps: Vec<(usize, BackStep)> = Vec::new();
    for group in file.to_take_back(judgement) {
        let title = file.titles.get(group.step).cloned().unwrap_or_default();
        if steps.last().is_none_or(|(step, _)| *step != group.step) {
            let writes = Vec::new();
            steps.push((group.step, BackStep { title, writes }));
        }
        let Some((_, step)) = steps.last_mut() else {
            continue;
        };
        let writes = file.writes.get(group.writes.clone());
        for write in writes.unwrap_or_default() {
            let len = write.range.end - write.range.start;
            let contents = file.short_contents(write, TOLD);
            let differences = match &contents {
                Some((old, new)) => {
                    images.write(write.part, write.device, write.range.start, Some(new), old)
                }
                None => Vec::new(),
            };
            step.writes.push(BackWrite {
                device: write.device,
                start: write.range.start,
                len,
                part: write.part,
                differences,
            });
        }
    }
    Ok(steps.into_iter().map(|(_, step)| step).collect())
}
