use super::*;

fn leaf(text: &str) -> Leaf {
    Leaf::genesis(LeafId([7; 32]), text.as_bytes())
}

/// A leaf with the hunks that make `text` out of what `base` shows.
fn edited(base: &Leaf, text: &str) -> Leaf {
    let mut leaf = base.clone();
    leaf.apply(base.edit(text.as_bytes())).unwrap();
    assert_eq!(show(&leaf), text);
    leaf
}

fn merged(leaves: &[&Leaf]) -> Leaf {
    let mut merged = Leaf::genesis(leaves[0].id, &leaves[0].genesis);
    merged.apply(leaves.iter().flat_map(|leaf| all_of(leaf))).unwrap();
    merged
}

fn all_of(leaf: &Leaf) -> Vec<Hunk> {
    leaf.held.values().map(|held| held.hunk.as_ref().clone()).collect()
}

fn show(leaf: &Leaf) -> String {
    String::from_utf8_lossy(&leaf.shown().bytes).into_owned()
}

fn sides(leaf: &Leaf) -> Vec<Vec<String>> {
    let text = |side: &Alternative| String::from_utf8_lossy(&side.bytes).into_owned();
    leaf.shown().overlaps.iter().map(|overlap| overlap.alternatives.iter().map(text).collect()).collect()
}

#[test]
fn two_numbers_never_make_a_third() {
    let base = leaf("let timeout = 100;\n");
    let merged = merged(&[&edited(&base, "let timeout = 200;\n"), &edited(&base, "let timeout = 150;\n")]);
    assert_eq!(show(&merged), "let timeout = 150;\n");
    assert_eq!(sides(&merged), [["150", "200"]]);
    let overlap = &merged.shown().overlaps[0];
    assert_eq!((overlap.start, overlap.end, overlap.kind), (14, 17, LeafOverlapKind::Replace));
}

#[test]
fn an_edit_on_top_of_a_winner_settles_it_even_against_a_later_edit_of_the_loser() {
    let base = leaf("let timeout = 100;\n");
    let (long, short) = (edited(&base, "let timeout = 200;\n"), edited(&base, "let timeout = 150;\n"));
    let met = merged(&[&long, &short]);
    let settled = edited(&met, "let timeout = 155555;\n");
    assert!(sides(&settled).is_empty());
    let late = edited(&long, "let timeout = 7;\n");
    let all = merged(&[&settled, &late]);
    assert_eq!(show(&all), "let timeout = 155555;\n");
    assert_eq!(sides(&all), [["155555", "7"]]);
    let again = edited(&all, "let timeout = 8;\n");
    assert!(sides(&again).is_empty());
}

#[test]
fn a_deletion_shows_and_the_edit_is_kept() {
    let base = leaf("a\nb one\nc\n");
    let all = merged(&[&edited(&base, "a\nc\n"), &edited(&base, "a\nb two\nc\n")]);
    assert_eq!(show(&all), "a\nc\n");
    let overlap = &all.shown().overlaps[0];
    assert_eq!(overlap.kind, LeafOverlapKind::DeleteEdit);
    assert_eq!(sides(&all), [["", "b two\n"]]);
}

#[test]
fn a_line_put_into_what_the_other_deletes_is_kept_as_a_side() {
    let base = leaf("a\nb\nc\nd\n");
    let all = merged(&[&edited(&base, "a\nd\n"), &edited(&base, "a\nb\nnew\nc\nd\n")]);
    assert_eq!(show(&all), "a\nd\n");
    assert_eq!(sides(&all), [["", "b\nnew\nc\n"]]);
    assert_eq!(all.shown().overlaps[0].kind, LeafOverlapKind::DeleteEdit);
}

#[test]
fn deletions_that_meet_are_both_done() {
    let base = leaf("a\nb\nc\nd\n");
    let all = merged(&[&edited(&base, "a\nd\n"), &edited(&base, "a\nb\n")]);
    assert_eq!((show(&all).as_str(), sides(&all).len()), ("a\n", 0));
}

#[test]
fn the_same_insertion_comes_once_and_different_ones_in_the_order_of_their_text() {
    let base = leaf("a\nz\n");
    let same = merged(&[&edited(&base, "a\nm\nz\n"), &edited(&base, "a\nm\nz\n")]);
    assert_eq!((show(&same).as_str(), sides(&same).len()), ("a\nm\nz\n", 0));
    let both = merged(&[&edited(&base, "a\nn\nnn\nz\n"), &edited(&base, "a\nm\nmm\nz\n")]);
    assert_eq!((show(&both).as_str(), sides(&both).len()), ("a\nm\nmm\nn\nnn\nz\n", 0));
    let between = edited(&both, "a\nm\nmm\nx\nn\nnn\nz\n");
    assert_eq!(show(&merged(&[&between])), "a\nm\nmm\nx\nn\nnn\nz\n");
}

#[test]
fn lines_that_a_longer_run_holds_come_back_when_that_run_is_hidden() {
    let base = leaf("one\ntwo\n");
    let (few, many) = (edited(&base, "one\nboth\ntwo\n"), edited(&base, "one\nboth\nmore\ntwo\n"));
    assert_eq!(show(&merged(&[&few, &many])), "one\nboth\nmore\ntwo\n");
    assert!(sides(&merged(&[&few, &many])).is_empty());
    let gone = edited(&many, "one\ntwo\n");
    assert_eq!(show(&merged(&[&few, &gone])), "one\nboth\ntwo\n");
}

#[test]
fn equal_insertions_with_different_neighbours_come_once() {
    let base = leaf("a\nz\n");
    let other = edited(&base, "a\nz\nend\n");
    let other = edited(&edited(&other, "a\nq\nz\nend\n"), "a\nz\nend\n");
    let all = merged(&[&edited(&base, "a\nm\nz\n"), &edited(&other, "a\nm\nz\nend\n")]);
    assert_eq!(show(&all).matches('m').count(), 2, "a gap behind a dead token is another gap");
    let first = edited(&base, "a\nm\nz\n");
    let mut hunk = all_of(&first)[0].clone();
    hunk.nonce = 5;
    let mut both = first.clone();
    both.apply([hunk]).unwrap();
    assert_eq!((show(&both).as_str(), sides(&both).len()), ("a\nm\nz\n", 0));
}

#[test]
fn lines_are_never_glued() {
    let all = merged(&[&edited(&leaf("a\n"), "a\nb"), &edited(&leaf("a\n"), "a\nc")]);
    assert_eq!(show(&all), "a\nb");
    assert_eq!(sides(&all), [["b", "c"]]);
    let all = merged(&[&edited(&leaf("a"), "a\nb"), &edited(&leaf("a"), "a\nc")]);
    assert_eq!((show(&all).as_str(), sides(&all).len()), ("a\nb\nc", 0));
    let all = merged(&[&edited(&leaf("f(a);\n"), "f(a, b);\n"), &edited(&leaf("f(a);\n"), "f(a, c);\n")]);
    assert_eq!((show(&all).as_str(), sides(&all).len()), ("f(a, b, c);\n", 0));
}

#[test]
fn three_sides_in_all_orders() {
    let base = leaf("x = 1\n");
    let edits = ["x = 22\n", "x = 3\n", "x = 444\n"].map(|text| all_of(&edited(&base, text)));
    let mut seen = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let mut leaf = base.clone();
        order.iter().for_each(|side| leaf.apply(edits[*side].clone()).unwrap());
        seen.push(leaf.shown());
        assert_eq!(sides(&leaf), [["3", "22", "444"]]);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn bytes_of_any_encoding() {
    let base = Leaf::genesis(LeafId([1; 32]), b"\xff\xfe = 1\r\n");
    let mut edited = base.clone();
    edited.apply(base.edit(b"\xff\xfe = \x80\x00\r\n")).unwrap();
    assert_eq!(edited.shown().bytes, b"\xff\xfe = \x80\x00\r\n");
    edited.apply(edited.edit(b"")).unwrap();
    assert_eq!(edited.shown().bytes, b"");
}

#[test]
fn each_side_can_be_taken() {
    let base = leaf("x = 1\n");
    let texts = ["x = 3\n", "x = 22\n", "x = 444\n"];
    let met = merged(&texts.map(|text| edited(&base, text)).each_ref());
    for (side, text) in texts.iter().enumerate() {
        let mut taken = met.clone();
        taken.apply(met.take(0, side).unwrap()).unwrap();
        assert_eq!((show(&taken).as_str(), sides(&taken).len()), (*text, 0));
    }
    assert!(met.take(0, 3).is_none() && met.take(1, 0).is_none());
}

#[test]
fn two_who_take_different_sides_overlap_again() {
    let base = leaf("x = 1\n");
    let met = merged(&[&edited(&base, "x = 3\n"), &edited(&base, "x = 22\n")]);
    let (mut first, mut second) = (met.clone(), met.clone());
    first.apply(met.take(0, 0).unwrap()).unwrap();
    second.apply(met.take(0, 1).unwrap()).unwrap();
    let all = merged(&[&first, &second]);
    assert!(["x = 3\n", "x = 22\n"].contains(&show(&all).as_str()));
}

#[test]
fn settlers_of_different_winners_leave_one_side() {
    let base = leaf("x = 1\n");
    let (a, b) = (edited(&base, "x = 20\n"), edited(&base, "x = 333\n"));
    let first = edited(&merged(&[&a, &b]), "x = 2000\n");
    let shorter = edited(&b, "x = 3\n");
    let second = edited(&merged(&[&a, &shorter]), "x = 30000\n");
    let all = merged(&[&first, &second]);
    assert_eq!(show(&all), "x = 2000\n");
    assert_eq!(sides(&all), [["2000", "30000"]]);
}

#[test]
fn the_same_again_after_it_was_taken_back() {
    let base = leaf("a\n");
    let mut now = base;
    for _ in 0..3 {
        now = edited(&now, "a\nb\n");
        now = edited(&now, "a\n");
    }
    assert_eq!(show(&merged(&[&now])), "a\n");
}

mod hostile {
    use super::*;
    use crate::hunk::Run;

    fn hunk() -> Hunk {
        let (deleted, settles) = (vec![], vec![]);
        Hunk { after: None, before: None, deleted, inserted: vec![b"x".to_vec()], settles, nonce: 0 }
    }

    fn refused(hunk: Hunk) -> LeafError {
        let base = edited(&leaf("one two\n"), "one three\n");
        let mut leaf = base.clone();
        let good = leaf.edit(b"something else\n");
        let error = leaf.apply(good.into_iter().chain([hunk])).unwrap_err();
        assert_eq!(leaf.shown(), base.shown());
        assert!(leaf.hunks().eq(base.hunks()));
        edited(&leaf, "still fine\n");
        error
    }

    #[test]
    fn unknown_origins_and_tokens_are_refused() {
        let unknown = Origin::Hunk(HunkId([9; 32]));
        let far = |origin, index| Some(TokenId { origin, index });
        let missing = |hunk| matches!(refused(hunk), LeafError::MissingDependency { .. });
        assert!(missing(Hunk { after: far(unknown, 0), ..hunk() }));
        assert!(missing(Hunk { before: far(unknown, 0), ..hunk() }));
        assert!(missing(Hunk { settles: vec![HunkId([9; 32])], ..hunk() }));
        let no_token = |hunk| matches!(refused(hunk), LeafError::NoSuchToken { .. });
        for index in [4, 5, u32::MAX] {
            assert!(no_token(Hunk { after: far(Origin::Genesis, index), ..hunk() }));
            assert!(no_token(Hunk { before: far(Origin::Genesis, index), ..hunk() }));
        }
        for (first, count) in [(0, 5), (4, 1), (1, u32::MAX), (u32::MAX, u32::MAX), (u32::MAX, 1)] {
            assert!(no_token(Hunk {
                deleted: vec![Run { origin: Origin::Genesis, first, count }],
                ..hunk()
            }));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let out = |hunk| matches!(refused(hunk), LeafError::OutOfBounds { .. });
        let run = |first, count| Run { origin: Origin::Genesis, first, count };
        assert!(out(Hunk { inserted: vec![], ..hunk() }));
        assert!(out(Hunk { inserted: vec![vec![]], ..hunk() }));
        assert!(out(Hunk { deleted: vec![run(0, 0)], ..hunk() }));
        assert!(out(Hunk { deleted: vec![run(0, 1); RUNS_MAX + 1], ..hunk() }));
        assert!(out(Hunk { settles: vec![HunkId([0; 32]); SETTLES_MAX + 1], ..hunk() }));
        let twice = |deleted| matches!(refused(Hunk { deleted, ..hunk() }), LeafError::DeletedTwice { .. });
        assert!(twice(vec![run(0, 1), run(0, 1)]));
        assert!(twice(vec![run(1, 2), run(0, 2)]));
    }
}

mod laws {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;

    const WORDS: [&str; 9] = ["", "a", "bb\n", "c ", "\n", "100", "x\ny\n", "(z)", "a"];

    #[derive(Debug, Clone)]
    enum Step {
        Edit { who: usize, at: Index, length: usize, word: usize },
        Rewrite { who: usize, words: Vec<usize> },
        Take { who: usize, overlap: Index, side: Index },
        Send { from: usize, to: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        let who = 0..4usize;
        prop_oneof![
            6 => (who.clone(), any::<Index>(), 0..5usize, 0..WORDS.len())
                .prop_map(|(who, at, length, word)| Step::Edit { who, at, length, word }),
            1 => (who.clone(), proptest::collection::vec(0..WORDS.len(), 0..5))
                .prop_map(|(who, words)| Step::Rewrite { who, words }),
            1 => (who.clone(), any::<Index>(), any::<Index>())
                .prop_map(|(who, overlap, side)| Step::Take { who, overlap, side }),
            3 => (who.clone(), who).prop_map(|(from, to)| Step::Send { from, to }),
        ]
    }

    fn change(leaf: &mut Leaf, new: &[u8]) {
        leaf.apply(leaf.edit(new)).unwrap();
        assert_eq!(String::from_utf8_lossy(&leaf.shown().bytes), String::from_utf8_lossy(new));
        assert!(leaf.edit(new).is_empty());
    }

    fn perform(leaves: &mut [Leaf; 4], step: &Step) {
        match step {
            Step::Edit { who, at, length, word } => {
                let text = leaves[*who].shown().bytes;
                let tokens = tokenize(&text);
                let start = at.index(tokens.len() + 1);
                let end = (start + length).min(tokens.len());
                let word = WORDS[*word].as_bytes();
                let new = [&tokens[..start].concat(), word, &tokens[end..].concat()].concat();
                change(&mut leaves[*who], &new);
            }
            Step::Rewrite { who, words } => {
                let text: String = words.iter().map(|word| WORDS[*word]).collect();
                change(&mut leaves[*who], text.as_bytes());
            }
            Step::Take { who, overlap, side } => take(&mut leaves[*who], overlap, side),
            Step::Send { from, to } => {
                let hunks = all_of(&leaves[*from]);
                leaves[*to].apply(hunks).unwrap();
            }
        }
    }

    fn take(leaf: &mut Leaf, overlap: &Index, side: &Index) {
        let shown = leaf.shown();
        if shown.overlaps.is_empty() {
            return;
        }
        let number = overlap.index(shown.overlaps.len());
        let overlap = &shown.overlaps[number];
        let side = side.index(overlap.alternatives.len());
        let bytes = &overlap.alternatives[side].bytes;
        let new = [&shown.bytes[..overlap.start], bytes, &shown.bytes[overlap.end..]].concat();
        leaf.apply(leaf.take(number, side).unwrap()).unwrap();
        assert_eq!(String::from_utf8_lossy(&leaf.shown().bytes), String::from_utf8_lossy(&new));
        assert!(leaf.shown().overlaps.len() < shown.overlaps.len());
    }

    /// Every hunk is in effect, or a side of an overlap, or says what another says, or was put to rest by name.
    fn accounted(leaf: &Leaf) {
        let told: BTreeSet<HunkId> = leaf
            .shown()
            .overlaps
            .iter()
            .flat_map(|overlap| overlap.alternatives.iter().flat_map(|side| side.hunks.clone()))
            .collect();
        let settled: BTreeSet<HunkId> =
            leaf.held.values().flat_map(|held| held.hunk.settles.iter().copied()).collect();
        leaf.resolved(|weave, resolution| {
            let live: BTreeSet<usize> = resolution.live.iter().copied().collect();
            let contest = contest::Contest::new(weave);
            let stands = contest.decide(None);
            for (hunk, id) in weave.ids.iter().copied().enumerate() {
                let known = stands[hunk] || contest.twin[hunk] || told.contains(&id) || settled.contains(&id);
                let silent = resolution
                    .clashes
                    .iter()
                    .any(|clash| clash.overlap.is_none() && clash.hidden.contains(&hunk));
                assert!(known || silent, "{id} is lost");
                assert!(!contest.void[hunk] || settled.contains(&id));
            }
            let taken: BTreeSet<usize> =
                (0..weave.len()).filter(|hunk| stands[*hunk]).flat_map(|hunk| weave.takes(hunk)).collect();
            for token in 0..weave.order.len() {
                let there = weave.owner(token).is_none_or(|owner| stands[owner]);
                assert_eq!(live.contains(&token), there && !taken.contains(&token));
            }
        });
    }

    /// The same leaf, with the engine's order even where it is not needed.
    fn by_engine(leaf: &Leaf) -> Leaf {
        let order = leaf.document().unwrap().order().unwrap();
        Leaf { order, shown: Default::default(), ..leaf.clone() }
    }

    fn batches(base: &Leaf, mut hunks: Vec<Hunk>, picks: &[Index]) -> Leaf {
        let mut leaf = base.clone();
        for pick in picks {
            let hunk = hunks[pick.index(hunks.len())].clone();
            // A hunk whose dependencies are missing is refused and comes again later.
            let _ = leaf.apply([hunk]);
        }
        hunks.reverse();
        leaf.apply(hunks).unwrap();
        leaf
    }

    proptest! {
        #[test]
        fn any_history_converges_and_loses_nothing(
            genesis in "[ab1 \n(]{0,14}",
            steps in proptest::collection::vec(step(), 1..28),
            picks in proptest::collection::vec(any::<Index>(), 0..30),
        ) {
            let base = leaf(&genesis);
            let mut leaves = [base.clone(), base.clone(), base.clone(), base.clone()];
            for step in &steps {
                perform(&mut leaves, step);
            }
            let all = merged(&leaves.each_ref());
            accounted(&all);
            prop_assert_eq!(by_engine(&all).shown(), all.shown());
            let hunks = all_of(&all);
            if !hunks.is_empty() {
                let other = batches(&base, hunks.clone(), &picks);
                prop_assert_eq!(other.shown(), all.shown());
                let mut again = other;
                again.apply(hunks).unwrap();
                prop_assert_eq!(again.shown(), all.shown());
            }
            let shown = all.shown();
            for overlap in &shown.overlaps {
                prop_assert_eq!(&shown.bytes[overlap.start..overlap.end], &overlap.alternatives[0].bytes[..]);
                prop_assert!(overlap.alternatives.len() > 1);
            }
        }
    }
}

mod dishonest {
    use super::*;
    use crate::hunk::Run;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    struct Claim {
        after: Option<(usize, u32)>,
        before: Option<(usize, u32)>,
        deleted: Vec<(usize, u32, u32)>,
        inserted: Vec<Vec<u8>>,
        settles: Vec<usize>,
    }

    fn claim() -> impl Strategy<Value = Claim> {
        let token = || proptest::option::of((0..9usize, 0..4u32));
        let tokens = prop_oneof![Just(b"a".to_vec()), Just(b"\n".to_vec()), Just(b"b\n".to_vec())];
        (
            token(),
            token(),
            proptest::collection::vec((0..9usize, 0..4u32, 1..4u32), 0..3),
            proptest::collection::vec(tokens, 0..3),
            proptest::collection::vec(0..9usize, 0..2),
        )
            .prop_map(|(after, before, deleted, inserted, settles)| Claim {
                after,
                before,
                deleted,
                inserted,
                settles,
            })
    }

    /// What a writer might sign who does not use this code: valid in form, senseless in content.
    fn hunk(claim: &Claim, known: &[HunkId]) -> Hunk {
        let origin =
            |at: usize| known.get(at % (known.len() + 1)).map_or(Origin::Genesis, |id| Origin::Hunk(*id));
        let token = |(at, index)| TokenId { origin: origin(at), index };
        let run = |(at, first, count): &(usize, u32, u32)| Run {
            origin: origin(*at),
            first: *first,
            count: *count,
        };
        Hunk {
            after: claim.after.map(token),
            before: claim.before.map(token),
            deleted: claim.deleted.iter().map(run).collect(),
            inserted: claim.inserted.clone(),
            settles: claim.settles.iter().filter_map(|at| known.get(*at).copied()).collect(),
            nonce: 0,
        }
    }

    proptest! {
        #[test]
        fn senseless_hunks_converge_too(claims in proptest::collection::vec(claim(), 1..16)) {
            let base = leaf("a b\nc\n");
            let mut one = base.clone();
            let mut known = Vec::new();
            for claim in &claims {
                let hunk = hunk(claim, &known);
                if one.apply([hunk.clone()]).is_ok() {
                    known.push(hunk.id(one.id()));
                }
            }
            let all = merged(&[&one]);
            prop_assert_eq!(all.shown(), one.shown());
            let mut edited = all.clone();
            edited.apply(all.edit(b"x\ny\n")).unwrap();
            prop_assert_eq!(edited.shown().bytes, b"x\ny\n");
        }
    }
}
