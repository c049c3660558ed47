//! Calls of documents in the model: which registers a call writes, by the rules of docs/format and without engine code.
//!
//! The three keys of the model's map are one document: the first says that it exists, the others are its fields `a` and `b`.

use crate::lives::op::{Kind, MAP_KEYS};
use crate::lives::store::Store;
use crate::model::random::Random;

/// The document, as the simulator names them.
pub(super) const ID: &str = "visit 1";
/// Its fields, by their keys in the model.
pub(super) const FIELDS: [&str; MAP_KEYS] = ["", "a", "b"];

/// What a caller asks for.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// A whole document with the fields at these keys.
    Put(Vec<usize>),
    /// The keys of fields, and whether they are set or removed.
    Patch(Vec<(usize, bool)>),
    /// No document any more.
    Delete,
}

impl Call {
    /// Any call.
    pub(super) fn any(random: &mut Random) -> Self {
        let fields = |random: &mut Random| -> Vec<usize> { (1..MAP_KEYS).filter(|_| random.once_in(2)).collect() };
        match random.below(10) {
            0..3 => Self::Put(fields(random)),
            3..5 => Self::Delete,
            _ => {
                let fields = fields(random);
                Self::Patch(fields.into_iter().map(|key| (key, !random.once_in(3))).collect())
            }
        }
    }

    /// The registers that it writes on a store, in order.
    pub(super) fn writes(&self, store: &Store) -> Vec<(Kind, usize)> {
        let stands = |key: usize| store.state.slots[key].entries.iter().any(|entry| entry.put);
        let remove = |key: usize| stands(key).then_some((Kind::Delete, key));
        let begin = |is_new: bool| is_new.then_some((Kind::Put, 0));
        match self {
            Self::Put(fields) => {
                let gone = (1..MAP_KEYS).filter(|key| !fields.contains(key)).filter_map(remove);
                let set = fields.iter().map(|key| (Kind::Put, *key));
                begin(!stands(0)).into_iter().chain(gone).chain(set).collect()
            }
            Self::Patch(fields) => {
                let is_new = !(0..MAP_KEYS).any(stands);
                let change =
                    |(key, is_set): &(usize, bool)| if *is_set { Some((Kind::Put, *key)) } else { remove(*key) };
                begin(is_new).into_iter().chain(fields.iter().filter_map(change)).collect()
            }
            Self::Delete => (1..MAP_KEYS).chain([0]).filter_map(remove).collect(),
        }
    }
}
