//! Cycles of a directed graph, in linear time.

/// Why one transaction comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// It wrote the version before.
    Overwritten,
    /// The other saw what it wrote.
    Seen,
    /// It did not see what the other wrote.
    Missed,
    /// It had ended when the other began.
    Earlier,
}

/// A graph of numbered nodes.
#[derive(Debug)]
pub struct Graph {
    edges: Vec<Vec<(u32, Why)>>,
}

const UNSEEN: u32 = u32::MAX;

/// The state of the search for components (Tarjan), without recursion.
struct Search {
    index: Vec<u32>,
    low: Vec<u32>,
    is_open: Vec<bool>,
    stack: Vec<u32>,
    next: u32,
}

impl Graph {
    /// So many nodes without edges.
    pub fn new(nodes: usize) -> Self {
        Self { edges: vec![Vec::new(); nodes] }
    }

    /// One more node.
    pub fn add(&mut self) -> u32 {
        self.edges.push(Vec::new());
        self.edges.len() as u32 - 1
    }

    /// One comes before the other; nothing comes before itself.
    pub fn edge(&mut self, from: u32, to: u32, why: Why) {
        if from != to {
            self.edges[from as usize].push((to, why));
        }
    }

    /// Nodes of which each comes before itself, by edges up to `most`; empty if there are none.
    pub fn cycle(&self, most: Why) -> Vec<u32> {
        let count = self.edges.len();
        let mut search = Search {
            index: vec![UNSEEN; count],
            low: vec![0; count],
            is_open: vec![false; count],
            stack: Vec::new(),
            next: 0,
        };
        for root in 0..count as u32 {
            if search.index[root as usize] == UNSEEN {
                let found = self.visit(root, most, &mut search);
                if !found.is_empty() {
                    return found;
                }
            }
        }
        Vec::new()
    }

    fn visit(&self, root: u32, most: Why, search: &mut Search) -> Vec<u32> {
        let mut path = vec![(root, 0_usize)];
        search.enter(root);
        while let Some((node, place)) = path.last_mut() {
            let from = *node;
            let Some((to, why)) = self.edges[from as usize].get(*place) else {
                path.pop();
                if let Some((above, _)) = path.last() {
                    let low = search.low[from as usize];
                    search.low[*above as usize] = search.low[*above as usize].min(low);
                }
                let found = search.leave(from);
                if found.len() > 1 {
                    return found;
                }
                continue;
            };
            *place += 1;
            if *why > most {
                continue;
            }
            if search.index[*to as usize] == UNSEEN {
                search.enter(*to);
                path.push((*to, 0));
            } else if search.is_open[*to as usize] {
                search.low[from as usize] = search.low[from as usize].min(search.index[*to as usize]);
            }
        }
        Vec::new()
    }
}

impl Search {
    fn enter(&mut self, node: u32) {
        self.index[node as usize] = self.next;
        self.low[node as usize] = self.next;
        self.next += 1;
        self.is_open[node as usize] = true;
        self.stack.push(node);
    }

    /// The component of a node whose edges were all followed, if it was the first of it.
    fn leave(&mut self, node: u32) -> Vec<u32> {
        if self.low[node as usize] != self.index[node as usize] {
            return Vec::new();
        }
        let place = self.stack.iter().rposition(|other| *other == node).expect("it was entered");
        let found = self.stack.split_off(place);
        for node in &found {
            self.is_open[*node as usize] = false;
        }
        found
    }
}
