use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

type Words = Vec<Vec<u8>>;

/// Reads everything at once.
fn read_all(input: &[u8], limits: &RequestLimits) -> (Vec<Words>, Result<usize, ProtocolError>) {
    let mut parser = RequestParser::default();
    let mut requests = Vec::new();
    let mut at = 0;
    loop {
        let mut spans = Vec::new();
        match parser.next(input, at, limits, &mut spans) {
            Ok(Some(next)) => {
                assert!(next > at);
                requests.push(spans.iter().map(|span| parser.word(input, *span).to_vec()).collect());
                at = next;
            }
            Ok(None) => {
                assert!(spans.is_empty());
                return (requests, Ok(at));
            }
            Err(error) => {
                assert!(spans.is_empty());
                return (requests, Err(error));
            }
        }
    }
}

/// Reads pieces as they come, dropping what is used up each time.
fn read_pieces(pieces: &[&[u8]], limits: &RequestLimits) -> (Vec<Words>, Result<usize, ProtocolError>) {
    let mut parser = RequestParser::default();
    let (mut requests, mut buffer, mut consumed) = (Vec::new(), Vec::new(), 0);
    let mut spans = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        let mut at = 0;
        loop {
            spans.clear();
            match parser.next(&buffer, at, limits, &mut spans) {
                Ok(Some(next)) => {
                    requests.push(spans.iter().map(|span| parser.word(&buffer, *span).to_vec()).collect());
                    at = next;
                }
                Ok(None) => break,
                Err(error) => return (requests, Err(error)),
            }
        }
        buffer.drain(..at);
        consumed += at;
    }
    (requests, Ok(consumed))
}

fn encode(words: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn words(list: &[&[u8]]) -> Words {
    list.iter().map(|word| word.to_vec()).collect()
}

#[test]
fn requests_give_their_words() {
    let table: &[(&[u8], &[&[u8]])] = &[
        (b"*1\r\n$4\r\nPING\r\n", &[b"PING"]),
        (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", &[b"GET", b""]),
        (b"*0\r\n", &[]),
        (b"*-1\r\n", &[]),
        (b"*-9223372036854775808\r\n", &[]),
        (b"*1\rX$4\rYPINGZZ", &[b"PING"]),
        (b"PING\r\n", &[b"PING"]),
        (b"PING\n", &[b"PING"]),
        (b"\r\n", &[]),
        (b" \t\x0b\x0c\n", &[]),
        (b"  SET  a\tb \r\n", &[b"SET", b"a", b"b"]),
        (b"PING\rfoo\n", &[b"PING", b"foo"]),
        (b"PING a\x0bb\n", &[b"PING", b"a\x0bb"]),
        (b"PING \"a\"\x0bb\r\n", &[b"PING", b"a", b"b"]),
        (b"PING \"\"\r\n", &[b"PING", b""]),
        (b"PING a\"b c\"\r\n", &[b"PING", b"ab c"]),
        (b"PING '\"'\r\n", &[b"PING", b"\""]),
        (b"PING 'a\\'b\\n'\r\n", &[b"PING", b"a'b\\n"]),
        (b"PING \"\\x41\\xfF\\n\\r\\t\\b\\a\\q\\xzz\\\"\"\r\n", &[b"PING", b"A\xff\n\r\t\x08\x07qxzz\""]),
        (b"ECHO a\\nb\n", &[b"ECHO", b"a\\nb"]),
        (b"\xff \x00\n", &[b"\xff", b"\x00"]),
    ];
    let limits = RequestLimits::default();
    for (input, expected) in table {
        let outcome = (vec![words(expected)], Ok(input.len()));
        assert_eq!(read_all(input, &limits), outcome, "{}", input.escape_ascii());
        let pieces: Vec<_> = input.chunks(1).collect();
        assert_eq!(read_pieces(&pieces, &limits), outcome, "{}", input.escape_ascii());
    }
}

#[test]
fn a_window_keeps_the_text_of_all_its_requests() {
    let input = b"SET a \"x y\"\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\nSET b 'p q'\r\n";
    let mut parser = RequestParser::default();
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(next) = parser.next(input, at, &RequestLimits::default(), &mut spans).unwrap() {
        at = next;
    }
    let read: Vec<_> = spans.iter().map(|span| parser.word(input, *span)).collect();
    assert_eq!(read, [&b"SET"[..], b"a", b"x y", b"GET", b"a", b"SET", b"b", b"p q"]);
    assert!(spans[0].is_in_input() && !spans[2].is_in_input());

    spans.clear();
    parser.next(b"A 'b'\n", 0, &RequestLimits::default(), &mut spans).unwrap();
    assert_eq!(parser.unescaped, b"b", "text of a finished window is dropped");
    parser.shrink();
    assert_eq!(parser.heap_bytes(), 0);
}

#[test]
fn a_request_goes_on_after_the_buffer_moved() {
    let mut parser = RequestParser::default();
    let mut spans = Vec::new();
    let limits = RequestLimits::default();
    assert_eq!(parser.next(b"junk*2\r\n$3\r\nGET\r\n$2", 4, &limits, &mut spans), Ok(None));
    assert!(parser.is_partial());
    let moved = b"*2\r\n$3\r\nGET\r\n$2\r\nab\r\n";
    assert_eq!(parser.next(moved, 0, &limits, &mut spans), Ok(Some(moved.len())));
    assert!(!parser.is_partial());
    let read: Vec<_> = spans.iter().map(|span| parser.word(moved, *span)).collect();
    assert_eq!(read, [&b"GET"[..], b"ab"]);
    // And to a later place.
    assert_eq!(parser.next(b"*1\r\n$1\r\n", 0, &limits, &mut spans), Ok(None));
    assert_eq!(parser.next(b"....*1\r\n$1\r\nx\r\n", 4, &limits, &mut spans), Ok(Some(15)));
    assert_eq!(parser.word(b"....*1\r\n$1\r\nx\r\n", spans[2]), b"x");
}

#[test]
fn a_span_of_another_buffer_is_empty_not_a_panic() {
    let parser = RequestParser::default();
    assert_eq!(parser.word(b"abc", Span::input(2, 2)), b"");
    assert_eq!(parser.word(b"abc", Span::unescaped(0, 1)), b"");
    assert_eq!(parser.word(b"abc", Span::input(1, 2)), b"bc");
}

#[test]
fn many_small_arguments_byte_by_byte_take_linear_time() {
    const ARGUMENTS: usize = 200_000;
    let mut input = format!("*{ARGUMENTS}\r\n").into_bytes();
    input.extend_from_slice(&b"$1\r\nx\r\n".repeat(ARGUMENTS));
    let mut parser = RequestParser::default();
    let mut spans = Vec::new();
    let start = Instant::now();
    for end in 1..input.len() {
        let outcome = parser.next(&input[..end], 0, &RequestLimits::default(), &mut spans);
        assert_eq!(outcome, Ok(None));
        assert!(parser.heap_bytes() <= 64 * 1024 + 8 * end);
    }
    let outcome = parser.next(&input, 0, &RequestLimits::default(), &mut spans);
    assert_eq!(outcome, Ok(Some(input.len())));
    assert_eq!(spans.len(), ARGUMENTS);
    // Looking at everything again each time would be 10^12 steps.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(parser.heap_bytes() <= PARTIAL_SPANS_KEPT * size_of::<Span>());
}

#[test]
fn announced_lengths_allocate_nothing() {
    let mut parser = RequestParser::default();
    let mut spans = Vec::new();
    let limits = RequestLimits::default();
    assert_eq!(parser.next(b"*1048576\r\n$536870912\r\nx", 0, &limits, &mut spans), Ok(None));
    assert_eq!(parser.heap_bytes() + spans.capacity(), 0);
}

#[test]
fn limits_are_inclusive() {
    let limits = RequestLimits { bulk_bytes_max: 4, arguments_max: 2, inline_bytes_max: 16, authenticated: true };
    let error = |input: &[u8]| read_all(input, &limits).1.unwrap_err();
    assert_eq!(read_all(b"*2\r\n$4\r\nPING\r\n$0\r\n\r\n", &limits).0.len(), 1);
    assert_eq!(error(b"*1\r\n$5\r\n"), ProtocolError::InvalidBulkLength);
    assert_eq!(error(b"*3\r\n"), ProtocolError::InvalidMultibulkLength);
    assert_eq!(read_all(b"aaaaaaaaaaaaaaaa\n", &limits).0.len(), 1);
    assert_eq!(error(b"aaaaaaaaaaaaaaaaa\n"), ProtocolError::TooBigInline);
    assert_eq!(error(b"aaaaaaaaaaaaaaaaa"), ProtocolError::TooBigInline);
}

#[test]
fn strangers_get_ten_short_arguments() {
    let limits = RequestLimits { authenticated: false, ..RequestLimits::default() };
    let ten = vec![vec![b'x'; 16 * 1024]; 10];
    assert_eq!(read_all(&encode(&ten), &limits).0, std::slice::from_ref(&ten));
    assert_eq!(read_all(b"a b c d e f g h i j\n", &limits).0.len(), 1);
    let error = read_all(b"a b c d e f g h i j k\n", &limits).1;
    assert_eq!(error, Err(ProtocolError::UnauthenticatedMultibulkLength));
}

#[test]
fn lengths_read_as_redis_reads_them() {
    let table: &[(&[u8], Option<i64>)] = &[
        (b"0", Some(0)),
        (b"10", Some(10)),
        (b"-1", Some(-1)),
        (b"9223372036854775807", Some(i64::MAX)),
        (b"-9223372036854775808", Some(i64::MIN)),
        (b"9223372036854775808", None),
        (b"-9223372036854775809", None),
        (b"", None),
        (b"-", None),
        (b"-0", None),
        (b"00", None),
        (b"01", None),
        (b"+1", None),
        (b" 1", None),
        (b"1 ", None),
        (b"1\x00", None),
    ];
    for (text, expected) in table {
        assert_eq!(length(text), *expected, "{}", text.escape_ascii());
    }
}

proptest! {
    #[test]
    fn short_lengths_agree_with_the_careful_reader(value in 0_usize..20_000_000, tail in "[\r\n0-9x]{0,3}") {
        let line = format!("${value}{tail}");
        if let Some((len, used)) = short_length(b'$', line.as_bytes(), 0) {
            prop_assert_eq!(Some(len as i64), length(&line.as_bytes()[1..used - 2]));
            prop_assert_eq!(line.as_bytes()[used - 2], b'\r');
            prop_assert!(used <= line.len());
        } else {
            prop_assert!(value > 9_999_999 || !tail.starts_with('\r') || tail.len() < 2
                || line.contains('x') || tail.bytes().next().is_some_and(|b| b.is_ascii_digit()));
        }
    }

    #[test]
    fn whole_and_cut_input_agree(
        requests in prop::collection::vec(prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..6), 1..5),
        cuts in prop::collection::vec(1_usize..40, 1..20),
    ) {
        let input: Vec<u8> = requests.iter().flat_map(|words| encode(words)).collect();
        let limits = RequestLimits::default();
        let expected = (requests, Ok(input.len()));
        prop_assert_eq!(&read_all(&input, &limits), &expected);
        let mut pieces = Vec::new();
        let mut rest = &input[..];
        for cut in cuts.iter().cycle() {
            let (piece, tail) = rest.split_at(rest.len().min(*cut));
            pieces.push(piece);
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&read_pieces(&pieces, &limits), &expected);
        let bytes: Vec<_> = input.chunks(1).collect();
        prop_assert_eq!(&read_pieces(&bytes, &limits), &expected);
    }
}
