//! A label as NATO's standards write it, for those who read labels by program: ADatP-4774 (STANAG 4774, the label)
//! inside ADatP-4778 (STANAG 4778, what binds it to data).
//!
//! Written, never read: whoever checks such a text writes it anew from what it should say, and compares bytes.

use crate::label::Countries;
use crate::policy::{Kind, Vocabulary};
use crate::{Label, Policy};

/// Namespace of ADatP-4774 (A)(1), Confidentiality Metadata Label Syntax.
const LABEL_NAMESPACE: &str = "urn:nato:stanag:4774:confidentialitymetadatalabel:1:0";
/// Namespace of ADatP-4778 (A)(1), Metadata Binding Mechanism.
const BINDING_NAMESPACE: &str = "urn:nato:stanag:4778:bindinginformation:1:0";

impl Policy {
    /// One `BindingInformation` that binds the label to everything that `references` name.
    ///
    /// `created` is the label's `CreationDateTime` (an `xs:dateTime`). Of the label there is its level, each
    /// compartment with what it stands under (restrictive), and each country of its release list (permissive; none
    /// when it is for everyone): no two labels that the policy admits make the same text. References are URIs, such
    /// as those of RFC 6920, which name data by its digest. The same label, time and references give the same bytes.
    #[must_use]
    pub fn binding(
        &self,
        label: Label,
        created: &str,
        references: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> String {
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<mb:BindingInformation xmlns:mb=\"{BINDING_NAMESPACE}\">\
             <mb:MetadataBindingContainer><mb:MetadataBinding><mb:Metadata>\
             <slab:originatorConfidentialityLabel xmlns:slab=\"{LABEL_NAMESPACE}\"><slab:ConfidentialityInformation>"
        );
        self.write_information(label, &mut text);
        text.push_str("</slab:ConfidentialityInformation><slab:CreationDateTime>");
        escape(created, &mut text);
        text.push_str("</slab:CreationDateTime></slab:originatorConfidentialityLabel></mb:Metadata>");
        for reference in references {
            text.push_str("<mb:DataReference URI=\"");
            escape(reference.as_ref(), &mut text);
            text.push_str("\"/>");
        }
        text.push_str("</mb:MetadataBinding></mb:MetadataBindingContainer></mb:BindingInformation>\n");
        text
    }

    fn write_information(&self, label: Label, text: &mut String) {
        text.push_str("<slab:PolicyIdentifier");
        if let Some(uri) = self.uri() {
            text.push_str(" URI=\"");
            escape(uri, text);
            text.push('"');
        }
        text.push('>');
        escape(self.name(), text);
        text.push_str("</slab:PolicyIdentifier><slab:Classification>");
        let level = self.words.levels.get(usize::from(label.level));
        escape(level.map_or("LEVEL UNKNOWN", |word| &word.banner), text);
        text.push_str("</slab:Classification>");
        for (system, compartments) in held(&self.words, label) {
            write_category("RESTRICTIVE", system, compartments, text);
        }
        if label.release != Countries::EVERYONE {
            let list = self.words.find(|kind| matches!(kind, Kind::ReleaseList(_)));
            let name = list.and_then(|place| self.words.items.get(place)).map_or("REL TO", |item| &item.name);
            write_category("PERMISSIVE", name, self.words.codes_of(label.release), text);
        }
    }
}

/// The label's compartments under the control system that each belongs to, in the order of print.
fn held(words: &Vocabulary, label: Label) -> Vec<(&str, Vec<&str>)> {
    let mut systems: Vec<(&str, Vec<&str>)> = Vec::new();
    for item in &words.items {
        let Kind::Restrictive(bit) = item.kind else { continue };
        if label.compartments & 1_u128.checked_shl(bit).unwrap_or(0) == 0 {
            continue;
        }
        match systems.last_mut() {
            Some((_, compartments)) if item.depth > 0 => compartments.push(&item.name),
            _ => systems.push((&item.name, vec![&item.name])),
        }
    }
    systems
}

fn write_category(kind: &str, name: &str, values: impl IntoIterator<Item = impl AsRef<str>>, text: &mut String) {
    text.push_str("<slab:Category Type=\"");
    text.push_str(kind);
    text.push_str("\" TagName=\"");
    escape(name, text);
    text.push_str("\">");
    for value in values {
        text.push_str("<slab:GenericValue>");
        escape(value.as_ref(), text);
        text.push_str("</slab:GenericValue>");
    }
    text.push_str("</slab:Category>");
}

/// Text as it may stand between tags and between quotation marks (XML 1.0, section 2.4). What XML has no way to write
/// becomes U+FFFD.
fn escape(plain: &str, text: &mut String) {
    // Most texts have nothing to escape, and bundles bind thousands of them.
    if plain.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"&<>\"'".contains(&byte)) {
        text.push_str(plain);
        return;
    }
    for character in plain.chars() {
        match character {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\'' => text.push_str("&apos;"),
            '\t' | '\n' | '\r' => text.push_str(&format!("&#{};", u32::from(character))),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => text.push('\u{fffd}'),
            _ => text.push(character),
        }
    }
}
