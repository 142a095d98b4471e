//! Reads of documents with few and with many versions: the work of the handler must not grow with their number.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};
use local_cosmos::{Endpoint, Options};

use crate::account::Account;
use crate::batches::{Documents, START};
use crate::proc::cpu_seconds;
use crate::subject::Subject;

/// Versions in a batch.
const BATCH: usize = 100;
/// Bytes of a version.
const BYTES: usize = 1000;
/// Requests before those that are measured.
const WARM_UP: usize = 10;
/// Seconds of the window of changes, each with a version.
const WINDOW: i64 = 50;

/// Prints a table in Markdown: for each read and each number of versions, the median time and the processor time of the handler.
pub(crate) async fn run(executable: &Path, sizes: &[usize], requests: usize) -> Result<()> {
    println!("| read | versions of the document | milliseconds (median) | CPU of the handler, microseconds |");
    println!("|---|---|---|---|");
    for versions in sizes {
        let endpoint = Endpoint::start(Options::default()).await?;
        let account = Account { url: endpoint.url().to_owned() };
        account.provision(executable).await?;
        let handler = Subject::handler("cosmos-changefeed".to_owned(), executable).start(&account)?;
        let client = reqwest::Client::builder().no_proxy().build()?;
        for body in Documents::new(&account, BYTES, false).await?.history("d", START, *versions, BATCH) {
            let request = client.post(format!("{}/CosmosChangeFeed", handler.url));
            let answer = request.header("content-type", "application/json").body(body).send().await?;
            let status = answer.status();
            ensure!(status.is_success(), "capture: {status} {}", answer.text().await?);
        }
        let middle = START + *versions as i64 / 2;
        let document = "id=d&pk=a";
        let reads = [
            ("a page of versions", format!("versions?{document}")),
            ("the document as of a time in the middle", format!("document?{document}&asOf={middle}")),
            ("blame as of a time in the middle", format!("blame?{document}&asOf={middle}&maxVersions=50")),
            ("changes in a window of 50 versions", format!("changes?from={middle}&to={}", middle + WINDOW - 1)),
        ];
        for (name, path) in reads {
            let url = format!("{}/api/history/{path}", handler.url);
            let mut times = Vec::new();
            let mut cpu = 0.0;
            for number in 0..WARM_UP + requests {
                if number == WARM_UP {
                    cpu = cpu_seconds(handler.process())?;
                }
                let start = Instant::now();
                let answer = client.get(&url).send().await?;
                let status = answer.status();
                let text = answer.text().await?;
                ensure!(status.is_success(), "{url}: {status} {text}");
                if number >= WARM_UP {
                    times.push(start.elapsed().as_secs_f64() * 1e3);
                }
            }
            let cpu = (cpu_seconds(handler.process())? - cpu) * 1e6 / requests as f64;
            times.sort_by(f64::total_cmp);
            println!("| {name} | {versions} | {:.1} | {cpu:.0} |", times[times.len() / 2]);
        }
    }
    Ok(())
}
