//! The `#[codec(…)]` attributes, read and checked.

use syn::meta::ParseNestedMeta;
use syn::{Attribute, Error, Expr, LitInt, LitStr, Result, Token};

use crate::versions::Versions;

/// What stands on the struct.
#[derive(Default)]
pub(crate) struct StructAttributes {
    /// The versions of a message; absent on a nested struct.
    pub versions: Option<Versions>,
    /// The flexible versions of a message.
    pub flexible: Option<Versions>,
}

/// What stands on a field.
pub(crate) struct FieldAttributes {
    pub versions: Versions,
    pub nullable: Versions,
    pub default: Option<Expr>,
    pub tag: Option<u32>,
    pub tagged: Versions,
    pub ignorable: bool,
}

impl StructAttributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut parsed = Self::default();
        for_each_key(attributes, |meta| {
            if meta.path.is_ident("versions") {
                parsed.versions = Some(versions(meta)?);
            } else if meta.path.is_ident("flexible") {
                parsed.flexible = Some(versions(meta)?);
            } else {
                return Err(meta.error("a struct takes 'versions' and 'flexible'"));
            }
            Ok(())
        })?;
        if parsed.versions.is_some() != parsed.flexible.is_some() {
            let first = attributes
                .first()
                .expect("a key was read from an attribute");
            let text = "a message states both 'versions' and 'flexible', a nested struct neither";
            return Err(Error::new_spanned(first, text));
        }
        Ok(parsed)
    }
}

impl FieldAttributes {
    pub(crate) fn parse(attributes: &[Attribute]) -> Result<Self> {
        let mut parsed = Self {
            versions: Versions::ALL,
            nullable: Versions::NONE,
            default: None,
            tag: None,
            tagged: Versions::NONE,
            ignorable: false,
        };
        let mut tagged = None;
        for_each_key(attributes, |meta| {
            if meta.path.is_ident("versions") {
                parsed.versions = versions(meta)?;
            } else if meta.path.is_ident("nullable") {
                parsed.nullable = versions(meta)?;
            } else if meta.path.is_ident("default") {
                parsed.default = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("tag") {
                parsed.tag = Some(meta.value()?.parse::<LitInt>()?.base10_parse()?);
            } else if meta.path.is_ident("tagged") {
                tagged = Some(versions(meta)?);
            } else if meta.path.is_ident("ignorable") {
                parsed.ignorable = true;
            } else {
                return Err(meta.error(
                    "a field takes 'versions', 'nullable', 'default', 'tag', 'tagged', 'ignorable'",
                ));
            }
            Ok(())
        })?;
        if parsed.tag.is_some() {
            parsed.tagged = tagged.unwrap_or(parsed.versions);
            if parsed.tagged.highest < parsed.versions.highest {
                let first = attributes
                    .first()
                    .expect("a key was read from an attribute");
                return Err(Error::new_spanned(
                    first,
                    "'tagged' reaches to the last version",
                ));
            }
        } else if tagged.is_some() {
            let first = attributes
                .first()
                .expect("a key was read from an attribute");
            return Err(Error::new_spanned(first, "'tagged' needs a 'tag'"));
        }
        Ok(parsed)
    }
}

fn for_each_key(
    attributes: &[Attribute],
    mut read: impl FnMut(&ParseNestedMeta<'_>) -> Result<()>,
) -> Result<()> {
    for attribute in attributes.iter().filter(|a| a.path().is_ident("codec")) {
        attribute.parse_nested_meta(|meta| {
            let bare = !meta.input.peek(Token![=]);
            if bare && !meta.path.is_ident("ignorable") {
                return Err(meta.error("expected '= value'"));
            }
            read(&meta)
        })?;
    }
    Ok(())
}

fn versions(meta: &ParseNestedMeta<'_>) -> Result<Versions> {
    let text: LitStr = meta.value()?.parse()?;
    Versions::parse(&text.value()).ok_or_else(|| {
        Error::new_spanned(
            &text,
            "expected versions: \"3+\", \"3-5\", \"3\" or \"none\"",
        )
    })
}
