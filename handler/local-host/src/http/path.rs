//! The path of a request, as ASP.NET reads it: decoded, except slashes, and without segments `.` and `..`.
//!
//! What is decoded decides about the route, and is encoded again for the handler. So the handler is sent the path that was routed.

/// A decoded path. An encoded slash is still encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestPath(String);

impl RequestPath {
    /// `None` for a path that ASP.NET refuses, because it has an encoded NUL, and for segments of dots that are separated by
    /// backslashes, which some handlers take for slashes.
    pub(crate) fn parse(encoded: &str) -> Option<Self> {
        let decoded = decoded(encoded);
        let has_backslash_dots =
            decoded.contains('\\') && decoded.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."));
        (!decoded.contains('\0') && !has_backslash_dots).then(|| Self(without_dots(&decoded)))
    }

    /// Starts with a slash.
    pub(crate) fn decoded(&self) -> &str {
        &self.0
    }

    /// For the handler: a percent sign that is left is encoded, so `%2F` becomes `%252F`.
    pub(crate) fn encoded(&self) -> String {
        encoded(&self.0, false)
    }

    /// As part of a URL that is shown: `%2F` stays.
    pub(crate) fn displayed(&self) -> String {
        encoded(&self.0, true)
    }
}

fn decoded(encoded: &str) -> String {
    let mut decoded = String::new();
    let mut rest = encoded;
    while let Some((before, after)) = rest.split_once('%') {
        decoded.push_str(before);
        let run = format!("%{after}");
        let mut bytes = Vec::new();
        while let Some(byte) = hex_byte(&run[bytes.len() * 3..]).filter(|byte| *byte != b'/') {
            bytes.push(byte);
        }
        if bytes.is_empty() {
            decoded.push('%');
            rest = after;
            continue;
        }
        for chunk in bytes.utf8_chunks() {
            decoded.push_str(chunk.valid());
            chunk.invalid().iter().for_each(|byte| decoded.push_str(&format!("%{byte:02X}")));
        }
        rest = &after[bytes.len() * 3 - 1..];
    }
    decoded + rest
}

/// The byte that `%XX` at the beginning of the text encodes.
fn hex_byte(text: &str) -> Option<u8> {
    let digits =
        text.strip_prefix('%')?.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

fn without_dots(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    let all: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
    for (index, segment) in all.iter().enumerate() {
        let is_last = index + 1 == all.len();
        match *segment {
            "." => {}
            ".." => drop(segments.pop()),
            other => {
                segments.push(other);
                continue;
            }
        }
        if is_last {
            segments.push("");
        }
    }
    format!("/{}", segments.join("/"))
}

fn encoded(path: &str, stays_encoded: bool) -> String {
    let mut encoded = String::new();
    for (index, character) in path.char_indices() {
        let is_allowed = character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/".contains(character);
        if is_allowed || (stays_encoded && hex_byte(&path[index..]).is_some()) {
            encoded.push(character);
        } else {
            let mut bytes = [0; 4];
            character.encode_utf8(&mut bytes).bytes().for_each(|byte| encoded.push_str(&format!("%{byte:02X}")));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::RequestPath;

    fn path(encoded: &str) -> RequestPath {
        RequestPath::parse(encoded).expect(encoded)
    }

    #[test]
    fn a_path_is_decoded_except_its_slashes_and_encoded_again() {
        for (sent, decoded, encoded, displayed) in [
            ("/a%20b", "/a b", "/a%20b", "/a%20b"),
            ("/a%2Fb%3Fc%23d%25e", "/a%2Fb?c#d%e", "/a%252Fb%3Fc%23d%25e", "/a%2Fb%3Fc%23d%25e"),
            ("/%C3%A9", "/é", "/%C3%A9", "/%C3%A9"),
            ("/%FFx%C3", "/%FFx%C3", "/%25FFx%25C3", "/%FFx%C3"),
            ("/a%2", "/a%2", "/a%252", "/a%252"),
            ("/a%zz%41", "/a%zzA", "/a%25zzA", "/a%25zzA"),
            ("/a:b@c;d=e", "/a:b@c;d=e", "/a:b@c;d=e", "/a:b@c;d=e"),
            ("/a%5Bb", "/a[b", "/a%5Bb", "/a%5Bb"),
        ] {
            let path = path(sent);
            assert_eq!((path.decoded(), path.encoded().as_str()), (decoded, encoded), "{sent}");
            assert_eq!(path.displayed(), displayed, "{sent}");
        }
    }

    #[test]
    fn segments_of_dots_are_resolved_once_they_are_decoded() {
        for (sent, decoded) in [
            ("/a//b/./c/../d/", "/a//b/d/"),
            ("/a/%2e%2E/x", "/x"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/../../x", "/x"),
            ("/a/..%2fx", "/a/..%2fx"),
            ("/a/.../x", "/a/.../x"),
            ("/", "/"),
        ] {
            assert_eq!(path(sent).decoded(), decoded, "{sent}");
        }
    }

    #[test]
    fn a_nul_and_dots_between_backslashes_are_refused() {
        for sent in ["/a%00", "/a/..\\..\\x", "/a/%5c..%5cx"] {
            assert_eq!(RequestPath::parse(sent), None, "{sent}");
        }
    }
}
