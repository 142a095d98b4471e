//! Compresses the description of the API, which is part of the executable.

use std::path::PathBuf;
use std::{env, fs, io};

const LEVEL: i32 = 19;

fn main() -> io::Result<()> {
    let document = "../../docs/reference/openapi.json";
    println!("cargo::rerun-if-changed={document}");
    let folder = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    fs::write(folder.join("openapi.json.zst"), zstd::bulk::compress(&fs::read(document)?, LEVEL)?)
}
