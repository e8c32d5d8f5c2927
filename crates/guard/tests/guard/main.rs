//! The guard as others use it: real processes in real sandboxes.

#[cfg(test)]
mod antivirus;
#[cfg(test)]
mod claims;
#[cfg(test)]
mod common;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod independence;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod redundancy;
#[cfg(test)]
mod sandbox;
