//! A machine that serves connections, and peers that speak bytes to it.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use engine_runtime::{
    Listener, ProcessId, ShardContext, SimOptions, SimShard, SimWorld, Slice, Stream, critical,
    now, sleep, spawn,
};
use net_conn::limits::SWEEP_INTERVAL;
use net_conn::{
    Answer, Budget, Close, ConnectionLimits, Handled, Handler, Registry, Transport, serve,
};

const PORT: u16 = 9092;
pub(crate) const FRAME_SIZE_BYTES_MAX: usize = 1 << 20;
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(60);

/// What happened in the handlers, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    Began(u8),
    Ended(u8),
}

/// What the machine lets a test see.
pub(crate) struct Server {
    pub(crate) budget: Rc<Budget>,
    pub(crate) registry: RefCell<Option<Rc<Registry>>>,
    pub(crate) events: RefCell<Vec<Event>>,
}

/// The first byte of a frame says what to do, the second for how many milliseconds; the answer is
/// the frame itself.
pub(crate) const ECHO: u8 = 0;
pub(crate) const PIPELINED: u8 = 1;
pub(crate) const SEQUENTIAL: u8 = 2;
pub(crate) const SILENT: u8 = 3;
pub(crate) const CLOSE: u8 = 4;
pub(crate) const PANIC: u8 = 5;
pub(crate) const NEVER: u8 = 6;
pub(crate) const CRITICAL: u8 = 7;

struct Obedient(Rc<Server>);

impl Handler for Obedient {
    fn handle(&self, frame: Slice) -> Handled {
        let server = self.0.clone();
        let order = frame.first().copied().unwrap_or(ECHO);
        let future = Box::pin(obey(server, order, frame));
        match order {
            SEQUENTIAL => Handled::Sequential(future),
            _ => Handled::Pipelined(future),
        }
    }
}

async fn obey(server: Rc<Server>, order: u8, frame: Slice) -> Result<Answer, Close> {
    let argument = frame.get(1).copied().unwrap_or(0);
    match order {
        PIPELINED | SEQUENTIAL => {
            server.events.borrow_mut().push(Event::Began(argument));
            sleep(Duration::from_millis(argument.into())).await;
            server.events.borrow_mut().push(Event::Ended(argument));
        }
        SILENT => return Ok(None),
        CLOSE => return Err(Close("asked for".to_owned())),
        PANIC => panic!("asked for"),
        CRITICAL => critical("append", || panic!("offsets went back")),
        NEVER => {
            server.events.borrow_mut().push(Event::Began(argument));
            std::future::pending::<()>().await;
        }
        _ => {}
    }
    let prefix = (frame.len() as u32).to_be_bytes().to_vec();
    Ok(Some(vec![Slice::from_vec(prefix), frame]))
}

/// See the module.
pub(crate) struct Stage {
    pub(crate) world: SimWorld,
    machine: ProcessId,
    pub(crate) server: Rc<Server>,
    _shards: Vec<SimShard<()>>,
}

impl Stage {
    pub(crate) fn new(seed: u64, budget_bytes: usize) -> Self {
        let options = SimOptions {
            critical_panic_stops_process: true,
            ..SimOptions::default()
        };
        let world = SimWorld::new(seed, options);
        let machine = world.add_process("server");
        let server = Rc::new(Server {
            budget: Budget::new(budget_bytes),
            registry: RefCell::default(),
            events: RefCell::default(),
        });
        let served = server.clone();
        let shards = world.launch(machine, 1, 4, move |_: ShardContext<()>| {
            accept(served.clone())
        });
        world.run_for(Duration::from_millis(1));
        Self {
            world,
            machine,
            server,
            _shards: shards,
        }
    }

    /// Does a peer's work to its end.
    pub(crate) fn peer<T, F>(&self, work: impl FnOnce(SocketAddr) -> F) -> T
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let peer = self.world.add_process("peer");
        self.world.runtime(peer).block_on(work(self.address()))
    }

    /// Starts a peer's work on a machine of its own.
    pub(crate) fn begin_peer<T, F>(&self, work: impl Fn(SocketAddr) -> F) -> SimShard<T>
    where
        T: 'static,
        F: Future<Output = T> + 'static,
    {
        let peer = self.world.add_process("peer");
        let address = self.address();
        let mut shards = self
            .world
            .launch(peer, 1, 4, |_: ShardContext<()>| work(address));
        shards.remove(0)
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::new(self.world.address(self.machine), PORT)
    }

    /// Why the machine stopped by itself, if it did.
    pub(crate) fn exits(&self) -> Vec<String> {
        self.world.exits(self.machine)
    }

    pub(crate) fn connection_count(&self) -> usize {
        let registry = self.server.registry.borrow();
        registry.as_ref().unwrap().count()
    }
}

async fn accept(server: Rc<Server>) {
    let registry = Registry::new(IDLE_MAX);
    *server.registry.borrow_mut() = Some(registry.clone());
    let swept = registry.clone();
    spawn(async move {
        loop {
            sleep(SWEEP_INTERVAL).await;
            swept.sweep();
        }
    })
    .detach();
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT));
    let listener = Listener::bind(any).unwrap();
    while let Ok((stream, _)) = listener.accept().await {
        let limits = ConnectionLimits {
            frame_size_bytes_max: FRAME_SIZE_BYTES_MAX,
            budget: server.budget.clone(),
        };
        let (server, registry) = (server.clone(), registry.clone());
        spawn(async move {
            let handler = |_: &net_conn::ConnectionHandle| Obedient(server);
            serve(Transport::Plain(stream), registry, limits, handler).await;
        })
        .detach();
    }
}

/// A frame with its length in front.
pub(crate) fn framed(frame: &[u8]) -> Vec<u8> {
    let mut bytes = (frame.len() as u32).to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    bytes
}

/// Receives `size_bytes`, or what comes before the end.
pub(crate) async fn receive(stream: &Stream, size_bytes: usize) -> Vec<u8> {
    let mut received = Vec::new();
    while received.len() < size_bytes {
        let (count, bytes) = stream.recv(received, 1 << 16).await;
        received = bytes;
        if !matches!(count, Ok(1..)) {
            break;
        }
    }
    received
}

/// Sends bytes, receives everything until the other side closes, and says how long that took.
pub(crate) async fn send_and_drain(address: SocketAddr, bytes: Vec<u8>) -> (Vec<u8>, Duration) {
    let stream = Stream::connect(address).await.unwrap();
    let began = now();
    stream.send([Slice::from_vec(bytes)]).await.unwrap();
    let received = receive(&stream, usize::MAX).await;
    (received, now().since(began))
}
