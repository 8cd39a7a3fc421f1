//! Makes the table of Clerk's Backend API, and the Rust code that follows from it: `make generate SPEC=path/to/bapi.yml`.
//!
//! Without a path it writes the code anew from the table that is here.

mod code;
mod spec;

use std::error::Error;
use std::path::Path;
use std::{env, fs};

use doorward_clerk::Table;

fn main() -> Result<(), Box<dyn Error>> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = home.join("data/backend-api.json");
    if let Some(spec) = env::args_os().nth(1) {
        let overlay = fs::read_to_string(home.join("data/overlay.toml"))?;
        let generator = fs::read_to_string(home.join("examples/generate/spec.rs"))?;
        let table = spec::table(&fs::read_to_string(spec)?, &overlay, &generator)?;
        fs::write(&path, table)?;
    }
    let text: &'static str = fs::read_to_string(&path)?.leak();
    let table = Table::parse(text)?;
    for (name, text) in code::files(&table) {
        fs::write(home.join("src/generated").join(name), text)?;
    }
    Ok(())
}
