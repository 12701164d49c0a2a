//! Files on a real ring.

use std::io;

use crate::fs::{
    DirEntry, create_dir_all, exists, has_other_names, probe_direct_io, read_dir, read_file,
    remove_dir_all, remove_file, rename, sync_dir, sync_filesystem, write_file_atomic,
};
use crate::test_directory::TestDirectory;
use crate::{BlockBuf, File, OpenOptions, Runtime, RuntimeOptions, Slice, WriteMode, staging_buf};

fn on_ring<T: 'static>(work: impl AsyncFnOnce() -> T + 'static) -> T {
    let options = RuntimeOptions::default();
    let runtime = Runtime::uring(&options).unwrap();
    runtime.block_on(async move { work().await })
}

#[test]
fn writes_in_order_and_reads_back() {
    let directory = TestDirectory::new("file");
    let path = directory.path().join("00000000000000000000.log");
    on_ring(async move || {
        let file = File::open(&path, OpenOptions::writing()).await.unwrap();
        let whole = Slice::from_vec((0..200_u8).collect());
        let parts = [
            whole.slice(0..50),
            whole.slice(50..60),
            whole.slice(100..200),
        ];
        file.write_at(7, parts, WriteMode::Durable).await.unwrap();
        assert_eq!(file.len().await.unwrap(), 7 + 160);
        let (count, bytes) = file.read_at(7, b"head".to_vec(), 1000).await;
        assert_eq!(count.unwrap(), 160);
        assert_eq!(&bytes[..4], b"head");
        assert_eq!(&bytes[4..64], &whole[..60]);
        assert_eq!(&bytes[64..], &whole[100..]);
        file.set_len(10).await.unwrap();
        assert_eq!(file.len().await.unwrap(), 10);
        file.allocate(0, 8192).await.unwrap();
        assert_eq!(file.len().await.unwrap(), 8192);
        file.sync_data().await.unwrap();
    });
}

#[test]
fn a_hard_link_is_another_name() {
    let directory = TestDirectory::new("links");
    let (path, backup) = (
        directory.path().join("0.log"),
        directory.path().join("copy"),
    );
    on_ring(async move || {
        write_file_atomic(&path, b"records".to_vec()).await.unwrap();
        assert!(!has_other_names(&path).await.unwrap());
        std::fs::hard_link(&path, backup).unwrap();
        assert!(has_other_names(&path).await.unwrap());
    });
}

#[test]
fn direct_files_take_whole_blocks_from_any_buffer() {
    let directory = TestDirectory::new("direct");
    let path = directory.path().join("segment");
    let root = directory.path().to_path_buf();
    on_ring(async move || {
        if !probe_direct_io(&root).await.unwrap().works {
            return; // a tmpfs below the tests
        }
        let options = OpenOptions::writing().direct();
        let file = File::open(&path, options).await.unwrap();
        let mut first = staging_buf(256 * 1024);
        first.fill(1);
        let mut second = BlockBuf::new(4096);
        second.fill(2);
        let slices = [first.freeze(), second.freeze()];
        let [first, _] = &slices;
        file.write_at(4096, [first.slice(0..8192)], WriteMode::Plain)
            .await
            .unwrap();
        file.write_at(12288, slices, WriteMode::Durable)
            .await
            .unwrap();
        let (count, block) = file.read_at(4096, staging_buf(8192), 8192).await;
        assert_eq!(count.unwrap(), 8192);
        assert!(block[..8192].iter().all(|&byte| byte == 1));
        let (count, block) = file
            .read_at(12288 + 256 * 1024, BlockBuf::new(8192), 8192)
            .await;
        assert_eq!(count.unwrap(), 4096, "only up to the end of the file");
        assert!(block[..4096].iter().all(|&byte| byte == 2));
        assert!(crate::metrics().fixed_buffer_operations.value() >= 1);
    });
}

#[test]
#[should_panic(expected = "is_multiple_of")]
fn direct_files_refuse_half_blocks() {
    let directory = TestDirectory::new("half");
    let path = directory.path().join("segment");
    on_ring(async move || {
        let file = File {
            is_direct: true,
            ..File::open(&path, OpenOptions::writing()).await.unwrap()
        };
        let half = BlockBuf::new(4096).freeze().slice(0..2048);
        let _ = file.write_at(0, [half], WriteMode::Plain).await;
    });
}

#[test]
fn more_buffers_than_one_operation_takes() {
    let directory = TestDirectory::new("vectors");
    let path = directory.path().join("many");
    on_ring(async move || {
        let file = File::open(&path, OpenOptions::writing()).await.unwrap();
        let slices: Vec<_> = (0..3000_u32)
            .map(|index| Slice::from_vec(index.to_le_bytes().to_vec()))
            .collect();
        file.write_at(0, slices, WriteMode::Plain).await.unwrap();
        let (_, bytes) = file.read_at(0, Vec::new(), 12_000).await;
        let (chunks, _) = bytes.as_chunks::<4>();
        assert!(
            chunks
                .iter()
                .zip(0_u32..)
                .all(|(chunk, index)| u32::from_le_bytes(*chunk) == index)
        );
        assert_eq!(chunks.len(), 3000);
    });
}

#[test]
fn errors_are_the_kernels() {
    let directory = TestDirectory::new("errors");
    let path = directory.path().join("absent");
    on_ring(async move || {
        let error = File::open(&path, OpenOptions::reading()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        let file = File::open(&path, OpenOptions::writing()).await.unwrap();
        drop(file);
        let file = File::open(&path, OpenOptions::reading()).await.unwrap();
        let refused = file
            .write_at(0, [Slice::from_static(b"x")], WriteMode::Plain)
            .await;
        assert_eq!(refused.unwrap_err().raw_os_error(), Some(libc::EBADF));
        let new = OpenOptions {
            create_new: true,
            ..OpenOptions::writing()
        };
        let error = File::open(&path, new).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    });
}

#[test]
fn names_come_and_go() {
    let directory = TestDirectory::new("names");
    let root = directory.path().join("a/b");
    on_ring(async move || {
        create_dir_all(&root).await.unwrap();
        create_dir_all(&root).await.unwrap();
        write_file_atomic(root.join("meta"), b"v1".to_vec())
            .await
            .unwrap();
        write_file_atomic(root.join("meta"), b"version 2".to_vec())
            .await
            .unwrap();
        create_dir_all(root.join("topic-0")).await.unwrap();
        let entry = |name: &str, is_dir, len| DirEntry {
            name: name.into(),
            is_dir,
            len,
        };
        assert_eq!(
            read_dir(&root).await.unwrap(),
            [entry("meta", false, 9), entry("topic-0", true, 0)]
        );
        assert_eq!(read_file(root.join("meta"), 9).await.unwrap(), b"version 2");
        let error = read_file(root.join("meta"), 8).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        rename(root.join("meta"), root.join("moved")).await.unwrap();
        sync_dir(&root).await.unwrap();
        sync_filesystem(&root).await.unwrap();
        remove_file(root.join("moved")).await.unwrap();
        assert!(!exists(root.join("moved")).await.unwrap());
        write_file_atomic(root.join("topic-0/x"), b"".to_vec())
            .await
            .unwrap();
        remove_dir_all(&root).await.unwrap();
        assert!(!exists(&root).await.unwrap());
    });
}

/// The kernel may write to the buffer of a dropped read until it says that it is done. 1. A read
/// of a pipe that has no bytes starts. 2. Its future is dropped. 3. The buffer must not be freed:
/// the core still counts the operation. 4. The cancelled operation completes and frees it.
#[test]
fn a_dropped_read_keeps_its_buffer_until_the_kernel_is_done() {
    let directory = TestDirectory::new("dropped");
    let path = directory.path().join("pipe");
    let c_path = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
    crate::driver::system::make_pipe(&c_path);
    on_ring(async move || {
        let file = File::open(&path, OpenOptions::writing()).await.unwrap();
        let core = crate::context::current();
        let mut read = Box::pin(file.read_at(0, BlockBuf::new(1 << 16), 1 << 16));
        let first = std::future::poll_fn(|context| {
            std::task::Poll::Ready(read.as_mut().poll(context).is_pending())
        });
        assert!(first.await);
        crate::yield_now().await;
        drop(read);
        assert_eq!(core.operations_running(), 1);
        while core.operations_running() > 0 {
            crate::sleep(std::time::Duration::from_millis(1)).await;
        }
    });
}
