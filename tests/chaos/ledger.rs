//! What the tasks do, and what they say that they did.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Tasks of the DAG.
const TASKS: usize = 9;

/// How often the sensor looks before it sees what it waits for.
const LOOKS: usize = 8;

/// A folder into which tasks write.
pub(super) struct Ledger {
    folder: PathBuf,
    places: usize,
}

impl Ledger {
    pub(super) fn new(folder: &Path, places: usize) -> Ledger {
        std::fs::create_dir(folder).expect("a folder can be made");
        Ledger { folder: folder.to_owned(), places }
    }

    /// A fan-out, a join, a task that fails once, and a chain; each task leaves a grandchild that outlives bash. Beside them a
    /// sensor, which takes no place in the pool once it has looked.
    pub(super) fn dag(&self) -> String {
        let mut text =
            String::from("max_active_runs: 8\ndefault_args: {retries: 30, retry_delay: 0.2s, pool: chaos}\ntasks:\n");
        let mut task = |id: &str, after: &str, extra: &str| {
            let command = self.command(extra);
            text += &format!(
                "  - task_id: {id}\n    operator: bash\n    dependencies: [{after}]\n    bash_command: |\n{command}"
            );
        };
        task("first", "", "");
        for n in 0..4 {
            task(&format!("wide_{n}"), "first", "");
        }
        task("flaky", "first", "[ -e $ledger/$id.failed ] || { touch $ledger/$id.failed; exit 1; }");
        task("join", "wide_0, wide_1, wide_2, wide_3, flaky", "");
        task("last", "join, waits", "");
        text + &self.sensor()
    }

    fn sensor(&self) -> String {
        let ledger = self.folder.display();
        format!(
            "  - task_id: waits\n    operator: bash_sensor\n    poke_interval: 0.3s\n    bash_command: |\n      \
             ledger={ledger}\n      id=\"{{{{ run_id }}}}.waits\"\n      exec 9> $ledger/$id.lock\n      \
             flock -n 9 || {{ echo \"overlap $id\" >> $ledger/ledger; exit 3; }}\n      echo look >> $ledger/$id.looks\n      \
             [ $(wc -l < $ledger/$id.looks) -ge {LOOKS} ] || exit 1\n      echo \"end $id\" >> $ledger/ledger\n"
        )
    }

    fn command(&self, extra: &str) -> String {
        let (ledger, places) = (self.folder.display(), self.places);
        let script = format!(
            "ledger={ledger}\n\
             id=\"{{{{ run_id }}}}.{{{{ task.task_id }}}}\"\n\
             exec 9> $ledger/$id.lock\n\
             flock -n 9 || {{ echo \"overlap $id\" >> $ledger/ledger; exit 3; }}\n\
             place=\n\
             for n in $(seq {places}); do exec 8> $ledger/place_$n; if flock -n 8; then place=$n; break; fi; done\n\
             [ -n \"$place\" ] || {{ echo \"crowd $id\" >> $ledger/ledger; exit 4; }}\n\
             echo \"begin $id\" >> $ledger/ledger\n\
             sleep 0.1 & wait\n\
             {extra}\n\
             echo \"end $id\" >> $ledger/ledger\n"
        );
        script.lines().map(|line| format!("      {line}\n")).collect()
    }

    /// Every task of every run has run to its end, and never beside another try of itself or one too many in the pool.
    pub(super) fn check(&self, runs: usize, seed: u64) {
        let text = std::fs::read_to_string(self.folder.join("ledger")).expect("there is a ledger");
        assert!(!text.contains("overlap"), "two tries of one task ran at once, seed {seed}");
        assert!(!text.contains("crowd"), "more tasks ran than the pool has slots, seed {seed}");
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for id in text.lines().filter_map(|line| line.strip_prefix("end ")) {
            *ends.entry(id).or_default() += 1;
        }
        assert_eq!(ends.len(), runs * TASKS, "every task ran to its end, seed {seed}");
    }
}
