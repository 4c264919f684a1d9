//! The figures of the essay, and the shape of the tree after random changes.
