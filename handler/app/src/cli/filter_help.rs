//! Help about filters.

/// Help text of a command that takes filters, before the rest.
pub const FILTERS: &str = "Filters:\n  \
     FIELD OPERATOR VALUE, joined by and, or, and brackets; OPERATOR is one of = != < <= > >= contains, starts with\n  \
     FIELD exists, FIELD !exists, FIELD in (VALUE, VALUE); a value with spaces is in quotes\n\n\
     Fields:\n  \
     names with dots, in double quotes where needed (address.\"zip code\"), or a JSON Pointer (/address/zip code);\n  \
     tags[] is any element of an array\n\n";
