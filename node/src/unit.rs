//! The systemd user unit that serves a home from log-in on, or from boot where the user lingers.
//!
//! `cairn.service` in the user's units. It begins with a line that says who wrote it: a file without that line is
//! somebody else's, and is neither replaced nor removed.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::NodeError;
use crate::files;
use crate::home::Home;

/// The unit's name.
pub const NAME: &str = "cairn.service";
/// The first line of a unit that this module wrote.
const OURS: &str = "# Written by `cairn serve --install`; `cairn serve --uninstall` removes it.\n";
/// The most bytes of a unit that is read.
const UNIT_BYTES_MAX: u64 = 1 << 16;

/// What was written or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// The file.
    pub unit: String,
    /// Where it makes `serve` listen, as multiaddresses.
    pub listen: Vec<String>,
    /// The command that makes systemd go by it.
    pub next: String,
}

/// Writes the unit. Without an address it takes a port that is free now and keeps it, so that links go on to work.
pub fn install(home: &Home, listen: &[String], peers: &[String]) -> Result<Unit, NodeError> {
    let path = place()?;
    if let Some(text) = read(&path)? {
        check_ours(&path, &text)?;
    }
    let listen = if listen.is_empty() { vec![free_address()?] } else { listen.to_vec() };
    let program =
        std::env::current_exe().map_err(|error| NodeError::io("find", Path::new("cairn"), error))?;
    let dir = home.dir().canonicalize().map_err(|error| NodeError::io("open", home.dir(), error))?;
    let text = text(&program, &dir, &listen, peers)?;
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| NodeError::io("create", folder, error))?;
    files::replace(&**home.files(), &path.with_extension("service.new"), &path, text.as_bytes())
        .map_err(|error| NodeError::io("write", &path, error))?;
    let next = format!("systemctl --user daemon-reload && systemctl --user enable --now {NAME}");
    Ok(Unit { unit: path.display().to_string(), listen, next })
}

/// Removes the unit.
pub fn uninstall() -> Result<Unit, NodeError> {
    let path = place()?;
    let text =
        read(&path)?.ok_or_else(|| NodeError::NotFound { what: "unit", name: path.display().to_string() })?;
    check_ours(&path, &text)?;
    // What `systemctl enable` made, which would point at nothing.
    let enabled = path.with_file_name("default.target.wants").join(NAME);
    if fs::symlink_metadata(&enabled).is_ok_and(|found| found.is_symlink()) {
        fs::remove_file(&enabled).map_err(|error| NodeError::io("remove", &enabled, error))?;
    }
    fs::remove_file(&path).map_err(|error| NodeError::io("remove", &path, error))?;
    let next = format!("systemctl --user stop {NAME} && systemctl --user daemon-reload");
    Ok(Unit { unit: path.display().to_string(), listen: Vec::new(), next })
}

/// Where the unit that serves this home makes it listen, if there is such a unit.
pub(crate) fn listens(home: &Home) -> Vec<String> {
    let Ok(Some(text)) = place().and_then(|path| read(&path)) else { return Vec::new() };
    let Ok(dir) = home.dir().canonicalize() else { return Vec::new() };
    let Ok(dir) = word(&dir.display().to_string()) else { return Vec::new() };
    let line = text.lines().find_map(|line| line.strip_prefix("ExecStart="));
    let Some(line) = line.filter(|line| line.contains(&format!("--home {dir} "))) else { return Vec::new() };
    let words: Vec<&str> = line.split(' ').map(|word| word.trim_matches('"')).collect();
    let pairs = words.windows(2).filter(|pair| pair[0] == "--listen");
    pairs.map(|pair| pair[1].to_owned()).collect()
}

fn place() -> Result<PathBuf, NodeError> {
    let folder = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let config = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    let config = config
        .ok_or_else(|| NodeError::Usage("no place for units: set HOME or XDG_CONFIG_HOME".to_owned()))?;
    Ok(config.join("systemd/user").join(NAME))
}

fn read(path: &Path) -> Result<Option<String>, NodeError> {
    match fs::metadata(path) {
        Ok(found) if found.is_file() && found.len() <= UNIT_BYTES_MAX => {}
        Ok(_) => return Ok(Some(String::new())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(NodeError::io("read", path, error)),
    }
    let bytes = fs::read(path).map_err(|error| NodeError::io("read", path, error))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn check_ours(path: &Path, text: &str) -> Result<(), NodeError> {
    match text.starts_with(OURS) {
        true => Ok(()),
        false => Err(NodeError::NotOurs(path.to_owned())),
    }
}

fn free_address() -> Result<String, NodeError> {
    let bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|listener| listener.local_addr());
    let port = bound.map_err(|error| NodeError::Network(format!("no port is free: {error}")))?.port();
    Ok(format!("/ip4/0.0.0.0/tcp/{port}"))
}

fn text(program: &Path, home: &Path, listen: &[String], peers: &[String]) -> Result<String, NodeError> {
    let utf8 = |path: &Path| path.to_str().map(str::to_owned);
    let paths = utf8(program).zip(utf8(home));
    let (program, home) =
        paths.ok_or_else(|| NodeError::Usage("the paths in a unit must be UTF-8".to_owned()))?;
    let mut words = vec![program, "--home".to_owned(), home.clone(), "serve".to_owned()];
    let options = listen.iter().map(|one| ("--listen", one)).chain(peers.iter().map(|one| ("--peer", one)));
    options.for_each(|(option, value)| words.extend([option.to_owned(), value.clone()]));
    let line: Vec<String> = words.iter().map(|one| word(one)).collect::<Result<_, _>>()?;
    let (line, home) = (line.join(" "), home.replace('%', "%%"));
    // The network is no unit of the user's: `serve` calls again until it is there.
    Ok(format!(
        "{OURS}[Unit]\nDescription=cairn: serves the repos of {home}\nDocumentation=man:cairn-serve(1)\n\n\
         [Service]\nExecStart={line}\nRestart=on-failure\nRestartSec=5\nNoNewPrivileges=yes\n\n\
         [Install]\nWantedBy=default.target\n"
    ))
}

/// A word of a command line as systemd reads it back.
fn word(text: &str) -> Result<String, NodeError> {
    if text.chars().any(char::is_control) {
        return Err(NodeError::Usage(format!("{text:?} cannot stand in a unit")));
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@,+=".contains(c);
    Ok(if text.chars().all(is_plain) { escaped } else { format!("\"{escaped}\"") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_systemd_reads_them() {
        let quoted = |text| word(text).unwrap();
        assert_eq!(quoted("/ip4/0.0.0.0/tcp/4000"), "/ip4/0.0.0.0/tcp/4000");
        assert_eq!(quoted("/home/a b"), "\"/home/a b\"");
        assert_eq!(quoted("50% \"$x\" \\"), "\"50%% \\\"$$x\\\" \\\\\"");
        assert!(word("two\nlines").is_err());
    }
}
