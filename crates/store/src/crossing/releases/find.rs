//! Releases are found: by who asks for one, by who reviews it, and by who sends what is due.

use super::{Release, ReleaseState, no_such_release, not_by_requester};
use crate::crossing::lifts::act_of;
use crate::crossing::rows;
use crate::{Actor, Fault, Store};
use fastness_decide::{Chore, Permit};
use fastness_label::Label;
use fastness_operation::{Code, CrossingAct};

impl Store {
    /// ReviewRelease, before anything of it is shown: one of the account at the session's own label.
    ///
    /// # Errors
    /// `NoSuchEntity`, `AccessDenied` for who asked for it, or a failure.
    pub fn reviewable(&self, permit: &Permit, by: &Actor) -> Result<Release, Fault> {
        let (CrossingAct::ReviewRelease { release: id }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let found: Option<Release> = rows::read(&*self.own(permit)?.read()?, &rows::release(id))?;
        let release = found.filter(|release| release.account == account).ok_or_else(no_such_release)?;
        not_by_requester(&release, by)?;
        Ok(release)
    }

    /// DescribeRelease: one of the account in view, with its label.
    ///
    /// # Errors
    /// `NoSuchEntity`, or a failure.
    pub fn release(&self, permit: &Permit) -> Result<(Label, Release), Fault> {
        let (CrossingAct::DescribeRelease { release: id }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        for slice in self.snapshot(permit.view())?.slices {
            let found: Option<Release> = rows::read(&slice.reading, &rows::release(id))?;
            if let Some(found) = found.filter(|release| release.account == account) {
                return Ok((slice.partition.label, found));
            }
        }
        Err(Fault::refused(Code::NoSuchEntity, "no such release of your account is in view"))
    }

    /// ListReleases: those of the account in view, by id, each with its label, and whether there are more.
    ///
    /// # Errors
    /// A failure.
    pub fn releases(&self, permit: &Permit) -> Result<(Vec<(Label, Release)>, bool), Fault> {
        let (CrossingAct::ListReleases { after, limit }, account) = act_of(permit)? else {
            return Err(Fault::mismatch());
        };
        let (mut all, most) = (Vec::new(), usize::from(*limit));
        let after = after.as_ref().map(rows::release).unwrap_or_default();
        for slice in self.snapshot(permit.view())?.slices {
            let mut found = 0;
            rows::each(&slice.reading, (rows::RELEASES, &after), |_, release: Release| {
                if release.account == account {
                    found += 1;
                    all.push((slice.partition.label, release));
                }
                found <= most
            })?;
        }
        all.sort_by(|(_, one), (_, other)| one.id.cmp(&other.id));
        let more = all.len() > most;
        all.truncate(most);
        Ok((all, more))
    }

    /// The releases of a label that two reviewers approved and that have not left, oldest first.
    ///
    /// # Errors
    /// A failure.
    pub fn due_releases(&self, chore: &Chore) -> Result<Vec<Release>, Fault> {
        let reading = self.partition(chore.view().session())?.read()?;
        let mut due: Vec<Release> = rows::due(&reading, rows::RELEASES)?;
        due.retain(|release| release.state == ReleaseState::Approved);
        due.sort_by(|one: &Release, other| (one.requested_ms, &one.id).cmp(&(other.requested_ms, &other.id)));
        Ok(due)
    }
}
