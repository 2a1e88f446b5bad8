//! Columns of people: what one column says of a row tells most of what the next does.

use super::value;
use crate::chunk::TextChunk;
use crate::lake::text::Text;
use parquet::errors::Result as ParquetResult;

/// The code of a row's value in a column; `None` if it is null there, or values do not become codes.
pub type Code = Option<u32>;

/// Two columns. Most rows are about few people, so the code that a person, or a name, has in the first one tells the code
/// in the second, and no text need be looked up.
#[derive(Clone, Copy)]
pub enum Pair {
    /// Who, and what they were called last time.
    ObjectToItsName,
    UserToItsName,
    /// Where the user is the object.
    ObjectToUser,
    ObjectNameToUserName,
    /// The actor is the object or the user.
    ObjectToActor,
    UserToActor,
    ObjectNameToActorName,
    UserNameToActorName,
}

const PAIRS: usize = Pair::UserNameToActorName as usize + 1;

/// How the code of a row's value may be known.
#[derive(Clone, Copy)]
pub enum Hint {
    /// It is an id, and these are looked up.
    Id,
    /// The first column says the same, and this is the code there.
    Same(Pair, Code),
    /// It is the name of somebody who has this code in the first column; it is compared.
    Name(Pair, Code),
}

/// For each [`Pair`] the codes in the second column, by those in the first; [`UNKNOWN`] where it has not met one.
#[derive(Default)]
pub struct Links([Vec<u32>; PAIRS]);

const UNKNOWN: u32 = u32::MAX;

impl Links {
    /// Pushes what a column says of so many rows; gives the codes. All that may be known is looked for ahead: it is far away
    /// in memory, for each row somewhere else, and so none need be found before the next is looked for.
    pub fn push<'a>(
        &mut self,
        to: &mut TextChunk,
        rows: usize,
        hint: impl Fn(usize) -> Hint,
        text: impl Fn(usize) -> Text<'a>,
    ) -> ParquetResult<Vec<Code>> {
        let known: Vec<Code> = (0..rows).map(|row| self.known(to, hint(row), text(row))).collect();
        let mut codes = Vec::with_capacity(rows);
        while codes.len() < rows {
            let rest = &known[codes.len()..];
            match to.push_codes(rest)? {
                0 => {
                    let row = codes.len();
                    let code = to.push(value(text(row)))?;
                    self.learn(hint(row), code);
                    codes.push(code);
                }
                some => codes.extend_from_slice(&rest[..some]),
            }
        }
        Ok(codes)
    }

    /// How much memory they take.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(|codes| codes.capacity() * size_of::<u32>()).sum()
    }

    fn known(&self, column: &TextChunk, hint: Hint, text: Text<'_>) -> Code {
        match hint {
            Hint::Id => column.known_code(value(text)?),
            Hint::Same(pair, code) => self.get(pair, code?),
            Hint::Name(pair, code) => {
                let Text::Bytes(name) = text else { return None };
                self.get(pair, code?).filter(|&known| column.is_code_of(known, name))
            }
        }
    }

    fn get(&self, pair: Pair, code: u32) -> Code {
        let there = self.0[pair as usize].get(code as usize).copied();
        there.filter(|&other| other != UNKNOWN)
    }

    fn learn(&mut self, hint: Hint, there: Code) {
        if let (Hint::Same(pair, Some(code)) | Hint::Name(pair, Some(code)), Some(there)) = (hint, there) {
            let codes = &mut self.0[pair as usize];
            if codes.len() <= code as usize {
                codes.resize(code as usize + 1, UNKNOWN);
            }
            codes[code as usize] = there;
        }
    }
}
