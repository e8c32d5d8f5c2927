//! Lifts between two regions, in process: what is sent, what arrives, and what a crash leaves of either. The carrier is the
//! test itself, which takes what is staged, has it signed, and hands it over.

#[cfg(test)]
mod abreast;
#[cfg(test)]
mod again;
#[cfg(test)]
mod arrive;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod leave;
#[cfg(test)]
mod lift;
#[cfg(test)]
mod play;
#[cfg(test)]
mod release;
#[cfg(test)]
mod spill;
#[cfg(test)]
mod staged;
#[cfg(test)]
#[expect(dead_code, reason = "other tests use more of it")]
#[path = "../support/mod.rs"]
mod support;
