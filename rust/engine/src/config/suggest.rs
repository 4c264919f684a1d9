//! The option that someone who wrote an unknown name most likely meant.

/// The candidate with the smallest edit distance to `name`, if it is near enough to be a slip: at most a third of the name's length.
/// Of equally near candidates the first.
pub fn nearest_name<'a>(name: &[u8], candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing near enough can be longer than this, so a hostile name costs no more than one of our own.
    if name.len() > 80 {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let distance_max = name.len().div_ceil(3);
    candidates
        .map(|candidate| (edit_distance(&name, candidate.as_bytes()), candidate))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions and substitutions that turn `a` into `b` (Levenshtein).
fn edit_distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.iter().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        row[0] = previous;
        for (j, right) in b.iter().enumerate() {
            let above = row[j + 1];
            let substituted = diagonal + usize::from(left != right);
            previous = substituted.min(above + 1).min(previous + 1);
            diagonal = above;
            row[j + 1] = previous;
        }
    }
    row[b.len()]
}
