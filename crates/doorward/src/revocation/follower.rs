//! Follows the shared store on a thread of its own, and writes to it what is revoked here.
//!
//! The thread is started by the first request that needs it and ends with the authenticator. A forked child has none: it
//! notices that the store has not been heard of, and starts its own.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use doorward_core::{Known, Revocation, Timestamp};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::store::{Address, Store};
use super::{List, OnOutage, RevocationError};
use crate::clock::{Clock as _, SystemClock};
use crate::fetch::jitter;
use crate::flight::Ticket;

/// For longer than this nobody is out of touch without it being noticed, nor with it.
const SILENCE: Duration = Duration::from_secs(5);
const OPENS_WITHIN: Duration = Duration::from_secs(3);
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);
/// For so long the first requests wait for the store; then it counts as away until it answers.
const LOADS_WITHIN: Duration = Duration::from_secs(4);
/// What a store has lost is written again after a moment that differs from process to process.
const REPAIRS_WITHIN: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// Whoever revokes is told within this whether the store has it.
const RECEIPT_WITHIN: Duration = Duration::from_secs(5);
/// The store is read whole so often, and what it has lost is written again.
const READ_WHOLE_EVERY: Duration = Duration::from_secs(300);
const BATCH: usize = 500;
/// What waits for a store that is away. Beyond this the caller is told that it was not kept.
const MOST_UNSENT: usize = 100_000;
const FOLLOWING: &str = "following";

pub(crate) struct Follower {
    address: Address,
    known: Arc<List>,
    on_outage: OnOutage,
    retention: Duration,
    started: Instant,
    worker: ArcSwapOption<Worker>,
    state: Arc<State>,
}

struct Worker {
    process: u32,
    letters: UnboundedSender<Letter>,
    /// Lands when the store was read for the first time, or could not be.
    loaded: Ticket,
    /// Held by the thread as long as it runs.
    alive: Weak<()>,
}

#[derive(Default)]
struct State {
    last_error: ArcSwapOption<String>,
    unsent: std::sync::atomic::AtomicUsize,
}

/// A revocation on its way to the store.
struct Letter {
    revocation: Revocation,
    handed_in: Instant,
    receipt: Receipt,
}

/// Says when a revocation is known to the others, or why it is not yet.
#[derive(Clone)]
pub struct Receipt {
    pub(crate) ticket: Ticket,
    outcome: Arc<OnceLock<Result<(), String>>>,
}

impl Receipt {
    fn new() -> Self {
        Self {
            ticket: Ticket::new(),
            outcome: Arc::default(),
        }
    }

    fn settle(&self, outcome: Result<(), String>) {
        drop(self.outcome.set(outcome));
        self.ticket.land();
    }

    /// Lands when it is known what came of it, after some seconds at most.
    pub fn ticket(&self) -> Ticket {
        self.ticket.clone()
    }

    /// What came of it, once the ticket has landed.
    ///
    /// # Errors
    /// [`RevocationError::NotShared`].
    pub fn outcome(&self) -> Result<(), RevocationError> {
        let waiting = || Err("the store has not answered yet".to_owned());
        let outcome = self.outcome.get().cloned().unwrap_or_else(waiting);
        outcome.map_err(RevocationError::NotShared)
    }
}

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Receipt").field(&self.outcome.get()).finish()
    }
}

impl Drop for Letter {
    fn drop(&mut self) {
        // Whoever loses a letter says so.
        self.receipt
            .settle(Err("whoever should have written it is gone".to_owned()));
    }
}

/// How the shared store is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreStatus {
    /// `redis`, `postgres` or `sqlite`.
    pub kind: &'static str,
    /// Where it is, without a password.
    pub address: String,
    /// `not opened yet`, `loading`, `following` or `away`.
    pub state: &'static str,
    /// Milliseconds since it was heard of.
    pub silent_for_millis: Option<u64>,
    /// What went wrong last, while it is away.
    pub last_error: Option<String>,
    /// How many revocations of this process it does not have yet.
    pub unsent: usize,
}

impl Follower {
    pub(crate) fn new(
        address: Address,
        known: Arc<List>,
        on_outage: OnOutage,
        retention: Duration,
    ) -> Self {
        Self {
            address,
            known,
            on_outage,
            retention,
            // The first moment is 1: 0 says that nothing was heard yet.
            started: Instant::now() - Duration::from_millis(1),
            worker: ArcSwapOption::empty(),
            state: Arc::default(),
        }
    }

    /// Whether a token that nobody here has revoked may be believed not to be revoked.
    pub(crate) fn is_in_touch<T>(&self) -> Known<T> {
        let heard_at = self.known.heard_at.load(Ordering::Acquire);
        if heard_at != 0 && self.millis().saturating_sub(heard_at) < SILENCE.as_millis() as u64 {
            return Known::No;
        }
        let worker = self.worker.load();
        let running = worker.as_ref().filter(|worker| worker.runs());
        match (running, self.on_outage) {
            (None, _) => Known::NotYet,
            (Some(worker), _) if worker.loaded.flies() => Known::NotYet,
            (Some(_), OnOutage::Accept) => Known::No,
            (Some(_), OnOutage::Refuse) => Known::Unreachable(1),
        }
    }

    /// Starts to follow, unless somebody does; the ticket lands when the store was read, or could not be.
    pub(crate) fn open(&self) -> Ticket {
        self.worker().loaded.clone()
    }

    /// Hands a revocation over to be written.
    pub(crate) fn publish(&self, revocation: Revocation) -> Receipt {
        let receipt = Receipt::new();
        let letter = Letter {
            revocation,
            handed_in: Instant::now(),
            receipt: receipt.clone(),
        };
        self.state.unsent.fetch_add(1, Ordering::Relaxed);
        if self.worker().letters.send(letter).is_err() {
            self.state.unsent.fetch_sub(1, Ordering::Relaxed);
        }
        receipt
    }

    pub(crate) fn status(&self) -> StoreStatus {
        let last_error = self.state.last_error.load();
        StoreStatus {
            kind: self.address.kind.as_str(),
            address: self.address.to_string(),
            state: self.state(),
            silent_for_millis: self.silence(),
            last_error: last_error.as_ref().map(|error| error.to_string()),
            unsent: self.state.unsent.load(Ordering::Relaxed),
        }
    }

    /// Whether the store has everything that was revoked here.
    pub(crate) fn has_told_everything(&self) -> bool {
        self.state() == FOLLOWING && self.state.unsent.load(Ordering::Acquire) == 0
    }

    fn state(&self) -> &'static str {
        let in_touch = self
            .silence()
            .is_some_and(|millis| millis < SILENCE.as_millis() as u64);
        match (in_touch, self.state.last_error.load().is_some()) {
            (true, false) => FOLLOWING,
            (false, false) if self.runs() => "loading",
            (false, false) => "not opened yet",
            (_, true) => "away",
        }
    }

    /// Milliseconds since the store was heard of, if it ever was.
    fn silence(&self) -> Option<u64> {
        let heard_at = self.known.heard_at.load(Ordering::Acquire);
        (heard_at != 0).then(|| self.millis().saturating_sub(heard_at))
    }

    fn runs(&self) -> bool {
        self.worker
            .load()
            .as_ref()
            .is_some_and(|worker| worker.runs())
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The worker of this process, started if there is none.
    fn worker(&self) -> Arc<Worker> {
        let current = self.worker.load();
        if let Some(worker) = current.as_ref().filter(|worker| worker.runs()) {
            return Arc::clone(worker);
        }
        let (letters, inbox) = unbounded_channel();
        let alive = Arc::new(());
        let worker = Arc::new(Worker {
            process: std::process::id(),
            letters,
            loaded: Ticket::new(),
            alive: Arc::downgrade(&alive),
        });
        let before = self
            .worker
            .compare_and_swap(&*current, Some(Arc::clone(&worker)));
        let lost = match (before.as_ref(), current.as_ref()) {
            (Some(now), Some(before)) => !Arc::ptr_eq(now, before),
            (now, before) => now.is_some() != before.is_some(),
        };
        if lost && let Some(winner) = before.as_ref() {
            return Arc::clone(winner);
        }
        self.known.heard_at.store(0, Ordering::Release);
        let desk = Desk {
            known: Arc::downgrade(&self.known),
            started: self.started,
            retention: self.retention,
            state: Arc::clone(&self.state),
            loaded: Landing(worker.loaded.clone()),
            letters: VecDeque::new(),
            inbox,
        };
        let address = self.address.clone();
        let thread = std::thread::Builder::new()
            .name("doorward-revocations".to_owned())
            .spawn(move || {
                let _alive = alive;
                desk.work(&address);
            });
        if let Err(error) = thread {
            self.state
                .last_error
                .store(Some(Arc::new(error.to_string())));
        }
        worker
    }
}

impl Worker {
    fn runs(&self) -> bool {
        self.process == std::process::id() && self.alive.strong_count() > 0
    }
}

/// Lands the ticket even if the thread panics, so that nobody waits in vain.
struct Landing(Ticket);

impl Drop for Landing {
    fn drop(&mut self) {
        self.0.land();
    }
}

/// What the thread has before it.
struct Desk {
    known: Weak<List>,
    started: Instant,
    retention: Duration,
    state: Arc<State>,
    loaded: Landing,
    /// What the store does not have yet, oldest first.
    letters: VecDeque<Letter>,
    inbox: UnboundedReceiver<Letter>,
}

/// Why the thread stops following.
enum Stop {
    /// The authenticator is gone.
    Over,
    /// The store is away.
    Away(String),
}

impl Desk {
    fn work(mut self, address: &Address) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        match runtime {
            Ok(runtime) => runtime.block_on(async {
                let loaded = self.loaded.0.clone();
                let belt = async {
                    tokio::time::sleep(LOADS_WITHIN).await;
                    loaded.land();
                    std::future::pending().await
                };
                let following = async {
                    match address.kind {
                        #[cfg(feature = "redis")]
                        super::store::Kind::Redis => {
                            self.follow::<super::redis::Stream>(address).await
                        }
                        #[cfg(feature = "postgres")]
                        super::store::Kind::Postgres => {
                            self.follow::<super::postgres::Table>(address).await
                        }
                        #[cfg(feature = "sqlite")]
                        super::store::Kind::Sqlite => {
                            self.follow::<super::sqlite::File>(address).await
                        }
                        #[allow(unreachable_patterns, reason = "a build may have all of them")]
                        kind => self.away(format!("this build has no {}", kind.as_str())),
                    }
                };
                tokio::select! {
                    () = following => {}
                    () = belt => {}
                }
            }),
            Err(error) => self.away(error.to_string()),
        }
    }
}

impl Desk {
    /// Follows until the authenticator is gone, through every outage.
    async fn follow<S: Store>(&mut self, address: &Address) {
        let mut pause = SHORTEST_PAUSE;
        loop {
            let began = Instant::now();
            match self.session::<S>(address).await {
                Stop::Over => return,
                Stop::Away(why) => self.away(why),
            }
            if began.elapsed() > SILENCE {
                pause = SHORTEST_PAUSE;
            }
            if self.wait(pause).await.is_none() {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// From opening the store to losing it.
    async fn session<S: Store>(&mut self, address: &Address) -> Stop {
        let open = || within(OPENS_WITHIN, S::open(address.url()));
        let (reader, writer) = match tokio::try_join!(open(), open()) {
            Ok(both) => both,
            Err(why) => return Stop::Away(why),
        };
        let (lost, found) = unbounded_channel();
        let reading = read_on(
            reader,
            &self.known,
            &self.state,
            self.started,
            &self.loaded.0,
            &lost,
        );
        let writing = write_on(
            writer,
            &mut self.letters,
            &mut self.inbox,
            found,
            &self.state,
            self.retention,
        );
        tokio::select! {
            stop = reading => stop,
            stop = writing => stop,
        }
    }

    fn away(&self, why: String) {
        crate::observe::revocations_away(&why);
        self.state.last_error.store(Some(Arc::new(why)));
        self.loaded.0.land();
        self.settle_overdue();
    }

    /// Lets some time pass, and takes letters in meanwhile. `None` if the authenticator is gone.
    async fn wait(&mut self, pause: Duration) -> Option<()> {
        let over = tokio::time::Instant::now() + pause;
        loop {
            match tokio::time::timeout_at(over, self.inbox.recv()).await {
                Ok(Some(letter)) => self.letters.push_back(letter),
                Ok(None) => return None,
                Err(_) => break,
            }
        }
        // What is too much is settled by being dropped. The list in memory has it, and what the store lacks is written
        // when it is back.
        while self.letters.len() > MOST_UNSENT {
            drop(self.letters.pop_front());
            self.state.unsent.fetch_sub(1, Ordering::Relaxed);
        }
        self.settle_overdue();
        self.known.upgrade().map(drop)
    }

    /// Tells those who wait too long that the others do not know yet. It is tried further all the same.
    fn settle_overdue(&self) {
        let why = self.state.last_error.load();
        let why = why.as_ref().map_or("the store is away", |why| why.as_str());
        let overdue = |letter: &&Letter| letter.handed_in.elapsed() > RECEIPT_WITHIN;
        for letter in self.letters.iter().take_while(overdue) {
            letter.receipt.settle(Err(why.to_owned()));
        }
    }
}

/// Reads the store whole and then what is new, until it is away.
async fn read_on<S: Store>(
    mut store: S,
    known: &Weak<List>,
    state: &State,
    started: Instant,
    loaded: &Ticket,
    lost: &UnboundedSender<Vec<Revocation>>,
) -> Stop {
    let heard = |known: &List| {
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        known.heard_at.store(millis, Ordering::Release);
        if state.last_error.load().is_some() {
            state.last_error.store(None);
        }
        loaded.land();
    };
    loop {
        let now = wall_clock();
        if let Err(why) = within(ANSWERS_WITHIN, store.rewind()).await {
            return Stop::Away(why);
        }
        let mut there = HashSet::new();
        loop {
            let page = match within(ANSWERS_WITHIN, store.page(now)).await {
                Ok(page) => page,
                Err(why) => return Stop::Away(why),
            };
            let Some(list) = known.upgrade() else {
                return Stop::Over;
            };
            let Some(page) = page else {
                heard(&list);
                break;
            };
            list.insert(&page, now);
            there.extend(page);
            // Who is in touch stays so while it reads everything again; who is not has to read it all first.
            if list.heard_at.load(Ordering::Acquire) != 0 {
                heard(&list);
            }
        }
        // A store that came back from an older copy of itself, or empty, gets back what it has lost. Others do the same,
        // so each waits a moment, writes a batch, and leaves out what has come meanwhile.
        let mut missing: HashSet<Revocation> = match known.upgrade() {
            Some(list) => list.all(now).into_iter().collect(),
            None => return Stop::Over,
        };
        missing.retain(|revocation| !there.contains(revocation));
        drop(there);
        let repair_at = Instant::now() + REPAIRS_WITHIN.mul_f64(jitter());

        let read_whole_at = Instant::now() + READ_WHOLE_EVERY;
        while Instant::now() < read_whole_at {
            if !missing.is_empty() && Instant::now() >= repair_at {
                let batch: Vec<Revocation> = missing.iter().take(BATCH).cloned().collect();
                for revocation in &batch {
                    missing.remove(revocation);
                }
                drop(lost.send(batch));
            }
            let news = match within(ANSWERS_WITHIN, store.news()).await {
                Ok(news) => news,
                Err(why) => return Stop::Away(why),
            };
            let Some(list) = known.upgrade() else {
                return Stop::Over;
            };
            if !news.is_empty() {
                list.insert(&news, wall_clock());
                for revocation in &news {
                    missing.remove(revocation);
                }
            }
            heard(&list);
        }
    }
}

/// Writes letters, and what the store has lost, until it is away.
async fn write_on<S: Store>(
    mut store: S,
    letters: &mut VecDeque<Letter>,
    inbox: &mut UnboundedReceiver<Letter>,
    mut lost: UnboundedReceiver<Vec<Revocation>>,
    state: &State,
    retention: Duration,
) -> Stop {
    loop {
        while letters.len() < BATCH
            && let Ok(letter) = inbox.try_recv()
        {
            letters.push_back(letter);
        }
        if letters.is_empty() {
            tokio::select! {
                letter = inbox.recv() => match letter {
                    Some(letter) => letters.push_back(letter),
                    None => return Stop::Over,
                },
                Some(lost) = lost.recv() => {
                    for batch in lost.chunks(BATCH) {
                        if let Err(why) = within(ANSWERS_WITHIN, store.put(batch, wall_clock(), retention)).await {
                            return Stop::Away(why);
                        }
                    }
                }
            }
            continue;
        }
        let batch = letters.iter().take(BATCH);
        let batch: Vec<Revocation> = batch.map(|letter| letter.revocation.clone()).collect();
        if let Err(why) = within(ANSWERS_WITHIN, store.put(&batch, wall_clock(), retention)).await {
            return Stop::Away(why);
        }
        // Counted before anybody hears of it: who revokes the same again right then has nothing to tell.
        state.unsent.fetch_sub(batch.len(), Ordering::Release);
        for letter in letters.drain(..batch.len()) {
            letter.receipt.settle(Ok(()));
        }
    }
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(format!("no answer within {limit:?}")),
    }
}

/// Not the authenticator's own clock: that may belong to an interpreter, which a thread of ours must not call.
fn wall_clock() -> Timestamp {
    SystemClock::new().now()
}
