//! A partition on its core: epochs, high watermark, waiting.

#![forbid(unsafe_code)]
