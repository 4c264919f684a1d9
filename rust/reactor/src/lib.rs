//! Readiness and sockets.
#![forbid(unsafe_code)]
