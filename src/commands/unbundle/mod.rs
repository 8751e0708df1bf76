//! `unbundle`: a bundle becomes sparse images, on which every verb that reads says what it said on the
//! devices.
//!
//! The file may come from anywhere. It is read twice: first all of it is checked, and what it would
//! take is added up; only then is anything made. Names of files are made here, never taken from it.

mod error;
mod images;
mod records;

pub use error::UnbundleError;

use crate::format::bundle::{Device, Part, Record};
use crate::units::Bytes;
use images::Images;
use records::Records;
use std::ffi::OsString;
use std::path::PathBuf;

/// What `unbundle` is asked for.
#[derive(Debug, Clone)]
pub struct UnbundleOptions {
    /// The bundle.
    pub bundle: OsString,
    /// The folder for the images.
    pub folder: PathBuf,
    /// The most that the images may take on disk.
    pub limit: Bytes,
    /// Only what is in it is wanted.
    pub dry_run: bool,
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its name in the folder.
    pub name: String,
    /// The device that it is of.
    pub device: Device,
    /// Bytes that are metadata and not zero.
    pub content_bytes: u64,
    /// Bytes that could not be read when the bundle was made: they are zero.
    pub unreadable_bytes: u64,
}

/// Makes the images.
///
/// # Errors
/// [`UnbundleError`]: nothing is left behind then.
pub fn unbundle(options: &UnbundleOptions) -> Result<Vec<Image>, UnbundleError> {
    let listed = list(options)?;
    if options.dry_run {
        return Ok(listed);
    }
    let mut images = Images::create(&options.folder, &listed)?;
    let mut records = Records::open(&options.bundle)?;
    let mut number = None;
    while let Some(record) = records.next()? {
        if let Record::Device(device) = &record {
            let next: usize = number.map_or(0, |number| number + 1);
            if listed.get(next).map(|image| &image.device) != Some(device) {
                return Err(UnbundleError::changed(&options.bundle));
            }
            number = Some(next);
        }
        images.write(number.unwrap_or_default(), &record)?;
    }
    images.keep()?;
    Ok(listed)
}

/// Reads the whole bundle: what is in it, and whether that can be made.
fn list(options: &UnbundleOptions) -> Result<Vec<Image>, UnbundleError> {
    let mut records = Records::open(&options.bundle)?;
    let mut images: Vec<Image> = Vec::new();
    let mut total = 0u64;
    while let Some(record) = records.next()? {
        let (start, len, unreadable) = match record {
            Record::Device(device) => {
                images.push(Image {
                    name: String::new(),
                    device,
                    content_bytes: 0,
                    unreadable_bytes: 0,
                });
                continue;
            }
            Record::Fill { start, len, .. } => (start, len, false),
            Record::Literal { start, bytes } => (start, bytes.len() as u64, false),
            Record::Unreadable { start, len } => (start, len, true),
            Record::End { .. } => continue,
        };
        let Some(image) = images.last_mut() else {
            continue;
        };
        let end = start.checked_add(len);
        if end.is_none_or(|end| end > image.device.bytes) {
            return Err(UnbundleError::Outside {
                path: options.bundle.display().to_string(),
                start,
                bytes: image.device.bytes,
            });
        }
        if unreadable {
            image.unreadable_bytes = image.unreadable_bytes.saturating_add(len);
        } else {
            image.content_bytes = image.content_bytes.saturating_add(len);
            total = total.saturating_add(len);
        }
    }
    if total > options.limit.0 {
        return Err(UnbundleError::TooMuch {
            path: options.bundle.display().to_string(),
            bytes: total,
            limit: options.limit.0,
        });
    }
    let digits = images.len().saturating_sub(1).to_string().len();
    for (number, image) in images.iter_mut().enumerate() {
        let part = match image.device.part {
            Part::Slot(slot) => format!("slot{slot}"),
            Part::Spare => "spare".to_owned(),
            Part::Faulty => "faulty".to_owned(),
            Part::Journal => "journal".to_owned(),
            Part::Bitmap => "bitmap".to_owned(),
            Part::Unknown => "unknown".to_owned(),
        };
        image.name = format!("{number:0digits$}-{part}.img");
    }
    Ok(images)
}
