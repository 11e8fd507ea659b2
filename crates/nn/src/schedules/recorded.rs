//! Comparison with the rates in `fixtures/schedules`.

use super::Schedule;
use hadal_core::testing::{Fixture, FixtureCase};

/// A recorded constructor call: `StepLR(optimizer, step_size=10, gamma=0.5)`.
pub struct Call<'a> {
    pub case: &'a str,
    /// The optimizer's rate.
    pub lr: f64,
    text: String,
}

impl<'a> Call<'a> {
    pub fn new(case: &'a str, recorded: &FixtureCase) -> Call<'a> {
        Call { case, lr: recorded.attributes.float("lr"), text: recorded.attributes.torch().to_owned() }
    }

    /// What stands behind `name=`.
    fn argument(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(&format!(" {name}="))?;
        let end = if rest.starts_with('[') { "]" } else { "," };
        Some(rest.split(end).next()?.trim_end_matches(')').trim_start_matches('['))
    }

    pub fn number_opt(&self, name: &str) -> Option<f64> {
        self.argument(name)?.parse().ok()
    }

    #[track_caller]
    pub fn number(&self, name: &str) -> f64 {
        self.number_opt(name).unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }

    pub fn numbers(&self, name: &str) -> Vec<f64> {
        let list = self.argument(name).unwrap_or_else(|| panic!("no {name} in {}", self.text));
        list.split(',').map(|number| number.trim().parse().expect("a number")).collect()
    }

    pub fn word(&self, name: &str) -> Option<&str> {
        self.argument(name).map(|word| word.trim_matches('\''))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.argument(name) == Some("True")
    }
}

/// The recorded numbers.
pub fn rates(case: &FixtureCase, name: &str) -> Vec<f64> {
    case.tensors[name].to_vec()
}

/// Compares the rate (and momentum) at every recorded step, to 1e-12 of the largest.
#[track_caller]
pub fn compare(name: &str, schedule: impl Fn(&Call) -> Box<dyn Schedule>) {
    for (label, case) in Fixture::read(&format!("schedules/{name}")).cases {
        let call = Call::new(&label, &case);
        let schedule = schedule(&call);
        let check = |what: &str, got: &dyn Fn(usize) -> f64| {
            let expected = rates(&case, what);
            let limit = 1e-12 * expected.iter().fold(0f64, |m, v| m.max(v.abs()));
            for (step, expected) in expected.into_iter().enumerate() {
                let got = got(step);
                assert!((got - expected).abs() <= limit, "{name}/{label}: {what} {got} at step {step}, not {expected}");
            }
        };
        check("lr", &|step| schedule.lr(call.lr, step));
        if case.tensors.contains_key("momentum") {
            check("momentum", &|step| schedule.momentum(step).expect("the schedule cycles the momentum"));
        }
    }
}
