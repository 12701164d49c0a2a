//! A client of the broker, for the command line and the services.

#![forbid(unsafe_code)]
