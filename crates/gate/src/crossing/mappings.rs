//! Mappings: an officer writes and removes them at the floor, everybody of the account reads them.

use crate::record::Draft;
use crate::{Answer, CrossingAnswer, Gate, Session};
use fastness_decide::Permit;
use fastness_identity::DirectoryChange;
use fastness_identity::directory::{self as rules, Beside, Mapping};
use fastness_operation::{CrossingAct, RegionName};
use fastness_store::Fault;

fn made(mapping: &Mapping) -> Option<String> {
    mapping.digest().ok().map(|digest| format!("digest={}", hex::encode(digest)))
}

impl Gate {
    pub(super) async fn perform_mapping(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
        act: &CrossingAct,
    ) -> Result<Answer, Fault> {
        let (store, subject) = (&self.store, session.subject());
        let (Some(account), Some(user)) = (subject.account(), subject.user().cloned()) else {
            return Err(crate::perform::mismatch());
        };
        match act {
            CrossingAct::PutMapping { mapping: wanted } => {
                let (policy, labels, moment) = (store.policy().clone(), store.labels(), session.context().moment);
                let (wanted, beside) = (wanted.clone(), self.beside(wanted.half.other()));
                let act = move |rows: &mut dyn DirectoryChange| {
                    rules::put_mapping(rows, (&policy, &labels), (account, &user), beside, &wanted, &moment)
                };
                let mapping = store.change_directory(permit, act, draft.record(made)).await?;
                Ok(CrossingAnswer::Mapping(Box::new(mapping)).into())
            }
            CrossingAct::DeleteMapping { name } => {
                let name = name.clone();
                let act = move |rows: &mut dyn DirectoryChange| rules::delete_mapping(rows, account, &name);
                store.change_directory(permit, act, draft.record(|()| None)).await.map(|()| Answer::Done)
            }
            _ => {
                let found = store.directory(permit, |rows| rules::list_mappings(rows, account))?;
                Ok(CrossingAnswer::Mappings(found).into())
            }
        }
    }

    /// Where another region lies; nothing of one that the configuration does not name (yet).
    fn beside(&self, region: &RegionName) -> Option<Beside> {
        match &self.crossing {
            Some(crossing) => crossing.beside(region),
            None => (region.as_str() == self.region()).then_some(Beside::Own),
        }
    }
}
