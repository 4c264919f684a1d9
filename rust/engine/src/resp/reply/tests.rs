use proptest::prelude::*;

use super::super::Value;
use super::super::decode::{DecodeLimits, Decoder, Frame};
use super::super::output::SPLICE_BYTES_MIN;
use super::*;

/// A reply as a tree, to write it with every method of the sink.
#[derive(Clone, Debug)]
enum Node {
    Ok,
    Queued,
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(Vec<u8>),
    BulkInteger(i64),
    Shared(Vec<u8>),
    Null,
    NullArray,
    Double(f64),
    Boolean(bool),
    Verbatim(Vec<u8>),
    BigNumber(i128),
    Array(Vec<Node>),
    Set(Vec<Node>),
    Push(Vec<Node>),
    Map(Vec<(Node, Node)>),
    LateArray(Vec<Node>),
    LateSet(Vec<Node>),
    LateMap(Vec<(Node, Node)>),
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        Just(Node::Ok),
        Just(Node::Queued),
        "[ -~]{0,20}".prop_map(Node::Simple),
        "[A-Z]{1,8} [ -~]{0,20}".prop_map(Node::Error),
        any::<i64>().prop_map(Node::Integer),
        (-200_i64..200).prop_map(Node::Integer),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(Node::Bulk),
        any::<i64>().prop_map(Node::BulkInteger),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Node::Shared),
        (0_usize..3).prop_map(|more| Node::Shared(vec![b's'; SPLICE_BYTES_MIN + more])),
        Just(Node::Null),
        Just(Node::NullArray),
        any::<f64>().prop_map(Node::Double),
        (-1000_i32..1000).prop_map(|value| Node::Double(f64::from(value) / 8.0)),
        any::<bool>().prop_map(Node::Boolean),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Node::Verbatim),
        any::<i128>().prop_map(Node::BigNumber),
    ];
    leaf.prop_recursive(4, 64, 14, |inner| {
        let list = || prop::collection::vec(inner.clone(), 0..14);
        let pairs = || prop::collection::vec((inner.clone(), inner.clone()), 0..7);
        prop_oneof![
            list().prop_map(Node::Array),
            list().prop_map(Node::Set),
            list().prop_map(Node::Push),
            pairs().prop_map(Node::Map),
            list().prop_map(Node::LateArray),
            list().prop_map(Node::LateSet),
            pairs().prop_map(Node::LateMap),
        ]
    })
}

fn write(node: &Node, reply: &mut Reply<'_>) {
    match node {
        Node::Ok => reply.ok(),
        Node::Queued => reply.queued(),
        Node::Simple(text) => reply.simple(text),
        Node::Error(text) => reply.error(&Error::text(text.as_str())),
        Node::Integer(value) => reply.integer(*value),
        Node::Bulk(text) => reply.bulk(text),
        Node::BulkInteger(value) => reply.bulk_integer(*value),
        Node::Shared(text) => reply.shared(&Shared::from(&text[..])),
        Node::Null => reply.null(),
        Node::NullArray => reply.null_array(),
        Node::Double(value) => reply.double(*value),
        Node::Boolean(value) => reply.boolean(*value),
        Node::Verbatim(text) => reply.verbatim("mkd", text),
        Node::BigNumber(value) => reply.big_number(&value.to_string()),
        Node::Array(list) => {
            reply.array(list.len());
            write_list(list, reply);
        }
        Node::Set(list) => {
            reply.set(list.len());
            write_list(list, reply);
        }
        Node::Push(list) => {
            reply.push(list.len());
            write_list(list, reply);
        }
        Node::Map(pairs) => {
            reply.map(pairs.len());
            write_pairs(pairs, reply);
        }
        Node::LateArray(list) => {
            let at = reply.array_deferred();
            write_list(list, reply);
            reply.fill_array(at, list.len());
        }
        Node::LateSet(list) => {
            let at = reply.set_deferred();
            write_list(list, reply);
            reply.fill_set(at, list.len());
        }
        Node::LateMap(pairs) => {
            let at = reply.map_deferred();
            write_pairs(pairs, reply);
            reply.fill_map(at, pairs.len());
        }
    }
}

fn write_list(list: &[Node], reply: &mut Reply<'_>) {
    for node in list {
        write(node, &mut reply.by_ref());
    }
}

fn write_pairs(pairs: &[(Node, Node)], reply: &mut Reply<'_>) {
    for (key, value) in pairs {
        write(key, reply);
        write(value, reply);
    }
}

/// What a client must read.
fn frame(node: &Node, protocol: Protocol) -> Frame {
    let resp3 = protocol == Protocol::Resp3;
    let list = |list: &[Node]| list.iter().map(|node| frame(node, protocol)).collect::<Vec<_>>();
    let bulk = |text: String| Frame::Bulk(text.into_bytes());
    match node {
        Node::Ok => Frame::Simple(b"OK".to_vec()),
        Node::Queued => Frame::Simple(b"QUEUED".to_vec()),
        Node::Simple(text) => Frame::Simple(text.clone().into_bytes()),
        Node::Error(text) => Frame::Error(text.clone().into_bytes()),
        Node::Integer(value) => Frame::Integer(*value),
        Node::BulkInteger(value) => bulk(value.to_string()),
        Node::NullArray if !resp3 => Frame::NullArray,
        Node::Null | Node::NullArray => Frame::Null,
        Node::Double(value) if resp3 => Frame::Double(*value),
        Node::Double(value) => Frame::Bulk(number::format_f64(*value).to_vec()),
        Node::Boolean(value) if resp3 => Frame::Boolean(*value),
        Node::Boolean(value) => Frame::Integer(i64::from(*value)),
        Node::Verbatim(text) if resp3 => Frame::Verbatim(*b"mkd", text.clone()),
        Node::Bulk(text) | Node::Shared(text) | Node::Verbatim(text) => Frame::Bulk(text.clone()),
        Node::BigNumber(value) if resp3 => Frame::BigNumber(value.to_string()),
        Node::BigNumber(value) => bulk(value.to_string()),
        Node::Set(nodes) | Node::LateSet(nodes) if resp3 => Frame::Set(list(nodes)),
        Node::Push(nodes) if resp3 => Frame::Push(list(nodes)),
        Node::Array(nodes) | Node::LateArray(nodes) | Node::Set(nodes) | Node::LateSet(nodes) | Node::Push(nodes) => {
            Frame::Array(list(nodes))
        }
        Node::Map(pairs) | Node::LateMap(pairs) => {
            let pairs = pairs.iter().map(|(key, value)| (frame(key, protocol), frame(value, protocol)));
            if resp3 {
                Frame::Map(pairs.collect())
            } else {
                Frame::Array(pairs.flat_map(|(key, value)| [key, value]).collect())
            }
        }
    }
}

/// What stands in an output.
fn wire_bytes(output: &Output) -> Vec<u8> {
    let mut slices = vec![std::io::IoSlice::new(&[]); 4096];
    let used = output.slices(&mut slices);
    let bytes: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
    assert_eq!(bytes.len(), output.len());
    bytes
}

fn encoded(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> Vec<u8> {
    let mut output = Output::default();
    write(&mut Reply::wire(&mut output, protocol));
    wire_bytes(&output)
}

/// Plays a tape to a connection.
fn play(tape: &Tape, reply: &mut Reply<'_>) {
    for value in tape {
        match value {
            Value::Simple(text) => reply.simple(text),
            Value::Error(error) => reply.error(error),
            Value::Integer(value) => reply.integer(value),
            Value::Bulk(text) => reply.bulk(text),
            Value::Shared(buffer) => reply.shared(buffer),
            Value::Null => reply.null(),
            Value::NullArray => reply.null_array(),
            Value::Array(count) => reply.array(count),
            Value::Map(count) => reply.map(count),
            Value::Set(count) => reply.set(count),
            Value::Push(count) => reply.push(count),
            Value::Attribute(count) => reply.attribute(count),
            Value::Double(value) => reply.double(value),
            Value::Boolean(value) => reply.boolean(value),
            Value::Verbatim(format, text) => reply.verbatim(std::str::from_utf8(&format).unwrap(), text),
            Value::BigNumber(digits) => reply.big_number(digits),
        }
    }
}

/// Equal, counting every NaN as the same.
fn same(left: &Frame, right: &Frame) -> bool {
    format!("{left:?}") == format!("{right:?}")
}

proptest! {
    #[test]
    fn replies_survive_the_wire(node in node()) {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let bytes = encoded(protocol, |reply| write(&node, reply));
            let mut decoder = Decoder::new(DecodeLimits::default());
            decoder.feed(&bytes);
            let read = decoder.next_frame().unwrap().unwrap();
            let expected = frame(&node, protocol);
            prop_assert!(same(&read, &expected), "{read:?} is not {expected:?}");
            prop_assert!(decoder.take_rest().is_empty());
        }
    }

    #[test]
    fn the_tape_says_what_the_wire_says(node in node()) {
        let mut tape = Tape::new();
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            tape.clear();
            write(&node, &mut Reply::tape(&mut tape, protocol));
            let played = encoded(protocol, |reply| play(&tape, reply));
            prop_assert_eq!(played, encoded(protocol, |reply| write(&node, reply)));
        }
    }
}

type Write = fn(&mut Reply<'_>);

#[test]
fn every_reply_has_its_text() {
    let table: &[(Write, &str, &str)] = &[
        (|r| r.ok(), "+OK\r\n", "+OK\r\n"),
        (|r| r.queued(), "+QUEUED\r\n", "+QUEUED\r\n"),
        (|r| r.simple("PONG"), "+PONG\r\n", "+PONG\r\n"),
        (|r| r.error(&crate::error::SYNTAX), "-ERR syntax error\r\n", "-ERR syntax error\r\n"),
        (|r| r.integer(-1), ":-1\r\n", ":-1\r\n"),
        (|r| r.integer(9), ":9\r\n", ":9\r\n"),
        (|r| r.integer(i64::MIN), ":-9223372036854775808\r\n", ":-9223372036854775808\r\n"),
        (|r| r.bulk(b""), "$0\r\n\r\n", "$0\r\n\r\n"),
        (|r| r.bulk(&[b'x'; 10]), "$10\r\nxxxxxxxxxx\r\n", "$10\r\nxxxxxxxxxx\r\n"),
        (|r| r.shared(&Shared::from(&b"ab"[..])), "$2\r\nab\r\n", "$2\r\nab\r\n"),
        (|r| r.bulk_integer(-12), "$3\r\n-12\r\n", "$3\r\n-12\r\n"),
        (|r| r.null(), "$-1\r\n", "_\r\n"),
        (|r| r.null_array(), "*-1\r\n", "_\r\n"),
        (|r| r.array(0), "*0\r\n", "*0\r\n"),
        (|r| r.array(100), "*100\r\n", "*100\r\n"),
        (|r| r.map(8), "*16\r\n", "%8\r\n"),
        (|r| r.set(3), "*3\r\n", "~3\r\n"),
        (|r| r.push(3), "*3\r\n", ">3\r\n"),
        (|r| r.attribute(1), "*2\r\n", "|1\r\n"),
        (|r| r.double(1.5), "$3\r\n1.5\r\n", ",1.5\r\n"),
        (|r| r.double(3.0), "$1\r\n3\r\n", ",3\r\n"),
        (|r| r.double(-0.0), "$2\r\n-0\r\n", ",-0\r\n"),
        (|r| r.double(f64::INFINITY), "$3\r\ninf\r\n", ",inf\r\n"),
        (|r| r.double(f64::NEG_INFINITY), "$4\r\n-inf\r\n", ",-inf\r\n"),
        (|r| r.double(f64::NAN), "$3\r\nnan\r\n", ",nan\r\n"),
        (|r| r.boolean(true), ":1\r\n", "#t\r\n"),
        (|r| r.boolean(false), ":0\r\n", "#f\r\n"),
        (|r| r.verbatim("txt", b"hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n"),
        (|r| r.big_number("123"), "$3\r\n123\r\n", "(123\r\n"),
    ];
    for (write, resp2, resp3) in table {
        assert_eq!(encoded(Protocol::Resp2, write).escape_ascii().to_string(), resp2.escape_default().to_string());
        assert_eq!(encoded(Protocol::Resp3, write).escape_ascii().to_string(), resp3.escape_default().to_string());
    }
}

#[test]
fn a_deferred_header_moves_what_follows() {
    let large = Shared::from(vec![b's'; SPLICE_BYTES_MIN]);
    let late = encoded(Protocol::Resp3, |reply| {
        reply.shared(&large);
        let outer = reply.map_deferred();
        reply.bulk(b"key");
        let inner = reply.array_deferred();
        for _ in 0..1000 {
            reply.integer(1);
        }
        reply.shared(&large);
        reply.fill_array(inner, 1001);
        reply.fill_map(outer, 1);
        reply.shared(&large);
    });
    let early = encoded(Protocol::Resp3, |reply| {
        reply.shared(&large);
        reply.map(1);
        reply.bulk(b"key");
        reply.array(1001);
        for _ in 0..1000 {
            reply.integer(1);
        }
        reply.shared(&large);
        reply.shared(&large);
    });
    assert!(late == early);
}

#[test]
fn large_shared_values_are_not_copied() {
    let large = Shared::from(vec![b's'; SPLICE_BYTES_MIN]);
    let mut output = Output::default();
    Reply::wire(&mut output, Protocol::Resp2).shared(&large);
    assert!(output.heap_bytes() < 1024);
    let mut tape = Tape::new();
    Reply::tape(&mut tape, Protocol::Resp2).shared(&large);
    assert!(tape.heap_bytes() < 1024);
    assert!(matches!(tape.iter().next(), Some(Value::Shared(buffer)) if buffer.is_same(&large)));
}

#[test]
fn a_tape_can_be_rewound() {
    let mut tape = Tape::new();
    Reply::tape(&mut tape, Protocol::Resp2).bulk(b"kept");
    let position = tape.position();
    let mut reply = Reply::tape(&mut tape, Protocol::Resp2);
    reply.array(2);
    reply.error(&crate::error::SYNTAX);
    reply.shared(&Shared::from(vec![0; SPLICE_BYTES_MIN]));
    tape.truncate(position);
    assert_eq!(tape.iter().collect::<Vec<_>>(), [Value::Bulk(b"kept")]);
    Reply::tape(&mut tape, Protocol::Resp2).bulk(&vec![0; 1 << 20]);
    tape.clear();
    assert!(tape.is_empty());
    assert!(tape.heap_bytes() <= 256 * 1024);
}
