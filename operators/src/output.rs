//! What a child process writes: the reading end of a pipe, of which the runtime hears only while somebody has to wait for it.
//!
//! Once the child has ended, all that it has left is there to be read without waiting ([`Output::unwatch`]).

use std::io::{self, ErrorKind, PipeReader, Read as _};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fs::{OFlags, fcntl_setfl};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe::Receiver;
use tokio::task::coop;

/// The reading end. To be read within the runtime.
#[derive(Debug)]
pub(crate) enum Output {
    /// Nobody waits for it.
    Unwatched(PipeReader),
    /// The runtime tells when there is more.
    Watched(Receiver),
    /// The system had no room to watch it.
    Lost,
}

impl Output {
    /// Of a pipe that nobody else reads.
    pub(crate) fn of(pipe: PipeReader) -> io::Result<Output> {
        fcntl_setfl(&pipe, OFlags::NONBLOCK)?;
        Ok(Output::Unwatched(pipe))
    }

    /// Lets the runtime hear no more of it, until somebody has to wait again. What is there is read at once then, as is its end.
    pub(crate) fn unwatch(&mut self) -> io::Result<()> {
        *self = match mem::replace(self, Output::Lost) {
            Output::Watched(receiver) => Output::Unwatched(receiver.into_nonblocking_fd()?.into()),
            other => other,
        };
        Ok(())
    }

    fn watch(&mut self) -> io::Result<()> {
        *self = match mem::replace(self, Output::Lost) {
            Output::Unwatched(pipe) => Output::Watched(Receiver::from_owned_fd(pipe.into())?),
            other => other,
        };
        Ok(())
    }
}

impl AsyncRead for Output {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let pipe = match this {
                Output::Unwatched(pipe) => pipe,
                Output::Watched(receiver) => return Pin::new(receiver).poll_read(context, buffer),
                Output::Lost => return Poll::Ready(Err(io::Error::other("it could not be watched"))),
            };
            // A child that never stops writing must not keep the thread.
            let turn = ready!(coop::poll_proceed(context));
            match pipe.read(buffer.initialize_unfilled()) {
                Ok(count) => {
                    buffer.advance(count);
                    turn.made_progress();
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => this.watch()?,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_there_is_read_at_once_and_the_rest_is_awaited() {
        let (pipe, mut end) = io::pipe().unwrap();
        let mut output = Output::of(pipe).unwrap();
        let mut said = [0; 4];
        end.write_all(b"once").unwrap();
        output.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"once");
        assert!(matches!(output, Output::Unwatched(_)));

        let (awaited, ()) =
            tokio::join!(biased; output.read_exact(&mut said), async { end.write_all(b"late").unwrap() });
        awaited.unwrap();
        assert_eq!(&said, b"late");
        assert!(matches!(output, Output::Watched(_)));

        end.write_all(b"last").unwrap();
        drop(end);
        output.unwatch().unwrap();
        output.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"last");
        assert!(matches!(output, Output::Unwatched(_)), "nothing had to be waited for");
        // Children that other tests start may hold the end for a moment longer.
        assert_eq!(output.read(&mut said).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn one_that_never_stops_lets_others_have_their_turn() {
        let zeros: PipeReader = std::os::fd::OwnedFd::from(std::fs::File::open("/dev/zero").unwrap()).into();
        let mut output = Output::of(zeros).unwrap();
        let mut forever = tokio::spawn(async move {
            let mut bytes = [0; 64];
            while output.read(&mut bytes).await.is_ok() {}
        });
        // The runtime of a test has one thread.
        tokio::task::yield_now().await;
        forever.abort();
        assert!((&mut forever).await.unwrap_err().is_cancelled());
    }
}
