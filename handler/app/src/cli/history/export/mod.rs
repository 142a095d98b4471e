//! `changefeed history export`: versions with their documents, to a file, a blob or standard output.
//!
//! One page of versions is in memory at a time, and of Parquet one row group. A file gets its name when it is complete. There is no HTTP
//! counterpart: `GET /api/history/changes` and `GET /api/history/versions` list the same versions page by page.

mod arguments;
mod copy;
mod csv;
mod destination;
mod encoder;
#[cfg(feature = "parquet")]
mod parquet;
mod source;

use anyhow::Result;
use changefeed_cosmos::Meter;
use changefeed_history::ChangeOrder;

pub use self::arguments::ExportArguments;
use self::copy::copy;
use self::destination::Destination;
use self::encoder::Encoder;
use self::source::HistorySource;
use crate::capture_lag::capture_lag;
use crate::cli::exit_code::{Exit, usage};
use crate::cli::interrupt::Interrupts;
use crate::cli::standard_error::{note, warning};
use crate::service::Service;

/// Exports versions, and says on standard error how many, what that cost, and what may be missing.
pub(super) async fn run(service: &Service, arguments: &ExportArguments) -> Result<Exit> {
    let select = arguments.selection.select(false)?;
    let document = arguments.document();
    let order = arguments.order.into();
    if document.is_some() && order == ChangeOrder::Oldest {
        return Err(usage("the versions of one document come newest first; use --order oldest without --id"));
    }
    let format = arguments.format();
    let encoder =
        Encoder::new(format, arguments.fields.as_ref().map(|fields| fields.0.as_slice()), arguments.spreadsheet)?;
    // From here on, an interruption leaves no file.
    let mut interrupts = Interrupts::listen()?;
    let mut destination = Destination::open(&service.settings().locations, arguments, format).await?;
    let meter = Meter::default();
    let history = service.changefeed.history.metered(&meter);
    let exporting = async {
        let mut source = HistorySource::open(&history, document.as_ref(), &select, order).await?;
        copy(&mut source, encoder, &mut destination).await
    };
    let copied = tokio::select! {
        copied = exporting => copied?,
        () = interrupts.next() => {
            note(format!("interrupted; {}", destination.discarded()));
            return Ok(Exit::Failed);
        }
    };
    let shown = destination.finish().await?;
    if let Some(missing) = history.missing_from(select.window).await? {
        warning(missing);
    }
    if let Some(missing) = capture_lag(service).await.missing_until(select.window.to()) {
        warning(format!("the export may lack versions: {missing}"));
    }
    note(format!("exported {} versions to {shown} for {:.0} RU", copied.versions, meter.total()));
    Ok(Exit::Done)
}
