//! What the client asks for, decoded once.

use lavandula::Request;

use crate::problem::Problem;
use crate::version::Release;

/// The browsers of browser-compat-data 8. Checked before the document is
/// parsed: a misspelt name would look like a browser without any features.
pub const BROWSERS: [&str; 17] = [
    "bun",
    "chrome",
    "chrome_android",
    "deno",
    "edge",
    "firefox",
    "firefox_android",
    "ie",
    "nodejs",
    "oculus",
    "opera",
    "opera_android",
    "safari",
    "safari_ios",
    "samsunginternet_android",
    "webview_android",
    "webview_ios",
];

/// Which features to keep.
#[derive(Debug)]
pub struct Query {
    /// Those that this browser supports.
    pub browser: &'static str,
    /// Those that this release supports already. Without one, those that the
    /// newest build supports, previews included.
    pub since: Option<Release>,
    /// What to do with deprecated features.
    pub deprecated: Deprecated,
}

/// What becomes of features that should not be used any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deprecated {
    /// They are left out.
    Drop,
    /// They are treated like the others.
    Keep,
}

impl Query {
    /// The query of a request.
    ///
    /// Nothing is percent-decoded: no value that is right needs encoding.
    ///
    /// # Errors
    /// [`Problem::Query`] for a value that is missing or means nothing.
    pub fn of(request: &Request<'_>) -> Result<Self, Problem> {
        let browser = request.query_value("browser").unwrap_or_default();
        let browser = BROWSERS
            .into_iter()
            .find(|&known| known == browser)
            .ok_or_else(|| {
                Problem::Query(format!("`browser` is one of {}", BROWSERS.join(", ")))
            })?;
        let since = match request.query_value("since") {
            Some(text) => Some(Release::parse(text).ok_or_else(|| {
                Problem::Query("`since` is a release such as 100 or 15.4".to_owned())
            })?),
            None => None,
        };
        let deprecated = match request.query_value("deprecated") {
            None | Some("false") => Deprecated::Drop,
            Some("true") => Deprecated::Keep,
            Some(_) => {
                return Err(Problem::Query("`deprecated` is true or false".to_owned()));
            }
        };
        Ok(Self {
            browser,
            since,
            deprecated,
        })
    }
}
