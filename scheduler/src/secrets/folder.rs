//! Secrets in a folder of files, as Docker and Kubernetes mount them: `connections/<id>` and `variables/<key>`.

use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::Context;
use async_trait::async_trait;

use crate::connection::Connection;
use crate::operator::SecretReader;

/// A folder of secrets. It is read at each look, because mounted secrets change.
pub struct FolderSecrets {
    folder: PathBuf,
}

impl FolderSecrets {
    /// The secrets below `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> FolderSecrets {
        FolderSecrets { folder: folder.into() }
    }

    /// What the file says, without the end of its last line.
    async fn read(&self, kind: &str, name: &str) -> anyhow::Result<Option<String>> {
        // A name that leads elsewhere names no file here.
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
            return Ok(None);
        }
        let path = self.folder.join(kind).join(name);
        match tokio::fs::read_to_string(&path).await {
            Ok(text) => Ok(Some(text.trim_end_matches(['\n', '\r']).to_owned())),
            Err(error) if error.kind() == ErrorKind::NotFound && self.folder.is_dir() => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                anyhow::bail!("the folder of secrets `{}` does not exist", self.folder.display())
            }
            Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        }
    }
}

#[async_trait]
impl SecretReader for FolderSecrets {
    async fn connection(&self, conn_id: &str) -> anyhow::Result<Option<Connection>> {
        let Some(text) = self.read("connections", conn_id).await? else { return Ok(None) };
        let path = self.folder.join("connections").join(conn_id);
        let connection = Connection::parse(conn_id, &text);
        connection.map(Some).with_context(|| format!("`{}` holds no connection", path.display()))
    }

    async fn variable(&self, key: &str) -> anyhow::Result<Option<String>> {
        self.read("variables", key).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn files_are_read_and_nothing_outside_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("outside"), "hush").unwrap();
        let mounted = folder.path().join("secrets");
        for kind in ["connections", "variables"] {
            std::fs::create_dir_all(mounted.join(kind)).unwrap();
        }
        std::fs::write(mounted.join("connections/db"), "postgres://host/db\n").unwrap();
        std::fs::write(mounted.join("variables/region"), "eu\nwest\n").unwrap();
        let secrets = FolderSecrets::new(&mounted);

        assert_eq!(secrets.connection("db").await.unwrap().unwrap().schema.as_deref(), Some("db"));
        assert_eq!(secrets.connection("other").await.unwrap(), None);
        assert_eq!(secrets.variable("region").await.unwrap().as_deref(), Some("eu\nwest"));
        for name in ["../../outside", "..", ""] {
            assert_eq!(secrets.variable(name).await.unwrap(), None, "{name}");
        }
        let problem = FolderSecrets::new("/nowhere/secrets").variable("region").await.unwrap_err();
        assert!(problem.to_string().contains("does not exist"), "{problem}");
    }
}
