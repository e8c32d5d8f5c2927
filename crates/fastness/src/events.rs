//! `fastness audit tail` and `search`: the ledger as an auditor reads it, by CloudTrail's LookupEvents.

use crate::arguments::{EventChoice, Search, Tail};
use crate::client::Client;
use crate::{profiles, say};
use anyhow::{Context, bail};
use comfy_table::{Table, presets};
use fastness_region::Policy;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime, Time};
use tokio::signal::unix::{SignalKind, signal};

/// How often `tail -f` asks.
const POLL_EVERY: Duration = Duration::from_secs(1);

/// How far back `tail -f` looks for what is new: an entry has the time at which its request came, not at which it ended.
const LOOK_BACK_S: f64 = 60.0;

/// Pages that one look of `tail -f` reads at most.
const PAGES_MAX: usize = 40;

/// One event: as it is listed, and its record.
struct Event {
    listed: Value,
    record: Value,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

impl Event {
    fn of(mut listed: Value) -> anyhow::Result<Self> {
        let record = listed.as_object_mut().and_then(|fields| fields.remove("CloudTrailEvent")).unwrap_or_default();
        let record = serde_json::from_str(record.as_str().unwrap_or_default()).context("an event has no record")?;
        Ok(Self { listed, record })
    }

    fn seconds(&self) -> f64 {
        self.listed.get("EventTime").and_then(Value::as_f64).unwrap_or_default()
    }

    fn more(&self) -> &Value {
        self.record.get("additionalEventData").unwrap_or(&Value::Null)
    }

    /// Its ledger, and its number there.
    fn place(&self) -> (&str, u64) {
        let ledger = self.more().get("ledger").unwrap_or(&Value::Null);
        (text(ledger, "label"), ledger.get("index").and_then(Value::as_u64).unwrap_or_default())
    }

    fn resources(&self) -> impl Iterator<Item = &str> {
        let all = self.listed.get("Resources").and_then(Value::as_array).into_iter().flatten();
        all.map(|resource| text(resource, "ResourceName"))
    }

    /// Time, label, user, operation, the first resource, what was decided, and from where it came.
    fn row(&self) -> [String; 7] {
        let mut resources = self.resources();
        let first = resources.next().unwrap_or_default();
        let is_object = first.contains('/');
        // An object's bucket goes without saying.
        let others = resources.filter(|other| !is_object || other.contains('/')).count();
        let resource = if others == 0 { first.to_owned() } else { format!("{first} (+{others})") };
        let decision = match text(self.more(), "reason") {
            "" => text(self.more(), "decision").to_owned(),
            reason => format!("{}: {reason} {}", text(self.more(), "decision"), text(&self.record, "errorCode")),
        };
        let user = text(&self.listed, "Username");
        let user = if user.is_empty() { "–" } else { user };
        let (label, event) = (self.place().0, text(&self.listed, "EventName"));
        let source = text(&self.record, "sourceIPAddress");
        [&moment(self.seconds()), label, user, event, &resource, &decision, source].map(printable)
    }
}

/// What somebody named may hold anything: nothing of it moves a terminal.
pub fn printable(text: &str) -> String {
    let one = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    text.chars().map(one).collect()
}

fn moment(seconds: f64) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]Z");
    let time = OffsetDateTime::from_unix_timestamp_nanos((seconds * 1_000.0).round() as i128 * 1_000_000);
    time.ok().and_then(|time| time.format(form).ok()).unwrap_or_default()
}

/// What is asked for, and what of the answer is wanted: the interface takes one attribute, the others are compared here.
struct Wanted {
    choice: EventChoice,
    labels: Vec<String>,
    since: Option<f64>,
    until: Option<f64>,
}

/// A label as it was typed, and as the compiled-in policy writes it.
pub fn marking(given: &str) -> Vec<String> {
    let policy = Policy::us();
    let banner = policy.label(given).ok().map(|label| policy.banner(label));
    std::iter::once(given.to_owned()).chain(banner).collect()
}

/// The one attribute that the interface is asked for: the first that is given is likely the rarest.
pub fn attribute(choice: &EventChoice) -> Option<(&'static str, &String)> {
    let EventChoice { user, event, resource, key, label: _ } = choice;
    let attributes = [("ResourceName", resource), ("AccessKeyId", key), ("Username", user), ("EventName", event)];
    attributes.into_iter().find_map(|(name, value)| Some((name, value.as_ref()?)))
}

impl Wanted {
    fn new(choice: EventChoice, since: Option<f64>, until: Option<f64>) -> Self {
        let labels = choice.label.iter().flat_map(|label| marking(label)).collect();
        Self { choice, labels, since, until }
    }

    fn input(&self, token: Option<&str>) -> Value {
        let mut input = Map::new();
        if let Some((name, value)) = attribute(&self.choice) {
            let attribute = json!([{ "AttributeKey": name, "AttributeValue": value }]);
            input.insert("LookupAttributes".to_owned(), attribute);
        }
        for (name, value) in [("StartTime", self.since), ("EndTime", self.until)] {
            if let Some(seconds) = value {
                input.insert(name.to_owned(), json!(seconds));
            }
        }
        if let Some(token) = token {
            input.insert("NextToken".to_owned(), json!(token));
        }
        Value::Object(input)
    }

    fn fits(&self, event: &Event) -> bool {
        // A resource is what was asked for, if one was; and of many an answer shows some.
        let EventChoice { user, event: name, resource: _, key, label: _ } = &self.choice;
        let is =
            |wanted: &Option<String>, field| wanted.as_ref().is_none_or(|wanted| wanted == text(&event.listed, field));
        (self.labels.is_empty() || self.labels.iter().any(|label| label == event.place().0))
            && is(key, "AccessKeyId")
            && is(user, "Username")
            && is(name, "EventName")
    }

    /// One page: its events, all of them, and how the next is asked for.
    async fn page(&self, client: &Client, token: Option<&str>) -> anyhow::Result<(Vec<Event>, Option<String>)> {
        let mut answer = client.cloudtrail("LookupEvents", &self.input(token)).await?;
        let next = answer.get("NextToken").and_then(Value::as_str).map(str::to_owned);
        let events = answer.get_mut("Events").and_then(Value::as_array_mut).map(std::mem::take).unwrap_or_default();
        Ok((events.into_iter().map(Event::of).collect::<Result<_, _>>()?, next))
    }
}

/// A point in time: a date, a date with a time, or so long before now; in seconds since 1970.
pub fn point(given: &str, now: OffsetDateTime) -> anyhow::Result<f64> {
    let unit = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let (number, last) = given.split_at(given.len() - given.chars().next_back().map_or(0, char::len_utf8));
    let ago = last.chars().next().and_then(unit).zip(number.parse::<u32>().ok());
    let date = Date::parse(given, format_description!("[year]-[month]-[day]"));
    let time = match (ago, date, OffsetDateTime::parse(given, &Rfc3339)) {
        (Some((unit, count)), ..) => now - time::Duration::seconds(unit * i64::from(count)),
        (None, Ok(date), _) => date.with_time(Time::MIDNIGHT).assume_utc(),
        (None, Err(_), Ok(time)) => time,
        _ => bail!("`{given}` is no time: write 2026-11-22T08:00:00Z, 2026-11-22, or 90s, 15m, 2h, 3d for so long ago"),
    };
    Ok(time.unix_timestamp() as f64 + f64::from(time.millisecond()) / 1_000.0)
}

/// `fastness audit search`.
pub async fn search(arguments: Search) -> anyhow::Result<()> {
    let Search { choice, since, until, limit, json, identity } = arguments;
    let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
    let now = OffsetDateTime::now_utc();
    let parse = |given: Option<String>| given.map(|given| point(&given, now)).transpose();
    let (since, until) = (parse(since)?, parse(until)?);
    if since > until && until.is_some() {
        bail!("--since is later than --until");
    }
    let wanted = Wanted::new(choice, since, until);
    let limit = limit.map_or(usize::MAX, |limit| limit as usize);
    let found = newest(&client, &wanted, limit, &|_| true, &mut |_| ()).await?;
    if json {
        let records: Vec<&Value> = found.iter().map(|event| &event.record).collect();
        say!("{}", serde_json::to_string_pretty(&records)?);
        return Ok(());
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY);
    table.set_header(["time", "label", "user", "operation", "resource", "decision", "from"]);
    let count = found.len();
    for event in found {
        table.add_row(event.row());
    }
    say!("{table}\n{count} {}", if count == 1 { "event" } else { "events" });
    Ok(())
}

/// The newest events that are wanted, newest first; `see` is shown all that were looked through.
async fn newest(
    client: &Client,
    wanted: &Wanted,
    limit: usize,
    also: &dyn Fn(&Event) -> bool,
    see: &mut dyn FnMut(&Event),
) -> anyhow::Result<Vec<Event>> {
    let (mut found, mut token) = (Vec::new(), None);
    loop {
        let (events, next) = wanted.page(client, token.as_deref()).await?;
        events.iter().for_each(&mut *see);
        found.extend(events.into_iter().filter(|event| wanted.fits(event) && also(event)));
        if found.len() >= limit || next.is_none() {
            found.truncate(limit);
            return Ok(found);
        }
        token = next;
    }
}

/// `fastness audit tail`.
pub async fn tail(arguments: Tail) -> anyhow::Result<()> {
    let Tail { lines, follow, own, json, choice, identity } = arguments;
    let client = Client::new(profiles::find(&identity.data, &identity.profile)?);
    let key = client.key_id().to_owned();
    // Whoever watches would else watch themselves watching.
    let shown = |event: &Event| {
        own || text(&event.listed, "EventName") != "LookupEvents" || text(&event.listed, "AccessKeyId") != key
    };
    let print = |event: &Event| {
        if json {
            say!("{}", event.record);
        } else {
            let [time, label, user, name, resource, decision, source] = event.row();
            say!("{time}  {label:<12}  {user:<12}  {name:<20}  {resource:<32}  {decision}  {source}");
        }
    };
    let mut wanted = Wanted::new(choice, None, None);
    let mut marks = Marks::default();
    let mut first = newest(&client, &wanted, usize::from(lines), &shown, &mut |event| marks.see(event)).await?;
    first.reverse();
    first.iter().for_each(print);
    if !follow {
        return Ok(());
    }
    // Once for all: what is sent while a page is asked for must end it too.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let following = async {
        loop {
            tokio::time::sleep(POLL_EVERY).await;
            wanted.since = (marks.newest > 0.0).then_some(marks.newest - LOOK_BACK_S);
            for event in fresh(&client, &wanted, &mut marks).await? {
                if wanted.fits(&event) && shown(&event) {
                    print(&event);
                }
            }
        }
    };
    tokio::select! {
        _ = interrupt.recv() => Ok(()),
        failed = following => failed,
    }
}

/// What happened since the marks, oldest first; they are moved on.
async fn fresh(client: &Client, wanted: &Wanted, marks: &mut Marks) -> anyhow::Result<Vec<Event>> {
    let (mut fresh, mut token) = (Vec::new(), None);
    let before = marks.clone();
    for page in 1.. {
        let (events, next) = wanted.page(client, token.as_deref()).await?;
        let len = fresh.len();
        fresh.extend(events.into_iter().filter(|event| before.is_new(event)));
        fresh.iter().skip(len).for_each(|event| marks.see(event));
        if fresh.len() == len || next.is_none() {
            break;
        }
        if page == PAGES_MAX {
            eprintln!("fastness: more happens than can be followed; `fastness audit search` shows all of it");
            break;
        }
        token = next;
    }
    fresh.reverse();
    Ok(fresh)
}

/// How far each ledger was seen.
#[derive(Clone, Default)]
struct Marks {
    by_ledger: BTreeMap<String, u64>,
    newest: f64,
    /// The newest time of all when the first look was over; of a ledger of which nothing was seen yet, what is not
    /// newer is old.
    begun: Option<f64>,
}

impl Marks {
    fn see(&mut self, event: &Event) {
        let (ledger, number) = event.place();
        let mark = self.by_ledger.entry(ledger.to_owned()).or_default();
        *mark = number.max(*mark);
        self.newest = self.newest.max(event.seconds());
        self.begun.get_or_insert(event.seconds());
    }

    fn is_new(&self, event: &Event) -> bool {
        let (ledger, number) = event.place();
        match self.by_ledger.get(ledger) {
            Some(mark) => number > *mark,
            None => self.begun.is_none_or(|begun| event.seconds() > begun),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(ledger: &str, index: u64, seconds: f64) -> Event {
        let record = json!({
            "additionalEventData": {
                "decision": "refused", "reason": "not-in-view", "ledger": { "label": ledger, "index": index },
            },
            "errorCode": "NoSuchKey",
            "sourceIPAddress": "127.0.0.1",
        });
        let resources = json!([{ "ResourceName": "b/k\u{1b}[2J" }, { "ResourceName": "b" }, { "ResourceName": "b/l" }]);
        let listed = json!({
            "EventTime": seconds, "EventName": "GetObject", "Username": "ann", "AccessKeyId": "AKIA",
            "Resources": resources, "CloudTrailEvent": record.to_string(),
        });
        Event::of(listed).unwrap()
    }

    #[test]
    fn times_are_points_or_so_long_ago() {
        let now = OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap();
        let check = |given: &str, expected: Option<f64>| assert_eq!(point(given, now).ok(), expected, "{given}");
        check("90s", Some(1_789_999_910.0));
        check("15m", Some(1_789_999_100.0));
        check("2h", Some(1_789_992_800.0));
        check("3d", Some(1_789_740_800.0));
        check("2026-09-21", Some(1_789_948_800.0));
        check("2026-09-21T14:13:20Z", Some(1_790_000_000.0));
        check("2026-09-21T16:13:20.250+02:00", Some(1_790_000_000.25));
        for given in ["", "s", "1", "-1s", "1w", "1 h", "yesterday", "2026-13-01", "€"] {
            check(given, None);
        }
    }

    #[test]
    fn a_row_says_what_was_decided_and_moves_no_terminal() {
        let row = event("SECRET", 1, 1_790_000_000.123).row();
        let expected = [
            "2026-09-21 14:13:20.123Z",
            "SECRET",
            "ann",
            "GetObject",
            "b/k\\u{1b}[2J (+1)",
            "refused: not-in-view NoSuchKey",
            "127.0.0.1",
        ];
        assert_eq!(row, expected);
    }

    #[test]
    fn one_attribute_is_asked_for_and_the_others_are_compared() {
        let some = |text: &str| Some(text.to_owned());
        let choice = |user, event, key, label| EventChoice { user, event, resource: None, key, label };
        let wanted = |choice| Wanted::new(choice, Some(1.0), None);
        let asked = wanted(choice(some("ann"), some("GetObject"), some("AKIA"), None)).input(Some("t"));
        let attribute = json!([{ "AttributeKey": "AccessKeyId", "AttributeValue": "AKIA" }]);
        assert_eq!(asked, json!({ "LookupAttributes": attribute, "StartTime": 1.0, "NextToken": "t" }));
        let fits = |choice| wanted(choice).fits(&event("SECRET", 1, 1.0));
        assert!(fits(choice(None, None, None, None)));
        assert!(fits(choice(some("ann"), some("GetObject"), some("AKIA"), some("SECRET//NOFORN"))));
        assert!(!fits(choice(some("bob"), None, None, None)));
        assert!(!fits(choice(None, some("PutObject"), None, None)));
        assert!(!fits(choice(None, None, some("AKIB"), None)));
        assert!(!fits(choice(None, None, None, some("UNCLASSIFIED"))));
    }

    #[test]
    fn what_is_new_is_told_ledger_by_ledger() {
        let mut marks = Marks::default();
        assert!(marks.is_new(&event("SECRET", 7, 5.0)), "of an empty ledger everything is");
        marks.see(&event("SECRET", 7, 5.0));
        marks.see(&event("SECRET", 6, 4.0));
        let check = |ledger, index, seconds, expected| {
            assert_eq!(marks.is_new(&event(ledger, index, seconds)), expected, "{ledger} {index}");
        };
        check("SECRET", 7, 5.0, false);
        check("SECRET", 8, 3.0, true);
        check("UNCLASSIFIED", 1, 5.0, false);
        check("UNCLASSIFIED", 2, 5.5, true);
    }
}
