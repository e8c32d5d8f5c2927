//! `fastness cross`: what people do with crossings between regions and between labels.

mod arguments;
mod arrivals;
mod files;
mod gaps;
mod lift;
mod mapping;
mod release;
mod release_arguments;
mod review;
pub(crate) mod trace;

pub use arguments::CrossCommand;
pub use trace::Trace;

/// Runs the command.
pub async fn run(command: CrossCommand) -> anyhow::Result<()> {
    match command {
        CrossCommand::Export(arguments) => files::export(&arguments),
        CrossCommand::Import(arguments) => files::import(&arguments),
        CrossCommand::Mapping(command) => mapping::run(command).await,
        CrossCommand::Lift(wanted) => lift::start(&wanted).await,
        CrossCommand::Lifts { json, identity } => lift::list(&identity, json).await,
        CrossCommand::Stop { lift, json, identity } => lift::stop(&identity, &lift, json).await,
        CrossCommand::Show { lift, json, identity } => lift::show(&identity, &lift, json).await,
        CrossCommand::Arrivals(wanted) => arrivals::list(&wanted).await,
        CrossCommand::ReleaseGaps(order) => gaps::request(&order).await,
        CrossCommand::Gaps { from, json, identity } => gaps::show(&identity, &from, json).await,
        CrossCommand::Release(command) => release::run(command).await,
    }
}
