//! Shows an error together with its causes, for logs.

use std::error::Error;
use std::fmt;

/// Displays an error and all its sources, joined by colons. Errors of some libraries repeat their sources; here each is said
/// once.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let next = error.to_string();
            if !said.ends_with(&next) {
                write!(f, ": {next}")?;
                said = next;
            }
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Chain;

    #[derive(Debug, thiserror::Error)]
    #[error("no connection: {0}")]
    struct Talkative(#[source] std::io::Error);

    #[test]
    fn causes_are_joined_and_none_is_said_twice() {
        let refused = || std::io::Error::other("refused");
        let error = anyhow::Error::new(refused()).context("cannot sign in");
        assert_eq!(Chain(error.as_ref()).to_string(), "cannot sign in: refused");
        let error = anyhow::Error::new(Talkative(refused())).context("cannot sign in");
        assert_eq!(Chain(error.as_ref()).to_string(), "cannot sign in: no connection: refused");
    }
}
