//! Starting a child process without copying the page tables of this one.
//!
//! The child leads a process group, reads nothing, writes into two pipes and dies with the thread that started it. It is
//! made as posix_spawn makes one: it shares the memory of this process, whose thread sleeps meanwhile, until it becomes the
//! program. posix_spawn itself knows no parent-death signal, and with a step of one's own before the program begins the
//! standard library copies the process first, which takes the longer the more memory is in use.
//!
//! ```text
//!   this thread:  Plan ──> signals blocked ──> clone ··· sleeps ··············· goes on ──> Child, or the failure
//!   the child:                                  └─> group, pipes, folder, execve ─┘
//! ```
//!
//! Between clone and execve nothing is allocated and no lock is taken: all that the child reads is in the [`Plan`].

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString, c_char, c_int, c_void};
use std::fs::File;
use std::io::{self, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::ptr;

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::child::{Child, Leader};
use crate::output::Output;

/// Where programs are when nobody has said so; execvp says the same.
const PATH_DEFAULT: &str = "/bin:/usr/bin";

/// What runs a file that is no program and does not say what runs it; execvp says the same.
const SHELL: &std::ffi::CStr = c"/bin/sh";

/// The child calls a dozen small functions on it; what the kernel does for them, it does on a stack of its own.
const STACK_BYTES: usize = 64 * 1024;

/// The number under which a child holds a file without knowing. Scripts choose small ones, and bash takes those from 10 and from 63
/// down.
const HELD: RawFd = 99;

/// The kernel knows no signal beyond.
const SIGNAL_MAX: c_int = 64;

/// The exit code of a child that did not become the program. Nobody sees it.
const EXIT_FAILED: c_int = 127;

/// Why there is no child.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It cannot run where it is told to.
    #[error("cannot enter the folder `{}`", folder.display())]
    Folder {
        /// Where.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot become the program.
    #[error("cannot start `{}`", program.display())]
    Program {
        /// What.
        program: OsString,
        /// Why.
        source: io::Error,
    },
    /// The system has no room for it.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// A program, and all that it is to be given.
#[derive(Debug)]
pub(crate) struct Command {
    program: OsString,
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    folder: Option<PathBuf>,
    held: Option<OwnedFd>,
}

/// A child that has become its program.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    /// The ends that it writes into. While they are held, nobody hears that it has closed its own.
    pub(crate) ends: [PipeWriter; 2],
}

impl Command {
    /// `program` with the environment of this process. One without a slash is looked for in the `PATH` that it is given.
    pub(crate) fn new(program: impl Into<OsString>) -> Command {
        Command {
            program: program.into(),
            args: Vec::new(),
            env: std::env::vars_os().collect(),
            folder: None,
            held: None,
        }
    }

    /// With one more argument.
    pub(crate) fn arg(&mut self, arg: impl Into<OsString>) -> &mut Command {
        self.args.push(arg.into());
        self
    }

    /// With more arguments.
    pub(crate) fn args<A: Into<OsString>>(&mut self, args: impl IntoIterator<Item = A>) -> &mut Command {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// With a variable in its environment, in place of one of that name.
    pub(crate) fn env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> &mut Command {
        self.env.insert(name.into(), value.into());
        self
    }

    /// With nothing in its environment.
    pub(crate) fn env_clear(&mut self) -> &mut Command {
        self.env.clear();
        self
    }

    /// Without the variables whose names are not kept.
    pub(crate) fn env_retain(&mut self, is_kept: impl Fn(&OsStr) -> bool) -> &mut Command {
        self.env.retain(|name, _| is_kept(name));
        self
    }

    /// With a variable under another name, if it is there.
    pub(crate) fn env_rename(&mut self, name: &str, other: &str) -> &mut Command {
        if let Some(value) = self.env.remove(OsStr::new(name)) {
            self.env.insert(other.into(), value);
        }
        self
    }

    /// In a folder.
    pub(crate) fn current_dir(&mut self, folder: impl Into<PathBuf>) -> &mut Command {
        self.folder = Some(folder.into());
        self
    }

    /// With a file that it holds open without knowing, and all that it starts.
    pub(crate) fn hold(&mut self, file: impl Into<OwnedFd>) -> &mut Command {
        self.held = Some(file.into());
        self
    }

    /// Starts it. To be called within the runtime, on a thread that lives as long as the process.
    pub(crate) fn spawn(&self) -> Result<Started, ProcessError> {
        let nothing = File::open("/dev/null")?;
        let (stdout, stdout_end) = io::pipe()?;
        let (stderr, stderr_end) = io::pipe()?;
        let (stdout, stderr) = (Output::of(stdout)?, Output::of(stderr)?);
        let stdio = [nothing.as_raw_fd(), stdout_end.as_raw_fd(), stderr_end.as_raw_fd()];
        let mut plan = Plan::of(self, stdio)?;
        let leader = start(&mut plan)?;
        match plan.failure {
            None => Ok(Started { child: Child::of(watch(leader)?), stdout, stderr, ends: [stdout_end, stderr_end] }),
            Some(failure) => {
                leader.reap()?;
                Err(self.explain(failure))
            }
        }
    }

    fn explain(&self, Failure { step, errno }: Failure) -> ProcessError {
        let source = io::Error::from_raw_os_error(errno);
        match step {
            Step::Process => ProcessError::System(source),
            Step::Folder => ProcessError::Folder { folder: self.folder.clone().unwrap_or_default(), source },
            Step::Program => ProcessError::Program { program: self.program.clone(), source },
        }
    }
}

/// What the child was at when it failed.
#[derive(Clone, Copy, Debug)]
enum Step {
    Process,
    Folder,
    Program,
}

#[derive(Clone, Copy, Debug)]
struct Failure {
    step: Step,
    errno: c_int,
}

impl Step {
    /// That the call before failed in this step.
    fn failed(self) -> Failure {
        // It holds a number, and allocates nothing.
        Failure { step: self, errno: io::Error::last_os_error().raw_os_error().unwrap_or(libc::EINVAL) }
    }

    /// What a call of the system answered.
    fn check(self, answer: c_int) -> Result<(), Failure> {
        if answer < 0 { Err(self.failed()) } else { Ok(()) }
    }
}

/// All that the child reads, made before it is there; and where it leaves word of its failure.
struct Plan {
    /// The files that may be the program, in the order in which they are tried.
    candidates: Vec<CString>,
    /// What runs a file that is no program, the program, its arguments; and the end.
    words: Pointers,
    env: Pointers,
    folder: Option<CString>,
    stdio: [RawFd; 3],
    held: Option<RawFd>,
    parent: Pid,
    failure: Option<Failure>,
}

impl Plan {
    fn of(command: &Command, stdio: [RawFd; 3]) -> io::Result<Plan> {
        let program = text(command.program.clone())?;
        let args = command.args.iter().cloned().map(text);
        let words = [Ok(SHELL.to_owned()), Ok(program)].into_iter().chain(args).collect::<io::Result<_>>()?;
        let variables =
            command.env.iter().map(|(name, value)| text([name, value].map(OsString::as_os_str).join(OsStr::new("="))));
        Ok(Plan {
            candidates: candidates(&command.program, command.env.get(OsStr::new("PATH")))?,
            words: Pointers::to(words),
            env: Pointers::to(variables.collect::<io::Result<_>>()?),
            folder: command.folder.clone().map(|folder| text(folder.into_os_string())).transpose()?,
            stdio,
            held: command.held.as_ref().map(AsRawFd::as_raw_fd),
            parent: getpid(),
            failure: None,
        })
    }
}

fn text(text: OsString) -> io::Result<CString> {
    // It is an error of invalid input that says which byte.
    Ok(CString::new(text.into_vec())?)
}

/// Where the program may be.
fn candidates(program: &OsStr, path: Option<&OsString>) -> io::Result<Vec<CString>> {
    if program.is_empty() {
        return Ok(Vec::new());
    }
    if program.as_bytes().contains(&b'/') {
        return Ok(vec![text(program.to_owned())?]);
    }
    let path = path.map_or(OsStr::new(PATH_DEFAULT), OsString::as_os_str);
    std::env::split_paths(path).map(|folder| text(Path::new(&folder).join(program).into_os_string())).collect()
}

/// Texts as the system takes them: pointers, the last of which is null.
struct Pointers {
    pointers: Vec<*const c_char>,
    /// What they point to. It lies on the heap, and stays where it is when this value moves.
    _texts: Vec<CString>,
}

impl Pointers {
    fn to(texts: Vec<CString>) -> Pointers {
        let pointers = texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Pointers { pointers, _texts: texts }
    }
}

/// Makes the child. When this returns it has become the program, or has ended and said in the plan why.
#[expect(unsafe_code, reason = "no safe function shares the memory with a child until it becomes another program")]
fn start(plan: &mut Plan) -> io::Result<Leader> {
    let mut stack = Box::<[u128]>::new_uninit_slice(STACK_BYTES / size_of::<u128>());
    let stack_top = stack.as_mut_ptr_range().end.cast::<c_void>();
    let plan = (&raw mut *plan).cast::<c_void>();
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD;
    let mut pidfd: RawFd = -1;
    // A signal must not run a handler of ours in the child, which would do it in our memory.
    let blocked = BlockedSignals::all();
    // SAFETY: the stack is aligned, grows down from its end, and is the child's alone. Because of CLONE_VFORK this thread
    // sleeps until the child no longer uses our memory, so the stack, the plan and what that points to outlive its use. The
    // kernel writes the pidfd before.
    let answer = unsafe { libc::clone(child, stack_top, flags, plan, &raw mut pidfd) };
    let pid = Pid::from_raw(answer).filter(|_| answer > 0).ok_or_else(io::Error::last_os_error);
    drop(blocked);
    let pid = pid?;
    // SAFETY: the call succeeded, so the kernel has opened it for us, and nobody else knows of it.
    let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
    Ok(Leader::of(pid, pidfd))
}

/// Lets the runtime watch for its end.
#[expect(unsafe_code, reason = "tokio leaves it to its callers that a file stays open while it is watched")]
fn watch(leader: Leader) -> io::Result<AsyncFd<Leader>> {
    // SAFETY: a leader keeps its pidfd, the one and the same, until it is dropped.
    Ok(unsafe { AsyncFd::register_with_interest(leader, Interest::READABLE) }?)
}

/// The child, from its first moment on.
#[expect(unsafe_code, reason = "it is given a pointer, and must not return into what the parent was doing")]
extern "C" fn child(plan: *mut c_void) -> c_int {
    // SAFETY: `start` gives a plan that it borrows mutably and does not touch until this process is gone from its memory.
    let plan = unsafe { &mut *plan.cast::<Plan>() };
    let Err(failure) = become_program(plan);
    plan.failure = Some(failure);
    // SAFETY: it ends this process alone, without running anything that is to run at the end of the parent.
    unsafe { libc::_exit(EXIT_FAILED) }
}

#[expect(unsafe_code, reason = "calls of the system that have no safe name; each is async-signal-safe")]
fn become_program(plan: &mut Plan) -> Result<Infallible, Failure> {
    forget_handlers()?;
    // SAFETY: it takes numbers.
    Step::Process.check(unsafe { libc::setpgid(0, 0) })?;
    for (fd, standard) in plan.stdio.iter().zip(0..) {
        // The standard library sees to it that the first three are taken from the start, so none of ours is one of them.
        // SAFETY: it takes numbers, and changes the table of this process alone.
        Step::Process.check(unsafe { libc::dup2(*fd, standard) })?;
    }
    if let Some(held) = plan.held {
        // SAFETY: as above. A file that has this number already is let through to the program.
        Step::Process.check(unsafe { libc::dup2(held, HELD) })?;
        Step::Process.check(unsafe { libc::fcntl(HELD, libc::F_SETFD, 0) })?;
    }
    if let Some(folder) = &plan.folder {
        // SAFETY: it is a text with an end.
        Step::Folder.check(unsafe { libc::chdir(folder.as_ptr()) })?;
    }
    die_with_parent(plan.parent)?;
    allow_signals()?;
    Err(execute(plan))
}

/// Whatever we handle, the program handles as it likes. What we ignore it ignores too, but for SIGPIPE, which the standard
/// library ignores and programs count on.
#[expect(unsafe_code, reason = "no safe function knows of signal handlers")]
fn forget_handlers() -> Result<(), Failure> {
    for signal in 1..=SIGNAL_MAX {
        let mut action = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: it only writes what there is into `action`, of which all zeros is a value too.
        let (answer, handler) = unsafe {
            let answer = libc::sigaction(signal, ptr::null(), action.as_mut_ptr());
            (answer, action.assume_init_ref().sa_sigaction)
        };
        // Those that the C library keeps for itself cannot be asked for. Nobody sends them to another process.
        let is_ours = answer == 0 && handler != libc::SIG_DFL && handler != libc::SIG_IGN;
        if is_ours || signal == libc::SIGPIPE {
            let mut default = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: all zeros is the default action with an empty mask. The handlers are this process's own, because
            // they are not shared with the memory.
            let answer = unsafe {
                (*default.as_mut_ptr()).sa_sigaction = libc::SIG_DFL;
                libc::sigaction(signal, default.as_ptr(), ptr::null_mut())
            };
            Step::Process.check(answer)?;
        }
    }
    Ok(())
}

/// Lets the kernel kill the child when the thread that started it ends. Tokio's workers live as long as the process, and
/// operators are never run on threads that come and go.
fn die_with_parent(parent: Pid) -> Result<(), Failure> {
    let told = set_parent_process_death_signal(Some(Signal::KILL));
    told.map_err(|errno| Failure { step: Step::Process, errno: errno.raw_os_error() })?;
    // The parent may have died before the kernel was told.
    if getppid() == Some(parent) { Ok(()) } else { Err(Failure { step: Step::Process, errno: libc::ESRCH }) }
}

#[expect(unsafe_code, reason = "no safe function knows of signal masks")]
fn allow_signals() -> Result<(), Failure> {
    let mut none = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: the first call makes `none` the set that the second one reads.
    Step::Process.check(unsafe {
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut())
    })
}

/// Becomes the first candidate that there is, by the rules of execvp; or answers why there is none.
#[expect(unsafe_code, reason = "a process becomes another program by no safe function")]
fn execute(plan: &mut Plan) -> Failure {
    let mut failure = Failure { step: Step::Program, errno: libc::ENOENT };
    for candidate in &plan.candidates {
        // SAFETY: texts with ends, and lists of them that end with null; the first of the words is the shell.
        unsafe { libc::execve(candidate.as_ptr(), plan.words.pointers.as_ptr().add(1), plan.env.pointers.as_ptr()) };
        let this = Step::Program.failed();
        match this.errno {
            libc::EACCES => failure = this,
            libc::ENOENT | libc::ENOTDIR | libc::ESTALE | libc::ENODEV | libc::ETIMEDOUT => {}
            libc::ENOEXEC => {
                plan.words.pointers[1] = candidate.as_ptr();
                // SAFETY: as above; the shell is given the file in place of the program.
                unsafe { libc::execve(SHELL.as_ptr(), plan.words.pointers.as_ptr(), plan.env.pointers.as_ptr()) };
                return Step::Program.failed();
            }
            _ => return this,
        }
    }
    failure
}

/// While this lives, no signal reaches the thread.
struct BlockedSignals {
    before: libc::sigset_t,
}

impl BlockedSignals {
    #[expect(unsafe_code, reason = "no safe function knows of signal masks")]
    fn all() -> BlockedSignals {
        let mut all = MaybeUninit::<libc::sigset_t>::uninit();
        let mut before = MaybeUninit::<libc::sigset_t>::zeroed();
        // SAFETY: the first call makes `all` the set that the second one reads, which fills `before`. It fails only for an
        // unknown first argument.
        let before = unsafe {
            libc::sigfillset(all.as_mut_ptr());
            libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
            before.assume_init()
        };
        BlockedSignals { before }
    }
}

impl Drop for BlockedSignals {
    #[expect(unsafe_code, reason = "no safe function knows of signal masks")]
    fn drop(&mut self) {
        // SAFETY: it reads the set that the thread had.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut()) };
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;

    use tokio::io::AsyncReadExt;
    use tokio::signal::unix::{SignalKind, signal};

    use super::*;

    async fn run(command: &Command) -> (ExitStatus, String) {
        let Started { mut child, mut stdout, stderr: _stderr, .. } = command.spawn().unwrap();
        let mut output = String::new();
        stdout.read_to_string(&mut output).await.unwrap();
        (child.wait().await.unwrap(), output)
    }

    fn bash(script: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg("-c").arg(script);
        command
    }

    async fn output(script: &str) -> String {
        run(&bash(script)).await.1
    }

    fn refusal(command: &Command) -> String {
        let error = command.spawn().unwrap_err();
        format!("{error}: {}", error.source().map(ToString::to_string).unwrap_or_default())
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let command = Command::new("no-such-program");
        assert_eq!(refusal(&command), "cannot start `no-such-program`: No such file or directory (os error 2)");
        let command = Command::new("");
        assert_eq!(refusal(&command), "cannot start ``: No such file or directory (os error 2)");
        let command = Command::new("/etc/passwd");
        assert_eq!(refusal(&command), "cannot start `/etc/passwd`: Permission denied (os error 13)");
    }

    #[tokio::test]
    async fn a_folder_that_is_not_there_is_named() {
        let mut command = bash("true");
        command.current_dir("/no/such/folder");
        assert_eq!(
            refusal(&command),
            "cannot enter the folder `/no/such/folder`: No such file or directory (os error 2)"
        );
    }

    #[tokio::test]
    async fn what_no_program_can_be_given_is_refused() {
        let error = bash("true\0false").spawn().unwrap_err();
        assert!(
            matches!(&error, ProcessError::System(error) if error.kind() == io::ErrorKind::InvalidInput),
            "{error:?}"
        );
        let too_long = bash(&"#".repeat(1 << 20));
        assert_eq!(refusal(&too_long), "cannot start `bash`: Argument list too long (os error 7)");
    }

    #[tokio::test]
    async fn it_leads_a_group_in_its_folder_and_reads_nothing() {
        assert_eq!(output("cat | wc -c").await.trim(), "0");
        assert_eq!(output("read -ra stat < /proc/$$/stat; echo $(( stat[4] == $$ ))").await, "1\n");
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let mut command = bash("pwd; echo lost >&2; exit 7");
        let (status, output) = run(command.current_dir(&folder)).await;
        assert_eq!((status.code(), output.trim()), (Some(7), folder.to_str().unwrap()));
    }

    #[tokio::test]
    async fn it_has_the_environment_that_it_is_given() {
        let mut command = bash("export -p");
        command
            .env("LOST", "1")
            .env_clear()
            .env("KEPT", "a=b c")
            .env("DROPPED", "")
            .env_retain(|name| name != "DROPPED");
        let (_, output) = run(&command).await;
        assert!(output.contains("KEPT=\"a=b c\""), "{output}");
        assert!(!["HOME", "LOST", "DROPPED"].iter().any(|name| output.contains(name)), "{output}");
    }

    #[tokio::test]
    async fn it_has_the_same_open_files_as_one_that_the_standard_library_starts() {
        let script = "ls /proc/self/fd | wc -l";
        let theirs =
            std::process::Command::new("bash").args(["-c", script]).stdin(std::process::Stdio::null()).output();
        assert_eq!(output(script).await, String::from_utf8(theirs.unwrap().stdout).unwrap());
    }

    #[tokio::test]
    async fn it_is_looked_for_in_its_own_path_and_a_script_needs_no_first_line() {
        let folder = tempfile::tempdir().unwrap();
        let mut make = bash("echo 'echo \"$0 $1\"' > tool; chmod +x tool; echo made");
        make.current_dir(folder.path());
        assert_eq!(run(&make).await.1, "made\n");
        let mut command = Command::new("tool");
        command.args(["one"]).env("PATH", std::env::join_paths([Path::new("/nowhere"), folder.path()]).unwrap());
        assert_eq!(run(&command).await.1, format!("{} one\n", folder.path().join("tool").display()));
    }

    #[tokio::test]
    async fn signals_are_as_a_program_expects_them() {
        let mut ours = signal(SignalKind::terminate()).unwrap();
        let status = output("grep -E 'SigBlk|SigIgn' /proc/self/status").await;
        let masks: Vec<u64> = status.split_whitespace().filter_map(|word| u64::from_str_radix(word, 16).ok()).collect();
        let [blocked, ignored] = masks[..] else { panic!("{status}") };
        assert_eq!((blocked, ignored & (1 << (libc::SIGPIPE - 1))), (0, 0), "{status}");
        assert_eq!(output("yes | head -n 1; echo ${PIPESTATUS[0]}").await, "y\n141\n");
        assert_eq!(run(&bash("kill -TERM $$")).await.0.signal(), Some(libc::SIGTERM));
        let heard = tokio::time::timeout(std::time::Duration::ZERO, ours.recv()).await;
        assert!(heard.is_err(), "the child's signal came to us");
    }

    #[tokio::test]
    async fn it_dies_with_the_thread_that_started_it() {
        let runtime = tokio::runtime::Handle::current();
        let thread = std::thread::spawn(move || {
            let _inside = runtime.enter();
            bash("sleep 1000").spawn().unwrap()
        });
        let mut started = thread.join().unwrap();
        let ended = tokio::time::timeout(std::time::Duration::from_mins(2), started.child.wait());
        assert_eq!(ended.await.expect("it still runs").unwrap().signal(), Some(libc::SIGKILL));
    }

    #[tokio::test]
    async fn nothing_stays_open() {
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let before = open();
        for _ in 0..100 {
            assert!(run(&bash("true")).await.0.success());
            drop(bash("sleep 1000").spawn().unwrap());
            assert!(Command::new("no-such-program").spawn().is_err());
        }
        // Other tests open files meanwhile, but not as many.
        let left = open().saturating_sub(before);
        assert!(left < 50, "{left} more files are open");
    }
}
