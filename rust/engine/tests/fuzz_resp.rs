//! Random input for the readers of RESP: whole and cut input agree, nothing panics, memory follows what was received.
//!
//! `RKV_FUZZ_SECONDS` says for how long (default 2, shared by the tests), `RKV_FUZZ_SEED` repeats a run.

#[path = "../../collections/tests/support/chance.rs"]
mod chance;

use chance::{Random, fuzz_shared};
use rkv_engine::resp::decode::{DecodeError, DecodeLimits, Decoder, Frame};
use rkv_engine::resp::{Output, Protocol, ProtocolError, Reply, RequestLimits, RequestParser, Span};

/// Cuts of one input: whole, byte by byte, random.
fn cuts<'a>(random: &mut Random, input: &'a [u8]) -> Vec<Vec<&'a [u8]>> {
    let mut pieces = Vec::new();
    let mut rest = input;
    let largest = random.pick(&[3, 20, 300]);
    while !rest.is_empty() {
        let (piece, tail) = rest.split_at((1 + random.below(largest)).min(rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    vec![vec![input], input.chunks(1).collect(), pieces]
}

/// What was read, what went wrong, and how many bytes were used up.
#[derive(Debug, PartialEq)]
struct Read {
    requests: Vec<Vec<Vec<u8>>>,
    error: Option<ProtocolError>,
    consumed: usize,
}

/// Reads pieces; drops used bytes from the buffer now and then, and takes up to 16 requests into one window of spans.
fn read_requests(random: &mut Random, pieces: &[&[u8]], limits: &RequestLimits) -> Read {
    let mut parser = RequestParser::default();
    let mut buffer = Vec::new();
    let mut spans: Vec<Span> = Vec::new();
    let mut read = Read { requests: Vec::new(), error: None, consumed: 0 };
    let (mut at, mut received) = (0, 0);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        received += piece.len();
        let mut waiting = true;
        while waiting && read.error.is_none() {
            spans.clear();
            let mut ends = Vec::new();
            while ends.len() < 16 {
                let before = spans.len();
                match parser.next(&buffer, at, limits, &mut spans) {
                    Ok(Some(next)) => {
                        assert!(next > at && next <= buffer.len());
                        read.consumed += next - at;
                        at = next;
                        ends.push(spans.len());
                    }
                    Ok(None) => {
                        assert_eq!(spans.len(), before);
                        waiting = false;
                        break;
                    }
                    Err(error) => {
                        assert_eq!(spans.len(), before);
                        read.error = Some(error);
                        break;
                    }
                }
            }
            let mut start = 0;
            for end in ends {
                let words = spans[start..end].iter().map(|span| parser.word(&buffer, *span).to_vec());
                read.requests.push(words.collect());
                start = end;
            }
            let allocated = parser.heap_bytes() + spans.capacity() * size_of::<Span>();
            assert!(allocated <= 64 * 1024 + 8 * received, "{allocated} bytes for {received}");
        }
        if read.error.is_some() {
            break;
        }
        if random.below(2) == 0 {
            buffer.drain(..at);
            at = 0;
        }
    }
    read
}

fn put_request(random: &mut Random, input: &mut Vec<u8>) -> Vec<Vec<u8>> {
    let words: Vec<_> = (0..=random.below(5)).map(|_| random.bytes(40)).collect();
    if random.below(3) == 0 {
        for word in &words {
            input.extend_from_slice(&b"  \t"[..=random.below(3)]);
            put_quoted(random, word, input);
        }
        input.extend_from_slice(if random.below(2) == 0 { b"\n" } else { b" \r\n" });
    } else {
        input.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
        for word in &words {
            input.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
            input.extend_from_slice(word);
            input.extend_from_slice(b"\r\n");
        }
    }
    words
}

/// Writes a word as an inline request must.
fn put_quoted(random: &mut Random, word: &[u8], input: &mut Vec<u8>) {
    if !word.is_empty() && word.iter().all(u8::is_ascii_alphanumeric) && random.below(2) == 0 {
        input.extend_from_slice(word);
        return;
    }
    input.push(b'"');
    for byte in word {
        match byte {
            b'\n' => input.extend_from_slice(b"\\n"),
            b'"' | b'\\' => input.extend_from_slice(&[b'\\', *byte]),
            _ if random.below(4) == 0 => input.extend_from_slice(format!("\\x{byte:02x}").as_bytes()),
            _ => input.push(*byte),
        }
    }
    input.push(b'"');
}

#[test]
fn requests() {
    fuzz_shared("requests", 4, |random| {
        let mut input = Vec::new();
        let expected: Vec<_> = (0..random.below(24)).map(|_| put_request(random, &mut input)).collect();
        let limits = RequestLimits::default();
        for pieces in cuts(random, &input) {
            let read = read_requests(random, &pieces, &limits);
            assert_eq!(read.error, None);
            assert_eq!(read.consumed, input.len());
            assert_eq!(read.requests, expected);
        }
    });
}

const REQUEST_TOKENS: &[&[u8]] = &[
    b"*",
    b"$",
    b"\r\n",
    b"\r",
    b"\n",
    b"0",
    b"1",
    b"2",
    b"3",
    b"10",
    b"-1",
    b"-",
    b"+",
    b"9223372036854775808",
    b"\"",
    b"'",
    b"\\",
    b"\\x",
    b"\\x4",
    b" ",
    b"\t",
    b"\x0b",
    b"\0",
    b"PING",
    b"*1\r\n",
    b"*2\r\n$1\r\na\r\n",
    b"$4\r\nPING\r\n",
    b"*0\r\n",
    b"*-1\r\n",
    b"$0\r\n\r\n",
    b"*1000000\r\n",
    b"$500000000\r\n",
    b"\"a b\"",
    b"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// Tokens of the protocol in any order, or a good request with damage.
fn garbage(random: &mut Random, tokens: &[&[u8]], good: impl FnOnce(&mut Random, &mut Vec<u8>)) -> Vec<u8> {
    let mut input = Vec::new();
    if random.below(2) == 0 {
        for _ in 0..random.below(40) {
            input.extend_from_slice(random.pick::<&[u8]>(tokens));
        }
    } else {
        good(random, &mut input);
        for _ in 0..random.below(4) {
            if !input.is_empty() {
                let at = random.below(input.len());
                match random.below(3) {
                    0 => input[at] = random.next() as u8,
                    1 => drop(input.remove(at)),
                    _ => input.splice(at..at, random.pick::<&[u8]>(tokens).iter().copied()).for_each(drop),
                }
            }
        }
    }
    input
}

#[test]
fn damaged_requests() {
    fuzz_shared("damaged requests", 4, |random| {
        let input = garbage(random, REQUEST_TOKENS, |random, input| {
            for _ in 0..random.below(8) {
                put_request(random, input);
            }
        });
        let limits = match random.below(3) {
            0 => RequestLimits::default(),
            1 => RequestLimits { authenticated: false, ..RequestLimits::default() },
            _ => RequestLimits { bulk_bytes_max: 30, arguments_max: 3, inline_bytes_max: 32, authenticated: true },
        };
        let reads = cuts(random, &input).into_iter().map(|pieces| read_requests(random, &pieces, &limits));
        let reads: Vec<_> = reads.collect();
        assert_eq!(reads[0], reads[1], "whole and byte by byte: {}", input.escape_ascii());
        assert_eq!(reads[0], reads[2], "whole and in pieces: {}", input.escape_ascii());
    });
}

const REPLY_TOKENS: &[&[u8]] = &[
    b"+",
    b"-",
    b":",
    b"$",
    b"*",
    b"%",
    b"~",
    b">",
    b"|",
    b"_",
    b"#",
    b",",
    b"(",
    b"!",
    b"=",
    b"\r\n",
    b"\n",
    b"\r",
    b"0",
    b"1",
    b"2",
    b"-1",
    b"?",
    b"t",
    b"f",
    b"nan",
    b"inf",
    b"1.5",
    b"txt:",
    b"+OK\r\n",
    b":1\r\n",
    b"*1\r\n",
    b"*2\r\n",
    b"%1\r\n",
    b"|1\r\n",
    b"|0\r\n",
    b"$3\r\nabc\r\n",
    b"_\r\n",
    b"$500000000\r\n",
    b"*16000000\r\n",
    b"=5\r\ntxt:a\r\n",
];

fn put_reply(random: &mut Random, reply: &mut Reply<'_>, depth: usize) {
    match random.below(if depth == 0 { 10 } else { 14 }) {
        0 => reply.ok(),
        1 => reply.integer(random.next() as i64),
        2 => reply.null(),
        3 => reply.null_array(),
        4 => reply.boolean(random.below(2) == 0),
        5 => reply.double(random.below(1000) as f64 / 4.0),
        6 => reply.verbatim("txt", &random.bytes(20)),
        7 => reply.big_number("1234567890123456789012345678901234567890"),
        8 => reply.simple("PONG"),
        9 => reply.bulk(&random.bytes(60)),
        10 => put_list(random, reply, depth, Reply::array, 1),
        11 => put_list(random, reply, depth, Reply::set, 1),
        12 => put_list(random, reply, depth, Reply::push, 1),
        _ => put_list(random, reply, depth, Reply::map, 2),
    }
}

fn put_list<'a>(
    random: &mut Random,
    reply: &mut Reply<'a>,
    depth: usize,
    header: fn(&mut Reply<'a>, usize),
    each: usize,
) {
    let count = random.below(6);
    header(reply, count);
    for _ in 0..count * each {
        put_reply(random, reply, depth - 1);
    }
}

fn put_replies(random: &mut Random, input: &mut Vec<u8>) -> usize {
    let protocol = random.pick(&[Protocol::Resp2, Protocol::Resp3]);
    let mut output = Output::default();
    let count = random.below(8);
    for _ in 0..count {
        put_reply(random, &mut Reply::wire(&mut output, protocol), 4);
    }
    input.extend_from_slice(output.sendable());
    count
}

fn read_replies(pieces: &[&[u8]]) -> (Vec<Frame>, Option<DecodeError>) {
    let limits = DecodeLimits { nesting_max: 8, ..DecodeLimits::default() };
    let mut decoder = Decoder::new(limits);
    let mut frames = Vec::new();
    let mut received = 0;
    for piece in pieces {
        decoder.feed(piece);
        received += piece.len();
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        let allocated = decoder.heap_bytes();
        assert!(allocated <= 64 * 1024 + 8 * received, "{allocated} bytes for {received}");
    }
    (frames, None)
}

#[test]
fn replies() {
    fuzz_shared("replies", 4, |random| {
        let mut input = Vec::new();
        let count = put_replies(random, &mut input);
        for pieces in cuts(random, &input) {
            let (frames, error) = read_replies(&pieces);
            assert_eq!(error, None);
            assert_eq!(frames.len(), count);
        }
    });
}

#[test]
fn damaged_replies() {
    fuzz_shared("damaged replies", 4, |random| {
        let input = garbage(random, REPLY_TOKENS, |random, input| {
            put_replies(random, input);
        });
        let reads: Vec<_> = cuts(random, &input).iter().map(|pieces| read_replies(pieces)).collect();
        // As text, because a NaN equals nothing.
        assert_eq!(format!("{:?}", reads[0]), format!("{:?}", reads[1]), "{}", input.escape_ascii());
        assert_eq!(format!("{:?}", reads[0]), format!("{:?}", reads[2]), "{}", input.escape_ascii());
    });
}
