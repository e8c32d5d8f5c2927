//! The other reader of JSON, `actson`: it walks both documents event by event and wants the same in both.

use crate::Kind;
use crate::filter::text_check::{inspect, normal};
use crate::filter::{differs, pair};
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use actson::feeder::SliceJsonFeeder;
use actson::options::JsonParserOptionsBuilder;
use actson::{JsonEvent, JsonParser};
use std::collections::HashSet;

/// More digits than these do not survive a double-precision number (IEEE 754: 17 tell any two apart).
const DIGITS_MAX: usize = 17;

type Parser<'a> = JsonParser<SliceJsonFeeder<'a>>;

pub(crate) fn run(rules: &Rules, _: &Task, contents: &[Vec<u8>]) -> Outcome {
    let (before, after) = pair(contents)?;
    let (mut first, mut second) = (parser(rules, before), parser(rules, after));
    let mut keys: Vec<HashSet<String>> = Vec::new();
    loop {
        let (one, other) = (next(&mut first)?, next(&mut second)?);
        if one != other && !(is_number(one) && is_number(other)) {
            return Err(differs("the values before and after"));
        }
        let Some(event) = one else { return Ok(Done::default()) };
        match event {
            JsonEvent::StartObject | JsonEvent::StartArray => keys.push(HashSet::new()),
            JsonEvent::EndObject | JsonEvent::EndArray => {
                keys.pop();
            }
            JsonEvent::FieldName | JsonEvent::ValueString => {
                let (one, other) = (normal(text(&first)?), text(&second)?);
                if one != other {
                    return Err(differs("a string before and after"));
                }
                inspect(other)?;
                if event == JsonEvent::FieldName && keys.last_mut().is_some_and(|keys| !keys.insert(one.into_owned())) {
                    return Err(Refusal::new(Kind::Duplicate, "the same key twice in one object"));
                }
            }
            JsonEvent::ValueInt | JsonEvent::ValueFloat => compare_numbers(text(&first)?, text(&second)?)?,
            JsonEvent::ValueTrue | JsonEvent::ValueFalse | JsonEvent::ValueNull | JsonEvent::NeedMoreInput => {}
        }
    }
}

fn parser<'a>(rules: &Rules, content: &'a [u8]) -> Parser<'a> {
    // The outermost value counts here, too.
    let options = JsonParserOptionsBuilder::default().with_max_depth(rules.bounds().nesting.saturating_add(1)).build();
    JsonParser::new_with_options(SliceJsonFeeder::new(content), options)
}

fn next(parser: &mut Parser<'_>) -> Result<Option<JsonEvent>, Refusal> {
    match parser.next_event() {
        Ok(event) => Ok(event),
        Err(_) => Err(Refusal::new(Kind::Ambiguous, "the second reader does not take it for JSON")
            .at(format!("byte {}", parser.parsed_bytes()))),
    }
}

fn is_number(event: Option<JsonEvent>) -> bool {
    matches!(event, Some(JsonEvent::ValueInt | JsonEvent::ValueFloat))
}

fn text<'a>(parser: &'a Parser<'_>) -> Result<&'a str, Refusal> {
    parser.current_str().map_err(|_| Refusal::new(Kind::Encoding, "a string that is not UTF-8"))
}

/// The same value, kept whole: integers digit by digit, others as the double that both mean.
fn compare_numbers(one: &str, other: &str) -> Result<(), Refusal> {
    let is_integer = |text: &str| !text.contains(['.', 'e', 'E']);
    let lost = || Refusal::new(Kind::Number, "a number that would not keep its value");
    if is_integer(one) && one != "-0" {
        // Beyond 64 bits each reader keeps something else.
        let is_kept = one == other && (one.parse::<u64>().is_ok() || one.parse::<i64>().is_ok());
        return if is_kept { Ok(()) } else { Err(lost()) };
    }
    let mantissa = one.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_start_matches('0').trim_end_matches('0');
    let (Ok(one), Ok(other)) = (one.parse::<f64>(), other.parse::<f64>()) else { return Err(lost()) };
    let is_kept = one.to_bits() == other.to_bits() && one.is_finite() && significant.len() <= DIGITS_MAX;
    if is_kept && (one != 0.0 || significant.is_empty()) { Ok(()) } else { Err(lost()) }
}
