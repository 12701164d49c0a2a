//! Random messages, and a text of their fields that another program can print as well. For tests
//! and for the comparison with Kafka's own codec; not part of the product.

use std::borrow::Cow;
use std::fmt::Write;

use engine_base::Uuid;

use crate::Form;

/// Makes random values of itself, lawful in a version, and prints them.
pub trait Sample: Sized {
    /// A value that encodes in `form` without loss.
    fn sample(choices: &mut Choices, form: Form) -> Self;

    /// Appends the value as text: numbers in decimal, strings and bytes as `s:` and `b:` with
    /// hexadecimal digits, ids as `u:`, `null`, `[a,b]`, `{name=a,other=b}`.
    fn dump(&self, out: &mut String);
}

/// A seeded source of choices: the same seed, the same message.
#[derive(Clone, Debug)]
pub struct Choices {
    state: u64,
}

impl Choices {
    /// All choices follow from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// 64 random bits (SplitMix64).
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// True once in `n` times.
    pub fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// A number below `n`, which is above zero.
    pub fn below(&mut self, n: u64) -> u64 {
        self.bits() % n
    }

    /// Mostly small, sometimes too large for a one-byte length.
    fn length(&mut self) -> usize {
        let bound = if self.one_in(64) { 300 } else { 4 };
        self.below(bound) as usize
    }

    /// Bits of an integer: its edges as often as its middle.
    fn integer(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => u64::MAX,
            2 => i64::MAX as u64,
            3 => 1 << 63,
            4 => self.below(200),
            _ => self.bits(),
        }
    }
}

macro_rules! integers {
    ($($type:ty),*) => { $(
        impl Sample for $type {
            fn sample(choices: &mut Choices, _form: Form) -> Self {
                // The upper bits carry the edges of every narrower type.
                (choices.integer() >> (u64::BITS - Self::BITS)) as Self
            }

            fn dump(&self, out: &mut String) {
                print(out, format_args!("{self}"));
            }
        }
    )* };
}
integers!(i8, i16, u16, i32, u32, i64);

impl Sample for f64 {
    fn sample(choices: &mut Choices, _form: Form) -> Self {
        (choices.bits() as i64) as Self / 1024.0
    }

    fn dump(&self, out: &mut String) {
        print(out, format_args!("f:{:016x}", self.to_bits()));
    }
}

impl Sample for bool {
    fn sample(choices: &mut Choices, _form: Form) -> Self {
        choices.one_in(2)
    }

    fn dump(&self, out: &mut String) {
        print(out, format_args!("{self}"));
    }
}

impl Sample for Uuid {
    fn sample(choices: &mut Choices, _form: Form) -> Self {
        let halves = [choices.bits(), choices.bits()].map(u64::to_be_bytes);
        let mut bytes = [0; 16];
        bytes
            .iter_mut()
            .zip(halves.as_flattened())
            .for_each(|(byte, half)| *byte = *half);
        Self(bytes)
    }

    fn dump(&self, out: &mut String) {
        dump_hex(out, 'u', &self.0);
    }
}

impl Sample for Cow<'_, str> {
    fn sample(choices: &mut Choices, _form: Form) -> Self {
        const ALPHABET: [char; 8] = ['a', 'Z', '0', '.', '-', 'é', '語', '🦀'];
        let length = choices.length();
        let mut draw = || choices.below(ALPHABET.len() as u64) as usize;
        let text = (0..length).filter_map(|_| ALPHABET.get(draw())).collect();
        Cow::Owned(text)
    }

    fn dump(&self, out: &mut String) {
        dump_hex(out, 's', self.as_bytes());
    }
}

impl Sample for Cow<'_, [u8]> {
    fn sample(choices: &mut Choices, _form: Form) -> Self {
        let length = choices.length();
        Cow::Owned((0..length).map(|_| choices.bits() as u8).collect())
    }

    fn dump(&self, out: &mut String) {
        dump_hex(out, 'b', self);
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(choices: &mut Choices, form: Form) -> Self {
        let length = choices.length();
        (0..length).map(|_| T::sample(choices, form)).collect()
    }

    fn dump(&self, out: &mut String) {
        out.push('[');
        for (index, element) in self.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            element.dump(out);
        }
        out.push(']');
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(choices: &mut Choices, form: Form) -> Self {
        (!choices.one_in(4)).then(|| T::sample(choices, form))
    }

    fn dump(&self, out: &mut String) {
        match self {
            Some(value) => value.dump(out),
            None => out.push_str("null"),
        }
    }
}

/// Prints the fields of a struct; the derive calls it.
#[derive(Debug)]
pub struct StructDump<'o> {
    out: &'o mut String,
    empty: bool,
}

impl<'o> StructDump<'o> {
    /// Opens the struct.
    pub fn new(out: &'o mut String) -> Self {
        out.push('{');
        Self { out, empty: true }
    }

    /// Prints the next field, its name in Kafka's spelling.
    pub fn field<T: Sample>(&mut self, name: &str, value: &T) {
        if !self.empty {
            self.out.push(',');
        }
        self.empty = false;
        let mut words = name.split('_');
        self.out.push_str(words.next().unwrap_or_default());
        for word in words {
            let mut letters = word.chars();
            self.out
                .extend(letters.next().map(|first| first.to_ascii_uppercase()));
            self.out.push_str(letters.as_str());
        }
        self.out.push('=');
        value.dump(self.out);
    }

    /// Closes the struct.
    pub fn end(self) {
        self.out.push('}');
    }
}

fn dump_hex(out: &mut String, kind: char, bytes: &[u8]) {
    print(out, format_args!("{kind}:"));
    for byte in bytes {
        print(out, format_args!("{byte:02x}"));
    }
}

fn print(out: &mut String, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text)
        .expect("writing to a string does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edges_of_each_integer_occur() {
        let form = Form {
            version: 0,
            flexible: false,
        };
        let mut choices = Choices::new(1);
        let drawn: Vec<i16> = (0..1000).map(|_| i16::sample(&mut choices, form)).collect();
        for edge in [i16::MIN, -1, 0, i16::MAX] {
            assert!(drawn.contains(&edge), "{edge}");
        }
    }

    #[test]
    fn a_dump_has_kafkas_names() {
        let mut out = String::new();
        let mut dump = StructDump::new(&mut out);
        dump.field("error_code", &3i16);
        dump.field("host", &Some(Cow::Borrowed("ab")));
        dump.field("rack", &None::<Cow<'_, str>>);
        dump.end();
        assert_eq!(out, "{errorCode=3,host=s:6162,rack=null}");
    }
}
