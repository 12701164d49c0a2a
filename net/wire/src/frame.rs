//! Whole frames: four bytes of length, a header, a message. The connection cuts arriving frames
//! out of the stream; this module fills leaving ones and opens complete ones.

use std::borrow::Cow;

use engine_codec::{Decode, DecodeError, EncodeError, Reader};

use crate::header::{RequestHeader, read_response_header, write_response_header};
use crate::message::{Request, Response};

/// Bytes of the length that stands before each frame.
pub const FRAME_PREFIX_SIZE_BYTES: usize = 4;

/// Array elements in one answer. A broker that we chose to ask is trusted with more than a client
/// is: Metadata of a cluster with a million partitions has some ten million.
pub const RESPONSE_ELEMENTS_MAX: u32 = 1 << 24;

/// Appends a response with length and header. On an error `out` is as before.
pub fn write_response<R: Response>(
    out: &mut Vec<u8>,
    response: &R,
    api_version: i16,
    correlation_id: i32,
) -> Result<(), EncodeError> {
    write_framed(out, |out| {
        write_response_header(out, R::KEY, api_version, correlation_id);
        response.write(out, api_version)
    })
}

/// Appends a request with length and header. On an error `out` is as before.
pub fn write_request<R: Request>(
    out: &mut Vec<u8>,
    request: &R,
    api_version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
) -> Result<(), EncodeError> {
    let header = RequestHeader {
        api_key: R::KEY,
        api_version,
        correlation_id,
        client_id: client_id.map(Cow::Borrowed),
    };
    write_framed(out, |out| {
        header.write(out)?;
        request.write(out, api_version)
    })
}

/// Reads a response frame (without its length): the correlation id and the answer.
pub fn read_response<'a, R: Response + Decode<'a>>(
    frame: &'a [u8],
    api_version: i16,
) -> Result<(i32, R), DecodeError> {
    let mut reader = Reader::with_elements_max(frame, RESPONSE_ELEMENTS_MAX);
    let correlation_id = read_response_header(&mut reader, R::KEY, api_version)?;
    let response = R::read_from(&mut reader, api_version)?;
    reader.finish()?;
    Ok((correlation_id, response))
}

/// Appends what `write` writes, with its length before it.
fn write_framed(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_PREFIX_SIZE_BYTES]);
    let result = write(out).and_then(|()| put_frame_size(out, start, 0));
    if result.is_err() {
        out.truncate(start);
    }
    result
}

/// Fills in the length of the frame that starts at `start` and of which `size_outside_bytes`
/// stand elsewhere (the records of a Fetch answer).
pub(crate) fn put_frame_size(
    out: &mut [u8],
    start: usize,
    size_outside_bytes: usize,
) -> Result<(), EncodeError> {
    let frame = out.get_mut(start..).ok_or(EncodeError::TooLong)?;
    let (prefix, body) = frame
        .split_first_chunk_mut::<FRAME_PREFIX_SIZE_BYTES>()
        .ok_or(EncodeError::TooLong)?;
    let size = body.len() + size_outside_bytes;
    *prefix = i32::try_from(size)
        .map_err(|_| EncodeError::TooLong)?
        .to_be_bytes();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::heartbeat::{HeartbeatRequest, HeartbeatResponse};
    use crate::{ApiKey, ErrorCode};
    use engine_codec::Message;

    #[test]
    fn a_request_and_its_answer_travel() {
        let request = HeartbeatRequest {
            group_id: "g".into(),
            generation_id: 3,
            member_id: "m".into(),
            ..Default::default()
        };
        let mut out = vec![9]; // an earlier frame's last byte
        write_request(&mut out, &request, 4, 77, Some("me")).unwrap();
        let size = i32::from_be_bytes(out[1..5].try_into().unwrap());
        assert_eq!(size as usize, out.len() - 5);
        let mut reader = Reader::new(&out[5..]);
        let header = RequestHeader::read(&mut reader).unwrap();
        assert_eq!(header.api_key, ApiKey::Heartbeat);
        assert_eq!(
            HeartbeatRequest::read(reader.rest(), header.api_version),
            Ok(request)
        );

        let response = HeartbeatResponse {
            error_code: ErrorCode::REBALANCE_IN_PROGRESS,
            ..Default::default()
        };
        let mut out = Vec::new();
        write_response(&mut out, &response, 4, header.correlation_id).unwrap();
        assert_eq!(read_response(&out[4..], 4), Ok((77, response)));
    }

    #[test]
    fn a_failed_frame_leaves_the_buffer_as_it_was() {
        let mut out = vec![1];
        let lossy = HeartbeatRequest {
            group_instance_id: Some("static".into()),
            ..Default::default()
        };
        assert!(write_request(&mut out, &lossy, 0, 1, None).is_err());
        assert_eq!(out, [1]);
    }
}
