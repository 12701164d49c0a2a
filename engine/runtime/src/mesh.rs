//! Mailboxes from every shard to every shard.
//!
//! Each shard holds its ends of the N x N rings. A push wakes the peer only when the peer has said
//! that it sleeps; an awake peer finds the message in its next turn.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use engine_base::ShardId;

use crate::context;
use crate::core::{Core, Mailbox};
use crate::mailbox::{Consumer, Producer, ring};
use crate::remote::Remote;

/// The mailbox is full; the message comes back.
#[derive(Debug, PartialEq, Eq)]
pub struct Full<M>(pub M);

/// One shard's ends of the mailboxes. Clones share them; one task receives at a time.
pub struct Mesh<M> {
    inner: Rc<Inner<M>>,
}

impl<M> Clone for Mesh<M> {
    fn clone(&self) -> Self {
        Self {
            inner: Rc::clone(&self.inner),
        }
    }
}

struct Inner<M> {
    ends: MeshEnds<M>,
    /// Where the next look begins, so that one busy peer does not starve the others.
    next: Cell<usize>,
    waiter: RefCell<Option<Waker>>,
}

/// One shard's ends, on their way to its thread.
pub(crate) struct MeshEnds<M> {
    id: ShardId,
    outgoing: Vec<Producer<M>>,
    incoming: Vec<Consumer<M>>,
    peers: Vec<Arc<Remote>>,
}

/// The ends of all mailboxes between these cores, one row for each.
pub(crate) fn build<M: Send>(remotes: &[Arc<Remote>], capacity: usize) -> Vec<MeshEnds<M>> {
    let mut ends: Vec<_> = (0..remotes.len())
        .map(|index| MeshEnds {
            id: ShardId(u16::try_from(index).expect("shards are bounded by SHARDS_MAX")),
            outgoing: Vec::new(),
            incoming: Vec::new(),
            peers: remotes.to_vec(),
        })
        .collect();
    for source in 0..remotes.len() {
        for target in 0..remotes.len() {
            let (producer, consumer) = ring(capacity);
            // Pushed in order, so that the index in each list is the other side's shard.
            ends[source].outgoing.push(producer);
            ends[target].incoming.push(consumer);
        }
    }
    ends
}

impl<M: Send + 'static> MeshEnds<M> {
    pub(crate) fn id(&self) -> ShardId {
        self.id
    }

    /// Puts the ends on their core.
    pub(crate) fn plant(self, core: &Core) -> Mesh<M> {
        let inner = Rc::new(Inner {
            ends: self,
            next: Cell::new(0),
            waiter: RefCell::new(None),
        });
        core.add_mailbox(Rc::clone(&inner) as Rc<dyn Mailbox>);
        Mesh { inner }
    }
}

impl<M: Send + 'static> Mesh<M> {
    /// This shard.
    #[must_use]
    pub fn id(&self) -> ShardId {
        self.inner.ends.id
    }

    /// Shards in the mesh.
    #[must_use]
    pub fn count(&self) -> usize {
        self.inner.ends.peers.len()
    }

    /// Puts a message into the mailbox of `target` (which may be this shard). Messages to one
    /// target arrive in order; messages of different senders are not ordered.
    ///
    /// # Errors
    /// [`Full`] when the target does not keep up: the caller holds back, or gives up its request.
    ///
    /// # Panics
    /// When there is no such shard.
    pub fn send(&self, target: ShardId, message: M) -> Result<(), Full<M>> {
        let ends = &self.inner.ends;
        ends.outgoing[target.index()].push(message).map_err(Full)?;
        if target == ends.id {
            self.inner.wake();
        } else {
            context::current().wake_peer(&ends.peers[target.index()]);
        }
        Ok(())
    }

    /// The next message, with its sender, when there is one.
    #[must_use]
    pub fn try_recv(&self) -> Option<(ShardId, M)> {
        let incoming = &self.inner.ends.incoming;
        let start = self.inner.next.get();
        for step in 0..incoming.len() {
            let index = (start + step) % incoming.len();
            if let Some(message) = incoming[index].pop() {
                self.inner.next.set(index + 1);
                let sender = u16::try_from(index).expect("shards are bounded by SHARDS_MAX");
                return Some((ShardId(sender), message));
            }
        }
        None
    }

    /// Awaits the next message. One task at a time; dropping the future loses nothing.
    pub async fn recv(&self) -> (ShardId, M) {
        poll_fn(|context| match self.try_recv() {
            Some(received) => Poll::Ready(received),
            None => {
                *self.inner.waiter.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }
}

impl<M: Send + 'static> Mailbox for Inner<M> {
    fn has_messages(&self) -> bool {
        // Nobody waits: whoever has not looked yet looks before waiting.
        self.waiter.borrow().is_some() && self.ends.incoming.iter().any(|it| !it.is_empty())
    }

    fn wake(&self) {
        let waiter = self.waiter.borrow_mut().take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl<M> fmt::Debug for Mesh<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Mesh({} of {})",
            self.inner.ends.id.0,
            self.inner.ends.peers.len()
        )
    }
}
