//! A seeded hand that changes inputs: the plain half of what libFuzzer does, so that `cargo test` needs no
//! more.

/// Pieces that matter to the things tested.
const PIECES: [&[u8]; 38] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\r\n ",
    b":",
    b";",
    b",",
    b"\"",
    b"\\",
    b"<",
    b">",
    b"@",
    b"?",
    b"%",
    b"%0d%0a",
    b"=",
    b"[",
    b"::1]",
    b"\0",
    b"\xff",
    b" ",
    b"\t",
    b"Content-Length: 0\r\n",
    b"l: 99\r\n",
    b"4294967296",
    b"65536",
    b"-1",
    b"0",
    b"SIP/2.0",
    b";lr",
    b";tag=",
    b"sip:",
    b"\xe3\x80\x80",
    b"+81",
    b"m=audio 0 ",
    b"a=",
    b"{",
];

/// The hand.
pub struct Hand(u64);

impl Hand {
    /// One that does the same each time.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// One of the inputs, changed in one to six places.
    pub fn change(&mut self, inputs: &[&[u8]], longest: usize) -> Vec<u8> {
        let mut octets = inputs[self.below(inputs.len())].to_vec();
        for _ in 0..=self.below(6) {
            self.touch(&mut octets, inputs);
        }
        octets.truncate(longest);
        octets
    }

    fn touch(&mut self, octets: &mut Vec<u8>, inputs: &[&[u8]]) {
        let at = self.below(octets.len() + 1);
        let end = (at + 1 + self.below(16)).min(octets.len());
        match self.below(8) {
            0 if at < octets.len() => octets[at] = self.next() as u8,
            1 if at < octets.len() => octets[at] ^= 1 << self.below(8),
            2 => drop(octets.drain(at..end)),
            3 => {
                let again = octets[at..end].repeat(1 + self.below(4));
                octets.splice(at..at, again);
            }
            4 | 5 => {
                let piece = PIECES[self.below(PIECES.len())];
                octets.splice(at..at, piece.iter().copied());
            }
            6 => {
                let other = inputs[self.below(inputs.len())];
                let from = self.below(other.len() + 1);
                let to = (from + self.below(64)).min(other.len());
                octets.splice(at..end, other[from..to].iter().copied());
            }
            _ => octets.truncate(at),
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// xorshift*, Vigna 2016: quality enough to choose places.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
