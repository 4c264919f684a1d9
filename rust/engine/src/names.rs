//! Whether two names are the same. Most names are short, and a call costs more than to look at all of one.

/// The first and the last `N` bytes, which overlap where there are fewer than twice as many.
#[inline]
fn ends<const N: usize>(name: &[u8]) -> Option<([u8; N], [u8; N])> {
    Some((*name.first_chunk()?, *name.last_chunk()?))
}

/// Whether two names are the same.
#[inline]
pub fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    match one.len() {
        2..=3 => ends::<2>(one) == ends::<2>(other),
        4..=7 => ends::<4>(one) == ends::<4>(other),
        8..=16 => ends::<8>(one) == ends::<8>(other),
        17..=32 => ends::<16>(one) == ends::<16>(other),
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_if_all_their_bytes_are() {
        for len in 0..70 {
            let name: Vec<u8> = (0..len).collect();
            assert!(same(&name, &name.clone()));
            assert!(!same(&name, &[name.as_slice(), b"x"].concat()));
            for at in 0..name.len() {
                let mut other = name.clone();
                other[at] ^= 0x80;
                assert!(!same(&name, &other), "{len} bytes, another at {at}");
            }
        }
    }
}
