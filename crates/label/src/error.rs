//! What can be wrong with a marking, and with a policy.

/// Why a text is not a marking of a policy. The text of each says what to write instead.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MarkingError {
    /// Nothing but spaces.
    #[error("the marking is empty: write at least a level; levels: {levels}")]
    Empty {
        /// The policy's levels.
        levels: String,
    },
    /// Longer than [`TEXT_BYTES_MAX`](crate::TEXT_BYTES_MAX).
    #[error("the marking has {bytes} bytes; at most {bytes_max} are read")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// Something else than letters, digits and the separators.
    #[error("`{character}` does not belong in a marking: use letters, digits, spaces and `/ - , . ( )`")]
    Character {
        /// The first such character, escaped.
        character: String,
    },
    /// A parenthesis without its other half, or inside.
    #[error("`{text}` has a stray parenthesis: a portion mark stands in one pair, as in `(S)`")]
    Parentheses {
        /// The marking.
        text: String,
    },
    /// It starts with `//`.
    #[error(
        "`{text}` is a marking of another country: the policy `{policy}` has no mapping for it; \
         write the equivalent marking of `{policy}`"
    )]
    Foreign {
        /// The marking.
        text: String,
        /// The policy's name.
        policy: String,
    },
    /// The first word is no level.
    #[error("`{word}` is not a level of the policy `{policy}`; levels: {levels}")]
    UnknownLevel {
        /// What stands in the level's place.
        word: String,
        /// The policy's name.
        policy: String,
        /// The policy's levels.
        levels: String,
    },
    /// Nothing between two separators.
    #[error("`{text}` has nothing between two separators: write `//` between categories, `/` between entries")]
    EmptyEntry {
        /// The marking.
        text: String,
    },
    /// No marking of the policy. The policy's compartments are not listed: their names may be sensitive.
    #[error("`{word}` is not a marking of the policy `{policy}`: check its spelling, or have it added to the policy")]
    UnknownMarking {
        /// The entry.
        word: String,
        /// The policy's name.
        policy: String,
    },
    /// No compartment of its control system.
    #[error("`{parent}` has no compartment `{word}`: check its spelling, or have it added to the policy")]
    UnknownCompartment {
        /// The compartment or sub-compartment.
        word: String,
        /// What it was written under.
        parent: String,
    },
    /// The same entry twice.
    #[error("`{word}` stands twice: write it once")]
    Duplicate {
        /// The entry.
        word: String,
    },
    /// Right entries in the wrong order or category.
    #[error("the entries of `{text}` are out of order: write `{right}`")]
    Order {
        /// The marking.
        text: String,
        /// The same entries in order.
        right: String,
    },
    /// No country or group of the policy.
    #[error("`{code}` is not a country or group of the policy `{policy}`: write codes such as `{example}`")]
    UnknownCountry {
        /// The code.
        code: String,
        /// The policy's name.
        policy: String,
        /// A code that would do.
        example: String,
    },
    /// A group where one country is asked for.
    #[error("`{code}` is a group of countries: name one of its members")]
    NotOneCountry {
        /// The group's code.
        code: String,
    },
    /// A release list that does not start with the own nation.
    #[error("the list of `{word}` starts with `{own}`: write `{right}`")]
    ListStart {
        /// The marking that takes the list.
        word: String,
        /// The policy's own nation.
        own: String,
        /// The list in its right form.
        right: String,
    },
    /// A list in the wrong order.
    #[error("the list of `{word}` has countries in alphabetical order, then groups: write `{right}`")]
    ListOrder {
        /// The marking that takes the list.
        word: String,
        /// The list in its right form.
        right: String,
    },
    /// A list with too few entries.
    #[error("`{word}` takes a list of at least {entries_min}{instead}")]
    ListLength {
        /// The marking that takes the list.
        word: String,
        /// The fewest that it may have.
        entries_min: usize,
        /// What to write instead, if there is such a thing.
        instead: String,
    },
    /// A marking on a level that it does not go with.
    #[error("`{marking}` does not go with `{level}`: it needs one of {levels}")]
    NotAtLevel {
        /// The marking.
        marking: String,
        /// The level.
        level: String,
        /// Where it may stand.
        levels: String,
    },
    /// A marking without another that it needs.
    #[error("`{marking}` needs `{needs}` beside it: add `{needs}`")]
    Requires {
        /// The marking.
        marking: String,
        /// What is missing.
        needs: String,
    },
    /// Two markings that exclude each other.
    #[error("`{one}` and `{other}` exclude each other: keep one of them")]
    Excludes {
        /// The first.
        one: String,
        /// The second.
        other: String,
    },
    /// A roll-up of nothing.
    #[error("there is no portion to roll up: give at least one")]
    NothingToRollUp,
    /// A roll-up over two policies.
    #[error("portions of the policies `{one}` and `{other}` do not roll up together: map them to one policy first")]
    MixedPolicies {
        /// The first portion's policy.
        one: String,
        /// Another portion's policy.
        other: String,
    },
}

/// Why a text is not a policy.
#[derive(thiserror::Error, Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// Not TOML, or not the tables of a policy.
    #[error("the policy cannot be read")]
    Toml(#[source] Box<toml::de::Error>),
    /// More of something than fits.
    #[error("the policy has {count} {what}; at most {count_max} fit")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// The bound.
        count_max: usize,
    },
    /// Fewer of something than needed.
    #[error("the policy has no {what}: add at least one")]
    Missing {
        /// Of what.
        what: &'static str,
    },
    /// A word that a banner could not hold.
    #[error("`{word}` cannot be {what}: use upper-case letters and digits{more}")]
    Word {
        /// The word.
        word: String,
        /// Its use.
        what: &'static str,
        /// What else it may hold.
        more: &'static str,
    },
    /// A URI that is none.
    #[error(
        "`{uri}` cannot be the policy's URI: use 1 to 256 characters that stand in one, as in `urn:example:policy`"
    )]
    Uri {
        /// The text.
        uri: String,
    },
    /// A word that would mean two things.
    #[error("`{word}` stands for two things: give one of them another word")]
    Ambiguous {
        /// The word.
        word: String,
    },
    /// A rule about something that is not there.
    #[error("`{marking}` refers to `{reference}`, which the policy does not have")]
    UnknownReference {
        /// Whose rule.
        marking: String,
        /// What it names.
        reference: String,
    },
    /// A rule that the lattice could not keep.
    #[error("`{marking}`: {problem}")]
    Rule {
        /// Whose rule.
        marking: String,
        /// What is wrong with it, and what would be right.
        problem: &'static str,
    },
}

/// At most as much of the user's text as an error should repeat.
pub(crate) fn clip(text: &str) -> String {
    const SHOWN_MAX: usize = 80;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => text.get(..end).map(|start| format!("{start}…")).unwrap_or_default(),
        None => text.to_owned(),
    }
}
