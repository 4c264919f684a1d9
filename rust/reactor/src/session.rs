//! The engine's sessions as machines.

use std::io::IoSlice;

use rkv_engine::session::Session;

use crate::machine::Machine;

impl Machine for Session {
    fn receive(&mut self, bytes: &[u8]) {
        Session::receive(self, bytes);
    }

    fn poll(&mut self) {
        Session::poll(self);
    }

    fn output(&self) -> &[u8] {
        Session::output(self)
    }

    fn output_slices<'a>(&'a self, into: &mut [IoSlice<'a>]) -> usize {
        Session::output_slices(self, into)
    }

    fn advance(&mut self, sent: usize) {
        Session::advance(self, sent);
    }

    fn wants_input(&self) -> bool {
        Session::wants_input(self)
    }

    fn closing(&self) -> bool {
        Session::closing(self)
    }

    fn deadline(&self) -> Option<u64> {
        Session::deadline(self)
    }

    fn withheld(&self) -> bool {
        Session::is_withheld(self)
    }
}
