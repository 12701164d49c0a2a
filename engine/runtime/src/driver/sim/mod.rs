//! The simulated world.

mod crash;
pub mod disk;
pub mod image;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use engine_base::{Instant, Timestamp};

use crate::fs::{DeviceFlush, DirEntry, DiskSpace};
use crate::op::{Operation, OperationId};
use crate::remote::Remote;

pub(crate) enum SimDriver {}

#[derive(Clone, Debug)]
pub(crate) enum SimHandle {}

impl SimHandle {
    pub(crate) fn local_addr(&self) -> SocketAddr {
        match *self {}
    }
}

impl SimDriver {
    pub(crate) fn now(&self) -> Instant {
        match *self {}
    }
    pub(crate) fn wall_clock(&self) -> Timestamp {
        match *self {}
    }
    pub(crate) fn start(&self, _id: OperationId, _operation: &mut Operation) {
        match *self {}
    }
    pub(crate) fn cancel(&self, _id: OperationId) {
        match *self {}
    }
    pub(crate) fn adopt(&self, _result: i64) -> SimHandle {
        match *self {}
    }
    pub(crate) fn wake_peer(&self, _peer: &Arc<Remote>) {
        match *self {}
    }
    pub(crate) fn step(&self) {
        match *self {}
    }
    pub(crate) fn listen(&self, _local: SocketAddr) -> io::Result<(SimHandle, SocketAddr)> {
        match *self {}
    }
    pub(crate) fn new_socket(&self) -> SimHandle {
        match *self {}
    }
    pub(crate) fn resolve(&self, _host: &str) -> Option<IpAddr> {
        match *self {}
    }
    pub(crate) fn read_dir(&self, _path: &Path) -> io::Result<Vec<DirEntry>> {
        match *self {}
    }
    pub(crate) fn sync_filesystem(&self) {
        match *self {}
    }
    pub(crate) fn disk_space(&self) -> DiskSpace {
        match *self {}
    }
    pub(crate) fn device_flush(&self) -> DeviceFlush {
        match *self {}
    }
}
