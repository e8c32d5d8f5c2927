//! The public interface of `fastness-label`, from outside.

#[cfg(test)]
mod laws;
#[cfg(test)]
mod markings;
#[cfg(test)]
mod own_words;
#[cfg(test)]
mod roll_up;
#[cfg(test)]
mod stanag;
