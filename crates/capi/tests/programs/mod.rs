//! Compiling C programs against the header and the library of this build.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder for a test, empty at first and gone at the end.
pub struct Folder(PathBuf);

impl Folder {
    /// With the test's name.
    pub fn new(name: &str) -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("c-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The system's C compiler.
pub struct Compiler {
    program: String,
}

/// That of the environment variable `CC`, or `cc`; none on systems without one, where only C programs cannot be tested.
pub fn compiler() -> Option<Compiler> {
    let program = std::env::var("CC").unwrap_or("cc".into());
    let there = Command::new(&program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there || !cfg!(unix) {
        eprintln!("not tested: there is no C compiler called {program} here");
        return None;
    }
    Some(Compiler { program })
}

impl Compiler {
    /// What the compiler says of a source text: `extra` are further arguments.
    pub fn compile(&self, folder: &Folder, text: &str, name: &str, extra: &[&str]) -> Output {
        let source = folder.file(name);
        std::fs::write(&source, text).unwrap();
        let include = concat!(env!("CARGO_MANIFEST_DIR"), "/include");
        let mut command = Command::new(&self.program);
        command.args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-I", include]).arg(&source).args(extra);
        command.current_dir(&folder.0).output().unwrap()
    }

    /// The program of a source text in C99, linked to the library.
    pub fn build(&self, folder: &Folder, text: &str, name: &str, extra: &[&str]) -> PathBuf {
        // Beside the test's own folder `deps`, where cargo puts the library of the example `hadal`.
        let libraries = std::env::current_exe().unwrap().parent().unwrap().with_file_name("examples");
        let there = ["libhadal.so", "libhadal.dylib"].iter().any(|library| libraries.join(library).exists());
        assert!(
            there,
            "cargo builds the library for all tests together: `cargo test -p hadal-capi`, or add --examples"
        );
        let libraries = libraries.to_str().unwrap();
        let rpath = format!("-Wl,-rpath,{libraries}");
        let link = ["-std=c99", "-L", libraries, "-lhadal", &rpath, "-o", name];
        let output = self.compile(folder, text, &format!("{name}.c"), &[&link, extra].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder.file(name)
    }
}
