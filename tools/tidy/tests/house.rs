//! The rules, on this repository.

use tools_tidy::{
    Source, crate_roots, dead_files, dependencies, layers, lengths, licences, repository,
    system_calls, unsafe_sites, words, workspace,
};

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

fn sources() -> Vec<Source> {
    let sources = repository::rust_sources(&repository::root());
    assert!(
        sources.len() > 50,
        "only {} files were found",
        sources.len()
    );
    sources
}

#[test]
fn imports_go_one_way() {
    assert_none(&layers::check(&workspace::packages(&repository::root())));
}

#[test]
fn every_dependency_has_its_reason_and_an_allowed_licence() {
    let root = repository::root();
    let manifest = |folder: &str| repository::read(&root.join(folder).join("Cargo.toml"));
    let packages = workspace::packages(&root);
    let mut findings = dependencies::check_reasons(&manifest(""));
    findings.extend(licences::check(&packages));
    for package in packages.iter().filter(|package| package.ours) {
        let path = format!("{}/Cargo.toml", package.folder);
        let source = Source {
            path,
            text: manifest(&package.folder),
        };
        findings.extend(dependencies::check_inherited(&source));
    }
    assert_none(&findings);
}

#[test]
fn crates_say_what_they_are_and_forbid_unsafe_code() {
    let packages = workspace::packages(&repository::root());
    assert_none(&crate_roots::check(&packages, &sources()));
}

#[test]
fn unsafe_stands_only_in_its_sites() {
    assert_none(&unsafe_sites::check(&sources()));
}

#[test]
fn only_the_runtime_asks_the_system() {
    assert_none(&system_calls::check(&sources()));
}

#[test]
fn files_stay_short() {
    let record = repository::read(&repository::root().join("tools/tidy/lengths.txt"));
    assert_none(&lengths::check(&sources(), &record));
}

#[test]
fn nothing_is_left_unfinished() {
    assert_none(&words::check(&sources()));
}

#[test]
fn every_file_is_compiled() {
    let packages = workspace::packages(&repository::root());
    assert_none(&dead_files::check(&packages, &sources()));
}
