//! The recovery code: 160 random bits that a person writes down, in Crockford's base32 with a checksum.

use super::labels::{self, labelled};
use super::secret::secret;
use super::{DeviceSecret, Entropy};
use crate::{Error, ErrorKind, Hash};
use zeroize::Zeroizing;

/// <https://www.crockford.com/base32.html>, without its check symbols.
pub(super) const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const CODE_SYMBOLS: usize = 32;
const CHECK_SYMBOLS: usize = 4;
const SYMBOLS: usize = CODE_SYMBOLS + CHECK_SYMBOLS;
const GROUP_SYMBOLS: usize = 4;
/// No person's way to write 36 symbols needs more.
const TEXT_BYTES_MAX: usize = 256;

secret!(/// Opens the vault without any device. Shown once, when the vault is made.
    pub RecoveryCode, 20);

impl RecoveryCode {
    /// A new code, hedged by the device.
    pub fn generate(device: &DeviceSecret, entropy: &mut dyn Entropy, context: &[u8]) -> Self {
        Self(device.fresh(labels::FRESH_CODE, entropy, &[context]))
    }

    /// As it is shown: nine groups of four symbols, hyphens between.
    pub fn reveal(&self) -> Zeroizing<String> {
        let mut symbols = Zeroizing::new([0; SYMBOLS]);
        let (code, check) = symbols.split_at_mut(CODE_SYMBOLS);
        spread(&self.0, code);
        check.copy_from_slice(&checksum(&self.0));
        let mut out = Zeroizing::new(String::with_capacity(SYMBOLS + SYMBOLS / GROUP_SYMBOLS));
        for (at, symbol) in symbols.iter().enumerate() {
            if at > 0 && at % GROUP_SYMBOLS == 0 {
                out.push('-');
            }
            out.push(char::from(ALPHABET[usize::from(*symbol)]));
        }
        out
    }

    /// Reads a code as people write it: case, spaces and hyphens don't matter, O is 0, I and L are 1.
    ///
    /// # Errors
    /// `invalid` that says whether the length, a symbol or the checksum is wrong; never the text itself.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(refused(format!("recovery code is too long: {} bytes, at most {TEXT_BYTES_MAX}", text.len())));
        }
        let mut symbols = Zeroizing::new(Vec::with_capacity(TEXT_BYTES_MAX));
        for letter in text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-') {
            let symbol = symbol(letter).ok_or_else(|| {
                refused(format!("recovery code has a letter it can't have, at place {}", symbols.len() + 1))
            })?;
            symbols.push(symbol);
        }
        if symbols.len() != SYMBOLS {
            return Err(refused(format!(
                "recovery code has {} letters and digits instead of {SYMBOLS}",
                symbols.len()
            )));
        }
        let (code, check) = symbols.split_at(CODE_SYMBOLS);
        let mut out = Self([0; 20]);
        gather(code, &mut out.0);
        if check != checksum(&out.0) {
            return Err(refused("recovery code has a typing mistake: its checksum does not match"));
        }
        Ok(out)
    }
}

fn refused(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, message).next_step("compare it with the code shown when the vault was made")
}

/// Five bits each of the first 20 bits of BLAKE3 of the labelled code: a slip goes unseen once in a million.
fn checksum(code: &[u8; 20]) -> [u8; CHECK_SYMBOLS] {
    let hash = Hash::of(&Zeroizing::new(labelled(labels::RECOVERY_CHECKSUM, &[code])));
    let bits = u32::from_be_bytes([0, hash.0[0], hash.0[1], hash.0[2]]) >> 4;
    [15, 10, 5, 0].map(|shift| (bits >> shift) as u8 & 31)
}

fn symbol(letter: char) -> Option<u8> {
    let letter = match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        letter => letter,
    };
    let at = ALPHABET.iter().position(|known| char::from(*known) == letter)?;
    u8::try_from(at).ok()
}

/// Each 5 bytes are 8 symbols, the first bits first.
fn spread(bytes: &[u8; 20], symbols: &mut [u8]) {
    for (five, eight) in bytes.chunks_exact(5).zip(symbols.chunks_exact_mut(8)) {
        let bits = five.iter().fold(0u64, |bits, byte| bits << 8 | u64::from(*byte));
        eight.iter_mut().rev().enumerate().for_each(|(at, symbol)| *symbol = (bits >> (5 * at)) as u8 & 31);
    }
}

fn gather(symbols: &[u8], bytes: &mut [u8; 20]) {
    for (five, eight) in bytes.chunks_exact_mut(5).zip(symbols.chunks_exact(8)) {
        let bits = eight.iter().fold(0u64, |bits, symbol| bits << 5 | u64::from(*symbol));
        five.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
}
