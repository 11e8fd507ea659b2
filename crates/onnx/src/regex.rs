//! Regular expressions in RE2's syntax, for matching whole strings.
//!
//! An expression becomes a program of an automaton that is in many states at once (Thompson 1968), so that matching takes
//! time proportional to the product of program and text, whatever the expression. Not supported: flags, and
//! classes by name.

use hadal_core::{Error, Result};

/// A compiled expression.
#[derive(Debug)]
pub(crate) struct Regex {
    program: Vec<Step>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Takes a character of the class.
    Take(Class),
    /// Goes on at both places.
    Split(usize, usize),
    Jump(usize),
    /// Holds in certain places, without taking a character.
    Assert(Place),
    Match,
}

/// A place between two characters, or at an end of the text.
#[derive(Debug, Clone, Copy)]
enum Place {
    Start,
    End,
    /// Between a letter and something else.
    WordBoundary,
    NoWordBoundary,
}

impl Place {
    fn is(self, before: Option<char>, after: Option<char>) -> bool {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
        match self {
            Place::Start => before.is_none(),
            Place::End => after.is_none(),
            Place::WordBoundary => word(before) != word(after),
            Place::NoWordBoundary => word(before) == word(after),
        }
    }
}

/// Ranges of characters, or all others.
#[derive(Debug, Clone, PartialEq)]
struct Class {
    ranges: Vec<(char, char)>,
    negated: bool,
}

impl Class {
    fn of(ranges: &[(char, char)], negated: bool) -> Class {
        Class { ranges: ranges.to_vec(), negated }
    }

    fn has(&self, c: char) -> bool {
        self.ranges.iter().any(|&(low, high)| (low..=high).contains(&c)) != self.negated
    }
}

/// An expression as a tree.
#[derive(Clone)]
enum Node {
    Empty,
    Class(Class),
    Assert(Place),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    /// At least and at most so often.
    Repeat(Box<Node>, usize, Option<usize>),
}

/// Repetitions beyond this number are refused, as in RE2.
const MOST_REPEATS: usize = 1000;

/// Programs beyond this length are refused.
const LONGEST: usize = 1 << 16;

/// Groups may be nested so deep.
const DEEPEST: usize = 100;

struct Parser<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    depth: usize,
}

impl Parser<'_> {
    fn next_is(&mut self, c: char) -> bool {
        self.rest.next_if_eq(&c).is_some()
    }

    fn choice(&mut self) -> Result<Node> {
        let mut choices = vec![self.sequence()?];
        while self.next_is('|') {
            choices.push(self.sequence()?);
        }
        Ok(if choices.len() == 1 { choices.remove(0) } else { Node::Choice(choices) })
    }

    fn sequence(&mut self) -> Result<Node> {
        let mut parts = Vec::new();
        while let Some(&c) = self.rest.peek() {
            if c == '|' || c == ')' {
                break;
            }
            let atom = self.atom()?;
            parts.push(self.repeated(atom)?);
        }
        Ok(if parts.is_empty() { Node::Empty } else { Node::Sequence(parts) })
    }

    fn atom(&mut self) -> Result<Node> {
        let Some(c) = self.rest.next() else { return Ok(Node::Empty) };
        Ok(match c {
            '.' => Node::Class(Class::of(&[('\n', '\n')], true)),
            '^' => Node::Assert(Place::Start),
            '$' => Node::Assert(Place::End),
            '\\' if self.next_is('b') => Node::Assert(Place::WordBoundary),
            '\\' if self.next_is('B') => Node::Assert(Place::NoWordBoundary),
            '[' => Node::Class(self.class()?),
            '\\' => Node::Class(self.escape()?),
            '(' => self.group()?,
            '*' | '+' | '?' => return wrong(format!("`{c}` repeats nothing")),
            c => Node::Class(Class::of(&[(c, c)], false)),
        })
    }

    fn group(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return wrong("groups are nested too deep");
        }
        if self.next_is('?') {
            match self.rest.next() {
                Some(':') => {}
                // A name of the group, which matching does not need.
                Some('P' | '<') => while self.rest.next().is_some_and(|c| c != '>') {},
                _ => return wrong("flags are not supported"),
            }
        }
        let inner = self.choice()?;
        self.depth -= 1;
        if self.next_is(')') { Ok(inner) } else { wrong("a group is not closed") }
    }

    fn repeated(&mut self, mut atom: Node) -> Result<Node> {
        loop {
            let (least, most) = match self.rest.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => match self.counts() {
                    Some(counts) => counts,
                    None => return Ok(atom),
                },
                _ => return Ok(atom),
            };
            self.rest.next();
            // Which of several matches is found first makes no difference.
            self.next_is('?');
            if least.max(most.unwrap_or(0)) > MOST_REPEATS || most.is_some_and(|most| most < least) {
                return wrong("a number of repetitions is not possible");
            }
            atom = Node::Repeat(Box::new(atom), least, most);
        }
    }

    /// `{n}`, `{n,}` or `{n,m}`, of which the closing brace is left; anything else is text.
    fn counts(&mut self) -> Option<(usize, Option<usize>)> {
        let mut ahead = self.rest.clone();
        ahead.next();
        let inside: String = ahead.by_ref().take_while(|&c| c != '}').collect();
        let counts = match inside.split_once(',') {
            None => inside.parse().ok().map(|n| (n, Some(n)))?,
            Some((least, "")) => (least.parse().ok()?, None),
            Some((least, most)) => (least.parse().ok()?, Some(most.parse().ok()?)),
        };
        for _ in 0..=inside.chars().count() {
            self.rest.next();
        }
        Some(counts)
    }

    fn escape(&mut self) -> Result<Class> {
        const DIGITS: &[(char, char)] = &[('0', '9')];
        const WORDS: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];
        const SPACES: &[(char, char)] = &[('\t', '\n'), ('\x0c', '\r'), (' ', ' ')];
        let one = |c| Ok(Class::of(&[(c, c)], false));
        match self.rest.next() {
            Some('d') => Ok(Class::of(DIGITS, false)),
            Some('D') => Ok(Class::of(DIGITS, true)),
            Some('w') => Ok(Class::of(WORDS, false)),
            Some('W') => Ok(Class::of(WORDS, true)),
            Some('s') => Ok(Class::of(SPACES, false)),
            Some('S') => Ok(Class::of(SPACES, true)),
            Some('t') => one('\t'),
            Some('n') => one('\n'),
            Some('r') => one('\r'),
            Some('f') => one('\x0c'),
            Some('v') => one('\x0b'),
            Some(c) if !c.is_ascii_alphanumeric() => one(c),
            Some(c) => wrong(format!("`\\{c}` is not supported")),
            None => wrong("it ends with a backslash"),
        }
    }

    fn class(&mut self) -> Result<Class> {
        let mut class = Class::of(&[], self.next_is('^'));
        let mut first = true;
        loop {
            let low = match self.rest.next() {
                None => return wrong("a class is not closed"),
                Some(']') if !first => return Ok(class),
                Some('[') if self.rest.peek() == Some(&':') => return wrong("named classes are not supported"),
                Some('\\') => {
                    let escaped = self.escape()?;
                    match escaped.ranges[..] {
                        [(low, high)] if low == high && !escaped.negated => low,
                        _ if escaped.negated => return wrong("a negated class within a class is not supported"),
                        _ => {
                            class.ranges.extend(escaped.ranges);
                            first = false;
                            continue;
                        }
                    }
                }
                Some(c) => c,
            };
            first = false;
            let mut ahead = self.rest.clone();
            let high = match (ahead.next(), ahead.next()) {
                (Some('-'), Some(high)) if high != ']' => {
                    self.rest.next();
                    match self.rest.next() {
                        Some('\\') => self.escape()?.ranges[0].0,
                        _ => high,
                    }
                }
                _ => low,
            };
            if low > high {
                return wrong(format!("the range {low}-{high} is empty"));
            }
            class.ranges.push((low, high));
        }
    }
}

fn wrong<T>(problem: impl Into<String>) -> Result<T> {
    Err(Error::invalid(format!("the regular expression cannot be used: {}", problem.into())))
}

impl Regex {
    /// Compiles an expression.
    pub fn new(text: &str) -> Result<Regex> {
        let mut parser = Parser { rest: text.chars().peekable(), depth: 0 };
        let node = parser.choice()?;
        if parser.rest.next().is_some() {
            return wrong("a group is closed that was not opened");
        }
        let mut regex = Regex { program: Vec::new() };
        regex.emit(&node)?;
        regex.push(Step::Match)?;
        Ok(regex)
    }

    fn push(&mut self, step: Step) -> Result<usize> {
        self.program.push(step);
        if self.program.len() > LONGEST { wrong("it is too long") } else { Ok(self.program.len() - 1) }
    }

    fn emit(&mut self, node: &Node) -> Result<()> {
        match node {
            Node::Empty => {}
            Node::Class(class) => drop(self.push(Step::Take(class.clone()))?),
            Node::Assert(place) => drop(self.push(Step::Assert(*place))?),
            Node::Sequence(parts) => parts.iter().try_for_each(|part| self.emit(part))?,
            Node::Choice(choices) => {
                let mut ends = Vec::new();
                for (i, choice) in choices.iter().enumerate() {
                    if i + 1 == choices.len() {
                        self.emit(choice)?;
                        break;
                    }
                    let split = self.push(Step::Split(self.program.len() + 1, 0))?;
                    self.emit(choice)?;
                    ends.push(self.push(Step::Jump(0))?);
                    self.program[split] = Step::Split(split + 1, self.program.len());
                }
                let end = self.program.len();
                ends.into_iter().for_each(|at| self.program[at] = Step::Jump(end));
            }
            Node::Repeat(inner, least, most) => {
                for _ in 0..*least {
                    self.emit(inner)?;
                }
                match most {
                    None => {
                        let split = self.push(Step::Split(0, 0))?;
                        self.emit(inner)?;
                        self.push(Step::Jump(split))?;
                        self.program[split] = Step::Split(split + 1, self.program.len());
                    }
                    Some(most) => {
                        let mut splits = Vec::new();
                        for _ in *least..*most {
                            splits.push(self.push(Step::Split(0, 0))?);
                            self.emit(inner)?;
                        }
                        let end = self.program.len();
                        splits.into_iter().for_each(|at| self.program[at] = Step::Split(at + 1, end));
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the expression matches the whole text.
    pub fn matches(&self, text: &str) -> bool {
        let mut rest = text.chars();
        let mut present = self.reach(vec![0], None, rest.clone().next());
        while let Some(c) = rest.next() {
            let taken = present.iter().filter(|&&i| matches!(&self.program[i], Step::Take(class) if class.has(c)));
            present = self.reach(taken.map(|i| i + 1).collect(), Some(c), rest.clone().next());
        }
        present.iter().any(|&i| matches!(self.program[i], Step::Match))
    }

    /// All places that are reached from these without taking a character.
    fn reach(&self, mut open: Vec<usize>, before: Option<char>, after: Option<char>) -> Vec<usize> {
        let mut seen = vec![false; self.program.len()];
        let mut reached = Vec::new();
        while let Some(at) = open.pop() {
            if std::mem::replace(&mut seen[at], true) {
                continue;
            }
            match self.program[at] {
                Step::Split(a, b) => open.extend([a, b]),
                Step::Jump(to) => open.push(to),
                Step::Assert(place) if place.is(before, after) => open.push(at + 1),
                Step::Assert(_) => {}
                Step::Take(_) | Step::Match => reached.push(at),
            }
        }
        reached
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expression, strings that it matches, strings that it does not.
    const CASES: &[(&str, &[&str], &[&str])] = &[
        (r"www\.[\w.-]+\.\bcom\b", &["www.google.com", "www.a-b.c.com"], &["www.google.org", "www..co"]),
        (r"(\W|^)[\w.\-]{0,25}@(yahoo|gmail)\.com(\W|$)", &["account@gmail.com"], &["account@hotmail.com"]),
        ("a|bc*", &["a", "b", "bccc"], &["ac", "", "bca"]),
        ("(ab){2,3}?", &["abab", "ababab"], &["ab", "abababab"]),
        ("x{,2}", &["x{,2}"], &["xx"]),
        ("[^a-c]+", &["xyz"], &["xay", ""]),
        ("[]a]*", &["]a]", ""], &["b"]),
        (".?", &["", "é"], &["\n", "ab"]),
        ("(?:a*)*b", &["b", "aaab"], &["a"]),
        ("^$", &[""], &["a"]),
        (r"a\b.\Bc", &[], &["a c", "abc"]),
        (r"a\b.\B.", &["a  "], &["a b", "abc"]),
    ];

    #[test]
    fn expressions_match_what_re2_says() {
        for (text, yes, no) in CASES {
            let regex = Regex::new(text).unwrap();
            yes.iter().for_each(|s| assert!(regex.matches(s), "{text} {s}"));
            no.iter().for_each(|s| assert!(!regex.matches(s), "{text} {s}"));
        }
    }

    #[test]
    fn what_cannot_be_compiled_is_an_error() {
        for text in ["(a", "a)", "[a", "*a", "a\\", "a{2,1}", "a{2000}", "(?i)a", "((a{999}){999}){999}", "[b-a]"] {
            assert!(Regex::new(text).is_err(), "{text}");
        }
    }
}
