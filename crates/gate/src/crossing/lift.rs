//! What users ask about lifts and arrivals.

use crate::record::Draft;
use crate::{Answer, CrossingAnswer, Gate, Session};
use fastness_decide::Permit;
use fastness_decide::crossing::{self as decide, Used};
use fastness_identity::directory::{Beside, sending_mapping};
use fastness_identity::{Duty, Principal};
use fastness_operation::{Code, CrossingAct, CrossingWay};
use fastness_store::{Actor, Arrival, Fault, Lift, NewLift};

impl Gate {
    /// Begins a lift: what can be refused today is refused now, and looked at again with each batch.
    pub(super) async fn start_lift(&self, session: &Session, permit: &Permit, draft: &Draft) -> Result<Answer, Fault> {
        let CrossingAct::StartLift { bucket, to, mapping, .. } = super::act(permit)? else {
            return Err(crate::perform::mismatch());
        };
        let refused = |code, message: String| Err(Fault::refused(code, message));
        let subject = session.subject();
        let (Some(crossing), Principal::User { account, name, id, .. }) = (&self.crossing, subject.principal()) else {
            return refused(Code::InvalidRequest, "this region has no regions beside it: nothing crosses".to_owned());
        };
        if crossing.beside(to) != Some(Beside::Above) {
            let message = format!("lifts go to a region above; the region's configuration does not name `{to}` as one");
            return refused(Code::InvalidRequest, message);
        }
        if permit.bucket(bucket).is_none_or(|bucket| bucket.account != *account) {
            return refused(Code::AccessDenied, "a lift is of your own account's buckets".to_owned());
        }
        let way = (CrossingWay::Lift, bucket, to);
        let found = self.store.directory(permit, |rows| sending_mapping(rows, *account, way, mapping.as_ref()))?;
        let label = permit.view().session();
        decide::send(&found, self.store.policy(), label, Used::default(), &[])
            .map_err(|refusal| Fault::refused(refusal.code, refusal.message))?;
        let by = Actor { name: name.to_string(), id: id.clone() };
        let new = NewLift { by, key: subject.key().clone(), mapping: found.name };
        let record = draft.record(|lift: &Lift| Some(format!("lift {} mapping {}", lift.id, lift.mapping)));
        let lift = self.store.start_lift(permit, new, session.context().moment, record).await?;
        Ok(CrossingAnswer::Lift(Box::new(lift)).into())
    }

    pub(super) async fn perform_lift(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let answer = match super::act(permit)? {
            CrossingAct::StopLift { .. } => {
                let record = draft.record(|lift: &Lift| Some(lift.state.name().to_owned()));
                let lift = self.store.stop_lift(permit, session.context().moment, record).await?;
                CrossingAnswer::Lift(Box::new(lift))
            }
            CrossingAct::DescribeLift { .. } => CrossingAnswer::Lift(Box::new(self.store.lift(permit)?)),
            CrossingAct::ListLifts { .. } => {
                let (lifts, more) = self.store.lifts(permit)?;
                CrossingAnswer::Lifts(lifts, more)
            }
            _ => return Err(crate::perform::mismatch()),
        };
        Ok(answer.into())
    }

    /// What came in, as it is in view. What the guard found is for officers and auditors.
    pub(super) fn list_arrivals(&self, session: &Session, permit: &Permit) -> Result<Answer, Fault> {
        let sees_findings = matches!(session.subject().duty(), Some(Duty::Officer | Duty::Auditor));
        let (arrivals, more) = self.store.arrivals(permit)?;
        let shown = arrivals.into_iter().map(|(label, one)| (label, shown(one, sees_findings)));
        Ok(CrossingAnswer::Arrivals(shown.collect(), more).into())
    }
}

/// An arrival as it is shown.
pub(super) fn shown(arrival: Arrival, sees_findings: bool) -> Arrival {
    if sees_findings {
        return arrival;
    }
    let findings = arrival.findings.into_iter().map(|(key, _)| (key, Vec::new())).collect();
    Arrival { findings, ..arrival }
}
