//! Where downloaded files live.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::{Error, Result};

/// The folder for downloads: `HADAL_DATA` if set, else `hadal` in the platform's cache folder
/// (`$XDG_CACHE_HOME` or `~/.cache`, `~/Library/Caches`, `%LOCALAPPDATA%`). It may not exist yet.
///
/// # Errors
/// When none of the variables is set.
pub fn folder() -> Result<PathBuf> {
    choose(std::env::consts::OS, |name| std::env::var_os(name)).ok_or_else(|| {
        Error::invalid("no folder for downloads: neither HADAL_DATA nor the home folder is set; set HADAL_DATA")
    })
}

fn choose(system: &str, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(chosen) = folder("HADAL_DATA") {
        return Some(chosen);
    }
    let cache = match system {
        "windows" => folder("LOCALAPPDATA"),
        "macos" => folder("HOME").map(|home| home.join("Library/Caches")),
        // The XDG base directory specification: a relative path is to be ignored.
        _ => folder("XDG_CACHE_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| folder("HOME").map(|home| home.join(".cache"))),
    };
    cache.map(|cache| cache.join("hadal"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(system: &str, variables: &[(&str, &str)]) -> Option<PathBuf> {
        choose(system, |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn each_platform_has_its_cache() {
        let home = ("HOME", "/home/eve");
        assert_eq!(chosen("linux", &[home]), Some("/home/eve/.cache/hadal".into()));
        assert_eq!(chosen("linux", &[home, ("XDG_CACHE_HOME", "/fast")]), Some("/fast/hadal".into()));
        assert_eq!(chosen("linux", &[home, ("XDG_CACHE_HOME", "here")]), Some("/home/eve/.cache/hadal".into()));
        assert_eq!(chosen("macos", &[home]), Some("/home/eve/Library/Caches/hadal".into()));
        assert_eq!(chosen("windows", &[("LOCALAPPDATA", "C:/Local")]), Some("C:/Local/hadal".into()));
        assert_eq!(chosen("linux", &[home, ("HADAL_DATA", "/data")]), Some("/data".into()));
        assert_eq!(chosen("linux", &[home, ("HADAL_DATA", "")]), Some("/home/eve/.cache/hadal".into()));
        assert_eq!(chosen("linux", &[]), None);
    }
}
