//! The public interface of `fastness-vault`, from outside.

#[cfg(test)]
mod sealing;
