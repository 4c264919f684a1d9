//! Against looking at every member, and what Redis tells of the same places.

use proptest::prelude::*;

use super::*;
use crate::values::zset::Condition;
use crate::values::{Collection, Rules, Zset};

fn place(longitude: f64, latitude: f64) -> Point {
    Point { longitude, latitude }
}

const PALERMO: (f64, f64) = (13.361_389, 38.115_556);
const CATANIA: (f64, f64) = (15.087_269, 37.502_669);

#[test]
fn examples_of_redis() {
    let (palermo, catania) = (place(PALERMO.0, PALERMO.1), place(CATANIA.0, CATANIA.1));
    assert_eq!(palermo.to_score().to_bits(), 3_479_099_956_230_698_f64.to_bits());
    assert_eq!(catania.to_score().to_bits(), 3_479_447_370_796_909_f64.to_bits());
    let [palermo, catania] = [palermo, catania].map(|point| Point::from_score(point.to_score()));
    assert_eq!(&palermo.hash_text(), b"sqc8b49rny0");
    assert_eq!(&catania.hash_text(), b"sqdtr74hyu0");
    assert!((palermo.distance(catania) - 166_274.151_6).abs() < 1e-4);
    assert!(palermo.longitude.to_string().starts_with("13.36138933897018"));
    assert!(!place(180.1, 0.0).is_valid() && !place(0.0, -85.06).is_valid() && !place(f64::NAN, 0.0).is_valid());
}

#[test]
fn numbers_that_are_no_geohash() {
    for score in [-1.0, f64::INFINITY, f64::NEG_INFINITY, 1e300, 1.5, 4_503_599_627_370_496.0, 1.9e19] {
        assert!(Point::from_score(score).is_valid(), "{score}");
    }
}

fn some_place() -> impl Strategy<Value = Point> {
    let near = (10.0..20.0, 30.0..45.0);
    let far = (-180.0..180.0, -85.0..85.0);
    prop_oneof![near, far].prop_map(|(longitude, latitude)| place(longitude, latitude))
}

/// Members by number, packed or not.
fn stored(places: &[Point]) -> Zset {
    let (rules, mut zset) = (Rules::new([7; 16]), Zset::default());
    for (place, number) in places.iter().zip(0..) {
        zset.add(format!("{number}").as_bytes(), place.to_score(), Condition::default(), &rules).unwrap();
    }
    zset
}

/// What a search finds, by number, in order of the numbers.
fn found(zset: &Zset, shape: Shape, center: Point, limit: usize) -> Vec<(usize, f64)> {
    let (found, names) = Search::new(shape, center).run(zset.view(), limit);
    let number = |found| std::str::from_utf8(names.of(found)).unwrap().parse().unwrap();
    let mut found: Vec<(usize, f64)> = found.iter().map(|found| (number(found), found.distance)).collect();
    found.sort_unstable_by_key(|(number, _)| *number);
    found
}

/// The angle between two places, by their coordinates in space: another way to a distance.
fn distance_in_space(one: Point, other: Point) -> f64 {
    let space = |point: Point| {
        let (longitude, latitude) = (point.longitude.to_radians(), point.latitude.to_radians());
        [latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]
    };
    let chord = space(one).iter().zip(space(other)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
    2.0 * EARTH_RADIUS * (chord / 2.0).min(1.0).asin()
}

proptest! {
    #[test]
    fn a_score_is_the_cell_of_its_place(point in some_place()) {
        let back = Point::from_score(point.to_score());
        prop_assert!((back.longitude - point.longitude).abs() <= 180.0 / f64::from(1 << STEPS));
        prop_assert!((back.latitude - point.latitude).abs() <= 86.0 / f64::from(1 << STEPS));
        prop_assert_eq!(back.to_score().to_bits(), point.to_score().to_bits());
    }

    #[test]
    fn distances_are_those_in_space(one in some_place(), other in some_place()) {
        let (told, expected) = (one.distance(other), distance_in_space(one, other));
        prop_assert!((told - expected).abs() <= 1e-6 * expected.max(1.0) + 1.0, "{told} {expected}");
    }

    #[test]
    fn circles_hold_what_is_near(
        places in prop::collection::vec(some_place(), 0..200), center in (10.0..20.0, 30.0..45.0), radius in 0.0..1e6_f64,
    ) {
        let (zset, center) = (stored(&places), place(center.0, center.1));
        let cells = places.iter().map(|point| Point::from_score(point.to_score()));
        let expected: Vec<usize> = cells
            .enumerate()
            .filter(|(_, point)| center.distance(*point) <= radius)
            .map(|(number, _)| number)
            .collect();
        let told = found(&zset, Shape::Circle { radius }, center, 0);
        prop_assert!(told.iter().map(|(number, _)| *number).eq(expected.iter().copied()));
        for (number, distance) in told {
            let point = Point::from_score(places[number].to_score());
            prop_assert!((distance - distance_in_space(center, point)).abs() < 1.0);
        }
        let some = found(&zset, Shape::Circle { radius }, center, 3);
        prop_assert_eq!(some.len(), expected.len().min(3));
        prop_assert!(some.iter().all(|(number, _)| expected.contains(number)));
    }

    #[test]
    fn boxes_hold_what_is_between_their_sides(
        places in prop::collection::vec(some_place(), 0..200), center in (10.0..20.0, 30.0..45.0),
        width in 0.0..1e6_f64, height in 0.0..1e6_f64,
    ) {
        let (zset, center) = (stored(&places), place(center.0, center.1));
        let cells = places.iter().map(|point| Point::from_score(point.to_score()));
        let expected = cells.enumerate().filter(|(_, point)| {
            let north = distance_in_space(*point, place(point.longitude, center.latitude));
            let east = distance_in_space(*point, place(center.longitude, point.latitude));
            north <= height / 2.0 && east <= width / 2.0
        });
        let expected: Vec<usize> = expected.map(|(number, _)| number).collect();
        let told: Vec<usize> = found(&zset, Shape::Box { width, height }, center, 0).iter().map(|found| found.0).collect();
        prop_assert_eq!(told, expected);
    }

    #[test]
    fn polygons_hold_what_is_on_the_inner_side_of_all_edges(
        places in prop::collection::vec((10.0..20.0, 30.0..45.0), 0..200),
        (a, b, c) in ((10.0..20.0, 30.0..45.0), (10.0..20.0, 30.0..45.0), (10.0..20.0, 30.0..45.0)),
    ) {
        let places: Vec<Point> = places.into_iter().map(|(longitude, latitude)| place(longitude, latitude)).collect();
        let corners: Vec<Point> = [a, b, c].map(|(longitude, latitude)| place(longitude, latitude)).to_vec();
        let side = |from: Point, to: Point, point: Point| {
            (to.longitude - from.longitude) * (point.latitude - from.latitude)
                - (to.latitude - from.latitude) * (point.longitude - from.longitude) > 0.0
        };
        let is_inside = |point: Point| {
            let sides = [(0, 1), (1, 2), (2, 0)].map(|(from, to)| side(corners[from], corners[to], point));
            sides == [true; 3] || sides == [false; 3]
        };
        let cells = places.iter().map(|point| Point::from_score(point.to_score()));
        let expected: Vec<usize> =
            cells.enumerate().filter(|(_, point)| is_inside(*point)).map(|(number, _)| number).collect();
        let told = found(&stored(&places), Shape::Polygon(corners.clone()), Point::default(), 0);
        prop_assert_eq!(told.iter().map(|found| found.0).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn all_of_earth_is_found_once() {
    let places: Vec<Point> =
        (0..2000).map(|n| place(f64::from(n * 7919 % 360) - 180.0, f64::from(n * 104_729 % 170) - 85.0)).collect();
    let zset = stored(&places);
    for center in [place(0.0, 0.0), place(179.9, 84.9), place(-180.0, -85.0), place(90.0, 45.0)] {
        let told = found(&zset, Shape::Circle { radius: f64::INFINITY }, center, 0);
        let mut numbers: Vec<usize> = told.iter().map(|found| found.0).collect();
        numbers.dedup();
        assert_eq!(numbers.len(), told.len(), "a member was found twice");
    }
    // A polygon around a pole, whose middle no score reaches.
    let around = [0.0, 90.0, 180.0, -90.0].map(|longitude| place(longitude, 70.0)).to_vec();
    assert!(found(&zset, Shape::Polygon(around), Point::default(), 0).len() < places.len());
}
