//! A Python with DuckDB, for comparing with a second engine (L8) and for reading the lake as others do, and with the
//! writers of typed exports.
//!
//! It needs Python 3.11 or newer and the packages that `tests/oracle/requirements.txt` pins. They live in a virtual
//! environment that is made once below the target folder and kept until the pin changes.

use crate::support;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The Python of the virtual environment, which is made if need be.
pub fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"));
        fs::create_dir_all(home).expect("the target folder can be written");
        // Held until the environment is whole: other test processes wait here.
        let lock = File::create(home.join("oracle.lock")).expect("the lock can be created");
        lock.lock().expect("the lock can be taken");
        let requirements = support::repository().join("tests/oracle/requirements.txt");
        make_environment(&home.join("oracle"), &requirements)
    })
}

fn make_environment(environment: &Path, requirements: &Path) -> PathBuf {
    let pinned = fs::read_to_string(requirements).expect("requirements.txt");
    let made_for = environment.join("made-for.txt");
    let python = environment.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    if fs::read_to_string(&made_for).is_ok_and(|made_for| made_for == pinned) && python.is_file() {
        return python;
    }
    let _ = fs::remove_dir_all(environment);
    let base = if cfg!(windows) { "python" } else { "python3" };
    let advice = "The oracle tests compare the reports with their SQL on DuckDB. They need Python 3.11 or newer with venv \
                  and pip, and a package registry to install DuckDB and the writers of typed exports from, once. Without: \
                  cargo test -- --skip oracle:: --skip typed::";
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!(
            "{command:?} failed: {}\n{advice}",
            String::from_utf8_lossy(&output.stderr)
        ),
        Err(cause) => panic!("{command:?} cannot be run: {cause}\n{advice}"),
    };
    run(Command::new(base).args(["-m", "venv"]).arg(environment));
    run(Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--requirement"])
        .arg(requirements));
    fs::write(made_for, pinned).expect("the target folder can be written");
    python
}
