//! Rust text taken apart far enough to judge it: code, strings and comments, test code and the rest.

use std::fs;
use std::path::Path;

/// All files of the house.
pub struct House {
    /// `.rs` files.
    pub sources: Vec<Source>,
    /// Every other text file that is committed: path and text.
    pub texts: Vec<(String, String)>,
}

/// One Rust file.
pub struct Source {
    /// Its path below the repository, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// Its text with the contents of comments, strings and characters blanked; same lines, same columns.
    pub code: String,
    /// Strings: line and content.
    pub strings: Vec<(usize, String)>,
    /// Comments: line and text, one for each line of a comment.
    pub comments: Vec<(usize, String)>,
    /// For each line, from 0, whether it is test code.
    pub test_lines: Vec<bool>,
}

/// What a rule found.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What.
    pub what: String,
}

impl House {
    /// Reads the repository.
    pub fn read(root: &Path) -> Self {
        let mut house = Self { sources: Vec::new(), texts: Vec::new() };
        house.walk(root, root);
        house.sources.sort_by(|a, b| a.path.cmp(&b.path));
        house.mark_test_modules();
        house
    }

    /// A house of planted files.
    pub fn planted(files: &[(&str, &str)]) -> Self {
        let sources = files.iter().filter(|(path, _)| path.ends_with(".rs"));
        let texts = files.iter().filter(|(path, _)| !path.ends_with(".rs"));
        let mut house = Self {
            sources: sources.map(|(path, text)| Source::new(path, text)).collect(),
            texts: texts.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect(),
        };
        house.mark_test_modules();
        house
    }

    /// The file of this path.
    pub fn source(&self, path: &str) -> Option<&Source> {
        self.sources.iter().find(|source| source.path == path)
    }

    /// The nearest `[pure]` or `[io]` mark: the file's own, else that of the module it lies in.
    pub fn mark_of(&self, source: &Source) -> Option<&'static str> {
        let mut module = source.path.trim_end_matches(".rs").to_owned();
        loop {
            let files = [format!("{module}.rs"), format!("{module}/mod.rs")];
            let found = files.iter().filter_map(|path| self.source(path)).find_map(Source::mark);
            if found.is_some() {
                return found;
            }
            module = module.rsplit_once('/')?.0.to_owned();
        }
    }

    /// Files that are modules only of the tests are tests, whatever they are called.
    fn mark_test_modules(&mut self) {
        let modules = self.sources.iter().flat_map(Source::test_modules).collect::<Vec<_>>();
        for source in &mut self.sources {
            let is_test = |module: &String| {
                source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
            };
            if modules.iter().any(is_test) {
                source.test_lines.fill(true);
            }
        }
    }

    fn walk(&mut self, root: &Path, folder: &Path) {
        const SKIPPED: [&str; 8] =
            [".git", "target", "node_modules", "dist", "var", "test-results", "playwright-report", "corpus"];
        for entry in fs::read_dir(folder).expect("the repository can be read").filter_map(Result::ok) {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if !SKIPPED.contains(&name.as_str()) {
                    self.walk(root, &path);
                }
                continue;
            }
            // A worktree keeps a file `.git` that names a place of its machine; it is never committed.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            if name == ".git" {
                continue;
            }
            let below = path.strip_prefix(root).expect("it lies below the root");
            let below = below.to_string_lossy().replace('\\', "/");
            if below.ends_with(".rs") {
                self.sources.push(Source::new(&below, &text));
            } else {
                self.texts.push((below, text));
            }
        }
    }
}

impl Source {
    /// Takes a text apart.
    pub fn new(path: &str, text: &str) -> Self {
        let mut reader = Reader { chars: text.chars().collect(), ..Reader::default() };
        reader.run();
        let code: String = reader.code.iter().collect();
        let lines = text.lines().count();
        let is_test_file =
            path.ends_with("/tests.rs") || path.starts_with("tests/") || path.contains("/tests/");
        let mut test_lines = vec![is_test_file; lines];
        for (from, to) in blocks_after(&code, "#[cfg(test)]") {
            test_lines.iter_mut().take(to + 1).skip(from).for_each(|line| *line = true);
        }
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
            code,
            strings: reader.strings,
            comments: reader.comments,
            test_lines,
        }
    }

    /// A fault in this file; `line` from 0.
    pub fn fault(&self, line: usize, what: impl Into<String>) -> Fault {
        Fault { path: self.path.clone(), line: line + 1, what: what.into() }
    }

    /// `pure` or `io`, when the first line says so.
    pub fn mark(&self) -> Option<&'static str> {
        let first = self.text.lines().next()?;
        ["pure", "io"].into_iter().find(|mark| first.starts_with(&format!("//! [{mark}] ")))
    }

    /// Lines of code that is no test, with their numbers from 0.
    pub fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code.lines().enumerate().filter(|(line, _)| !self.is_test_line(*line))
    }

    /// Whether this line, from 0, is test code.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.test_lines.get(line).copied().unwrap_or(false)
    }

    /// Modules in files of their own that only tests have: their paths without `.rs` or `/mod.rs`.
    fn test_modules(&self) -> Vec<String> {
        let folder =
            self.path.strip_suffix("/mod.rs").or_else(|| self.path.strip_suffix(".rs")).unwrap_or("");
        let folder = if self.path == "src/lib.rs" { "src" } else { folder };
        let mut modules = Vec::new();
        for (at, marker) in self.code.match_indices("#[cfg(test)]") {
            let rest = &self.code[at + marker.len()..];
            let declaration = rest.split(';').next().unwrap_or("");
            let name = declaration.rsplit_once("mod ").map_or("", |(_, name)| name.trim());
            // With `#[path]` the file lies beside this one; without, in the folder of this module.
            let line = line_of(&self.code, at) + 1;
            let path = self.strings.iter().find(|(at, _)| *at == line).map(|(_, path)| path);
            if declaration.contains('{') || name.is_empty() {
                continue;
            }
            modules.push(match path.filter(|_| declaration.contains("#[path")) {
                Some(path) => {
                    let beside = self.path.rsplit_once('/').map_or("", |(beside, _)| beside);
                    format!("{beside}/{}", path.trim_end_matches(".rs"))
                }
                None => format!("{folder}/{name}"),
            });
        }
        modules
    }

    /// Functions that are no tests: name, first and last line, from 0.
    pub fn functions(&self) -> Vec<(String, usize, usize)> {
        let mut functions = Vec::new();
        for (at, _) in self.code.match_indices("fn ") {
            let before = self.code.get(..at).and_then(|before| before.chars().next_back());
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let rest = &self.code[at + 3..];
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let Some((from, to)) = block(&self.code, at) else { continue };
            if !name.is_empty() && !self.is_test_line(from) {
                functions.push((name, from, to));
            }
        }
        functions
    }
}

/// The blocks that follow each place where `marker` stands: first and last line, from 0.
fn blocks_after(code: &str, marker: &str) -> Vec<(usize, usize)> {
    code.match_indices(marker).filter_map(|(at, _)| block(code, at + marker.len())).collect()
}

/// From `start` to the end of the next block in braces, or nothing when a `;` comes first.
fn block(code: &str, start: usize) -> Option<(usize, usize)> {
    let mut inner = 0_i32;
    let mut braces = 0_i32;
    for (at, c) in code.get(start..)?.char_indices() {
        match c {
            '(' | '[' => inner += 1,
            ')' | ']' => inner -= 1,
            ';' if inner == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some((line_of(code, start), line_of(code, start + at)));
                }
            }
            _ => {}
        }
    }
    None
}

/// The line, from 0, of an octet.
pub fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()[..at].iter().filter(|octet| **octet == b'\n').count()
}

/// Walks the text once.
#[derive(Default)]
struct Reader {
    chars: Vec<char>,
    at: usize,
    line: usize,
    code: Vec<char>,
    strings: Vec<(usize, String)>,
    comments: Vec<(usize, String)>,
}

impl Reader {
    fn run(&mut self) {
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('r', Some('"' | '#')) if !self.in_word() && self.raw_hashes().is_some() => self.raw_string(),
                ('b' | 'c', Some('r')) if !self.in_word() => {
                    self.keep();
                    if self.raw_hashes().is_some() {
                        self.raw_string();
                    }
                }
                ('\'', _) => self.character(),
                _ => self.keep(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn in_word(&self) -> bool {
        self.at > 0 && self.chars.get(self.at - 1).is_some_and(|c| c.is_alphanumeric() || *c == '_')
    }

    /// Goes on by one character, written to the code as `shown`; a line feed stays one.
    fn step(&mut self, shown: char) -> Option<char> {
        let c = self.peek(0)?;
        self.code.push(if c == '\n' { '\n' } else { shown });
        self.line += usize::from(c == '\n');
        self.at += 1;
        Some(c)
    }

    fn keep(&mut self) {
        if let Some(c) = self.peek(0) {
            self.step(c);
        }
    }

    fn line_comment(&mut self) {
        let (line, mut text) = (self.line, String::new());
        while self.peek(0).is_some_and(|c| c != '\n') {
            text.extend(self.step(' '));
        }
        self.comments.push((line, text));
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        let (mut line, mut text) = (self.line, String::new());
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => depth += 1,
                (Some('*'), Some('/')) => depth -= 1,
                (Some(_), _) => {
                    match self.step(' ') {
                        Some('\n') => {
                            self.comments.push((line, std::mem::take(&mut text)));
                            line = self.line;
                        }
                        Some(c) => text.push(c),
                        None => {}
                    }
                    continue;
                }
                (None, _) => return,
            }
            self.step(' ');
            self.step(' ');
            if depth == 0 {
                self.comments.push((line, text));
                return;
            }
        }
    }

    fn string(&mut self) {
        let (line, mut text) = (self.line, String::new());
        self.keep();
        while let Some(c) = self.peek(0) {
            if c == '"' {
                self.keep();
                break;
            }
            text.extend(self.step(' '));
            if c == '\\' {
                text.extend(self.step(' '));
            }
        }
        self.strings.push((line, text));
    }

    /// The number of `#` when a raw string begins here.
    fn raw_hashes(&self) -> Option<usize> {
        let hashes = self.chars.get(self.at + 1..)?.iter().take_while(|c| **c == '#').count();
        (self.peek(0) == Some('r') && self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().unwrap_or(0);
        let (line, mut text) = (self.line, String::new());
        for _ in 0..hashes + 2 {
            self.keep();
        }
        while let Some(c) = self.peek(0) {
            if c == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                for _ in 0..=hashes {
                    self.keep();
                }
                break;
            }
            text.extend(self.step(' '));
        }
        self.strings.push((line, text));
    }

    /// A character in quotes, or the beginning of a lifetime.
    fn character(&mut self) {
        let escaped = self.peek(1) == Some('\\');
        if !escaped && self.peek(2) != Some('\'') {
            self.keep();
            return;
        }
        self.keep();
        let mut first = true;
        while let Some(c) = self.step(' ') {
            if c == '\\' {
                self.step(' ');
            } else if c == '\'' && !first {
                break;
            }
            first = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_characters_and_comments_are_no_code() {
        let text = "let a = \"x // \\\" y\"; // fn c\n\
                    let b = r#\"\"fn\"#; let q = '\"'; let e = '\\''; 'l: loop {}\n\
                    /* a /* b\n */ c */ let z: &'static str = br\"q\";";
        let source = Source::new("src/x.rs", text);
        assert!(!source.code.contains("fn"), "{}", source.code);
        assert!(
            source.code.contains("'l: loop {}") && source.code.contains("&'static str"),
            "{}",
            source.code
        );
        assert_eq!(source.code.chars().count(), text.chars().count());
        assert_eq!(source.strings, [(0, "x // \\\" y".into()), (1, "\"fn".into()), (3, "q".into())]);
        assert_eq!(source.comments.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn functions_and_test_code_are_told_apart() {
        let text = "fn a(x: [u8; 3]) -> u8 {\n    1\n}\ntrait T {\n    fn b();\n}\n\
                    #[cfg(test)]\nmod tests {\n    fn c() {}\n}\nfn d() {}\n";
        let source = Source::new("src/x.rs", text);
        assert_eq!(source.functions(), [("a".to_owned(), 0, 2), ("d".to_owned(), 10, 10)]);
        assert_eq!(source.product_lines().count(), 7);
    }

    #[test]
    fn a_module_only_of_tests_is_a_test_whatever_its_name() {
        let house = House::planted(&[
            (
                "src/a/mod.rs",
                "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod b;\n#[cfg(test)]\nmod torture;\nmod d;\n",
            ),
            ("src/a/b_tests.rs", "fn b() {}\n"),
            ("src/a/torture.rs", "fn t() {}\n"),
            ("src/a/torture/file.rs", "fn f() {}\n"),
            ("src/a/d.rs", "fn d() {}\n"),
        ]);
        let functions = house.sources.iter().flat_map(Source::functions).map(|(name, ..)| name);
        assert_eq!(functions.collect::<Vec<_>>(), ["d"]);
    }

    #[test]
    fn the_nearest_mark_counts() {
        let house = House::planted(&[
            ("src/media/mod.rs", "//! [io] media"),
            ("src/media/plan.rs", "//! [pure] plan"),
            ("src/media/plan/step.rs", "//! step"),
            ("src/media/player.rs", "//! player"),
        ]);
        let mark = |path: &str| house.mark_of(house.source(path).expect("planted"));
        assert_eq!(mark("src/media/plan/step.rs"), Some("pure"));
        assert_eq!(mark("src/media/player.rs"), Some("io"));
    }
}
