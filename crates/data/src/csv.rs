//! Tables in CSV files: columns of numbers and columns of categories, with missing values.

use std::collections::BTreeSet;
use std::path::Path;

use ::csv::{ErrorKind, Position, ReaderBuilder, StringRecord, Trim};
use hadal_core::closest;

use crate::{Error, Result};

/// Whether the first line holds the names of the columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It does unless one of its cells is a number.
    #[default]
    Guess,
    /// It does.
    Present,
    /// It does not; the columns are called `column 1`, `column 2` …
    Absent,
}

/// How to read a table.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the first line is.
    pub header: Header,
    /// The byte between two cells.
    pub delimiter: u8,
    /// Cells that stand for "not known", without regard to case; the empty cell always does.
    pub missing: Vec<String>,
    /// Names of columns whose numbers are labels, not quantities (a postcode).
    pub categories: Vec<String>,
}

impl Default for Options {
    /// A comma, a guessed header, and `?`, `NA`, `N/A`, `NaN`, `null` and `none` for missing.
    fn default() -> Options {
        let missing = ["?", "NA", "N/A", "NaN", "null", "none"].map(String::from).to_vec();
        Options { header: Header::Guess, delimiter: b',', missing, categories: Vec::new() }
    }
}

/// A column.
#[derive(Clone, Debug, PartialEq)]
pub enum Column {
    /// Quantities; a missing one is NaN.
    Numbers(Vec<f64>),
    /// Labels.
    Categories {
        /// The different labels in alphabetical order.
        levels: Vec<String>,
        /// Per row, a position in `levels`, or `None` when missing.
        codes: Vec<Option<u32>>,
    },
}

/// A table: columns of equal length under their names.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// One name per column, no two equal.
    pub names: Vec<String>,
    /// The columns in the file's order.
    pub columns: Vec<Column>,
    /// Number of rows.
    pub rows: usize,
    /// The line of the file at which each row begins, counted from 1.
    pub lines: Vec<usize>,
}

impl Table {
    /// The column called `name`.
    ///
    /// # Errors
    /// When there is none; the message lists those that there are.
    pub fn column(&self, name: &str) -> Result<&Column> {
        let position = self.names.iter().position(|known| known == name);
        position.map(|position| &self.columns[position]).ok_or_else(|| {
            let known: Vec<&str> = self.names.iter().map(String::as_str).collect();
            let meant = closest(name, &known).map_or("it".into(), |meant| format!("did you mean `{meant}`? It"));
            Error::invalid(format!("the table has no column `{name}`; {meant} has {}", known.join(", ")))
        })
    }

    /// The rows with these numbers (from 0), in this order, as a table.
    ///
    /// # Panics
    /// When a row does not exist.
    #[track_caller]
    pub fn select(&self, rows: &[usize]) -> Table {
        if let Some(row) = rows.iter().find(|row| **row >= self.rows) {
            panic!("table: row {row} of a table of {} rows", self.rows);
        }
        let columns = self.columns.iter().map(|column| match column {
            Column::Numbers(values) => Column::Numbers(rows.iter().map(|&row| values[row]).collect()),
            Column::Categories { levels, codes } => {
                categories(rows.iter().map(|&row| codes[row].map(|code| levels[code as usize].as_str())))
            }
        });
        Table {
            names: self.names.clone(),
            columns: columns.collect(),
            rows: rows.len(),
            lines: rows.iter().map(|&row| self.lines[row]).collect(),
        }
    }
}

/// Reads a table. Cells are trimmed; a column is of numbers when most of its cells are.
///
/// # Errors
/// When the file cannot be read, has no rows, has rows of different lengths, is not UTF-8, repeats a name in the header, or
/// has a cell that is no number in a column where most are. The message names the line.
pub fn read(path: impl AsRef<Path>, options: &Options) -> Result<Table> {
    let path = path.as_ref();
    let text = std::fs::read(path).map_err(|error| Error::file(path, error))?;
    let (mut records, mut lines, mut counter) = (Vec::new(), Vec::new(), Lines { text: &text, at: 0, line: 1 });
    let mut reader = ReaderBuilder::new();
    let reader = reader.has_headers(false).trim(Trim::All).delimiter(options.delimiter);
    for record in reader.from_reader(&text[..]).records() {
        let record = record.map_err(|error| refuse(path, &error, &mut counter))?;
        lines.push(counter.at(record.position()));
        records.push(record);
    }
    let Some(first) = records.first() else { return Err(Error::file(path, "an empty table")) };
    let has_header = match options.header {
        Header::Guess => !first.iter().any(|cell| number(cell).is_some()),
        Header::Present => true,
        Header::Absent => false,
    };
    let names: Vec<String> = if has_header {
        lines.remove(0);
        records.remove(0).iter().map(String::from).collect()
    } else {
        (1..=first.len()).map(|position| format!("column {position}")).collect()
    };
    if records.is_empty() {
        return Err(Error::file(path, "a table without rows: only a header line was found"));
    }
    let mut seen = BTreeSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
        return Err(Error::file(path, format!("the header has the name {name:?} twice")));
    }
    let columns = names.iter().enumerate().map(|(position, name)| {
        let cells = Cells { records: &records, lines: &lines, position, options };
        if options.categories.contains(name) { Ok(categories(cells.iter())) } else { cells.column(name, path) }
    });
    Ok(Table { columns: columns.collect::<Result<_>>()?, rows: records.len(), names, lines })
}

/// Counts lines up to places that come in the order of the text.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl Lines<'_> {
    /// The line of a record. Blank lines before it are skipped: the reader takes them for a part of it.
    fn at(&mut self, position: Option<&Position>) -> usize {
        let mut start = position.map_or(0, |position| position.byte() as usize);
        while matches!(self.text.get(start), Some(b'\n' | b'\r')) {
            start += 1;
        }
        let ends_line = |at: &usize| match self.text[*at] {
            b'\n' => true,
            b'\r' => self.text.get(at + 1) != Some(&b'\n'),
            _ => false,
        };
        self.line += (self.at..start).filter(ends_line).count();
        self.at = start.max(self.at);
        self.line
    }
}

/// The cells of one column.
struct Cells<'a> {
    records: &'a [StringRecord],
    lines: &'a [usize],
    position: usize,
    options: &'a Options,
}

impl Cells<'_> {
    /// Every cell, `None` when missing.
    fn iter(&self) -> impl Iterator<Item = Option<&str>> + Clone {
        let is_missing = |cell: &str| self.options.missing.iter().any(|m| m.eq_ignore_ascii_case(cell));
        let cells = self.records.iter().map(|record| &record[self.position]);
        cells.map(move |cell| (!cell.is_empty() && !is_missing(cell)).then_some(cell))
    }

    fn column(&self, name: &str, path: &Path) -> Result<Column> {
        let present = self.iter().flatten().count();
        let numbers = self.iter().flatten().filter(|cell| number(cell).is_some()).count();
        if numbers * 2 <= present && present > 0 {
            return Ok(categories(self.iter()));
        }
        if let Some((row, cell)) = self.iter().enumerate().find(|(_, cell)| cell.is_some_and(|c| number(c).is_none())) {
            let line = self.lines[row];
            let message = format!(
                "line {line}: {:?} is no number, but {numbers} of {present} cells of the column {name:?} are; add it to \
                 `missing`, or the column to `categories`",
                cell.unwrap_or_default()
            );
            return Err(Error::file(path, message));
        }
        Ok(Column::Numbers(self.iter().map(|cell| cell.and_then(number).unwrap_or(f64::NAN)).collect()))
    }
}

/// The column of these labels, `None` where one is missing.
fn categories<'a>(cells: impl Iterator<Item = Option<&'a str>> + Clone) -> Column {
    let levels: Vec<&str> = cells.clone().flatten().collect::<BTreeSet<_>>().into_iter().collect();
    let code = |cell| levels.binary_search(&cell).ok().map(|position| position as u32);
    let codes = cells.map(|cell| cell.and_then(code)).collect();
    Column::Categories { codes, levels: levels.into_iter().map(String::from).collect() }
}

/// The finite number that a cell spells.
fn number(cell: &str) -> Option<f64> {
    cell.parse().ok().filter(|value: &f64| value.is_finite())
}

fn refuse(path: &Path, error: &::csv::Error, counter: &mut Lines) -> Error {
    let mut line = |position: &Option<Position>| counter.at(position.as_ref());
    let message = match error.kind() {
        ErrorKind::UnequalLengths { pos, expected_len, len } => {
            format!("line {}: {len} cells, but the first line has {expected_len}", line(pos))
        }
        ErrorKind::Utf8 { pos, .. } => format!("line {}: not UTF-8 text", line(pos)),
        ErrorKind::Io(error) => error.to_string(),
        _ => error.to_string(),
    };
    Error::file(path, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fails, folder};

    fn table(text: &str) -> Result<Table> {
        read(folder().write("table.csv", text), &Options::default())
    }

    #[test]
    fn numbers_categories_and_missing_values() {
        let table = table("age, job ,score\n39,clerk,1.5\n?,\"cook, chef\",\n-2e1,clerk,NaN\n").unwrap();
        assert_eq!(table.names, ["age", "job", "score"]);
        let Column::Numbers(age) = table.column("age").unwrap() else { panic!() };
        assert_eq!((age[0], age[1].is_nan(), age[2]), (39.0, true, -20.0));
        let categories = Column::Categories {
            levels: vec!["clerk".into(), "cook, chef".into()],
            codes: vec![Some(0), Some(1), Some(0)],
        };
        assert_eq!(*table.column("job").unwrap(), categories);
        fails(table.column("jobs").cloned(), &["no column `jobs`; did you mean `job`?", "age, job, score"]);
    }

    #[test]
    fn some_rows_are_a_table_of_their_own() {
        let table = table("age,job\n39,clerk\n\n28,cook\n30,?\n41,clerk\n").unwrap();
        assert_eq!(table.lines, [2, 4, 5, 6]);
        let some = table.select(&[3, 2]);
        assert_eq!((some.rows, &some.lines[..]), (2, &[6, 5][..]));
        assert_eq!(some.columns[0], Column::Numbers(vec![41.0, 30.0]));
        assert_eq!(some.columns[1], Column::Categories { levels: vec!["clerk".into()], codes: vec![Some(0), None] });
    }

    #[test]
    fn a_first_line_with_a_number_is_data() {
        let table = table("5.1,setosa\n4.9,virginica\n").unwrap();
        assert_eq!((table.rows, table.names), (2, vec!["column 1".to_string(), "column 2".to_string()]));
    }

    #[test]
    fn numbers_can_be_labels() {
        let path = folder();
        let path = path.write("a.csv", "zip,size\n10,1\n9,2\n");
        let options = Options { categories: vec!["zip".into()], ..Options::default() };
        let table = read(path, &options).unwrap();
        let levels = vec!["10".to_string(), "9".to_string()];
        assert_eq!(table.columns[0], Column::Categories { levels, codes: vec![Some(0), Some(1)] });
    }

    #[test]
    fn each_mistake_names_its_line() {
        fails(table(""), &["table.csv", "empty table"]);
        fails(table("a,b\n"), &["without rows"]);
        fails(table("a,b\n1,2\n3\n"), &["line 3: 1 cells, but the first line has 2"]);
        fails(table("a,a\n1,2\n"), &["the name \"a\" twice"]);
        fails(table("a\n1\n2\nabc\n"), &["line 4: \"abc\" is no number, but 2 of 3 cells of the column \"a\" are"]);
        fails(table("a\n1\n2\n1e999\n"), &["line 4: \"1e999\" is no number"]);
        let path = folder();
        fails(read(path.write("latin.csv", b"a,b\nM\xfcller,1\n"), &Options::default()), &["line 2: not UTF-8"]);
        fails(read(path.path("absent.csv"), &Options::default()), &["absent.csv"]);
    }
}
