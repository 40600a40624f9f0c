//! The web client, built into the binary when it was built before; otherwise a page that says how.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::RustEmbed;

use super::Problem;

#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Built;

/// What `/` says when the client is not built in.
const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>toritsugi</title>\
<h1>toritsugi</h1><p>The server runs. This build has no web client in it: run <code>make web</code> (or \
<code>npm ci &amp;&amp; npm run build</code> in <code>web/</code>), then build again with <code>cargo build</code>.</p>\
<p lang=\"ja\">サーバーは動作中です。画面は <code>make web</code> の後、再度ビルドすると使えます。</p>\
<p>API: <a href=\"/api/openapi.json\">/api/openapi.json</a></p></html>";

/// `/` and the files of the client; everything else is not found.
pub async fn serve(method: Method, uri: Uri) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Problem::not_found().into_response();
    }
    let path = uri.path().trim_start_matches('/');
    let name = if uri.path() == "/" { "index.html" } else { path };
    match Built::get(name) {
        Some(file) => {
            let kind = HeaderValue::from_str(file.metadata.mimetype())
                .unwrap_or(HeaderValue::from_static("application/octet-stream"));
            // Names of assets carry a hash of their content; the page itself does not.
            let keep = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
            let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, HeaderValue::from_static(keep))];
            (StatusCode::OK, headers, file.data.into_owned()).into_response()
        }
        None if uri.path() == "/" => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            (StatusCode::OK, [(CONTENT_TYPE, kind)], NOT_BUILT).into_response()
        }
        None => Problem::not_found().into_response(),
    }
}
