//! Keeps the source of a page in its links, its forms and its requests, where the app has several.
//!
//! Pages are made of many parts, each with links. What they say is changed here, in one place, so that no link can forget the source. The text
//! is that of this program's own pages: a double quote or a bracket in a value is escaped, so it is never the end of an attribute or of a tag.

use changefeed_cosmos::SourceName;

use crate::http::SOURCE;

/// The attributes that have the address of a page, or the path of a request.
const ATTRIBUTES: [&str; 8] = [
    " href=\"",
    " data-post=\"",
    " data-each=\"",
    " data-verify=\"",
    " data-next=\"",
    " data-chart=\"",
    " data-address=\"",
    " data-above=\"",
];
/// A form that opens a page. Its fields replace the query of its address.
const FORM: &str = "<form";
const GET: &str = " method=\"get\"";

/// The page with the source in every address, and in every form that opens a page.
pub fn keep_source(html: &str, source: &SourceName) -> String {
    in_forms(&in_addresses(html, source), source)
}

fn in_addresses(html: &str, source: &SourceName) -> String {
    let mut kept = String::with_capacity(html.len() + html.len() / 8);
    let mut rest = html;
    while let Some(at) = ATTRIBUTES.iter().filter_map(|name| Some(rest.find(name)? + name.len())).min() {
        let (before, after) = rest.split_at(at);
        let (value, following) = after.split_once('"').unwrap_or((after, ""));
        kept.push_str(before);
        kept.push_str(&with_source(value, source));
        kept.push('"');
        rest = following;
    }
    kept + rest
}

fn in_forms(html: &str, source: &SourceName) -> String {
    let field = format!("<input type=\"hidden\" name=\"{SOURCE}\" value=\"{source}\">");
    let mut parts = html.split(FORM);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| match part.split_once('>') {
        Some((tag, content)) if tag.contains(GET) => format!("{kept}{FORM}{tag}>{field}{content}"),
        _ => format!("{kept}{FORM}{part}"),
    })
}

/// An address with the source, unless it names one, or is not that of a page or a request.
fn with_source(address: &str, source: &SourceName) -> String {
    let is_other =
        address.is_empty() || address.starts_with('#') || address.contains("://") || address.contains("/assets/");
    let (path, fragment) = address.split_once('#').map_or((address, None), |(path, fragment)| (path, Some(fragment)));
    let query = path.split_once('?').map(|(_, query)| query);
    let names_one = query.is_some_and(|query| query.split("&amp;").any(|pair| pair.starts_with("source=")));
    if is_other || names_one {
        return address.to_owned();
    }
    let joined = if query.is_some() { "&amp;" } else { "?" };
    let fragment = fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
    format!("{path}{joined}{SOURCE}={source}{fragment}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(html: &str) -> String {
        keep_source(html, &"orders".parse().expect("a name"))
    }

    #[test]
    fn links_forms_and_requests_keep_the_source() {
        for (html, expected) in [
            (r#"<a href="find">x</a>"#, r#"<a href="find?source=orders">x</a>"#),
            (
                r##"<a href="find?from=1h#row" data-open>"##,
                r##"<a href="find?from=1h&amp;source=orders#row" data-open>"##,
            ),
            (
                r#"<form data-post="/api/restores" data-next="restore?id={id}">"#,
                r#"<form data-post="/api/restores?source=orders" data-next="restore?id={id}&amp;source=orders">"#,
            ),
            (
                r#"<form action="find" method="get"><input>"#,
                r#"<form action="find" method="get"><input type="hidden" name="source" value="orders"><input>"#,
            ),
            (
                r#"<form method="get" action="find">"#,
                r#"<form method="get" action="find"><input type="hidden" name="source" value="orders">"#,
            ),
            (
                r#"<form data-each="/api/dead-letters/{id}/replay">"#,
                r#"<form data-each="/api/dead-letters/{id}/replay?source=orders">"#,
            ),
        ] {
            assert_eq!(kept(html), expected);
        }
        for same in [
            r#"<a href="">again</a>"#,
            r##"<a href="#main">main</a>"##,
            r#"<link href="/api/console/assets/console.css">"#,
            r#"<a href="overview?source=customers">customers</a>"#,
            r#"<form method="dialog"><input>"#,
            r#"<p>a text with  href=&quot;find&quot; in it</p>"#,
        ] {
            assert_eq!(kept(same), same);
        }
    }
}
