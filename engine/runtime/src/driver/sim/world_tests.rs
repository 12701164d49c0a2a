//! The simulated world keeps its promises: repeatable, ordered, faulty on demand.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use engine_base::ShardId;

use super::disk::{Fault, FaultOn};
use super::{SimOptions, SimWorld};
use crate::fs::{create_dir_all, read_file, sync_dir, write_file_atomic};
use crate::{
    AppendBuf, BlockBuf, File, Listener, OpenOptions, ShardContext, Slice, Stream, WriteMode, now,
    random_u64, resolve, sleep, spawn, timeout, yield_now,
};

const PORT: u16 = 9092;
const MINUTE: Duration = Duration::from_secs(60);

fn any(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), port)
}

/// A server that sends back what it gets, until the end of each stream.
async fn echo(listener: Listener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        spawn(async move {
            loop {
                let (count, bytes) = stream.recv(Vec::new(), 1 << 16).await;
                match count {
                    Ok(1..) => {
                        if stream.send([Slice::from_vec(bytes)]).await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                }
            }
        })
        .detach();
    }
}

/// Some of everything: shards that exchange messages and write, clients that talk to a server.
fn busy_world(seed: u64) -> (u64, u64, Vec<u8>) {
    let world = SimWorld::new(seed, SimOptions::default());
    let (server, client) = (world.add_process("server"), world.add_process("client"));
    let shards = world.launch(server, 3, 4, |context: ShardContext<u64>| async move {
        if context.id().0 == 0 {
            spawn(echo(Listener::bind(any(PORT)).unwrap())).detach();
        }
        create_dir_all("/data").await.unwrap();
        let path = format!("/data/{}", context.id().0);
        let file = File::open(path, OpenOptions::writing()).await.unwrap();
        let mesh = context.mesh;
        for round in 0..20_u64 {
            let target = ShardId((random_u64() % 3) as u16);
            let _ = mesh.send(target, round);
            let bytes = Slice::from_vec(vec![round as u8; 10_000]);
            file.write_at(round * 10_000, [bytes], WriteMode::Durable)
                .await
                .unwrap();
            while mesh.try_recv().is_some() {}
        }
    });
    let runtime = world.runtime(client);
    let sum = runtime.block_on(async move {
        let address = resolve("server", PORT).await.unwrap()[0];
        let tasks: Vec<_> = (0..4_u8)
            .map(|index| {
                spawn(async move {
                    sleep(Duration::from_millis(1)).await;
                    let stream = Stream::connect(address).await.unwrap();
                    stream
                        .send([Slice::from_vec(vec![index; 5000])])
                        .await
                        .unwrap();
                    let mut bytes = Vec::new();
                    while bytes.len() < 5000 {
                        bytes = stream.recv(bytes, 5000).await.1;
                    }
                    assert!(bytes.iter().all(|&byte| byte == index));
                    now().0
                })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.unwrap();
        }
        sum
    });
    assert!(world.run_until(MINUTE, || shards.iter().all(super::SimShard::is_finished)));
    let written = world.with_disk(server, |disk| disk.image().file("/data/2".as_ref()));
    (world.trace_hash(), sum, written.unwrap())
}

#[test]
fn the_same_seed_runs_the_same_and_another_differently() {
    let (first, again, other) = (busy_world(7), busy_world(7), busy_world(8));
    assert!(first == again);
    assert_ne!(first.0, other.0);
    assert_eq!(
        first.2, other.2,
        "what was written does not depend on the seed"
    );
    assert_eq!(first.2.len(), 200_000);
}

#[test]
fn time_passes_only_when_nothing_is_ready() {
    let world = SimWorld::new(1, SimOptions::default());
    let process = world.add_process("clock");
    let began = std::time::Instant::now();
    world.runtime(process).block_on(async {
        let wall = crate::wall_clock_ms();
        sleep(Duration::from_secs(24 * 3600)).await;
        assert!(crate::wall_clock_ms() - wall >= 24 * 3_600_000);
        let waited = timeout(MINUTE, std::future::pending::<()>()).await;
        assert!(waited.is_err());
    });
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn the_order_of_ready_tasks_is_the_seeds() {
    let order = |seed| {
        let world = SimWorld::new(seed, SimOptions::default());
        let process = world.add_process("tasks");
        world.runtime(process).block_on(async {
            let order = Rc::new(RefCell::new(Vec::new()));
            let tasks: Vec<_> = (0..8)
                .map(|index| {
                    let order = Rc::clone(&order);
                    spawn(async move { order.borrow_mut().push(index) })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            order.take()
        })
    };
    let orders: std::collections::BTreeSet<Vec<i32>> = (0..10).map(order).collect();
    assert!(orders.len() > 5);
}

#[test]
fn streams_keep_order_across_windows_and_half_closes() {
    let world = SimWorld::new(3, SimOptions::default());
    let process = world.add_process("one");
    world.runtime(process).block_on(async {
        let listener = Listener::bind(any(0)).unwrap();
        let address = listener.local_addr();
        let sent: Vec<u8> = (0..1_500_000_u32).map(|i| (i % 251) as u8).collect();
        let expected = sent.clone();
        let client = spawn(async move {
            let client = Stream::connect(address).await.unwrap();
            client.send([Slice::from_vec(sent)]).await.unwrap();
            client.shutdown(Shutdown::Write).await.unwrap();
            let (_, answer) = client.recv(Vec::new(), 100).await;
            answer
        });
        let (server, _) = listener.accept().await.unwrap();
        let mut bytes = Vec::new();
        loop {
            server.readable().await.unwrap();
            let (count, received) = server.recv(bytes, 1 << 16).await;
            bytes = received;
            if count.unwrap() == 0 {
                break;
            }
        }
        assert!(bytes == expected);
        server.send([Slice::from_static(b"k")]).await.unwrap();
        assert_eq!(client.await.unwrap(), b"k");
    });
}

#[test]
fn a_clogged_direction_delays_and_loses_nothing() {
    let world = Rc::new(SimWorld::new(4, SimOptions::default()));
    let (a, b) = (world.add_process("a"), world.add_process("b"));
    let shards = world.launch(b, 1, 1, |_: ShardContext<()>| {
        echo(Listener::bind(any(PORT)).unwrap())
    });
    let address = SocketAddr::new(world.address(b), PORT);
    let w = Rc::clone(&world);
    world.runtime(a).block_on(async move {
        while Stream::connect(address).await.is_err() {}
        let stream = Stream::connect(address).await.unwrap();
        w.clog(b, a);
        for part in [&b"one"[..], b"two", b"three"] {
            stream.send([Slice::from_vec(part.to_vec())]).await.unwrap();
        }
        let silent = timeout(MINUTE, stream.readable()).await;
        assert!(silent.is_err());
        w.clog(a, b);
        assert!(timeout(MINUTE, Stream::connect(address)).await.is_err());
        w.unclog(b, a);
        let mut bytes = Vec::new();
        while bytes.len() < 11 {
            bytes = stream.recv(bytes, 100).await.1;
        }
        assert_eq!(bytes, b"onetwothree");
    });
    assert!(!shards[0].is_finished());
}

#[test]
fn resets_kills_and_refusals_reach_the_peer() {
    let world = Rc::new(SimWorld::new(5, SimOptions::default()));
    let (a, b) = (world.add_process("a"), world.add_process("b"));
    let address = SocketAddr::new(world.address(b), PORT);
    let start = |world: &SimWorld| {
        world.launch(b, 1, 1, |_: ShardContext<()>| {
            echo(Listener::bind(any(PORT)).unwrap())
        })
    };
    let runtime = world.runtime(a);
    let refused = runtime.block_on(Stream::connect(address)).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    let _shards = start(&world);
    world.run_for(Duration::from_millis(10));
    let w = Rc::clone(&world);
    runtime.block_on(async move {
        let stream = Stream::connect(address).await.unwrap();
        w.reset_connections(a, b);
        let (reset, _) = stream.recv(Vec::new(), 10).await;
        assert_eq!(reset.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        let stream = Stream::connect(address).await.unwrap();
        stream.send([Slice::from_static(b"x")]).await.unwrap();
        let (count, _) = stream.recv(Vec::new(), 10).await;
        assert_eq!(count.unwrap(), 1);
        w.kill(b);
        let (count, _) = stream.recv(Vec::new(), 10).await;
        assert_eq!(count.unwrap(), 0);
        let refused = Stream::connect(address).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    });
    let _shards = start(&world);
    world.run_for(Duration::from_millis(10));
    assert!(runtime.block_on(Stream::connect(address)).is_ok());
}

#[test]
fn a_dropped_receive_leaves_the_bytes_to_the_next() {
    let world = SimWorld::new(6, SimOptions::default());
    let process = world.add_process("one");
    world.runtime(process).block_on(async {
        let listener = Listener::bind(any(0)).unwrap();
        let address = listener.local_addr();
        let connecting = spawn(async move { Stream::connect(address).await.unwrap() });
        let (server, _) = listener.accept().await.unwrap();
        let client = connecting.await.unwrap();
        let waited = timeout(MINUTE, server.recv(Vec::new(), 10)).await;
        assert!(waited.is_err());
        let waited = timeout(MINUTE, listener.accept()).await;
        assert!(waited.is_err());
        yield_now().await;
        client.send([Slice::from_static(b"y")]).await.unwrap();
        let (count, bytes) = server.recv(Vec::new(), 10).await;
        assert_eq!((count.unwrap(), &*bytes), (1, &b"y"[..]));
    });
}

#[test]
fn what_was_durable_survives_every_power_cut() {
    for seed in 0..30 {
        let world = SimWorld::new(seed, SimOptions::default());
        let process = world.add_process("broker");
        let acknowledged = Rc::new(Cell::new(0_u64));
        let acks = Rc::clone(&acknowledged);
        let _shards = world.launch(process, 1, 1, move |_: ShardContext<()>| {
            let acks = Rc::clone(&acks);
            async move {
                create_dir_all("/log").await.unwrap();
                sync_dir("/").await.unwrap();
                write_file_atomic("/log/meta", b"v1".to_vec())
                    .await
                    .unwrap();
                let options = OpenOptions::writing().direct();
                let file = File::open("/log/journal", options).await.unwrap();
                file.set_len(1 << 20).await.unwrap();
                file.sync_all().await.unwrap();
                sync_dir("/log").await.unwrap();
                for index in 1..200_u64 {
                    let mut block = BlockBuf::new(4096);
                    block.fill(index as u8);
                    let position = index * 4096;
                    file.write_at(position, [block.freeze()], WriteMode::Durable)
                        .await
                        .unwrap();
                    acks.set(index);
                }
            }
        });
        world.run_for(Duration::from_millis(5 + seed));
        let kept = acknowledged.get();
        assert!(kept > 2);
        world.power_cut(process);
        world.run_for(Duration::from_millis(5));
        assert_eq!(acknowledged.get(), kept, "the dead process does not go on");
        world.runtime(process).block_on(async move {
            assert_eq!(read_file("/log/meta", 10).await.unwrap(), b"v1");
            let bytes = read_file("/log/journal", 1 << 21).await.unwrap();
            for index in 1..=kept {
                let block = &bytes[index as usize * 4096..][..4096];
                assert!(block.iter().all(|&byte| byte == index as u8), "seed {seed}");
            }
        });
    }
}

#[test]
fn injected_errors_reach_the_caller() {
    let world = Rc::new(SimWorld::new(9, SimOptions::default()));
    let process = world.add_process("broker");
    let w = Rc::clone(&world);
    world.runtime(process).block_on(async move {
        let file = File::open("/segment", OpenOptions::writing())
            .await
            .unwrap();
        let fault = |on, errno| Fault {
            path_contains: "segment".into(),
            on,
            after: 0,
            count: 1,
            errno,
        };
        let write = async |mode| {
            let mut buffer = AppendBuf::new(4096, 0);
            let slice = buffer.append(b"batch");
            file.write_at(0, [slice], mode).await
        };
        w.with_disk(process, |disk| {
            disk.inject(fault(FaultOn::Write, libc::ENOSPC))
        });
        let error = write(WriteMode::Plain).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
        w.with_disk(process, |disk| disk.inject(fault(FaultOn::Sync, libc::EIO)));
        let error = write(WriteMode::Durable).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO));
        w.with_disk(process, |disk| disk.inject(fault(FaultOn::Read, libc::EIO)));
        let (error, _) = file.read_at(0, Vec::new(), 5).await;
        assert_eq!(error.unwrap_err().raw_os_error(), Some(libc::EIO));
        let (count, bytes) = file.read_at(0, Vec::new(), 50).await;
        assert_eq!((count.unwrap(), &*bytes), (5, &b"batch"[..]));
    });
}

#[test]
fn a_critical_panic_stops_its_process_only() {
    let options = SimOptions {
        critical_panic_stops_process: true,
        ..SimOptions::default()
    };
    let world = SimWorld::new(10, options);
    let (a, b) = (world.add_process("a"), world.add_process("b"));
    let failing = world.launch(a, 2, 1, |context: ShardContext<()>| async move {
        sleep(Duration::from_millis(1)).await;
        assert!(context.id().0 != 1, "the journal is damaged");
        std::future::pending::<()>().await;
    });
    let c = world.add_process("c");
    let _inside = world.launch(c, 1, 1, |_: ShardContext<()>| async {
        let request = spawn(async { crate::critical("append", || panic!("offsets went back")) });
        let _: Result<(), _> = request.await;
    });
    let healthy = world.launch(b, 1, 1, |_: ShardContext<()>| sleep(Duration::from_secs(1)));
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.exits(a), ["the journal is damaged"]);
    assert!(
        failing
            .iter()
            .all(|shard| shard.is_finished() && shard.result().is_none())
    );
    assert_eq!(healthy[0].result(), Some(()));
    assert_eq!(world.exits(c), ["offsets went back"]);
    assert!(world.exits(b).is_empty());
}
