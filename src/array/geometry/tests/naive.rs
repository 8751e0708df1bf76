//! The kernel's formulas as reference/kernel.md 9.2 and 9.3 state them, chunk by chunk: the model
//! that the closed forms are compared with.

use super::Layout;

/// What a row of raid4, 5 or 6 holds, by slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Block {
    Data(u64),
    P,
    Q,
}

/// Row `m` of raid5 or raid6 (raid4 is level 4): the table of 9.2, block by block.
pub fn parity_row(level: i32, layout: u32, n: u64, m: u64) -> Vec<Block> {
    let dd = n - if level == 6 { 2 } else { 1 };
    let (p, q) = parities(level, layout, n, m);
    let mut row = vec![None; n as usize];
    row[p as usize] = Some(Block::P);
    if let Some(q) = q {
        assert_eq!(row[q as usize].replace(Block::Q), None, "P and Q apart");
    }
    for i in 0..dd {
        let after = |count: u64| if p == n - 1 { i + 1 } else { i + 2 * count };
        let disk = match (level, layout) {
            (4, _) | (5, 5) | (6, 5) => i,
            (5, 0 | 1) | (6, 16 | 17) => i + u64::from(i >= p),
            (5, 2 | 3) => (p + 1 + i) % n,
            (5, 4) | (6, 20) => i + 1,
            (6, 0 | 1 | 8 | 9) => after(u64::from(i >= p)),
            (6, 2 | 3) => (p + 2 + i) % n,
            (6, 4) => i + 2,
            (6, 10) => (p + 1 + i) % n,
            (6, 18 | 19) => (p + 1 + i) % (n - 1),
            other => panic!("{other:?}"),
        };
        assert_eq!(row[disk as usize].replace(Block::Data(i)), None, "{layout}");
    }
    row.into_iter().map(Option::unwrap).collect()
}

fn parities(level: i32, layout: u32, n: u64, m: u64) -> (u64, Option<u64>) {
    let dd = n - if level == 6 { 2 } else { 1 };
    match (level, layout) {
        (4, _) => (n - 1, None),
        (5, 0 | 2) => (dd - m % n, None),
        (5, 1 | 3) => (m % n, None),
        (5, 4) => (0, None),
        (5, 5) => (dd, None),
        (6, 0 | 1 | 8 | 9) => {
            let p = match layout {
                0 => n - 1 - m % n,
                9 => n - 1 - (m + 1) % n,
                _ => m % n,
            };
            (p, Some(if p == n - 1 { 0 } else { p + 1 }))
        }
        (6, 2 | 3) => {
            let p = if layout == 2 { n - 1 - m % n } else { m % n };
            (p, Some((p + 1) % n))
        }
        (6, 4) => (0, Some(1)),
        (6, 5) => (dd, Some(dd + 1)),
        (6, 10) => {
            let p = n - 1 - m % n;
            (p, Some((p + n - 1) % n))
        }
        (6, 16 | 18) => (dd - m % (n - 1), Some(n - 1)),
        (6, 17 | 19) => (m % (n - 1), Some(n - 1)),
        (6, 20) => (0, Some(n - 1)),
        other => panic!("{other:?}"),
    }
}

/// Exponents of Q's sum by slot: walk upwards from behind Q (md), or the slot itself (DDF).
pub fn exponents(layout: u32, row: &[Block]) -> Vec<Option<u32>> {
    let n = row.len();
    let q = row.iter().position(|block| *block == Block::Q).unwrap();
    let mut found = vec![None; n];
    let mut next = 0;
    for step in 1..=n {
        let slot = (q + step) % n;
        if matches!(row[slot], Block::Data(_)) {
            found[slot] = Some(if matches!(layout, 8..=10) {
                slot as u32
            } else {
                next
            });
            next += 1;
        }
    }
    found
}

/// The numbers of a raid10 array, in chunks.
#[derive(Debug, Clone, Copy)]
pub struct Raid10 {
    pub near: u64,
    pub far: u64,
    pub offset: bool,
    pub n: u64,
    pub mode: u32,
    /// Chunks of the array.
    pub chunks: u64,
    /// Used chunks of a member.
    pub used: u64,
    /// Chunks from one far copy to the next.
    pub stride: u64,
}

impl Raid10 {
    /// `dev` chunks on each of `n` members.
    pub fn new(layout: Layout, n: u64, dev: u64) -> Raid10 {
        let (near, far) = (u64::from(layout & 255), u64::from(layout >> 8 & 255));
        let chunks = dev / far * n / near;
        let used = (chunks * near * far).div_ceil(n);
        let offset = layout & 0x1_0000 != 0;
        Raid10 {
            near,
            far,
            offset,
            n,
            mode: layout >> 17,
            chunks,
            used,
            stride: if offset { 1 } else { used / far },
        }
    }

    fn sets(&self) -> (u64, u64, u64) {
        let s = match self.mode {
            0 => self.n,
            1 => self.n / self.far,
            _ => self.far * self.near,
        };
        (s, (self.n / s - 1) * s, s + self.n % s)
    }

    /// Slot and chunk on it, of every copy of an array chunk, in the kernel's order.
    pub fn forward(&self, chunk: u64) -> Vec<(u64, u64)> {
        let (size, last_start, last_size) = self.sets();
        let x = chunk * self.near;
        let (mut stripe, mut dev) = (x / self.n, x % self.n);
        if self.offset {
            stripe *= self.far;
        }
        let mut found = Vec::new();
        for _ in 0..self.near {
            let (mut d, mut s) = (dev, stripe);
            found.push((d, s));
            for _ in 1..self.far {
                let set = d / size;
                d += self.near;
                if !self.n.is_multiple_of(size) && d > last_start {
                    d = (d - last_start) % last_size + last_start;
                } else {
                    d = d % size + size * set;
                }
                s += self.stride;
                found.push((d, s));
            }
            dev += 1;
            if dev >= self.n {
                dev = 0;
                stripe += 1;
            }
        }
        found
    }

    /// The array chunk that the kernel's recovery looks for at a member's chunk; `None` where it
    /// computes something outside the array.
    pub fn inverse(&self, dev: u64, chunk: u64) -> Option<u64> {
        let (mut size, last_start, last_size) = self.sets();
        let mut start = dev / size * size;
        if !self.n.is_multiple_of(size) && dev >= last_start {
            (start, size) = (last_start, last_size);
        }
        let (near, start, size) = (self.near as i64, start as i64, size as i64);
        let (mut dev, mut chunk) = (dev as i64, chunk);
        if self.offset {
            let c = chunk % self.far;
            chunk /= self.far;
            dev -= c as i64 * near;
            if dev < start {
                dev += size;
            }
        } else {
            while chunk >= self.stride {
                chunk -= self.stride;
                if dev < near + start {
                    dev += size - near;
                } else {
                    dev -= near;
                }
            }
        }
        let virt = chunk as i64 * self.n as i64 + dev;
        let virt = u64::try_from(virt.div_euclid(near)).ok()?;
        (virt < self.chunks).then_some(virt)
    }
}
