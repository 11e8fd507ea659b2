//! Definitions computed one number after the other, with derivatives: the plain kernel that fast ones are held to.
//!
//! In single precision every operation is rounded to f32, functions correctly; nothing is fused or reordered. In double
//! precision the same definition is the exact result, as far as f32 is concerned.

/// A number that the tape knows.
#[derive(Clone, Copy)]
pub struct Number(u32);

/// What was computed, and how each number depends on those before it.
pub struct Tape {
    single: bool,
    values: Vec<f64>,
    /// Where the dependencies of each number end.
    ends: Vec<usize>,
    on: Vec<u32>,
    slopes: Vec<f64>,
}

impl Tape {
    pub fn single() -> Tape {
        Tape { single: true, ..Tape::double() }
    }

    pub fn double() -> Tape {
        Tape { single: false, values: Vec::new(), ends: Vec::new(), on: Vec::new(), slopes: Vec::new() }
    }

    /// The value as it can be stored. Sums, products, quotients and roots that are rounded twice are the same as those
    /// that f32 arithmetic gives: f64 has more than twice the digits.
    fn rounded(&self, x: f64) -> f64 {
        if self.single { f64::from(x as f32) } else { x }
    }

    pub fn value(&self, x: Number) -> f64 {
        self.values[x.0 as usize]
    }

    /// A number that depends on no other.
    pub fn leaf(&mut self, value: f64) -> Number {
        self.node(value, [])
    }

    fn node<const N: usize>(&mut self, value: f64, slopes: [(Number, f64); N]) -> Number {
        for (on, slope) in slopes {
            self.on.push(on.0);
            self.slopes.push(self.rounded(slope));
        }
        self.finish(value)
    }

    fn finish(&mut self, value: f64) -> Number {
        self.values.push(self.rounded(value));
        self.ends.push(self.on.len());
        Number(u32::try_from(self.values.len() - 1).expect("a small case"))
    }

    pub fn add(&mut self, a: Number, b: Number) -> Number {
        self.node(self.value(a) + self.value(b), [(a, 1.0), (b, 1.0)])
    }

    pub fn sub(&mut self, a: Number, b: Number) -> Number {
        self.node(self.value(a) - self.value(b), [(a, 1.0), (b, -1.0)])
    }

    pub fn mul(&mut self, a: Number, b: Number) -> Number {
        let (x, y) = (self.value(a), self.value(b));
        self.node(x * y, [(a, y), (b, x)])
    }

    pub fn div(&mut self, a: Number, b: Number) -> Number {
        let (x, y) = (self.value(a), self.value(b));
        let quotient = self.rounded(x / y);
        self.node(quotient, [(a, 1.0 / y), (b, -quotient / y)])
    }

    /// Times a constant.
    pub fn scaled(&mut self, a: Number, factor: f64) -> Number {
        let factor = self.rounded(factor);
        self.node(self.value(a) * factor, [(a, factor)])
    }

    /// Plus a constant.
    pub fn plus(&mut self, a: Number, constant: f64) -> Number {
        self.node(self.value(a) + self.rounded(constant), [(a, 1.0)])
    }

    pub fn exp(&mut self, a: Number) -> Number {
        let y = self.rounded(self.value(a).exp());
        self.node(y, [(a, y)])
    }

    pub fn ln(&mut self, a: Number) -> Number {
        let x = self.value(a);
        self.node(x.ln(), [(a, 1.0 / x)])
    }

    pub fn sqrt(&mut self, a: Number) -> Number {
        let y = self.rounded(self.value(a).sqrt());
        self.node(y, [(a, 0.5 / y)])
    }

    pub fn tanh(&mut self, a: Number) -> Number {
        let y = self.rounded(self.value(a).tanh());
        self.node(y, [(a, 1.0 - self.rounded(y * y))])
    }

    pub fn sigmoid(&mut self, a: Number) -> Number {
        let e = self.rounded((-self.value(a)).exp());
        let y = self.rounded(1.0 / self.rounded(1.0 + e));
        self.node(y, [(a, y * self.rounded(1.0 - y))])
    }

    /// The sum, first to last.
    pub fn sum(&mut self, terms: impl IntoIterator<Item = Number>) -> Number {
        let mut sum = 0.0;
        for x in terms {
            sum = self.rounded(sum + self.value(x));
            self.on.push(x.0);
            self.slopes.push(1.0);
        }
        self.finish(sum)
    }

    /// The sum of products, first to last.
    pub fn dot(&mut self, terms: impl IntoIterator<Item = (Number, Number)>) -> Number {
        let mut sum = 0.0;
        for (a, b) in terms {
            let (x, y) = (self.value(a), self.value(b));
            sum = self.rounded(sum + self.rounded(x * y));
            self.on.extend([a.0, b.0]);
            self.slopes.extend([y, x]);
        }
        self.finish(sum)
    }

    /// The derivative of `Σ seed · number` by every number: each is the sum of what comes from later numbers, last first.
    pub fn gradients(&self, seeds: impl IntoIterator<Item = (Number, f64)>) -> Gradients {
        let mut gradients = vec![0.0; self.values.len()];
        seeds.into_iter().for_each(|(x, seed)| gradients[x.0 as usize] += seed);
        for node in (0..self.values.len()).rev() {
            let (g, start) = (gradients[node], if node == 0 { 0 } else { self.ends[node - 1] });
            if g != 0.0 {
                for edge in start..self.ends[node] {
                    let to = &mut gradients[self.on[edge] as usize];
                    *to = self.rounded(*to + self.rounded(g * self.slopes[edge]));
                }
            }
        }
        Gradients(gradients)
    }
}

/// The derivatives by all numbers of a tape.
pub struct Gradients(Vec<f64>);

impl Gradients {
    pub fn of(&self, x: Number) -> f64 {
        self.0[x.0 as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `f(a, b) = tanh(a·b + √b) / σ(a) + ln(eᵃ + b)`: derivatives by hand and by differences.
    #[test]
    fn derivatives_are_those_of_calculus() {
        let f = |tape: &mut Tape, a: Number, b: Number| {
            let root = tape.sqrt(b);
            let inner = tape.dot([(a, b)]);
            let inner = tape.add(inner, root);
            let (t, s) = (tape.tanh(inner), tape.sigmoid(a));
            let (quotient, e) = (tape.div(t, s), tape.exp(a));
            let inside = tape.sum([e, b]);
            let (log, twice) = (tape.ln(inside), tape.scaled(quotient, 2.0));
            let less = tape.sub(twice, quotient);
            let shifted = tape.plus(less, 7.0);
            let square = tape.mul(log, log);
            let root = tape.sqrt(square);
            tape.add(shifted, root)
        };
        let value = |a: f64, b: f64| {
            let mut tape = Tape::double();
            let (a, b) = (tape.leaf(a), tape.leaf(b));
            let y = f(&mut tape, a, b);
            let gradients = tape.gradients([(y, 1.0)]);
            (tape.value(y), gradients.of(a), gradients.of(b))
        };
        let (a, b, h) = (0.3f64, 1.7f64, 1e-6);
        let (y, by_a, by_b) = value(a, b);
        let exact = (a * b + b.sqrt()).tanh() * (1.0 + (-a).exp()) + 7.0 + (a.exp() + b).ln();
        assert!((y - exact).abs() < 1e-14);
        assert!((by_a - (value(a + h, b).0 - value(a - h, b).0) / (2.0 * h)).abs() < 1e-8);
        assert!((by_b - (value(a, b + h).0 - value(a, b - h).0) / (2.0 * h)).abs() < 1e-8);
    }

    #[test]
    fn single_precision_is_that_of_f32() {
        let mut tape = Tape::single();
        let numbers: Vec<f32> = (1..200).map(|i| 1.0 / i as f32).collect();
        let leaves: Vec<Number> = numbers.iter().map(|&x| tape.leaf(x.into())).collect();
        let dot = tape.dot(leaves.iter().copied().zip(leaves.iter().rev().copied()));
        let expected = numbers.iter().zip(numbers.iter().rev()).fold(0.0f32, |sum, (a, b)| sum + a * b);
        assert_eq!(tape.value(dot), f64::from(expected));
        let quotient = tape.div(leaves[2], leaves[6]);
        assert_eq!(tape.value(quotient), f64::from(numbers[2] / numbers[6]));
    }
}
