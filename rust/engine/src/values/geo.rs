//! Places on Earth as scores of a sorted set.
//!
//! A score is a geohash: longitude and latitude, each cut into 2^26 steps, their bits in turn, 52 in all, so that
//! a double holds it exactly and near places mostly have near scores. Latitudes end where the Web Mercator map does.
//! Distances are those on a sphere.

mod search;
#[cfg(test)]
mod tests;
pub use search::{Found, Names, Search, Shape};

/// A place, in degrees.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Point {
    /// -180 to 180.
    pub longitude: f64,
    /// -85.05112878 to 85.05112878, but those that GEOHASH tells.
    pub latitude: f64,
}

/// How many times each axis is halved.
const STEPS: u32 = 26;
const LONGITUDE_MAX: f64 = 180.0;
const LATITUDE_MAX: f64 = 85.051_128_78;
/// Metres.
const EARTH_RADIUS: f64 = 6_372_797.560_856;
/// Bits of the latitude.
const EVEN: u64 = 0x5555_5555_5555_5555;
/// Bits of the longitude.
const ODD: u64 = EVEN << 1;

impl Point {
    /// Whether such a place can be stored.
    pub fn is_valid(self) -> bool {
        self.longitude.abs() <= LONGITUDE_MAX && self.latitude.abs() <= LATITUDE_MAX
    }

    /// The score of a place that is valid.
    #[inline]
    pub fn to_score(self) -> f64 {
        encode(self, STEPS, LATITUDE_MAX) as f64
    }

    /// The middle of the cell that a score stands for, which may be any number.
    #[inline]
    pub fn from_score(score: f64) -> Self {
        let area = Area::of(score_bits(score), STEPS);
        Self {
            longitude: f64::midpoint(area.west, area.east).clamp(-LONGITUDE_MAX, LONGITUDE_MAX),
            latitude: f64::midpoint(area.south, area.north).clamp(-LATITUDE_MAX, LATITUDE_MAX),
        }
    }

    /// Metres to another place.
    pub fn distance(self, other: Self) -> f64 {
        let half_longitude = ((other.longitude.to_radians_c() - self.longitude.to_radians_c()) / 2.0).sin();
        if half_longitude == 0.0 {
            return self.latitude_distance(other);
        }
        let (from, to) = (self.latitude.to_radians_c(), other.latitude.to_radians_c());
        let half_latitude = ((to - from) / 2.0).sin();
        let haversine = half_latitude * half_latitude + from.cos() * to.cos() * half_longitude * half_longitude;
        2.0 * EARTH_RADIUS * haversine.sqrt().asin()
    }

    /// Metres to the parallel of another place.
    fn latitude_distance(self, other: Self) -> f64 {
        EARTH_RADIUS * (other.latitude.to_radians_c() - self.latitude.to_radians_c()).abs()
    }

    /// The standard geohash of eleven characters, whose latitudes go from pole to pole. The last one is always `0`, as there
    /// are only 52 bits.
    pub fn hash_text(self) -> [u8; 11] {
        const ALPHABET: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = encode(self, STEPS, 90.0);
        let mut text = [b'0'; 11];
        for (character, shift) in text.iter_mut().zip((2..=47).rev().step_by(5)) {
            *character = ALPHABET[(bits >> shift & 31) as usize];
        }
        text
    }
}

/// Degrees to radians and back in the very operations of Redis, as distances are compared to the last digit.
trait Radians {
    fn to_radians_c(self) -> f64;
    fn to_degrees_c(self) -> f64;
}

const RADIANS_PER_DEGREE: f64 = std::f64::consts::PI / 180.0;

impl Radians for f64 {
    #[inline]
    fn to_radians_c(self) -> f64 {
        self * RADIANS_PER_DEGREE
    }

    #[inline]
    fn to_degrees_c(self) -> f64 {
        self / RADIANS_PER_DEGREE
    }
}

/// A number of any sorted set as bits of a geohash: as a processor of the x86-64 line converts it, which is what clients of
/// the other servers see of numbers that are no geohash.
#[inline]
fn score_bits(score: f64) -> u64 {
    const TOP: f64 = 9_223_372_036_854_775_808.0;
    let convert = |number: f64| if (-TOP..TOP).contains(&number) { number as i64 } else { i64::MIN };
    if score < TOP { convert(score).cast_unsigned() } else { convert(score - TOP).cast_unsigned() ^ 1 << 63 }
}

/// Spreads 32 bits to the even ones of 64.
#[inline]
const fn spread(bits: u32) -> u64 {
    let mut bits = bits as u64;
    bits = (bits | bits << 16) & 0x0000_ffff_0000_ffff;
    bits = (bits | bits << 8) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits << 2) & 0x3333_3333_3333_3333;
    (bits | bits << 1) & EVEN
}

/// Takes the even bits of 64 together.
#[inline]
const fn gather(bits: u64) -> u32 {
    let mut bits = bits & EVEN;
    bits = (bits | bits >> 1) & 0x3333_3333_3333_3333;
    bits = (bits | bits >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    bits = (bits | bits >> 4) & 0x00ff_00ff_00ff_00ff;
    bits = (bits | bits >> 8) & 0x0000_ffff_0000_ffff;
    (bits | bits >> 16) as u32
}

/// The geohash of a place, of two bits for each step.
#[inline]
fn encode(point: Point, steps: u32, latitude_max: f64) -> u64 {
    let cells = (1_u64 << steps) as f64;
    let latitude = (point.latitude + latitude_max) / (latitude_max - -latitude_max);
    let longitude = (point.longitude + LONGITUDE_MAX) / (LONGITUDE_MAX - -LONGITUDE_MAX);
    spread((latitude * cells) as u32) | spread((longitude * cells) as u32) << 1
}

/// The cell that a geohash stands for, in degrees.
#[derive(Clone, Copy, Debug)]
struct Area {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

impl Area {
    #[inline]
    fn of(bits: u64, steps: u32) -> Self {
        let cells = (1_u64 << steps) as f64;
        let edge = |cell: f64, max: f64| -max + cell / cells * (max - -max);
        let (latitude, longitude) = (gather(bits), gather(bits >> 1));
        // Numbers that are no geohash may have cells beyond the last one, whose count wraps in Redis.
        Self {
            west: edge(f64::from(longitude), LONGITUDE_MAX),
            east: edge(f64::from(longitude.wrapping_add(1)), LONGITUDE_MAX),
            south: edge(f64::from(latitude), LATITUDE_MAX),
            north: edge(f64::from(latitude.wrapping_add(1)), LATITUDE_MAX),
        }
    }
}
