//! What stands before each message: which API and version, which answer belongs to which request.
//!
//! ```text
//! request v1:  api key i16 | version i16 | correlation i32 | client id nullable string
//!         v2:  the same, then tagged fields (the client id stays in the classic form)
//! response v0: correlation i32
//!          v1: the same, then tagged fields
//! ```
//!
//! Request header v0 has no client id and belonged to one removed API.

use std::borrow::Cow;
use std::fmt;

use engine_codec::{DecodeError, EncodeError, Reader, Writer};

use crate::ApiKey;
use crate::versions::window_with_code;

/// The head of a request that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHeader<'a> {
    /// The API.
    pub api_key: ApiKey,
    /// The version of the request and of its answer.
    pub api_version: i16,
    /// Returned with the answer.
    pub correlation_id: i32,
    /// The client's name for itself; null if it has none.
    pub client_id: Option<Cow<'a, str>>,
}

/// Why a request is not served. All but the last close the connection without an answer, as in
/// Kafka: what follows in the stream cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// The header or the body is not what its version says.
    Malformed(DecodeError),
    /// No such API here.
    UnknownApiKey {
        /// The key on the wire.
        code: i16,
    },
    /// No such version of the API here.
    UnsupportedVersion {
        /// The API.
        api_key: ApiKey,
        /// The version asked for.
        api_version: i16,
    },
    /// ApiVersions in a version we do not have. It is answered in version 0 with
    /// `versions::unsupported_api_versions_response`; its body is not read.
    UnsupportedApiVersions {
        /// Returned with the answer.
        correlation_id: i32,
    },
}

impl From<DecodeError> for RequestError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "malformed request: {error}"),
            Self::UnknownApiKey { code } => write!(f, "unknown api key {code}"),
            Self::UnsupportedVersion {
                api_key,
                api_version,
            } => write!(f, "{api_key} has no version {api_version} here"),
            Self::UnsupportedApiVersions { .. } => {
                f.write_str("ApiVersions in a version that does not exist here")
            }
        }
    }
}

impl std::error::Error for RequestError {}

impl<'a> RequestHeader<'a> {
    /// Reads the head of a frame and leaves the body in the reader. Key and version are checked
    /// here: whoever holds a `RequestHeader` may serve it.
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, RequestError> {
        let code = reader.i16()?;
        let api_version = reader.i16()?;
        let correlation_id = reader.i32()?;
        let window = window_with_code(code).ok_or(RequestError::UnknownApiKey { code })?;
        let api_key = window.key;
        let is_served = window.serves(api_version);
        if !is_served && api_key != ApiKey::ApiVersions {
            return Err(RequestError::UnsupportedVersion {
                api_key,
                api_version,
            });
        }
        let client_id = reader.nullable_string(false)?;
        if window.request_header_version(api_version) >= 2 {
            reader.skip_tagged_fields()?;
        }
        if !is_served {
            // Its head must be one all the same, as Kafka demands.
            return Err(RequestError::UnsupportedApiVersions { correlation_id });
        }
        Ok(Self {
            api_key,
            api_version,
            correlation_id,
            client_id,
        })
    }

    /// Appends the head of a request.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut writer = Writer::new(out);
        writer.i16(self.api_key.code());
        writer.i16(self.api_version);
        writer.i32(self.correlation_id);
        writer.nullable_string(self.client_id.as_deref(), false)?;
        if self
            .api_key
            .window()
            .request_header_version(self.api_version)
            >= 2
        {
            writer.uvarint(0);
        }
        Ok(())
    }
}

/// Appends the head of a response.
pub fn write_response_header(
    out: &mut Vec<u8>,
    api_key: ApiKey,
    api_version: i16,
    correlation_id: i32,
) {
    let mut writer = Writer::new(out);
    writer.i32(correlation_id);
    if api_key.window().response_header_version(api_version) >= 1 {
        writer.uvarint(0);
    }
}

/// Reads the head of a response of the API and version that were asked for; gives the
/// correlation id and leaves the body in the reader.
pub fn read_response_header(
    reader: &mut Reader<'_>,
    api_key: ApiKey,
    api_version: i16,
) -> Result<i32, DecodeError> {
    let correlation_id = reader.i32()?;
    if api_key.window().response_header_version(api_version) >= 1 {
        reader.skip_tagged_fields()?;
    }
    Ok(correlation_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(api_key: ApiKey, api_version: i16) -> RequestHeader<'static> {
        RequestHeader {
            api_key,
            api_version,
            correlation_id: 7,
            client_id: Some("me".into()),
        }
    }

    #[test]
    fn both_header_versions_return() {
        for version in [8, 9] {
            let header = header(ApiKey::Metadata, version);
            let mut bytes = Vec::new();
            header.write(&mut bytes).unwrap();
            let tags = usize::from(version == 9);
            assert_eq!(bytes.len(), 2 + 2 + 4 + 2 + 2 + tags);
            let mut reader = Reader::new(&bytes);
            assert_eq!(RequestHeader::read(&mut reader), Ok(header));
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn unknown_keys_and_versions_are_refused() {
        let read = |bytes: &[u8]| RequestHeader::read(&mut Reader::new(bytes)).unwrap_err();
        assert_eq!(
            read(&[0, 4, 0, 0, 0, 0, 0, 1, 0, 0]),
            RequestError::UnknownApiKey { code: 4 }
        );
        let expected = RequestError::UnsupportedVersion {
            api_key: ApiKey::Produce,
            api_version: 2,
        };
        assert_eq!(read(&[0, 0, 0, 2, 0, 0, 0, 1, 0, 0]), expected);
        assert_eq!(
            read(&[0, 0]),
            RequestError::Malformed(DecodeError::Truncated)
        );
    }

    #[test]
    fn api_versions_from_the_future_is_answered_when_its_head_is_whole() {
        let read = |bytes: &[u8]| RequestHeader::read(&mut Reader::new(bytes)).unwrap_err();
        let head = [0, 18, 0, 9, 0, 0, 0, 5, 0, 1, b'c', 0];
        assert_eq!(
            read(&head),
            RequestError::UnsupportedApiVersions { correlation_id: 5 }
        );
        let without_tags = &head[..11];
        assert_eq!(
            read(without_tags),
            RequestError::Malformed(DecodeError::Truncated)
        );
    }

    #[test]
    fn response_headers_return() {
        for (key, version, size) in [
            (ApiKey::ApiVersions, 4, 4),
            (ApiKey::Metadata, 8, 4),
            (ApiKey::Metadata, 9, 5),
        ] {
            let mut bytes = Vec::new();
            write_response_header(&mut bytes, key, version, 11);
            assert_eq!(bytes.len(), size);
            let mut reader = Reader::new(&bytes);
            assert_eq!(read_response_header(&mut reader, key, version), Ok(11));
            assert!(reader.is_empty());
        }
    }
}
