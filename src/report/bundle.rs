//! What is in a bundle.

use crate::commands::bundle::Bundled;
use crate::commands::unbundle::Image;
use crate::report::number::prose_size;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::Path;

/// What was taken from each device.
///
/// # Errors
/// What `out` reports.
pub fn write_bundled(out: &mut dyn Write, bundled: &Bundled, file_bytes: u64) -> io::Result<()> {
    for device in &bundled.devices {
        writeln!(out, "{}:", device.path)?;
        for area in &device.areas {
            let len = area.bytes.end.saturating_sub(area.bytes.start);
            writeln!(
                out,
                "  {} at byte {}, {}",
                area.what,
                area.bytes.start,
                prose_size(len.into())
            )?;
        }
    }
    writeln!(
        out,
        "The bundle has {}. It holds metadata only, no user data: also paths, the name of the array (often with the name of the \
         host), UUIDs, sizes, times, and where on the array was written lately.",
        prose_size(file_bytes.into())
    )
}

/// The same as JSON.
///
/// # Errors
/// What `out` reports.
pub fn write_bundled_json(
    out: &mut dyn Write,
    bundled: &Bundled,
    file_bytes: u64,
) -> io::Result<()> {
    let devices: Vec<Value> = bundled
        .devices
        .iter()
        .map(|device| {
            let areas: Vec<Value> = device
                .areas
                .iter()
                .map(|area| {
                    json!({
                        "what": area.what,
                        "start_bytes": area.bytes.start,
                        "length_bytes": area.bytes.end.saturating_sub(area.bytes.start),
                    })
                })
                .collect();
            json!({"path": device.path, "areas": areas})
        })
        .collect();
    let problems: Vec<Value> = bundled
        .told
        .problems
        .iter()
        .map(|problem| json!({"kind": problem.kind.name(), "message": problem.message}))
        .collect();
    writeln!(
        out,
        "{}",
        json!({"schema": 1, "devices": devices, "file_bytes": file_bytes, "problems": problems})
    )
}

/// The images that were made, or would be.
///
/// # Errors
/// What `out` reports.
pub fn write_images(out: &mut dyn Write, folder: &Path, images: &[Image]) -> io::Result<()> {
    for image in images {
        let device = &image.device;
        let from: String = String::from_utf8_lossy(&device.path)
            .escape_debug()
            .collect();
        writeln!(
            out,
            "{}: {} bytes, {} of them taken from {from}",
            folder.join(&image.name).display(),
            device.bytes,
            image.content_bytes
        )?;
        if image.unreadable_bytes > 0 {
            writeln!(
                out,
                "  {} bytes could not be read when the bundle was made; they are zero here",
                image.unreadable_bytes
            )?;
        }
        if device.logical_block_bytes > 512 {
            writeln!(
                out,
                "  the device has blocks of {} bytes, the image has not; losetup --sector-size gives it such blocks",
                device.logical_block_bytes
            )?;
        }
    }
    Ok(())
}

/// The same as JSON.
///
/// # Errors
/// What `out` reports.
pub fn write_images_json(out: &mut dyn Write, folder: &Path, images: &[Image]) -> io::Result<()> {
    let images: Vec<Value> = images
        .iter()
        .map(|image| {
            json!({
                "path": folder.join(&image.name).to_string_lossy(),
                "taken_from": String::from_utf8_lossy(&image.device.path),
                "device_bytes": image.device.bytes,
                "logical_block_bytes": image.device.logical_block_bytes,
                "physical_block_bytes": image.device.physical_block_bytes,
                "is_block_device": image.device.is_block_device,
                "content_bytes": image.content_bytes,
                "unreadable_bytes": image.unreadable_bytes,
            })
        })
        .collect();
    writeln!(out, "{}", json!({"schema": 1, "images": images}))
}
