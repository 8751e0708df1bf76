//! What each verb does, as a function of an options struct; no clap, no printing.
