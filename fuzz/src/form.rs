//! Forms that browsers post: their signature covers a policy, and stands in their body.
//!
//! Oracle, besides that of all requests: a form that is not answered as stored changed nothing that anybody holds; one
//! that is bears a signature that was made for it, of a key that the region knows, over a policy that names its bucket
//! and its key.

use crate::answer::Answer;
use crate::house::{House, SignedForm, is_high};
use crate::scenario::{Ask, Mode, pieces, read};
use time::OffsetDateTime;

/// Fields of forms, and words of their policies.
pub(crate) const WORDS: &[&str] = &[
    "\n%%\n",
    "\n%policy\n",
    "S POST /plain\n",
    "T POST /high\n",
    "!cut 1\n",
    "!unsigned\n",
    "content-type: multipart/form-data; boundary=",
    "multipart/form-data; boundary=\"x y\"",
    "--x\r\nContent-Disposition: form-data; name=\"",
    "\r\n--x--\r\n",
    "\r\n--x\r\n",
    "\r\n\r\n",
    "; filename=\"",
    "; filename*=utf-8''",
    "Content-Type: text/plain\r\n",
    "Content-Transfer-Encoding: base64\r\n",
    "name=\"file\"; filename=\"f\"",
    "name=\"key\"",
    "name=\"policy\"",
    "${filename}",
    "{{1:policy}}",
    "{{1:x-amz-signature}}",
    "{{1:x-amz-credential}}",
    "{{1:x-amz-date}}",
    "{{1:x-amz-algorithm}}",
    "x-amz-security-token",
    "AWSAccessKeyId",
    "success_action_status",
    "success_action_redirect",
    "redirect",
    "http://a/b?c",
    "javascript:",
    "201",
    "acl",
    "private",
    "tagging",
    "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>",
    "<![CDATA[",
    "content-type",
    "cache-control",
    "content-md5",
    "expires",
    "bucket",
    "x-amz-meta-",
    "x-amz-meta-classification",
    "x-amz-checksum-crc32",
    "x-amz-copy-source",
    "x-amz-object-lock-mode",
    "x-amz-server-side-encryption",
    "x-ignore-",
    "{\"expiration\":\"2100-01-01T00:00:00Z\",\"conditions\":[",
    "{\"bucket\":\"plain\"}",
    "[\"starts-with\",\"$key\",\"\"]",
    "[\"eq\",\"$key\",\"a\"]",
    "[\"content-length-range\",0,10]",
    "\\$",
    "origin: http://a\n",
];

/// What a policy has to name of the signature.
const SIGNED: [&str; 3] = ["x-amz-algorithm", "x-amz-credential", "x-amz-date"];

/// One form: its head, its bucket, its fields with the conditions on them, what stands before the name of the file.
fn seed(head: &str, bucket: &str, fields: &[(&str, &str, &str)], more: &str, file: &str) -> String {
    let mut conditions = format!("{{\"bucket\":\"{bucket}\"}}");
    let mut form = String::new();
    let mut add = |name: &str, value: &str| {
        form.push_str(&format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"));
    };
    for name in SIGNED {
        conditions.push_str(&format!(",{{\"{name}\":\"{{{{1:{name}}}}}\"}}"));
        add(name, &format!("{{{{1:{name}}}}}"));
    }
    for (name, value, condition) in fields {
        if !condition.is_empty() {
            conditions.push_str(&format!(",{condition}"));
        }
        add(name, value);
    }
    add("policy", "{{1:policy}}");
    add("x-amz-signature", "{{1:x-amz-signature}}");
    let policy = format!("{{\"expiration\":\"2100-01-01T00:00:00Z\",\"conditions\":[{conditions}{more}]}}");
    format!("{head}\n\n{policy}\n%policy\n{form}{file}")
}

/// Forms as pages send them, and such as should be refused.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    const CUT: &str = "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nthe file";
    const TAGS: &str = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let whole = format!("{CUT}\r\n--x--\r\n");
    let key = ("key", "k.txt", "{\"key\":\"k.txt\"}");
    let any = |name: &'static str, value: &'static str, condition: &'static str| [key, (name, value, condition)];
    let plain = |fields: &[(&str, &str, &str)]| seed("S POST /plain", "plain", fields, "", &whole);
    let status = plain(&any("success_action_status", "201", "[\"eq\",\"$success_action_status\",\"201\"]"));
    let page = "[\"starts-with\",\"$success_action_redirect\",\"http\"]";
    let name = [("key", "u/${filename}", "[\"starts-with\",\"$key\",\"u/\"]")];
    let other = "\r\n--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nother\r\n--x--\r\n";
    let behind = format!("{CUT}{other}");
    let texts = [
        format!("{}\n%%\nS GET /plain/k.txt\n%%\nU GET /plain/k.txt\n%%\nT GET /plain/k.txt", plain(&[key])),
        status,
        plain(&any("success_action_redirect", "http://a/b?c", page)),
        plain(&any("tagging", TAGS, "[\"starts-with\",\"$tagging\",\"\"]")),
        plain(&any("acl", "private", "{\"acl\":\"private\"}")),
        plain(&any("Content-Type", "text/csv", "[\"starts-with\",\"$Content-Type\",\"text/\"]")),
        plain(&any("x-amz-meta-price", "$5", "[\"eq\",\"$x-amz-meta-price\",\"\\\\$5\"]")),
        plain(&any("x-amz-checksum-crc32", "AAAAAA==", "{\"x-amz-checksum-crc32\":\"AAAAAA==\"}")),
        plain(&any("x-ignore-submit", "Go", "")),
        plain(&any("submit", "Go", "")),
        plain(&name),
        plain(&[("key", "other", "{\"key\":\"k.txt\"}")]),
        seed("S POST /plain", "plain", &[key], ",[\"content-length-range\",1,\"9\"]", &whole),
        seed("S POST /plain", "plain", &[key], ",[\"content-length-range\",0,3]", &whole),
        seed("S POST /plain\n!cut 5", "plain", &[key], "", &whole),
        seed("S POST /kept\norigin: http://a", "kept", &[key], "", &whole),
        seed("S POST /plain", "plain", &[key], "", &behind),
        seed("S POST /plain", "plain", &[key], "", CUT),
        seed("T POST /high", "high", &[key], "", &whole) + "\n%%\nS GET /high/k.txt",
        seed("C POST /theirs", "theirs", &[key], "", &whole),
        seed("B POST /plain", "plain", &[key], "", &whole),
        seed("X POST /plain", "plain", &[key], "", &whole),
        format!("S POST /plain\n!unsigned\n\n--x\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n{whole}"),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

/// The requests of an input: every POST is a form, unless it says otherwise.
pub(crate) fn asks(data: &[u8]) -> Vec<Ask> {
    let kind = http::HeaderValue::from_static("multipart/form-data; boundary=x");
    let of_forms = |mut ask: Ask| {
        if ask.method == http::Method::POST && ask.mode == Mode::Hashed {
            ask.mode = Mode::Form;
        }
        if ask.mode == Mode::Form && !ask.headers.iter().any(|(name, _)| name == http::header::CONTENT_TYPE) {
            ask.headers.push((http::header::CONTENT_TYPE, kind.clone()));
        }
        ask
    };
    pieces(data).into_iter().filter_map(|piece| read(piece, "s3")).map(of_forms).collect()
}

/// What lists everything in the regions, each by somebody who sees all of it.
const LISTED: [&str; 4] =
    ["T GET /plain?versions", "T GET /kept?versions", "T GET /high?versions", "C GET /theirs?versions"];

/// How many of these are asked in both regions.
pub(crate) const LISTED_LOW: u64 = 1;

/// Everything that is held, as it is listed. Whoever is not high lists it in both regions, as they ask all else.
pub(crate) fn listed(with: &House, without: &House, now: OffsetDateTime) -> Vec<Option<Answer>> {
    let list = |text: &str| {
        let ask = read(text.as_bytes(), "s3")?;
        let answer = with.ask(&ask, &[], now);
        if !is_high(ask.who) {
            assert_eq!(answer, without.ask(&ask, &[], now), "what is above changed the answer to {ask:?}");
        }
        answer
    };
    LISTED.into_iter().map(list).collect()
}

/// Holds a form to its oracle: what is listed before and after it, what was signed, and what was answered.
pub(crate) fn check(held: [Vec<Option<Answer>>; 2], ask: &Ask, form: &SignedForm, answer: &Answer) {
    // Whatever else is sent in this mode is anonymous, and not this oracle's.
    if ask.method != http::Method::POST || answer.path == fastness_region::HEALTH_PATH {
        return;
    }
    let is_stored = answer.status < 300 || answer.status == 303;
    if !is_stored {
        let [before, after] = held.map(|answers| answers.into_iter().flatten().map(|answer| answer.body));
        assert!(before.eq(after), "a form that was refused left something: {ask:?} {answer:?}");
        return;
    }
    let stands = |text: &str| form.wire.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(ask.who != 'X' && stands(&form.signature), "nobody signed what was stored: {ask:?} {answer:?}");
    assert!(stands(&form.policy_base64), "not what was signed was held to: {ask:?} {answer:?}");
    let policy: serde_json::Value = crate::sure(serde_json::from_slice(&form.policy));
    let mut names = Vec::new();
    for condition in policy.get("conditions").and_then(|list| list.as_array()).into_iter().flatten() {
        names.extend(condition.as_object().into_iter().flatten().map(|(name, _)| name.to_ascii_lowercase()));
        let field = condition.get(1).and_then(|name| name.as_str()).and_then(|name| name.strip_prefix('$'));
        names.extend(field.map(str::to_ascii_lowercase));
    }
    for name in ["bucket", "key", "x-amz-credential", "x-amz-date", "x-amz-algorithm"] {
        assert!(names.iter().any(|other| other == name), "the policy does not name {name}: {ask:?} {answer:?}");
    }
}
