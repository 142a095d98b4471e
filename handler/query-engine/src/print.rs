//! Writes the text of a query from its tree, as the service does in query plans.

use std::fmt::Write;

use serde_json::Value;

use crate::syntax::{
    Base, Binary, Constant, Direction, Expr, OrderItem, Origin, Projection, QueryUse, Select, Source, Step, Unary,
};

/// The most operands of AND and OR that are written with a pair of brackets each, as the service does.
const MAX_PAIRS: usize = 16;

pub(crate) fn expression(expr: &Expr) -> String {
    let mut printer = Printer::default();
    printer.expr(expr);
    printer.text
}

pub(crate) fn query(select: &Select) -> String {
    let mut printer = Printer::default();
    printer.select(select);
    printer.text
}

/// A JSON text in double quotes.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[derive(Default)]
struct Printer {
    text: String,
    indent: usize,
}

impl Printer {
    fn word(&mut self, word: &str) {
        self.text.push_str(word);
    }

    fn line(&mut self) {
        self.text.push('\n');
        for _ in 0..self.indent {
            self.text.push_str("    ");
        }
    }

    fn list<T>(&mut self, list: &[T], mut write: impl FnMut(&mut Self, &T)) {
        for (index, element) in list.iter().enumerate() {
            if index > 0 {
                self.word(", ");
            }
            write(self, element);
        }
    }

    fn select(&mut self, select: &Select) {
        self.word("SELECT ");
        if select.distinct {
            self.word("DISTINCT ");
        }
        if let Some(top) = select.top {
            // Writing to a String cannot fail.
            let _ = write!(self.text, "TOP {top} ");
        }
        match &select.projection {
            Projection::Star => self.word("*"),
            Projection::Value(expr) => {
                self.word("VALUE ");
                self.expr(expr);
            }
            Projection::Items(items) => self.list(items, |printer, item| {
                printer.expr(&item.expr);
                if item.is_named {
                    printer.word(" AS ");
                    printer.word(&item.name);
                }
            }),
        }
        for (index, source) in select.sources.iter().enumerate() {
            self.line();
            self.word(if index == 0 { "FROM " } else { "JOIN " });
            self.source(source);
        }
        if let Some(filter) = &select.filter {
            self.line();
            self.word("WHERE ");
            self.expr(filter);
        }
        if !select.group_by.is_empty() {
            self.line();
            self.word("GROUP BY ");
            self.list(&select.group_by, Self::expr);
        }
        if !select.order_by.is_empty() {
            self.line();
            self.word("ORDER BY ");
            self.list(&select.order_by, |printer, OrderItem { expr, direction }| {
                printer.expr(expr);
                printer.word(match direction {
                    Direction::Default => "",
                    Direction::Ascending => " ASC",
                    Direction::Descending => " DESC",
                });
            });
        }
        if let Some(page) = select.page {
            self.line();
            let _ = write!(self.text, "OFFSET {} LIMIT {}", page.offset, page.limit);
        }
    }

    fn source(&mut self, source: &Source) {
        let alias = source.alias.as_deref().filter(|_| source.is_named);
        if let (Some(alias), true) = (alias, source.iterates) {
            self.word(alias);
            self.word(" IN ");
        }
        match &source.origin {
            Origin::Path { name, steps, .. } => {
                self.word(name);
                self.steps(steps);
            }
            Origin::Query(select) => self.subquery("", select),
        }
        if let (Some(alias), false) = (alias, source.iterates) {
            self.word(" AS ");
            self.word(alias);
        }
    }

    fn subquery(&mut self, name: &str, select: &Select) {
        self.word(name);
        self.word("(");
        self.indent += 1;
        self.line();
        self.select(select);
        self.indent -= 1;
        self.line();
        self.word(")");
    }

    fn steps(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Name(name) => {
                    self.word(".");
                    self.word(name);
                }
                Step::Text(name) => {
                    let _ = write!(self.text, "[{}]", quoted(name));
                }
                Step::Index(index) => {
                    let _ = write!(self.text, "[{index}]");
                }
                Step::Computed(expr) => {
                    self.word("[");
                    self.expr(expr);
                    self.word("]");
                }
            }
        }
    }

    fn constant(&mut self, constant: &Constant) {
        match (&constant.parameter, &constant.value) {
            (Some(parameter), _) => self.word(parameter),
            (None, Some(value)) => {
                let _ = write!(self.text, "{value}");
            }
            (None, None) => self.word("undefined"),
        }
    }

    fn infix(&mut self, left: &Expr, operator: &str, right: &Expr) {
        self.word("(");
        self.expr(left);
        let _ = write!(self.text, " {operator} ");
        self.expr(right);
        self.word(")");
    }

    fn connected(&mut self, operands: &[Expr], operator: &str) {
        let pairs = if operands.len() <= MAX_PAIRS { operands.len().saturating_sub(2) } else { 0 };
        for _ in 0..=pairs {
            self.word("(");
        }
        for (index, operand) in operands.iter().enumerate() {
            if index > 0 {
                let _ = write!(self.text, " {operator} ");
            }
            self.expr(operand);
            if index > 0 && index <= pairs {
                self.word(")");
            }
        }
        self.word(")");
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Constant(constant) => self.constant(constant),
            Expr::Path(base, steps) => {
                match &**base {
                    Base::Alias(alias) => self.word(&alias.name),
                    Base::Expr(expr) => self.expr(expr),
                }
                self.steps(steps);
            }
            Expr::And(operands) => self.connected(operands, "AND"),
            Expr::Or { operands, .. } => self.connected(operands, "OR"),
            Expr::Unary(operator, operand) => {
                self.word(match operator {
                    Unary::Not => "(NOT ",
                    Unary::Minus => "(-",
                    Unary::Plus => "(+",
                    Unary::BitNot => "(~",
                });
                self.expr(operand);
                self.word(")");
            }
            Expr::Binary(operator, operands) => self.infix(&operands.0, symbol(*operator), &operands.1),
            Expr::Coalesce(operands) => self.infix(&operands.0, "??", &operands.1),
            Expr::Conditional(operands) => {
                self.word("(");
                self.expr(&operands.0);
                self.word(" ? ");
                self.expr(&operands.1);
                self.word(" : ");
                self.expr(&operands.2);
                self.word(")");
            }
            Expr::Between { negated, operands } => {
                self.word("(");
                self.expr(&operands.0);
                self.word(if *negated { " NOT BETWEEN " } else { " BETWEEN " });
                self.expr(&operands.1);
                self.word(" AND ");
                self.expr(&operands.2);
                self.word(")");
            }
            Expr::In { negated, needle, list, .. } => {
                self.word("(");
                self.expr(needle);
                self.word(if *negated { " NOT IN (" } else { " IN (" });
                self.list(list, Self::expr);
                self.word("))");
            }
            Expr::Like { negated, operands, escape } => {
                self.word("(");
                self.expr(&operands.0);
                self.word(if *negated { " NOT LIKE " } else { " LIKE " });
                self.expr(&operands.1);
                if let Some(escape) = escape {
                    let _ = write!(self.text, " ESCAPE {}", quoted(&escape.to_string()));
                }
                self.word(")");
            }
            Expr::Array(elements) => {
                self.word("[");
                self.list(elements, Self::expr);
                self.word("]");
            }
            Expr::Object(properties) => {
                self.word("{");
                self.list(properties, |printer, (name, value)| {
                    let _ = write!(printer.text, "{}: ", quoted(name));
                    printer.expr(value);
                });
                self.word("}");
            }
            Expr::Query(query_use, select) => {
                let name = match query_use {
                    QueryUse::Scalar => "",
                    QueryUse::Exists => "EXISTS",
                    QueryUse::Array => "ARRAY",
                    QueryUse::All => "ALL",
                    QueryUse::First => "FIRST",
                    QueryUse::Last => "LAST",
                };
                self.subquery(name, select);
            }
            Expr::Call { written, arguments, .. } => {
                self.word(written);
                self.word("(");
                self.list(arguments, Self::expr);
                self.word(")");
            }
            Expr::Aggregate { written, argument, .. } => {
                self.word(written);
                self.word("(");
                self.expr(argument);
                self.word(")");
            }
            Expr::GroupKey(_, source) => self.expr(source),
        }
    }
}

fn symbol(operator: Binary) -> &'static str {
    match operator {
        Binary::Multiply => "*",
        Binary::Divide => "/",
        Binary::Modulo => "%",
        Binary::Add => "+",
        Binary::Subtract => "-",
        Binary::ShiftLeft => "<<",
        Binary::ShiftRight => ">>",
        Binary::ShiftRightZeroFill => ">>>",
        Binary::Less => "<",
        Binary::LessOrEqual => "<=",
        Binary::Greater => ">",
        Binary::GreaterOrEqual => ">=",
        Binary::Equal => "=",
        Binary::NotEqual => "!=",
        Binary::BitAnd => "&",
        Binary::BitXor => "^",
        Binary::BitOr => "|",
        Binary::Concat => "||",
    }
}
