//! Behaviour of the simulated disk.

use std::collections::BTreeSet;
use std::path::Path;

use super::disk::{Disk, Fault, FaultOn, FlushScope};
use super::image::{Content, Image};
use crate::prng::Prng;

const FILE: &str = "/d/f";

fn disk(scope: FlushScope) -> (Disk, u64) {
    let mut disk = Disk::new(Image::default(), scope);
    disk.create_dir_all(Path::new("/d"));
    disk.sync_dir(Path::new("/"));
    let inode = disk.create(Path::new(FILE), true).unwrap();
    disk.sync_dir(Path::new("/d"));
    (disk, inode)
}

fn after_crash(disk: &Disk, seed: u64) -> Vec<u8> {
    let image = disk.crash_image(disk.events().len(), &mut Prng::new(seed));
    image.file(Path::new(FILE)).unwrap()
}

#[test]
fn durable_write_covers_completed_writes_of_the_device_only_with_that_scope() {
    for (scope, is_covered) in [(FlushScope::Device, true), (FlushScope::File, false)] {
        let (mut disk, inode) = disk(scope);
        let other = disk.create(Path::new("/d/journal"), true).unwrap();
        disk.sync_dir(Path::new("/d"));
        let prewritten = disk.write(inode, 0, vec![0; 9000]).unwrap();
        disk.complete_durable(prewritten).unwrap();
        let segment_write = disk.write(inode, 0, vec![7; 9000]).unwrap();
        disk.complete(segment_write);
        let entry = disk.write(other, 0, vec![1; 4096]).unwrap();
        disk.complete_durable(entry).unwrap();
        let kept = (0..100).all(|seed| after_crash(&disk, seed) == vec![7; 9000]);
        assert_eq!(kept, is_covered);
    }
}

#[test]
fn write_into_allocated_space_is_covered_by_a_flush_of_its_file_only() {
    let (mut disk, inode) = disk(FlushScope::Device);
    let other = disk.create(Path::new("/d/journal"), true).unwrap();
    disk.sync_dir(Path::new("/d"));
    disk.allocate(inode, 0, 8192).unwrap();
    disk.sync(inode).unwrap();
    let is_kept = |disk: &Disk, byte: u8| {
        (0..100).all(|seed| after_crash(disk, seed)[..4096] == [byte; 4096])
    };
    for byte in [7, 8] {
        let write = disk.write(inode, 0, vec![byte; 4096]).unwrap();
        disk.complete(write);
        let entry = disk.write(other, 0, vec![1; 4096]).unwrap();
        disk.complete_durable(entry).unwrap();
        assert!(!is_kept(&disk, byte));
    }
    disk.sync(inode).unwrap();
    assert!(is_kept(&disk, 8));
    // The blocks are written now: from here on they are like any other.
    let again = disk.write(inode, 0, vec![9; 4096]).unwrap();
    disk.complete(again);
    let entry = disk.write(other, 0, vec![1; 4096]).unwrap();
    disk.complete_durable(entry).unwrap();
    assert!(is_kept(&disk, 9));
}

#[test]
fn incomplete_write_is_not_covered_by_a_flush() {
    let (mut disk, inode) = disk(FlushScope::Device);
    let _in_flight = disk.write(inode, 0, vec![7; 512]).unwrap();
    disk.sync(inode).unwrap();
    assert!((0..100).any(|seed| after_crash(&disk, seed) != vec![7; 512]));
}

#[test]
fn pending_rewrite_may_be_lost_kept_torn_or_spoilt() {
    let (mut disk, inode) = disk(FlushScope::Device);
    let first = disk.write(inode, 0, vec![7; 4096]).unwrap();
    disk.complete_durable(first).unwrap();
    disk.write(inode, 0, vec![9; 4096]).unwrap();
    let outcomes: BTreeSet<_> = (0..300).map(|seed| after_crash(&disk, seed)).collect();
    assert!(outcomes.contains(&vec![7; 4096]));
    assert!(outcomes.contains(&vec![9; 4096]));
    assert!(
        outcomes
            .iter()
            .any(|bytes| bytes.iter().any(|b| ![7, 9].contains(b)))
    );
}

#[test]
fn name_is_durable_after_the_directory_is_synced() {
    let (mut disk, _) = disk(FlushScope::Device);
    disk.rename(Path::new(FILE), Path::new("/d/g")).unwrap();
    let old_name_survives = |disk: &Disk| {
        (0..50).any(|seed| {
            let image = disk.crash_image(disk.events().len(), &mut Prng::new(seed));
            image.entry(Path::new(FILE)).is_some()
        })
    };
    assert!(old_name_survives(&disk));
    disk.sync_dir(Path::new("/d"));
    assert!(!old_name_survives(&disk));
}

#[test]
fn full_disk_and_injected_errors_are_reported() {
    let (mut disk, inode) = disk(FlushScope::Device);
    disk.set_capacity(8192);
    let id = disk.write(inode, 0, vec![1; 8192]).unwrap();
    disk.complete(id);
    let full = disk.write(inode, 8192, vec![1; 1]).unwrap_err();
    assert_eq!(full.raw_os_error(), Some(libc::ENOSPC));
    let (path_contains, errno) = ("f".to_owned(), libc::EIO);
    disk.inject(Fault {
        path_contains,
        on: FaultOn::Sync,
        after: 1,
        count: 1,
        errno,
    });
    assert!(disk.sync(inode).is_ok());
    assert_eq!(
        disk.sync(inode).unwrap_err().raw_os_error(),
        Some(libc::EIO)
    );
    assert!(disk.sync(inode).is_ok());
}

#[test]
fn cut_and_extended_content_reads_zeroes() {
    let mut content = Content::default();
    content.write(5, &[1; 5000]);
    content.set_len(100);
    content.set_len(200);
    let mut bytes = [9; 200];
    assert_eq!(content.read(0, &mut bytes), 200);
    assert_eq!((bytes[4], bytes[99], bytes[100]), (0, 1, 0));
}
