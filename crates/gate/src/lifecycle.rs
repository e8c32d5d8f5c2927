//! The lifecycle: one pass over one partition, by nobody's session. Everything that it does is in the partition's ledger.

use crate::{Context, Gate};
use fastness_decide::Chore;
use fastness_label::Label;
use fastness_ledger::{Entry, Outcome};
use fastness_store::{Clock, Expired, Fault};

/// Who acts, as the ledger writes it.
const PRINCIPAL: &str = "lifecycle";

impl Gate {
    /// The labels that the region holds.
    #[must_use]
    pub fn labels(&self) -> Vec<Label> {
        self.store.labels().held().to_vec()
    }

    /// Does what the lifecycles of a partition's buckets say is due, and answers how much it was. What is due is judged
    /// by a clock that is `ahead_ms` ahead; object locks by the true one.
    ///
    /// # Errors
    /// A failure.
    pub async fn expire(&self, label: Label, ahead_ms: i64) -> Result<usize, Fault> {
        let Some(chore) = Chore::of(label, &self.store.labels()) else { return Ok(0) };
        let (mut from, mut done) = (None, 0);
        loop {
            let moment = self.environment.chore(&self.banner(label));
            let clock = Clock { moment, due_ms: moment.now_ms.saturating_add(ahead_ms) };
            let (store, with) = (self.store.clone(), chore.clone());
            let found = tokio::task::spawn_blocking(move || store.find_due(&with, from, &clock)).await;
            let (places, next) = found.unwrap_or_else(|error| Err(Fault::Failed(format!("a search: {error}"))))?;
            if !places.is_empty() {
                let context = Context::new(moment, String::new(), "");
                let blank = self.expiry(label, &context);
                let chance = context.chance();
                let record =
                    Box::new(move |outcome: &Result<Vec<Expired>, Fault>| entry(blank, outcome).record(&chance));
                done += self.store.expire(&chore, places, clock, record).await?.len();
            }
            match next {
                Some(next) => from = Some(next),
                None => return Ok(done),
            }
        }
    }

    fn expiry(&self, label: Label, context: &Context) -> Entry {
        Entry {
            service: "s3".to_owned(),
            operation: "Expire".to_owned(),
            principal: PRINCIPAL.to_owned(),
            label: self.banner(label).to_string(),
            ..crate::record::blank(context)
        }
    }
}

fn entry(blank: Entry, outcome: &Result<Vec<Expired>, Fault>) -> Entry {
    let done = outcome.as_ref().map(Vec::as_slice).unwrap_or_default();
    let resource = |expired: &Expired| {
        let key = crate::record::plain_key(&expired.key);
        match &expired.upload {
            Some(upload) => format!("write {}/{key}?uploadId={upload}", expired.bucket),
            None => format!("write {}/{key}", expired.bucket),
        }
    };
    let resources = done.iter().map(resource).collect();
    let outcome = Outcome::Each(done.iter().map(|expired| Outcome::Done(expired.version.clone())).collect());
    Entry { resources, outcome, ..blank }
}
