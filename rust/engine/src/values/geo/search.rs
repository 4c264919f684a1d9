//! Which members of a sorted set are in an area: a circle, a box or a polygon.
//!
//! The area is covered with at most nine cells of one size, the one in the middle and its neighbours. The scores of a cell
//! follow each other, so each is one range of the sorted set, whose members are looked at one by one. Cells are visited
//! in the order of Redis, as that is the order of replies that are not sorted.

use std::ops::Range;

use smallvec::SmallVec;

use super::{Area, EARTH_RADIUS, EVEN, LATITUDE_MAX, LONGITUDE_MAX, ODD, Point, Radians, STEPS, encode};
use crate::values::zset::{ScoreRange, ZsetView};

/// Half of the Mercator map's width, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;
/// Members that are looked at before the limit is.
const BATCH: u64 = 64;

/// What is searched, lengths in metres.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// All that is as near to the middle.
    Circle {
        /// How near.
        radius: f64,
    },
    /// All whose parallel and meridian are as near to the middle.
    Box {
        /// From west to east.
        width: f64,
        /// From north to south.
        height: f64,
    },
    /// All that is inside of a line through these corners, straight on a map.
    Polygon(Vec<Point>),
}

/// A member in the area.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where its name stands among all names.
    name: Range<usize>,
    /// Metres from the middle.
    pub distance: f64,
    /// Its score.
    pub score: f64,
    /// Its place.
    pub point: Point,
}

/// The names of members that were found.
#[derive(Default)]
pub struct Names(Vec<u8>);

impl Names {
    /// The name of a member.
    pub fn of(&self, found: &Found) -> &[u8] {
        self.0.get(found.name.clone()).unwrap_or_default()
    }
}

/// A search.
pub struct Search {
    shape: Shape,
    /// The middle.
    center: Point,
    /// How much of Earth can have members that are inside.
    bounds: Area,
    names: Names,
    found: Vec<Found>,
}

impl Search {
    /// A search around a place; a polygon has a middle of its own.
    pub fn new(shape: Shape, center: Point) -> Self {
        let (center, bounds) = match &shape {
            Shape::Circle { radius } => (center, bounds(center, *radius, *radius)),
            Shape::Box { width, height } => (center, bounds(center, width / 2.0, height / 2.0)),
            Shape::Polygon(corners) => (centroid(corners), bounds_of(corners)),
        };
        Self { shape, center, bounds, names: Names::default(), found: Vec::new() }
    }

    /// Looks for members, in the order of their cells; not for more than `limit`, unless it is 0.
    pub fn run(mut self, view: ZsetView<'_>, limit: usize) -> (Vec<Found>, Names) {
        let mut before = None;
        for cell in self.cells().into_iter().flatten() {
            // Around all of Earth, neighbours are the same.
            if before.replace(cell) == Some(cell) {
                continue;
            }
            let range = ScoreRange { min: cell.0, min_open: false, max: cell.1, max_open: true };
            let mut ranks = view.within_scores(&range);
            while ranks.start < ranks.end {
                if limit > 0 && self.found.len() >= limit {
                    return (self.found, self.names);
                }
                let end = if limit > 0 { ranks.end.min(ranks.start + BATCH) } else { ranks.end };
                view.each_of(ranks.start..end, false, |member, score| self.visit(member, score, limit));
                ranks.start = end;
            }
        }
        (self.found, self.names)
    }

    fn visit(&mut self, member: &[u8], score: f64, limit: usize) {
        if limit > 0 && self.found.len() >= limit {
            return;
        }
        let point = Point::from_score(score);
        if let Some(distance) = self.distance_inside(point) {
            let begin = self.names.0.len();
            self.names.0.extend_from_slice(member);
            self.found.push(Found { name: begin..self.names.0.len(), distance, score, point });
        }
    }

    /// How far a place is from the middle, if it is inside.
    fn distance_inside(&self, point: Point) -> Option<f64> {
        match &self.shape {
            Shape::Circle { radius } => {
                let distance = self.center.distance(point);
                (distance <= *radius).then_some(distance)
            }
            Shape::Box { width, height } => {
                let parallel = Point { longitude: self.center.longitude, latitude: point.latitude };
                let is_outside =
                    point.latitude_distance(self.center) > height / 2.0 || point.distance(parallel) > width / 2.0;
                (!is_outside).then(|| self.center.distance(point))
            }
            Shape::Polygon(corners) => is_inside(corners, point).then(|| self.center.distance(point)),
        }
    }

    /// The cells that cover the area, as scores from the first to the one behind the last.
    fn cells(&self) -> SmallVec<[Option<(f64, f64)>; 9]> {
        let latitude = self.center.latitude;
        let mut steps = steps(self.radius(), latitude);
        // The middle of a polygon around a pole is where no score reaches.
        let center = Point { latitude: latitude.clamp(-LATITUDE_MAX, LATITUDE_MAX), ..self.center };
        let mut hash = encode(center, steps, LATITUDE_MAX);
        if steps > 1 && self.is_beyond_neighbours(hash, steps) {
            steps -= 1;
            hash = encode(center, steps, LATITUDE_MAX);
        }
        let (area, bounds) = (Area::of(hash, steps), &self.bounds);
        let wants = |x: i32, y: i32| {
            steps < 2
                || !((y < 0 && area.south < bounds.south)
                    || (y > 0 && area.north > bounds.north)
                    || (x < 0 && area.west < bounds.west)
                    || (x > 0 && area.east > bounds.east))
        };
        let shift = (STEPS - steps) * 2;
        [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)]
            .into_iter()
            .map(|(x, y)| {
                let cell = neighbour(hash, steps, x, y);
                wants(x, y).then_some(((cell << shift) as f64, ((cell + 1) << shift) as f64))
            })
            .collect()
    }

    /// Metres from the middle to what is farthest from it.
    fn radius(&self) -> f64 {
        match &self.shape {
            Shape::Circle { radius } => *radius,
            Shape::Box { width, height } => ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt(),
            Shape::Polygon(_) => {
                let Area { west, east, south, north } = self.bounds;
                [(west, north), (east, north), (west, south), (east, south)]
                    .into_iter()
                    .map(|(longitude, latitude)| self.center.distance(Point { longitude, latitude }))
                    .fold(0.0, f64::max)
            }
        }
    }

    /// Whether a cell and its neighbours do not reach as far as the area.
    fn is_beyond_neighbours(&self, hash: u64, steps: u32) -> bool {
        let area = |x, y| Area::of(neighbour(hash, steps, x, y), steps);
        area(0, 1).north < self.bounds.north
            || area(0, -1).south > self.bounds.south
            || area(1, 0).east < self.bounds.east
            || area(-1, 0).west > self.bounds.west
    }
}

/// How often the map is halved so that nine cells cover a circle.
fn steps(mut radius: f64, latitude: f64) -> u32 {
    if radius == 0.0 {
        return STEPS;
    }
    let mut steps = 1_u32;
    while radius < MERCATOR_MAX {
        radius *= 2.0;
        steps += 1;
    }
    // Cells are narrow near the poles.
    let wider = u32::from(latitude.abs() > 66.0) + u32::from(latitude.abs() > 80.0);
    steps.saturating_sub(2 + wider).clamp(1, STEPS)
}

/// The cell next to one, east and north or west and south; the map has no edge.
const fn neighbour(hash: u64, steps: u32, x: i32, y: i32) -> u64 {
    const fn moved(bits: u64, mask: u64, others: u64, by: i32) -> u64 {
        match by {
            // The outermost east and north have a cell of their own, beyond the last one.
            0 => bits,
            // The bits between carry, and what leaves at one end comes in at the other.
            1 => bits.wrapping_add(others + 1) & mask,
            _ => (bits | others).wrapping_sub(others + 1) & mask,
        }
    }
    let unused = u64::BITS - steps * 2;
    let (odd, even) = (ODD >> unused, EVEN >> unused);
    moved(hash & ODD, odd, even, x) | moved(hash & EVEN, even, odd, y)
}

/// What holds a box of so many metres to each side, which is widest where it is nearest to a pole.
fn bounds(center: Point, width: f64, height: f64) -> Area {
    let Point { longitude, latitude } = center;
    let up = (height / EARTH_RADIUS).to_degrees_c();
    let nearer_pole = if latitude < 0.0 { latitude - up } else { latitude + up };
    let aside = (width / EARTH_RADIUS / nearer_pole.to_radians_c().cos()).to_degrees_c();
    Area { west: longitude - aside, east: longitude + aside, south: latitude - up, north: latitude + up }
}

fn bounds_of(corners: &[Point]) -> Area {
    let nothing = Area { west: LONGITUDE_MAX, east: -LONGITUDE_MAX, south: LATITUDE_MAX, north: -LATITUDE_MAX };
    corners.iter().fold(nothing, |area, corner| Area {
        west: area.west.min(corner.longitude),
        east: area.east.max(corner.longitude),
        south: area.south.min(corner.latitude),
        north: area.north.max(corner.latitude),
    })
}

/// The middle of some places: where the sum of their directions from the centre of Earth points to.
fn centroid(corners: &[Point]) -> Point {
    let (mut x, mut y, mut z) = (0.0, 0.0, 0.0);
    for corner in corners {
        let (longitude, latitude) = (corner.longitude.to_radians_c(), corner.latitude.to_radians_c());
        x += latitude.cos() * longitude.cos();
        y += latitude.cos() * longitude.sin();
        z += latitude.sin();
    }
    Point { longitude: y.atan2(x).to_degrees_c(), latitude: z.atan2((x * x + y * y).sqrt()).to_degrees_c() }
}

/// Whether a ray eastwards from a place crosses the line through the corners an odd number of times.
fn is_inside(corners: &[Point], point: Point) -> bool {
    let before = corners.iter().cycle().skip(corners.len().saturating_sub(1));
    let crossings = corners.iter().zip(before).filter(|(a, b)| {
        let is_north = |corner: &Point| corner.latitude > point.latitude;
        is_north(a) != is_north(b)
            && point.longitude
                < (b.longitude - a.longitude) * (point.latitude - a.latitude) / (b.latitude - a.latitude) + a.longitude
    });
    crossings.count() % 2 == 1
}
