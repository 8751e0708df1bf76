//! How results are shown: mdadm-style text, JSON, plain explanations.
