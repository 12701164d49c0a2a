//! Every dependency from outside stands once, in the root manifest, with the reason it is there.

use crate::{Finding, Source};

/// Findings over the root manifest: dependencies without a comment above them. Lines directly
/// below one another share the comment above the first.
pub fn check_reasons(root_manifest: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_section = false;
    let mut reasoned = false;
    for line in root_manifest.lines().map(str::trim) {
        if line.starts_with('[') {
            in_section = line == "[workspace.dependencies]";
            reasoned = false;
        } else if line.is_empty() {
            reasoned = false;
        } else if line.starts_with('#') {
            reasoned = line.trim_start_matches('#').trim().len() > 2;
        } else if in_section && !line.contains("path =") && !reasoned {
            let name = line.split('=').next().unwrap_or(line).trim();
            findings.push(format!(
                "Cargo.toml: {name} has no comment that says why it is there"
            ));
        }
    }
    findings
}

/// Findings over a crate's manifest: versions that do not come from the root.
pub fn check_inherited(manifest: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_section = false;
    for line in manifest.text.lines().map(str::trim) {
        if line.starts_with('[') {
            in_section = line.ends_with("dependencies]");
        } else if in_section && line.contains('=') && !line.starts_with('#') {
            let inherited = line.replace(' ', "").contains("workspace=true");
            if !inherited {
                findings.push(format!(
                    "{}: '{line}' is not workspace = true",
                    manifest.path
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_without_a_reason_is_found() {
        let manifest = "[workspace.dependencies]\nown = { path = \"x\" }\n\n# why\na = \"1\"\nb = \"1\"\n\nc = \"1\"\n[profile.dev]\nd = 1\n";
        let findings = check_reasons(manifest);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].contains(" c "));
        assert_eq!(
            check_reasons("[workspace.dependencies]\n#\na = \"1\"").len(),
            1
        );
    }

    #[test]
    fn a_version_in_a_crates_manifest_is_found() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb = { workspace = true, features = [] }\nc = \"1\"\n[dev-dependencies]\nd = \"2\"\n";
        let findings = check_inherited(&Source::new("x/Cargo.toml", text));
        assert_eq!(findings.len(), 2, "{findings:?}");
    }
}
