//! Labels as ADatP-4774 writes them, bound as ADatP-4778 does.

use fastness_label::Policy;
use quick_xml::Reader;
use quick_xml::events::Event;

const CREATED: &str = "2026-03-01T12:00:00Z";
const NOBODY: [&str; 0] = [];

/// What stands in the label, element by element: names, attributes, texts.
fn read(xml: &str) -> Vec<String> {
    let mut reader = Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut seen = Vec::new();
    let mut open = 0;
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) => {
                open += 1;
                seen.push(String::from_utf8(start.to_vec()).unwrap());
            }
            Event::Empty(start) => seen.push(String::from_utf8(start.to_vec()).unwrap()),
            Event::Text(text) if open > 0 => seen.push(format!("= {}", text.decode().unwrap())),
            Event::Text(_) => {}
            Event::GeneralRef(entity) => seen.push(format!("& {}", entity.decode().unwrap())),
            Event::End(_) => open -= 1,
            Event::Eof => break,
            Event::Decl(_) => {}
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(open, 0, "what is opened is closed");
    seen
}

#[test]
fn the_whole_text() {
    let policy = Policy::us();
    let label = policy.label("TS//SI-G ABCD/TK//OC/REL TO USA, GBR").unwrap();
    let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
        <mb:BindingInformation xmlns:mb=\"urn:nato:stanag:4778:bindinginformation:1:0\">\
        <mb:MetadataBindingContainer><mb:MetadataBinding><mb:Metadata>\
        <slab:originatorConfidentialityLabel xmlns:slab=\"urn:nato:stanag:4774:confidentialitymetadatalabel:1:0\">\
        <slab:ConfidentialityInformation>\
        <slab:PolicyIdentifier URI=\"urn:fastness:policy:us\">us</slab:PolicyIdentifier>\
        <slab:Classification>TOP SECRET</slab:Classification>\
        <slab:Category Type=\"RESTRICTIVE\" TagName=\"SI\"><slab:GenericValue>SI</slab:GenericValue>\
        <slab:GenericValue>SI-G</slab:GenericValue><slab:GenericValue>SI-G ABCD</slab:GenericValue></slab:Category>\
        <slab:Category Type=\"RESTRICTIVE\" TagName=\"TK\"><slab:GenericValue>TK</slab:GenericValue></slab:Category>\
        <slab:Category Type=\"PERMISSIVE\" TagName=\"REL TO\"><slab:GenericValue>GBR</slab:GenericValue>\
        <slab:GenericValue>USA</slab:GenericValue></slab:Category>\
        </slab:ConfidentialityInformation>\
        <slab:CreationDateTime>2026-03-01T12:00:00Z</slab:CreationDateTime>\
        </slab:originatorConfidentialityLabel></mb:Metadata>\
        <mb:DataReference URI=\"ni:///sha-256;one\"/><mb:DataReference URI=\"ni:///sha-256;two\"/>\
        </mb:MetadataBinding></mb:MetadataBindingContainer></mb:BindingInformation>\n";
    assert_eq!(policy.binding(label, CREATED, ["ni:///sha-256;one", "ni:///sha-256;two"]), expected);
}

#[test]
fn a_list_is_written_unless_it_is_for_everyone() {
    let policy = Policy::us();
    let categories = |marking: &str| {
        let xml = policy.binding(policy.label(marking).unwrap(), CREATED, NOBODY);
        read(&xml)
            .into_iter()
            .filter(|text| text.starts_with("= ") || text.contains("Type="))
            .skip(2)
            .collect::<Vec<_>>()
    };
    assert_eq!(categories("U"), [format!("= {CREATED}")]);
    let alone = "slab:Category Type=\"PERMISSIVE\" TagName=\"REL TO\"".to_owned();
    for marking in ["S", "S//NF", "U//NF"] {
        assert_eq!(categories(marking), [alone.clone(), "= USA".to_owned(), format!("= {CREATED}")], "{marking}");
    }
}

#[test]
fn the_own_nation_of_nato_is_all_its_members() {
    let policy = Policy::nato();
    let xml = policy.binding(policy.label("NS//ATOMAL").unwrap(), CREATED, NOBODY);
    let seen = read(&xml);
    assert!(seen.contains(&"= NATO SECRET".to_owned()) && seen.contains(&"= ATOMAL".to_owned()));
    let countries = seen.iter().filter(|text| text.len() == 5 && text.starts_with("= ")).count();
    assert_eq!(countries, 32, "{seen:?}");
}

#[test]
fn different_labels_make_different_texts() {
    let policy = Policy::us();
    let markings = [
        "U",
        "U//NF",
        "CUI",
        "S",
        "S//REL TO USA, GBR",
        "S//REL TO USA, FRA, GBR",
        "S//SI",
        "S//SI-ABC",
        "TS//SI/TK",
        "TS//TK",
        "TS//SI-G ABCD//OC",
        "TS//SI-G DEFG//OC",
        "TS//HCS-O//OC/NF",
        "TS//HCS-P//NF",
    ];
    let texts: std::collections::BTreeSet<String> =
        markings.iter().map(|text| policy.binding(policy.label(text).unwrap(), CREATED, NOBODY)).collect();
    assert_eq!(texts.len(), markings.len());
}

#[test]
fn what_is_special_in_xml_is_escaped() {
    let policy = Policy::from_toml(
        "name = \"a<b>&\\\"'\\n\\u0001c\"\nuri = \"urn:x:a&b'c\"\nown_nation = \"HQ\"\ncountries = [\"HQ\"]\n\
         [[level]]\nbanner = \"PUBLIC\"\n\
         [[category]]\nname = \"C\"\n[[category.marking]]\nbanner = \"FOR\"\nkind = \"release-list\"\n",
    )
    .unwrap();
    let xml = policy.binding(policy.lowest(), "<&>", ["\"/><x/>"]);
    assert!(xml.contains(" URI=\"urn:x:a&amp;b&apos;c\">a&lt;b&gt;&amp;&quot;&apos;&#10;\u{fffd}c</slab:Pol"), "{xml}");
    assert!(xml.contains("<slab:CreationDateTime>&lt;&amp;&gt;</slab"), "{xml}");
    assert!(xml.contains("<mb:DataReference URI=\"&quot;/&gt;&lt;x/&gt;\"/>"), "{xml}");
    assert_eq!(read(&xml).iter().filter(|text| text.starts_with("mb:DataReference")).count(), 1);
}

#[test]
fn the_policies_that_are_compiled_in_have_uris() {
    assert_eq!(Policy::us().uri(), Some("urn:fastness:policy:us"));
    assert_eq!(Policy::nato().uri(), Some("urn:fastness:policy:nato"));
}
