//! Calls of functions.

use std::borrow::Cow;

use serde_json::Value;

use super::{Evaluated, Scope};
use crate::error::QueryError;
use crate::functions::{date_time_text, shifted};
use crate::syntax::{Base, Expr, Function};
use crate::value::number;
use crate::vector;

impl<'a> Scope<'a> {
    #[inline(never)]
    pub(super) fn call(self, function: Function, arguments: &'a [Expr]) -> Evaluated<'a> {
        let ticks = self.statement.ticks;
        #[expect(clippy::cast_precision_loss, reason = "numbers are doubles")]
        match function {
            Function::Builtin(builtin) => self.call_with_values(arguments, builtin.call),
            Function::Ago => self.call_with_values(arguments, |values| shifted(ticks, values, -1)),
            Function::Now if !arguments.is_empty() => {
                self.call_with_values(arguments, |values| shifted(ticks, values, 1))
            }
            Function::Partial(partial) => {
                let mut unsettled = None;
                let value = self.call_with_values(arguments, |values| {
                    (partial.call)(values).unwrap_or_else(|message| {
                        unsettled = Some(message);
                        None
                    })
                });
                if let Some(message) = unsettled {
                    self.statement.fail(QueryError::not_supported(message));
                }
                value
            }
            Function::VectorDistance(default) => {
                self.call_with_values(arguments, |values| vector::distance(default, values))
            }
            // Only the argument that counts is evaluated.
            Function::Iif => match arguments {
                [condition, then, otherwise] => {
                    if self.is_true(condition) {
                        self.value(then)
                    } else {
                        self.value(otherwise)
                    }
                }
                _ => None,
            },
            Function::DocumentId => match arguments {
                [Expr::Path(base, steps)] if steps.is_empty() => match &**base {
                    Base::Alias(alias) => Some(Cow::Owned(Value::from(self.source(alias.hops)?.position?))),
                    Base::Expr(_) => None,
                },
                _ => None,
            },
            Function::CurrentDateTime | Function::Now => {
                date_time_text(ticks).map(|text| Cow::Owned(Value::String(text)))
            }
            Function::CurrentTicks => Some(Cow::Owned(Value::from(ticks))),
            Function::CurrentTimestamp => number((ticks / 10_000) as f64).map(Cow::Owned),
        }
    }

    fn call_with_values(
        self,
        arguments: &'a [Expr],
        call: impl FnOnce(&[Option<&Value>]) -> Option<Value>,
    ) -> Evaluated<'a> {
        let arguments: Vec<Evaluated<'a>> = arguments.iter().map(|argument| self.value(argument)).collect();
        let arguments: Vec<Option<&Value>> = arguments.iter().map(Option::as_deref).collect();
        call(&arguments).map(Cow::Owned)
    }
}
