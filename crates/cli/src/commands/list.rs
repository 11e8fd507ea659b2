//! `hadal datasets` and `hadal models`: what has a name.

use crate::console::say;
use hadal::Result;
use hadal::data::datasets::{self, Name};

/// Whether the files of a data set are on this machine.
pub fn is_here(name: Name) -> bool {
    datasets::find(name, None).is_ok_and(|found| found.is_some())
}

/// Prints the data sets by name, what they hold and where they are.
pub fn datasets() -> Result<()> {
    for name in Name::ALL {
        let about = match name {
            Name::Digits => "12,000 + 2,000 grey images 28 × 28 of 10 classes",
            Name::Mnist | Name::FashionMnist => "60,000 + 10,000 grey images 28 × 28 of 10 classes",
            Name::Cifar10 => "50,000 + 10,000 colour images 32 × 32 of 10 classes",
            Name::Cifar100 => "50,000 + 10,000 colour images 32 × 32 of 100 classes",
        };
        let place = match datasets::find(name, None)? {
            _ if name == Name::Digits => "drawn by the program".into(),
            Some(folder) => folder.display().to_string(),
            None => "downloaded when first used".into(),
        };
        say!("{:<14} {about:<53} {place}", name.as_str());
    }
    say!("\nimage-folder, csv and npz take data of your own: give the folder or file with --data");
    Ok(())
}

/// Prints the models by name.
pub fn models() -> Result<()> {
    for entry in &hadal::models::ALL {
        say!("{:<10} {}", entry.name, entry.about);
    }
    Ok(())
}
