//! One bitmap on a store: open, stream, count, runs, set and clear; the same view for bits and for lockless bytes.
