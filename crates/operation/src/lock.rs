//! Object lock: what keeps versions from being removed (S3 user guide, "Locking objects with Object Lock").

use serde::{Deserialize, Serialize};

/// How strictly a retention holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetentionMode {
    /// May be shortened or taken away by who asks for it by name.
    Governance,
    /// Holds for everybody until its time is over.
    Compliance,
}

impl RetentionMode {
    /// The name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }

    /// The mode of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Governance, Self::Compliance].into_iter().find(|mode| mode.name() == name)
    }
}

/// Until when a version may not be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How strictly.
    pub mode: RetentionMode,
    /// Milliseconds since 1970.
    pub until_ms: i64,
}

impl Retention {
    /// Whether another one may take its place now. Nothing weakens compliance; by-passing governance is asked for by
    /// name (`x-amz-bypass-governance-retention`).
    #[must_use]
    pub fn yields_to(self, other: Option<Self>, now_ms: i64, bypass: bool) -> bool {
        if self.until_ms <= now_ms {
            return true;
        }
        let extended = other.is_some_and(|other| other.mode == self.mode && other.until_ms >= self.until_ms);
        extended || (self.mode == RetentionMode::Governance && bypass)
    }
}

/// What keeps a version from being removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Lock {
    /// Until a time.
    pub retention: Option<Retention>,
    /// Until the hold is taken away. Once something was said of it, S3 tells both ways.
    pub legal_hold: Option<bool>,
}

impl Lock {
    /// Whether the version may be removed now.
    #[must_use]
    pub fn lets_go(self, now_ms: i64, bypass: bool) -> bool {
        self.legal_hold != Some(true)
            && self.retention.is_none_or(|retention| retention.yields_to(None, now_ms, bypass))
    }
}

/// How long versions of a bucket are retained by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Period {
    /// So many days of 24 hours.
    Days(u32),
    /// So many years of 365 days.
    Years(u32),
}

impl Period {
    /// The most days that S3 takes.
    pub const DAYS_MAX: u32 = 36_500;
    /// The most years that S3 takes.
    pub const YEARS_MAX: u32 = 100;

    /// The time of something retained from now on.
    #[must_use]
    pub fn end_ms(self, now_ms: i64) -> i64 {
        let days = match self {
            Self::Days(days) => i64::from(days),
            Self::Years(years) => i64::from(years).saturating_mul(365),
        };
        now_ms.saturating_add(days.saturating_mul(24 * 3600 * 1000))
    }
}

/// What a bucket's object lock is configured with. It is there or not: a bucket that has it keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectLock {
    /// What new versions get that ask for nothing themselves.
    pub default: Option<(RetentionMode, Period)>,
}

impl ObjectLock {
    /// The lock of a version written now.
    #[must_use]
    pub fn of_new(self, asked: Lock, now_ms: i64) -> Lock {
        let usual = self.default.map(|(mode, period)| Retention { mode, until_ms: period.end_ms(now_ms) });
        Lock { retention: asked.retention.or(usual), ..asked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_weakens_compliance_and_governance_yields_to_who_asks() {
        use RetentionMode::{Compliance, Governance};
        let until = |mode, until_ms| Some(Retention { mode, until_ms });
        let check = |held: Option<Retention>, other, bypass, yields| {
            let held = held.unwrap();
            assert_eq!(held.yields_to(other, 100, bypass), yields, "{held:?} {other:?} {bypass}");
        };
        for (mode, bypassed) in [(Governance, true), (Compliance, false)] {
            check(until(mode, 100), None, false, true);
            check(until(mode, 200), until(mode, 200), false, true);
            check(until(mode, 200), until(mode, 201), false, true);
            for other in [None, until(mode, 199), until(if bypassed { Compliance } else { Governance }, 300)] {
                check(until(mode, 200), other, false, false);
                check(until(mode, 200), other, true, bypassed);
            }
        }
        let held = Lock { retention: None, legal_hold: Some(true) };
        assert!(!held.lets_go(i64::MAX, true) && Lock::default().lets_go(0, false));
    }

    #[test]
    fn a_default_holds_where_nothing_is_asked() {
        let lock = ObjectLock { default: Some((RetentionMode::Governance, Period::Days(1))) };
        let made = lock.of_new(Lock::default(), 1000);
        assert_eq!(made.retention.unwrap().until_ms, 1000 + 86_400_000);
        let asked = Lock {
            retention: Some(Retention { mode: RetentionMode::Compliance, until_ms: 5 }),
            legal_hold: Some(true),
        };
        assert_eq!(lock.of_new(asked, 1000), asked);
        assert_eq!(Period::Years(100).end_ms(0), 36_500 * 86_400_000);
    }
}
