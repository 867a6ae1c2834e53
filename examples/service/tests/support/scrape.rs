//! Prometheus' text format, read strictly.

use super::PATIENCE;
use super::client::Client;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// The samples of one scrape: by name and labels, as they are written.
#[derive(Debug)]
pub struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    pub async fn of(client: &Client) -> Self {
        Self::parse(&client.get("/metrics").await.body)
    }

    /// # Panics
    ///
    /// If it is not as the format has it: each sample of a family whose type was said, each once, with a number.
    fn parse(text: &str) -> Self {
        let (mut families, mut samples) = (BTreeSet::new(), BTreeMap::new());
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some(family) = line.strip_prefix("# TYPE ") {
                let (name, kind) = family.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert!(families.insert(name.to_owned()), "twice: {line}");
            } else if !line.starts_with("# HELP ") {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = sample.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end))
                    .filter(|family| families.contains(*family))
                    .unwrap_or(name);
                assert!(families.contains(family), "no type: {line}");
                let value = value.parse().unwrap();
                let before = samples.insert(sample.to_owned(), value);
                assert_eq!(before, None, "twice: {line}");
            }
        }
        Self(samples)
    }

    /// The sum of the samples of this name that have all these labels.
    pub fn sum(&self, name: &str, labels: &[&str]) -> f64 {
        let of_name = |sample: &str| sample.split('{').next() == Some(name);
        let has = |sample: &str| labels.iter().all(|label| sample.contains(label));
        let samples = self.0.iter().filter(|(s, _)| of_name(s) && has(s));
        samples.map(|(_, value)| value).sum()
    }

    /// # Panics
    ///
    /// If there is no such sample.
    pub fn value(&self, sample: &str) -> f64 {
        *self.0.get(sample).unwrap_or_else(|| panic!("no {sample}"))
    }
}

/// Waits until a sample has this value.
pub async fn until(client: &Client, sample: &str, value: f64) {
    let deadline = Instant::now() + PATIENCE;
    while Scrape::of(client).await.0.get(sample) != Some(&value) {
        assert!(Instant::now() < deadline, "never: {sample} {value}");
        sleep(Duration::from_millis(2)).await;
    }
}
