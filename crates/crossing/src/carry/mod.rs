//! Carriers between two folders of two regions, where no diode stands between them (docs/formats/region.md).
//!
//! There are two ways to carry. What is *shown* stays where it is, and the carrier keeps a record of what it carried
//! ([`Showing`]: checkpoints for witnesses). What is *handed over* is removed once it is durable on the other side
//! ([`Taking`]: bundles); such a carrier needs no memory, as a diode or a person with a disc needs none.

mod showing;
mod taking;

pub use showing::{Showing, asked_folder, shown_name, sizes_of};
pub use taking::{Taken, Taking, copy_whole};
