use super::*;

fn decode(bytes: &[u8]) -> Result<Option<Frame>, DecodeError> {
    let limits = DecodeLimits { bulk_bytes_max: 100, line_bytes_max: 64, values_max: 20, nesting_max: 4 };
    let mut whole = Decoder::new(limits);
    whole.feed(bytes);
    let outcome = whole.next_frame();
    let mut pieces = Decoder::new(limits);
    let mut last = Ok(None);
    for byte in bytes {
        pieces.feed(std::slice::from_ref(byte));
        last = pieces.next_frame();
        if last != Ok(None) {
            break;
        }
    }
    assert_eq!(format!("{outcome:?}"), format!("{last:?}"), "{}", bytes.escape_ascii());
    outcome
}

fn bulk(text: &str) -> Frame {
    Frame::Bulk(text.as_bytes().to_vec())
}

#[test]
fn every_type_is_read() {
    let one = || Frame::Integer(1);
    let table = [
        ("+OK\r\n", Frame::Simple(b"OK".to_vec())),
        ("+\r\n", Frame::Simple(Vec::new())),
        ("-ERR no\r\n", Frame::Error(b"ERR no".to_vec())),
        (":-5\r\n", Frame::Integer(-5)),
        (":+5\r\n", Frame::Integer(5)),
        ("$3\r\na\r\n\r\n", bulk("a\r\n")),
        ("$0\r\n\r\n", bulk("")),
        ("$-1\r\n", Frame::Null),
        ("*-1\r\n", Frame::NullArray),
        ("_\r\n", Frame::Null),
        ("*0\r\n", Frame::Array(Vec::new())),
        ("*2\r\n:1\r\n*1\r\n:1\r\n", Frame::Array(vec![one(), Frame::Array(vec![one()])])),
        ("~1\r\n:1\r\n", Frame::Set(vec![one()])),
        (">1\r\n:1\r\n", Frame::Push(vec![one()])),
        ("%1\r\n+a\r\n:1\r\n", Frame::Map(vec![(Frame::Simple(b"a".to_vec()), one())])),
        ("|1\r\n:1\r\n:1\r\n*1\r\n:1\r\n", Frame::Attributed(vec![(one(), one())], Frame::Array(vec![one()]).into())),
        ("*1\r\n|0\r\n:1\r\n", Frame::Array(vec![Frame::Attributed(vec![], one().into())])),
        (",1.5\r\n", Frame::Double(1.5)),
        (",-inf\r\n", Frame::Double(f64::NEG_INFINITY)),
        (",1e3\r\n", Frame::Double(1000.0)),
        (",nan\r\n", Frame::Double(f64::NAN)),
        ("#t\r\n", Frame::Boolean(true)),
        ("#f\r\n", Frame::Boolean(false)),
        ("!3\r\nERR\r\n", Frame::BulkError(b"ERR".to_vec())),
        ("=6\r\ntxt:hi\r\n", Frame::Verbatim(*b"txt", b"hi".to_vec())),
        ("(-123456789012345678901\r\n", Frame::BigNumber("-123456789012345678901".into())),
    ];
    for (text, expected) in table {
        let read = decode(text.as_bytes()).unwrap().unwrap();
        assert_eq!(format!("{read:?}"), format!("{expected:?}"), "{text:?}");
    }
}

#[test]
fn malformed_replies_are_refused() {
    let nested = "*1\r\n".repeat(5);
    let attributes = "|0\r\n".repeat(5);
    let long = format!("+{}", "x".repeat(66));
    let table = [
        ("x\r\n", DecodeError::Marker(b'x')),
        ("\r\n", DecodeError::LineEnd),
        ("\n", DecodeError::Marker(b'\n')),
        ("+OK\n", DecodeError::LineEnd),
        ("$1\r\nabc\r\n", DecodeError::LineEnd),
        ("$1\r\na\n\r", DecodeError::LineEnd),
        (":\r\n", DecodeError::Malformed),
        (":1x\r\n", DecodeError::Malformed),
        (":9223372036854775808\r\n", DecodeError::Malformed),
        ("$\r\n", DecodeError::Length),
        ("$-2\r\n", DecodeError::Length),
        ("$+1\r\n", DecodeError::Length),
        ("$101\r\n", DecodeError::Length),
        ("$99999999999999999999999\r\n", DecodeError::Length),
        ("%-1\r\n", DecodeError::Length),
        ("*21\r\n", DecodeError::Length),
        ("%11\r\n", DecodeError::Length),
        ("*15\r\n*10\r\n", DecodeError::TooManyValues),
        ("|10\r\n", DecodeError::TooManyValues),
        ("$?\r\n", DecodeError::Streamed),
        ("*?\r\n", DecodeError::Streamed),
        ("#x\r\n", DecodeError::Malformed),
        ("_x\r\n", DecodeError::Malformed),
        (",\r\n", DecodeError::Malformed),
        (",infinity\r\n", DecodeError::Malformed),
        ("(\r\n", DecodeError::Malformed),
        ("(1.5\r\n", DecodeError::Malformed),
        ("=3\r\ntxt\r\n", DecodeError::Malformed),
        (&nested, DecodeError::Nesting),
        (&attributes, DecodeError::Nesting),
        (&long, DecodeError::LineTooLong),
    ];
    for (text, expected) in table {
        assert_eq!(decode(text.as_bytes()), Err(expected), "{text:?}");
    }
}

#[test]
fn an_error_stays() {
    let mut decoder = Decoder::default();
    decoder.feed(b"x\r\n+OK\r\n");
    assert_eq!(decoder.next_frame(), Err(DecodeError::Marker(b'x')));
    assert_eq!(decoder.next_frame(), Err(DecodeError::Marker(b'x')));
}

#[test]
fn what_follows_a_reply_can_be_taken() {
    let mut decoder = Decoder::default();
    decoder.feed(b"+FULLRESYNC\r\n$5\r\nhello\r\nraw bytes");
    assert_eq!(decoder.next_frame(), Ok(Some(Frame::Simple(b"FULLRESYNC".to_vec()))));
    assert_eq!(decoder.next_frame(), Ok(Some(bulk("hello"))));
    assert_eq!(decoder.take_rest(), b"raw bytes");
    assert_eq!(decoder.heap_bytes(), 0);
    decoder.feed(b":1\r\n");
    assert_eq!(decoder.next_frame(), Ok(Some(Frame::Integer(1))));
    assert_eq!(decoder.next_frame(), Ok(None));
}

#[test]
fn announced_lengths_allocate_nothing() {
    let mut decoder = Decoder::default();
    decoder.feed(b"*1000000\r\n$536870912\r\nx");
    assert_eq!(decoder.next_frame(), Ok(None));
    assert!(decoder.heap_bytes() < 4096);
}

#[test]
fn a_long_string_byte_by_byte_takes_linear_time() {
    let mut decoder = Decoder::default();
    decoder.feed(b"$1000000\r\n");
    for _ in 0..1_000_000 {
        decoder.feed(b"x");
        assert_eq!(decoder.next_frame(), Ok(None));
    }
    decoder.feed(b"\r\n");
    assert!(matches!(decoder.next_frame(), Ok(Some(Frame::Bulk(text))) if text.len() == 1_000_000));
}
