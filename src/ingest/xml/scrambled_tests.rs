//! The XML grammar on texts that are none: every byte is read or rejected once, and blocks may end anywhere (L1, L2).

use super::tests::{ON, PLAIN, head, parsed};
use super::{Dialect, Layout};
use crate::ingest::block::{self, Block, Parsed, State};
use std::ops::Range;
use std::sync::Arc;

/// Texts of anything that has a meaning in XML, in no sensible order; seeded.
fn scrambled(seed: u64) -> String {
    const PIECES: [&str; 36] = [
        PLAIN,
        PLAIN,
        PLAIN,
        "<result>",
        "</result>",
        "<result/>",
        "<result a='",
        "<a:Entity>",
        "</a:Entity>",
        "<a:Entities>",
        "</a:Entities>",
        "<resultset>",
        "</resultset>",
        "<action>",
        "64",
        "</action>",
        ON,
        "<!--",
        "-->",
        "<!-->",
        "<!",
        "<![CDATA[",
        "]]>",
        "<?x",
        "?>",
        "<!DOCTYPE x [",
        "&amp;",
        "&#65;",
        "&",
        ";",
        "<",
        ">",
        "\"",
        "'",
        " \n",
        "ä",
    ];
    let mut state = seed;
    let mut below = |bound: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % bound
    };
    (0..2 + below(24)).map(|_| PIECES[below(PIECES.len())]).collect()
}

#[test]
fn any_text_is_read_or_rejected_once_wherever_a_block_ends_l1_l2() {
    let block = |text: &[u8], offset: usize, last: bool| {
        let layout = Layout {
            dialect: Dialect::Fetch,
            is_enveloped: true,
        };
        block::parse(&Block {
            head: Arc::new(head(layout)),
            bytes: text.to_vec(),
            offset: offset as u64,
            last,
            loss: None,
            start: State::Top,
        })
        .expect("rows")
    };
    let told = |parsed: &Parsed, offset: usize| {
        let place = |span: &Range<usize>| offset + span.start..offset + span.end;
        let rejects = parsed.rejects.iter();
        rejects
            .map(|reject| (reject.reason.code, place(&reject.span)))
            .collect::<Vec<_>>()
    };
    let mut rows = 0;
    for seed in 0..800 {
        let text = scrambled(seed).into_bytes();
        let whole = parsed(&text);
        rows += whole.rows.len();
        for cut in 0..text.len() {
            let first = block(&text[..cut], 0, false);
            let done = first.stop.consumed;
            let second = block(&text[done..], done, true);
            assert_eq!(second.stop.consumed, text.len() - done);
            let shown = String::from_utf8_lossy(&text);
            assert_eq!(first.rows.len() + second.rows.len(), whole.rows.len(), "{cut}: {shown}");
            assert_eq!(
                [told(&first, 0), told(&second, done)].concat(),
                told(&whole, 0),
                "{cut}: {shown}"
            );
        }
    }
    assert!(rows > 500, "records are found between the pieces: {rows}");
}

/// Each of these would be looked through to its end for every record, if what closes it were not remembered.
#[test]
fn what_is_never_closed_costs_one_pass() {
    for broken in [
        "<result><!--</result>",
        "<result><![CDATA[</result>",
        "<result><a b=\"</result>",
        "<result ",
        "</result ",
        "</result><!--",
        "<result><action>",
    ] {
        let parsed = parsed(format!("{PLAIN}{}", broken.repeat(100_000)).as_bytes());
        assert_eq!(parsed.rows.len(), 1, "{broken}");
        assert!(!parsed.rejects.is_empty(), "{broken}");
    }
}
