//! Those who ask AWS, known to the whole process: the tries of a connection share what they are lent until shortly before it ends.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::TimeDelta;
use scheduler::clock::Clock;

use super::identity::{Identity, Own};
use super::role::Role;
use super::shared_files::Variables;

/// So many are known at a time. Who was not asked for longest is forgotten first.
const KNOWN_MAX: usize = 64;

static KNOWN: Known = Known::new();

/// What AWS says of a session that is over before its end.
const OVER: [&str; 5] =
    ["ExpiredToken", "InvalidToken", "InvalidClientTokenId", "InvalidAccessKeyId", "UnrecognizedClientException"];

/// What it says of one that was revoked, which IAM does by a policy; and of anything else that a policy denies.
const DENIED: &str = "explicit deny in an identity-based policy";

/// A session that is younger was hardly revoked: what is denied to it, another would be denied, too.
const REVOKED_AFTER: TimeDelta = TimeDelta::minutes(1);

/// All by which somebody who asks is told from others. Keys are a part of it, so nobody is lent what is another's.
#[derive(PartialEq)]
pub(crate) struct Asker {
    /// What a connection and its surroundings say.
    pub(crate) variables: Arc<Variables>,
    pub(crate) role: Option<Arc<Role>>,
    pub(crate) region: String,
    /// For how long the object store asks the machine.
    pub(crate) patience: Duration,
}

/// Who that is: the same for all who ask alike. `own` are the credentials before a role is assumed.
pub(crate) fn identity_of(asker: Asker, own: Own) -> Arc<Identity> {
    KNOWN.find(asker, own)
}

/// Forgets the session of that token when a refusal may mean that it is over: whoever asks next is lent another.
pub(crate) fn forget_if_over(token: Option<&str>, refusal: &str) {
    let Some(token) = token else { return };
    if OVER.iter().any(|words| refusal.contains(words)) {
        KNOWN.forget(token, TimeDelta::zero());
    } else if refusal.contains(DENIED) {
        KNOWN.forget(token, REVOKED_AFTER);
    }
}

/// Who was asked for last is at the end.
struct Known(Mutex<Vec<(Asker, Arc<Identity>)>>);

impl Known {
    const fn new() -> Known {
        Known(Mutex::new(Vec::new()))
    }

    fn find(&self, asker: Asker, own: Own) -> Arc<Identity> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.iter().position(|(other, _)| *other == asker).map(|at| known.remove(at).1);
        let identity = found
            .unwrap_or_else(|| Arc::new(Identity::new(own, asker.role.clone(), asker.region.clone(), Clock::System)));
        if known.len() >= KNOWN_MAX {
            known.remove(0);
        }
        known.push((asker, Arc::clone(&identity)));
        identity
    }

    fn forget(&self, token: &str, younger_stays: TimeDelta) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, identity) in known.iter() {
            identity.forget(token, younger_stays);
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::StaticCredentialProvider;
    use object_store::aws::AwsCredential;

    use super::*;

    fn asker(secret: &str) -> Asker {
        let variables = Variables::from([("AWS_SECRET_ACCESS_KEY".to_owned(), secret.to_owned())]);
        Asker { variables: Arc::new(variables), role: None, region: "us-east-1".to_owned(), patience: Duration::ZERO }
    }

    fn own() -> Own {
        let own = AwsCredential { key_id: "AKIAOWN".to_owned(), secret_key: "s".to_owned(), token: None };
        Own::Found(Arc::new(StaticCredentialProvider::new(own)))
    }

    #[test]
    fn who_asks_alike_is_one_and_few_are_kept() {
        let known = Known::new();
        let first = known.find(asker("0"), own());
        assert!(Arc::ptr_eq(&first, &known.find(asker("0"), own())));
        assert!(!Arc::ptr_eq(&first, &known.find(asker("1"), own())), "another secret is somebody else");
        for number in 2..KNOWN_MAX + 10 {
            known.find(asker(&number.to_string()), own());
            assert!(Arc::ptr_eq(&first, &known.find(asker("0"), own())), "who is asked for often is kept");
        }
        let left = known.0.lock().unwrap();
        assert_eq!(left.len(), KNOWN_MAX);
        assert!(left.iter().all(|(other, _)| *other != asker("1")));
    }
}
