//! Settings from the code, or else from the environment, checked.

use std::env::{self, VarError};

use crate::error::OtelError;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
/// The whole address, for traces only.
const TRACES_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
const SAMPLER_ARG: &str = "OTEL_TRACES_SAMPLER_ARG";

/// Where a collector on this machine listens.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:4318";
/// Where a collector takes traces.
const PATH: &str = "/v1/traces";

/// A variable of the environment. `None` if it is empty or not set.
///
/// # Errors
/// If it is not text.
pub(crate) fn variable(name: &'static str) -> Result<Option<String>, OtelError> {
    match env::var(name) {
        Ok(value) => Ok((!value.is_empty()).then_some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(OtelError::Variable { name }),
    }
}

/// Where spans are sent, with the path.
///
/// # Errors
/// If the address is not one that the exporter can use, or if a variable is not text.
pub(crate) fn traces_url(
    set: Option<&str>,
    variable: impl Fn(&'static str) -> Result<Option<String>, OtelError>,
) -> Result<String, OtelError> {
    if let Some(endpoint) = set {
        return Ok(with_path(checked("`.endpoint(..)`", endpoint)?));
    }
    if let Some(url) = variable(TRACES_ENDPOINT)? {
        return Ok(checked(TRACES_ENDPOINT, &url)?.to_owned());
    }
    match variable(ENDPOINT)? {
        Some(endpoint) => Ok(with_path(checked(ENDPOINT, &endpoint)?)),
        None => Ok(with_path(DEFAULT_ENDPOINT)),
    }
}

fn with_path(endpoint: &str) -> String {
    let endpoint = endpoint.trim_end_matches('/');
    if endpoint.ends_with(PATH) {
        endpoint.to_owned()
    } else {
        format!("{endpoint}{PATH}")
    }
}

fn checked<'a>(setting: &'static str, endpoint: &'a str) -> Result<&'a str, OtelError> {
    let why = match endpoint.split_once("://") {
        Some(("http", host)) if !host.is_empty() && !host.starts_with('/') => return Ok(endpoint),
        Some(("https", _)) => {
            "TLS is not supported: send by `http://` to a collector nearby that passes spans on"
        }
        _ => "it must begin with `http://` and a host, such as `http://127.0.0.1:4318`",
    };
    Err(OtelError::Endpoint {
        setting,
        endpoint: without_user(endpoint),
        why,
    })
}

/// The address without a name and password in it, for errors.
fn without_user(endpoint: &str) -> String {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
    match rest.rsplit_once('@') {
        Some((_, host)) if scheme.is_empty() => host.to_owned(),
        Some((_, host)) => format!("{scheme}://{host}"),
        None => endpoint.to_owned(),
    }
}

/// The share of new traces that are sampled.
///
/// # Errors
/// If it is no number from 0 to 1, or if the variable is not text.
pub(crate) fn share(
    set: Option<f64>,
    variable: impl Fn(&'static str) -> Result<Option<String>, OtelError>,
) -> Result<f64, OtelError> {
    let (setting, text, share) = if let Some(share) = set {
        ("`.sample(..)`", share.to_string(), Some(share))
    } else if let Some(text) = variable(SAMPLER_ARG)? {
        let share = text.trim().parse().ok();
        (SAMPLER_ARG, text, share)
    } else {
        return Ok(1.0);
    };
    // "Not a number" is in no range.
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or(OtelError::Share {
            setting,
            share: text,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment with this variable.
    fn only(
        name: &'static str,
        value: &'static str,
    ) -> impl Fn(&'static str) -> Result<Option<String>, OtelError> {
        move |asked| Ok((asked == name).then(|| value.to_owned()))
    }

    fn empty(_: &'static str) -> Result<Option<String>, OtelError> {
        Ok(None)
    }

    #[test]
    fn errors_have_no_password() {
        let shown = without_user("https://me:se@cret@collector:4318/x");
        assert_eq!(shown, "https://collector:4318/x");
        assert_eq!(without_user("me:secret@collector"), "collector");
        assert_eq!(without_user("collector:4318"), "collector:4318");
    }

    #[test]
    fn the_code_comes_before_the_environment_and_that_before_the_default() {
        let url = |set| traces_url(set, only(ENDPOINT, "http://tempo:4318/")).unwrap();
        assert_eq!(
            url(Some("http://jaeger:4318")),
            "http://jaeger:4318/v1/traces"
        );
        assert_eq!(url(None), "http://tempo:4318/v1/traces");
        assert_eq!(
            traces_url(None, empty).unwrap(),
            "http://127.0.0.1:4318/v1/traces"
        );
        let share = |set| share(set, only(SAMPLER_ARG, " 0.25 ")).unwrap();
        assert_eq!((share(Some(0.5)), share(None)), (0.5, 0.25));
        assert_eq!(super::share(None, empty).unwrap(), 1.0);
    }

    #[test]
    fn the_path_is_added_once_and_not_to_the_address_for_traces() {
        let url = |endpoint| traces_url(Some(endpoint), empty).unwrap();
        assert_eq!(url("http://a:1/v1/traces"), "http://a:1/v1/traces");
        assert_eq!(url("http://a:1/otlp/"), "http://a:1/otlp/v1/traces");
        let whole = traces_url(None, only(TRACES_ENDPOINT, "http://a:1/take")).unwrap();
        assert_eq!(whole, "http://a:1/take");
    }

    #[test]
    fn what_makes_no_sense_is_told_with_where_it_is_set() {
        for endpoint in ["", "a:4318", "http://", "http:///", "grpc://a:1"] {
            let error = traces_url(Some(endpoint), empty).unwrap_err().to_string();
            assert!(error.starts_with("`.endpoint(..)`: "), "{error}");
            assert!(error.contains("must begin with `http://`"), "{error}");
        }
        let error = traces_url(None, only(ENDPOINT, "https://a")).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(ENDPOINT), "{error}");
        assert!(error.contains("`https://a`") && error.contains("TLS"));
        for bad in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let error = share(Some(bad), empty).unwrap_err().to_string();
            assert!(error.starts_with("`.sample(..)`: "), "{error}");
        }
        let error = share(None, only(SAMPLER_ARG, "half")).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with(SAMPLER_ARG), "{error}");
        assert!(error.contains("`half`"), "{error}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_none() {
        assert_eq!(variable("MESH_OTEL_NO_SUCH_VARIABLE").unwrap(), None);
    }
}
