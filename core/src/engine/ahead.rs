//! Devices whose clocks are ahead: what they write is data like any other, and a person is told, once a day.

use super::member;
use super::shared::Shared;
use crate::replica::{Logged, Run, SUSPICIOUS_AHEAD_MS};
use crate::s3::date_in_words;
use crate::{DeviceId, Error, ErrorKind};

const DAY_MS: u64 = 24 * 3_600_000;

/// The warning of a device that wrote ops of this run more than 24 h ahead of this device's clock; `None` if it did not, or if
/// the same was said within a day.
pub(super) fn warning(cx: &Shared, device: DeviceId, run: &Run) -> Result<Option<Error>, Error> {
    let unix_ms = cx.read(|state| state.now.unix_ms);
    let Some(ms) = furthest(run).filter(|ms| *ms > unix_ms.saturating_add(SUSPICIOUS_AHEAD_MS)) else {
        return Ok(None);
    };
    let is_news = cx.step(|tx| {
        let now = tx.now;
        let peer = tx.head.peer_mut(device);
        let is_news = peer.clock_told_ms.is_none_or(|told_ms| now.has_passed(told_ms, DAY_MS));
        if is_news {
            peer.clock_told_ms = Some(now.unix_ms);
        }
        Ok(is_news)
    })?;
    if !is_news {
        return Ok(None);
    }
    let name = cx.read(|state| member::names(state, device))?.unwrap_or_else(|| "without a name".to_owned());
    let days = (ms - unix_ms).saturating_add(DAY_MS / 2) / DAY_MS;
    let message = format!(
        "the clock of device `{name}` is ahead of this device's by {days} days: it wrote as of {}",
        date_in_words(ms)
    );
    let step = "set that device's clock, or this one's if it is wrong; until then its writes win over concurrent ones";
    Ok(Some(Error::new(ErrorKind::ClockSkew, message).on(device.to_string()).next_step(step)))
}

/// The greatest ms of a run's ops.
fn furthest(run: &Run) -> Option<u64> {
    let ms = |logged: &Logged| match logged {
        Logged::Op(op) => Some(op.stamp.ms),
        Logged::Void { .. } => None,
    };
    run.ops.iter().filter_map(ms).max()
}
