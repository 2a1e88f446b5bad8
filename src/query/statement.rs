//! What can be told of a statement before it is computed: that it is one, that it only reads, and which tables it names.

use super::tables;
use crate::error::{Error, Result};
use sqlparser::ast::{self, Distinct, GroupByExpr, ObjectName, Query, SetExpr, TableFactor, Visit, Visitor};
use sqlparser::dialect::GenericDialect;
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError, ParserOptions};
use sqlparser::tokenizer::{Token, Tokenizer};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Words and operators in a row without a comma; what people write has some dozens.
const MAX_CHAIN: usize = 3000;

/// A statement that has been read and may be answered.
#[derive(Debug, Clone)]
pub struct Statement {
    pub(super) sql: String,
    /// Of the lake and the reports, each once.
    pub(super) tables: Vec<String>,
    pub(super) shows_tables: bool,
    /// Whether rows come in an order that means something: the one asked for, or that of the only table.
    pub(super) has_order: bool,
}

impl Statement {
    /// Reads a text that must be one statement which changes nothing.
    pub fn parse(sql: &str) -> Result<Statement> {
        refuse_chains(sql)?;
        // As polars reads it.
        let options = ParserOptions {
            trailing_commas: true,
            ..Default::default()
        };
        let parser = Parser::new(&GenericDialect).with_options(options).try_with_sql(sql);
        let mut statements = parser
            .and_then(|mut parser| parser.parse_statements())
            .map_err(unreadable)?;
        let statement = match (statements.pop(), statements.len()) {
            (Some(statement), 0) => statement,
            (None, _) => {
                return Err(Error::usage("there is no statement").hint("write one like SELECT * FROM sessions"));
            }
            (_, more) => {
                return Err(Error::usage(format!("there are {} statements", more + 1)).hint("ask one at a time"));
            }
        };
        let query = match &statement {
            ast::Statement::Query(query) => Some(query),
            ast::Statement::Explain { statement, .. } if matches!(**statement, ast::Statement::Query(_)) => None,
            ast::Statement::ShowTables { .. } => None,
            other => return Err(not_a_question(other)),
        };
        let mut named = Named::default();
        let _ = statement.visit(&mut named);
        named.refuse_names()?;
        Ok(Statement {
            sql: sql.to_owned(),
            has_order: query.is_none_or(|query| query.order_by.is_some() || named.is_in_order_of_its_table(query)),
            shows_tables: matches!(statement, ast::Statement::ShowTables { .. }),
            tables: named.relations.difference(&named.defined).cloned().collect(),
        })
    }
}

/// A chain of operators is as deep for who computes it as it is long here, and a stack ends somewhere.
fn refuse_chains(sql: &str) -> Result<()> {
    let tokens = Tokenizer::new(&GenericDialect, sql).tokenize().unwrap_or_default();
    let mut longest = 0;
    let mut length = 0;
    for token in tokens {
        match token {
            Token::Comma => length = 0,
            Token::Whitespace(_) | Token::Number(..) | Token::SingleQuotedString(_) | Token::Period => {}
            Token::LParen | Token::RParen => {}
            Token::Word(word) if word.keyword == Keyword::NoKeyword => {}
            _ => length += 1,
        }
        longest = longest.max(length);
    }
    match longest > MAX_CHAIN {
        true => Err(Error::usage(format!(
            "the statement chains more than {MAX_CHAIN} words and operators of SQL"
        ))
        .hint("compare with many values by IN (…, …)")),
        false => Ok(()),
    }
}

fn unreadable(cause: ParserError) -> Error {
    let fact = match cause {
        ParserError::ParserError(fact) | ParserError::TokenizerError(fact) => fact,
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    };
    let fact = fact
        .replacen("Expected: ", "expected ", 1)
        .replacen("found: ", "found ", 1);
    Error::usage(format!("the SQL cannot be read: {}", fact.replace(" at Line: ", " at line ").replace(", Column: ", ", column ")))
        .hint("a name that is also a word of SQL, or has capital letters or blanks, stands in double quotes, a text in single ones")
}

fn not_a_question(statement: &ast::Statement) -> Error {
    let text = statement.to_string();
    let word = text.split_whitespace().next().unwrap_or_default();
    Error::usage(format!("{word} is no question: a statement only reads"))
        .hint("ask with SELECT, WITH … SELECT, SHOW TABLES or EXPLAIN SELECT; `gatelog schema TABLE` describes a table")
}

/// The names in a statement.
#[derive(Default)]
struct Named {
    /// Tables that are read.
    relations: BTreeSet<String>,
    /// By WITH.
    defined: BTreeSet<String>,
    /// By AS, where it is not the table's own name.
    aliases: BTreeSet<String>,
    /// A name of several parts.
    compound: Option<String>,
    /// Queries, the outermost included.
    queries: usize,
}

impl Named {
    /// Refuses names that polars would read otherwise than meant: it takes the table where it should take what WITH or AS
    /// calls so.
    fn refuse_names(&self) -> Result<()> {
        if let Some(name) = &self.compound {
            let last = name.rsplit('.').next().unwrap_or(name);
            return Err(
                Error::usage(format!("there is no table {name}")).hint(format!("tables have one name: write {last}"))
            );
        }
        let all = tables::all();
        let is_table = |name: &&String| all.iter().any(|listed| listed.name == name.as_str());
        let defined = self.defined.iter().find(is_table);
        let aliased = self.aliases.intersection(&self.relations).find(is_table);
        match defined.or(aliased) {
            Some(name) => Err(Error::usage(format!(
                "the statement gives the name {name} to something else than the table"
            ))
            .hint("choose a name that no table has")),
            None => Ok(()),
        }
    }

    /// Whether rows are just those of one table, in its order.
    fn is_in_order_of_its_table(&self, query: &Query) -> bool {
        let SetExpr::Select(select) = &*query.body else {
            return false;
        };
        let is_grouped = !matches!(&select.group_by, GroupByExpr::Expressions(by, _) if by.is_empty());
        let is_of_one = match select.from.as_slice() {
            [] => true,
            [only] => only.joins.is_empty() && matches!(only.relation, TableFactor::Table { .. }),
            _ => false,
        };
        is_of_one && self.queries == 1 && !is_grouped && !matches!(&select.distinct, Some(Distinct::On(_)))
    }
}

impl Visitor for Named {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.queries += 1;
        let defined = query.with.iter().flat_map(|with| &with.cte_tables);
        self.defined
            .extend(defined.map(|defined| defined.alias.name.value.clone()));
        self.visit_body(&query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let (alias, own) = match factor {
            TableFactor::Table { alias, name, .. } => (alias, only_part(name)),
            TableFactor::Derived { alias, .. } => (alias, String::new()),
            _ => return ControlFlow::Continue(()),
        };
        let alias = alias.iter().map(|alias| alias.name.value.clone());
        self.aliases.extend(alias.filter(|alias| *alias != own));
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if relation.0.len() > 1 {
            self.compound = Some(relation.to_string());
        }
        self.relations.insert(only_part(relation));
        ControlFlow::Continue(())
    }
}

impl Named {
    /// `TABLE name` is no relation to the visitor.
    fn visit_body(&mut self, body: &SetExpr) {
        match body {
            SetExpr::Table(table) => self.relations.extend(table.table_name.clone()),
            SetExpr::SetOperation { left, right, .. } => {
                self.visit_body(left);
                self.visit_body(right);
            }
            _ => {}
        }
    }
}

fn only_part(name: &ObjectName) -> String {
    let part = name.0.last().and_then(|part| part.as_ident());
    part.map_or_else(|| name.to_string(), |ident| ident.value.clone())
}
