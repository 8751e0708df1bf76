//! Members to one array: identify, freshness, trust.
