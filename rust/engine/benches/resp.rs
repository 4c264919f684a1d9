//! Cost of one request in and one reply out, in nanoseconds: `cargo bench -p rkv-engine --bench resp`.

// `Reply::ok` itself is not general over the lifetime of the sink.
#![allow(clippy::redundant_closure_for_method_calls)]

use std::hint::black_box;
use std::time::Instant;

use rkv_collections::bytes::Shared;
use rkv_engine::resp::{Output, Protocol, Reply, RequestLimits, RequestParser, Tape, Value};

const PIPELINE: usize = 64;

/// The best of several rounds, as other work on the machine only ever adds time.
fn measure(name: &str, operations: usize, mut round: impl FnMut()) {
    let mut best = f64::MAX;
    for _ in 0..200 {
        let start = Instant::now();
        for _ in 0..100 {
            round();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / (100 * operations) as f64);
    }
    println!("{name:40} {best:7.1} ns");
}

fn parse(name: &str, request: &[u8]) {
    let input = request.repeat(PIPELINE);
    let limits = RequestLimits::default();
    let mut parser = RequestParser::default();
    let mut spans = Vec::new();
    measure(name, PIPELINE, || {
        let mut at = 0;
        spans.clear();
        while let Ok(Some(next)) = parser.next(black_box(&input), at, &limits, &mut spans) {
            at = next;
        }
        assert_eq!(at, input.len());
        black_box(&spans);
    });
}

fn wire(name: &str, mut write: impl FnMut(&mut Reply<'_>)) {
    let mut output = Output::default();
    measure(name, PIPELINE, || {
        for _ in 0..PIPELINE {
            write(&mut Reply::wire(black_box(&mut output), Protocol::Resp2));
        }
        output.advance(output.len());
    });
}

fn main() {
    parse("parse GET, 16 B key", b"*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n");
    let set = [&b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$64\r\n"[..], &[b'v'; 64], b"\r\n"].concat();
    parse("parse SET, 16 B key, 64 B value", &set);
    parse("parse PING inline", b"PING\r\n");

    let value = [b'v'; 64];
    wire("wire bulk 64 B", |reply| reply.bulk(black_box(&value)));
    let shared = Shared::from(&value[..]);
    wire("wire shared 64 B", |reply| reply.shared(black_box(&shared)));
    wire("wire ok", |reply| reply.ok());
    wire("wire null", |reply| reply.null());
    wire("wire integer 7", |reply| reply.integer(black_box(7)));
    wire("wire integer 123456", |reply| reply.integer(black_box(123_456)));
    wire("wire array of 10 x 64 B", |reply| {
        reply.array(black_box(10));
        for _ in 0..10 {
            reply.bulk(black_box(&value));
        }
    });

    let mut tape = Tape::new();
    measure("tape bulk 64 B, cleared, read back", PIPELINE, || {
        for _ in 0..PIPELINE {
            tape.clear();
            Reply::tape(black_box(&mut tape), Protocol::Resp3).bulk(black_box(&value));
            match tape.iter().next() {
                Some(Value::Bulk(text)) => drop(black_box(text)),
                other => unreachable!("{other:?}"),
            }
        }
    });
}
