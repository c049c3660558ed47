//! What a provider charges for counted requests: list prices, and a month's sum at the rate that was seen.

use crate::Meter;

/// A month of 730 hours, as providers bill it.
pub const MONTH_MS: u64 = 730 * 3_600_000;
/// Providers' gigabyte.
const GB: u64 = 1_000_000_000;
const MILLION: u64 = 1_000_000;

/// A provider's list prices in millionths of a dollar, before anything that an account has free.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// A million requests that write one object.
    pub put: u64,
    /// A million POSTs: deletions of many, multipart uploads.
    pub post: u64,
    /// A million listings.
    pub list: u64,
    /// A million requests that read one object.
    pub get: u64,
    /// A million requests for headers alone.
    pub head: u64,
    /// A million requests that remove one object.
    pub delete: u64,
    /// A GB (10⁹ bytes) stored for a month.
    pub stored: u64,
    /// A GB sent out to the Internet.
    pub received: u64,
    /// The least that a month costs.
    pub least: u64,
}

/// A provider with its prices.
#[derive(Clone, Copy, Debug)]
pub struct Provider {
    /// What people call it, with the region and class that the prices are for.
    pub name: &'static str,
    /// Where the prices stand.
    pub source: &'static str,
    /// The prices.
    pub prices: Prices,
}

/// The providers whose prices are built in. Prices change: `docs/COST.md` says when these were looked up.
pub const PROVIDERS: [Provider; 4] = [
    Provider {
        name: "Amazon S3 Standard, us-east-1",
        source: "https://aws.amazon.com/s3/pricing/",
        prices: Prices {
            put: 5_000_000,
            post: 5_000_000,
            list: 5_000_000,
            get: 400_000,
            head: 400_000,
            delete: 0,
            stored: 23_000,
            received: 90_000,
            least: 0,
        },
    },
    Provider {
        name: "Cloudflare R2 Standard",
        source: "https://developers.cloudflare.com/r2/pricing/",
        prices: Prices {
            put: 4_500_000,
            post: 4_500_000,
            list: 4_500_000,
            get: 360_000,
            head: 360_000,
            delete: 0,
            stored: 15_000,
            received: 0,
            least: 0,
        },
    },
    Provider {
        name: "Backblaze B2",
        source: "https://www.backblaze.com/cloud-storage/transaction-pricing",
        prices: Prices {
            put: 0,
            post: 0,
            list: 4_000_000,
            get: 400_000,
            head: 400_000,
            delete: 0,
            stored: 6_000,
            received: 10_000,
            least: 0,
        },
    },
    Provider {
        name: "Wasabi",
        source: "https://wasabi.com/pricing",
        // No request is charged; less than 1 TB costs as much as 1 TB.
        prices: Prices {
            stored: 6_990,
            least: 6_990_000,
            put: 0,
            post: 0,
            list: 0,
            get: 0,
            head: 0,
            delete: 0,
            received: 0,
        },
    },
];

/// A month's costs, in millionths of a dollar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bill {
    /// Requests.
    pub requests: u64,
    /// Bytes sent out.
    pub transfer: u64,
    /// Bytes stored.
    pub storage: u64,
    /// All of it, or the least that a month costs.
    pub total: u64,
}

/// What a month costs if it goes on as in the `elapsed_ms` in which `meter` was counted, with `stored_bytes` in the bucket.
/// Each part is rounded up. `None` for no time at all: then there is no rate.
pub fn month(meter: &Meter, elapsed_ms: u64, stored_bytes: u64, prices: &Prices) -> Option<Bill> {
    let counted = [
        (meter.put, prices.put),
        (meter.post, prices.post),
        (meter.list, prices.list),
        (meter.get, prices.get),
        (meter.head, prices.head),
        (meter.delete, prices.delete),
    ];
    let product = |count: u64, price: u64| u128::from(count) * u128::from(price);
    let requests = counted.iter().fold(0, |sum: u128, (count, price)| sum.saturating_add(product(*count, *price)));
    let transfer = product(meter.bytes_received, prices.received);
    let storage = product(stored_bytes, prices.stored);
    let a_month =
        |sum: u128, unit: u64| rounded_up(sum.saturating_mul(u128::from(MONTH_MS)), product(elapsed_ms, unit));
    let bill = Bill {
        requests: a_month(requests, MILLION)?,
        transfer: a_month(transfer, GB)?,
        storage: rounded_up(storage, u128::from(GB))?,
        total: 0,
    };
    let sum = bill.requests.saturating_add(bill.transfer).saturating_add(bill.storage);
    Some(Bill { total: sum.max(prices.least), ..bill })
}

fn rounded_up(sum: u128, divisor: u128) -> Option<u64> {
    (divisor > 0).then(|| u64::try_from(sum.div_ceil(divisor)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AWS: Prices = PROVIDERS[0].prices;

    #[test]
    fn a_month_by_hand() {
        // A day of 1,000 PUT, 5,000 GET and 500 LIST, by a calculator: 730/24 days of
        // 1,500 × $0.000005 + 5,000 × $0.0000004 = $0.0095.
        let meter = Meter { put: 1_000, get: 5_000, list: 500, ..Meter::default() };
        let bill = month(&meter, 24 * 3_600_000, 1_000_000, &AWS).unwrap();
        assert_eq!(bill, Bill { requests: 288_959, transfer: 0, storage: 23, total: 288_982 });
    }

    #[test]
    fn bytes_out_and_the_least_of_a_month() {
        let meter = Meter { bytes_received: 2_000_000_000, ..Meter::default() };
        assert_eq!(month(&meter, MONTH_MS, 0, &AWS).unwrap().transfer, 180_000);
        assert_eq!(month(&meter, MONTH_MS, 5_000_000_000, &PROVIDERS[3].prices).unwrap().total, 6_990_000);
        assert_eq!(month(&meter, MONTH_MS, 2_000_000_000_000, &PROVIDERS[3].prices).unwrap().total, 13_980_000);
    }

    #[test]
    fn extremes_end_at_the_greatest_number() {
        let most = u64::MAX;
        let meter = Meter { get: most, put: most, bytes_received: most, ..Meter::default() };
        let prices = Prices { get: most, put: most, received: most, stored: most, ..AWS };
        let bill = month(&Meter { put: 0, ..meter }, 1, most, &Prices { get: 1, ..prices });
        assert_eq!(bill.unwrap().total, most);
        assert_eq!(month(&meter, 0, 0, &AWS), None);
    }
}
