//! Bounds-checked reading and writing of Kafka's primitive types, and of structs made of them.
//!
//! Wire and disk share one encoding: requests and responses (`net/wire`), metadata records and
//! group records (`replication`) are structs with `#[derive(Codec)]`; hand-written formats use
//! [`Reader`] and [`Writer`]. Called on every core, holds no state.
//!
//! Bytes are hostile until decoded: nothing here panics on them, allocates by their word alone,
//! or keeps what it does not know. It never reads a file or a clock.
//!
//! # Describing a message
//!
//! The attributes are those of Kafka's schema files, with the same meaning:
//!
//! ```
//! use std::borrow::Cow;
//! use engine_codec::{Codec, Message};
//!
//! /// A message or record: it names its versions.
//! #[derive(Clone, Debug, PartialEq, Codec)]
//! #[codec(versions = "0-3", flexible = "2+")]
//! struct Greeting<'a> {
//!     name: Cow<'a, str>,                                      // in all versions, never null
//!     #[codec(versions = "1+", default = -1, ignorable)]
//!     age: i32,                                                // -1 where version 0 was read
//!     #[codec(nullable = "1+", default = null)]
//!     title: Option<Cow<'a, str>>,                             // null is an error in version 0
//!     friends: Vec<Friend<'a>>,
//!     #[codec(versions = "2+", tag = 0)]
//!     rank: i16,                                               // tagged; not written when 0
//! }
//!
//! /// A nested struct has no versions of its own: it takes the form of its message.
//! #[derive(Clone, Debug, PartialEq, Codec)]
//! struct Friend<'a> {
//!     name: Cow<'a, str>,
//! }
//!
//! let greeting = Greeting { name: "Ada".into(), age: 36, ..Greeting::default() };
//! let bytes = greeting.to_bytes(3).unwrap();
//! assert_eq!(bytes.len(), greeting.encoded_size(3).unwrap());
//! assert_eq!(Greeting::read(&bytes, 3).unwrap(), greeting);
//! ```
//!
//! - `versions`: where the field exists (default `"0+"`). Elsewhere it decodes to its default,
//!   and encoding another value is an error unless the field is `ignorable`.
//! - `nullable`: where null may be said; the type is then `Option<T>`.
//! - `default`: a literal, an expression, or `null`. Without it a number is 0, a string, array or
//!   byte string is empty, a struct has its own defaults. **This holds for `Option` too**: without
//!   `default = null` the default is `Some(empty)`, exactly as in Kafka's files. (The one
//!   exception there, type `records`, is `Option<Cow<[u8]>>` with `default = null` here.)
//! - `tag`, `tagged`: the tag's number, and the versions in which the field is tagged (default:
//!   all that it exists in).
//! - The derive implements `Default` with these defaults; do not derive it again. The struct
//!   needs `PartialEq`.
//! - [`IntoOwned`] cuts a decoded struct loose from its frame.
//!
//! A struct with one unnamed field (`struct ErrorCode(i16)`) is that field under another name. It
//! keeps its own `Default`.
//!
//! Tests turn on the feature `sample`: every derived struct then makes random values of itself
//! that are lawful in a given version (`sample::Sample`).
//!
//! | Kafka | Rust |
//! |---|---|
//! | bool int8 int16 uint16 int32 uint32 int64 float64 | bool i8 i16 u16 i32 u32 i64 f64 |
//! | string, bytes, records | `Cow<'a, str>`, `Cow<'a, [u8]>` |
//! | uuid | `engine_base::Uuid` |
//! | []T | `Vec<T>` |

#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing)]

extern crate self as engine_codec; // the derive's output names this crate, also in its own tests

pub mod crc32c;
mod error;
mod form;
pub mod limits;
mod message;
mod reader;
#[cfg(feature = "sample")]
pub mod sample;
mod sink;
mod tagged;
mod value;
pub mod varint;
mod writer;

pub use crc32c::{Crc32c, crc32c};
pub use engine_codec_derive::Codec;
pub use error::{DecodeError, EncodeError};
pub use form::{Form, VersionRange};
pub use message::Message;
pub use reader::Reader;
pub use sink::{Counter, Sink};
pub use tagged::{put_struct_is_null, put_tagged, put_tagged_nullable};
pub use value::{Decode, DecodeNullable, Encode, EncodeNullable, IntoOwned, Place};
pub use writer::Writer;
