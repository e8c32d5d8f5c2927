//! What became of the pages' file: after an error `redb` may refuse everything, and this tells before it is asked.

use super::{Pages, SealedPages};
use std::io;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

impl SealedPages {
    /// Whether nothing failed that could have made `redb` refuse its service.
    pub(crate) fn is_sound(&self) -> bool {
        let Pages { read_failed, changes_failed, changes_forgiven, .. } = &*self.0;
        !read_failed.load(Ordering::Acquire)
            && changes_failed.load(Ordering::Acquire) == changes_forgiven.load(Ordering::Acquire)
    }

    /// Whether `redb` still serves, which `ask` finds out after changes failed. None may be under way that it needs.
    pub(crate) fn is_usable(&self, ask: impl FnOnce() -> bool) -> bool {
        let failed = self.0.changes_failed.load(Ordering::Acquire);
        let usable = !self.0.read_failed.load(Ordering::Acquire) && ask();
        if usable {
            self.0.changes_forgiven.store(failed, Ordering::Release);
        }
        usable
    }

    /// Takes the file away from this handle and waits for what it is doing with it: another one may begin.
    pub(crate) fn retire(&self) {
        self.0.read_failed.store(true, Ordering::Release);
        *self.0.retired.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    pub(super) fn use_file<T>(&self, act: impl FnOnce(&Pages) -> io::Result<T>) -> io::Result<T> {
        let retired = self.0.retired.read().unwrap_or_else(PoisonError::into_inner);
        if *retired {
            return Err(io::Error::other(format!("the catalog `{}` was opened anew", self.0.name)));
        }
        act(&self.0)
    }

    pub(super) fn change(&self, act: impl FnOnce(&Pages) -> io::Result<()>) -> io::Result<()> {
        self.use_file(|pages| {
            act(pages).inspect_err(|_| {
                pages.changes_failed.fetch_add(1, Ordering::AcqRel);
            })
        })
    }
}
