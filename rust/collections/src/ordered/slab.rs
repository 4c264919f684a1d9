//! Nodes by number, in chunks that are allocated and given back one by one: no node is ever copied because others came.

/// Low bits of a number, which say the place in its chunk.
const CHUNK_BITS: u32 = u64::BITS.ilog2();
/// Most bytes of a chunk: a little below a size that allocators like.
const CHUNK_BYTES_MAX: usize = (32 << 10) - 64;

/// Nodes of one kind. Their numbers stay what they are as long as they are in use.
pub(super) struct Slab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks with a free node.
    available: Vec<u32>,
    /// Numbers of chunks that were given back.
    vacant: Vec<u32>,
    /// Heap bytes of all chunks' nodes: a sum over them would take long, and is asked for after every change.
    pub(super) nodes_bytes: usize,
    #[cfg(test)]
    pub(super) touched: std::cell::Cell<u64>,
}

struct Chunk<T> {
    /// Room for the whole chunk; a node is made when it is first used, so that a chunk costs nothing at once.
    nodes: Vec<T>,
    /// One bit per free node.
    free: u64,
    /// Where `available` names this chunk, if it does.
    place: u32,
}

const fn split(number: u32) -> (usize, usize) {
    (number as usize >> CHUNK_BITS, number as usize % (1 << CHUNK_BITS))
}

impl<T: Copy> Slab<T> {
    /// Most nodes of a chunk.
    pub(super) const CHUNK_NODES: usize = CHUNK_BYTES_MAX / size_of::<T>();

    /// One bit for each node of the chunk of a number: the first few are small, as a small tree is.
    const fn all_free(chunk: usize) -> u64 {
        const { assert!(Self::CHUNK_NODES <= 1 << CHUNK_BITS) };
        let nodes = if chunk > CHUNK_BITS as usize { Self::CHUNK_NODES } else { 1 << chunk.saturating_sub(1) };
        u64::MAX >> (u64::BITS as usize - if nodes < Self::CHUNK_NODES { nodes } else { Self::CHUNK_NODES })
    }

    pub(super) const fn new() -> Self {
        Slab {
            chunks: Vec::new(),
            available: Vec::new(),
            vacant: Vec::new(),
            nodes_bytes: 0,
            #[cfg(test)]
            touched: std::cell::Cell::new(0),
        }
    }

    /// Heap bytes, those reserved for nodes to come included.
    pub(super) fn bytes(&self) -> usize {
        self.nodes_bytes
            + self.chunks.capacity() * size_of::<Chunk<T>>()
            + (self.available.capacity() + self.vacant.capacity()) * size_of::<u32>()
    }

    #[inline]
    pub(super) fn get(&self, number: u32) -> &T {
        self.touch(1);
        let (chunk, node) = split(number);
        &self.chunks[chunk].nodes[node]
    }

    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        self.touch(1);
        let (chunk, node) = split(number);
        &mut self.chunks[chunk].nodes[node]
    }

    /// Two different nodes at once.
    pub(super) fn pair_mut(&mut self, one: u32, other: u32) -> [&mut T; 2] {
        self.touch(2);
        let ((chunk, node), (other_chunk, other_node)) = (split(one), split(other));
        if chunk == other_chunk {
            return self.chunks[chunk].nodes.get_disjoint_mut([node, other_node]).expect("the nodes are two");
        }
        let [first, second] = self.chunks.get_disjoint_mut([chunk, other_chunk]).expect("the chunks are two");
        [&mut first.nodes[node], &mut second.nodes[other_node]]
    }

    /// Puts `value` into a free node and gives its number.
    pub(super) fn add(&mut self, value: T) -> u32 {
        self.touch(1);
        if self.available.is_empty() {
            self.add_chunk();
        }
        let number = *self.available.last().expect("a chunk was just added");
        let chunk = &mut self.chunks[number as usize];
        let node = chunk.free.trailing_zeros();
        chunk.free &= chunk.free - 1;
        if chunk.free == 0 {
            self.available.pop();
        }
        // The lowest free one comes first, so what was never used is used in order.
        match chunk.nodes.get_mut(node as usize) {
            Some(used_before) => *used_before = value,
            None => chunk.nodes.push(value),
        }
        number << CHUNK_BITS | node
    }

    fn add_chunk(&mut self) {
        let number = self.vacant.pop().unwrap_or(self.chunks.len() as u32);
        let free = Self::all_free(number as usize);
        let place = self.available.len() as u32;
        let chunk = Chunk { nodes: Vec::with_capacity(free.count_ones() as usize), free, place };
        self.nodes_bytes += chunk.nodes.capacity() * size_of::<T>();
        match self.chunks.get_mut(number as usize) {
            Some(vacant) => *vacant = chunk,
            None => self.chunks.push(chunk),
        }
        self.available.push(number);
    }

    /// Gives a node back, and its chunk if that was the last one of it.
    pub(super) fn release(&mut self, number: u32) {
        let (index, node) = split(number);
        let chunk = &mut self.chunks[index];
        if chunk.free == 0 {
            chunk.place = self.available.len() as u32;
            self.available.push(index as u32);
        }
        chunk.free |= 1 << node;
        if chunk.free == Self::all_free(index) {
            self.nodes_bytes -= chunk.nodes.capacity() * size_of::<T>();
            chunk.nodes = Vec::new();
            chunk.free = 0;
            let place = chunk.place as usize;
            self.available.swap_remove(place);
            if let Some(&moved) = self.available.get(place) {
                self.chunks[moved as usize].place = place as u32;
            }
            self.vacant.push(index as u32);
        }
    }

    #[cfg(not(test))]
    #[inline]
    #[expect(clippy::unused_self, reason = "tests count")]
    fn touch(&self, _: u64) {}

    #[cfg(test)]
    fn touch(&self, nodes: u64) {
        self.touched.set(self.touched.get() + nodes);
    }

    /// Heap bytes of all chunks' nodes, counted.
    #[cfg(test)]
    pub(super) fn counted_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.nodes.capacity() * size_of::<T>()).sum()
    }

    /// Nodes in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        let used = |(index, chunk): (usize, &Chunk<T>)| {
            if chunk.nodes.capacity() == 0 { 0 } else { (Self::all_free(index) ^ chunk.free).count_ones() as usize }
        };
        self.chunks.iter().enumerate().map(used).sum()
    }
}
