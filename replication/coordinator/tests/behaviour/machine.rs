//! Named numbers.

use std::time::Duration;

use replication_coordinator::{
    AppendId, Context, Decoded, Failure, KeyValue, Machine, Outcome, Position, TimelineMap, Token,
    TransactionResult,
};

#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) numbers: TimelineMap<u8, u8>,
    parked: Vec<Token>,
    /// What completions were told, in order.
    pub(crate) completed: Vec<(u8, Result<(), Failure>)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Wrong,
    /// Sets a number; answered when it is committed.
    Set(u8, u8),
    /// The same, and calls a completion.
    SetAndComplete(u8, u8),
    /// Sets many, in any batches.
    SetAll(usize),
    /// The number as committed, at once.
    Read(u8),
    /// The latest number, when it is committed.
    ReadLatest(u8),
    Park,
    /// Answers all that is parked, this many milliseconds from now.
    AnswerParkedIn(u64),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Wrong,
    Done,
    Number(Option<u8>),
    Failed(Failure),
}

type Ctx<'a> = Context<'a, Numbers>;

impl Machine for Numbers {
    type Request = Ask;
    type Answer = Told;
    type Record = (u8, Option<u8>);
    type Completion = u8;
    type TimerKey = u8;
    type TimerTask = ();
    type Notice = ();
    type DecodeError = ();

    fn screen(&self, request: &Ask) -> Option<Told> {
        matches!(request, Ask::Wrong).then_some(Told::Wrong)
    }

    fn handle(&mut self, ctx: &mut Ctx<'_>, token: Token, request: Ask) -> Outcome<Self> {
        match request {
            Ask::Wrong => unreachable!("it was screened"),
            Ask::Set(name, number) => {
                Outcome::records(vec![(name, Some(number))]).replying(Told::Done)
            }
            Ask::SetAndComplete(name, number) => {
                let mut outcome = Outcome::records(vec![(name, Some(number))]);
                outcome.completion = Some(name);
                outcome.replying(Told::Done)
            }
            Ask::SetAll(count) => {
                let names = (0..=u8::MAX).cycle().take(count);
                Outcome::records(names.map(|name| (name, Some(1))).collect())
                    .in_any_batches()
                    .replying(Told::Done)
            }
            Ask::Read(name) => Outcome::now(Told::Number(self.numbers.committed(&name).copied())),
            Ask::ReadLatest(name) => {
                Outcome::after_writes(Told::Number(self.numbers.latest(&name).copied()))
            }
            Ask::Park => {
                self.parked.push(token);
                Outcome::none()
            }
            Ask::AnswerParkedIn(ms) => {
                ctx.schedule(0, Duration::from_millis(ms), ());
                Outcome::now(Told::Done)
            }
        }
    }

    fn on_timer(&mut self, ctx: &mut Ctx<'_>, _: u8, (): ()) -> Outcome<Self> {
        for token in self.parked.drain(..) {
            ctx.answer(token, Told::Done);
        }
        Outcome::none()
    }

    fn on_completion(
        &mut self,
        _: &mut Ctx<'_>,
        completion: u8,
        result: Result<(), Failure>,
    ) -> Outcome<Self> {
        self.completed.push((completion, result));
        Outcome::none()
    }

    fn replay(&mut self, position: Position, (name, number): (u8, Option<u8>)) {
        self.numbers.put(position.append, name, number);
    }

    fn replay_marker(&mut self, _: Position, _: i64, _: TransactionResult) {
        unreachable!("numbers know no transactions");
    }

    fn commit(&mut self, up_to: AppendId) {
        self.numbers.commit(up_to);
    }

    fn revert(&mut self, _: &mut Ctx<'_>, from: AppendId, _: Failure) {
        self.numbers.revert(from);
    }

    fn on_loaded(&mut self, _: &mut Ctx<'_>) -> Outcome<Self> {
        Outcome::none()
    }

    fn on_unloaded(&mut self, ctx: &mut Ctx<'_>) {
        for token in self.parked.drain(..) {
            ctx.answer(token, Told::Failed(Failure::NotCoordinator));
        }
    }

    fn refuse(_: Ask, failure: Failure) -> Told {
        Told::Failed(failure)
    }

    fn fail(_: Told, failure: Failure) -> Told {
        Told::Failed(failure)
    }

    fn encode((name, number): &(u8, Option<u8>)) -> KeyValue {
        KeyValue {
            key: vec![*name],
            value: number.map(|number| vec![number]),
        }
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Decoded<Self>, ()> {
        let name = *key.first().ok_or(())?;
        let number = value.map(|value| value.first().copied().ok_or(()));
        Ok(Decoded::Record((name, number.transpose()?)))
    }
}
