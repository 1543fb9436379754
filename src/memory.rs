//! Memory that nobody uses any more goes back to the machine.
//!
//! A server idles for most of the day, between a start that reads all DAG files and data tasks that clean millions of rows.
//! What those leave behind would stay resident: free memory that the allocator keeps for the next one, and pages of the
//! program that nothing but they runs through. Both are found again when they are needed, the pages in the cache of the
//! kernel.

use std::ffi::c_int;
use std::fs;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Between two looks at how much is resident.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Nothing goes on when the process has spent no more than this on cores since the last look.
const QUIET_MAX: Duration = Duration::from_millis(500);

/// By how much more than it kept the last time a process is worth the trouble, in bytes.
const GROWTH_MIN: u64 = 4 * 1024 * 1024;

/// Gives memory back whenever some has come to it and nothing goes on, until `stop`.
pub async fn keep_small(stop: CancellationToken) {
    let (mut seen, mut is_told) = (Seen::default(), false);
    while stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        let looked = tokio::task::spawn_blocking(move || seen.look()).await;
        match looked.map_err(io::Error::other).flatten() {
            Ok(now) => seen = now,
            Err(error) if is_told => debug!(%error, "no memory is given back"),
            Err(error) => {
                warn!(%error, "no memory is given back");
                is_told = true;
            }
        }
    }
}

/// What a look finds.
#[derive(Clone, Copy, Default)]
struct Seen {
    /// Bytes that are resident although nothing goes on.
    kept: u64,
    /// Time that the process has spent on cores.
    spent: Duration,
    /// Memory was given back a moment ago.
    is_fresh: bool,
}

impl Seen {
    /// Looks again, and gives memory back if it is worth it.
    fn look(self) -> io::Result<Seen> {
        let spent = spent_on_cores();
        let goes_on = spent.saturating_sub(self.spent) > QUIET_MAX;
        if goes_on {
            return Ok(Seen { spent, is_fresh: false, ..self });
        }
        let resident = resident_bytes()?;
        if self.is_fresh {
            // What idling itself needs has come back by now, and is not to be given back for ever.
            return Ok(Seen { kept: resident, spent, is_fresh: false });
        }
        if resident < self.kept.saturating_add(GROWTH_MIN) {
            return Ok(Seen { spent, ..self });
        }
        give_back()?;
        Ok(Seen { kept: resident_bytes()?, spent, is_fresh: true })
    }
}

fn spent_on_cores() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(spent.tv_sec.unsigned_abs(), u32::try_from(spent.tv_nsec).unwrap_or_default())
}

fn give_back() -> io::Result<()> {
    trim_heap();
    let program = fs::read_link("/proc/self/exe")?;
    drop_program_pages(&program_pages(&fs::read_to_string("/proc/self/maps")?, &program.to_string_lossy()));
    Ok(())
}

fn resident_bytes() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB")?.trim().parse::<u64>().ok());
    let kib = resident.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status has no VmRSS"))?;
    Ok(kib * 1024)
}

/// Where the program itself is mapped, as the addresses of what nobody can write: its constants and its code. They come
/// before its variables, some of which nobody can write any more either once the program has been linked; those have no
/// copy in the file, and must not be dropped.
fn program_pages(maps: &str, program: &str) -> Vec<Range<usize>> {
    let mut read_only = Vec::new();
    let mut until_code = 0;
    for line in maps.lines().filter(|line| line.ends_with(program)) {
        let mut fields = line.split(' ');
        let (Some(addresses), Some(permissions)) = (fields.next(), fields.next()) else { continue };
        let Some((start, end)) = addresses.split_once('-') else { continue };
        let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) else { continue };
        match permissions {
            "r-xp" => {
                read_only.push(start..end);
                until_code = read_only.len();
            }
            "r--p" => read_only.push(start..end),
            _ => break,
        }
    }
    read_only.truncate(until_code);
    read_only
}

#[expect(unsafe_code, reason = "the allocator of the C library has no safe name")]
fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes a number, and may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[expect(unsafe_code, reason = "the kernel is told about addresses")]
fn drop_program_pages(pages: &[Range<usize>]) {
    for range in pages {
        // SAFETY: these pages are mapped from the program's file and have never been written. Whoever touches one again
        // finds what was there before.
        let answer = unsafe { libc::madvise(range.start as *mut _, range.len(), libc::MADV_DONTNEED) };
        if answer != 0 {
            debug!(error = %io::Error::last_os_error(), "the kernel keeps pages of the program");
        }
    }
}

/// Has threads share their pools of free memory, as many as there are cores. By default there may be eight times as many,
/// each of which keeps what it has had. To be called before there are threads.
#[expect(unsafe_code, reason = "the allocator of the C library has no safe name")]
pub fn share_pools() {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes numbers.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, c_int::try_from(cores).unwrap_or(c_int::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAPS: &str = "\
55e0-55f0 r--p 00000000 fe:00 1 /usr/bin/updraft
55f0-5700 r-xp 00010000 fe:00 1 /usr/bin/updraft
5700-5710 r--p 00120000 fe:00 1 /usr/bin/updraft
5710-5720 rw-p 00130000 fe:00 1 /usr/bin/updraft
5720-5730 rw-p 00000000 00:00 0 [heap]
7f00-7f10 r-xp 00000000 fe:00 2 /usr/lib/libc.so.6
";

    #[test]
    fn constants_and_code_of_the_program_are_dropped_and_what_was_linked_is_not() {
        assert_eq!(program_pages(MAPS, "/usr/bin/updraft"), [0x55e0..0x55f0, 0x55f0..0x5700]);
    }

    #[test]
    fn constants_after_the_code_are_not_told_from_what_was_linked_and_stay() {
        let maps = MAPS.replace("55e0-55f0 r--p", "55e0-55f0 r-xp").replace("55f0-5700 r-xp", "55f0-5700 r--p");
        assert_eq!(program_pages(&maps, "/usr/bin/updraft"), std::slice::from_ref(&(0x55e0..0x55f0)));
    }

    #[test]
    fn nothing_is_dropped_of_a_program_that_is_not_there() {
        assert!(program_pages(MAPS, "/usr/bin/other").is_empty());
    }

    #[test]
    fn memory_is_given_back_when_nothing_goes_on_and_some_has_come() {
        let busy = Seen::default().look().expect("a look");
        let (spent, kept) = (spent_on_cores(), resident_bytes().expect("memory"));
        let idle = |kept, is_fresh| Seen { kept, spent: spent_on_cores(), is_fresh }.look().expect("a look").is_fresh;
        assert!(busy.spent <= spent);
        assert!(idle(0, false));
        assert!(!idle(0, true));
        assert!(!idle(kept * 2, false));
    }

    #[test]
    fn what_is_given_back_is_there_again() {
        let before = std::hint::black_box(MAPS.to_owned());
        give_back().expect("memory");
        assert_eq!(before, MAPS);
    }
}
