//! Keys that came with a store's address, or as text: taken out, and moved to where secrets belong.

use crate::config::device;
use crate::config::setting::Setting;
use crate::context::Context;
use crate::exit::Result;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::io::Read;
use tidelock::{
    CredentialSource, Credentials, Error, ErrorKind, Options, SavedIn, names_a_key, save_credentials, take_keys,
};
use zeroize::Zeroizing;

/// Keys with a session token of 16 KiB, and an address.
const TEXT_BYTES_MAX: u64 = 64 << 10;

/// The options of the store that is set, else of the one that this device remembers; `None` if neither is there. Keys in an
/// address of the environment serve this run; those in what is remembered are moved at once.
pub(crate) fn named_options(context: &Context) -> Result<Option<Options>> {
    if let Some(store) = context.settings.text(Setting::Store) {
        return context.options_at(store).map(Some);
    }
    let Some(text) = device::read_store(&context.local)?.map(Zeroizing::new) else { return Ok(None) };
    let (store, keys) = take_keys(&text)?;
    let mut options = context.options_at(&store)?;
    options.presign = context.signer()?.map(|signer| signer.presign()).transpose()?;
    if let Some(keys) = keys {
        save(context, &options, &keys)?;
        device::write_store(&context.local, &options.store, context.signer()?)?;
        options.credentials = CredentialSource::Fixed(keys);
    }
    Ok(Some(options))
}

/// Saves keys for a store, and says where.
pub(crate) fn save(context: &Context, options: &Options, keys: &Credentials) -> Result<SavedIn> {
    let saved = save_credentials(options, keys)?;
    context.output.say(&format!("The keys for {} are saved in {}.", options.store, place(&saved)));
    Ok(saved)
}

/// Where saved keys are, for a person.
pub(crate) fn place(saved: &SavedIn) -> String {
    match saved {
        SavedIn::Keyring => "the system's keyring".to_owned(),
        SavedIn::File(path) => format!("{}, for no keyring is there; only you may read that file", path.display()),
    }
}

/// Keys from a text, and the address they came with, if they did: an address with keys in it; `NAME=VALUE` lines with the
/// usual names, in any file's form; or access key, secret key and session token, a line each.
pub(crate) fn read_keys(input: impl Read, name: &str) -> Result<(Option<Zeroizing<String>>, Credentials)> {
    let unreadable = |why: &str| Error::new(ErrorKind::Invalid, format!("the keys can't be read: {why}")).on(name);
    // Of its full size from the start: growing would leave copies behind.
    let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES_MAX as usize + 1));
    input.take(TEXT_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| unreadable(&error.to_string()))?;
    if text.len() as u64 > TEXT_BYTES_MAX {
        return Err(unreadable("there are more than 64 KiB").into());
    }
    let mut store = None;
    let mut parameters = Zeroizing::new(String::with_capacity(4 * TEXT_BYTES_MAX as usize));
    let mut positions = ["access_key", "secret_key", "session_token"].into_iter();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';', '['])) {
        if let Some(at) = line.find("s3://") {
            let (address, keys) = take_keys(unquoted(&line[at..]))?;
            if let Some(keys) = keys {
                return Ok((Some(address), keys));
            }
            store = Some(address);
            continue;
        }
        let named = line.split_once('=').map(|(name, value)| (name.trim().trim_start_matches("export ").trim(), value));
        let (name, value) = match named {
            Some((name, value)) if names_a_key(name) => (name, unquoted(value)),
            // Another setting of the file; a secret ends in `=` at most.
            Some((_, value)) if !value.trim_matches('=').is_empty() => continue,
            _ => (positions.next().ok_or_else(|| unreadable("there are more than three lines"))?, line),
        };
        let separator = if parameters.is_empty() { '?' } else { '&' };
        parameters.push(separator);
        parameters.extend([name, "="]);
        parameters.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    let step = "give access key, secret key and, if there is one, session token, a line each; or a store's address with \
                access_key= and secret_key=";
    match take_keys(&parameters) {
        Ok((_, Some(keys))) => Ok((store, keys)),
        Ok((_, None)) => Err(unreadable("there are none").next_step(step).into()),
        Err(error) => Err(unreadable(error.message()).next_step(error.hint().unwrap_or(step)).into()),
    }
}

/// A value without the quotes and commas that files put around it.
fn unquoted(value: &str) -> &str {
    value.trim().trim_end_matches(',').trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<String>, Credentials) {
        let (store, keys) = read_keys(text.as_bytes(), "test").unwrap();
        (store.map(|store| store.to_string()), keys)
    }

    fn keys(token: Option<&str>) -> Credentials {
        Credentials::new("AKIA", "se/cr+et=", token.map(str::to_owned)).unwrap()
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(read("AKIA\nse/cr+et=\n"), (None, keys(None)));
        assert_eq!(read("AKIA\r\n\r\nse/cr+et=\r\ntok\r\n"), (None, keys(Some("tok"))));
        let profile =
            "[default]\n# mine\naws_access_key_id = AKIA\naws_secret_access_key = se/cr+et=\nregion = eu-west-1\n";
        assert_eq!(read(profile), (None, keys(None)));
        let shell =
            "export AWS_ACCESS_KEY_ID=\"AKIA\"\nexport AWS_SECRET_ACCESS_KEY='se/cr+et='\nAWS_SESSION_TOKEN=tok";
        assert_eq!(read(shell), (None, keys(Some("tok"))));
        let address = "store = \"s3://b-1/p?region=eu-west-1&access_key=AKIA&secret_key=se/cr+et%3D&path_style=true\"";
        let stripped = "s3://b-1/p?region=eu-west-1&path_style=true".to_owned();
        assert_eq!(read(address), (Some(stripped), keys(None)));
        assert_eq!(read("s3://b-1/p\nAKIA\nse/cr+et="), (Some("s3://b-1/p".to_owned()), keys(None)));
    }

    #[test]
    fn what_has_no_pair_is_refused_and_not_repeated() {
        for text in ["", "PLANTED", "aws_secret_access_key=PLANTED", "A\nPLANTED\nt\nx", "A\nPLANTED\u{7f}", "PLAN=TED"]
        {
            let Err(crate::exit::Stop::Error(error)) = read_keys(text.as_bytes(), "test") else { panic!("{text}") };
            assert!(!format!("{error:?}").contains("PLANTED"), "{error:?}");
        }
    }
}
