//! JSON, XML and CSV.

use super::{Items, item};

pub fn add(items: &mut Items) {
    json(items);
    json_broken(items);
    xml(items);
    xml_broken(items);
    csv(items);
}

fn json(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: &str| {
        item(items, &format!("json-{name}"), "a.json", "application/json", content);
    };
    own(items, "good-object", r#"{"name": "value", "list": [1, 2.5, true, null], "deep": {"er": {}}}"#);
    own(items, "good-scalar", "42");
    own(items, "good-escapes", r#"["\u00e9\n\t\"\\\/", "\ud83d\ude00"]"#);
    own(
        items,
        "good-numbers",
        "[0, -0, 1e10, 1.7976931348623157e308, 5e-324, 18446744073709551615, -9223372036854775808]",
    );
    own(items, "duplicate-key", r#"{"a": 1, "a": 2}"#);
    own(items, "duplicate-key-by-escape", r#"{"a": 1, "\u0061": 2}"#);
    own(items, "duplicate-key-by-normalization", "{\"\u{e9}\": 1, \"e\u{301}\": 2}");
    own(items, "duplicate-key-deep", r#"[{"x": {"role": "user", "role": "admin"}}]"#);
    own(items, "deep-arrays", &format!("{}{}", "[".repeat(100), "]".repeat(100)));
    own(items, "deep-objects", &format!("{}1{}", "{\"a\":".repeat(100), "}".repeat(100)));
    own(items, "very-deep", &"[".repeat(200_000));
    own(items, "number-too-large", "1e999");
    own(items, "number-too-small", "1e-999");
    own(items, "number-integer-loses-digits", "123456789012345678901234567890");
    own(items, "number-fraction-loses-digits", "0.12345678901234567890123456789");
    own(items, "hidden-nul", r#"{"a": "x\u0000y"}"#);
    own(items, "hidden-turned-text", r#"{"a": "x\u202ey"}"#);
    own(items, "hidden-zero-width-key", r#"{"ad\u200bmin": true}"#);
    own(items, "hidden-escape", r#"["\u001b[2J"]"#);
    own(items, "hidden-tag", r#"["\udb40\udc41"]"#);
    own(items, "lone-surrogate", r#"["\ud800"]"#);
    own(items, "reversed-surrogates", r#"["\udc00\ud800"]"#);
    own(items, "byte-order-mark", "\u{feff}{}");
    own(items, "trailing-value", "{} {}");
    own(items, "trailing-text", "{}x");
    own(items, "trailing-nul", "{}\0");
    own(items, "trailing-script", "{}</script><script>alert(1)</script>");
    own(items, "word-split-over-values", r#"["blue", "harvest"]"#);
    own(items, "word-in-key", r#"{"umbra": 1}"#);
    own(items, "word-by-escape", r#"["\u0075mbra"]"#);
}

/// What lenient readers take for JSON.
fn json_broken(items: &mut Items) {
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("spaces", b"  \n"),
        ("comma-at-end-of-array", b"[1,]"),
        ("comma-at-end-of-object", b"{\"a\":1,}"),
        ("two-commas", b"[1,,2]"),
        ("no-comma", b"[1 2]"),
        ("comment", b"{/* c */}"),
        ("line-comment", b"{} // c"),
        ("single-quotes", b"{'a': 1}"),
        ("bare-key", b"{a: 1}"),
        ("nan", b"[NaN]"),
        ("infinity", b"[-Infinity]"),
        ("hexadecimal", b"[0x10]"),
        ("leading-zero", b"[012]"),
        ("leading-plus", b"[+1]"),
        ("leading-point", b"[.5]"),
        ("point-at-end", b"[1.]"),
        ("empty-exponent", b"[1e]"),
        ("unclosed-string", b"[\"a"),
        ("unclosed-array", b"[1"),
        ("unclosed-object", b"{\"a\":1"),
        ("wrong-closing", b"[1}"),
        ("raw-line-end-in-string", b"[\"a\nb\"]"),
        ("raw-tab-in-string", b"[\"a\tb\"]"),
        ("bad-escape", b"[\"\\x41\"]"),
        ("short-escape", b"[\"\\u12\"]"),
        ("not-utf-8", b"[\"\xff\"]"),
        ("capital-true", b"[True]"),
        ("colon-in-array", b"[\"a\": 1]"),
        ("key-is-number", b"{1: 1}"),
        ("no-break-space", b"[\xc2\xa01]"),
        ("vertical-tab", b"[\x0b1]"),
        ("half-literal", b"[tru]"),
        ("utf-16", b"\xff\xfe[\x00]\x00"),
        ("prefix-against-inclusion", b")]}',\n{}"),
    ];
    for (name, content) in cases {
        item(items, &format!("json-broken-{name}"), "a.json", "application/json", *content);
    }
}

fn xml(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: &str| {
        item(items, &format!("xml-{name}"), "a.xml", "application/xml", content);
    };
    own(items, "good-plain", "<a b='c'>text<d/></a>");
    own(items, "good-declared", "<?xml version=\"1.0\" encoding=\"utf-8\" standalone=\"yes\"?>\n<a/>\n");
    own(items, "good-namespaces", "<p:a xmlns:p='urn:x' p:b='1'><c xmlns='urn:y'>t</c></p:a>");
    own(items, "good-references", "<a b='&quot;&#x41;&#10;'>&lt;&amp;&#233;<![CDATA[<raw>&]]></a>");
    own(items, "good-comment", "<a>one<!-- taken away -->two</a>");
    own(items, "entity-billion-laughs", &laughs());
    own(
        items,
        "entity-quadratic",
        &format!("<!DOCTYPE a [<!ENTITY x '{}'>]><a>{}</a>", "y".repeat(1_000), "&x;".repeat(1_000)),
    );
    own(items, "entity-file", "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>");
    own(items, "entity-network", "<!DOCTYPE a [<!ENTITY x SYSTEM 'http://127.0.0.1/x'>]><a>&x;</a>");
    own(items, "entity-parameter", "<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://127.0.0.1/x.dtd'> %x;]><a/>");
    own(items, "entity-external-subset", "<!DOCTYPE a SYSTEM 'http://127.0.0.1/x.dtd'><a/>");
    own(items, "entity-public", "<!DOCTYPE html PUBLIC '-//W3C//DTD XHTML 1.0//EN' 'x.dtd'><html/>");
    own(items, "entity-undeclared", "<a>&nbsp;</a>");
    own(items, "entity-in-attribute", "<a b='&x;'/>");
    own(items, "instruction-stylesheet", "<?xml-stylesheet href='http://127.0.0.1/x.xsl'?><a/>");
    own(items, "instruction-php", "<a><?php system('id') ?></a>");
    own(items, "active-xhtml-script", "<h xmlns='http://www.w3.org/1999/xhtml'><script>alert(1)</script></h>");
    own(items, "active-svg", "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>");
    own(items, "active-xslt", "<x:stylesheet xmlns:x='http://www.w3.org/1999/XSL/Transform' version='1.0'/>");
    own(items, "active-xinclude", "<a xmlns:i='http://www.w3.org/2001/XInclude'><i:include href='/etc/passwd'/></a>");
    own(items, "hidden-zero-width", "<a>x\u{200b}y</a>");
    own(items, "hidden-by-reference", "<a>x&#x202e;y</a>");
    own(items, "hidden-nul-by-reference", "<a>x&#0;y</a>");
    own(items, "hidden-control-by-reference", "<a>x&#27;[2Jy</a>");
    own(items, "hidden-in-attribute", "<a b='x&#x200b;y'/>");
    own(items, "deep", &format!("{}{}", "<a>".repeat(100), "</a>".repeat(100)));
    own(items, "very-deep", &"<a>".repeat(100_000));
    own(items, "duplicate-attribute", "<a b='1' b='2'/>");
    own(items, "duplicate-attribute-by-namespace", "<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='1' q:b='2'/>");
    own(items, "trailing-element", "<a/><b/>");
    own(items, "trailing-text", "<a/>text");
    own(items, "trailing-nul", "<a/>\0");
    own(items, "other-encoding", "<?xml version='1.0' encoding='UTF-7'?><a/>");
    own(items, "other-version", "<?xml version='1.1'?><a/>");
    own(items, "word-split-by-element", "<a>um<b/>bra</a>");
    own(items, "word-split-by-comment", "<a>um<!-- -->bra</a>");
    own(items, "word-by-reference", "<a>&#117;mbra</a>");
}

fn laughs() -> String {
    let mut text = String::from("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY l0 \"ha\">");
    for level in 1..10 {
        let inner = format!("&l{};", level - 1).repeat(10);
        text.push_str(&format!("<!ENTITY l{level} \"{inner}\">"));
    }
    text + "]><a>&l9;</a>"
}

fn xml_broken(items: &mut Items) {
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("only-comment", b"<!-- c -->"),
        ("unclosed", b"<a>"),
        ("crossed", b"<a><b></a></b>"),
        ("wrong-end", b"<a></b>"),
        ("end-alone", b"</a>"),
        ("bare-ampersand", b"<a>x & y</a>"),
        ("bare-less", b"<a>1 < 2</a>"),
        ("unquoted-attribute", b"<a b=c/>"),
        ("attribute-without-value", b"<a b/>"),
        ("less-in-attribute", b"<a b='<'/>"),
        ("digit-name", b"<1a/>"),
        ("space-name", b"< a/>"),
        ("double-hyphen-comment", b"<a><!-- a -- b --></a>"),
        ("unclosed-comment", b"<a><!-- </a>"),
        ("unclosed-cdata", b"<a><![CDATA[</a>"),
        ("cdata-end-in-text", b"<a>]]></a>"),
        ("undeclared-prefix", b"<p:a/>"),
        ("late-declaration", b" <?xml version='1.0'?><a/>"),
        ("two-declarations", b"<?xml version='1.0'?><?xml version='1.0'?><a/>"),
        ("not-utf-8", b"<a>\xff</a>"),
        ("nul", b"<a>\x00</a>"),
        ("half-tag", b"<a"),
    ];
    for (name, content) in cases {
        item(items, &format!("xml-broken-{name}"), "a.xml", "text/xml", *content);
    }
}

fn csv(items: &mut Items) {
    let own = |items: &mut Items, name: &str, content: &str| {
        item(items, &format!("csv-{name}"), "a.csv", "text/csv", content);
    };
    own(items, "good-plain", "name,amount\nA,1\nB,-2.5\n");
    own(items, "good-quoted", "a,b\r\n\"x, y\",\"say \"\"hi\"\"\"\r\n\"two\nlines\",\r\n");
    own(items, "good-numbers", "a,b,c\n-1,+1,\"-1,000.50\"\n-1.5e-7,+44 20 7946,-\n");
    own(items, "formula-equals", "a\n=1+1\n");
    own(items, "formula-program", "a\n\"=cmd|' /C calc'!A0\"\n");
    own(items, "formula-plus", "a\n+A1+cmd|' /C calc'!A0\n");
    own(items, "formula-minus", "a\n-2+3+cmd|' /C calc'!A0\n");
    own(items, "formula-at", "a\n@SUM(1+1)\n");
    own(items, "formula-after-space", "a\n  =HYPERLINK(\"http://127.0.0.1\")\n");
    own(items, "formula-after-tab", "a\n\"\t=1\"\n");
    own(items, "formula-wide", "a\n\u{ff1d}1+1\n");
    own(items, "formula-other-separator", "a\nx;=1+1\n");
    own(items, "formula-in-heading", "=1,b\n1,2\n");
    own(items, "formula-second-line-of-cell", "a\n\"x\n=1\"\n");
    own(items, "formula-quoted-apostrophe", "a\n'=1+1\n");
    own(items, "rows-of-different-length", "a,b\n1\n");
    own(items, "row-with-more", "a,b\n1,2,3\n");
    own(items, "hidden-zero-width", "a\nx\u{200b}y\n");
    own(items, "hidden-nul", "a\nx\0y\n");
    own(items, "hidden-turned", "a\nx\u{202e}y\n");
    own(items, "hidden-lone-return", "a\n\"x\ry\"\n");
    own(items, "quote-inside-cell", "a\nx\"y\n");
    own(items, "quote-then-text", "a\n\"x\"y\n");
    own(items, "unclosed-quote", "a\n\"x\n");
    own(items, "word", "a\nUmbra\n");
    own(items, "word-split-over-cells", "a,b\nblue,harvest\n");
    own(items, "marking", "text,marking\nx,SECRET\n");
    item(items, "csv-not-utf-8", "a.csv", "text/csv", b"a\n\xff\n".as_slice());
    item(items, "csv-other-charset", "a.csv", "text/csv; charset=utf-16", b"a\n".as_slice());
}
