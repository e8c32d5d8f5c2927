//! The ledger as others see it: programs that are not ours check it, and whoever changes its files is found.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod files;
#[cfg(test)]
mod independent;
#[cfg(test)]
mod insider;
#[cfg(test)]
mod keeping;
#[cfg(test)]
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../support/mod.rs"]
mod support;
