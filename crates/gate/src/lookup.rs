//! LookupEvents: what an auditor reads of the ledgers in view.

use crate::{Answer, Gate};
use fastness_decide::Permit;
use fastness_label::Label;
use fastness_ledger::{LookupError, Page, Searched, Source, lookup};
use fastness_operation::{Code, Operation as O};
use fastness_store::{Fault, LedgerSearch, Store};
use std::sync::Arc;

/// The ledgers that a permit covers.
struct InView<'a> {
    store: &'a Store,
    permit: &'a Permit,
}

impl Source for InView<'_> {
    fn bounds(&self, label: Label) -> Result<(u64, u64), Fault> {
        self.store.ledger_in_view(self.permit, label).map(|ledger| (ledger.dropped, ledger.length))
    }

    fn search(
        &self,
        label: Label,
        search: &LedgerSearch,
        see: &mut dyn FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), Fault> {
        self.store.search_ledger(self.permit, label, search, see)
    }
}

impl Gate {
    /// Walks on a thread of its own, so that a long search holds up no other request.
    pub(crate) async fn lookup_events(&self, permit: &Permit) -> Result<Answer, Fault> {
        let (gate, permit, session) = (self.clone(), permit.clone(), permit.view().session());
        let page = tokio::task::spawn_blocking(move || gate.page_of_events(&permit)).await;
        let page = page.unwrap_or_else(|error| Err(Fault::Failed(format!("looking events up: {error}"))))?;
        Ok(Answer::Events(Box::new(page), session))
    }

    fn page_of_events(&self, permit: &Permit) -> Result<Page, Fault> {
        let O::LookupEvents { filter, limit, token } = permit.operation() else {
            return Err(crate::perform::mismatch());
        };
        let view = permit.view();
        let account = view.account().map(|account| account.to_string()).unwrap_or_default();
        let markings: Vec<(Label, Arc<str>)> =
            view.labels().iter().map(|label| (*label, self.banner(*label))).collect();
        let ledgers: Vec<(Label, &str)> = markings.iter().map(|(label, marking)| (*label, &**marking)).collect();
        let searched = Searched {
            filter,
            account: &account,
            // What was asked by nobody who is known may have been asked by anybody.
            nobodys: view.session() == self.store.labels().ceiling(),
            limit: usize::from(*limit),
            token: token.as_deref(),
        };
        lookup(&InView { store: &self.store, permit }, &ledgers, &searched).map_err(|error| match error {
            LookupError::Token => {
                let message = "Invalid token: it is none of a lookup with these parameters.";
                Fault::refused(Code::InvalidNextToken, message)
            }
            LookupError::Fault(fault) => fault,
        })
    }
}
