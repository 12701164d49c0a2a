//! The watchman of the house: layers, dependencies, unsafe sites, file lengths.

#![forbid(unsafe_code)]
