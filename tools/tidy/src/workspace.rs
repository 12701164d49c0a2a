//! What cargo knows about the crates: names, edges, licences, roots.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// One crate, ours or from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// The folder of its manifest; relative to the root for ours.
    pub folder: String,
    /// Whether it stands in this repository.
    pub ours: bool,
    /// SPDX expression; empty when the crate states none.
    pub licence: String,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// The files its targets start from, relative to the root for ours.
    pub roots: Vec<Root>,
}

/// One edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The crate depended upon.
    pub name: String,
    /// Only by tests and benches.
    pub dev: bool,
}

/// Where a target starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// `lib`, `bin`, `test`, …
    pub kind: String,
    /// The file.
    pub path: String,
}

/// Asks cargo, without the network.
///
/// # Panics
/// When cargo fails or answers something else than JSON: nothing can be checked then.
pub fn packages(root: &Path) -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(cargo)
        .args([
            "metadata",
            "--offline",
            "--format-version=1",
            "--filter-platform",
            &platform,
        ])
        .current_dir(root)
        .output()
        .expect("cargo runs this test, so it can be run");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).expect("cargo answers UTF-8");
    parse(&text, root)
}

/// Reads cargo's answer.
///
/// # Panics
/// When it is not cargo's answer.
pub fn parse(metadata: &str, root: &Path) -> Vec<Package> {
    let metadata: Value = serde_json::from_str(metadata).expect("cargo answers JSON");
    // With a platform given, the resolution holds what that platform builds; `packages` may
    // list more.
    let resolved: Option<Vec<&str>> = metadata["resolve"]["nodes"].as_array().map(|nodes| {
        nodes
            .iter()
            .filter_map(|node| node["id"].as_str())
            .collect()
    });
    let built = |package: &&Value| {
        let id = package["id"].as_str().unwrap_or_default();
        resolved.as_ref().is_none_or(|ids| ids.contains(&id))
    };
    let all = metadata["packages"]
        .as_array()
        .expect("cargo lists packages");
    all.iter()
        .filter(built)
        .map(|package| one(package, root))
        .collect()
}

fn one(package: &Value, root: &Path) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let relative = |path: &str| {
        let path = Path::new(path);
        path.strip_prefix(root)
            .unwrap_or(path)
            .display()
            .to_string()
    };
    let manifest = text(&package["manifest_path"]);
    let folder = manifest.strip_suffix("/Cargo.toml").unwrap_or(&manifest);
    Package {
        name: text(&package["name"]),
        folder: relative(folder),
        ours: package["source"].is_null(),
        licence: text(&package["license"]),
        dependencies: list(&package["dependencies"])
            .iter()
            .map(|edge| Dependency {
                name: text(&edge["name"]),
                dev: edge["kind"] == "dev",
            })
            .collect(),
        roots: list(&package["targets"])
            .iter()
            .map(|target| Root {
                kind: text(&target["kind"][0]),
                path: relative(&text(&target["src_path"])),
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_names_edges_and_roots() {
        let metadata = r#"{"packages": [
            {"id": "a", "name": "engine-log", "source": null, "license": "Apache-2.0",
             "manifest_path": "/r/engine/log/Cargo.toml",
             "dependencies": [{"name": "libc", "kind": null}, {"name": "proptest", "kind": "dev"}],
             "targets": [{"kind": ["lib"], "src_path": "/r/engine/log/src/lib.rs"}]},
            {"id": "b", "name": "unused", "source": "registry", "manifest_path": "/c/unused/Cargo.toml"}
        ], "resolve": {"nodes": [{"id": "a"}]}}"#;
        let packages = parse(metadata, Path::new("/r"));
        assert_eq!(packages.len(), 1);
        let log = &packages[0];
        assert_eq!((log.folder.as_str(), log.ours), ("engine/log", true));
        assert_eq!(log.roots[0].path, "engine/log/src/lib.rs");
        let dev: Vec<_> = log.dependencies.iter().map(|edge| edge.dev).collect();
        assert_eq!(dev, [false, true]);
    }
}
