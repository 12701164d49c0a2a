//! Quotas, access control, credentials and tokens: kept so that an adopted log loses nothing, and
//! for those who serve them.

use std::collections::BTreeMap;

use engine_base::Uuid;
use engine_codec::IntoOwned;

use crate::error::ApplyError;
use crate::record;

/// Whom a quota binds: type and name of each part, null for the default; sorted by type.
pub type QuotaEntityKey = Vec<(String, Option<String>)>;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SecurityImage {
    /// Quotas by entity, then by key.
    pub quotas: BTreeMap<QuotaEntityKey, BTreeMap<String, f64>>,
    /// Access control entries by id.
    pub acls: BTreeMap<Uuid, record::AccessControlEntry<'static>>,
    /// SCRAM credentials by mechanism and user.
    pub scram: BTreeMap<(i8, String), record::UserScramCredential<'static>>,
    /// Delegation tokens by id.
    pub tokens: BTreeMap<String, record::DelegationToken<'static>>,
}

impl SecurityImage {
    pub(crate) fn quota(&mut self, record: &record::ClientQuota<'_>) {
        let mut entity: QuotaEntityKey = record
            .entity
            .iter()
            .map(|part| {
                (
                    part.entity_type.to_string(),
                    part.entity_name.as_ref().map(|n| n.to_string()),
                )
            })
            .collect();
        entity.sort();
        let quotas = self.quotas.entry(entity.clone()).or_default();
        if record.remove {
            quotas.remove(&*record.key);
        } else {
            quotas.insert(record.key.to_string(), record.value);
        }
        if quotas.is_empty() {
            self.quotas.remove(&entity);
        }
    }

    pub(crate) fn add_acl(&mut self, record: &record::AccessControlEntry<'_>) {
        self.acls.insert(record.id, record.clone().into_owned());
    }

    pub(crate) fn remove_acl(&mut self, id: Uuid) -> Result<(), ApplyError> {
        self.acls
            .remove(&id)
            .map(|_| ())
            .ok_or(ApplyError::UnknownAcl(id))
    }

    pub(crate) fn add_scram(&mut self, record: &record::UserScramCredential<'_>) {
        let key = (record.mechanism, record.name.to_string());
        self.scram.insert(key, record.clone().into_owned());
    }

    pub(crate) fn remove_scram(&mut self, record: &record::RemoveUserScramCredential<'_>) {
        self.scram
            .remove(&(record.mechanism, record.name.to_string()));
    }

    pub(crate) fn add_token(&mut self, record: &record::DelegationToken<'_>) {
        self.tokens
            .insert(record.token_id.to_string(), record.clone().into_owned());
    }

    pub(crate) fn remove_token(&mut self, record: &record::RemoveDelegationToken<'_>) {
        self.tokens.remove(&*record.token_id);
    }
}
