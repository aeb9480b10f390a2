//! Our server against clients that are silent, strange or slow.
