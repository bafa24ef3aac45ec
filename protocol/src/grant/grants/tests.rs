use super::*;
use crate::feed::project_id;
use crate::founding::FoundingRecord;
use crate::samples::keypair;
use crate::signed::Signed;
use crate::stamp::Stamp;
use cairn_crdt::encoding::Encoded;
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

const FOUNDER: u8 = 1;

fn founding(public: bool) -> Verified<FoundingRecord> {
    let founders = vec![keypair(FOUNDER).key(), keypair(90).key()];
    let record =
        FoundingRecord { name: "r".into(), public, founders, nonce: [0; 16], stamp: Stamp::default() };
    record.sign(&keypair(FOUNDER)).unwrap()
}

fn repo() -> RepoId {
    founding(false).repo()
}

fn project(name: &str) -> ProjectId {
    project_id(repo(), name)
}

/// A grant of everything, to be narrowed by the tests.
fn grant(issuer: u8, subject: u8, parent: Option<&Grant>) -> Grant {
    Grant {
        repo: repo(),
        issuer: keypair(issuer).key(),
        subject: keypair(subject).key(),
        role: Role::Write,
        scope: Scope::All,
        delegable: true,
        depth: parent.map_or(1, |parent| parent.depth + 1),
        not_after_ms: None,
        uses: None,
        parent: parent.map(Grant::id),
        seen: Vec::new(),
        nonce: [0; 16],
    }
}

fn revocation(issuer: u8, target: &Grant, cut: Vec<(FeedId, u64)>) -> Revocation {
    Revocation {
        repo: repo(),
        issuer: keypair(issuer).key(),
        grant: target.id(),
        authority: None,
        cut,
        seen: Vec::new(),
        nonce: [0; 16],
    }
}

fn signed(grant: &Grant, issuer: u8) -> GrantRecord {
    GrantRecord::Grant(Verified::sign_unread(grant.clone(), &keypair(issuer)).into_signed())
}

fn grants(records: &[GrantRecord]) -> Grants {
    let mut grants = Grants::new(&founding(false));
    records.iter().for_each(|record| assert!(grants.add(record.clone()).is_ok()));
    grants
}

fn standing(grants: &Grants, seed: u8, seq: u64, at_ms: u64) -> Standing {
    grants.standing(&keypair(seed).key(), project("p"), seq, at_ms)
}

fn may(grants: &Grants, seed: u8, role: Role, at_ms: u64) -> bool {
    grants.may(&keypair(seed).key(), role, project("p"), at_ms)
}

#[test]
fn founders_are_admins_and_strangers_are_nothing() {
    let grants = grants(&[]);
    assert!(may(&grants, FOUNDER, Role::Admin, u64::MAX) && may(&grants, 90, Role::Admin, 0));
    assert!(!may(&grants, 2, Role::Read, 0));
    assert_eq!(standing(&grants, 2, 1, 0), Standing::Ungranted);
    assert_eq!(standing(&grants, FOUNDER, 1, 0), Standing::Admitted);
    let public = Grants::new(&founding(true));
    assert!(public.may(&keypair(2).key(), Role::Read, project("p"), 0));
    assert!(!public.may(&keypair(2).key(), Role::Write, project("p"), 0));
}

#[test]
fn a1_a_forged_grant_is_refused() {
    let mut all = Grants::new(&founding(false));
    let forged = Signed::from_parts(grant(FOUNDER, 2, None), crate::key::Signature([3; 64]));
    assert_eq!(all.add(GrantRecord::Grant(forged)), Err(Reject::Signature));
    assert_eq!(all.records().count(), 0);
}

#[test]
fn a6_a_grant_of_another_repo_is_refused() {
    let mut all = Grants::new(&founding(true));
    assert_eq!(all.add(signed(&grant(FOUNDER, 2, None), FOUNDER)), Err(Reject::Graft("repo")));
}

#[test]
fn c1_what_was_written_after_the_end_is_held() {
    let first = Grant { not_after_ms: Some(100), ..grant(FOUNDER, 2, None) };
    let second = Grant { not_after_ms: Some(50), ..grant(2, 3, Some(&first)) };
    let grants = grants(&[signed(&first, FOUNDER), signed(&second, 2)]);
    for (seed, end) in [(2, 100), (3, 50)] {
        assert_eq!(standing(&grants, seed, 1, end), Standing::Admitted);
        assert_eq!(standing(&grants, seed, 1, end + 1), Standing::Held(Held::Expired));
        assert!(may(&grants, seed, Role::Write, end) && !may(&grants, seed, Role::Write, end + 1));
    }
}

#[test]
fn c2_every_way_to_give_more_than_one_has_is_refused() {
    let scope = Scope::Project(project("p"));
    let parent = Grant { scope, not_after_ms: Some(100), uses: Some(3), ..grant(FOUNDER, 2, None) };
    let child = Grant { scope, not_after_ms: Some(100), uses: Some(3), ..grant(2, 3, Some(&parent)) };
    let wider = |what| Reject::Grant(GrantError::Wider(what));
    let bad = [
        (Grant { role: Role::Admin, ..child.clone() }, wider("role")),
        (Grant { scope: Scope::All, ..child.clone() }, wider("scope")),
        (Grant { scope: Scope::Project(project("q")), ..child.clone() }, wider("scope")),
        (Grant { not_after_ms: Some(101), ..child.clone() }, wider("end")),
        (Grant { not_after_ms: None, ..child.clone() }, wider("end")),
        (Grant { uses: None, ..child.clone() }, wider("uses")),
        (Grant { uses: Some(4), ..child.clone() }, wider("uses")),
        (Grant { depth: 3, ..child.clone() }, Reject::Grant(GrantError::Chain)),
    ];
    for (bad, refused) in bad {
        let mut grants = grants(&[signed(&parent, FOUNDER)]);
        assert_eq!(grants.add(signed(&bad, 2)), Err(refused));
        assert_eq!(standing(&grants, 3, 1, 0), Standing::Ungranted);
        let mut waiting = Grants::new(&founding(false));
        assert_eq!(waiting.add(signed(&bad, 2)), Ok(Added::Waiting));
        assert_eq!(waiting.add(signed(&parent, FOUNDER)), Ok(Added::New));
        assert_eq!(standing(&waiting, 3, 1, 0), Standing::Ungranted);
    }
    let mut all = grants(&[signed(&parent, FOUNDER)]);
    assert_eq!(all.add(signed(&child, 2)), Ok(Added::New));
    let stranger = grant(5, 6, None);
    assert_eq!(all.add(signed(&stranger, 5)), Err(Reject::Grant(GrantError::Issuer)));
    let stolen = Grant { issuer: keypair(7).key(), ..child.clone() };
    assert_eq!(all.add(signed(&stolen, 7)), Err(Reject::Grant(GrantError::Issuer)));
    let last = Grant { delegable: false, ..child };
    assert_eq!(all.add(signed(&last, 2)), Ok(Added::New));
    let beyond = Grant { scope, not_after_ms: Some(1), uses: Some(1), ..grant(3, 4, Some(&last)) };
    assert_eq!(all.add(signed(&beyond, 3)), Err(Reject::Grant(GrantError::NotDelegable)));
}

#[test]
fn c2_a_chain_ends_at_sixteen_links() {
    let mut all = Grants::new(&founding(false));
    let mut last = grant(FOUNDER, 2, None);
    assert!(all.add(signed(&last, FOUNDER)).is_ok());
    for seed in 2..17 {
        let next = grant(seed, seed + 1, Some(&last));
        assert_eq!(all.add(signed(&next, seed)), Ok(Added::New), "{seed}");
        last = next;
    }
    assert_eq!(last.depth, 16);
    let beyond = grant(17, 18, Some(&last));
    assert_eq!(all.add(signed(&beyond, 17)), Err(Reject::Grant(GrantError::Chain)));
    assert!(Grant::from_bytes(&beyond.to_bytes()).is_err());
    assert_eq!(all.chain(&keypair(17).key()).len(), 16);
}

#[test]
fn a_revocation_ends_what_lies_beyond_its_cut() {
    let first = grant(FOUNDER, 2, None);
    let second = grant(2, 3, Some(&first));
    let feed = |seed: u8| FeedName { repo: repo(), project: project("p"), key: keypair(seed).key() }.id();
    let mut all = grants(&[signed(&first, FOUNDER), signed(&second, 2)]);
    let end = revocation(90, &first, vec![(feed(3), 4)]);
    all.add(end.sign(&keypair(90)).unwrap()).unwrap();
    assert_eq!(standing(&all, 3, 4, 0), Standing::Admitted);
    assert_eq!(standing(&all, 3, 5, 0), Standing::Held(Held::Revoked));
    assert_eq!(standing(&all, 2, 1, 0), Standing::Held(Held::Revoked));
    assert!(!may(&all, 3, Role::Write, 0) && !may(&all, 2, Role::Read, 0));
    let harder = revocation(2, &second, vec![(feed(3), 2)]);
    all.add(harder.sign(&keypair(2)).unwrap()).unwrap();
    assert_eq!(standing(&all, 3, 3, 0), Standing::Held(Held::Revoked));
    assert_eq!(standing(&all, 3, 2, 0), Standing::Admitted);
    let again = Grant { nonce: [1; 16], ..grant(FOUNDER, 3, None) };
    all.add(signed(&again, FOUNDER)).unwrap();
    assert_eq!(standing(&all, 3, 9, 0), Standing::Admitted);
}

#[test]
fn only_those_above_and_admins_revoke() {
    let first = grant(FOUNDER, 2, None);
    let second = grant(2, 3, Some(&first));
    let admin = Grant { role: Role::Admin, ..grant(FOUNDER, 4, None) };
    let narrow = Grant { scope: Scope::Project(project("p")), ..admin.clone() };
    let narrow = Grant { subject: keypair(5).key(), ..narrow };
    let given = [(&first, FOUNDER), (&second, 2), (&admin, FOUNDER), (&narrow, FOUNDER)];
    let all = grants(&given.map(|(grant, issuer)| signed(grant, issuer)));
    let add = |issuer: u8, target: &Grant, authority: Option<GrantId>| {
        let record = Revocation { authority, ..revocation(issuer, target, Vec::new()) };
        all.clone().add(record.sign(&keypair(issuer)).unwrap())
    };
    assert_eq!(add(FOUNDER, &second, None), Ok(Added::New));
    assert_eq!(add(2, &second, None), Ok(Added::New));
    assert_eq!(add(4, &second, Some(admin.id())), Ok(Added::New));
    for (issuer, target, authority) in [
        (3, &second, None),
        (3, &first, Some(second.id())),
        (2, &first, Some(first.id())),
        (6, &first, Some(admin.id())),
        (5, &first, Some(narrow.id())),
    ] {
        let refused = Err(Reject::Grant(GrantError::Revoker));
        assert_eq!(add(issuer, target, authority), refused, "{issuer}");
    }
}

#[test]
fn an_invitation_counts_for_as_many_keys_as_it_says() {
    let invite = Grant { uses: Some(2), ..grant(FOUNDER, 2, None) };
    let joins: Vec<_> =
        (10..14).map(|seed| Grant { delegable: false, ..grant(2, seed, Some(&invite)) }).collect();
    let mut records = vec![signed(&invite, FOUNDER)];
    records.extend(joins.iter().map(|join| signed(join, 2)));
    let all = grants(&records);
    let mut by_name: Vec<_> = joins.iter().map(|join| (join.id(), join.subject)).collect();
    by_name.sort();
    for (place, (_, subject)) in by_name.iter().enumerate() {
        let expected = if place < 2 { Standing::Admitted } else { Standing::Held(Held::Uses) };
        assert_eq!(all.standing(subject, project("p"), 1, 0), expected);
    }
}

#[test]
fn heads_are_what_nobody_has_seen() {
    let first = grant(FOUNDER, 2, None);
    let second = grant(2, 3, Some(&first));
    let third = Grant { seen: vec![second.id()], ..grant(FOUNDER, 4, None) };
    let mut all = grants(&[signed(&first, FOUNDER)]);
    assert_eq!(all.heads(), [first.id()]);
    all.add(signed(&second, 2)).unwrap();
    assert_eq!(all.heads(), [second.id()]);
    all.add(signed(&third, FOUNDER)).unwrap();
    assert_eq!(all.heads(), [third.id()]);
}

/// Records of every sort, good and bad, that stand on each other.
fn scene() -> Vec<GrantRecord> {
    let admin = Grant { role: Role::Admin, ..grant(FOUNDER, 2, None) };
    let invite = Grant { uses: Some(1), not_after_ms: Some(100), ..grant(2, 3, Some(&admin)) };
    let join = |seed| Grant { not_after_ms: Some(90), delegable: false, ..grant(3, seed, Some(&invite)) };
    let wide = Grant { role: Role::Admin, ..grant(3, 6, Some(&invite)) };
    let below = Grant { uses: None, ..grant(6, 7, Some(&wide)) };
    let other = Grant { role: Role::Admin, ..grant(90, 8, None) };
    let last = grant(8, 9, Some(&other));
    let end = |issuer, target: &Grant, authority: Option<&Grant>| {
        let record = revocation(issuer, target, Vec::new());
        Revocation { authority: authority.map(Grant::id), ..record }.sign(&keypair(issuer)).unwrap()
    };
    vec![
        signed(&admin, FOUNDER),
        signed(&invite, 2),
        signed(&join(4), 3),
        signed(&join(5), 3),
        signed(&wide, 3),
        signed(&below, 6),
        signed(&other, 90),
        signed(&last, 8),
        end(2, &other, Some(&admin)),
        end(8, &admin, Some(&other)),
        end(3, &other, Some(&invite)),
    ]
}

/// All that can be asked.
fn verdicts(grants: &Grants) -> (Vec<Standing>, Vec<bool>, Vec<GrantId>, Vec<GrantId>) {
    let seeds = 1..12;
    let times = [0, 95, 200];
    let asked: Vec<_> = seeds.flat_map(|seed| times.map(|at_ms| (seed, at_ms))).collect();
    (
        asked.iter().map(|(seed, at_ms)| standing(grants, *seed, 1, *at_ms)).collect(),
        asked.iter().map(|(seed, at_ms)| may(grants, *seed, Role::Admin, *at_ms)).collect(),
        grants.heads(),
        grants.records().map(GrantRecord::id).collect(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_order_of_adding_decides_nothing(
        chosen in subsequence((0..11).collect::<Vec<usize>>(), 0..=11),
        swaps in proptest::collection::vec((any::<Index>(), any::<Index>()), 20),
    ) {
        let scene = scene();
        let mut shuffled = chosen.clone();
        for (a, b) in swaps {
            if !shuffled.is_empty() {
                let (a, b) = (a.index(shuffled.len()), b.index(shuffled.len()));
                shuffled.swap(a, b);
            }
        }
        let add = |order: &[usize]| {
            let mut grants = Grants::new(&founding(false));
            for &index in order {
                let _ = grants.add(scene[index].clone());
            }
            verdicts(&grants)
        };
        prop_assert_eq!(add(&chosen), add(&shuffled));
    }

    #[test]
    fn c2_nobody_has_more_than_the_one_who_gave_it(
        links in proptest::collection::vec((1u8..4, 0u8..3, any::<bool>(), 0u64..5, 0u8..3), 1..8),
    ) {
        let mut all = Grants::new(&founding(false));
        let mut parent: Option<Grant> = None;
        for (seed, (role, scope, delegable, end, _)) in (2u8..).zip(links) {
            let issuer = if parent.is_some() { seed - 1 } else { FOUNDER };
            let next = Grant {
                role: [Role::Read, Role::Write, Role::Admin][usize::from(role) - 1],
                scope: [Scope::All, Scope::Project(project("p")), Scope::Project(project("q"))]
                    [usize::from(scope)],
                delegable,
                not_after_ms: (end > 0).then_some(end),
                ..grant(issuer, seed, parent.as_ref())
            };
            if all.add(signed(&next, issuer)).is_err() {
                break;
            }
            for (name, role) in ["p", "q"].iter().flat_map(|name| {
                [Role::Read, Role::Write, Role::Admin].map(|role| (*name, role))
            }) {
                for at_ms in 0..7 {
                    let may = |seed: u8| all.may(&keypair(seed).key(), role, project(name), at_ms);
                    prop_assert!(!may(seed) || may(issuer));
                }
            }
            parent = Some(next);
        }
    }
}
