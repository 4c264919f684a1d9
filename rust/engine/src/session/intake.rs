//! From bytes to requests: parses ahead, gathers windows, hands over what must run alone.

use std::sync::Arc;

use smallvec::SmallVec;

use super::core::Core;
use crate::dispatch::{self, Call, WINDOW_CALLS_MAX};
use crate::handler::Args;
use crate::resp::{ProtocolError, RequestLimits, RequestParser, Span};

/// The parser of a session and its scratch memory.
#[derive(Debug, Default)]
pub(super) struct Intake {
    parser: RequestParser,
    spans: Vec<Span>,
    /// Number of the last command in the table: probably that of the next.
    last_command: usize,
}

/// Spans of one request, and where the next begins.
#[derive(Clone, Copy, Debug)]
struct Request {
    first: usize,
    last: usize,
    end: usize,
}

type Requests = SmallVec<[Request; WINDOW_CALLS_MAX]>;

impl Intake {
    /// Runs every whole request of `input`; returns how many bytes were used up.
    pub(super) fn run(&mut self, core: &mut Core, input: &[u8]) -> usize {
        let mut at = 0;
        while !core.is_parked() {
            let mut requests = Requests::new();
            let failure = self.parse(core, input, at, &mut requests);
            let Some(last) = requests.last() else {
                if let Some(error) = failure {
                    core.protocol_error(error);
                    return input.len();
                }
                break;
            };
            let end = last.end;
            let done = self.execute(core, input, &requests);
            at = done.unwrap_or(end);
            if done.is_some() {
                // What was parsed ahead is parsed again, with the limits that hold then.
                self.parser.reset();
                continue;
            }
            if let Some(error) = failure {
                core.protocol_error(error);
                return input.len();
            }
        }
        self.spans.clear();
        if self.spans.capacity() > 1024 {
            self.spans = Vec::new();
        }
        self.parser.shrink();
        at
    }

    /// Parses up to a window of requests. Before AUTH one at a time, as it changes the limits.
    fn parse(&mut self, core: &Core, input: &[u8], mut at: usize, requests: &mut Requests) -> Option<ProtocolError> {
        self.spans.clear();
        let is_authenticated = core.is_authenticated();
        let limits = request_limits(core, is_authenticated);
        let most = if is_authenticated { WINDOW_CALLS_MAX } else { 1 };
        while requests.len() < most && at < input.len() {
            let first = self.spans.len();
            match self.parser.next(input, at, &limits, &mut self.spans) {
                Ok(Some(end)) => {
                    requests.push(Request { first, last: self.spans.len(), end });
                    at = end;
                }
                Ok(None) => break,
                Err(error) => return Some(error),
            }
        }
        None
    }

    /// Runs requests in order. `Some(end)` if the session stopped behind one of them.
    fn execute(&mut self, core: &mut Core, input: &[u8], requests: &[Request]) -> Option<usize> {
        // Extended where it stands: a list of this size is not returned for free.
        let mut words: SmallVec<[&[u8]; 64]> = SmallVec::new();
        words.extend(self.spans.iter().map(|span| self.parser.word(input, *span)));
        let store = Arc::clone(&core.store);
        let mut last = store.table.all().get(self.last_command);
        let mut window: SmallVec<[Call<'_>; WINDOW_CALLS_MAX]> = SmallVec::new();
        let mut may_share = core.may_share();
        for (number, request) in requests.iter().enumerate() {
            let args = Args::new(words.get(request.first..request.last).unwrap_or_default());
            if args.is_empty() {
                continue;
            }
            let call = match last {
                // Most pipelines repeat one command.
                Some(command) if command.is_named(args.word(0)) => Ok(Call { command, args }),
                _ => store.table.resolve(args).map(|command| Call { command, args }),
            };
            if let Ok(call) = &call {
                last = Some(call.command);
                if may_share && dispatch::fits_window(call) {
                    window.push(*call);
                    continue;
                }
            }
            if !window.is_empty() {
                core.run_window(&window);
                window.clear();
                if core.is_parked() {
                    return requests.get(number - 1).map(|request| request.end);
                }
            }
            if call.is_err() {
                refuse_http(args, core);
            }
            core.run_one(&call);
            if core.is_parked() || !core.is_authenticated() {
                return Some(request.end);
            }
            may_share = core.may_share();
        }
        if !window.is_empty() {
            core.run_window(&window);
        }
        self.last_command = last.map_or(0, |command| usize::from(command.id));
        if core.is_parked() { requests.last().map(|request| request.end) } else { None }
    }
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

fn request_limits(core: &Core, authenticated: bool) -> RequestLimits {
    RequestLimits { bulk_bytes_max: core.store.settings.bulk_bytes_max(), authenticated, ..RequestLimits::default() }
}
