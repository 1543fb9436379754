//! What `git` complains of: why, and what to do about it.

/// A cause that is mended by whoever set up the address or its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    NotLetIn,
    KeyRefused,
    MayNot,
    NoRepository,
    NoDefaultBranch,
    NoRef,
    NotTrusted,
    HostUnknown,
    Away,
}

/// By which words a cause is known; the first that fits counts.
const SIGNS: [(Cause, &[&str]); 9] = [
    (Cause::KeyRefused, &["Permission denied (", "Too many authentication failures"]),
    (Cause::HostUnknown, &["Host key verification failed"]),
    (Cause::NotLetIn, &["could not read Username", "could not read Password", "Authentication failed", "error: 401"]),
    (Cause::MayNot, &["error: 403", "HTTP 403"]),
    (Cause::NoDefaultBranch, &["couldn't find remote ref HEAD"]),
    (Cause::NoRef, &["couldn't find remote ref", "not our ref", "unadvertised object", "no such remote ref"]),
    (Cause::NotTrusted, &["certificate", "SSL CA cert"]),
    (Cause::NoRepository, &["not found", "does not appear to be a git repository", "does not exist", "error: 404"]),
    (
        Cause::Away,
        &[
            "unable to access",
            "Could not resolve host",
            "not known",
            "Connection refused",
            "Connection timed out",
            "Connection closed",
            "Connection reset",
            "No route to host",
            "Network is unreachable",
            "early EOF",
            "hung up unexpectedly",
        ],
    ),
];

/// A complaint as people read it; `conn_id` is the connection in whose name the repository was asked.
pub(super) fn told(complaint: &str, conn_id: Option<&str>) -> String {
    let said = essence(complaint);
    let cause = SIGNS.iter().find(|(_, signs)| signs.iter().any(|sign| said.contains(sign)));
    match cause {
        Some((cause, _)) => format!("{} (`git` says: {said})", cause.words(conn_id)),
        None => format!("`git` failed: {said}"),
    }
}

impl Cause {
    /// What is wrong, and what to do.
    fn words(self, conn_id: Option<&str>) -> String {
        let of_connection = |key: &str| match conn_id {
            Some(conn_id) => format!("{key} of the connection `{conn_id}`"),
            None => format!("{key} of a connection of the type `git` that the address names with `?conn_id=`"),
        };
        match (self, conn_id) {
            (Cause::NotLetIn, None) => {
                "the repository wants to know who asks: make a connection of the type `git` with a \
                                        login and a password or token, and add `?conn_id=` with its id to the address"
                    .to_owned()
            }
            (Cause::NotLetIn, Some(conn_id)) => format!(
                "the repository does not let in whom the connection `{conn_id}` names: look at its login and its password, \
                 which may be a token that has ended"
            ),
            (Cause::KeyRefused, _) => format!(
                "the server does not know the key that it is shown: look at {}, and at the user in the address",
                of_connection("`private_key`")
            ),
            (Cause::MayNot, None) => {
                "the repository may not be read without signing in, or not from here: add `?conn_id=` \
                                      with the id of a connection of the type `git` to the address"
                    .to_owned()
            }
            (Cause::MayNot, Some(conn_id)) => {
                format!("whom the connection `{conn_id}` names may not read the repository: give them that right there")
            }
            (Cause::NoRepository, None) => {
                "there is no repository at this address, or one that is hidden from strangers: look \
                                            at the address, or add `?conn_id=` with the id of a connection to it"
                    .to_owned()
            }
            (Cause::NoRepository, Some(conn_id)) => format!(
                "there is no repository at this address, or none that whom the connection `{conn_id}` names may see: look at \
                 the address"
            ),
            (Cause::NoDefaultBranch, _) => {
                "the repository has no default branch, perhaps because it is empty: name a branch behind `#`".to_owned()
            }
            (Cause::NoRef, _) => {
                "the repository has no such branch, tag or commit: look at what stands behind `#`; a commit is \
                                  written with all its digits"
                    .to_owned()
            }
            (Cause::NotTrusted, _) => {
                "the certificate of the server is not trusted here: name a file with that of its \
                                       authority with `SSL_CERT_FILE`"
                    .to_owned()
            }
            (Cause::HostUnknown, _) => {
                format!(
                    "the server does not have the key by which it is known: look at {}",
                    of_connection("`known_hosts`")
                )
            }
            (Cause::Away, _) => {
                "the repository cannot be reached: look at the address, and at what is between (a firewall, \
                                 `HTTPS_PROXY`)"
                    .to_owned()
            }
        }
    }
}

/// What counts of a complaint. Over ssh, `git` only says that it could not read; why, has been said before.
fn essence(complaint: &str) -> String {
    let lines = || complaint.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines().rev().find(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let said = said.or_else(|| lines().next()).unwrap_or("it says nothing");
    let is_vague = said.contains("Could not read from remote repository");
    let cause = lines().rev().find(|line| {
        let is_cause =
            ["Permission denied", "verification failed", "Connection", "not known", "not resolve", "not appear"];
        is_cause.iter().any(|words| line.contains(words))
    });
    match cause.filter(|_| is_vague) {
        Some(cause) => cause,
        None => said,
    }
    .trim_start_matches("fatal:")
    .trim()
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_says_why() {
        let denied = "me@host: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make \
                      sure you have the correct access rights\nand the repository exists.\n";
        assert_eq!(essence(denied), "me@host: Permission denied (publickey).");
        assert_eq!(essence("warning: x\nfatal: couldn't find remote ref y\n"), "couldn't find remote ref y");
        assert_eq!(essence(""), "it says nothing");
    }

    #[test]
    fn known_complaints_say_what_to_do() {
        let at = "'https://git.example/team/dags.git'";
        for (complaint, conn_id, words) in [
            (format!("fatal: could not read Username for {at}: terminal prompts disabled"), None, "add `?conn_id=`"),
            (
                format!("fatal: Authentication failed for {at}/"),
                Some("my_git"),
                "connection `my_git` names: look at its login",
            ),
            (
                format!("fatal: unable to access {at}/: The requested URL returned error: 403"),
                Some("my_git"),
                "that right",
            ),
            (format!("fatal: repository {at}/ not found"), Some("my_git"), "there is no repository at this address"),
            ("fatal: couldn't find remote ref HEAD".to_owned(), None, "perhaps because it is empty"),
            ("fatal: couldn't find remote ref mian".to_owned(), None, "(`git` says: couldn't find remote ref mian)"),
            (format!("fatal: unable to access {at}/: Could not resolve host: git.example"), None, "cannot be reached"),
            (
                format!(
                    "fatal: unable to access {at}/: server certificate verification failed. CAfile: none CRLfile: none"
                ),
                None,
                "`SSL_CERT_FILE`",
            ),
            (
                "Host key verification failed.\nfatal: Could not read from remote repository.\n".to_owned(),
                Some("my_git"),
                "`known_hosts` of the connection `my_git`",
            ),
            (
                "me@h: Permission denied (publickey).\nfatal: Could not read from remote repository.".to_owned(),
                None,
                "`private_key`",
            ),
        ] {
            let told = told(&complaint, conn_id);
            assert!(told.contains(words) && told.contains("`git` says: "), "{complaint}: {told}");
        }
        assert_eq!(told("fatal: bad object 12ab\n", None), "`git` failed: bad object 12ab");
    }
}
