//! Just enough JSON to read one flat object: the quorum-state file. Nested values are passed
//! over, and numbers are whole.

use std::collections::BTreeMap;

use crate::limits::JSON_DEPTH_MAX;

/// A value of the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A whole number.
    Number(i64),
    /// A string; escapes are not undone, no value we read has any.
    Text(String),
    /// Anything else.
    Other,
}

/// The members of the object that is the whole of `text`.
pub(crate) fn object(text: &str) -> Result<BTreeMap<String, Value>, &'static str> {
    let mut scanner = Scanner { rest: text };
    let members = scanner.members(0)?;
    scanner.blank();
    if scanner.rest.is_empty() {
        Ok(members)
    } else {
        Err("text follows the object")
    }
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Whether `token` comes next; if so it is consumed.
    fn eat(&mut self, token: char) -> bool {
        self.blank();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn members(&mut self, depth: usize) -> Result<BTreeMap<String, Value>, &'static str> {
        let mut members = BTreeMap::new();
        if !self.eat('{') {
            return Err("an object is missing");
        }
        if self.eat('}') {
            return Ok(members);
        }
        loop {
            let name = self.string()?.to_owned();
            if !self.eat(':') {
                return Err("a colon is missing");
            }
            members.insert(name, self.value(depth)?);
            if self.eat('}') {
                return Ok(members);
            }
            if !self.eat(',') {
                return Err("a comma or brace is missing");
            }
        }
    }

    fn string(&mut self) -> Result<&'a str, &'static str> {
        if !self.eat('"') {
            return Err("a string is missing");
        }
        let (mut escaped, rest) = (false, self.rest);
        for (index, byte) in rest.bytes().enumerate() {
            match byte {
                b'"' if !escaped => {
                    self.rest = &rest[index + 1..];
                    return Ok(&rest[..index]);
                }
                b'\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        Err("a string does not end")
    }

    fn value(&mut self, depth: usize) -> Result<Value, &'static str> {
        if depth > JSON_DEPTH_MAX {
            return Err("too deep");
        }
        self.blank();
        match self.rest.bytes().next() {
            Some(b'"') => Ok(Value::Text(self.string()?.to_owned())),
            Some(b'{') => self.members(depth + 1).map(|_| Value::Other),
            Some(b'[') => self.array(depth + 1).map(|()| Value::Other),
            Some(_) => self.word(),
            None => Err("a value is missing"),
        }
    }

    fn array(&mut self, depth: usize) -> Result<(), &'static str> {
        self.eat('[');
        if self.eat(']') {
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if self.eat(']') {
                return Ok(());
            }
            if !self.eat(',') {
                return Err("a comma or bracket is missing");
            }
        }
    }

    /// A number, or one of the words `null`, `true`, `false`.
    fn word(&mut self) -> Result<Value, &'static str> {
        let end = self.rest.find([',', '}', ']', ' ', '\t', '\r', '\n']);
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        match (word, word.parse()) {
            (_, Ok(number)) => Ok(Value::Number(number)),
            ("null" | "true" | "false", _) => Ok(Value::Other),
            _ => Err("a value is neither number nor word"),
        }
    }
}
