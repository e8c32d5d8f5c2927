//! A view holds what its session dominates: nobody adds to it.

use fastness_decide::View;
use fastness_label::Label;

fn widen(view: &mut View, label: Label) {
    view.labels.push(label);
}

fn main() {}
