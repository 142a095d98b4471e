//! The files that a page loads. They are part of this executable. Their addresses have a digest of their content, so browsers may store
//! them for as long as they like.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use actix_web::web::Path;

use super::address::API;
use crate::http::{ApiError, NoQuery};

struct Asset {
    name: &'static str,
    ending: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const ASSETS: [Asset; 3] = [
    Asset {
        name: "console",
        ending: "css",
        content_type: "text/css; charset=utf-8",
        bytes: include_bytes!("assets/console.css"),
    },
    Asset {
        name: "console",
        ending: "js",
        content_type: "text/javascript; charset=utf-8",
        bytes: include_bytes!("assets/console.js"),
    },
    Asset { name: "icon", ending: "svg", content_type: "image/svg+xml", bytes: include_bytes!("assets/icon.svg") },
];

/// The file names with the digests, in the order of [`ASSETS`].
static NAMES: LazyLock<[String; 3]> = LazyLock::new(|| ASSETS.each_ref().map(Asset::file_name));

/// The addresses of the files.
pub struct Addresses {
    /// The style sheet.
    pub style: String,
    /// The script.
    pub script: String,
    /// The icon.
    pub icon: String,
}

impl Asset {
    fn file_name(&self) -> String {
        // FNV-1a. A digest of files that are ours need not resist attacks.
        let digest = self
            .bytes
            .iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
        format!("{}-{digest:016x}.{}", self.name, self.ending)
    }
}

/// The addresses of the files as they are now.
pub fn addresses() -> Addresses {
    let [style, script, icon] = NAMES.each_ref().map(|name| format!("{API}/console/assets/{name}"));
    Addresses { style, script, icon }
}

/// `GET /api/console/assets/{id}`: a file.
pub async fn get(name: Path<String>, _: NoQuery) -> Result<HttpResponse, ApiError> {
    let found = ASSETS.iter().zip(NAMES.iter()).find(|(_, known)| **known == *name);
    let (asset, _) = found.ok_or_else(|| ApiError::no_such_path(&format!("{API}/console/assets/{name}")))?;
    let resource_policy = HeaderName::from_static("cross-origin-resource-policy");
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, asset.content_type))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((resource_policy, "same-origin"))
        .body(asset.bytes))
}
