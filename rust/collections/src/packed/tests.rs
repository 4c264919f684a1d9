//! Back-lengths at their borders, of which the longest would need entries of hundreds of megabytes.

use super::encoding::{back_before, back_bytes, back_size};

#[test]
fn back_lengths_grow_at_the_borders_of_the_essay() {
    for (size, before, from) in [(128, 1, 2), (16_383, 2, 3), (2_097_151, 3, 4), (268_435_455, 4, 5)] {
        assert_eq!((back_size(size - 1), back_size(size)), (before, from));
    }
    // Seven bits a byte would allow one more of each but the first.
    assert_eq!([1 << 7, 1 << 14, 1 << 21, 1 << 28], [128, 16_384, 2_097_152, 268_435_456]);
}

#[test]
fn back_lengths_are_read_as_they_were_written() {
    let sizes = (0..32).flat_map(|bits| [(1_usize << bits) - 1, 1 << bits, (1 << bits) + 1]);
    for size in sizes.filter(|size| u32::try_from(*size).is_ok()) {
        let (bytes, count) = back_bytes(size);
        assert_eq!(count, back_size(size));
        assert_eq!(back_before(&bytes, count), Some((size, count)));
        // Whatever stands before a back-length is no part of it.
        let behind_more = [&[0xff; 3], &bytes[..count]].concat();
        assert_eq!(back_before(&behind_more, 3 + count), Some((size, count)));
    }
    assert_eq!(back_before(&[0xff; 9], 9), None);
    assert_eq!(back_before(&[1], 2), None);
}
