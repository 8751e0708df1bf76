//! Numbers as mdadm prints them (reference/mdadm.md 4.3).

/// A chunk size: divided by 1024 while it can be, remainders dropped, so 1536 is `1 KB`.
pub fn chunk_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KB", "MB", "GB", "TB"];
    let mut value = bytes;
    let mut unit = "B";
    for larger in UNITS {
        if value < 1024 {
            break;
        }
        value /= 1024;
        unit = larger;
    }
    format!("{value} {unit}")
}

/// A size in binary and decimal units with a leading blank, or nothing below 5000 KiB.
///
/// Computed in 128 bits: mdadm's own arithmetic goes wrong from 2^55 bytes on.
pub fn human_size(bytes: u128) -> String {
    const MIB: u128 = 1 << 20;
    const GIB: u128 = 1 << 30;
    const TIB: u128 = 1 << 40;
    // Hundredths, rounded half up as mdadm does: one binary, one decimal.
    let (binary_unit, decimal_unit, binary, decimal) = if bytes < 5000 * 1024 {
        return String::new();
    } else if bytes < 2 * GIB {
        (
            "MiB",
            "MB",
            hundredths(bytes, MIB),
            (bytes / 5_000).div_ceil(2),
        )
    } else if bytes < 2 * TIB {
        (
            "GiB",
            "GB",
            hundredths(bytes, GIB),
            (bytes / 5_000_000).div_ceil(2),
        )
    } else {
        (
            "TiB",
            "TB",
            hundredths(bytes, TIB),
            (bytes / 5_000_000_000).div_ceil(2),
        )
    };
    format!(
        " ({}.{:02} {binary_unit} {}.{:02} {decimal_unit})",
        binary / 100,
        binary % 100,
        decimal / 100,
        decimal % 100
    )
}

/// `bytes` in hundredths of `unit`, half rounded up.
fn hundredths(bytes: u128, unit: u128) -> u128 {
    // A sync size has at most 73 bits, so the product fits.
    (bytes.saturating_mul(200) / unit).div_ceil(2)
}

/// A share of a total in percent with one decimal, as C's `%2.1f` writes it; an empty total counts as one.
pub fn percent(part: u64, total: u64) -> String {
    // The same order of operations as mdadm, so that the rounding is the same.
    let tenths = tenths(100.0 * part as f64 / total.max(1) as f64);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// The tenths of a number that is not negative, rounded as C and Rust round: what the bits say exactly, a half to even.
/// The formatting of floating point in the standard library is 10 KB larger.
fn tenths(number: f64) -> u128 {
    const FRACTION_BITS: u32 = f64::MANTISSA_DIGITS - 1;
    let bits = number.to_bits();
    let exponent = (bits >> FRACTION_BITS) as i64;
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    // Below 2^-1022 there is no leading one; that is far below a tenth.
    let tenfold = u128::from(fraction | 1 << FRACTION_BITS) * 10;
    let point = 1023 + i64::from(FRACTION_BITS) - exponent;
    match point {
        ..=0 => tenfold
            .checked_shl(point.unsigned_abs() as u32)
            .unwrap_or(u128::MAX),
        1..=64 => {
            let (whole, rest) = (tenfold >> point, tenfold & ((1 << point) - 1));
            let half = 1 << (point - 1);
            whole + u128::from(rest > half || rest == half && whole % 2 == 1)
        }
        _ => 0,
    }
}

/// A length in bytes for prose: `640 KiB`, `1.5 GiB`; exact below 1 KiB, never more than it is.
pub fn prose_size(bytes: u128) -> String {
    in_tenths(bytes, |numerator, shift| numerator >> shift)
}

/// The same, never less than it is: where a stretch ends.
pub fn prose_size_up(bytes: u128) -> String {
    in_tenths(bytes, |numerator, shift| numerator.div_ceil(1 << shift))
}

/// `bytes` in the largest unit that it reaches, in tenths as `divided` rounds them.
fn in_tenths(bytes: u128, divided: impl Fn(u128, u32) -> u128) -> String {
    const UNITS: [(&str, u32); 6] = [
        ("EiB", 60),
        ("PiB", 50),
        ("TiB", 40),
        ("GiB", 30),
        ("MiB", 20),
        ("KiB", 10),
    ];
    let Some((unit, shift)) = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0) else {
        return format!("{bytes} bytes");
    };
    let whole = bytes >> shift;
    let rest = bytes & ((1u128 << shift) - 1);
    if rest == 0 {
        return format!("{whole} {unit}");
    }
    match divided(rest * 10, shift) {
        10 => format!("{} {unit}", whole + 1),
        tenths => format!("{whole}.{tenths} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{chunk_size, human_size, percent, prose_size, prose_size_up};

    #[test]
    fn chunk_sizes_are_truncated() {
        assert_eq!(chunk_size(1536), "1 KB");
        assert_eq!(chunk_size(4_294_967_295), "3 GB");
        assert_eq!(chunk_size(0), "0 B");
        assert_eq!(chunk_size(1023), "1023 B");
        assert_eq!(chunk_size(1024), "1 KB");
        assert_eq!(chunk_size(65536), "64 KB");
        assert_eq!(chunk_size(67_108_864), "64 MB");
        assert_eq!(chunk_size(u64::from(u32::MAX) * 512), "1 TB");
        assert_eq!(chunk_size(1 << 52), "4096 TB");
    }

    /// Values run through mdadm 4.2 (reference/mdadm.md 4.3).
    #[test]
    fn sizes_as_mdadm_prints_them() {
        let of_sectors = |sectors: u128| format!("{}{}", sectors / 2, human_size(sectors * 512));
        assert_eq!(of_sectors(9998), "4999");
        assert_eq!(of_sectors(10000), "5000 (4.88 MiB 5.12 MB)");
        assert_eq!(of_sectors(4_194_303), "2097151 (2048.00 MiB 2147.48 MB)");
        assert_eq!(of_sectors(4_194_304), "2097152 (2.00 GiB 2.15 GB)");
        assert_eq!(
            of_sectors((1 << 32) - 1),
            "2147483647 (2048.00 GiB 2199.02 GB)"
        );
        assert_eq!(of_sectors(1 << 32), "2147483648 (2.00 TiB 2.20 TB)");
        assert_eq!(of_sectors(37888), "18944 (18.50 MiB 19.40 MB)");
        assert_eq!(of_sectors(260_096), "130048 (127.00 MiB 133.17 MB)");
        assert_eq!(of_sectors(12345), "6172 (6.03 MiB 6.32 MB)");
    }

    /// Where mdadm overflows, the right size.
    #[test]
    fn sizes_past_mdadms_range_are_right() {
        assert_eq!(human_size(1 << 55), " (32768.00 TiB 36028.80 TB)");
        assert_eq!(
            human_size((1u128 << 64) * 512),
            " (8589934592.00 TiB 9444732965.74 TB)"
        );
    }

    proptest::proptest! {
        #[test]
        fn tenths_as_the_standard_library_writes_them(part: u64, total: u64, shifts in (0u32..64, 0u32..64)) {
            let (part, total) = (part >> shifts.0, total >> shifts.1);
            let theirs = format!("{:.1}", 100.0 * part as f64 / total.max(1) as f64);
            proptest::prop_assert_eq!(percent(part, total), theirs);
            // Where halves are frequent.
            let (part, total) = (part % 5000, 4000);
            let theirs = format!("{:.1}", 100.0 * part as f64 / total as f64);
            proptest::prop_assert_eq!(percent(part, total), theirs);
        }
    }

    /// C prints the nearest decimal, and a tie to the even digit.
    #[test]
    fn percentages_round_as_c_does() {
        assert_eq!(percent(1, 16384), "0.0");
        assert_eq!(percent(4736, 4736), "100.0");
        assert_eq!(percent(0, 0), "0.0");
        assert_eq!(percent(4, 2032), "0.2");
        assert_eq!(percent(254, 2032), "12.5");
        assert_eq!(percent(1, 400), "0.2"); // 0.25 exactly
        assert_eq!(percent(3, 400), "0.8"); // 0.75 exactly
        assert_eq!(percent(1, 1600), "0.1"); // 0.0625
        assert_eq!(percent(5, 4000), "0.1"); // 0.125
        assert_eq!(percent(49, 400), "12.2"); // 12.25
        assert_eq!(percent(u64::MAX, u64::MAX), "100.0");
        assert_eq!(percent(u64::MAX, 1), "1844674407370955161600.0");
        assert_eq!(percent(1, u64::MAX), "0.0");
    }

    #[test]
    fn prose_sizes() {
        assert_eq!(prose_size(0), "0 bytes");
        assert_eq!(prose_size(655_360), "640 KiB");
        assert_eq!(prose_size(3 << 29), "1.5 GiB");
        assert_eq!(prose_size(1 << 73), "8192 EiB");
        assert_eq!(prose_size(1025), "1.0 KiB");
        assert_eq!(prose_size(2047), "1.9 KiB");
        assert_eq!(prose_size_up(1025), "1.1 KiB");
        assert_eq!(prose_size_up(2047), "2 KiB");
        assert_eq!(prose_size_up(2048), "2 KiB");
        assert_eq!(prose_size_up(1023), "1023 bytes");
    }
}
