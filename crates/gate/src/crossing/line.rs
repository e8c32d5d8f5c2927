//! The order in which bundles of a label are committed: that in which they came, though several are looked at at once.

use std::collections::BTreeSet;
use tokio::sync::watch;

/// Those who wait for their turn. Clones are the same line.
#[derive(Debug, Clone, Default)]
pub struct Line(watch::Sender<Places>);

#[derive(Debug, Default)]
struct Places {
    next: u64,
    taken: BTreeSet<u64>,
}

/// A place in a line. Dropped, it is empty, wherever in the line it is.
#[derive(Debug)]
pub struct Place {
    line: Line,
    number: u64,
}

impl Line {
    /// The place behind all others.
    #[must_use]
    pub fn join(&self) -> Place {
        let mut number = 0;
        self.0.send_modify(|places| {
            number = places.next;
            places.next += 1;
            places.taken.insert(number);
        });
        Place { line: self.clone(), number }
    }
}

impl Place {
    /// Waits until nobody is before it.
    pub(super) async fn come(&self) {
        let is_first = |places: &Places| places.taken.first() == Some(&self.number);
        // It fails when nobody sends any more, and this place's line does.
        let _ = self.line.0.subscribe().wait_for(is_first).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.line.0.send_modify(|places| {
            places.taken.remove(&self.number);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn who_came_first_is_first_and_who_goes_leaves_the_others_in_order() {
        let line = Line::default();
        let (first, second, third) = (line.join(), line.join(), line.join());
        first.come().await;
        assert!(second.come().now_or_never().is_none() && third.come().now_or_never().is_none());
        drop(second);
        assert!(third.come().now_or_never().is_none(), "the first is still there");
        let fourth = line.join();
        drop(first);
        third.come().await;
        assert!(fourth.come().now_or_never().is_none());
        drop(third);
        fourth.come().await;
    }
}
