//! Suggestions for names that nobody knows.

use crate::Error;

impl Error {
    /// A name that is none of the known ones, with the one that was probably meant:
    /// ``no model is called `lente`; did you mean `lenet`? There are mlp, lenet``.
    pub fn unknown(kind: &str, name: &str, known: &[&str]) -> Error {
        let all = known.join(", ");
        Error::invalid(match closest(name, known) {
            Some(meant) => format!("no {kind} is called `{name}`; did you mean `{meant}`? There are {all}"),
            None => format!("no {kind} is called `{name}`; there are {all}"),
        })
    }
}

/// The known name nearest to `name`, if it is near: at most a third of its letters differ, letter case, hyphens and
/// underscores aside.
pub fn closest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |text: &str| -> Vec<char> {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
    };
    let name = plain(name);
    let nearest = known.iter().map(|&known| (distance(&name, &plain(known)), known)).min_by_key(|(d, _)| *d);
    nearest.filter(|(distance, known)| 3 * distance <= name.len().max(known.len())).map(|(_, known)| known)
}

/// The number of letters to insert, delete, replace or swap with their neighbour (Damerau 1964, in the restricted
/// form of optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[i][j] = match (i, j) {
                (0, _) | (_, 0) => i + j,
                _ => {
                    let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let swapped = if swapped { rows[i - 2][j - 2] + 1 } else { usize::MAX };
                    replaced.min(swapped).min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1)
                }
            };
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let distance = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("lente", "lenet"), 1);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn only_near_names_are_suggested() {
        let known = ["mlp", "lenet", "resnet18", "fashion-mnist"];
        assert_eq!(closest("lente", &known), Some("lenet"));
        assert_eq!(closest("ResNet-18", &known), Some("resnet18"));
        assert_eq!(closest("FashionMNIST", &known), Some("fashion-mnist"));
        assert_eq!(closest("transformer", &known), None);
        assert_eq!(closest("x", &known), None);
        assert_eq!(closest("x", &[]), None);
    }
}
