//! The lattice: levels, compartments and release lists as bits.

/// A country of a policy. Meaningful only with the policy that gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Country(pub(crate) u8);

/// A set of countries, one bit each. `EVERYONE` also holds the countries that no policy names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Countries {
    low: u128,
    high: u128,
}

impl Countries {
    pub(crate) const NOBODY: Self = Self { low: 0, high: 0 };
    pub(crate) const EVERYONE: Self = Self { low: u128::MAX, high: u128::MAX };

    pub(crate) fn only(country: Country) -> Self {
        let bit = 1_u128 << (country.0 & 127);
        if country.0 < 128 { Self { low: bit, high: 0 } } else { Self { low: 0, high: bit } }
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self { low: self.low | other.low, high: self.high | other.high }
    }

    pub(crate) fn intersection(self, other: Self) -> Self {
        Self { low: self.low & other.low, high: self.high & other.high }
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self { low: self.low & !other.low, high: self.high & !other.high }
    }

    pub(crate) fn contains_all(self, other: Self) -> bool {
        ((other.low & !self.low) | (other.high & !self.high)) == 0
    }

    pub(crate) fn contains(self, country: Country) -> bool {
        self.contains_all(Self::only(country))
    }

    pub(crate) fn count(self) -> u32 {
        self.low.count_ones() + self.high.count_ones()
    }
}

/// What decides whether one may read: a level, compartments, and a release list.
///
/// `a` is dominated by `b` when whoever may read `b` may read `a`. Labels of one policy form a lattice. A label
/// does not know its policy: a program that holds two policies keeps their labels apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Label {
    // The widest fields first, so that the struct has no holes.
    pub(crate) compartments: u128,
    /// A label released to nobody exists, so that the laws of the lattice hold; no policy parses one.
    pub(crate) release: Countries,
    pub(crate) level: u8,
}

impl Label {
    /// Whether `self ≤ other`: `other` has at least this level, all of these compartments, and no country on its
    /// release list that is missing from this one.
    #[inline]
    #[must_use]
    pub fn is_dominated_by(self, other: Label) -> bool {
        // `&` rather than `&&`: no branches.
        (self.level <= other.level)
            & (self.compartments & !other.compartments == 0)
            & self.release.contains_all(other.release)
    }

    /// The least label that dominates both: the roll-up of two labels.
    #[inline]
    #[must_use]
    pub fn join(self, other: Label) -> Label {
        Label {
            compartments: self.compartments | other.compartments,
            release: self.release.intersection(other.release),
            level: self.level.max(other.level),
        }
    }

    /// The greatest label that both dominate.
    #[inline]
    #[must_use]
    pub fn meet(self, other: Label) -> Label {
        Label {
            compartments: self.compartments & other.compartments,
            release: self.release.union(other.release),
            level: self.level.min(other.level),
        }
    }

    /// Whether one of the two dominates the other.
    #[must_use]
    pub fn is_comparable_with(self, other: Label) -> bool {
        self.is_dominated_by(other) | other.is_dominated_by(self)
    }

    /// The level's place in its policy, from zero at the lowest.
    #[must_use]
    pub fn level_rank(self) -> u8 {
        self.level
    }

    /// How many compartments must be held, parents of sub-compartments included.
    #[must_use]
    pub fn compartment_count(self) -> u32 {
        self.compartments.count_ones()
    }

    /// Whether the release list is empty: a value of the lattice that no policy admits. The join of two labels
    /// that a policy admits never is, since each list holds the own nation.
    #[must_use]
    pub fn is_readable_by_nobody(self) -> bool {
        self.release == Countries::NOBODY
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Any value of the lattice, those which no policy admits among them. Few bits, so that labels are often
    /// equal or comparable.
    fn any_label() -> impl Strategy<Value = Label> {
        let release = prop_oneof![
            1 => Just(Countries::EVERYONE),
            6 => (0_u128..8, 0_u128..4).prop_map(|(low, high)| Countries { low, high: high << 126 }),
        ];
        (0_u8..4, 0_u128..8, release).prop_map(|(level, compartments, release)| Label {
            compartments: compartments | (compartments & 1) << 127,
            release,
            level,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn order_laws(a in any_label(), b in any_label(), c in any_label()) {
            prop_assert!(a.is_dominated_by(a));
            if a.is_dominated_by(b) && b.is_dominated_by(a) {
                prop_assert_eq!(a, b);
            }
            if a.is_dominated_by(b) && b.is_dominated_by(c) {
                prop_assert!(a.is_dominated_by(c));
            }
            prop_assert_eq!(a.is_comparable_with(b), b.is_comparable_with(a));
        }

        #[test]
        fn join_is_the_least_upper_bound(a in any_label(), b in any_label(), c in any_label()) {
            let join = a.join(b);
            prop_assert!(a.is_dominated_by(join) && b.is_dominated_by(join));
            prop_assert_eq!(a.is_dominated_by(c) && b.is_dominated_by(c), join.is_dominated_by(c));
            prop_assert_eq!(a.is_dominated_by(b), join == b);
        }

        #[test]
        fn meet_is_the_greatest_lower_bound(a in any_label(), b in any_label(), c in any_label()) {
            let meet = a.meet(b);
            prop_assert!(meet.is_dominated_by(a) && meet.is_dominated_by(b));
            prop_assert_eq!(c.is_dominated_by(a) && c.is_dominated_by(b), c.is_dominated_by(meet));
            prop_assert_eq!(a.is_dominated_by(b), meet == a);
        }

        #[test]
        fn algebra(a in any_label(), b in any_label(), c in any_label()) {
            prop_assert_eq!(a.join(a.meet(b)), a);
            prop_assert_eq!(a.meet(a.join(b)), a);
            prop_assert_eq!(a.join(b), b.join(a));
            prop_assert_eq!(a.meet(b), b.meet(a));
            prop_assert_eq!(a.join(b).join(c), a.join(b.join(c)));
            prop_assert_eq!(a.meet(b).meet(c), a.meet(b.meet(c)));
            prop_assert_eq!(a.meet(b.join(c)), a.meet(b).join(a.meet(c)));
        }
    }

    #[test]
    fn countries_use_both_words() {
        for code in [0, 127, 128, 255] {
            let one = Countries::only(Country(code));
            assert_eq!(one.count(), 1);
            assert!(one.contains(Country(code)) && !one.contains(Country(code ^ 128)));
            assert!(Countries::EVERYONE.contains(Country(code)));
        }
        assert_eq!(Countries::EVERYONE.count(), 256);
    }

    #[test]
    fn a_label_is_small() {
        assert_eq!(size_of::<Label>(), 64);
    }
}
