//! Octets as decisions.

/// What is left of them.
pub struct Tape<'a>(pub &'a [u8]);

impl<'a> Tape<'a> {
    /// The next octet, if there is one.
    pub fn octet(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// The next octet as an index; 0 at the end.
    pub fn index(&mut self) -> usize {
        usize::from(self.octet().unwrap_or_default())
    }

    /// The next octet as yes or no.
    pub fn flag(&mut self) -> bool {
        self.octet().is_some_and(|octet| octet & 1 == 1)
    }

    /// At most so many octets.
    pub fn some(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(most.min(self.0.len()));
        self.0 = rest;
        taken
    }
}
