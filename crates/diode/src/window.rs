//! Which frames of a run were seen before: a sliding window over their sequence numbers, as IPsec keeps one
//! (RFC 4303, section 3.4.3; RFC 6479). A frame seen twice does no harm, since symbols are a set; it is counted, because
//! somebody may be playing a recording.

/// Sequence numbers that are remembered behind the highest: at 300,000 frames a second, nearly half a second.
const WINDOW: u64 = 1 << 17;
const WORD: u64 = 64;
/// Words that are kept: the newest may reach ahead of the window, so there are more than it needs.
const WORDS: u64 = WINDOW / WORD + 1;

/// Whether a frame was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Not before.
    First,
    /// Before.
    Again,
    /// Too long ago to know.
    Late,
}

/// The window of a run.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// One more than the highest sequence number that was seen.
    end: u64,
    words: Vec<u64>,
}

impl Window {
    pub(crate) fn new() -> Self {
        Self { end: 0, words: Vec::new() }
    }

    /// Takes note of a frame.
    pub(crate) fn see(&mut self, sequence: u64) -> Seen {
        if self.words.is_empty() {
            self.words = vec![0; usize::try_from(WORDS).unwrap_or(0)];
        }
        if sequence < self.end.saturating_sub(WINDOW) {
            return Seen::Late;
        }
        if sequence >= self.end {
            self.advance(sequence);
        }
        let mask = 1 << (sequence % WORD);
        match self.words.get_mut(place(sequence)) {
            Some(word) if *word & mask == 0 => {
                *word |= mask;
                Seen::First
            }
            _ => Seen::Again,
        }
    }

    /// Forgets what leaves the window, word by word.
    fn advance(&mut self, sequence: u64) {
        let (first, last) = (self.end.div_ceil(WORD), sequence / WORD);
        if last.saturating_sub(first) >= WORDS {
            self.words.fill(0);
        } else {
            for word in first..=last {
                if let Some(word) = self.words.get_mut(place(word * WORD)) {
                    *word = 0;
                }
            }
        }
        self.end = sequence.saturating_add(1);
    }
}

fn place(sequence: u64) -> usize {
    usize::try_from(sequence / WORD % WORDS).unwrap_or(0)
}
