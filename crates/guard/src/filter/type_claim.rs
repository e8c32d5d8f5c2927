//! The type by content, as `infer` sees it, against the claimed one.

use crate::filter::only;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use crate::{ContentType, Kind};

pub(crate) fn run(_: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let Some(claimed) = task.content_type else {
        return Err(Refusal::new(Kind::Type, "a type that the guard does not know"));
    };
    let seen = infer::get(content).map(|kind| kind.mime_type());
    let is_so = match claimed {
        // `infer` takes every text that begins with BM for a bitmap; the next filters tell whether it is a text.
        ContentType::Text | ContentType::Csv => matches!(seen, None | Some("image/bmp")),
        ContentType::Json => seen.is_none(),
        // It takes `<a>` for the beginning of a page. What browsers run stands in a namespace that the next filters refuse.
        ContentType::Xml => matches!(seen, None | Some("text/xml" | "text/html")),
        ContentType::Png => seen == Some("image/png"),
        ContentType::Jpeg => seen == Some("image/jpeg"),
        ContentType::Zip => seen == Some("application/zip"),
        ContentType::Tar => seen == Some("application/x-tar"),
        ContentType::Gzip => seen == Some("application/gzip"),
        ContentType::Pdf | ContentType::Office => false,
    };
    if is_so {
        return Ok(Done::default());
    }
    let claimed = claimed.media_type();
    Err(Refusal::new(
        Kind::Type,
        match seen {
            Some(seen) => format!("the content is {seen}, not {claimed}"),
            None => format!("the content is not {claimed}"),
        },
    ))
}
