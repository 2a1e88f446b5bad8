//! Blocks of one input, taken in order: what a wrong guess at a block's end left is parsed again with the next block.
//!
//! So neither the size of blocks nor where they end changes what is read (L2).

use super::block::{Block, Parsed, State, Stop, parse};
use crate::error::Result;

/// Where an input stands between two blocks.
#[derive(Debug)]
pub struct Joint {
    state: State,
    /// What the last block left unfinished, and where that begins.
    carry: (Vec<u8>, u64),
}

impl Joint {
    pub fn new() -> Joint {
        Joint {
            state: State::Begin,
            carry: (Vec::new(), 0),
        }
    }

    /// Takes the next block with what it was parsed to; gives both as they are once the blocks before it are known.
    pub fn join(&mut self, block: Block, parsed: Parsed) -> Result<(Block, Parsed)> {
        let (carry, carry_offset) = std::mem::take(&mut self.carry);
        let (block, parsed) = if carry.is_empty() && self.state == block.start {
            (block, parsed)
        } else {
            let again = Block {
                offset: if carry.is_empty() { block.offset } else { carry_offset },
                bytes: [carry, block.bytes].concat(),
                start: self.state.clone(),
                ..block
            };
            let parsed = parse(&again)?;
            (again, parsed)
        };
        let Stop { consumed, state } = &parsed.stop;
        self.state = state.clone();
        if *consumed < block.bytes.len() {
            self.carry = (block.bytes[*consumed..].to_vec(), block.offset + *consumed as u64);
        }
        Ok((block, parsed))
    }

    /// Whether every byte so far was understood or rejected.
    pub fn is_done(&self) -> bool {
        self.carry.0.is_empty()
    }
}
