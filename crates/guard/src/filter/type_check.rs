//! The type by content, as `file-format` sees it, against the claimed one.

use crate::filter::only;
use crate::rules::{Done, Outcome, Refusal, Rules, Task};
use crate::{ContentType, Kind};
use file_format::FileFormat;

pub(crate) fn run(_: &Rules, task: &Task, contents: &[Vec<u8>]) -> Outcome {
    let content = only(contents)?;
    let Some(claimed) = task.content_type else {
        return Err(Refusal::new(Kind::Type, "a type that the guard does not know"));
    };
    let seen = FileFormat::from_bytes(content);
    let is_unknown = matches!(seen, FileFormat::ArbitraryBinaryData | FileFormat::PlainText | FileFormat::Empty);
    let is_so = match claimed {
        ContentType::Text | ContentType::Csv | ContentType::Json => is_unknown,
        ContentType::Xml => is_unknown || seen == FileFormat::ExtensibleMarkupLanguage,
        ContentType::Png => seen == FileFormat::PortableNetworkGraphics,
        ContentType::Jpeg => seen == FileFormat::JointPhotographicExpertsGroup,
        ContentType::Zip => seen == FileFormat::Zip,
        ContentType::Tar => seen == FileFormat::TapeArchive,
        ContentType::Gzip => seen == FileFormat::Gzip,
        ContentType::Pdf | ContentType::Office => false,
    };
    if is_so {
        return Ok(Done::default());
    }
    let claimed = claimed.media_type();
    Err(Refusal::new(Kind::Type, format!("the content looks like {}, not {claimed}", seen.name())))
}
