//! Words that nobody may read afterwards: passwords in commands.

/// What stands in place of a secret.
pub const REDACTED: &[u8] = b"(redacted)";

/// Options whose values are secrets.
const SECRET_OPTIONS: [&[u8]; 5] =
    [b"requirepass", b"masterauth", b"primaryauth", b"tls-key-file-pass", b"tls-client-key-file-pass"];

/// The words of a command as a log may show them.
pub fn redacted<'a>(words: &'a [&'a [u8]]) -> impl ExactSizeIterator<Item = &'a [u8]> {
    let first_secret = first_secret(words);
    let is_auth_pair = is(words, 0, b"MIGRATE") || is(words, 0, b"HELLO");
    words.iter().enumerate().map(move |(at, word)| {
        let is_secret = match first_secret {
            Some(first) if is_auth_pair => secret_of_auth(words, first, at),
            Some(first) => at >= first,
            None => is_secret_value(words, at),
        };
        if is_secret { REDACTED } else { *word }
    })
}

fn is(words: &[&[u8]], at: usize, name: &[u8]) -> bool {
    words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(name))
}

/// From where on words are secrets, or for which word they follow.
fn first_secret(words: &[&[u8]]) -> Option<usize> {
    if is(words, 0, b"AUTH") {
        return Some(1);
    }
    // Who may do what, and who there is, is nobody's business either.
    if is(words, 0, b"ACL") && [b"SETUSER", b"GETUSER", b"DELUSER"].iter().any(|name| is(words, 1, *name)) {
        return Some(2);
    }
    if is(words, 0, b"HELLO") || is(words, 0, b"MIGRATE") {
        return (1..words.len()).find(|at| is(words, *at, b"AUTH") || is(words, *at, b"AUTH2"));
    }
    None
}

/// HELLO and AUTH2 name a user and a password, MIGRATE's AUTH only a password.
fn secret_of_auth(words: &[&[u8]], auth: usize, at: usize) -> bool {
    let count = if is(words, 0, b"MIGRATE") && is(words, auth, b"AUTH") { 1 } else { 2 };
    (auth + 1..=auth + count).contains(&at)
}

fn is_secret_value(words: &[&[u8]], at: usize) -> bool {
    is(words, 0, b"CONFIG")
        && is(words, 1, b"SET")
        && at >= 3
        && at % 2 == 1
        && words.get(at - 1).is_some_and(|name| SECRET_OPTIONS.iter().any(|secret| name.eq_ignore_ascii_case(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_password_is_shown() {
        for (command, shown) in [
            ("AUTH secret", "AUTH (redacted)"),
            ("auth user secret", "auth (redacted) (redacted)"),
            ("HELLO 3 AUTH user secret SETNAME me", "HELLO 3 AUTH (redacted) (redacted) SETNAME me"),
            ("HELLO 3 SETNAME me", "HELLO 3 SETNAME me"),
            ("CONFIG SET requirepass secret hz 10", "CONFIG SET requirepass (redacted) hz 10"),
            ("config set HZ 10 MASTERAUTH secret", "config set HZ 10 MASTERAUTH (redacted)"),
            ("CONFIG GET requirepass", "CONFIG GET requirepass"),
            ("ACL SETUSER me on >secret", "ACL SETUSER (redacted) (redacted) (redacted)"),
            ("acl getuser me", "acl getuser (redacted)"),
            ("acl deluser me you", "acl deluser (redacted) (redacted)"),
            ("acl users", "acl users"),
            ("MIGRATE h 1 k 0 5 AUTH secret KEYS", "MIGRATE h 1 k 0 5 AUTH (redacted) KEYS"),
            ("MIGRATE h 1 k 0 5 AUTH2 u secret", "MIGRATE h 1 k 0 5 AUTH2 (redacted) (redacted)"),
            ("SET AUTH secret", "SET AUTH secret"),
        ] {
            let words: Vec<&[u8]> = command.split(' ').map(str::as_bytes).collect();
            let told: Vec<&[u8]> = redacted(&words).collect();
            assert_eq!(String::from_utf8(told.join(&b' ')).unwrap(), shown);
        }
    }
}
