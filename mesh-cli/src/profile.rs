//! Profiles: files with the address and the keys of a mesh, so that they need not be typed.

use std::{
    fs::{self, File, OpenOptions},
    io::{ErrorKind, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    connection::Environment,
    error::{CliError, Result},
};

/// The profile that is used if it exists and none is named.
const DEFAULT: &str = "default";

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 64 * 1024;

/// What a profile may say. It is not printed: it holds the private key.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Profile {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) master: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) private_key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) redis: Option<String>,
}

/// Reads the profile with this name, or the default one if there is any.
pub(crate) fn load(named: Option<&str>, environment: Environment<'_>) -> Result<Profile> {
    if let Some(name) = named {
        let path = path(name, environment)?;
        return match read(&path)? {
            Some(profile) => Ok(profile),
            None => Err(CliError::usage(format!(
                "there is no profile `{name}`: {} does not exist",
                path.display()
            ))
            .hint(format!(
                "`mesh key new --profile {name} --master HOST:PORT` makes one with new keys"
            ))),
        };
    }
    let Some(directory) = directory(environment) else {
        return Ok(Profile::default());
    };
    let default = read(&file_in(&directory, DEFAULT))?;
    Ok(default.unwrap_or_default())
}

/// Writes a new profile, readable by its owner only. Returns where it is.
pub(crate) fn create(
    name: &str,
    profile: &Profile,
    environment: Environment<'_>,
) -> Result<PathBuf> {
    let path = path(name, environment)?;
    let failed = |error: &dyn std::fmt::Display| {
        CliError::new(format!("{} cannot be written: {error}", path.display()))
    };
    let text = toml::to_string(profile).map_err(|error| failed(&error))?;
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|error| failed(&error))?;
    }
    let file = match new_private_file(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(CliError::new(format!("{} exists already", path.display()))
                .hint("choose another name, or remove the file if its keys are no longer in use"));
        }
        Err(error) => return Err(failed(&error)),
    };
    fill(file, &path, &text).map_err(|error| failed(&error))?;
    Ok(path)
}

/// Writes a text into a new file. If that fails, the file is removed: half a profile would be in the way of a whole one.
fn fill(mut file: File, path: &Path, text: &str) -> std::io::Result<()> {
    let written = file.write_all(text.as_bytes());
    drop(file);
    if written.is_err() {
        // What is told is why it could not be written.
        let _ = fs::remove_file(path);
    }
    written
}

/// Where the profile with this name is.
fn path(name: &str, environment: Environment<'_>) -> Result<PathBuf> {
    let is_file_name = |c: char| !c.is_control() && !matches!(c, '/' | '\\' | ':');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(is_file_name) {
        return Err(CliError::usage(format!("`{name}` is no name of a profile"))
            .hint("give the name of a file in ~/.config/mesh, without its ending .toml"));
    }
    match directory(environment) {
        Some(directory) => Ok(file_in(&directory, name)),
        None => Err(CliError::usage(
            "it is not known where profiles are: neither HOME nor XDG_CONFIG_HOME is set",
        )),
    }
}

fn file_in(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.toml"))
}

/// Where profiles are.
fn directory(environment: Environment<'_>) -> Option<PathBuf> {
    let config = environment("XDG_CONFIG_HOME").map(PathBuf::from);
    // The specification of XDG says that a relative path is to be ignored.
    let config = config.filter(|path| path.is_absolute());
    let config = config.or_else(|| Some(PathBuf::from(environment("HOME")?).join(".config")));
    Some(config?.join("mesh"))
}

/// Reads a file. `None` if there is none.
fn read(path: &Path) -> Result<Option<Profile>> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::usage(format!("{} cannot be read: {error}", path.display()))
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&error)),
    };
    must_be_private(&file, path)?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(&error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(failed(&format!("it has more than {MAX_BYTES} bytes")));
    }
    parse(&text).map(Some).map_err(|problem| {
        CliError::usage(format!("{}: {problem}", path.display())).hint(
            "a profile may set master, public_key, private_key and redis, each to a text in quotes",
        )
    })
}

/// The error has no part of the text, which may be a key.
fn parse(text: &str) -> std::result::Result<Profile, String> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let start = error.span().map_or(0, |span| span.start);
        let before = text.bytes().take(start);
        let line = 1 + before.filter(|byte| *byte == b'\n').count();
        format!("line {line}: {}", error.message())
    })
}

#[cfg(unix)]
fn must_be_private(file: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;

    let mode = file.metadata()?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    Err(CliError::usage(format!(
        "{} may hold a private key, and others can read or write it (mode {:03o})",
        path.display(),
        mode & 0o777
    ))
    .hint(format!("chmod 600 {}", path.display())))
}

#[cfg(not(unix))]
fn must_be_private(_: &File, _: &Path) -> Result<()> {
    Ok(())
}

#[cfg(unix)]
fn new_private_file(path: &Path) -> std::io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn new_private_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory for configurations that is removed at the end.
    struct Config(PathBuf);

    impl Config {
        fn new(test: &str) -> Self {
            let name = format!("mesh-profile-{}-{test}", std::process::id());
            let path = std::env::temp_dir().join(name);
            let _ = fs::remove_dir_all(&path);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn environment(&self) -> impl Fn(&str) -> Option<String> + '_ {
            move |name| (name == "XDG_CONFIG_HOME").then(|| self.0.to_str().unwrap().to_owned())
        }
    }

    impl Drop for Config {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn shop() -> Profile {
        Profile {
            master: Some("10.0.0.1:7000".to_owned()),
            public_key: Some("shop".to_owned()),
            private_key: Some("a \"quoted\" text".to_owned()),
            redis: None,
        }
    }

    fn error(result: Result<Profile>) -> String {
        result.err().unwrap().to_string()
    }

    #[test]
    fn a_profile_that_was_written_is_read_and_not_overwritten() {
        let config = Config::new("written");
        let environment = config.environment();
        let path = create("shop", &shop(), &environment).unwrap();
        assert!(path.ends_with("mesh/shop.toml"));
        let read = load(Some("shop"), &environment).unwrap();
        assert_eq!(read.master.as_deref(), Some("10.0.0.1:7000"));
        assert_eq!(read.private_key, shop().private_key);
        assert_eq!(read.redis, None);
        let again = create("shop", &shop(), &environment).unwrap_err();
        assert!(again.what().contains("exists already"));
    }

    #[test]
    fn a_profile_that_cannot_be_written_is_removed() {
        let config = Config::new("half");
        let path = config.0.join("shop.toml");
        fs::write(&path, "half").unwrap();
        let read_only = File::open(&path).unwrap();
        fill(read_only, &path, "text").unwrap_err();
        assert!(!path.exists());
    }

    #[test]
    fn the_default_profile_may_be_missing_and_a_named_one_may_not() {
        let config = Config::new("missing");
        let environment = config.environment();
        assert_eq!(load(None, &environment).unwrap().master, None);
        assert!(error(load(Some("shop"), &environment)).contains("there is no profile `shop`"));
        create("default", &shop(), &environment).unwrap();
        let default = load(None, &environment).unwrap();
        assert_eq!(default.public_key.as_deref(), Some("shop"));
    }

    #[cfg(unix)]
    #[test]
    fn a_profile_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;

        let config = Config::new("open");
        let environment = config.environment();
        let path = create("shop", &shop(), &environment).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let refused = error(load(Some("shop"), &environment));
        assert!(refused.contains("mode 640"), "{refused}");
        assert!(refused.contains("hint: chmod 600 "), "{refused}");
    }

    #[test]
    fn what_is_wrong_is_told_without_the_text() {
        let wrong = parse("master = \"h\"\nprivate_key = 4711\n").err().unwrap();
        assert!(wrong.starts_with("line 2: "), "{wrong}");
        let unknown = parse("privat_key = \"hush\"").err().unwrap();
        assert!(unknown.contains("privat_key"), "{unknown}");
        for text in ["private_key = \"hush", "hush", "private_key = hush"] {
            let wrong = parse(text).err().unwrap();
            assert!(!wrong.contains("hush"), "{wrong}");
        }
    }

    #[test]
    fn names_are_names_of_files() {
        let config = Config::new("names");
        let environment = config.environment();
        for bad in ["", ".", "..", "../shop", "a/b", "a\\b", "a\n"] {
            assert!(error(load(Some(bad), &environment)).contains("is no name of a profile"));
        }
        let nowhere = |_: &str| None::<String>;
        assert!(error(load(Some("shop"), &nowhere)).contains("HOME"));
        assert!(load(None, &nowhere).is_ok());
    }

    #[test]
    fn without_xdg_profiles_are_in_the_home_directory() {
        let home = |name: &str| (name == "HOME").then(|| "/home/ada".to_owned());
        let expected = Path::new("/home/ada/.config/mesh");
        assert_eq!(directory(&home).as_deref(), Some(expected));
        let relative = |name: &str| match name {
            "XDG_CONFIG_HOME" => Some("relative".to_owned()),
            other => home(other),
        };
        assert_eq!(directory(&relative).as_deref(), Some(expected));
    }
}
