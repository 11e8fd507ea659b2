//! A folder of images with one sub-folder per class.
//!
//! ```text
//! pets/cat/1.jpg
//! pets/cat/old/2.png
//! pets/dog/1.jpg
//! ```

use std::path::{Path, PathBuf};

use crate::image::Channels;
use crate::{Error, Result};

/// Images on disk with their labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageFolder {
    /// Names of the classes, which are the sub-folders, in the order of their bytes.
    pub classes: Vec<String>,
    /// Each image with its label, a position in `classes`; by class, then by path.
    pub files: Vec<(PathBuf, usize)>,
    /// What every image is converted to.
    pub channels: Channels,
}

impl ImageFolder {
    /// Finds the images (`.png`, `.jpg`, `.jpeg`, at any depth) below the sub-folders of `root`; nothing is decoded yet.
    ///
    /// Names that begin with a dot and links to folders below a class are skipped. The order depends on the names only.
    ///
    /// # Errors
    /// When a folder cannot be read, there is no sub-folder, or one of them holds no image.
    pub fn open(root: impl AsRef<Path>, channels: Channels) -> Result<ImageFolder> {
        let root = root.as_ref();
        let mut classes = Vec::new();
        let mut files = Vec::new();
        for path in entries(root)?.into_iter().filter(|path| path.is_dir()) {
            let before = files.len();
            find(&path, classes.len(), &mut files)?;
            if files.len() == before {
                return Err(Error::file(&path, "a class folder without any .png, .jpg or .jpeg file"));
            }
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            classes.push(name.into_owned());
        }
        if classes.is_empty() {
            return Err(Error::file(root, "no sub-folder; expected one per class, as in cat/1.jpg, dog/1.jpg"));
        }
        Ok(ImageFolder { classes, files, channels })
    }
}

fn find(folder: &Path, label: usize, files: &mut Vec<(PathBuf, usize)>) -> Result<()> {
    for path in entries(folder)? {
        let is_link = path.symlink_metadata().map_err(|error| Error::file(&path, error))?.is_symlink();
        if path.is_dir() {
            // A link may lead back up: following it would never end.
            if !is_link {
                find(&path, label, files)?;
            }
        } else if is_image(&path) {
            files.push((path, label));
        }
    }
    Ok(())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default();
    ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known))
}

/// What a folder holds, sorted, without hidden files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let refuse = |error| Error::file(folder, error);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fails, folder};

    #[test]
    fn finds_images_in_a_fixed_order() {
        let folder = folder();
        for name in
            ["dog/b.PNG", "dog/a.jpeg", "cat/z/1.jpg", "cat/2.jpg", "cat/notes.txt", "cat/.hidden.png", "top.png"]
        {
            folder.write(name, "");
        }
        let found = ImageFolder::open(folder.path(""), Channels::Rgb).unwrap();
        assert_eq!(found.classes, ["cat", "dog"]);
        let expected = [("cat/2.jpg", 0), ("cat/z/1.jpg", 0), ("dog/a.jpeg", 1), ("dog/b.PNG", 1)];
        assert_eq!(found.files, expected.map(|(name, label)| (folder.path(name), label)));
    }

    #[test]
    fn says_what_is_missing() {
        let folder = folder();
        fails(ImageFolder::open(folder.path("absent"), Channels::Rgb), &["absent"]);
        fails(ImageFolder::open(folder.path(""), Channels::Rgb), &["no sub-folder", "one per class"]);
        folder.write("cat/readme.txt", "");
        fails(ImageFolder::open(folder.path(""), Channels::Rgb), &["cat", "without any .png"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_leads_back_up_is_not_followed() {
        let folder = folder();
        folder.write("cat/1.png", "");
        std::os::unix::fs::symlink(folder.path("cat"), folder.path("cat/again")).unwrap();
        assert_eq!(ImageFolder::open(folder.path(""), Channels::Rgb).unwrap().files.len(), 1);
    }
}
