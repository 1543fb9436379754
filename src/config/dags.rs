//! Where DAG files come from: a folder, or an address whose files are copied into the home.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use operators::dag_sources::Address;
use scheduler::secrets::Secrets;
use scheduler::sources::remote::Remote;

use crate::report::BadInput;

/// How often an address is looked at, unless somebody says otherwise.
const REFRESH_SECS: u64 = 30;

/// A longer name is none for a folder.
const CACHE_NAME_MAX: usize = 200;

/// An address with DAG files, and the copy of what is there.
#[derive(Debug, Clone)]
pub struct DagsOrigin {
    address: Address,
    cache: PathBuf,
    every: Duration,
}

impl DagsOrigin {
    /// How people know it.
    pub fn name(&self) -> String {
        self.address.to_string()
    }

    /// What keeps the copy in step.
    pub fn open(&self, secrets: &Secrets) -> Remote {
        Remote::new(self.name(), self.cache.clone(), self.every, self.address.open(secrets, &self.cache))
    }
}

/// The folder that DAG files are read from, and what it is a copy of.
pub fn resolve(
    named: Option<PathBuf>,
    refresh_secs: Option<u64>,
    home: &Path,
) -> anyhow::Result<(PathBuf, Option<DagsOrigin>)> {
    let folder = match named {
        Some(named) => {
            let address = named.to_str().map_or(Ok(None), Address::parse);
            if let Some(address) = address.map_err(|problem| BadInput::new(problem.to_string()))? {
                let cache = home.join("dags-origins").join(cache_name(&address)?);
                let every = Duration::from_secs(refresh_secs.unwrap_or(REFRESH_SECS).max(1));
                return Ok((Remote::folder_in(&cache), Some(DagsOrigin { address, cache, every })));
            }
            named
        }
        None if Path::new("dags").is_dir() => PathBuf::from("dags"),
        None => home.join("dags"),
    };
    let folder = std::path::absolute(folder).context("the DAGs folder has no absolute path")?;
    Ok((folder, None))
}

/// A name for the folder of an address's copy, another one for each address.
fn cache_name(address: &Address) -> anyhow::Result<String> {
    let written = |sign: char| match sign {
        sign if sign.is_ascii_alphanumeric() || matches!(sign, '.' | '-') => sign.to_string(),
        sign => format!("_{:x}_", u32::from(sign)),
    };
    let name: String = address.to_string().chars().map(written).collect();
    if name.len() > CACHE_NAME_MAX {
        return Err(BadInput::new("the address of the DAG files is too long").into());
    }
    Ok(name)
}
