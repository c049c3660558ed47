//! `status --cost`: what this device's requests cost in a month.

use crate::commands::sync::{meter_json, requests};
use crate::exit::Result;
use crate::output::{Lines, Output, one_line, time};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use tidelock::{Error, ErrorKind, Status};
use tidelock_core::cost::{Bill, PROVIDERS, Prices, month};

/// A rate of less than this long says nothing: joining alone makes some twenty requests.
const LEAST_MS: u64 = 3_600_000;
/// Of a file with prices.
const BYTES_MAX: u64 = 64 << 10;
const DAY_MS: f64 = 86_400_000.0;

/// Prints the bills of all providers, and of those that the file has.
pub(crate) fn tell(output: Output, status: &Status, file: Option<&Path>) -> Result {
    let mut prices: Vec<(String, Prices)> =
        PROVIDERS.iter().map(|provider| (provider.name.to_owned(), provider.prices)).collect();
    if let Some(file) = file {
        prices.extend(read(file)?);
    }
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_millis() as u64);
    let from_ms = status.metered_from_ms.unwrap_or(now_ms);
    let elapsed_ms = now_ms.saturating_sub(from_ms);
    // What this device has sent is the most of what is stored that can be its own.
    let bills: Vec<(String, Option<Bill>)> = prices
        .into_iter()
        .map(|(name, prices)| (name, month(&status.meter, elapsed_ms, status.meter.bytes_sent, &prices)))
        .map(|(name, bill)| (name, bill.filter(|_| elapsed_ms >= LEAST_MS)))
        .collect();
    if output.json {
        let mut told = meter_json(&status.meter);
        told["since"] = status.metered_from_ms.map(time).into();
        told["elapsed_s"] = (elapsed_ms / 1_000).into();
        told["month"] = bills
            .into_iter()
            .filter_map(|(name, bill)| Some((name, bill?)))
            .map(|(name, bill)| {
                let Bill { requests, transfer, storage, total } = bill;
                let dollars = |millionths: u64| millionths as f64 / 1e6;
                json!({
                    "provider": name, "requests": dollars(requests), "transfer": dollars(transfer),
                    "storage": dollars(storage), "total": dollars(total), "currency": "USD",
                })
            })
            .collect();
        return output.object(&told);
    }
    let mut lines = Lines::new();
    lines.line(&format!(
        "{}\nin {:.1} days, by this device alone",
        requests(&status.meter),
        elapsed_ms as f64 / DAY_MS
    ))?;
    if elapsed_ms < LEAST_MS {
        lines.line("\nAn hour at least has to pass before there is a rate to reckon with.")?;
        return lines.end();
    }
    lines.line("\nA month at this rate, at list prices, before what an account has free:")?;
    let width = bills.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    lines.line(&format!("{:width$}  {:>10} {:>10} {:>10} {:>10}", "", "requests", "transfer", "storage", "total"))?;
    for (name, bill) in bills.iter().filter_map(|(name, bill)| Some((name, bill.as_ref()?))) {
        let Bill { requests, transfer, storage, total } = *bill;
        let [requests, transfer, storage, total] = [requests, transfer, storage, total].map(dollars);
        let name = one_line(name.as_bytes());
        lines.line(&format!("{name:width$}  {requests:>10} {transfer:>10} {storage:>10} {total:>10}"))?;
    }
    lines.end()
}

/// Millionths of a dollar, as dollars.
fn dollars(millionths: u64) -> String {
    format!("${}.{:04}", millionths / 1_000_000, millionths % 1_000_000 / 100)
}

/// A provider in a file: dollars, as price lists have them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// For a million requests of each kind.
    put: f64,
    post: f64,
    list: f64,
    get: f64,
    head: f64,
    delete: f64,
    /// For a GB and month.
    stored: f64,
    /// For a GB sent out.
    received: f64,
    /// The least that a month costs.
    #[serde(default)]
    least: f64,
}

fn read(file: &Path) -> Result<Vec<(String, Prices)>> {
    let refused = |why: String| {
        Error::new(ErrorKind::Invalid, format!("the prices {why}"))
            .on(file.display().to_string())
            .next_step("docs/COST.md shows the form: a table for each provider, with prices in dollars")
    };
    let mut text = String::new();
    File::open(file)
        .and_then(|opened| opened.take(BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| refused(format!("can't be read: {error}")))?;
    let providers: BTreeMap<String, Written> =
        toml_edit::de::from_str(&text).map_err(|error| refused(format!("have another form: {}", error.message())))?;
    let mut read = Vec::new();
    for (name, written) in providers {
        let Written { put, post, list, get, head, delete, stored, received, least } = written;
        let all = [put, post, list, get, head, delete, stored, received, least];
        if !all.iter().all(|price| (0.0..=1e6).contains(price)) {
            return Err(refused("have one that is not from 0 to 1,000,000 dollars".to_owned()).into());
        }
        let [put, post, list, get, head, delete, stored, received, least] =
            all.map(|price| (price * 1e6).round() as u64);
        read.push((name, Prices { put, post, list, get, head, delete, stored, received, least }));
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_of_a_file_are_dollars() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prices.toml");
        let text =
            "[mine]\nput = 1.5\npost = 0\nlist = 0\nget = 0.36\nhead = 0\ndelete = 0\nstored = 0.015\nreceived = 0\n";
        std::fs::write(&file, text).unwrap();
        let expected = Prices { put: 1_500_000, get: 360_000, stored: 15_000, ..Prices::default() };
        assert_eq!(read(&file).unwrap(), [("mine".to_owned(), expected)]);
        for (from, to) in [("0.36", "-1"), ("0.36", "nan"), ("get = 0.36\n", ""), ("get", "shop"), ("1.5", "'x'")] {
            std::fs::write(&file, text.replace(from, to)).unwrap();
            assert!(read(&file).is_err(), "{to}");
        }
    }

    #[test]
    fn dollars_have_four_places() {
        assert_eq!(
            (dollars(0), dollars(288_982), dollars(6_990_000)),
            ("$0.0000".into(), "$0.2889".into(), "$6.9900".into())
        );
    }
}
