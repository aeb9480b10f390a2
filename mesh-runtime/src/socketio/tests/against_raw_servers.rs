//! Our client against servers that are silent, strange or slow.
