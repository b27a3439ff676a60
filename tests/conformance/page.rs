//! `docs/transports.md` has the table that the suite finds. `UPDATE_TRANSPORTS=1 cargo test --test conformance` writes it.

use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;

use nestrs::testing::conformance::{Outcome, Promise, Report};

const BEGIN: &str = "<!-- conformance: what the suite has found -->\n";
const END: &str = "<!-- conformance: end -->\n";
/// The columns of the table, in their order.
const TRANSPORTS: [&str; 4] = ["memory", "TCP", "NATS", "Redis"];

/// The page is one, and the transports are found side by side.
static TURN: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/transports.md")
}

/// The table and the reasons beneath it, as the page has them.
struct Table {
    before: String,
    /// For each promise a cell for each transport.
    cells: Vec<Vec<String>>,
    reasons: Vec<String>,
    after: String,
}

impl Table {
    fn read() -> Self {
        let page = fs::read_to_string(path()).unwrap();
        let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
        let (table, after) = rest.split_once(END).expect("the place for the table ends");
        let row = |promise: &Promise| {
            let start = format!("| {promise} |");
            let line = table.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
            let mut cells = line.split('|').skip(2).map(|cell| cell.trim().to_owned());
            TRANSPORTS.map(|_| cells.next().unwrap_or_default()).to_vec()
        };
        Self {
            before: before.to_owned(),
            cells: Promise::ALL.iter().map(row).collect(),
            reasons: table.lines().filter(|line| line.starts_with("- ")).map(str::to_owned).collect(),
            after: after.to_owned(),
        }
    }

    fn with(mut self, report: &Report) -> Self {
        let column = TRANSPORTS.iter().position(|name| *name == report.transport).expect("it has a column");
        let its = format!("- {}, ", report.transport);
        self.reasons.retain(|reason| !reason.starts_with(&its));
        for (row, promise) in self.cells.iter_mut().zip(Promise::ALL) {
            row[column] = match report.outcome(promise).expect("the whole suite ran") {
                Outcome::Kept => "kept".to_owned(),
                Outcome::NotOffered(why) => {
                    self.reasons.push(format!("{its}{promise}: {why}."));
                    "not offered".to_owned()
                }
                Outcome::Broken(_) => unreachable!("the test has failed"),
            };
        }
        let order = |reason: &String| TRANSPORTS.iter().position(|name| reason.starts_with(&format!("- {name}, ")));
        self.reasons.sort_by_key(order);
        self
    }

    fn write(&self) -> String {
        let mut table =
            format!("| promise | {} | in a sentence |\n|---|---|---|---|---|---|\n", TRANSPORTS.join(" | "));
        for (row, promise) in self.cells.iter().zip(Promise::ALL) {
            table += &format!("| {promise} | {} | {} |\n", row.join(" | "), promise.about());
        }
        format!("{}{BEGIN}{table}\n{}\n{END}{}", self.before, self.reasons.join("\n"), self.after)
    }
}

pub(crate) fn agrees(report: &Report) {
    let _turn = TURN.lock().unwrap();
    let found = Table::read().with(report).write();
    if std::env::var_os("UPDATE_TRANSPORTS").is_some() {
        fs::write(path(), found).unwrap();
    } else {
        let page = fs::read_to_string(path()).unwrap();
        let transport = &report.transport;
        assert!(
            page == found,
            "`docs/transports.md` says something else of {transport}; UPDATE_TRANSPORTS=1 rewrites it:\n{found}"
        );
    }
}

/// The table of a report that anybody may print has all of this in it.
#[tokio::test]
async fn a_report_is_a_table_too() {
    let target = super::local::Memory::default();
    let report = nestrs::testing::conformance::run_only(&target, &[Promise::Send, Promise::Replicas]).await;
    let table = nestrs::testing::conformance::table(&[report]);
    let row = |promise: Promise| table.lines().find(|line| line.starts_with(&format!("| {promise} |"))).unwrap();
    assert!(row(Promise::Send).starts_with("| send | kept |"), "{table}");
    assert!(row(Promise::Replicas).starts_with("| replicas | not offered |"), "{table}");
    assert!(row(Promise::Emit).starts_with("| emit | not asked |"), "{table}");
    assert!(table.contains("- memory, replicas: one address is one process"), "{table}");
}
