//! Addresses as people write them: `host:port` and its kin.

use crate::wire::control::MAX_HOST;

/// `host:port`, with an IPv6 address in brackets.
pub(crate) fn joined(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Splits `host`, `host:port`, `[v6]:port` or a bare IPv6 address into host and port. The address is to be dialled, so
/// port 0 is an error.
pub(crate) fn host_and_port(text: &str) -> Result<(String, Option<u16>), String> {
    let malformed = || format!("`{text}` is neither `host:port` nor `host`");
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(malformed)?;
        (host, rest.strip_prefix(':'))
    } else {
        match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    };
    let port = port
        .map(|port| match port.parse() {
            Ok(0) | Err(_) => Err(format!(
                "`{port}` in `{text}` is no port to dial: ports are 1 to 65535"
            )),
            Ok(port) => Ok(port),
        })
        .transpose()?;
    if host.is_empty() || host.len() > MAX_HOST || host.chars().any(char::is_whitespace) {
        return Err(malformed());
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_joined_is_split_into_the_same() {
        for host in ["a.example", "127.0.0.1", "::1"] {
            let split = host_and_port(&joined(host, 7000));
            assert_eq!(split, Ok((host.to_owned(), Some(7000))));
        }
    }

    #[test]
    fn hosts_and_ports_are_told_apart() {
        let parsed = |text| host_and_port(text).unwrap();
        assert_eq!(parsed("a.example:7000"), ("a.example".into(), Some(7000)));
        assert_eq!(parsed("a.example"), ("a.example".into(), None));
        assert_eq!(parsed("[::1]:7000"), ("::1".into(), Some(7000)));
        assert_eq!(parsed("::1"), ("::1".into(), None));
        for bad in ["", ":7000", "a:b", "a:0", "a:70000", "[::1", "a b:1"] {
            assert!(host_and_port(bad).is_err(), "{bad}");
        }
    }
}
