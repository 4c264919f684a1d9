//! All registers, one byte each, and the estimate of a count from them.
//!
//! The estimator is that of Otmar Ertl, "New cardinality estimation algorithms for `HyperLogLog` sketches" (2017),
//! algorithm 6. It needs to know only how many registers have each rank.

use super::{Corrupted, Encoding, HEADER_BYTES, RANK_BITS, REGISTERS, dense, encoding, sparse};

/// The registers of one or more sketches: of each the highest.
#[derive(Clone, Debug)]
pub struct Registers(pub(super) Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Self {
        Self(Box::new([0; REGISTERS]))
    }
}

/// How many registers have each rank that six bits can hold.
type Histogram = [u32; 64];

impl Registers {
    /// Raises them to those of a sketch.
    ///
    /// # Errors
    /// The sketch contradicts itself; some registers may have been raised.
    pub fn merge(&mut self, bytes: &[u8]) -> Result<(), Corrupted> {
        let registers = bytes.get(HEADER_BYTES..).unwrap_or_default();
        match encoding(bytes) {
            Some(Encoding::Dense) => {
                for (all, four) in self.0.as_chunks_mut::<4>().0.iter_mut().zip(dense::each(registers)) {
                    for (all, rank) in all.iter_mut().zip(four) {
                        *all = (*all).max(rank);
                    }
                }
                Ok(())
            }
            Some(Encoding::Sparse) => sparse::each(registers, |run, first| {
                if run.rank > 0
                    && let Some(all) = self.0.get_mut(first..first + run.len)
                {
                    for all in all {
                        *all = (*all).max(run.rank);
                    }
                }
            }),
            None => Err(Corrupted),
        }
    }

    /// The registers in their order.
    pub fn iter(&self) -> impl Iterator<Item = u8> {
        self.0.iter().copied()
    }

    /// How many different elements made them.
    pub fn count(&self) -> u64 {
        let mut histogram = [0; 64];
        for rank in self.0.iter() {
            histogram[usize::from(rank & 63)] += 1;
        }
        estimate(&histogram)
    }
}

/// How many different elements a sketch has seen.
///
/// # Errors
/// The sketch contradicts itself.
pub fn count(bytes: &[u8]) -> Result<u64, Corrupted> {
    let mut histogram = [0; 64];
    let registers = bytes.get(HEADER_BYTES..).unwrap_or_default();
    match encoding(bytes) {
        Some(Encoding::Dense) => {
            for rank in dense::each(registers).flatten() {
                histogram[usize::from(rank & 63)] += 1;
            }
        }
        Some(Encoding::Sparse) => {
            sparse::each(registers, |run, _| histogram[usize::from(run.rank & 63)] += run.len as u32)?;
        }
        None => return Err(Corrupted),
    }
    Ok(estimate(&histogram))
}

fn estimate(histogram: &Histogram) -> u64 {
    const ALPHA: f64 = 0.721_347_520_444_481_7;
    const COUNT: f64 = REGISTERS as f64;
    let highest = RANK_BITS as usize + 1;
    let mut sum = COUNT * tau((COUNT - f64::from(histogram[highest])) / COUNT);
    for rank in (1..highest).rev() {
        sum = (sum + f64::from(histogram[rank])) * 0.5;
    }
    sum += COUNT * sigma(f64::from(histogram[0]) / COUNT);
    (ALPHA * COUNT * COUNT / sum).round() as u64
}

/// `x + x² + 2x⁴ + 4x⁸ + …`, which stands for registers that are still 0.
#[expect(clippy::float_cmp, reason = "the series ends when a step changes nothing")]
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * weight;
        weight += weight;
        if before == sum {
            return sum;
        }
    }
}

/// Stands for registers that have the highest rank.
#[expect(clippy::float_cmp, reason = "the series ends when a step changes nothing")]
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - x).powi(2) * weight;
        if before == sum {
            return sum / 3.0;
        }
    }
}
