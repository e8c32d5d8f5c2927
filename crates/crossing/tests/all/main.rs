//! The public interface of `fastness-crossing`, from outside.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod manifests;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod signing;
#[cfg(test)]
mod stranger;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tampering;
#[cfg(test)]
mod writing;
