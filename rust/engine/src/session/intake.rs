//! From bytes to requests: parses ahead, gathers windows, hands over what must run alone.

use std::sync::Arc;

use arrayvec::ArrayVec;
use smallvec::SmallVec;

use super::core::Core;
use crate::dispatch::{self, Call, WINDOW_CALLS_MAX};
use crate::error::Error;
use crate::handler::{Args, Command, CommandTable, Store};
use crate::resp::{ProtocolError, RequestLimits, RequestParser, Span};

/// Arguments after which no further request is parsed ahead.
const WORDS_AHEAD_MAX: usize = 224;
/// Places of arguments kept allocated.
const SPANS_KEPT: usize = 1024;

/// The parser of a session and its scratch memory.
#[derive(Debug)]
pub(super) struct Intake {
    store: Arc<Store>,
    parser: RequestParser,
    spans: Vec<Span>,
    /// Number of the last command in the table: probably that of the next.
    last_command: usize,
}

/// Where the words of a request end, and where the next begins.
#[derive(Clone, Copy, Debug)]
struct Request {
    words: usize,
    end: usize,
}

type Requests = ArrayVec<Request, WINDOW_CALLS_MAX>;
/// A request of more words is none for a window.
type Words<'a> = ArrayVec<&'a [u8], 256>;

impl Intake {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, parser: RequestParser::default(), spans: Vec::new(), last_command: 0 }
    }

    /// Runs every whole request of `input`; returns how many bytes were used up.
    pub(super) fn run(&mut self, core: &mut Core, input: &[u8]) -> usize {
        let mut at = 0;
        while at < input.len() && !core.is_parked() {
            let (mut words, mut requests) = (Words::new(), Requests::new());
            self.gather(core, input, at, &mut words, &mut requests);
            match *requests.as_slice() {
                [] => match self.run_unusual(core, input, at) {
                    Ok(Some(end)) => at = end,
                    Ok(None) => break,
                    Err(error) => {
                        core.protocol_error(error);
                        return input.len();
                    }
                },
                // By far the most frequent round of an unpipelined client.
                [Request { end, .. }] => match run_alone(core, &self.store.table, self.last_command, Args::new(&words))
                {
                    Some(command) => {
                        self.last_command = command;
                        at = end;
                    }
                    None => break,
                },
                _ => at = self.execute(core, at, &words, &requests),
            }
        }
        at
    }

    /// Parses up to a window of requests. Before AUTH none, as it changes the limits.
    #[inline]
    fn gather<'a>(&self, core: &Core, input: &'a [u8], mut at: usize, words: &mut Words<'a>, requests: &mut Requests) {
        let limits = request_limits(core);
        while requests.len() < WINDOW_CALLS_MAX && words.len() < WORDS_AHEAD_MAX && at < input.len() {
            let Some(end) = self.parser.next_whole(input, at, &limits, words) else { break };
            requests.push(Request { words: words.len(), end });
            at = end;
        }
    }

    /// Parses and runs one request that is not whole, or not written as client libraries do: the position behind it, if it is
    /// complete by now.
    #[inline(never)]
    fn run_unusual(&mut self, core: &mut Core, input: &[u8], at: usize) -> Result<Option<usize>, ProtocolError> {
        let limits = request_limits(core);
        let mut spans = std::mem::take(&mut self.spans);
        let mut outcome = self.parser.next(input, at, &limits, &mut spans);
        if let Ok(Some(_)) = outcome {
            let words: SmallVec<[&[u8]; 8]> = spans.iter().map(|span| self.parser.word(input, *span)).collect();
            let args = Args::new(&words);
            if !args.is_empty() {
                match run_alone(core, &self.store.table, self.last_command, args) {
                    Some(command) => self.last_command = command,
                    // It is parsed again when it may run.
                    None => outcome = Ok(None),
                }
            }
        }
        spans.clear();
        if spans.capacity() <= SPANS_KEPT {
            self.spans = spans;
        }
        self.parser.shrink();
        outcome
    }

    /// Runs requests in order, the first of which begins at `begin`; returns the position behind the last that was run. Others
    /// follow it if the session stopped there: they are parsed again, with the limits that hold then.
    #[inline]
    fn execute(&mut self, core: &mut Core, mut begin: usize, words: &[&[u8]], requests: &[Request]) -> usize {
        let table = &self.store.table;
        let mut last = table.all().get(self.last_command);
        let mut window: ArrayVec<Call<'_>, WINDOW_CALLS_MAX> = ArrayVec::new();
        let mut may_share = core.may_share();
        let mut first = 0;
        for request in requests {
            let args = Args::new(words.get(first..request.words).unwrap_or_default());
            let bytes = request.end - begin;
            let call = resolve(table, last, args);
            last = call.as_ref().ok().map(|call| call.command).or(last);
            match call {
                Ok(call) if may_share && dispatch::fits_window(&call, bytes) => window.push(call),
                _ => {
                    core.run_window(&window);
                    window.clear();
                    if core.is_parked() {
                        return begin;
                    }
                    if core.is_held_back(call.as_ref()) {
                        return begin;
                    }
                    run_one(core, args, call.as_ref());
                    if core.is_parked() || !core.is_authenticated() {
                        return request.end;
                    }
                    may_share = core.may_share();
                }
            }
            (first, begin) = (request.words, request.end);
        }
        core.run_window(&window);
        self.last_command = last.map_or(0, |command| usize::from(command.id));
        begin
    }
}

#[inline]
fn resolve<'a>(table: &'a CommandTable, last: Option<&'a Command>, args: Args<'a>) -> Result<Call<'a>, Error> {
    match last {
        // Most clients repeat one command.
        Some(command) if command.is_named(args.word(0)) => Ok(Call { command, args }),
        _ => table.resolve(args).map(|command| Call { command, args }),
    }
}

/// Runs one request; `last` is the number of a command that it probably asks for, and so is the result. `None`: it must
/// wait, and was not run.
#[inline]
fn run_alone(core: &mut Core, table: &CommandTable, last: usize, args: Args<'_>) -> Option<usize> {
    let call = resolve(table, table.all().get(last), args);
    if core.is_held_back(call.as_ref()) {
        return None;
    }
    run_one(core, args, call.as_ref());
    Some(call.map_or(last, |call| usize::from(call.command.id)))
}

fn run_one(core: &mut Core, args: Args<'_>, call: Result<&Call<'_>, &Error>) {
    if call.is_err() {
        refuse_http(args, core);
    }
    core.run_one(call);
}

/// A browser that was lured here speaks HTTP: it is cut off before it can do harm.
fn refuse_http(args: Args<'_>, core: &mut Core) {
    if args.word(0).eq_ignore_ascii_case(b"POST") || args.word(0).eq_ignore_ascii_case(b"host:") {
        log::warn!(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. Connection from {} aborted.",
            core.client.link.origin.peer
        );
        core.abandon();
    }
}

#[inline]
fn request_limits(core: &Core) -> RequestLimits {
    let authenticated = core.is_authenticated();
    RequestLimits { bulk_bytes_max: core.store.settings.bulk_bytes_max(), authenticated, ..RequestLimits::default() }
}
