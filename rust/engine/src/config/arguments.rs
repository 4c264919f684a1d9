//! The command line of the server, turned into lines of a configuration file as redis-server does it.

/// What the arguments after the program name mean.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration file: the first argument, if it does not begin with `-`.
    pub file: Option<Vec<u8>>,
    /// A lone `-` as first or last argument asks to read standard input after the file.
    pub reads_stdin: bool,
    /// `--name value …` as lines, which stand after file and standard input: the last one to set an option wins.
    pub lines: Vec<Vec<u8>>,
}

/// Reads the arguments that follow the program's name.
///
/// An argument that begins with `--` starts a new option unless the option before it still has no value: `--logfile --x` is the file `--x`.
/// `--save` alone, at the end or before another option, is `save ""`. `--port 6380` may also be one argument.
pub fn read_arguments<W: AsRef<[u8]>>(arguments: &[W]) -> Arguments {
    let words: Vec<&[u8]> = arguments.iter().map(AsRef::as_ref).collect();
    let mut read = Arguments::default();
    let start = match words.first() {
        Some(first) if !first.starts_with(b"-") => {
            read.file = Some(first.to_vec());
            1
        }
        _ => 0,
    };
    let mut has_value = true;
    for (index, word) in words.iter().enumerate().skip(start) {
        let next = words.get(index + 1);
        if *word == b"-" && (index == 0 || next.is_none()) {
            read.reads_stdin = true;
        } else if has_value && let Some(name) = word.strip_prefix(b"--") {
            let line = begin_line(&mut read.lines, name);
            has_value = ends_at_name(word, next.copied(), line);
        } else {
            match read.lines.last_mut() {
                Some(line) => append_quoted(line, word),
                None => append_quoted(begin_line(&mut read.lines, b""), word),
            }
            has_value = true;
        }
    }
    read
}

fn begin_line<'a>(lines: &'a mut Vec<Vec<u8>>, name: &[u8]) -> &'a mut Vec<u8> {
    let mut line = name.to_vec();
    line.push(b' ');
    lines.push(line);
    let last = lines.len() - 1;
    &mut lines[last]
}

/// Whether the next `--` begins an option rather than being the value of this one.
fn ends_at_name(word: &[u8], next: Option<&[u8]>, line: &mut Vec<u8>) -> bool {
    // Unbalanced quotes count as no name at all; reading the line reports them.
    if super::split_words(word).is_none_or(|words| words.len() != 1) {
        return true;
    }
    let option_follows = next.is_some_and(|next| next.starts_with(b"--"));
    if word.eq_ignore_ascii_case(b"--save") && (option_follows || next.is_none()) {
        line.extend_from_slice(b"\"\"");
        return true;
    }
    word.eq_ignore_ascii_case(b"--sentinel") && option_follows
}

/// Appends a word in double quotes so that reading the line gives back exactly its bytes.
fn append_quoted(line: &mut Vec<u8>, word: &[u8]) {
    line.push(b'"');
    for byte in word {
        match byte {
            b'"' | b'\\' => line.extend_from_slice(&[b'\\', *byte]),
            b' '..=b'~' => line.push(*byte),
            _ => line.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
        }
    }
    line.extend_from_slice(b"\" ");
}
