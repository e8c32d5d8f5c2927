//! LookupEvents and DiscloseEvents: what an auditor reads of the ledgers in view, and shows to others with proofs.

use crate::{Answer, Gate};
use fastness_decide::Permit;
use fastness_label::Label;
use fastness_ledger::{
    DisclosedPage, Discloser, EVENTS_MAX, Entry as LedgerEntry, LogError, LookupError, Page, Searched, Source, lookup,
};
use fastness_operation::{Code, EventAttribute, EventFilter, Operation as O};
use fastness_store::{Fault, LedgerSearch, Store};
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Walks through the ledgers at once, of the sessions at one label: a walk may hold some megabytes of each ledger's.
const LOOKUPS_MAX: usize = 4;

/// Pages that the search for one resource looks at: whoever names it again and again, makes no search endless.
const PAGES_MAX: usize = 2_000;

/// Turns at the ledgers. Each label has its own, so that nobody waits for who is above.
#[derive(Debug, Default)]
pub(crate) struct LookupTurns(Mutex<HashMap<Label, Arc<Semaphore>>>);

impl LookupTurns {
    /// The next turn of a session's label; it ends when what is answered is dropped.
    async fn turn(&self, session: Label) -> Option<OwnedSemaphorePermit> {
        let of_label = {
            let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(session).or_insert_with(|| Arc::new(Semaphore::new(LOOKUPS_MAX))))
        };
        // Nobody closes it.
        of_label.acquire_owned().await.ok()
    }
}

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
    ) -> Result<u64, Fault> {
        self.store.search_ledger(self.permit, label, search, see)
    }
}

impl Gate {
    /// Walks on a thread of its own, so that a long search holds up no other request.
    pub(crate) async fn lookup_events(&self, permit: &Permit) -> Result<Answer, Fault> {
        let (gate, permit, session) = (self.clone(), permit.clone(), permit.view().session());
        let turn = self.lookups.turn(session).await;
        let page = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            gate.page_of_events(&permit)
        })
        .await;
        let page = page.unwrap_or_else(|error| Err(Fault::Failed(format!("looking events up: {error}"))))?;
        Ok(Answer::Events(Box::new(page), session))
    }

    /// The same, with proofs.
    pub(crate) async fn disclose_events(&self, permit: &Permit) -> Result<Answer, Fault> {
        let (gate, permit, session) = (self.clone(), permit.clone(), permit.view().session());
        let turn = self.lookups.turn(session).await;
        let page = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            gate.page_of_disclosures(&permit)
        })
        .await;
        let page = page.unwrap_or_else(|error| Err(Fault::Failed(format!("disclosing events: {error}"))))?;
        Ok(Answer::Disclosed(Box::new(page), session))
    }

    fn page_of_disclosures(&self, permit: &Permit) -> Result<DisclosedPage, Fault> {
        let O::DiscloseEvents { disclosing } = permit.operation() else { return Err(crate::perform::mismatch()) };
        let withheld = self.withheld(&disclosing.withheld)?;
        let found = self.page_of_events(permit)?;
        let mut page = DisclosedPage { token: found.token, ..DisclosedPage::default() };
        let wrong = |error: LogError| Fault::Failed(format!("a log cannot be proven from: {error}"));
        let mut logs: HashMap<String, (Label, Discloser<'_>)> = HashMap::new();
        for event in found.events {
            let (label, discloser) = match logs.entry(event.ledger.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => {
                    let of = |label: &&Label| *self.banner(**label) == *event.ledger;
                    let label = permit.view().labels().iter().find(of).ok_or_else(crate::perform::mismatch)?;
                    self.store.ledger_in_view(permit, *label)?;
                    let discloser = Discloser::new(&self.store, *label).map_err(wrong)?;
                    let known = disclosing.known.get(&discloser.origin()).copied().unwrap_or_default();
                    if discloser.size() > known || known == 0 {
                        page.checkpoints.extend(discloser.checkpoint(known)?);
                    }
                    place.insert((*label, discloser))
                }
            };
            let whole = withheld.contains(label);
            match discloser.record(&event, &disclosing.hidden, whole)? {
                Some(record) => page.records.push(record),
                None => page.unsigned += 1,
            }
        }
        Ok(page)
    }

    /// The labels that a disclosure withholds. What is no marking withholds nothing, and whoever wrote it would not see
    /// that: it is refused. What labels the region holds is not asked.
    fn withheld(&self, markings: &[String]) -> Result<HashSet<Label>, Fault> {
        let label = |marking: &String| {
            self.store.policy().label(marking).map_err(|error| {
                let message = format!("Events of `{marking}` cannot be withheld: {error}.");
                Fault::refused(Code::ValidationException, message)
            })
        };
        markings.iter().map(label).collect()
    }

    /// Entries of the account, in the ledgers in view, that name a resource: those that `wanted` keeps, the oldest first,
    /// each with its ledger's label; and whether these are all. On a thread of its own, as a lookup.
    pub(crate) async fn entries_about(
        &self,
        permit: &Permit,
        resource: String,
        wanted: impl Fn(&LedgerEntry) -> bool + Send + 'static,
    ) -> Result<(Vec<(Label, LedgerEntry)>, bool), Fault> {
        let (gate, permit, session) = (self.clone(), permit.clone(), permit.view().session());
        let turn = self.lookups.turn(session).await;
        let found = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            gate.all_about(&permit, resource, wanted)
        });
        found.await.unwrap_or_else(|error| Err(Fault::Failed(format!("looking entries up: {error}"))))
    }

    fn all_about(
        &self,
        permit: &Permit,
        resource: String,
        wanted: impl Fn(&LedgerEntry) -> bool,
    ) -> Result<(Vec<(Label, LedgerEntry)>, bool), Fault> {
        let view = permit.view();
        let account = view.account().map(|account| account.to_string()).unwrap_or_default();
        let markings: Vec<(Label, Arc<str>)> =
            view.labels().iter().map(|label| (*label, self.banner(*label))).collect();
        let ledgers: Vec<(Label, &str)> = markings.iter().map(|(label, marking)| (*label, &**marking)).collect();
        let filter = EventFilter { attribute: Some(EventAttribute::ResourceName(resource)), ..EventFilter::default() };
        let (mut found, mut token): (Vec<(Label, LedgerEntry)>, Option<String>) = (Vec::new(), None);
        for _ in 0..PAGES_MAX {
            let searched = Searched {
                filter: &filter,
                account: &account,
                nobodys: false,
                limit: EVENTS_MAX,
                token: token.as_deref(),
            };
            let page =
                lookup(&InView { store: &self.store, permit }, &ledgers, &searched).map_err(|error| match error {
                    LookupError::Token => crate::perform::mismatch(),
                    LookupError::Fault(fault) => fault,
                })?;
            for event in page.events.into_iter().filter(|event| wanted(&event.entry)) {
                let of = ledgers.iter().find(|(_, marking)| *marking == event.ledger);
                let (label, _) = of.ok_or_else(crate::perform::mismatch)?;
                found.push((*label, event.entry));
            }
            token = page.token;
            if token.is_none() {
                break;
            }
        }
        found.reverse();
        Ok((found, token.is_none()))
    }

    fn page_of_events(&self, permit: &Permit) -> Result<Page, Fault> {
        let (filter, limit, token) = match permit.operation() {
            O::LookupEvents { filter, limit, token } => (filter, limit, token),
            O::DiscloseEvents { disclosing } => (&disclosing.filter, &disclosing.limit, &disclosing.token),
            _ => return Err(crate::perform::mismatch()),
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
