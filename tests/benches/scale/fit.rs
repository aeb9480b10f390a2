//! How a cost grows: the best-fitting power of the size.

/// The exponent `e` for which `size^e` fits the costs best: the slope of a line through the logarithms of the `(size,
/// cost)` pairs, by least squares. NaN if there are fewer than two sizes, or a cost is not positive.
pub(crate) fn exponent(costs: &[(f64, f64)]) -> f64 {
    let logs: Vec<_> = costs
        .iter()
        .map(|(size, cost)| (size.ln(), cost.ln()))
        .collect();
    let count = logs.len() as f64;
    let mean_x = logs.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = logs.iter().map(|(_, y)| y).sum::<f64>() / count;
    let covariance: f64 = logs.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = logs.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    covariance / variance
}
