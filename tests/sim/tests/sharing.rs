//! Who is in a shared space, against the rules of the random model of sharing: bits and counters instead of names and maps.

use std::array::from_fn;
use tidelock_core::crypto::{Card, PersonSecret};
use tidelock_core::replica::{Member, Role, Roster, Statements};
use tidelock_core::{DeviceId, MemberId, PersonId, TermId};
use tidelock_sim::random::Random;

const PERSONS: usize = 3;
const OWNERS: usize = 4;

/// The model's roster: terms as bits, revocations as counters by person and owner's device.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Bits {
    terms: u64,
    ended: u64,
    expelled: [[u32; OWNERS]; PERSONS],
    gone: u8,
}

impl Bits {
    fn join(&mut self, other: &Self) {
        (self.terms, self.ended, self.gone) =
            (self.terms | other.terms, self.ended | other.ended, self.gone | other.gone);
        for (mine, theirs) in self.expelled.iter_mut().flatten().zip(other.expelled.iter().flatten()) {
            *mine = (*mine).max(*theirs);
        }
    }
}

/// A term of the model.
struct Granted {
    person: usize,
    write: bool,
    seen: [u32; OWNERS],
}

/// An owner's device: what the model says it knows, and what the code says.
#[derive(Clone, Default)]
struct Device {
    bits: Bits,
    by: [Bits; OWNERS],
    roster: Roster,
    statements: Statements,
}

struct World {
    random: Random,
    cards: [Card; PERSONS],
    granted: Vec<Granted>,
    devices: [Device; OWNERS],
    /// What each device stated at some time: an old statement may be shown again.
    shelf: [Vec<(Bits, Roster)>; OWNERS],
}

fn owner(at: usize) -> DeviceId {
    DeviceId([at as u8 + 1; 16])
}

fn member(at: usize) -> MemberId {
    MemberId([at as u8; 16])
}

/// Rising with the term's number, as the model compares them.
fn term(at: usize) -> TermId {
    TermId((at as u128).to_be_bytes())
}

impl World {
    fn new(seed: u64) -> Self {
        let cards = from_fn(|at| PersonSecret::from_bytes([at as u8; 32]).card("somebody").unwrap());
        let mut world = Self {
            random: Random::new(seed),
            cards,
            granted: Vec::new(),
            devices: Default::default(),
            shelf: Default::default(),
        };
        for at in 0..PERSONS {
            let member = world.member(at);
            world.devices.iter_mut().for_each(|device| {
                device.roster.members.insert(self::member(at), member.clone());
            });
        }
        world
    }

    fn member(&self, at: usize) -> Member {
        Member {
            cards: [self.cards[at].clone()].into(),
            seed: 0,
            chain: Default::default(),
            label: format!("person {at}"),
        }
    }

    fn person(&self, at: usize) -> PersonId {
        self.cards[at].first_of()
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound as u64) as usize
    }

    /// The model's rule: granted, not ended, and by who had seen every revocation.
    fn lives(&self, bits: &Bits, person: usize) -> Vec<usize> {
        let is_live = |at: &usize| {
            let granted = &self.granted[*at];
            granted.person == person
                && bits.terms >> at & 1 == 1
                && bits.ended >> at & 1 == 0
                && granted.seen.iter().zip(bits.expelled[person]).all(|(seen, times)| *seen >= times)
        };
        (0..self.granted.len()).filter(is_live).collect()
    }

    fn grant(&mut self, d: usize, person: usize, write: bool) {
        if self.granted.len() == 60 {
            return;
        }
        let at = self.granted.len();
        let bits = self.devices[d].bits;
        let ends = self.lives(&bits, person);
        self.granted.push(Granted { person, write, seen: bits.expelled[person] });
        let bits = &mut self.devices[d].bits;
        bits.terms |= 1 << at;
        ends.into_iter().for_each(|end| bits.ended |= 1 << end);
        let role = if write { Role::Write } else { Role::Read };
        self.devices[d].roster.grant(term(at), member(person), role, at as u64).unwrap();
    }

    fn revoke(&mut self, d: usize, person: usize) {
        let ends = self.lives(&self.devices[d].bits, person);
        let id = self.person(person);
        let device = &mut self.devices[d];
        ends.into_iter().for_each(|end| device.bits.ended |= 1 << end);
        device.bits.expelled[person][d] += 1;
        device.roster.revoke(id, owner(d), 0);
    }

    /// Says on the shelf all that it knows.
    fn state(&mut self, d: usize) {
        self.refresh(d, Vec::new());
        let device = &self.devices[d];
        if device.bits.gone >> d & 1 == 1 {
            return;
        }
        self.shelf[d].push((device.by[d], device.roster.clone()));
    }

    /// Reads one statement of each of some devices, old ones too, all at once.
    fn read(&mut self, d: usize) {
        let mut heard = Vec::new();
        for from in 0..OWNERS {
            let many = self.shelf[from].len();
            if from != d && many > 0 && self.below(3) > 0 {
                let back = if self.below(3) == 0 { self.below(many) } else { 0 };
                heard.push((from, self.shelf[from][many - 1 - back].clone()));
            }
        }
        self.refresh(d, heard);
    }

    fn refresh(&mut self, d: usize, heard: Vec<(usize, (Bits, Roster))>) {
        let device = &mut self.devices[d];
        // The model.
        let known_gone = device.bits.gone;
        let own = device.bits;
        device.by[d].join(&own);
        for (from, (bits, _)) in heard.iter().filter(|(from, _)| known_gone >> from & 1 == 0) {
            device.by[*from].join(bits);
        }
        let counts = |gone: u8, at: &usize| gone >> at & 1 == 0;
        let gone = (0..OWNERS).filter(|at| counts(known_gone, at)).fold(known_gone, |all, at| all | device.by[at].gone);
        device.bits = Bits { gone, ..Bits::default() };
        for at in (0..OWNERS).filter(|at| counts(gone, at)) {
            let said = device.by[at];
            device.bits.join(&said);
        }
        device.bits.gone = gone;
        // The code.
        let own = (owner(d), device.roster.clone());
        let heard = heard.into_iter().map(|(from, (_, roster))| (owner(from), roster));
        device.statements.take([own].into_iter().chain(heard));
        device.roster = device.statements.joined();
    }

    fn tidy(&mut self, d: usize) {
        let mut ends = Vec::new();
        for person in 0..PERSONS {
            let lives = self.lives(&self.devices[d].bits, person);
            let keep = lives.iter().copied().min_by_key(|at| (self.granted[*at].write, *at));
            ends.extend(lives.into_iter().filter(|at| Some(*at) != keep));
        }
        let device = &mut self.devices[d];
        let mut superfluous = device.roster.superfluous_terms();
        superfluous.sort_unstable();
        let mut expected: Vec<TermId> = ends.iter().copied().map(term).collect();
        expected.sort_unstable();
        assert_eq!(superfluous, expected, "two terms at once: the narrower stays");
        ends.into_iter().for_each(|at| device.bits.ended |= 1 << at);
        superfluous.into_iter().for_each(|id| device.roster.end(id, 0));
    }

    fn agree(&self, d: usize) {
        let device = &self.devices[d];
        for person in 0..PERSONS {
            let expected: Vec<TermId> = self.lives(&device.bits, person).into_iter().map(term).collect();
            let found: Vec<TermId> = device.roster.live_terms(self.person(person)).map(|(id, _)| id).collect();
            assert_eq!(found, expected, "the live terms of person {person} on device {d}");
        }
        let gone: Vec<DeviceId> = (0..OWNERS).filter(|at| device.bits.gone >> at & 1 == 1).map(owner).collect();
        assert_eq!(device.roster.gone.iter().copied().collect::<Vec<_>>(), gone);
    }
}

/// 2,000 schedules of grants, revocations, changes of role, stolen devices, old statements; after each event the two agree.
#[test]
fn the_model_and_the_roster_agree() {
    let (mut two_terms, mut beaten) = (0, 0);
    for seed in 0..2_000 {
        let mut world = World::new(seed);
        for _ in 0..60 {
            let (d, person) = (world.below(OWNERS), world.below(PERSONS));
            // Who is known as revoked by itself has nothing more to say.
            if world.devices[d].bits.gone >> d & 1 == 1 {
                continue;
            }
            match world.below(12) {
                0..=2 => {
                    let write = world.below(2) == 0;
                    world.grant(d, person, write);
                }
                3 => world.revoke(d, person),
                4 if world.below(8) == 0 => {
                    let gone = world.below(OWNERS);
                    if gone != d {
                        world.devices[d].bits.gone |= 1 << gone;
                        world.devices[d].roster.gone.insert(owner(gone));
                        world.refresh(d, Vec::new());
                    }
                }
                5..=7 => world.state(d),
                8 => world.tidy(d),
                _ => world.read(d),
            }
            world.agree(d);
            let bits = world.devices[d].bits;
            let lives = world.lives(&bits, person);
            two_terms += usize::from(lives.len() > 1);
            let stands = |at: &usize| bits.terms >> at & 1 == 1 && bits.ended >> at & 1 == 0;
            let of_person = (0..world.granted.len()).filter(|at| world.granted[*at].person == person && stands(at));
            beaten += usize::from(of_person.count() > lives.len());
        }
    }
    assert!(
        two_terms > 500 && beaten > 500,
        "the schedules are tame: {two_terms} times two terms, {beaten} beaten grants"
    );
}

/// Rosters that devices made apart, joined in any order, any number of times, in any grouping, are one.
#[test]
fn rosters_join_alike_in_any_order() {
    for seed in 0..500 {
        let mut world = World::new(seed);
        for _ in 0..30 {
            let (d, person) = (world.below(OWNERS), world.below(PERSONS));
            match world.below(3) {
                0 => world.grant(d, person, true),
                1 => world.revoke(d, person),
                _ => world.tidy(d),
            }
        }
        // What only liars make: two cards, two labels, two terms of one id, two times.
        let other = world.cards[1].clone();
        let liar = &mut world.devices[3].roster;
        let member = liar.members.get_mut(&member(0)).unwrap();
        member.cards.insert(other);
        (member.label, member.seed) = ("Z".into(), 7);
        liar.terms.values_mut().for_each(|term| term.at_ms += 1);
        liar.ended.values_mut().for_each(|at_ms| *at_ms += 5);

        let rosters: Vec<Roster> = world.devices.iter().map(|device| device.roster.clone()).collect();
        let join = |order: &[usize]| {
            let mut all = Roster::default();
            order.iter().for_each(|at| all.join(&rosters[*at]));
            all
        };
        let expected = join(&[0, 1, 2, 3]);
        let mut order = [0, 1, 2, 3];
        for _ in 0..10 {
            for at in (1..OWNERS).rev() {
                order.swap(at, world.below(at + 1));
            }
            assert_eq!(join(&order), expected, "in the order {order:?}");
        }
        assert_eq!(join(&[2, 2, 0, 3, 1, 0, 3]), expected, "twice");
        let (mut left, mut right) = (join(&[0, 1]), join(&[2, 3]));
        right.join(&left.clone());
        assert_eq!(right, expected, "in groups");
        left.join(&right);
        assert_eq!(left, expected);
    }
}

/// Nothing but the roster decides: not the order of hearing, nor the times.
#[test]
fn a_term_is_live_by_the_roster_alone() {
    let mut world = World::new(0);
    let id = world.person(0);
    world.grant(0, 0, true);
    let granted = world.devices[0].roster.clone();
    assert!(granted.is_live(term(0)));

    let mut revoked = world.devices[1].roster.clone();
    revoked.revoke(id, owner(1), 0);
    let mut both = granted.clone();
    both.join(&revoked);
    assert!(!both.is_live(term(0)), "a revocation beats a grant that had not seen it");
    let mut other_way = revoked.clone();
    other_way.join(&granted);
    assert_eq!(both, other_way);

    both.grant(term(1), member(0), Role::Read, 0).unwrap();
    assert!(both.is_live(term(1)), "a grant that had seen it stands");
    both.join(&granted);
    both.join(&revoked);
    assert!(both.is_live(term(1)), "and stands when both are heard again");
    revoked.revoke(id, owner(2), 0);
    both.join(&revoked);
    assert!(!both.is_live(term(1)), "another device's revocation is another");

    let mut two_cards = granted.clone();
    two_cards.members.get_mut(&member(0)).unwrap().cards.insert(world.cards[1].clone());
    assert!(!two_cards.is_live(term(0)), "a member with two cards has no live term");
    assert!(!granted.is_live(term(9)), "a term that nobody granted");
    let mut ended = granted;
    ended.end(term(0), u64::MAX);
    assert!(!ended.is_live(term(0)), "whenever it was");
}
