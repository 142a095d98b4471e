//! The simulated network: it delays and loses what processes send to the store and what the store answers, all by the seed.
//!
//! It stands below the SDK, where its HTTP client is otherwise. So the retries, paging and caches of the SDK and of our client layer are
//! part of what is simulated, and so is the store: the embedded endpoint without its port.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, HttpClient, Request, Url};
use azure_data_cosmos_driver::diagnostics::RequestSentStatus;
use azure_data_cosmos_driver::error::{CosmosError, status_codes};
use azure_data_cosmos_driver::test::{
    ConnectionPoolOptions, HttpClientConfig, HttpClientFactory, HttpRequest, HttpResponse, TransportClient,
    TransportError,
};
use changefeed_cosmos::later;
use chrono::{DateTime, Utc};
use local_cosmos::{Endpoint, Options, Response};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep_until};

use super::observed::Observed;
use super::trace::Trace;

/// How long a process waits for an answer that does not arrive.
const LOST_ANSWER_TIMEOUT: Duration = Duration::from_secs(6);

/// How bad the network is.
#[derive(Clone, Copy, Debug, Default)]
pub struct NetworkFaults {
    /// The delay of each request and of each answer. `None`: a random, short delay.
    pub delay: Option<Duration>,
    /// The part of the requests that do not arrive.
    pub lost_requests: f64,
    /// The part of the answers that do not arrive.
    pub lost_answers: f64,
    /// The part of the requests that take seconds.
    pub slow: f64,
}

/// The network, and the store behind it.
pub struct Network {
    pub endpoint: Endpoint,
    start: DateTime<Utc>,
    began: Instant,
    state: Mutex<State>,
}

struct State {
    random: ChaCha8Rng,
    faults: NetworkFaults,
    trace: Trace,
    observed: Observed,
    /// The milliseconds since the start at which something is due, if each is for one thing.
    taken: Option<BTreeSet<u64>>,
}

/// The connection of a process to the network.
#[derive(Clone)]
pub struct Link {
    network: Arc<Network>,
    process: Arc<str>,
    /// A process that was killed: nothing that it sends or awaits ever arrives.
    is_dead: Arc<AtomicBool>,
    /// Whether the process cannot reach the store.
    is_cut: Arc<AtomicBool>,
    /// Whether the network is always fine for this process.
    is_reliable: bool,
}

/// What happens to a request.
struct Delivery {
    there: Duration,
    back: Duration,
    is_request_lost: bool,
    is_answer_lost: bool,
}

/// Why there is no answer.
enum Lost {
    Request,
    Answer,
}

impl Network {
    /// A network and a store whose clock shows `start` now.
    pub fn new(options: &Options, start: DateTime<Utc>, seed: u64) -> Arc<Self> {
        let endpoint = Endpoint::without_port(options, start).expect("an endpoint in memory");
        let random = ChaCha8Rng::seed_from_u64(seed);
        let (faults, trace, observed) = (NetworkFaults::default(), Trace::default(), Observed::default());
        let state = Mutex::new(State { random, faults, trace, observed, taken: None });
        Arc::new(Self { endpoint, start, began: Instant::now(), state })
    }

    pub fn link(self: &Arc<Self>, process: &str, is_reliable: bool) -> Link {
        let network = Arc::clone(self);
        Link { network, process: process.into(), is_dead: Arc::default(), is_cut: Arc::default(), is_reliable }
    }

    pub fn set_faults(&self, faults: NetworkFaults) {
        self.state().faults = faults;
    }

    /// The time by the clock of the store.
    pub fn now(&self) -> DateTime<Utc> {
        later(self.start, self.elapsed())
    }

    /// The second since 1970 by the clock of the store.
    pub fn second(&self) -> i64 {
        self.now().timestamp()
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Adds an event to the trace.
    pub fn note(&self, event: &'static str, of: &str) {
        let elapsed = self.elapsed();
        self.state().trace.add_event(elapsed, event, of);
    }

    /// Keeps all lines of the trace, and not only the last ones.
    pub fn keep_trace(&self) {
        self.state().trace.keeps_all = true;
    }

    /// Looks at the trace.
    pub fn trace<T>(&self, look: impl FnOnce(&Trace) -> T) -> T {
        look(&self.state().trace)
    }

    /// Looks at the documents that were written to the store.
    pub fn observed<T>(&self, look: impl FnOnce(&Observed) -> T) -> T {
        look(&self.state().observed)
    }

    fn delivery(&self, is_reliable: bool) -> Delivery {
        let State { random, faults, .. } = &mut *self.state();
        let mut delay = || {
            if let Some(delay) = faults.delay {
                return delay;
            }
            let most = if random.random_bool(faults.slow) { 4000.0 } else { 15.0 };
            Duration::from_secs_f64(random.random_range(0.5..most) / 1000.0)
        };
        let (there, back) = (delay(), delay());
        let (is_request_lost, is_answer_lost) =
            (random.random_bool(faults.lost_requests), random.random_bool(faults.lost_answers));
        if is_reliable {
            let millisecond = Duration::from_millis(1);
            return Delivery { there: millisecond, back: millisecond, is_request_lost: false, is_answer_lost: false };
        }
        Delivery { there, back, is_request_lost, is_answer_lost }
    }

    /// Delivers each request and each answer in a millisecond of its own, so at most a thousand in a second. The order of timers that end in one
    /// millisecond depends on when tokio has looked at them, and so on the speed of the machine.
    pub fn separate_deliveries(&self) {
        self.state().taken = Some(BTreeSet::new());
    }

    /// When something is due that takes this time.
    fn due(&self, time: Duration) -> Instant {
        let (elapsed, state) = (self.elapsed(), &mut *self.state());
        let Some(taken) = &mut state.taken else { return Instant::now() + time };
        let milliseconds = |time: Duration| u64::try_from(time.as_micros().div_ceil(1000)).unwrap_or(u64::MAX);
        *taken = taken.split_off(&milliseconds(elapsed));
        let mut due = milliseconds(elapsed + time);
        while !taken.insert(due) {
            due += 1;
        }
        self.began + Duration::from_millis(due)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    pub fn process(&self) -> &str {
        &self.process
    }

    pub fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Ends the process as a kill does, wherever it is.
    pub fn kill(&self) {
        self.is_dead.store(true, Ordering::SeqCst);
    }

    /// Separates the process from the store, or connects it again.
    pub fn set_cut(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::SeqCst);
    }

    pub fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::SeqCst)
    }

    async fn pass(&self, time: Duration) {
        sleep_until(self.network.due(time)).await;
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }

    async fn send(&self, request: local_cosmos::Request) -> Result<Response, Lost> {
        // How often the SDK reads the account depends on the clock of the machine. So these reads take no time and are not in the trace.
        if request.url.path() == "/" {
            if self.is_dead() {
                std::future::pending::<()>().await;
            }
            let is_cut = self.is_cut.load(Ordering::SeqCst);
            return if is_cut { Err(Lost::Request) } else { Ok(self.network.endpoint.answer(request).await) };
        }
        let Delivery { there, back, is_request_lost, is_answer_lost } = self.network.delivery(self.is_reliable);
        self.pass(there).await;
        if is_request_lost || self.is_cut.load(Ordering::SeqCst) {
            self.pass(LOST_ANSWER_TIMEOUT).await;
            return Err(Lost::Request);
        }
        let line = format!("{} {} {}", self.process, request.method, request.url.path());
        let writes = Observed::writes(&request);
        let response = self.network.endpoint.answer(request).await;
        let elapsed = self.network.elapsed();
        {
            let mut state = self.network.state();
            state.trace.add(elapsed, &format!("{line} {}", response.status));
            if let Some(writes) = writes {
                state.observed.add(self.network.second(), writes, &response);
            }
        }
        if is_answer_lost || response.is_lost {
            self.pass(LOST_ANSWER_TIMEOUT).await;
            return Err(Lost::Answer);
        }
        self.pass(back).await;
        if self.is_cut.load(Ordering::SeqCst) {
            self.pass(LOST_ANSWER_TIMEOUT).await;
            return Err(Lost::Answer);
        }
        Ok(response)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Link").field(&self.process).finish()
    }
}

fn to_request(method: &str, url: &Url, headers: &Headers, body: Vec<u8>) -> local_cosmos::Request {
    let headers = headers.iter().map(|(name, value)| (name.as_str().to_lowercase(), value.as_str().to_owned()));
    local_cosmos::Request { method: method.to_owned(), url: url.clone(), headers: headers.collect(), body }
}

fn to_headers(headers: Vec<(String, String)>) -> Headers {
    let mut converted = Headers::new();
    for (name, value) in headers {
        converted.insert(name, value);
    }
    converted
}

/// The requests of the SDK.
#[async_trait]
impl TransportClient for Link {
    async fn send(&self, request: &HttpRequest) -> Result<HttpResponse, TransportError> {
        let body = request.body.as_ref().map(|body| body.to_vec()).unwrap_or_default();
        let sent = to_request(request.method.as_ref(), &request.url, &request.headers, body);
        match Link::send(self, sent).await {
            Ok(Response { status, headers, body, .. }) => {
                Ok(HttpResponse { status, headers: to_headers(headers), body })
            }
            Err(lost) => {
                let (status, sent) = match lost {
                    Lost::Request => (status_codes::TRANSPORT_CONNECTION_FAILED, RequestSentStatus::Unknown),
                    Lost::Answer => (status_codes::TRANSPORT_BODY_READ_FAILED, RequestSentStatus::Sent),
                };
                let error = CosmosError::builder().with_status(status).with_message("the connection was lost").build();
                Err(TransportError::new(error, sent))
            }
        }
    }
}

impl HttpClientFactory for Link {
    fn build(
        &self,
        _: &ConnectionPoolOptions,
        _: HttpClientConfig,
    ) -> azure_data_cosmos_driver::error::Result<Arc<dyn TransportClient>> {
        Ok(Arc::new(self.clone()))
    }
}

/// The requests that our client layer sends itself.
#[async_trait]
impl HttpClient for Link {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let body = match request.body() {
            azure_core::http::Body::Bytes(body) => body.to_vec(),
            azure_core::http::Body::SeekableStream(_) => unreachable!("no request of ours is a stream"),
        };
        let sent = to_request(request.method().as_ref(), request.url(), request.headers(), body);
        let lost = |_| azure_core::Error::with_message(azure_core::error::ErrorKind::Io, "the connection was lost");
        let response = Link::send(self, sent).await.map_err(lost)?;
        Ok(AsyncRawResponse::from_bytes(response.status.into(), to_headers(response.headers), response.body))
    }
}
