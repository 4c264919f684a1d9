//! Lines to words: the quoting rules that configuration files, inline commands and redis-cli share.

/// Splits a line into words. Words stand between white space; `"…"` understands `\n \r \t \b \a \xHH` and takes any other escaped
/// byte as itself; `'…'` understands only `\'`. `None` if a quote stays open or text touches a closing quote.
pub fn split_words(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = trim_start(line);
    while !rest.is_empty() {
        let (word, after) = take_word(rest)?;
        words.push(word);
        rest = trim_start(after);
    }
    Some(words)
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn trim_start(line: &[u8]) -> &[u8] {
    let spaces = line.iter().take_while(|byte| is_space(**byte)).count();
    &line[spaces..]
}

/// A word may open a quote in its middle (`a"b c"` is one word), and ends with the quote.
fn take_word(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' | 0 => return Some((word, after)),
            b'"' => return take_quoted(after, word, b'"'),
            b'\'' => return take_quoted(after, word, b'\''),
            byte => word.push(*byte),
        }
        rest = after;
    }
    Some((word, rest))
}

fn take_quoted(text: &[u8], mut word: Vec<u8>, quote: u8) -> Option<(Vec<u8>, &[u8])> {
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix(&[quote]) {
            let ends = after.first().is_none_or(|byte| is_space(*byte));
            return ends.then_some((word, after));
        }
        let (byte, after) = match quote {
            b'"' => double_quoted(rest)?,
            _ => single_quoted(rest)?,
        };
        word.push(byte);
        rest = after;
    }
}

fn double_quoted(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', b'x', high, low, rest @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
            Some((hex(*high)? * 16 + hex(*low)?, rest))
        }
        [b'\\', escaped, rest @ ..] => {
            let byte = match escaped {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'b' => 8,
                b'a' => 7,
                other => *other,
            };
            Some((byte, rest))
        }
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

fn single_quoted(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'\\', b'\'', rest @ ..] => Some((b'\'', rest)),
        [byte, rest @ ..] => Some((*byte, rest)),
        [] => None,
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Splits at every single space, as `CONFIG SET` does with options of several words: two spaces enclose an empty word.
/// No text is no words.
pub(super) fn split_spaces(text: &[u8]) -> Vec<&[u8]> {
    if text.is_empty() {
        return Vec::new();
    }
    text.split(|byte| *byte == b' ').collect()
}
