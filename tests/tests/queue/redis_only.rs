//! What only an engine in Redis can do: jobs outlive their node, are shared and sealed, and survive failures of Redis
//! itself.

mod damage;
mod durable;
mod leases;
mod places;
mod without_nodes;

use std::{fs, path::Path};

use mesh_tests::RedisServer;

/// All files that a server has written, as on disk.
fn written(server: &RedisServer) -> Vec<u8> {
    fn read(path: &Path, all: &mut Vec<u8>) {
        if path.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                read(&entry.unwrap().path(), all);
            }
        } else {
            all.extend(fs::read(path).unwrap());
        }
    }
    let mut all = Vec::new();
    read(server.directory(), &mut all);
    all
}

fn contains(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|part| part == text.as_bytes())
}
