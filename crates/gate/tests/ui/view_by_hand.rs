//! A view comes from `fastness_decide::admit` alone.

use fastness_decide::View;
use fastness_label::Label;

fn view(labels: Vec<Label>, session: Label) -> View {
    View { labels, session, account: None }
}

fn main() {}
