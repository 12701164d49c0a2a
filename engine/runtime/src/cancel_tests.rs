//! Memory the kernel may still write to is never given to anybody else.
//!
//! Each test drops operations in flight and at once fills fresh memory of the same size with a
//! mark. If a dropped operation's buffer were freed early, the allocator would hand it out again
//! and the kernel's write would spoil the mark.

use std::future::poll_fn;
use std::io::Write;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use crate::test_directory::TestDirectory;
use crate::{
    BlockBuf, File, Listener, OpenOptions, Runtime, RuntimeOptions, Slice, WriteMode, yield_now,
};

const MARK: u8 = 0xee;
const SIZE_BYTES: usize = 32 * 1024;

/// Polls a future once and drops it: its operation is in flight, or has just completed.
async fn start_and_drop(future: impl Future) {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}

struct Marks(Vec<Vec<u8>>);

impl Marks {
    fn new() -> Self {
        Self((0..4).map(|_| vec![MARK; SIZE_BYTES]).collect())
    }

    fn assert_whole(&self) {
        assert!(self.0.iter().flatten().all(|&byte| byte == MARK));
    }
}

fn on_ring(work: impl AsyncFnOnce() + 'static) {
    let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
    runtime.block_on(async move { work().await });
}

#[test]
fn dropped_receives_write_to_nobodys_memory() {
    on_ring(async || {
        let any_port = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = Listener::bind(any_port).unwrap();
        let address = listener.local_addr();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        // Another thread, so that bytes arrive at any moment of this one.
        let sender = std::thread::spawn(move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            while !over.load(Ordering::Relaxed) {
                if stream.write_all(&[7; 5000]).is_err() {
                    return;
                }
            }
        });
        let (stream, _) = listener.accept().await.unwrap();
        for _ in 0..500 {
            start_and_drop(stream.recv(Vec::with_capacity(SIZE_BYTES), SIZE_BYTES)).await;
            let marks = Marks::new();
            yield_now().await;
            let (count, bytes) = stream.recv(Vec::new(), 1000).await;
            assert!(count.unwrap() > 0);
            assert!(bytes.iter().all(|&byte| byte == 7));
            marks.assert_whole();
        }
        is_over.store(true, Ordering::Relaxed);
        drop(stream);
        sender.join().unwrap();
    });
}

#[test]
fn dropped_reads_write_to_nobodys_memory() {
    let directory = TestDirectory::new("cancel");
    let path = directory.path().join("segment");
    on_ring(async move || {
        let file = File::open(&path, OpenOptions::writing()).await.unwrap();
        let bytes = Slice::from_vec(vec![7; SIZE_BYTES]);
        file.write_at(0, [bytes], WriteMode::Plain).await.unwrap();
        let direct = File::open(&path, OpenOptions::reading().direct()).await;
        for _ in 0..300 {
            start_and_drop(file.read_at(0, Vec::new(), SIZE_BYTES)).await;
            if let Ok(direct) = &direct {
                let block = BlockBuf::new(SIZE_BYTES);
                start_and_drop(direct.read_at(0, block, SIZE_BYTES)).await;
            }
            let marks = Marks::new();
            let (count, bytes) = file.read_at(0, Vec::new(), 100).await;
            assert_eq!(count.unwrap(), 100);
            assert!(bytes.iter().all(|&byte| byte == 7));
            marks.assert_whole();
        }
    });
}

#[test]
fn dropped_writes_write_what_they_were_given() {
    let directory = TestDirectory::new("cancel");
    let path = directory.path().join("segment");
    on_ring(async move || {
        let file = File::open(&path, OpenOptions::writing()).await.unwrap();
        for round in 0..200_u64 {
            let bytes = Slice::from_vec(vec![7; SIZE_BYTES]);
            let position = round * SIZE_BYTES as u64;
            start_and_drop(file.write_at(position, [bytes], WriteMode::Plain)).await;
            let marks = Marks::new();
            yield_now().await;
            marks.assert_whole();
        }
        let core = crate::context::current();
        while core.operations_running() > 0 {
            yield_now().await;
        }
        let size = usize::try_from(file.len().await.unwrap()).unwrap();
        let (count, bytes) = file.read_at(0, Vec::new(), size).await;
        assert_eq!(count.unwrap(), size);
        // Zero where a write was cancelled before it began.
        assert!(bytes.iter().all(|&byte| byte == 7 || byte == 0));
    });
}
