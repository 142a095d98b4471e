//! A filter after it was read: tests on fields, joined by "and" and "or".

use changefeed_cosmos::FieldPattern;
use serde_json::Value;

/// What a document must meet.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expression {
    /// All of these.
    All(Vec<Self>),
    /// At least one of these.
    Any(Vec<Self>),
    /// A test on one field.
    Test(Test),
}

impl Expression {
    /// Visits every test.
    pub(super) fn each_test<'e>(&'e self, visit: &mut impl FnMut(&'e Test)) {
        match self {
            Self::All(list) | Self::Any(list) => list.iter().for_each(|expression| expression.each_test(visit)),
            Self::Test(test) => visit(test),
        }
    }

    /// The expression with every other test than these taken as false; `None` if it is false then.
    pub(super) fn with_only(&self, is_known: &dyn Fn(&Test) -> bool) -> Option<Self> {
        match self {
            Self::All(all) => {
                all.iter().map(|expression| expression.with_only(is_known)).collect::<Option<_>>().map(Self::All)
            }
            Self::Any(any) => {
                let any: Vec<Self> = any.iter().filter_map(|expression| expression.with_only(is_known)).collect();
                (!any.is_empty()).then_some(Self::Any(any))
            }
            Self::Test(test) => is_known(test).then(|| self.clone()),
        }
    }
}

/// A test on one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Test {
    pub field: FieldPattern,
    pub condition: Condition,
}

/// What a test asks of the values of its field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// There is one, perhaps null.
    Exists,
    /// There is none.
    Missing,
    /// One of them compares with one of these values as the operator says. A bare text that looks like a number, `true`, `false` or
    /// `null` is two values: that one and the text.
    Compare(Operator, Vec<Value>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Equal,
    /// Not equal to any of the values.
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Contains,
    StartsWith,
}

impl Operator {
    /// Whether it compares texts only.
    pub(super) fn is_of_text(self) -> bool {
        matches!(self, Self::Contains | Self::StartsWith)
    }
}

/// Longer signs come first, so that `<=` is not read as `<`.
pub(super) const SIGNS: [(&str, Operator); 6] = [
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    (">=", Operator::GreaterOrEqual),
    ("=", Operator::Equal),
    ("<", Operator::Less),
    (">", Operator::Greater),
];
