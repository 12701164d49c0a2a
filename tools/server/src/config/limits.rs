//! The bounds of a configuration, each with what happens when it is reached.

use engine_base::MIB;

/// Bytes of a configuration file. Kafka's longest has some 10 KiB; a larger one than this is
/// refused.
pub(super) const FILE_SIZE_BYTES_MAX: usize = MIB;

/// Bytes of one line, and of an entry over several: a key and its certificates written out fit. A
/// file with a longer one is refused.
pub(super) const LINE_SIZE_BYTES_MAX: usize = 64 * 1024;

/// Characters of a key in a file. A file with a longer one is refused.
pub(super) const KEY_CHARS_MAX: usize = 1000;

/// Characters of a key that are shown; the rest is cut. Kafka's longest has 59.
pub(super) const KEY_CHARS_SHOWN_MAX: usize = 80;

/// How wide the report's column of keys is; a longer key moves what stands behind it.
pub(super) const KEY_COLUMN_CHARS_MAX: usize = 60;

/// Characters of a value, or of what is said about one, that are shown; the rest is cut.
pub(super) const VALUE_CHARS_SHOWN_MAX: usize = 400;
