//! Queries whose rows come document by document.

use std::ops::ControlFlow::{Break, Continue};

use super::page::{Page, PageRequest, bounds, text, wrong_resume};
use crate::error::QueryError;
use crate::evaluate::{Scope, Statement};
use crate::resume::Resume;
use crate::syntax::Select;

pub(super) fn page(select: &Select, statement: &Statement<'_>, request: &PageRequest<'_>) -> Result<Page, QueryError> {
    let (skip, end) = bounds(select);
    let (start, mut rows_before, mut counted) = match request.resume {
        None => (None, 0, 0),
        Some(Resume::After { position, rows, counted }) => {
            (Some((*position, rows.is_some())), rows.unwrap_or(0), *counted)
        }
        Some(_) => return Err(wrong_resume()),
    };
    let mut page = Page::default();
    if counted >= end {
        return Ok(page);
    }
    while let Some((document, position)) = statement.container.next() {
        match start {
            Some((last, has_more)) if position < last || position == last && !has_more => continue,
            Some((last, _)) if position == last => {}
            // Rows of the document were returned, but it is gone.
            _ => rows_before = 0,
        }
        // The rows of this document so far.
        let mut rows = 0;
        let mut is_full = false;
        let scope = Scope { document: Some((&document, position)), ..statement.scope() };
        let _ = scope.filtered(select, &mut |scope| {
            let Some(row) = scope.project(select) else { return Continue(()) };
            rows += 1;
            if rows <= rows_before {
                return Continue(());
            }
            if counted < skip {
                counted += 1;
                return Continue(());
            }
            // After the page is full, one more row of the document shows that it is not done.
            let row = text(&row);
            if page.is_full(request) || !page.has_room(&row, request) {
                is_full = true;
                return Break(());
            }
            page.push(row);
            counted += 1;
            if counted >= end { Break(()) } else { Continue(()) }
        });
        rows_before = 0;
        if counted >= end || statement.failed.get() {
            return Ok(page);
        }
        if is_full {
            page.resume = Some(Resume::After { position, rows: Some(rows - 1), counted });
            return Ok(page);
        }
        if page.is_full(request) {
            // An empty last page is a wasted request.
            if statement.container.next().is_some() {
                page.resume = Some(Resume::After { position, rows: None, counted });
            }
            return Ok(page);
        }
    }
    Ok(page)
}
