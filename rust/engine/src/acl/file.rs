//! The file of users: a line for each, all of which are right, or none counts.

use std::collections::BTreeMap;

use super::catalog::Catalog;
use super::rules::{RuleError, Rules, merge};
use super::{DEFAULT_USER, Named, has_name_fault};

/// Reads a file of users, which messages call `name`. `default` may do everything unless the file says otherwise.
///
/// # Errors
/// What is wrong with it, line by line.
pub(super) fn read(
    text: &[u8],
    name: &str,
    catalog: &Catalog,
    all_channels: bool,
) -> Result<Vec<Named<Rules>>, String> {
    let mut users: BTreeMap<Box<[u8]>, Rules> = BTreeMap::new();
    let mut errors = Vec::new();
    for (number, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        match read_line(line, catalog, all_channels) {
            Ok((user, _)) if users.contains_key(&user) => {
                let user = String::from_utf8_lossy(&user);
                errors.push(format!("WARNING: Duplicate user '{user}' found on line {}. ", number + 1));
            }
            Ok((user, rules)) => {
                users.insert(user, rules);
            }
            Err(reasons) => errors.extend(reasons.iter().map(|reason| format!("{name}:{}{reason}", number + 1))),
        }
    }
    if errors.is_empty() {
        users.entry(DEFAULT_USER.into()).or_insert_with(|| Rules::everything(catalog));
        return Ok(users.into_iter().collect());
    }
    errors.push("WARNING: ACL errors detected, no change to the previously active ACL rules was performed".to_owned());
    Err(errors.concat())
}

fn read_line(line: &[u8], catalog: &Catalog, all_channels: bool) -> Result<Named<Rules>, Vec<String>> {
    let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let (b"user", [user, rules @ ..]) =
        words.split_first().map_or((b"".as_slice(), &[][..]), |(first, rest)| (first, rest))
    else {
        return Err(vec![" should start with user keyword followed by the username. ".into()]);
    };
    if has_name_fault(user) {
        let user = String::from_utf8_lossy(user);
        return Err(vec![format!(": username '{user}' contains invalid characters. ")]);
    }
    let rules = merge(rules).map_err(|_| vec![": Unmatched parenthesis in selector definition.".into()])?;
    let mut made = Rules::new(all_channels);
    let mut reasons: Vec<String> = Vec::new();
    let mut has_other = false;
    for rule in &rules {
        match made.apply(rule, catalog, all_channels) {
            Ok(()) => {}
            // Each name that nobody knows is told; of other faults the first says enough.
            Err(error @ RuleError::Unknown) => {
                let rule = String::from_utf8_lossy(rule);
                reasons.push(format!(": Error in applying operation '{rule}': {error}. "));
            }
            Err(_) if has_other => {}
            Err(error) => {
                has_other = true;
                reasons.push(format!(": {error}. "));
            }
        }
    }
    if reasons.is_empty() { Ok(((*user).into(), made)) } else { Err(reasons) }
}
