//! The arguments that limit a restore to some fields.

use changefeed_cosmos::FieldPath;
use changefeed_history::parse_field_list;
use clap::Args;

#[derive(Debug, Args)]
#[command(next_help_heading = "To which state")]
pub struct FieldArguments {
    /// Restore only these fields, such as city_name,address.zip; the rest of the live document stays
    #[arg(
        long, value_name = "FIELDS", value_parser = parse_fields,
        conflicts_with_all = ["except_fields", "delete_created_after", "into"]
    )]
    fields: Option<FieldList>,
    /// Restore all fields except these
    #[arg(
        long, value_name = "FIELDS", value_parser = parse_fields,
        conflicts_with_all = ["delete_created_after", "into"]
    )]
    except_fields: Option<FieldList>,
}

/// Fields with commas between them, at least one.
#[derive(Clone, Debug)]
pub struct FieldList(pub Vec<FieldPath>);

impl FieldArguments {
    /// The fields to restore; none: all.
    pub fn only(&self) -> Vec<FieldPath> {
        self.fields.as_ref().map(|list| list.0.clone()).unwrap_or_default()
    }

    /// The fields not to restore.
    pub fn except(&self) -> Vec<FieldPath> {
        self.except_fields.as_ref().map(|list| list.0.clone()).unwrap_or_default()
    }
}

/// Reads fields with commas between them.
pub fn parse_fields(text: &str) -> Result<FieldList, String> {
    let fields = parse_field_list(text)?;
    if fields.is_empty() { Err("no field is named".to_owned()) } else { Ok(FieldList(fields)) }
}
