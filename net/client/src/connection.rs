//! One connection to one broker: versions negotiated once, then one request at a time.
//!
//! Owns the socket and the correlation ids. A request that times out or breaks closes the
//! connection: its late answer could be taken for the next one's.

use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::time::Duration;

use engine_base::HashMap;
use engine_runtime::{Slice, Stream, timeout};
use net_wire::frame::{FRAME_PREFIX_SIZE_BYTES, read_response, write_request};
use net_wire::message::{ApiVersionsRequest, ApiVersionsResponse, ProduceRequest};
use net_wire::{ApiKey, ErrorCode, Request};

use crate::error::ClientError;
use crate::limits::{CONNECT_TIMEOUT, REQUEST_TIMEOUT, RESPONSE_SIZE_BYTES_MAX};

/// How a connection behaves.
#[derive(Clone, Debug)]
pub struct ConnectionOptions {
    /// `client.id`.
    pub client_id: String,
    /// How long a request may take.
    pub request_timeout: Duration,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            client_id: "ottla".to_owned(),
            request_timeout: REQUEST_TIMEOUT,
        }
    }
}

/// An answer as it arrived; reading borrows from it.
pub struct Frame<R> {
    bytes: Vec<u8>,
    version: i16,
    request: PhantomData<fn(R)>,
}

impl<R: Request> Frame<R> {
    /// The answer.
    ///
    /// # Errors
    /// When the bytes are not what the version says.
    pub fn read(&self) -> Result<R::Response<'_>, ClientError> {
        let (_, response) = read_response(&self.bytes, self.version)?;
        Ok(response)
    }
}

/// A connection to a broker.
pub struct Connection {
    stream: Stream,
    /// The broker's.
    address: SocketAddr,
    options: ConnectionOptions,
    /// Bytes received and not yet cut into a frame.
    received: Vec<u8>,
    correlation_id: i32,
    /// The broker's windows by API key; empty until negotiated.
    windows: HashMap<i16, (i16, i16)>,
    broken: bool,
}

impl Connection {
    /// Connects and asks for the broker's versions.
    ///
    /// # Errors
    /// When the broker cannot be reached or does not answer as one.
    pub async fn open(
        address: SocketAddr,
        options: ConnectionOptions,
    ) -> Result<Self, ClientError> {
        let stream = match timeout(CONNECT_TIMEOUT, Stream::connect(address)).await {
            Ok(connected) => connected.map_err(ClientError::Disconnected)?,
            Err(_) => return Err(ClientError::Disconnected(io::ErrorKind::TimedOut.into())),
        };
        let mut connection = Self {
            stream,
            address,
            options,
            received: Vec::new(),
            correlation_id: 0,
            windows: HashMap::default(),
            broken: false,
        };
        connection.negotiate().await?;
        Ok(connection)
    }

    /// Whether the connection has failed and must be replaced.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Sends a request in the highest common version and awaits its answer.
    ///
    /// # Errors
    /// See [`ClientError`]; the answer's own error codes are the caller's to look at.
    pub async fn call<R: Request>(&mut self, request: &R) -> Result<Frame<R>, ClientError> {
        self.call_below(request, i16::MAX, Duration::ZERO).await
    }

    /// [`Self::call`] in a version of at most `version_max`, for a request that the broker may
    /// hold for `held` before it answers.
    ///
    /// # Errors
    /// As for [`Self::call`].
    pub async fn call_below<R: Request>(
        &mut self,
        request: &R,
        version_max: i16,
        held: Duration,
    ) -> Result<Frame<R>, ClientError> {
        let version = self.version_of(R::KEY, version_max)?;
        let bytes = self.exchange(request, version, held).await?;
        Ok(Frame {
            bytes,
            version,
            request: PhantomData,
        })
    }

    /// Sends a Produce request that no answer follows (acks=0).
    ///
    /// # Errors
    /// When it cannot be sent.
    pub async fn produce_unanswered(
        &mut self,
        request: &ProduceRequest<'_>,
        version_max: i16,
    ) -> Result<(), ClientError> {
        assert!(request.acks == 0);
        let version = self.version_of(ApiKey::Produce, version_max)?;
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let mut out = Vec::new();
        let client_id = Some(self.options.client_id.as_str());
        write_request(&mut out, request, version, self.correlation_id, client_id)?;
        self.send(out).await
    }

    /// The highest version of an API that both have.
    fn version_of(&self, key: ApiKey, version_max: i16) -> Result<i16, ClientError> {
        let ours = key.window();
        let &(lowest, highest) = self
            .windows
            .get(&key.code())
            .ok_or(ClientError::Unsupported(key))?;
        let version = ours.highest.min(highest).min(version_max);
        if version < ours.lowest.max(lowest) {
            return Err(ClientError::Unsupported(key));
        }
        Ok(version)
    }

    /// Asks in our highest version; a broker that has it not answers in version 0 with what it
    /// has (KIP-511), and is asked again.
    async fn negotiate(&mut self) -> Result<(), ClientError> {
        let request = ApiVersionsRequest {
            client_software_name: "ottla".into(),
            client_software_version: env!("CARGO_PKG_VERSION").into(),
            ..Default::default()
        };
        let mut version = ApiKey::ApiVersions.window().highest;
        loop {
            let bytes = self.exchange(&request, version, Duration::ZERO).await?;
            let code = bytes
                .get(4..6)
                .and_then(|code| <[u8; 2]>::try_from(code).ok());
            let refused = code.is_some_and(|code| {
                ErrorCode(i16::from_be_bytes(code)) == ErrorCode::UNSUPPORTED_VERSION
            });
            let read_as = if refused { 0 } else { version };
            let (_, response): (i32, ApiVersionsResponse<'_>) = read_response(&bytes, read_as)?;
            if refused && version > 0 {
                version = retry_version(&response, version);
                continue;
            }
            ClientError::check(response.error_code, || "ApiVersions".to_owned(), None)?;
            let windows = response.api_keys.iter();
            self.windows = windows
                .map(|api| (api.api_key, (api.min_version, api.max_version)))
                .collect();
            return Ok(());
        }
    }

    async fn exchange<R: Request>(
        &mut self,
        request: &R,
        version: i16,
        held: Duration,
    ) -> Result<Vec<u8>, ClientError> {
        self.correlation_id = self.correlation_id.wrapping_add(1);
        let correlation_id = self.correlation_id;
        let mut out = Vec::new();
        let client_id = Some(self.options.client_id.as_str());
        write_request(&mut out, request, version, correlation_id, client_id)?;
        let limit = self.options.request_timeout + held;
        // Until the answer is here: who drops this call leaves an answer behind that the next
        // request would take for its own.
        self.broken = true;
        let answer = async {
            self.send(out).await?;
            self.receive().await
        };
        let bytes = match timeout(limit, answer).await {
            Ok(bytes) => bytes?,
            Err(_) => {
                let address = self.address;
                return Err(ClientError::TimedOut {
                    key: R::KEY,
                    address,
                });
            }
        };
        self.broken = false;
        let answered = bytes.first_chunk().map(|id| i32::from_be_bytes(*id));
        if answered != Some(correlation_id) {
            self.fail();
            return Err(disconnected("the answer belongs to another request"));
        }
        Ok(bytes)
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<(), ClientError> {
        let sent = self.stream.send(vec![Slice::from_vec(bytes)]).await;
        sent.map_err(|error| {
            self.fail();
            ClientError::Disconnected(error)
        })
    }

    /// The next frame, without its length. The buffer grows with what arrives.
    async fn receive(&mut self) -> Result<Vec<u8>, ClientError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            let buffer = std::mem::take(&mut self.received);
            let size = buffer
                .len()
                .clamp(RECEIVE_SIZE_BYTES_MIN, RECEIVE_SIZE_BYTES_MAX);
            let (result, buffer) = self.stream.recv(buffer, size).await;
            self.received = buffer;
            match result {
                Ok(0) => {
                    self.fail();
                    return Err(disconnected("the other side closed it"));
                }
                Ok(_) => {}
                Err(error) => {
                    self.fail();
                    return Err(ClientError::Disconnected(error));
                }
            }
        }
    }

    /// Cuts a complete frame out of what has been received.
    fn take_frame(&mut self) -> Result<Option<Vec<u8>>, ClientError> {
        let Some(prefix) = self.received.first_chunk::<FRAME_PREFIX_SIZE_BYTES>() else {
            return Ok(None);
        };
        let announced = usize::try_from(i32::from_be_bytes(*prefix)).unwrap_or(usize::MAX);
        if announced > RESPONSE_SIZE_BYTES_MAX {
            self.fail();
            return Err(disconnected(
                "the other side announced an answer that is too large",
            ));
        }
        let end = FRAME_PREFIX_SIZE_BYTES + announced;
        if self.received.len() < end {
            return Ok(None);
        }
        let rest = self.received.split_off(end);
        let mut frame = std::mem::replace(&mut self.received, rest);
        frame.drain(..FRAME_PREFIX_SIZE_BYTES);
        Ok(Some(frame))
    }

    fn fail(&mut self) {
        self.broken = true;
    }
}

/// Bytes asked of the socket at a time.
const RECEIVE_SIZE_BYTES_MIN: usize = 16 * 1024;
const RECEIVE_SIZE_BYTES_MAX: usize = 1024 * 1024;

fn disconnected(text: &str) -> ClientError {
    ClientError::Disconnected(io::Error::new(io::ErrorKind::ConnectionAborted, text))
}

/// The version of ApiVersions to ask again in: the broker's highest below the refused one.
fn retry_version(response: &ApiVersionsResponse<'_>, refused: i16) -> i16 {
    let code = ApiKey::ApiVersions.code();
    let theirs = response.api_keys.iter().find(|api| api.api_key == code);
    theirs
        .map_or(0, |api| api.max_version)
        .clamp(0, refused - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use net_wire::message::api_versions::ApiVersion;

    fn versions(max_version: i16) -> ApiVersionsResponse<'static> {
        let api_keys = vec![ApiVersion {
            api_key: ApiKey::ApiVersions.code(),
            min_version: 0,
            max_version,
        }];
        ApiVersionsResponse {
            api_keys,
            ..Default::default()
        }
    }

    #[test]
    fn a_refused_version_is_retried_below_it() {
        assert_eq!(retry_version(&versions(2), 5), 2);
        assert_eq!(retry_version(&versions(9), 5), 4);
        assert_eq!(retry_version(&ApiVersionsResponse::default(), 5), 0);
    }
}
