//! `feature_dropout`: whole channels zeroed, as neighbours within one agree anyway (Tompson et al. 2015).

use crate::ops::prelude::*;
use crate::random::{Generator, default_generator};

#[fallible]
impl Tensor {
    /// Each channel of `[batch, channel, …]` zeroed with probability `p`, the others divided by `1 − p`; by the default
    /// generator. What `Dropout1d`, `Dropout2d` and `Dropout3d` do.
    pub fn feature_dropout(&self, p: f64) -> Result<Tensor> {
        self.try_feature_dropout_from(default_generator(), p)
    }

    /// [`Tensor::feature_dropout`] by this generator.
    pub fn feature_dropout_from(&self, generator: &Generator, p: f64) -> Result<Tensor> {
        if self.rank() < 2 {
            let message = format!("needs axes [batch, channel, …], got shape {}", self.shape());
            return Err(Error::op("feature_dropout", message));
        }
        let mut shape = vec![1; self.rank()];
        shape[..2].copy_from_slice(&self.shape()[..2]);
        let channels = Tensor::full_with(shape, 1, self.dtype()).try_dropout_from(generator, p)?;
        self.try_mul(channels)
    }
}

pub(crate) fn cases() -> Cases {
    // Random123's known answer for key 0, counter 0: the words are 0.40, 0.88, 0.74 and 0.61 of 2³².
    let x = Tensor::from([[[1.0f64, 2.0], [3.0, 4.0]]]);
    Cases::new("feature_dropout", |_, x| vec![x[0].feature_dropout_from(&Generator::new(0), 0.5)]).with(
        "half",
        "{}",
        &[x],
        &[Tensor::from([[[2.0f64, 4.0], [0.0, 0.0]]])],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_stays_whole() {
        let y = Tensor::ones([64, 16, 3, 5]).feature_dropout_from(&Generator::new(3), 0.25);
        let means = y.mean([2, 3]).to_f64_vec();
        assert!(means.iter().all(|&m| m == 0.0 || (m - 4.0 / 3.0).abs() < 1e-6));
        let dropped = means.iter().filter(|&&m| m == 0.0).count() as f64;
        assert!((dropped - 256.0).abs() < 5.0 * (1024.0f64 * 0.1875).sqrt(), "{dropped} of 1024");
        assert!(Tensor::ones(3).try_feature_dropout(0.5).is_err());
    }
}
