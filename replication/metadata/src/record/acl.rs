//! Access control entries.

use std::borrow::Cow;

use engine_base::Uuid;
use engine_codec::Codec;

/// Adds one.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct AccessControlEntry<'a> {
    /// Its id.
    pub id: Uuid,
    /// Kind of resource.
    pub resource_type: i8,
    /// Name or pattern of the resource.
    pub resource_name: Cow<'a, str>,
    /// Literal or prefixed.
    pub pattern_type: i8,
    /// Whom it concerns.
    pub principal: Cow<'a, str>,
    /// From where.
    pub host: Cow<'a, str>,
    /// Which operation.
    pub operation: i8,
    /// Allow or deny.
    pub permission_type: i8,
}

/// Removes one.
#[derive(Clone, Debug, PartialEq, Codec)]
#[codec(versions = "0", flexible = "0+")]
pub struct RemoveAccessControlEntry {
    /// Its id.
    pub id: Uuid,
}
