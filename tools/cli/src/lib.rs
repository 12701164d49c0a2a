//! The commands of ottla that speak to a broker as any client would.

#![forbid(unsafe_code)]
