//! From bytes to requests: parses ahead, gathers windows, hands over what must run alone.

use smallvec::SmallVec;

use super::core::Core;
use crate::dispatch::{Call, WINDOW_CALLS_MAX};
use crate::handler::Args;
use crate::resp::{ProtocolError, RequestLimits, RequestParser, Span};

/// The parser of a session and its scratch memory.
#[derive(Debug, Default)]
pub(super) struct Intake {
    parser: RequestParser,
    spans: Vec<Span>,
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
                    core.protocol_error(&error);
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
                core.protocol_error(&error);
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
    fn execute(&self, core: &mut Core, input: &[u8], requests: &[Request]) -> Option<usize> {
        let words: SmallVec<[&[u8]; 64]> = self.spans.iter().map(|span| self.parser.word(input, *span)).collect();
        let store = std::sync::Arc::clone(&core.store);
        let mut window: SmallVec<[Call<'_>; WINDOW_CALLS_MAX]> = SmallVec::new();
        let mut window_end = 0;
        for request in requests {
            let args = Args::new(words.get(request.first..request.last).unwrap_or_default());
            if args.is_empty() {
                continue;
            }
            let call = store.table.resolve(args).map(|command| Call { command, args });
            if let Ok(call) = &call
                && core.fits_window(call)
            {
                window.push(*call);
                window_end = request.end;
                continue;
            }
            if !window.is_empty() {
                core.run_window(&window);
                window.clear();
                if core.is_parked() {
                    return Some(window_end);
                }
            }
            if call.is_err() {
                refuse_http(args, core);
            }
            core.run_one(&call);
            if core.is_parked() || !core.is_authenticated() {
                return Some(request.end);
            }
        }
        if !window.is_empty() {
            core.run_window(&window);
            if core.is_parked() {
                return Some(window_end);
            }
        }
        None
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
