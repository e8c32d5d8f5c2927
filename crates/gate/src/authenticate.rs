//! From a signature to a session. A refusal here is recorded at the region's ceiling: nobody is known yet.

use crate::opened::Opened;
use crate::record::Draft;
use crate::{Context, Gate, Reason, Session};
use fastness_decide::Lookup;
use fastness_identity::signature::{Claim, Expected, PostedClaim, Scope, SignatureError, SigningKey, Verified};
use fastness_identity::{SessionError, Subject};
use fastness_operation::AccessKeyId;
use http::request::Parts;
use std::sync::Arc;
use time::OffsetDateTime;

/// The services that one port answers, by the name in the signature's scope.
pub(crate) const SERVICES: [&str; 5] = ["s3", "iam", "sts", "cloudtrail", "fastness"];

/// A refusal before anybody was known: AWS's code, its status, a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unauthenticated {
    /// AWS's code.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// The text for the caller.
    pub message: String,
}

impl From<SignatureError> for Unauthenticated {
    fn from(error: SignatureError) -> Self {
        Self { code: error.code(), status: error.status(), message: error.to_string() }
    }
}

impl Gate {
    /// Begins a request: its clock, its chance, its id. `agent` is what the asking program calls itself.
    #[must_use]
    pub fn begin(&self, claimed: Option<&str>, source: String, agent: &str) -> Context {
        let key = claimed.and_then(|key| AccessKeyId::new(key).ok());
        Context::new(self.environment.moment(key.as_ref()), source, agent)
    }

    /// Checks a signature and opens the session of its key.
    ///
    /// `body_hash` is the SHA-256 of the body for services whose requests may leave it out of their headers.
    ///
    /// # Errors
    /// What is wrong with the signature or the key; it is recorded at the region's ceiling.
    pub async fn authenticate(
        &self,
        context: Context,
        claim: &Claim,
        parts: &Parts,
        body_hash: Option<[u8; 32]>,
    ) -> Result<(Session, Verified), Unauthenticated> {
        let opened = self.open_session(&claim.access_key_id, &claim.scope.service, |key, expected| {
            claim.verify_with(parts, key, expected, body_hash)
        });
        self.begin_session(context, &claim.access_key_id, opened).await
    }

    /// The same for a form that a browser posted.
    ///
    /// # Errors
    /// As [`Gate::authenticate`].
    pub async fn authenticate_posted(
        &self,
        context: Context,
        claim: &PostedClaim,
    ) -> Result<(Session, Verified), Unauthenticated> {
        let verify = |key: &dyn Fn(&Scope) -> SigningKey, expected: &Expected<'_>| claim.verify_with(key, expected);
        let opened = self.open_session(&claim.access_key_id, &claim.scope.service, verify);
        self.begin_session(context, &claim.access_key_id, opened).await
    }

    async fn begin_session(
        &self,
        context: Context,
        claimed: &str,
        opened: Result<(Arc<Subject>, Verified), Unauthenticated>,
    ) -> Result<(Session, Verified), Unauthenticated> {
        match opened {
            Ok((subject, verified)) => Ok((Session::new(subject, context), verified)),
            Err(refusal) => Err(self.turn_away(&context, Some(claimed), refusal).await),
        }
    }

    /// Records, at the ceiling, that a request was turned away before anybody was known, and returns the answer.
    pub async fn turn_away(
        &self,
        context: &Context,
        claimed: Option<&str>,
        refusal: Unauthenticated,
    ) -> Unauthenticated {
        let draft = Draft::unauthenticated(self, context, claimed.unwrap_or_default());
        let entry = draft.refused(Reason::Authentication, refusal.code);
        // The answer is the same when the ceiling cannot record: its full queue or disk must not show below.
        if let Err(fault) = self.store.record(draft.label(), entry).await {
            tracing::error!(%fault, "a refusal could not be recorded");
        }
        refusal
    }

    /// `verify` checks the signature with the signing key of a scope.
    fn open_session(
        &self,
        access_key_id: &str,
        service: &str,
        verify: impl FnOnce(&dyn Fn(&Scope) -> SigningKey, &Expected<'_>) -> Result<Verified, SignatureError>,
    ) -> Result<(Arc<Subject>, Verified), Unauthenticated> {
        let unknown = || {
            let (code, message) = match service {
                "s3" => ("InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records."),
                _ => ("InvalidClientTokenId", "The security token included in the request is invalid."),
            };
            Unauthenticated { code, status: 403, message: message.to_owned() }
        };
        let id = AccessKeyId::new(access_key_id).map_err(|_| unknown())?;
        let failed = |fault: fastness_store::Fault| {
            tracing::error!(%fault, "a credential could not be read");
            internal()
        };
        let expected = Expected { region: &self.region, services: &SERVICES, now: OffsetDateTime::now_utc() };
        // Before the directory is read: what changes meanwhile makes what is kept here void.
        let epoch = self.store.directory_epoch().map_err(failed)?;
        if let Some(opened) = self.opened.find(&id, epoch) {
            let verified = verify(&|scope| opened.signing(scope), &expected)?;
            return Ok((opened.subject(), verified));
        }
        let found = self.store.credential(&Lookup::credential(id)).map_err(failed)?;
        let (key, user) = found.ok_or_else(unknown)?;
        let verified = verify(&|scope| SigningKey::derive(key.secret.reveal(), scope), &expected)?;
        let subject = Subject::open(self.store.policy(), &self.store.labels(), &key, user.as_ref()).map_err(
            |error| match error {
                // As AWS: a key that was switched off, or whose user is gone, is no key.
                SessionError::Inactive | SessionError::NoHolder => unknown(),
                error => Unauthenticated { code: "AccessDenied", status: 403, message: error.to_string() },
            },
        )?;
        let subject = Arc::new(subject);
        self.opened.keep(Arc::new(Opened::new(epoch, key, Arc::clone(&subject))));
        Ok((subject, verified))
    }
}

fn internal() -> Unauthenticated {
    let message = "We encountered an internal error. Please try again.".to_owned();
    Unauthenticated { code: "InternalError", status: 500, message }
}
