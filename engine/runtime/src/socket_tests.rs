//! Sockets, timers and tasks on a real ring.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use crate::{
    Either, JoinError, Listener, Notify, Runtime, RuntimeOptions, Slice, Stream, now, race, sleep,
    spawn, spawn_maintenance, timeout, yield_now,
};

const ANY_PORT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

fn on_ring<T: 'static>(work: impl AsyncFnOnce() -> T + 'static) -> T {
    let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
    runtime.block_on(async move { work().await })
}

async fn pair() -> (Stream, Stream) {
    let listener = Listener::bind(ANY_PORT).unwrap();
    let address = listener.local_addr();
    let client = spawn(async move { Stream::connect(address).await.unwrap() });
    let (server, peer) = listener.accept().await.unwrap();
    let client = client.await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    (client, server)
}

async fn receive_all(stream: &Stream) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let (count, received) = stream.recv(bytes, 64 * 1024).await;
        bytes = received;
        if count.unwrap() == 0 {
            return bytes;
        }
    }
}

#[test]
fn sends_everything_in_order() {
    on_ring(async || {
        let (client, server) = pair().await;
        client.set_nodelay(true).unwrap();
        client.set_send_buffer_bytes(8 * 1024).unwrap();
        // More than the kernel's buffers take at once, in more pieces than one operation takes.
        let whole = Slice::from_vec((0..4_000_000_u32).map(|i| (i >> 3) as u8).collect());
        let mut slices: Vec<_> = (0..2000).map(|i| whole.slice(i * 10..i * 10 + 9)).collect();
        let expected_head: Vec<u8> = slices.iter().flat_map(|s| s.iter().copied()).collect();
        slices.push(whole.clone());
        let sending = spawn(async move {
            client.send(slices).await.unwrap();
            client.send([Slice::from_static(b"end")]).await.unwrap();
            client.shutdown(Shutdown::Write).await.unwrap();
            client
        });
        let bytes = receive_all(&server).await;
        assert_eq!(bytes.len(), expected_head.len() + whole.len() + 3);
        assert!(bytes.starts_with(&expected_head));
        assert!(bytes[expected_head.len()..].starts_with(&whole));
        assert!(bytes.ends_with(b"end"));
        // The other direction is still open.
        server.send([Slice::from_static(b"ok")]).await.unwrap();
        let client = sending.await.unwrap();
        let (count, bytes) = client.recv(Vec::new(), 10).await;
        assert_eq!((count.unwrap(), &*bytes), (2, &b"ok"[..]));
    });
}

#[test]
fn an_idle_connection_waits_without_a_buffer() {
    on_ring(async || {
        let (client, server) = pair().await;
        let waited = timeout(Duration::from_millis(5), server.readable()).await;
        assert!(waited.is_err());
        client.send([Slice::from_static(b"frame")]).await.unwrap();
        server.readable().await.unwrap();
        let (count, bytes) = server.recv(b"> ".to_vec(), 3).await;
        assert_eq!((count.unwrap(), &*bytes), (3, &b"> fra"[..]));
        drop(client);
        let (count, bytes) = server.recv(bytes, 100).await;
        assert_eq!((count.unwrap(), &*bytes), (2, &b"> frame"[..]));
        assert_eq!(server.recv(bytes, 100).await.0.unwrap(), 0);
    });
}

#[test]
fn a_dropped_receive_and_accept_leave_the_ring_usable() {
    on_ring(async || {
        let (client, server) = pair().await;
        let listener = Listener::bind(ANY_PORT).unwrap();
        let waited = timeout(Duration::from_millis(2), server.recv(Vec::new(), 1 << 20)).await;
        assert!(waited.is_err());
        let waited = timeout(Duration::from_millis(2), listener.accept()).await;
        assert!(waited.is_err());
        client.send([Slice::from_static(b"x")]).await.unwrap();
        let core = crate::context::current();
        while core.operations_running() > 0 {
            yield_now().await;
        }
        let (count, _) = server.recv(Vec::new(), 10).await;
        assert_eq!(count.unwrap(), 1);
    });
}

#[test]
fn refusals_are_the_kernels() {
    on_ring(async || {
        let listener = Listener::bind(ANY_PORT).unwrap();
        let address = listener.local_addr();
        let in_use = Listener::bind(address).unwrap_err();
        assert_eq!(in_use.kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        let refused = Stream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_stream_moves_to_another_core() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let client = on_ring(async move || {
        let (client, server) = pair().await;
        sender.send(server.into_handoff().unwrap()).unwrap();
        client.into_handoff().unwrap()
    });
    let server = receiver.recv().unwrap();
    let other = std::thread::spawn(move || {
        on_ring(async move || {
            let server = Stream::adopt(server);
            server.send([Slice::from_static(b"moved")]).await.unwrap();
        });
    });
    on_ring(async move || {
        let client = Stream::adopt(client);
        let bytes = receive_all(&client).await;
        assert_eq!(bytes, b"moved");
    });
    other.join().unwrap();
}

#[test]
fn timers_fire_in_order_and_not_early() {
    on_ring(async || {
        let order = Rc::new(std::cell::RefCell::new(Vec::new()));
        let began = now();
        let tasks: Vec<_> = [3_u64, 1, 2]
            .into_iter()
            .map(|ms| {
                let order = Rc::clone(&order);
                spawn(async move {
                    sleep(Duration::from_millis(ms)).await;
                    order.borrow_mut().push(ms);
                    assert!(now().since(began) >= Duration::from_millis(ms));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.borrow(), [1, 2, 3]);
        assert_eq!(timeout(Duration::ZERO, async { 5 }).await, Ok(5));
    });
}

#[test]
fn a_panic_ends_its_task_only() {
    on_ring(async || {
        let task = spawn(async { panic!("bad frame {}", 7) });
        assert_eq!(
            task.await.map(|(): ()| ()),
            Err(JoinError::Panicked("bad frame 7".into()))
        );
        let task = spawn(std::future::pending::<()>());
        task.cancel();
        assert_eq!(task.await, Err(JoinError::Cancelled));
        assert_eq!(spawn(async { 3 }).await, Ok(3));
    });
}

#[test]
#[should_panic(expected = "from the root")]
fn the_roots_panic_goes_to_the_caller() {
    on_ring(async || panic!("from the root"));
}

#[test]
fn tasks_left_behind_are_dropped_with_the_runtime() {
    struct OnDrop(Rc<Cell<u32>>);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let dropped = Rc::new(Cell::new(0));
    let runtime = Runtime::uring(&RuntimeOptions::default()).unwrap();
    let guard = OnDrop(Rc::clone(&dropped));
    runtime.block_on(async move {
        let listener = Listener::bind(ANY_PORT).unwrap();
        spawn(async move {
            let _guard = guard;
            let _ = listener.accept().await;
        })
        .detach();
        yield_now().await;
    });
    assert_eq!(dropped.get(), 0);
    drop(runtime);
    assert_eq!(dropped.get(), 1);
}

#[test]
fn maintenance_yields_to_ready_tasks_but_is_not_starved() {
    on_ring(async || {
        let (served, maintained) = (Rc::new(Cell::new(0_u32)), Rc::new(Cell::new(0_u32)));
        let stop = Rc::new(Notify::new());
        let (s, m) = (Rc::clone(&served), Rc::clone(&maintained));
        let work = async move {
            loop {
                s.set(s.get() + 1);
                yield_now().await;
            }
        };
        let upkeep = async move {
            loop {
                m.set(m.get() + 1);
                yield_now().await;
            }
        };
        let (work, upkeep) = (spawn(work), spawn_maintenance(upkeep));
        let (waiting, m) = (Rc::clone(&stop), Rc::clone(&maintained));
        let watch = spawn(async move {
            while m.get() < 20 {
                yield_now().await;
            }
            waiting.notify_one();
        });
        stop.wait().await;
        watch.await.unwrap();
        work.cancel();
        upkeep.cancel();
        assert!(maintained.get() * 4 <= served.get(), "{}", maintained.get());
    });
}

#[test]
fn wakes_from_other_threads_arrive() {
    on_ring(async || {
        let (sender, receiver) = std::sync::mpsc::channel::<std::task::Waker>();
        let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let set = std::sync::Arc::clone(&flag);
        let thread = std::thread::spawn(move || {
            let waker = receiver.recv().unwrap();
            set.store(true, std::sync::atomic::Ordering::SeqCst);
            waker.wake();
        });
        let woken = std::future::poll_fn(move |context| {
            if flag.load(std::sync::atomic::Ordering::SeqCst) {
                return std::task::Poll::Ready(());
            }
            let _ = sender.send(context.waker().clone());
            std::task::Poll::Pending
        });
        let outcome = race(woken, sleep(Duration::from_secs(20))).await;
        assert_eq!(outcome, Either::Left(()));
        thread.join().unwrap();
    });
}
