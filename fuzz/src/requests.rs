//! A few whole requests, signed, through the region's service.
//!
//! Oracle: every answer is well formed and no failure; every request has its entry in the ledger; an answer shows no
//! label outside the session's view; and every answer to a low session is, byte for byte, the one that it gets in a
//! twin of the region that holds nothing high and where no high session asks: nothing above it changes what it sees.

use crate::answer::Answer;
use crate::form;
use crate::house::{House, Template, is_high, view_of};
use crate::scenario::{Ask, Mode, pieces, read};
use crate::trail;
use std::sync::{Mutex, OnceLock, PoisonError};
use time::OffsetDateTime;

/// After so many inputs both regions begin anew, so that neither they nor what one input left to the next grow.
const INPUTS_MAX: u32 = 40;

/// What the low sessions hold at the start.
const LOW: &str = "\
U PUT /plain
%%
S PUT /plain/a.txt
x-amz-meta-note: low

low content
%%
U PUT /plain/dir/b.txt

at the floor
%%
S PUT /kept
%%
S PUT /kept?versioning

<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>
%%
S PUT /kept/a.txt

first
%%
S PUT /kept/a.txt

second
%%
S DELETE /kept/gone.txt
%%
S POST /plain/big.bin?uploads
%%
S PUT /plain/big.bin?partNumber=1&uploadId={{9:UploadId}}

a part
%%
C PUT /theirs
%%
C PUT /theirs/c.txt

of another account";

/// What the high session holds besides.
const HIGH: &str = "\
T PUT /plain/a.txt
x-amz-meta-note: q7gzp4vk1xwm

q7gzp4vk1xwm above a.txt
%%
T PUT /plain/q7gzp4vk1xwm

q7gzp4vk1xwm
%%
T DELETE /plain/dir/b.txt
%%
T PUT /kept?versioning

<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>
%%
T PUT /kept/a.txt

q7gzp4vk1xwm
%%
T DELETE /kept/a.txt
%%
T PUT /q7gzp4vk1xwm
%%
T PUT /high
%%
T PUT /high/q7gzp4vk1xwm

q7gzp4vk1xwm
%%
T POST /plain/q7gzp4vk1xwm?uploads
%%
T PUT /plain/q7gzp4vk1xwm?partNumber=1&uploadId={{10:UploadId}}

q7gzp4vk1xwm";

/// The two regions.
struct Twins {
    with: House,
    without: House,
    inputs_left: u32,
}

fn templates() -> &'static (Template, Template) {
    static TEMPLATES: OnceLock<(Template, Template)> = OnceLock::new();
    TEMPLATES.get_or_init(|| {
        let without = Template::make().after(LOW);
        (without.after(HIGH), without)
    })
}

impl Twins {
    fn open() -> Self {
        let (with, without) = templates();
        Self { with: with.open(), without: without.open(), inputs_left: INPUTS_MAX }
    }
}

/// S3's requests.
pub(crate) fn s3(data: &[u8]) {
    run(&pieces(data).into_iter().filter_map(|piece| read(piece, "s3")).collect::<Vec<_>>());
}

/// Those of IAM, STS and Fastness's own interface.
pub(crate) fn iam(data: &[u8]) {
    let form = http::HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8");
    let asks = pieces(data).into_iter().filter_map(|piece| read(piece, "iam")).map(|mut ask| {
        if ask.headers.is_empty() {
            ask.headers.push((http::header::CONTENT_TYPE, form.clone()));
        }
        ask
    });
    run(&asks.collect::<Vec<_>>());
}

/// Those of CloudTrail; without headers, lookups.
pub(crate) fn trail(data: &[u8]) {
    run(&trail::asks(data));
}

/// Where XML bodies are sent to.
const XML_TARGETS: [(&str, &str); 16] = [
    ("POST", "/plain?delete"),
    ("POST", "/kept?delete"),
    ("POST", "/plain/big.bin?uploadId={{1:UploadId}}"),
    ("PUT", "/plain?versioning"),
    ("PUT", "/new-bucket"),
    ("PUT", "/plain?tagging"),
    ("PUT", "/plain/a.txt?tagging"),
    ("PUT", "/plain?cors"),
    ("PUT", "/plain?lifecycle"),
    ("PUT", "/plain?object-lock"),
    ("PUT", "/plain/a.txt?retention"),
    ("PUT", "/plain/a.txt?legal-hold"),
    ("PUT", "/plain?encryption"),
    ("PUT", "/plain?notification"),
    ("PUT", "/plain?publicAccessBlock"),
    ("PUT", "/plain?ownershipControls"),
];

/// XML bodies: the first byte says where it is sent to, the rest is the body; what it changed is read back.
pub(crate) fn xml(data: &[u8]) {
    let Some((first, body)) = data.split_first() else { return };
    let Some((method, target)) = XML_TARGETS.get(usize::from(*first) % XML_TARGETS.len()) else { return };
    let mut text = b"S GET /plain?uploads\n%%\n".to_vec();
    text.extend_from_slice(format!("S {method} {target}\n!cut {}\n\n", usize::from(*first / 16) * 7 + 1).as_bytes());
    let mut asks: Vec<Ask> = pieces(&text).into_iter().filter_map(|piece| read(piece, "s3")).collect();
    if let Some(ask) = asks.last_mut() {
        ask.body = body.to_vec();
        ask.headers.push((http::HeaderName::from_static("content-md5"), content_md5(body)));
    }
    let read_back = if *method == "PUT" { format!("S GET {target}") } else { "S GET /plain?versions".to_owned() };
    asks.extend(read(read_back.as_bytes(), "s3"));
    run(&asks);
}

/// Forms that browsers post, beside other requests.
pub(crate) fn form(data: &[u8]) {
    run(&form::asks(data));
}

fn content_md5(body: &[u8]) -> http::HeaderValue {
    use base64::Engine as _;
    use md5::Digest as _;
    let text = base64::engine::general_purpose::STANDARD.encode(md5::Md5::digest(body));
    crate::sure(http::HeaderValue::from_str(&text))
}

fn run(asks: &[Ask]) {
    static TWINS: Mutex<Option<Twins>> = Mutex::new(None);
    let mut slot = TWINS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut twins = slot.take().filter(|twins| twins.inputs_left > 0).unwrap_or_else(Twins::open);
    twins.inputs_left -= 1;
    try_on(&twins, asks);
    *slot = Some(twins);
}

fn try_on(twins: &Twins, asks: &[Ask]) {
    let now = OffsetDateTime::now_utc();
    let before = (twins.with.entries(), twins.without.entries());
    let (mut sent, mut sent_low) = (0, 0);
    // What a low session is told by each; the text of the input may name only what a low session was told.
    let (mut with, mut without): (Vec<Option<Answer>>, Vec<Option<Answer>>) = (Vec::new(), Vec::new());
    for ask in asks {
        let high = is_high(ask.who);
        if ask.service == "cloudtrail" {
            // When exactly a read's entry follows is timing.
            twins.with.settle();
            twins.without.settle();
        }
        // A low request that quoted a high answer would carry down itself what it is not to be told.
        let told: Vec<Option<Answer>> = if high { with.clone() } else { without.clone() };
        let signed =
            (ask.mode == Mode::Form).then(|| twins.with.form(ask, &twins.with.body(ask, &told), now)).flatten();
        let listed = || signed.as_ref().map(|_| form::listed(&twins.with, &twins.without, now));
        let before = listed();
        let answer = twins.with.ask(ask, &told, now);
        let is_recorded = |answer: &Answer| u64::from(answer.path != fastness_region::HEALTH_PATH);
        if let Some(answer) = &answer {
            answer.check(view_of(ask.who));
            sent += is_recorded(answer);
        }
        let mut low = None;
        if !high {
            low = twins.without.ask(ask, &told, now);
            assert_eq!(answer, low, "what is above changed the answer to {ask:?}");
            if let Some(answer) = &low {
                sent_low += is_recorded(answer);
            }
        }
        if let (Some(signed), Some(before), Some(after)) = (&signed, before, listed()) {
            sent += u64::try_from(before.len() + after.len()).unwrap_or_default();
            sent_low += 2 * form::LISTED_LOW;
            if let Some(answer) = &answer {
                form::check([before, after], ask, signed, answer);
            }
        }
        with.push(answer);
        without.push(low);
    }
    assert_eq!(twins.with.entries() - before.0, sent, "entries of the ledger for {asks:?}");
    assert_eq!(twins.without.entries() - before.1, sent_low, "entries of the ledger for {asks:?}");
}
