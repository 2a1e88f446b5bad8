//! What we promise about the source itself: headers, sizes, doors, and stages that know only what comes before them.

use crate::cli::COMMANDS;
use crate::support::{self, TABLES};
use gatelog::error::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

const MAX_HEADER_LINES: usize = 25;
const MAX_FILE_LINES: usize = 500;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_TEST_FILE_LINES: usize = 400;

/// Path in the repository → text, for every Rust file below these folders.
fn sources(folders: &[&str]) -> BTreeMap<String, String> {
    let below = |folder: &&str| support::files(&support::repository().join(folder));
    let named = folders.iter().flat_map(|folder| {
        below(folder)
            .into_iter()
            .map(move |(name, path)| (format!("{folder}/{name}"), path))
    });
    let sources: BTreeMap<_, _> = named
        .filter(|(name, _)| name.ends_with(".rs"))
        .map(|(name, path)| (name, fs::read_to_string(path).expect("UTF-8")))
        .collect();
    assert!(sources.len() > 10, "{folders:?} hold the sources");
    sources
}

/// The program and the tests may do what the library may not.
fn is_library(name: &str) -> bool {
    let program = ["main.rs", "cli.rs", "console.rs", "demo.rs"].map(|file| format!("src/{file}"));
    !program.iter().any(|file| file == name) && !name.ends_with("tests.rs")
}

/// A file without its unit tests and comments, which may name anything.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_module_has_a_header_of_at_most_25_lines() {
    let header = |text: &str| text.lines().take_while(|line| line.starts_with("//!")).count();
    let sources = sources(&["src", "tests", "benches"]);
    let faults = sources
        .iter()
        .map(|(name, text)| (name, header(text)))
        .filter(|(_, lines)| !(1..=MAX_HEADER_LINES).contains(lines));
    assert_none(
        faults
            .map(|(name, lines)| format!("{name} has a header of {lines} lines"))
            .collect(),
    );
}

#[test]
fn no_file_is_longer_than_500_lines_and_no_test_file_longer_than_400() {
    let too_long = |(name, text): (String, String)| {
        let (lines, limit) = (
            text.lines().count(),
            if name.starts_with("src/") {
                MAX_FILE_LINES
            } else {
                MAX_TEST_FILE_LINES
            },
        );
        (lines > limit).then(|| format!("{name} has {lines} lines"))
    };
    assert_none(
        sources(&["src", "tests", "benches"])
            .into_iter()
            .filter_map(too_long)
            .collect(),
    );
}

/// First line, name and number of lines of each function. rustfmt closes a function where its line began.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut functions = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let begins = line.trim_start();
        let indent = &line[..line.len() - begins.len()];
        let unprefixed = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async "]
            .iter()
            .fold(begins, |rest, prefix| rest.strip_prefix(prefix).unwrap_or(rest));
        let Some(name) = unprefixed
            .strip_prefix("fn ")
            .and_then(|rest| rest.split(['(', '<']).next())
        else {
            continue;
        };
        let close = format!("{indent}}}");
        // What ends on its first line, or has no body, has no such line before the next function.
        let is_short = line.ends_with('}') || line.ends_with(';');
        let end = lines[number..]
            .iter()
            .position(|line| *line == close)
            .filter(|_| !is_short)
            .unwrap_or(0);
        functions.push((number + 1, name.to_owned(), end + 1));
    }
    functions
}

#[test]
fn no_function_is_longer_than_70_lines() {
    let mut count = 0;
    let mut faults = Vec::new();
    for (name, text) in sources(&["src", "tests", "benches"]) {
        for (line, function, lines) in functions(&text) {
            count += 1;
            if lines > MAX_FUNCTION_LINES {
                faults.push(format!("{name}:{line} {function} has {lines} lines"));
            }
        }
    }
    assert!(count > 300, "the functions were found: {count}");
    assert_none(faults);
}

#[test]
fn functions_are_measured_from_their_first_line_to_their_last() {
    let text = "fn one() {\n    if true {\n    }\n}\n\nimpl X {\n    pub const fn two<T>(\n        x: T,\n    ) {\n    }\n    fn three() {}\n    fn four();\n}\n";
    let expected = [(1, "one", 4), (7, "two", 4), (11, "three", 1), (12, "four", 1)];
    assert_eq!(
        functions(text),
        expected.map(|(line, name, lines)| (line, name.to_owned(), lines))
    );
}

#[test]
fn only_the_program_prints() {
    let doors = ["src/console.rs", "src/main.rs", "src/demo.rs"];
    let prints = ["println!", "eprintln!", "print!(", "eprint!(", "dbg!"];
    let faults = sources(&["src"])
        .into_iter()
        .filter(|(name, _)| !doors.contains(&name.as_str()))
        .flat_map(|(name, text)| {
            let code = code(&text);
            prints
                .into_iter()
                .filter(move |print| code.contains(print))
                .map(move |print| format!("{name} uses {print}"))
        });
    assert_none(faults.collect());
}

#[test]
fn the_library_asks_no_clock_and_no_environment() {
    let doors = [
        "std::env",
        "env::var",
        "SystemTime",
        "Instant::now",
        "Utc::now",
        "Local::now",
        "process::exit",
    ];
    let library = sources(&["src"]).into_iter().filter(|(name, _)| is_library(name));
    let faults = library.flat_map(|(name, text)| {
        let code = code(&text);
        doors
            .into_iter()
            .filter(move |door| code.contains(door))
            .map(move |door| format!("{name} uses {door}"))
    });
    assert_none(faults.collect());
}

#[test]
fn nothing_is_left_to_do() {
    // Spelled in two parts, so that this file does not find itself.
    let markers = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X"].concat(),
        ["to", "do!"].concat(),
        ["unimple", "mented!"].concat(),
    ];
    let faults = sources(&["src", "tests", "benches"])
        .into_iter()
        .flat_map(|(name, text)| {
            markers
                .iter()
                .filter(|marker| text.contains(*marker))
                .map(|marker| format!("{name} says {marker}"))
                .collect::<Vec<_>>()
        });
    assert_none(faults.collect());
}

/// The modules of this crate that a file's code names: the first two parts of every path below `crate`.
fn named_modules(code: &str) -> Vec<String> {
    let flat: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut named = Vec::new();
    for path in flat.split("crate::").skip(1) {
        let grouped = path.strip_prefix('{').and_then(|group| group.split('}').next());
        for path in grouped.map_or(vec![path], |group| group.split(',').collect()) {
            let part = |text: &str| {
                text.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect::<String>()
            };
            let mut parts = path.trim().splitn(2, "::");
            let first = part(parts.next().unwrap_or_default());
            named.push(
                parts
                    .next()
                    .map_or(first.clone(), |rest| format!("{first}::{}", part(rest))),
            );
        }
    }
    named
}

#[test]
fn stages_know_only_what_comes_before_them() {
    // Whose code may not name which modules; a longer name is an exception from a shorter one.
    let nobody: &[&str] = &[
        "ingest", "lake", "report", "query", "write", "generate", "error", "disk",
    ];
    let rules: [(&str, &[&str], &[&str]); 9] = [
        (
            "src/write/",
            &["ingest", "lake", "report", "query", "generate", "record"],
            &["report::table"],
        ),
        ("src/ingest/", &["report", "query", "write", "generate"], &[]),
        ("src/query/", &["ingest", "write", "generate"], &[]),
        ("src/report/", &["ingest", "query", "write", "generate"], &[]),
        ("src/lake/", &["ingest", "report", "query", "write", "generate"], &[]),
        ("src/generate/", &["ingest", "lake", "report", "query", "write"], &[]),
        ("src/columns.rs", nobody, &[]),
        ("src/record.rs", nobody, &[]),
        (
            "src/error.rs",
            &["ingest", "lake", "report", "write", "generate", "record", "disk"],
            &["write::publish"],
        ),
    ];
    let sources = sources(&["src"]);
    let mut faults = Vec::new();
    for (whose, forbidden, but) in rules {
        let files: Vec<_> = sources
            .iter()
            .filter(|(name, _)| name.starts_with(whose) && !name.ends_with("tests.rs"))
            .collect();
        assert!(!files.is_empty(), "{whose} is there");
        for (name, text) in files {
            let named = named_modules(&code(text));
            let is_fault = |module: &&String| {
                let first = module.split("::").next().unwrap_or_default();
                forbidden.contains(&first) && !but.contains(&module.as_str())
            };
            faults.extend(
                named
                    .iter()
                    .filter(is_fault)
                    .map(|module| format!("{name} names {module}")),
            );
        }
    }
    assert_none(faults);
}

#[test]
fn paths_are_seen_in_every_spelling() {
    let code = "use crate::lake::{Lake, x};\nuse crate::{ingest, write::csv};\nfn f() { crate::report::table::g() }";
    assert_eq!(named_modules(code), ["lake::", "ingest", "write::csv", "report::table"]);
}

#[test]
fn the_changelog_speaks_of_this_version() {
    let changelog = fs::read_to_string(support::repository().join("CHANGELOG.md")).expect("a changelog");
    let version = concat!("## ", env!("CARGO_PKG_VERSION"));
    assert!(
        changelog.lines().any(|line| line.starts_with(version)),
        "CHANGELOG.md has no section {version:?}"
    );
}

#[test]
fn the_readme_tells_every_exit_code_and_no_other() {
    let readme = fs::read_to_string(support::repository().join("README.md")).expect("a README");
    let section = readme
        .split("## Exit codes")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next());
    let rows = section
        .expect("a section")
        .lines()
        .filter_map(|line| line.strip_prefix("| "));
    let told: BTreeSet<u8> = rows.filter_map(|row| row.split(' ').next()?.parse().ok()).collect();
    // Done, and committed with rejects, are no errors.
    let known: BTreeSet<u8> = Kind::ALL.map(Kind::exit_code).into_iter().chain([0, 4]).collect();
    assert_eq!(told, known);
    let home = support::home();
    let help = support::gatelog(home.path(), &["--help"]).stdout;
    let codes = help.split("Exit codes: ").nth(1).expect("the codes");
    let in_help: BTreeSet<u8> = codes
        .split('·')
        .flat_map(|part| part.split('\n'))
        .filter_map(|part| part.split_whitespace().next()?.parse().ok())
        .collect();
    assert_eq!(in_help, known);
}

#[test]
fn hints_and_texts_name_only_options_that_exist() {
    let home = support::home();
    let help = |command: &str| support::gatelog(home.path(), &[command, "--help"]).stdout;
    let known: String = COMMANDS.map(help).concat();
    let mut found = 0;
    for (name, text) in sources(&["src"]) {
        let code = code(&text);
        let literals = code.split('"').skip(1).step_by(2);
        for word in literals.flat_map(|literal| literal.split(|c: char| !(c.is_ascii_alphabetic() || c == '-'))) {
            if word.starts_with("--") && word.len() > 2 {
                found += 1;
                assert!(known.contains(word), "{name} names {word}, which no command has");
            }
        }
    }
    assert!(found > 5, "options are named in texts: {found}");
}

#[test]
fn shared_blocks_of_the_queries_are_the_same_text() {
    let mut blocks: BTreeMap<String, Vec<(&str, String)>> = BTreeMap::new();
    for table in TABLES {
        let sql = fs::read_to_string(support::repository().join(format!("queries/{table}.sql"))).expect("a query");
        let mut rest = sql.as_str();
        while let Some((_, after)) = rest.split_once("-- [shared: ") {
            let (name, after) = after.split_once("]\n").expect("a name");
            let (block, after) = after.split_once("-- [end]").expect("an end");
            blocks
                .entry(name.to_owned())
                .or_default()
                .push((table, block.to_owned()));
            rest = after;
        }
        assert_eq!(
            sql.matches("-- [end]").count(),
            sql.matches("-- [shared: ").count(),
            "{table}.sql"
        );
    }
    assert!(!blocks.is_empty(), "the queries share blocks");
    for (name, uses) in blocks {
        assert!(uses.len() > 1, "{name} stands only in {}.sql", uses[0].0);
        for (table, block) in &uses {
            assert!(
                *block == uses[0].1,
                "{name} is not the same in {table}.sql as in {}.sql",
                uses[0].0
            );
        }
    }
}

/// The README's two commands share one build of the dependencies: what only tests need turns on no feature of a crate
/// that the program needs too.
#[test]
fn tests_and_program_share_one_build_of_the_dependencies() {
    let features = |edges: &str| -> BTreeSet<String> {
        let arguments = [
            "tree",
            "--offline",
            "--locked",
            "--prefix",
            "none",
            "-f",
            "{p} [{f}]",
            "-e",
            edges,
        ];
        let tree = std::process::Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        let text = String::from_utf8(tree.stdout).expect("text");
        text.lines()
            .map(|line| line.trim_end_matches(" (*)").to_owned())
            .collect()
    };
    let with_tests = features("normal,build,dev");
    let built_twice = features("normal,build").difference(&with_tests).cloned().collect();
    assert_none(built_twice);
}
