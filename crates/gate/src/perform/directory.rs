//! The operations of IAM, STS and Fastness's own: the directory at the region's floor.

use super::objects::mismatch;
use crate::record::Draft;
use crate::{Answer, Gate, Session};
use fastness_decide::Permit;
use fastness_identity::directory::{self as rules, AccessKey, NewAccount, User};
use fastness_operation::{AccountNumber, Operation as O, UserName};
use fastness_store::Fault;

#[expect(clippy::unnecessary_wraps, reason = "the form that a record's namer has")]
fn made_key(key: &AccessKey) -> Option<String> {
    Some(format!("key {} at {}", key.id, key.label))
}

impl Gate {
    pub(crate) async fn perform_directory(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
    ) -> Result<Answer, Fault> {
        let (store, policy) = (&self.store, self.store.policy().clone());
        let labels = store.labels();
        let moment = session.context().moment;
        match permit.operation().clone() {
            O::GetCallerIdentity => Ok(Answer::Identity(Box::new(session.subject().clone()))),
            O::ListAccounts => store.directory(permit, rules::list_accounts).map(Answer::Accounts),
            O::ListLabels => Ok(Answer::Labels(labels.held().to_vec())),
            O::AllowLabel { .. } => {
                let record = draft.record(|(_, new): &(fastness_label::Label, bool)| Some(format!("new={new}")));
                let (label, new) = store.allow_label(permit, record).await?;
                Ok(Answer::Label(label, new))
            }
            O::CreateAccount { name } => {
                let floor = policy.banner(labels.floor());
                let record = draft.record(|new: &NewAccount| Some(format!("account {}", new.account.number)));
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::create_account(rows, &policy, &floor, name, &moment)
                };
                store.change_directory(permit, act, record).await.map(|new| Answer::Account(Box::new(new)))
            }
            O::AddOfficer { account } => {
                let floor = policy.banner(labels.floor());
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::add_officer(rows, &policy, &floor, account, &moment)
                };
                store.change_directory(permit, act, draft.record(made_key)).await.map(|key| Answer::Key(Box::new(key)))
            }
            operation => {
                let account = session.subject().account().ok_or_else(mismatch)?;
                self.perform_users(session, permit, draft, (account, operation)).await
            }
        }
    }

    async fn perform_users(
        &self,
        session: &Session,
        permit: &Permit,
        draft: &Draft,
        (account, operation): (AccountNumber, O),
    ) -> Result<Answer, Fault> {
        let (store, policy) = (&self.store, self.store.policy().clone());
        let labels = store.labels();
        let moment = session.context().moment;
        let own = session.subject().user().cloned();
        let caller = own.clone().ok_or_else(mismatch)?;
        let or_own = |user: Option<UserName>| user.or_else(|| own.clone()).ok_or_else(mismatch);
        let done = |()| Answer::Done;
        match operation {
            O::GetUser { user } => {
                let user = or_own(user)?;
                let found = store.directory(permit, |rows| rules::find_user(rows, account, &user))?;
                Ok(Answer::User(Box::new(found)))
            }
            O::ListUserTags { user } => {
                let found = store.directory(permit, |rows| rules::find_user(rows, account, &user))?;
                Ok(Answer::User(Box::new(found)))
            }
            O::ListUsers { prefix, after, limit } => {
                let list = |rows: &dyn fastness_identity::Directory| {
                    rules::list_users(rows, account, &prefix, after.as_ref(), usize::from(limit))
                };
                store.directory(permit, list).map(|(users, more)| Answer::Users(users, more))
            }
            O::ListAccessKeys { user } => {
                let user = or_own(user)?;
                store.directory(permit, |rows| rules::list_keys(rows, account, &user)).map(Answer::Keys)
            }
            O::CreateUser { user, path, tags } => {
                let record = draft.record(|user: &User| Some(user.id.clone()));
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::create_user(rows, account, &user, &path, tags, &moment)
                };
                store.change_directory(permit, act, record).await.map(|user| Answer::User(Box::new(user)))
            }
            O::DeleteUser { user } => {
                let act =
                    move |rows: &mut dyn fastness_identity::DirectoryChange| rules::delete_user(rows, account, &user);
                store.change_directory(permit, act, draft.record(|()| None)).await.map(done)
            }
            O::TagUser { user, tags } => {
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::tag_user(rows, &policy, account, &user, &tags)
                };
                store.change_directory(permit, act, draft.record(|()| None)).await.map(done)
            }
            O::UntagUser { user, keys } => {
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::untag_user(rows, account, &user, &keys)
                };
                store.change_directory(permit, act, draft.record(|()| None)).await.map(done)
            }
            O::CreateAccessKey { user } => {
                let user = or_own(user)?;
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::create_key(rows, &policy, &labels, (account, &user, &caller), None, &moment)
                };
                let key = store.change_directory(permit, act, draft.record(made_key)).await?;
                Ok(Answer::Key(Box::new(key)))
            }
            O::CreateKeyAt { marking } => {
                let user = or_own(None)?;
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::create_key(rows, &policy, &labels, (account, &user, &caller), Some(&marking), &moment)
                };
                let key = store.change_directory(permit, act, draft.record(made_key)).await?;
                Ok(Answer::Key(Box::new(key)))
            }
            O::UpdateAccessKey { user, key, active } => {
                let user = or_own(user)?;
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::update_key(rows, (account, &user, &caller), &key, active)
                };
                store.change_directory(permit, act, draft.record(|()| None)).await.map(done)
            }
            O::DeleteAccessKey { user, key } => {
                let user = or_own(user)?;
                let act = move |rows: &mut dyn fastness_identity::DirectoryChange| {
                    rules::delete_key(rows, (account, &user, &caller), &key)
                };
                store.change_directory(permit, act, draft.record(|()| None)).await.map(done)
            }
            _ => Err(mismatch()),
        }
    }
}
