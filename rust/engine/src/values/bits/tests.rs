//! Against rows of truth values, walked bit by bit.

use proptest::prelude::*;

use super::*;

/// A string as what it stands for.
fn row(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect()
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    // Long runs of equal bytes are what searches skip.
    let byte = prop_oneof![3 => Just(0), 3 => Just(0xff), 1 => any::<u8>()];
    prop_oneof![
        prop::collection::vec(byte.clone(), 0..20),
        prop::collection::vec(any::<u8>(), 0..400),
        (prop::collection::vec(byte, 0..5), 0_usize..300, prop::bool::ANY).prop_map(|(mut tail, len, is_on)| {
            let mut text = vec![if is_on { 0xff } else { 0 }; len];
            text.append(&mut tail);
            text
        }),
    ]
}

fn field() -> impl Strategy<Value = Field> {
    let of = |kind, bits| Field::parse(format!("{kind}{bits}").as_bytes()).expect("it is a type");
    prop_oneof![(1_u32..=64).prop_map(move |bits| of('i', bits)), (1_u32..=63).prop_map(move |bits| of('u', bits))]
}

/// The smallest and the largest number of a field, by doubling.
fn limits(field: Field) -> (i128, i128) {
    let span = (0..field.bits()).fold(1_i128, |span, _| span * 2);
    if format!("{field:?}").contains("is_signed: true") { (-span / 2, span / 2 - 1) } else { (0, span - 1) }
}

proptest! {
    #[test]
    fn single_bits(mut bytes in text(), offset in 0_u64..3300, is_on: bool) {
        let mut model = row(&bytes);
        let at = offset as usize;
        prop_assert_eq!(get(&bytes, offset), model.get(at).copied().unwrap_or(false));
        let old = bytes.clone();
        let was_on = model.get(at).copied().unwrap_or(false);
        model.resize(model.len().max(at / 8 * 8 + 8), false);
        model[at] = is_on;
        let told = set(&mut bytes, offset, is_on);
        prop_assert_eq!(row(&bytes), model);
        prop_assert_eq!(told, (was_on, bytes != old));
    }

    #[test]
    fn ranges(bytes in text(), start in -3300_i64..3300, end in -3300_i64..3300, is_bit: bool, is_on: bool) {
        let unit = if is_bit { Unit::Bit } else { Unit::Byte };
        let units = if is_bit { bytes.len() as i64 * 8 } else { bytes.len() as i64 };
        let from_end = |index: i64| if index < 0 { (index + units).max(0) } else { index };
        let (from, to) = (from_end(start), from_end(end));
        let inside = |at: usize| {
            let unit = if is_bit { at } else { at / 8 } as i64;
            (from..=to).contains(&unit)
        };
        let model = row(&bytes);
        let mut places = model.iter().enumerate().filter(|(at, _)| inside(*at)).peekable();
        let range = range(bytes.len(), start, end, unit);
        prop_assert_eq!(range.is_some(), places.peek().is_some());
        if let Some(range) = range {
            let first = places.clone().find(|(_, bit)| **bit == is_on).map(|(at, _)| at as u64);
            prop_assert_eq!(find(&bytes, is_on, range.clone()), first);
            prop_assert_eq!(count_in(&bytes, range), places.filter(|(_, bit)| **bit).count() as u64);
        }
    }

    #[test]
    fn whole_strings(bytes in text()) {
        prop_assert_eq!(count(&bytes), row(&bytes).into_iter().filter(|bit| *bit).count() as u64);
    }

    #[test]
    fn combinations(sources in prop::collection::vec(text(), 1..5)) {
        let refs: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
        let len = refs.iter().map(|source| source.len()).max().unwrap();
        let columns = |at: usize| refs.iter().map(move |source| source.get(at).copied().unwrap_or(0));
        let expect = |fold: fn(u8, u8) -> u8| (0..len).map(|at| columns(at).reduce(fold).unwrap()).collect::<Vec<_>>();
        prop_assert_eq!(combine(Operation::And, &refs), expect(|one, other| one & other));
        prop_assert_eq!(combine(Operation::Or, &refs), expect(|one, other| one | other));
        prop_assert_eq!(combine(Operation::Xor, &refs), expect(|one, other| one ^ other));
        let inverse: Vec<u8> = refs[0].iter().map(|byte| 255 - byte).collect();
        prop_assert_eq!(combine(Operation::Not, &refs[..1]), inverse);
    }

    #[test]
    fn fields_are_bits_in_their_order(bytes in text(), offset in 0_u64..900, field in field(), number: i64) {
        let bits = field.bits() as usize;
        let mut model = row(&bytes);
        model.resize(model.len().max(offset as usize + bits), false);
        let (min, max) = limits(field);
        let place = offset as usize..offset as usize + bits;
        let read = |model: &[bool]| {
            let raw = model[place.clone()].iter().fold(0_i128, |raw, bit| raw * 2 + i128::from(*bit));
            i64::try_from(if raw > max { raw - 2 * (max + 1) } else { raw }).unwrap()
        };
        prop_assert_eq!(field.get(&bytes, offset), read(&model));
        let mut changed = bytes.clone();
        lengthen(&mut changed, (offset as usize + bits).div_ceil(8));
        for (place, at) in model[place.clone()].iter_mut().rev().zip(0..) {
            *place = number >> at & 1 == 1;
        }
        field.set(&mut changed, offset, number);
        model.resize(changed.len() * 8, false);
        prop_assert_eq!(row(&changed), model.clone());
        prop_assert!((min..=max).contains(&i128::from(field.get(&changed, offset))));
        prop_assert_eq!(field.get(&changed, offset), read(&model));
    }

    #[test]
    fn sums(field in field(), start: i64, increment in prop_oneof![any::<i64>(), -300_i64..300]) {
        let (min, max) = limits(field);
        // What a field that holds the low bits of `start` has.
        let mut bytes = vec![0; 8];
        field.set(&mut bytes, 0, start);
        let number = field.get(&bytes, 0);
        let sum = i128::from(number) + i128::from(increment);
        let fits = (min..=max).contains(&sum);
        let span = max - min + 1;
        let wrapped = (sum - min).rem_euclid(span) + min;
        let add = |overflow| field.add(number, increment, overflow).map(i128::from);
        prop_assert_eq!(add(Overflow::Wrap), Some(wrapped));
        prop_assert_eq!(add(Overflow::Saturate), Some(sum.clamp(min, max)));
        prop_assert_eq!(add(Overflow::Fail), fits.then_some(sum));
    }
}

#[test]
fn pieces_of_a_long_combination_meet() {
    let long: Vec<u8> = (0..3 * PIECE_BYTES + 5).map(|at| (at % 251) as u8).collect();
    let short: Vec<u8> = (0..PIECE_BYTES + 7).map(|at| (at % 241) as u8).collect();
    for sources in [[&long[..], &short[..]], [&short[..], &long[..]]] {
        let or: Vec<u8> =
            long.iter().enumerate().map(|(at, byte)| byte | short.get(at).copied().unwrap_or(0)).collect();
        assert_eq!(combine(Operation::Or, &sources), or);
        let and = combine(Operation::And, &sources);
        assert_eq!(and.len(), long.len());
        assert!(and[short.len()..].iter().all(|byte| *byte == 0));
        assert!(and.iter().zip(&long).zip(&short).all(|((and, one), other)| *and == one & other));
    }
}

#[test]
fn types_of_fields() {
    for text in ["i1", "i64", "u1", "u63", "u8"] {
        assert!(Field::parse(text.as_bytes()).is_some(), "{text}");
    }
    for text in ["", "i", "u", "u64", "i65", "i0", "u0", "I8", "8", "i-1", "i08", "i 8", "u8 ", "x8"] {
        assert!(Field::parse(text.as_bytes()).is_none(), "{text}");
    }
}

#[test]
fn numbers_without_a_place() {
    let unsigned = Field::parse(b"u8").unwrap();
    // A negative number is too large for a field without a sign, as in Redis.
    assert_eq!(unsigned.add(-1, 0, Overflow::Saturate), Some(255));
    assert_eq!(unsigned.add(-1, 0, Overflow::Wrap), Some(255));
    assert_eq!(unsigned.add(-1, 0, Overflow::Fail), None);
    // Nor is the lowest of all numbers below those of a narrower field.
    let signed = Field::parse(b"i8").unwrap();
    assert_eq!(signed.add(i64::MIN, 0, Overflow::Saturate), Some(127));
    assert_eq!(signed.add(i64::MIN + 128, 0, Overflow::Saturate), Some(-128));
    let widest = Field::parse(b"i64").unwrap();
    assert_eq!(widest.add(-2, i64::MIN, Overflow::Saturate), Some(i64::MIN));
    assert_eq!(unsigned.get(b"abc", u64::MAX - 7), 0);
    assert!(!get(b"abc", u64::MAX));
}
