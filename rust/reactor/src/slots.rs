//! The connections of one thread, by index.

use crate::connection::Connection;

/// A place for a connection. Its generation tells the connection that is there from those that were.
struct Slot<M> {
    generation: u32,
    connection: Option<Box<Connection<M>>>,
}

/// A slab of connections. They are boxed, so that a growing slab moves pointers and an empty place costs 16 bytes.
pub(crate) struct Slots<M> {
    slots: Vec<Slot<M>>,
    free: Vec<u32>,
}

impl<M> Slots<M> {
    pub(crate) fn new() -> Self {
        Slots { slots: Vec::new(), free: Vec::new() }
    }

    /// A place for a connection to come: its index and generation.
    pub(crate) fn reserve(&mut self) -> (u32, u32) {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, connection: None });
            (self.slots.len() - 1) as u32
        });
        (index, self.slots[index as usize].generation)
    }

    /// Fills a reserved place.
    pub(crate) fn put(&mut self, index: u32, connection: Box<Connection<M>>) {
        self.slots[index as usize].connection = Some(connection);
    }

    /// The connection at `index`, if there is one.
    pub(crate) fn get(&mut self, index: u32) -> Option<&mut Connection<M>> {
        self.slots.get_mut(index as usize)?.connection.as_deref_mut()
    }

    /// The generation of a place.
    pub(crate) fn generation(&self, index: u32) -> Option<u32> {
        Some(self.slots.get(index as usize)?.generation)
    }

    /// Empties a place, reserved or filled, and makes it free for the next generation.
    pub(crate) fn release(&mut self, index: u32) -> Option<Box<Connection<M>>> {
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(index);
        slot.connection.take()
    }

    /// The indices of all connections.
    pub(crate) fn occupied(&self) -> Vec<u32> {
        let of_slot = |(index, slot): (usize, &Slot<M>)| slot.connection.is_some().then_some(index as u32);
        self.slots.iter().enumerate().filter_map(of_slot).collect()
    }
}
