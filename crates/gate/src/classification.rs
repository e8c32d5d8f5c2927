//! The metadata `classification`: it may state an object's label, and is checked.

use fastness_label::{Label, Marking, Policy};
use fastness_operation::{Attributes, Code};
use fastness_store::Fault;

const NAME: &str = "classification";

/// Checks the attributes of an object to be written at `session`.
pub(crate) fn check(policy: &Policy, session: Label, attributes: &Attributes) -> Result<(), Fault> {
    let length = attributes.metadata_len();
    if length > Attributes::METADATA_LEN_MAX {
        let message = format!(
            "Your metadata headers exceed the maximum allowed metadata size: {length} bytes of {}",
            Attributes::METADATA_LEN_MAX
        );
        return Err(Fault::refused(Code::MetadataTooLarge, message));
    }
    let Some(text) = attributes.metadata.get(NAME) else { return Ok(()) };
    let marking = policy.parse(text).map_err(|error| {
        Fault::refused(Code::InvalidArgument, format!("the metadata `{NAME}` is not a marking: {error}"))
    })?;
    if marking.label() == session {
        return Ok(());
    }
    let (says, writes) = (policy.banner(marking.label()), policy.banner(session));
    Err(Fault::refused(
        Code::AccessDenied,
        format!(
            "the metadata `{NAME}` says `{says}`, but this session writes at `{writes}`; use a session at that label"
        ),
    ))
}

/// The attributes that a copy takes along: a statement of the source's label becomes one of the copy's, with the
/// further markings that roll up; where that is impossible it is left out rather than false.
pub(crate) fn carry(policy: &Policy, session: Label, mut attributes: Attributes) -> Attributes {
    let Some(text) = attributes.metadata.remove(NAME) else { return attributes };
    let stated = policy.parse(&text);
    if stated.as_ref().is_ok_and(|marking| marking.label() == session) {
        attributes.metadata.insert(NAME.to_owned(), text);
        return attributes;
    }
    let rolled = stated.and_then(|source| Marking::roll_up(&[source, policy.parse(&policy.banner(session))?]));
    if let Ok(marking) = rolled
        && marking.label() == session
    {
        attributes.metadata.insert(NAME.to_owned(), marking.banner());
    }
    attributes
}
