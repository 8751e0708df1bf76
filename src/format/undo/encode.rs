//! Types to bytes.

use super::{About, Device, FRAMING, Guard, MAX_SENTENCES, MAX_TEXT, Record, Run, What, Write};
use crate::format::framing::FrameEncoder;

/// Makes the bytes of an undo file. The caller gives the records in the order that a file has.
#[derive(Debug, Default)]
pub struct Encoder {
    frames: FrameEncoder,
    counts: [u32; 3],
}

impl Encoder {
    /// The bytes before the first record.
    pub fn start(&mut self) -> Vec<u8> {
        self.frames.start(&FRAMING)
    }

    /// The bytes of a record.
    pub fn record(&mut self, record: &Record) -> Vec<u8> {
        let [devices, steps, writes] = &mut self.counts;
        match record {
            Record::Device(_) => *devices += 1,
            Record::Step(_) => *steps += 1,
            Record::Write(_) => *writes += 1,
            _ => {}
        }
        let (kind, content) = content(record, self.counts);
        self.frames.record(kind, &content)
    }
}

fn content(record: &Record, counts: [u32; 3]) -> (u8, Vec<u8>) {
    match record {
        Record::About(it) => (1, about(it)),
        Record::Device(it) => (2, device(it)),
        Record::Guard(it) => (3, guard(it)),
        Record::Step(title) => (4, shortened(title).as_bytes().to_vec()),
        Record::Write(it) => (5, write(it)),
        Record::Run(Run::Fill { sectors, value }) => {
            let mut bytes = sectors.to_le_bytes().to_vec();
            bytes.push(*value);
            (6, bytes)
        }
        Record::Run(Run::Same { sectors, sector }) => {
            (7, [&sectors.to_le_bytes()[..], &sector[..]].concat())
        }
        Record::Run(Run::Sectors(bytes)) => (8, bytes.clone()),
        Record::End => (9, counts.map(u32::to_le_bytes).concat()),
    }
}

fn about(about: &About) -> Vec<u8> {
    let what = match about.what {
        What::Metadata => 1,
        What::Resync => 2,
    };
    let mut bytes = vec![what];
    bytes.extend(about.made.to_le_bytes());
    bytes.extend(about.array_uuid);
    let texts = [&about.verb, &about.array, &about.program];
    let sentences = about.sentences.iter().take(MAX_SENTENCES);
    for text in texts.into_iter().chain(sentences) {
        let text = shortened(text);
        let len = u16::try_from(text.len()).unwrap_or_default();
        bytes.extend(len.to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// As much of a text as is kept.
fn shortened(text: &str) -> &str {
    let end = (0..=MAX_TEXT.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

fn device(device: &Device) -> Vec<u8> {
    let mut bytes = device.bytes.to_le_bytes().to_vec();
    bytes.push(u8::from(device.uuid.is_some()));
    bytes.extend(device.uuid.unwrap_or_default());
    bytes.extend(device.path.iter().take(MAX_TEXT));
    bytes
}

fn guard(guard: &Guard) -> Vec<u8> {
    let mut bytes = guard.device.to_le_bytes().to_vec();
    bytes.extend(guard.start.to_le_bytes());
    bytes.extend(&guard.bytes);
    bytes
}

fn write(write: &Write) -> Vec<u8> {
    let mut bytes = write.device.to_le_bytes().to_vec();
    bytes.extend(write.start.to_le_bytes());
    bytes.extend(write.len.to_le_bytes());
    bytes.push(write.part.code());
    bytes
}
