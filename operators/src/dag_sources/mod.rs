//! Where DAG files can be kept besides a folder: below a prefix of an S3 bucket, or in a git repository.
//!
//! [`Address`] is what people write; [`scheduler::sources::remote`] keeps a copy of what is there.

mod complaint;
mod git;
mod program;
mod s3;

use std::fmt;
use std::path::Path;

use scheduler::secrets::Secrets;
use scheduler::sources::remote::Origin;

use crate::location::{Location, LocationError, S3};
use git::Repository;
pub(crate) use git::count_branches;

/// An origin of DAG files, as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    S3(Location),
    Git(Repository),
}

/// Why a text is no address of DAG files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// `https://…`, `gs://…` and the like.
    #[error(
        "`{0}:` is no kind of place for DAG files; write a folder, s3://bucket/prefix or git+https://host/repository.git#ref:subfolder"
    )]
    UnknownScheme(String),
    /// It is no place in S3.
    #[error(transparent)]
    S3(#[from] LocationError),
    /// It is no address of a repository. The text may hold a password and is not repeated.
    #[error("the address of the git repository is wrong: {0}")]
    Git(String),
}

impl Address {
    /// Reads an address; none for the path of a folder.
    pub fn parse(text: &str) -> Result<Option<Address>, AddressError> {
        let Some((scheme, _)) = text.split_once("://") else { return Ok(None) };
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "s3" => Kind::S3(Location::parse(text, Path::new("/"))?),
            git if git.starts_with("git+") => {
                Kind::Git(Repository::parse(&text["git+".len()..]).map_err(AddressError::Git)?)
            }
            _ => return Err(AddressError::UnknownScheme(scheme.to_owned())),
        };
        Ok(Some(Address(kind)))
    }

    /// Makes ready to read it. S3 is reached as the environment says, a repository with the connection that its address
    /// names; `folder` is for what git keeps.
    pub fn open(&self, secrets: &Secrets, folder: &Path) -> Box<dyn Origin> {
        match &self.0 {
            Kind::S3(location) => Box::new(s3::Prefix::new(location.clone(), &S3::from_env())),
            Kind::Git(repository) => {
                Box::new(git::Clone::new(repository.clone(), secrets.clone(), folder.join("repository.git")))
            }
        }
    }
}

/// Without anything secret: passwords are refused in addresses.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::S3(location) => location.fmt(f),
            Kind::Git(repository) => repository.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    fn problem(text: &str) -> String {
        Address::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn addresses_are_read_and_written_alike() {
        for text in [
            "s3://bucket/dags",
            "git+https://example.com/team/dags.git",
            "git+https://example.com/team/dags.git?conn_id=my_git#v1.2:airflow/dags",
            "git+ssh://git@example.com/team/dags.git#main",
            "git+file:///srv/dags.git#main:dags",
        ] {
            assert_eq!(Address::parse(text).unwrap().unwrap().to_string(), text);
        }
        assert_eq!(Address::parse("dags").unwrap(), None);
        assert_eq!(Address::parse("/srv/dags").unwrap(), None);
    }

    #[test]
    fn what_is_no_address_is_told_without_its_secrets() {
        assert!(problem("https://example.com/dags").contains("`https:` is no kind of place"));
        assert!(problem("s3:///dags").contains("names no bucket"));
        let secret = problem("git+https://me:s3cret@example.com/dags.git");
        assert!(secret.contains("conn_id") && !secret.contains("s3cret"), "{secret}");
        assert!(problem("git+https://example.com/dags.git#--upload-pack=x").contains("ref"));
        assert!(problem("git+https://example.com/dags.git#main:../x").contains("subfolder"));
        assert!(problem("git+https://example.com/dags.git?token=x").contains("conn_id"));
        assert!(problem("git+ext://example.com/x").contains("https, http, ssh or file"));
    }
}
