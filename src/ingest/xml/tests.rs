//! The XML grammar, form by form and break by break.
