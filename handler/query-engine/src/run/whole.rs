//! Queries that are computed as a whole: with aggregates, GROUP BY or DISTINCT, without the container, or over a subquery.

use std::ops::ControlFlow::{Break, Continue};

use super::page::{Page, PageRequest, text, wrong_resume};
use crate::error::QueryError;
use crate::evaluate::Statement;
use crate::resume::Resume;
use crate::syntax::Select;

pub(super) fn page(select: &Select, statement: &Statement<'_>, request: &PageRequest<'_>) -> Result<Page, QueryError> {
    let returned = match request.resume {
        None => 0,
        Some(Resume::Rows(rows)) => *rows,
        Some(_) => return Err(wrong_resume()),
    };
    let mut page = Page::default();
    let mut counted = 0;
    let mut is_full = false;
    let _ = statement.scope().rows(select, &mut |row| {
        counted += 1;
        if counted <= returned {
            return Continue(());
        }
        let row = text(&row);
        if !page.has_room(&row, request) {
            is_full = true;
            return Break(());
        }
        page.push(row);
        Continue(())
    });
    if is_full {
        page.resume = Some(Resume::Rows(counted - 1));
    }
    Ok(page)
}
