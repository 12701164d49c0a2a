//! Record batches v2: views, builder, validation, compression.

#![forbid(unsafe_code)]
